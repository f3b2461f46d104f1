"""`--max-tokens`, `--share-tokens`, `--teacher-grid`, `--round-shapes`: what there is to train on, and to train."""

import json

import numpy as np
import pytest

from fitting.errors import InputError
from fitting.flops import Shape, parameters
from fitting.published import BUSBRIDGE2025_LAW as LAW
from fitting.published import HOFFMANN2022_LAW
from planner.decision import plan
from planner.families.decision import plan_family
from planner.scenarios import Budget, Charges, Limits, Teacher
from planner.shapes import nearest
from planner.target import plan_for
from planner.terms import AUTO, Terms

ASKED = ("plan", "train-teacher", "--student", "1B", "--budget", "1e23")
PAID = [(0.0, 1.0), (1.0, 1.0), (0.3, 0.7)]


def codes(found):
    return {doubt.code for doubt in found.warnings}


@pytest.mark.parametrize("shares", PAID)
@pytest.mark.parametrize("U", [2e11, 1e12, 4e12])
def test_no_split_of_the_data_is_better(shares, U):
    """Every teacher that leaves its student tokens, tried one by one."""
    N_S, C = 1e9, 1e23
    found = plan(LAW, Budget(C, *shares), student=N_S, terms=Terms(max_tokens=U))
    assert found.student.D + found.teacher.D <= U * (1 + 1e-9)
    assert found.supervised.D <= U
    assert found.flops.total <= C * (1 + 1e-9)
    N, D = np.meshgrid(np.geomspace(1e8, 1e12, 300), np.geomspace(U / 1e4, U, 300, endpoint=False))
    F_S, F_T = LAW.convention.forward(N_S), LAW.convention.forward(N)
    D_S = np.minimum((C - 3 * shares[1] * F_T * D) / (3 * F_S + shares[0] * F_T), U - D)
    loss = LAW.distillation.loss(N_S, np.maximum(D_S, 1e6), LAW.supervised.loss(N, D))
    assert found.student.loss <= loss[D_S > 1e6].min() + 1e-12
    assert found.student.loss == pytest.approx(loss[D_S > 1e6].min(), abs=1e-4)


@pytest.mark.parametrize("shares", [(0.0, 0.0), (1.0, 0.0), *PAID])
def test_more_data_than_is_needed_changes_nothing(shares):
    free = plan(LAW, Budget(1e22, *shares), student=1e9)
    bound = plan(LAW, Budget(1e22, *shares), student=1e9, terms=Terms(max_tokens=1e16))
    assert bound.student.loss == pytest.approx(free.student.loss, rel=1e-12)
    assert bound.student.D == pytest.approx(free.student.D, rel=1e-4)
    assert bound.supervised == free.supervised
    assert "data-bound" not in codes(bound)


def test_data_bind_less_the_more_there_is_and_where_they_are_shared():
    losses = [
        plan(LAW, Budget(1e23, 1, 1), student=1e9, terms=Terms(max_tokens=U)).student.loss for U in (1e11, 3e11, 1e12)
    ]
    assert losses == sorted(losses, reverse=True)
    apart, shared = (
        plan(LAW, Budget(1e23, 1, 1), student=1e9, terms=Terms(max_tokens=3e11, share_tokens=share))
        for share in (False, True)
    )
    assert shared.student.loss < apart.student.loss
    assert shared.student.D == pytest.approx(3e11)
    assert shared.teacher.D <= 3e11 * (1 + 1e-9)
    assert "data-bound" in codes(shared) & codes(apart)
    assert "bound-hit" not in codes(shared) | codes(apart)
    assert "unspent" in codes(shared)


def test_a_teacher_that_exists_has_its_own_data():
    found = plan(LAW, Budget(1e23), student=1e9, terms=Terms(max_tokens=3e11))
    assert found.student.D == pytest.approx(3e11)
    assert found.teacher.D is None


@pytest.mark.parametrize("student", [1e9, AUTO])
def test_a_target_within_the_data(student):
    terms = Terms(max_tokens=3e11)
    found = plan_for(LAW, 2.2, Charges(1, 1), student=student, terms=terms)
    assert found.student.loss == pytest.approx(2.2, abs=1e-6)
    assert found.student.D + found.teacher.D <= 3e11 * (1 + 1e-9)


def test_a_target_beyond_the_data_is_a_no(distillaw):
    answer = distillaw("plan", "train-teacher", "--student", "1B", "--target-loss", "2.11", "--max-tokens", "300B")
    assert answer.code == 1
    assert "its floor by law 'busbridge2025' is 2.1689" in answer.err
    assert "with 300B tokens" in answer.err


@pytest.mark.parametrize("shares", [(0.0, 0.0), (1.0, 0.0), *PAID])
def test_a_grid_of_teachers_is_tried_one_by_one(shares):
    sizes = (5e8, 3e9, 7e9, 7e10)
    found = plan(LAW, Budget(1e23, *shares), student=3e9, terms=Terms(teacher_grid=sizes))
    one_by_one = {
        N: plan(LAW, Budget(1e23, *shares), student=3e9, terms=Terms(teacher_grid=(N,))).student.loss for N in sizes
    }
    assert found.teacher.N in sizes
    assert found.student.loss == one_by_one[found.teacher.N] == min(one_by_one.values())
    assert found.student.loss >= plan(LAW, Budget(1e23, *shares), student=3e9).student.loss - 1e-12
    as_good = [N for N, loss in one_by_one.items() if loss <= found.student.loss + 1e-3]
    assert found.near_optimal.N_T == (min(as_good), max(as_good))
    assert "bound-hit" not in codes(found)
    if found.runner_up is not None:
        assert found.runner_up.student_loss >= found.student.loss


