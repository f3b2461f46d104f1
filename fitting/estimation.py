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

from fitting import doubts, evidence, stages, teacher_errors, uncertainty
from fitting.coordinates import Array
from fitting.errors import FitError, InputError
from fitting.fit import COEFFICIENTS, Fit
from fitting.forms import Problem
from fitting.known import Range, Support
from fitting.laws import SupervisedLaw
from fitting.method import Method
from fitting.records import RunTable
from fitting.search import Optimum, at_bounds, search


def fit_law(
    form: type[SupervisedLaw],
    table: RunTable,
    *,
    fixed: Mapping[str, float] | None = None,
    method: Method | None = None,
) -> Fit:
    """Fit the supervised law (Eq 1, arXiv 2502.08606) to a table's finished supervised runs.

    `fixed` holds coefficients at given values ({"gamma": 1}). The same table gives the same fit. Raises
    `InputError` for runs that cannot carry the law and `FitError` when no start converges.
    """
    if form is not SupervisedLaw:
        raise InputError(f"fit_law fits SupervisedLaw, not {form.__name__}; for a distillation: fit_distillation")
    method, held = method or Method(), dict(fixed or {})
    runs = table.supervised()
    evidence.check(runs, "supervised", held, method)
    problem = stages.supervised_problem(runs, held)
    weights = stages.run_weights(runs, method)
    return _fit(
        problem,
        search(problem, method, weights),
        table,
        runs,
        method,
        weights,
        supervised=None,
        source=f"fitted to {len(runs)} supervised runs (table {table.sha256[:12]})",
        support=Support(N_S=_range(runs.column("N")), D_S=_range(runs.column("D"))),
    )


def fit_distillation(
    table: RunTable,
    supervised: Fit,
    *,
    fixed: Mapping[str, float] | None = None,
    limit_form: bool = False,
    method: Method | None = None,
) -> Fit:
    """Fit the distillation law (Eq 8, arXiv 2502.08606) to a table's finished distilled runs.

    `supervised` gives L̃_S and is not touched; it may come from the same table (`fit_law`) or be a known law
    (`Fit.given`). With `limit_form` the teacher factor is taken at c1 f1 → ∞, one coefficient fewer. Raises as
    `fit_law` does, and `InputError` when the two conventions differ.
    """
    method, held = method or Method(), dict(fixed or {})
    supervised = supervised.supervised or supervised
    runs = table.distillation()
    evidence.check(runs, "distillation", held, method, limit_form=limit_form)
    if limit_form and {"c1", "d1"} & set(held):
        raise InputError("--fix c1 or d1: in the limit c1 f1 → ∞ neither has a value to hold")
    table.convention.require_same(supervised.convention, "the table", f"the supervised law {supervised.id!r}")
    problem = stages.distillation_problem(runs, supervised, held, limit=limit_form)
    weights = stages.run_weights(runs, method)
    found = search(problem, method, weights)
    if method.teacher_errors:
        problem, found = teacher_errors.estimated(problem, found, stages.teachers(runs), method, weights)
    base = "given" if supervised.status == "given" else f"from {supervised.n_runs} supervised runs"
    return _fit(
        problem,
        found,
        table,
        runs,
        method,
        weights,
        supervised=supervised,
        source=f"fitted to {len(runs)} distilled runs (table {table.sha256[:12]}); "
        f"supervised law {supervised.id}, {base}",
        support=Support(
            N_S=_range(runs.column("N")),
            D_S=_range(runs.column("D")),
            L_T=_range(runs.column("teacher_loss")),
            N_T=_teachers(runs.column("teacher_N"), supervised, "N_S"),
            D_T=_teachers(runs.column("teacher_D"), supervised, "D_S"),
        ),
    )


