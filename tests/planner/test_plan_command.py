"""`distillaw plan`: its contract in JSON, its words, its refusals."""

import json

import pytest

from fitting.published import BUSBRIDGE2025_LAW
from planner.decision import plan
from planner.scenarios import Budget

FIELDS = {
    "schema", "scenario", "law", "deltas", "budget", "unspent", "student", "teacher", "flops", "supervised",
    "verdict", "margin", "margin_scale", "margin_basis", "near_optimal", "runner_up", "certainty", "sensitivity",
    "target", "bill", "sharing", "shapes", "consultation", "terms", "support", "warnings",
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "scenario"),
    [
        (["teacher-exists", "--pay-logits", "0"], "best-case"),
        (["teacher-exists"], "teacher-inference"),
        (["train-teacher", "--pay-logits", "0"], "teacher-pretraining"),
        (["train-teacher"], "teacher-pretraining+inference"),
        (["teacher-exists", "--teacher", "7.75B", "--teacher-loss", "2.0"], "named-teacher"),
        (["teacher-exists", "--teacher", "7.75B", "--teacher-tokens", "155B"], "named-teacher"),
    ],
)
def test_json_is_one_object_of_the_contract(distillaw, arguments, scenario):
    answer = distillaw("plan", *arguments, "--student", "1B", "--budget", "1e22", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert set(found) == FIELDS
    assert found["schema"] == "distillaw/plan/1"
    assert found["scenario"] == scenario
    assert set(found["law"]) == {"id", "source", "convention"}
    assert set(found["deltas"]) == {"logits", "pretraining"}
    assert set(found["student"]) == {"N", "D", "loss", "interval", "chosen"}
    assert found["student"]["interval"] is None
    assert set(found["teacher"]) == {"N", "D", "loss", "given"}
    assert set(found["flops"]) == {
        "student_training", "teacher_inference", "teacher_training", "serving", "total",
    }  # fmt: skip

    assert set(found["supervised"]) == {"N", "D", "loss", "interval"}
    assert set(found["near_optimal"]) == {"nats", "L_T", "N_T", "N_S"}
    assert all(set(warning) == {"code", "message"} for warning in found["warnings"])
    assert found["flops"]["total"] == pytest.approx(found["budget"], rel=1e-9)
    assert all(factor >= 1 for factor in found["support"].values())


def test_the_command_answers_as_the_function_does(distillaw):
    printed = json.loads(distillaw("plan", "train-teacher", "--student", "1B", "--budget", "1e23", "--json").out)
    direct = plan(BUSBRIDGE2025_LAW, Budget(1e23, 1, 1), student=1e9).to_json()
    assert printed == json.loads(json.dumps(direct))


def test_the_answer_comes_first_and_supervised_stands_beside_it(distillaw):
    answer = distillaw("plan", "teacher-exists", "--student", "10B", "--budget", "1e21", "--pay-logits", "0")
    lines = answer.out.splitlines()
    assert lines[0].startswith("Distil: the 10B student reaches ")
    assert any(line.startswith("student, supervised") for line in lines)
    assert "10B non-embedding (10.2B with embeddings)" in answer.out
    assert lines[-1].startswith("Next: distillaw plan train-teacher --student 10B --budget 1e21")
    assert "[second-opinion]" not in answer.err
    assert "[support]" in answer.err


def test_sizes_with_embeddings_are_converted(distillaw):
    whole = distillaw("plan", "train-teacher", "--student", "1.047B", "--total", "--budget", "1e22", "--json")
    assert json.loads(whole.out)["student"]["N"] == pytest.approx(0.9755e9, rel=1e-3)  # Table 13's 975M


def test_inference_says_that_the_tokens_are_open(distillaw):
    answer = distillaw("plan", "teacher-exists", "--student", "1B", "--budget", "1e22")
    assert "unbounded tokens" in answer.out


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--budget", "1e21x", "--budget: '1e21x' is not a number"),
        ("--budget", "inf", "--budget: must be a finite number"),
        ("--budget", "nan", "--budget: must be a finite number"),
        ("--budget", "-1e21", "--budget: must be greater than zero"),
        ("--student", "0", "--student: must be greater than zero"),
        ("--student", "7BB", "--student: '7BB' is not a number"),
        ("--pay-logits", "1.5", "--pay-logits: must lie between 0 and 1"),
        ("--pay-logits", "some", "--pay-logits: 'some' is not a number"),
        ("--law", "busbridge", "did you mean 'busbridge2025'"),
        ("--law", "hoffmann2022", "counts parameters with embeddings"),
    ],
)
def test_bad_flags_get_one_line(distillaw, flag, value, words):
    flags = {"--student": "1B", "--budget": "1e21", flag: value}
    answer = distillaw("plan", "teacher-exists", *[part for pair in flags.items() for part in pair])
    assert answer.code == 2
    assert answer.out == ""
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_all_faults_are_reported_at_once(distillaw):
    answer = distillaw("plan", "teacher-exists", "--student", "0", "--budget", "nan", "--teacher-tokens", "x")
    assert answer.code == 2
    for flag in ("--student", "--budget", "--teacher-tokens"):
        assert f"error: {flag}: " in answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--teacher", "7B"], "--teacher-loss or --teacher-tokens"),
        (["--teacher-tokens", "7B"], "of which size"),
        (["--teacher", "7B", "--teacher-loss", "2", "--teacher-tokens", "1T"], "one of the two"),
        (["--teacher-loss", "2"], "its size must be named"),
        (["--teacher", "7B", "--teacher-loss", "1.1"], "floor E"),
        (["--teacher", "7B", "--teacher-loss", "15"], "looks like a perplexity"),
    ],
)
def test_contradictory_teachers_are_refused(distillaw, arguments, words):
    answer = distillaw("plan", "teacher-exists", "--student", "1B", "--budget", "1e21", *arguments)
    assert answer.code == 2
    assert words in answer.err


def test_too_small_a_budget_is_a_no(distillaw):
    answer = distillaw("plan", "train-teacher", "--student", "1B", "--budget", "1e12")
    assert answer.code == 1
    assert "cannot pay" in answer.err
    assert "a single one" not in answer.err
    assert "nor for a single one of them" in distillaw("plan", "compare", "--student", "1B", "--budget", "1e9").err


def test_a_missing_option_is_a_usage_error(distillaw):
    answer = distillaw("plan", "train-teacher", "--student", "1B")
    assert answer.code == 2
    assert "--budget" in answer.err
    assert distillaw("plan", "no-such").code == 2
    assert distillaw("no-such").code == 2


def test_debug_shows_the_traceback(distillaw):
    from fitting.errors import InputError

    with pytest.raises(InputError):
        distillaw("plan", "train-teacher", "--student", "0", "--budget", "1", "--debug")


@pytest.mark.parametrize("command", [[], ["plan"], ["plan", "teacher-exists"], ["plan", "train-teacher"]])
def test_help_comes_with_examples(distillaw, command):
    answer = distillaw(*command, "--help")
    assert answer.code == 0
    if len(command) != 1:
        assert "Examples:\n" in answer.out
        assert "  distillaw plan " in answer.out
