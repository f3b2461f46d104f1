"""Which teacher: the ranking against plans, its words, its ties, its table and every refusal."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.bootstrap import with_draws
from fitting.errors import Infeasible, InputError
from fitting.estimation import fit_table
from fitting.flops import BUSBRIDGE2025, SIX_ND
from fitting.known import Support
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW
from fitting.records import RunRecord, RunTable
from planner import certainty
from planner.decision import plan
from planner.scenarios import Budget, Teacher
from planner.teachers import candidates
from planner.teachers.candidates import Candidate
from planner.teachers.ranking import gap_curve, rank_teachers
from planner.teachers.report import answer, doubts, ties

LAW = BUSBRIDGE2025_LAW
SMALL = Candidate("546M", 2.428, 546e6)
MIDDLE = Candidate("4.8B", 2.077, 4.82e9)
LARGE = Candidate("12.6B", 1.935, 12.6e9)
FIELDS = {
    "schema", "law", "deltas", "budget", "student", "supervised", "ideal", "rows", "verdict", "margin_scale",
    "margin_basis", "level", "corpus", "tokenizer", "warnings",
}  # fmt: skip
ROW = {
    "rank", "tied_with_best", "name", "N", "loss", "price", "student", "margin", "behind_best", "behind_best_interval",
    "gap", "usable", "words", "support", "warnings",
}  # fmt: skip


def rank(*teachers, budget=1e22, pay_logits=0.0, student=300e6, law=LAW, **others):
    return rank_teachers(law, Budget(budget, pay_logits), student=student, candidates=teachers, **others)


def row(ranking, name):
    (found,) = [row for row in ranking.rows if row.name == name]
    return found


def codes(warnings):
    return {doubt.code for doubt in warnings}


@pytest.fixture(scope="module")
def drawn():
    """A law with joint draws, fitted to runs of the published one with 1 % of noise."""
    rng, truth, records = np.random.default_rng(3), BUSBRIDGE2025_FIGURES_LAW, []
    tokens, sizes = np.geomspace(4e9, 5e11, 6), [2e8, 5e8, 1e9, 2.7e9, 7.75e9]

    def add(N, D, loss, **others):
        kind = "distillation" if others else "supervised"
        noisy = float(loss * np.exp(0.01 * rng.normal()))
        records.append(RunRecord(f"{len(records)}", kind, N, float(D), noisy, extras={"tokenizer": "own"}, **others))

    for N in sizes:
        for D in tokens:
            add(N, D, truth.supervised.loss(N, D))
            for N_T in sizes:
                L_T = float(truth.supervised.loss(N_T, 20 * N_T))
                add(N, D, truth.distillation.loss(N, D, L_T), teacher_N=N_T, teacher_D=20 * N_T, teacher_loss=L_T)
    table = RunTable(tuple(records), BUSBRIDGE2025)
    return with_draws(fit_table(table), table, 40).known()


teachers = st.lists(
    st.builds(
        lambda name, loss, N, price: Candidate(name, loss, 10**N, price),
        st.text("abcdefgh", min_size=1, max_size=3),
        st.floats(1.3, 4) | st.sampled_from([2.0, 2.1]),
        st.floats(7, 12),
        st.none() | st.sampled_from([0.0, 1e9, 1e20]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda teacher: teacher.name,
)


@settings(max_examples=40, deadline=None)
@given(
    found=teachers, order=st.randoms(), C=st.floats(19.5, 24), N=st.floats(8, 11), pay=st.sampled_from([0.0, 0.4, 1.0])
)
def test_the_order_of_the_candidates_changes_nothing(found, order, C, N, pay):
    other = list(found)
    order.shuffle(other)
    asked = {"budget": 10**C, "student": 10**N, "pay_logits": pay}
    one, two = rank(*found, **asked), rank(*other, **asked)
    assert json.dumps(one.to_json(), allow_nan=False) == json.dumps(two.to_json(), allow_nan=False)
    assert [each.name for each in one.rows] == [each.name for each in two.rows]


@settings(max_examples=30, deadline=None)
@given(found=teachers, C=st.floats(20, 24), pay=st.sampled_from([0.0, 0.4, 1.0]))
def test_every_row_is_the_plan_with_that_teacher(found, C, pay):
    found = [replace(teacher, price=None) for teacher in found]
    ranking = rank(*found, budget=10**C, pay_logits=pay)
    for teacher in found:
        got = row(ranking, teacher.name)
        planned = plan(LAW, Budget(10**C, pay), student=300e6, teacher=Teacher(teacher.loss, teacher.N))
        assert got.student.D == pytest.approx(planned.student.D, rel=1e-12)
        assert got.student.loss == pytest.approx(planned.student.loss, rel=1e-12)
        assert got.margin == pytest.approx(planned.margin, abs=1e-12)
        assert got.usable == pytest.approx(planned.near_optimal.L_T, rel=1e-9)
        assert got.support == pytest.approx(planned.support)
        assert ("capacity-gap" in codes(planned.warnings)) == (got.gap == "below")
        assert ("weak-teacher" in codes(planned.warnings)) == (got.gap == "above")
        assert ("teacher-unreachable" in codes(planned.warnings)) == ("teacher-unreachable" in codes(got.warnings))
    best = ranking.rows[0]
    assert best.student.loss == min(each.student.loss for each in ranking.rows)
    chosen = plan(LAW, Budget(10**C, pay), student=300e6, teacher=Teacher(best.loss, best.N))
    assert (ranking.verdict, ranking.margin_basis) == (chosen.verdict, "published-error")
    assert ranking.margin_scale == pytest.approx(chosen.margin_scale, rel=1e-12)
    assert ranking.supervised.loss == pytest.approx(chosen.supervised.loss, rel=1e-12)


def test_the_ideal_is_that_of_the_scenario():
    for pay in (0.0, 0.4, 1.0):
        planned = plan(LAW, Budget(1e21, pay), student=300e6)
        found = rank(MIDDLE, budget=1e21, pay_logits=pay).ideal
        assert found.loss == pytest.approx(planned.teacher.loss, rel=1e-9)
        assert (found.low, found.high) == pytest.approx(planned.near_optimal.L_T, rel=1e-9)
        assert found.nats == planned.near_optimal.nats == 0.001


def test_the_capacity_gap_is_said_in_words():
    """Typed from the law: 300M students at 1e22 FLOPs reach 2.3217 beside the 4.8B teacher, 2.3527 beside the 12.6B."""
    found = rank(LARGE, MIDDLE)
    assert [each.name for each in found.rows] == ["4.8B", "12.6B"]
    assert [each.rank for each in found.rows] == [1, 2]
    assert [each.student.loss for each in found.rows] == pytest.approx([2.3217, 2.3527], abs=1e-4)
    assert found.rows[1].gap == "below"
    assert found.rows[1].words == (
        "The 12.6B teacher is worse than the 4.8B: its loss is below what this student can use (0.031 nats)."
    )


def test_the_price_of_a_teacher_is_told_from_the_capacity_gap():
    """A 1B student could use the better teacher, but not pay for it; a 300M student could do neither."""
    free = rank(LARGE, MIDDLE, student=1e9, budget=1e21)
    assert [each.name for each in free.rows] == ["12.6B", "4.8B"]
    paid = rank(LARGE, MIDDLE, student=1e9, budget=1e21, pay_logits=1.0)
    dear = row(paid, "12.6B")
    assert paid.rows[0].name == "4.8B"
    assert dear.gap == "above"
    assert "its forward passes cost more than its quality brings" in dear.words
    assert "below" not in dear.words
    both = row(rank(LARGE, MIDDLE, pay_logits=1.0), "12.6B").words
    assert "its loss is below what this student can use, and its forward passes cost more (" in both
    cheap = rank(replace(LARGE, price=0.0), MIDDLE, student=1e9, budget=1e21, pay_logits=1.0)
    assert cheap.rows[0].name == "12.6B"


@settings(max_examples=60, deadline=None)
@given(found=teachers, C=st.floats(19.5, 24), N=st.floats(8, 10), pay=st.sampled_from([0.0, 1.0]))
def test_words_and_table_agree(found, C, N, pay):
    """Too good only where the table says so; too dear only where the student gets fewer tokens."""
    ranking = rank(*found, budget=10**C, student=10**N, pay_logits=pay)
    for each in ranking.rows:
        if "below what this student can use" in each.words:
            assert each.gap == "below"
        if "passes cost more" in each.words:
            assert each.student.D < ranking.best.student.D
            assert pay
        assert ("worse" in each.words) <= (each.behind_best is not None and each.behind_best > 0)
        assert ("the law's error" in each.words) <= each.tied_with_best


def test_a_price_takes_the_place_of_the_ledgers():
    forward = float(LAW.convention.forward(MIDDLE.N))
    step = float(LAW.convention.training(300e6, 1.0))
    own = rank(MIDDLE, pay_logits=1.0).rows[0]
    assert own.price == forward
    same = rank(Candidate("4.8B", 2.077, price=forward), pay_logits=1.0).rows[0]
    assert same.student == own.student
    half = rank(replace(MIDDLE, price=forward / 2), pay_logits=0.5).rows[0]
    assert half.student.D == pytest.approx(1e22 / (step + forward / 4), rel=1e-12)
    free = rank(Candidate("nameless", 2.077)).rows[0]
    assert (free.price, free.N) == (None, None)
    assert free.student.D == pytest.approx(1e22 / step, rel=1e-12)


def test_without_draws_a_tie_is_within_the_laws_error():
    found = rank(MIDDLE, LARGE, SMALL, budget=1e21)
    assert [(each.name, each.rank, each.tied_with_best) for each in found.rows] == [
        ("4.8B", 1, True), ("12.6B", 1, True), ("546M", 3, False),
    ]  # fmt: skip
    assert found.rows[1].behind_best <= 0.01 * found.rows[1].student.loss < found.rows[2].behind_best
    assert "is no better than the 4.8B" in found.rows[1].words
    assert ties(found) == "12.6B ties with 4.8B: 0.023 nats behind, within the law's error."
    assert ties(rank(MIDDLE, LARGE)) == "No other teacher ties with 4.8B."
    assert ties(rank(MIDDLE)) == ""


def test_a_fit_without_draws_ties_more_the_farther_it_reaches():
    inside = Support(N_S=(1e8, 1e10), D_S=(1e9, 1e13), L_T=(1.9, 2.8), N_T=(1e8, 2e10), D_T=(1e9, 1e12))
    law = replace(LAW, published=False, second_opinion=None, support=inside)
    assert not rank(MIDDLE, LARGE, law=law).rows[1].tied_with_best
    beyond = replace(law, support=replace(inside, L_T=(2.0, 2.8)))
    assert rank(MIDDLE, LARGE, law=beyond).rows[1].tied_with_best


def test_equal_teachers_go_by_name_and_share_their_rank():
    twins = [replace(LARGE, name=name) for name in ("b", "a")]
    found = rank(MIDDLE, *twins)
    assert [(each.name, each.rank) for each in found.rows] == [("4.8B", 1), ("a", 2), ("b", 2)]


def test_draws_decide_the_ties(drawn):
    near = Candidate("near", 2.09, 4.8e9)
    found = rank(MIDDLE, near, SMALL, LARGE, law=drawn, budget=1e21)
    assert (found.level, found.margin_basis) == (0.95, "interval")
    assert {each.tied_with_best for each in found.rows} == {True, False}
    best = found.rows[0]
    draws = [certainty.taught(drawn, 300e6, each.student.D, each.loss).drawn for each in found.rows]
    for each, losses in zip(found.rows, draws, strict=True):
        low, high = each.behind_best_interval
        assert each.tied_with_best == (low <= 0 <= high)
        assert each.behind_best == pytest.approx(each.student.loss - best.student.loss)
        assert low <= each.behind_best <= high
        planned = plan(drawn, Budget(1e21, 0.0), student=300e6, teacher=Teacher(each.loss, each.N))
        assert each.student.interval == pytest.approx(planned.student.interval, rel=1e-9)
        assert found.supervised.interval == pytest.approx(planned.supervised.interval, rel=1e-9)
        if each.support["L_T"] == 1:  # inside the runs the draws are all there is
            spread = np.sqrt(np.mean((losses - draws[0] - each.behind_best) ** 2))
            assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.05)
    planned = plan(drawn, Budget(1e21, 0.0), student=300e6, teacher=Teacher(best.loss, best.N))
    assert (found.verdict, found.margin_scale) == (planned.verdict, pytest.approx(planned.margin_scale, rel=1e-9))
    wide, narrow = (rank(MIDDLE, LARGE, law=drawn, interval=level).rows[1] for level in (0.99, 0.5))
    assert np.ptp(wide.behind_best_interval) > np.ptp(narrow.behind_best_interval)
    assert "95% interval of " in ties(found)
    assert "±" not in found._repr_html_()


def test_a_teacher_that_cannot_be_afforded_comes_last():
    dear = replace(LARGE, name="aaa", price=1e18)
    found = rank(dear, MIDDLE, pay_logits=1.0)
    last = found.rows[-1]
    assert (last.name, last.rank, last.student, last.gap, last.tied_with_best) == ("aaa", None, None, None, False)
    assert "cannot be afforded" in last.words
    alone = rank(dear, pay_logits=1.0)
    assert (alone.verdict, alone.best) == ("supervise", None)
    assert answer(alone).startswith("Train directly: no teacher's forward passes leave the 300M student enough")
    assert "too few" in alone._repr_html_()
    json.dumps(alone.to_json(), allow_nan=False)


def test_doubts_name_what_they_are_about():
    impossible = Candidate("too good", 1.5, 1e9)
    found = rank(MIDDLE, impossible, LARGE, budget=1e19)
    assert "teacher-unreachable" in codes(row(found, "too good").warnings)
    assert {"support", "second-opinion"} <= codes(found.warnings)
    (outside,) = [doubt.message for doubt in found.warnings if doubt.code == "support"]
    assert "L_T by up to 1.34x (too good)" in outside
    (other,) = [doubt.message for doubt in found.warnings if doubt.code == "second-opinion"]
    (first,) = rank(MIDDLE, impossible, LARGE, budget=1e19, law=BUSBRIDGE2025_FIGURES_LAW).rows[:1]
    assert f"student with {first.name} {first.student.loss:.3f}, " in other
    assert found.outside["L_T"] == pytest.approx(2.004 / 1.5)
    told = [doubt.message for doubt in doubts(found) if doubt.code == "teacher-unreachable"]
    assert told[0].startswith("too good: by law 'busbridge2025' a 1B model stays above")


def test_what_the_law_does_not_say_is_a_doubt_told_once():
    pair = [replace(teacher, tokenizer="theirs", corpus="english c4") for teacher in (MIDDLE, LARGE)]
    found = rank(*pair)
    assert all("tokenizer-unknown" in codes(each.warnings) for each in found.rows)
    told = [doubt.message for doubt in doubts(found) if doubt.code == "tokenizer-unknown"]
    assert len(told) == 1
    assert told[0].startswith("4.8B and 12.6B: law 'busbridge2025' does not say its tokenizer")


def test_another_tokenizer_or_corpus_is_refused(drawn):
    assert (drawn.tokenizer, drawn.corpus) == ("own", None)
    with pytest.raises(InputError, match=r"'theirs', but law .* is for 'own'.*faq.md#other-tokenizer"):
        rank(replace(MIDDLE, tokenizer="theirs"), law=drawn)
    assert codes(rank(replace(MIDDLE, tokenizer=" OWN "), law=drawn).rows[0].warnings) <= {"support"}
    with pytest.raises(InputError, match="'DCLM', but law 'busbridge2025' is for 'English C4'"):
        rank(replace(MIDDLE, corpus="DCLM"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "there are none"),
        ([MIDDLE, MIDDLE], "'4.8B' is named twice"),
        ([replace(MIDDLE, loss=1.22)], "candidate '4.8B', loss: 1.22 nats/token is at or below 1.22, the floor E"),
        ([replace(MIDDLE, loss=float("nan"))], "must be a finite number"),
        ([replace(MIDDLE, loss=-1.0)], "must be greater than zero"),
        ([replace(MIDDLE, loss=80.0)], "looks like a perplexity"),
        ([replace(MIDDLE, N=0.0)], "'4.8B', N: must be a finite number greater than zero, not 0.0"),
        ([replace(MIDDLE, price=-1.0)], "'4.8B', price: must be a finite number at least zero"),
        ([replace(MIDDLE, N=None)], "give N or a price, or --pay-logits 0"),
        ([replace(MIDDLE, name=" ")], "name: missing"),
    ],
)
def test_what_cannot_be_ranked(wrong, says):
    with pytest.raises(InputError) as refused:
        rank(*wrong, pay_logits=1.0)
    (line,) = refused.value.faults
    assert says in line


def test_questions_without_an_answer(drawn):
    with pytest.raises(InputError, match="no joint draws"):
        rank(MIDDLE, interval=0.9)
    with pytest.raises(InputError, match="a level lies between"):
        rank(MIDDLE, law=drawn, interval=1.5)
    with pytest.raises(InputError, match="supervised training only"):
        rank(MIDDLE, law=HOFFMANN2022_LAW)
    with pytest.raises(InputError, match="not trained again"):
        rank_teachers(LAW, Budget(1e22, 1, 1), student=3e8, candidates=[MIDDLE])
    with pytest.raises(InputError, match="must be a number of parameters"):
        rank(MIDDLE, student=0.0)
    with pytest.raises(Infeasible, match="cannot pay for 1M tokens"):
        rank(MIDDLE, budget=1e10)


def test_the_forms_of_a_ranking():
    found = rank(MIDDLE, LARGE, SMALL, pay_logits=1.0)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (set(data), data["schema"]) == (FIELDS, "distillaw/ranking/1")
    assert data["deltas"] == {"logits": 1.0, "pretraining": 0.0}
    assert data["student"] == {"N": 300e6}
    assert set(data["ideal"]) == {"loss", "low", "high", "nats"}
    for each in data["rows"]:
        assert set(each) == ROW
        assert set(each["student"]) == {"D", "loss", "interval"}
    frame = found.to_frame()
    assert list(frame["name"]) == [each.name for each in found.rows]
    assert list(frame["student_loss"]) == [each.student.loss for each in found.rows]
    assert "12.6B teacher" in found._repr_html_()
    curve = gap_curve(LAW, 300e6, found.rows[0].student.D, np.array([found.rows[0].loss, 2.2]))
    assert curve[0] == pytest.approx(found.rows[0].student.loss, rel=1e-12)


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_of_candidates(tmp_path):
    text = write(
        tmp_path / "teachers.csv",
        "name,N,loss,price,corpus,licence",
        "big,12.6B,1.935,,English C4,open",
        "hosted,,2.077,3e9,,",
        "cached,4.82B,2.1,0,,",
    )
    lines = [
        {"name": "big", "N": 12.6e9, "loss": 1.935, "corpus": "English C4"},
        {"name": "hosted", "loss": 2.077, "price": 3e9},
        {"name": "cached", "N": "4.82B", "loss": "2.1", "price": 0},
    ]
    found = candidates.read(text, LAW, pay_logits=1.0)
    assert found == (
        Candidate("big", 1.935, 12.6e9, corpus="English C4"),
        Candidate("hosted", 2.077, price=3e9),
        Candidate("cached", 2.1, 4.82e9, price=0.0),
    )
    assert candidates.read(write(tmp_path / "t.jsonl", *map(json.dumps, lines)), LAW, pay_logits=1.0) == found
    whole = candidates.read(write(tmp_path / "w.csv", "name,N,loss", "a,1.047B,2.4"), LAW, with_embeddings=True)
    assert whole[0].N == pytest.approx(0.9755e9, rel=1e-3)  # Table 13's 975M


def test_a_parquet_table_of_candidates(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' reads Parquet")
    from pyarrow import parquet

    columns = {"name": ["a", "b"], "N": [1e9, None], "loss": [2.3, 2.0], "price": [None, 1e9]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    found = candidates.read(tmp_path / "t.parquet", LAW, pay_logits=1.0)
    assert found == (Candidate("a", 2.3, 1e9), Candidate("b", 2.0, price=1e9))


def faults_of(path, **options):
    with pytest.raises(InputError) as refused:
        candidates.read(path, LAW, **options)
    assert all(fault.startswith(str(path)) for fault in refused.value.faults)
    return [fault.removeprefix(str(path)) for fault in refused.value.faults]


def test_all_faults_of_a_table_at_once(tmp_path):
    path = write(
        tmp_path / "t.csv",
        "name,N,loss,price,corpus",
        "a,7BB,2.1,,",
        "b,,2.2,,DCLM",
        "a,7B,,,",
        "c,7B,1.1,x,",
        "d,7B,82,-3,",
        ",7B,nan,,",
    )
    found = faults_of(path, pay_logits=1.0)
    expected = [
        ": line 2, N: '7BB' is not a number",
        ": line 3, N: missing, and its forward passes are paid for",
        ": line 3, corpus: 'DCLM', but law 'busbridge2025' is for 'English C4'",
        ": line 4, loss: missing",
        ": line 5, price: 'x' is not a number",
        ": line 5, loss: 1.1 nats/token is at or below 1.22, the floor E",
        ": line 6, loss: '82' looks like a perplexity",
        ": line 6, price: must be greater than zero",
        ": line 7, name: missing",
        ": line 7, loss: must be a finite number",
        ": line 4, name: 'a' is named twice (the first is line 2)",
    ]
    assert len(found) == len(expected)
    assert all(fault.startswith(words) for fault, words in zip(found, expected, strict=True))
    with pytest.raises(InputError) as refused:  # without the share, ranking says what reading could not know
        rank(*candidates.read(write(tmp_path / "u.csv", "name,N,loss", "b,,2.2"), LAW), pay_logits=1.0)
    assert refused.value.faults[0].startswith(f"{tmp_path / 'u.csv'}: line 2, N: missing")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["model,params,val_loss", "a,7B,2"],
         ["'model' may be it: rename it to 'name'", "'params' may be it", "'val_loss' may be it"]),
        (["Name,n,Loss", "a,7B,2"], ["'Name' may be it", "'n' may be it", "'Loss' may be it"]),
        (["name,N,perplexity", "a,7B,8"], ["no column 'loss'; 'perplexity' is not it: take its logarithm"]),
        (["name,loss", "a,2"], ["no column 'N'; add it; a cell may be empty"]),
        (["name,N", "a,7B"], ["no column 'loss'; add it; the table has name, N"]),
        (["name,N,loss,price per token", "a,7B,2,3"], ["column 'price per token' looks like 'price'"]),
        (["name,N,loss"], ["the table is empty: it has no teachers"]),
        ([""], ["the file is empty"]),
        ([f"# distillaw/runs/1 {json.dumps(asdict(SIX_ND))}", "name,N,loss", "a,7B,2"], ["different conventions"]),
    ],
)  # fmt: skip
def test_a_table_that_is_none(tmp_path, lines, says):
    found = faults_of(write(tmp_path / "t.csv", *lines))
    assert len(found) == len(says)
    for fault, words in zip(found, says, strict=True):
        assert words in fault


def test_no_table_at_all(tmp_path):
    assert "cannot read it" in faults_of(tmp_path / "none.csv")[0]
    assert "unknown kind of file '.txt'" in faults_of(write(tmp_path / "t.txt", "x"))[0]


def test_the_command_ranks(distillaw, tmp_path):
    path = write(tmp_path / "teachers.csv", "name,N,loss", "4.8B,4.82B,2.077", "12.6B,12.6B,1.935")
    asked = ["--student", "300M", "--budget", "1e22", "--pay-logits", "0", "--candidates", path]
    answered = distillaw("plan", "teacher-exists", *asked)
    lines = answered.out.splitlines()
    assert answered.code == 0
    assert lines[0].startswith("Too close to call: with 1e22 FLOPs the 300M student reaches 2.322 nats/token distilled")
    assert lines[1] == "No other teacher ties with 4.8B."
    assert lines[2].startswith("Ideal for this student and budget: a teacher at 2.152 nats/token (2.123 to 2.180 ")
    assert any("none: trained directly" in line for line in lines)
    assert "The 12.6B teacher is worse than the 4.8B: its loss is below what this student can use" in answered.out
    assert lines[-1].startswith("Next: distillaw plan ")
    assert "[support]" in answered.err
    printed = json.loads(distillaw("plan", "teacher-exists", *asked, "--json").out)
    assert printed == json.loads(json.dumps(rank(MIDDLE, LARGE).to_json()))


def test_ranking_needs_numpy_alone(tmp_path):
    path = write(tmp_path / "teachers.csv", "name,N,loss", "4.8B,4.82B,2.077")
    code = f"""
import sys, planner.cli
sys.argv[1:] = "plan teacher-exists --student 1B --budget 1e22 --candidates {path}".split()
try:
    planner.cli.main()
except SystemExit:
    print([name for name in ("pandas", "scipy", "matplotlib", "jax", "pyarrow") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
