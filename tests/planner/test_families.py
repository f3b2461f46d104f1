"""`--student 300M,1B,3B --weights 1,2,1`: one teacher and several students out of one budget."""

import json
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from fitting.errors import Infeasible, InputError
from fitting.published import BUSBRIDGE2025_LAW as LAW
from fitting.published import PUBLISHED
from planner.decision import plan
from planner.families.decision import plan_family
from planner.scenarios import Budget, Limits, Teacher
from planner.terms import Terms

ALL = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.3, 0.7)]
ASKED = ("plan", "train-teacher", "--budget", "1e23")


@pytest.mark.parametrize("shares", ALL)
@pytest.mark.parametrize(("N", "C"), [(3e8, 1e21), (1e9, 1e23), (3e10, 1e24)])
def test_a_family_of_one_is_the_plain_plan(shares, N, C):
    terms = Terms(serve_tokens=1e11, reuse=3)
    plain = plan(LAW, Budget(C, *shares), student=N, terms=terms)
    family = plan_family(LAW, Budget(C, *shares), students=[N], weights=[7.0], terms=terms)
    (only,) = family.members
    assert only.student.loss == pytest.approx(plain.student.loss, rel=1e-9)
    assert only.supervised.loss == pytest.approx(plain.supervised.loss, rel=1e-9)
    assert only.student.D == pytest.approx(plain.student.D, rel=1e-4)
    assert family.margin_scale == pytest.approx(plain.margin_scale, rel=1e-4)
    assert family.verdict == plain.verdict
    assert family.near_optimal.L_T == pytest.approx(plain.near_optimal.L_T, abs=2e-3)
    assert family.flops.total == pytest.approx(plain.flops.total, rel=1e-9)


def test_one_with_a_teacher_at_hand_is_the_plain_plan():
    teacher = Teacher(2.0, 7.75e9)
    plain = plan(LAW, Budget(1e22), student=1e9, teacher=teacher)
    family = plan_family(LAW, Budget(1e22), students=[1e9], teacher=teacher)
    assert family.loss == pytest.approx(plain.student.loss, rel=1e-12)
    assert family.near_optimal.L_T == pytest.approx(plain.near_optimal.L_T, abs=1e-6)
    assert family.scenario == "named-teacher"


@pytest.mark.parametrize("shares", ALL)
@pytest.mark.parametrize(("N", "C"), [((3e8, 2e9), 1e22), ((1e9, 3e9, 3e10), 1e24)])
def test_no_teacher_of_one_of_them_is_better_for_all_and_flops_add_up(shares, N, C):
    together = plan_family(LAW, Budget(C, *shares), students=N)
    for size in N:
        own = plan(LAW, Budget(C / len(N), *shares), student=size).teacher
        D_T = LAW.box_D[1] if own.D is None else own.D
        left = C - shares[1] * float(LAW.convention.training(own.N, D_T))
        beside = plan_family(LAW, Budget(left, shares[0]), students=N, teacher=Teacher(own.loss, own.N))
        assert together.loss <= beside.loss + 1e-9
    parts = [plan(LAW, Budget(C / len(N), *shares), student=size).supervised.loss for size in N]
    assert together.supervised_loss <= np.mean(parts) + 1e-12
    assert together.flops.total == pytest.approx(C, rel=1e-6)
    assert together.supervised_flops == pytest.approx(C, rel=1e-6)
    assert together.loss == pytest.approx(np.mean([each.student.loss for each in together.members]))
    assert together.margin == pytest.approx(np.mean([each.margin for each in together.members]))


def test_the_split_beside_a_teacher_is_that_of_a_general_optimiser():
    N, w, C, teacher = np.array([3e8, 1e9, 1e10]), np.array([1, 3, 0.5]) / 4.5, 3e22, Teacher(2.1, 4e9)
    found = plan_family(LAW, Budget(C), students=N, weights=w, teacher=teacher)
    price = 3 * LAW.convention.forward(N) + LAW.convention.forward(teacher.N)

    def loss(x):
        parts = np.exp(np.append(x, 0.0))
        return float(w @ LAW.distillation.loss(N, C * parts / parts.sum() / price, teacher.loss))

    brute = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 4000})
    assert found.loss == pytest.approx(brute.fun, rel=1e-10)


