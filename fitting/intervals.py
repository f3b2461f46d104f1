"""Prediction intervals: parameters by joint draws, the noise of runs, and what rollouts say of predictions beyond."""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fitting import calibration
from fitting.errors import InputError
from fitting.findings import Beyond
from fitting.fit import COEFFICIENTS, Fit
from fitting.laws import DistillationLaw, SupervisedLaw

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """A predicted cross-entropy (nats/token) and the ends of the interval that a run's should fall into."""

    loss: Any
    low: Any
    high: Any


def interval(fit: Fit, N: ArrayLike, D: ArrayLike, L_T: ArrayLike | None, level: float) -> Interval:
    """The prediction of one run of N parameters on D tokens (and a teacher at L_T), and its interval; broadcasts.

    On log L: the joint draws' spread about the fit, the noise of the runs, and beyond the runs the drift and growth
    that the rollout measured; without a rollout there is nothing for those. Raises `InputError` for a fit
    without draws.
    """
    if not 0 < level < 1:
        raise InputError(f"interval: a level lies between 0 and 1, not {level!r}")
    teacher = None if L_T is None else np.asarray(L_T, dtype=float)
    N, D = np.asarray(N, dtype=float), np.asarray(D, dtype=float)
    part = fit if teacher is not None or fit.supervised is None else fit.supervised
    centre = np.log(part.predict(N, D, teacher))
    variance = np.mean((log_losses(part, N, D, teacher) - centre) ** 2, axis=0) + noise_of(part) ** 2
    beyond = {} if part.rollout is None else part.rollout.beyond
    where = distances(part, N, D, teacher)
    variance = variance * calibration.factor(beyond.get("C", Beyond()).noise, where["C"]) ** 2
    for kind, found in beyond.items():
        centre = centre + found.drift * where[kind]
        variance = variance + (found.growth * where[kind]) ** 2
    half = quantile(level, part) * np.sqrt(variance)
    return Interval(part.predict(N, D, teacher), np.exp(centre - half), np.exp(centre + half))


def log_losses(fit: Fit, N: Array, D: Array, L_T: Array | None) -> Array:
    """log L̂ by every joint draw, shape (draws, ...). Raises `InputError` for a fit without draws."""
    if fit.draws is None:
        raise InputError(f"the fit {fit.id!r} has no draws to take intervals from: distillaw fit RUNS --bootstrap 1000")
    shape = (-1,) + (1,) * np.broadcast(N, D, 0.0 if L_T is None else L_T).ndim
    own = {name: fit.draws.coefficients[name].reshape(shape) for name in COEFFICIENTS[fit.form]}
    if fit.form == "supervised":
        found: Array = np.log(SupervisedLaw(**own).loss(N, D))
        return found
    assert fit.supervised is not None
    below = fit.supervised
    drawn = below.draws.coefficients if below.draws is not None else below.coefficients
    base = SupervisedLaw(**{name: np.asarray(drawn[name]).reshape(shape) for name in COEFFICIENTS["supervised"]})
    found = np.log(DistillationLaw(supervised=base, **own).loss(N, D, L_T))
    return found


def noise_of(fit: Fit) -> float:
    """Standard deviation of a run's log loss about the law."""
    return fit.relative_error


def distances(fit: Fit, N: Array, D: Array, L_T: Array | None) -> dict[str, Array]:
    """How far each prediction lies beyond the fit's runs, in e-folds, as `fitting.rollout.distances` counts it."""
    outside = [_beyond(N, fit.support.N_S), _beyond(D, fit.support.D_S)]
    if fit.rollout is not None:
        outside.append(_beyond(fit.convention.training(N, D), (0.0, fit.rollout.largest_C)))
    found = {"C": np.maximum.reduce(np.broadcast_arrays(*outside))}
    if L_T is not None:
        found["L_T"] = _beyond(L_T, fit.support.L_T)
    return found


def _beyond(x: Any, within: tuple[float, float] | None) -> Array:
    if within is None:
        return np.zeros_like(np.asarray(x, dtype=float))
    low, high = within
    below = np.log(low / x) if low > 0 else -np.inf
    found: Array = np.maximum(np.maximum(np.log(x / high), below), 0.0)
    return found


def quantile(level: float, fit: Fit) -> float:
    """Half-width of the interval in standard deviations: Student's, to first order in 1 / degrees of freedom."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    freedom = max(fit.n_runs - fit.free, 2)
    return z + (z**3 + z) / (4 * freedom)
