"""The mapping problem: printed contexts, every input by brute force, exact losses, a run that never changes."""

from dataclasses import replace
from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitting.errors import InputError
from sweeps.mapping import experiments, networks, table
from sweeps.mapping.problem import CLASSES, UNLABELLED, all_inputs, draw, labels
from sweeps.mapping.scales import SCALES, Scale

ANY = st.lists(st.integers(0, 2), min_size=CLASSES, max_size=CLASSES)


def label(context, query):
    return int(labels(np.array([context]), np.array([query]))[0])


def by_hand(context, query):
    """The definition of App C.2, place by place."""
    if context[query] == 0:
        return query
    others = [place for place in range(CLASSES) if context[place] == context[query] and place != query]
    return others[0] if len(others) == 1 else UNLABELLED


@pytest.mark.parametrize(
    ("context", "query", "answer"),
    [
        ([2, 0, 2, 0, 2, 1, 0, 0], 1, 1),
        ([1, 1, 2, 0, 1, 2, 0, 0], 5, 2),  # the string printed beside it, 1210120000000100, is another input
        ([0, 1, 2, 2, 2, 2, 1, 2], 1, 6),
    ],
)
def test_the_papers_examples(context, query, answer):
    assert label(context, query) == answer


def test_the_printed_string_is_a_misprint():
    """It holds the context 12101200 with the query 5, whose label is 1 and not the printed 2."""
    printed = [int(digit) for digit in "1210120000000100"]
    assert label(printed[:CLASSES], printed[CLASSES:].index(1)) == 1


def test_the_inputs_are_those_with_one_answer():
    asked = product(product(range(3), repeat=CLASSES), range(CLASSES))
    expected = {(*context, query): by_hand(context, query) for context, query in asked}
    expected = {key: answer for key, answer in expected.items() if answer != UNLABELLED}
    found = all_inputs()
    keys = [(*map(int, x[:CLASSES]), int(x[CLASSES:].argmax())) for x in found.x]
    assert dict(zip(keys, found.labels.tolist(), strict=True)) == expected
    assert len(keys) == len(set(keys)) == 24_664 == 8 * 3**7 + 8 * 2 * 7 * 2**6
    assert (found.x[:, CLASSES:].sum(axis=1) == 1).all()
    assert found.probabilities.sum() == pytest.approx(1)


@given(ANY, st.integers(0, CLASSES - 1), st.permutations(range(CLASSES)))
def test_moving_the_places_moves_the_label(context, query, order):
    """Place i goes to order[i]."""
    moved = [0] * CLASSES
    for place, to in enumerate(order):
        moved[to] = context[place]
    answer = label(context, query)
    assert label(moved, order[query]) == (UNLABELLED if answer == UNLABELLED else order[answer])


@given(ANY, st.integers(0, CLASSES - 1))
def test_the_names_of_the_other_integers_do_not_matter(context, query):
    assert label([(0, 2, 1)[value] for value in context], query) == label(context, query)


def test_samples_are_uniform():
    drawn = np.bincount(draw(np.random.default_rng(0), 500_000), minlength=24_664)
    expected = 500_000 / 24_664
    assert len(drawn) == 24_664
    assert ((drawn - expected) ** 2 / expected).sum() == pytest.approx(24_663, abs=5 * (2 * 24_663) ** 0.5)


TINY = Scale("tiny", 2, (8, 16), (16, 128), 128, (5, 40, 250), teacher_samples=1, student_samples=1, least_steps=40)


@pytest.fixture(scope="module")
def rows():
    return experiments.run(TINY)


def test_a_run_is_a_table_that_can_be_read_back(rows, tmp_path):
    asked = [
        (experiment, width, teacher, trial)
        for width in (8, 16)
        for experiment, teacher in [("supervised", None), *[("teacher-width", n) for n in (16, 128)],
                                    *[("teacher-steps", n) for n in (5, 40, 250)]]
        for trial in (0, 1)
    ]  # fmt: skip
    varied = {"supervised": "teacher_width", "teacher-width": "teacher_width", "teacher-steps": "teacher_steps"}
    assert [(r.experiment, r.student_width, getattr(r, varied[r.experiment]), r.trial) for r in rows] == asked
    table.write(tmp_path / "a.csv", rows)
    found = table.read(tmp_path / "a.csv")
    for row, back in zip(rows, found.rows, strict=True):
        assert back.student_cross_entropy == pytest.approx(row.student_cross_entropy, rel=1e-5)
        assert (back.teacher_steps, back.scale) == (row.teacher_steps, "tiny")
    table.write(tmp_path / "b.csv", found.rows)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_the_same_scale_gives_the_same_rows(rows):
    assert experiments.run(TINY) == rows


def test_teachers_learn_and_students_follow_them(rows):
    long, short = (
        [row for row in rows if row.experiment == "teacher-steps" and row.teacher_steps == steps] for steps in (250, 5)
    )
    assert max(row.teacher_cross_entropy for row in long) < 1.5 < log(CLASSES)
    assert min(row.teacher_cross_entropy for row in short) > 1.8
    assert all(row.kl_to_teacher > 0 for row in (*long, *short))


