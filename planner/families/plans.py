"""The plan of a family: one teacher, several students, one budget. Nouns only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fitting.fit import Doubt
from fitting.flops import Convention, Spend
from fitting.known import ON_THE_EDGE, Range
from planner.plans import Bill, Consulted, NearOptimal, PlannedTeacher, Sharing, Student, Supervised, Verdict
from planner.terms import Terms

SCHEMA = "distillaw/family/1"


@dataclass(frozen=True)
class Member:
    """A student of the family, with its share in what is minimised, and the same student without a teacher.

    `supervised` has what the best split of the whole budget among students trained directly leaves this one.
    `margin` is in nats/token.
    """

    weight: float
    student: Student
    supervised: Supervised
    margin: float


@dataclass(frozen=True)
class FamilyCertainty:
    """What the joint draws of a fitted law say of the weighted mean: its margin, and how often distilling wins."""

    draws: int
    level: float
    margin: Range
    distil_wins: float


@dataclass(frozen=True)
class FamilyPlan:
    """What a family should be trained on, and with which teacher (schema distillaw/family/1).

    `loss` and `supervised_loss` are the weighted means over the students that the two sides minimise, `margin` is
    their difference; `flops` is the whole family's, `supervised_flops` that of training all of it directly.
    """

    scenario: str
    law: Mapping[str, Any]
    pay_logits: float
    pay_pretraining: float
    terms: Terms
    budget: float
    members: tuple[Member, ...]
    teacher: PlannedTeacher
    flops: Spend
    supervised_flops: float
    loss: float
    supervised_loss: float
    verdict: Verdict | None
    margin: float
    margin_scale: float
    margin_basis: Literal["interval", "published-error"]
    near_optimal: NearOptimal
    support: Mapping[str, float]
    warnings: tuple[Doubt, ...]
    certainty: FamilyCertainty | None = None
    sharing: Sharing | None = None
    bill: Bill | None = None
    consultation: Consulted | None = None

    @property
    def unspent(self) -> float:
        """FLOPs that a bound of the search kept from being spent; 0 where the whole budget is used."""
        left = self.budget - self.flops.total
        return left if left > 1e-9 * self.budget else 0.0

    @property
    def outside(self) -> dict[str, float]:
        """The quantities outside the law's runs, of the student farthest out, and by which factor."""
        return {name: factor for name, factor in self.support.items() if factor > ON_THE_EDGE}

    @property
    def convention(self) -> Convention:
        """How the plan counts parameters and FLOPs."""
        return Convention.from_dict(dict(self.law["convention"]), "plan")

    def to_json(self) -> dict[str, Any]:
        """The plan as one JSON object with raw SI numbers."""
        data = asdict(self)
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "law": dict(self.law),
            "deltas": {"logits": self.pay_logits, "pretraining": self.pay_pretraining},
            "terms": self.terms.to_json(),
            "budget": self.budget,
            "unspent": self.unspent,
            "students": data["members"],
            "teacher": data["teacher"],
            "flops": {**data["flops"], "total": self.flops.total},
            **{key: data[key] for key in ("supervised_flops", "loss", "supervised_loss", "verdict", "margin")},
            **{key: data[key] for key in ("margin_scale", "margin_basis", "near_optimal", "certainty", "sharing")},
            **{key: data[key] for key in ("bill", "consultation")},
            "support": dict(self.support),
            "warnings": data["warnings"],
        }

    def _repr_html_(self) -> str:
        """The plan as the command prints it, for a notebook."""
        from planner.families import report

        return report.html(self)
