"""Cells on the processes of this machine: teachers before students, one thread each, until none is left.

The pool is the standard library's; this file only says which cell comes next. A worker lives through many cells,
because importing the training stack costs more than a small cell does.
"""

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitting.errors import DistillawError
from sweeps import files
from sweeps.given import GivenTeacher
from sweeps.grid import Grid, State, open_grid
from sweeps.parent import end_with_parent
from sweeps.sharing import pack, trunks
from sweeps.spec import RunSpec, by_id

if TYPE_CHECKING:
    from sweeps.student import Paths, Result

_POLL_SECONDS = 0.5
_AGAIN = "run the same command again to go on"


class RunError(DistillawError):
    """Cells failed, or were stopped before their end."""

    exit_code = 3


@dataclass(frozen=True)
class Event:
    """Something to tell a person: a cell's new state, or (with neither) the passing of time."""

    cell: RunSpec | None = None
    state: State | None = None


def run_cells(
    grid: Grid,
    *,
    workers: int,
    together: int = 1,
    checkpoint_seconds: float = 10.0,
    tell: Callable[[Event], None] = lambda event: None,
) -> None:
    """Run every cell of a grid that is not done, in at most `workers` processes.

    Up to `together` students of one teacher share a process and its forward passes. A failed cell stops its own
    students only. Raises `RunError` at the end if any failed, and when a worker dies or the run is stopped by a
    signal; running cells then save their state first.
    """
    states = grid.states()
    for cell in grid.spec.cells:
        if states[cell.id] == "failed":
            grid.cell(cell).error.unlink()
    states = grid.states()
    waiting = [cell for cell in order(grid.spec.cells) if states[cell.id] in ("waiting", "started")]
    if waiting:
        _run(grid, waiting, states, workers, together, checkpoint_seconds, tell)
    states = grid.states()
    failed = [cell for cell in grid.spec.cells if states[cell.id] == "failed"]
    if failed:
        lines = [f"{cell.id}: {_why(grid.cell(cell).error)} (see {grid.cell(cell).error})" for cell in failed]
        raise RunError("\n".join([f"{len(failed)} of {len(grid.spec.cells)} cells failed; {_AGAIN}", *lines]))


def order(cells: tuple[RunSpec, ...]) -> list[RunSpec]:
    """Cells by urgency: what keeps others waiting first, then the longest, so that none is left over at the end."""
    behind = {cell.id: cell.total_flops for cell in cells}
    for cell in cells:
        for teacher in cell.teachers:
            if teacher.id in behind:
                behind[teacher.id] += cell.total_flops
    return sorted(cells, key=lambda cell: -behind[cell.id])


def ready(
    waiting: Sequence[RunSpec],
    states: Mapping[str, State],
    trunk_of: Mapping[str, RunSpec],
    branched: Callable[[RunSpec], bool],
) -> list[RunSpec]:
    """The waiting cells that can start, most urgent first: their teachers are there, and their trunk or their branch.

    A trunk that is done, or will not come, is not waited for.
    """

    def startable(cell: RunSpec) -> bool:
        if any(states.get(teacher.id, "finished") != "finished" for teacher in cell.teachers):
            return False
        trunk = trunk_of.get(cell.id)
        return trunk is None or states[trunk.id] not in ("waiting", "started") or branched(cell)

    return [cell for cell in waiting if startable(cell)]


def _run(
    grid: Grid,
    waiting: list[RunSpec],
    states: dict[str, State],
    workers: int,
    together: int,
    checkpoint_seconds: float,
    tell: Callable[[Event], None],
) -> None:
    context = get_context("spawn")  # a fork after torch has started its threads may hang
    stop = context.Event()
    running: dict[Future[dict[str, State]], list[RunSpec]] = {}
    trunk_of = trunks(grid.spec.cells)
    pool = ProcessPoolExecutor(min(workers, len(waiting)), context, _start_worker, (stop, str(grid.folder)))
    try:
        with _stopped_by_signals():
            while waiting or running:
                while len(running) < workers:
                    startable = ready(waiting, states, trunk_of, lambda cell: grid.cell(cell).state.exists())
                    if not startable:
                        break
                    cells = pack(startable[0], startable, together)
                    waiting[:] = [cell for cell in waiting if cell not in cells]
                    running[pool.submit(_run_cells, [cell.id for cell in cells], checkpoint_seconds)] = cells
                done, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    cells, ended = running.pop(future), future.result()
                    states |= ended
                    for cell in cells:
                        tell(Event(cell, states[cell.id]))
                    if "started" in ended.values():
                        raise KeyboardInterrupt
                    for cell in cells:
                        if states[cell.id] != "finished":
                            waiting[:] = [other for other in waiting if not _needs(other, cell, states, tell)]
                if not done:
                    tell(Event())
    except BrokenProcessPool:
        names = ", ".join(cell.id for cells in running.values() for cell in cells) or "a cell"
        raise RunError(f"a worker process died (killed, or out of memory) while running {names}; {_AGAIN}") from None
    except KeyboardInterrupt:
        raise RunError(f"stopped; finished cells and the state of the others are kept: {_AGAIN}") from None
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _needs(other: RunSpec, cell: RunSpec, states: dict[str, State], tell: Callable[[Event], None]) -> bool:
    """Whether `other` can no longer run because `cell` was to teach it; notes that it is blocked."""
    if cell.id not in [teacher.id for teacher in other.teachers]:
        return False
    states[other.id] = "blocked"
    tell(Event(other, "blocked"))
    return True


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM stops like Ctrl-C: by `KeyboardInterrupt`."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _why(error: Path) -> str:
    """What went wrong, in one line: the last one of a traceback, else everything."""
    lines = error.read_text(encoding="utf-8").strip().splitlines()
    return lines[-1] if any(line.startswith("Traceback") for line in lines) else "; ".join(lines)


