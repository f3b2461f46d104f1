"""Fit small, predict large: what a law's own runs say about how far it can be trusted beyond them.

The largest runs are held out step by step, the law is fitted to the rest and asked for those held out: students by
their training compute, and for a distillation law also teachers by their cross-entropy. Every fold fits
both laws again, supervised law first; the form, the box, δ, the priors' strength and the spread of the teachers' errors
are the full fit's. What parameters and noise cannot explain of the errors is taken to grow in
proportion to the distance from the runs; how fast, the held-out runs say.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fitting import bootstrap, calibration, starts, uncertainty
from fitting.coordinates import Array
from fitting.findings import Fold, Rollout
from fitting.fit import Fit
from fitting.flops import Convention
from fitting.records import RunTable
from fitting.stages import Stage, base_of, columns_for, stage_of, teachers
from fitting.surfaces import DistilledRuns
from fitting.units import flops

Mask = NDArray[np.bool_]

LEVEL = 0.95
_MOST_FOLDS = 6
_RESAMPLES = 64
"""Resamples a fold, for the spread of its predictions."""

_MOST_BUDGETS = 12
"""Runs whose compute takes at most so many values are held out budget by budget, others by quantiles."""

_SAME_BUDGET = 0.1
_QUANTILES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
_SPARE = 4
"""Runs that must be left to fit, beyond one for each coefficient."""

_FEWEST_TEACHERS = 3
_STARTS = 2


@dataclass(frozen=True)
class Split:
    """A fold before it is fitted: which runs of each stage are fitted, and which of the last stage's are predicted.

    `kind` is what was held out, "C" (student's training compute) or "L_T".
    """

    kind: str
    held_out: str
    fitted: Mask
    below: Mask | None
    predicted: Mask


@dataclass(frozen=True)
class Prediction:
    """One fold's predictions, arrays over all the last stage's runs.

    `error` is log L - log L̂, `variance` that of parameters and noise, `distance` how far each run lies beyond the
    fitted ones (e-folds, by `distances`), along "C" and "L_T".
    """

    split: Split
    error: Array
    variance: Array
    distance: dict[str, Array]


def splits(own: Stage, base: Stage | None, convention: Convention) -> list[Split]:
    """The folds that the runs allow, those that hold out least first."""
    compute = np.log(_compute(own.runs, convention))
    below = None if base is None else np.log(_compute(base.runs, convention))
    found = []
    for edge in _edges(compute)[:_MOST_FOLDS]:
        fitted = compute <= edge
        kept = None if below is None or base is None else below <= edge
        if kept is not None and base is not None and kept.sum() < base.problem.laws + _SPARE:
            kept = np.ones_like(kept)  # few supervised runs: hold out students alone
        if _enough(own, fitted):
            found.append(Split("C", f"runs above {flops(float(np.exp(edge)))} FLOPs", fitted, kept, ~fitted))
    if own.problem.form == "distillation":
        found += _teacher_splits(own, None if below is None else np.ones(len(below), dtype=bool))
    return found


def _compute(runs: RunTable, convention: Convention) -> Array:
    found: Array = convention.training(runs.column("N"), runs.column("D"))
    return found


def _edges(compute: Array) -> list[float]:
    """log FLOPs above which runs are held out, the highest first."""
    values = np.sort(compute)
    gaps = np.flatnonzero(np.diff(values) > _SAME_BUDGET)
    if len(gaps) < _MOST_BUDGETS:
        return [float(values[i]) for i in gaps[::-1]]
    return sorted({float(np.quantile(values, q, method="lower")) for q in _QUANTILES}, reverse=True)


def _enough(own: Stage, fitted: Mask) -> bool:
    runs = own.runs
    columns = ("N", "D") if own.problem.form == "supervised" else ("N", "D", "teacher_loss")
    varied = all(len(np.unique(runs.column(name)[fitted])) > 2 for name in columns)
    return bool(varied and fitted.sum() >= 1.5 * own.problem.laws + _SPARE and fitted.sum() >= len(runs) / 4)


def _teacher_splits(own: Stage, below: Mask | None) -> list[Split]:
    losses = own.runs.column("teacher_loss")
    teacher = teachers(own.runs)
    best_first = np.argsort([losses[teacher == k].min() for k in range(int(teacher.max()) + 1)])
    found = []
    for count in range(1, len(best_first) - _FEWEST_TEACHERS + 1)[: _MOST_FOLDS // 2]:
        held = np.isin(teacher, best_first[:count])
        if _enough(own, ~held):
            found.append(
                Split("L_T", f"the best {count} teachers" if count > 1 else "the best teacher", ~held, below, held)
            )
    return found


def distances(own: Stage, fitted: Mask, convention: Convention) -> dict[str, Array]:
    """How far each run lies beyond the fitted ones, in e-folds: of N, D or C ("C", the largest), and of L_T."""
    runs = own.runs
    N, D = np.log(runs.column("N")), np.log(runs.column("D"))
    C = np.log(_compute(runs, convention))
    found = {"C": np.maximum.reduce([_beyond(x, x[fitted].min(), x[fitted].max()) for x in (N, D, C)])}
    if own.problem.form == "distillation":
        teacher = np.log(runs.column("teacher_loss"))
        found["L_T"] = _beyond(teacher, teacher[fitted].min(), teacher[fitted].max())
    return found


def _beyond(x: Array, low: float, high: float) -> Array:
    found: Array = np.maximum(np.maximum(x - high, low - x), 0.0)
    return found


def predictions(own: Stage, base: Stage | None, convention: Convention, found: list[Split]) -> list[Prediction]:
    """Fit every fold and predict what it held out; folds that do not converge are left out."""
    if not found:
        return []
    rng = np.random.default_rng([own.method.seed, 2])
    z, columns = fit_folds(own, base, found)
    log_losses = own.log_losses(z, columns)
    drawn, arrived, drawn_columns = _drawn(own, base, found, z, rng)
    spread = own.log_losses(drawn, drawn_columns).reshape(len(found), _RESAMPLES, -1) - log_losses[:, None]
    finite = np.asarray(np.isfinite(spread).all(axis=2))
    settled = np.asarray(finite & arrived.reshape(len(found), _RESAMPLES))
    # a fold whose resamples hardly converge says little of how runs beyond it scatter; but where all are like that, as
    # with a loss full of kinks, where they stopped is what there is
    few = _RESAMPLES / 2
    usable = settled if (settled.sum(axis=1) >= few).any() else finite
    made = []
    for split, log_loss, off, at in zip(found, log_losses, spread, usable, strict=True):
        if not np.isfinite(log_loss).all() or at.sum() < few:
            continue
        error = own.problem.target - log_loss
        scale = uncertainty.robust_scale(error[split.fitted], own.problem.laws)
        variance = np.mean(off[at] ** 2, axis=0) + scale**2
        made.append(Prediction(split, error, variance, distances(own, split.fitted, convention)))
    return made


def fit_folds(own: Stage, base: Stage | None, found: list[Split]) -> tuple[Array, DistilledRuns | None]:
    """Coordinates of each fold, shape (folds, p), and the columns that its own supervised law gives."""
    columns = None
    if own.problem.form == "distillation":
        below = np.array([split.below for split in found if split.below is not None], dtype=np.float64)
        z_base = None if base is None else _complete(base, base.refit(below, starts=_others(base)))
        columns = columns_for(own, base, z_base)
    weights = np.array([split.fitted for split in found], dtype=np.float64)
    return own.refit(weights, columns=columns, starts=_others(own)), columns


def _drawn(
    own: Stage, base: Stage | None, found: list[Split], z: Array, rng: np.random.Generator
) -> tuple[Array, Mask, DistilledRuns | None]:
    """The same for `_RESAMPLES` resamples of each fold, fold after fold, and which arrived: each searched from
    several places for a supervised law, from its fold's optimum for a distillation law.
    """
    columns = None
    if own.problem.form == "distillation":
        z_base = None
        if base is not None:
            below = np.vstack([_resampled(base, split.below, rng) for split in found if split.below is not None])
            z_base = _complete(base, base.resampled(below, np.repeat(base.z[None], len(below), axis=0))[0])
        columns = columns_for(own, base, z_base)
    weights = np.vstack([_resampled(own, split.fitted, rng) for split in found])
    if columns is None:
        # small runs leave several valleys, and how far apart their floors lie is what the intervals must know
        searched = own.refit(weights, starts=_others(own))
        return searched, np.asarray(np.isfinite(searched).all(axis=1)), None
    return *own.resampled(weights, np.repeat(z, _RESAMPLES, axis=0), columns=columns), columns


def _complete(stage: Stage, z: Array) -> Array:
    """z with the fit's own optimum in the rows that did not arrive."""
    found: Array = np.where(np.isnan(z).any(axis=1, keepdims=True), stage.z, z)
    return found


def _resampled(stage: Stage, fitted: Mask, rng: np.random.Generator) -> Array:
    """Multiplicities of the runs in resamples of the fitted ones, whole clusters at a time, shape (resamples, runs)."""
    at = np.flatnonzero(fitted)
    cluster = np.unique(bootstrap.clusters(stage)[0][at], return_inverse=True)[1]
    groups = int(cluster.max()) + 1
    drawn = np.zeros((_RESAMPLES, len(fitted)))
    drawn[:, at] = rng.multinomial(groups, np.full(groups, 1 / groups), size=_RESAMPLES)[:, cluster]
    return drawn


def _others(stage: Stage) -> Array:
    """Other places to start a fold from than the full fit's optimum, which has seen what the fold has not."""
    return starts.starts(stage.problem, 2 * _STARTS, stage.delta, stage.method.seed)[:_STARTS]


def rollout(fit: Fit, table: RunTable, level: float = LEVEL) -> Rollout | None:
    """Roll a fit out over its own runs; None where they allow no fold (or the law was given)."""
    own = stage_of(fit, table)
    if own is None:
        return None
    base = base_of(fit, table)
    found = predictions(own, base, fit.convention, splits(own, base, fit.convention))
    largest = float(_compute(own.runs, fit.convention).max())
    return summary(found, largest, level) if found else None


def summary(found: list[Prediction], largest_C: float, level: float = LEVEL) -> Rollout:
    """What folds say together. The error is the mean over folds of the mean |L̂/L - 1| of the runs held out."""
    half = NormalDist().inv_cdf((1 + level) / 2)
    folds = []
    for prediction in found:
        held = prediction.split.predicted
        relative = np.expm1(-prediction.error[held])
        inside = np.abs(prediction.error[held]) <= half * np.sqrt(prediction.variance[held])
        folds.append(
            Fold(
                prediction.split.held_out,
                int(prediction.split.fitted.sum()),
                int(held.sum()),
                float(np.mean(np.abs(relative))),
                float(np.mean(relative)),
                float(np.mean(inside)),
            )
        )
    beyond = {
        kind: calibration.calibrated(
            [_held(p, kind) for p in found if p.split.kind == kind], level, noise_too=kind == "C"
        )
        for kind in dict.fromkeys(prediction.split.kind for prediction in found)
    }
    error = float(np.mean([fold.error for fold in folds]))
    return Rollout(tuple(folds), error, beyond, largest_C, level)


def _held(prediction: Prediction, kind: str) -> calibration.Held:
    at = prediction.split.predicted
    return calibration.Held(prediction.error[at], prediction.variance[at], prediction.distance[kind][at])
