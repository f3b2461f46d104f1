"""Pictures of runs beside a law: residuals, IsoFLOP curves, students under their teachers, predicted and observed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fitting import folds, units
from fitting.fit import Fit
from fitting.plots.axes import (
    BLUE,
    EDGE,
    GREY,
    PALE,
    PURPLE,
    VERMILION,
    Array,
    Observed,
    counted,
    legend_above,
    legend_beside,
    log_axis,
    observed,
    sequence,
    size_scale,
    spread,
)
from fitting.records import RunTable

Mask = NDArray[np.bool_]

HELD_OUT = {
    "C": ("D", VERMILION, "predicted from smaller runs"),
    "L_T": ("^", PURPLE, "predicted from poorer teachers"),
}
"""Marker, colour and name of what was predicted without having been fitted."""

_CROWD = 300
"""Points above which they are drawn smaller."""

_FEWEST_FOR_MEDIAN = 12
_MOST_MEDIANS = 30
_SAME_BUDGET = 0.1
_MOST_BUDGETS = 12
_MOST_BINS = 9
_STUDENTS = 6
_REACH = 1.6
"""How far an IsoFLOP curve goes on beyond the sizes of its runs, as a ratio."""


def residuals(fit: Fit, table: RunTable, ax: Axes) -> None:
    """Residuals log L̂ - log L (%) of one law's runs against their training compute (FLOPs), coloured by N.

    The band is one robust standard deviation to either side of zero, the line a running median.
    """
    found = observed(fit, table)
    each = 100 * np.log(found.predicted / found.loss)
    scale = 100 * fit.relative_error
    ax.axhspan(-scale, scale, color=PALE, lw=0, zorder=0, label=f"±1 robust scale ({scale:.2g} %)")
    ax.axhline(0, color=GREY, lw=0.8, zorder=1)
    norm, colours = size_scale(table)
    ax.scatter(found.C, each, c=found.N, norm=norm, cmap=colours, s=14, zorder=2, **EDGE)
    if len(found) >= _FEWEST_FOR_MEDIAN:
        ax.plot(*running_median(found.C, each), color="black", lw=1.2, zorder=3, label="running median")
    ax.set_ylabel(r"residual $\log\,\hat L - \log\,L$ (%)")
    trained = "training compute" if fit.form == "supervised" else "student's training compute"
    log_axis(ax, "x", f"{trained} (FLOPs)", units.flops)
    legend_above(ax, counted(found, fit), ncols=2)


def running_median(x: Array, y: Array) -> tuple[Array, Array]:
    """Medians of y at up to 30 of the values of x: over the nearest sixth of the points in log x, at least five."""
    logs = np.log(x)
    at = np.unique(np.round(logs, 6))
    at = at[np.unique(np.linspace(0, len(at) - 1, min(len(at), _MOST_MEDIANS)).round().astype(int))]
    apart = np.abs(logs - at[:, None])
    reach = np.sort(apart, axis=1)[:, min(max(len(x) // 6, 5), len(x)) - 1]
    medians = [np.median(y[row <= far + 1e-9]) for row, far in zip(apart, reach, strict=True)]
    return np.exp(at), np.array(medians)


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of about the same training compute: `C` in FLOPs, and which runs they are."""

    C: float
    runs: Mask


def budgets(C: Array) -> tuple[list[Group], bool]:
    """Runs by training compute, and whether they were trained to budgets: few values, each within 10 %.

    Runs of no such design are put into half-decades, or decades where that makes too many groups.
    """
    logs = np.log(C)
    edges = np.sort(logs)[1:][np.diff(np.sort(logs)) > _SAME_BUDGET]
    of = np.searchsorted(edges, logs, side="right")
    spans = [float(np.ptp(logs[of == k])) for k in range(len(edges) + 1)]
    if len(spans) <= _MOST_BUDGETS and max(spans) <= 2 * _SAME_BUDGET and len(C) >= 3 * len(spans):
        return [Group(float(np.exp(logs[of == k].mean())), of == k) for k in range(len(spans))], True
    for bins in (2, 1):
        of = np.floor(bins * np.log10(C)).astype(np.intp)
        groups = [Group(float(10 ** ((k + 0.5) / bins)), of == k) for k in np.unique(of)]
        if len(groups) <= _MOST_BINS:
            break
    return groups, False


