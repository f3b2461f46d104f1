"""What a process does with the cells that it is given, whoever started it.

It holds the locks of its cells, so that nobody else is at them, trains them to their ends or until it is told to stop,
and leaves a record, an error or a state to resume.
"""

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fitting.errors import DistillawError
from sweeps import files, locks
from sweeps.errors import RunError
from sweeps.given import GivenTeacher
from sweeps.grid import Grid, State
from sweeps.spec import RunSpec, by_id

if TYPE_CHECKING:
    from sweeps.student import Paths, Result

AGAIN = "run the same command again to go on"


def prepare() -> None:
    """Set up this process for cells: one thread, for torch where it is not imported yet, and for what it starts.

    Cells in parallel beat threads within a cell at the sizes that are trained on CPUs.
    """
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


class Asked:
    """Whether this process was asked to stop, by one of `signals`. A context manager, of the main thread only."""

    def __init__(self, *signals: signal.Signals) -> None:
        self._signals, self._before = signals, {}  # type: ignore[var-annotated]
        self.by: signal.Signals | None = None

    def __enter__(self) -> "Asked":
        self._before = {number: signal.signal(number, self._on_signal) for number in self._signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.by is not None

    def _on_signal(self, number: int, _: object) -> None:
        self.by = signal.Signals(number)


def work(
    grid: Grid,
    names: Sequence[str],
    checkpoint_seconds: float,
    stop: Callable[[], bool],
    logs: tuple[str, ...] = (),
) -> dict[str, State]:
    """Train cells together, to their ends; an error is written down, not raised. Says in what state each is now.

    A cell that is over already stays as it is, and one at which another process works is left to it ("running"). One
    that had to stop is "preempted". `logs` are the mirrors of journals (`mirrors.NAMES`). Raises `RunError` where a
    full disk takes not even the reason of an error.
    """
    known = by_id(grid.spec.cells)
    ended: dict[str, State] = {}
    with ExitStack() as held:
        mine = []
        for name in names:
            try:
                held.enter_context(locks.hold(grid.lock(known[name])))
            except locks.Taken:
                ended[name] = "running"
                continue
            except OSError as error:
                raise RunError(f"{error.filename}: cannot be locked ({error.strerror}); once it can, {AGAIN}") from None
            record = grid.record(known[name])  # of whoever had the lock before
            if record is None:
                mine.append(known[name])
            else:
                ended[name] = "diverged" if record["status"] == "diverged" else "done"
        if mine and not stop():
            _train(grid, mine, checkpoint_seconds, stop, logs, ended)
    return {name: ended.get(name, "preempted") for name in names}


def _train(
    grid: Grid,
    cells: Sequence[RunSpec],
    checkpoint_seconds: float,
    stop: Callable[[], bool],
    logs: tuple[str, ...],
    ended: dict[str, State],
) -> None:
    def done(cell: RunSpec, result: "Result") -> None:
        grid.finish(cell, result.status, result.loss, result.measured)
        ended[cell.id] = "diverged" if result.status == "diverged" else "done"

    try:
        import torch

        from sweeps import corpora, machine
        from sweeps.training import Interrupted, train_together

        torch.set_num_threads(1)
        for cell in cells:
            grid.cell(cell).error.unlink(missing_ok=True)
            files.remove_partials(grid.cell(cell).path)
        machine.require(cells)  # the run was asked for on another one, perhaps
        corpus = corpora.load(grid.spec.corpus)
        grid.require_text(corpus.describe())
        with suppress(Interrupted):
            train_together(
                [(cell, _paths(grid, cell, logs)) for cell in cells],
                corpus,
                checkpoint_seconds=checkpoint_seconds,
                stop=stop,
                done=done,
            )
    except Exception as error:
        left = [cell for cell in cells if cell.id not in ended]
        _write_down(grid, error, left)
        ended.update({cell.id: "failed" for cell in left})


def _write_down(grid: Grid, error: Exception, cells: Sequence[RunSpec]) -> None:
    """Leave to a person why cells failed. Raises `RunError` where the disk takes not even that."""
    ours = isinstance(error, DistillawError)  # says all there is to say
    why = str(error) if ours else traceback.format_exc().strip()
    try:
        for cell in cells:
            files.write(grid.cell(cell).error, f"{why}\n".encode())
    except OSError as full:
        names = ", ".join(cell.id for cell in cells)
        raise RunError(
            f"{names}: {why.splitlines()[-1]}\n"
            f"{full.filename}: cannot be written ({full.strerror}); make room, then {AGAIN}"
        ) from None


def _paths(grid: Grid, cell: RunSpec, logs: tuple[str, ...]) -> "Paths":
    from sweeps.mirrors import Mirrors
    from sweeps.student import Branch, Paths

    folder = grid.cell(cell)
    family = [other for other in grid.spec.cells if cell.trunk is not None and other.trunk == cell.trunk]
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
    return Paths(
        folder.journal,
        folder.state,
        folder.model,
        teachers,
        tuple(branches),
        grid.folder / "logits",
        Mirrors(logs, grid.folder, grid.spec.name),
    )
