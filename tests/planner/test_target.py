"""The least compute for a target: the inverse of planning, and the floor where there is none."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.errors import Infeasible, InputError
from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.comparison import compare_for
from planner.decision import plan
from planner.scenarios import Budget, Charges, Limits, Teacher
from planner.target import plan_for

SCENARIOS = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.3, 0.7)]


@settings(max_examples=25, deadline=None)
@given(
    N_S=st.floats(8, 10.7).map(lambda x: 10**x),
    C=st.floats(20, 25).map(lambda x: 10**x),
    deltas=st.sampled_from(SCENARIOS),
)
def test_the_target_of_a_plan_costs_its_budget(N_S, C, deltas):
    reached = plan(LAW, Budget(C, *deltas), student=N_S).student.loss
    found = plan_for(LAW, reached, Charges(*deltas), student=N_S)
    assert found.student.loss <= reached
    assert found.budget <= C * (1 + 1e-6)
    # the curve is flat for large budgets, so the loss says more than the budget
    assert found.student.loss == pytest.approx(reached, abs=1e-8)
    less = plan(LAW, Budget(found.budget * (1 - 1e-4), *deltas), student=N_S)
    assert less.student.loss > reached


def test_a_named_teacher_has_a_target_too():
    found = plan_for(LAW, 2.3, Charges(1, 0), student=1e9, teacher=Teacher(2.1, 7e9))
    assert found.student.loss == pytest.approx(2.3, abs=1e-9)
    again = plan(LAW, Budget(found.budget, 1, 0), student=1e9, teacher=Teacher(2.1, 7e9))
    assert again.student == found.student
    with pytest.raises(Infeasible, match=r"with this teacher: its floor by law 'busbridge2025' is 2\.\d+.*better one"):
        plan_for(LAW, 2.05, Charges(1, 0), student=1e9, teacher=Teacher(2.1, 7e9))


def test_what_would_help_is_said_of_limits_too():
    with pytest.raises(Infeasible, match="raise --target-loss, --max-teacher or"):
        plan_for(LAW, 2.2, Charges(1, 0), student=1e9, limits=Limits(1e6, 1e6))


@pytest.mark.parametrize("N_S", [1.23e8, 3.32e8, 6.4e8, 2.94e9, *np.geomspace(1.1e8, 4.7e10, 20)])
def test_a_target_that_the_fewest_tokens_pass_has_plans_for_every_size(N_S):
    found = compare_for(LAW, 10.0, student=N_S)
    assert len(found.rows) == 5
    assert all(row.student.loss < 10 for row in found.rows)


def test_targets_that_are_passed_are_told_so_side_by_side(distillaw):
    answer = distillaw("plan", "compare", "--student", "1B", "--target-loss", "6").out
    assert "on 1M tokens, the fewest searched for; it is at 2.715 then." in answer
    assert "nats/token" in answer.splitlines()[2]


def test_a_target_that_the_fewest_tokens_pass_is_told_so(distillaw):
    answer = distillaw("plan", "teacher-exists", "--student", "1B", "--target-loss", "11.9")
    assert "below 11.9 already, on 1M tokens, the fewest" in answer.out


def test_training_directly_stands_beside_it():
    found = plan_for(LAW, 2.2, Charges(1, 1), student=1e9)
    alone = found.target.supervised_budget
    assert LAW.supervised.loss(1e9, alone / LAW.convention.training(1e9, 1)) == pytest.approx(2.2, rel=1e-12)
    assert found.budget > alone


def test_the_floor_is_the_least_loss_of_any_budget():
    with pytest.raises(Infeasible, match=r"its floor by law 'busbridge2025' is (\d\.\d{4})") as refused:
        plan_for(LAW, 2.0, Charges(1, 1), student=1e9)
    floor = float(str(refused.value).split(" is ")[1].split(",")[0])
    assert plan(LAW, Budget(1e28, 1, 1), student=1e9).student.loss == pytest.approx(floor, abs=1e-4)
    just_above = plan_for(LAW, floor + 1e-3, Charges(1, 1), student=1e9)
    assert np.isfinite(just_above.budget)


def test_limits_raise_the_price():
    free = plan_for(LAW, 2.2, Charges(1, 0), student=1e10)
    bound = plan_for(LAW, 2.2, Charges(1, 0), student=1e10, limits=Limits(2e9, 1e12))
    assert bound.budget > free.budget
    assert bound.teacher.N <= 2e9
    assert bound.teacher.D == pytest.approx(1e12)


def test_a_target_below_every_models_reach_is_a_mistake():
    with pytest.raises(InputError, match="floor E of law 'busbridge2025'"):
        plan_for(LAW, 1.2, Charges(), student=1e9)


def test_the_command_answers_and_refuses(distillaw):
    answer = distillaw("plan", "train-teacher", "--student", "1B", "--target-loss", "2.2", "--json")
    found = json.loads(answer.out)
    direct = plan_for(LAW, 2.2, Charges(1, 1), student=1e9)
    assert found == json.loads(json.dumps(direct.to_json()))
    assert found["target"]["loss"] == 2.2
    shown = distillaw("plan", "train-teacher", "--student", "1B", "--target-loss", "2.2")
    assert shown.out.startswith("4.54e21 FLOPs bring the distilled 1B student to 2.2 nats/token")
    refused = distillaw("plan", "train-teacher", "--student", "1B", "--target-loss", "2.0")
    assert refused.code == 1
    assert "its floor by law 'busbridge2025' is 2.0883" in refused.err
    for words in (["--target-loss", "9.1e3"], ["--target-loss", "2.2", "--budget", "1e21"], []):
        assert distillaw("plan", "train-teacher", "--student", "1B", *words).code == 2
