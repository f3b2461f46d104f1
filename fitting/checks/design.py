"""Whether N, D and the teachers were varied such that a law can be told from the runs, before any is fitted."""

import math

import numpy as np

from fitting import units
from fitting.checks.finding import WORD, Array, Finding, finished, listed, teacher_of
from fitting.records import RunTable

_SAME_LEVEL = math.log10(1.05)
"""Decades. Sizes closer than 5 % are one level: widths are rounded to multiples of heads, tokens to batches."""

_LEVELS = 3
"""Any two points lie on a power law; the third is the first that could contradict it."""

_DECADE = 0.999
"""A decade, less what rounding may take from it."""

_LINE = 0.05
"""Decades. Smallest spread of (log N, log D) in any direction: 0.05 is 12 % of scatter about one line, too little to
tell two exponents from noise of 1 % in the loss."""

_TEACHER_SPREAD = 0.02
"""Spread of log L_T that N_S and D_S do not explain: with c0 of about 2.5 it moves a gap of 0.2 nats by 0.5 % of L."""


def ranges(table: RunTable) -> list[Finding]:
    """Levels, range and gaps of N, D and C, for the runs of each kind."""
    found = []
    for kind in WORD:
        runs = finished(table, kind)
        if not len(runs):
            continue
        own: list[Finding] = []
        for column, exponent in _exponents(kind):
            values = runs.column(column)
            own += _levels(values, kind, column, exponent)
            own += _range(values, kind, column, exponent)
            own += _gaps(values, kind, column)
        if not any(finding.code == "gap" for finding in own):
            N, D = runs.column("N"), runs.column("D")
            own += _gaps(table.convention.training(N, D), kind, "C")
        found += own
    return found


def _exponents(kind: str) -> tuple[tuple[str, str], ...]:
    prime = "'" if kind == "distillation" else ""
    return ("N", f"alpha{prime}"), ("D", f"beta{prime}")


def _levels(values: Array, kind: str, column: str, exponent: str) -> list[Finding]:
    levels = _distinct(values)
    shown = listed([units.count(level) for level in levels])
    if len(levels) == 1:
        message = (
            f"all {len(values)} {WORD[kind]} runs have {column} = {shown}: nothing tells {exponent} (how the loss "
            f"depends on {column}); add runs at other {column}"
        )
        return [Finding("one-level", "fault", message)]
    if len(levels) < _LEVELS:
        message = (
            f"the {WORD[kind]} runs have {len(levels)} levels of {column} ({shown}); power laws pass through any two "
            f"points, so {exponent} rests on the assumed form; add a third level"
        )
        return [Finding("few-levels", "odd", message)]
    return []


def _range(values: Array, kind: str, column: str, exponent: str) -> list[Finding]:
    low, high = float(values.min()), float(values.max())
    if len(_distinct(values)) == 1 or math.log10(high / low) >= _DECADE:
        return []
    rest = "E and gamma" if kind == "supervised" else "gamma'"
    message = (
        f"{column} of the {WORD[kind]} runs spans a factor of {high / low:.2g} ({units.count(low)} to "
        f"{units.count(high)}), less than a decade: {exponent} can hardly be told from {rest}; reach down to "
        f"{units.count(high / 10, 2)} or up to {units.count(10 * low, 2)}"
    )
    return [Finding("short-range", "odd", message)]


def _gaps(values: Array, kind: str, column: str) -> list[Finding]:
    ordered = np.sort(np.log10(values))
    write = units.flops if column == "C" else units.count
    return [
        Finding(
            "gap",
            "odd",
            f"no {WORD[kind]} run has {column} between {write(10 ** ordered[i])} and {write(10 ** ordered[i + 1])}, a "
            f"gap of {ordered[i + 1] - ordered[i]:.1f} decades; a run near "
            f"{write(10 ** (ordered[i : i + 2].mean()), 2)} would tell whether one law holds across it",
        )
        for i in np.flatnonzero(np.diff(ordered) >= _DECADE)
    ]


