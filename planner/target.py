"""The inverse question: the least compute that brings a student to a given cross-entropy."""

import math
from dataclasses import replace

import numpy as np

from fitting.errors import Infeasible, InputError
from fitting.known import KnownLaw
from fitting.units import count
from planner.allocation import optimum
from planner.decision import check_question, plan
from planner.plans import Plan, Target
from planner.problems import Problems
from planner.scenarios import Budget, Charges, Limits, Teacher
from planner.search import Floats


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
    student: float,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
) -> Plan:
    """The cheapest plan whose student reaches `target` nats/token: as `planner.decision.plan`, for the least budget.

    Raises `Unreachable` with the floor, the least loss of this student in the search box, when the target lies below
    it; else as `plan`.
    """
    C = least_budget(law, target, charges, student=student, teacher=teacher, limits=limits)
    budget = Budget(C, charges.logits, charges.pretraining)
    found = plan(law, budget, student=student, teacher=teacher, limits=limits, interval=interval)
    return replace(found, target=Target(float(target), *supervised_budget(law, target, student)))


def least_budget(
    law: KnownLaw,
    target: float,
    charges: Charges,
    *,
    student: float,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
) -> float:
    """The least FLOPs for which a plan's student reaches `target` nats/token; raises as `plan_for`.

    The best loss never rises with the budget, so the budget is found by cutting a range of them.
    """
    check_question(law, charges, student, teacher, limits)
    check_target(law, target)
    price = float(law.convention.training(student, 1.0))
    if teacher is not None:
        price += charges.logits * float(law.convention.forward(teacher.N or 0.0))
        most = price * law.box_D[1]
    else:
        F_T = float(law.convention.forward(law.box_N[1]))
        most = law.box_D[1] * (price + charges.logits * F_T)
        most += charges.pretraining * float(law.convention.training(law.box_N[1], law.box_D[1]))

    def losses(C: Floats) -> Floats:
        problems = Problems.of(law, student, C, charges, limits)
        if teacher is not None:
            return problems.with_teacher(teacher.loss, teacher.N)[1]
        return optimum(problems)[0].loss

    floor = float(losses(np.array([most]))[0])
    if target < floor:
        raise Unreachable(_too_low(law, target, charges, student, teacher, limits, floor), floor)
    low, high = np.log(price * law.box_D[0]), np.log(most)
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
    student: float,
    teacher: Teacher | None,
    limits: Limits | None,
    floor: float,
) -> str:
    """Why no budget is enough, and what else would help."""
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
        f"no budget brings a {count(student)} student to {target:g} nats/token {where}: its floor by law {law.id!r} is "
        f"{floor:.4f}, with {count(law.box_D[1])} tokens; {remedy}"
    )


def supervised_budget(law: KnownLaw, target: float, student: float) -> tuple[float | None, float]:
    """FLOPs that train the student directly to `target` nats/token, None if none do, and the least loss it can have."""
    floor = float(law.supervised.loss(student, law.box_D[1]))
    if target < floor:
        return None, floor
    tokens = max(float(law.supervised.tokens(student, target)), law.box_D[0])
    return float(law.convention.training(student, tokens)), floor


def check_target(law: KnownLaw, target: float) -> None:
    """Raise `InputError` for a target that no model reaches, whatever its size."""
    if not (math.isfinite(target) and target > law.supervised.E):
        raise InputError(
            f"--target-loss: {target:g} nats/token is not above {law.supervised.E:g}, the floor E of law {law.id!r}: "
            "no model of any size reaches it"
        )
