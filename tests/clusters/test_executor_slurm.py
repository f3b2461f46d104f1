"""Grids on a Slurm cluster of one node: handed in, preempted, cancelled, failed, refused."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fitting.errors import InputError
from sweeps import corpora, grid_file, locks
from sweeps import grid as grids
from sweeps.executors import slurm as executor
from sweeps.executors import slurm_options
from sweeps.running import How

pytestmark = pytest.mark.long

GRID = """
name = "tiny"
[corpus]
validation_tokens = 1024
[model]
n_ctx = 32
[training]
batch_tokens = 128
learning_rate = 0.01
[[teachers]]
layers = 1
tokens = ["128K", "16K"]
[[supervised]]
layers = 1
tokens = "16K"
[[distilled]]
layers = 1
tokens = "16K"
teachers = ["t-L1-128K-s0", "t-L1-16K-s0"]
"""

LONG, SHORT, ALONE = "t-L1-128K-s0", "t-L1-16K-s0", "s-L1-16K-s0"
OF_LONG, OF_SHORT = f"d-L1-16K-s0-from-{LONG}", f"d-L1-16K-s0-from-{SHORT}"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grid") / "tiny.toml"
    path.write_text(GRID)
    return path


@pytest.fixture(scope="module")
def local(asked: Path) -> Path:
    """The folder of the same grid, run by the processes of this machine."""
    out = asked.parent / "local"
    sweep("run", asked, "--out", out)
    return out


def sweep(*arguments: object) -> str:
    command = [sys.executable, "-c", "from planner.cli import main; main()", "sweep", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hand_in(asked: Path, out: Path, *options: object) -> dict[str, str]:
    """Hand a grid in; the jobs of its cells."""
    said = sweep("run", asked, "--out", out, "--executor", "slurm", "--checkpoint-every", 0.1, *options)
    assert f"distillaw sweep watch {out}" in said
    return jobs_of(out)


def jobs_of(out: Path) -> dict[str, str]:
    return json.loads((out / "slurm" / "jobs.json").read_text())  # type: ignore[no-any-return]


def states(out: Path) -> dict[str, str]:
    return dict(grids.open_grid(out).states())


def same_bits(out: Path, local: Path) -> None:
    found = sorted(path.relative_to(local) for path in local.glob("cells/*/*.*") if path.name in RESULT)
    found = [path for path in found if (out / path).parent.exists()]
    assert len(found) == 2 * len(grids.open_grid(out).spec.cells)
    for path in found:
        assert (out / path).read_bytes() == (local / path).read_bytes(), path


RESULT = ("record.json", "model.safetensors")


def saved_since(folder: Path, since: float) -> bool:
    """Whether a cell that is trained now has left a state since then."""
    try:
        return (folder / "state.safetensors").stat().st_mtime > since
    except FileNotFoundError:
        return False


def test_a_grid_whose_jobs_are_preempted_ends_with_the_bits_of_a_local_run(
    slurm: Any, local: Path, tmp_path: Path
) -> None:
    """By the signal before a job's limit, and by Slurm's own taking back; a student waits through both."""
    asked, out = tmp_path / "grid.toml", tmp_path / "out"
    asked.write_text(GRID.replace(f', "{SHORT}"', "").replace(', "16K"]', "]"))
    began = time.time()
    jobs = hand_in(asked, out, "--slurm", "mem=500", "--slurm", "cpus_per_task=1")
    assert set(jobs) == {LONG, ALONE, OF_LONG} == executor.queued(out)
    job, folder = jobs[LONG], out / "cells" / LONG
    slurm.wait(lambda: saved_since(folder, began), "a state")
    slurm.ask("scancel", "--signal=USR2", job)
    slurm.wait(lambda: states(out)[LONG] != "running", "the first life to end")
    assert states(out)[LONG] == "preempted"
    entries = (folder / "journal.jsonl").read_text()
    began = time.time()
    slurm.start_again(job, lives=1)
    assert LONG in executor.queued(out)

    slurm.wait(lambda: saved_since(folder, began), "a state of the second life")
    slurm.ask("scontrol", "requeue", job)
    slurm.start_again(job, lives=2)

    slurm.wait(lambda: not slurm.jobs(), "all jobs to end")
    assert set(states(out).values()) == {"done"}
    same_bits(out, local)
    assert (folder / "journal.jsonl").read_text().startswith(entries)  # the second life went on from the first
    student = slurm.job(jobs[OF_LONG])
    assert (student["Restarts"], student["NumCPUs"], student["MinMemoryNode"]) == ("0", "1", "500M")
    assert student["StartTime"] >= slurm.job(job)["EndTime"]

    assert executor.queued(out) == set()
    said = sweep("run", asked, "--out", out, "--executor", "slurm")
    assert "Nothing is left to hand in." in said
    assert jobs_of(out) == jobs


def test_what_becomes_of_the_students_of_a_cancelled_and_of_a_failed_teacher(
    slurm: Any, asked: Path, local: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    grids.create(out, grid_file.load(asked), corpora.load("stdlib").describe())
    in_the_way = out / "cells" / SHORT / "model.safetensors"
    in_the_way.mkdir()
    began = time.time()
    jobs = hand_in(asked, out)
    slurm.wait(lambda: saved_since(out / "cells" / LONG, began), "a state")
    slurm.ask("scancel", jobs[LONG])
    slurm.wait(lambda: not slurm.jobs(), "all jobs to end")
    assert states(out) == {LONG: "preempted", SHORT: "failed", ALONE: "done", OF_LONG: "planned", OF_SHORT: "blocked"}
    ends = {cell: slurm.job(job)["JobState"] for cell, job in jobs.items()}
    assert ends == {LONG: "CANCELLED", SHORT: "FAILED", ALONE: "COMPLETED", OF_LONG: "FAILED", OF_SHORT: "FAILED"}
    for student, word in ((OF_LONG, f"{LONG} is preempted"), (OF_SHORT, f"{SHORT} is failed")):
        assert os.listdir(out / "cells" / student) == ["spec.json"]
        assert f"{student}: not run, for {word}" in (out / "slurm" / f"{jobs[student]}_0_log.err").read_text()

    # a retry is of what failed, a run of what is left
    in_the_way.rmdir()
    said = sweep("retry", out, "--executor", "slurm")
    assert "Handed in: 2 cells as 2 jobs" in said
    said = sweep("run", asked, "--out", out, "--executor", "slurm")
    assert "Handed in: 2 cells as 2 jobs" in said
    assert "In the queue already: 2 cells." in said
    slurm.wait(lambda: not slurm.jobs(), "all jobs to end")
    assert set(states(out).values()) == {"done"}
    same_bits(out, local)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes of a cell are forks")
def test_a_cell_on_two_devices_is_preempted_as_a_whole(slurm: Any, tmp_path: Path) -> None:
    """Slurm sends its signal to every process of a job, also to those that wait for their parent's word."""
    asked = tmp_path / "grid.toml"
    head = GRID.partition("[[teachers]]")[0]
    asked.write_text(f'{head}devices = 2\n[[supervised]]\nlayers = 1\ntokens = "64K"\n')
    out = tmp_path / "out"
    began = time.time()
    ((cell, job),) = hand_in(asked, out).items()
    slurm.wait(lambda: saved_since(out / "cells" / cell, began), "a state")
    slurm.ask("scancel", "--signal=USR2", job)
    slurm.start_again(job, lives=1)  # it would have failed, had it lost one of its processes
    assert states(out)[cell] == "preempted"
    slurm.wait(lambda: not slurm.jobs(), "the job to end")
    assert states(out)[cell] == "done"


