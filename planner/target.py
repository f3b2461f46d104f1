"""The inverse question: the least compute that brings a student to a given cross-entropy."""

from dataclasses import replace

import numpy as np

from fitting.errors import Infeasible, InputError
from fitting.flops import FORWARDS_PER_TRAINING_STEP
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

    The best loss never rises with the budget, so the budget is found by halving. Raises `Unreachable` with the floor,
    the least loss of this student in the search box, when the target lies below it; else as `plan`.
    """
    check_question(law, charges, student, teacher, limits)
    check_target(law, target)
    if teacher is not None:
        floor, budget = _with_teacher(law, target, charges, student, teacher)
    else:
        floor, budget = _with_ideal(law, target, charges, student, limits)
    if budget is None:
        raise Unreachable(
            f"no budget brings a {count(student)} student to {target:g} nats/token "
            f"{'with this teacher' if teacher is not None else f'in scenario {charges.scenario}'}: its floor by law "
            f"{law.id!r} is {floor:.4f}, with {count(law.box_D[1])} tokens; raise --target-loss or choose a larger "
            "--student",
            floor,
        )
    found = plan(
        law,
        Budget(budget, charges.logits, charges.pretraining),
        student=student,
        teacher=teacher,
        limits=limits,
        interval=interval,
    )
    return replace(found, target=Target(target, *supervised_budget(law, target, student)))


def supervised_budget(law: KnownLaw, target: float, student: float) -> tuple[float | None, float]:
    """FLOPs that train the student directly to `target` nats/token, None if none do, and the least loss it can have."""
    floor = float(law.supervised.loss(student, law.box_D[1]))
    if target < floor:
        return None, floor
    tokens = max(float(law.supervised.tokens(student, target)), law.box_D[0])
    return float(law.convention.training(student, tokens)), floor


def check_target(law: KnownLaw, target: float) -> None:
    """Raise `InputError` for a target that no model reaches, whatever its size."""
    if not target > law.supervised.E:
        raise InputError(
            f"--target-loss: {target:g} nats/token is not above {law.supervised.E:g}, the floor E of law {law.id!r}: "
            "no model of any size reaches it"
        )


def _with_ideal(
    law: KnownLaw, target: float, charges: Charges, student: float, limits: Limits | None
) -> tuple[float, float | None]:
    def losses(C: Floats) -> Floats:
        return optimum(Problems.of(law, student, C, charges, limits))[0].loss

    (N_T, D_T), D_S = ((law.box_N[1], law.box_D[1]), law.box_D)
    F_S, F_T = (float(law.convention.forward(N)) for N in (student, N_T))
    least = FORWARDS_PER_TRAINING_STEP * F_S * D_S[0]
    most = D_S[1] * (FORWARDS_PER_TRAINING_STEP * F_S + charges.logits * F_T)
    most += charges.pretraining * FORWARDS_PER_TRAINING_STEP * F_T * D_T
    floor = float(losses(np.array([most]))[0])
    if target < floor:
        return floor, None
    low, high = np.log(least), np.log(most)
    for _ in range(_ROUNDS):
        grid = np.linspace(low, high, _POINTS)
        reached = losses(np.exp(grid)) <= target
        reached[-1] = True  # exp(log(most)) may be rounded below the floor's budget
        first = int(np.argmax(reached))
        low, high = grid[max(first - 1, 0)], grid[first]
    return floor, float(np.exp(high))


def _with_teacher(
    law: KnownLaw, target: float, charges: Charges, student: float, teacher: Teacher
) -> tuple[float, float | None]:
    price = FORWARDS_PER_TRAINING_STEP * float(law.convention.forward(student))
    if teacher.N is not None:
        price += charges.logits * float(law.convention.forward(teacher.N))
    distilled = law.require_distillation()

    def losses(log_D: Floats) -> Floats:
        found: Floats = distilled.loss(student, np.exp(log_D), teacher.loss)
        return found

    # with a teacher given more tokens may hurt where it is worse than the student by then: the best is on the way
    low, high = np.log(law.box_D)
    grid = np.linspace(low, high, 4097)
    reached = losses(grid) <= target
    if not reached.any():
        return float(losses(grid).min()), None
    first = int(np.argmax(reached))
    low, high = grid[max(first - 1, 0)], grid[first]
    for _ in range(_ROUNDS):
        finer = np.linspace(low, high, _POINTS)
        first = int(np.argmax(losses(finer) <= target))
        low, high = finer[max(first - 1, 0)], finer[first]
    return float(losses(grid).min()), price * float(np.exp(high))