def fit_table(
    table: RunTable,
    *,
    form: str | None = None,
    fixed: Mapping[str, float] | None = None,
    supervised: Fit | None = None,
    limit_form: bool = False,
    method: Method | None = None,
) -> Fit:
    """Fit whatever law a table's runs speak of: the distillation law, in two stages, if it has distilled runs.

    A plain name in `fixed` is a coefficient of the law asked for, except that `gamma` also holds in the
    supervised stage underneath; `supervised.NAME` holds in that stage alone. `supervised` takes its place.
    """
    form = form or ("distillation" if len(table.distillation()) else "supervised")
    own, below = evidence.split_fixed(fixed or {}, form, given=supervised is not None)
    if form == "supervised" and supervised is not None:
        raise InputError("--supervised: takes the place of the law that would be fitted: these runs are all supervised")
    if form == "supervised":
        return fit_law(SupervisedLaw, table, fixed=own, method=method)
    evidence.check(
        table.distillation(), form, own, method or Method(), limit_form=limit_form
    )  # before the time that the first stage takes
    if supervised is None:
        supervised = fit_law(SupervisedLaw, table, fixed=below, method=method)
    return fit_distillation(table, supervised, fixed=own, limit_form=limit_form, method=method)


def _fit(
    problem: Problem,
    found: Optimum,
    table: RunTable,
    runs: RunTable,
    method: Method,
    weights: Array | None,
    *,
    supervised: Fit | None,
    source: str,
    support: Support,
) -> Fit:
    law = problem.coordinates
    # what is reported is the law as it predicts: with the teachers' losses as they were measured
    measured = np.append(found.z[: problem.laws], np.zeros(len(found.z) - problem.laws))
    residuals = problem.residuals(measured[None], np.zeros(1, dtype=np.intp))[0]
    coefficients = {name: float(value[0]) for name, value in law.coefficients(found.z[None, : problem.laws]).items()}
    impossible = [name for name, x in coefficients.items() if not (np.isfinite(x) and (x > 0 or name == "c0"))]
    if impossible:
        raise FitError(
            f"the {problem.form} law came out with {', '.join(impossible)} beyond what numbers can hold: check --fix"
        )
    bounded = at_bounds(problem, found.z)
    identified, intervals = uncertainty.marginals(problem, found, bounded, weights)
    fit = Fit(
        form=problem.form,
        coefficients={name: coefficients[name] for name in COEFFICIENTS[problem.form]},
        identified=identified,
        intervals=intervals,
        interval_level=uncertainty.LEVEL,
        interval_method=uncertainty.METHOD,
        objective=method.objective(residuals, weights),
        status="limit" if not found.arrived else "at-bound" if bounded.any() else "converged",
        starts_agreeing=found.agreeing,
        n_runs=len(runs),
        table_sha256=table.sha256,
        convention=table.convention,
        supervised=supervised,
        id=name_of(table, law.form, law.fixed, method, supervised, "limit" if law.limit else ""),
        source=source,
        fixed=dict(law.fixed),
        huber_delta=method.huber_delta if method.loss == "huber" else None,
        residual_rms=float(np.sqrt(np.mean(residuals**2))),
        relative_error=uncertainty.robust_scale(residuals, problem.laws),
        support=support,
        versions=versions(),
        method=method,
        limit_form=law.limit,
        prior_strength=found.strength if problem.penalty(found.strength, priors=method.priors) else 0.0,
        teacher_spread=problem.spread,
        corpus=runs.stated("corpus"),
        tokenizer=runs.stated("tokenizer"),
    )
    return replace(
        fit, warnings=(*doubts.of_optimum(fit, _named(problem, bounded)), *doubts.of_evidence(fit, table, runs))
    )


def _named(problem: Problem, bounded: NDArray[np.bool_]) -> list[str]:
    """The coefficients that own the coordinates at the edge of the box."""
    from fitting.coordinates import OWNED

    return [OWNED[problem.form][i] for i, at in zip(problem.coordinates.free, bounded, strict=True) if at]


def name_of(
    table: RunTable, form: str, fixed: Mapping[str, float], method: Method, supervised: Fit | None, variant: str
) -> str:
    """The id of a fit: the same for the same runs, form and method."""
    what = [table.sha256, form, sorted(fixed.items()), method.as_dict(), supervised and supervised.id, variant]
    return f"fit-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]}"


def versions() -> dict[str, str]:
    """The versions that a fit was made with."""
    found = {}
    for name in ("distillaw", "numpy"):
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
