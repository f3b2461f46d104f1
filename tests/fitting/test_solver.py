"""The solver alone: what it reaches, and what must not change what it finds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting import forms, solver, starts
from fitting.estimation import fit_law, fit_table
from fitting.laws import SupervisedLaw
from fitting.method import Method
from fitting.records import RunTable

LAW = SupervisedLaw(406.4, 410.7, 1.69, 0.34, 0.28, 1.0)
DELTA = 1e-3


def made(law=LAW, sizes=8, tokens=8, noise=0.005, seed=0):
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, sizes), np.geomspace(2e9, 5e11, tokens)))
    loss = law.loss(N, D) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(N)))
    return N, D, loss


def optimum(problem, delta=DELTA, **options):
    found = solver.graduated(problem, starts.starts(problem, 24, delta, 0), delta, **options)
    best = int(np.argmin(found.objectives))
    return found.coordinates[best], float(found.objectives[best])


# --- what it reaches ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_resample_is_worse_than_scipys():
    """BFGS with gradients, in the coefficients' logarithms, from the full fit's optimum; a sample of resamples."""
    from scipy.optimize import minimize

    N, D, loss = made(sizes=16, tokens=15)
    problem = forms.supervised(N, D, loss, {"gamma": 1.0})
    z, _ = optimum(problem)
    weights = np.random.default_rng(1).multinomial(240, np.full(240, 1 / 240), size=60).astype(float)
    ours = solver.minimise(problem, np.repeat(z[None], 60, axis=0), DELTA, weights=weights)
    assert ours.arrived.all()

    def total(x, w):
        r, J = problem.linearised(x[None], np.zeros(1, dtype=int))
        psi = w * np.clip(r[0] / DELTA, -1, 1)
        return float(w @ solver.huber(r[0], DELTA)) / DELTA, J[0] @ psi

    theirs = [minimize(total, z, args=(w,), jac=True, method="BFGS").fun * DELTA for w in weights]
    assert (ours.objectives <= np.array(theirs) * (1 + 1e-6)).all()


def test_other_starts_find_no_better_resamples():
    N, D, loss = made(seed=3)
    problem = forms.supervised(N, D, loss, {})
    z, _ = optimum(problem)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(64, np.full(64, 1 / 64), size=40).astype(float)
    ours = solver.minimise(problem, np.repeat(z[None], 40, axis=0), DELTA, weights=weights).objectives
    for start in starts.starts(problem, 6, DELTA, 1):
        other = solver.graduated(problem, np.repeat(start[None], 40, axis=0), DELTA, weights=weights).objectives
        assert (ours <= other * (1 + 1e-4)).all()


def test_a_flat_valley_is_walked_to_its_end(simulated):
    """2 % of noise against a δ of 0.1 %: only a handful of runs lie within δ, and E is hardly seen."""
    from fitting.published import BUSBRIDGE2025_FIGURES_LAW

    fit = fit_law(SupervisedLaw, simulated(BUSBRIDGE2025_FIGURES_LAW, 0.02, 10, distilled=False))
    assert fit.status == "converged"
    assert fit.starts_agreeing > 0.5


def test_blocks_do_not_matter(monkeypatch):
    N, D, loss = made()
    problem = forms.supervised(N, D, loss, {})
    points = starts.starts(problem, 24, DELTA, 0)
    whole = solver.minimise(problem, points, DELTA)
    monkeypatch.setattr(solver, "_BLOCK_CELLS", 4 * problem.runs)
    parts = solver.minimise(problem, points, DELTA)
    assert parts.objectives == pytest.approx(whole.objectives, rel=1e-12)
    assert (parts.arrived == whole.arrived).all()


def test_least_squares_is_an_infinite_delta():
    N, D, loss = made()
    problem = forms.supervised(N, D, loss, {"gamma": 1.0})
    z, value = optimum(problem, np.inf)
    r, J = problem.linearised(z[None], np.zeros(1, dtype=int))
    assert value == pytest.approx(float(r[0] @ r[0]) / 2, rel=1e-12)
    assert np.abs(J[0] @ r[0]).max() < 1e-9


def test_a_weight_of_two_is_a_run_twice():
    N, D, loss = made()
    twice = [np.concatenate([x, x[:10]]) for x in (N, D, loss)]
    weights = np.where(np.arange(64) < 10, 2.0, 1.0)
    problem, doubled = forms.supervised(N, D, loss, {}), forms.supervised(*twice, {})
    _, value = optimum(problem, weights=weights)
    assert value == pytest.approx(optimum(doubled)[1], rel=1e-9)


def test_a_penalty_pulls_and_is_counted():
    N, D, loss = made()
    problem = forms.supervised(N, D, loss, {})
    z, _ = optimum(problem)
    sd = np.full(len(z), np.inf)
    sd[5] = 1e-3
    penalty = solver.Penalty(np.zeros(len(z)), sd, 1.0)
    held, value = optimum(problem, penalty=penalty)
    assert abs(held[5]) < min(1e-3, abs(z[5]))
    r = problem.residuals(held[None], np.zeros(1, dtype=int))
    assert value == pytest.approx(float(solver.objectives(r, None, DELTA)[0] + penalty.value(held[None])[0]), rel=1e-9)


# --- what must not change what it finds ---------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(by_N=st.floats(1e-6, 1e3), by_D=st.floats(1e-6, 1e3))
def test_units_of_N_and_D(by_N, by_D):
    N, D, loss = made(sizes=6, tokens=6)
    here, there = forms.supervised(N, D, loss, {}), forms.supervised(N * by_N, D * by_D, loss, {})
    (z, value), (y, other) = optimum(here), optimum(there)
    assert other == pytest.approx(value, rel=1e-8)
    found = [float(p.coordinates.coefficients(x[None])["E"][0]) for p, x in ((here, z), (there, y))]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_the_order_of_rows(noisy_runs):
    backwards = RunTable(tuple(reversed(noisy_runs.records)), noisy_runs.convention)
    one, other = fit_table(noisy_runs), fit_table(backwards)
    for a, b in ((one.supervised, other.supervised), (one, other)):
        assert a.objective == pytest.approx(b.objective, rel=1e-5)
        assert a.predict(1e9, 1e11) == pytest.approx(b.predict(1e9, 1e11), rel=1e-6)
    assert one.predict(1e9, 1e11, 2.2) == pytest.approx(other.predict(1e9, 1e11, 2.2), rel=1e-5)


def test_a_table_twice(noisy_runs):
    alone = noisy_runs.supervised()
    again = tuple(replace(r, run_id=f"{r.run_id}-again") for r in alone.records)
    one = fit_law(SupervisedLaw, alone)
    two = fit_law(SupervisedLaw, RunTable((*alone.records, *again), alone.convention))
    assert two.objective == pytest.approx(2 * one.objective, rel=1e-9)
    for name, value in one.coefficients.items():
        assert two.coefficients[name] == pytest.approx(value, rel=1e-4)


# --- losses and weights of a fit ------------------------------------------------------------------------------


def test_losses_by_name(noisy_runs):
    alone = noisy_runs.supervised()
    N, D, loss = (alone.column(name) for name in ("N", "D", "loss"))
    found = {name: fit_law(SupervisedLaw, alone, method=Method(loss=name)) for name in ("huber", "lad", "l2")}
    value = {
        "huber": lambda r: solver.huber(r, DELTA).sum(),
        "lad": lambda r: np.abs(r).sum(),
        "l2": lambda r: (r**2).sum() / 2,
    }
    for name, fit in found.items():
        for other in found.values():
            r = np.log(other.predict(N, D)) - np.log(loss)
            assert fit.objective <= value[name](r) * (1 + 1e-4)
        r = np.log(fit.predict(N, D)) - np.log(loss)
        assert fit.objective == pytest.approx(value[name](r), rel=1e-9)


def test_weights_from_a_column(noisy_runs):
    alone = noisy_runs.supervised()
    records = tuple(replace(r, extras={"w": 1000.0 if r.N < 3e8 else 1e-3}) for r in alone.records)
    fit = fit_law(SupervisedLaw, RunTable(records, alone.convention), method=Method(weights="w"), fixed={"gamma": 1})
    plain = fit_law(SupervisedLaw, alone, fixed={"gamma": 1})
    miss = [np.abs(f.predict(alone.column("N"), alone.column("D")) / alone.column("loss") - 1) for f in (fit, plain)]
    light = alone.column("N") < 3e8
    assert np.median(miss[0][light]) < np.median(miss[1][light])
    bad = RunTable(tuple(replace(r, extras={"w": -1.0}) for r in records), alone.convention)
    with pytest.raises(ValueError, match="--weights w: every run needs a number above zero"):
        fit_law(SupervisedLaw, bad, method=Method(weights="w"))
    with pytest.raises(ValueError, match="no run has a 'v'"):
        fit_law(SupervisedLaw, alone, method=Method(weights="v"))
