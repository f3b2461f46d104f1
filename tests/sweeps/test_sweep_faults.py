"""Full disks, damaged files, losses that are no numbers, two runs at once, cells that kill their process: nothing is
lost, nothing is done twice, and what ends has the bits of a run that nothing disturbed."""

import json
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fitting.records import RunTable
from sweeps import corpora, files, grid_file, journal
from sweeps import grid as grids
from sweeps.executors.local import Local
from sweeps.journal import Journal
from sweeps.queueing import run_cells
from sweeps.student import Student

GRID = """
name = "faults"
[corpus]
validation_tokens = 1024
[model]
aspect = 16
n_ctx = 32
[training]
batch_tokens = 160
learning_rate = 0.01
[[teachers]]
layers = 1
tokens = "8K"
[[supervised]]
layers = 2
tokens = "16K"
[[distilled]]
layers = [1, 2]
tokens = "8K"
teachers = "t-L1-8K-s0"
"""
TEACHER, SUPERVISED = "t-L1-8K-s0", "s-L2-16K-s0"
STUDENTS = "d-L1-8K-s0-from-t-L1-8K-s0", "d-L2-8K-s0-from-t-L1-8K-s0"

Same = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grid") / "faults.toml"
    path.write_text(GRID)
    return path


@pytest.fixture
def whole(grid: Path, processes: Any) -> Path:
    """The folder of the grid, run without interruption."""
    out = grid.parent / "whole"
    if not out.exists():
        done = processes.run("run", grid, "--out", out)
        assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk of our own to fill: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)  # a traceback that pytest keeps may hold a file open


