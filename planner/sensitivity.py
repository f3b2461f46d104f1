"""What would change a plan: each coefficient of the law moved alone, and the budget doubled and halved.

Where the size of the student was searched for, another budget means another size; another coefficient does not.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fitting.errors import Infeasible
from fitting.known import KnownLaw
from fitting.laws import DistillationLaw
from planner.allocation import optimum
from planner.decision import drafts
from planner.plans import BudgetEffect, CoefficientEffect, Plan, Sensitivity
from planner.problems import Problems
from planner.scenarios import Charges, Limits, Teacher
from planner.search import Floats
from planner.terms import AUTO

STEPS = (-0.2, -0.1, -0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Relative changes of a coefficient that are tried. 20 % of most coefficients is far more than a fit leaves open."""

_FACTORS = (0.5, 2.0)
_POINTS = 65


def sensitivity(law: KnownLaw, plan: Plan, limits: Limits | None, teacher: Teacher | None) -> Sensitivity:
    """How the plan, made anew for every change, would come out; a `teacher` that was named stays the same."""
    level = plan.certainty.level if plan.certainty else None
    charges = Charges(plan.pay_logits, plan.pay_pretraining)
    budgets, _, _ = drafts(
        law,
        [factor * plan.budget for factor in _FACTORS],
        charges,
        student=AUTO if plan.student.chosen else plan.student.N,
        teacher=teacher,
        limits=limits,
        interval=level,
        terms=plan.terms,
    )
    return Sensitivity(
        tuple(_coefficients(law, plan, charges, limits, teacher)),
        tuple(_budget(factor, found) for factor, found in zip(_FACTORS, budgets, strict=True)),
    )


def _budget(factor: float, found: Plan | Infeasible) -> BudgetEffect:
    if isinstance(found, Infeasible):
        return BudgetEffect(factor, None, None, None)
    return BudgetEffect(factor, found.student.loss, found.margin, found.verdict)


def _coefficients(
    law: KnownLaw, plan: Plan, charges: Charges, limits: Limits | None, teacher: Teacher | None
) -> Iterator[CoefficientEffect]:
    names = _names(law)
    problems = Problems.of(law, plan.student.N, plan.budget, charges, limits, _changed(law, names), plan.terms)
    # sizes that were searched for stay as planned: by the envelope, a small change moves the losses alike
    alone = problems.of_size(np.full_like(problems.N_S, plan.supervised.N))
    if teacher is not None:
        loss = problems.with_teacher(teacher.loss, teacher.N)[1]
    else:
        loss = optimum(problems, points=_POINTS)[0].loss
    shape = len(names), len(STEPS)
    losses, margins = loss.reshape(shape), (alone.supervised_loss() - loss).reshape(shape)
    middle = STEPS.index(0.0)
    for name, by_step, margin in zip(names, losses, margins, strict=True):
        around = slice(middle - 1, middle + 2)
        known = bool(np.isfinite(by_step[around]).all())
        yield CoefficientEffect(
            name,
            float(by_step[middle + 1] - by_step[middle - 1]) / 2 if known else None,
            float(margin[middle + 1] - margin[middle - 1]) / 2 if known else None,
            _turn(margin),
        )


def _names(law: KnownLaw) -> list[str]:
    found = law.require_distillation()
    own = [name for name in found.__dataclass_fields__ if name != "supervised"]
    return [*law.supervised.__dataclass_fields__, *(f"distillation.{name}" for name in own)]


def _changed(law: KnownLaw, names: list[str]) -> DistillationLaw:
    """The law, once for every coefficient and step: coefficients of shape (k,)."""
    found = law.require_distillation()

    def column(name: str, value: float) -> Floats:
        factors = np.ones((len(names), len(STEPS)))
        factors[names.index(name)] += STEPS
        return value * factors.ravel()

    own = {n: column(f"distillation.{n}", getattr(found, n)) for n in found.__dataclass_fields__ if n != "supervised"}
    base = {n: column(n, getattr(law.supervised, n)) for n in law.supervised.__dataclass_fields__}
    return replace(found, supervised=replace(law.supervised, **base), **own)


def _turn(margins: Floats) -> float | None:
    """The relative change nearest to none at which the margin is 0, between the steps by a straight line."""
    steps = np.array(STEPS)
    known = np.isfinite(margins[:-1]) & np.isfinite(margins[1:])
    crossed = np.flatnonzero(known & (np.sign(margins[:-1]) * np.sign(margins[1:]) < 0))
    where = [float(steps[i] + (steps[i + 1] - steps[i]) * margins[i] / (margins[i] - margins[i + 1])) for i in crossed]
    return min(where, key=abs, default=None)
