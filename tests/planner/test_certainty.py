"""What joint draws say of a plan: intervals, shares and regret against planning anew for each draw."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting import intervals
from fitting.errors import Infeasible, InputError
from fitting.findings import Beyond, Fold, Rollout
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.published import BUSBRIDGE2025_LAW
from planner.decision import plan, plans, supervised_plan
from planner.plans import verdict_of
from planner.scenarios import Budget, Charges, Teacher, scenarios

DELTAS = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]


def law_of_draw(law, i):
    """One draw's coefficients as a law of its own."""
    drawn = intervals.drawn(law.fitted)
    base = SupervisedLaw(**{n: float(getattr(drawn.supervised, n)[i]) for n in SupervisedLaw.__dataclass_fields__})
    own = {n: float(getattr(drawn, n)[i]) for n in DistillationLaw.__dataclass_fields__ if n != "supervised"}
    return replace(law, supervised=base, distillation=DistillationLaw(supervised=base, **own), fitted=None)


def carried_out(law, found):
    """What a law makes of a plan's decision, in nats/token: a teacher that exists keeps its measured loss."""
    paid = found.pay_pretraining
    L_T = law.supervised.loss(found.teacher.N, found.teacher.D) if paid else found.teacher.loss
    return float(law.distillation.loss(found.student.N, found.student.D, L_T))


@pytest.mark.parametrize("deltas", DELTAS)
def test_the_regret_is_that_of_planning_anew_for_each_draw(law_with_draws, deltas):
    law = law_with_draws(12, 0.01)
    found = plan(law, Budget(3e21, *deltas), student=1e9)
    lost = []
    for i in range(12):
        own = law_of_draw(law, i)
        best = plan(own, Budget(3e21, *deltas), student=1e9)
        alone = float(own.supervised.loss(1e9, found.supervised.D))
        carried = carried_out(own, found)
        chosen = carried if found.margin > 0 else alone
        lost.append(chosen - min(best.student.loss, carried, alone))
    assert min(lost) >= 0
    assert found.certainty.regret.mean == pytest.approx(np.mean(lost), abs=1e-8)
    assert found.certainty.regret.q95 == pytest.approx(np.quantile(lost, 0.95), abs=1e-8)


@pytest.mark.parametrize("deltas", DELTAS)
def test_the_share_of_draws_is_counted_plan_in_hand(law_with_draws, deltas):
    law = law_with_draws(12, 0.01)
    found = plan(law, Budget(3e21, *deltas), student=1e9)
    wins = 0
    for i in range(12):
        own = law_of_draw(law, i)
        wins += carried_out(own, found) < own.supervised.loss(1e9, found.supervised.D)
    assert found.certainty.distil_wins == wins / 12


def test_intervals_hold_the_point_and_grow_with_the_level(law_with_draws):
    law = law_with_draws()
    narrow = plan(law, Budget(1e22, 1, 1), student=1e9, interval=0.5)
    wide = plan(law, Budget(1e22, 1, 1), student=1e9)
    assert (narrow.certainty.level, wide.certainty.level) == (0.5, 0.95)
    for found in (narrow, wide):
        assert found.student.interval[0] < found.student.loss < found.student.interval[1]
        assert found.supervised.interval[0] < found.supervised.loss < found.supervised.interval[1]
        assert found.certainty.margin[0] < found.margin < found.certainty.margin[1]
        assert found.margin_basis == "interval"
    assert wide.student.interval[0] < narrow.student.interval[0]
    assert wide.student.interval[1] > narrow.student.interval[1]


@settings(max_examples=30, deadline=None)
@given(
    N_S=st.floats(8, 11).map(lambda x: 10**x),
    C=st.floats(19.5, 26).map(lambda x: 10**x),
    deltas=st.sampled_from(DELTAS),
    drift=st.floats(-0.02, 0.02),
)
def test_an_interval_contains_the_point_whatever_the_rollout_says(law_with_draws, N_S, C, deltas, drift):
    law = law_with_draws(20)
    fold = Fold("x", 1, 1, 0.0, 0.0, 1.0)
    rolled = Rollout((fold,), 0.0, {"C": Beyond(drift, 0.001), "L_T": Beyond(drift)}, 1e21, 0.95)
    base = replace(law.fitted.supervised, rollout=replace(rolled, beyond={"C": Beyond(drift, 0.001)}))
    law = replace(law, fitted=replace(law.fitted, rollout=rolled, supervised=base))
    (found,) = plans(law, [C], Charges(*deltas), student=N_S)
    assert found.student.interval[0] <= found.student.loss <= found.student.interval[1]
    assert found.certainty.margin[0] <= found.margin <= found.certainty.margin[1]
    assert found.certainty.regret.mean >= -1e-9


@settings(max_examples=30, deadline=None)
@given(
    N_S=st.floats(8, 10.5).map(lambda x: 10**x),
    C=st.floats(16, 24).map(lambda x: 10**x),
    deltas=st.sampled_from(DELTAS),
)
def test_everything_said_of_a_plan_is_finite_and_agrees(law_with_draws, N_S, C, deltas):
    """Also where some draws could hardly pay for the teacher; the scale and the interval give the same verdict."""
    law = law_with_draws(30, 0.03)
    try:
        found = plan(law, Budget(C, *deltas), student=N_S)
    except Infeasible:
        return
    json.dumps(found.to_json(), allow_nan=False)
    assert found.certainty.regret.mean >= 0
    assert found.verdict == verdict_of(found.margin, found.margin_scale)
    low, high = found.certainty.margin
    assert (found.verdict == "too-close") == (low <= 0 <= high)
    for effect in found.sensitivity.budgets:
        if effect.verdict is not None:
            assert effect.verdict == plan(law, Budget(effect.factor * C, *deltas), student=N_S).verdict


