"""What a reader of a fit should know: doubts as data, each with a code and a sentence."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fitting import recipes, units
from fitting.fit import Doubt, Fit
from fitting.records import RunTable

_FEW_AGREE = 0.25
_LARGE_RESIDUAL = 0.01
_FEW_LEVELS = 3
_RUNS_PER_COEFFICIENT = 4
_LAW_ASTRAY = 0.02


def of_optimum(fit: Fit, bounded: Sequence[str]) -> tuple[Doubt, ...]:
    """Doubts about the optimum itself; `bounded` names the coefficients that rest on a bound."""
    found = []
    vague = fit.vague
    agreeing = fit.starts_agreeing or 0.0
    if fit.status == "limit":
        found.append(Doubt("not-converged", "the best start was still improving when it reached its limit of steps"))
    if agreeing < _FEW_AGREE:
        tail = f"; not determined by these runs: {', '.join(vague)}" if vague else ""
        found.append(Doubt("few-starts-agree", f"only {agreeing:.0%} of the starts reached the best objective{tail}"))
    if bounded:
        found.append(
            Doubt("at-bound", f"at the end of the range that was searched, and so not measured: {', '.join(bounded)}")
        )
    rest = [name for name in vague if name not in bounded]
    if rest:
        found.append(
            Doubt(
                "not-identified",
                f"these runs do not determine {', '.join(rest)} one by one (relative standard error above one half); "
                "their predictions between the runs say more than their values",
            )
        )
    return tuple(found)


def of_evidence(fit: Fit, table: RunTable, runs: RunTable) -> tuple[Doubt, ...]:
    """Doubts about a fit's evidence and about what it can say."""
    found = []
    dropped = Counter(record.status for record in table.unfinished().records)
    if dropped:
        what = ", ".join(f"{count} {status}" for status, count in sorted(dropped.items()))
        found.append(Doubt("runs-left-out", f"left out, because they did not finish: {what}"))
    differ = recipes.mixed(runs)
    if differ:
        found.append(
            Doubt(
                "mixed-recipes",
                f"the runs were not all made alike, and the law takes them for one kind: {'; '.join(differ)}",
            )
        )
    again = recipes.repeated(runs)
    if again:
        found.append(Doubt("repeated-text", f"{again}, and the law takes all tokens for new ones"))
    free = fit.free
    if fit.n_runs < _RUNS_PER_COEFFICIENT * free:
        found.append(
            Doubt(
                "few-runs",
                f"{fit.n_runs} runs for {free} free coefficients: the fit follows its runs more closely than it "
                "would follow new ones",
            )
        )
    for column, what in (("N", "model sizes"), ("D", "numbers of tokens")):
        levels = len(np.unique(runs.column(column)))
        if levels < _FEW_LEVELS:
            found.append(Doubt("few-levels", f"the runs have only {levels} {what}; slopes from so few are guesses"))
    if fit.relative_error > _LARGE_RESIDUAL:
        found.append(
            Doubt("large-residuals", f"the law misses a typical run by {fit.relative_error:.1%}, more than one percent")
        )
    found += _about_gamma(fit)
    if fit.form == "distillation":
        found += _about_teachers(fit, table, runs)
    return tuple(found)


def _about_gamma(fit: Fit) -> list[Doubt]:
    if "gamma" in fit.fixed:
        return []
    ends = fit.intervals["gamma"]
    if ends is not None and not ends[0] <= 1 <= ends[1]:
        return []
    if ends is None and fit.identified["gamma"]:
        return []
    return [Doubt("gamma-not-distinguished", "these runs cannot tell gamma from 1; see what --fix gamma=1 changes")]


def _about_teachers(fit: Fit, table: RunTable, runs: RunTable) -> list[Doubt]:
    found = []
    loss, teacher = runs.column("loss"), runs.column("teacher_loss")
    ahead = loss < teacher
    if ahead.any():
        margin = float(np.max((teacher - loss)[ahead]))
        found.append(
            Doubt(
                "students-beat-teacher",
                f"{int(ahead.sum())} of {len(runs)} students beat their teacher, by up to {margin:.3g} nats; this law "
                "always puts a student behind its teacher",
            )
        )
    if len(np.unique(teacher)) == 1:
        found.append(
            Doubt("one-teacher", "all students had one teacher; what another teacher would do is not in these runs")
        )
    assert fit.supervised is not None
    floor = fit.supervised.supervised_law.E
    if (teacher <= floor).any():
        found.append(
            Doubt(
                "teacher-below-floor",
                f"the best teacher reached {teacher.min():.4g} nats, below the E = {floor:.4g} of the supervised law",
            )
        )
    alone = table.supervised()
    if fit.supervised.status == "given" and len(alone):
        miss = fit.supervised.predict(alone.column("N"), alone.column("D")) / alone.column("loss") - 1
        typical = float(np.median(np.abs(miss)))
        if typical > _LAW_ASTRAY:
            found.append(
                Doubt(
                    "supervised-law-astray",
                    f"the supervised law {fit.supervised.id!r} misses this table's {len(alone)} supervised runs "
                    f"({units.count(float(alone.column('N').max()))} at most) by {typical:.1%}; fit it to them instead",
                )
            )
    return found
