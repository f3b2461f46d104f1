"""A look at a grid from outside: how far it is, how fast, how long it will take, from its files and locks alone.

Whoever runs the grid, wherever, need not know. The folder may hold a thousand cells on a file system across a network,
so a look reads little: what is over is not read again, and of the others only what has changed.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sweeps import journal
from sweeps.estimate import judging_flops
from sweeps.grid import OVER, Grid, State
from sweeps.journal import Entry
from sweeps.makespan import makespan
from sweeps.queueing import why
from sweeps.sharing import shared, trunks
from sweeps.spec import RunSpec

_ALL_SECONDS = 30.0
"""How often cells are looked at that nobody has begun: whoever begins one leaves a lock, which a look finds at once."""

_LOCK_SECONDS = 5.0
"""How often the locks of running cells are asked for, which takes a moment each; that one has ended is seen at once."""

_THINKING = 0.05
"""The most of a watcher's time that the time left may cost, which for a thousand cells takes a moment to find out."""


_TRUSTED_SECONDS = 5.0
"""A pace is taken over so much of a journal's end, which evens out what else the machine does."""


@dataclass(frozen=True)
class Running:
    """A cell at which a process is. `entry` is the last of its journal, `val_loss` the last that was taken.

    `flops` are done; `speed` is in FLOP/s; both are the cell's own, as if it had its teacher for itself.
    """

    cell: RunSpec
    entry: Entry | None
    val_loss: float | None
    flops: float
    speed: float | None

    @property
    def share(self) -> float:
        return self.flops / self.cell.total_flops

    @property
    def seconds(self) -> float | None:
        """What is left of it, its evaluation at the end included."""
        left = self.cell.total_flops - self.flops + judging_flops(self.cell) * (1 - self.share)
        return left / self.speed if self.speed else None


@dataclass(frozen=True)
class Look:
    """A grid at one moment: FLOPs `done` of `total`, the `seconds` that it still takes (None: nothing says)."""

    states: Mapping[str, State]
    done: float
    total: float
    running: tuple[Running, ...]
    seconds: float | None

    @property
    def speed(self) -> float:
        """FLOP/s now, of all that is running."""
        return sum(each.speed or 0.0 for each in self.running)

    @property
    def over(self) -> bool:
        """Whether nothing changes any more, whatever is run."""
        return len(self.among(*OVER)) == len(self.states)

    def among(self, *states: State) -> list[str]:
        """The cells in one of these states, in the grid's order."""
        return [name for name, state in self.states.items() if state in states]


