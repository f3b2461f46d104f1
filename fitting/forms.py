"""One law and one table, as the solver sees them: residuals over runs, the box that is searched, weak priors.

The prior spreads here are ours, not the paper's; they keep coefficients that a table says nothing about near values
that published laws have, and are far too wide to be felt by coefficients that it does determine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting import surfaces
from fitting.coordinates import NAMES, Array, Coordinates, Form
from fitting.solver import Penalty
from fitting.surfaces import DistilledRuns, SupervisedRuns

_VANISHED = 60.0
"""How far below the excess loss, in logarithms, a power term may fall; with a large γ even far ones count."""

_BOX = {
    "p": (5e-3, 2.0),
    "q": (5e-3, 2.0),
    "log_gamma": (np.log(0.1), np.log(10.0)),
    "c0": (0.0, 20.0),
    "log_f1": (np.log(0.01), np.log(3.0)),
    "log_K": (np.log(0.02), np.log(1e5)),
}

_PRIORS = {
    "p": (0.3, 0.25),
    "q": (0.3, 0.25),
    "log_gamma": (np.log(0.7), 0.5),
    "c0": (2.0, 2.0),
    "log_K": (np.log(30.0), 1.2),
    "log_f1": (np.log(0.15), 0.8),
}
"""Mean and standard deviation. Centred between Table 6 of arXiv 2502.08606 (α′γ′ = .25, β′γ′ = .49, γ′ = .76, c0 = 2.5,
c1 f1 = 47, f1 = .09) and laws without that structure (αγ and βγ about .3 in Hoffmann et al., arXiv 2203.15556)."""


@dataclass(frozen=True)
class Problem:
    """One law to be fitted to one table.

    `columns` are what the form's surface takes, shape (runs,) or, for L̃_S that differs from resample to resample,
    (lanes, runs). `target` is the log loss. With `teacher` (runs,), indices of teachers, each teacher's log L_T
    has an error of its own that is estimated too: `spread` is its standard deviation, and the errors follow the
    form's coordinates.
    """

    coordinates: Coordinates
    columns: SupervisedRuns | DistilledRuns
    target: Array
    lower: Array
    upper: Array
    teacher: NDArray[np.intp] | None = None
    spread: float = 0.0

    @property
    def runs(self) -> int:
        return len(self.target)

    @property
    def form(self) -> Form:
        return self.coordinates.form

    @property
    def laws(self) -> int:
        """How many of the coordinates belong to the law; those after them are errors of teachers."""
        return len(self.coordinates.free)

    def residuals(self, z: Array, lanes: NDArray[np.intp]) -> Array:
        """log L̂ - log L, shape (points, runs)."""
        y = self.coordinates.expand(z[:, : self.laws])
        return self._surface(y, self._columns(z, lanes), None, None)[0] - self.target

    def linearised(self, z: Array, lanes: NDArray[np.intp]) -> tuple[Array, Array]:
        """Residuals, and their derivatives by z, shape (points, p, runs)."""
        law, points = self.coordinates, len(z)
        y = law.expand(z[:, : self.laws])
        if law.coupled:
            every = np.empty((points, law.count, self.runs))
            value, by_teacher = self._surface(y, self._columns(z, lanes), range(law.count), every)
            found = law.chain(z[:, : self.laws]).swapaxes(1, 2) @ every
            jacobian = np.concatenate([found, np.empty((points, z.shape[1] - self.laws, self.runs))], axis=1)
        else:
            rows: list[int | None] = [None] * law.count
            for k, i in enumerate(law.free):
                rows[i] = k
            jacobian = np.empty((points, z.shape[1], self.runs))
            value, by_teacher = self._surface(y, self._columns(z, lanes), rows, jacobian)
        if self.teacher is not None:
            jacobian[:, self.laws :] = 0.0
            jacobian[:, self.laws + self.teacher, np.arange(self.runs)] = by_teacher
        return value - self.target, jacobian

    def penalty(self, strength: float, *, priors: bool) -> Penalty | None:
        """Priors and the spread of teachers' errors, in units of the objective; None where there are neither."""
        extra = 0 if self.teacher is None else len(self.lower) - self.laws
        known = _PRIORS if priors and self.form == "distillation" else {}
        pairs = [known.get(name, (0.0, np.inf)) for name in self.coordinates.names]
        pairs += [(0.0, self.spread)] * extra
        if strength <= 0 or all(np.isinf(sd) for _, sd in pairs):
            return None
        mean, sd = np.array(pairs).T
        return Penalty(mean, sd, strength)

    def _columns(self, z: Array, lanes: NDArray[np.intp]) -> SupervisedRuns | DistilledRuns:
        found = self.columns
        if isinstance(found, SupervisedRuns):
            return found
        if found.log_teacher.ndim == 2 or found.log_ratio.ndim == 2:
            found = DistilledRuns(*(column if column.ndim == 1 else column[lanes] for column in found))
        if self.teacher is None:
            return found
        error = z[:, self.laws :][:, self.teacher]
        return found._replace(
            teacher=found.teacher + error, log_teacher=found.log_teacher + error, log_ratio=found.log_ratio + error
        )

    def _surface(
        self,
        y: Array,
        columns: SupervisedRuns | DistilledRuns,
        rows: Sequence[int | None] | None,
        out: Array | None,
    ) -> tuple[Array, Array]:
        if isinstance(columns, SupervisedRuns):
            return surfaces.supervised(y, columns, rows, out)
        return surfaces.distillation(y, columns, rows, out)


