"""The published procedure: its objective and gradient, its grids, what it recovers, and what it does not depend on."""

from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from fitting.errors import FitError, InputError
from fitting.fit import COEFFICIENTS
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.procedure import busbridge2025 as procedure
from fitting.procedure import descent as procedure_descent
from fitting.procedure.descent import Descent, Ends, Task, descend
from fitting.procedure.grid import IN_LOGS, box, coefficients, starting_points
from fitting.published import BUSBRIDGE2025_LAW

DELTA = procedure.DELTA
TRUTH = BUSBRIDGE2025_LAW
FORMS = ["supervised", "distillation"]


def columns_of(table, form):
    """N, D, the teacher's loss where there is one, and the loss."""
    runs = table.supervised() if form == "supervised" else table.distillation()
    names = ("N", "D", "loss") if form == "supervised" else ("N", "D", "teacher_loss", "loss")
    return [runs.column(name) for name in names]


def task_of(columns, *, scale=1.0):
    """The task of either form, as the procedure makes it but for the scale."""
    *at, loss = columns
    form = "supervised" if len(at) == 2 else "distillation"
    if form == "distillation":
        at.append(TRUTH.supervised.loss(*at[:2]))
    return Task(form, np.log(np.stack(at)), np.log(loss), DELTA, scale=scale, ftol=1e-12, gtol=1e-8)


def law_at(form, point):
    """The law of `fitting.laws` at coordinates."""
    named = dict(zip(COEFFICIENTS[form], coefficients(form, point).tolist(), strict=True))
    return SupervisedLaw(**named) if form == "supervised" else DistillationLaw(supervised=TRUTH.supervised, **named)


def total(law, columns):
    """Σ huber_δ(log L̂ - log L), in NumPy from the law as it is written."""
    *at, loss = columns
    size = np.abs(np.log(law.loss(*at) / loss))
    return float(np.sum(np.where(size <= DELTA, size**2 / 2, DELTA * (size - DELTA / 2))))


def truth_of(form):
    """The coordinates of the law that made the runs."""
    law = TRUTH.supervised if form == "supervised" else TRUTH.distillation
    named = {name: getattr(law, name) for name in COEFFICIENTS[form]}
    return np.array([np.log(value) if name in IN_LOGS else value for name, value in named.items()])


def near_truth(form, count):
    """Coordinates of ordinary laws."""
    rng = np.random.default_rng(0)
    return truth_of(form) * rng.uniform(0.9, 1.1, (count, len(COEFFICIENTS[form])))


# --- the objective ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_objective_is_that_of_the_laws_as_written(simulated, form):
    columns = columns_of(simulated(TRUTH, 0.005, 0), form)
    descent = Descent(task_of(columns))
    for point in [truth_of(form), *near_truth(form, 8)]:
        expected = total(law_at(form, point), columns)
        assert descent.evaluate(point)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_gradient_is_that_of_central_differences(simulated, form):
    descent = Descent(task_of(columns_of(simulated(TRUTH, 0.005, 0), form), scale=DELTA**-2))
    for point in near_truth(form, 4):
        _, gradient = descent.evaluate(point)
        steps = 1e-6 * np.maximum(1.0, np.abs(point)) * np.eye(len(point))
        ends = [[descent.evaluate(point + sign * step)[0] for sign in (1, -1)] for step in steps]
        differences = [(up - down) / (2 * step.max()) for (up, down), step in zip(ends, steps, strict=True)]
        np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


def test_weights_count_runs(simulated):
    """A resample is the same as a table in which its runs are repeated."""
    N, D, loss = columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised")
    counts = np.random.default_rng(3).multinomial(len(N), np.full(len(N), 1 / len(N)))
    start = truth_of("supervised")[None]
    weighted = descend(task_of([N, D, loss]), start, counts[None], what="")
    repeated = descend(task_of([np.repeat(column, counts) for column in (N, D, loss)]), start, what="")
    assert weighted.objectives == pytest.approx(repeated.objectives, rel=1e-6)


# --- the grids -------------------------------------------------------------------------------------------


