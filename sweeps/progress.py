"""How far a grid is, on stderr: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Self

from fitting import terminal, units
from sweeps.bar import bar
from sweeps.grid import OVER, Grid, State
from sweeps.queueing import Event

_LINE_SECONDS = 20.0

_SAID: dict[State, str] = {
    "diverged": "",
    "failed": "",
    "blocked": " (its teacher did not finish)",
    "planned": " again (its process died)",
    "preempted": " (its process died); it goes on from its last state",
    "running": " elsewhere; left to the process that is at it",
}
"""What is worth a line of its own, and how it is explained."""


class Display:
    """Told of events, shows the share of FLOPs done, the cells finished and the time left. A context manager."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._console = terminal.console(stderr=True)
        self._total = sum(cell.total_flops for cell in grid.spec.cells)
        self._finished = {cell.id for cell in grid.spec.cells if grid.cell(cell).record.exists()}
        self._at_start = self._done()
        self._line_at = time.monotonic()
        self._moving: tuple[float, float] | None = None
        self._bar = bar(self._console, transient=False)
        self._task = self._bar.add_task(self._cells(), total=self._total, left="")
        self._bar.update(self._task, completed=self._at_start)

    def __enter__(self) -> Self:
        self._bar.start()
        if not self._console.is_terminal and len(self._finished) < len(self._grid.spec.cells):
            self._console.print(f"{self._grid.spec.name}: {self._cells()} done; starting")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, event: Event) -> None:
        """Show an event."""
        cell = event.cell
        if cell is not None and event.state in OVER:
            self._finished.add(cell.id)
        if cell is not None and event.state in _SAID:
            self._console.print(f"warning: {cell.id}: {event.state}{_SAID[event.state]}")
        done = self._done()
        left = self._left(done)
        self._bar.update(self._task, description=self._cells(), completed=done, left=left)
        line = f"{self._cells()}, {100 * done / self._total:.0f} % of FLOPs" + (f", {left}" if left else "")
        if not self._console.is_terminal and time.monotonic() - self._line_at >= _LINE_SECONDS:
            self._line_at = time.monotonic()
            self._console.print(line)

    def _cells(self) -> str:
        return f"{len(self._finished)}/{len(self._grid.spec.cells)} cells"

    def _done(self) -> float:
        return sum(self._grid.flops_done(cell) for cell in self._grid.spec.cells)

    def _left(self, done: float) -> str:
        """The time left at the rate of FLOPs so far."""
        if done <= self._at_start:
            return ""
        if self._moving is None:  # what the workers' imports took says nothing about the rate
            self._moving = (time.monotonic(), done)
        since, at = self._moving
        if done <= at:
            return ""
        seconds = (time.monotonic() - since) * (self._total - done) / (done - at)
        return f"about {units.duration(seconds)} left"
