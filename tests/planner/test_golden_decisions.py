"""Golden plans of what decisions cost, made by a search that shares no code (`tests/golden/make_decisions.py`)."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from fitting.published import PUBLISHED
from planner.decision import plan
from planner.families.decision import plan_family
from planner.scenarios import Budget
from planner.terms import AUTO, Terms

FILE = json.loads((Path(__file__).resolve().parents[1] / "golden" / "decisions.json").read_text(encoding="utf-8"))
LOSS, OTHERS = FILE["tolerance"]["loss"], FILE["tolerance"]["others"]


def terms_of(asked):
    return Terms(
        serve_tokens=asked["serve"],
        reuse=asked["reuse"],
        max_tokens=asked.get("unique"),
        share_tokens=asked["share"],
        teacher_grid=tuple(asked["grid"]),
    )


def students(found, golden):
    """Sizes, tokens and losses of a golden plan's students, beside those found."""
    for (N, D, loss), known_N, known_D, known in zip(found, golden["N"], golden["D"], golden["losses"], strict=True):
        assert N == pytest.approx(known_N, rel=OTHERS)
        assert D == pytest.approx(known_D, rel=OTHERS)
        assert loss == pytest.approx(known, rel=OTHERS / 10)


SINGLE = [known for known in FILE["decisions"] if len(known["inputs"]["students"]) == 1]


FAMILIES = [known for known in FILE["decisions"] if len(known["inputs"]["students"]) > 1]


@pytest.mark.parametrize("known", FAMILIES, ids=[known["id"] for known in FAMILIES])
def test_the_planner_finds_the_golden_family(known):
    asked, taught, alone = known["inputs"], known["taught"], known["alone"]
    found = plan_family(
        PUBLISHED[asked["law"]],
        Budget(asked["C"], asked["pay_logits"], asked["pay_pretraining"]),
        students=asked["students"],
        weights=asked["weights"] or None,
        terms=terms_of(asked),
    )
    assert found.loss == pytest.approx(taught["loss"], rel=LOSS)
    assert found.supervised_loss == pytest.approx(alone["loss"], rel=LOSS)
    students([(each.student.N, each.student.D, each.student.loss) for each in found.members], taught)
    students([(each.student.N, each.supervised.D, each.supervised.loss) for each in found.members], alone)
    assert found.teacher.loss == pytest.approx(taught["L_T"], rel=OTHERS / 10)


@pytest.mark.parametrize("known", SINGLE, ids=[known["id"] for known in SINGLE])
def test_the_planner_finds_the_golden_decision(known):
    asked, taught, alone = known["inputs"], known["taught"], known["alone"]
    found = plan(
        PUBLISHED[asked["law"]],
        Budget(asked["C"], asked["pay_logits"], asked["pay_pretraining"]),
        student=AUTO if asked["students"] == [None] else asked["students"][0],
        terms=terms_of(asked),
    )
    assert found.student.loss == pytest.approx(taught["loss"], rel=LOSS)
    assert found.supervised.loss == pytest.approx(alone["loss"], rel=LOSS)
    students([(found.student.N, found.student.D, found.student.loss)], taught)
    students([(found.supervised.N, found.supervised.D, found.supervised.loss)], alone)
    assert found.teacher.loss == pytest.approx(taught["L_T"], rel=OTHERS / 10)
    if found.unspent:
        return  # with money left over any teacher of that loss will do
    assert found.teacher.N == pytest.approx(taught["N_T"], rel=OTHERS)
    if taught["D_T"] is not None:
        assert found.teacher.D == pytest.approx(taught["D_T"], rel=OTHERS)


def test_the_golden_decisions_are_those_their_maker_makes():
    path = Path(__file__).resolve().parents[1] / "golden" / "make_decisions.py"
    spec = importlib.util.spec_from_file_location("make_decisions", path)
    made = importlib.util.module_from_spec(spec)
    sys.modules["make_decisions"] = made  # where its dataclasses look for themselves
    spec.loader.exec_module(made)
    assert [known["id"] for known in FILE["decisions"]] == list(made.DECISIONS)
    assert made.document(FILE["decisions"]) == FILE
    (known,) = [known for known in FILE["decisions"] if known["id"] == "family-inference-1e22"]
    again = made.entry("family-inference-1e22")
    assert again["inputs"] == known["inputs"]
    assert again["taught"]["loss"] == pytest.approx(known["taught"]["loss"], rel=1e-9)
