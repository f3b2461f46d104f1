"""Joint draws, rollouts, and the intervals made of them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fitting import bootstrap, calibration, stages
from fitting.bootstrap import with_draws
from fitting.calibration import Held, calibrated
from fitting.errors import InputError
from fitting.estimation import fit_distillation, fit_law, fit_table
from fitting.findings import Beyond
from fitting.fit import COEFFICIENTS, Fit
from fitting.flops import SIX_ND
from fitting.laws import SupervisedLaw
from fitting.library import load_law
from fitting.method import Method
from fitting.published import BUSBRIDGE2025_LAW
from fitting.records import RunRecord, RunTable
from fitting.rollout import predictions, rollout, splits

LAW = SupervisedLaw(406.4, 410.7, 1.69, 0.34, 0.28, 1.0)


def table(law=LAW, noise=0.005, seed=0, sizes=8, tokens=8, seeds=1):
    rng, records = np.random.default_rng(seed), []
    for N in np.geomspace(1e8, 1e10, sizes):
        for D in np.geomspace(2e9, 3e11, tokens):
            for k in range(seeds):
                loss = float(law.loss(N, D) * np.exp(noise * rng.standard_normal()))
                records.append(RunRecord(f"r{len(records)}", "supervised", float(N), float(D), loss, seed=k))
    return RunTable(tuple(records), SIX_ND)


@pytest.fixture(scope="module")
def runs():
    return table()


@pytest.fixture(scope="module")
def drawn(runs):
    fit = fit_law(SupervisedLaw, runs, fixed={"gamma": 1})
    return with_draws(replace(fit, rollout=rollout(fit, runs)), runs, 300)


@pytest.fixture(scope="module")
def two_stages(noisy_runs, distillation_fit):
    return with_draws(distillation_fit, noisy_runs, 100)


# --- draws ---------------------------------------------------------------------------------------------------


def test_draws_scatter_as_the_linearised_covariance_says(runs, drawn):
    plain = fit_law(SupervisedLaw, runs, fixed={"gamma": 1})
    for name in ("E", "alpha", "beta"):
        low, high = plain.intervals[name]
        width = drawn.intervals[name][1] - drawn.intervals[name][0]
        assert 0.6 < width / (high - low) < 1.6
        assert drawn.intervals[name][0] < drawn.coefficients[name] < drawn.intervals[name][1]
    assert drawn.interval_method == "bootstrap, 300 draws by run"
    assert drawn.intervals["gamma"] is None
    assert (drawn.draws.coefficients["gamma"] == 1).all()
    assert drawn.draws.to_frame()["alpha"].quantile(0.95) == pytest.approx(drawn.intervals["alpha"][1])


def test_draws_of_two_stages_are_joint(noisy_runs):
    """Each distillation draw is the fit on its own supervised draw: refitting one of them by hand gives it again."""
    plain = Method(teacher_errors=False)
    fit = with_draws(fit_table(noisy_runs, method=plain), noisy_runs, 10)
    assert len(fit.draws) == len(fit.supervised.draws) == 10
    assert set(fit.draws.coefficients) == set(COEFFICIENTS["distillation"])
    assert np.std(fit.supervised.draws.coefficients["E"]) > 0
    own, base = stages.stage_of(fit, noisy_runs), stages.stage_of(fit.supervised, noisy_runs)
    weights = bootstrap.draw(own, base, 10, np.random.default_rng([0, 1])).distillation
    law = SupervisedLaw(**{name: float(values[3]) for name, values in fit.supervised.draws.coefficients.items()})
    below = Fit.given(replace(BUSBRIDGE2025_LAW, supervised=law))
    distilled = noisy_runs.distillation()
    stage = replace(own, problem=stages.distillation_problem(distilled, below, {}, limit=False))
    by_hand = np.exp(stage.log_losses(stage.refit(weights[3:4])))[0]
    drawn = {name: float(values[3]) for name, values in fit.draws.coefficients.items()}
    at = [distilled.column(name) for name in ("N", "D", "teacher_loss")]
    assert replace(fit, coefficients=drawn, supervised=below).predict(*at) == pytest.approx(by_hand, rel=1e-5)


def test_one_table_gives_the_same_draws(runs, drawn):
    fit = fit_law(SupervisedLaw, runs, fixed={"gamma": 1})
    assert with_draws(fit, runs, 300).draws == drawn.draws
    other = fit_law(SupervisedLaw, runs, fixed={"gamma": 1}, method=Method(seed=1))
    assert with_draws(other, runs, 300).draws != drawn.draws


def test_repeats_and_clusters_stay_together():
    repeated = table(sizes=5, tokens=5, seeds=3)
    fit = fit_law(SupervisedLaw, repeated, fixed={"gamma": 1})
    stage = stages.stage_of(fit, repeated)
    cluster, unit = bootstrap.clusters(stage)
    assert unit == "repeat"
    assert len(np.unique(cluster)) == 25
    resamples = bootstrap.draw(stage, None, 20, np.random.default_rng(0)).supervised
    assert (resamples[:, 0::3] == resamples[:, 1::3]).all()
    named = fit_law(SupervisedLaw, repeated, fixed={"gamma": 1}, method=Method(cluster="seed"))
    with pytest.raises(InputError, match=r"fall into 3 clusters \(column seed\) for 5 free coefficients"):
        with_draws(named, repeated, 10)
    with pytest.raises(InputError, match="--cluster group: no run has a 'group'"):
        fit_law(SupervisedLaw, repeated, fixed={"gamma": 1}, method=Method(cluster="group"))


def test_lost_draws_are_told(monkeypatch):
    """A tenth of the refits is made to fail."""
    few = table(sizes=4, tokens=2, noise=0.05)
    fit = fit_law(SupervisedLaw, few, fixed={"gamma": 1})
    whole = bootstrap.refit

    def a_tenth_lost(*arguments):
        z_base, z = whole(*arguments)
        z[::10] = np.nan
        return z_base, z

    monkeypatch.setattr(bootstrap, "refit", a_tenth_lost)
    found = with_draws(fit, few, 100)
    lost = found.draws.asked - len(found.draws)
    told = [doubt.message for doubt in found.warnings if doubt.code == "draws-lost"]
    assert lost >= 10
    assert told == [f"{lost} of 100 resamples did not converge; the draws are of those that did"]


def test_draws_are_of_the_fits_own_table(runs, drawn):
    with pytest.raises(InputError, match="was not made from this table"):
        with_draws(drawn, table(seed=1), 10)
    with pytest.raises(InputError, match="at least 2 resamples, not 1"):
        with_draws(drawn, runs, 1)
    with pytest.raises(InputError, match="was given, not fitted"):
        with_draws(Fit.given(BUSBRIDGE2025_LAW), runs, 10)


def test_a_given_law_underneath_is_held(noisy_runs):
    fit = fit_distillation(noisy_runs, Fit.given(BUSBRIDGE2025_LAW))
    found = with_draws(fit, noisy_runs, 20)
    assert found.supervised.draws is None
    assert found.predict(1e9, 1e11, 2.2, interval=0.9).low < found.predict(1e9, 1e11, 2.2)


def test_stages_fitted_to_the_table_and_to_its_parts_are_one(noisy_runs):
    """`fit_law(SupervisedLaw, table.supervised())`, then `fit_distillation(table, that)`: resampled together."""
    below = fit_law(SupervisedLaw, noisy_runs.supervised())
    fit = with_draws(fit_distillation(noisy_runs, below), noisy_runs, 10)
    assert fit.supervised.draws is not None
    assert rollout(fit, noisy_runs) is not None


def test_a_law_from_another_table_lends_its_draws(simulated, noisy_runs):
    from fitting.published import BUSBRIDGE2025_FIGURES_LAW

    other = simulated(BUSBRIDGE2025_FIGURES_LAW, 0.004, 8, distilled=False)
    below = with_draws(fit_law(SupervisedLaw, other), other, 30)
    fit = with_draws(fit_distillation(noisy_runs, below), noisy_runs, 12)
    lent, own = fit.supervised.draws.coefficients["E"], below.draws.coefficients["E"]
    assert len(lent) == len(fit.draws)
    assert set(lent) <= set(own)
    assert np.isfinite(fit.predict(1e9, 1e11, 2.2, interval=0.9).high)


def test_a_fit_with_draws_comes_back_exactly(drawn, two_stages, tmp_path):
    for fit in (drawn, two_stages):
        fit.to_json(tmp_path / "fit.json")
        found = Fit.from_json(tmp_path / "fit.json")
        assert found == fit
        assert found.draws == fit.draws
    data = json.loads((tmp_path / "fit.json").read_text())
    data["draws"]["float64"] = data["draws"]["float64"][:-8]
    (tmp_path / "fit.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="draws: not what a law file holds there"):
        Fit.from_json(tmp_path / "fit.json")


# --- rollouts ------------------------------------------------------------------------------------------------


def test_folds_hold_out_the_largest_runs_first(runs):
    fit = fit_law(SupervisedLaw, runs, fixed={"gamma": 1})
    own = stages.stage_of(fit, runs)
    found = splits(own, None, SIX_ND)
    C = 6 * runs.column("N") * runs.column("D")
    assert 3 <= len(found) <= 6
    for split in found:
        assert C[split.fitted].max() < C[split.predicted].min()
        assert not (split.fitted & split.predicted).any()
    counts = [int(split.predicted.sum()) for split in found]
    assert counts == sorted(counts)


def test_a_fold_is_the_fit_to_the_smaller_runs(runs):
    fit = fit_law(SupervisedLaw, runs, fixed={"gamma": 1})
    own = stages.stage_of(fit, runs)
    for made in predictions(own, None, SIX_ND, splits(own, None, SIX_ND)[:3]):
        kept = tuple(r for r, inside in zip(runs.records, made.split.fitted, strict=True) if inside)
        small = fit_law(SupervisedLaw, RunTable(kept, SIX_ND), fixed={"gamma": 1})
        error = np.log(runs.column("loss")) - np.log(small.predict(runs.column("N"), runs.column("D")))
        assert made.error == pytest.approx(error, abs=2e-6)


def test_a_wrong_form_shows_beyond_its_runs():
    """The runs follow γ = 0.4; with γ held at 1 the rollout errs more, drifts, and its intervals widen beyond."""
    truth = SupervisedLaw(3355.0, 18186.0, 1.22, 0.408, 0.431, 0.452)
    runs = table(truth, noise=0.001, sizes=9, tokens=9)
    right, wrong = (rollout(fit_law(SupervisedLaw, runs, fixed=fixed), runs) for fixed in ({}, {"gamma": 1.0}))
    assert wrong.error > 2 * right.error
    found = wrong.beyond["C"]
    assert found.conformal
    assert abs(found.drift) + found.growth > 3 * (abs(right.beyond["C"].drift) + right.beyond["C"].growth)


def test_a_distillation_is_rolled_out_by_students_and_by_teachers(distillation_fit, noisy_runs):
    found = rollout(distillation_fit, noisy_runs)
    assert set(found.beyond) == {"C", "L_T"}
    assert "the best teacher" in [fold.held_out for fold in found.folds]
    assert found.error < 0.01
    assert found.largest_C == pytest.approx(float(distillation_fit.convention.training(7.75e9, 512e9)))


def test_few_runs_allow_no_fold():
    few = table(sizes=3, tokens=3)
    assert rollout(fit_law(SupervisedLaw, few, fixed={"gamma": 1}), few) is None


# --- intervals -----------------------------------------------------------------------------------------------


def held(error, distance, variance=1e-6):
    return Held(np.asarray(error, float), np.full(len(error), variance), np.asarray(distance, float))


def test_growth_puts_the_promised_share_inside():
    rng = np.random.default_rng(0)
    distance = rng.uniform(0.5, 2, 400)
    error = 0.02 * distance * rng.standard_normal(400)
    found = calibrated([held(error, distance)], 0.95)
    spread = np.sqrt(calibration.factor(found.noise, distance) ** 2 * 1e-6 + (found.growth * distance) ** 2)
    inside = np.abs(error - found.drift * distance) <= 1.959964 * spread * (1 + 1e-9)
    assert found.conformal
    assert 0.95 <= inside.mean() <= 0.96
    assert found.growth == pytest.approx(0.02, rel=0.15)


def test_a_drift_shared_by_the_folds_moves_the_centre():
    rng = np.random.default_rng(1)
    folds = []
    for _ in range(4):
        distance = rng.uniform(0.2, 2, 50)
        folds.append(held(0.01 * distance + 0.001 * rng.standard_normal(50), distance))
    found = calibrated(folds, 0.95)
    assert 0.007 <= found.drift <= 0.011


def test_eighteen_held_out_runs_promise_nothing():
    rng = np.random.default_rng(2)
    few = [held(0.01 * rng.standard_normal(18), np.ones(18))]
    assert not calibrated(few, 0.95).conformal
    assert calibrated(few, 0.95).drift == 0
    assert calibrated(few, 0.95).growth == pytest.approx(0.01, rel=0.5)
    assert calibrated([held(0.01 * rng.standard_normal(19), np.ones(19))], 0.95).conformal
    assert calibrated([], 0.95) == Beyond()


def test_every_fold_of_a_lad_fit_is_kept(noisy_runs):
    """Resamples of a loss full of kinks rarely arrive; the spread of where they stopped does."""
    runs = noisy_runs.supervised()
    found = [rollout(fit_law(SupervisedLaw, runs, method=Method(loss=loss)), runs) for loss in ("huber", "lad")]
    assert len(found[0].folds) == len(found[1].folds) == 6
    assert found[1].error < 2 * found[0].error


def test_a_known_law_underneath_has_no_interval_of_its_own(noisy_runs, tmp_path):
    fit = with_draws(fit_distillation(noisy_runs, Fit.given(BUSBRIDGE2025_LAW)), noisy_runs, 20)
    from fitting.predict import student, table

    law = fit.known()
    assert student(law, 1e9, 1e11, 2.2).interval is not None
    assert student(law, 1e9, 1e11).interval is None
    low = table(law, noisy_runs).column("low")
    assert (np.isnan(low) == (noisy_runs.column("kind") == "supervised")).all()


def test_linearised_intervals_know_of_weights():
    """Half of the runs ten times as loud, weighted by their precision: intervals as wide as estimates scatter."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 8), np.geomspace(2e9, 3e11, 8)))
    rng, found, widths = np.random.default_rng(0), [], []
    noise = np.where(np.arange(64) % 2 == 0, 0.02, 0.002)
    for _ in range(25):
        loss = LAW.loss(N, D) * np.exp(noise * rng.standard_normal(64))
        records = tuple(
            RunRecord(str(i), "supervised", float(N[i]), float(D[i]), float(loss[i]), extras={"w": noise[i] ** -2})
            for i in range(64)
        )
        fit = fit_law(
            SupervisedLaw, RunTable(records, SIX_ND), fixed={"gamma": 1}, method=Method(loss="l2", weights="w")
        )
        found.append(np.log(fit.coefficients["alpha"]))
        widths.append(np.log(fit.intervals["alpha"][1] / fit.intervals["alpha"][0]) / 2 / 1.645)
    assert 0.6 < np.mean(widths) / np.std(found) < 1.5


