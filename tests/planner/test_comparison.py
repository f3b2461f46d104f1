"""All scenarios side by side: the rows are plans, the invariants hold across them, the command says so."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.errors import Infeasible, InputError
from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.comparison import compare, compare_for
from planner.decision import plan
from planner.scenarios import Budget, Charges, Limits, scenarios

NAMES = ["supervised", *scenarios()]


def test_a_row_is_what_plan_says():
    found = compare(LAW, [1e21, 1e23], student=1e9)
    assert [(row.budget, row.scenario) for row in found.rows] == [(C, name) for C in (1e21, 1e23) for name in NAMES]
    for row in found.rows:
        if row.scenario == "supervised":
            assert row.student.loss == row.supervised.loss
            assert row.teacher.loss is None
            continue
        alone = plan(LAW, Budget(row.budget, row.pay_logits, row.pay_pretraining), student=1e9)
        assert row.student.loss == pytest.approx(alone.student.loss, rel=1e-12)
        assert row.teacher.N == pytest.approx(alone.teacher.N, rel=1e-5)
        assert row.near_optimal.L_T == pytest.approx(alone.near_optimal.L_T, rel=1e-6)
        assert [doubt.code for doubt in row.warnings] == [doubt.code for doubt in alone.warnings]


@settings(max_examples=15, deadline=None)
@given(
    N_S=st.floats(8.3, 10.8).map(lambda x: 10**x),
    C=st.floats(20, 25).map(lambda x: 10**x),
    logits=st.floats(0, 1),
    pretraining=st.floats(0, 1),
)
def test_paying_for_more_never_helps_and_flops_add_up(N_S, C, logits, pretraining):
    found = compare(LAW, [C, 3 * C], student=N_S, charges=Charges(logits, pretraining))
    cells = {(row.budget, row.scenario): row for row in found.rows}
    slack = 1 + 1e-9
    for row in found.rows:
        assert row.flops.total == pytest.approx(row.budget, rel=1e-9)
        assert sum(row.shares) == pytest.approx(1, rel=1e-9)
        assert cells[(C, "best-case")].student.loss <= cells[(C, row.scenario)].student.loss * slack or (
            row.scenario == "supervised"
        )
        if row.budget == C and (3 * C, row.scenario) in cells:
            assert cells[(3 * C, row.scenario)].student.loss <= row.student.loss * slack
    both = cells.get((C, "teacher-pretraining+inference"))
    for cheaper in ("teacher-inference", "teacher-pretraining"):
        if both is not None and (C, cheaper) in cells:
            assert cells[(C, cheaper)].student.loss <= both.student.loss * slack


def test_shares_of_nothing_leave_scenarios_out():
    assert compare(LAW, [1e22], student=1e9, charges=Charges(0, 1)).scenarios == (
        "supervised",
        "best-case",
        "teacher-pretraining",
    )


def test_what_a_budget_cannot_pay_for_is_told_and_the_rest_answered():
    C = 1.001 * float(LAW.convention.training(1e9, 1e6))
    found = compare(LAW, [C, 1e21], student=1e9, limits=Limits(None, None))
    assert {missing.scenario for missing in found.missing} >= {"teacher-pretraining+inference"}
    assert all("cannot pay" in missing.why for missing in found.missing)
    assert {row.scenario for row in found.rows if row.budget == C} >= {"supervised", "best-case"}
    with pytest.raises(Infeasible, match="cannot pay"):
        compare(LAW, [1e10], student=1e9)


def test_targets_side_by_side():
    found = compare_for(LAW, 2.2, student=1e9)
    assert [row.scenario for row in found.rows] == NAMES
    assert all(row.student.loss == pytest.approx(2.2, abs=1e-8) for row in found.rows)
    costs = {row.scenario: row.budget for row in found.rows}
    assert costs["best-case"] < costs["teacher-inference"] < costs["supervised"] < costs["teacher-pretraining"]
    # the 300M student's floors differ: distilled it stays above what it reaches alone
    only = compare_for(LAW, 2.294, student=3e8)
    assert [row.scenario for row in only.rows] == ["supervised"]
    assert [missing.scenario for missing in only.missing] == NAMES[1:]
    with pytest.raises(
        Infeasible, match=r"its floors by law 'busbridge2025' are supervised 2\.2926, best-case 2\.2950"
    ):
        compare_for(LAW, 1.9, student=3e8)


def test_the_limits_hold():
    for row in compare(LAW, np.geomspace(1e20, 1e26, 4), student=1e10, limits=Limits(3e9, 2e12)).rows:
        if row.teacher.N is not None:
            assert row.teacher.N <= 3e9 * (1 + 1e-9)
            assert row.teacher.D <= 2e12 * (1 + 1e-9)
    with pytest.raises(InputError, match="--max-teacher: no teacher has at most 1000 parameters"):
        compare(LAW, [1e22], student=1e9, limits=Limits(N=1e3))


def test_a_frame_has_a_row_a_plan_and_a_notebook_sees_the_table():
    found = compare(LAW, [1e21, 1e23], student=1e9)
    frame = found.to_frame()
    assert len(frame) == 10
    assert frame["student_loss"].tolist() == [row.student.loss for row in found.rows]
    assert frame["flops_student_training"].sum() <= 10 * 1e23
    assert "best-case" in found._repr_html_()
    assert "student, distilled" in found.rows[1]._repr_html_()
    assert found.rows[1].to_frame()["scenario"].tolist() == ["best-case"]


def test_json_rows_are_plan_objects(distillaw):
    answer = distillaw("plan", "compare", "--student", "1B", "--budget", "1e20:1e26", "--json")
    found = json.loads(answer.out)
    assert found["schema"] == "distillaw/comparison/1"
    assert [row["schema"] for row in found["rows"]] == ["distillaw/plan/1"] * 65
    assert sorted({row["budget"] for row in found["rows"]}) == pytest.approx(np.geomspace(1e20, 1e26, 13), rel=1e-5)
    direct = compare(LAW, sorted({row["budget"] for row in found["rows"]}), student=1e9)
    assert found == json.loads(json.dumps(direct.to_json()))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--budget", "1e26:1e20"], 2, "--budget: "),
        (["--budget", "1e20:1e20"], 2, "--budget: "),
        (["--budget", "1e20:1e26:1"], 2, "--budget: "),
        (["--budget", "1e20:"], 2, "--budget: "),
        (["--budget", "1e20:1e26:100000000"], 2, "asks for 100000000 budgets; at most 1000"),
        (["--budget", "1e20:1.0000000000000002e20:5"], 2, "too narrow for 5 different budgets"),
        (["--budget", "1e20", "--target-loss", "2.2"], 2, "give exactly one of them; --budget and --target-loss are"),
        (["--budget", "1e20", "--gpu", "h100"], 2, "--gpu: belongs to --gpu-hours"),
        (["--gpu-hours", "100"], 2, "--gpu-hours: needs --gpu and --mfu too"),
        (["--gpu-hours", "100", "--gpu", "h1000", "--mfu", "0.4"], 2, "did you mean 'h100'"),
        (["--gpu-hours", "100", "--gpu", "h100", "--mfu", "40"], 2, "lies in (0, 1]"),
        (["--budget", "1e22", "--interval", "0.9"], 2, "no joint draws"),
        (["--budget", "1e22", "--max-teacher", "10"], 2, "--max-teacher: no teacher has at most"),
        (["--budget", "1e22", "--pay-pretraining", "2"], 2, "--pay-pretraining: must lie between"),
        (["--budget", "1e22", "--strict"], 1, "outside the runs that law 'busbridge2025'"),
        (["--budget", "1e3"], 1, "cannot pay for"),
        (["--target-loss", "2.0"], 1, "its floors by law"),
        (["--budget", "1e22", "--plot", "picture.gif"], 2, "--plot"),
    ],
)
def test_bad_questions_get_a_line(distillaw, arguments, code, words):
    answer = distillaw("plan", "compare", "--student", "1B", *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_one_budget_needs_no_list_and_any_number_will_do():
    one, listed = compare(LAW, 10**22, student=np.int64(10**9)), compare(LAW, np.array([1e22]), student=1e9)
    assert json.dumps(one.to_json()) == json.dumps(listed.to_json())


def test_a_law_without_distillation_is_refused_at_once(law_with_draws):
    alone = replace(law_with_draws(5), distillation=None)
    for ask in (lambda: compare(alone, [1e22], student=1e9), lambda: compare_for(alone, 2.5, student=1e9)):
        with pytest.raises(InputError, match="supervised training only"):
            ask()


@pytest.mark.parametrize(
    ("arguments", "following"),
    [
        (["plan", "compare", "--budget", "1e22", "--pay-logits", "0.3", "--max-teacher", "9B"],
         "distillaw plan train-teacher --student 1.23456B --budget 1e22 --max-teacher 9B --pay-logits 0.3"),
        (["plan", "compare", "--budget", "1e20:1e22", "--pay-pretraining", "0.5"],
         "distillaw crossover --student 1.23456B --pay-pretraining 0.5"),
        (["plan", "teacher-exists", "--gpu-hours", "5000", "--gpu", "h100", "--mfu", ".4", "--total"],
         "distillaw plan train-teacher --student 1.23456B --gpu-hours 5000 --gpu h100 --mfu .4 --total"),
    ],
)  # fmt: skip
def test_the_next_command_asks_the_same_and_runs(distillaw, arguments, following):
    answer = distillaw(*arguments, "--student", "1.23456B")
    assert answer.out.splitlines()[-1] == f"Next: {following}"
    assert distillaw(*following.split()[1:]).code == 0


def test_a_path_with_a_space_is_quoted(distillaw, tmp_path, law_with_draws):
    path = tmp_path / "my law.json"
    law_with_draws(5).fitted.to_json(path)
    answer = distillaw("plan", "train-teacher", "--student", "1B", "--budget", "1e22", "--law", path)
    assert answer.out.splitlines()[-1].endswith(f"--law '{path}'")


def test_gpu_hours_are_a_budget(distillaw):
    answer = distillaw(
        "plan", "compare", "--student", "1B", "--gpu-hours", "5000", "--gpu", "H100", "--mfu", ".4", "--json"
    )
    assert {row["budget"] for row in json.loads(answer.out)["rows"]} == {5000 * 3600 * 989e12 * 0.4}
    shown = distillaw("plan", "train-teacher", "--student", "1B", "--gpu-hours", "5000", "--gpu", "h100", "--mfu", ".4")
    assert "5K H100 hours at 40% of 9.89e14 FLOP/s are 7.12e21 FLOPs." in shown.out


def test_strict_is_quiet_inside_the_runs(distillaw):
    inside = ["plan", "teacher-exists", "--student", "1B", "--budget", "1e21", "--teacher", "7.75B"]
    inside += ["--teacher-loss", "2.1", "--strict"]
    assert distillaw(*inside).code == 0
    assert distillaw("plan", "teacher-exists", "--student", "1B", "--budget", "1e25", "--strict").code == 1


def test_the_terminal_has_an_answer_for_one_budget_a_range_and_a_target(distillaw):
    one = distillaw("plan", "compare", "--student", "1B", "--budget", "1e20").out
    assert one.startswith("Distil in best-case and teacher-inference")
    assert all(name in one for name in NAMES)
    many = distillaw("plan", "compare", "--student", "1B", "--budget", "1e20:1e24").out
    assert many.startswith("Distilling a 1B student clearly pays: best-case at 1e20 to ")
    assert "~ too close to call" in many
    target = distillaw("plan", "compare", "--student", "1B", "--target-loss", "2.2").out
    assert target.startswith("The 1B student reaches 2.2 nats/token for the least in scenario best-case: 8.2e20 FLOPs.")
