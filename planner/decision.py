"""From a budget to a plan: the optimum, supervised training beside it, the verdict and every doubt about it."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fitting.errors import InputError
from fitting.fit import Doubt
from fitting.flops import Spend, spend
from fitting.known import KnownLaw, Range
from fitting.published import PUBLISHED
from fitting.units import count
from planner.allocation import Allocation, Search
from planner.scenarios import BEST_CASE, NAMED_TEACHER, TEACHER_INFERENCE, Budget, Teacher

NEAR_OPTIMAL_NATS = 0.001
"""A teacher is near-optimal when the student loses no more than this to the best one, in nats per token."""

FLAT_SIZE_RATIO = 4.0
FLAT_LOSS_NATS = 0.1
"""An optimum is called flat when near-optimal teachers differ by more than these in N_T or L_T. Our choice."""

Verdict = Literal["distil", "supervise", "too-close"]


@dataclass(frozen=True)
class Student:
    """N parameters trained on D tokens to `loss` nats/token; `interval` only from a law with joint draws."""

    N: float
    D: float
    loss: float
    interval: Range | None = None


@dataclass(frozen=True)
class PlannedTeacher:
    """The teacher of a plan. N or D is None where the scenario leaves it open; `given` if the caller named it."""

    N: float | None
    D: float | None
    loss: float
    given: bool


@dataclass(frozen=True)
class Supervised:
    """The same student trained directly with the whole budget."""

    D: float
    loss: float


@dataclass(frozen=True)
class NearOptimal:
    """Teachers whose student loses at most `nats` nats/token to the optimum; `N_T` is None where size is free.

    For a named teacher, `L_T` is the interval around the cross-entropy that would serve this student best on the
    same tokens; the teacher itself may lie outside it.
    """

    nats: float
    L_T: Range
    N_T: Range | None


@dataclass(frozen=True)
class Plan:
    """What to do with a budget, what it is held against, and how sure the law can be (schema distillaw/plan/1)."""

    scenario: str
    law: dict[str, Any]
    pay_logits: float
    pay_pretraining: float
    budget: float
    student: Student
    teacher: PlannedTeacher
    flops: Spend
    supervised: Supervised
    verdict: Verdict
    margin: float
    margin_scale: float
    margin_basis: Literal["interval", "published-error"]
    near_optimal: NearOptimal
    support: dict[str, float]
    warnings: tuple[Doubt, ...]

    @property
    def unspent(self) -> float:
        """FLOPs that a bound of the search kept from being spent; 0 where the whole budget is used."""
        left = self.budget - self.flops.total
        return left if left > 1e-9 * self.budget else 0.0

    def to_json(self) -> dict[str, Any]:
        """The plan as one JSON object with raw SI numbers."""
        data = asdict(self)
        return {
            "schema": "distillaw/plan/1",
            "scenario": self.scenario,
            "law": self.law,
            "deltas": {"logits": self.pay_logits, "pretraining": self.pay_pretraining},
            "budget": self.budget,
            "unspent": self.unspent,
            "student": data["student"],
            "teacher": data["teacher"],
            "flops": {**data["flops"], "total": self.flops.total},
            **{key: data[key] for key in ("supervised", "verdict", "margin", "margin_scale", "margin_basis")},
            "near_optimal": data["near_optimal"],
            "support": self.support,
            "warnings": data["warnings"],
        }


def plan(law: KnownLaw, budget: Budget, *, student: float, teacher: Teacher | None = None) -> Plan:
    """The best use of `budget` for a student of `student` parameters (counted as the law counts N).

    With a `teacher`, that teacher; without, the one the scenario would choose (Eq 10, 28 of arXiv 2502.08606).
    The optimum is global within the law's search box. Raises `Infeasible` when the budget buys too little, and
    `InputError` for a law without distillation or a teacher below the law's floor.
    """
    search = Search(law, student, budget)
    if teacher is None:
        best = search.optimum()
        near = NearOptimal(
            NEAR_OPTIMAL_NATS,
            search.near_optimal_loss(best, NEAR_OPTIMAL_NATS),
            search.near_optimal_size(best, NEAR_OPTIMAL_NATS),
        )
    else:
        _check_teacher(law, budget, teacher)
        best = search.named(teacher)
        near = NearOptimal(NEAR_OPTIMAL_NATS, search.ideal_loss(best.D_S, NEAR_OPTIMAL_NATS)[1], None)
    spent = spend(
        law.convention,
        student,
        best.D_S,
        best.N_T,
        best.D_T,
        pay_logits=budget.pay_logits,
        pay_pretraining=budget.pay_pretraining,
    )
    D_alone = min(budget.flops / float(law.convention.training(student, 1.0)), law.box_D[1])
    supervised = Supervised(D_alone, float(law.supervised.loss(student, D_alone)))
    margin = supervised.loss - best.loss
    support = law.support.factors(N_S=student, D_S=best.D_S, L_T=best.L_T, N_T=best.N_T, D_T=best.D_T)
    scale = _relative_error(law, support) * best.loss
    result = Plan(
        scenario=NAMED_TEACHER if teacher is not None else budget.scenario,
        law=law.describe(),
        pay_logits=budget.pay_logits,
        pay_pretraining=budget.pay_pretraining,
        budget=budget.flops,
        student=Student(student, best.D_S, best.loss),
        teacher=PlannedTeacher(best.N_T, best.D_T, best.L_T, given=teacher is not None),
        flops=spent,
        supervised=supervised,
        verdict="too-close" if abs(margin) <= scale else "distil" if margin > 0 else "supervise",
        margin=margin,
        margin_scale=scale,
        margin_basis="published-error",
        near_optimal=near,
        support=support,
        warnings=(),
    )
    return replace(result, warnings=tuple(_doubts(law, budget, result, best, teacher)))


def _relative_error(law: KnownLaw, support: dict[str, float]) -> float:
    """The relative error that a verdict is held against.

    For a published law the error it was published with, which its authors checked beyond their runs. A fitted law
    has no such check, so its residual error grows with the distance from its runs (our rule): L_S follows L_T one
    for one, so an L_T beyond the teachers measured may be wrong by as much as it lies beyond; every doubling of a
    size or a number of tokens adds one more residual error.
    """
    if law.published:
        return law.relative_error
    doublings = sum(math.log2(factor) for name, factor in support.items() if name != "L_T")
    return law.relative_error * (1 + doublings) + support.get("L_T", 1.0) - 1


def _check_teacher(law: KnownLaw, budget: Budget, teacher: Teacher) -> None:
    if budget.pay_pretraining:
        raise InputError("a teacher that exists is not trained again: pay_pretraining must be 0 for a named teacher")
    if teacher.N is None and budget.pay_logits:
        raise InputError("--teacher: its forward passes are paid for, so its size must be named; or --pay-logits 0")
    if teacher.loss <= law.supervised.E:
        raise InputError(
            f"--teacher-loss: {teacher.loss:g} nats/token is at or below {law.supervised.E:g}, the floor E of law "
            f"{law.id!r}: no model reaches it there. Check that the loss is in nats per token, on the law's data and "
            "tokenizer"
        )


def _doubts(law: KnownLaw, budget: Budget, result: Plan, best: Allocation, teacher: Teacher | None) -> list[Doubt]:
    found: list[Doubt] = []
    outside = {name: factor for name, factor in result.support.items() if factor > 1.005}
    if outside:
        listed = ", ".join(f"{name} by {factor:.3g}x" for name, factor in outside.items())
        found.append(Doubt("support", f"outside the runs that law {law.id!r} was fitted to: {listed}"))
    if best.bounds:
        found.append(
            Doubt(
                "bound-hit",
                f"{', '.join(best.bounds)} sits on the edge of the search box "
                f"(N {_span(law.box_N)}, D {_span(law.box_D)}): the best plan lies beyond it",
            )
        )
    if result.unspent:
        found.append(
            Doubt(
                "unspent",
                f"{result.unspent:.3g} FLOPs of the budget are left: no more tokens fit the search box",
            )
        )
    if teacher is not None:
        found.extend(_teacher_doubts(law, result, teacher))
    else:
        found.extend(_flatness(result.near_optimal))
    opinion = law.second_opinion
    if opinion is not None and best.D_S < opinion.below_D_S:
        other = plan(PUBLISHED[opinion.law_id], budget, student=result.student.N, teacher=teacher)
        found.append(
            Doubt(
                "second-opinion",
                f"the student gets fewer than {count(opinion.below_D_S)} tokens, and {opinion.why}; law "
                f"{opinion.law_id!r} says: {_brief(other)}",
            )
        )
    return found


def _flatness(near: NearOptimal) -> list[Doubt]:
    wide = []
    if near.L_T[1] - near.L_T[0] > FLAT_LOSS_NATS:
        wide.append(f"L_T from {near.L_T[0]:.3f} to {near.L_T[1]:.3f}")
    if near.N_T is not None and near.N_T[1] / near.N_T[0] > FLAT_SIZE_RATIO:
        wide.append(f"N_T from {count(near.N_T[0])} to {count(near.N_T[1])}")
    if not wide:
        return []
    return [Doubt("flat-optimum", f"within {near.nats:g} nats of the optimum: {' and '.join(wide)}")]


def _teacher_doubts(law: KnownLaw, result: Plan, teacher: Teacher) -> list[Doubt]:
    found = []
    low, high = result.near_optimal.L_T
    if teacher.loss < low:
        found.append(
            Doubt(
                "capacity-gap",
                f"the teacher's {teacher.loss:.3f} nats/token is below what this student can use: teachers from "
                f"{low:.3f} to {high:.3f} would serve it better on the same tokens",
            )
        )
    elif teacher.loss > high:
        measured = law.support.L_T
        beyond = (
            f", says the law, though no teacher below {measured[0]:.3f} was among its runs"
            if measured is not None and high < measured[0]
            else ""
        )
        found.append(
            Doubt(
                "weak-teacher",
                f"a stronger teacher, {low:.3f} to {high:.3f} nats/token, would serve this student better on the "
                f"same tokens{beyond}",
            )
        )
    if teacher.N is not None and teacher.loss <= (limit := float(law.supervised.limit(teacher.N))):
        found.append(
            Doubt(
                "teacher-unreachable",
                f"by law {law.id!r} a {count(teacher.N)} model stays above {limit:.3f} nats/token however long it "
                "trains; check that the teacher's loss was measured on the law's data and tokenizer",
            )
        )
    return found


def _brief(other: Plan) -> str:
    words = f"student {other.student.loss:.3f} nats/token on {count(other.student.D)} tokens"
    words += f", supervised {other.supervised.loss:.3f}, teacher at {other.teacher.loss:.3f}"
    if other.teacher.N is not None and other.scenario != BEST_CASE and not other.teacher.given:
        words += f" with {count(other.teacher.N)} parameters"
        if other.teacher.D is not None and other.scenario != TEACHER_INFERENCE:
            words += f" on {count(other.teacher.D)} tokens"
    return f"{words} ({other.verdict})"


def _span(ends: Range) -> str:
    return f"{count(ends[0])} to {count(ends[1])}"
