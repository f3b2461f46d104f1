"""`distillaw compare-laws`: forms side by side, where they lead, and terms that the distillation law lacks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fitting import rollout, terms
from fitting.compare.forms import optimum
from fitting.errors import FitError
from fitting.estimation import fit_distillation, fit_law
from fitting.fit import Fit
from fitting.flops import BUSBRIDGE2025, SIX_ND
from fitting.laws import SupervisedLaw
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW
from fitting.records import RunRecord, RunTable
from fitting.terms import Term

SIZES = np.geomspace(143e6, 7.75e9, 5)
TEACHERS = [198e6, 546e6, 1.82e9, 4.82e9, 7.75e9]
KEYS = {
    "name", "free", "fixed", "limit_form", "status", "objective", "rollout_error", "held_out", "inside", "optimum",
    "left_out",
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(rollout, "_RESAMPLES", 8)


def runs_of(known, seed=0, noise=0.004, students=(), size=0.0, ratio=0.0, offset=0.0):
    """40 supervised runs, and distilled ones on each of `students` tokens, whose losses know more than L_T."""
    rng, records = np.random.default_rng(seed), []

    def add(kind, N, D, loss, **others):
        loss = float(loss * np.exp(noise * rng.normal()))
        records.append(RunRecord(f"{kind}-{len(records)}", kind, float(N), float(D), loss, **others))

    for N in SIZES:
        for D in np.geomspace(4e9, 512e9, 8):
            add("supervised", N, D, known.supervised.loss(N, D))
    for N_T in TEACHERS if len(students) else []:
        for M_T in (20, 80, 320):
            L_T = float(known.supervised.loss(N_T, M_T * N_T))
            facts = {"teacher_id": f"{N_T:g} {M_T}", "teacher_N": N_T, "teacher_D": M_T * N_T, "teacher_loss": L_T}
            for N in SIZES:
                for D in students:
                    loss = (
                        known.distillation.loss(N, D, L_T * np.exp(offset)) * (N_T / 1e9) ** size * (M_T / 80) ** ratio
                    )
                    add("distillation", N, D, loss, **facts)
    return RunTable(tuple(records), BUSBRIDGE2025)


@pytest.fixture(scope="module")
def supervised_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "runs.csv"
    runs_of(BUSBRIDGE2025_LAW).write(path)
    return path


@pytest.fixture(scope="module")
def distilled_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "distilled.csv"
    runs_of(BUSBRIDGE2025_FIGURES_LAW, students=np.geomspace(4e9, 512e9, 4), size=0.01).write(path)
    return path


def refused(answer):
    assert answer.code == 2
    assert answer.out == ""
    assert all(line.startswith("error: ") for line in answer.err.splitlines())
    return answer.err


# --- supervised laws ----------------------------------------------------------------------------------------


def test_forms_of_the_supervised_law_as_json(distillaw, supervised_file):
    answer = distillaw("compare-laws", supervised_file, "--json")
    assert answer.code == 0
    assert answer.err == ""
    found = json.loads(answer.out)
    assert found["schema"] == "distillaw/compare-laws/1"
    assert found["chosen"] == "gamma free"
    assert found["terms"] == []
    kaplan, one, free = found["candidates"]
    assert all(set(candidate) == KEYS for candidate in found["candidates"])
    assert [c["name"] for c in found["candidates"]] == ["Kaplan", "gamma = 1", "gamma free"]
    assert [c["free"] for c in found["candidates"]] == [4, 5, 6]
    assert kaplan["fixed"] == {"E": 1e-9, "beta": 1.0}
    assert one["fixed"] == {"gamma": 1.0}
    assert free["rollout_error"] < 0.8 * one["rollout_error"]
    assert free["objective"] < one["objective"]
    assert one["inside"] < free["inside"] <= 1
    assert 0 < free["held_out"] <= one["held_out"]
    largest = max(BUSBRIDGE2025.training(7.75e9, 512e9), 0)
    assert found["budget"] == pytest.approx(10 * largest)
    at = free["optimum"]
    assert BUSBRIDGE2025.training(at["N"], at["D"]) == pytest.approx(found["budget"])


def test_a_law_without_gamma_keeps_gamma_at_one(distillaw, tmp_path):
    path = tmp_path / "runs.csv"
    runs_of(HOFFMANN2022_LAW).write(path)
    found = json.loads(distillaw("compare-laws", path, "--json").out)
    assert found["chosen"] == "gamma = 1"
    assert found["why"].startswith("the fewest free coefficients; none is better by 20%")


def test_the_answer_comes_first_and_the_next_command_last(distillaw, supervised_file):
    answer = distillaw("compare-laws", supervised_file, "--budget", "1e24", "--huber-delta", "1e-2")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("The supervised law with gamma free is the form to use: fitted to small runs it misses ")
    assert "(Kaplan by " in lines[0]
    row = next(line for line in lines if line.startswith("gamma free"))
    assert row.rstrip().endswith("chosen")
    assert "N, D and nats/token are the compute-optimal ones at 1e24 FLOPs." in lines
    assert lines[-1] == f"Next: distillaw fit {supervised_file} --huber-delta 1e-2 --out law.json"
    assert answer.err.splitlines() == ["forms compared ..."]


def test_what_is_fixed_is_no_choice(distillaw, supervised_file):
    found = json.loads(distillaw("compare-laws", supervised_file, "--fix", "gamma=0.452", "--json").out)
    assert [c["name"] for c in found["candidates"]] == ["Kaplan", "gamma = 0.452"]
    assert found["chosen"] == "gamma = 0.452"
    assert found["why"] == "the only form to choose from"
    found = json.loads(distillaw("compare-laws", supervised_file, "--fix", "E=1.22", "--json").out)
    assert [c["name"] for c in found["candidates"]] == ["gamma = 1", "gamma free"]


def test_small_tables_choose_the_simplest_and_say_what_was_left_out(distillaw, tmp_path):
    path = tmp_path / "runs.csv"
    table = runs_of(BUSBRIDGE2025_LAW)
    replace(table, records=table.records[3::6]).write(path)  # seven runs: enough for five coefficients
    answer = distillaw("compare-laws", path)
    assert answer.code == 0
    assert answer.out.startswith("The supervised law with gamma = 1 is taken untested: too few runs to hold any out.")
    assert "gamma free: too few runs: 7 finished supervised runs for 6 free coefficients" in answer.err
    assert "[form-left-out]" in answer.err
    assert "[form-not-tested]" in answer.err
    found = json.loads(distillaw("compare-laws", path, "--json").out)
    left = found["candidates"][2]
    assert left["left_out"].startswith("too few runs: 7 finished")
    assert (left["status"], left["objective"], left["rollout_error"], left["optimum"]) == (None, None, None, None)
    assert left["held_out"] == 0


def test_a_form_that_fails_is_left_out(distillaw, supervised_file, monkeypatch):
    def fails_when_free(form, table, *, fixed=None, method=None):
        if "gamma" not in fixed and "E" not in fixed:
            raise FitError("no start arrived")
        return fit_law(form, table, fixed=fixed, method=method)

    monkeypatch.setattr("fitting.estimation.fit_law", fails_when_free)
    found = json.loads(distillaw("compare-laws", supervised_file, "--json").out)
    assert found["chosen"] == "gamma = 1"
    assert found["candidates"][2]["left_out"] == "no start arrived"
    assert found["warnings"][0] == {"code": "form-left-out", "message": "gamma free: no start arrived"}


def test_the_optimum_is_the_one_in_closed_form():
    """Hoffmann et al. (arXiv 2203.15556), Eq 4: N = G (C/6)^(b/(a+b)), G = (a A / (b B))^(1/(a+b))."""
    law = HOFFMANN2022_LAW.supervised
    a, b = law.alpha, law.beta
    found = optimum(law, SIX_ND, 1e23)
    N = (a * law.A / (b * law.B)) ** (1 / (a + b)) * (1e23 / 6) ** (b / (a + b))
    assert found["N"] == pytest.approx(N, rel=1e-5)
    assert found["D"] == pytest.approx(1e23 / 6 / N, rel=1e-5)
    assert found["loss"] == pytest.approx(law.loss(N, 1e23 / 6 / N), rel=1e-12)


def test_an_optimum_beyond_the_search_is_none():
    assert optimum(replace(HOFFMANN2022_LAW.supervised, B=0.0), SIX_ND, 1e23) is None


# --- distillation laws --------------------------------------------------------------------------------------


def test_forms_of_the_distillation_law_and_terms_beside_it(distillaw, distilled_file):
    answer = distillaw("compare-laws", distilled_file, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert [c["name"] for c in found["candidates"]] == [
        "gamma' = 1, K infinite",
        "gamma' free, K infinite",
        "gamma' = 1, K free",
        "gamma' free, K free",
    ]
    assert [c["limit_form"] for c in found["candidates"]] == [True, True, False, False]
    at = found["candidates"][0]["optimum"]
    assert (at["N_S"], at["D_S"]) == (7.75e9, pytest.approx(2 * 512e9))
    assert at["loss"] > at["L_T"]
    size = next(term for term in found["terms"] if term["name"] == "log N_T")
    assert size["taken"]
    assert size["slope"] == pytest.approx(0.01, rel=0.4)
    assert [doubt["code"] for doubt in found["warnings"]] == ["teacher-size-matters"]
    assert "log N_T added to log L" in found["warnings"][0]["message"]


def test_a_distillation_is_told_in_words(distillaw, distilled_file):
    flags = ["--fix", "gamma=1", "--fix", "c1=500", "--supervised", "busbridge2025-figures"]
    answer = distillaw("compare-laws", distilled_file, *flags)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("The distillation law with gamma' = 1, c1 = 500 is the form to use: ")
    assert "Chosen: gamma' = 1, c1 = 500: the only form to choose from." in answer.out
    assert "All forms stand on the supervised law busbridge2025-figures, given." in answer.out
    assert "would help" in answer.out
    assert "[teacher-size-matters]" in answer.err
    assert answer.out.splitlines()[-1].endswith(
        "--supervised busbridge2025-figures --fix gamma=1 --fix c1=500 --out law.json"
    )


# --- terms --------------------------------------------------------------------------------------------------


def terms_of(**effect):
    table = runs_of(BUSBRIDGE2025_FIGURES_LAW, students=np.geomspace(4e9, 512e9, 4), **effect)
    fit = fit_distillation(table, fit_law(SupervisedLaw, table), fixed={"gamma": 1}, limit_form=True)
    return {term.name: term for term in terms.terms(fit, table)}


@pytest.mark.parametrize("seed", range(3))
def test_without_an_effect_no_term_is_taken(seed):
    found = terms_of(seed=seed)
    assert set(found) == {"log N_T", "log M_T", "floor offset"}
    assert not any(term.taken for term in found.values())
    assert terms.doubts(tuple(found.values())) == ()


@pytest.mark.parametrize(
    ("effect", "name", "slope"),
    [
        ({"size": 0.01}, "log N_T", 0.01),
        ({"ratio": 0.01}, "log M_T", 0.01),
        ({"offset": 0.02}, "floor offset", 0.02),
    ],
)
def test_an_effect_is_found_with_its_size(effect, name, slope):
    found = terms_of(**effect)
    best = min(found.values(), key=lambda term: term.error_with)
    assert best.name == name
    assert best.taken
    assert best.slope == pytest.approx(slope, rel=0.3)
    assert best.error_with < 0.6 * best.error_without


def test_of_several_terms_the_best_is_told():
    one = Term("log M_T", 0.01, 0.02, 0.015, True)
    other = Term("floor offset", 0.02, 0.02, 0.01, True)
    (doubt,) = terms.doubts((one, other))
    assert doubt.message.startswith("a law with 1.02 L_T in the place of L_T would miss held-out students by 1.00%")
    (doubt,) = terms.doubts((one, replace(other, taken=False)))
    assert doubt.message.startswith("a law with +0.01 log M_T added to log L would miss held-out students by 1.50%")


def test_terms_need_teachers_of_known_size_and_folds():
    table = runs_of(BUSBRIDGE2025_FIGURES_LAW, students=[4e9, 3e10, 2e11])
    unknown = tuple(replace(record, teacher_N=None, teacher_D=None) for record in table.records)
    table = replace(table, records=unknown)
    supervised = Fit.given(BUSBRIDGE2025_FIGURES_LAW)
    fit = fit_distillation(table, supervised, fixed={"gamma": 1}, limit_form=True)
    assert [term.name for term in terms.terms(fit, table)] == ["floor offset"]
    few = replace(table, records=[r for r in table.records if r.kind == "distillation"][::17])
    fit = fit_distillation(few, supervised, fixed={"gamma": 1}, limit_form=True)
    assert terms.terms(fit, few) == ()
    assert terms.terms(fit_law(SupervisedLaw, table), table) == ()


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--form", "kaplan"], "--form: must be supervised or distillation, not 'kaplan'"),
        (["--budget", "-1"], "--budget: must be greater than zero"),
        (["--fix", "gamma"], "--fix gamma: write NAME=NUMBER"),
        (["--fix", "c0=1"], "--fix c0: the supervised law has A, B, E, alpha, beta, gamma"),
        (["--loss", "cubic"], "--loss"),
        (["--huber-delta", "0"], "--huber-delta"),
        (["--form", "distillation"], "too few runs: 0 finished distilled runs"),
        (["--form", "supervised", "--supervised", "busbridge2025"], "--supervised: takes the place of the law"),
        (["--supervised", "busbrigde2025"], "did you mean 'busbridge2025'?"),
    ],
)
def test_bad_flags_are_refused(distillaw, supervised_file, flags, told):
    assert told in refused(distillaw("compare-laws", supervised_file, *flags))


def test_all_faults_are_told_at_once(distillaw, tmp_path):
    err = refused(distillaw("compare-laws", tmp_path / "none.csv", "--form", "x", "--budget", "much", "--fix", "y=1"))
    assert len(err.splitlines()) == 4


def test_a_budget_is_for_supervised_laws(distillaw, distilled_file):
    assert "--budget: is where a supervised law's optimum" in refused(
        distillaw("compare-laws", distilled_file, "--budget", "1e24")
    )


def test_a_table_too_small_for_any_form_is_refused(distillaw, tmp_path):
    path = tmp_path / "runs.csv"
    table = runs_of(BUSBRIDGE2025_LAW)
    replace(table, records=table.records[:3]).write(path)
    assert "too few runs: 3 finished supervised runs for 5 free" in refused(distillaw("compare-laws", path))


def test_help_shows_examples(distillaw):
    answer = distillaw("compare-laws", "--help")
    assert answer.code == 0
    assert "distillaw compare-laws runs.csv --form supervised --budget 1e23" in answer.out