def test_the_free_optimum_on_the_grid_is_the_free_plan():
    free = plan(LAW, Budget(1e23, 1, 1), student=1e9)
    gridded = plan(LAW, Budget(1e23, 1, 1), student=1e9, terms=Terms(teacher_grid=(1e8, free.teacher.N, 1e12)))
    assert gridded.student.loss == pytest.approx(free.student.loss, rel=1e-12)


def test_grids_with_everything_else(law_with_draws):
    terms = Terms(teacher_grid=(1e9, 3e9, 9e9), serve_tokens=1e12, reuse=3, max_tokens=2e12)
    auto = plan(LAW, Budget(1e23, 1, 1), student=AUTO, terms=terms)
    for N in np.geomspace(auto.student.N / 5, auto.student.N * 2, 9):
        assert plan(LAW, Budget(1e23, 1, 1), student=N, terms=terms).student.loss >= auto.student.loss - 1e-11
    drawn = plan(law_with_draws(20), Budget(1e23, 1, 1), student=1e9, terms=terms)
    assert drawn.certainty.regret.mean >= 0
    assert drawn.teacher.N in terms.teacher_grid
    family = plan_family(LAW, Budget(1e23, 1, 1), students=[1e9], terms=terms)
    plain = plan(LAW, Budget(1e23, 1, 1), student=1e9, terms=terms)
    assert family.loss == pytest.approx(plain.student.loss, rel=1e-9)
    assert family.teacher.N == plain.teacher.N


@pytest.mark.parametrize("U", [2e11, 1e12, 1e16])
def test_a_family_of_one_within_the_data_is_the_plain_plan(U):
    terms = Terms(max_tokens=U)
    plain = plan(LAW, Budget(1e23, 1, 1), student=1e9, terms=terms)
    family = plan_family(LAW, Budget(1e23, 1, 1), students=[1e9], terms=terms)
    assert family.loss == pytest.approx(plain.student.loss, rel=1e-9)
    assert family.supervised_loss == pytest.approx(plain.supervised.loss, rel=1e-12)
    assert ("data-bound" in codes(family)) == ("data-bound" in codes(plain))


def test_sizes_are_rounded_to_shapes(distillaw):
    found = json.loads(distillaw(*ASKED, "--round-shapes", "--json").out)
    for who in ("student", "teacher"):
        shape = found["shapes"][who]
        assert found[who]["N"] == shape["N"]
        assert shape["d_model"] % shape["n_heads"] == 0
        again = Shape.of_size(shape["N"])
        assert (again.n_layers, again.d_model) == (shape["n_layers"], shape["d_model"])
        assert parameters(again).non_embedding == shape["N"]
    free = json.loads(distillaw(*ASKED, "--json").out)
    assert found["student"]["N"] == pytest.approx(1e9, rel=0.05)
    assert found["teacher"]["N"] == pytest.approx(free["teacher"]["N"], rel=0.05)
    assert found["terms"]["teacher_grid"] is None
    assert found["flops"]["total"] == pytest.approx(1e23)
    shown = distillaw(*ASKED, "--round-shapes").out
    assert "Rounded to shapes: the student " in shown
    assert "--round-shapes" in shown.splitlines()[-1]
    with pytest.raises(InputError, match="does not say which family"):
        nearest(HOFFMANN2022_LAW, 1e9)


@pytest.mark.parametrize(
    ("flags", "faults"),
    [
        (["--max-tokens", "-1", "--teacher-grid", ","], ["--max-tokens: must be", "--teacher-grid: has no sizes"]),
        (["--share-tokens"], ["--share-tokens: says who may see"]),
        (["--teacher-grid", "1B,x,0"], ["--teacher-grid: 'x'", "--teacher-grid: must be greater"]),
        (["--teacher-grid", "1B", "--max-teacher", "7B"], ["--max-teacher contradicts it"]),
        (["--max-tokens", "10"], ["--max-tokens: "]),
        (["--teacher-grid", "1e20"], ["--teacher-grid: 1e+20 lies outside"]),
        (["--round-shapes", "--student", "auto"], ["--round-shapes: is for one student"]),
    ],
)
def test_bad_limits_are_refused_with_every_fault(distillaw, flags, faults):
    answer = distillaw(*ASKED, *flags)
    assert (answer.code, answer.out) == (2, "")
    for fault in faults:
        assert fault in answer.err


def test_contradictions_about_teachers(distillaw):
    answer = distillaw("plan", "teacher-exists", "--student", "1B", "--budget", "1e22", "--teacher", "7B",
                       "--teacher-loss", "2", "--teacher-grid", "1B,7B")  # fmt: skip
    assert answer.code == 2
    assert "--teacher contradicts it" in answer.err
    with pytest.raises(InputError, match="teacher_grid"):
        plan(LAW, Budget(1e22), student=1e9, teacher=Teacher(2.0, 7e9), terms=Terms(teacher_grid=(7e9,)))
    with pytest.raises(InputError, match="teacher_grid"):
        plan(LAW, Budget(1e22), student=1e9, limits=Limits(N=7e9), terms=Terms(teacher_grid=(7e9,)))
    with pytest.raises(InputError, match="--share-tokens"):
        Terms(share_tokens=True)