class TestHandingIn:
    """What is handed in, told by jobs that wait in a partition that is down."""

    @pytest.fixture
    def grid(self, slurm: Any, asked: Path, tmp_path: Path) -> Iterator[grids.Grid]:
        yield grids.create(tmp_path / "out", grid_file.load(asked), corpora.load("stdlib").describe())
        slurm.ask("scancel", "--me")
        slurm.wait(lambda: not slurm.jobs(), "the queue to be empty")

    LATER = How(executor="slurm", workers=3, slurm={"partition": "later"})

    def test_students_wait_for_their_own_teachers(self, slurm: Any, grid: grids.Grid) -> None:
        said = executor.hand_in(grid, self.LATER)
        assert said.startswith("Handed in: 5 cells as 5 jobs")
        jobs = jobs_of(grid.folder)
        first = {jobs[cell].partition("_")[0] for cell in (LONG, SHORT, ALONE)}
        assert len(first) == 1  # one array
        waits = {cell: slurm.job(jobs[cell])["Dependency"] for cell in jobs}
        assert {waits[cell] for cell in (LONG, SHORT, ALONE)} == {"(null)"}
        assert waits[OF_LONG] == f"afterany:{jobs[LONG]}(unfulfilled)"
        assert waits[OF_SHORT] == f"afterany:{jobs[SHORT]}(unfulfilled)"
        assert slurm.job(jobs[LONG])["ArrayTaskThrottle"] == "3"
        assert slurm.job(jobs[LONG])["TimeLimit"] == "UNLIMITED"  # the partition's, not submitit's five minutes

    def test_handed_in_again_nothing_is_twice(self, slurm: Any, grid: grids.Grid) -> None:
        executor.hand_in(grid, self.LATER)
        jobs, queue = jobs_of(grid.folder), slurm.jobs()
        assert executor.queued(grid.folder) == set(jobs)
        said = executor.hand_in(grid, self.LATER)
        assert "In the queue already: 5 cells." in said
        assert "Handed in" not in said
        assert (jobs_of(grid.folder), slurm.jobs()) == (jobs, queue)

        # one that is taken out of the queue is handed in again, and waits as it did
        slurm.ask("scancel", jobs[OF_LONG])
        slurm.wait(lambda: len(slurm.jobs()) == 4, "the job to go")
        assert executor.queued(grid.folder) == set(jobs) - {OF_LONG}
        said = executor.hand_in(grid, self.LATER)
        assert "Handed in: 1 cell as 1 job " in said
        assert "In the queue already: 4 cells." in said
        again = jobs_of(grid.folder)
        assert slurm.job(again[OF_LONG])["Dependency"] == f"afterany:{jobs[LONG]}(unfulfilled)"

    def test_students_share_a_job_when_asked(self, slurm: Any, tmp_path: Path) -> None:
        path = tmp_path / "grid.toml"
        path.write_text(GRID.replace('tokens = "16K"\nteachers', 'tokens = ["16K", "32K"]\nteachers'))
        grid = grids.create(tmp_path / "out", grid_file.load(path), corpora.load("stdlib").describe())
        said = executor.hand_in(grid, replace(self.LATER, together=2))
        assert said.startswith("Handed in: 7 cells as 5 jobs")
        jobs = jobs_of(grid.folder)
        assert jobs[OF_LONG] == jobs[OF_LONG.replace("16K", "32K", 1)]
        slurm.ask("scancel", "--me")

    def test_a_run_waits_for_the_trunk_that_it_branches_off(self, slurm: Any, tmp_path: Path) -> None:
        path = tmp_path / "grid.toml"
        text = GRID.partition("[[teachers]]")[0] + 'schedule = "branches"\nwarmup_steps = 4\n'
        path.write_text(text + '[[supervised]]\nlayers = 1\ntokens = ["16K", "32K"]\n')
        grid = grids.create(tmp_path / "out", grid_file.load(path), corpora.load("stdlib").describe())
        executor.hand_in(grid, self.LATER)
        jobs = jobs_of(grid.folder)
        assert slurm.job(jobs["s-L1-16K-s0"])["Dependency"] == f"afterany:{jobs['s-L1-32K-s0']}(unfulfilled)"
        slurm.ask("scancel", "--me")

    def test_what_others_are_at_is_theirs(self, grid: grids.Grid) -> None:
        with locks.hold(grid.lock(grid.spec.cells[0])):
            said = executor.hand_in(grid, self.LATER)
        assert "Handed in: 3 cells as 3 jobs" in said
        assert "Other processes are at work on 1 cell." in said
        assert "Not handed in: 1 cell, whose teachers or trunks are not in the queue either" in said
        assert set(jobs_of(grid.folder)) == {SHORT, ALONE, OF_SHORT}

    def test_a_refusal_half_way_leaves_nothing_in_the_queue(
        self, slurm: Any, grid: grids.Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A limit on jobs, met by the first array of students."""
        failed = grid.cell(grid.spec.cells[0]).error
        failed.write_text("of before")
        stand_in(
            tmp_path / "bin" / "sbatch",
            f'grep -q afterany -- "$1" 2>/dev/null && {{ echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2;'
            f' echo "sbatch: error: Batch job submission failed: Job violates policy" >&2; exit 1; }}\n'
            f'exec {shutil.which("sbatch")} "$@"',
            monkeypatch,
        )
        with pytest.raises(InputError) as caught:
            executor.hand_in(grid, self.LATER)
        assert str(caught.value) == (
            "--slurm: sbatch refuses: QOSMaxSubmitJobPerUserLimit; Batch job submission failed: Job violates policy; "
            "nothing is handed in"
        )
        slurm.wait(lambda: not slurm.jobs(), "the first array to go")
        assert not (grid.folder / "slurm" / "jobs.json").exists()
        assert failed.read_text() == "of before"


class TestRefusals:
    """What a user may get wrong, and what may be wrong with a cluster: one line each, nothing is handed in."""

    @pytest.fixture
    def refused(self, slurm: Any, asked: Path, tmp_path: Path, distillaw: Any) -> Callable[..., str]:
        def ask(*options: str, code: int = 2) -> str:
            settings = [word for option in options for word in ("--slurm", option)]
            answer = distillaw("sweep", "run", asked, "--out", tmp_path / "out", "--executor", "slurm", *settings)
            assert answer.code == code, (answer.out, answer.err)
            assert "Traceback" not in answer.err
            assert not executor.queued(tmp_path / "out")
            return str(answer.err).strip()

        return ask

    def test_a_partition_that_is_not_there(self, refused: Callable[..., str], slurm: Any) -> None:
        said = refused("partition=nowhere")
        assert "--slurm: sbatch refuses: invalid partition specified: nowhere" in said
        assert said.endswith("nothing is handed in")
        assert len(said.splitlines()) == 1
        assert not slurm.jobs()

    def test_every_fault_of_the_options(self, refused: Callable[..., str]) -> None:
        said = refused(
            "partitoin=cells", "colour=red", "nodes=2", "dependency=singleton", "time=2", "signal_delay_s=1m"
        )
        assert "--slurm partitoin=cells: sbatch has no such option; did you mean 'partition'?" in said
        assert "--slurm colour=red: sbatch has no such option; among those it has: partition, account" in said
        assert "--slurm nodes=2: cannot be set; a job is one process on one node" in said
        assert "--slurm dependency=singleton: cannot be set; students wait for their teachers as it is" in said
        assert "--slurm signal_delay_s=1m: is no whole number of seconds" in said
        assert len(said.splitlines()) == 5

    def test_a_limit_that_leaves_no_time(self, refused: Callable[..., str]) -> None:
        for limit in ("2", "2:30", "0:02:30"):
            assert "a job would be told to stop as it starts, which is up to 150 s before" in refused(f"time={limit}")
        assert "sbatch refuses" in refused("time=soon")

    @pytest.mark.parametrize(
        ("limit", "seconds"),
        [("90", 5400), ("1:30", 90), ("2:00:00", 7200), ("1-2", 93600), ("1-2:30", 95400), ("1-0:0:5", 86405)],
    )
    def test_how_limits_are_read(self, limit: str, seconds: int) -> None:
        assert slurm_options.seconds(limit) == seconds

    def test_a_machine_without_slurm(self, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        assert "--executor slurm: sbatch is not on this machine; run it where jobs are handed in" in refused()

    def test_without_submitit(self, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "submitit", None)
        assert refused() == "error: --executor slurm: needs submitit: pip install 'distillaw[slurm]'"

    def test_a_controller_that_is_down(
        self, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
        stand_in(tmp_path / "bin" / "squeue", f'echo "{words}" >&2; exit 1', monkeypatch)
        assert f"squeue: {words}" in refused(code=3)


def stand_in(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is found before the one of the same name."""
    path.parent.mkdir()
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
