"""What would change a plan, against planning anew with a changed law."""

import json
from dataclasses import replace

import pytest

from fitting.errors import Infeasible
from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.decision import plan
from planner.problems import Problems
from planner.scenarios import Budget, Charges, Teacher


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


@pytest.mark.parametrize("deltas", [(0, 0), (1, 0), (0, 1), (1, 1), (0.3, 0.7)])
@pytest.mark.parametrize("N_S", [3e8, 1e9, 1.1e10])
def test_at_the_least_budget_there_is_a_plan_and_no_nan(N_S, deltas):
    least = Problems.of(LAW, N_S, 1.0, Charges(*deltas)).least_budget()
    found = plan(LAW, Budget(least * (1 + 1e-12), *deltas), student=N_S)
    json.dumps(found.to_json(), allow_nan=False)
    assert found.student.D == pytest.approx(1e6, rel=1e-6)
    with pytest.raises(Infeasible):
        plan(LAW, Budget(least * (1 - 1e-6), *deltas), student=N_S)


def test_half_of_too_little_is_nothing():
    least = 1.5 * float(LAW.convention.training(1e9, 1e6))
    half, double = plan(LAW, Budget(least, 0, 0), student=1e9).sensitivity.budgets
    assert (half.loss, half.margin, half.verdict) == (None, None, None)
    assert double.loss is not None
