"""Joint draws of a fit's coefficients: the whole pipeline, supervised law then distillation law, on resampled runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting.coordinates import Array
from fitting.errors import FitError, InputError
from fitting.findings import Draws
from fitting.fit import COEFFICIENTS, Doubt, Fit
from fitting.laws import SupervisedLaw
from fitting.records import RunTable
from fitting.stages import Stage, base_of, columns_for, stage_of, teachers
from fitting.surfaces import DistilledRuns

Progress = Callable[[int, int], None]
"""Called with how many resamples are done, and of how many."""

LEVEL = 0.90
_AT_ONCE = 200
_FEWEST, _NEARLY_ALL = 0.5, 0.95
"""Shares of resamples that must converge for the draws to stand for anything, and to stand for all of them."""


@dataclass(frozen=True)
class Resamples:
    """Multiplicities of the runs in each resample: shape (resamples, runs) for each stage, None for a given law."""

    supervised: Array | None
    distillation: Array | None
    log_teacher: Array | None
    unit: str


def with_draws(fit: Fit, table: RunTable, resamples: int, *, progress: Progress | None = None) -> Fit:
    """The same fit with `resamples` joint draws (fewer where some did not converge), and intervals from them.

    Runs are resampled with replacement within each kind, or whole clusters of them (`Method.cluster`; by default
    runs that differ by their seed alone stay together). Teachers' losses are redrawn with the spread that the fit
    found in them. A law that was given contributes its own draws if it has any, and is held otherwise. Raises
    `InputError` when the fit is not of this table, and `FitError` when half of the resamples do not converge.
    """
    if resamples < 2:
        raise InputError(f"--bootstrap: at least 2 resamples, not {resamples}")
    own = stage_of(fit, table)
    if own is None:
        raise InputError(f"the law {fit.id!r} was given, not fitted: there are no runs to resample")
    base = base_of(fit, table)
    rng = np.random.default_rng([own.method.seed, 1])
    drawn = draw(own, base, resamples, rng)
    borrowed = None
    if base is None and fit.supervised is not None and fit.supervised.draws is not None:
        borrowed = _borrowed(fit.supervised, resamples, rng)
    z_base, z = [], []
    if progress is not None:
        progress(0, resamples)
    for start in range(0, resamples, _AT_ONCE):
        block = slice(start, min(start + _AT_ONCE, resamples))
        found = refit(own, base, drawn, block, borrowed)
        z_base.append(found[0])
        z.append(found[1])
        if progress is not None:
            progress(block.stop, resamples)
    return _with(fit, own, base, np.concatenate(z), np.concatenate(z_base), drawn.unit, resamples, borrowed)


def draw(own: Stage, base: Stage | None, count: int, rng: np.random.Generator) -> Resamples:
    """Draw `count` resamples of the runs of both stages."""
    weights, unit = _multiplicities(own, count, rng)
    log_teacher = None
    if own.problem.teacher is not None and isinstance(own.problem.columns, DistilledRuns):
        errors = own.problem.spread * rng.standard_normal((count, int(own.problem.teacher.max()) + 1))
        log_teacher = own.problem.columns.log_teacher + errors[:, own.problem.teacher]
    if own.problem.form == "supervised":
        return Resamples(weights, None, None, unit)
    below = None if base is None else _multiplicities(base, count, rng)[0]
    return Resamples(below, weights, log_teacher, unit)


def refit(
    own: Stage, base: Stage | None, drawn: Resamples, block: slice, borrowed: Draws | None = None
) -> tuple[Array, Array]:
    """Coordinates of both stages on some of the resamples, NaN where a fit did not arrive: (supervised, own)."""
    if own.problem.form == "supervised":
        assert drawn.supervised is not None
        z = own.refit(drawn.supervised[block])
        return z, z
    assert drawn.distillation is not None
    weights = drawn.distillation[block]
    z_base = np.zeros((len(weights), 0))
    if base is not None and drawn.supervised is not None:
        z_base = base.refit(drawn.supervised[block])
    lost = np.asarray(np.isnan(z_base).any(axis=1))
    log_teacher = None if drawn.log_teacher is None else drawn.log_teacher[block]
    usable = None if base is None else np.where(lost[:, None], base.z, z_base)
    columns = columns_for(own, base, usable, log_teacher, _log_alone(own, borrowed, block))
    z = own.refit(weights, columns=columns)
    z[lost] = np.nan
    return z_base, z


def _borrowed(below: Fit, count: int, rng: np.random.Generator) -> Draws:
    """`count` draws of a supervised law that comes with draws of its own, taken at random."""
    assert below.draws is not None
    at = rng.integers(len(below.draws), size=count)
    found = {name: values[at] for name, values in below.draws.coefficients.items()}
    return Draws(found, below.draws.unit, below.draws.asked)


def _log_alone(own: Stage, borrowed: Draws | None, block: slice) -> Array | None:
    """log L̃_S of the distilled runs by each borrowed draw, shape (lanes, runs)."""
    if borrowed is None:
        return None
    law = SupervisedLaw(**{name: values[block, None] for name, values in borrowed.coefficients.items()})
    found: Array = np.log(law.loss(own.runs.column("N"), own.runs.column("D")))
    return found


def clusters(stage: Stage) -> tuple[NDArray[np.intp], str]:
    """Which runs stay together in a resample, numbered from 0, and what keeps them together.

    Raises `InputError` for a column that no run has.
    """
    runs = stage.runs
    if stage.method.cluster is not None:
        # a run without a value there is a cluster of its own
        cells = [record.extras.get(stage.method.cluster) for record in runs.records]
        if all(cell is None for cell in cells):
            cells = runs.column(stage.method.cluster).tolist()
        keys: Sequence[object] = [
            f"run {i}" if cell is None or cell != cell else f"value {cell}" for i, cell in enumerate(cells)
        ]
        unit = f"column {stage.method.cluster}"
    else:
        teacher = teachers(runs) if stage.problem.form == "distillation" else np.zeros(len(runs), dtype=np.intp)
        keys = [f"{r.N!r} {r.D!r} {k}" for r, k in zip(runs.records, teacher, strict=True)]
        unit = "repeat" if len(set(keys)) < len(runs) else "run"
    return np.unique(np.array(keys), return_inverse=True)[1].astype(np.intp), unit


def _multiplicities(stage: Stage, count: int, rng: np.random.Generator) -> tuple[Array, str]:
    cluster, unit = clusters(stage)
    groups = int(cluster.max()) + 1
    if groups < stage.problem.laws + 2:
        raise InputError(
            f"--bootstrap: the {stage.problem.form} runs fall into {groups} clusters ({unit}) for "
            f"{stage.problem.laws} free coefficients; resampling needs more: choose another --cluster, or leave it out"
        )
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=count)
    return drawn[:, cluster].astype(float), unit


def _with(
    fit: Fit,
    own: Stage,
    base: Stage | None,
    z: Array,
    z_base: Array,
    unit: str,
    asked: int,
    borrowed: Draws | None,
) -> Fit:
    kept = _possible(own, z) if base is None else _possible(own, z) & _possible(base, z_base)
    if kept.mean() < _FEWEST:
        raise FitError(
            f"only {kept.sum()} of {asked} resamples converged: these runs do not carry the law; run distillaw check"
        )
    found = _redrawn(fit, own, z[kept], unit, asked)
    if kept.mean() < _NEARLY_ALL:
        told = f"{asked - int(kept.sum())} of {asked} resamples did not converge; the draws are of those that did"
        found = replace(found, warnings=(*found.warnings, Doubt("draws-lost", told)))
    below = fit.supervised
    if below is None:
        return found
    if base is not None:
        return replace(found, supervised=_redrawn(below, base, z_base[kept], unit, asked))
    if borrowed is not None:
        chosen = {name: values[kept] for name, values in borrowed.coefficients.items()}
        return replace(found, supervised=replace(below, draws=replace(borrowed, coefficients=chosen)))
    return found


def _possible(stage: Stage, z: Array) -> NDArray[np.bool_]:
    """Which rows arrived, at coefficients that numbers can hold."""
    found = stage.coefficients(z)
    values = np.stack([z[:, 0], *(x for name, x in found.items() if name != "c0")])
    return np.asarray((np.isfinite(values) & (values[1:] > 0).all(axis=0)).all(axis=0))


def _redrawn(fit: Fit, stage: Stage, z: Array, unit: str, asked: int) -> Fit:
    coefficients = stage.coefficients(z)
    draws = Draws({name: coefficients[name] for name in COEFFICIENTS[fit.form]}, unit, asked)
    intervals = {
        name: draws.interval(name, LEVEL) if fit.identified[name] and name not in fit.fixed else None
        for name in COEFFICIENTS[fit.form]
    }
    method = f"bootstrap, {len(draws)} draws by {unit}"
    return replace(fit, draws=draws, intervals=intervals, interval_level=LEVEL, interval_method=method)
