"""What a law says of one student or of a table of runs, with how far it has to reach for it."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitting import units
from fitting.errors import InputError
from fitting.fit import Doubt
from fitting.known import KnownLaw
from fitting.published import PUBLISHED
from fitting.records import RunTable

SCHEMA = "distillaw/prediction/1"

LEVEL = 0.95
"""Of prediction intervals."""

_NAMES = {"N_S": "the student's parameters", "D_S": "its tokens", "L_T": "the teacher's cross-entropy"}


@dataclass(frozen=True)
class Prediction:
    """A student's cross-entropy (nats/token), distilled where a teacher was named and supervised where not.

    `interval` holds a run of that kind with probability `LEVEL`; None for a law without joint draws. `support` says
    how far each variable lies outside the law's runs, as a factor: 1 is inside.
    """

    loss: float
    interval: tuple[float, float] | None
    supervised_loss: float
    support: dict[str, float]
    warnings: tuple[Doubt, ...]

    def as_dict(self) -> dict[str, Any]:
        """The object of `distillaw predict --json`."""
        return {"schema": SCHEMA, **asdict(self), "warnings": [asdict(doubt) for doubt in self.warnings]}


def student(law: KnownLaw, N: float, D: float, teacher_loss: float | None = None) -> Prediction:
    """Predict a student of N parameters on D tokens, taught by a teacher of cross-entropy `teacher_loss` or alone.

    Raises `InputError` for a teacher below the law's entropy floor, and for any teacher where the law knows only
    supervised training.
    """
    alone = float(law.supervised.loss(N, D))
    loss, found = alone, []
    if teacher_loss is not None:
        distilled = law.require_distillation()
        check_teacher(law, teacher_loss, "--teacher-loss")
        loss = float(distilled.loss(N, D, teacher_loss))
        if teacher_loss >= alone:
            found.append(
                Doubt(
                    "weak-teacher",
                    f"the teacher ({teacher_loss:.4g}) is no better than this student trained alone ({alone:.4g})",
                )
            )
    support = law.support.factors(N_S=N, D_S=D, L_T=teacher_loss)
    found += [
        Doubt(
            "extrapolation",
            f"{_NAMES[name]} lie{'s' if name == 'L_T' else ''} {factor:.3g} times outside the runs of {law.id!r}",
        )
        for name, factor in support.items()
        if factor > 1
    ]
    second = law.second_opinion
    if second is not None and teacher_loss is not None and second.below_D_S > D:
        other = PUBLISHED[second.law_id].require_distillation().loss(N, D, teacher_loss)
        found.append(Doubt("second-opinion", f"{second.law_id} says {other:.4g} nats/token instead: {second.why}"))
    ends = _interval(law, N, D, teacher_loss)
    return Prediction(loss, None if ends is None else (float(ends[0]), float(ends[1])), alone, support, tuple(found))


def _interval(law: KnownLaw, N: Any, D: Any, L_T: Any) -> tuple[Any, Any] | None:
    """The ends of the prediction interval, arrays or numbers as N and D are; None for a law without joint draws."""
    fitted = law.fitted
    part = fitted if fitted is None or L_T is not None or fitted.supervised is None else fitted.supervised
    if part is None or part.draws is None:
        return None
    _, low, high = law.fitted.predict(N, D, L_T, interval=LEVEL)
    return low, high


def check_teacher(law: KnownLaw, teacher_loss: float, where: str) -> None:
    """Raise `InputError` for a teacher whose cross-entropy no model of this law can have."""
    floor = float(law.supervised.E)
    if teacher_loss <= floor:
        raise InputError(
            f"{where}: {teacher_loss:g} is not above E = {floor:.4g}, the lowest cross-entropy that {law.id!r} knows"
        )


def table(law: KnownLaw, runs: RunTable) -> RunTable:
    """The same runs with a free column `predicted`, and `low` and `high` from a law with joint draws.

    A distilled run without its teacher's loss gets none. Raises `InputError` when the law counts differently from the
    table, or knows nothing of distillation.
    """
    runs.convention.require_same(law.convention, "the table", f"law {law.id!r}")
    for record in runs.records:
        if record.teacher_loss is not None and record.kind == "distillation":
            check_teacher(law, record.teacher_loss, f"run {record.run_id}, teacher_loss")
    found = {"predicted": predicted(law, runs), **_ends(law, runs)}
    records = tuple(
        replace(record, extras={**record.extras, **{name: float(x[i]) for name, x in found.items() if x[i] == x[i]}})
        for i, record in enumerate(runs.records)
    )
    return RunTable(records, runs.convention)


def _ends(law: KnownLaw, runs: RunTable) -> dict[str, NDArray[np.float64]]:
    """`low` and `high` of each run, shape (runs,), NaN where a teacher's loss is missing; none without draws."""
    N, D, L_T = (runs.column(name) for name in ("N", "D", "teacher_loss"))
    taught = runs.column("kind") == "distillation"
    low, high = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    for at, teacher in ((~taught, None), (taught, L_T[taught])):
        ends = _interval(law, N[at], D[at], teacher) if at.any() else None
        if ends is not None:
            low[at], high[at] = ends
    return {"low": low, "high": high}


def predicted(law: KnownLaw, runs: RunTable) -> NDArray[np.float64]:
    """Predicted cross-entropy of each run, shape (runs,), NaN where a teacher's is missing."""
    N, D = runs.column("N"), runs.column("D")
    values: NDArray[np.float64] = law.supervised.loss(N, D)
    taught = runs.column("kind") == "distillation"
    if taught.any():
        teacher = runs.column("teacher_loss")[taught]
        values = values.copy()
        values[taught] = law.require_distillation().loss(N[taught], D[taught], teacher)
    return values


def range_of(law: KnownLaw) -> str:
    """The runs behind a law in a few words: "N 143M to 12.6B, D 4B to 512B"."""
    parts = []
    for name, write in (("N_S", units.count), ("D_S", units.count), ("L_T", "{:.3g}".format)):
        within = getattr(law.support, name)
        if within is not None:
            parts.append(f"{name} {write(within[0])} to {write(within[1])}")
    return ", ".join(parts)