def test_the_published_grids():
    """Their sizes, their first and last rows, and that every combination is there once."""
    alone, taught = starting_points("supervised"), starting_points("distillation")
    assert alone.shape == (9600, 6)
    assert taught.shape == (216_000, 9)
    assert len(np.unique(alone, axis=0)) == 9600
    assert len(np.unique(taught, axis=0)) == 216_000
    assert alone[0].tolist() == [0, 0, -1, 0, 0, 0]
    assert alone[-1].tolist() == [20, 20, 1.5, 1.5, 1.5, 1.5]
    assert taught[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 0.01, -1]
    assert taught[-1].tolist() == [20, 20, 1, 1, 1, 1.5, 1.5, 1.5, 1]
    assert np.unique(taught[:, 7]).tolist() == [0.01, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [20, 97, 400])
def test_fewer_starts_spread_over_the_whole_grid(form, count):
    every, few = starting_points(form), starting_points(form, count)
    assert len(few) == count
    assert len(np.unique(few, axis=0)) == count
    for axis, kept in zip(every.T, few.T, strict=True):
        assert np.array_equal(np.unique(axis), np.unique(kept))
    assert np.array_equal(starting_points(form, 10**6), every)


@pytest.mark.parametrize("form", FORMS)
def test_every_start_is_inside_the_box_and_finite(simulated, form):
    """The published grids start where Eq 8 divides by zero, and on other edges."""
    lower, upper = box(form)
    starts = starting_points(form)
    assert np.all((starts >= lower) & (starts <= upper))
    descent = Descent(task_of(columns_of(simulated(TRUTH, 0.005, 0), form)))
    edge = starts[(starts == lower).sum(axis=1) >= (2 if form == "supervised" else 4)]
    for point in edge[:: max(1, len(edge) // 150)]:
        value, gradient = descent.evaluate(point)
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


# --- what comes out --------------------------------------------------------------------------------------


def test_supervised_coefficients_come_back_from_runs_without_noise(simulated):
    found = procedure.supervised(
        *columns_of(simulated(TRUTH, 0.0, 0, distilled=False), "supervised"), resamples=0, starts=20, tight=True
    )
    assert found.objective < 1e-15
    for name, value in found.coefficients.items():
        assert value == pytest.approx(getattr(TRUTH.supervised, name), rel=1e-5)
    assert found.converged
    assert found.at_bound == ()
    assert set(found.intervals.values()) == {None}


@pytest.mark.long
def test_a_distillation_law_comes_back_from_runs_without_noise(simulated):
    """In what it predicts: with the printed B' the runs hardly see B' and beta', nor c1 apart from d1."""
    N, D, L_T, loss = columns_of(simulated(TRUTH, 0.0, 0), "distillation")
    found = procedure.distillation(N, D, L_T, TRUTH.supervised, loss, resamples=0, starts=12, tight=True)
    law = DistillationLaw(supervised=TRUTH.supervised, **found.coefficients)
    miss = law.loss(N, D, L_T) / loss - 1
    assert float(np.sqrt(np.mean(miss**2))) < 1e-4
    assert list(found.coefficients) == list(COEFFICIENTS["distillation"])
    assert found.objective == pytest.approx(total(law, [N, D, L_T, loss]), rel=1e-6)


def scipy_optimum(columns, start):
    """The objective that scipy's least squares reaches from a point, written apart in the law's own terms."""
    from scipy.optimize import least_squares

    *at, loss = columns

    def residuals(x):
        return np.log(law_at("supervised", x).loss(*at) / loss)

    found = least_squares(
        residuals, start, loss="huber", f_scale=DELTA, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=400
    )
    return total(law_at("supervised", found.x), columns)


@pytest.mark.long
def test_tight_stops_at_the_optimum_and_the_procedure_above_it(simulated):
    """SciPy's stopping rules are absolute below an objective of 1, so the procedure stops short, as we document."""
    columns = columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised")
    reference = scipy_optimum(columns, truth_of("supervised"))
    tight = procedure.supervised(*columns, resamples=0, starts=30, tight=True)
    assert tight.objective <= reference * (1 + 1e-6)
    loose = procedure.supervised(*columns, resamples=0, starts=100)
    assert loose.objective > tight.objective * 1.001
    assert loose.objective == pytest.approx(total(SupervisedLaw(**loose.coefficients), columns), rel=1e-9)


@pytest.mark.long
def test_resamples_surround_the_estimate_and_hardly_leave_it_when_they_stop_early(simulated):
    """Why the intervals of the published procedure are not to be trusted, and `tight` is there."""
    columns = columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised")
    spread = []
    for starts, tight in ((100, False), (15, True)):
        found = procedure.supervised(*columns, resamples=60, starts=starts, tight=tight)
        assert found.draws.shape == (60, 6)
        assert list(found.intervals) == list(COEFFICIENTS["supervised"])
        for draws, (low, high) in zip(found.draws.T, found.intervals.values(), strict=True):
            assert np.mean((draws >= low) & (draws <= high)) == pytest.approx(0.9)
        low, high = found.intervals["A"]
        spread.append(np.log(high / low))
    assert found.interval_level == 0.9
    assert all(low < found.coefficients[name] < high for name, (low, high) in found.intervals.items())
    assert spread[0] < 0.02
    assert spread[1] > 0.5


# --- what it does not depend on --------------------------------------------------------------------------


@pytest.mark.long
def test_the_number_of_workers_does_not_change_the_answer(simulated):
    columns = columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised")
    told = []
    one, two = (
        procedure.supervised(
            *columns, resamples=70, seed=5, starts=140, workers=workers, progress=lambda *what: told.append(what)
        )
        for workers in (1, 2)
    )
    assert np.array_equal(one.draws, two.draws)
    assert {**vars(one), "draws": None} == {**vars(two), "draws": None}
    assert told == 2 * [
        ("starts", 64, 140), ("starts", 128, 140), ("starts", 140, 140), ("resamples", 64, 70), ("resamples", 70, 70)
    ]  # fmt: skip


def test_another_seed_draws_other_runs(simulated):
    columns = columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised")
    one, other = (procedure.supervised(*columns, resamples=2, seed=seed, starts=2) for seed in (0, 1))
    assert one.coefficients == other.coefficients
    assert not np.array_equal(one.draws, other.draws)


# --- what fails ------------------------------------------------------------------------------------------


def test_no_start_that_converges_is_an_error(simulated, monkeypatch):
    columns = columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised")

    def given_up(task, starts, *args, **kwargs):
        return Ends(starts, np.ones(len(starts)), np.zeros(len(starts), dtype=bool))

    monkeypatch.setattr(procedure, "descend", given_up)
    with pytest.raises(FitError, match="did not converge from any of 7 starts"):
        procedure.supervised(*columns, resamples=0, starts=7)


def test_a_worker_that_dies_is_a_failed_fit(simulated):
    task = task_of(columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised"))
    with pytest.raises(FitError, match="worker process ended"), procedure_descent._runner(task, 2):
        raise BrokenProcessPool


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"workers": 0}, {"resamples": -1}], ids=str)
def test_counts_that_cannot_be(wrong):
    ones = np.ones(8)
    with pytest.raises(InputError, match="must be at least"):
        procedure.supervised(ones, ones, ones, **wrong)


def test_start_that_gave_up_lower_is_told(simulated, monkeypatch):
    """The best start that L-BFGS-B calls converged is the answer; a lower one that it gave up on is a doubt."""
    columns = columns_of(simulated(TRUTH, 0.005, 0, distilled=False), "supervised")

    def one_given_up(task, starts, *args, **kwargs):
        return Ends(starts, np.arange(1.0, len(starts) + 1), np.arange(len(starts)) > 0)

    monkeypatch.setattr(procedure, "descend", one_given_up)
    found = procedure.supervised(*columns, resamples=0, starts=7)
    assert (found.objective, found.starts_failed, found.converged) == (2.0, 1, False)
