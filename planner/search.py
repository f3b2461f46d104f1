"""One-dimensional global minimisation on arrays: a grid, then every local minimum narrowed down together."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def zoom(
    objective: Callable[[Floats], Floats], low: Floats, high: Floats, *, points: int = 65, rounds: int = 7
) -> tuple[Floats, Floats]:
    """Minimise `objective` over [low, high] for each of k problems at once.

    `objective` maps points of shape (k, m) to values of shape (k, m); infeasible points are +inf. Each round keeps
    the two cells around the best point, so the result is the minimum of the best cell of the first grid.
    Returns (argmin, min), each of shape (k,).
    """
    fraction = np.linspace(0.0, 1.0, points)
    rows = np.arange(len(low))
    best_x, best_y = low.copy(), np.full(len(low), np.inf)
    for _ in range(rounds):
        x = low[:, None] + (high - low)[:, None] * fraction
        y = objective(x)
        i = np.argmin(y, axis=1)
        better = y[rows, i] < best_y
        best_x, best_y = np.where(better, x[rows, i], best_x), np.where(better, y[rows, i], best_y)
        step = (high - low) / (len(fraction) - 1)
        low, high = np.maximum(low, x[rows, i] - step), np.minimum(high, x[rows, i] + step)
        fraction = np.linspace(0.0, 1.0, 17)
    return best_x, best_y


def global_minimum(
    objective: Callable[[Floats], Floats], low: float, high: float, *, points: int = 257
) -> tuple[float, float]:
    """The global minimum of a one-dimensional `objective` (shape (m,) to (m,)) as resolved by a grid of `points`.

    All local minima of the grid are refined, so that two nearly equal basins are told apart. Returns (x, y);
    y is +inf where nothing is feasible.
    """
    x = np.linspace(low, high, points)
    y = objective(x)
    if not np.isfinite(y).any():
        return low, float("inf")
    padded = np.concatenate(([np.inf], y, [np.inf]))
    basins = np.flatnonzero((y <= padded[:-2]) & (y <= padded[2:]) & np.isfinite(y))
    left, right = x[np.maximum(basins - 1, 0)], x[np.minimum(basins + 1, points - 1)]
    best_x, best_y = zoom(lambda t: objective(t.ravel()).reshape(t.shape), left, right, points=33, rounds=7)
    i = int(np.argmin(best_y))
    return float(best_x[i]), float(best_y[i])


def sublevel_interval(
    objective: Callable[[Floats], Floats],
    at: float,
    ceiling: float,
    low: float,
    high: float,
    *,
    points: int = 65,
) -> tuple[float, float]:
    """The connected interval around `at` on which `objective` stays at or below `ceiling`, cut at [low, high].

    Walks a grid outwards from `at` to the first point above the ceiling, then a finer one through that cell.
    """

    def edge(end: float) -> float:
        inside, outside = at, end
        for _ in range(6):
            x = np.linspace(inside, outside, points)
            above = np.flatnonzero(objective(x[1:]) > ceiling)
            if not above.size:
                return float(outside)
            inside, outside = float(x[above[0]]), float(x[above[0] + 1])
        return inside

    return edge(low), edge(high)
