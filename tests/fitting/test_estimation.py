"""Estimation: the optimum against scipy, recovery of the truth, doubts, and runs that cannot carry a law."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from fitting import evidence, forms, solver, starts
from fitting.errors import FitError, InputError
from fitting.estimation import fit_distillation, fit_law, fit_table
from fitting.fit import COEFFICIENTS, Fit
from fitting.flops import BUSBRIDGE2025, SIX_ND, SIX_ND_TOTAL
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.library import load_law
from fitting.method import Method
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW
from fitting.records import RunRecord, RunTable

DELTA = 1e-3


def huber(r, delta=DELTA):
    return np.where(np.abs(r) <= delta, r**2 / 2, delta * (np.abs(r) - delta / 2))


def misses(fit, known, table):
    """Relative errors of a fit's predictions against the law that made the runs, rms over the table."""
    truth = known.supervised
    alone, taught = table.supervised(), table.distillation()
    found = [fit.predict(alone.column("N"), alone.column("D")) / truth.loss(alone.column("N"), alone.column("D")) - 1]
    if len(taught):
        at = [taught.column(name) for name in ("N", "D", "teacher_loss")]
        found.append(fit.predict(*at) / known.distillation.loss(*at) - 1)
    return [float(np.sqrt(np.mean(miss**2))) for miss in found]


def scipy_supervised(N, D, loss, *, gamma=None, starts=12):
    """The best of many scipy least-squares runs on the same objective, written independently in coefficients."""
    from scipy.optimize import least_squares

    n, d = np.log(N), np.log(D)

    def residuals(x):
        g = gamma or np.exp(x[5])
        inner = np.logaddexp(x[0] - x[3] * (n - n.mean()), x[1] - x[4] * (d - d.mean()))
        return np.logaddexp(x[2], g * inner) - np.log(loss)

    rng, best = np.random.default_rng(0), np.inf
    for _ in range(starts):
        start = [rng.normal(-1, 1), rng.normal(-1, 1), np.log(loss.min()) - rng.uniform(0.1, 0.6)]
        start += [rng.uniform(0.1, 0.7), rng.uniform(0.1, 0.7)] + ([] if gamma else [rng.normal(0, 0.4)])
        with np.errstate(all="ignore"):
            found = least_squares(
                residuals, start, loss="huber", f_scale=DELTA, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15,
                max_nfev=400,
            )  # fmt: skip
        best = min(best, float(huber(residuals(found.x)).sum()))
    return best


def scipy_distillation(table, alone, start, *, starts=3):
    """The best of scipy runs near `start`, coefficients in logarithms, γ' inside the range that we search."""
    from scipy.optimize import least_squares

    N, D, L_T, loss = (table.column(name) for name in ("N", "D", "teacher_loss", "loss"))
    names = list(start)
    x0 = np.log(np.array([max(value, 1e-3) for value in start.values()]))

    def residuals(x):
        found = np.exp(np.minimum(x, 700))
        law = DistillationLaw(supervised=alone, **dict(zip(names, found, strict=True)))
        return np.log(law.loss(N, D, L_T)) - np.log(loss)

    rng, best = np.random.default_rng(0), np.inf
    most = np.array([np.log(10.0 * (1 + 1e-12)) if name == "gamma" else np.inf for name in names])
    for trial in range(starts):
        start = x0 + 0.02 * trial * rng.normal(size=len(x0))
        with np.errstate(all="ignore"):
            found = least_squares(
                residuals, np.minimum(start, most - 1e-9), loss="huber", f_scale=DELTA, x_scale="jac",
                bounds=(-np.inf, most), xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=150,
            )  # fmt: skip
            best = min(best, float(huber(residuals(found.x)).sum()))
    return best


def public_table(public_runs, name):
    if name == "kyo_takano_llm.csv":
        return RunTable.read(public_runs(name), convention=SIX_ND_TOTAL)
    if name == "porian2024.csv":
        import pandas as pd

        # three rows of the file have no numbers; a table with such rows is refused
        frame = pd.read_csv(public_runs(name)).dropna(subset=["params", "tokens", "loss"])
        wanted = {"dataset": "rw", "hparams": "tuned", "param_count": "standard", "val": "val"}
        for column, value in wanted.items():
            frame = frame[frame[column] == value]
        assert len(frame) == 121
        return RunTable.from_frame(frame, mapping={"N": "params", "D": "tokens"}, convention=SIX_ND)
    table = RunTable.read(public_runs(name), mapping={"N": "params_no_embed", "D": "tokens"}, convention=SIX_ND)
    return RunTable(tuple(r for r in table.records if "c4_val" in r.extras["val_data"]), SIX_ND)


