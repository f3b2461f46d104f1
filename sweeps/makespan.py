"""When the last cell of a grid ends: its schedule played through, as `queueing` would run it."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from sweeps.grid import State
from sweeps.queueing import TO_DO, order, ready
from sweeps.sharing import pack, shared, trunks
from sweeps.spec import RunSpec

Group = tuple[float, Sequence[RunSpec]]
"""Cells at work together, and the seconds that they will be."""


def makespan(
    cells: Sequence[RunSpec],
    states: Mapping[str, State],
    price: Callable[[Sequence[RunSpec]], float],
    workers: int,
    together: int | None,
    at_work: Iterable[Group] = (),
) -> float:
    """Seconds until the last cell ends that can.

    `price` says how many seconds a group of cells takes that starts now; it is asked in the order in which groups
    start. `at_work` are the groups that have started.
    """
    now, place = 0.0, count()
    known, trunk_of = dict(states), trunks(cells)
    waiting = [cell for cell in order(cells) if states[cell.id] in TO_DO]
    others_wait_for = {teacher.id for cell in cells for teacher in cell.teachers}
    ends: list[tuple[float, int, Sequence[RunSpec]]] = []  # without cells: a branch can start
    branches: dict[str, float] = {}
    busy = 0
    kinds: dict[object, int] = {}
    kind = {cell.id: kinds.setdefault(shared(cell), len(kinds)) for cell in waiting}

    def begin(group: Sequence[RunSpec], seconds: float) -> None:
        heapq.heappush(ends, (now + seconds, next(place), group))
        for cell in group:
            known[cell.id] = "running"
            for other in waiting:
                if trunk_of.get(other.id) is cell:
                    branches[other.id] = now + seconds * other.branches_at / cell.steps
                    heapq.heappush(ends, (branches[other.id], next(place), ()))

    def startable() -> list[RunSpec]:
        return ready(waiting, known, trunk_of, lambda cell: branches.get(cell.id, now + 1) <= now)

    for seconds, group in at_work:
        begin(group, seconds)
        busy += 1
    can = startable()
    while can or ends:
        while can and busy < workers:
            alike = [cell for cell in can if kind[cell.id] == kind[can[0].id]]  # what `pack` looks for, found fast
            load = [*waiting, *(cell for _, _, cells in ends for cell in cells)]
            group = pack(alike, load, workers, together)
            started = {cell.id for cell in group}
            waiting = [cell for cell in waiting if cell.id not in started]
            can = [cell for cell in can if cell.id not in started]
            begin(group, price(group))
            busy += 1
        now, _, ended = heapq.heappop(ends)
        busy -= bool(ended)
        known.update({cell.id: "done" for cell in ended})
        # a look at all that wait is only worth it where somebody waited for this
        if not ended or any(cell.id in others_wait_for or cell.trunk is not None for cell in ended):
            can = startable()
    return now
