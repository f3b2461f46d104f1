"""`--serve-tokens` and `--student auto`: what a student's life costs, and which size that speaks for."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.errors import Infeasible, InputError
from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.decision import plan
from planner.scenarios import Budget, Charges, Teacher
from planner.target import plan_for
from planner.terms import AUTO, Terms

SHARES = st.sampled_from([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.3, 0.7)])
CODES = {"support", "student-size"}


def codes(found):
    return {doubt.code for doubt in found.warnings}


@settings(max_examples=20, deadline=None)
@given(shares=SHARES, log_N=st.floats(8.5, 10.5), log_C=st.floats(21, 25), log_served=st.floats(10, 13))
def test_serving_is_paid_first_and_what_is_left_is_planned_as_ever(shares, log_N, log_C, log_served):
    N, C, served = 10**log_N, 10**log_C, 10**log_served
    serving = float(LAW.convention.forward(N)) * served
    if serving > 0.9 * C:
        return
    found = plan(LAW, Budget(C, *shares), student=N, terms=Terms(served))
    bare = plan(LAW, Budget(C - serving, *shares), student=N)
    assert found.student.loss == pytest.approx(bare.student.loss, rel=1e-12)
    assert found.supervised.loss == pytest.approx(bare.supervised.loss, rel=1e-12)
    assert found.flops.serving == pytest.approx(serving)
    assert found.flops.total == pytest.approx(C, rel=1e-9)
    assert found.supervised_flops == pytest.approx(C, rel=1e-9)


def test_serving_nothing_changes_nothing(distillaw):
    asked = ("plan", "train-teacher", "--student", "1B", "--budget", "1e23", "--json")
    assert distillaw(*asked).out == distillaw(*asked, "--serve-tokens", "0").out
    for student in (1e9, AUTO):
        assert plan(LAW, Budget(1e23), student=student, terms=Terms(0)) == plan(LAW, Budget(1e23), student=student)


@pytest.mark.parametrize("shares", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("served", [0, 2e12])
def test_auto_is_as_good_as_any_size_of_a_grid(shares, served):
    terms, budget = Terms(served), Budget(1e23, *shares)
    best = plan(LAW, budget, student=AUTO, terms=terms)
    fixed = []
    for N in np.geomspace(best.student.N / 30, best.student.N * 30, 41):
        try:
            fixed.append(plan(LAW, budget, student=N, terms=terms))
        except Infeasible:
            continue
    assert best.student.loss <= min(each.student.loss for each in fixed) + 1e-11
    assert best.supervised.loss <= min(each.supervised.loss for each in fixed) + 1e-11
    again = plan(LAW, budget, student=best.student.N, terms=terms)
    assert again.student.loss == pytest.approx(best.student.loss, rel=1e-13)
    low, high = best.near_optimal.N_S
    assert low <= best.student.N <= high
    for end in (low, high):
        if LAW.box_N[0] * 1.01 < end < LAW.box_N[1] / 1.01:
            there = plan(LAW, budget, student=end, terms=terms)
            assert there.student.loss - best.student.loss == pytest.approx(best.near_optimal.nats, rel=0.02)


def test_more_to_serve_means_a_smaller_student_either_way():
    found = [plan(LAW, Budget(1e23, 1, 1), student=AUTO, terms=Terms(S)) for S in (0, 1e11, 1e12, 1e13)]
    for who in ("student", "supervised"):
        sizes = [getattr(each, who).N for each in found]
        assert sizes == sorted(sizes, reverse=True)
    losses = [each.student.loss for each in found]
    assert losses == sorted(losses)


def test_a_teacher_that_exists_may_have_a_student_of_any_size():
    teacher, budget = Teacher(2.0, 7.75e9), Budget(1e22)
    best = plan(LAW, budget, student=AUTO, teacher=teacher, terms=Terms(1e12))
    for N in np.geomspace(best.student.N / 10, best.student.N * 1.2, 21):
        fixed = plan(LAW, budget, student=N, teacher=teacher, terms=Terms(1e12))
        assert best.student.loss <= fixed.student.loss + 1e-11
    assert best.near_optimal.N_S[0] < best.student.N < best.near_optimal.N_S[1]


@pytest.mark.parametrize("student", [2e9, AUTO])
def test_a_target_is_reached_for_the_least_with_serving(student):
    terms = Terms(2e12)
    found = plan_for(LAW, 2.1, Charges(1, 1), student=student, terms=terms)
    assert found.student.loss == pytest.approx(2.1, abs=1e-6)
    less = plan(LAW, Budget(found.budget * 0.999, 1, 1), student=student, terms=terms)
    assert less.student.loss > 2.1
    direct = plan(LAW, Budget(found.target.supervised_budget, 0, 0), student=student, terms=terms)
    assert direct.supervised.loss == pytest.approx(2.1, abs=1e-6)


def test_sizes_that_the_law_has_not_seen_are_named():
    far = plan(LAW, Budget(1e25, 1, 1), student=AUTO)
    assert codes(far) >= CODES
    near = plan(LAW, Budget(1e22, 1, 1), student=AUTO, terms=Terms(2e12))
    assert "student-size" not in codes(near)
    assert "student-size" not in codes(plan(LAW, Budget(1e25, 1, 1), student=1e11))
    law = replace(LAW, box_N=(1e6, 1e10))
    assert "N_S" in next(
        d.message for d in plan(law, Budget(1e25, 1, 1), student=AUTO).warnings if d.code == "bound-hit"
    )


def test_serving_that_takes_the_whole_budget_is_a_no(distillaw):
    asked = ("plan", "teacher-exists", "--budget", "1e20", "--serve-tokens", "2T")
    answer = distillaw(*asked, "--student", "30B")
    assert answer.code == 1
    assert "serving 2T tokens takes 1.27e23 FLOPs of it" in answer.err
    assert distillaw(*asked, "--student", "auto", "--json").code == 0
    assert distillaw("plan", "teacher-exists", "--budget", "1e9", "--serve-tokens", "2T", "--student", "auto").code == 1


def test_the_command_tells_the_size_and_the_serving(distillaw):
    answer = distillaw("plan", "train-teacher", "--student", "auto", "--serve-tokens", "2T", "--budget", "1e23",
                       "--gpu", "h100", "--mfu", ".4")  # fmt: skip
    assert "The best student size for this budget is " in answer.out
    assert answer.out.count("serving") == 3  # of either student, and on the bill
    assert answer.out.splitlines()[-1].endswith("--serve-tokens 2T")
    found = json.loads(
        distillaw(
            "plan", "train-teacher", "--student", "auto", "--serve-tokens", "2T", "--budget", "1e23", "--json"
        ).out
    )
    assert found["terms"]["serve_tokens"] == 2e12
    assert found["student"]["chosen"] is True
    assert found["supervised"]["N"] != found["student"]["N"]


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        (["teacher-exists", "--student", "0", "--serve-tokens", "-1"], ["--student: must", "--serve-tokens: must be"]),
        (["teacher-exists", "--student", "1B", "--serve-tokens", "inf"], ["--serve-tokens: must be a finite"]),
        (["teacher-exists", "--student", "1B", "--serve-tokens", "2X"], ["--serve-tokens: '2X' is not a number"]),
        (["compare", "--student", "auto"], ["--student: auto is for one plan"]),
        (
            ["teacher-exists", "--student", "auto", "--candidates", "x.csv", "--serve-tokens", "1T"],
            ["--student: auto is for one plan", "--serve-tokens: is for one plan"],
        ),
    ],
)
def test_bad_terms_are_refused_with_every_fault(distillaw, arguments, faults):
    answer = distillaw("plan", *arguments, "--budget", "1e22")
    assert (answer.code, answer.out) == (2, "")
    for fault in faults:
        assert fault in answer.err


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "x", None])
def test_tokens_served_are_a_number(value):
    with pytest.raises(InputError, match="--serve-tokens"):
        Terms(value)


def test_draws_choose_their_own_sizes(law_with_draws):
    law = law_with_draws(40)
    found = plan(law, Budget(1e23, 1, 1), student=AUTO, terms=Terms(2e12))
    assert found.margin_basis == "interval"
    assert found.certainty.regret.mean >= 0
    fixed = plan(law, Budget(1e23, 1, 1), student=found.student.N, terms=Terms(2e12))
    # the same student, but trained directly it is not the best one, and draws could not change its size
    assert found.certainty.regret.mean > 0
    assert fixed.student.interval == pytest.approx(found.student.interval, rel=1e-9)


def test_the_picture_shows_the_serving(tmp_path):
    from planner import plots

    plots.plan(plan(LAW, Budget(1e23, 1, 1), student=AUTO, terms=Terms(2e12)), LAW, tmp_path / "plan.svg")
    assert "student in use" in (tmp_path / "plan.svg").read_text(encoding="utf-8")