# --- the objective ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [False, True])
@pytest.mark.parametrize("fixed", [{}, {"gamma": 1.0}, {"alpha": 0.4, "B": 2000.0, "E": 1.5}], ids=str)
def test_coordinates_are_the_laws_themselves(simulated, fixed, limit):
    """The residuals of `fitting.forms` equal log L̂ - log L of `fitting.laws` at any coordinates, and there and back."""
    table = simulated(BUSBRIDGE2025_LAW, 0.01, 0)
    alone, taught = table.supervised(), table.distillation()
    N, D, loss = (alone.column(name) for name in ("N", "D", "loss"))
    at = [taught.column(name) for name in ("N", "D", "teacher_loss")]
    below = BUSBRIDGE2025_LAW.supervised
    own = {name: value for name, value in fixed.items() if name != "E"} | {"c0": 1.2}
    own = (own if limit else own | {"d1": 1.1, "c1": 60.0}) if fixed else {}
    for problem, held, losses, law_of in (
        (forms.supervised(N, D, loss, fixed), fixed, loss, lambda c: SupervisedLaw(**c).loss(N, D)),
        (
            forms.distillation(*at, below.loss(*at[:2]), taught.column("loss"), own, limit=limit),
            own,
            taught.column("loss"),
            lambda c: DistillationLaw(supervised=below, **c).loss(*at),
        ),
    ):
        points = starts.starts(problem, 8, DELTA, 1)
        residuals = problem.residuals(points, np.arange(8))
        for z, r in zip(points, residuals, strict=True):
            found = {name: float(value[0]) for name, value in problem.coordinates.coefficients(z[None]).items()}
            assert {name: found[name] for name in held} == held
            assert problem.coordinates.of(found) == pytest.approx(z, rel=1e-9, abs=1e-9)
            assert np.allclose(r, np.log(law_of(found)) - np.log(losses), atol=1e-6 if limit else 1e-10, rtol=0)


@pytest.mark.parametrize("limit", [False, True])
@pytest.mark.parametrize("fixed", [{}, {"alpha": 0.4, "beta": 0.3, "A": 900.0, "c1": 50.0, "d1": 1.2}], ids=str)
def test_derivatives_are_those_of_automatic_differentiation(simulated, fixed, limit):
    """Against JAX over the laws as they are written, in the coefficients' logarithms."""
    table = simulated(BUSBRIDGE2025_FIGURES_LAW, 0.01, 0)
    taught = table.distillation()
    at = [taught.column(name) for name in ("N", "D", "teacher_loss")]
    below = BUSBRIDGE2025_FIGURES_LAW.supervised
    own = {name: value for name, value in fixed.items() if not (limit and name in ("c1", "d1"))}
    problem = forms.distillation(*at, below.loss(*at[:2]), taught.column("loss"), own, limit=limit)
    names = COEFFICIENTS["distillation"]

    def log_loss(logs):
        found = {n: x if n == "c0" else jax.numpy.exp(x) for n, x in zip(names, logs, strict=True)}
        return jax.numpy.log(DistillationLaw(supervised=below, **found).loss(*at))

    points = starts.starts(problem, 6, DELTA, 0)
    _, jacobian = problem.linearised(points, np.arange(6))
    logs, chain = problem.coordinates.logs(points), problem.coordinates.logs_by(points)
    for k in range(6):
        with jax.enable_x64(True):
            by_logs = np.asarray(jax.jacfwd(log_loss)(jax.numpy.asarray(logs[k])))
        assert np.allclose(jacobian[k], (by_logs @ chain[k]).T, atol=1e-6, rtol=1e-6)


def test_the_reported_objective_is_an_unscaled_sum(noisy_runs, distillation_fit):
    for fit, runs in ((distillation_fit.supervised, noisy_runs.supervised()),
                      (distillation_fit, noisy_runs.distillation())):  # fmt: skip
        teacher = runs.column("teacher_loss") if fit.form == "distillation" else None
        r = np.log(fit.predict(runs.column("N"), runs.column("D"), teacher)) - np.log(runs.column("loss"))
        assert fit.objective == pytest.approx(huber(r).sum(), rel=1e-9)
        assert fit.residual_rms == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-9)


