"""What a decision costs beyond one training of one student: the part of a question that Eq 9 does not have."""

import math
from dataclasses import dataclass
from typing import Any

from fitting import units
from fitting.errors import Faults, InputError

AUTO = "auto"
"""In a student's place: the size that the budget serves best."""


@dataclass(frozen=True)
class Terms:
    """The student serves `serve_tokens` tokens in its life, each for one forward pass, out of the same budget.

    `reuse` students, or trainings of one, share the teacher and the budget, each with its own tokens and its own
    serving; None is one, and no question of how many it would take. `max_tokens` are the unique tokens that there are:
    no student sees more, and a teacher that is trained has none of its students' (`share_tokens`: it may have all of
    them). `teacher_grid` are the only sizes of teachers that exist. Raises `InputError` with every fault.
    """

    serve_tokens: float = 0.0
    reuse: int | None = None
    max_tokens: float | None = None
    share_tokens: bool = False
    teacher_grid: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        faults = Faults()
        object.__setattr__(self, "serve_tokens", faults.collect(tokens_served, self.serve_tokens) or 0.0)
        if self.reuse is not None:
            object.__setattr__(self, "reuse", faults.collect(whole, self.reuse, "--reuse"))
        if self.max_tokens is not None:
            object.__setattr__(self, "max_tokens", faults.collect(units.parse, str(self.max_tokens), "--max-tokens"))
        elif self.share_tokens:
            faults.add("--share-tokens: says who may see the tokens of --max-tokens, which is missing")
        sizes = [faults.collect(units.parse, str(size), "--teacher-grid") for size in self.teacher_grid]
        object.__setattr__(self, "teacher_grid", tuple(sorted({size for size in sizes if size is not None})))
        faults.raise_if_any()

    @property
    def most_tokens(self) -> float:
        """Unique tokens that a student may see at most."""
        return math.inf if self.max_tokens is None else self.max_tokens

    @property
    def copies(self) -> int:
        """How many students the budget trains with one teacher."""
        return self.reuse or 1

    def to_json(self) -> dict[str, Any]:
        """The `terms` object of a plan."""
        return {
            "serve_tokens": self.serve_tokens,
            "reuse": self.copies,
            "max_tokens": self.max_tokens,
            "share_tokens": self.share_tokens,
            "teacher_grid": list(self.teacher_grid) or None,
        }


def whole(value: Any, flag: str) -> int:
    """A whole number from 1 on. Raises `InputError` for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 1 and number == int(number)):
        raise InputError(f"{flag}: must be a whole number, 1 or more, not {str(value)!r}")
    return int(number)


def tokens_served(value: Any) -> float:
    """Tokens as `units.parse` reads them, and none at all. Raises `InputError` for fewer."""
    try:
        served = float(value)
    except (TypeError, ValueError):
        return units.parse(value, "--serve-tokens")
    if not (math.isfinite(served) and served >= 0):
        raise InputError(f"--serve-tokens: must be a finite number, 0 or more, not {str(value)!r}")
    return served
