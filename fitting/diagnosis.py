"""Where a fit is weak: residuals by scale, runs it misses, combinations of coordinates it hardly knows, the next run.

All of it is about the runs alone; only profiles (`fitting.profiles`) are of what was minimised, priors included.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting import profiles, search, uncertainty
from fitting.coordinates import Array
from fitting.findings import Diagnosis, Direction, Scale
from fitting.fit import Fit
from fitting.records import RunTable
from fitting.search import Optimum
from fitting.stages import Stage, stage_of
from fitting.surfaces import DistilledRuns, SupervisedRuns
from fitting.units import count, flops

_WORST = 5
_BINS = 6
_RUNS_PER_BIN = 4
_MOST_BUDGETS = 8
_SAME_BUDGET = 0.1
"""e-folds of compute up to which neighbouring runs have one budget; no budget may be wider than twice that."""

_SHOWN = 0.1
"""Weights smaller than this are left out of a direction: they say nothing to a reader."""

_NAMED = 0.3
_MOST_NAMED = 3
"""Parts of a direction that a sentence names: those of at least this weight, and no more than so many."""

_SIZES = 0.6
"""Sizes of the two terms say less to a reader than coefficients do, and are named after those of like weight."""

_PERCENT = 0.65
"""Change of a logarithm up to which it is told in percent, and beyond which as a factor."""

_KNOWN = 0.05
"""Standard deviation of a logarithm below which a direction is known well enough for no run to be worth naming."""

_BLIND = 1.0
"""Standard deviation of a logarithm that stands for knowing nothing of it: a factor e either way."""

_OCTAVES = 1.5
_GRID = 25
_WORTH = 0.05
"""Share of a standard deviation that a run must take away to be worth naming."""

_MOST_TEACHERS = 12
_TEACHER_STEP = 0.3
"""Largest step of log(L_T - E) from the best teacher to a better one, and from the worst to a worse."""

_ROUNDING = 1e-12
_FEWEST_TOKENS = 1.0
"""Tokens per parameter; with fewer, unless the table has such runs, no law has been seen to hold."""


def diagnose(fit: Fit, table: RunTable) -> Diagnosis | None:
    """Diagnose one stage of a fit; None for a law that was given rather than fitted to runs.

    Raises `InputError` when the fit came from another table.
    """
    stage = stage_of(fit, table)
    if stage is None:
        return None
    compute = fit.convention.training(stage.runs.column("N"), stage.runs.column("D"))
    law = stage.z[None, : stage.problem.laws]
    missed = stage.log_losses(law)[0] - stage.problem.target  # with the teachers' losses as they were measured
    spectrum = _spectrum(stage)
    ends = {name: profiles.profile(stage, name).interval for name in profiles.names(stage)}
    return Diagnosis(
        by_scale=_by_scale(compute, missed),
        worst=_worst(stage.runs, missed),
        directions=spectrum.directions,
        profiles=ends,
        next_run=_next_run(fit, stage, spectrum, compute),
    )


def _by_scale(compute: Array, missed: Array) -> tuple[Scale, ...]:
    found = []
    for at in _bins(np.log(compute)):
        r, C = missed[at], compute[at]
        found.append(Scale((float(C.min()), float(C.max())), len(at), float(r.mean()), float(np.sqrt(np.mean(r**2)))))
    return tuple(found)


def _bins(log_compute: Array) -> list[NDArray[np.intp]]:
    """Runs by budget where there are a few budgets, else in bins of equal counts, smallest compute first."""
    order = np.argsort(log_compute, kind="stable")
    budgets = np.split(order, np.flatnonzero(np.diff(log_compute[order]) > _SAME_BUDGET) + 1)
    if 1 < len(budgets) <= _MOST_BUDGETS and all(np.ptp(log_compute[at]) <= 2 * _SAME_BUDGET for at in budgets):
        return budgets
    return list(np.array_split(order, min(_BINS, max(1, len(order) // _RUNS_PER_BIN))))


def _worst(runs: RunTable, missed: Array) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-np.abs(missed), kind="stable")[:_WORST]
    return tuple((runs.records[i].run_id, float(missed[i])) for i in order)


# --- directions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spectrum:
    """What the runs alone say of a law's coordinates, all taken as logarithms (c0 as it is).

    `axes` are unit vectors, shape (coordinates, directions), weakest first, `sds` their standard deviations, shape
    (directions,); `per_log` (coordinates,) turns a derivative by a coordinate into one by its logarithm. `noise` is
    the standard deviation of one run's log loss.
    """

    names: tuple[str, ...]
    axes: Array
    sds: Array
    per_log: Array
    noise: float

    @property
    def directions(self) -> tuple[Direction, ...]:
        """For `Diagnosis`: weights relative to the largest, the small ones left out."""
        found = []
        for axis, sd in zip(self.axes.T, self.sds, strict=True):
            largest = axis[np.argmax(np.abs(axis))]
            weights = {
                name: float(part / largest)
                for name, part in zip(self.names, axis, strict=True)
                if abs(part / largest) >= _SHOWN
            }
            found.append(Direction(float(sd * abs(largest)), weights))
        return tuple(found)


def _spectrum(stage: Stage) -> Spectrum:
    """The axes of the covariance of the law's coordinates: that of a Huber estimate (`uncertainty.covariance_root`)."""
    problem, z = stage.problem, stage.z
    residuals, jacobian = (found[0] for found in problem.linearised(z[None], np.zeros(1, dtype=np.intp)))
    found = Optimum(z, residuals, jacobian, stage.strength, stage.delta, 1.0, True)
    root = uncertainty.covariance_root(problem, found, stage.weights, np.ones(problem.laws, dtype=bool))
    per_log = np.array([z[k] if name in ("p", "q") else 1.0 for k, name in enumerate(problem.coordinates.names)])
    axes, sds, _ = np.linalg.svd(root / per_log[:, None], full_matrices=False)
    squares, inside = search.moments(residuals, stage.delta, problem.laws)
    return Spectrum(problem.coordinates.names, axes, sds, per_log, float(np.sqrt(squares) / inside))


