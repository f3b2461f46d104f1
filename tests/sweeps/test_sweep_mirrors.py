"""Journals shown in TensorBoard and W&B: the same numbers, the same runs, no process left behind."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import machinery, util
from pathlib import Path
from typing import Any

import pytest

from sweeps import corpora, grid_file, journal, mirrors, working
from sweeps import grid as grids
from sweeps.spec import RunSpec

pytest.importorskip("tensorboard", reason="tensorboard is not installed")
pytest.importorskip("wandb", reason="wandb is not installed")

GRID = """
name = "shown"
[corpus]
validation_tokens = 1024
[model]
n_ctx = 32
[training]
batch_tokens = 128
learning_rate = 0.01
[[teachers]]
layers = 1
tokens = "16K"
[[distilled]]
layers = [1, 2]
tokens = "16K"
teachers = "t-L1-16K-s0"
"""

LONG = GRID.partition("[[teachers]]")[0] + '[[supervised]]\nlayers = 2\ntokens = "128K"\n'


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the grid, run without mirrors."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "grid.toml").write_text(GRID)
    grid = grids.create(folder / "out", grid_file.load(folder / "grid.toml"), corpora.load("stdlib").describe())
    for cell in grid.spec.cells:
        train_here(grid, cell)
    return grid.folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """W&B without a network. Gives the processes that carry this test's mark, W&B's services among them."""
    mark = f"DISTILLAW_TEST={tmp_path}"
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv(*mark.split("=", 1))

    def marked() -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                carries = entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes().split(b"\0")
                if carries and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is another user's
                continue
        return [pid for pid in found if pid != os.getpid()]

    yield marked
    for pid in marked():
        os.kill(pid, signal.SIGKILL)


def command(grid: Path, out: Path, *more: object) -> list[str]:
    arguments = ["sweep", "run", grid, "--out", out, *more]
    return [sys.executable, "-c", "from planner.cli import main; main()", *map(str, arguments)]


def train_here(grid: grids.Grid, cell: RunSpec, logs: tuple[str, ...] = ()) -> None:
    import torch

    threads = torch.get_num_threads()
    try:
        assert working.work(grid, [cell.id], 10.0, lambda: False, logs) == {cell.id: "done"}
    finally:
        torch.set_num_threads(threads)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)


def same_results(out: Path, other: Path, cell: RunSpec) -> None:
    from safetensors.torch import load_file

    one, two = (folder / "cells" / cell.id for folder in (out, other))
    for name in ("record.json", "model.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    weights, others = (load_file(folder / "model.safetensors") for folder in (one, two))
    assert weights.keys() == others.keys()
    assert all(weights[name].equal(others[name]) for name in weights)


def journalled(out: Path, cell: RunSpec) -> dict[int, dict[str, float]]:
    """What a mirror has to show, by step."""
    entries = journal.read(out / "cells" / cell.id / "journal.jsonl")
    return {entry.step: mirrors._values(entry) for entry in entries}


def in_tensorboard(out: Path, cell: RunSpec) -> dict[int, dict[str, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard" / cell.id))
    events.Reload()
    found: dict[int, dict[str, float]] = {}
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            assert name not in found.setdefault(event.step, {}), f"{name} is there twice at step {event.step}"
            found[event.step][name] = event.value
    return found


def wandb_records(path: Path) -> Iterator[Any]:
    """What is in a file of W&B's: LevelDB's log format after 7 bytes of its own, up to where a kill tore it."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        piece = data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind == 0 or len(piece) < size:
            return
        whole = piece if kind in (1, 2) else whole + piece
        if kind in (1, 4):
            yield wandb_internal_pb2.Record.FromString(whole)


@dataclass(frozen=True)
class Told:
    """A run's numbers by step, all steps as they came, its configuration, the exit codes of its sessions."""

    values: dict[int, dict[str, float]]
    steps: list[int]
    config: dict[str, Any]
    codes: list[int]


def in_wandb(out: Path, cell: RunSpec) -> "Told":
    """What W&B's files hold of a cell."""
    found: dict[int, dict[str, float]] = {}
    config: dict[str, Any] = {}
    codes, steps = [], []
    for path in sorted(out.glob(f"wandb/offline-run-*/run-{cell.digest()[:16]}.wandb")):
        for record in wandb_records(path):
            items = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
            values = {name: json.loads(text) for name, text in items.items()}
            if record.WhichOneof("record_type") == "history":
                step = values.pop("trainer/global_step")
                steps.append(step)
                found[step] = {name: value for name, value in values.items() if not name.startswith("_")}
            elif record.WhichOneof("record_type") == "config":
                config |= {item.key: json.loads(item.value_json) for item in record.config.update}
            elif record.WhichOneof("record_type") == "run":
                assert record.run.project == "shown"
                assert record.run.display_name == cell.id
            elif record.WhichOneof("record_type") == "exit":
                codes.append(record.exit.exit_code)
    return Told(found, steps, config, codes)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the process table from /proc")
