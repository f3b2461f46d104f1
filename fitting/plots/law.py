"""Pictures of what runs leave open in a law: profiles of the objective, and bands from joint draws."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fitting import intervals, units
from fitting.fit import Fit
from fitting.plots.axes import BLUE, GREY, PALE, VERMILION, Array, legend_beside, log_axis, observed, sequence, spread
from fitting.profiles import Profile
from fitting.records import RunTable

T = TypeVar("T")

LEVEL = 0.90
"""Share of the joint draws inside a band."""

BEYOND = 10.0
"""How far bands reach beyond the largest runs, as a ratio."""

_LABELS = {
    "E": "irreducible loss $E$ (nats/token)",
    "gamma": r"$\gamma$",
    "gamma'": r"$\gamma'$",
    "d1": "$d_1$",
    "s": "$s = d_1\\,K^{-f_1}$",
}
_HIGHEST = 2.5
_WIDE = 5.0
"""Ratio of a profile's ends from which its values are put on a log axis."""


def profile(found: Profile, ax: Axes, label: str | None = None) -> None:
    """How much the objective rises when one coefficient is held at a value and the others are fitted again.

    Rises are in units of the threshold, the dashed line at 1, that ends the interval. The interval is shaded, up to
    the edge on a side where the objective never rises enough.
    """
    known = np.isfinite(found.rises)
    values, rises = found.values[known], found.rises[known] / found.threshold
    best = int(np.argmin(rises))
    # roots of rises are nearly straight between the few points there are
    roots = np.sqrt(rises) * np.where(np.arange(len(values)) < best, -1, 1)
    fine = np.geomspace(values[0], values[-1], 300)
    ax.plot(fine, np.interp(np.log(fine), np.log(values), roots) ** 2, color=BLUE, zorder=2)
    ax.plot(values, rises, "o", color=BLUE, ms=2.5, mec="none", zorder=3)
    ax.plot(values[best], rises[best], "D", color="white", mec="black", mew=0.8, ms=4, zorder=4)
    ax.axhline(1.0, color=VERMILION, lw=0.9, ls="--", zorder=1)
    ends = [edge if end is None else end for end, edge in zip(found.interval, (values[0], values[-1]), strict=True)]
    ax.axvspan(*ends, color=PALE, lw=0, zorder=0)
    ax.set_ylim(-0.12, _HIGHEST)
    ax.set_ylabel("rise of the objective\n(threshold = 1)")
    text = label or _LABELS.get(found.name, found.name)
    if values[-1] > _WIDE * values[0]:
        log_axis(ax, "x", text, lambda value: f"{value:g}")
    else:
        ax.set_xlabel(text)


def profile_label(name: str, form: str) -> str:
    """A coefficient on an axis; those of a distillation law have a prime where both laws have one."""
    return _LABELS.get(f"{name}'" if form == "distillation" else name, _LABELS.get(name, name))


def profile_keys(level: float) -> list[Artist]:
    """What the marks of `profile` mean, for a legend."""
    return [
        Line2D([], [], color=BLUE, marker="o", ms=2.5, label="all else fitted again"),
        Line2D([], [], color="white", marker="D", mec="black", mew=0.8, ms=4, ls="", label="the fit"),
        Line2D([], [], color=VERMILION, lw=0.9, ls="--", label="threshold"),
        Patch(color=PALE, lw=0, label=f"{100 * level:.0f} % interval"),
    ]