# What follows runs in the workers.


@dataclass
class _Worker:
    """What a worker keeps between cells."""

    grid: Grid
    cells: dict[str, RunSpec]
    stop: Any
    terminated: bool = False
    busy: bool = False

    def should_stop(self) -> bool:
        return self.terminated or bool(self.stop.is_set())

    def on_terminate(self, *_: object) -> None:
        self.terminated = True
        if not self.busy:
            self.exit()

    def exit(self) -> None:
        os._exit(128 + signal.SIGTERM)


_worker: _Worker


def _start_worker(stop: Any, folder: str) -> None:
    # read before torch is imported: cells in parallel beat threads within a cell at these sizes
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    grid = open_grid(Path(folder))
    global _worker
    _worker = _Worker(grid, by_id(grid.spec.cells), stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent tells us to stop
    signal.signal(signal.SIGTERM, _worker.on_terminate)
    end_with_parent()


def _run_cells(names: list[str], checkpoint_seconds: float) -> dict[str, State]:
    """Run cells to their ends in this worker and mark them; an error is written down, not raised."""
    grid, cells = _worker.grid, [_worker.cells[name] for name in names]
    ended: dict[str, State] = {}

    def done(cell: RunSpec, result: "Result") -> None:
        grid.finish(cell, result.status, result.loss, result.measured)
        ended[cell.id] = result.status

    _worker.busy = True
    try:
        import torch

        from sweeps import corpora
        from sweeps.training import Interrupted, train_together

        if not _worker.should_stop():
            torch.set_num_threads(1)
            for cell in cells:
                files.remove_partials(grid.cell(cell).path)
            with contextlib.suppress(Interrupted):
                train_together(
                    [(cell, _paths(cell)) for cell in cells],
                    corpora.load(grid.spec.corpus),
                    checkpoint_seconds=checkpoint_seconds,
                    stop=_worker.should_stop,
                    done=done,
                )
        return {name: ended.get(name, "started") for name in names}
    except Exception as error:
        _write_down(error, [cell for cell in cells if cell.id not in ended])
        return {name: ended.get(name, "failed") for name in names}
    finally:
        _worker.busy = False
        if _worker.terminated:  # the states are saved; back in the pool nobody would send this process home
            _worker.exit()


def _write_down(error: Exception, cells: Sequence[RunSpec]) -> None:
    """Leave to a person why cells failed. Raises `RunError` where the disk takes not even that."""
    ours = isinstance(error, DistillawError)  # says all there is to say
    why = str(error) if ours else traceback.format_exc().strip()
    try:
        for cell in cells:
            files.write(_worker.grid.cell(cell).error, f"{why}\n".encode())
    except OSError as full:
        names = ", ".join(cell.id for cell in cells)
        raise RunError(
            f"{names}: {why.splitlines()[-1]}\n"
            f"{full.filename}: cannot be written ({full.strerror}); make room, then {_AGAIN}"
        ) from None


def _paths(cell: RunSpec) -> "Paths":
    from sweeps.student import Branch, Paths

    grid = _worker.grid
    folder = grid.cell(cell)
    family = [other for other in _worker.cells.values() if cell.trunk is not None and other.trunk == cell.trunk]
    branches = [
        Branch(other, grid.cell(other).state)
        for other in family
        if other.tokens < cell.tokens and not grid.cell(other).record.exists()
    ]
    given = grid.spec.given
    teachers = tuple(
        Path(given[teacher.id]) if isinstance(teacher, GivenTeacher) else grid.cell(teacher).model
        for teacher in cell.teachers
    )
    return Paths(folder.journal, folder.state, folder.model, teachers, tuple(branches), grid.folder / "logits")
