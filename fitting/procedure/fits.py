"""The paper's own procedure as fits: what `distillaw fit --procedure busbridge2025` gives."""

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fitting import doubts, estimation, evidence, uncertainty
from fitting.errors import InputError
from fitting.findings import Draws
from fitting.fit import COEFFICIENTS, Doubt, Fit
from fitting.known import Range, Support
from fitting.method import Method
from fitting.procedure import busbridge2025
from fitting.procedure.busbridge2025 import ProcedureResult
from fitting.progress import Progress, silent
from fitting.records import RunTable

NAME = "busbridge2025"
_SMALLEST = 1e-12
"""Stands for a coefficient that the procedure's box let come to nought: laws are written with positive ones."""

_METHOD = Method(huber_delta=busbridge2025.DELTA, priors=False, teacher_errors=False)


def fit(
    table: RunTable,
    *,
    form: str | None = None,
    supervised: Fit | None = None,
    resamples: int = 0,
    starts: int | None = None,
    progress: Progress = silent,
) -> Fit:
    """Both stages by the procedure of arXiv 2502.08606, App F, `resamples` resamples each (the paper has 4096).

    `starts` takes so many of each grid's. Raises as `estimation.fit_table` does.
    """
    form = form or ("distillation" if len(table.distillation()) else "supervised")
    workers = os.cpu_count() or 1
    given = supervised is not None
    if form == "distillation":
        evidence.check(table.distillation(), form, {}, _METHOD)
    if supervised is None:
        runs = table.supervised()
        evidence.check(runs, "supervised", {}, _METHOD)
        found = busbridge2025.supervised(
            runs.column("N"),
            runs.column("D"),
            runs.column("loss"),
            resamples=resamples,
            starts=starts,
            workers=workers,
            progress=lambda what, done, total: progress(f"supervised law, {what}", done, total),
        )
        supervised = _as_fit(found, table, runs, None, Support(N_S=_range(runs, "N"), D_S=_range(runs, "D")))
    supervised = supervised.supervised or supervised
    if form == "supervised":
        if given:
            raise InputError("--supervised: takes the place of the law that --form supervised would fit")
        return supervised
    runs = table.distillation()
    table.convention.require_same(supervised.convention, "the table", f"the supervised law {supervised.id!r}")
    found = busbridge2025.distillation(
        runs.column("N"),
        runs.column("D"),
        runs.column("teacher_loss"),
        supervised.supervised_law,
        runs.column("loss"),
        resamples=resamples,
        starts=starts,
        workers=workers,
        progress=lambda what, done, total: progress(f"distillation law, {what}", done, total),
    )
    support = Support(
        N_S=_range(runs, "N"),
        D_S=_range(runs, "D"),
        L_T=_range(runs, "teacher_loss"),
        N_T=supervised.support.N_S,
        D_T=supervised.support.D_S,
    )
    # a resample of the distilled runs holds the supervised law, so that no draw of the one belongs to the other's
    return _as_fit(found, table, runs, replace(supervised, draws=None), support)


def _as_fit(found: ProcedureResult, table: RunTable, runs: RunTable, below: Fit | None, support: Support) -> Fit:
    names = COEFFICIENTS[found.form]
    coefficients = {name: max(float(found.coefficients[name]), _SMALLEST) for name in names}
    draws = None
    if len(found.draws) >= 2:
        columns = {name: np.maximum(found.draws[:, i], _SMALLEST) for i, name in enumerate(names)}
        draws = Draws(columns, "run", len(found.draws) + found.draws_failed)
    result = Fit(
        form=found.form,
        coefficients=coefficients,
        identified=dict.fromkeys(names, True),
        intervals={name: _ends(found.intervals, name) for name in names},
        interval_level=found.interval_level,
        interval_method=f"procedure {NAME}: {len(found.draws)} resamples from the optimum",
        objective=found.objective,
        status="at-bound" if found.at_bound else "converged" if found.converged else "limit",
        starts_agreeing=found.starts_agreeing,
        n_runs=len(runs),
        table_sha256=table.sha256,
        convention=table.convention,
        supervised=below,
        id="",
        source=f"fitted to {len(runs)} {found.form} runs (table {table.sha256[:12]}) by the procedure of {NAME}",
        fixed={},
        huber_delta=found.delta,
        residual_rms=None,
        relative_error=0.0,
        support=support,
        versions=estimation.versions(),
        method=_METHOD,
        draws=draws,
        corpus=runs.stated("corpus"),
        tokenizer=runs.stated("tokenizer"),
    )
    teacher = runs.column("teacher_loss") if found.form == "distillation" else None
    residuals = np.log(result.predict(runs.column("N"), runs.column("D"), teacher)) - np.log(runs.column("loss"))
    result = replace(
        result,
        id=estimation.name_of(table, found.form, {}, _METHOD, below, NAME),
        residual_rms=float(np.sqrt(np.mean(residuals**2))),
        relative_error=uncertainty.robust_scale(residuals, len(names)),
    )
    told = Doubt(
        "published-procedure",
        "the paper's own procedure stops early, and its intervals are far too narrow where runs hardly determine a "
        "coefficient; see docs/faq.md#published-procedure",
    )
    return replace(result, warnings=(told, *doubts.of_evidence(result, table, runs)))


def _ends(intervals: Mapping[str, Range | None], name: str) -> Range | None:
    ends = intervals[name]
    return None if ends is None else (max(ends[0], _SMALLEST), max(ends[1], _SMALLEST))


def _range(runs: RunTable, name: str) -> Range:
    values = runs.column(name)
    return float(values.min()), float(values.max())
