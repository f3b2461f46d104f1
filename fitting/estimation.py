"""Laws from runs: the supervised law, and the distillation law that stands on it.

The objective is Σ huber_δ(log L̂ - log L), unscaled (Eq 45 and 50 of arXiv 2502.08606, which print L for log L).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from fitting import doubts, evidence, forms, solver, uncertainty
from fitting.errors import FitError, InputError
from fitting.fit import Fit
from fitting.forms import Array, Problem
from fitting.known import Range, Support
from fitting.laws import SupervisedLaw
from fitting.records import RunTable

HUBER_DELTA = 1e-3
STARTS = 32
_DRAWN = 384
"""Starts are drawn from the data's scale; the better half of `STARTS` is the pick of this many."""

_AGREE = 1e-4
"""Relative objective within which a start counts as having found the optimum."""

_AGREE_EXACTLY = 0.5e-12
"""The same per run, absolute, for runs without noise: residuals of 1e-6."""


def fit_law(
    form: type[SupervisedLaw],
    table: RunTable,
    *,
    fixed: Mapping[str, float] | None = None,
    huber_delta: float = HUBER_DELTA,
    seed: int = 0,
) -> Fit:
    """Fit the supervised law (Eq 1, arXiv 2502.08606) to a table's finished supervised runs.

    `fixed` holds coefficients at given values ({"gamma": 1}). The same table gives the same fit. Raises
    `InputError` for runs that cannot carry the law and `FitError` when no start converges.
    """
    if form is not SupervisedLaw:
        raise InputError(f"fit_law fits SupervisedLaw, not {form.__name__}; for a distillation: fit_distillation")
    fixed = dict(fixed or {})
    runs = table.supervised()
    evidence.check(runs, "supervised", fixed, huber_delta)
    N, D, loss = (runs.column(name) for name in ("N", "D", "loss"))
    problem = forms.supervised(N, D, loss, fixed, starts=_DRAWN, seed=seed)
    return _estimate(
        problem,
        table,
        runs,
        fixed,
        huber_delta,
        supervised=None,
        source=f"fitted to {len(runs)} supervised runs (table {table.sha256[:12]})",
        support=Support(N_S=_range(N), D_S=_range(D)),
    )


def fit_distillation(
    table: RunTable,
    supervised: Fit,
    *,
    fixed: Mapping[str, float] | None = None,
    huber_delta: float = HUBER_DELTA,
    seed: int = 0,
) -> Fit:
    """Fit the distillation law (Eq 8, arXiv 2502.08606) to a table's finished distilled runs.

    `supervised` gives L̃_S and is not touched; it may come from the same table (`fit_law`) or be a known law
    (`Fit.given`). Teachers' losses are taken as exact. Raises as `fit_law` does, and `InputError` when the two
    conventions differ.
    """
    fixed = dict(fixed or {})
    supervised = supervised.supervised or supervised
    runs = table.distillation()
    evidence.check(runs, "distillation", fixed, huber_delta)
    table.convention.require_same(supervised.convention, "the table", f"the supervised law {supervised.id!r}")
    N, D, loss, teacher = (runs.column(name) for name in ("N", "D", "loss", "teacher_loss"))
    alone = supervised.supervised_law.loss(N, D)
    problem = forms.distillation(N, D, teacher, alone, loss, fixed, starts=_DRAWN, seed=seed)
    base = "given" if supervised.status == "given" else f"from {supervised.n_runs} supervised runs"
    return _estimate(
        problem,
        table,
        runs,
        fixed,
        huber_delta,
        supervised=supervised,
        source=f"fitted to {len(runs)} distilled runs (table {table.sha256[:12]}); "
        f"supervised law {supervised.id}, {base}",
        support=Support(
            N_S=_range(N),
            D_S=_range(D),
            L_T=_range(teacher),
            N_T=_teachers(runs.column("teacher_N"), supervised, "N_S"),
            D_T=_teachers(runs.column("teacher_D"), supervised, "D_S"),
        ),
    )


