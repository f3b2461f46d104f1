"""How well runs determine coefficients, linearised at the optimum. Marginal, not joint: joint draws are resamples."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fitting.coordinates import Array
from fitting.fit import COEFFICIENTS
from fitting.forms import Problem
from fitting.known import Range
from fitting.search import Optimum, moments

METHOD = "linearised"
LEVEL = 0.90

_VAGUE = 0.5
"""Standard error of a coefficient's logarithm (of c0 itself, against max(c0, 1)) above which it is unidentified."""

_SINGULAR = 1e-13
"""Relative eigenvalue of the scaled information below which a direction counts as unseen."""


def marginals(
    problem: Problem, found: Optimum, bounded: NDArray[np.bool_], weights: Array | None
) -> tuple[dict[str, bool], dict[str, Range | None]]:
    """Whether each coefficient is identified, and its 90 % interval where it is.

    The covariance is that of a Huber estimate (`covariance_root`), carried to the coefficients' logarithms by their
    derivatives, so that intervals are positive. The priors add nothing to it: a coefficient is not identified when
    the runs alone leave it a relative standard error above one half, or when anything it is computed from rests on
    a bound of the search or on a limit; it has no interval then. A fixed coefficient counts as identified and has none.
    """
    law = problem.coordinates
    point = found.z[None, : problem.laws]
    root = covariance_root(problem, found, weights, ~bounded)
    every = law.logs_by(point)[0]
    arbitrary = (every[:, bounded] != 0).any(axis=1)
    spread = np.sqrt(((every[:, ~bounded] @ root[~bounded]) ** 2).sum(axis=1))

    half = NormalDist().inv_cdf((1 + LEVEL) / 2)
    identified: dict[str, bool] = {}
    intervals: dict[str, Range | None] = {}
    for i, (name, middle) in enumerate(zip(COEFFICIENTS[law.form], law.logs(point)[0], strict=True)):
        fixed = name in law.fixed
        limited = law.limit and name in ("c1", "d1")
        width = spread[i] / max(middle, 1.0) if name == "c0" else spread[i]
        identified[name] = fixed or bool(width <= _VAGUE and not arbitrary[i] and not limited)
        intervals[name] = None
        if identified[name] and not fixed:
            low, high = middle - half * spread[i], middle + half * spread[i]
            ends = (max(low, 0.0), high) if name == "c0" else (np.exp(low), np.exp(high))
            intervals[name] = (float(ends[0]), float(ends[1]))
    return identified, intervals


def covariance_root(problem: Problem, found: Optimum, weights: Array | None, seen: NDArray[np.bool_]) -> Array:
    """R with R Rᵀ the covariance of the law's coordinates, shape (p, q); rows outside `seen` are zero.

    That of a Huber estimate, τ² (JᵀJ)⁻¹ with τ² = E[ψ²] / E[ψ']² (Huber 1981), or its sandwich form under weights;
    errors of teachers, where they are part of the problem, are integrated out. Errors of a supervised law underneath
    are not in it.
    """
    p = problem.laws
    squares, inside = moments(found.residuals, found.delta, p)
    kept = np.append(seen, np.ones(len(found.z) - p, dtype=bool))
    if weights is not None:
        return _sandwich(problem, found, weights, seen, kept, inside)
    J = found.jacobian[kept]
    information = J @ J.T * (inside**2 / squares)
    if problem.teacher is not None:
        errors = np.arange(len(J)) >= seen.sum()
        information[errors, errors] += 1 / problem.spread**2
    scale = np.sqrt(np.diag(information))
    scale = np.maximum(scale, 1e-12 * scale.max(initial=0.0) + 1e-300)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    values = np.maximum(values, _SINGULAR * max(values.max(initial=0.0), 1e-300))
    root = np.zeros((p, len(J)))
    root[seen] = (vectors / np.sqrt(values) / scale[:, None])[: int(seen.sum())]
    return root


def _sandwich(
    problem: Problem, found: Optimum, weights: Array, seen: NDArray[np.bool_], kept: NDArray[np.bool_], inside: float
) -> Array:
    """The same where runs have weights, which need not be those of their noise: H⁻¹ J diag(wψ), shape (p, runs)."""
    J, p = found.jacobian[kept], problem.laws
    curvature = inside * (J * weights) @ J.T
    if problem.teacher is not None:
        errors = np.arange(len(J)) >= seen.sum()
        curvature[errors, errors] += found.strength / problem.spread**2
    psi = np.clip(found.residuals, -found.delta, found.delta) * weights
    runs = len(psi)
    root = np.zeros((p, runs))
    solved = np.linalg.pinv(curvature, rcond=_SINGULAR, hermitian=True) @ (J * psi)
    root[seen] = solved[: int(seen.sum())] * np.sqrt(runs / max(runs - int(seen.sum()), 1))
    return root


_CLIP = 2.5
_CLIPPED_VARIANCE = 0.97756
"""E[min(x², 2.5²)] of a standard normal x."""


def robust_scale(residuals: Array, free: int) -> float:
    """A standard deviation that outliers do not move: the rms of the residuals, cut at 2.5 robust deviations.

    The first deviation is 1.4826 times the median size, the `free` smallest left out: a fit in absolute residuals
    passes through about as many runs as it has coefficients, and those say nothing of the noise. The rms is
    corrected for the coefficients fitted and for the cut, as it is for normal noise.
    """
    size = np.sort(np.abs(residuals))
    count = len(size)
    first = 1.4826 * float(np.median(size[min(free, count - 1) :]))
    squares = np.minimum(size, _CLIP * first) ** 2
    return float(np.sqrt(squares.sum() / max(count - free, 1) / _CLIPPED_VARIANCE))