def test_huber_by_hand():
    assert solver.huber(np.array([0.0, 0.5e-3, -1e-3, 3e-3]), 1e-3) == pytest.approx([0, 1.25e-7, 5e-7, 2.5e-6])


def test_one_table_gives_one_fit(noisy_runs):
    first, again = (fit_law(SupervisedLaw, noisy_runs, fixed={"gamma": 1}) for _ in range(2))
    assert first == again


# --- the optimum -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kyo_takano_llm.csv", "gadre2024.csv", "porian2024.csv"])
@pytest.mark.parametrize("gamma", [None, 1.0])
def test_no_scipy_run_finds_better_on_public_tables(public_runs, name, gamma):
    table = public_table(public_runs, name)
    fit = fit_law(SupervisedLaw, table, fixed={} if gamma is None else {"gamma": gamma})
    theirs = scipy_supervised(*(table.column(c) for c in ("N", "D", "loss")), gamma=gamma)
    assert fit.objective <= theirs * (1 + 1e-6)
    assert fit.starts_agreeing > 0.5


@pytest.mark.parametrize("known", [BUSBRIDGE2025_LAW, BUSBRIDGE2025_FIGURES_LAW], ids=lambda law: law.id)
@pytest.mark.parametrize("gamma", [None, 1.0])
def test_no_scipy_run_finds_better_on_simulated_tables(simulated, known, gamma):
    table = simulated(known, 0.005, 5)
    plain = Method(priors=False, teacher_errors=False)
    fit = fit_table(table, fixed={} if gamma is None else {"gamma": gamma}, method=plain)
    alone, taught = table.supervised(), table.distillation()
    theirs = scipy_supervised(*(alone.column(c) for c in ("N", "D", "loss")), gamma=gamma, starts=6)
    assert fit.supervised.objective <= theirs * (1 + 1e-6)
    if gamma is None:
        truth = {name: getattr(known.distillation, name) for name in fit.coefficients}
        theirs = min(
            scipy_distillation(taught, fit.supervised.supervised_law, start)
            for start in (truth, fit.coefficients)
        )  # fmt: skip
        assert fit.objective <= theirs * (1 + 1e-6)


# --- recovery --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [BUSBRIDGE2025_LAW, BUSBRIDGE2025_FIGURES_LAW], ids=lambda law: law.id)
def test_runs_without_noise_give_the_law_back(simulated, known):
    fit = fit_table(simulated(known, 0.0, 0))
    assert fit.status == fit.supervised.status == "converged"
    for part, truth in ((fit.supervised, known.supervised), (fit, known.distillation)):
        for name, value in part.coefficients.items():
            assert value == pytest.approx(getattr(truth, name), rel=1e-6)


def test_predictions_from_noisy_runs(noisy_runs, distillation_fit):
    alone, taught = misses(distillation_fit, BUSBRIDGE2025_FIGURES_LAW, noisy_runs)
    assert alone < 0.002
    assert taught < 0.0015


def test_fixed_gamma(simulated):
    truth = replace(BUSBRIDGE2025_LAW, supervised=SupervisedLaw(400, 1500, 1.6, 0.34, 0.36, 1.0))
    table = simulated(truth, 0.005, 2, distilled=False)
    fit = fit_law(SupervisedLaw, table, fixed={"gamma": 1})
    assert fit.coefficients["gamma"] == 1.0
    assert fit.fixed == {"gamma": 1}
    assert misses(fit, truth, table)[0] < 0.002
    for name in ("E", "alpha", "beta"):
        low, high = fit.intervals[name]
        assert low / 1.1 < getattr(truth.supervised, name) < high * 1.1


def test_any_coefficient_can_be_held(simulated):
    table = simulated(BUSBRIDGE2025_LAW, 0.0, 0)
    held = {"A": 3355.0, "alpha": 0.408, "E": 1.22}
    fit = fit_law(SupervisedLaw, table, fixed=held)
    assert {name: fit.coefficients[name] for name in held} == held
    assert fit.coefficients["beta"] == pytest.approx(0.431, rel=1e-6)
    held = {"gamma": 0.764, "supervised.gamma": 0.452, "c1": 522.6, "d1": 1.315}
    fit = fit_table(table, fixed=held)
    assert fit.coefficients["f1"] == pytest.approx(0.09, rel=1e-5)
    assert fit.supervised.fixed == {"gamma": 0.452}


