"""Advice on what to train next: what is at stake, batches within their bound, prices, the command and its refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fitting.errors import Infeasible, InputError
from fitting.flops import BUSBRIDGE2025
from fitting.published import BUSBRIDGE2025_LAW
from fitting.records import RunRecord, RunTable
from fitting.units import flops
from planner.decision import plan
from planner.next import around, report, tables
from planner.next.advising import advise
from planner.next.cells import Cell, Taught
from planner.next.choosing import WORTHLESS, Market, batch, offers
from planner.next.stakes import joint_draws, stakes, telling
from planner.next.worth import Beliefs
from planner.scenarios import Budget, Teacher
from planner.terms import Terms

HERE = Taught("here", 1e9, 20e9, 2.38)
NEW = Taught("s-2B-40B", 2e9, 40e9, None)
CELLS = (
    Cell(3e8, 1e10),
    Cell(1e9, 1e10),
    Cell(1e9, 1e11),
    Cell(3e8, 1e10, HERE),
    Cell(1e9, 2e10, HERE),
    Cell(3e8, 1e10, NEW),
    Cell(1e9, 2e10, NEW),
)


@pytest.fixture(scope="module")
def law(law_with_draws):
    return law_with_draws(count=60, spread=0.01)


@pytest.fixture(scope="module")
def market(law):
    return Market.of(CELLS, joint_draws(law), law.fitted, law.convention)


@pytest.fixture(scope="module")
def beliefs(law, market):
    held = stakes(law, Budget(1e21), student=1e9)
    return Beliefs.of(held.regret, market.log_losses, market.noise)


@pytest.fixture
def file(law_with_draws, tmp_path):
    path = tmp_path / "law.json"
    law_with_draws(count=60, spread=0.01).fitted.to_json(path)
    return str(path)


@pytest.mark.parametrize(
    ("budget", "options"),
    [
        (Budget(1e21), {"student": 1e9}),
        (Budget(1e22, 0.0), {"student": 1e9}),
        (Budget(1e22, 1.0, 1.0), {"student": 1e9}),
        (Budget(1e21), {"student": 1e9, "teacher": Teacher(2.1, 5e9)}),
        (Budget(1e22, 1.0, 1.0), {"student": 1e9, "terms": Terms(reuse=5)}),
        (Budget(1e22), {"student": 1e9, "terms": Terms(teacher_grid=(2e9, 5e9))}),
        (Budget(1e22, 1.0, 1.0), {"student": "auto", "terms": Terms(serve_tokens=1e12)}),
    ],
)
def test_regret_is_that_of_plans(law, budget, options):
    held = stakes(law, budget, **options)
    assert held.regret.min() > -1e-9
    assert len(held.plans) <= 60
    made = plan(law, budget, **options)
    assert held.plan.margin == pytest.approx(made.margin)
    # the law's own plan is one of those to choose from; where it says how its teacher comes about, its regret is the
    # one that `plan` tells, which takes a teacher that is looked for as found, also where a draw holds it impossible
    if budget.pay_pretraining or "teacher" in options:
        assert held.regret[:, 0].mean() == pytest.approx(made.certainty.regret.mean, abs=2e-4)
    assert held.now <= held.regret[:, 0].mean()


def test_each_draw_finds_a_plan_nearly_as_good_as_its_own(law):
    held = stakes(law, Budget(1e22, 1.0, 1.0), student=1e9)
    assert held.regret.min(axis=1).mean() < 1e-4


def test_few_plans_stand_for_many():
    losses = np.array([[1.0, 2.0, 1.5, 1.0], [2.0, 1.0, 1.5, 2.0]])
    assert telling(losses) == [0, 1]
    assert telling(losses, most=1) == [0]


def test_a_student_pays_its_teacher_as_far_as_it_has_to(law, market, beliefs):
    training, forward = law.convention.training, law.convention.forward
    alone, taught = training(3e8, 1e10), training(3e8, 1e10) + forward(1e9) * 1e10
    new = training(3e8, 1e10) + forward(2e9) * 1e10
    found = offers(market, beliefs).flops
    assert found[[0, 3, 5]] == pytest.approx([alone, taught, new + training(2e9, 40e9)])
    assert offers(market, beliefs, [5], frozenset({NEW})).flops == pytest.approx([new])


@pytest.mark.parametrize("spend", [1e19, 1e20, 1e21, 3e21])
def test_a_batch_costs_no_more_than_its_bound(law, market, beliefs, spend):
    steps = batch(market, beliefs, spend)
    assert sum(step.flops for step in steps) <= spend
    left = [beliefs.left, *(step.left for step in steps)]
    assert left == sorted(left, reverse=True)
    assert len({step.cell for step in steps}) == len(steps)
    # a teacher is trained once
    assert len([step for step in steps if step.trains is not None]) <= 1


@pytest.mark.parametrize("spend", [1e19, 1e20, 1e21])
def test_a_batch_ends_only_where_no_run_gains(law, market, beliefs, spend):
    now, trained, rest = beliefs, frozenset(), set(range(len(CELLS)))
    for step in batch(market, beliefs, spend):
        if step.trains is not None:
            now, trained = now.given(market.teachers[step.trains]), trained | {step.trains}
        now = now.given(market.own[CELLS.index(step.cell)])
        rest.remove(CELLS.index(step.cell))
        spend -= step.flops
    offer = offers(market, now, sorted(rest), trained)
    gain = now.left - offer.left
    assert (gain[offer.flops <= spend] <= WORTHLESS * beliefs.left + 1e-12).all()


def toy(gaps, prices):
    """Two draws and two plans, each best under one of them; runs whose log losses they foretell `gaps` apart."""
    log_losses, noise = np.array([np.zeros(len(gaps)), gaps]), np.full(len(gaps), 0.005)
    cells = tuple(Cell(1e9, 1e10 + i) for i in range(len(gaps)))
    there = Market(cells, tuple(range(len(gaps))), np.array(prices), log_losses, noise, {}, {})
    return there, Beliefs.of(np.array([[0.0, 1.0], [1.0, 0.0]]), log_losses, noise)


def test_a_worthless_run_is_no_reason_to_stop():
    # the first tells next to nothing, but so cheaply that it tells more for its FLOPs than the other
    there, beliefs = toy([1e-6, 0.02], [1.0, 1e6])
    alone = offers(there, beliefs)
    gain = beliefs.left - alone.left
    assert gain[0] / 1.0 > gain[1] / 1e6
    assert gain[0] < WORTHLESS * beliefs.left < gain[1]
    assert [step.cell for step in batch(there, beliefs, 1e7)] == [there.cells[1]]


def test_the_first_run_gains_most_for_its_flops(law, market, beliefs):
    offer = offers(market, beliefs)
    (first,) = batch(market, beliefs, np.inf, most=1)
    assert CELLS.index(first.cell) == np.argmax((beliefs.left - offer.left) / offer.flops)


def test_who_was_trained_directly_may_teach(law):
    teacher = Taught("s-2B-40B", 2e9, 40e9, None)
    cells = (Cell(2e9, 40e9), Cell(1e9, 2e10, teacher))
    there = Market.of(cells, joint_draws(law), law.fitted, law.convention)
    held = stakes(law, Budget(1e21), student=1e9)
    steps = batch(there, Beliefs.of(held.regret, there.log_losses, there.noise), np.inf)
    assert sum(step.trains is not None for step in steps) + sum(step.cell == cells[0] for step in steps) == 1


def test_draws_that_agree_have_no_use_for_runs(law):
    alike = replace(law.fitted, draws=_frozen(law.fitted.draws))
    alike = replace(alike, supervised=replace(alike.supervised, draws=_frozen(alike.supervised.draws)))
    found = advise(replace(law, fitted=alike), Budget(1e21), student=1e9, cells=CELLS)
    assert found.now == pytest.approx(0.0, abs=1e-9)
    assert not found.batch
    assert not found.best
    assert "by what 60 draws know: they expect it to lose" in report.answer(found)


def _frozen(draws):
    return replace(draws, coefficients={name: np.full(len(x), x[0]) for name, x in draws.coefficients.items()})


def test_candidates_reach_towards_the_plan_and_not_far(law):
    made = plan(law, Budget(1e24, 1.0, 1.0), student=30e9)
    cells = around.cells(law, made, [HERE])
    largest = law.convention.training(*(end[1] for end in (law.support.N_S, law.support.D_S)))
    assert max(cell.N for cell in cells) <= law.support.N_S[1] * 4.1
    assert max(cell.spend(law.convention).total for cell in cells) <= 4 * largest
    assert min(cell.D / cell.N for cell in cells) >= 1
    assert {cell.teacher.exists for cell in cells if cell.teacher} == {True, False}


def test_tokens_reach_for_a_teacher_of_whatever_tokens(law):
    looked_for = plan(law, Budget(1e21), student=1e9)
    assert looked_for.teacher.D is None
    assert max(cell.D for cell in around.cells(law, looked_for)) == pytest.approx(4 * law.support.D_S[1], rel=0.05)
    # who was named is what it is, and who would be trained has its tokens
    named = plan(law, Budget(1e21), student=1e9, teacher=Teacher(2.1, 5e9))
    trained = plan(law, Budget(1e21, 1.0, 1.0), student=1e9)
    for made in (named, trained):
        assert max(cell.D for cell in around.cells(law, made)) == pytest.approx(law.support.D_S[1], rel=0.05)


def test_advice_says_what_it_rests_on(law):
    found = advise(law, Budget(1e21), student=1e9, cells=CELLS, spend=1e21)
    told = found.to_json()
    assert told["expected_regret"] == {"now": found.now, "then": found.batch[-1].left}
    assert told["draws"] == 60
    assert told["flops"] == pytest.approx(sum(run["flops"] for run in told["batch"]))
    assert "Train next" in found._repr_html_()
    assert f"{flops(1e21 - found.flops)} FLOPs left pay for no run" in " ".join(found._repr_html_().split())
    assert len(found.to_frame()) == len(found.batch)


def test_few_draws_are_a_doubt(law_with_draws):
    found = advise(law_with_draws(count=20, spread=0.01), Budget(1e21), student=1e9, cells=CELLS)
    assert "few-draws" in [doubt.code for doubt in found.warnings]


def test_a_batch_is_a_table_of_planned_runs(law, tmp_path):
    found = advise(law, Budget(1e21), student=1e9, cells=CELLS, spend=1e22)
    tables.planned(found.batch, law).write(tmp_path / "planned.csv")
    read = RunTable.read(tmp_path / "planned.csv", planned=True)
    assert {record.status for record in read.records} == {"planned"}
    again = tables.cells(read, law)
    assert {(c.N, c.D, c.teacher) for c in again} >= {(s.cell.N, s.cell.D, s.cell.teacher) for s in found.batch}
    new = [record for record in read.records if record.teacher_id == NEW.name]
    assert not new or NEW.name in [record.run_id for record in read.records]


def test_teachers_come_from_the_finished_students(law):
    of = {"teacher_id": "t", "teacher_N": 1e9, "teacher_D": 2e10}
    runs = (
        RunRecord("a", "supervised", 1e9, 2e10, 2.4),
        RunRecord("b", "distillation", 3e8, 1e10, 2.7, teacher_loss=2.4, **of),
        RunRecord("c", "distillation", 1e9, 1e10, 2.5, teacher_loss=2.4, **of),
        RunRecord("d", "distillation", 1e9, 1e10, 2.5, teacher_loss=2.3, teacher_id="sizeless"),
    )
    assert tables.teachers(RunTable(runs, BUSBRIDGE2025), law) == [Taught("t", 1e9, 2e10, 2.4)]


def test_every_fault_of_the_cells_is_told(law):
    runs = (
        RunRecord("far", "supervised", 1e30, 1e10, np.nan, status="planned"),
        RunRecord("unpriced", "distillation", 1e9, 1e10, np.nan, status="planned", teacher_loss=2.2),
        RunRecord("impossible", "distillation", 1e9, 1e10, np.nan, status="planned", teacher_N=1e9, teacher_loss=1.1),
        RunRecord("unknown", "distillation", 1e9, 1e10, np.nan, status="planned", teacher_N=1e9),
        RunRecord("alone", "supervised", 1e9, 1e10, np.nan, status="planned", teacher_N=1e9),
    )
    with pytest.raises(InputError) as refused:
        tables.cells(RunTable(runs, BUSBRIDGE2025), law)
    for run, fault in zip(runs, refused.value.faults, strict=True):
        assert f"run {run.run_id}" in fault
    with pytest.raises(InputError, match="still to be made"):
        tables.cells(RunTable((RunRecord("made", "supervised", 1e9, 1e10, 2.5),), BUSBRIDGE2025), law)


def test_bad_questions_are_refused(law):
    with pytest.raises(InputError, match="--bootstrap"):
        advise(BUSBRIDGE2025_LAW, Budget(1e21), student=1e9)
    with pytest.raises(InputError, match="no runs to choose from"):
        advise(law, Budget(1e21), student=1e9, cells=[])
    for spend in (-1.0, 0.0, float("nan")):
        with pytest.raises(InputError, match="--spend"):
            advise(law, Budget(1e21), student=1e9, cells=CELLS, spend=spend)
    with pytest.raises(Infeasible, match="--spend"):
        advise(law, Budget(1e21), student=1e9, cells=CELLS, spend=1e10)
    with pytest.raises(Infeasible):
        advise(law, Budget(1e3), student=1e9, cells=CELLS)


def test_the_command(distillaw, file, tmp_path):
    out, picture = tmp_path / "planned.csv", tmp_path / "next.png"
    asked = ("plan", "next", "--law", file, "--student", "1B", "--budget", "1e21", "--spend", "2e20")
    found = distillaw(*asked, "--out", str(out), "--plot", str(picture))
    assert found.code == 0, found.err
    assert found.out.startswith("Train next: ")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    told = json.loads(distillaw(*asked, "--json").out)
    assert told["schema"] == "distillaw/next/1"
    assert told["flops"] <= 2e20
    read = RunTable.read(out, planned=True)
    assert {run["run_id"] for run in told["batch"]} <= {record.run_id for record in read.records}
    again = distillaw("plan", "next", "--law", file, "--student", "1B", "--budget", "1e21", "--cells", str(out))
    assert again.code == 0, again.err
    assert f"{len(read)} runs to choose from" in again.out


def test_the_command_tells_all_faults(distillaw, file, tmp_path):
    out = str(tmp_path / "no" / "planned.csv")
    found = distillaw(
        "plan", "next", "--law", "busbridge2025", "--student", "1B,3B", "--budget", "1e21", "--spend", "-1",
        "--runs", "missing.csv", "--cells", "missing.csv", "--out", out,
    )  # fmt: skip
    assert found.code == 2
    for flag in ("--student", "--bootstrap", "--spend", "--runs", "missing.csv", "--out"):
        assert flag in found.err
    teacher = ("--teacher", "5B", "--teacher-loss", "2.1", "--pay-pretraining", "1")
    found = distillaw("plan", "next", "--law", file, "--student", "1B", "--budget", "1e21", *teacher)
    assert found.code == 2
    assert "pay_pretraining" in found.err


def test_the_picture_shows_the_batch(law):
    from planner.plots import advised

    found = advise(law, Budget(1e21), student=1e9, cells=CELLS, spend=1e22)
    falling, where = advised.draw(found).axes
    (line,) = [line for line in falling.lines if line.get_gid() == "batch"]
    assert line.get_xdata() == pytest.approx(np.cumsum([step.flops for step in found.batch]))
    assert line.get_ydata() == pytest.approx([step.left for step in found.batch])
    (now,) = [line for line in falling.lines if line.get_gid() == "now"]
    assert now.get_ydata()[0] == pytest.approx(found.now)
    shown = {line.get_gid(): set(zip(*line.get_data(), strict=True)) for line in where.lines}
    assert shown["student"] == {(s.cell.D, s.cell.N) for s in found.batch if s.cell.teacher is not None}
    trained = {(s.trains.D, s.trains.N) for s in found.batch if s.trains is not None}
    assert shown.get("teacher to be trained first", set()) == trained