def test_a_teacher_whose_loss_the_law_guessed_is_as_uncertain_as_the_law(law_with_draws):
    law = law_with_draws(200, 0.005)
    loss = float(law.supervised.loss(7e10, 1.5e13))
    measured, guessed = (
        plan(law, Budget(1e24, 1, 0), student=7e9, teacher=Teacher(loss, 7e10, 1.5e13, by_law=by_law))
        for by_law in (False, True)
    )
    assert guessed.student.loss == measured.student.loss
    assert guessed.student.interval != measured.student.interval
    drawn = intervals.drawn(law.fitted)
    losses = drawn.loss(7e9, guessed.student.D, drawn.supervised.loss(7e10, 1.5e13))
    wins = np.mean(losses < drawn.supervised.loss(7e9, guessed.supervised.D))
    assert guessed.certainty.distil_wins == pytest.approx(wins)


def test_the_verdict_needs_the_interval_on_one_side(law_with_draws):
    sure, unsure = (plan(law_with_draws(200, spread), Budget(1e22, 1, 1), student=1e9) for spread in (1e-5, 0.05))
    assert sure.verdict == "supervise"
    assert sure.certainty.distil_wins == 0
    assert unsure.verdict == "too-close"
    assert 0 < unsure.certainty.distil_wins < 1
    assert unsure.certainty.regret.mean > sure.certainty.regret.mean


def test_draws_without_spread_leave_the_noise_of_runs_alone(law_with_draws):
    law = law_with_draws(50, 0.0)
    found = plan(law, Budget(1e21, 0, 0), student=1e9)
    half = intervals.quantile(0.95, law.fitted) * 0.004
    assert np.log(found.student.interval[1] / found.student.loss) == pytest.approx(half, rel=1e-9)
    assert found.certainty.margin == pytest.approx((found.margin, found.margin), abs=1e-12)
    assert found.certainty.regret.q95 == pytest.approx(0, abs=1e-9)


def test_a_paid_teachers_own_noise_reaches_the_student(law_with_draws):
    """L_T is measured where the teacher exists; where it is still to be trained, its run's noise comes on top."""
    law = law_with_draws(50, 0.0)
    trained = plan(law, Budget(1e22, 0, 1), student=1e9)
    named = plan(law, Budget(1e22, 0, 0), student=1e9, teacher=Teacher(trained.teacher.loss, trained.teacher.N))
    widths = [np.log(found.student.interval[1] / found.student.loss) for found in (trained, named)]
    D, ends = trained.student.D, [trained.teacher.loss * (1 + step) for step in (-1e-4, 1e-4)]
    slope = np.diff(np.log([law.distillation.loss(1e9, D, L_T) for L_T in ends]))[0] / np.diff(np.log(ends))[0]
    assert slope > 0.1  # a teacher that is paid for stops short of the best
    half = intervals.quantile(0.95, law.fitted)
    assert widths == pytest.approx([half * 0.004 * np.hypot(1, slope), half * 0.004], rel=1e-3)


def test_predicting_and_planning_give_one_interval(law_with_draws):
    law = law_with_draws()
    found = plan(law, Budget(1e21, 0, 0), student=1e9)
    _, low, high = law.fitted.predict(1e9, found.student.D, found.teacher.loss, interval=0.95)
    assert found.student.interval == pytest.approx((low, high), rel=1e-12)
    alone = supervised_plan(law, 1e21, student=1e9)
    _, low, high = law.fitted.predict(1e9, alone.student.D, interval=0.95)
    assert alone.student.interval == pytest.approx((low, high), rel=1e-12)


def test_beyond_the_runs_too(law_with_draws):
    """The rollout's noise, drift and growth act on a plan's intervals as they do on predictions."""
    law = law_with_draws(100, 0.005)
    fold = Fold("x", 1, 1, 0.0, 0.0, 1.0)
    rolled = Rollout((fold,), 0.0, {"C": Beyond(1e-4, 1e-3, 0.85)}, 1e21, 0.95)
    base = replace(law.fitted.supervised, rollout=rolled)
    law = replace(law, fitted=replace(law.fitted, rollout=rolled, supervised=base))
    found = plan(law, Budget(1e24, 0, 0), student=1e9)
    _, low, high = law.fitted.predict(1e9, found.student.D, found.teacher.loss, interval=0.95)
    assert found.student.interval == pytest.approx((low, high), rel=1e-12)
    _, low, high = law.fitted.predict(1e9, found.supervised.D, interval=0.95)
    assert found.supervised.interval == pytest.approx((low, high), rel=1e-12)


def test_an_interval_that_is_asked_for_needs_draws(law_with_draws):
    with pytest.raises(InputError, match=r"no joint draws.*published laws come without"):
        plan(BUSBRIDGE2025_LAW, Budget(1e21), student=1e9, interval=0.9)
    fitted = law_with_draws(10)
    bare = replace(fitted, fitted=replace(fitted.fitted, draws=None))
    with pytest.raises(InputError, match="--bootstrap 1000"):
        plan(bare, Budget(1e21), student=1e9, interval=0.9)
    assert plan(bare, Budget(1e21), student=1e9).student.interval is None
    with pytest.raises(InputError, match="a level lies between"):
        plan(fitted, Budget(1e21), student=1e9, interval=1.5)


def test_every_scenario_has_a_name():
    assert list(scenarios()) == [
        "best-case", "teacher-inference", "teacher-pretraining", "teacher-pretraining+inference",
    ]  # fmt: skip
    assert list(scenarios(Charges(0.0, 0.5))) == ["best-case", "teacher-pretraining"]
