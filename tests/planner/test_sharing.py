"""`--reuse`: students that share a teacher, and how many of them it takes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.errors import InputError
from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.decision import plan
from planner.scenarios import Budget, Charges, Teacher
from planner.sharing import MOST, first
from planner.target import plan_for
from planner.terms import AUTO, Terms

PAID = st.sampled_from([(0.0, 1.0), (1.0, 1.0), (0.3, 0.7)])


@settings(max_examples=15, deadline=None)
@given(shares=PAID, log_N=st.floats(8.5, 10.5), log_c=st.floats(20.5, 24), K=st.integers(2, 50))
def test_sharing_a_teacher_never_hurts_and_flops_add_up(shares, log_N, log_c, K):
    N, c = 10**log_N, 10**log_c
    alone, shared = (plan(LAW, Budget(k * c, *shares), student=N, terms=Terms(reuse=k)) for k in (1, K))
    assert shared.student.loss <= alone.student.loss * (1 + 1e-12)
    assert shared.supervised.loss == pytest.approx(alone.supervised.loss, rel=1e-12)
    assert shared.flops.total == pytest.approx(K * c, rel=1e-9)
    assert shared.supervised_flops == pytest.approx(K * c, rel=1e-9)
    step = float(LAW.convention.training(N, shared.student.D))
    assert shared.flops.student_training == pytest.approx(K * step)


def test_one_student_is_the_plan_that_was(distillaw):
    asked = ("plan", "train-teacher", "--student", "1B", "--budget", "1e23", "--json")
    plain, one = (json.loads(distillaw(*asked, *more).out) for more in ((), ("--reuse", "1")))
    assert plain.pop("sharing") is None
    assert one.pop("sharing")["most"] == MOST
    assert one == plain


def test_a_teacher_that_nobody_trains_is_not_shared():
    budget, terms = Budget(5e21), Terms(reuse=5)
    assert plan(LAW, budget, student=1e9, terms=terms).student == plan(LAW, Budget(1e21), student=1e9).student
    named = plan(LAW, budget, student=1e9, teacher=Teacher(2.0, 7.75e9), terms=terms)
    assert named.student.loss == plan(LAW, Budget(1e21), student=1e9, teacher=Teacher(2.0, 7.75e9)).student.loss
    assert named.sharing is None
    assert named.flops.total == pytest.approx(5e21)


@pytest.mark.parametrize(("N", "c", "shares"), [(1e10, 1e22, (1, 1)), (3e10, 1e22, (0, 1)), (3e9, 3e20, (0.5, 1))])
def test_training_a_teacher_pays_from_the_number_that_is_said(N, c, shares):
    found = plan(LAW, Budget(5 * c, *shares), student=N, terms=Terms(reuse=5)).sharing
    assert found.budget_per_student == pytest.approx(c)

    def at(K):
        return plan(LAW, Budget(K * c, *shares), student=N, terms=Terms(reuse=K))

    assert found.pays_from <= found.clear_from
    assert at(found.pays_from).margin > 0
    assert at(found.clear_from).verdict == "distil"
    if found.pays_from > 1:
        assert at(found.pays_from - 1).margin <= 0
    if found.clear_from > 1:
        assert at(found.clear_from - 1).verdict != "distil"


def test_some_students_no_teacher_pays_for(distillaw):
    found = plan(LAW, Budget(1e25, 1, 1), student=1e9, terms=Terms(reuse=2)).sharing
    assert (found.pays_from, found.clear_from) == (None, None)
    shown = distillaw("plan", "train-teacher", "--student", "1B", "--budget", "1e25", "--reuse", "2").out
    assert "training a teacher does not pay for 1,048,576 students either" in shown
    assert "2 students share the teacher and the budget" in shown


@pytest.mark.parametrize("least", [1, 2, 3, 4, 5, 1023, 1024, 1025, MOST - 1, MOST])
def test_the_first_number_is_found(least):
    assert first(lambda n: n >= least) == least
    assert first(lambda n: False) is None


@pytest.mark.parametrize("student", [3e9, AUTO])
def test_a_target_for_several_students(student):
    terms = Terms(reuse=4, serve_tokens=1e11)
    found = plan_for(LAW, 2.2, Charges(1, 1), student=student, terms=terms)
    assert found.student.loss == pytest.approx(2.2, abs=1e-6)
    one = plan_for(LAW, 2.2, Charges(1, 1), student=student, terms=Terms(serve_tokens=1e11))
    assert one.budget < found.budget < 4 * one.budget
    assert found.target.supervised_budget == pytest.approx(4 * one.target.supervised_budget, rel=1e-6)


def test_too_little_for_each_of_them_is_a_no(distillaw):
    answer = distillaw("plan", "train-teacher", "--student", "1B", "--budget", "1e19", "--reuse", "1000000")
    assert answer.code == 1
    assert "for each of 1000000 students cannot pay" in answer.err


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "x", "inf"])
def test_a_number_of_students_is_whole(distillaw, value):
    answer = distillaw("plan", "train-teacher", "--student", "0", "--budget", "1e22", "--reuse", value)
    assert (answer.code, answer.out) == (2, "")
    assert "--reuse: must be a whole number" in answer.err
    assert "--student: must be" in answer.err
    with pytest.raises(InputError, match="--reuse"):
        Terms(reuse=value)


def test_draws_of_several_students(law_with_draws):
    law = law_with_draws(40)
    found = plan(law, Budget(5e22, 1, 1), student=1e10, terms=Terms(reuse=5))
    assert found.certainty.regret.mean >= 0
    assert found.sharing.pays_from is not None