def isoflop(fit: Fit, table: RunTable, ax: Axes) -> None:
    """Loss (nats/token) against N at equal training compute: supervised runs, the law's curves, their minima.

    Runs that were not trained to common budgets are shown at the compute of the middle of their half-decade, moved
    there along the law: each keeps the relative residual that it has.
    """
    part = fit.supervised or fit
    found, law, training = observed(part, table), part.supervised_law, part.convention.training
    groups, designed = budgets(found.C)
    near, far = found.N.min() / _REACH, found.N.max() * _REACH
    grid = np.geomspace(near / 10, far * 10, 1200)
    shown = []
    for group, colour in zip(groups, sequence(len(groups)), strict=True):
        N, loss = found.N[group.runs], found.loss[group.runs]
        if not designed:
            loss = loss * law.loss(N, group.C / training(N, 1.0)) / found.predicted[group.runs]
        curve = law.loss(grid, group.C / training(grid, 1.0))
        lowest = int(np.argmin(curve))
        low, high = N.min() / _REACH, N.max() * _REACH
        if near <= grid[lowest] <= far:
            low, high = min(low, grid[lowest] / 1.2), max(high, grid[lowest] * 1.2)
            ax.plot(grid[lowest], curve[lowest], "D", color=colour, mec="black", mew=0.8, ms=4, zorder=3)
        within = (grid >= low) & (grid <= high)
        ax.plot(grid[within], curve[within], color=colour, zorder=1)
        ax.plot(N, loss, "o", color=colour, mec="white", mew=0.4, zorder=2, label=units.flops(group.C, 2))
        shown.append(loss)
    every = np.concatenate(shown)
    pad = 0.06 * float(np.ptp(every)) + 1e-3
    ax.set_ylim(every.min() - 2 * pad, every.max() + pad)
    ax.set_ylabel("cross-entropy $L$ (nats/token)")
    log_axis(ax, "x", "parameters $N$")
    handles = [Line2D([], [], color=c, marker="o", mec="white", mew=0.4) for c in sequence(len(groups))]
    labels = [units.flops(group.C, 2) for group in groups]
    handles.append(Line2D([], [], color="white", marker="D", mec="black", mew=0.8, ms=4, ls=""))
    labels.append("law's minimum")
    title = f"{counted(found, part)} by\ntraining compute (FLOPs)" + (
        "" if designed else ";\nmoved there along the law"
    )
    legend_beside(ax, title, handles=handles, labels=labels)


def students(fit: Fit, table: RunTable, ax: Axes) -> None:
    """Student against teacher cross-entropy (nats/token): some students' runs and the law, on the diagonal L_S = L_T.

    A student is a size and its tokens. Those with most teachers are named, spread over the losses; others are grey.
    """
    found = observed(fit, table)
    assert found.L_T is not None
    chosen = _spread_students(fit, found)
    colours = sequence(len(chosen))
    pad = 0.06 * float(np.ptp(found.L_T)) + 1e-3
    x = np.linspace(found.L_T.min() - pad, found.L_T.max() + pad, 200)
    ax.plot(x, x, color=GREY, lw=0.8, ls=":", zorder=0)
    rest = np.ones(len(found), dtype=bool)
    handles = []
    for (N, D), colour in zip(chosen, colours, strict=True):
        at = (found.N == N) & (found.D == D)
        rest &= ~at
        ax.plot(x, fit.predict(N, D, x), color=colour, zorder=2)
        ax.plot(found.L_T[at], found.loss[at], "o", color=colour, mec="white", mew=0.4, zorder=3)
        label = f"{units.count(N)}, {units.count(D)} tokens"
        handles.append(Line2D([], [], color=colour, marker="o", mec="white", mew=0.4, label=label))
    if rest.any():
        ax.plot(found.L_T[rest], found.loss[rest], "o", color="0.82", ms=2, mew=0, zorder=1)
        handles.append(Line2D([], [], color="0.82", marker="o", ms=2, mew=0, ls="", label="other students"))
    handles.append(Line2D([], [], color=GREY, lw=0.8, ls=":", label="$L_S = L_T$"))
    ax.set(xlabel="teacher cross-entropy $L_T$ (nats/token)", ylabel="student cross-entropy $L_S$ (nats/token)")
    legend_beside(ax, counted(found, fit), handles=handles)


