"""Which side wins at a budget under each joint draw of a fitted law, every draw with an optimum of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

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
from planner.search import Floats, zoom

PER_DECADE = 4
"""Budgets a decade at which the draws are asked."""

POINTS = 33
"""Points of the grid on which each draw's basins are told apart."""

_ZOOM_POINTS, _ZOOM_ROUNDS = 7, 3
"""Refine a draw's optimum to some 1e-4 nats/token, well below any tolerance worth asking for."""

_AT_ONCE = 400
"""Draws evaluated at a time: the temporaries of their grids stay in the cache."""


@dataclass(frozen=True)
class Drawn:
    """Shares of the draws by scenario at some budgets, shape (budgets, 3): distil, supervise, neither."""

    draws: int
    log_C: Floats
    by_scenario: Mapping[str, Floats]

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
        low, high = np.log(budgets)
        log_C = np.linspace(low, high, max(2, 1 + int(np.ceil(PER_DECADE * (high - low) / np.log(10)))))
        what, total, done = "Asking every draw", len(scenarios) * len(log_C), 0
        progress(what, done, total)
        found: dict[str, Floats] = {}
        for name, charges in scenarios.items():
            shares = np.empty((len(log_C), 3))
            for i, C in enumerate(np.clip(np.exp(log_C), *budgets)):
                side = _sides(Problems.of(law, student, C, charges, drawn=law_of_draws), tolerance)
                shares[i] = [np.mean(side == 1), np.mean(side == -1), np.mean(side == 0)]
                done += 1
                progress(what, done, total)
            found[name] = shares
        return cls(len(law_of_draws.A), log_C, found)

    def shares(self, scenario: str, piece: Piece) -> Shares:
        """The shares averaged over the log of the budget within the piece, in straight lines between budgets asked."""
        low, high = max(np.log(piece.low), self.log_C[0]), min(np.log(piece.high), self.log_C[-1])
        inside = self.log_C[(self.log_C > low) & (self.log_C < high)]
        at = np.concatenate(([low], inside, [high]))
        mean = [
            float(np.trapezoid(np.interp(at, self.log_C, column), at) / (high - low))
            for column in self.by_scenario[scenario].T
        ]
        return Shares(*mean)


def _sides(problems: Problems, tolerance: float) -> NDArray[np.int8]:
    """The side that wins in each problem, as `planner.partition.sides` numbers them; shape (k,)."""
    alone, (low, high) = problems.supervised_loss(), problems.t_range()
    margin = np.empty(len(problems))
    for start in range(0, len(problems), _AT_ONCE):
        at = np.arange(start, min(start + _AT_ONCE, len(problems)))
        width = (high - low)[at] / (POINTS - 1)
        t = low[at, None] + width[:, None] * np.arange(POINTS)
        y = problems.take(at).loss(t)
        i, rows = np.argmin(y, axis=1), np.arange(len(at))
        best, centre = y[rows, i], t[rows, i]
        # beyond the best point a convex basin falls by no more than it does towards it from the next
        with np.errstate(invalid="ignore"):
            beside = np.maximum(y[rows, np.maximum(i - 1, 0)], y[rows, np.minimum(i + 1, POINTS - 1)])
            nearest, farthest = alone[at] - best, alone[at] - 2 * best + beside
        unsure = np.flatnonzero(np.isfinite(best) & (sides(nearest, tolerance) != sides(farthest, tolerance)))
        if len(unsure):
            ends = (
                np.maximum(centre - width, low[at])[unsure],
                np.minimum(centre + width, high[at])[unsure],
            )
            _, found = zoom(problems.take(at[unsure]), *ends, points=_ZOOM_POINTS, rounds=_ZOOM_ROUNDS)
            best[unsure] = np.minimum(found, best[unsure])
        margin[at] = alone[at] - best
    return sides(margin, tolerance)
