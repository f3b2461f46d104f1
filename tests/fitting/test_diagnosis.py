"""The diagnosis of a fit: residuals by scale, profiles, directions the runs do not see, the run that would see them."""

import re
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from fitting import diagnosis, forms, profiles, search, solver, stages, starts, units
from fitting.diagnosis import describe, diagnose, gamma_words
from fitting.errors import InputError
from fitting.estimation import fit_law, fit_table
from fitting.findings import Direction
from fitting.fit import Fit
from fitting.flops import SIX_ND
from fitting.laws import SupervisedLaw
from fitting.method import Method
from fitting.published import BUSBRIDGE2025_FIGURES_LAW
from fitting.records import RunRecord, RunTable

LAW = BUSBRIDGE2025_FIGURES_LAW
TRUTH = LAW.supervised
L2 = Method(loss="l2")


def table_of(N, D, loss):
    records = (
        RunRecord(f"run-{i}", "supervised", *map(float, run)) for i, run in enumerate(zip(N, D, loss, strict=True))
    )
    return RunTable(tuple(records), SIX_ND)


@pytest.fixture(scope="module")
def diagnoses(distillation_fit, noisy_runs):
    return diagnose(distillation_fit.supervised, noisy_runs), diagnose(distillation_fit, noisy_runs)


@pytest.fixture(scope="module")
def line():
    """Runs that all have 20 tokens per parameter."""
    rng = np.random.default_rng(0)
    N = np.geomspace(1e8, 8e9, 40)
    return table_of(N, 20 * N, TRUTH.loss(N, 20 * N) * np.exp(0.004 * rng.normal(size=40)))


# --- residuals -------------------------------------------------------------------------------------------


def test_scales_partition_the_runs(diagnoses, distillation_fit, noisy_runs):
    for found, fit, runs in ((diagnoses[0], distillation_fit.supervised, noisy_runs.supervised()),
                             (diagnoses[1], distillation_fit, noisy_runs.distillation())):  # fmt: skip
        C = fit.convention.training(runs.column("N"), runs.column("D"))
        teacher = runs.column("teacher_loss") if fit.form == "distillation" else None
        r = np.log(fit.predict(runs.column("N"), runs.column("D"), teacher)) - np.log(runs.column("loss"))
        counts = [scale.runs for scale in found.by_scale]
        assert sum(counts) == len(runs)
        assert max(counts) - min(counts) <= 1
        assert len(counts) == 6
        assert (found.by_scale[0].C[0], found.by_scale[-1].C[1]) == (C.min(), C.max())
        total = sum(scale.runs * scale.rms**2 for scale in found.by_scale)
        assert total == pytest.approx(len(runs) * fit.residual_rms**2, rel=1e-6)
        assert sum(s.runs * s.mean for s in found.by_scale) == pytest.approx(r.sum(), abs=1e-8)
        order = np.argsort(-np.abs(r))[:5]
        assert [name for name, _ in found.worst] == [runs.records[i].run_id for i in order]
        assert [miss for _, miss in found.worst] == pytest.approx(r[order], abs=1e-8)


def test_a_few_budgets_are_the_scales():
    rng = np.random.default_rng(0)
    budgets = np.repeat([1e19, 1e20, 1e21], 7)
    N = np.tile(np.geomspace(0.2, 5, 7), 3) * np.sqrt(budgets / 120)
    D = budgets / (6 * N)
    table = table_of(N, D, TRUTH.loss(N, D) * np.exp(0.004 * rng.normal(size=21)))
    found = diagnose(fit_law(SupervisedLaw, table, fixed={"gamma": 1}), table)
    assert [scale.runs for scale in found.by_scale] == [7, 7, 7]
    assert [scale.C[0] for scale in found.by_scale] == pytest.approx([1e19, 1e20, 1e21], rel=1e-9)


def test_a_given_law_has_no_diagnosis(noisy_runs):
    assert diagnose(Fit.given(LAW), noisy_runs) is None


def test_a_diagnosis_comes_back_from_a_file(diagnoses, distillation_fit, tmp_path):
    fit = replace(
        distillation_fit, diagnosis=diagnoses[1],
        supervised=replace(distillation_fit.supervised, diagnosis=diagnoses[0]),
    )  # fmt: skip
    fit.to_json(tmp_path / "law.json")
    assert Fit.from_json(tmp_path / "law.json") == fit


