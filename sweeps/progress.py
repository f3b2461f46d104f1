"""How far a grid is, on stderr: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Self

from fitting import terminal, units
from sweeps.bar import bar
from sweeps.grid import OVER, Grid, State
from sweeps.queueing import Event
from sweeps.render import how_far
from sweeps.watching import Watcher

LINE_SECONDS = 20.0

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
    """Told of events, shows the share of FLOPs done, the cells that are over and the time left. A context manager."""

    def __init__(self, grid: Grid) -> None:
        self._grid, self._watcher = grid, Watcher(grid)
        self._console = terminal.console(stderr=True)
        self._look = self._watcher.look()
        self._line_at = time.monotonic()
        self._bar = bar(self._console, transient=False)
        self._task = self._bar.add_task(self._cells(), total=self._look.total, left="")
        self._bar.update(self._task, completed=self._look.done)

    def __enter__(self) -> Self:
        self._bar.start()
        if not self._console.is_terminal and len(self._look.among(*OVER)) < len(self._look.states):
            self._console.print(f"{self._grid.spec.name}: {self._cells()} done; starting")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, event: Event) -> None:
        """Show an event."""
        cell = event.cell
        if cell is not None and event.state in _SAID:
            self._console.print(f"warning: {cell.id}: {event.state}{_SAID[event.state]}")
        look = self._look = self._watcher.look()
        left = "" if look.seconds is None else f"about {units.duration(look.seconds)} left"
        self._bar.update(self._task, description=self._cells(), completed=look.done, left=left)
        if not self._console.is_terminal and time.monotonic() - self._line_at >= LINE_SECONDS:
            self._line_at = time.monotonic()
            self._console.print(how_far(look))

    def _cells(self) -> str:
        return f"{len(self._look.among(*OVER))}/{len(self._look.states)} cells"