def fill(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


class TestAFullDisk:
    @pytest.mark.usefixtures("workers_here")
    @pytest.mark.parametrize("name", ["state.safetensors", "journal.jsonl", "model.safetensors", "record.json"])
    def test_whatever_is_written(
        self,
        grid: Path,
        whole: Path,
        small_disk: Path,
        monkeypatch: pytest.MonkeyPatch,
        distillaw: Any,
        assert_the_same: Same,
        name: str,
    ) -> None:
        out, write, append = small_disk / "out", files.write, Journal.append
        seconds = 1e6 if name == "journal.jsonl" else 0.02  # its last page has room for some lines more

        def write_when_full(path: Path, content: bytes) -> None:
            if path.name == name:
                fill(small_disk)
            write(path, content)

        def append_when_full(log: Journal, entry: journal.Entry) -> None:
            if name == "journal.jsonl" and entry.step > 20:
                fill(small_disk)
            append(log, entry)

        with monkeypatch.context() as patched:
            patched.setattr(files, "write", write_when_full)
            patched.setattr(Journal, "append", append_when_full)
            answer = distillaw("sweep", "run", grid, "--out", out, "--workers", 1, "--checkpoint-every", seconds)
        assert answer.code == 3, answer.err
        assert "Traceback" not in answer.err
        assert any("No space left on device" in line and f"/{name}'" in line for line in answer.err.splitlines())
        assert not list(out.rglob("*.partial"))
        again = distillaw("sweep", "run", grid, "--out", out, "--workers", 1)
        assert (again.code, "Traceback" in again.err) == (2, False)  # still full: said before anything starts
        (small_disk / "filler").unlink()
        done = distillaw("sweep", "run", grid, "--out", out, "--workers", 1)
        assert done.code == 0, done.err
        assert_the_same(out, whole)

    def test_of_workers(self, grid: Path, whole: Path, small_disk: Path, processes: Any, assert_the_same: Same) -> None:
        """In processes of their own: what they cannot write down they say."""
        out = small_disk / "out"
        process = processes.start("run", grid, "--out", out, "--checkpoint-every", 0.01)
        processes.wait_until(lambda: list(out.glob("cells/*/state.safetensors")), "a state")
        fill(small_disk)
        _, err = processes.end_of(process)
        assert process.returncode == 3, err
        assert "No space left on device" in err
        assert f"{out}/cells/" in err
        (small_disk / "filler").unlink()
        done = processes.run("run", grid, "--out", out)
        assert done.returncode == 0, done.stderr
        assert_the_same(out, whole)

    def test_that_cannot_be_written_at_all(self, grid: Path, whole: Path, small_disk: Path, distillaw: Any) -> None:
        out = small_disk / "out"
        shutil.copytree(whole, out)
        (out / "cells" / SUPERVISED / "record.json").unlink()
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        assert distillaw("sweep", "status", out).code == 0
        answer = distillaw("sweep", "run", grid, "--out", out)
        assert (answer.code, "Read-only file system" in answer.err, "Traceback" in answer.err) == (2, True, False)


class TestDamage:
    @pytest.mark.usefixtures("workers_here")
    def test_of_a_state_and_a_journal(
        self, grid: Path, whole: Path, tmp_path: Path, distillaw: Any, assert_the_same: Same, caplog: Any
    ) -> None:
        out = tmp_path / "out"
        stopped_half_way(grid, out)
        folder = out / "cells" / SUPERVISED
        torn = folder / "journal.jsonl"
        torn.write_bytes(torn.read_bytes()[:700] + bytes(512))
        shutil.copytree(out, tmp_path / "other")
        assert distillaw("sweep", "run", grid, "--out", out, "--workers", 1).code == 0
        assert_the_same(out, whole)

        out = tmp_path / "other"
        state = out / "cells" / SUPERVISED / "state.safetensors"
        content = bytearray(state.read_bytes())
        content[-999] ^= 4
        state.write_bytes(content)
        assert distillaw("sweep", "run", grid, "--out", out, "--workers", 1).code == 0
        assert f"{state}: its checksum does not match; kept as state.safetensors.damaged" in caplog.text
        assert state.with_name("state.safetensors.damaged").read_bytes() == content
        assert_the_same(out, whole)

    @pytest.mark.usefixtures("workers_here")
    def test_of_a_teacher(self, grid: Path, whole: Path, tmp_path: Path, distillaw: Any, assert_the_same: Same) -> None:
        """Its students say what to do, and that helps."""
        out = tmp_path / "out"
        made = grids.create(out, grid_file.load(grid), corpora.load("stdlib").describe())
        run_cells(made, lambda _: Local(made, 1, 10.0), only={TEACHER})
        model = out / "cells" / TEACHER / "model.safetensors"
        content = bytearray(model.read_bytes())
        content[-99] ^= 1
        model.write_bytes(content)
        answer = distillaw("sweep", "run", grid, "--out", out, "--workers", 1)
        assert answer.code == 3
        assert "2 of 4 cells failed" in answer.err
        remedy = f"its checksum does not match); remove {model.parent}, and `sweep run` trains it again"
        for student in STUDENTS:
            assert f"{student}: {model}: no usable model ({remedy}" in answer.err
        shutil.rmtree(model.parent)
        assert distillaw("sweep", "run", grid, "--out", out, "--workers", 1).code == 0
        assert_the_same(out, whole)

    @pytest.mark.usefixtures("workers_here")
    @pytest.mark.parametrize("left", ["grid.json.77.partial", "grid.json", "a cell"])
    def test_of_a_grid_that_was_killed_while_it_was_laid_out(
        self, grid: Path, whole: Path, tmp_path: Path, distillaw: Any, assert_the_same: Same, left: str
    ) -> None:
        out = tmp_path / "out"
        out.mkdir()
        (out / ".lock").touch()
        (out / left).write_bytes((whole / "grid.json").read_bytes()) if left != "a cell" else None
        if left == "a cell":
            shutil.copy(whole / "grid.json", out)
            (out / "cells" / TEACHER).mkdir(parents=True)
            (out / "cells" / TEACHER / "spec.json.77.partial").write_text("{")
        assert distillaw("sweep", "run", grid, "--out", out, "--workers", 1).code == 0
        assert_the_same(out, whole)

    def test_that_a_kill_leaves_behind_a_record_is_tidied_up(
        self, grid: Path, whole: Path, tmp_path: Path, distillaw: Any, assert_the_same: Same
    ) -> None:
        out = tmp_path / "out"
        shutil.copytree(whole, out)
        (out / "cells" / SUPERVISED / "state.safetensors").write_bytes(b"of a kill after the record")
        (out / "cells" / SUPERVISED / "state.safetensors.77.partial").write_bytes(b"of a trunk that was killed")
        assert distillaw("sweep", "run", grid, "--out", out).code == 0
        assert_the_same(out, whole)


def stopped_half_way(grid: Path, out: Path) -> None:
    """Everything is done but the supervised cell, which has a state and some of its journal."""
    made = grids.create(out, grid_file.load(grid), corpora.load("stdlib").describe())
    run_cells(made, lambda _: Local(made, 1, 10.0), only={TEACHER, *STUDENTS})
    from sweeps import working

    log = out / "cells" / SUPERVISED / "journal.jsonl"
    assert working.work(made, [SUPERVISED], 1e9, lambda: len(journal.read(log)) >= 9) == {SUPERVISED: "preempted"}


@pytest.mark.usefixtures("workers_here")
def test_a_loss_that_is_no_number(
    grid: Path, whole: Path, tmp_path: Path, distillaw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flagged with its step, never fitted, nothing is learned from it; the others go on."""
    out, loss = tmp_path / "out", Student.loss

    def poisoned(student: Student, inputs: torch.Tensor, *rest: Any) -> Any:
        found = loss(student, inputs, *rest)
        if student.spec.id == TEACHER:
            poisoned.steps += 1  # type: ignore[attr-defined]
            if poisoned.steps > 30:  # type: ignore[attr-defined]
                found.cross_entropy.fill_(math.nan)
        return found

    poisoned.steps = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(Student, "loss", poisoned)
    answer = distillaw("sweep", "run", grid, "--out", out, "--workers", 1, "--json")
    assert answer.code == 0, answer.err
    assert f"{TEACHER}: diverged" in answer.err
    cells = {cell["id"]: cell for cell in json.loads(answer.out)["cells"]}
    assert {name: cell["state"] for name, cell in cells.items()} == {
        TEACHER: "diverged",
        SUPERVISED: "done",
        STUDENTS[0]: "blocked",
        STUDENTS[1]: "blocked",
    }
    assert {name: cell["diverged_at"] for name, cell in cells.items() if cell["diverged_at"]} == {TEACHER: 32}
    assert "diverged at step 32" in distillaw("sweep", "status", out).out
    assert not (out / "cells" / TEACHER / "model.safetensors").exists()
    for name in ("record.json", "model.safetensors"):
        assert (out / "cells" / SUPERVISED / name).read_bytes() == (whole / "cells" / SUPERVISED / name).read_bytes()
    collected = distillaw("sweep", "collect", out, "--out", tmp_path / "runs.csv")
    assert "1 of them diverged; fits leave them out" in collected.err
    statuses = {record.run_id: record.status for record in RunTable.read(tmp_path / "runs.csv").records}
    assert statuses == {TEACHER: "diverged", SUPERVISED: "finished"}
    # nor is that a failure to try again
    assert f"Nothing in {out} has failed" in distillaw("sweep", "retry", out).out


class TestTwoRuns:
    def test_at_once(self, grid: Path, whole: Path, tmp_path: Path, processes: Any, assert_the_same: Same) -> None:
        """One is refused, the other works; killed, it leaves orphans that are still ending when the next two start."""
        out = tmp_path / "out"
        for _ in range(3):
            two = [processes.start("run", grid, "--out", out, "--checkpoint-every", 0.05) for _ in range(2)]
            processes.wait_until(lambda two=two: any(one.poll() is not None for one in two), "one to be refused")
            refused, other = two if two[0].poll() is not None else two[::-1]
            _, err = processes.end_of(refused)
            assert refused.returncode == 2, err
            assert err.strip() == f"error: --out: another `sweep run` is at work in {out}; wait for it, or stop it"
            workers = processes.workers(other)
            other.kill()
            processes.end_of(other)
        done = processes.run("run", grid, "--out", out)
        assert done.returncode == 0, done.stderr
        assert not any(processes.alive(pid) for pid in workers)
        assert_the_same(out, whole)
        for log in out.glob("cells/*/journal.jsonl"):
            entries = [json.loads(line) for line in log.read_text().splitlines()]
            told = {(entry["step"], entry["train_loss"], entry["val_loss"]) for entry in entries}
            assert len(told) == len(journal.read(log))  # a step that was taken again went as before

    def test_an_orphan_that_takes_its_time(
        self, grid: Path, whole: Path, tmp_path: Path, processes: Any, assert_the_same: Same
    ) -> None:
        out = tmp_path / "out"
        first = processes.start("run", grid, "--out", out, "--checkpoint-every", 0.05, "--workers", 1)
        processes.wait_until(lambda: list(out.glob("cells/*/state.safetensors")), "a state")
        (orphan,) = processes.workers(first)
        os.kill(orphan, signal.SIGSTOP)
        first.kill()
        first.wait()
        assert processes.alive(orphan)
        second = processes.start("run", grid, "--out", out, "--workers", 1)
        time.sleep(4)
        assert second.poll() is None
        assert processes.workers(second) == []  # it waits
        os.kill(orphan, signal.SIGCONT)
        _, err = processes.end_of(second)
        assert second.returncode == 0, err
        assert_the_same(out, whole)


# a process dies when it opens the journal of one of these cells
KILLER = """
import os
import signal
import sys

victims = os.environ["VICTIMS"].split()

def hook(event, args):
    if event == "open" and args[1] == "a" and any(f"/{victim}/journal.jsonl" in str(args[0]) for victim in victims):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""


def test_cells_that_kill_their_process(
    grid: Path, whole: Path, tmp_path: Path, processes: Any, distillaw: Any, assert_the_same: Same
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLER)
    deadly = {"PYTHONPATH": str(tmp_path / "site"), "VICTIMS": f"{STUDENTS[0]} {SUPERVISED}"}
    out = tmp_path / "out"
    ended = processes.run("run", grid, "--out", out, "--together", 2, **deadly)
    assert ended.returncode == 3
    assert "2 of 4 cells failed" in ended.stderr
    states = grids.open_grid(out).states()
    # the other student was in the same process the first time
    assert states == {TEACHER: "done", SUPERVISED: "failed", STUDENTS[0]: "failed", STUDENTS[1]: "done"}
    for name in (SUPERVISED, STUDENTS[0]):
        error = out / "cells" / name / "error.txt"
        said = "its process died (killed, or out of memory) 3 times, and got no further in between"
        assert error.read_text() == said + "\n"
        assert f"{name}: {said} (see {error})" in ended.stderr

    # a cell that is gone costs its students nothing but time
    shutil.rmtree(out / "cells" / TEACHER)
    shutil.rmtree(out / "cells" / STUDENTS[1])
    grids.create(out, grid_file.load(grid), corpora.load("stdlib").describe())
    (out / "cells" / TEACHER / "error.txt").write_text("removed by hand\n")
    assert set(grids.open_grid(out).failed()) == {TEACHER, SUPERVISED, *STUDENTS}
    changed = tmp_path / "changed.toml"
    changed.write_text(GRID.replace("0.01", "0.02"))
    refused = distillaw("sweep", "run", changed, "--out", out)
    assert (refused.code, "recipe.learning_rate: 0.01 then, 0.02 now" in refused.err) == (2, True)
    assert distillaw("sweep", "status", out).code == 0

    again = processes.run("retry", out)
    assert again.returncode == 0, again.stderr
    assert_the_same(out, whole)


class TestRetry:
    @pytest.mark.usefixtures("workers_here")
    def test_runs_what_failed_and_what_waited_for_it(
        self, grid: Path, whole: Path, tmp_path: Path, distillaw: Any, assert_the_same: Same
    ) -> None:
        out = tmp_path / "out"
        made = grids.create(out, grid_file.load(grid), corpora.load("stdlib").describe())
        made.cell(made.spec.cells[0]).error.write_text("the network was away\n")
        answer = distillaw("sweep", "retry", out, "--json")
        assert answer.code == 0, answer.err
        states = {cell["id"]: cell["state"] for cell in json.loads(answer.out)["cells"]}
        assert states == {TEACHER: "done", STUDENTS[0]: "done", STUDENTS[1]: "done", SUPERVISED: "planned"}
        assert distillaw("sweep", "run", grid, "--out", out, "--workers", 1).code == 0
        assert_the_same(out, whole)

    @pytest.mark.usefixtures("workers_here")
    def test_does_not_wait_for_a_trunk_that_is_not_to_run(self, tmp_path: Path, distillaw: Any) -> None:
        path, out = tmp_path / "branches.toml", tmp_path / "out"
        schedule = 'learning_rate = 0.01\nschedule = "branches"\nwarmup_steps = 4'
        path.write_text(GRID.replace("learning_rate = 0.01", schedule).replace('"16K"', '["4K", "16K"]'))
        made = grids.create(out, grid_file.load(path), corpora.load("stdlib").describe())
        branch = next(cell for cell in made.spec.cells if cell.id == "s-L2-4K-s0")
        made.cell(branch).error.write_text("the network was away\n")
        assert distillaw("sweep", "retry", out).code == 0
        assert made.states()["s-L2-4K-s0"] == "done"
        assert made.states()["s-L2-16K-s0"] == "planned"

    def test_of_nothing(self, whole: Path, tmp_path: Path, distillaw: Any) -> None:
        answer = distillaw("sweep", "retry", whole)
        assert (answer.code, answer.out) == (0, f"Nothing in {whole} has failed.\n")
        refused = distillaw("sweep", "retry", tmp_path)
        assert (refused.code, "holds no grid" in refused.err) == (2, True)
