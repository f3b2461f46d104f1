"""The stages of a fit as problems over their runs, for many weightings of the runs at once.

Resamples, held-out folds and full fits are all the same work: the runs' losses multiplied by weights, a lane for each
weighting, the supervised law first and the distillation law on top of each lane's own supervised law.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting import forms, solver, surfaces
from fitting.coordinates import Array
from fitting.errors import InputError
from fitting.fit import Fit
from fitting.forms import Problem
from fitting.method import Method
from fitting.records import RunTable
from fitting.search import settle
from fitting.solver import Minima
from fitting.surfaces import DistilledRuns, SupervisedRuns

_RESAMPLE_STEPS = 60
"""After so many steps a resample within a rollout is stopped: there are hundreds."""


@dataclass(frozen=True)
class Stage:
    """One law over its runs, at the optimum of a fit: everything needed to fit it again to other weightings.

    `weights` are the runs' own (None: all 1), `z` the optimum's coordinates.
    """

    problem: Problem
    runs: RunTable
    method: Method
    weights: Array | None
    z: Array
    delta: float
    strength: float

    def refit(self, weights: Array, *, columns: DistilledRuns | None = None, starts: Array | None = None) -> Array:
        """Coordinates fitted to each row of `weights`, shape (lanes, runs); NaN in the rows that did not arrive.

        From the fit's optimum, or the best of that and each row of `starts`. `columns` are those of the lanes.
        """
        lanes = np.arange(len(weights))
        best = np.full((len(lanes), len(self.z)), np.nan)
        lowest = np.full(len(lanes), np.inf)
        for k, start in enumerate([self.z] if starts is None else [self.z, *starts]):
            # the optimum of all runs is near, any other place is not
            found = self._minimise(weights, columns, np.repeat(start[None], len(lanes), axis=0), graduated=k > 0)
            better = found.arrived & (found.objectives < lowest * (1 - 1e-9))
            best[better], lowest[better] = found.coordinates[better], found.objectives[better]
        lost = np.flatnonzero(~np.isfinite(lowest))
        if len(lost):
            again = np.repeat(self.z[None], len(lost), axis=0)
            found = self._minimise(weights[lost], columns, again, graduated=True, lanes=lost)
            best[lost[found.arrived]] = found.coordinates[found.arrived]
        return best

    def resampled(
        self, weights: Array, origins: Array, *, columns: DistilledRuns | None = None
    ) -> tuple[Array, NDArray[np.bool_]]:
        """As `refit`, each row from its own origin, shape (lanes, p), and stopping early; and which rows arrived."""
        usable = np.where(np.isnan(origins).any(axis=1, keepdims=True), self.z, origins)
        found = self._minimise(weights, columns, usable, graduated=False, max_steps=_RESAMPLE_STEPS)
        found.coordinates[~np.isfinite(found.objectives)] = np.nan
        return found.coordinates, found.arrived

    def _minimise(
        self,
        weights: Array,
        columns: DistilledRuns | None,
        points: Array,
        *,
        graduated: bool,
        lanes: NDArray[np.intp] | None = None,
        **options: int,
    ) -> Minima:
        return (solver.graduated if graduated else solver.minimise)(
            self.problem if columns is None else replace(self.problem, columns=columns),
            points,
            self.delta,
            weights=weights if self.weights is None else weights * self.weights,
            penalty=self.problem.penalty(self.strength, priors=self.method.priors),
            lanes=lanes,
            **options,
        )

    def log_losses(self, z: Array, columns: SupervisedRuns | DistilledRuns | None = None) -> Array:
        """log L̂ at points z, shape (points, runs), at the runs' (or the given) columns, teachers' errors left out."""
        law = self.problem.coordinates
        y = law.expand(z[:, : self.problem.laws])
        at = self.problem.columns if columns is None else columns
        if isinstance(at, SupervisedRuns):
            return surfaces.supervised(y, at, None, None)[0]
        return surfaces.distillation(y, at, None, None)[0]

    def coefficients(self, z: Array) -> dict[str, Array]:
        """Coefficients, arrays of shape (points,)."""
        return self.problem.coordinates.coefficients(z[:, : self.problem.laws])


def run_weights(runs: RunTable, method: Method) -> Array | None:
    """What each run's loss is multiplied by, shape (runs,), of mean 1; None where all count alike.

    Raises `InputError` for a column that is missing, or whose values are no weights.
    """
    if method.weights is None:
        return None
    found = runs.column(method.weights)
    if found.dtype == object or not (np.isfinite(found).all() and (found > 0).all()):
        raise InputError(f"--weights {method.weights}: every run needs a number above zero there")
    weights: Array = found / found.mean()
    return weights


def supervised_problem(runs: RunTable, fixed: dict[str, float]) -> Problem:
    """Eq 1 over supervised runs."""
    return forms.supervised(runs.column("N"), runs.column("D"), runs.column("loss"), fixed)


def distillation_problem(runs: RunTable, supervised: Fit, fixed: dict[str, float], *, limit: bool) -> Problem:
    """Eq 8 over distilled runs, with L̃_S from a fitted or given supervised law."""
    N, D, loss, teacher = (runs.column(name) for name in ("N", "D", "loss", "teacher_loss"))
    return forms.distillation(N, D, teacher, supervised.supervised_law.loss(N, D), loss, fixed, limit=limit)


def teachers(runs: RunTable) -> NDArray[np.intp]:
    """Which teacher each distilled run had, by teacher_id where there is one and by its loss, numbered from 0."""
    ids, losses = runs.column("teacher_id"), runs.column("teacher_loss")
    keys = [f"{losses[i]!r}" if ids[i] is None else str(ids[i]) for i in range(len(runs))]
    return np.unique(keys, return_inverse=True)[1].astype(np.intp)


def fitted_to(fit: Fit, table: RunTable) -> bool:
    """Whether a fit was made from this table, or from its runs of the fit's kind alone."""
    if fit.status == "given" or fit.method is None:
        return False
    kind = table.supervised() if fit.form == "supervised" else table.distillation()
    return fit.table_sha256 in (table.sha256, kind.sha256)


