"""A cell on two devices, here two processes of a CPU: the run of one device, bit for bit the same each time."""

import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fitting.flops import Shape
from sweeps import checkpoints, corpora, grid_file, journal
from sweeps import grid as grids
from sweeps.checkpoints import CheckpointError
from sweeps.consultation import Consultation
from sweeps.feeding import validation_loss
from sweeps.launching import RankError
from sweeps.ranks import Rank
from sweeps.run_table import table
from sweeps.running import How, run
from sweeps.sharing import pack
from sweeps.spec import Recipe, RunSpec
from sweeps.student import Paths, Result
from sweeps.training import Interrupted, train

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without distributed")

STEPS, BATCH = 40, 256
RECIPE = Recipe("stdlib", BATCH, 0.02, None, 2000, 1e-4, 1.0, 1e-4, 2048, 2, devices=2)
CLOCK: dict[str, Any] = {"tokens_per_s": 0.0, "mfu": 0.0}


def shape(layers: int) -> Shape:
    return Shape.of_depth(layers, aspect=16, n_heads=2, n_vocab=256, n_ctx=32)


def alone(spec: RunSpec) -> RunSpec:
    """The same cell on one device, its teachers too."""
    teachers = tuple(alone(one) for one in spec.teachers if isinstance(one, RunSpec))
    return replace(spec, recipe=replace(spec.recipe, devices=1), teachers=teachers)


TEACHER = RunSpec("t", "teacher", shape(2), 16, BATCH * STEPS, 0, replace(RECIPE, devices=1))
SUPERVISED = RunSpec("s", "supervised", shape(1), 16, BATCH * STEPS, 0, RECIPE)
DISTILLED = replace(
    SUPERVISED, id="d", role="distilled", teachers=(TEACHER,), consultation=Consultation(lam=0.5, tau=2.0)
)
CACHED = replace(DISTILLED, id="c", consultation=Consultation(signal="top-k", kept=16))
LONG = replace(SUPERVISED, id="long", tokens=BATCH * 4000)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    """Processes that wait for each other must fail a test, not stop the whole suite."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def fail(*_: object) -> None:
        raise TimeoutError("the processes of a cell hang")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(240)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def paths(folder: Path, spec: RunSpec, school: Path | None = None) -> Paths:
    home = folder / spec.id
    home.mkdir(exist_ok=True, parents=True)
    return Paths(
        home / "journal.jsonl",
        home / "state.safetensors",
        home / "model.safetensors",
        tuple((school or folder) / one.id / "model.safetensors" for one in spec.teachers),
        logits=folder / "logits",
    )


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("school")
    train(TEACHER, paths(folder, TEACHER))
    return folder


@pytest.fixture(scope="module")
def whole(school: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Paths, Result]]:
    """Cells run on two devices without interruption: where they are and how they ended."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    found = {}
    for spec in (SUPERVISED, DISTILLED, CACHED):
        where = paths(folder, spec, school)
        found[spec.id] = where, train(spec, where)
    return found


def entries(where: Paths) -> list[journal.Entry]:
    return [replace(entry, **CLOCK) for entry in journal.read(where.journal)]


def ranks() -> list[int]:
    """The processes of cells that this one has started."""
    import multiprocessing

    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


@pytest.mark.parametrize("spec", [SUPERVISED, DISTILLED, CACHED], ids=lambda spec: spec.id)
def test_two_devices_end_where_one_does(
    school: Path, whole: dict[str, tuple[Paths, Result]], tmp_path: Path, spec: RunSpec
) -> None:
    where, result = whole[spec.id]
    one = paths(tmp_path, spec, school)
    expected = train(alone(spec), one)
    assert result.status == "finished"
    assert result.loss == pytest.approx(expected.loss, rel=1e-5)
    assert result.measured == pytest.approx(expected.measured, rel=1e-3)
    for mine, other in zip(entries(where), entries(one), strict=True):
        assert (mine.step, mine.tokens, mine.lr) == (other.step, other.tokens, other.lr)
        assert (mine.flops_training, mine.flops_logits) == (other.flops_training, other.flops_logits)
        for name in ("train_loss", "objective", "val_loss", "kl"):
            values = getattr(mine, name), getattr(other, name)
            assert values == (None, None) or values[0] == pytest.approx(values[1], rel=1e-5)
    weights = [checkpoints.load_model(each.model).state_dict() for each in (where, one)]
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("spec", [SUPERVISED, DISTILLED], ids=lambda spec: spec.id)
def test_interrupted_and_resumed_is_bitwise_uninterrupted(
    school: Path, whole: dict[str, tuple[Paths, Result]], tmp_path: Path, spec: RunSpec
) -> None:
    """Which is also that two runs are one: nothing of the first is used by the second."""
    where = paths(tmp_path, spec, school)
    for updates in (1, 2, 3):
        with pytest.raises(Interrupted, match=f"{spec.id}: stopped after {updates} of 40 steps"):
            train(spec, where, stop=lambda: True)
        header, tensors = checkpoints._read(where.state)
        assert header["step"] == updates
        assert tensors["sums"].shape == (10,)  # each process's own
    train(spec, where)
    assert where.model.read_bytes() == whole[spec.id][0].model.read_bytes()
    assert entries(where) == entries(whole[spec.id][0])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills processes")
