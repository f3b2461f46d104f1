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
    rows, cells = [], []
    step = max(1, _CHUNK // points)
    for start in range(0, k, step):
        at = np.arange(start, min(start + step, k))
        y = family.take(at).loss(low[at, None] + (high - low)[at, None] * fraction)
        edge = np.full((len(at), 1), np.inf)
        left, right = np.hstack((edge, y[:, :-1])), np.hstack((y[:, 1:], edge))
        lane, cell = np.nonzero((y < left) & (y <= right))  # a plateau counts once, at its left end
        rows.append(at[lane])
        cells.append(cell)
    row, cell = np.concatenate(rows), np.concatenate(cells)
    width = (high - low)[row] / (points - 1)
    centre = low[row] + width * cell
    x, y = zoom(family.take(row), np.maximum(centre - width, low[row]), np.minimum(centre + width, high[row]))
    # best first within each problem, so that the first two of each are what is asked for
    order = np.lexsort((y, row))
    row, x, y = row[order], x[order], y[order]
    found = Minima(low.copy(), np.full(k, np.inf), np.full(k, np.nan), np.full(k, np.inf))
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
