"""The inverse question: the least compute that brings a student to a given cross-entropy."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fitting.errors import Infeasible, InputError
from fitting.known import KnownLaw
from fitting.units import count
from planner import sizes
from planner.allocation import optimum
from planner.decision import check_question, plan, price_of, sized
from planner.plans import Plan, Target
from planner.problems import Problems
from planner.scenarios import Budget, Charges, Limits, Teacher
from planner.search import Floats
from planner.terms import AUTO, Terms


class Unreachable(Infeasible):
    """No budget brings the student to the target: `floor` is the least loss that any does, nats/token."""

    def __init__(self, message: str, floor: float) -> None:
        super().__init__(message)
        self.floor = floor


_POINTS = 17
_ROUNDS = 9


def plan_for(
    law: KnownLaw,
    target: float,
    charges: Charges,
    *,
    student: float | str,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
    terms: Terms | None = None,
) -> Plan:
    """The cheapest plan whose student reaches `target` nats/token: as `planner.decision.plan`, for the least budget.

    Raises `Unreachable` with the floor, the least loss of this student in the search box, when the target lies below
    it; else as `plan`.
    """
    terms = terms or Terms()
    C = least_budget(law, target, charges, student=student, teacher=teacher, limits=limits, terms=terms)
    budget = Budget(C, charges.logits, charges.pretraining)
    found = plan(law, budget, student=student, teacher=teacher, limits=limits, interval=interval, terms=terms)
    return replace(found, target=Target(float(target), *supervised_budget(law, target, student, terms)))


def least_budget(
    law: KnownLaw,
    target: float,
    charges: Charges,
    *,
    student: float | str,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
    terms: Terms | None = None,
) -> float:
    """The least FLOPs for which a plan's student reaches `target` nats/token; raises as `plan_for`.

    The best loss never rises with the budget, so the budget is found by cutting a range of them.
    """
    check_question(law, charges, student, teacher, limits, terms)
    check_target(law, target)
    terms = terms or Terms()
    served, copies = terms.serve_tokens, terms.copies
    least, largest = law.box_N if student == AUTO else (float(student), float(student))

    def price(N: float) -> float:
        return float(law.convention.training(N, 1.0)) + (charges.logits * price_of(law, teacher) if teacher else 0.0)

    most = price(largest) * law.box_D[1]
    if teacher is None:
        F_T = float(law.convention.forward(law.box_N[1]))
        most += law.box_D[1] * charges.logits * F_T
        most += charges.pretraining * float(law.convention.training(law.box_N[1], law.box_D[1]))
    most = copies * (most + served * float(law.convention.forward(largest)))

    def losses(C: Floats) -> Floats:
        problems = Problems.of(law, 1.0 if student == AUTO else student, C, charges, limits, terms=terms)
        if student == AUTO:
            problems = sized(law, problems, teacher, points=sizes.COARSE)[0]
        if teacher is not None:
            return problems.with_teacher(teacher.loss, teacher.N)[1]
        return optimum(problems)[0].loss

    floor = float(losses(np.array([most]))[0])
    if target < floor:
        raise Unreachable(_too_low(law, target, charges, student, teacher, limits, floor, terms), floor)
    lowest = price(least) * law.box_D[0] + served * float(law.convention.forward(least))
    return _least(losses, target, copies * lowest, most)


def _least(losses: Callable[[Floats], Floats], target: float, lowest: float, most: float) -> float:
    """The least budget at which losses that never rise with it are at or below the target; they are at `most`."""
    low, high = np.log(lowest), np.log(most)
    for _ in range(_ROUNDS):
        grid = np.linspace(low, high, _POINTS)
        reached = losses(np.exp(grid)) <= target
        reached[-1] = True  # exp(log(most)) may be rounded below the floor's budget
        first = int(np.argmax(reached))
        low, high = grid[max(first - 1, 0)], grid[first]
    return float(np.exp(high))


def _too_low(
    law: KnownLaw,
    target: float,
    charges: Charges,
    student: float | str,
    teacher: Teacher | None,
    limits: Limits | None,
    floor: float,
    terms: Terms,
) -> str:
    """Why no budget is enough, and what else would help."""
    who = "a student of any size" if student == AUTO else f"a {count(float(student))} student"
    where = "with this teacher" if teacher is not None else f"in scenario {charges.scenario}"
    if teacher is not None and target <= teacher.loss:
        remedy = (
            f"the law keeps a student behind its teacher, at {teacher.loss:g}: raise --target-loss or take a better one"
        )
    elif limits is not None:
        remedy = "raise --target-loss, --max-teacher or --max-teacher-tokens, or choose a larger --student"
    else:
        remedy = "raise --target-loss or choose a larger --student"
    return (
        f"no budget brings {who} to {target:g} nats/token {where}: its floor by law {law.id!r} is "
        f"{floor:.4f}, with {count(min(law.box_D[1], terms.most_tokens))} tokens; {remedy}"
    )


def supervised_budget(
    law: KnownLaw, target: float, student: float | str, terms: Terms | None = None
) -> tuple[float | None, float]:
    """FLOPs that train the student directly to `target` nats/token and serve it, None if none do, and its least loss.

    With `AUTO` of the size that takes the least.
    """
    if student == AUTO:
        return _supervised_of_any_size(law, target, terms)
    N, terms = float(student), terms or Terms()
    floor = float(law.supervised.loss(N, min(law.box_D[1], terms.most_tokens)))
    if target < floor:
        return None, floor
    tokens = max(float(law.supervised.tokens(N, target)), law.box_D[0])
    terms = terms or Terms()
    served = float(law.convention.forward(N)) * terms.serve_tokens
    return terms.copies * (float(law.convention.training(N, tokens)) + served), floor


def _supervised_of_any_size(law: KnownLaw, target: float, terms: Terms | None) -> tuple[float | None, float]:
    terms = terms or Terms()
    served, copies = terms.serve_tokens, terms.copies
    (least, largest), (fewest, most) = law.box_N, law.box_D
    most = min(most, terms.most_tokens)
    floor = float(law.supervised.loss(largest, most))
    if target < floor:
        return None, floor

    def losses(C: Floats) -> Floats:
        problems = Problems.of(law, 1.0, C, Charges(0.0, 0.0), terms=terms)
        alone = problems.of_size(sizes.alone(problems, law.box_N)[:, None])
        return np.where(alone.supervised_feasible(), alone.supervised_loss(), np.inf)

    def price(N: float, D: float) -> float:
        return copies * (float(law.convention.training(N, D)) + served * float(law.convention.forward(N)))

    return _least(losses, target, price(least, fewest), price(largest, most)), floor


def check_target(law: KnownLaw, target: float) -> None:
    """Raise `InputError` for a target that no model reaches, whatever its size."""
    if not (math.isfinite(target) and target > law.supervised.E):
        raise InputError(
            f"--target-loss: {target:g} nats/token is not above {law.supervised.E:g}, the floor E of law {law.id!r}: "
            "no model of any size reaches it"
        )
