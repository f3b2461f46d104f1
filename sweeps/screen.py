"""What `distillaw sweep watch` shows: a live table on a terminal, a line when something has changed elsewhere."""

import time
from collections import deque
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from fitting import flops, terminal, units
from sweeps.grid import Grid, State
from sweeps.progress import LINE_SECONDS
from sweeps.render import counted, diverged, how_far
from sweeps.watching import Look, Running, Watcher

if TYPE_CHECKING:
    from rich.table import Table

_ENDS = 4
"""Cells that ended last, as far as they are shown."""

_FEW = 3
"""Rows of running cells, and of cells in trouble, for which there is always room."""

_AROUND = 9 + _ENDS + _FEW
"""Lines of a screen that are not for running cells."""

_TROUBLES: tuple[State, ...] = ("failed", "diverged", "preempted")


class Screen:
    """Shows looks at a grid. A context manager."""

    def __init__(self, grid: Grid, watcher: Watcher, *, stderr: bool) -> None:
        self._grid, self._watcher = grid, watcher
        self._cells = {cell.id: cell for cell in grid.spec.cells}
        self._console = terminal.console(stderr=stderr)
        self._console.soft_wrap = not self._console.is_terminal  # a live table counts its lines
        self._live = Live(console=self._console, auto_refresh=False)
        self._before: Look | None = None
        self._ends: deque[str] = deque(maxlen=_ENDS)
        self._line_at = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, look: Look, queued: int = 0) -> None:
        """Show the grid as it is now, of which so many cells wait in a cluster's queue."""
        states = counted(look.states) + (f"; {queued} in the queue" if queued else "")
        changed = self._changed(look)
        if self._console.is_terminal:
            self._ends.extend(name for name in changed if look.states[name] == "done")
            self._live.update(self._drawn(look, states), refresh=True)
        else:
            self._say(look, states, changed)
        self._before = look

    def _changed(self, look: Look) -> list[str]:
        """Cells that are no longer as they were; at first, those in trouble."""
        if self._before is None:
            return look.among(*_TROUBLES)
        return [name for name, state in look.states.items() if self._before.states[name] != state]

    def _say(self, look: Look, states: str, changed: list[str]) -> None:
        for name in changed:
            if look.states[name] in ("done", *_TROUBLES):
                self._console.print(self._event(name, look.states[name]))
        late = time.monotonic() - self._line_at >= LINE_SECONDS
        if changed or late or self._before is None:
            self._line_at = time.monotonic()
            self._console.print(f"{self._grid.spec.name}: {how_far(look)}; {states}")

    def _drawn(self, look: Look, states: str) -> Group:
        room = max(_FEW, self._console.height - _AROUND)
        troubles = [name for state in _TROUBLES for name in look.among(state)]
        parts: list[Text | Table] = [
            _line(f"{self._grid.spec.name}: {how_far(look)}", "bold"),
            _line(states),
        ]
        if look.running:
            parts += [Text(), _table(look.running[:room])]
            if len(look.running) > room:
                parts.append(_line(f"and {len(look.running) - room} more"))
        if self._ends or troubles:
            parts.append(Text())
        parts += [_line(self._event(name, "done")) for name in self._ends]
        room = max(_FEW, room + _FEW - len(look.running))
        parts += [_line(self._event(name, look.states[name]), "yellow") for name in troubles[:room]]
        if len(troubles) > room:
            parts.append(
                _line(f"and {len(troubles) - room} more: distillaw sweep status {self._grid.folder}", "yellow")
            )
        return Group(*parts)

    def _event(self, name: str, state: State) -> str:
        if state == "done":
            record = self._grid.record(self._cells[name])
            return f"{name}: done" + (f", loss {record['loss']:.4f}" if record else "")
        if state == "failed":
            return f"{name}: failed: {self._watcher.error(name)}"
        if state == "diverged":
            return f"{name}: {diverged(self._watcher.diverged_at(name))}"
        return f"{name}: preempted; it can go on from its last state"


def _table(running: tuple[Running, ...]) -> "Table":
    table = terminal.table("cell", "N", "D", "done", "train", "val", "tokens/s", "left")
    table.columns[0].no_wrap = False  # a long name gives way to the numbers
    for each in running:
        entry, seconds = each.entry, each.seconds
        table.add_row(
            _line(each.cell.id),
            units.count(flops.parameters(each.cell.shape).non_embedding),
            units.count(each.cell.tokens),
            f"{int(100 * each.share)} %",
            _loss(entry.train_loss if entry else None),
            _loss(each.val_loss),
            units.count(entry.tokens_per_s) if entry else "",
            "" if seconds is None else units.duration(seconds),
        )
    return table


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _line(text: str, style: str = "") -> Text:
    """One line, cut where the terminal ends."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")
