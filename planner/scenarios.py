"""What a budget must pay for: the δ of Eq 9 (arXiv 2502.08606) and the names of their combinations."""

import math
from dataclasses import dataclass

from fitting.errors import Faults

SUPERVISED = "supervised"
BEST_CASE = "best-case"
TEACHER_INFERENCE = "teacher-inference"
TEACHER_PRETRAINING = "teacher-pretraining"
PRETRAINING_AND_INFERENCE = "teacher-pretraining+inference"
NAMED_TEACHER = "named-teacher"


@dataclass(frozen=True)
class Charges:
    """The shares of the teacher's forward passes (δ_Lgt) and of its training (δ_Pre) that a budget pays."""

    logits: float = 1.0
    pretraining: float = 1.0

    @property
    def scenario(self) -> str:
        """The name of the paper's scenario (Tables 2 and 5); a fractional share counts as paid."""
        if self.pretraining:
            return PRETRAINING_AND_INFERENCE if self.logits else TEACHER_PRETRAINING
        return TEACHER_INFERENCE if self.logits else BEST_CASE


def scenarios(charges: Charges | None = None) -> dict[str, Charges]:
    """The paper's four scenarios by name, each charging the given share of what it pays for, all of it by default.

    A share of 0 makes two scenarios alike, of which one is left.
    """
    paid = charges or Charges()
    every = [Charges(logits, pretraining) for pretraining in (0.0, paid.pretraining) for logits in (0.0, paid.logits)]
    return {each.scenario: each for each in every}


@dataclass(frozen=True)
class Budget:
    """Total FLOPs, and the shares of teacher inference (δ_Lgt) and teacher training (δ_Pre) charged to them.

    Raises `InputError` for FLOPs that are not a positive number and for shares outside [0, 1].
    """

    flops: float
    pay_logits: float = 1.0
    pay_pretraining: float = 0.0

    def __post_init__(self) -> None:
        faults = Faults()
        if not (math.isfinite(self.flops) and self.flops > 0):
            faults.add(f"budget: FLOPs must be a positive number, not {self.flops!r}")
        for name in ("pay_logits", "pay_pretraining"):
            if not 0 <= getattr(self, name) <= 1:
                faults.add(f"budget: {name} must lie between 0 and 1, not {getattr(self, name)!r}")
        faults.raise_if_any()

    @property
    def charges(self) -> Charges:
        """What the budget pays for."""
        return Charges(self.pay_logits, self.pay_pretraining)

    @property
    def scenario(self) -> str:
        """The name of the paper's scenario."""
        return self.charges.scenario


@dataclass(frozen=True)
class Teacher:
    """A teacher that exists: its cross-entropy (nats/token), its size where known, its tokens where known."""

    loss: float
    N: float | None = None
    D: float | None = None


@dataclass(frozen=True)
class Limits:
    """The largest teacher, and the most tokens of a teacher, that an ideal teacher may have; None is the law's box."""

    N: float | None = None
    D: float | None = None