@pytest.mark.parametrize("name", ["busbridge2025", "busbridge2025-figures"])
def test_losses_are_convex_in_tokens_so_that_the_split_is_the_best_one(name):
    law, h = PUBLISHED[name].distillation, 1e-3
    s = np.linspace(np.log(1e6), np.log(1e17), 600)
    for N in np.geomspace(1e7, 1e12, 11):
        for L_T in 1.22 + np.geomspace(1e-2, 4, 20):
            left, middle, right = (law.loss(N, np.exp(s + step), L_T) for step in (-h, 0, h))
            first, second = (right - left) / (2 * h), (right - 2 * middle + left) / h**2
            assert (second - first >= -1e-6).all()  # D² d²L/dD²


def test_a_student_of_more_weight_gets_more_and_one_of_none_next_to_nothing():
    N, budget = [1e9, 3e9], Budget(1e23, 1, 1)
    alike = plan_family(LAW, budget, students=N)
    for weights in ([1, 1], [5, 5]):
        same = plan_family(LAW, budget, students=N, weights=weights)
        assert same.loss == pytest.approx(alike.loss, rel=1e-12)
    first = plan_family(LAW, budget, students=N, weights=[3, 1])
    assert first.members[0].student.D > alike.members[0].student.D
    assert first.members[1].student.D < alike.members[1].student.D
    alone = plan_family(LAW, budget, students=N, weights=[1, 0])
    assert alone.loss == pytest.approx(plan(LAW, budget, student=1e9).student.loss, rel=1e-4)
    assert alone.members[1].student.D == pytest.approx(LAW.box_D[0], rel=1e-3)


def test_copies_of_a_family_and_when_they_pay():
    N, c = [1e10, 3e10], 1e22
    found = plan_family(LAW, Budget(2 * c, 1, 1), students=N, terms=Terms(reuse=2)).sharing

    def at(K):
        return plan_family(LAW, Budget(K * c, 1, 1), students=N, terms=Terms(reuse=K))

    assert 1 < found.pays_from <= found.clear_from
    assert at(found.pays_from).margin > 0 >= at(found.pays_from - 1).margin
    assert at(found.clear_from).verdict == "distil" != at(found.clear_from - 1).verdict


def test_the_command_answers_for_a_family(distillaw):
    flags = ("--student", "300M,1B,3B", "--weights", "1,2,1", "--serve-tokens", "1T", "--reuse", "2",
             "--gpu", "h100", "--mfu", ".4", "--price", "2")  # fmt: skip
    found = json.loads(distillaw(*ASKED, *flags, "--json").out)
    assert found["schema"] == "distillaw/family/1"
    assert [each["student"]["N"] for each in found["students"]] == [3e8, 1e9, 3e9]
    assert [each["weight"] for each in found["students"]] == [0.25, 0.5, 0.25]
    parts = ("student_training", "teacher_inference", "teacher_training", "serving")
    assert sum(found["flops"][part] for part in parts) == pytest.approx(1e23)
    assert found["bill"]["total"]["cost"] == pytest.approx(2 * 1e23 / (989e12 * 0.4 * 3600))
    shown = distillaw(*ASKED, *flags)
    assert shown.out.splitlines()[0].startswith(("Distil", "Train directly", "Too close"))
    assert "training a teacher" in shown.out
    again = shown.out.splitlines()[-1].removeprefix("Next: distillaw ").split()
    assert distillaw(*again, "--json").code == 0


@pytest.mark.parametrize(
    ("flags", "faults"),
    [
        (["--student", "1B,1000M", "--weights", "1,2,3"], ["1B is there again", "3 weights for 2 students"]),
        (["--student", "1B,3B", "--weights", "0.5,0.6"], ["as shares are, but their sum is 1.1"]),
        (["--student", "1B,3B", "--weights", "0,0"], ["at least one of them must be greater than zero"]),
        (["--student", "1B,3B", "--weights", "1,-1", "--reuse", "0"], ["of 0 or more, not -1", "--reuse: must be"]),
        (["--student", "1B,3B", "--weights", "1,x"], ["--weights: 'x' is not a number"]),
        (["--student", "1B,3B", "--weights", "1,nan"], ["of 0 or more, not nan"]),
        (["--student", "1B", "--weights", "1"], ["--weights: are for several students"]),
        (["--student", "1B,auto", "--plot", "x.png"], ["auto is for one student", "--plot: draws"]),
        (["--student", "1B,,3B"], ["--student: '' is not a number"]),
        (["--student", "1B,x"], ["--student: 'x' is not a number"]),
    ],
)
def test_bad_families_are_refused_with_every_fault(distillaw, flags, faults):
    answer = distillaw(*ASKED, *flags)
    assert (answer.code, answer.out) == (2, "")
    for fault in faults:
        assert fault in answer.err
    assert len(answer.err.splitlines()) == len(faults)


