"""The laws: published values, limits, monotonicity, derivatives, one code for floats, NumPy and JAX."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.published import BESIROGLU2024_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW

ALONE = BUSBRIDGE2025_LAW.supervised
TAUGHT = BUSBRIDGE2025_LAW.require_distillation()
sizes = st.floats(min_value=1e6, max_value=1e13)
tokens = st.floats(min_value=1e7, max_value=1e15)
losses = st.floats(min_value=1.3, max_value=6.0)


@pytest.mark.parametrize(("N", "loss"), [(198e6, 2.789), (546e6, 2.515), (1.82e9, 2.251), (7.75e9, 2.004)])
def test_supervised_values(N, loss):
    assert ALONE.loss(N, 20 * N) == pytest.approx(loss, abs=1e-3)


def test_distillation_value():
    assert TAUGHT.loss(546e6, 1.09e10, 2.251) == pytest.approx(2.424, abs=1e-3)


def test_limits():
    assert ALONE.loss(1e40, 1e40) == pytest.approx(ALONE.E, rel=1e-3)
    assert ALONE.limit(1e9) == pytest.approx(ALONE.loss(1e9, 1e300), rel=1e-12)
    # Eq 8: an infinite student on infinite data is its teacher, and a hopeless teacher is copied
    assert TAUGHT.loss(1e60, 1e60, 2.0) == pytest.approx(2.0, rel=1e-6)
    assert TAUGHT.loss(1e9, 1e11, 1e6) == pytest.approx(1e6, rel=1e-12)


@pytest.mark.parametrize("N", [1e-300, 1.0, 1e300])
@pytest.mark.parametrize("D", [1e-3, 1.0, 1e300])
@pytest.mark.parametrize("L_T", [1e-6, 2.0, 1e6])
def test_nothing_overflows_in_the_teacher_factor(N, D, L_T):
    with np.errstate(all="raise", under="ignore"):
        factor = TAUGHT.teacher_factor(np.float64(L_T) / np.float64(ALONE.loss(max(N, 1e-3), D)))
    assert 0 <= factor <= 1


@pytest.mark.parametrize("f1", [0.005, 0.09, 0.5, 3.0])
@pytest.mark.parametrize("ratio", [1e-3, 0.5, 1.3, 1.4, 5.0])
def test_teacher_factor_is_equation_8(f1, ratio):
    law = DistillationLaw(ALONE, 1, 1, 1, 1, 1, 1, c1=12.0, f1=f1, d1=1.315)
    logarithm = -12.0 * f1 * np.logaddexp(0.0, math.log(ratio / 1.315) / f1)
    assert law.teacher_factor(ratio) == pytest.approx(math.exp(logarithm), rel=1e-10)


@given(sizes, tokens)
def test_more_parameters_or_tokens_never_hurt_alone(N, D):
    for law in (ALONE, HOFFMANN2022_LAW.supervised, BESIROGLU2024_LAW.supervised):
        assert law.E < law.loss(2 * N, D) < law.loss(N, D)
        assert law.E < law.loss(N, 2 * D) < law.loss(N, D)


@given(sizes, tokens, losses)
def test_a_student_stays_behind_its_teacher(N, D, L_T):
    assert TAUGHT.loss(N, D, L_T) >= L_T


@given(st.floats(min_value=1e6, max_value=1e12), st.floats(min_value=1e7, max_value=1e13))
def test_tokens_and_size_invert_the_loss(N, D):
    loss = ALONE.loss(N, D)
    assert ALONE.tokens(N, loss) == pytest.approx(D, rel=1e-6)
    assert ALONE.size(D, loss) == pytest.approx(N, rel=1e-6)


@settings(deadline=None)  # the first call compiles
@given(sizes, tokens, losses)
def test_one_code_serves_floats_numpy_and_jax(N, D, L_T):
    plain = (ALONE.loss(N, D), TAUGHT.loss(N, D, L_T))
    arrays = (ALONE.loss(np.array([N]), np.array([D]))[0], TAUGHT.loss(np.array([N]), D, np.array([L_T]))[0])
    with jax.enable_x64(True):
        N, D, L_T = (jax.numpy.asarray(value, dtype=jax.numpy.float64) for value in (N, D, L_T))
        traced = (float(ALONE.loss(N, D)), float(TAUGHT.loss(N, D, L_T)))
    assert arrays == pytest.approx(plain, rel=1e-12)
    assert traced == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("point", [(198e6, 4e9, 2.79), (1e9, 1e11, 2.2), (7e9, 5e11, 2.0), (1e9, 1e11, 3.2)])
def test_derivatives_against_central_differences(point):
    """With respect to log N, log D, log L_T, and to every coefficient's logarithm."""
    names = ("A", "B", "alpha", "beta", "gamma", "c0", "c1", "f1", "d1")
    below = ("A", "B", "E", "alpha", "beta", "gamma")

    def loss(x, exp):
        N, D, L_T = (exp(value) for value in x[:3])
        alone = SupervisedLaw(**{name: exp(value) for name, value in zip(below, x[3:9], strict=True)})
        taught = DistillationLaw(alone, **{name: exp(value) for name, value in zip(names, x[9:], strict=True)})
        return taught.loss(N, D, L_T)

    values = [*point, *(getattr(ALONE, name) for name in below), *(getattr(TAUGHT, name) for name in names)]
    x = np.log(np.array(values, dtype=float))
    with jax.enable_x64(True):
        gradient = np.asarray(jax.grad(lambda x: loss(x, jax.numpy.exp))(jax.numpy.asarray(x)))
    step = 1e-6
    for i in range(len(x)):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        assert gradient[i] == pytest.approx((loss(up, np.exp) - loss(down, np.exp)) / (2 * step), rel=1e-6, abs=2e-9)
