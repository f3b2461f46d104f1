"""The laws' logarithms and their derivatives at many points of coordinates at once: plain NumPy, float64.

Eq 1 and Eq 8 of arXiv 2502.08606 in log-sum-exp form (Eq 44, 49), in the coordinates of `fitting.coordinates`.
Coordinates `y` have shape (points, p); runs are columns of shape (runs,), or (points, runs) where each point has its
own; results have shape (points, runs), derivatives (points, rows, runs). `rows[i]` says which row takes the
derivative by coordinate i, or None where nobody asks for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = Sequence[int | None]


class SupervisedRuns(NamedTuple):
    """log N and log D of each run, less their centres."""

    n: Array
    d: Array


class DistilledRuns(NamedTuple):
    """log N_S, log D_S and log L_T of each run, less their centres; log L_T; log L_T - log L̃_S."""

    n: Array
    d: Array
    teacher: Array
    log_teacher: Array
    log_ratio: Array


class _Terms(NamedTuple):
    """log (A N^-α + B D^-β)^γ, the share of its first term, and the derivative by log γ."""

    value: Array
    share: Array
    by_log_gamma: Array | None


def _terms(u: Array, v: Array, p: Array, q: Array, g: Array, n: Array, d: Array, *, slope: bool) -> _Terms:
    gamma = np.exp(g)
    first = u - p * n
    apart = (v - q * d - first) / gamma
    distance = np.abs(apart)
    small = np.exp(-distance)
    both = 1.0 + small
    log_sum = np.log(both)  # log1p would be exact relative to itself, which nobody needs, and takes half as long again
    value = first + gamma * (log_sum + np.maximum(apart, 0.0))
    other = small / both  # share of the smaller term
    share = np.where(apart > 0, other, 1.0 - other)
    # the derivative by log γ at fixed effective sizes and slopes is γ times the entropy of the two shares
    return _Terms(value, share, gamma * (log_sum + distance * other) if slope else None)


def _join(a: Array, b: Array) -> tuple[Array, Array]:
    """log(e^a + e^b), and the share of e^b in it."""
    apart = b - a
    small = np.exp(-np.abs(apart))
    both = 1.0 + small
    share = np.where(apart > 0, 1.0, small) / both
    return np.maximum(a, b) + np.log(both), share


def supervised(y: Array, runs: SupervisedRuns, rows: Rows | None, out: Array | None) -> tuple[Array, Array]:
    """log L at each run; with `rows`, derivatives by (u, v, log E, p, q, log γ) are written into `out`.

    The second result is ∂ log L / ∂ log L_T, here nothing.
    """
    u, v, e, p, q, g = (y[:, i, None] for i in range(6))
    terms = _terms(u, v, p, q, g, runs.n, runs.d, slope=rows is not None and rows[5] is not None)
    value, share = _join(np.broadcast_to(e, terms.value.shape), terms.value)
    if rows is not None and out is not None:
        first = share * terms.share
        second = share - first
        found = (first, second, 1.0 - share, None, None, None)
        for row, by in zip(rows[:3], found, strict=False):
            if row is not None:
                out[:, row] = by
        _slopes(out, rows[3], rows[4], first, second, runs)
        if rows[5] is not None and terms.by_log_gamma is not None:
            np.multiply(share, terms.by_log_gamma, out=out[:, rows[5]])
    return value, share


def distillation(y: Array, runs: DistilledRuns, rows: Rows | None, out: Array | None) -> tuple[Array, Array]:
    """log L_S at each run; with `rows`, derivatives by (u, v, p, q, log γ, c0, log K, log f1, log s) go into `out`.

    The second result is ∂ log L_S / ∂ log L_T at fixed L̃_S, shape (points, runs); meaningless without `rows`.
    """
    u, v, p, q, g, c0, log_K, log_f1, log_s = (y[:, i, None] for i in range(9))
    K, f1 = np.exp(log_K), np.exp(log_f1)
    terms = _terms(u, v, p, q, g, runs.n, runs.d, slope=rows is not None and rows[4] is not None)
    beyond = (runs.log_ratio - log_s) / f1
    steep = beyond - log_K
    small = np.exp(-np.abs(steep))
    soft = np.maximum(steep, 0.0) + np.log1p(small)  # log(1 + e^steep)
    value, share = _join(
        np.broadcast_to(runs.log_teacher, terms.value.shape), terms.value - c0 * runs.teacher - K * soft
    )
    if rows is None or out is None:
        return value, share
    first = share * terms.share
    second = share - first
    pull = share * K * (np.where(steep > 0, 1.0, small) / (1.0 + small))
    if rows[0] is not None:
        out[:, rows[0]] = first
    if rows[1] is not None:
        out[:, rows[1]] = second
    _slopes(out, rows[2], rows[3], first, second, runs)
    if rows[4] is not None and terms.by_log_gamma is not None:
        np.multiply(share, terms.by_log_gamma, out=out[:, rows[4]])
    if rows[5] is not None:
        np.multiply(share, -runs.teacher, out=out[:, rows[5]])
    if rows[6] is not None:
        out[:, rows[6]] = pull - share * K * soft
    if rows[7] is not None:
        np.multiply(pull, beyond, out=out[:, rows[7]])
    if rows[8] is not None:
        np.divide(pull, f1, out=out[:, rows[8]])
    return value, 1.0 - share * (1.0 + c0) - pull / f1


def _slopes(
    out: Array, p: int | None, q: int | None, first: Array, second: Array, runs: SupervisedRuns | DistilledRuns
) -> None:
    if p is not None:
        np.multiply(first, -runs.n, out=out[:, p])
    if q is not None:
        np.multiply(second, -runs.d, out=out[:, q])
