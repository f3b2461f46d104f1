"""A statement of the paper as a number to be met: what it says, what a law says, whether the two agree."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fitting.known import KnownLaw, Range

Verdict = Literal["agrees", "differs", "cannot tell"]


@dataclass(frozen=True)
class Claim:
    """One statement about some figures, named as in the catalogue.

    `says` is the statement and `paper` its number, or its words where it has none; `source` is where it stands.
    `measured` says what `value` computes from a law, written by `write`. It agrees inside `stated`, our reading where
    the paper has words only, widened by `tolerance` at both ends. Where nothing is `stated`, or a `doubt` about the
    statement itself is known, nobody can tell.
    """

    figures: tuple[str, ...]
    says: str
    paper: str
    source: str
    measured: str
    value: Callable[[KnownLaw], float]
    write: Callable[[float], str]
    stated: Range | None
    tolerance: float = 0.0
    doubt: str = ""

    def verdict(self, value: float) -> Verdict:
        """Whether a law's value is the paper's."""
        if self.stated is None or self.doubt or math.isnan(value):
            return "cannot tell"
        low, high = self.stated
        return "agrees" if low - self.tolerance <= value <= high + self.tolerance else "differs"

    @property
    def rule(self) -> str:
        """Which values agree, in words."""
        if self.doubt:
            return self.doubt
        if self.stated is None:
            return "the paper gives no number"
        low, high = self.stated[0] - self.tolerance, self.stated[1] + self.tolerance
        if math.isinf(low):
            return f"agrees up to {self.write(high)}"
        if math.isinf(high):
            return f"agrees from {self.write(low)}"
        return f"agrees from {self.write(low)} to {self.write(high)}"