def test_families_are_for_plans_of_a_budget(distillaw):
    answer = distillaw("plan", "train-teacher", "--student", "1B,3B", "--target-loss", "2.1")
    assert answer.code == 2
    assert "--target-loss: is for one student" in answer.err
    answer = distillaw("plan", "compare", "--student", "1B,3B", "--budget", "1e22")
    assert "several are for plan teacher-exists" in answer.err
    with pytest.raises(InputError, match="at least one student"):
        plan_family(LAW, Budget(1e22), students=[])


def test_a_budget_that_is_too_small_for_all_is_a_no():
    with pytest.raises(Infeasible, match="each of the students 1B, 30B"):
        plan_family(LAW, Budget(1e15, 1, 1), students=[1e9, 3e10])
    with pytest.raises(Infeasible, match="serving takes"):
        plan_family(LAW, Budget(1e22, 1, 1), students=[1e9, 3e10], terms=Terms(1e13))


def codes(found):
    return {doubt.code for doubt in found.warnings}


def test_doubts_of_a_family():
    assert "divided-family" in codes(plan_family(LAW, Budget(3e21), students=[1e9, 3e10]))
    assert "second-opinion" in codes(plan_family(LAW, Budget(1e20, 1, 1), students=[1e9, 3e10]))
    limited = plan_family(LAW, Budget(1e23, 1, 1), students=[1e9, 3e9], limits=Limits(N=1e9))
    assert "bound-hit" in codes(limited)
    assert limited.teacher.N <= 1e9
    strong = plan_family(LAW, Budget(1e21), students=[3e8, 1e9], teacher=Teacher(1.7, 5e10))
    assert "capacity-gap" in codes(strong)
    weak = plan_family(LAW, Budget(1e21), students=[3e9, 1e10], teacher=Teacher(2.6, 3e8))
    assert "weak-teacher" in codes(weak)


def test_near_optimal_teachers_lose_what_is_said():
    budget, N = Budget(1e23, 0, 1), [1e9, 3e9]
    found = plan_family(LAW, budget, students=N)
    for end in found.near_optimal.L_T:
        # pretraining alone: the cheapest teacher of each loss is a teacher at hand, once its training is paid
        from planner.problems import Problems

        shared = Problems.of(LAW, 1.0, 1e23, budget.charges)
        t = np.array([[math.log(end - LAW.supervised.E)]])
        log_N, log_D = shared.teacher(t)
        left = 1e23 - float(LAW.convention.training(np.exp(log_N), np.exp(log_D))[0, 0])
        there = plan_family(LAW, Budget(left, 0, 0), students=N, teacher=Teacher(end))
        assert there.loss - found.loss == pytest.approx(1e-3, rel=0.02)


def test_draws_of_a_family(law_with_draws):
    law = law_with_draws(40)
    one, plain = plan_family(law, Budget(1e23, 1, 1), students=[1e9]), plan(law, Budget(1e23, 1, 1), student=1e9)
    assert one.margin_basis == "interval"
    assert one.members[0].student.interval == pytest.approx(plain.student.interval, rel=1e-4)
    assert one.certainty.margin == pytest.approx(plain.certainty.margin, abs=1e-4)
    assert one.certainty.distil_wins == plain.certainty.distil_wins
    two = plan_family(law, Budget(1e23, 1, 1), students=[1e9, 3e9], interval=0.8)
    assert two.certainty.level == 0.8
    assert two.margin_scale > 0


def test_a_family_in_a_notebook():
    assert "in the mean" in plan_family(LAW, Budget(1e22), students=[1e9, 3e9])._repr_html_()
