"""Kernel regression: the closed forms against a search, and what the figure claims."""

import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint, minimize

from paper_figs.capacity_gap import student_error, teacher_error
from paper_figs.fig10_kernel_regression import COEFFICIENTS, SEED, STUDENT_NORM, STUDENTS, TEACHER_NORM


def nearest(target, free, norm):
    """The point nearest to `target` whose first `free` coefficients have at most this norm and whose others are 0."""
    if not free:
        return np.zeros_like(target)
    found = minimize(
        lambda x: np.sum((x - target[:free]) ** 2),
        np.full(free, 1e-3),
        jac=lambda x: 2 * (x - target[:free]),
        hess=lambda x: 2 * np.eye(free),
        constraints=NonlinearConstraint(
            lambda x: x @ x, 0, norm**2, jac=lambda x: 2 * x[None, :], hess=lambda x, v: 2 * v[0] * np.eye(free)
        ),
        method="trust-constr",
        options={"gtol": 1e-10, "xtol": 1e-12, "maxiter": 2000},
    )
    assert found.status in (1, 2)
    return np.concatenate((found.x, np.zeros(len(target) - free)))


@pytest.mark.parametrize(("T", "D"), [(1.0, 0.8), (2.5, 2.0), (9.0, 0.5), (9.0, 9.0)])
@pytest.mark.parametrize(("m", "n"), [(1, 4), (3, 4), (4, 4), (7, 4), (9, 9)])
def test_closed_forms_are_constrained_projections(m, n, T, D):
    alpha = np.random.default_rng(3).uniform(-1, 1, 9)
    teacher = nearest(alpha, m, T)
    student = nearest(teacher, n, D)
    assert teacher_error(alpha, np.array([m]), T)[0] == pytest.approx(np.linalg.norm(alpha - teacher), abs=1e-4)
    assert student_error(alpha, np.array([m]), n, T, D)[0] == pytest.approx(np.linalg.norm(alpha - student), abs=1e-4)


def test_better_teachers_stop_helping_and_then_hurt():
    alpha = np.random.default_rng(SEED).uniform(-1, 1, COEFFICIENTS)
    m = np.arange(1, COEFFICIENTS + 1)
    teacher = teacher_error(alpha, m, TEACHER_NORM)
    assert (np.diff(teacher) <= 1e-12).all()
    for n in STUDENTS:
        errors = student_error(alpha, m, n, TEACHER_NORM, STUDENT_NORM)
        assert (errors >= teacher - 1e-12).all()
        assert errors.min() == pytest.approx(errors[n - 1], rel=1e-12)
        assert (np.diff(errors[n - 1 :]) >= -1e-12).all()  # flat at first, so not strictly
        assert (errors[-1] > errors[n - 1] * 1.001) == (n <= 700)


def test_values_of_a_separate_evaluation():
    alpha = np.random.default_rng(SEED).uniform(-1, 1, COEFFICIENTS)
    errors = student_error(alpha, np.array([300, 1000]), 300, TEACHER_NORM, STUDENT_NORM)
    assert errors == pytest.approx([15.866, 16.535], abs=1e-3)
    assert teacher_error(alpha, np.array([1000]), TEACHER_NORM)[0] == pytest.approx(13.03, abs=5e-3)
