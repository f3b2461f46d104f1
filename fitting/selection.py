"""The form of the law chosen by rollout: by how well each form, fitted to small runs, predicts larger ones.

In-sample error always prefers the form with more coefficients, and says nothing of where a law is used: beyond its
runs. Each form is fitted to all runs, then again to every fold of `fitting.rollout`; the folds decide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np

from fitting import estimation, evidence, folds, rollout
from fitting.coordinates import Array
from fitting.errors import DistillawError, FitError, InputError
from fitting.findings import Candidate
from fitting.fit import COEFFICIENTS, Doubt, Fit
from fitting.laws import SupervisedLaw
from fitting.method import Method
from fitting.progress import Progress
from fitting.records import RunTable

MARGIN = 0.2
"""How much lower, relatively, a larger form's rollout error must be than that of the form it replaces.

The folds of a table are few and nested, so that a difference between two forms is one difference seen several times.
On 96 cuts of public tables into small and large runs (benchmarks/selection_study.py) forms that were 5 to 30 % better
on the folds were more often worse than better on the runs beyond; with `CHANCE` as well, and any margin from 15 to
30 %, they were never worse by 0.2 points. The rule was set on those same tables, which are few: simulations confirm
it (no false choice of a larger form), no other public table does.
"""

CHANCE = 0.05
"""Largest chance, were both forms equally good, of the larger form winning as many folds as it did (a sign test).

