"""The table of reliability diagrams: a row for each bin, as CSV, read back with every fault named."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitting.errors import Faults, InputError
from sweeps import files, own_tables

DATA, TOP, BY_STUDENT, BY_TEACHER = "data", "teacher-top-1", "teacher", "teacher-by-teacher"
OF = (DATA, TOP, BY_STUDENT, BY_TEACHER)
"""What a model is held against: the text (Eq 38 of arXiv 2502.08606), the likeliest token of its teacher (Eq 38), and
the teacher's confidence (Eq 39) by the student's bins or by the teacher's."""

HOW_MADE = "distillaw sweep reliability DIR --out reliability.csv"


@dataclass(frozen=True)
class Run:
    """What is known of a model, as its run's table has it; the last columns only of a distilled student.

    `N` is non-embedding parameters, `D` tokens, losses are nats per token; `signal`, `kept`, `lam`, `tau` and
    `direction` say how it was distilled, `kept` of whole distributions None.
    """

    run_id: str
    role: str
    N: int
    D: int
    loss: float
    learning_rate: float
    seed: int
    signal: str | None = None
    kept: int | None = None
    lam: float | None = None
    tau: float | None = None
    direction: str | None = None


@dataclass(frozen=True)
class Diagram:
    """A reliability diagram: by bin, in equal steps of (0, 1], the positions and the means of two quantities there.

    `confidence` is the model's own; `observed` how often its likeliest token was right (`of` the data or the teacher's
    likeliest) or the teacher's confidence. Means are NaN where a bin is empty. `teacher_id` joins teachers that were
    averaged; `teacher_N` is then None.
    """

    run: Run
    of: str
    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    observed: tuple[float, ...]
    teacher_id: str | None = None
    teacher_N: int | None = None
    teacher_loss: float | None = None

    @property
    def ece(self) -> float:
        """Eq 38 or Eq 39 of arXiv 2502.08606, in [0, 1]: the mean difference of the two, weighted by positions."""
        bins = zip(self.counts, self.confidence, self.observed, strict=True)
        return sum(count * abs(one - other) for count, one, other in bins if count) / sum(self.counts)


@dataclass(frozen=True)
class ReliabilityTable:
    """Diagrams, and the file they came from, for messages."""

    diagrams: tuple[Diagram, ...]
    path: Path


