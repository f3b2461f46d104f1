"""The optimum of one problem: many starts, then a few leaders followed down to the final loss and priors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fitting import solver
from fitting.coordinates import Array
from fitting.errors import FitError
from fitting.forms import Problem
from fitting.method import Method
from fitting.starts import starts

STARTS = 24
_LEADERS = 4
_ROUNDS = 20

_AGREE = 1e-4
"""Relative objective within which a start counts as having found the optimum."""

_AGREE_EXACTLY = 0.5e-12
"""The same per run, absolute, for runs without noise: residuals of 1e-6."""

_FIRST_NOISE = 0.005
"""Noise of log losses that the priors' strength is set for until a fit has measured it."""

_SETTLED = 0.02
"""Relative change of the priors' strength that no longer matters."""


@dataclass(frozen=True)
class Optimum:
    """Where the search ended.

    `z` are coordinates (p,), teachers' errors last; `residuals` (runs,) and `jacobian` (p, runs) are taken there.
    `strength` is what one unit of log prior density weighs in the objective, `delta` the final δ.
    `agreeing` is the share of starts that came to this optimum, `arrived` whether it stopped by itself.
    """

    z: Array
    residuals: Array
    jacobian: Array
    strength: float
    delta: float
    agreeing: float
    arrived: bool


def search(problem: Problem, method: Method, weights: Array | None = None) -> Optimum:
    """Search from `STARTS` points. Raises `FitError` when none of them arrives anywhere."""
    delta = method.delta
    strength = _strength(np.full(problem.runs, _FIRST_NOISE), delta, 0)
    penalty = problem.penalty(strength, priors=method.priors)
    points = starts(problem, STARTS, delta, method.seed)
    found = solver.graduated(problem, points, delta, weights=weights, penalty=penalty)
    values = found.objectives
    if not np.isfinite(values).any():
        raise FitError(f"the {problem.form} law could not be evaluated on these runs from any of {STARTS} starts")
    if not found.arrived.any():
        raise FitError(f"the {problem.form} law did not converge from any of {STARTS} starts")
    lowest = float(values.min())
    agreeing = values <= lowest * (1 + _AGREE) + _AGREE_EXACTLY * problem.runs
    leaders = found.coordinates[np.argsort(values, kind="stable")[:_LEADERS]]
    return settle(problem, method, leaders, delta, strength, weights=weights, agreeing=float(np.mean(agreeing)))


def settle(
    problem: Problem,
    method: Method,
    points: Array,
    delta: float,
    strength: float,
    *,
    weights: Array | None,
    agreeing: float,
) -> Optimum:
    """Follow `points` while the loss and the priors' strength come to what the residuals say they should be."""
    lanes = np.arange(len(points))
    for _ in range(_ROUNDS):
        penalty = problem.penalty(strength, priors=method.priors)
        found = solver.minimise(problem, points, delta, weights=weights, penalty=penalty)
        best = int(np.argmin(found.objectives))
        points = found.coordinates
        residuals, jacobian = (a[0] for a in problem.linearised(points[best][None], lanes[:1]))
        measured = _strength(residuals, delta, problem.laws)
        next_delta = method.next_delta(delta, residuals)
        settled = penalty is None or abs(measured - strength) <= _SETTLED * max(measured, 1e-30)
        if settled and next_delta >= delta * 0.99:
            break
        strength, delta = measured, next_delta
    return Optimum(points[best], residuals, jacobian, strength, delta, agreeing, bool(found.arrived[best]))


def _strength(residuals: Array, delta: float, free: int) -> float:
    """E[ψ²] / E[ψ′]: the temperature at which exp(-objective) has the width of the estimate's own scatter.

    With curvature E[ψ′] and score variance E[ψ²] a run, the objective over this ratio has the information matrix that
    the sandwich covariance of a Huber estimate (Huber 1981) implies.
    """
    squares, inside = moments(residuals, delta, free)
    return squares / inside


def moments(residuals: Array, delta: float, free: int) -> tuple[float, float]:
    """E[ψ²] and E[ψ′] of the residuals, corrected for the `free` coefficients fitted to them.

    A fit in absolute residuals passes through about as many runs as it has coefficients; those say nothing of the
    noise and are left out. E[ψ′], the share inside δ, is taken over a window wide enough to hold some runs.
    """
    if np.isinf(delta):
        return float(np.sum(residuals**2) / max(len(residuals) - free, 1)), 1.0
    size = np.sort(np.abs(residuals))[min(free, len(residuals) - 1) :]
    psi = np.minimum(size, delta)
    window = max(delta, 0.75 * 1.4826 * float(np.median(size)))
    inside = (delta / window) * max(float(np.mean(size <= window)), 1 / len(size))
    squares = float(np.mean(psi**2) * len(residuals) / len(size))
    return max(squares, 1e-40), inside


def at_bounds(problem: Problem, z: Array) -> NDArray[np.bool_]:
    """Which of the law's coordinates rest on the edge of the box."""
    law = slice(0, problem.laws)
    edge: NDArray[np.bool_] = (z[law] <= problem.lower[law]) | (z[law] >= problem.upper[law])
    return edge
