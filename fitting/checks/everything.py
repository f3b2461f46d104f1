"""Everything that is wrong or odd with a table of runs, as a list of findings, and the table in a few numbers."""

from collections import Counter
from typing import Any

import numpy as np

from fitting import asking
from fitting.checks import compute as check_compute
from fitting.checks import design as check_design
from fitting.checks import law as check_law
from fitting.checks import rates as check_rates
from fitting.checks import runs as check_runs
from fitting.checks import teachers as check_teachers
from fitting.checks.finding import WORD, Finding, finished, teacher_of, without
from fitting.records import RunTable

SCHEMA = "distillaw/check/1"

_UNKNOWN_NOISE = 0.01
"""A run's relative standard deviation where too few runs tell it: that of small models from one seed."""

_COLUMNS = ("N", "D", "C", "loss", "teacher_loss")


def findings(table: RunTable) -> tuple[Finding, ...]:
    """All findings, faults first.

    Laws are fitted to the runs that look sound and are of a law (`fitting.asking`): diverged ones are named and left
    out, and where a setting was run at several learning rates its best counts.
    """
    diverged = check_runs.diverged(table)
    of_law = check_rates.best_rates(asking.of_law(table))
    sound = without(of_law, [name for finding in diverged for name in finding.run_ids])
    laws = check_law.fitted(sound)
    far = check_law.outliers(sound, laws)
    smooth = without(sound, [name for finding in far for name in finding.run_ids])
    told = {kind: laws.noise(kind, sound) for kind in WORD}
    noise = {kind: _UNKNOWN_NOISE if value is None else value for kind, value in told.items()}
    design = check_design.distilled_grid(sound)
    named = {finding.code for finding in design}
    found = [
        *check_runs.unfinished(table),
        *diverged,
        *check_runs.implausible(table),
        *check_runs.mixed_data(table),
        *check_runs.mixed_recipes(table),
        *check_runs.asked_otherwise(table),
        *check_runs.repeated_text(table),
        *check_runs.copies(table),
        *check_compute.compute(table),
        *check_teachers.teachers(table, noise["distillation"]),
        *far,
        *check_rates.edges(table),
        *check_rates.not_smooth(smooth, noise["supervised"]),
        *check_law.one_sided(smooth, laws),
        *check_design.ranges(sound),
        *check_design.one_line(sound),
        *design,
        *([] if "one-teacher" in named else check_law.teacher_factor(sound, laws)),
        *([] if {"one-teacher", "c0"} & named else check_law.teacher_slope(sound, laws)),
        *laws.skipped,
        *check_runs.repeats(sound),
    ]
    return tuple(sorted(found, key=lambda finding: finding.severity != "fault"))


def summary(table: RunTable) -> dict[str, Any]:
    """Runs by kind and status, the ranges of the finished ones (counts, FLOPs, nats/token), and the teachers."""
    statuses = {kind: dict(sorted(Counter(r.status for r in table.records if r.kind == kind).items())) for kind in WORD}
    kinds = [kind for kind in WORD if len(finished(table, kind))]
    taught = table.distillation().records
    return {
        "runs": {kind: found for kind, found in statuses.items() if found},
        "ranges": {kind: {name: _range(finished(table, kind), name) for name in _COLUMNS} for kind in kinds},
        "n_teachers": len({teacher_of(record) for record in taught}),
    }


def _range(runs: RunTable, name: str) -> list[float] | None:
    values = runs.column(name)
    known = values[~np.isnan(values)]
    return [float(known.min()), float(known.max())] if len(known) else None