def test_intervals_hold_new_runs_inside_and_beyond():
    """Ten simulated tables, new runs among theirs and at four times their compute; the study has 200."""
    hits = {"inside": [], "beyond": []}
    for seed in range(10):
        runs = table(noise=0.01, seed=seed)
        fit = fit_law(SupervisedLaw, runs, fixed={"gamma": 1})
        fit = with_draws(replace(fit, rollout=rollout(fit, runs)), runs, 200)
        rng = np.random.default_rng([seed, 9])
        for where, factor in (("inside", 1.0), ("beyond", 2.0)):
            N, D = factor * 10 ** rng.uniform(9, 10, 50), factor * 10 ** rng.uniform(10, 11.4, 50)
            loss = LAW.loss(N, D) * np.exp(0.01 * rng.standard_normal(50))
            predicted, low, high = fit.predict(N, D, interval=0.95)
            assert (low < high).all()
            assert predicted == pytest.approx(fit.predict(N, D))
            hits[where].append(np.mean((low <= loss) & (loss <= high)))
    assert 0.92 <= np.mean(hits["inside"]) <= 0.98
    assert 0.88 <= np.mean(hits["beyond"]) <= 0.99


def test_intervals_widen_with_the_level_and_the_distance(drawn):
    narrow, wide = (drawn.predict(1e9, 1e11, interval=level) for level in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.high < wide.high
    near, far = (drawn.predict(N, 3e11, interval=0.95) for N in (1e10, 1e12))
    assert np.log(far.high / far.low) > np.log(near.high / near.low)
    with pytest.raises(InputError, match="between 0 and 1"):
        drawn.predict(1e9, 1e11, interval=95)
    with pytest.raises(InputError, match="--bootstrap 1000"):
        replace(drawn, draws=None).predict(1e9, 1e11, interval=0.9)


def test_predict_gives_the_interval(distillaw, drawn, tmp_path, runs):
    path = tmp_path / "law.json"
    drawn.to_json(path)
    answer = distillaw("predict", "--student", "1B", "--tokens", "100B", "--law", path, "--json")
    found = json.loads(answer.out)
    assert found["interval"] == pytest.approx(list(drawn.predict(1e9, 1e11, interval=0.95)[1:]))
    assert (
        "95% interval of the student's run"
        in distillaw("predict", "--student", "1B", "--tokens", "100B", "--law", path).out
    )
    runs.write(tmp_path / "runs.csv")
    out = tmp_path / "predicted.csv"
    answer = distillaw("predict", tmp_path / "runs.csv", "--law", path, "--out", out)
    assert "columns `predicted`, `low` and `high`" in answer.out
    table = RunTable.read(out)
    inside = (table.column("low") <= table.column("loss")) & (table.column("loss") <= table.column("high"))
    assert 0.88 <= inside.mean() <= 1
    assert load_law(str(path)).fitted == drawn


def test_a_table_of_both_kinds_gets_its_ends(two_stages, noisy_runs):
    from fitting.predict import table as predicted

    found = predicted(two_stages.known(), noisy_runs)
    assert (found.column("low") < found.column("predicted")).mean() > 0.99
    assert not np.isnan(found.column("high")).any()


# --- errors of teachers ----------------------------------------------------------------------------------------


def test_errors_in_the_teachers_losses_are_found(simulated):
    from fitting.published import BUSBRIDGE2025_FIGURES_LAW

    exact = simulated(BUSBRIDGE2025_FIGURES_LAW, 0.004, 3)
    rng = np.random.default_rng(5)
    off = {r.teacher_id: float(np.exp(0.01 * rng.standard_normal())) for r in exact.records if r.teacher_id}
    moved = tuple(
        replace(r, teacher_loss=r.teacher_loss * off[r.teacher_id]) if r.teacher_id else r for r in exact.records
    )
    noisy = RunTable(moved, exact.convention)
    assert fit_table(exact).teacher_spread < 0.002
    found = fit_table(noisy)
    assert 0.003 < found.teacher_spread < 0.02
    assert fit_table(noisy, method=Method(teacher_errors=False)).teacher_spread == 0
    N, D, L_T = (exact.distillation().column(name) for name in ("N", "D", "teacher_loss"))
    truth = BUSBRIDGE2025_FIGURES_LAW.distillation.loss(N, D, L_T)
    miss = [np.sqrt(np.mean((fit_table(noisy, method=Method(teacher_errors=on)).predict(N, D, L_T) / truth - 1) ** 2))
            for on in (True, False)]  # fmt: skip
    assert miss[0] < miss[1]
