"""Which side wins at a budget under each joint draw of a fitted law, every draw with an optimum of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting import intervals
from fitting.known import KnownLaw, Range
from fitting.laws import DistillationLaw
from fitting.progress import Progress
from planner.crossover.partition import Piece, sides
from planner.crossover.stretches import Shares
from planner.problems import Problems
from planner.scenarios import Charges
from planner.search import Floats

PER_DECADE, _FEWEST = 3, 5
"""Budgets a decade at which every draw is asked, and how many at least: between them its margin is a cubic."""

_FINE = 16
"""Into how many each step between these budgets is cut to count sides: a draw changes sides where its cubic does."""

POINTS = 33
"""Points of the grid on which each draw's basins are told apart."""

_NEAR = np.linspace(-1.0, 1.0, 5)
"""Where a draw is asked again around its best point, in steps of the grid."""

_ROUNDS, _FLAT = 3, 2e-3
"""How often at most, and how little (nats/token) its loss rises beside its lowest point when it need not be again.

A parabola through points so close is right to a few 1e-4 nats/token, below any tolerance worth asking for.
"""

_AT_ONCE = 500
"""Draws evaluated at a time: the temporaries of their grids stay in the cache."""


@dataclass(frozen=True)
class Drawn:
    """By scenario, some logs of budgets, and the shares of the draws there: distil, supervise, neither.

    Shapes (budgets,) and (budgets, 3). Below the first of them no teacher can be paid for, by any draw.
    """

    draws: int
    by_scenario: Mapping[str, tuple[Floats, Floats]]

    @classmethod
    def of(
        cls,
        law: KnownLaw,
        student: float,
        scenarios: Mapping[str, Charges],
        budgets: Range,
        tolerance: float,
        progress: Progress,
    ) -> "Drawn":
        """Ask every draw of the law's fit which side wins, in every scenario, all over the budgets."""
        law_of_draws = intervals.drawn(law.fitted)
        assert isinstance(law_of_draws, DistillationLaw)  # a law without distillation was refused before
        what, count = "Asking every draw", len(law_of_draws.A)
        total, done = len(scenarios) * count, 0
        progress(what, done, total)
        found: dict[str, tuple[Floats, Floats]] = {}
        for name, charges in scenarios.items():
            problems = Problems.of(law, student, budgets[0], charges, drawn=law_of_draws)
            # what can be paid for depends on the box, not on the draw: margins are cubics from there on
            low, high = np.log(min(max(budgets[0], problems.least_budget()), budgets[1])), np.log(budgets[1])
            log_C = np.linspace(low, high, max(_FEWEST, 1 + int(np.ceil(PER_DECADE * (high - low) / np.log(10)))))
            won = np.zeros((_FINE * (len(log_C) - 1) + 1, 3))
            for start in range(0, count, _AT_ONCE):
                at = np.arange(start, min(start + _AT_ONCE, count))
                margins = _margins(problems.take(at), np.clip(np.exp(log_C), *budgets))
                side = sides(_between(margins), tolerance)
                won += np.stack([np.sum(side == which, axis=1) for which in (1, -1, 0)], axis=1)
                done += len(at)
                progress(what, done, total)
            found[name] = np.linspace(low, high, len(won)), won / count
        return cls(count, found)

    def shares(self, scenario: str, piece: Piece) -> Shares:
        """The shares averaged over the log of the budget within the piece, in straight lines between budgets."""
        log_C, shares = self.by_scenario[scenario]
        low, high = np.log(piece.low), min(np.log(piece.high), log_C[-1])
        affordable = min(max(low, log_C[0]), high)
        alone = (affordable - low) / (high - low)
        if affordable >= high:
            return Shares(0.0, 1.0, 0.0)
        inside = log_C[(log_C > affordable) & (log_C < high)]
        at = np.concatenate(([affordable], inside, [high]))
        distil, supervise, neither = (
            (1 - alone) * float(np.trapezoid(np.interp(at, log_C, column), at) / (high - affordable))
            for column in shares.T
        )
        return Shares(distil, supervise + alone, neither)