def test_a_teacher_of_both_experiments_is_one_teacher(rows):
    """The widest of the first has 40 steps, as one of the second has."""
    both = [
        [replace(row, experiment="") for row in rows if (row.experiment, row.teacher_width, row.teacher_steps) == key]
        for key in (("teacher-width", 128, 40), ("teacher-steps", 128, 40))
    ]
    assert both[0] == both[1]
    assert len(both[0]) == 4
    assert len({row.student_cross_entropy for row in rows}) == len(rows) - 4


def test_exact_losses_are_what_samples_tend_to():
    said = np.log(np.random.default_rng(0).dirichlet(np.ones(CLASSES), size=24_664))
    other = np.log(np.random.default_rng(1).dirichlet(np.ones(CLASSES), size=24_664))
    seen = draw(np.random.default_rng(2), 400_000)
    answers = all_inputs().labels
    for exact, samples in (
        (experiments.cross_entropy(said), -said[seen, answers[seen]]),
        (experiments.accuracy(said), (said[seen].argmax(axis=-1) == answers[seen]).astype(float)),
        (experiments.divergence(said, other), (np.exp(said) * (said - other)).sum(axis=-1)[seen]),
    ):
        assert exact == pytest.approx(samples.mean(), abs=4 * samples.std() / len(seen) ** 0.5)


def test_a_student_of_the_labels_is_a_teacher():
    """Targets that are the labels, and labels given to each seed apart, train the same networks."""
    answers = np.eye(CLASSES, dtype=np.float32)[all_inputs().labels]
    shared = networks.train(8, 20, answers[None, None], [3, 4])
    apart = networks.train(8, 20, np.stack([np.stack([answers, answers])] * 2), [3, 4])
    assert shared.shape == (1, 2, 24_664, CLASSES)
    assert apart[0] == pytest.approx(shared[0], abs=1e-5)
    assert apart[1] == pytest.approx(shared[0], abs=1e-5)
    assert np.exp(shared).sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_the_rate_rises_for_a_twentieth_and_falls_to_nothing():
    rates = [networks.rate(step, 200) for step in range(200)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert max(rates) == rates[9]
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_the_papers_steps():
    paper = SCALES["paper"]
    assert networks.parameters(256) == 16 * 256 + 256 * 256 + 256 * 8 + 256 + 256 + 8
    assert (paper.teacher_samples, paper.student_samples) == (20, 20)
    assert experiments.steps_of(256, 20, paper) == -(-20 * networks.parameters(256) // 512)
    assert experiments.steps_of(64, 20, paper) == 500
    assert (paper.teacher_steps[0], paper.teacher_steps[-1], paper.trials) == (64, 16384, 4)
    assert {128, 256, 362} == set(paper.student_widths)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("student_accuracy", "accuracy", 1), ["lacks the column student_accuracy"]),
        (lambda text: text.replace("teacher-width", "width", 1), ["row 4", "experiment is 'width'", "teacher-steps"]),
        (lambda text: text + "supervised,8,x,,,9,,nan,0.5,,tiny\n", ["row 26", "student_steps is 'x'", "'nan'"]),
        (lambda text: text + "supervised,8,40,16,,9,,1,0.5,,tiny\n", ["teacher_width is '16'", "leave it empty"]),
        (lambda text: text + text.splitlines()[-1] + "\n", ["row 26", "stand in a row above"]),
        (lambda text: text.splitlines()[0] + "\n", ["has no rows", "distillaw sweep mapping"]),
        (lambda text: "", ["lacks the columns experiment"]),
    ],
)
def test_a_table_that_is_not_one(rows, tmp_path, change, words):
    path = tmp_path / "m.csv"
    table.write(path, rows)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError) as refused:
        table.read(path)
    for word in ("m.csv", *words):
        assert word in str(refused.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        table.read(tmp_path / "none.csv")


def test_the_command_writes_the_table(distillaw, tmp_path, monkeypatch):
    monkeypatch.setitem(SCALES, "minutes", Scale("minutes", 1, (8,), (8,), 8, (5,), 1, 1, 5))
    answer = distillaw("sweep", "mapping", "--out", tmp_path / "m.csv")
    assert answer.code == 0
    assert answer.out.startswith("3 students in ")
    assert "distillaw figures 11 12 --mapping" in answer.out
    assert answer.err == "training (updates of a weight, millions) ...\n"
    assert len(table.read(tmp_path / "m.csv").rows) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "none/m.csv", "--scale", "papers"], ["no folder none", "--scale: 'papers'", "paper, minutes"]),
        (["--out", "."], ["is a folder"]),
    ],
)
def test_refusals(distillaw, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = distillaw("sweep", "mapping", *arguments)
    assert answer.code == 2
    for word in words:
        assert word in answer.err