class Watcher:
    """Looks at a grid again and again."""

    def __init__(self, grid: Grid) -> None:
        self._grid, self._cells = grid, grid.spec.cells
        self._total = sum(cell.total_flops for cell in self._cells)
        self._branches = trunks(self._cells)
        self._states: dict[str, State] = {}
        self._all_at = self._locks_at = 0.0
        self._journals: dict[str, tuple[tuple[int, int], list[Entry]]] = {}
        self._speeds: dict[object, float] = {}
        self._groups = 0
        self._seconds: float | None = None
        self._seconds_at = self._again_at = 0.0

    def look(self) -> Look:
        """The grid now. Raises `InputError` for a record that is damaged."""
        self._update_states()
        done, running = 0.0, []
        for cell in self._cells:
            state = self._states[cell.id]
            flops = self.flops_done(cell)
            done += flops
            if state == "running":
                running.append(_running(cell, self.entries(cell), flops))
        look = Look(dict(self._states), done, self._total, tuple(running), None)
        return Look(look.states, done, self._total, look.running, self._time_left(look))

    def flops_done(self, cell: RunSpec) -> float:
        """FLOPs that a cell has behind it, by its journal; all of them once it is over."""
        state = self._states[cell.id]
        if state in OVER:
            return cell.total_flops
        entries = self.entries(cell) if state not in ("planned", "blocked") else []
        return entries[-1].flops_training + entries[-1].flops_logits if entries else 0.0

    def entries(self, cell: RunSpec) -> list[Entry]:
        """The journal of a cell, read again only when it has changed."""
        path = self._grid.cell(cell).journal
        try:
            found = path.stat()
        except OSError:
            return []
        mark = found.st_size, found.st_mtime_ns
        if self._journals.get(cell.id, (None,))[0] != mark:
            self._journals[cell.id] = mark, journal.read(path)
        return self._journals[cell.id][1]

    def diverged_at(self, name: str) -> int | None:
        """The step at which a diverged cell ended, where its journal is there."""
        entries = self.entries(self._cell(name))
        return entries[-1].step if entries else None

    def error(self, name: str) -> str:
        """Why a cell failed, in one line."""
        path = self.error_file(name)
        try:
            return why(path)
        except (OSError, ValueError):  # gone since the look, for one
            return "its reason cannot be read"

    def error_file(self, name: str) -> Path:
        return self._grid.cell(self._cell(name)).error

    def _cell(self, name: str) -> RunSpec:
        return next(cell for cell in self._cells if cell.id == name)

    def _update_states(self) -> None:
        now = time.monotonic()
        everything = now - self._all_at >= _ALL_SECONDS or not self._states
        locks = everything or now - self._locks_at >= _LOCK_SECONDS
        self._all_at = now if everything else self._all_at
        self._locks_at = now if locks else self._locks_at
        begun = self._grid.begun()
        before, self._states = self._states, {}
        for cell in self._cells:  # teachers before students
            state = before.get(cell.id)
            teachers = [self._states[teacher.id] for teacher in cell.teachers if teacher.id in self._states]
            if state in OVER or (state == "running" and not locks and not self._ended(cell)):
                self._states[cell.id] = state
            elif state in ("planned", "blocked") and not everything and cell.id not in begun:
                stopped = {"diverged", "failed", "blocked"} & set(teachers)
                self._states[cell.id] = "blocked" if stopped else "planned"
            else:
                self._states[cell.id] = self._grid.state(cell, teachers)

    def _ended(self, cell: RunSpec) -> bool:
        """Whether a cell has left how it ended; one that was stopped or killed has not."""
        folder = self._grid.cell(cell)
        return folder.record.exists() or folder.error.exists()

    def _time_left(self, look: Look) -> float | None:
        """Seconds until the last cell ends, if those that run keep their pace and as many run at once."""
        now = time.monotonic()
        if now < self._again_at:
            return self._seconds if self._seconds is None else max(0.0, self._seconds - (now - self._seconds_at))
        # students of one teacher that see the same batches may be in one process, and then share its pace
        groups: dict[object, list[Running]] = {}
        for each in look.running:
            groups.setdefault(shared(each.cell) if each.cell.teachers else each.cell.id, []).append(each)
        for group in groups.values():
            speeds = [each.speed for each in group if each.speed]
            if len(speeds) == len(group):  # a part of a group says less than nothing of the whole
                self._speeds.update({_kind(each.cell): sum(speeds) for each in group})
        workers = max(len(groups), self._groups)  # between two cells a worker has none for a moment
        self._groups = len(groups)
        self._seconds, self._seconds_at = self._played(look, list(groups.values()), workers), now
        self._again_at = now + (time.monotonic() - now) / _THINKING
        return self._seconds

    def _played(self, look: Look, groups: list[list[Running]], workers: int) -> float | None:
        if not self._speeds or not groups:
            return None
        usual = sum(self._speeds.values()) / len(self._speeds)

        def speed(cell: RunSpec) -> float:
            return self._speeds.get(_kind(cell), usual)

        def alone(cell: RunSpec) -> float:
            share = cell.own_share if cell.id in self._branches else 1.0
            return (cell.total_flops * share + judging_flops(cell)) / speed(cell)

        def left(each: Running) -> float:
            return alone(each.cell) if each.seconds is None else each.seconds

        at_work = [(max(map(left, group)), [each.cell for each in group]) for group in groups]
        return makespan(self._cells, look.states, lambda cells: sum(map(alone, cells)), workers, 1, at_work)


def _kind(cell: RunSpec) -> object:
    """Cells of one kind run at one pace: a large teacher's FLOPs are faster than a small student's."""
    return cell.shape, tuple(teacher.forward_flops for teacher in cell.teachers)


def _running(cell: RunSpec, entries: list[Entry], flops: float) -> Running:
    if not entries:
        return Running(cell, None, None, flops, None)
    last, pace = entries[-1], _pace(entries)
    speed = pace * flops / last.tokens if pace and last.tokens else None
    val_loss = next((entry.val_loss for entry in reversed(entries) if entry.val_loss is not None), None)
    return Running(cell, last, val_loss, flops, speed)


def _pace(entries: list[Entry]) -> float | None:
    """Tokens per second over the last entries; None where they do not say enough.

    A first entry holds what a process does only once, so it counts where nothing else does and that is little of it.
    """
    tokens = seconds = 0.0
    for before, entry in reversed(list(pairwise(entries))):
        tokens += entry.tokens - before.tokens
        seconds += (entry.tokens - before.tokens) / entry.tokens_per_s if entry.tokens_per_s > 0 else 0.0
        if seconds >= _TRUSTED_SECONDS:
            break
    if seconds:
        return tokens / seconds
    first = entries[0]
    trusted = first.tokens_per_s > 0 and first.tokens / first.tokens_per_s >= _TRUSTED_SECONDS
    return first.tokens_per_s if trusted else None