def test_a_known_supervised_law_underneath(simulated, noisy_runs):
    base = Fit.given(BUSBRIDGE2025_LAW)
    taught = RunTable(noisy_runs.distillation().records, BUSBRIDGE2025)
    fit = fit_distillation(taught, base)
    assert fit.supervised == base
    assert misses(fit, BUSBRIDGE2025_FIGURES_LAW, noisy_runs)[1] < 0.0015
    with pytest.raises(InputError, match="different conventions"):
        fit_distillation(taught, Fit.given(load_law("hoffmann2022")))
    other = replace(BUSBRIDGE2025_LAW, id="other", supervised=SupervisedLaw(400, 400, 1.7, 0.34, 0.28, 1.0))
    found = fit_distillation(noisy_runs, Fit.given(other))
    assert "supervised-law-astray" in [doubt.code for doubt in found.warnings]


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Marginal and linearised: a check of the order of magnitude, gamma fixed, normal noise."""
    truth = SupervisedLaw(400, 1500, 1.6, 0.34, 0.36, 1.0)
    N, D = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e8, 1e10, 8), np.geomspace(2e9, 2e11, 8)))
    rng, hits, seen = np.random.default_rng(0), 0, 0
    for _ in range(25):
        loss = truth.loss(N, D) * np.exp(0.005 * rng.normal(size=len(N)))
        runs = tuple(
            RunRecord(str(i), "supervised", *map(float, row)) for i, row in enumerate(zip(N, D, loss, strict=True))
        )
        fit = fit_law(SupervisedLaw, RunTable(runs, SIX_ND), fixed={"gamma": 1})
        for name in ("E", "alpha", "beta"):
            if fit.intervals[name] is not None:
                seen += 1
                hits += fit.intervals[name][0] <= getattr(truth, name) <= fit.intervals[name][1]
    assert seen >= 60
    assert 0.75 <= hits / seen <= 1.0


# --- doubts ----------------------------------------------------------------------------------------------


def codes(fit):
    return {doubt.code for doubt in fit.warnings}


def test_what_the_runs_do_not_determine_is_said(distillation_fit):
    assert not distillation_fit.identified["c1"]
    assert distillation_fit.intervals["c1"] is None
    assert {"not-identified", "students-beat-teacher"} <= codes(distillation_fit)
    message = next(d.message for d in distillation_fit.warnings if d.code == "students-beat-teacher")
    assert "of 448 students beat their teacher, by up to" in message


def test_runs_that_did_not_finish_are_left_out_and_counted(noisy_runs):
    records = list(noisy_runs.supervised().records)
    records[0] = replace(records[0], status="diverged", loss=float("nan"))
    records[1] = replace(records[1], status="failed", loss=30.0)
    fit = fit_law(SupervisedLaw, RunTable(tuple(records), BUSBRIDGE2025), fixed={"gamma": 1})
    assert fit.n_runs == 70
    assert "1 diverged, 1 failed" in next(d.message for d in fit.warnings if d.code == "runs-left-out")


def test_runs_of_several_recipes_are_not_mixed_unnoticed(noisy_runs):
    records = [
        replace(record, extras={"schedule": "branches" if i % 3 else "cosine"})
        for i, record in enumerate(noisy_runs.supervised().records)
    ]
    fit = fit_law(SupervisedLaw, RunTable(tuple(records), BUSBRIDGE2025), fixed={"gamma": 1})
    assert "schedule has 2 values: branches (" in next(d.message for d in fit.warnings if d.code == "mixed-recipes")
    assert "mixed-recipes" not in codes(fit_law(SupervisedLaw, noisy_runs.supervised(), fixed={"gamma": 1}))


def test_runs_that_repeat_their_text_are_doubted(noisy_runs):
    records = [replace(record, extras={"epochs": 2.5}) for record in noisy_runs.supervised().records]
    fit = fit_law(SupervisedLaw, RunTable(tuple(records), BUSBRIDGE2025), fixed={"gamma": 1})
    assert "72 of 72 runs repeat their text, up to 2.5 times" in next(
        d.message for d in fit.warnings if d.code == "repeated-text"
    )


def test_one_teacher_two_sizes_and_large_noise_are_doubted(simulated, noisy_runs):
    first = noisy_runs.distillation().records[0].teacher_id
    kept = [r for r in noisy_runs.records if r.kind == "supervised" or r.teacher_id == first]
    kept = [r for r in kept if r.kind == "supervised" or r.N in (198e6, 7.75e9)]
    fit = fit_table(RunTable(tuple(kept), BUSBRIDGE2025), fixed={"gamma": 1})
    assert {"one-teacher", "few-levels"} <= codes(fit)
    assert not all(fit.identified.values())
    loud = fit_law(SupervisedLaw, simulated(BUSBRIDGE2025_LAW, 0.05, 0, distilled=False))
    assert "large-residuals" in codes(loud)
    assert loud.known().relative_error > 0.02


def test_gamma_that_cannot_be_told_from_one(simulated):
    truth = replace(BUSBRIDGE2025_LAW, supervised=SupervisedLaw(400, 1500, 1.6, 0.34, 0.36, 1.0))
    fit = fit_law(SupervisedLaw, simulated(truth, 0.01, 4, distilled=False))
    assert "gamma-not-distinguished" in codes(fit)


# --- refusals --------------------------------------------------------------------------------------------


def some(noisy_runs, **changes):
    return RunTable(tuple(replace(r, **changes) for r in noisy_runs.supervised().records), BUSBRIDGE2025)


def test_too_few_runs(noisy_runs):
    few = RunTable(noisy_runs.supervised().records[:7], BUSBRIDGE2025)
    with pytest.raises(InputError, match="7 finished supervised runs for 6 free coefficients, which need at least 8"):
        fit_law(SupervisedLaw, few)
    with pytest.raises(InputError, match="--supervised LAW"):
        fit_table(RunTable((*few.records, *noisy_runs.distillation().records), BUSBRIDGE2025))
    with pytest.raises(InputError, match="0 finished distilled runs"):
        fit_table(noisy_runs.supervised(), form="distillation")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"N": 1e9}, "column N: every run has 1B"), ({"D": 2e10}, "column D"), ({"loss": 3.0}, "nothing to fit")],
)
def test_constant_columns(noisy_runs, changes, says):
    with pytest.raises(InputError, match=says):
        fit_law(SupervisedLaw, some(noisy_runs, **changes))


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["gamma"], "write NAME=NUMBER"),
        (["supervised.gamm=1"], "no law has a 'supervised.gamm'"),
        (["gamma=x"], "write NAME=NUMBER"),
        (["gamma=1", "gamma=2"], "fixed twice"),
    ],
)
def test_fixes_that_cannot_be_read(texts, says):
    with pytest.raises(InputError, match=says):
        evidence.parse_fixed(texts)


@pytest.mark.parametrize(
    ("fixed", "says"),
    [({"gama": 1}, "did you mean 'gamma'"), ({"gamma": 0}, "must be a positive number"), ({"c0": 1}, "law has A, B"),
     ({"E": float("inf")}, "must be a positive number"), (dict.fromkeys(("A", "B", "E", "alpha", "beta", "gamma"), 1.0),
     "nothing is left to fit")],
)  # fmt: skip
def test_fixes_that_make_no_sense(noisy_runs, fixed, says):
    with pytest.raises(InputError, match=says):
        fit_law(SupervisedLaw, noisy_runs, fixed=fixed)


def test_fixes_of_two_stages(noisy_runs):
    with pytest.raises(InputError, match="given by --supervised"):
        fit_table(noisy_runs, fixed={"supervised.gamma": 1}, supervised=Fit.given(BUSBRIDGE2025_LAW))
    own, below = evidence.split_fixed({"gamma": 1, "c0": 2}, "distillation", given=False)
    assert (own, below) == ({"gamma": 1, "c0": 2}, {"gamma": 1})


def test_a_delta_that_is_no_number(noisy_runs):
    with pytest.raises(InputError, match="--huber-delta"):
        fit_law(SupervisedLaw, noisy_runs, method=Method(huber_delta=0))


def test_only_the_laws_that_exist(noisy_runs):
    with pytest.raises(InputError, match="fit_distillation"):
        fit_law(DistillationLaw, noisy_runs)


def test_a_fit_that_arrives_nowhere_is_a_failure(noisy_runs, monkeypatch):
    monkeypatch.setattr(solver, "_MAX_STEPS", 1)
    monkeypatch.setattr(solver, "_CREEPING", -1.0)
    with pytest.raises(FitError, match="did not converge"):
        fit_law(SupervisedLaw, noisy_runs)
