"""Prediction intervals: parameters by joint draws, the noise of runs, and what rollouts say of predictions beyond."""

from dataclasses import replace
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

HIGHEST_LEVEL = 0.9999
"""Levels above this are more than any number of draws can tell."""


class Interval(NamedTuple):
    """A predicted cross-entropy (nats/token) and the ends of the interval that a run's should fall into."""

    loss: Any
    low: Any
    high: Any


def interval(fit: Fit, N: ArrayLike, D: ArrayLike, L_T: ArrayLike | None, level: float) -> Interval:
    """The prediction of one run of N parameters on D tokens (and a teacher at L_T), and its interval; broadcasts.

    On log L: the joint draws' spread about the fit, the noise of the runs, and beyond the runs the drift and growth
    that the rollout measured; without a rollout there is nothing for those. Raises `InputError` for a fit
    without draws, and for a level as `quantile` does.
    """
    teacher = None if L_T is None else np.asarray(L_T, dtype=float)
    N, D = np.asarray(N, dtype=float), np.asarray(D, dtype=float)
    part = fit if teacher is not None or fit.supervised is None else fit.supervised
    half_widths = quantile(level, part)
    centre = np.log(part.predict(N, D, teacher))
    variance = np.mean((log_losses(part, N, D, teacher) - centre) ** 2, axis=0) + noise_of(part) ** 2
    found = beyond(part, N, D, teacher)
    half = half_widths * np.sqrt(variance * found.noise**2 + found.growth**2)
    centre = centre + found.drift
    return Interval(part.predict(N, D, teacher), np.exp(centre - half), np.exp(centre + half))


class Reach(NamedTuple):
    """What the rollout says of a prediction as far beyond the runs as this one, on log L.

    A shift, a standard deviation, and a factor of the standard deviation of parameters and noise: 0, 0 and 1 inside.
    """

    drift: Any
    growth: Any
    noise: Any


def beyond(part: Fit, N: Array, D: Array, L_T: Array | None) -> Reach:
    """The reach of predictions by one stage of a fit; broadcasts."""
    measured = {} if part.rollout is None else part.rollout.beyond
    where = distances(part, N, D, L_T)
    drift, variance = np.zeros_like(where["C"]), np.zeros_like(where["C"])
    for kind, found in measured.items():
        drift = drift + found.drift * where[kind]
        variance = variance + (found.growth * where[kind]) ** 2
    return Reach(drift, np.sqrt(variance), calibration.factor(measured.get("C", Beyond()).noise, where["C"]))


def log_losses(fit: Fit, N: Array, D: Array, L_T: Array | None) -> Array:
    """log L̂ by every joint draw, shape (draws, ...). Raises `InputError` for a fit without draws."""
    law = drawn(fit)
    shape = (-1,) + (1,) * np.broadcast(N, D, 0.0 if L_T is None else L_T).ndim
    if isinstance(law, SupervisedLaw):
        found: Array = np.log(_shaped(law, shape).loss(N, D))
        return found
    base = _shaped(law.supervised, shape)
    found = np.log(_shaped(replace(law, supervised=base), shape).loss(N, D, L_T))
    return found


def drawn(fit: Fit) -> SupervisedLaw | DistillationLaw:
    """The law with every joint draw's coefficients, of shape (draws,). Raises `InputError` for a fit without draws."""
    if fit.draws is None:
        raise InputError(f"the fit {fit.id!r} has no draws to take intervals from: distillaw fit RUNS --bootstrap 1000")
    own = {name: fit.draws.coefficients[name] for name in COEFFICIENTS[fit.form]}
    if fit.form == "supervised":
        return SupervisedLaw(**own)
    assert fit.supervised is not None
    below = fit.supervised
    found = below.draws.coefficients if below.draws is not None else below.coefficients
    base = {name: np.broadcast_to(found[name], len(fit.draws)) for name in COEFFICIENTS["supervised"]}
    return DistillationLaw(supervised=SupervisedLaw(**base), **own)


def _shaped(law: Any, shape: tuple[int, ...]) -> Any:
    names = [name for name in law.__dataclass_fields__ if name != "supervised"]
    return replace(law, **{name: getattr(law, name).reshape(shape) for name in names})


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
    """Half-width of the interval in standard deviations: Student's, to first order in 1 / degrees of freedom.

    Raises `InputError` for a level that is none, or that draws cannot tell.
    """
    if not 0 < level < 1:
        raise InputError(f"interval: a level lies between 0 and 1, not {level!r}")
    if level > HIGHEST_LEVEL:
        raise InputError(f"interval: draws do not tell levels above {HIGHEST_LEVEL}, so not {level!r}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    freedom = max(fit.n_runs - fit.free, 2)
    return z + (z**3 + z) / (4 * freedom)
