"""Terms that the distillation law does not have, tested on held-out runs: does the teacher matter beside its L_T?

In every fold the residuals of the fitted runs are regressed on what of a covariate the law's own coefficients cannot
imitate; the law is fitted again with that term in place, and predicts the runs held out. A term that the law lacks
lowers their error; one that only follows the noise of the fitted runs does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fitting import folds
from fitting.coordinates import Array
from fitting.fit import Doubt, Fit
from fitting.folds import Folds
from fitting.records import RunTable
from fitting.selection import better

GAIN = 0.1
"""Share by which a term must lower the held-out error, and on more folds than by chance.

Of 60 clean tables (benchmarks/selection_study.py) one had a term taken, a floor offset.
"""

FLOOR = "floor offset"
_FEWEST_VALUES = 3


@dataclass(frozen=True)
class Term:
    """A term beside the law: log L = log L̂ + `slope` · x, and the mean |L̂/L - 1| of held-out runs with and without it.

    For "floor offset" x = ∂ log L̂ / ∂ log L_T, so that `slope` is o in L_T e^o; for "log N_T" and "log M_T",
    M_T = D_T / N_T, it is the logarithm less its mean over the runs. `taken` where it lowers the error by
    `GAIN` or more.
    """

    name: str
    slope: float
    error_without: float
    error_with: float
    taken: bool


def terms(fit: Fit, table: RunTable) -> tuple[Term, ...]:
    """The terms that the runs can test, each over all folds; none for a supervised law or where there are no folds."""
    if fit.form != "distillation":
        return ()
    found = folds.fitted(fit, table)
    if found is None:
        return ()
    covariates = _covariates(found)
    error = found.error
    kept = [k for k, row in enumerate(error) if np.isfinite(row).all()]
    tested = []
    for name, x in covariates.items():
        without, corrected, slopes = [], [], []
        for k in kept:
            fitted, held = found.splits[k].fitted, found.splits[k].predicted
            slope = _slope(-error[k][fitted], _beside(x[k][fitted], found.tangent(k)[:, fitted]))
            with_term = found.with_term(k, slope * x[k])
            if np.isfinite(with_term).all():
                slopes.append(slope)
                without.append(_mean_error(error[k][held]))
                corrected.append(_mean_error(with_term[held]))
        if slopes:
            before, after = float(np.mean(without)), float(np.mean(corrected))
            taken = better(np.array(corrected), np.array(without), GAIN)
            tested.append(Term(name, float(np.median(slopes)), before, after, taken))
    return tuple(tested)


def doubts(found: Sequence[Term]) -> tuple[Doubt, ...]:
    """What a reader should know: of several terms that would help, the one that helps most."""
    taken = [term for term in found if term.taken]
    if not taken:
        return ()
    best = min(taken, key=lambda term: term.error_with)
    if best.name == FLOOR:
        what = f"a law with {np.exp(best.slope):.4g} L_T in the place of L_T"
    else:
        what = f"a law with {best.slope:+.2g} {best.name} added to log L"
    told = (
        f"{what} would miss held-out students by {best.error_with:.2%} in the place of {best.error_without:.2%}: "
        "these runs say more of a teacher than its L_T, which is all that this law knows of it"
    )
    return (Doubt("teacher-size-matters", told),)


def _mean_error(log: Array) -> float:
    return float(np.mean(np.abs(np.expm1(log))))


def _covariates(found: Folds) -> dict[str, Array]:
    """x of each term, shape (folds, runs). A covariate that some run lacks, or that hardly varies, is left out."""
    runs = found.own.runs
    N, D = np.log(runs.column("teacher_N")), np.log(runs.column("teacher_D"))
    covariates = {}
    for name, x in (("log N_T", N), ("log M_T", D - N)):
        if np.isfinite(x).all() and len(np.unique(np.round(x, 3))) >= _FEWEST_VALUES:
            covariates[name] = np.repeat((x - x.mean())[None], len(found.splits), axis=0)
    return covariates | {FLOOR: found.by_teacher}


def _beside(x: Array, tangent: Array) -> Array:
    """What is left of x, shape (runs,), when all that the law's own coefficients could do is taken away."""
    scale = np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-300)
    found: Array = x - np.linalg.lstsq((tangent / scale).T, x, rcond=1e-6)[0] @ (tangent / scale)
    return found


def _slope(y: Array, x: Array) -> float:
    """The slope through the origin with the least Σ |y - slope x|: a weighted median, which outliers do not move."""
    seen = np.abs(x) > 1e-12 * np.abs(x).max()
    if not seen.any():
        return 0.0
    ratio, weight = y[seen] / x[seen], np.abs(x[seen])
    order = np.argsort(ratio, kind="stable")
    passed = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(passed, passed[-1] / 2)])
