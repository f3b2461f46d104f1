"""Golden plans: optima by a brute force that shares no code with the planner (`tests/golden/make_plans.py`)."""

import importlib.util
import json
from pathlib import Path

import pytest

from fitting.published import PUBLISHED
from planner.decision import plan
from planner.scenarios import Budget, Teacher

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FILE = json.loads((GOLDEN / "plans.json").read_text(encoding="utf-8"))
TOLERANCE = FILE["tolerance"]
EVERY = [pytest.param(known["inputs"], known["outputs"], id=known["id"]) for known in FILE["plans"]]
REMADE = [
    "best-10B-1e22",
    "inference-30B-1e23",
    "both-1B-1e26",
    "0.3+0.7-3B-1e21-figures",
    "named-1B-1e21",
    "both-1B-1e25-D5e12",
]


def _maker():
    spec = importlib.util.spec_from_file_location("make_plans", GOLDEN / "make_plans.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(found, golden, loss, others):
    """Assert that a plan's JSON says what a golden one says, within relative tolerances."""
    assert found["scenario"] == golden["scenario"]
    for who in ("student", "supervised"):
        assert found[who]["loss"] == pytest.approx(golden[who]["loss"], rel=loss)
        assert found[who]["D"] == pytest.approx(golden[who]["D"], rel=others)
    for key, value in golden["teacher"].items():
        assert found["teacher"][key] == (value if value is None else pytest.approx(value, rel=others)), key
    of_a_loss = loss * (golden["student"]["loss"] + golden["supervised"]["loss"])
    assert found["margin"] == pytest.approx(golden["margin"], abs=of_a_loss)


def command(inputs):
    """The arguments of `distillaw` that ask for a golden plan."""
    asked = ["plan", "train-teacher" if inputs["pay_pretraining"] else "teacher-exists", "--json"]
    asked += ["--law", inputs["law"], "--student", inputs["student"], "--budget", inputs["budget"]]
    asked += ["--pay-logits", inputs["pay_logits"]]
    if inputs["pay_pretraining"] not in (0, 1):
        asked += ["--pay-pretraining", inputs["pay_pretraining"]]
    if inputs["teacher"]:
        asked += ["--teacher", inputs["teacher"]["N"], "--teacher-loss", inputs["teacher"]["loss"]]
    for key, flag in (("max_teacher", "--max-teacher"), ("max_teacher_tokens", "--max-teacher-tokens")):
        if inputs["limits"] and inputs["limits"][key] is not None:
            asked += [flag, inputs["limits"][key]]
    return asked


@pytest.mark.parametrize(("inputs", "golden"), EVERY)
def test_the_planner_finds_the_golden_plan(inputs, golden):
    options = {}
    if inputs["teacher"]:
        options["teacher"] = Teacher(**inputs["teacher"])
    if inputs["limits"]:
        from planner.scenarios import Limits

        options["limits"] = Limits(N=inputs["limits"]["max_teacher"], D=inputs["limits"]["max_teacher_tokens"])
    budget = Budget(inputs["budget"], pay_logits=inputs["pay_logits"], pay_pretraining=inputs["pay_pretraining"])
    found = plan(PUBLISHED[inputs["law"]], budget, student=inputs["student"], **options)
    compare(found.to_json(), golden, **TOLERANCE)
    assert found.flops.total == pytest.approx(budget.flops, rel=1e-9)


@pytest.mark.parametrize(("inputs", "golden"), EVERY)
def test_the_command_prints_the_golden_plan(distillaw, inputs, golden):
    answer = distillaw(*command(inputs))
    assert (answer.code, answer.err) == (0, "")
    compare(json.loads(answer.out), golden, **TOLERANCE)


def test_the_golden_plans_are_those_their_maker_makes():
    assert FILE["schema"] == "distillaw/golden-plans/1"
    made = _maker()
    assert [known["id"] for known in FILE["plans"]] == [made.name(row) for row in made.PLANS]
    head = made.document([])
    assert {key: FILE[key] for key in head if key != "plans"} == {key: head[key] for key in head if key != "plans"}


@pytest.mark.parametrize("name", REMADE)
def test_a_golden_plan_is_made_again(name):
    made = _maker()
    (row,) = [row for row in made.PLANS if made.name(row) == name]
    (known,) = [known for known in FILE["plans"] if known["id"] == name]
    again = made.entry(row)
    assert again["inputs"] == known["inputs"]
    compare(again["outputs"], known["outputs"], loss=1e-11, others=1e-4)