def test_mirrors_show_what_the_journals_say_and_change_nothing(
    plain: Path, tmp_path: Path, offline: Callable[[], list[int]]
) -> None:
    out = tmp_path / "out"
    more = ["--log", "tensorboard", "--log", "wandb", "--workers", 2, "--together", 2]
    done = subprocess.run(command(plain.parent / "grid.toml", out, *more), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    assert "wandb" not in done.stderr.lower()
    wait_until(lambda: not offline(), "the end of W&B's services")

    for cell in grids.open_grid(out).spec.cells:
        same_results(out, plain, cell)
        asked = journalled(out, cell)
        assert len(asked) == 32
        shown = in_tensorboard(out, cell)
        assert shown.keys() == asked.keys()
        for step, values in asked.items():
            assert shown[step] == pytest.approx(values, rel=1e-6)  # TensorBoard keeps 32 bits
        told = in_wandb(out, cell)
        assert told.values == asked
        assert told.steps == list(asked)
        assert told.codes == [0]
        about = {
            "N": cell.N,
            "D": cell.tokens,
            "role": cell.role,
            "teachers": ", ".join(teacher.id for teacher in cell.teachers),
            "learning_rate": cell.learning_rate,
            "seed": cell.seed,
        }
        assert about.items() <= told.config.items()
        assert f"N: {cell.N}\n" in (out / "tensorboard" / cell.id / "hparams.yaml").read_text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the process table from /proc")
def test_stopped_and_killed_nothing_is_left_behind_and_no_step_is_shown_twice(
    tmp_path: Path, offline: Callable[[], list[int]]
) -> None:
    (tmp_path / "long.toml").write_text(LONG)
    out = tmp_path / "out"
    asked = command(
        tmp_path / "long.toml", out, "--log", "tensorboard", "--log", "wandb", "--workers", 1, "--checkpoint-every", 0.3
    )

    def entries() -> int:
        return len(list(out.glob("cells/*/journal.jsonl")) and journal.read(next(out.glob("cells/*/journal.jsonl"))))

    # (the last seconds before a kill may be missing in W&B's files: they are written by its own process)
    for number in (signal.SIGTERM, signal.SIGKILL):
        before = entries()
        process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda before=before: entries() > before + 3, "a few entries")  # type: ignore[misc]
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
        assert process.returncode == (3 if number == signal.SIGTERM else -9), err
        wait_until(lambda: not offline(), f"the end of all processes after {number.name}")
        if number == signal.SIGTERM:  # all that was logged until then is there
            (cell,) = grids.open_grid(out).spec.cells
            assert in_wandb(out, cell).steps == list(journalled(out, cell))

    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not offline(), "the end of W&B's service")
    (cell,) = grids.open_grid(out).spec.cells
    expected = journalled(out, cell)
    assert in_tensorboard(out, cell).keys() == expected.keys()
    told = in_wandb(out, cell)
    for step, values in told.values.items():
        assert values["train_loss"] == expected[step]["train_loss"]
    assert told.codes[0] != 0  # stopped is not finished
    assert told.codes[-1] == 0
    assert max(told.values) == cell.steps


def test_a_mirror_that_cannot_be_written_harms_no_run(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = grid_file.load(plain.parent / "grid.toml")
    grid = grids.create(tmp_path / "out", asked, corpora.load("stdlib").describe())
    (grid.folder / "tensorboard").write_text("a file where a folder should be")
    monkeypatch.setattr(mirrors, "_given_up", set())
    for cell in asked.cells[:2]:
        train_here(grid, cell, ("tensorboard",))
        same_results(grid.folder, plain, cell)
        assert len(journalled(grid.folder, cell)) == 32
    (said,) = [record.getMessage() for record in caplog.records if record.name == "sweeps.mirrors"]
    assert said.startswith("warning: --log tensorboard: ")
    assert said.endswith("this process goes on without it, journals are complete")


class Broken:
    """A logger, and a run of W&B's, that fails in one of its ways."""

    def __init__(self, when: str) -> None:
        self._when = when
        self.experiment = self
        self.log_hyperparams = self.define_metric = self.flush = self._fine
        self.log_metrics = self._broken if when == "written to" else self._fine
        self.finalize = self.finish = self._broken if when == "closed" else self._fine

    def opened(self, *_: object, **__: object) -> "Broken":
        if self._when == "opened":
            self._broken()
        return self

    def _fine(self, *_: object, **__: object) -> None: ...

    def _broken(self, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("when", ["opened", "written to", "closed"])
def test_a_mirror_that_fails_is_given_up_with_one_warning(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    broken = Broken(when)
    monkeypatch.setattr(mirrors, "_given_up", set())
    monkeypatch.setattr("wandb.init", broken.opened)
    for name in ("TensorBoardLogger", "WandbLogger"):
        monkeypatch.setattr(f"lightning.pytorch.loggers.{name}", broken.opened)
    cell = grids.open_grid(plain).spec.cells[0]
    entries = journal.read(plain / "cells" / cell.id / "journal.jsonl")
    with caplog.at_level(logging.WARNING):
        for number in range(2):
            path = tmp_path / f"{number}.jsonl"
            shown = mirrors.journal(path, cell, 0, mirrors.Mirrors(mirrors.NAMES, tmp_path, "grid"))
            for entry in entries:
                shown.append(entry)
            shown.close()
            assert journal.read(path) == entries
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    for name, line in zip(mirrors.NAMES, said, strict=True):
        assert line == (
            f"warning: --log {name}: [Errno 28] No space left on device; "
            "this process goes on without it, journals are complete"
        )


def test_what_cannot_be_shown_is_refused_before_anything_runs(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distillaw: Any
) -> None:
    find = util.find_spec

    def without_wandb(name: str, *more: Any) -> machinery.ModuleSpec | None:
        return None if name == "wandb" else find(name, *more)

    monkeypatch.setattr(mirrors, "find_spec", without_wandb)
    grid, out = plain.parent / "grid.toml", tmp_path / "out"
    answer = distillaw("sweep", "run", grid, "--out", out, "--log", "mlflow", "--log", "wandb")
    assert answer.code == 2
    assert answer.err.splitlines() == [
        "error: --log mlflow: is none of tensorboard, wandb",
        "error: --log wandb: is not installed: pip install 'distillaw[wandb]' (see docs/faq.md#mirrors)",
    ]
    assert not out.exists()
    assert distillaw("sweep", "retry", plain, "--log", "mlflow").code == 2
