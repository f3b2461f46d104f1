"""Where a function of the budget lies above, within and below a tolerance: a range cut into stretches.

Every point that was ever evaluated stays; cells are cut up where the side changes within them, and beside extrema
that may reach over a threshold between two points. So one pass finds jumps, narrow touches and several changes in
one cell alike.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planner.search import Floats

PER_DECADE = 16
"""Points a decade of the first grid."""

SHORTEST = 1e-6
"""Stretches narrower than this, relative to the budget, are not told from a point."""

_CUT = 4e-7
"""Relative width down to which a change of sides is bracketed."""

_EXTREMUM = 1e-4
"""Relative width down to which an extremum is: its height is then right to the square of that."""

_PARTS = 16
"""Into how many a cell is cut at a time."""

Margin = Callable[[Floats], Floats]
"""Of budgets, shape (k,), the margins, shape (k,); -inf where there is only one way."""


class Piece(NamedTuple):
    """Budgets from `low` to `high`, and the side there: 1 above the tolerance, -1 below minus it, 0 within."""

    low: float
    high: float
    side: int


def sides(margin: Floats, tolerance: float) -> NDArray[np.int8]:
    """1 above the tolerance, -1 below minus it, 0 within."""
    return (margin > tolerance).astype(np.int8) - (margin < -tolerance).astype(np.int8)


def partition(margin: Margin, low: float, high: float, tolerance: float) -> list[Piece]:
    """Contiguous pieces of [low, high], adjacent ones on different sides."""
    ends = np.log(low), np.log(high)

    def evaluate(x: Floats) -> Floats:
        return margin(np.clip(np.exp(x), low, high))  # the exponential may round to beyond an end

    x = np.linspace(*ends, max(2, round(PER_DECADE * (ends[1] - ends[0]) / np.log(10))) + 1)
    y = evaluate(x)
    while len(cells := _unsure(x, y, tolerance)):
        new = (x[cells, None] + np.diff(x)[cells, None] * np.arange(1, _PARTS) / _PARTS).ravel()
        order = np.argsort(np.append(x, new), kind="stable")
        x, y = np.append(x, new)[order], np.append(y, evaluate(new))[order]
    return _pieces(x, sides(y, tolerance), low, high)


def _unsure(x: Floats, y: Floats, tolerance: float) -> NDArray[np.intp]:
    """The cells between neighbouring points in which a side may begin or end unseen."""
    width, side = np.diff(x), sides(y, tolerance)
    change = (side[1:] != side[:-1]) & (width > _CUT)
    # an extremum lies beyond its highest point by no more than that point lies beyond its neighbours
    with np.errstate(invalid="ignore"):
        left, right = np.diff(y, prepend=y[0]), -np.diff(y, append=y[-1])
        reach = np.maximum(np.abs(left), np.abs(right))
        up = np.where(y < -tolerance, -tolerance, tolerance) - y
        down = y - np.where(y > tolerance, tolerance, -tolerance)
        peak = (left >= 0) & (right >= 0) & (up >= 0) & (up <= reach)
        pit = (left <= 0) & (right <= 0) & (down >= 0) & (down <= reach)
    close = (peak | pit) & np.isfinite(y) & (reach > 0)
    beside = (close[1:] | close[:-1]) & (width > _EXTREMUM)
    return np.flatnonzero(change | beside)


def _pieces(x: Floats, side: NDArray[np.int8], low: float, high: float) -> list[Piece]:
    last = np.append(np.flatnonzero(np.diff(side)), len(x) - 1)
    cuts = np.append(0.5 * (x[last[:-1]] + x[last[:-1] + 1]), x[-1])
    starts = np.append(x[0], cuts[:-1])
    kept = np.flatnonzero(cuts - starts > SHORTEST)
    if not len(kept):
        kept = np.array([np.argmax(cuts - starts)])
    found: list[Piece] = []
    for i in kept:
        begins = float(np.exp(starts[i])) if found else low
        if found and found[-1].side == side[last[i]]:
            begins = found.pop().low
        elif found:
            found[-1] = found[-1]._replace(high=begins)
        found.append(Piece(begins, high, int(side[last[i]])))
    return found