# --- profiles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["E", "gamma"])
def test_a_quadratic_objective_has_the_interval_of_the_textbook(name):
    """Least squares with little noise is linear: half-widths are those of the classical covariance."""
    rng = np.random.default_rng(3)
    N, D = (grid.ravel() for grid in np.meshgrid(np.geomspace(5e7, 2e10, 12), np.geomspace(5e8, 1e12, 12)))
    table = table_of(N, D, TRUTH.loss(N, D) * np.exp(1e-5 * rng.normal(size=len(N))))
    fit = fit_law(SupervisedLaw, table, method=L2)
    stage = stages.stage_of(fit, table)

    def logs(x):
        return np.log(SupervisedLaw(*np.exp(x)).loss(N, D))

    x = np.log(list(fit.coefficients.values()))
    J = np.array([(logs(x + step) - logs(x - step)) / 2e-5 for step in 1e-5 * np.eye(6)]).T
    noise = np.sum((logs(x) - np.log(table.column("loss"))) ** 2) / (len(N) - 6)
    half = NormalDist().inv_cdf(0.95) * np.sqrt(noise * np.linalg.inv(J.T @ J).diagonal())
    i = list(fit.coefficients).index(name)
    found = profiles.profile(stage, name)
    assert np.log(found.interval) - x[i] == pytest.approx([-half[i], half[i]], rel=0.02)
    # and so is every point of it a parabola
    expected = found.threshold * ((np.log(found.values) - x[i]) / half[i]) ** 2
    assert found.rises == pytest.approx(expected, rel=0.03, abs=1e-3 * found.threshold)


@pytest.mark.parametrize("level", [0.5, 0.90])
def test_a_profile_is_the_lowest_objective_with_the_coefficient_held(distillation_fit, noisy_runs, level):
    """Against a search over the other coordinates from many places, with the coefficient fixed beforehand."""
    fit = distillation_fit
    stage = stages.stage_of(fit, noisy_runs)
    for name in ("gamma", "d1"):
        found = profiles.profile(stage, name, level)
        low, high = found.interval
        assert low < fit.coefficients[name] < high
        assert found.rises.min() == 0
        assert (np.diff(found.values) > 0).all()
        whole = stage.problem.penalty(stage.strength, priors=True)
        best = solver.minimise(stage.problem, stage.z[None], stage.delta, penalty=whole)
        for end in (low, high):
            held = stages.distillation_problem(stage.runs, fit.supervised, {name: end}, limit=False)
            if fit.teacher_spread:
                held = forms.with_teacher_errors(held, stages.teachers(stage.runs), fit.teacher_spread)
            penalty = held.penalty(stage.strength, priors=True)
            lanes = np.repeat(stage.z[None], 3, axis=0)
            kept = [k for k, known in enumerate(stage.problem.coordinates.names) if known in held.coordinates.names]
            kept += list(range(stage.problem.laws, len(stage.z)))
            lanes = lanes[:, kept] + 0.02 * np.random.default_rng(0).normal(size=(3, len(kept)))
            value = float(solver.graduated(held, lanes, stage.delta, penalty=penalty).objectives.min())
            if name == "gamma":  # the held coordinate has a prior as well
                k = stage.problem.coordinates.names.index("log_gamma")
                value += 0.5 * whole.precision[k] * (np.log(end) - whole.mean[k]) ** 2
            # 1 % of a distance is 2 % of a rise
            assert value - best.objectives[0] == pytest.approx(found.threshold, rel=0.03)


def test_a_profile_agrees_with_the_linearised_interval_where_that_is_good(distillation_fit, diagnoses):
    fit = distillation_fit.supervised
    for name in ("E", "gamma"):
        width = np.ptp(fit.intervals[name])
        assert np.abs(np.subtract(diagnoses[0].profiles[name], fit.intervals[name])).max() < 0.15 * width


def test_profiles_of_what_is_free_and_means_something(diagnoses, noisy_runs, distillation_fit):
    assert set(diagnoses[0].profiles) == {"E", "gamma"}
    assert set(diagnoses[1].profiles) == {"gamma", "d1", "s"}
    limit = fit_table(noisy_runs, supervised=distillation_fit.supervised, limit_form=True, fixed={"gamma": 0.8})
    stage = stages.stage_of(limit, noisy_runs)
    assert profiles.names(stage) == ("s",)
    with pytest.raises(InputError, match="no profile of 'd1' here: it must be one of s"):
        profiles.profile(stage, "d1")


