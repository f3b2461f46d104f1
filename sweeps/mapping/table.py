"""The table of the mapping problem: a row for each student, as CSV, read back with every fault named."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fitting.errors import Faults, InputError
from sweeps import own_tables

TEACHER_WIDTH, TEACHER_STEPS, SUPERVISED = "teacher-width", "teacher-steps", "supervised"
EXPERIMENTS = (TEACHER_WIDTH, TEACHER_STEPS, SUPERVISED)
HOW_MADE = "distillaw sweep mapping --out mapping.csv"


@dataclass(frozen=True)
class Row:
    """A student and its teacher, which a supervised student has none of (None, an empty cell).

    Cross-entropies of the labels and the forward KL from teacher to student are in nats, on all inputs. `trial` counts
    the seeds from 0; `scale` names the sizes and steps that the command was asked for.
    """

    experiment: str
    student_width: int
    student_steps: int
    teacher_width: int | None
    teacher_steps: int | None
    trial: int
    teacher_cross_entropy: float | None
    student_cross_entropy: float
    student_accuracy: float
    kl_to_teacher: float | None
    scale: str


@dataclass(frozen=True)
class MappingTable:
    """Rows, and the file they came from, for messages."""

    rows: tuple[Row, ...]
    path: Path

    def of(self, experiment: str) -> tuple[Row, ...]:
        """The rows of an experiment, or `InputError` where there are none."""
        rows = tuple(row for row in self.rows if row.experiment == experiment)
        if not rows:
            raise InputError(f"{self.path}: has no row of the experiment {experiment!r}; make it again: {HOW_MADE}")
        return rows


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the table: numbers with six digits, None as an empty cell, the same bytes for the same rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(row).items()})


def read(path: Path) -> MappingTable:
    """Read a table, or raise `InputError` with every fault: its file, its row (the header is row 1) and its value."""
    lines = own_tables.lines(path, [field.name for field in fields(Row)], "the mapping problem", HOW_MADE)
    faults, rows, seen = Faults(), [], set[tuple[Any, ...]]()
    for number, line in enumerate(lines, start=2):
        row = faults.collect(_row, line, f"{path}, row {number}")
        if row is None:
            continue
        key = (row.experiment, row.student_width, row.teacher_width, row.teacher_steps, row.trial)
        if key in seen:
            faults.add(f"{path}, row {number}: this student and trial stand in a row above already; remove one")
        seen.add(key)
        rows.append(row)
    if not lines:
        faults.add(f"{path}: has no rows; make it again: {HOW_MADE}")
    faults.raise_if_any()
    return MappingTable(tuple(rows), path)


def _row(line: dict[str, str | None], place: str) -> Row:
    faults = Faults()
    cells = {name: (line.get(name) or "").strip() for name in (field.name for field in fields(Row))}
    if cells["experiment"] not in EXPERIMENTS:
        faults.add(f"{place}: experiment is {cells['experiment']!r}; it must be one of {', '.join(EXPERIMENTS)}")
    alone = cells["experiment"] == SUPERVISED
    values: dict[str, Any] = {"experiment": cells["experiment"], "scale": cells["scale"]}
    for name, low, whole in _NUMBERS:
        if alone and name in _OF_TEACHER:
            values[name] = None
            if cells[name]:
                faults.add(
                    f"{place}: {name} is {cells[name]!r}, but a supervised student has no teacher; leave it empty"
                )
            continue
        values[name] = faults.collect(own_tables.number, cells[name], f"{place}: {name}", low, int if whole else float)
    if not cells["scale"]:
        faults.add(f"{place}: scale is empty; it names the --scale of the command")
    faults.raise_if_any()
    return Row(**values)


_NUMBERS = (
    ("student_width", 1, True),
    ("student_steps", 1, True),
    ("teacher_width", 1, True),
    ("teacher_steps", 1, True),
    ("trial", 0, True),
    ("teacher_cross_entropy", 0, False),
    ("student_cross_entropy", 0, False),
    ("student_accuracy", 0, False),
    ("kl_to_teacher", -1e-6, False),  # a rounding below its bound
)
"""Columns of numbers: the least value, and whether it is a whole number."""

_OF_TEACHER = ("teacher_width", "teacher_steps", "teacher_cross_entropy", "kl_to_teacher")
