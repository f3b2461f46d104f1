"""A grid whose cells share forwards, trunks and caches gives the table of one whose cells do not."""

from pathlib import Path

import pytest

from fitting.errors import InputError
from sweeps import corpora, grid_file, machine
from sweeps import grid as grids
from sweeps.grid import Grid
from sweeps.run_table import table
from sweeps.running import How
from sweeps.running import run as run_grid
from sweeps.spec import RunSpec

GRID = """
name = "sharing"
[corpus]
validation_tokens = 2048
[model]
aspect = 16
n_ctx = 32
[training]
batch_tokens = 128
learning_rate = 0.02
schedule = "branches"
warmup_steps = 5
validations = 1
[[teachers]]
layers = 2
tokens = ["4096", "6144"]
[[distilled]]
layers = [1, 2]
tokens = ["2560", "5120"]
teachers = "t-L2-6144-s0"
[[distilled]]
layers = 1
tokens = "5120"
teachers = "t-L2-6144-s0"
signal = "sampled"
keep = 10
[[distilled]]
layers = [1, 2]
tokens = "2560"
pools = [["t-L2-4096-s0", "t-L2-6144-s0"]]
window = [0.0, 0.5]
"""


def run(folder: Path, *, workers: int, together: int) -> Grid:
    path = folder.with_suffix(".toml")
    path.write_text(GRID)
    asked = grid_file.load(path)
    found = grids.create(folder, asked, corpora.load(asked.corpus).describe())
    run_grid(found, How(workers=workers, together=together))
    return found


def left(found: Grid, cell: RunSpec) -> tuple[bytes, bytes]:
    folder = found.cell(cell)
    assert not folder.state.exists()
    return folder.model.read_bytes(), folder.record.read_bytes()


def test_sharing_changes_no_result(tmp_path: Path) -> None:
    apart, shared = run(tmp_path / "apart", workers=2, together=1), run(tmp_path / "shared", workers=1, together=4)
    assert set(apart.states().values()) == {"done"}
    assert [left(apart, cell) for cell in apart.spec.cells] == [left(shared, cell) for cell in shared.spec.cells]
    for found in (apart, shared):
        table(found).write(found.folder / "runs.csv")
    assert (apart.folder / "runs.csv").read_bytes() == (shared.folder / "runs.csv").read_bytes()
    # branches started where their trunks left them
    for cell in apart.spec.cells:
        if cell.id == "d-L1-2560-s0-from-t-L2-6144-s0":
            assert min(_steps(shared, cell)) > cell.branches_at
    (cache,) = (shared.folder / "logits").iterdir()
    assert cache.name.startswith("sampled-10-")
    pools = [record for record in table(shared).records if record.teacher_id == "t-L2-4096-s0+t-L2-6144-s0"]
    assert [record.extras["window"] for record in pools] == ["0:0.5"] * 2
    # a blank would say nothing, and pools pass for single teachers (`fitting.recipes`)
    ways = {(record.kind, record.extras["pool"]) for record in table(shared).records}
    assert ways == {("supervised", None), ("distillation", "one"), ("distillation", "draw")}
    assert all(record.teacher_N is None and record.extras["kl_to_teacher"] > 0 for record in pools)


def _steps(found: Grid, cell: RunSpec) -> list[int]:
    from sweeps import journal

    return [entry.step for entry in journal.read(found.cell(cell).journal)]


@pytest.fixture
def cells() -> tuple[RunSpec, ...]:
    import tomllib

    data = tomllib.loads(GRID)
    data["training"] |= {"precision": "bf16", "compile": True, "devices": 2}
    return grid_file.parse(data).cells


def test_what_this_machine_lacks_is_named_at_once(cells: tuple[RunSpec, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_bf16", lambda: False)
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError) as caught:
        machine.require(cells)
    precision, compile_ = caught.value.faults
    assert precision == '[training] precision: this CPU has no bf16 arithmetic; use precision = "fp32"'
    assert compile_.startswith("[training] compile: torch.compile needs a C++ compiler (g++) here; install it, or use")


def test_more_gpus_than_there_are(cells: tuple[RunSpec, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_bf16", lambda: True)
    monkeypatch.setattr(machine, "_missing_compiler", lambda: None)
    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(machine.torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"\[training\] devices: asks for 2 GPUs and this machine has 1"):
        machine.require(cells)
