"""The optimum against brute force, and what must hold for every budget."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.errors import Infeasible, InputError
from fitting.known import Support
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW
from planner import allocation
from planner.comparison import compare
from planner.crossover.crossing import crossover
from planner.decision import plan, plans
from planner.problems import Problems
from planner.scenarios import Budget, Charges, Limits, Teacher

SCENARIOS = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]


def best(law, N_S, C, deltas):
    """The least loss of students and budgets side by side, shape (k,)."""
    return allocation.optimum(Problems.of(law, N_S, C, Charges(*deltas)))[0].loss


def forward(N):
    """Eq 69 with the paper's constants, written out anew."""
    return 2 * N * (1 + 155.061 * N ** (-1 / 3) + 72131.7 * N ** (-2 / 3))


def student_loss(N_S, D_S, L_T, B=24181):
    """Eq 8 with Table 6 typed in anew, in logs."""
    alone = 1.220 + np.exp(
        0.452 * np.logaddexp(np.log(3355) - 0.408 * np.log(N_S), np.log(18186) - 0.431 * np.log(D_S))
    )
    term = 0.764 * np.logaddexp(np.log(2243) - 0.321 * np.log(N_S), np.log(B) - 0.637 * np.log(D_S))
    gap = 522.6 * 0.090 * np.logaddexp(0, (np.log(L_T) - np.log(alone) - np.log(1.315)) / 0.090)
    return L_T + np.exp(-2.549 * np.log(L_T) - gap + term)


def brute_force(N_S, C, pay_logits, pay_pretraining, B=24181):
    """Least loss over (N_T, D_T) in [1e6, 1e17]²: every D_T of a grid gets its own refined N_T, then D_T is refined."""

    def loss(n, d):
        N_T, D_T = np.exp(n), np.exp(d)
        L_T = 1.220 + (3355 * N_T**-0.408 + 18186 * D_T**-0.431) ** 0.452
        left = C - pay_pretraining * 3 * forward(N_T) * D_T
        D_S = np.minimum(left / (3 * forward(N_S) + pay_logits * forward(N_T)), 1e17)
        return np.where(D_S >= 1e6, student_loss(N_S, np.maximum(D_S, 1e6), L_T, B), np.inf)

    low, high = np.log(1e6), np.log(1e17)

    def best_over_size(d):
        n = np.broadcast_to(np.linspace(low, high, 300), (len(d), 300))
        for step in (n[0, 1] - n[0, 0]) * 0.1 ** np.arange(4):
            values = loss(n, d[:, None])
            centre = np.take_along_axis(n, np.argmin(values, axis=1)[:, None], axis=1)
            n = np.clip(centre + step * np.linspace(-1, 1, 21), low, high)
        return loss(n, d[:, None]).min(axis=1)

    d = np.linspace(low, high, 200)
    step = d[1] - d[0]
    coarse = best_over_size(d)
    starts = d[np.argsort(coarse)[:3]]
    best = coarse.min()
    for start in starts:
        centre = start
        for width in step * 0.1 ** np.arange(4):
            near = np.clip(centre + width * np.linspace(-1, 1, 21), low, high)
            values = best_over_size(near)
            centre, best = near[np.argmin(values)], min(best, values.min())
    return float(best)


@pytest.mark.parametrize("deltas", SCENARIOS)
@pytest.mark.parametrize("N_S", [3e8, 1e9, 1e10, 5e10])
@pytest.mark.parametrize("C", [1e20, 1e22, 1e24, 1e26])
def test_the_optimum_equals_brute_force(N_S, C, deltas):
    (ours,) = best(BUSBRIDGE2025_LAW, N_S, C, deltas)
    assert ours == pytest.approx(brute_force(N_S, C, *deltas), rel=1e-6)


@pytest.mark.parametrize("deltas", SCENARIOS)
def test_the_optimum_equals_brute_force_with_a_live_data_term(deltas):
    (ours,) = best(BUSBRIDGE2025_FIGURES_LAW, 1e10, 1e21, deltas)
    assert ours == pytest.approx(brute_force(1e10, 1e21, *deltas, B=1.36e6), rel=1e-6)