def _distinct(values: Array) -> list[float]:
    ordered = np.sort(values)
    first = np.append(True, np.diff(np.log10(ordered)) > _SAME_LEVEL)
    return [float(value) for value in ordered[first]]


def one_line(table: RunTable) -> list[Finding]:
    """Supervised runs whose D follows from N, so that alpha and beta cannot be told apart."""
    runs = table.supervised()
    if len(runs) < _LEVELS:
        return []
    n, d = (np.log10(runs.column(name)) for name in ("N", "D"))
    if min(np.ptp(n), np.ptp(d)) <= _SAME_LEVEL or _narrowest(n, d) >= _LINE:
        return []
    slope = float(np.polyfit(n, d, 1)[0])
    told = f"D goes as N^{slope:.2g}"
    remedy = "add runs off that line"
    if abs(slope - 1) < 0.1:
        told = f"D/N is {10 ** np.median(d - n):.3g} (to {10 ** np.std(d - n) - 1:.0%})"
        remedy = "add runs at other tokens per parameter"
    elif abs(slope + 1) < 0.1:
        told = "they are one IsoFLOP profile"
        remedy = "add a profile at another budget"
    message = (
        f"N and D of the {len(runs)} supervised runs lie on one line: {told} in all of them, so alpha and beta cannot "
        f"be told apart; {remedy}, see docs/faq.md#one-line"
    )
    return [Finding("one-line", "fault", message)]


def distilled_grid(table: RunTable) -> list[Finding]:
    """Distilled runs that cannot tell how a student's size, its tokens and its teacher act (Eq 8, arXiv 2502.08606)."""
    runs = table.distillation()
    if len(runs) < _LEVELS:
        return []
    n, d, t = np.log10(runs.column("N")), np.log10(runs.column("D")), np.log(runs.column("teacher_loss"))
    teachers = [teacher_of(record) for record in runs.records]
    found = []
    if len(set(teachers)) == 1:
        message = (
            f"all {len(runs)} students had one teacher ({runs.records[0].teacher_loss:.4g} nats/token): nothing tells "
            "c0, and how students follow a better or a worse one is not in these runs; add teachers, three at least"
        )
        found.append(Finding("one-teacher", "fault", message))
    elif (left := _unexplained(n, d, t)) < _TEACHER_SPREAD:
        message = (
            f"like students had like teachers: where N_S and D_S are equal, L_T varies by {left:.1%} (standard "
            f"deviation) only, so c0 cannot be told from A', B'; give the same student teachers that differ by 10 %"
        )
        found.append(Finding("c0", "odd", message))
    own_n, own_d = _within(n, teachers), _within(d, teachers)
    if min(np.ptp(n), np.ptp(d)) > _SAME_LEVEL and _narrowest(own_n, own_d) < _LINE:
        message = (
            "the students of a teacher do not vary in N_S and in D_S independently (they lie on one line in log N_S, "
            "log D_S), so A', alpha' and B', beta' cannot be told apart; give a teacher students of several sizes at "
            "several D_S"
        )
        found.append(Finding("students-on-a-line", "odd", message))
    return found


def _narrowest(a: Array, b: Array) -> float:
    """Standard deviation of the points (a, b) in the direction in which they spread least."""
    least = float(np.linalg.eigvalsh(np.cov(a, b, bias=True))[0])
    return math.sqrt(max(least, 0.0))


def _unexplained(n: Array, d: Array, t: Array) -> float:
    """Standard deviation of t about its best linear function of n and d."""
    design = np.stack([np.ones_like(n), n, d], axis=1)
    return float(np.std(t - design @ np.linalg.lstsq(design, t, rcond=None)[0]))


def _within(values: Array, groups: list[tuple[object, ...]]) -> Array:
    """Values less the mean of their group."""
    left = values.copy()
    for group in set(groups):
        among = [other == group for other in groups]
        left[among] -= values[among].mean()
    return left
