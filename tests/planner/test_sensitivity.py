"""What would change a plan, against planning anew with a changed law."""

from dataclasses import replace

import pytest

from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.decision import plan
from planner.scenarios import Budget, Teacher


def changed(name, factor):
    stage, _, coefficient = name.rpartition(".")
    base, own = LAW.supervised, LAW.distillation
    if stage:
        own = replace(own, **{coefficient: getattr(own, coefficient) * factor})
    else:
        base = replace(base, **{coefficient: getattr(base, coefficient) * factor})
    return replace(LAW, supervised=base, distillation=replace(own, supervised=base), second_opinion=None)


@pytest.mark.parametrize("teacher", [None, Teacher(2.0, 7.75e9)])
def test_each_effect_is_that_of_planning_anew(teacher):
    budget = Budget(1e22, 1, 0) if teacher else Budget(1e22, 1, 1)
    found = plan(LAW, budget, student=1e9, teacher=teacher)
    assert len(found.sensitivity.coefficients) == 15
    for effect in found.sensitivity.coefficients:
        more, less = (
            plan(changed(effect.coefficient, factor), budget, student=1e9, teacher=teacher) for factor in (1.01, 0.99)
        )
        assert effect.loss == pytest.approx((more.student.loss - less.student.loss) / 2, abs=1e-8)
        assert effect.margin == pytest.approx((more.margin - less.margin) / 2, abs=1e-8)


def test_the_sign_turns_where_it_says():
    found = plan(LAW, Budget(1e22, 1, 1), student=1e9)
    turning = {e.coefficient: e.turns_at for e in found.sensitivity.coefficients if e.turns_at is not None}
    assert turning
    for name, change in turning.items():
        # between two steps the turn is read off a straight line: good to a tenth of itself
        margins = [
            plan(changed(name, 1 + change * factor), Budget(1e22, 1, 1), student=1e9).margin for factor in (0.85, 1.15)
        ]
        assert margins[0] * margins[1] < 0
        assert margins[0] * found.margin > 0


def test_budgets_doubled_and_halved():
    found = plan(LAW, Budget(1e21, 1, 0), student=1e9)
    for effect in found.sensitivity.budgets:
        other = plan(LAW, Budget(1e21 * effect.factor, 1, 0), student=1e9)
        assert effect.loss == pytest.approx(other.student.loss, rel=1e-10)
        assert effect.margin == pytest.approx(other.margin, abs=1e-9)
        assert effect.verdict == other.verdict


def test_half_of_too_little_is_nothing():
    least = 1.5 * float(LAW.convention.training(1e9, 1e6))
    half, double = plan(LAW, Budget(least, 0, 0), student=1e9).sensitivity.budgets
    assert (half.loss, half.margin, half.verdict) == (None, None, None)
    assert double.loss is not None
