"""Where the fitting procedure of arXiv 2502.08606 starts, in its coordinates, and the box that we keep it in.

Published (App F): the coordinates and the grids of starting points. Ours: the box. The paper says that coefficients
are positive and states no bounds.
"""

from math import gcd
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fitting.errors import InputError
from fitting.fit import COEFFICIENTS

Array = NDArray[np.float64]
Form = Literal["supervised", "distillation"]

_LOG_SIZES = (0.0, 5.0, 10.0, 15.0, 20.0)
_HALVES = (0.0, 0.5, 1.0, 1.5)

GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "supervised": {
        "A": _LOG_SIZES,
        "B": _LOG_SIZES,
        "E": (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
        "alpha": _HALVES,
        "beta": _HALVES,
        "gamma": _HALVES,
    },
    "distillation": {
        "A": _LOG_SIZES,
        "B": _LOG_SIZES,
        "alpha": _HALVES[:3],
        "beta": _HALVES[:3],
        "gamma": _HALVES[:3],
        "c0": _HALVES,
        "c1": _HALVES,
        "f1": _HALVES,
        "d1": (-1.0, -0.5, 0.0, 0.5, 1.0),
    },
}
"""Values on each axis (App F of arXiv 2502.08606): logarithms of A, B, E and d1, the others as they are."""

IN_LOGS = ("A", "B", "E", "d1")

_LARGEST_LOG = 700.0
"""Ours: keeps the coefficients that are searched in logarithms positive and finite numbers."""

_SMALLEST_F1 = 0.01
"""Ours: Eq 8 divides by f1, and the published grid starts a quarter of the searches at f1 = 0."""

_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, less their whole parts, lie evenly between 0 and 1 however many there are."""


def box(form: Form) -> tuple[Array, Array]:
    """The lowest and the highest coordinates, each of shape (p,): zero and up, f1 a little more than zero."""
    lower = {name: -_LARGEST_LOG if name in IN_LOGS else 0.0 for name in COEFFICIENTS[form]}
    upper = {name: _LARGEST_LOG if name in IN_LOGS else np.inf for name in COEFFICIENTS[form]}
    if "f1" in lower:
        lower["f1"] = _SMALLEST_F1
    return np.array(list(lower.values())), np.array(list(upper.values()))


def starting_points(form: Form, count: int | None = None) -> Array:
    """The published grid, shape (9600, 6) or (216000, 9), moved into the box; or `count` rows spread evenly over it.

    Fewer starts than the grid has are not the published procedure.
    """
    axes = [np.array(GRIDS[form][name]) for name in COEFFICIENTS[form]]
    sizes = [len(axis) for axis in axes]
    rows = np.arange(int(np.prod(sizes)))
    if count is not None:
        if count < 1:
            raise InputError(f"starts: must be at least 1, not {count}")
        # a stride that shares no factor with the grid takes every axis through all its values, and no row twice
        stride = round(_GOLDEN * len(rows))
        while gcd(stride, len(rows)) > 1:
            stride += 1
        rows = np.sort(rows[: min(count, len(rows))] * stride % len(rows))
    places = np.unravel_index(rows, sizes)
    points = np.stack([axis[place] for axis, place in zip(axes, places, strict=True)], axis=1)
    inside: Array = np.clip(points, *box(form))
    return inside


def coefficients(form: Form, points: Array) -> Array:
    """The coefficients at coordinates of shape (..., p), in the order of `COEFFICIENTS[form]`."""
    logs = np.array([name in IN_LOGS for name in COEFFICIENTS[form]])
    found: Array = np.where(logs, np.exp(np.where(logs, points, 0.0)), points)
    return found
