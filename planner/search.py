"""One-dimensional global minimisation on arrays: many problems at once, every local minimum refined."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


class Family(Protocol):
    """k functions of one variable: `loss` maps points of shape (k, p) to values, +inf where infeasible."""

    def __len__(self) -> int: ...
    def take(self, index: Index) -> "Family":
        """The functions at `index`, which may repeat."""

    def loss(self, t: Floats) -> Floats:
        """Values of shape (k, p)."""


@dataclass(frozen=True)
class Minima:
    """For each of k functions the global minimum and the second-best local one; shape (k,) each.

    `y` is +inf where nothing is feasible, `other_y` where there is one local minimum only.
    """

    x: Floats
    y: Floats
    other_x: Floats
    other_y: Floats


POINTS = 257
"""Points of the grid on which basins are told apart."""

_CHUNK = 1 << 14
"""Points evaluated at a time: their temporaries stay in the cache."""


def minima(family: Family, low: Floats, high: Floats, *, points: int = POINTS) -> Minima:
    """The minima over [low, high] (shape (k,) each) as resolved by a grid of `points`, each refined to rounding."""
    k, fraction = len(family), np.linspace(0.0, 1.0, points)
    none = np.empty(0)
    rows, starts, ends, at_edge = [np.empty(0, dtype=np.intp)], [none], [none], [np.empty(0, dtype=bool)]
    for start in range(0, k, max(1, _CHUNK // points)):
        at = np.arange(start, min(start + max(1, _CHUNK // points), k))
        y = family.take(at).loss(low[at, None] + (high - low)[at, None] * fraction)
        edge = np.full((len(at), 1), np.inf)
        left, right = np.hstack((edge, y[:, :-1])), np.hstack((y[:, 1:], edge))
        width = (high - low)[at] / (points - 1)
        basin = (y < left) & (y <= right)  # a plateau counts once, at its left end
        feasible = np.isfinite(y)
        before = feasible[:, 1:] & ~feasible[:, :-1] & ~basin[:, 1:]
        after = feasible[:, :-1] & ~feasible[:, 1:] & ~basin[:, :-1]
        for seen, offset, cells in ((basin, -1, 2), (before, 0, 1), (after, 0, 1)):
            lane, cell = np.nonzero(seen)
            rows.append(at[lane])
            starts.append(np.maximum(low[at][lane] + width[lane] * (cell + offset), low[at][lane]))
            ends.append(np.minimum(low[at][lane] + width[lane] * (cell + offset + cells), high[at][lane]))
            at_edge.append(np.full(len(lane), cells == 1))
    row, near = np.concatenate(rows), np.concatenate(at_edge)
    x0, x1 = np.concatenate(starts), np.concatenate(ends)
    x, y = zoom(family.take(row), x0, x1)
    # towards an edge of what is feasible the function may fall again; where it does not, there is no minimum
    end = 1e-9 * (x1 - x0)
    y = np.where(near & ((x <= x0 + end) | (x >= x1 - end)), np.inf, y)
    # best first within each problem, so that the first two of each are what is asked for
    order = np.lexsort((y, row))
    row, x, y = row[order], x[order], y[order]
    found = Minima(low.copy(), np.full(k, np.inf), np.full(k, np.nan), np.full(k, np.inf))
    if not len(row):
        return found
    first = np.flatnonzero(np.diff(row, prepend=-1))
    found.x[row[first]], found.y[row[first]] = x[first], y[first]
    second = first[np.diff(np.append(first, len(row))) > 1] + 1
    found.other_x[row[second]], found.other_y[row[second]] = x[second], y[second]
    return found


def zoom(family: Family, low: Floats, high: Floats, *, points: int = 17, rounds: int = 8) -> tuple[Floats, Floats]:
    """Minimise each function over [low, high], keeping the two cells around the best point in every round.

    The result is the minimum of the best cell of the first grid. Returns (argmin, min), shape (k,) each.
    """
    fraction = np.linspace(0.0, 1.0, points)
    rows = np.arange(len(low))
    best_x, best_y = low.copy(), np.full(len(low), np.inf)
    for _ in range(rounds):
        x = low[:, None] + (high - low)[:, None] * fraction
        y = family.loss(x)
        i = np.argmin(y, axis=1)
        better = y[rows, i] < best_y
        best_x, best_y = np.where(better, x[rows, i], best_x), np.where(better, y[rows, i], best_y)
        step = (high - low) / (points - 1)
        low, high = np.maximum(low, x[rows, i] - step), np.minimum(high, x[rows, i] + step)
    return best_x, best_y


def sublevel(
    loss: Callable[[Floats], Floats],
    at: Floats,
    ceiling: Floats,
    low: Floats,
    high: Floats,
    *,
    points: int = 49,
    rounds: int = 5,
) -> tuple[Floats, Floats]:
    """The connected interval around `at` on which `loss` stays at or below `ceiling`, cut at [low, high].

    Everything has shape (k,); `loss` maps (k, p) to (k, p). Walks a grid outwards from `at` to the first point above
    the ceiling, then a finer one through that cell.
    """

    def edge(end: Floats) -> Floats:
        inside, outside = at, end
        for _ in range(rounds):
            x = inside[:, None] + (outside - inside)[:, None] * np.linspace(0.0, 1.0, points)
            above = loss(x) > ceiling[:, None]
            above[:, 0] = False
            first = np.argmax(above, axis=1)
            none, rows = ~above.any(axis=1), np.arange(len(at))
            inside, outside = (
                np.where(none, outside, x[rows, np.maximum(first - 1, 0)]),
                np.where(none, outside, x[rows, first]),
            )
        return inside

    return edge(low), edge(high)
