"""What shows only against a fitted law: runs far from it, sizes on one side of it, coefficients it cannot tell."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from fitting import units
from fitting.checks.finding import WORD, Array, Finding, finished, listed, runs_named
from fitting.errors import FitError, InputError
from fitting.fit import COEFFICIENTS, Fit
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.records import RunTable

_RUNS_PER_COEFFICIENT = 3
"""Below this a fit follows single runs, and others look far from it: no run is judged then."""

_RUNS_FOR_GAMMA = 4
"""Runs per coefficient from which gamma is left free; below, it is held at 1."""

_SCALES = 5.0
"""Robust standard deviations of a residual: of 10 000 runs with normal noise, none is expected beyond."""

_FAR = 0.01
"""Relative residual that counts at all: the laws' own error."""

_RUNS_OF_A_SIZE = 3
_STANDARD_ERRORS = 4.0
"""Runs of one size, and standard errors of their mean residual, for a size to be off the law."""

_RATIOS = 0.1
"""Range of log(L_T / L̃_S) below which the teacher factor of Eq 8 is as good as constant: with f1 near 0.09 it turns
from 1 to almost 0 over some 0.3."""

_LARGER = 100.0
"""How much larger than the largest a student may be that a message asks for."""


@dataclass(frozen=True)
class Fitted:
    """The laws that could be fitted to a table; a finding for each that could not."""

    supervised: Fit | None
    distillation: Fit | None
    skipped: tuple[Finding, ...]

    def of(self, kind: str) -> Fit | None:
        return self.supervised if kind == "supervised" else self.distillation

    def judge(self, kind: str) -> Fit | None:
        """The law, where it rests on enough runs to judge single ones by."""
        fit = self.of(kind)
        return fit if fit is not None and fit.n_runs >= _needed(kind) else None

    def noise(self, kind: str, table: RunTable) -> float | None:
        """A run's relative standard deviation about the law, where it can be told."""
        fit = self.judge(kind)
        return None if fit is None else _spread(residuals(fit, finished(table, kind)), fit)


def fitted(table: RunTable) -> Fitted:
    """Fit what the table has enough runs for; gamma is held at 1 where they are few."""
    from fitting.estimation import fit_distillation, fit_law

    alone, taught = table.supervised(), table.distillation()
    supervised = distillation = None
    skipped = []
    try:
        if len(alone):
            supervised = fit_law(SupervisedLaw, alone, fixed=_held(alone, "supervised"))
    except (InputError, FitError) as error:
        skipped.append(_skipped("supervised", "no law could be fitted: " + str(error)))
    try:
        if len(taught) and supervised is not None:
            distillation = fit_distillation(taught, supervised, fixed=_held(taught, "distillation"))
        elif len(taught):
            skipped.append(_skipped("distillation", "a distillation law stands on a supervised one, and there is none"))
    except (InputError, FitError) as error:
        skipped.append(_skipped("distillation", "no law could be fitted: " + str(error)))
    laws = Fitted(supervised, distillation, tuple(skipped))
    few = [_few(finished(table, kind), kind) for kind in WORD if laws.of(kind) is not None and laws.judge(kind) is None]
    return replace(laws, skipped=(*skipped, *few))


def _held(runs: RunTable, form: str) -> dict[str, float]:
    return {} if len(runs) >= _RUNS_FOR_GAMMA * len(COEFFICIENTS[form]) else {"gamma": 1.0}


def _needed(form: str) -> int:
    return _RUNS_PER_COEFFICIENT * (len(COEFFICIENTS[form]) - 1)


def _few(runs: RunTable, form: str) -> Finding:
    why = f"{len(runs)} runs are too few to tell which of them is wrong, {_needed(form)} would do"
    return _skipped(form, f"{why}; see docs/faq.md#not-checked")


def _skipped(form: str, why: str) -> Finding:
    reason = "; ".join(why.splitlines())
    return Finding(
        "not-checked", "odd", f"the {WORD[form]} runs were not checked for outliers and untuned sizes: {reason}"
    )


def residuals(fit: Fit, runs: RunTable) -> Array:
    """log(observed / predicted) of each run."""
    taught = fit.form == "distillation"
    expected = fit.predict(runs.column("N"), runs.column("D"), runs.column("teacher_loss") if taught else None)
    found: Array = np.log(runs.column("loss") / expected)
    return found


def _spread(off: Array, fit: Fit) -> float:
    """A standard deviation of residuals that a few outliers do not move.

    The median of some thirty residuals is at times half of what it should be, so the 80 % quantile has a say as well.
    """
    free = sum(name not in fit.fixed for name in fit.coefficients)
    size = np.sort(np.abs(off))[free:]  # a fit passes through about as many runs as it has coefficients
    normal = NormalDist()
    return max(float(np.quantile(size, share)) / normal.inv_cdf((1 + share) / 2) for share in (0.5, 0.8))


def outliers(table: RunTable, laws: Fitted) -> list[Finding]:
    """Runs far from the law that the others follow."""
    found = []
    for kind in WORD:
        runs, fit = finished(table, kind), laws.judge(kind)
        if fit is None:
            continue
        off = residuals(fit, runs)
        limit = max(_FAR, _SCALES * _spread(off, fit))
        far = [i for i in np.argsort(-np.abs(off)) if abs(off[i]) > limit]
        if not far:
            continue
        ids = tuple(runs.records[i].run_id for i in far)
        told = listed([f"run {runs.records[i].run_id} by {np.expm1(off[i]):+.1%}" for i in far])
        lie = "lies" if len(far) == 1 else "lie"
        message = (
            f"{len(far)} of {len(runs)} {WORD[kind]} runs {lie} far from the law that the rest follow to "
            f"{fit.relative_error:.2%}: {told}; check their N, D, losses, and whether training was sound"
        )
        found.append(Finding("outliers", "odd", message, ids))
    return found