def bands(fit: Fit, table: RunTable, ax: Axes) -> None:
    """Loss (nats/token) against tokens for a few sizes, with 90 % bands from a supervised law's joint draws.

    Out to ten times the tokens of the largest runs and, dashed, ten times their size; what lies beyond the runs is
    shaded. The bands are of the law's coefficients alone: a run of its own scatters about them.
    """
    found = observed(fit, table)
    sizes = [float(N) for N in spread(np.unique(found.N), 3)]
    D = np.geomspace(found.D.min(), found.D.max() * BEYOND, 160)
    handles = []
    for N, colour, dashed in _with_beyond(sizes, BEYOND * float(found.N.max())):
        handles.append(_band(fit, ax, D, np.full_like(D, N), D, None, colour, dashed=dashed, label=units.count(N)))
        at = np.abs(np.log(found.N / N)) < 0.05
        ax.plot(found.D[at], found.loss[at], "o", color=colour, mec="white", mew=0.4, zorder=3)
    ax.axvspan(found.D.max(), D[-1], color=PALE, lw=0, zorder=0)
    ax.set_xlim(D[0] / 1.2, D[-1])
    ax.set_ylabel("cross-entropy $L$ (nats/token)")
    log_axis(ax, "x", "tokens $D$")
    legend_beside(ax, "parameters $N$", handles=[*handles, *_keys()])


def teacher_bands(fit: Fit, table: RunTable, ax: Axes) -> None:
    """Student against teacher cross-entropy (nats/token) for a few students, with 90 % bands from joint draws.

    Down to the teacher that ten times the largest teacher's size and tokens would make, and, dashed, for a student of
    ten times the size and tokens of the largest; what lies beyond the runs is shaded.
    """
    found = observed(fit, table)
    assert found.L_T is not None
    every = np.unique(np.stack([found.N, found.D], axis=1), axis=0)
    by_loss = every[np.argsort(-fit.supervised_law.loss(every[:, 0], every[:, 1]))]
    low, high = float(found.L_T.min()), float(found.L_T.max())
    best = low
    if fit.support.N_T is not None and fit.support.D_T is not None:
        best = min(best, float(fit.predict(BEYOND * fit.support.N_T[1], BEYOND * fit.support.D_T[1])))
    x = np.linspace(best, high + 0.05 * (high - low), 160)
    ax.plot(x, x, color=GREY, lw=0.8, ls=":", zorder=1)
    handles = []
    largest = (BEYOND * float(found.N.max()), BEYOND * float(found.D.max()))
    for (N, D), colour, dashed in _with_beyond([(float(n), float(d)) for n, d in spread(by_loss, 3)], largest):
        label = f"{units.count(N)}, {units.count(D)} tokens"
        ones = np.ones_like(x)
        handles.append(_band(fit, ax, x, N * ones, D * ones, x, colour, dashed=dashed, label=label))
        at = (np.abs(np.log(found.N / N)) < 0.05) & (np.abs(np.log(found.D / D)) < 0.05)
        ax.plot(found.L_T[at], found.loss[at], "o", color=colour, mec="white", mew=0.4, zorder=3)
    ax.axvspan(x[0], low, color=PALE, lw=0, zorder=0)
    ax.set_xlim(x[0], x[-1])
    ax.set(xlabel="teacher cross-entropy $L_T$ (nats/token)", ylabel="student cross-entropy $L_S$ (nats/token)")
    handles.append(Line2D([], [], color=GREY, lw=0.8, ls=":", label="$L_S = L_T$"))
    legend_beside(ax, "student", handles=[*handles, *_keys()])


def _band(
    fit: Fit, ax: Axes, x: Array, N: Array, D: Array, L_T: Array | None, colour: Any, *, dashed: bool, label: str
) -> Line2D:
    drawn = np.exp(intervals.log_losses(fit, N, D, L_T))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    ax.fill_between(x, low, high, color=colour, alpha=0.25, lw=0, zorder=1)
    style = (0, (4, 2)) if dashed else "-"
    line: Line2D = ax.plot(x, fit.predict(N, D, L_T), color=colour, ls=style, zorder=2, label=label)[0]
    return line


def _with_beyond(inside: Sequence[T], beyond: T) -> list[tuple[T, Any, bool]]:
    """What is drawn, its colour, and whether it lies beyond the runs."""
    return [
        *((one, colour, False) for one, colour in zip(inside, sequence(len(inside)), strict=True)),
        (beyond, VERMILION, True),
    ]


def _keys() -> list[Patch]:
    return [
        Patch(color="0.6", lw=0, label=f"{100 * LEVEL:.0f} % of the draws"),
        Patch(color=PALE, lw=0, label="beyond the runs"),
    ]