def supervised(N: Array, D: Array, loss: Array, fixed: Mapping[str, float]) -> Problem:
    """Eq 1 (arXiv 2502.08606) for runs of N parameters on D tokens that reached `loss`, arrays of shape (runs,)."""
    n, d, y = np.log(N), np.log(D), np.log(loss)
    low, high, middle = float(y.min()), float(y.max()), float(np.median(y))
    size = (middle - _VANISHED, high + 3)
    box = {**_BOX, "u": size, "v": size, "log_E": (low - 7, low + 0.3)}
    law = Coordinates("supervised", (float(n.mean()), float(d.mean())), fixed)
    return Problem(law, SupervisedRuns(n - n.mean(), d - d.mean()), y, *_ends(law, box))


def distillation(
    N: Array,
    D: Array,
    teacher_loss: Array,
    supervised_loss: Array,
    loss: Array,
    fixed: Mapping[str, float],
    *,
    limit: bool = False,
) -> Problem:
    """Eq 8 (arXiv 2502.08606), with L̃_S (`supervised_loss`) at each run; arrays of shape (runs,).

    With `limit` the form with K → ∞, one coefficient fewer.
    """
    n, d, t, y = np.log(N), np.log(D), np.log(teacher_loss), np.log(loss)
    x = t - np.log(supervised_loss)
    excess = np.log(np.maximum(loss - teacher_loss, 0.01 * loss))
    size = (float(np.median(excess)) - _VANISHED, float(excess.max()) + 10)
    box = {**_BOX, "u": size, "v": size, "log_s": (float(x.min()) - 2, float(x.max()) + 4)}
    law = Coordinates("distillation", (float(n.mean()), float(d.mean()), float(t.mean())), fixed, limit)
    columns = DistilledRuns(n - n.mean(), d - d.mean(), t - t.mean(), t, x)
    return Problem(law, columns, y, *_ends(law, box))


_FARTHEST_TEACHER = 10.0
"""Standard deviations beyond which no teacher's error is looked for."""


def with_teacher_errors(problem: Problem, teacher: NDArray[np.intp], spread: float) -> Problem:
    """The same problem with an unknown error in each teacher's log L_T, of standard deviation `spread`."""
    ends = np.full(int(teacher.max()) + 1, _FARTHEST_TEACHER * spread)
    return replace(
        problem,
        lower=np.append(problem.lower[: problem.laws], -ends),
        upper=np.append(problem.upper[: problem.laws], ends),
        teacher=teacher,
        spread=spread,
    )


def _ends(law: Coordinates, box: Mapping[str, tuple[float, float]]) -> tuple[Array, Array]:
    lower, upper = np.array([box[NAMES[law.form][i]] for i in law.free], dtype=float).reshape(-1, 2).T
    return lower, upper
