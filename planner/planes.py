"""Two-dimensional global minimisation on arrays: many problems at once, every basin of a grid refined."""

from collections.abc import Callable

import numpy as np

from planner.search import Floats, Index

_CELLS = 8
"""Cells a side of the window that is laid around a basin's best point."""

_KEPT = 1.5 / _CELLS
"""Share of the window that is kept, either way, around a best point inside it; at its rim the window moves instead."""

ROUNDS = 22
"""Of windows around a basin: each but the last few lays a finer one."""


def minima(
    function: Callable[[Floats, Floats, Index], Floats],
    x_ends: tuple[Floats, Floats],
    y_ends: tuple[Floats, Floats],
    *,
    points: tuple[int, int],
    rounds: int = ROUNDS,
) -> tuple[Floats, Floats, Floats]:
    """The least of each of k functions over its rectangle (ends of shape (k,)), as resolved by a grid of `points`.

    `function(x, y, index)` gives the values of the functions at `index` (shape (j,)) at places of shape (j, p), +inf
    where infeasible. Every point that none of its eight neighbours is below is refined. Returns x, y and the value,
    of shape (k,); +inf where nothing is feasible.
    """
    k, (p, q) = len(x_ends[0]), points
    fx, fy = (np.linspace(0.0, 1.0, n) for n in points)
    grid_x = x_ends[0][:, None, None] + (x_ends[1] - x_ends[0])[:, None, None] * fx[:, None] + 0 * fy
    grid_y = y_ends[0][:, None, None] + (y_ends[1] - y_ends[0])[:, None, None] * fy + 0 * fx[:, None]
    every = np.arange(k)
    values = function(grid_x.reshape(k, -1), grid_y.reshape(k, -1), every).reshape(k, p, q)
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), constant_values=np.inf)
    least = np.isfinite(values)
    for above in range(3):
        for left in range(3):
            least &= values <= padded[:, above : above + p, left : left + q]
    row, i, j = np.nonzero(least)
    found = x_ends[0].copy(), y_ends[0].copy(), np.full(k, np.inf)
    if not len(row):
        return found
    x, y, value = _narrow(
        lambda x, y: function(x, y, row),
        (grid_x[row, i, j], grid_y[row, i, j], values[row, i, j]),
        [((ends[0])[row], (ends[1])[row]) for ends in (x_ends, y_ends)],
        [((ends[1] - ends[0])[row] / max(n - 1, 1)) for ends, n in ((x_ends, p), (y_ends, q))],
        rounds,
    )
    order = np.lexsort((value, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    for into, each in zip(found, (x, y, value), strict=True):
        into[row[first]] = each[first]
    return found


def _narrow(
    function: Callable[[Floats, Floats], Floats],
    best: tuple[Floats, Floats, Floats],
    ends: list[tuple[Floats, Floats]],
    reach: list[Floats],
    rounds: int,
) -> tuple[Floats, Floats, Floats]:
    """Each basin's best point, in windows that shrink around it, or follow it where it lies on their rim."""
    x, y, value = best
    steps = np.linspace(-1.0, 1.0, _CELLS + 1)
    flat = not reach[1].any()
    dx, dy = (each.ravel() for each in np.meshgrid(steps, steps[:1] * 0 if flat else steps, indexing="ij"))
    rows = np.arange(len(x))
    for _ in range(rounds):
        at_x = np.clip(x[:, None] + reach[0][:, None] * dx, ends[0][0][:, None], ends[0][1][:, None])
        at_y = np.clip(y[:, None] + reach[1][:, None] * dy, ends[1][0][:, None], ends[1][1][:, None])
        values = function(at_x, at_y)
        at = np.argmin(values, axis=1)
        better = values[rows, at] < value
        x, y = np.where(better, at_x[rows, at], x), np.where(better, at_y[rows, at], y)
        value = np.minimum(value, values[rows, at])
        rim = better & ((np.abs(dx[at]) == 1) | (np.abs(dy[at]) == 1))
        reach = [np.where(rim, each, each * _KEPT * 2) for each in reach]
    return x, y, value