def test_an_end_that_the_box_comes_before_is_none(line):
    fit = fit_law(SupervisedLaw, line)
    found = diagnose(fit, line)
    assert found.profiles["gamma"] == (None, None)
    assert found.profiles["E"][0] is None
    assert "can't tell gamma from 1" in gamma_words(found.profiles["gamma"])
    # the upper end of E is the global one, not where a local solver is caught
    stage = stages.stage_of(fit, line)
    squares, inside = search.moments(
        stage.problem.residuals(stage.z[None], np.zeros(1, dtype=np.intp))[0], stage.delta, stage.problem.laws
    )
    for factor, beyond in ((0.99, False), (1.01, True)):
        held = stages.supervised_problem(stage.runs, {"E": found.profiles["E"][1] * factor})
        value = solver.graduated(held, starts.starts(held, 12, stage.delta, 0), stage.delta).objectives.min()
        assert (value - fit.objective > 0.5 * 2.7055 * squares / inside) == beyond


def test_exact_runs_have_profiles_without_width():
    N, D = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e11, 6)))
    table = table_of(N, D, TRUTH.loss(N, D))
    fit = fit_law(SupervisedLaw, table)
    found = diagnose(fit, table)
    assert found.profiles["gamma"] == pytest.approx((TRUTH.gamma, TRUTH.gamma), rel=1e-4)
    assert found.next_run is None


def test_profiles_of_gamma_hold_the_truth_as_often_as_they_say(simulated):
    """Nine in ten, give or take what 25 tables allow (binomial: 19 or fewer happens once in thirty)."""
    held = 0
    for seed in range(25):
        table = simulated(LAW, 0.004, 200 + seed, distilled=False)
        low, high = profiles.profile(stages.stage_of(fit_law(SupervisedLaw, table), table), "gamma").interval
        held += (low or 0) <= TRUTH.gamma <= (high or np.inf)
    assert held >= 19


# --- directions ------------------------------------------------------------------------------------------


def test_the_spectrum_of_a_case_by_hand():
    """With E alone and A alone free the coordinates are log E and u: a covariance of two by two, written out."""
    rng = np.random.default_rng(0)
    N, D = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e11, 6)))
    table = table_of(N, D, TRUTH.loss(N, D) * np.exp(0.004 * rng.normal(size=36)))
    held = {name: getattr(TRUTH, name) for name in ("B", "alpha", "beta", "gamma")}
    fit = fit_law(SupervisedLaw, table, fixed=held, method=L2)
    law = fit.law
    loss = law.loss(N, D)
    total = law.A * N**-law.alpha + law.B * D**-law.beta
    by_E = law.E / loss
    by_u = law.gamma * total ** (law.gamma - 1) * law.A * N**-law.alpha / law.gamma / loss  # u = γ log A + ...
    J = np.array([by_u, by_E])
    noise = np.sum((np.log(loss) - np.log(table.column("loss"))) ** 2) / (36 - 2)
    values, vectors = np.linalg.eigh(noise * np.linalg.inv(J @ J.T))
    found = diagnose(fit, table).directions
    assert len(found) == 2
    for direction, value, vector in zip(found, values[::-1], vectors.T[::-1], strict=True):
        largest = vector[np.argmax(np.abs(vector))]
        expected = dict(zip(("u", "log_E"), vector / largest, strict=True))
        assert direction.weights == pytest.approx({k: w for k, w in expected.items() if abs(w) >= 0.1}, rel=1e-3)
        assert direction.sd == pytest.approx(np.sqrt(value) * abs(largest), rel=1e-3)


def test_directions_come_weakest_first(diagnoses):
    for found in diagnoses:
        assert all(max(np.abs(list(d.weights.values()))) == 1 for d in found.directions)
        assert all(min(np.abs(list(d.weights.values()))) >= 0.1 for d in found.directions)
    assert [len(found.directions) for found in diagnoses] == [6, 9]


