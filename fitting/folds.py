"""Every fold of a rollout fitted once, for comparing forms and terms: what intervals need besides is left out."""

from dataclasses import dataclass, replace

import numpy as np

from fitting import rollout
from fitting.coordinates import Array
from fitting.fit import Fit
from fitting.records import RunTable
from fitting.rollout import Split
from fitting.stages import Stage, base_of, stage_of
from fitting.surfaces import DistilledRuns

_STEP = 1e-4
"""Of log L_T, for the derivative by it."""


@dataclass(frozen=True)
class Folds:
    """A law fitted to the runs that each fold leaves: `splits`, and the coordinates `z`, shape (folds, p).

    `columns` are those of a distillation law, each fold with the supervised law that was fitted to what it left.
    """

    own: Stage
    splits: list[Split]
    z: Array
    columns: DistilledRuns | None

    @property
    def error(self) -> Array:
        """log L̂ - log L, shape (folds, runs); NaN where a fold did not converge."""
        found: Array = self.own.log_losses(self.z, self.columns) - self.own.problem.target
        return found

    @property
    def by_teacher(self) -> Array:
        """∂ log L̂ / ∂ log L_T of a distillation law at fixed L̃_S, shape (folds, runs)."""
        assert self.columns is not None
        moved = self.columns._replace(
            teacher=self.columns.teacher + _STEP,
            log_teacher=self.columns.log_teacher + _STEP,
            log_ratio=self.columns.log_ratio + _STEP,
        )
        found: Array = (self.own.log_losses(self.z, moved) - self.own.log_losses(self.z, self.columns)) / _STEP
        return found

    def alone(self, k: int) -> DistilledRuns | None:
        """The columns of one fold, shape (runs,) each."""
        if self.columns is None:
            return None
        return DistilledRuns(*(column if column.ndim == 1 else column[k] for column in self.columns))

    def with_term(self, k: int, term: Array) -> Array:
        """log L̂ - log L, shape (runs,), of fold k fitted again with `term`, shape (runs,), added to log L̂."""
        problem = replace(self.own.problem, target=self.own.problem.target - term)
        stage = replace(self.own, problem=problem, z=self.z[k])
        columns = self.alone(k)
        z = stage.refit(self.splits[k].fitted[None].astype(np.float64), columns=columns)
        found: Array = stage.log_losses(z, columns)[0] - problem.target
        return found

    def tangent(self, k: int) -> Array:
        """Derivatives of log L̂ by the law's coordinates at fold k, shape (p, runs)."""
        columns = self.alone(k)
        problem = self.own.problem if columns is None else replace(self.own.problem, columns=columns)
        found: Array = problem.linearised(self.z[k][None], np.zeros(1, dtype=np.intp))[1][0, : problem.laws]
        return found


def fitted(fit: Fit, table: RunTable) -> Folds | None:
    """Fit every fold that the runs allow, as `rollout.predictions` does; None where they allow none."""
    own = stage_of(fit, table)
    if own is None:
        return None
    base = base_of(fit, table)
    splits = rollout.splits(own, base, fit.convention)
    if not splits:
        return None
    z, columns = rollout.fit_folds(own, base, splits)
    return Folds(own, splits, z, columns)


def errors(fit: Fit, table: RunTable) -> dict[tuple[str, str], float]:
    """Mean |L̂/L - 1| of the runs that each fold holds out, by kind and by what was held out; lost folds left out."""
    found = fitted(fit, table)
    if found is None:
        return {}
    missed = np.abs(np.expm1(found.error))
    means = {
        (split.kind, split.held_out): float(row[split.predicted].mean())
        for split, row in zip(found.splits, missed, strict=True)
    }
    return {key: mean for key, mean in means.items() if np.isfinite(mean)}
