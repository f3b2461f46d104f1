"""What a job of Slurm does: it trains its cells, and when it must go it saves their states and comes back.

Slurm sends SIGUSR2 some time before a job's limit (and, where a cluster is set up so, before it preempts one): the job
asks to be started again. It sends SIGTERM to one that is cancelled, or that it will start again by itself.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sweeps import working
from sweeps.errors import RunError
from sweeps.grid import OVER, Grid, open_grid
from sweeps.spec import by_id


def run(names: Sequence[str], folder: str, checkpoint_seconds: float, logs: tuple[str, ...]) -> None:
    """Train cells of the grid in `folder`, in the main thread of a job.

    Raises `RunError` where they cannot be trained to their ends, so that Slurm counts the job as failed too.
    """
    # in place of submitit's handlers, which would raise in the middle of a step
    with working.Asked(signal.SIGUSR2, signal.SIGTERM) as asked:
        working.prepare()
        grid = open_grid(Path(folder))
        _require_teachers(grid, names)
        states = working.work(grid, names, checkpoint_seconds, asked, logs)
        if asked.by is signal.SIGUSR2 and "preempted" in states.values():
            _start_again()
        if asked():
            return  # the states are saved
    left = [f"{name} is {state}" for name, state in states.items() if state not in OVER]
    if left:
        raise RunError(f"{', '.join(left)}; {folder}/cells has what is known, and the same command goes on")


def _require_teachers(grid: Grid, names: Sequence[str]) -> None:
    """A job starts when those of its teachers have ended, however they ended."""
    known = by_id(grid.spec.cells)
    teachers = {teacher.id for name in names for teacher in known[name].teachers if teacher.id in known}
    for teacher in teachers:
        # a network file system may remember that there was no record; to list a folder makes it look again
        os.listdir(grid.cell(known[teacher]).path)
    states = grid.states()
    if missing := [f"{teacher} is {states[teacher]}" for teacher in sorted(teachers) if states[teacher] != "done"]:
        raise RunError(f"{', '.join(names)}: not run, for {', '.join(missing)}")


def _start_again() -> None:
    """Put this job back into the queue."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]  # which of an array's last is also the array's
    asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
    if asked.returncode:
        raise RunError(f"the state is saved, but Slurm does not take the job back: {asked.stderr.strip()}")