def _margins(problems: Problems, budgets: Floats) -> Floats:
    """Δ (nats/token) of every problem at every budget, shape (budgets, k); -inf where no teacher can be paid for.

    To tell basins apart, teachers that do not depend on the budget are good enough, and found once for all budgets:
    with everything paid, those that are the cheapest to train.
    """
    low, high = problems.t_range()
    width, rows = (high - low) / (POINTS - 1), np.arange(len(problems))
    t = low[:, None] + width[:, None] * np.arange(POINTS)
    charges = problems.charges
    unpriced = replace(problems, charges=replace(charges, logits=0.0)) if charges.pretraining else problems
    teachers, L_T = unpriced.teacher(t), problems.L_T(t)
    found = np.empty((len(budgets), len(problems)))
    for i, C in enumerate(budgets):
        asked = replace(problems, C=np.full_like(problems.C, C))
        y = asked.student_loss(asked.student_tokens(*teachers), L_T)
        best = t[rows, np.argmin(y, axis=1)]
        found[i] = asked.supervised_loss() - _lowest(asked, best, width, low, high)
    return found


def _lowest(problems: Problems, around: Floats, step: Floats, low: Floats, high: Floats) -> Floats:
    """The minimum of each problem within a step around a point."""
    found, at = np.empty(len(problems)), np.arange(len(problems))
    for _ in range(_ROUNDS):
        t = np.clip(around[:, None] + step[:, None] * _NEAR, low[at, None], high[at, None])
        y = problems.take(at).loss(t)
        found[at], sure = _vertices(t, y)
        unsure = np.flatnonzero(~sure)
        if not len(unsure):
            break
        around, step = t[unsure, np.argmin(y[unsure], axis=1)], step[unsure] * (_NEAR[1] - _NEAR[0])
        at = at[unsure]
    return found


def _vertices(t: Floats, y: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The minimum of each row by the parabola through its lowest point and those beside it, and whether that is sure.

    Its lowest value where the parabola has no minimum there; where nothing is feasible that is for sure.
    """
    rows, best = np.arange(len(t)), np.argmin(y, axis=1)
    middle = np.clip(best, 1, t.shape[1] - 2)
    (a, b, c), (ya, yb, yc) = ([v[rows, middle + beside] for beside in (-1, 0, 1)] for v in (t, y))
    with np.errstate(invalid="ignore", divide="ignore"):  # points clipped to an end coincide
        left, right = (yb - ya) / (b - a), (yc - yb) / (c - b)
        bend = (right - left) / (c - a)
        at = 0.5 * (a + b - left / bend)
        vertex = ya + (at - a) * (left + (at - b) * bend)
        inside = (bend > 0) & (a <= at) & (at <= c)
        flat = np.maximum(ya, yc) - yb <= _FLAT
    lowest = y[rows, best]
    return np.where(inside, vertex, lowest), (inside & flat) | ~np.isfinite(lowest)


def _between(margins: Floats) -> Floats:
    """Margins (steps + 1, k) at evenly spaced budgets, also at `_FINE` points a step: by cubics through them.

    Beside a margin that is not finite there is no slope, and the nearer of the two budgets speaks for what is between.
    """
    share = (np.arange(_FINE) / _FINE)[:, None]
    with np.errstate(invalid="ignore"):
        slopes = np.gradient(margins, axis=0, edge_order=2)
        y0, y1, s0, s1 = margins[:-1, None], margins[1:, None], slopes[:-1, None], slopes[1:, None]
        curved = y0 + share * (s0 + share * (3 * (y1 - y0) - 2 * s0 - s1 + share * (2 * (y0 - y1) + s0 + s1)))
    inner = np.where(np.isfinite(curved), curved, np.where(share < 0.5, y0, y1))
    return np.concatenate((inner.reshape(-1, margins.shape[1]), margins[-1:]))
