"""The fitting procedure of "Distillation Scaling Laws" (Busbridge et al. 2025, arXiv 2502.08606, App F).

It is here to be compared with, and to ask what its own choices do to coefficients; `fitting.estimation` is what fits
laws otherwise. The three sources of what it does:

Published: the objective Σ huber_δ(log L̂ - log L), unweighted, δ = 1e-4 (Eq 45 and 50, which print L for log L); the
coordinates and formulas in logarithms (Eq 44 and 49); the grids of starts; L-BFGS-B with JAX; L̃_S from the supervised
law fitted before; 4096 bootstrap resamples and 90 % intervals (Table 6), "the procedure of" Besiroglu et al. 2024
(arXiv 2404.10102), of whose code theirs is a generalisation (App J).

Inferred: each resample draws runs with replacement and starts from the optimum of all runs; the best start is the
lowest of those that L-BFGS-B calls converged; SciPy's default stopping rules, on the unscaled sum. So do public
adaptations of Besiroglu et al.'s notebook, except that their resamples use BFGS. The supervised law is held when
distilled runs are resampled.

Ours: the box (`fitting.procedure.grid`), and `tight`, which divides the objective by δ² and stops far later.

What to expect. SciPy's rules are absolute for objectives below 1, and here the objective is 1e-5 to 1e-3: descents stop
early. Few starts reach the same objective, the best of the whole supervised grid is about 0.1 % above the optimum, and
resamples, which start from it, hardly leave it: on 72 simulated runs with noise of 0.5 % the interval of A is 0.03 %
wide, against a factor of six with `tight`. Table 6 reads the same way, which is why we infer these rules: α to 0.7 %
and A to 0.2 %, although runs that leave α so free leave A free to 5 %. A c1 that does not move at all (522.6 to 522.6)
says less, for with `tight` it does not move either: its derivative is minute beside the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fitting.errors import FitError, InputError
from fitting.fit import COEFFICIENTS
from fitting.known import Range
from fitting.laws import SupervisedLaw
from fitting.procedure.descent import Ends, Progress, Task, descend
from fitting.procedure.grid import Array, Form, box, coefficients, starting_points

DELTA = 1e-4
RESAMPLES = 4096
LEVEL = 0.90

_AGREE = 1e-4
"""Relative objective within which a start counts as having found the best."""

_AGREE_EXACTLY = 0.5e-12
"""The same per run, absolute, for runs without noise: residuals of 1e-6."""

_SCIPY = (2.220446049250313e-09, 1e-5)
_TIGHT = (1e-12, 1e-8)
"""ftol and gtol: SciPy's defaults, and ours for an objective divided by δ², which is of the order of the runs."""


@dataclass(frozen=True, eq=False)
class ProcedureResult:
    """What the procedure found. Mappings and columns are in the order of `fitting.fit.COEFFICIENTS[form]`.

    `objective` is Σ huber_δ(log L̂ - log L), unscaled. Of the `starts`, the share `starts_agreeing` reached it to
    1e-4 and `starts_failed` were given up by L-BFGS-B; `converged` says that none of these lies lower. `at_bound`
    names coefficients on the edge of the box. `draws` has shape (resamples, coefficients), `draws_failed` of them given
    up; `intervals` are their percentiles at `interval_level`, None without at least two.
    """

    form: Form
    coefficients: Mapping[str, float]
    objective: float
    delta: float
    tight: bool
    converged: bool
    at_bound: tuple[str, ...]
    starts: int
    starts_agreeing: float
    starts_failed: int
    draws: Array
    draws_failed: int
    intervals: Mapping[str, Range | None]
    interval_level: float = LEVEL


def supervised(
    N: Array,
    D: Array,
    loss: Array,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    starts: int | None = None,
    tight: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> ProcedureResult:
    """The supervised law (Eq 1) from runs of N parameters on D tokens that reached `loss` (nats/token), shape (runs,).

    `starts` takes so many of the 9600 starts, evenly spread; `tight` stops later than SciPy's defaults do. `workers`
    is a number of processes and does not change the answer. `progress` is told ("starts" or "resamples", done,
    total). Raises `FitError` when no start converges.
    """
    columns = np.log(np.stack([N, D]))
    return _estimate("supervised", columns, loss, resamples, seed, starts, tight, workers, progress)


def distillation(
    N: Array,
    D: Array,
    teacher_loss: Array,
    supervised_law: SupervisedLaw,
    loss: Array,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    starts: int | None = None,
    tight: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> ProcedureResult:
    """The distillation law (Eq 8) from students of N parameters on D tokens, losses in nats/token, shape (runs,).

    `supervised_law` gives L̃_S and is held, in the resamples too. The grid has 216000 starts; the other arguments are
    those of `supervised`. Raises `FitError` when no start converges.
    """
    columns = np.log(np.stack([N, D, teacher_loss, supervised_law.loss(N, D)]))
    return _estimate("distillation", columns, loss, resamples, seed, starts, tight, workers, progress)


def _estimate(
    form: Form,
    columns: Array,
    loss: Array,
    resamples: int,
    seed: int,
    starts: int | None,
    tight: bool,
    workers: int,
    progress: Progress | None,
) -> ProcedureResult:
    if workers < 1 or resamples < 0:
        raise InputError(f"workers and resamples: must be at least 1 and 0, not {workers} and {resamples}")
    task = _task(form, columns, loss, tight)
    runs = columns.shape[1]
    ends = descend(task, starting_points(form, starts), workers=workers, progress=progress, what="starts")
    if not ends.stopped.any():
        raise FitError(f"the {form} law did not converge from any of {len(ends.points)} starts")
    best = int(np.argmin(np.where(ends.stopped, ends.objectives, np.inf)))
    point, objective = ends.points[best], float(ends.objectives[best])
    slack = _AGREE * objective + _AGREE_EXACTLY * runs

    drawn = _resampled(task, point, runs, resamples, seed, workers, progress)
    names = COEFFICIENTS[form]
    draws = coefficients(form, drawn.points)
    intervals: dict[str, Range | None] = dict.fromkeys(names)
    if resamples > 1:
        low, high = np.percentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
        intervals = {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}
    lower, upper = box(form)
    return ProcedureResult(
        form=form,
        coefficients=dict(zip(names, coefficients(form, point).tolist(), strict=True)),
        objective=objective,
        delta=DELTA,
        tight=tight,
        converged=not bool(np.any(ends.objectives < objective - slack)),
        at_bound=tuple(name for name, at in zip(names, (point <= lower) | (point >= upper), strict=True) if at),
        starts=len(ends.points),
        starts_agreeing=float(np.mean(ends.objectives <= objective + slack)),
        starts_failed=int(np.sum(~ends.stopped)),
        draws=draws,
        draws_failed=int(np.sum(~drawn.stopped)),
        intervals=intervals,
    )


def _task(form: Form, columns: Array, loss: Array, tight: bool) -> Task:
    ftol, gtol = _TIGHT if tight else _SCIPY
    scale = DELTA**-2 if tight else 1.0
    return Task(form, columns, np.log(loss), DELTA, scale=scale, ftol=ftol, gtol=gtol)


def _resampled(
    task: Task, point: Array, runs: int, resamples: int, seed: int, workers: int, progress: Progress | None
) -> Ends:
    """Descents from the optimum `point` (p,), each with the runs that it drew with replacement."""
    if not resamples:
        return Ends(np.empty((0, len(point))), np.empty(0), np.empty(0, dtype=bool))
    counts: NDArray[np.int64] = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), resamples)
    again = np.tile(point, (resamples, 1))
    return descend(task, again, counts, workers=workers, progress=progress, what="resamples")
