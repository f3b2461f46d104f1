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

    Raises `InputError` for a number that is negative or not finite.
    """

    serve_tokens: float = 0.0

    def __post_init__(self) -> None:
        faults = Faults()
        object.__setattr__(self, "serve_tokens", faults.collect(tokens_served, self.serve_tokens) or 0.0)
        faults.raise_if_any()

    def to_json(self) -> dict[str, Any]:
        """The `terms` object of a plan."""
        return {"serve_tokens": self.serve_tokens}


def tokens_served(value: Any) -> float:
    """Tokens as `units.parse` reads them, and none at all. Raises `InputError` for fewer."""
    try:
        served = float(value)
    except (TypeError, ValueError):
        return units.parse(value, "--serve-tokens")
    if not (math.isfinite(served) and served >= 0):
        raise InputError(f"--serve-tokens: must be a finite number, 0 or more, not {str(value)!r}")
    return served
