"""Errors in the teachers' own losses: one for each teacher, their spread estimated from what their students share.

A teacher's L_T is measured, and every student of it feels the same error. With an error of its own for each teacher,
normal with a common spread, the spread is found by expectation and maximisation (the posterior of the errors under
the present spread gives the next). With exact losses it comes out near zero and nothing changes.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fitting.coordinates import Array
from fitting.forms import Problem, with_teacher_errors
from fitting.method import Method
from fitting.search import Optimum, moments, settle

FEWEST_TEACHERS = 4
FEWEST_STUDENTS = 4
"""Runs a teacher, on average. With less there is nothing to tell an error of its own from that of its students."""

_FIRST_SPREAD = 3e-3
_SMALLEST_SPREAD = 1e-4
"""Below one part in ten thousand an error in log L_T is nothing that a run of training can show."""

_ROUNDS = 25
_SETTLED = 0.05


def estimated(
    problem: Problem, found: Optimum, teacher: NDArray[np.intp], method: Method, weights: Array | None
) -> tuple[Problem, Optimum]:
    """The problem with teachers' errors, and its optimum; both as they were where the runs cannot show any."""
    count = int(teacher.max()) + 1
    if count < FEWEST_TEACHERS or len(teacher) < FEWEST_STUDENTS * count:
        return problem, found
    if np.median(np.abs(found.residuals)) < _SMALLEST_SPREAD / 10:
        return problem, found
    spread, z = _FIRST_SPREAD, np.append(found.z, np.zeros(count))
    allowed, best = problem, found
    for _ in range(_ROUNDS):
        allowed = with_teacher_errors(problem, teacher, spread)
        start = np.clip(z, allowed.lower, allowed.upper)[None]
        best = settle(allowed, method, start, found.delta, found.strength, weights=weights, agreeing=found.agreeing)
        z = best.z
        errors = z[problem.laws :]
        variance = _posterior_variance(allowed, best, weights, priors=method.priors)
        following = float(np.sqrt(np.mean(errors**2 + variance)))
        if following < _SMALLEST_SPREAD:
            return problem, found
        if abs(following / spread - 1) < _SETTLED:
            break
        spread = following
    return allowed, replace(best, arrived=best.arrived and found.arrived)


def _posterior_variance(problem: Problem, best: Optimum, weights: Array | None, *, priors: bool) -> Array:
    """Variance left to each teacher's error by its students and the prior, shape (teachers,)."""
    _, inside = moments(best.residuals, best.delta, problem.laws)
    information = (
        inside / best.strength * ((best.jacobian if weights is None else best.jacobian * weights) @ best.jacobian.T)
    )
    penalty = problem.penalty(1.0, priors=priors)
    assert penalty is not None
    precision = np.diag(information) + penalty.precision
    scale = np.sqrt(np.maximum(precision, 1e-300))
    scaled = (information + np.diag(penalty.precision)) / np.outer(scale, scale)
    covariance = np.linalg.pinv(scaled, hermitian=True) / np.outer(scale, scale)
    found: Array = np.diag(covariance)[problem.laws :]
    return np.minimum(found, problem.spread**2)
