"""Students of the mapping problem against their teachers: curves with their bands, and whether they make a U.

App C.2 of arXiv 2502.08606 (Figs 11 and 12) shows quartiles over trials, and a U for the student of width 256: its best
teacher is neither the weakest nor the strongest. A curve is called a U here where the bands at both its ends lie above
the band at its lowest point.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeps.mapping.table import SUPERVISED, TEACHER_STEPS, TEACHER_WIDTH, MappingTable, Row

Floats = NDArray[np.float64]

FIGURES = {"fig11": TEACHER_WIDTH, "fig12": TEACHER_STEPS}
"""The figures with the experiment that each shows."""

PAPER_STUDENT = 256
"""The width whose student makes a U in the paper."""


@dataclass(frozen=True)
class Curve:
    """Students of one width by their `teachers` (widths or steps, ascending): quartiles over trials, in nats.

    `loss` and `taught_by`, the teacher's own cross-entropy, are (3, teachers): lower quartile, median, upper quartile.
    `alone` (3,) is the student that was trained on labels, None where the table has none.
    """

    width: int
    teachers: tuple[int, ...]
    loss: Floats
    taught_by: Floats
    alone: Floats | None
    trials: int

    @property
    def best(self) -> int:
        """The place of the teacher with the best student, by medians."""
        return int(self.loss[1].argmin())

    def arm(self, end: int) -> float:
        """By how much (nats, medians) the student at an end (0 or -1) is worse than the best."""
        return float(self.loss[1, end] - self.loss[1, self.best])

    def apart(self, end: int) -> bool:
        """Whether its band lies above the best student's."""
        return bool(self.loss[0, end] > self.loss[2, self.best])

    @property
    def is_u(self) -> bool:
        return self.apart(0) and self.apart(-1)


def curves(rows: Sequence[Row], every: Sequence[Row]) -> list[Curve]:
    """The curves of an experiment's rows, by student width; `every` row may hold students trained on labels."""
    return [
        _curve(
            [row for row in rows if row.student_width == width], [row for row in every if row.student_width == width]
        )
        for width in sorted({row.student_width for row in rows})
    ]


def statement(table: MappingTable, experiment: str) -> str:
    """What the paper says of an experiment's figure and what the table has of it, in two sentences."""
    paper = (
        f"The paper says that the student of width {PAPER_STUDENT} shows a U: "
        "its best teacher is neither the weakest nor the strongest."
    )
    rows = table.of(experiment)
    found = [curve for curve in curves(rows, table.rows) if curve.width == PAPER_STUDENT]
    if not found:
        return f"{paper} The table has no student of that width."
    curve, unit = found[0], "width" if experiment == TEACHER_WIDTH else "steps"
    low, median, high = curve.loss[:, curve.best]
    ends = " and ".join(
        f"that of the {name} ({unit} {curve.teachers[end]}) is {curve.arm(end):.4f} nats worse, "
        f"its band {'above that' if curve.apart(end) else 'not above that'}"
        for name, end in (("weakest", 0), ("strongest", -1))
    )
    scales = ", ".join(sorted({row.scale for row in rows}))
    steps = ", ".join(str(n) for n in sorted({row.student_steps for row in rows if row.student_width == curve.width}))
    return (
        f"{paper} In the table (scale {scales}, {curve.trials} trials, {steps} steps of the student) the best student "
        f"is that of the teacher of {unit} {curve.teachers[curve.best]}, at {median:.4f} nats with a band from "
        f"{low:.4f} to {high:.4f}; {ends}. "
        f"U-shape at student width {PAPER_STUDENT}: {'shown' if curve.is_u else 'not shown'}."
    )


def _curve(rows: Sequence[Row], every: Sequence[Row]) -> Curve:
    by_teacher: dict[int, list[Row]] = {}
    for row in rows:
        by_teacher.setdefault(_teacher(row), []).append(row)
    teachers = tuple(sorted(by_teacher))
    alone = [row.student_cross_entropy for row in every if row.experiment == SUPERVISED]
    return Curve(
        width=rows[0].student_width,
        teachers=teachers,
        loss=np.stack([_quartiles([row.student_cross_entropy for row in by_teacher[t]]) for t in teachers], axis=1),
        taught_by=np.stack(
            [_quartiles([row.teacher_cross_entropy for row in by_teacher[t]]) for t in teachers], axis=1
        ),
        alone=_quartiles(alone) if alone else None,
        trials=min(len(found) for found in by_teacher.values()),
    )


def _teacher(row: Row) -> int:
    found = row.teacher_steps if row.experiment == TEACHER_STEPS else row.teacher_width
    assert found is not None  # the table is read with that
    return found


def _quartiles(values: Sequence[float | None]) -> Floats:
    return np.percentile(np.array(values, dtype=np.float64), (25.0, 50.0, 75.0))