def base_of(fit: Fit, table: RunTable) -> Stage | None:
    """The stage under a distillation fit; None where its supervised law was not fitted to this table."""
    below = fit.supervised
    return stage_of(below, table) if below is not None and fitted_to(below, table) else None


def stage_of(fit: Fit, table: RunTable) -> Stage | None:
    """The stage that `fit` came from; None for a law that was given rather than fitted to this table.

    Raises `InputError` when the fit came from another table.
    """
    if fit.status == "given" or fit.method is None:
        return None
    if not fitted_to(fit, table):
        raise InputError(f"the fit {fit.id!r} was not made from this table: their hashes differ")
    fixed = dict(fit.fixed)
    if fit.form == "supervised":
        runs = table.supervised()
        problem = supervised_problem(runs, fixed)
    else:
        assert fit.supervised is not None
        runs = table.distillation()
        problem = distillation_problem(runs, fit.supervised, fixed, limit=fit.limit_form)
        if fit.teacher_spread:
            problem = forms.with_teacher_errors(problem, teachers(runs), fit.teacher_spread)
    z = problem.coordinates.of(fit.coefficients)
    z = np.append(z, np.zeros(len(problem.lower) - problem.laws))
    weights = run_weights(runs, fit.method)
    delta = fit.method.delta
    if fit.method.loss == "lad":
        residuals = problem.residuals(z[None], np.zeros(1, dtype=np.intp))[0]
        delta = fit.method.next_delta(0.0, residuals)
    strength = fit.prior_strength
    if problem.teacher is not None:
        found = settle(problem, fit.method, z[None], delta, fit.prior_strength, weights=weights, agreeing=1.0)
        z, delta, strength = found.z, found.delta, found.strength
    return Stage(problem, runs, fit.method, weights, z, delta, strength)


def columns_for(
    stage: Stage,
    base: Stage | None,
    z_base: Array | None,
    log_teacher: Array | None = None,
    log_alone: Array | None = None,
) -> DistilledRuns:
    """The columns of distilled runs for lanes that each have their own supervised law, and their own log L_T.

    `z_base` are the lanes' coordinates in the supervised stage `base`; without them log L̃_S
    is `log_alone`, or the fit's own. `log_teacher` and `log_alone` have shape (lanes, runs).
    """
    own = stage.problem.columns
    assert isinstance(own, DistilledRuns)
    centre = own.log_teacher - own.teacher
    if log_alone is None:
        log_alone = own.log_teacher - own.log_ratio
    if base is not None and z_base is not None:
        log_alone = base.log_losses(z_base, _seen_from(base, stage.runs))
    at = own.log_teacher if log_teacher is None else log_teacher
    return own._replace(teacher=at - centre, log_teacher=at, log_ratio=at - log_alone)


def _seen_from(base: Stage, runs: RunTable) -> SupervisedRuns:
    """Distilled runs in the columns of the supervised stage."""
    centre = base.problem.coordinates.centre
    return SupervisedRuns(np.log(runs.column("N")) - centre[0], np.log(runs.column("D")) - centre[1])
