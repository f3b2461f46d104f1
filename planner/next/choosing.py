"""Which runs to make, one after another: each time the one that lowers the expected regret most for its FLOPs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fitting import intervals
from fitting.fit import Fit
from fitting.flops import Convention
from fitting.laws import DistillationLaw
from planner.next.cells import Cell, Taught
from planner.next.worth import Beliefs
from planner.search import Floats

WORTHLESS = 1e-4
"""Share of the expected regret that a run must take away to be worth naming, however cheap it is."""

MOST_RUNS = 100
"""Runs that a batch may have: beyond, it is better to fit what they say and ask again."""

_AT_ONCE = 24
"""Cells whose worth is brought up to date together."""


@dataclass(frozen=True)
class Step:
    """A run of a batch: `flops` with those of a teacher that must be trained first, `left` the regret after it.

    `trains` is that teacher, where this is the first run that needs it. `predicted` is the log loss expected of it.
    """

    cell: Cell
    flops: float
    left: float
    trains: Taught | None
    predicted: float


@dataclass(frozen=True)
class Market:
    """Runs that could be made, with what the draws say of them: `own` is the column of each cell in `log_losses`.

    `log_losses` has shape (draws, m), `noise` (m,), `prices` (cells,) without a teacher's training. Teachers that
    would have to be trained have columns of their own, `teachers`, and prices.
    """

    cells: tuple[Cell, ...]
    own: tuple[int, ...]
    prices: Floats
    log_losses: Floats
    noise: Floats
    teachers: dict[Taught, int]
    teacher_prices: dict[Taught, float]

    @classmethod
    def of(cls, cells: Sequence[Cell], draws: DistillationLaw, fit: Fit, convention: Convention) -> "Market":
        """What joint draws, coefficients of shape (draws,), say of each cell."""
        below = fit if fit.supervised is None else fit.supervised
        noises = {False: intervals.noise_of(below), True: intervals.noise_of(fit)}
        columns: list[Floats] = []
        place: dict[tuple[float, float, Taught | None], int] = {}

        def column(cell: Cell) -> int:
            key = (cell.N, cell.D, cell.teacher)
            if key not in place:
                place[key] = len(columns)
                columns.append(predicted(draws, cell))
            return place[key]

        own = tuple(column(cell) for cell in cells)
        new = dict.fromkeys(c.teacher for c in cells if c.teacher is not None and not c.teacher.exists)
        teachers, prices = {}, {}
        for teacher in new:
            assert teacher is not None
            assert teacher.D is not None
            teachers[teacher] = column(Cell(teacher.N, teacher.D))
            prices[teacher] = float(convention.training(teacher.N, teacher.D))
        noise = np.array([noises[key[2] is not None] for key in place])
        return cls(
            tuple(cells),
            own,
            np.array([cell.spend(convention).total for cell in cells]),
            np.stack(columns, axis=1),
            noise,
            teachers,
            prices,
        )

    def needed(self, cell: int, trained: frozenset[Taught]) -> Taught | None:
        """The teacher that must be trained before a cell."""
        teacher = self.cells[cell].teacher
        return teacher if teacher in self.teachers and teacher not in trained else None


def predicted(draws: DistillationLaw, cell: Cell) -> Floats:
    """log L of a run by each draw, shape (draws,); a teacher still to be trained has the loss that each draw says."""
    teacher = cell.teacher
    if teacher is None:
        loss = draws.supervised.loss(cell.N, cell.D)
    else:
        L_T = teacher.loss if teacher.exists else draws.supervised.loss(teacher.N, teacher.D)
        loss = draws.loss(cell.N, cell.D, L_T)
    found: Floats = np.log(loss)
    return found


@dataclass(frozen=True)
class Offer:
    """What some cells cost now, and the expected regret that each alone leaves; arrays of shape (cells,)."""

    flops: Floats
    left: Floats


def offers(
    market: Market,
    beliefs: Beliefs,
    among: Sequence[int] | None = None,
    trained: frozenset[Taught] = frozenset(),
) -> Offer:
    """The worth of each cell (of `among`), together with its teacher where that is not in `trained` yet."""
    asked = np.arange(len(market.cells)) if among is None else np.asarray(among, dtype=np.intp)
    flops, left = market.prices[asked], np.empty(len(asked))
    groups: dict[Taught | None, list[int]] = {}
    for place, i in enumerate(asked):
        groups.setdefault(market.needed(int(i), trained), []).append(place)
    for teacher, places in groups.items():
        there = beliefs if teacher is None else beliefs.given(market.teachers[teacher])
        left[places] = there.after([market.own[asked[place]] for place in places])
        if teacher is not None:
            flops[places] += market.teacher_prices[teacher]
    return Offer(flops, left)


def batch(market: Market, beliefs: Beliefs, spend: float, most: int = MOST_RUNS) -> tuple[Step, ...]:
    """At most `most` runs for at most `spend` FLOPs together, each chosen on what those before it will have told.

    What a cell was worth before is taken for the most that it can be worth now (Minoux 1978). The batch ends where no
    run that can be paid for takes more than `WORTHLESS` of the expected regret away.
    """
    steps: list[Step] = []
    trained: frozenset[Taught] = frozenset()
    now = first = beliefs.left
    hoped = np.full(len(market.cells), np.inf)  # -inf: made, or beyond what is left to spend
    while len(steps) < most:
        best, offer = _best(market, beliefs, trained, hoped, spend, now, WORTHLESS * first)
        if best is None:
            break
        cell, needed = market.cells[best], market.needed(best, trained)
        new = {needed} if needed is not None else set()
        if needed is not None:
            beliefs = beliefs.given(market.teachers[needed])
        beliefs = beliefs.given(market.own[best])
        if cell.teacher is None:  # who was trained may teach
            new |= {t for t in market.teachers if (t.N, t.D) == (cell.N, cell.D)}
        trained |= new
        made = {market.own[best]} | ({market.teachers[needed]} if needed is not None else set())
        for i, other in enumerate(market.cells):
            if market.own[i] in made:
                hoped[i] = -np.inf
            elif other.teacher in new:
                hoped[i] = np.inf  # cheaper than it was
        flops, now = offer
        expected = float(market.log_losses[:, market.own[best]].mean())
        steps.append(Step(cell, flops, max(0.0, now), needed, expected))
        spend -= flops
    return tuple(steps)


def _best(
    market: Market,
    beliefs: Beliefs,
    trained: frozenset[Taught],
    hoped: Floats,
    spend: float,
    now: float,
    least: float,
) -> tuple[int | None, tuple[float, float]]:
    """The cell that gains most for its FLOPs, with those and the regret left; `hoped` is brought up to date.

    Of those that gain more than `least`, in nats/token: where nothing cheap tells anything, a dear run may.
    """
    best: tuple[int | None, tuple[float, float]] = (None, (0.0, now))
    most = -np.inf
    order = np.argsort(-hoped, kind="stable")
    for start in range(0, len(order), _AT_ONCE):
        some = order[start : start + _AT_ONCE]
        some = some[hoped[some] > -np.inf]
        if not len(some) or most >= hoped[some[0]]:
            break
        offer = offers(market, beliefs, [int(i) for i in some], trained)
        gain = now - offer.left
        worth = np.where(gain > least, gain / offer.flops, 0.0)
        hoped[some] = np.where(offer.flops <= spend, worth, -np.inf)
        worth = hoped[some]
        k = int(np.argmax(worth))
        if worth[k] > max(most, 0.0):
            most, best = worth[k], (int(some[k]), (float(offer.flops[k]), float(offer.left[k])))
    return best
