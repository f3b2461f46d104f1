"""Cells as jobs of a Slurm cluster: handed in through submitit, and then Slurm's to place, to preempt, to start again.

Nothing has to stay alive to drive them. All that is left is handed in at once, as job arrays that wait for the jobs of
their teachers; `slurm_job` is what a job does.
"""

import contextlib
import io
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitting.errors import InputError
from sweeps import files
from sweeps.errors import RunError
from sweeps.executors import slurm_job, slurm_options
from sweeps.grid import OVER, Grid, State
from sweeps.queueing import TO_DO, order, ready
from sweeps.sharing import pack, trunks
from sweeps.spec import RunSpec

if TYPE_CHECKING:
    from sweeps.running import How

_SECONDS = 60.0
"""How long a command of Slurm may take."""

Jobs = dict[str, str]
"""The job that a cell was handed in as, by the cell's id."""


def hand_in(grid: Grid, how: "How", only: Collection[str] | None = None) -> str:
    """Hand in the cells of a grid that are not over, or those of them in `only`, and return.

    A cell whose job waits or runs is left alone. Returns what there is to say. Raises `InputError` where there is no
    Slurm or no submitit, and for what sbatch refuses: nothing is then left in the queue. Raises `RunError` where
    Slurm does not answer.
    """
    options = slurm_options.read(how.slurm)
    remembered = _remembered(grid.folder)
    in_queue = _in_queue()
    waves = _Waves(grid, how, only, {cell: job for cell, job in remembered.items() if job in in_queue})
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # submitit repeats there what sbatch says
            waves.hand_in(options)
    except BaseException:
        _cancel(waves.handed_in.values())
        raise
    files.write_json(_register(grid.folder), remembered | waves.handed_in)
    for cell in waves.handed_in:
        (grid.folder / "cells" / cell / "error.txt").unlink(missing_ok=True)  # of before
    return waves.say()


def queued(folder: Path) -> set[str]:
    """The cells of a grid whose jobs wait or run, by id; none where nobody can say.

    It asks `squeue`, which a cluster's people do not want to hear from many times a minute.
    """
    try:
        remembered = _remembered(folder)
        in_queue = _in_queue() if remembered else set()
    except (RunError, OSError):
        return set()
    return {cell for cell, job in remembered.items() if job in in_queue}