_PLAIN = {
    "u": "the size of the N term",
    "v": "the size of the D term",
    "p": "alpha·gamma",
    "q": "beta·gamma",
    "log_E": "E",
    "log_gamma": "gamma",
    "c0": "c0",
    "log_K": "c1 f1",
    "log_f1": "f1",
    "log_s": "s",
}
"""What coordinates are to a reader. The terms are (A N^-alpha)^gamma and (B D^-beta)^gamma amid the runs, their
sizes there and their slopes are what is seen of them; s = d1 (c1 f1)^-f1."""


def describe(direction: Direction, form: str) -> str:
    """A direction in words: what could change together, and by how much, before these runs objected."""
    main = _main(direction)
    step = min(direction.sd, _BLIND)
    changes = _listed([_changed(name, weight * step) for name, weight in main.items()])
    rest = ", the rest to match," if len(main) < len(direction.weights) else ""
    named = _listed([_word(name, form) for name in main])
    named = f"T{named[1:]}" if named.startswith("the ") else named
    how = "together" if len(main) > 1 else "alone" if len(direction.weights) == 1 else "above all"
    verdict = "is one standard deviation"
    if direction.sd >= _BLIND:
        verdict = "changes nothing that these runs can see"
    elif direction.sd < _KNOWN:
        verdict = "is already one standard deviation"
    return f"{named} {how}: {changes}{rest} {verdict}."


def _main(direction: Direction) -> dict[str, float]:
    """The few parts of a direction that a sentence has room for, the largest first."""
    parts = sorted(direction.weights.items(), key=lambda part: -abs(part[1]) * (_SIZES if part[0] in "uv" else 1))
    return {name: weight for name, weight in parts[:_MOST_NAMED] if abs(weight) >= _NAMED}


def _word(name: str, form: str) -> str:
    word = _PLAIN[name]
    if form == "distillation" and name in ("u", "v"):
        return word.replace("N term", "N_S term").replace("D term", "D_S term")
    return word


def _changed(name: str, by: float) -> str:
    if name == "c0":
        return f"{by:+.2g}"
    return f"{100 * np.expm1(by):+.2g}%" if abs(by) < _PERCENT else f"×{np.exp(by):.2g}"


def gamma_words(ends: tuple[float | None, float | None]) -> str:
    """What the profile interval of gamma says of gamma = 1, with which the law is that of arXiv 2203.15556."""
    low, high = ends
    if (low is None or low <= 1) and (high is None or high >= 1):
        within = f"{'anything' if low is None else f'{low:.2g}'} to {'anything' if high is None else f'{high:.2g}'}"
        if low is None and high is None:
            within = "any value"
        return f"these runs can't tell gamma from 1 ({within} fits about as well)"
    if high is not None and high < 1:
        return f"gamma lies below 1: at most {high:.3g}"
    return f"gamma lies above 1: at least {low:.3g}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


# --- the next run ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Runs:
    """Runs that could be made, arrays of shape (runs,); `L_T` is NaN where there is no teacher."""

    N: Array
    D: Array
    L_T: Array


def _next_run(fit: Fit, stage: Stage, spectrum: Spectrum, compute: Array) -> str | None:
    """The run that would tell most about the weakest direction that a run can tell anything about.

    Linear theory (Sherman and Morrison 1950) with a wide prior on every logarithm, so that directions that nothing
    will ever show (K far beyond what matters) do not count as hopeful. A new run's teacher is taken to have an error
    of its own, also where the teacher is known.
    """
    weak = np.flatnonzero(spectrum.sds * np.abs(spectrum.axes).max(axis=0) >= _KNOWN)
    if not len(weak):
        return None
    runs = _candidates(fit, stage, compute)
    gradients, noise = _gradients(fit, stage, spectrum, runs)
    variances = 1 / (1 / np.maximum(spectrum.sds, 1e-150) ** 2 + 1 / _BLIND**2)
    along = spectrum.axes.T @ gradients  # of unit steps along the axes, (directions, runs)
    seen = noise**2 + variances @ along**2
    for k in weak:
        left = 1 - variances[k] * along[k] ** 2 / seen
        best = int(np.argmin(left))
        shrunk = 1 - float(np.sqrt(max(left[best], 0.0)))
        if shrunk >= _WORTH:
            return _proposal(fit, runs, best, spectrum.directions[k], shrunk)
    return None