def one_sided(table: RunTable, laws: Fitted) -> list[Finding]:
    """Sizes whose runs all lie on one side of the law: their learning rate, or the count of their N, differs."""
    found = []
    for kind in WORD:
        runs, fit = finished(table, kind), laws.judge(kind)
        if fit is None:
            continue
        off, sizes = residuals(fit, runs), runs.column("N")
        spread = _spread(off, fit)
        for size in np.unique(sizes):
            own = off[sizes == size]
            middle = float(np.median(own))
            error = spread / math.sqrt(len(own))
            same = bool((np.sign(own) == np.sign(middle)).all())
            if len(own) >= _RUNS_OF_A_SIZE and same and abs(middle) > max(_FAR, _STANDARD_ERRORS * error):
                side = "above" if middle > 0 else "below"
                ids = tuple(runs.records[i].run_id for i in np.flatnonzero(sizes == size))
                message = (
                    f"all {len(own)} {WORD[kind]} runs of N = {units.count(float(size))} lie {side} the law that fits "
                    f"the others, by {abs(np.expm1(middle)):.1%} in the median ({runs_named(ids)}): is the learning "
                    "rate tuned alike at all sizes, and N counted alike?"
                )
                found.append(Finding("size-off", "odd", message, ids))
    return found


def teacher_factor(table: RunTable, laws: Fitted) -> list[Finding]:
    """Whether students stand on both sides of the transition that d1 and f1 describe (Eq 8, arXiv 2502.08606)."""
    runs, base = table.distillation(), laws.supervised
    if base is None or not len(runs):
        return []
    N, D, L_T = (runs.column(name) for name in ("N", "D", "teacher_loss"))
    ratio = L_T / base.supervised_law.loss(N, D)
    low, high = float(ratio.min()), float(ratio.max())
    told = f"the teachers' losses are {low:.2f} to {high:.2f} times those of the same students trained alone"
    more = _both_sides(base, N, D, L_T, low, high)
    law = laws.distillation.law if laws.distillation else None
    turn = _turn(law) if isinstance(law, DistillationLaw) else None
    if math.log(high / low) < _RATIOS:
        return [Finding("d1-f1", "odd", f"{told}, too narrow a range to tell d1 and f1; {more}")]
    if turn is not None and not low < turn < high:
        message = f"{told}, all on one side of {turn:.2f}, where this fit puts the turn of d1 and f1; {more}"
        return [Finding("d1-f1", "odd", message)]
    if laws.distillation is not None and not laws.distillation.identified["f1"]:
        return [Finding("d1-f1", "odd", f"these runs do not determine f1, and with it d1: {told}; {more}")]
    return []


def _turn(law: DistillationLaw) -> float:
    """The ratio L_T / L̃_S at which the teacher factor has fallen to 1/e.

    d1 alone is not it: with c1 f1 in the tens or more the factor falls long before the ratio reaches d1.
    """
    steepness = float(law.c1 * law.f1)
    return float(law.d1) * math.expm1(1 / steepness) ** float(law.f1) if steepness > 1e-3 else math.inf


def _both_sides(base: Fit, N: Array, D: Array, L_T: Array, low: float, high: float) -> str:
    """What to add: students that equal their teacher, if there are none, or students far behind it."""
    if high < 1:
        tokens, worst = float(D.max()), float(L_T.max())
        if base.supervised_law.loss(_LARGER * N.max(), tokens) < worst:
            size = units.count(float(base.supervised_law.size(tokens, worst)), 2)
            return (
                f"add students that need no teacher as poor as theirs: N_S of {size} or more on {units.count(tokens)} "
                f"tokens from the teacher at {worst:.4g} nats/token"
            )
        return "add students as good as their teacher: a weak teacher for the largest students on the most tokens"
    if low > 0.85:
        return (
            f"add students far behind their teacher: N_S below {units.count(float(N.min()))} or D_S below "
            f"{units.count(float(D.min()))} from the teacher at {L_T.min():.4g} nats/token, or a better teacher"
        )
    return "add students of other N_S and D_S to these teachers, or repeat runs"


def _simplest_tells_c0(runs: RunTable, laws: Fitted) -> bool:
    """Whether the simplest form, which a fit takes unless held-out runs speak against it, determines c0."""
    from fitting.estimation import fit_distillation

    assert laws.supervised is not None
    try:
        found = fit_distillation(runs, laws.supervised, fixed={"gamma": 1.0}, limit_form=True)
    except (InputError, FitError):
        return False
    return found.identified["c0"]


def teacher_slope(table: RunTable, laws: Fitted) -> list[Finding]:
    """Whether a fit can tell c0, where the grid looks as if it could."""
    fit, runs = laws.distillation, table.distillation()
    if fit is None or fit.identified["c0"] or _simplest_tells_c0(runs, laws):
        return []
    L_T = runs.column("teacher_loss")
    message = (
        f"these runs do not determine c0 (how the gap to the teacher changes with L_T): teachers from {L_T.min():.4g} "
        f"to {L_T.max():.4g} nats/token, at noise of {fit.relative_error:.2%}; add teachers beyond these, for students "
        "that exist already, or repeat runs"
    )
    return [Finding("c0", "odd", message)]