@pytest.mark.parametrize(
    ("N_S", "C", "expected"),
    [
        (1e9, 1e21, (1.6e9, 4.7e10, 4.2e10, 31, 16, 53)),
        (1e9, 1e23, (3.5e9, 8.1e11, 5.3e12, 39, 42, 19)),
        (1e9, 1e25, (2.6e9, 2.0e13, 7.2e14, 53, 43, 4)),
        (1e10, 1e23, (1.7e10, 4.9e11, 4.7e11, 30, 17, 53)),
        (1e10, 1e25, (4.5e10, 8.2e12, 4.8e13, 31, 45, 23)),
    ],
)
def test_the_full_price_plan_matches_an_independent_solver(N_S, C, expected):
    """Values of a separate SLSQP study of the printed law, to the digits it gave."""
    found = plan(BUSBRIDGE2025_LAW, Budget(C, 1, 1), student=N_S)
    shares = [found.flops.student_training, found.flops.teacher_inference, found.flops.teacher_training]
    assert (found.teacher.N, found.teacher.D, found.student.D) == pytest.approx(expected[:3], rel=0.1)
    assert [100 * share / C for share in shares] == pytest.approx(expected[3:], abs=1)


sizes = st.floats(8, 11).map(lambda x: 10**x)
budgets = st.floats(19.5, 26).map(lambda x: 10**x)


@settings(max_examples=40, deadline=None)
@given(N_S=sizes, C=budgets, factor=st.floats(1.01, 100), deltas=st.sampled_from(SCENARIOS))
def test_more_budget_never_hurts(N_S, C, factor, deltas):
    less, more = best(BUSBRIDGE2025_LAW, N_S, [C, C * factor], deltas)
    assert more <= less * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(N_S=sizes, C=budgets, deltas=st.sampled_from(SCENARIOS))
def test_the_budget_is_spent_and_the_plan_adds_up(N_S, C, deltas):
    found = plan(BUSBRIDGE2025_LAW, Budget(C, *deltas), student=N_S)
    assert found.flops.total == pytest.approx(C, rel=1e-9)
    assert found.unspent == 0
    assert found.student.loss > found.teacher.loss
    low, high = found.near_optimal.L_T
    assert low <= found.teacher.loss <= high
    if found.near_optimal.N_T is not None:
        low, high = found.near_optimal.N_T
        assert low * (1 - 1e-6) <= found.teacher.N <= high * (1 + 1e-6)


@settings(max_examples=25, deadline=None)
@given(N_S=sizes, C=budgets)
def test_paying_for_more_never_helps(N_S, C):
    free, inference, pretraining, both = (best(BUSBRIDGE2025_LAW, N_S, C, deltas)[0] for deltas in SCENARIOS)
    slack = 1 + 1e-9
    assert free <= inference * slack
    assert free <= pretraining * slack
    assert inference <= both * slack
    assert pretraining <= both * slack