def test_runs_on_one_line_leave_the_two_terms_to_each_other():
    """At D = 20 N and γ = 1 both terms are powers of N alone: what one loses the other can take."""
    rng = np.random.default_rng(0)
    two = SupervisedLaw(A=400.0, B=2000.0, E=1.7, alpha=0.34, beta=0.30, gamma=1.0)

    def made(N, D, noise):
        return table_of(N, D, two.loss(N, D) * np.exp(noise * rng.normal(size=len(N))))

    N = np.geomspace(1e8, 8e9, 40)
    table = made(N, 20 * N, 0.001)
    fit = replace(fit_law(SupervisedLaw, table, fixed={"gamma": 1}), coefficients=vars(two))  # the truth, to be sure
    found = diagnose(fit, table)
    weakest = found.directions[0]
    assert weakest.sd > 1
    assert {"u", "v"} <= set(weakest.weights)
    assert weakest.weights["u"] * weakest.weights["v"] < 0
    assert {"p", "q"} & {*found.directions[0].weights, *found.directions[1].weights}
    assert "nothing that these runs can see" in describe(weakest, "supervised")
    size, tokens = told_run(found.next_run)
    assert abs(np.log(tokens / size / 20)) > np.log(2)
    # and off the line it does tell them apart
    more = made(np.append(N, [size] * 4), np.append(20 * N, [tokens] * 4), 0.001)
    again = diagnose(replace(fit_law(SupervisedLaw, more, fixed={"gamma": 1}), coefficients=vars(two)), more)
    assert again.directions[0].sd < 0.5 * weakest.sd


def told_run(sentence):
    N, D = re.search(r"run of (\S+) parameters on (\S+) tokens", sentence).groups()
    return units.parse(N, "N"), units.parse(D, "D")


# --- the next run ----------------------------------------------------------------------------------------


def test_the_next_run_does_what_is_said_of_it():
    """With the run in the table the standard deviation along the direction falls as foretold; and C is affordable."""
    rng = np.random.default_rng(1)
    N, D = (grid.ravel() for grid in np.meshgrid(np.geomspace(2e8, 5e9, 5), np.geomspace(4e9, 1e11, 5)))
    table = table_of(N, D, TRUTH.loss(N, D) * np.exp(0.004 * rng.normal(size=25)))
    fit = fit_law(SupervisedLaw, table, method=L2)
    found = diagnose(fit, table)
    at = told_run(found.next_run)
    assert 6 * at[0] * at[1] <= (6 * N * D).max() * (1 + 1e-6)
    said = float(re.search(r"deviation by (\d+)%", found.next_run).group(1)) / 100
    # refitted with one such run, at the fitted law's own loss there: the same optimum, one row of information more
    more = table_of(np.append(N, at[0]), np.append(D, at[1]), np.append(table.column("loss"), fit.predict(*at)))
    stage, other = stages.stage_of(fit, table), stages.stage_of(fit_law(SupervisedLaw, more, method=L2), more)
    before, after = diagnosis._spectrum(stage), diagnosis._spectrum(other)
    moved = np.diag(1 / after.per_log) @ _change(stage, other) @ np.diag(before.per_log)
    covariance = np.linalg.inv(moved) @ (after.axes * after.sds**2) @ after.axes.T @ np.linalg.inv(moved).T
    axis = before.axes[:, 0]
    # noise is estimated from one run more
    scale = before.noise / after.noise
    assert 1 - scale * np.sqrt(axis @ covariance @ axis) / before.sds[0] == pytest.approx(said, abs=0.03)


def _change(stage, other):
    """Derivatives of the second stage's coordinates by the first's: they differ by their centres alone."""
    a, b = (s.problem.coordinates for s in (stage, other))
    return np.linalg.pinv(b.logs_by(other.z[None])[0]) @ a.logs_by(stage.z[None])[0]


def test_a_distilled_run_names_its_teacher(diagnoses):
    assert re.fullmatch(
        r"a student of \S+ parameters on \S+ tokens \(\S+ FLOPs\), of a teacher of [\d.]+ nats/token, would tell most "
        r"about .+: it would shrink (its|their) standard deviation by \d+%",
        diagnoses[1].next_run,
    )


# --- words -----------------------------------------------------------------------------------------------


def test_words_for_directions():
    blind = Direction(3.0, {"log_E": -0.6, "log_gamma": 1.0})
    assert describe(blind, "supervised") == (
        "gamma and E together: ×2.7 and -45% changes nothing that these runs can see."
    )
    vague = Direction(0.2, {"c0": 1.0, "u": 0.2})
    assert describe(vague, "distillation") == "c0 above all: +0.2, the rest to match, is one standard deviation."
    known = Direction(0.01, {"u": 1.0})
    assert describe(known, "distillation") == ("The size of the N_S term alone: +1% is already one standard deviation.")


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0.6, 1.4), "these runs can't tell gamma from 1 (0.6 to 1.4 fits about as well)"),
        ((None, None), "these runs can't tell gamma from 1 (any value fits about as well)"),
        ((0.4, 0.5), "gamma lies below 1: at most 0.5"),
        ((1.2, None), "gamma lies above 1: at least 1.2"),
    ],
)
def test_words_for_gamma(ends, words):
    assert gamma_words(ends) == words
