"""What a plan chooses besides the shares of its budget: N_T, D_T, D_S and M_T."""

from collections.abc import Callable
from dataclasses import dataclass

from planner.plans import Plan


@dataclass(frozen=True)
class Choice:
    """A chosen quantity: its name and unit, its value (None where open), which of the law's ranges bound it."""

    title: str
    unit: str
    value: Callable[[Plan], float | None]
    bounds: tuple[str, ...]


def _ratio(row: Plan) -> float | None:
    N, D = row.teacher.N, row.teacher.D
    return None if N is None or D is None else D / N


CHOICES = (
    Choice("teacher $N_T$", "parameters", lambda row: row.teacher.N, ("N_T",)),
    Choice("teacher $D_T$", "tokens", lambda row: row.teacher.D, ("D_T",)),
    Choice("student $D_S$", "tokens", lambda row: row.student.D, ("D_S",)),
    Choice("$M_T = D_T/N_T$", "tokens/parameter", _ratio, ("N_T", "D_T")),
)
