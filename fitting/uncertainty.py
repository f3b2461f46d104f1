"""How well runs determine coefficients, linearised at the optimum. Marginal, not joint: there are no draws here."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fitting.forms import Array, Problem
from fitting.known import Range

METHOD = "linearised"
LEVEL = 0.90

_VAGUE = 0.5
"""Standard error of a coefficient's logarithm (of c0 itself, against max(c0, 1)) above which it is unidentified."""

_SINGULAR = 1e-13
"""Relative eigenvalue of the scaled information below which a direction counts as unseen."""


def marginals(
    problem: Problem, z: Array, residuals: Array, jacobian: Array, bounded: NDArray[np.bool_], *, delta: float
) -> tuple[dict[str, bool], dict[str, Range | None]]:
    """Whether each coefficient is identified, and its 90 % interval where it is.

    The covariance is that of a Huber estimate, τ² (JᵀJ)⁻¹ with τ² = E[ψ²] / E[ψ']² (Huber 1981), J
    the derivatives of the log residuals; it is carried to the coefficients' logarithms by their Jacobian, so that
    intervals are positive. A coefficient is not identified when its relative standard error exceeds one half or
    when anything it is computed from rests on a bound of the search; it has no interval then. A fixed
    coefficient counts as identified and has none. Errors of a supervised law underneath, and of the teachers'
    losses, are not in it.
    """
    free = problem.free & ~bounded
    seen = jacobian[:, free]
    scale = np.sqrt((seen**2).sum(axis=0))
    scale = np.maximum(scale, 1e-12 * scale.max(initial=0.0) + 1e-300)
    information = (seen / scale).T @ (seen / scale)
    values, vectors = np.linalg.eigh(information)
    values = np.maximum(values, _SINGULAR * max(values.max(initial=0.0), 1e-300))
    root = (vectors / np.sqrt(values)) / scale[:, None]  # covariance = tau² root rootᵀ
    logs, every = problem.log_coefficients(z)
    gradient, arbitrary = every[:, free], (every[:, problem.free & bounded] != 0).any(axis=1)
    spread = _noise(residuals, delta, int(free.sum())) * np.sqrt(((gradient @ root) ** 2).sum(axis=1))

    half = NormalDist().inv_cdf((1 + LEVEL) / 2)
    identified: dict[str, bool] = {}
    intervals: dict[str, Range | None] = {}
    for i, (name, middle) in enumerate(zip(problem.names, logs, strict=True)):
        width = spread[i] / max(middle, 1.0) if name == "c0" else spread[i]
        fixed = not problem.free[i]
        identified[name] = fixed or bool(width <= _VAGUE and not arbitrary[i])
        intervals[name] = None
        if identified[name] and not fixed:
            low, high = middle - half * spread[i], middle + half * spread[i]
            ends = (max(low, 0.0), high) if name == "c0" else (np.exp(low), np.exp(high))
            intervals[name] = (float(ends[0]), float(ends[1]))
    return identified, intervals


def robust_scale(residuals: Array, free: int) -> float:
    """A standard deviation that outliers do not move: 1.4826 times the median size of the residuals.

    The `free` smallest are left out: a fit in absolute residuals passes through about as many runs as it has free
    coefficients, and those say nothing of the noise.
    """
    return float(1.4826 * np.median(np.sort(np.abs(residuals))[free:]))


def _noise(residuals: Array, delta: float, free: int) -> float:
    """τ: the standard error of a Huber location estimate times √runs, corrected for the coefficients fitted."""
    size = np.sort(np.abs(residuals))[free:]
    psi = np.minimum(size, delta)
    # the share of residuals inside δ, estimated over a window wide enough to hold some
    window = max(delta, 0.75 * robust_scale(residuals, free))
    inside = (delta / window) * max(float(np.mean(size <= window)), 1 / len(size))
    return float(np.sqrt(np.mean(psi**2) * len(residuals) / len(size)) / inside)