Fewer than five folds can never show that much, six only by all agreeing.
"""

TRIFLE = 1e-5
"""Difference of relative errors that is nothing: runs without noise are predicted to rounding by every true form."""


@dataclass(frozen=True)
class Form:
    """One form of a law (a key of `COEFFICIENTS`): its name, the coefficients it holds, whether K is infinite."""

    law: str
    name: str
    fixed: Mapping[str, float]
    limit: bool = False


@dataclass(frozen=True)
class Trial:
    """A form fitted to all runs, and its mean |L̂/L - 1| on each fold, by what was held out.

    `fit` is None where the runs cannot carry the form; `left_out` says why.
    """

    form: Form
    fit: Fit | None
    errors: Mapping[tuple[str, str], float]
    left_out: DistillawError | None = None

    @property
    def free(self) -> int:
        """How many coefficients the form leaves free."""
        return len(COEFFICIENTS[self.form.law]) - len(self.form.fixed) - self.form.limit


def fitted(
    table: RunTable,
    *,
    form: str | None = None,
    fixed: Mapping[str, float] | None = None,
    supervised: Fit | None = None,
    method: Method | None = None,
    free: Sequence[str] = (),
    progress: Progress | None = None,
) -> Fit:
    """Fit whatever law a table's runs speak of, as `estimation.fit_table` does, in the form that its folds choose.

    What is named in `fixed` or `free` ("gamma", in both stages; "supervised.gamma"; "K") is no choice. Every stage
    comes with its `rollout` and, where there was a choice, its `selection`.
    """
    form = form or ("distillation" if len(table.distillation()) else "supervised")
    own, below = evidence.split_fixed(fixed or {}, form, given=supervised is not None)
    _check_free(free, own, below, form, given=supervised is not None)
    if form == "supervised" and supervised is not None:
        raise InputError("--supervised: takes the place of the law that would be fitted: these runs are all supervised")
    if form == "supervised":
        return select_supervised(table, fixed=own, method=method, free=free, progress=progress)
    simplest = distillation_forms(own, free)[0]
    settled = method or Method()
    evidence.check(table.distillation(), form, simplest.fixed, settled, limit_form=simplest.limit)  # before any time
    if supervised is None:
        below_free = ["gamma"] if {"gamma", "supervised.gamma"} & set(free) else []
        supervised = select_supervised(table, fixed=below, method=method, free=below_free, progress=progress)
    return select_distillation(table, supervised, fixed=own, method=method, free=free, progress=progress)


def select_supervised(
    table: RunTable,
    *,
    fixed: Mapping[str, float] | None = None,
    method: Method | None = None,
    free: Sequence[str] = (),
    progress: Progress | None = None,
) -> Fit:
    """The supervised law with gamma = 1 or gamma free, as the folds choose. Raises as `estimation.fit_law` does."""
    forms = supervised_forms(fixed or {}, free)

    def fit(form: Form) -> Fit:
        return estimation.fit_law(SupervisedLaw, table, fixed=form.fixed, method=method)

    return _selected(forms, fit, table, "supervised law", progress)


def select_distillation(
    table: RunTable,
    supervised: Fit,
    *,
    fixed: Mapping[str, float] | None = None,
    method: Method | None = None,
    free: Sequence[str] = (),
    progress: Progress | None = None,
) -> Fit:
    """The distillation law, {gamma' = 1, free} x {K infinite, free}, as the folds choose.

    Every fold fits the supervised law again, in the form it has. Raises as `estimation.fit_distillation` does.
    """
    forms = distillation_forms(fixed or {}, free)

    def fit(form: Form) -> Fit:
        held, limit = form.fixed, form.limit
        return estimation.fit_distillation(table, supervised, fixed=held, limit_form=limit, method=method)

    return _selected(forms, fit, table, "distillation law", progress)


def supervised_forms(fixed: Mapping[str, float], free: Sequence[str] = ()) -> list[Form]:
    """The forms of Eq 1 (arXiv 2502.08606) that are left to choose from, the simplest first.

    gamma = 1 is the law of Hoffmann et al. (arXiv 2203.15556).
    """
    return [Form("supervised", name, held) for name, held in _gammas("gamma", fixed, free)]


def distillation_forms(fixed: Mapping[str, float], free: Sequence[str] = ()) -> list[Form]:
    """The forms of Eq 8 (arXiv 2502.08606) that are left to choose from, the simplest first; K = c1 f1."""
    gammas = _gammas("gamma'", fixed, free)
    law = "distillation"
    held = [f"{name} = {fixed[name]:g}" for name in ("c1", "d1") if name in fixed]
    if held:
        return [Form(law, f"{name}, {', '.join(held)}", own) for name, own in gammas]
    limits = [Form(law, f"{name}, K infinite", own, limit=True) for name, own in gammas]
    whole = [Form(law, f"{name}, K free", own) for name, own in gammas]
    if "K" in free:
        return whole
    return limits + whole


def _gammas(name: str, fixed: Mapping[str, float], free: Sequence[str]) -> list[tuple[str, dict[str, float]]]:
    if "gamma" in fixed:
        return [(f"{name} = {fixed['gamma']:g}", dict(fixed))]
    left = (f"{name} free", dict(fixed))
    return [left] if "gamma" in free else [(f"{name} = 1", {**fixed, "gamma": 1.0}), left]


def _check_free(
    free: Sequence[str], own: Mapping[str, float], below: Mapping[str, float], form: str, *, given: bool
) -> None:
    held = {"gamma": {"gamma"} & set(own), "supervised.gamma": {"gamma"} & set(below), "K": {"c1", "d1"} & set(own)}
    faults = []
    for name in free:
        if name not in evidence.FREEABLE:
            faults.append(f"free {name}: is not chosen; the choices are {', '.join(evidence.FREEABLE)}")
        elif form == "supervised" and name != "gamma":
            faults.append(f"free {name}: is a choice of a distillation fit; this fit is a supervised one")
        elif name == "supervised.gamma" and given:
            faults.append(f"free {name}: the supervised law is given and is not fitted")
        elif held[name]:
            faults.append(f"free {name}: {', '.join(sorted(held[name]))} is fixed as well; give one of the two")
    if faults:
        raise InputError(*faults)


def trial(form: Form, fit: Callable[[Form], Fit], table: RunTable) -> Trial:
    """Fit one form to all runs and to every fold; a refusal or a failure is kept rather than raised."""
    try:
        found = fit(form)
        return Trial(form, found, folds.errors(found, table))
    except (InputError, FitError) as error:
        return Trial(form, None, {}, error)


def shared(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """The folds that every form with any fold could fit: what they are compared on."""
    able = [trial.errors for trial in trials if trial.errors]
    return [fold for fold in able[0] if all(fold in errors for errors in able)] if able else []


def choose(trials: Sequence[Trial]) -> int:
    """Which form to take: the smallest, unless a larger one is shown to be better; of equals the first listed.

    Raises what the first form was left out for where the runs carry none of them.
    """
    able = [i for i, tried in enumerate(trials) if tried.fit is not None]
    if not able:
        assert trials[0].left_out is not None
        raise trials[0].left_out
    common = shared(trials)
    by_size = sorted(able, key=lambda i: trials[i].free)
    best = by_size[0]
    for i in by_size[1:]:
        if trials[i].errors and trials[best].errors and _better(trials[i], trials[best], common):
            best = i
    return best


def _better(larger: Trial, smaller: Trial, common: Sequence[tuple[str, str]]) -> bool:
    new, old = (np.array([tried.errors[fold] for fold in common]) for tried in (larger, smaller))
    return better(new, old, MARGIN)


def better(new: Array, old: Array, margin: float) -> bool:
    """Whether errors on the same folds, shape (folds,), are lower by a margin and more often than by chance."""
    wins, count = int((new < old).sum()), len(new)
    chance = sum(comb(count, k) for k in range(wins, count + 1)) / 2**count
    if chance > CHANCE:
        return False
    return bool(new.mean() <= (1 - margin) * old.mean() and new.mean() < old.mean() - TRIFLE)


def candidates(trials: Sequence[Trial], chosen: int) -> tuple[Candidate, ...]:
    """The forms that could be fitted, for `Fit.selection`; their errors are means over the folds they share."""
    common = shared(trials)
    found = []
    for i, tried in enumerate(trials):
        if tried.fit is not None and tried.fit.objective is not None:
            error = float(np.mean([tried.errors[fold] for fold in common])) if common and tried.errors else None
            found.append(Candidate(tried.form.name, tried.free, error, tried.fit.objective, i == chosen))
    return tuple(found)


def _selected(
    forms: Sequence[Form], fit: Callable[[Form], Fit], table: RunTable, what: str, progress: Progress | None
) -> Fit:
    def tell(done: int) -> None:
        if progress is not None:
            progress(f"forms of the {what}", done, len(forms) + 1)

    if len(forms) == 1:  # nothing to choose
        tell(0)
        found = fit(forms[0])
        tell(1)
        found = replace(found, rollout=rollout.rollout(found, table))
        tell(2)
        return found
    trials = []
    for k, form in enumerate(forms):
        tell(k)
        trials.append(trial(form, fit, table))
    best = choose(trials)
    chosen = trials[best].fit
    assert chosen is not None
    tell(len(forms))
    rolled, doubts = None, chosen.warnings
    if trials[best].errors:
        rolled = rollout.rollout(chosen, table)
    else:
        doubts += (untested(what, forms[best]),)
    tell(len(forms) + 1)
    return replace(chosen, rollout=rolled, selection=candidates(trials, best), warnings=doubts)


def untested(what: str, form: Form) -> Doubt:
    """The doubt about a form that no fold was there to choose."""
    why = f"too few runs, sizes, tokens or teachers to hold any out: the simplest form of the {what} was taken untested"
    return Doubt("form-not-tested", f"{why} ({form.name})")