def any_law(draw):
    """A law with coefficients and a search box from far wider ranges than any fit's."""

    def power(low, high):
        return 10 ** draw(st.floats(low, high))

    supervised = SupervisedLaw(
        power(0, 6), power(0, 7), power(-3, 0.5), power(-1.3, 0), power(-1.3, 0), power(-0.5, 0.2)
    )
    own = [power(0, 6), power(0, 8), power(-1.3, 0), power(-1.3, 0.3), power(-0.5, 0.2), draw(st.floats(0, 4))]
    gap = [power(0, 5), power(-2, 0), power(-0.5, 0.5)]
    return replace(
        BUSBRIDGE2025_LAW,
        supervised=supervised,
        distillation=DistillationLaw(supervised, *own, *gap),
        box_N=(power(1, 5), power(6, 12)),
        box_D=(power(2, 6), power(7, 14)),
        published=False,
        second_opinion=None,
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_law_gets_a_plan_or_a_no(data):
    """No law, size or budget makes the search fail, overspend, or leave the box unsaid."""
    law = data.draw(st.composite(any_law)())
    N_S = 10 ** data.draw(st.floats(*np.log10(law.box_N)))
    budget = Budget(10 ** data.draw(st.floats(10, 26)), *data.draw(st.sampled_from([*SCENARIOS, (0.3, 0.7)])))
    bounds = [data.draw(st.one_of(st.none(), st.floats(*np.log10(box)))) for box in (law.box_N, law.box_D)]
    limits = Limits(*(None if x is None else 10**x for x in bounds))
    with np.errstate(all="raise", under="ignore"):
        try:
            found = plan(law, budget, student=N_S, limits=limits)
        except Infeasible:
            F_S, F_T = law.convention.forward(N_S), law.convention.forward(law.box_N[0])
            cheapest = law.box_D[0] * (3 * F_S + F_T * (budget.pay_logits + 3 * budget.pay_pretraining))
            assert budget.flops < cheapest * (1 + 1e-6)
            return
    assert found.flops.total <= budget.flops * (1 + 1e-9)
    assert found.student.loss >= found.teacher.loss
    assert found.near_optimal.L_T[0] <= found.teacher.loss * (1 + 1e-9)
    assert found.near_optimal.L_T[1] >= found.teacher.loss * (1 - 1e-9)
    assert found.teacher.N <= (limits.N or np.inf) * (1 + 1e-9)
    assert (found.teacher.D or 0) <= (limits.D or np.inf) * (1 + 1e-9)
    if found.runner_up is not None:
        assert 0 <= found.runner_up.student_loss - found.student.loss <= 0.005
    codes = {doubt.code for doubt in found.warnings}
    assert not found.unspent or {"unspent", "bound-hit"} <= codes


def test_near_optimal_edges_cost_what_they_say():
    problems = Problems.of(BUSBRIDGE2025_LAW, 1e9, 1e22, Charges(1, 1))
    (found,) = plans(BUSBRIDGE2025_LAW, [1e22], Charges(1, 1), student=1e9)
    edges = np.array([found.near_optimal.L_T])
    cost = problems.loss(np.log(edges - 1.220)) - found.student.loss
    assert cost[0] == pytest.approx([1e-3, 1e-3], rel=1e-3)
    sizes_ = np.array([found.near_optimal.N_T])
    cost = allocation.loss_of_size(problems, np.log(sizes_)) - found.student.loss
    assert cost[0] == pytest.approx([1e-3, 1e-3], rel=1e-2)


def test_a_budget_beyond_the_box_is_left_unspent_and_said():
    found = plan(BUSBRIDGE2025_LAW, Budget(1e28, 0, 0), student=1e8)
    assert found.student.D == 1e17
    assert found.unspent == pytest.approx(1e28 - found.flops.total)
    assert found.unspent > 0
    assert {"unspent", "bound-hit"} <= {doubt.code for doubt in found.warnings}


def test_inference_leaves_the_teachers_tokens_open():
    found = plan(BUSBRIDGE2025_LAW, Budget(1e22, 1, 0), student=1e9)
    assert found.scenario == "teacher-inference"
    assert found.teacher.D is None
    assert BUSBRIDGE2025_LAW.supervised.loss(found.teacher.N, 1e17) == pytest.approx(found.teacher.loss, rel=1e-6)


def test_the_best_case_reports_the_cheapest_teacher():
    """At L_T*, no other teacher of that cross-entropy costs less by F(N_T) D_T."""
    found = plan(BUSBRIDGE2025_LAW, Budget(1e22, 0, 0), student=1e9)
    law, N, D = BUSBRIDGE2025_LAW, found.teacher.N, found.teacher.D
    assert law.supervised.loss(N, D) == pytest.approx(found.teacher.loss, rel=1e-9)
    for other in (0.9 * N, 0.99 * N, 1.01 * N, 1.1 * N):
        assert forward(other) * law.supervised.tokens(other, found.teacher.loss) > forward(N) * D


def test_few_tokens_under_the_printed_law_bring_a_second_opinion():
    found = plan(BUSBRIDGE2025_LAW, Budget(1e19, 0, 0), student=1e9)
    assert found.student.D < 4e9
    (opinion,) = [doubt.message for doubt in found.warnings if doubt.code == "second-opinion"]
    other = plan(BUSBRIDGE2025_FIGURES_LAW, Budget(1e19, 0, 0), student=1e9)
    assert f"{other.student.loss:.3f}" in opinion
    assert abs(other.student.loss - found.student.loss) > 0.05
    plenty = plan(BUSBRIDGE2025_LAW, Budget(1e22, 0, 0), student=1e9)
    assert "second-opinion" not in {doubt.code for doubt in plenty.warnings}


def test_the_verdict_is_held_against_the_published_error():
    near = plan(BUSBRIDGE2025_LAW, Budget(1e23, 0, 0), student=1e9)
    assert near.verdict == "too-close"
    assert abs(near.margin) < near.margin_scale == pytest.approx(0.01 * near.student.loss)
    far = plan(BUSBRIDGE2025_LAW, Budget(1e20, 0, 0), student=1e10)
    assert far.verdict == "distil"
    assert far.margin > far.margin_scale
    dear = plan(BUSBRIDGE2025_LAW, Budget(1e21, 1, 1), student=1e9)
    assert dear.verdict == "supervise"


def test_a_fitted_law_doubts_itself_more_the_farther_it_reaches():
    """Inside its runs a fit is held against its residual error, beyond them against more; a published law is not."""
    inside = Support(N_S=(1e8, 1e10), D_S=(1e9, 1e12), L_T=(1.9, 2.8), N_T=(1e8, 1e10), D_T=(1e9, 1e12))
    near = replace(BUSBRIDGE2025_LAW, published=False, support=inside)
    far = replace(near, support=replace(inside, L_T=(2.1, 2.8), D_S=(1e9, 1e10)))
    teacher = Teacher(2.0, 5e9)
    budget = Budget(1e21, 1, 0)
    scales = [plan(law, budget, student=1e9, teacher=teacher) for law in (near, far)]
    assert scales[0].margin_scale == pytest.approx(0.01 * scales[0].student.loss)
    doublings = np.log2(scales[1].student.D / 1e10)
    expected = 0.01 * (1 + doublings) + 2.1 / 2.0 - 1
    assert scales[1].margin_scale == pytest.approx(expected * scales[1].student.loss)
    published = plan(replace(far, published=True), budget, student=1e9, teacher=teacher)
    assert published.margin_scale == pytest.approx(0.01 * published.student.loss)


def test_a_named_teacher_pays_for_its_forward_passes_alone():
    free = plan(BUSBRIDGE2025_LAW, Budget(1e21, 0, 0), student=1e9, teacher=Teacher(2.0, 7.75e9))
    paid = plan(BUSBRIDGE2025_LAW, Budget(1e21, 1, 0), student=1e9, teacher=Teacher(2.0, 7.75e9))
    assert free.student.D == pytest.approx(1e21 / (3 * forward(1e9)), rel=1e-5)
    assert paid.student.D == pytest.approx(1e21 / (3 * forward(1e9) + forward(7.75e9)), rel=1e-5)
    assert paid.flops.teacher_training == 0
    assert paid.student.loss == pytest.approx(student_loss(1e9, paid.student.D, 2.0), rel=1e-9)
    assert paid.teacher.given
    assert paid.scenario == "named-teacher"


def test_a_teacher_too_good_for_the_student_is_called_so():
    codes = {
        loss: {
            doubt.code
            for doubt in plan(BUSBRIDGE2025_LAW, Budget(1e21, 0, 0), student=3e8, teacher=Teacher(loss, 1e10)).warnings
        }
        for loss in (1.7, 2.6)
    }
    assert "capacity-gap" in codes[1.7]
    assert "teacher-unreachable" in codes[1.7]
    assert "weak-teacher" in codes[2.6]


def test_the_optimum_may_sit_where_the_budget_just_suffices():
    """A fit to 520 simulated runs, whose box puts the edge of what can be paid between two points of the grid."""
    supervised = SupervisedLaw(4875.1, 25364, 1.2156, 0.42556, 0.44320, 0.43090)
    law = replace(
        BUSBRIDGE2025_LAW,
        supervised=supervised,
        distillation=DistillationLaw(
            supervised, 322.74, 6.282e-6, 0.24221, 0.3, 1, 2.43196, 1.06618e7, 0.0937927, 3.38358
        ),
        box_N=(1.43e6, 7.75e11),
        box_D=(3.96e7, 5.12e13),
        second_opinion=None,
    )
    budgets = np.geomspace(9.3e19, 9.7e19, 200)
    problems = Problems.of(law, 8.921e9, budgets, Charges(0, 1))
    coarse, fine = (allocation.optimum(problems, points=points)[0].loss for points in (257, 4001))
    assert coarse == pytest.approx(fine, rel=1e-9)
    assert np.diff(coarse).max() <= 0


def test_no_problem_at_all_has_no_minimum():
    assert plans(BUSBRIDGE2025_LAW, [], Charges(1, 1), student=1e9) == []


@pytest.mark.parametrize("loss", [2.0, 1.7])
def test_a_named_teacher_that_cannot_be_paid_for_is_a_no(loss):
    with pytest.raises(Infeasible, match="the teacher's forward passes"):
        plan(BUSBRIDGE2025_LAW, Budget(1e15, 1, 0), student=1e9, teacher=Teacher(loss, 7e9))
    cheap, dear = plans(BUSBRIDGE2025_LAW, [1e21, 1e15], Charges(1, 0), student=1e9, teacher=Teacher(loss, 7e9))
    assert cheap.student.loss > loss
    assert isinstance(dear, Infeasible)


def test_numbers_of_any_kind_are_welcome():
    plain = plan(BUSBRIDGE2025_LAW, Budget(1e22, 1, 1), student=1e9)
    for student in (10**9, np.int64(10**9), np.float32(1e9)):
        found = plan(BUSBRIDGE2025_LAW, Budget(np.float64(1e22), np.bool_(True), 1), student=student)
        assert json.dumps(found.to_json()) == json.dumps(plain.to_json())
    with pytest.raises(InputError, match="FLOPs must be a positive number"):
        plans(BUSBRIDGE2025_LAW, [1e22, float("nan")], Charges(1, 1), student=1e9)
    for ask in (
        lambda: Budget("x"),
        lambda: Budget(None),
        lambda: Budget([1e20]),
        lambda: Teacher(2.1, by_law=True),
        lambda: plan(BUSBRIDGE2025_LAW, Budget(1e22), student="1B"),
        lambda: plan(BUSBRIDGE2025_LAW, Budget(1e22), student=0.5),
        lambda: plan(BUSBRIDGE2025_LAW, Budget(1e22), student=1e9, interval="0.9x"),
        lambda: compare(BUSBRIDGE2025_LAW, [[1e20, 1e21]], student=1e9),
        lambda: crossover(BUSBRIDGE2025_LAW, student=1e9, budgets=(1e20,)),
    ):
        with pytest.raises(InputError):
            ask()
    for wrong in (lambda: Charges(2, -1), lambda: Teacher(float("nan")), lambda: Limits(0), lambda: Teacher(20.0, 1e9)):
        with pytest.raises(InputError):
            wrong()


def test_a_second_opinion_keeps_to_the_limits():
    limits = Limits(1e8, 2e9)
    found = plan(BUSBRIDGE2025_LAW, Budget(1e19, 1, 1), student=1e9, limits=limits)
    (opinion,) = [doubt.message for doubt in found.warnings if doubt.code == "second-opinion"]
    other = plan(BUSBRIDGE2025_FIGURES_LAW, Budget(1e19, 1, 1), student=1e9, limits=limits)
    assert f"student {other.student.loss:.3f}" in opinion


def test_refusals():
    with pytest.raises(InputError, match="floor E"):
        plan(BUSBRIDGE2025_LAW, Budget(1e21), student=1e9, teacher=Teacher(1.2, 1e9))
    with pytest.raises(InputError, match="its size must be named"):
        plan(BUSBRIDGE2025_LAW, Budget(1e21), student=1e9, teacher=Teacher(2.0))
    with pytest.raises(InputError, match="not trained again"):
        plan(BUSBRIDGE2025_LAW, Budget(1e21, 1, 1), student=1e9, teacher=Teacher(2.0, 1e9))
    with pytest.raises(InputError, match="supervised training only"):
        plan(HOFFMANN2022_LAW, Budget(1e21), student=1e9)
    for deltas in SCENARIOS:
        with pytest.raises(Infeasible, match="cannot pay"):
            plan(BUSBRIDGE2025_LAW, Budget(1e14, *deltas), student=1e9)