class _Waves:
    """What is handed in, wave after wave: what waits for nothing, its students, and so on."""

    def __init__(self, grid: Grid, how: "How", only: Collection[str] | None, in_queue: Jobs) -> None:
        self._grid, self._how, self._in_queue = grid, how, in_queue
        self._trunk_of = trunks(grid.spec.cells)
        asked = [cell for cell in order(grid.spec.cells) if only is None or cell.id in only]
        self._states = _as_if_tried_again(grid, {cell.id for cell in asked} - in_queue.keys())
        left = [cell for cell in asked if self._states[cell.id] not in OVER]
        self._before = [cell for cell in left if cell.id in in_queue]
        self._elsewhere = [cell for cell in left if cell.id not in in_queue and self._states[cell.id] == "running"]
        self._waiting = [cell for cell in left if cell.id not in in_queue and self._states[cell.id] in TO_DO]
        self.handed_in: Jobs = {}

    def hand_in(self, options: slurm_options.Options) -> None:
        known: dict[str, State] = {**self._states, **dict.fromkeys(self._in_queue, "done")}  # when their turn comes
        while wave := ready(self._waiting, known, self._trunk_of, self._grid.has_state):
            for after, packs in self._arrays(wave).items():
                for job, cells in zip(self._submit(options, after, packs), packs, strict=True):
                    self.handed_in.update(dict.fromkeys([cell.id for cell in cells], job))
            known.update(dict.fromkeys([cell.id for cell in wave], "done"))
            self._waiting = [cell for cell in self._waiting if cell not in wave]

    def _arrays(self, wave: Sequence[RunSpec]) -> dict[frozenset[str], list[list[RunSpec]]]:
        """The cells of a wave in packs, by the jobs that they wait for."""
        left, arrays = list(wave), dict[frozenset[str], list[list[RunSpec]]]()
        while left:
            cells = pack(left, self._waiting, self._how.workers, self._how.together)
            left = [cell for cell in left if cell not in cells]
            arrays.setdefault(frozenset().union(*map(self._after, cells)), []).append(cells)
        return arrays

    def _after(self, cell: RunSpec) -> set[str]:
        """The jobs of what a cell stands on: its teachers, and the trunk that has left it no state yet."""
        needed = [teacher.id for teacher in cell.teachers if self._states.get(teacher.id, "done") != "done"]
        trunk = self._trunk_of.get(cell.id)
        if trunk is not None and not self._grid.has_state(cell):
            needed.append(trunk.id)
        jobs = self._in_queue | self.handed_in
        return {jobs[name] for name in needed if name in jobs}

    def _submit(
        self, options: slurm_options.Options, after: frozenset[str], packs: Sequence[Sequence[RunSpec]]
    ) -> list[str]:
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        more: dict[str, Any] = {}
        if after:
            # not afterok: what a job may not find done it sees in the folder, and a job that can never start would
            # stay in the queue for a person to remove
            more["dependency"] = "afterany:" + ":".join(sorted(after))
        executor = submitit.SlurmExecutor(self._grid.folder.absolute() / "slurm")
        executor.update_parameters(
            job_name=f"distillaw-{self._grid.spec.name}",
            array_parallelism=self._how.workers,
            **options.of_submitit,
            **more,
        )
        names = [[cell.id for cell in cells] for cells in packs]
        same = [str(self._grid.folder.absolute()), self._how.checkpoint_seconds, self._how.logs]
        try:
            jobs = executor.map_array(slurm_job.run, names, *([value] * len(names) for value in same))
        except (FailedJobError, FailedSubmissionError) as error:
            raise InputError(f"--slurm: sbatch refuses: {_one_line(str(error))}; nothing is handed in") from None
        return [job.job_id for job in jobs]

    def say(self) -> str:
        folder, lines = self._grid.folder, []
        if self.handed_in:
            jobs = _count(set(self.handed_in.values()), "job")
            lines.append(f"Handed in: {_count(self.handed_in)} as {jobs} (squeue --me; logs in {folder / 'slurm'}).")
        if self._before:
            lines.append(f"In the queue already: {_count(self._before)}.")
        if self._elsewhere:
            lines.append(f"Other processes are at work on {_count(self._elsewhere)}.")
        if self._waiting:
            lines.append(
                f"Not handed in: {_count(self._waiting)}, whose teachers or trunks are not in the queue either; "
                "run the same command again when those are done."
            )
        if not (self.handed_in or self._before or self._elsewhere or self._waiting):
            lines.append("Nothing is left to hand in.")
        if self.handed_in or self._before:
            lines.append(f"Follow them: distillaw sweep watch {folder}, or status {folder}")
        lines.append(f"Next: distillaw sweep collect {folder} --out runs.csv")
        return "\n".join(lines)


def _as_if_tried_again(grid: Grid, asked: Collection[str]) -> dict[str, State]:
    """The states of a grid's cells, were what failed among those asked for to be forgotten."""
    states = grid.states()
    for cell in grid.spec.cells:  # teachers before students
        if cell.id in asked and states[cell.id] in ("failed", "blocked"):
            above = {states.get(teacher.id) for teacher in cell.teachers}
            states[cell.id] = "blocked" if above & {"diverged", "failed", "blocked"} else "planned"
    return states


def _register(folder: Path) -> Path:
    return folder / "slurm" / "jobs.json"


def _remembered(folder: Path) -> Jobs:
    """The jobs that cells were last handed in as. A damaged file is as none: the locks of cells are what is safe."""
    try:
        found = files.read_json(_register(folder))
    except (OSError, ValueError):
        return {}
    return {str(cell): str(job) for cell, job in found.items()} if isinstance(found, Mapping) else {}


def _in_queue() -> set[str]:
    """The jobs of this user that wait or run; of an array, each."""
    listed = _slurm("squeue", "--me", "--array", "--noheader", "--format=%i")
    return set(listed.split())


def _cancel(jobs: Iterable[str]) -> None:
    if chosen := sorted(set(jobs)):
        with contextlib.suppress(RunError):
            _slurm("scancel", *chosen)


def _slurm(*command: str) -> str:
    """What a command of Slurm says. Raises `RunError` in its words."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout
    except FileNotFoundError:
        raise RunError(f"{command[0]}: not on this machine") from None
    except subprocess.CalledProcessError as error:
        raise RunError(f"{command[0]}: {_one_line(error.stderr)}") from None
    except subprocess.TimeoutExpired:
        raise RunError(f"{command[0]}: did not answer within {_SECONDS:.0f} s") from None


def _one_line(said: str) -> str:
    lines = [line.strip().removeprefix("sbatch: ").removeprefix("error: ") for line in said.strip().splitlines()]
    return "; ".join(line for line in lines if line)


def _count(some: Collection[object], what: str = "cell") -> str:
    return f"{len(some)} {what}" if len(some) == 1 else f"{len(some)} {what}s"