def _candidates(fit: Fit, stage: Stage, compute: Array) -> _Runs:
    """Sizes and tokens a little beyond the runs, at their largest compute at most, with each teacher there could be."""
    N, D = (_grid(stage.runs.column(name)) for name in ("N", "D"))
    N, D = (found.ravel() for found in np.meshgrid(N, D))
    fewest = min(_FEWEST_TOKENS, float(np.min(stage.runs.column("D") / stage.runs.column("N"))))
    kept = (fit.convention.training(N, D) <= compute.max() * (1 + 1e-9)) & (fewest * N <= D)
    N, D = N[kept], D[kept]
    if fit.form == "supervised":
        return _Runs(N, D, np.full(len(N), np.nan))
    teachers = _teachers(stage.runs.column("teacher_loss"), float(fit.supervised_law.E))
    return _Runs(np.tile(N, len(teachers)), np.tile(D, len(teachers)), np.repeat(teachers, len(N)))


def _grid(values: Array) -> Array:
    """Two digits are what a sentence shows."""
    beyond = 2**_OCTAVES
    grid = np.geomspace(values.min() / beyond, values.max() * beyond, _GRID)
    return np.array(sorted({float(f"{value:.1e}") for value in grid}))


def _teachers(losses: Array, floor: float) -> Array:
    """Losses of teachers: those there are, one worse and one better, continued in their distance from the floor E."""
    known: Array = np.unique(losses)
    known = known[np.unique(np.linspace(0, len(known) - 1, _MOST_TEACHERS).round().astype(int))]
    if known[0] <= floor:
        return known
    excess = np.log(known - floor)
    steps = np.diff(excess) if len(known) > 1 else np.array([_TEACHER_STEP])
    better, worse = np.clip([steps[0], steps[-1]], _TEACHER_STEP / 3, _TEACHER_STEP)
    beyond = floor + np.exp([excess[0] - better, excess[-1] + worse])
    every: Array = np.append(known, [float(f"{value:.2e}") for value in beyond])
    return every


def _gradients(fit: Fit, stage: Stage, spectrum: Spectrum, runs: _Runs) -> tuple[Array, Array]:
    """Derivatives of log L̂ by the coordinates' logarithms, shape (coordinates, runs), and the noise of each run."""
    problem, law = stage.problem, stage.problem.coordinates
    n, d = np.log(runs.N) - law.centre[0], np.log(runs.D) - law.centre[1]
    z, width = stage.z[: problem.laws], problem.laws
    columns: SupervisedRuns | DistilledRuns = SupervisedRuns(n, d)
    if fit.form == "distillation":
        t = np.log(runs.L_T)
        columns = DistilledRuns(n, d, t - law.centre[2], t, t - np.log(fit.supervised_law.loss(runs.N, runs.D)))
        z, width = np.append(z, 0.0), width + 1  # one error, of log L_T, to see what it does
    there = replace(
        problem, columns=columns, target=np.zeros(len(n)), lower=np.full(width, -np.inf), upper=np.full(width, np.inf),
        teacher=np.zeros(len(n), dtype=np.intp) if width > problem.laws else None,
    )  # fmt: skip
    jacobian = there.linearised(z[None], np.zeros(1, dtype=np.intp))[1][0]
    by_teacher = jacobian[problem.laws] if width > problem.laws else 0.0
    noise = np.sqrt(spectrum.noise**2 + (problem.spread * by_teacher) ** 2 + _ROUNDING**2)
    return jacobian[: problem.laws] * spectrum.per_log[:, None], noise


def _proposal(fit: Fit, runs: _Runs, at: int, about: Direction, shrunk: float) -> str:
    N, D, L_T = (float(values[at]) for values in (runs.N, runs.D, runs.L_T))
    size = f"{count(N, 2)} parameters on {count(D, 2)} tokens ({flops(float(fit.convention.training(N, D)), 2)} FLOPs)"
    what = f"a supervised run of {size}"
    if fit.form == "distillation":
        what = f"a student of {size}, of a teacher of {L_T:.3g} nats/token,"
    main = [_word(name, fit.form) for name in _main(about)]
    its = "its" if len(main) == 1 else "their"
    return f"{what} would tell most about {_listed(main)}: it would shrink {its} standard deviation by {shrunk:.0%}"