def _spread_students(fit: Fit, found: Observed) -> list[tuple[float, float]]:
    """At most six students, of those with many teachers, spread from the worst to the best under the best teacher."""
    assert found.L_T is not None
    every, of = np.unique(np.stack([found.N, found.D], axis=1), axis=0, return_inverse=True)
    runs = np.bincount(of.reshape(-1))
    many = every[runs >= max(runs.max() / 2, 1)]
    ordered = many[np.argsort(-fit.predict(many[:, 0], many[:, 1], found.L_T.min()))]
    return [(float(n), float(d)) for n, d in spread(ordered, _STUDENTS)]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Runs as folds of a rollout predicted them, one entry for each run and fold: nats/token.

    `kind` is what was held out: "C", the larger runs, or "L_T", the better teachers.
    """

    kind: str
    loss: Array
    predicted: Array


def held_out(fit: Fit, table: RunTable) -> list[HeldOut]:
    """What the folds of a fit's rollout predicted, made again from its runs; empty where it had none."""
    made = None if fit.rollout is None else folds.fitted(fit, table)
    if made is None:
        return []
    loss, error = np.exp(made.own.problem.target), made.error
    found = []
    for kind in dict.fromkeys(split.kind for split in made.splits):
        each = [
            np.stack([loss, loss * np.exp(row)])[:, split.predicted]
            for split, row in zip(made.splits, error, strict=True)
            if split.kind == kind and np.isfinite(row).all()
        ]
        if each:
            found.append(HeldOut(kind, *np.concatenate(each, axis=1)))
    return found


def predicted(fit: Fit, table: RunTable, ax: Axes, held: Sequence[HeldOut] = ()) -> None:
    """Predicted against observed cross-entropy (nats/token), the diagonal, and 1 % to either side.

    `held` adds the predictions of held-out runs, from `held_out`.
    """
    found = observed(fit, table)
    losses = np.concatenate([found.loss, found.predicted, *(x for one in held for x in (one.loss, one.predicted))])
    ends = np.array([losses.min(), losses.max()]) + np.array([-0.03, 0.03]) * np.ptp(losses)
    ax.plot(ends, ends, color=GREY, lw=0.8, zorder=0)
    fitted, *others = _points(ax, found.loss, found.predicted, [(one, one.predicted) for one in held])
    near = ax.plot(ends, np.outer(ends, (0.99, 1.01)), color=GREY, lw=0.6, ls=(0, (4, 3)), zorder=0, label="±1 %")[0]
    ax.set(xlim=ends, ylim=ends, ylabel="predicted (nats/token)")
    legend_above(ax, counted(found, fit), handles=[fitted, near, *others], ncols=2)


def errors(fit: Fit, table: RunTable, ax: Axes, held: Sequence[HeldOut] = ()) -> None:
    """The relative error L̂/L - 1 (%) against observed cross-entropy (nats/token), ±1 % shaded."""
    found = observed(fit, table)
    ax.axhspan(-1, 1, color=PALE, lw=0, zorder=0)
    ax.axhline(0, color=GREY, lw=0.8, zorder=0)
    away = [(one, 100 * (one.predicted / one.loss - 1)) for one in held]
    _points(ax, found.loss, 100 * (found.predicted / found.loss - 1), away)
    ax.set(xlabel="observed (nats/token)", ylabel="error (%)")


def _points(ax: Axes, x: Array, y: Array, held: Sequence[tuple[HeldOut, Array]]) -> list[Line2D]:
    crowded = len(y) + sum(len(away) for _, away in held) > _CROWD
    size: dict[str, Any] = {"mew": 0.5, "ms": 2.6, "alpha": 0.75} if crowded else {"mew": 0.7, "ms": 3.4}
    drawn = ax.plot(x, y, "o", color=BLUE, mec="white", mew=0.4, ms=size["ms"], zorder=2, label="fitted")
    for one, away in held:
        marker, colour, label = HELD_OUT[one.kind]
        drawn += ax.plot(one.loss, away, marker, mfc="none", mec=colour, zorder=1, label=label, **size)
    return drawn
