"""What a budget must pay for: the δ of Eq 9 (arXiv 2502.08606) and the names of their combinations."""

import math
from dataclasses import dataclass, fields
from typing import Any

from fitting import units
from fitting.errors import Faults

SUPERVISED = "supervised"
BEST_CASE = "best-case"
TEACHER_INFERENCE = "teacher-inference"
TEACHER_PRETRAINING = "teacher-pretraining"
PRETRAINING_AND_INFERENCE = "teacher-pretraining+inference"
NAMED_TEACHER = "named-teacher"


@dataclass(frozen=True)
class Charges:
    """The shares of the teacher's forward passes (δ_Lgt) and of its training (δ_Pre) that a budget pays.

    Raises `InputError` for shares outside [0, 1].
    """

    logits: float = 1.0
    pretraining: float = 1.0

    def __post_init__(self) -> None:
        _as_floats(self)
        faults = Faults()
        for name in ("logits", "pretraining"):
            faults.collect(units.parse_share, str(getattr(self, name)), f"pay_{name}")
        faults.raise_if_any()

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
        _as_floats(self)
        faults = Faults()
        if not (math.isfinite(self.flops) and self.flops > 0):
            faults.add(f"budget: FLOPs must be a positive number, not {self.flops!r}")
        faults.collect(Charges, self.pay_logits, self.pay_pretraining)
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
    """A teacher that exists: its cross-entropy (nats/token), its size where known, its tokens where known.

    With `by_law` the cross-entropy is what a law says of N and D, as uncertain as the law; else it was measured.
    Raises `InputError` for numbers that no teacher has.
    """

    loss: float
    N: float | None = None
    D: float | None = None
    by_law: bool = False

    def __post_init__(self) -> None:
        _as_floats(self)
        faults = Faults()
        faults.collect(units.parse_loss, str(self.loss), "--teacher-loss")
        for name, flag in (("N", "--teacher"), ("D", "--teacher-tokens")):
            if getattr(self, name) is not None:
                faults.collect(units.parse, str(getattr(self, name)), flag)
        if self.by_law and (self.N is None or self.D is None):
            faults.add("teacher: a cross-entropy by a law needs N and D, which the law made it of")
        faults.raise_if_any()


@dataclass(frozen=True)
class Limits:
    """The largest teacher, and the most tokens of a teacher, that an ideal teacher may have; None is the law's box.

    Raises `InputError` for limits that are no positive numbers.
    """

    N: float | None = None
    D: float | None = None

    def __post_init__(self) -> None:
        _as_floats(self)
        faults = Faults()
        for name, flag in (("N", "--max-teacher"), ("D", "--max-teacher-tokens")):
            if getattr(self, name) is not None:
                faults.collect(units.parse, str(getattr(self, name)), flag)
        faults.raise_if_any()


def _as_floats(question: Any) -> None:
    """Make a dataclass' numbers floats, whatever kind of number the caller has: they are written to JSON again.

    Raises `InputError` for what is no number.
    """
    faults = Faults()
    for field in fields(question):
        value = getattr(question, field.name)
        if field.type is bool or (value is None and field.default is None):
            continue
        try:
            object.__setattr__(question, field.name, float(value))
        except (TypeError, ValueError):
            faults.add(f"{type(question).__name__}: {field.name} must be a number, not {value!r}")
    faults.raise_if_any()
