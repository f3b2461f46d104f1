"""What would change a plan: each coefficient of the law moved alone, and the budget doubled and halved."""

from dataclasses import replace

import numpy as np

from fitting.known import KnownLaw
from fitting.laws import DistillationLaw
from planner.allocation import optimum
from planner.plans import BudgetEffect, CoefficientEffect, Plan, Sensitivity, verdict_of
from planner.problems import Problems
from planner.scenarios import Charges, Limits
from planner.search import Floats

STEPS = (-0.2, -0.1, -0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Relative changes of a coefficient that are tried. 20 % of most coefficients is far more than a fit leaves open."""

_FACTORS = (0.5, 2.0)
_POINTS = 65


def sensitivity(law: KnownLaw, plan: Plan, limits: Limits | None) -> Sensitivity:
    """How the plan, made anew for every change, would come out; a teacher that was named stays the same."""
    names = _names(law)
    k = len(names) * len(STEPS)
    changed = _changed(law, names)
    C = np.concatenate((np.full(k, plan.budget), plan.budget * np.array(_FACTORS)))
    charges = Charges(plan.pay_logits, plan.pay_pretraining)
    problems = Problems.of(law, plan.student.N, C, charges, limits, changed)
    if plan.teacher.given:
        assert plan.teacher.loss is not None
        loss = problems.with_teacher(plan.teacher.loss, plan.teacher.N)[1]
    else:
        loss = optimum(problems, points=_POINTS)[0].loss
    margin = problems.supervised_loss() - loss
    by_name = [row.reshape(len(names), len(STEPS)) for row in (loss[:k], margin[:k])]
    middle = STEPS.index(0.0)
    coefficients = tuple(
        CoefficientEffect(
            name,
            float(losses[middle + 1] - losses[middle - 1]) / 2,
            float(margins[middle + 1] - margins[middle - 1]) / 2,
            _turn(margins),
        )
        for name, losses, margins in zip(names, *by_name, strict=True)
    )
    budgets = tuple(
        BudgetEffect(factor, float(loss[i]), float(margin[i]), verdict_of(float(margin[i]), plan.margin_scale))
        if np.isfinite(loss[i])
        else BudgetEffect(factor, None, None, None)
        for i, factor in enumerate(_FACTORS, start=k)
    )
    return Sensitivity(coefficients, budgets)


def _names(law: KnownLaw) -> list[str]:
    found = law.require_distillation()
    own = [name for name in found.__dataclass_fields__ if name != "supervised"]
    return [*law.supervised.__dataclass_fields__, *(f"distillation.{name}" for name in own)]


def _changed(law: KnownLaw, names: list[str]) -> DistillationLaw:
    """The law, once for every coefficient and step, and twice as it is: coefficients of shape (k + 2,)."""
    found = law.require_distillation()

    def column(name: str, value: float) -> Floats:
        factors = np.ones((len(names), len(STEPS)))
        factors[names.index(name)] += STEPS
        return value * np.append(factors.ravel(), np.ones(len(_FACTORS)))

    own = {n: column(f"distillation.{n}", getattr(found, n)) for n in found.__dataclass_fields__ if n != "supervised"}
    base = {n: column(n, getattr(law.supervised, n)) for n in law.supervised.__dataclass_fields__}
    return replace(found, supervised=replace(law.supervised, **base), **own)


def _turn(margins: Floats) -> float | None:
    """The relative change nearest to none at which the margin is 0, between the steps by a straight line."""
    steps = np.array(STEPS)
    with np.errstate(invalid="ignore"):
        crossed = np.flatnonzero(margins[:-1] * margins[1:] < 0)
    where = [float(steps[i] + (steps[i + 1] - steps[i]) * margins[i] / (margins[i] - margins[i + 1])) for i in crossed]
    return min(where, key=abs, default=None)
