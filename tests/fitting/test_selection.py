"""The form of a law chosen by its folds: the truth found, held coefficients left alone, small tables."""

from dataclasses import replace

import numpy as np
import pytest

from fitting import folds, rollout, selection
from fitting.errors import FitError, InputError
from fitting.estimation import fit_law, fit_table
from fitting.findings import Candidate
from fitting.fit import Fit
from fitting.flops import BUSBRIDGE2025
from fitting.laws import SupervisedLaw
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW
from fitting.records import RunRecord, RunTable
from fitting.selection import CHANCE, MARGIN, Form, Trial


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals are not what these tests are about."""
    monkeypatch.setattr(rollout, "_RESAMPLES", 4)


def grid(law, sizes, tokens, noise=0.004, seed=0):
    rng = np.random.default_rng(seed)
    return RunTable(
        tuple(
            RunRecord(f"{N:g}-{D:g}", "supervised", N, D, float(law.loss(N, D) * np.exp(noise * rng.normal())))
            for N in sizes
            for D in tokens
        ),
        BUSBRIDGE2025,
    )


def wide(law, **others):
    return grid(law.supervised, np.geomspace(143e6, 7.75e9, 9), np.geomspace(4e9, 512e9, 8), **others)


def chosen(fit):
    (found,) = (candidate.name for candidate in fit.selection if candidate.chosen)
    return found


@pytest.fixture(scope="module")
def made():
    """Make a form with given errors on its folds: `made(name, errors, free)`."""
    fit = fit_law(SupervisedLaw, wide(HOFFMANN2022_LAW), fixed={"gamma": 1})

    def make(name, errors, free=5):
        fixed = dict.fromkeys(tuple(fit.coefficients)[: 6 - free], 1.0)
        return Trial(Form("supervised", name, fixed), fit, {("C", str(k)): error for k, error in errors.items()})

    return make


# --- the truth is found -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_law_with_gamma_is_fitted_with_gamma_free(seed):
    fit = selection.fitted(wide(BUSBRIDGE2025_LAW, seed=seed))
    assert chosen(fit) == "gamma free"
    assert "gamma" not in fit.fixed
    assert fit.coefficients["gamma"] == pytest.approx(0.452, rel=0.3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0, 0.004])
def test_a_law_without_gamma_is_fitted_without(seed, noise):
    fit = selection.fitted(wide(HOFFMANN2022_LAW, seed=seed, noise=noise))
    assert chosen(fit) == "gamma = 1"
    assert fit.fixed == {"gamma": 1}


def test_the_chosen_form_comes_with_its_rollout_and_the_others_errors():
    table = wide(BUSBRIDGE2025_LAW)
    fit = selection.select_supervised(table)
    one, free = fit.selection
    assert (one.name, one.free, one.chosen) == ("gamma = 1", 5, False)
    assert (free.name, free.free, free.chosen) == ("gamma free", 6, True)
    assert free.objective == fit.objective < one.objective
    assert free.error < (1 - MARGIN) * one.error
    assert fit.rollout is not None
    alone = fit_law(SupervisedLaw, table)
    assert fit.coefficients == alone.coefficients
    assert fit.id == alone.id


def test_folds_are_those_of_the_rollout(noisy_runs):
    """All that intervals could be made for, to the same errors."""
    fit = fit_table(noisy_runs, form="supervised")
    found = {what: error for (_, what), error in folds.errors(fit, noisy_runs).items()}
    expected = {fold.held_out: fold.error for fold in rollout.rollout(fit, noisy_runs).folds}
    assert set(expected) <= set(found)
    assert len(expected) > 3
    assert {what: found[what] for what in expected} == pytest.approx(expected, rel=1e-3)


def test_both_stages_of_a_distillation_choose(noisy_runs):
    told = []
    fit = selection.fitted(noisy_runs, progress=lambda *what: told.append(what))
    assert chosen(fit.supervised) == "gamma free"
    assert [candidate.name for candidate in fit.selection] == [
        "gamma' = 1, K infinite",
        "gamma' free, K infinite",
        "gamma' = 1, K free",
        "gamma' free, K free",
    ]
    assert [candidate.free for candidate in fit.selection] == [7, 8, 8, 9]
    # K = 47 and gamma' = 0.76 cannot be told from simpler ones on these runs
    assert chosen(fit) == "gamma' = 1, K infinite"
    assert fit.limit_form
    assert fit.fixed == {"gamma": 1}
    assert {fold.held_out for fold in fit.rollout.folds} > {"the best teacher"}
    assert told[0] == ("forms of the supervised law", 0, 3)
    assert told[-1] == ("forms of the distillation law", 5, 5)


def test_a_selection_comes_back_from_its_file(tmp_path, noisy_runs):
    fit = selection.select_supervised(noisy_runs)
    path = tmp_path / "law.json"
    fit.to_json(path)
    assert Fit.from_json(path) == fit


# --- what is not a choice -----------------------------------------------------------------------------------


def test_what_is_fixed_is_not_chosen():
    fit = selection.fitted(wide(HOFFMANN2022_LAW), fixed={"gamma": 0.7})
    assert fit.fixed == {"gamma": 0.7}
    assert fit.selection == ()
    assert fit.rollout is not None


def test_what_is_freed_is_not_chosen():
    fit = selection.fitted(wide(HOFFMANN2022_LAW), free=["gamma"])
    assert fit.fixed == {}
    assert fit.selection == ()


def names(fixed, free=()):
    return [form.name for form in selection.distillation_forms(fixed, free)]


def test_held_coefficients_remove_choices_of_the_distillation_law():
    assert names({"gamma": 0.8}) == ["gamma' = 0.8, K infinite", "gamma' = 0.8, K free"]
    assert names({"c1": 500.0}) == ["gamma' = 1, c1 = 500", "gamma' free, c1 = 500"]
    assert names({"c1": 500.0, "d1": 1.3, "gamma": 1.0}) == ["gamma' = 1, c1 = 500, d1 = 1.3"]
    assert names({}, ["K"]) == ["gamma' = 1, K free", "gamma' free, K free"]
    assert names({}, ["gamma"]) == ["gamma' free, K infinite", "gamma' free, K free"]
    assert names({}, ["gamma", "K"]) == ["gamma' free, K free"]
    assert not any(form.limit for form in selection.distillation_forms({"d1": 1.3}))


def test_gamma_is_held_or_freed_in_both_stages_and_under_its_full_name_in_one(noisy_runs):
    fit = selection.fitted(noisy_runs, fixed={"gamma": 1, "c1": 500})
    assert (fit.fixed, fit.supervised.fixed) == ({"gamma": 1, "c1": 500}, {"gamma": 1})
    assert (fit.selection, fit.supervised.selection) == ((), ())
    fit = selection.fitted(noisy_runs, free=["gamma", "K"])
    assert (fit.fixed, fit.supervised.fixed) == ({}, {})
    below = selection.fitted(noisy_runs, fixed={"gamma": 1, "c1": 500}, supervised=fit.supervised)
    assert below.supervised == fit.supervised


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"free": ["alpha"]}, "free alpha: is not chosen; the choices are gamma, supervised.gamma, K"),
        ({"free": ["gamma"], "fixed": {"gamma": 1}}, "free gamma: gamma is fixed as well"),
        ({"free": ["K"], "fixed": {"d1": 1.3}}, "free K: d1 is fixed as well"),
        ({"free": ["K"], "form": "supervised"}, "free K: is a choice of a distillation fit"),
        ({"fixed": {"delta": 1}}, "--fix delta: the distillation law has A, B"),
        ({"fixed": {"gamma": -1}}, "--fix gamma=-1: must be a positive number"),
    ],
)
def test_what_makes_no_sense_is_refused(noisy_runs, options, told):
    with pytest.raises(InputError, match=told):
        selection.fitted(noisy_runs, **options)


def test_a_given_supervised_law_has_nothing_to_free(noisy_runs):
    given = Fit.given(BUSBRIDGE2025_FIGURES_LAW)
    with pytest.raises(InputError, match=r"free supervised\.gamma: the supervised law is given"):
        selection.fitted(noisy_runs, supervised=given, free=["supervised.gamma"])


# --- small tables -------------------------------------------------------------------------------------------


def test_without_folds_the_simplest_form_is_taken_and_said_to_be_untested():
    table = grid(BUSBRIDGE2025_LAW.supervised, [1e8, 4e8, 1e9], [4e9, 2e10, 1e11])
    fit = selection.fitted(table)
    assert fit.rollout is None
    assert fit.selection[0] == Candidate("gamma = 1", 5, None, fit.objective, True)
    assert all(candidate.error is None for candidate in fit.selection)
    assert "form-not-tested" in [doubt.code for doubt in fit.warnings]
    assert "(gamma = 1)" in fit.warnings[-1].message


def test_a_form_that_the_runs_cannot_carry_is_left_out():
    table = grid(BUSBRIDGE2025_LAW.supervised, [1e8, 4e8, 1e9], [4e9, 2e10, 1e11])
    table = replace(table, records=table.records[:7])  # enough for five coefficients and not for six
    fit = selection.fitted(table)
    assert [candidate.name for candidate in fit.selection] == ["gamma = 1"]


def test_runs_that_carry_no_form_are_refused_as_the_simplest_is():
    table = grid(BUSBRIDGE2025_LAW.supervised, [1e8, 4e8], [4e9, 2e10])
    with pytest.raises(InputError, match="too few runs: 4 finished supervised runs for 5 free coefficients"):
        selection.fitted(table)


def test_a_form_that_fails_is_left_out_and_one_that_fails_alone_is_an_error():
    def fit(form):
        if form.name == "gamma free":
            raise FitError("no start arrived")
        return fit_law(SupervisedLaw, table, fixed=form.fixed)

    table = wide(BUSBRIDGE2025_LAW)
    trials = [selection.trial(form, fit, table) for form in selection.supervised_forms({})]
    assert str(trials[1].left_out) == "no start arrived"
    assert selection.choose(trials) == 0
    with pytest.raises(FitError, match="no start arrived"):
        selection.choose(trials[1:])


# --- the rule -----------------------------------------------------------------------------------------------


def test_the_larger_form_must_be_better_by_the_margin(made):
    small = made("small", dict.fromkeys(range(6), 0.01))
    for error, expected in ((0.0101 * (1 - MARGIN), 0), (0.0099 * (1 - MARGIN), 1)):
        assert selection.choose([small, made("large", dict.fromkeys(range(6), error), free=6)]) == expected


def test_the_larger_form_must_win_more_folds_than_chance_would_give_it(made):
    assert 0.5**5 < CHANCE < 0.5**4
    for count, expected in ((4, 0), (5, 1), (6, 1)):
        small = made("small", dict.fromkeys(range(count), 0.01))
        assert selection.choose([small, made("large", dict.fromkeys(range(count), 0.001), free=6)]) == expected
    small = made("small", dict.fromkeys(range(6), 0.01))
    assert selection.choose([small, made("large", {**dict.fromkeys(range(5), 0.001), 5: 0.011}, free=6)]) == 0


def test_forms_are_compared_on_the_folds_that_both_have(made):
    """The larger form looks better by its own mean, because it lacks the folds that are hard."""
    small = made("small", {**dict.fromkeys(range(5), 0.01), 5: 0.5, 6: 0.5})
    large = made("large", dict.fromkeys(range(5), 0.0099), free=6)
    trials = [small, large]
    assert selection.shared(trials) == [("C", str(k)) for k in range(5)]
    assert selection.choose(trials) == 0
    assert [candidate.error for candidate in selection.candidates(trials, 0)] == pytest.approx([0.01, 0.0099])


def test_the_smallest_comes_first_however_they_are_listed_and_equals_by_their_order(made):
    same = dict.fromkeys(range(6), 0.01)
    assert selection.choose([made("large", same, free=6), made("small", same)]) == 1
    assert selection.choose([made("one", same), made("other", same)]) == 0
    better = dict.fromkeys(range(6), 0.001)
    assert selection.choose([made("one", same), made("other", better)]) == 1


def test_differences_of_rounding_choose_nothing(made):
    small = made("small", dict.fromkeys(range(6), 1e-8))
    assert selection.choose([small, made("large", dict.fromkeys(range(6), 1e-9), free=6)]) == 0