def fit_table(
    table: RunTable,
    *,
    form: str | None = None,
    fixed: Mapping[str, float] | None = None,
    huber_delta: float = HUBER_DELTA,
    supervised: Fit | None = None,
    seed: int = 0,
) -> Fit:
    """Fit whatever law a table's runs speak of: the distillation law, in two stages, if it has distilled runs.

    A plain name in `fixed` is a coefficient of the law asked for, except that `gamma` also holds in the
    supervised stage underneath; `supervised.NAME` holds in that stage alone. `supervised` takes its place.
    """
    form = form or ("distillation" if len(table.distillation()) else "supervised")
    own, below = evidence.split_fixed(fixed or {}, form, given=supervised is not None)
    if form == "supervised":
        return fit_law(SupervisedLaw, table, fixed=own, huber_delta=huber_delta, seed=seed)
    evidence.check(table.distillation(), form, own, huber_delta)  # before the time that the first stage takes
    if supervised is None:
        supervised = fit_law(SupervisedLaw, table, fixed=below, huber_delta=huber_delta, seed=seed)
    return fit_distillation(table, supervised, fixed=own, huber_delta=huber_delta, seed=seed)


def _estimate(
    problem: Problem,
    table: RunTable,
    runs: RunTable,
    fixed: Mapping[str, float],
    delta: float,
    *,
    supervised: Fit | None,
    source: str,
    support: Support,
) -> Fit:
    objective = solver.Objective(problem.residual, problem.columns, problem.parameters, delta)
    picked = solver.best_of(objective, problem.starts[STARTS // 2 :], STARTS // 2)
    starts = np.concatenate([problem.starts[: STARTS // 2], picked])
    found = solver.minimise(objective, starts, problem.lower, problem.upper)
    best, value = found.coordinates[0], float(found.objectives[0])
    if not np.isfinite(value):
        raise FitError(f"the {problem.form} law could not be evaluated on these runs from any of {STARTS} starts")
    if not found.arrived.any():
        raise FitError(f"the {problem.form} law did not converge from any of {STARTS} starts")
    bounded = problem.free & ((best <= problem.lower) | (best >= problem.upper))
    arrived = bool(found.arrived[found.objectives <= value * (1 + 1e-9)].any())
    agreeing = found.objectives <= value * (1 + _AGREE) + _AGREE_EXACTLY * objective.runs
    identified, intervals = uncertainty.marginals(problem, best, found.residuals, found.jacobian, bounded, delta=delta)
    fit = Fit(
        form=problem.form,
        coefficients=problem.coefficients(best),
        identified=identified,
        intervals=intervals,
        interval_level=uncertainty.LEVEL,
        interval_method=uncertainty.METHOD,
        objective=value,
        status="limit" if not arrived else "at-bound" if bounded.any() else "converged",
        starts_agreeing=float(np.mean(agreeing)),
        n_runs=len(runs),
        table_sha256=table.sha256,
        convention=table.convention,
        supervised=supervised,
        id=_name(table, problem.form, fixed, delta, supervised),
        source=source,
        fixed=dict(fixed),
        huber_delta=delta,
        residual_rms=float(np.sqrt(np.mean(found.residuals**2))),
        relative_error=uncertainty.robust_scale(found.residuals, int(problem.free.sum())),
        support=support,
        versions=_versions(),
    )
    names = [name for name, at in zip(problem.names, bounded, strict=True) if at]
    return replace(fit, warnings=(*doubts.of_optimum(fit, names), *doubts.of_evidence(fit, table, runs)))


def _name(table: RunTable, form: str, fixed: Mapping[str, float], delta: float, supervised: Fit | None) -> str:
    what = [table.sha256, form, sorted(fixed.items()), delta, supervised and supervised.id]
    return f"fit-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]}"


def _versions() -> dict[str, str]:
    found = {}
    for name in ("distillaw", "jax", "numpy"):
        with suppress(PackageNotFoundError):  # a checkout that was never installed
            found[name] = version(name)
    return found


def _range(values: NDArray[np.float64] | Sequence[float]) -> Range:
    return float(np.min(values)), float(np.max(values))


def _teachers(values: Array, supervised: Fit, name: str) -> Range | None:
    """Where the supervised law has been seen: its own runs and the teachers; a given law's range if need be."""
    known = values[~np.isnan(values)]
    within: Range | None = getattr(supervised.support, name)
    if len(known) and (within is None or supervised.status == "given"):
        return _range(known)
    if len(known) and within is not None:
        return _range([*known, *within])
    return within
