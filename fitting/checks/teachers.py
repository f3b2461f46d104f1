"""Teachers: whether what students say of them agrees with itself, with the teacher's own run, and with the others."""

from collections import defaultdict

import numpy as np

from fitting import units
from fitting.checks.finding import Finding, listed, number_of, runs_named
from fitting.records import RunRecord, RunTable

_SAME = 0.005
"""Relative difference below which two values are one: rounding to three digits, or another draw of validation text."""

_BETTER = 0.8
"""Teacher's loss over the best supervised loss, below which no teacher of the same family and corpus is likely."""

_BEATEN = 0.01
"""Relative. Students ahead of their teacher by less are within what the law errs by anyway."""

_NOISES = 4.0
"""The same in standard deviations of a run: noise alone puts one student in 30 000 so far ahead."""

_FACTS = {"teacher_loss": "loss", "teacher_N": "N", "teacher_D": "D"}
"""What a student says of its teacher, and what the teacher's own run calls it."""


def teachers(table: RunTable, noise: float) -> list[Finding]:
    """All that is wrong or odd with the teachers of a table; `noise` is a student's relative standard deviation."""
    students: dict[str, list[RunRecord]] = defaultdict(list)
    for record in table.records:
        if record.kind == "distillation" and record.teacher_id is not None:
            students[record.teacher_id].append(record)
    runs = {record.run_id: record for record in table.records if record.kind == "supervised"}
    found = []
    for name, taught in students.items():
        found += _disagreeing(name, taught)
        if name in runs:
            found += _against_own_run(runs[name], taught)
    return [*found, *_missing(students, runs), *_unused(students, runs), *_too_good(table), *_beaten(table, noise)]


def _disagreeing(name: str, taught: list[RunRecord]) -> list[Finding]:
    """One teacher with two losses, sizes or tokens."""
    told = []
    for column in _FACTS:
        values = [value for record in taught if (value := getattr(record, column)) is not None]
        if values and max(values) > (1 + _SAME) * min(values):
            told.append(f"{column} from {_written(column, min(values))} to {_written(column, max(values))}")
    if not told:
        return []
    message = (
        f"teacher {name} has {' and '.join(told)} among its {number_of(len(taught), 'student')}; a teacher has one of "
        "each: correct them, or name the teachers apart"
    )
    return [Finding("teacher-facts", "fault", message, tuple(record.run_id for record in taught))]


def _against_own_run(teacher: RunRecord, taught: list[RunRecord]) -> list[Finding]:
    """Students who say of their teacher what its own run denies."""
    found = []
    for column, own in _FACTS.items():
        value = getattr(teacher, own)
        stated = [(getattr(record, column), record.run_id) for record in taught if getattr(record, column) is not None]
        wrong = [(said, name) for said, name in stated if not abs(said / value - 1) <= _SAME]
        if wrong and teacher.status == "finished":
            said = max((said for said, _ in wrong), key=lambda said: abs(said / value - 1))
            ids = tuple(name for _, name in wrong)
            message = (
                f"teacher {teacher.run_id}: its own run has {own} = {_written(column, value)}, but {len(wrong)} of "
                f"{number_of(len(taught), 'student')} say {column} = {_written(column, said)} ({runs_named(ids)}); "
                "correct one of them"
            )
            found.append(Finding("teacher-disagrees", "fault", message, (teacher.run_id, *ids)))
    if teacher.status != "finished":
        message = (
            f"teacher {teacher.run_id} is {teacher.status}, and {number_of(len(taught), 'student')} learned from it; "
            "its loss may not be that of the model they saw"
        )
        found.append(
            Finding("teacher-unfinished", "odd", message, (teacher.run_id, *(record.run_id for record in taught)))
        )
    return found


def _missing(students: dict[str, list[RunRecord]], runs: dict[str, RunRecord]) -> list[Finding]:
    """Teachers that are no run of a table in which others are."""
    absent = [name for name in students if name not in runs]
    if not absent or len(absent) == len(students):
        return []
    message = (
        f"{len(absent)} of {len(students)} teachers ({listed(absent)}) are no supervised run of this table, though the "
        "others are: a misspelt teacher_id, or a run that is missing"
    )
    return [Finding("teacher-missing", "odd", message, tuple(r.run_id for name in absent for r in students[name]))]


def _unused(students: dict[str, list[RunRecord]], runs: dict[str, RunRecord]) -> list[Finding]:
    """Runs that a column `role` calls teachers and no student names."""
    idle = [r.run_id for r in runs.values() if r.extras.get("role") == "teacher" and r.run_id not in students]
    if not idle:
        return []
    message = (
        f"{number_of(len(idle), 'teacher')} {'has' if len(idle) == 1 else 'have'} no student ({runs_named(idle)}); "
        "they count as supervised runs: check the students' teacher_id if that was not meant"
    )
    return [Finding("teacher-unused", "odd", message, tuple(idle))]


def _too_good(table: RunTable) -> list[Finding]:
    """Teachers far better than every supervised run."""
    alone, taught = table.supervised(), table.distillation()
    if not len(alone) or not len(taught):
        return []
    best, L_T = float(alone.column("loss").min()), taught.column("teacher_loss")
    beyond = L_T < _BETTER * best
    if not beyond.any():
        return []
    ids = tuple(taught.records[i].run_id for i in np.flatnonzero(beyond))
    message = (
        f"{number_of(len(ids), 'student')} had a teacher at {L_T.min():.4g} nats/token, {1 - L_T.min() / best:.0%} "
        f"below the best supervised run ({best:.4g}): {runs_named(ids)}; is teacher_loss in nats per token, on the "
        "same validation text and tokens?"
    )
    return [Finding("teacher-too-good", "odd", message, ids)]


def _beaten(table: RunTable, noise: float) -> list[Finding]:
    """Students clearly better than their teacher."""
    runs = table.distillation()
    if not len(runs):
        return []
    loss, L_T = runs.column("loss"), runs.column("teacher_loss")
    limit = max(_BEATEN, _NOISES * noise)
    clearly = loss < (1 - limit) * L_T
    if not clearly.any():
        return []
    ids = tuple(runs.records[i].run_id for i in np.flatnonzero(clearly))
    worst = int(np.argmin(loss / L_T))
    message = (
        f"{len(ids)} of {len(runs)} students beat their teacher by more than {limit:.1%} ({runs_named(ids)}), at "
        f"most run {runs.records[worst].run_id} with {loss[worst]:.4g} against {L_T[worst]:.4g} nats/token "
        f"({1 - loss[worst] / L_T[worst]:.1%}); the law puts every student behind its teacher, see "
        "docs/faq.md#teacher-beaten"
    )
    return [Finding("teacher-beaten", "odd", message, ids)]


def _written(column: str, value: float) -> str:
    return f"{value:.4g}" if column == "teacher_loss" else units.count(value)