def write(path: Path, diagrams: Sequence[Diagram]) -> None:
    """Write the table, whole or not at all: nine digits, None and NaN as empty cells, the same bytes for the same."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in diagrams:
        run, bins = each.run, len(each.counts)
        known = (
            run.role, run.N, run.D, run.loss, run.learning_rate, run.seed, run.signal, run.kept, run.lam, run.tau,
            run.direction, each.teacher_id, each.teacher_N, each.teacher_loss,
        )  # fmt: skip
        for i, means in enumerate(zip(each.counts, each.confidence, each.observed, strict=True)):
            row = (run.run_id, each.of, i + 1, i / bins, (i + 1) / bins, *means, *known)
            writer.writerow([_cell(value) for value in row])
    try:
        files.write(path, text.getvalue().encode())
    except OSError as error:
        raise InputError(f"--out: {path}: cannot be written: {error.strerror}") from None


def read(path: Path) -> ReliabilityTable:
    """Read a table, or raise `InputError` with every fault: its file, its row (the header is row 1) and its value."""
    lines = own_tables.lines(path, COLUMNS, "reliability diagrams", HOW_MADE)
    faults = Faults()
    found: dict[tuple[Any, ...], list[_Row]] = {}
    for number, line in enumerate(lines, start=2):
        row = faults.collect(_row, line, f"{path}, row {number}")
        if row is not None:
            found.setdefault((row.run.run_id, row.of, row.teacher[0]), []).append(row)
    if not lines:
        faults.add(f"{path}: has no rows; make it again: {HOW_MADE}")
    faults.raise_if_any()
    diagrams = [faults.collect(_diagram, rows, path) for rows in found.values()]
    faults.raise_if_any()
    return ReliabilityTable(tuple(each for each in diagrams if each is not None), path)


@dataclass(frozen=True)
class _Row:
    place: str
    run: Run
    of: str
    bin: int
    count: int
    means: tuple[float, float]
    teacher: tuple[str | None, int | None, float | None]


def _row(line: dict[str, str | None], place: str) -> _Row:
    faults = Faults()
    cells = {name: (line.get(name) or "").strip() for name in COLUMNS}
    if cells["of"] not in OF:
        faults.add(f"{place}: of is {cells['of']!r}; it must be one of {', '.join(OF)}")
    for name in ("run_id", "role", *(("teacher_id",) if cells["of"] in OF[1:] else ())):
        if not cells[name]:
            faults.add(f"{place}: {name} is empty; make the table again: {HOW_MADE}")
    empty = cells["count"] == "0"
    values: dict[str, Any] = {}
    for name, low, whole, needed in _NUMBERS:
        if not cells[name] and (not needed or (empty and name in _MEANS)):
            values[name] = math.nan if name in _MEANS else None
        else:
            values[name] = faults.collect(
                own_tables.number, cells[name], f"{place}: {name}", low, int if whole else float
            )
    for name in _MEANS:
        if (values[name] or 0) > 1 + 1e-6:
            faults.add(f"{place}: {name} is {cells[name]!r}; a probability is 1 at most")
    faults.raise_if_any()
    run = Run(
        cells["run_id"], cells["role"], values["N"], values["D"], values["loss"], values["learning_rate"],
        values["seed"], cells["signal"] or None, values["kept"], values["lambda"], values["tau"],
        cells["direction"] or None,
    )  # fmt: skip
    teacher = (cells["teacher_id"] or None, values["teacher_N"], values["teacher_loss"])
    return _Row(
        place, run, cells["of"], values["bin"], values["count"], (values[_MEANS[0]], values[_MEANS[1]]), teacher
    )


def _diagram(rows: list[_Row], path: Path) -> Diagram:
    first, faults = rows[0], Faults()
    name = f"{first.run.run_id}, {first.of}"
    for row in rows[1:]:
        if (row.run, row.teacher) != (first.run, first.teacher):
            faults.add(f"{row.place}: {name}: describes another run than {first.place}; {_AGAIN}")
    bins = [row.bin for row in rows]
    if bins != list(range(1, len(bins) + 1)):
        faults.add(f"{first.place}: {name}: its bins are {', '.join(map(str, bins))}, not 1, 2, 3 and so on; {_AGAIN}")
    if not any(row.count for row in rows):
        faults.add(f"{first.place}: {name}: all its bins are empty; {_AGAIN}")
    faults.raise_if_any()
    confidence, observed = zip(*(row.means for row in rows), strict=True)
    return Diagram(first.run, first.of, tuple(row.count for row in rows), confidence, observed, *first.teacher)


_AGAIN = f"make the table again: {HOW_MADE}"

_MEANS = ("confidence", "observed")

_NUMBERS = (
    ("bin", 1, True, True),
    ("count", 0, True, True),
    ("confidence", 0, False, True),
    ("observed", 0, False, True),
    ("N", 1, True, True),
    ("D", 1, True, True),
    ("loss", 0, False, True),
    ("learning_rate", 0, False, True),
    ("seed", 0, True, True),
    ("kept", 1, True, False),
    ("lambda", 0, False, False),
    ("tau", 0, False, False),
    ("teacher_N", 1, True, False),
    ("teacher_loss", 0, False, False),
)
"""Columns of numbers: the least value, whether it is a whole number, and whether every row has it."""

COLUMNS = (
    "run_id", "of", "bin", "lower", "upper", "count", "confidence", "observed", "role", "N", "D", "loss",
    "learning_rate", "seed", "signal", "kept", "lambda", "tau", "direction", "teacher_id", "teacher_N", "teacher_loss",
)  # fmt: skip


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.9g}"
    return value
