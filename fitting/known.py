"""A law with all that must be known to use it: convention, support, source, how wrong it tends to be."""

from dataclasses import asdict, dataclass, field
from typing import Any

from fitting.errors import InputError
from fitting.flops import Convention
from fitting.laws import DistillationLaw, SupervisedLaw

Range = tuple[float, float]

ON_THE_EDGE = 1.005
"""Factors outside a support up to this count as inside: they print as 1."""


@dataclass(frozen=True)
class Support:
    """Ranges of the runs a law was fitted to; None where the law's form has no such variable or none is stated."""

    N_S: Range | None = None
    D_S: Range | None = None
    L_T: Range | None = None
    N_T: Range | None = None
    D_T: Range | None = None

    @staticmethod
    def factor(value: float, within: Range) -> float:
        """How far outside a range a value lies, as a ratio: 1 inside, 2 at twice the upper end or half the lower."""
        low, high = within
        return max(1.0, value / high, low / value)

    def factors(self, **values: float | None) -> dict[str, float]:
        """`factor` for each named value that is known and has a range."""
        found = {}
        for name, value in values.items():
            within = getattr(self, name)
            if value is not None and within is not None:
                found[name] = self.factor(value, within)
        return found


@dataclass(frozen=True)
class SecondOpinion:
    """Another law to consult, by its id, where a plan gives the student fewer than `below_D_S` tokens, and why."""

    law_id: str
    below_D_S: float
    why: str


@dataclass(frozen=True)
class KnownLaw:
    """A supervised law, its distillation law if it has one, and their provenance.

    `relative_error` is the typical relative error of a predicted cross-entropy, with `error_source` saying who
    measured it. `fitted` is the `fitting.fit.Fit` that the law came from, with its joint draws if it has any; a
    published law has none. `box_N` and `box_D` bound the search for an optimum. `intervals` maps a coefficient ("A",
    "distillation.A", ...) to its marginal interval at `interval_level`; marginal intervals are not joint draws, so
    a prediction has no interval from them. `corpus` and `tokenizer` name what the losses were measured on, where that
    is known: nats per token compare only on the same text in the same tokens.
    """

    id: str
    source: str
    convention: Convention
    supervised: SupervisedLaw
    distillation: DistillationLaw | None
    support: Support
    box_N: Range
    box_D: Range
    relative_error: float
    error_source: str
    published: bool
    intervals: dict[str, Range] = field(default_factory=dict)
    interval_level: float | None = None
    notes: tuple[str, ...] = ()
    fitted: Any = None
    second_opinion: SecondOpinion | None = None
    corpus: str | None = None
    tokenizer: str | None = None

    def require_distillation(self) -> DistillationLaw:
        """The distillation law, or `InputError` when this law describes supervised training alone."""
        if self.distillation is None:
            raise InputError(
                f"law {self.id!r} describes supervised training only; planning a distillation needs a law fitted "
                "with --form distillation, or busbridge2025"
            )
        return self.distillation

    def describe(self) -> dict[str, Any]:
        """The `law` object of a plan."""
        return {"id": self.id, "source": self.source, "convention": asdict(self.convention)}