def test_a_killed_process_ends_the_others_and_the_run_goes_on(tmp_path: Path) -> None:
    where = paths(tmp_path, LONG)
    killed: list[float] = []

    def kill() -> bool:
        if where.state.exists() and not killed:
            victim = max(ranks())
            os.kill(victim, signal.SIGKILL)
            killed.append(time.monotonic())
        return False

    with pytest.raises(RankError, match=r"process [12] of 2 died \(killed by signal 9, or out of memory\)"):
        train(LONG, where, checkpoint_seconds=0.2, stop=kill)
    assert time.monotonic() - killed[0] < 10
    assert ranks() == []
    before = checkpoints._read(where.state)[0]["step"]
    seen = len(journal.read(where.journal))
    with pytest.raises(Interrupted):
        train(LONG, where, stop=lambda: len(journal.read(where.journal)) > seen)
    assert checkpoints._read(where.state)[0]["step"] > before


def test_an_error_of_a_process_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.safetensors: no usable model"):
        train(DISTILLED, paths(tmp_path, DISTILLED))
    with pytest.raises(RankError, match=r"process [12] of 2:\nTraceback(.|\n)*IsADirectoryError"):
        train(SUPERVISED, replace(paths(tmp_path, SUPERVISED), journal=tmp_path))
    assert ranks() == []


def test_a_run_that_diverges_does_so_everywhere(tmp_path: Path) -> None:
    wild = replace(SUPERVISED, recipe=replace(RECIPE, learning_rate=1e30, clip=1e30))
    where = paths(tmp_path, wild)
    assert train(wild, where, checkpoint_seconds=0.0).status == "diverged"
    assert not where.model.exists()
    assert not where.state.exists()


GRID = """
name = "two"
[corpus]
validation_tokens = 1024
[model]
aspect = 16
n_ctx = 32
[training]
batch_tokens = 128
learning_rate = 0.02
devices = 2
[[teachers]]
layers = 2
tokens = "16K"
[[distilled]]
layers = 1
tokens = "3200"
teachers = "t-L2-16K-s0"
"""

COMMAND = """
import sys
from pathlib import Path
from sweeps.grid import open_grid
from sweeps.running import How, run
run(open_grid(Path(sys.argv[1])), How(workers=1, checkpoint_seconds=0.1))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the process table from /proc")
def test_a_grid_whose_processes_die_with_it_and_that_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "two"
    grid = grids.create(out, grid_file.parse(tomllib.loads(GRID)), corpora.load("stdlib").describe())
    process = subprocess.Popen([sys.executable, "-c", COMMAND, str(out)], stderr=subprocess.DEVNULL)
    try:
        while not list(out.glob("cells/*/state.safetensors")):
            assert process.poll() is None
            time.sleep(0.05)
        family = descendants(process.pid)
    finally:
        process.kill()
    assert len(family) >= 4  # a worker, what starts its processes, and two of them at least
    process.wait()
    while any(alive(pid) for pid in family):
        time.sleep(0.05)

    assert set(grid.states().values()) != {"done"}
    run(grid, How(workers=1, together=2))
    assert set(grid.states().values()) == {"done"}
    for cell, record in zip(grid.spec.cells, table(grid).records, strict=True):
        assert cell.recipe.devices == 2
        expected = train(alone(cell), paths(tmp_path / "alone", cell))
        assert record.loss == pytest.approx(expected.loss, rel=1e-4)
    assert pack([DISTILLED, replace(DISTILLED, id="other")], [], 1, 2) == [DISTILLED]


def alive(pid: int) -> bool:
    return _fields(pid)[:1] not in ([], ["Z"])


def descendants(pid: int) -> list[int]:
    parents = {int(entry.name): _fields(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = [pid]
    for one in found:
        found += [child for child, fields in parents.items() if fields and int(fields[1]) == one]
    return found[1:]


def _fields(pid: int) -> list[str]:
    """State, parent and so on of a process; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


class Both(Rank):
    """Process 0 of two, which knows what the other one would add."""

    def __init__(self, place: int, other: torch.Tensor) -> None:
        super().__init__(place, 2)
        self.other = other

    def total(self, vector: torch.Tensor) -> torch.Tensor:
        self.sent = vector.clone()
        return vector + self.other


def test_the_held_out_loss_is_the_same_to_the_last_bit(school: Path) -> None:
    model = checkpoints.load_model(paths(school, TEACHER).model)
    corpus = corpora.load("stdlib")
    second = Both(1, torch.zeros(4, dtype=torch.float64))
    validation_loss(model, TEACHER, corpus, rank=second)
    assert second.sent.count_nonzero() == 2  # half of four groups
    first = Both(0, second.sent)
    assert validation_loss(model, TEACHER, corpus, rank=first) == validation_loss(model, TEACHER, corpus)


def test_the_shares_of_a_batch_make_it_up() -> None:
    windows = torch.arange(24).view(8, 3)
    parts = [Rank(place, 4).share(windows) for place in range(4)]
    assert all(part.shape == (2, 3) and part.is_contiguous() for part in parts)
    assert sorted(torch.cat(parts).flatten().tolist()) == list(range(24))
    assert Rank().share(windows) is windows
