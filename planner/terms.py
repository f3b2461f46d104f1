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
    serving; None is one, and no question of how many it would take. Raises `InputError` with every fault.
    """

    serve_tokens: float = 0.0
    reuse: int | None = None

    def __post_init__(self) -> None:
        faults = Faults()
        object.__setattr__(self, "serve_tokens", faults.collect(tokens_served, self.serve_tokens) or 0.0)
        if self.reuse is not None:
            object.__setattr__(self, "reuse", faults.collect(whole, self.reuse, "--reuse"))
        faults.raise_if_any()

    @property
    def copies(self) -> int:
        """How many students the budget trains with one teacher."""
        return self.reuse or 1

    def to_json(self) -> dict[str, Any]:
        """The `terms` object of a plan."""
        return {"serve_tokens": self.serve_tokens, "reuse": self.copies}


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
