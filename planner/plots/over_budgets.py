"""Scenarios over a range of budgets: loss and margin, shares of the budget, the optimal teachers and tokens."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fitting.known import ON_THE_EDGE
from planner.plans import Plan
from planner.plots import shares
from planner.plots.axes import STUDENT_LOSS, caption, flops_axis, letter, log_axis, pad_log, signed, zoomed
from planner.plots.choices import CHOICES, Choice
from planner.plots.palette import COLOURS, GREY, LABELS
from planner.scenarios import SUPERVISED
from planner.search import Floats

_THICK = 2.6
_WIDTH = 7.0
_HEIGHTS = (2.8, 1.6, 1.75)
_COLUMNS = 3
"""Panels of shares that there is room for; fewer are no wider."""

_UNEVEN = 8.0
"""How many times the law's error the largest margin must be for the axis of margins to be compressed away from 0."""

ERROR_SEEN = 3.0
"""How far the law's error is shown, in times the largest margin."""


def draw(rows: Sequence[Plan]) -> Figure:
    """The figure of `planner.plots.comparison` for several budgets."""
    found = by_scenario(rows)
    budgets = np.array(sorted({row.budget for row in rows}))
    distilled = {name: kept for name, kept in found.items() if name != SUPERVISED}
    split = {name: kept for name, kept in distilled.items() if any(sum(x > 0 for x in row.shares) > 1 for row in kept)}
    choices = [choice for choice in CHOICES if any(_known(choice, kept) for kept in found.values())]
    heights = [_HEIGHTS[0], *([_HEIGHTS[1]] if split else []), _HEIGHTS[2]]
    figure = Figure(figsize=(_WIDTH, sum(heights)))
    bands = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    letters = iter("abcdefghijk")

    above = bands[0].subplots(1, 2 if distilled else 1, squeeze=False)[0]
    losses(above[0], found, budgets)
    letter(above[0], next(letters))
    if distilled:
        margins(above[1], distilled, budgets)
        letter(above[1], next(letters))
    if split:
        columns = max(_COLUMNS, len(split))
        panels = bands[1].subplots(1, columns + 1, sharey=True, width_ratios=[1.0] * columns + [0.6])
        for ax, (name, kept) in zip(panels, split.items(), strict=False):
            shares.areas(ax, kept)
            _compute(ax, budgets, most=5)
            letter(ax, next(letters), LABELS[name])
        panels[0].set_ylabel("share (%)")
        for ax in panels[len(split) :]:
            ax.set_axis_off()
        every = [row for kept in split.values() for row in kept]
        panels[len(split)].legend(handles=shares.keys(every)[::-1], loc="center left", borderaxespad=0.0)
    for ax, choice in zip(bands[-1].subplots(1, len(choices), squeeze=False)[0], choices, strict=True):
        optimal(ax, choice, found, budgets)
        letter(ax, next(letters), choice.title)
    caption(figure, rows[0], *_intervals(rows))
    # one key for all panels: their lines run together, so that names beside them would not tell which is which
    handles = [Line2D([], [], color=COLOURS[name], ls=_dashes(name), label=LABELS[name]) for name in found]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def by_scenario(rows: Sequence[Plan]) -> dict[str, list[Plan]]:
    """The plans of each scenario by rising budget, scenarios in the order of the palette."""
    return {
        name: sorted((row for row in rows if row.scenario == name), key=lambda row: row.budget)
        for name in LABELS
        if any(row.scenario == name for row in rows)
    }


def losses(ax: Axes, found: Mapping[str, list[Plan]], budgets: Floats) -> dict[str, Line2D]:
    """Student cross-entropy against compute, bands where there are intervals, thick within the law's runs."""
    lines = {}
    for name, kept in found.items():
        lines[name] = _line(ax, name, budgets, _at(budgets, kept, lambda row: row.student.loss))
        _band(ax, name, budgets, kept, lambda row: row.student.interval)
    inside = [_within(ax, lines[name], budgets, kept, ("N_S", "D_S")) for name, kept in found.items()]
    ax.set_ylabel(STUDENT_LOSS)
    zoomed(ax, [line.get_ydata() for line in lines.values()])
    _compute(ax, budgets)
    if any(inside):
        key = Line2D([], [], color=GREY, lw=_THICK, solid_capstyle="butt", label="student within the law's runs")
        ax.legend(handles=[key], loc="lower left", bbox_to_anchor=(0.1, 0.99), borderaxespad=0.2, borderpad=0.2)
    return lines


def margins(ax: Axes, distilled: Mapping[str, list[Plan]], budgets: Floats) -> None:
    """Margin over supervised training against compute: hollow where the law cannot tell it from nothing.

    Bands are the margins' intervals; a law without draws has its error shaded around zero instead.
    """
    every = [row for kept in distilled.values() for row in kept]
    drawn = any(row.certainty for row in every)
    for name, kept in distilled.items():
        margin = _at(budgets, kept, lambda row: row.margin)
        line = _line(ax, name, budgets, margin)
        line.set_linewidth(1.0)
        _band(ax, name, budgets, kept, lambda row: row.certainty.margin if row.certainty else None)
        if not drawn:
            error = _at(budgets, kept, lambda row: row.margin_scale)
            ax.fill_between(budgets, -error, error, color="black", alpha=0.16 / len(distilled) + 0.01, lw=0, zorder=0)
        close = [row.verdict == "too-close" for row in kept]
        for hollow in (True, False):
            at = [row for row, is_close in zip(kept, close, strict=True) if is_close == hollow]
            if at:
                marks = ax.plot(
                    [row.budget for row in at], [row.margin for row in at], "o", ms=3.0, color=COLOURS[name],
                    mfc="white" if hollow else COLOURS[name], mew=0.8, zorder=3, clip_on=False,
                )[0]  # fmt: skip
                marks.set_in_layout(False)
    ax.axhline(0.0, color="black", lw=0.7, zorder=1)
    values = np.concatenate([_at(budgets, kept, lambda row: row.margin) for kept in distilled.values()])
    scale = float(np.median([row.margin_scale for row in every]))
    seen = min(1.3 * scale, ERROR_SEEN * float(np.nanmax(np.abs(values)))) if not drawn else 0.0
    ends = [end for row in every if row.certainty for end in row.certainty.margin]
    _margin_axis(ax, np.concatenate([values, ends, [-seen, seen]]), scale)
    _compute(ax, budgets)
    ax.set_ylabel("margin over supervised (nats/token)")
    keys: list[Artist] = []
    if not drawn:
        keys.append(Patch(facecolor="0.82", label="the law's error"))
    if any(row.verdict == "too-close" for row in every):
        keys.append(
            Line2D([], [], color=GREY, marker="o", ms=3.0, mfc="white", mew=0.8, ls="", label="too close to call")
        )
    if keys:
        ax.legend(handles=keys, loc="lower left", bbox_to_anchor=(0.1, 0.99), borderaxespad=0.2, borderpad=0.2, ncols=2)


def optimal(ax: Axes, choice: Choice, found: Mapping[str, list[Plan]], budgets: Floats) -> None:
    """What is chosen against compute; a scenario that leaves it open has no line, thick is within the law's runs."""
    for name, kept in found.items():
        if _known(choice, kept):
            line = _line(ax, name, budgets, _at(budgets, kept, choice.value))
            _within(ax, line, budgets, kept, choice.bounds)
    pad_log(ax, "y", 1.3)
    log_axis(ax, "y", choice.unit, most=5)
    _compute(ax, budgets, most=4)


def _known(choice: Choice, rows: Sequence[Plan]) -> bool:
    return any(choice.value(row) is not None for row in rows)


def _at(budgets: Floats, rows: Sequence[Plan], value: Callable[[Plan], float | None]) -> Floats:
    """The value at each budget, NaN where there is no plan or the plan leaves it open."""
    known = {row.budget: value(row) for row in rows}
    found = [known.get(float(budget)) for budget in budgets]
    return np.array([np.nan if one is None else one for one in found])


def _line(ax: Axes, name: str, budgets: Floats, values: Floats) -> Line2D:
    # a single point between budgets without a plan would be no line at all
    line: Line2D = ax.plot(
        budgets, values, color=COLOURS[name], ls=_dashes(name), lw=1.1, zorder=2.5 if name == SUPERVISED else 2,
        marker="o" if np.isfinite(values).sum() == 1 else "", label=LABELS[name],
    )[0]  # fmt: skip
    return line


def _dashes(name: str) -> Any:
    return (0, (4, 2)) if name == SUPERVISED else "-"


def _band(
    ax: Axes, name: str, budgets: Floats, rows: Sequence[Plan], interval: Callable[[Plan], tuple[float, float] | None]
) -> None:
    known = [row for row in rows if interval(row) is not None]
    if known:
        low = _at(budgets, known, lambda row: min(interval(row) or ()))
        high = _at(budgets, known, lambda row: max(interval(row) or ()))
        ax.fill_between(budgets, low, high, color=COLOURS[name], alpha=0.16, lw=0, zorder=1)


def _within(ax: Axes, line: Line2D, budgets: Floats, rows: Sequence[Plan], names: Sequence[str]) -> bool:
    """Draw the line thick where all the named quantities lie within the law's runs; whether there is such a place."""
    inside = _at(
        budgets,
        rows,
        lambda row: float(
            all(name in row.support for name in names) and all(row.support[name] <= ON_THE_EDGE for name in names)
        ),
    )
    values = np.where(inside == 1.0, np.asarray(line.get_ydata(), dtype=float), np.nan)
    if not np.isfinite(values).any():
        return False
    ax.plot(
        budgets, values, color=line.get_color(), lw=_THICK, alpha=0.55, solid_capstyle="butt", zorder=1.8,
        marker="o" if np.isfinite(values).sum() == 1 else "", mew=0.0, ms=4.5,
    )  # fmt: skip
    return True


def _compute(ax: Axes, budgets: Floats, *, most: int = 6) -> None:
    ax.set_xlim(budgets[0], budgets[-1])
    flops_axis(ax, "x", most=most)


def _margin_axis(ax: Axes, values: Floats, scale: float) -> None:
    """Linear margins; where some are many times the law's error, logarithmic beyond 2.5 times that error."""
    known = values[np.isfinite(values)]
    if scale == 0 or np.abs(known).max() < _UNEVEN * scale:
        zoomed(ax, known)
        ax.yaxis.set_major_formatter(FuncFormatter(signed))
        return
    straight = 2.5 * scale
    ax.set_yscale("symlog", linthresh=straight, linscale=1.0)
    ax.yaxis.set_major_formatter(FuncFormatter(signed))
    low, high = min(known.min(), -0.5 * scale), max(known.max(), 0.5 * scale)
    ax.set_ylim(low * (1.5 if low < -straight else 1.2), high * (1.25 if high > straight else 1.2))
    sizes = [m * 10.0**k for k in range(-12, 3) for m in (1, 2, 5)]
    sizes = [size for size in sizes if size > 0.4 * straight]
    low, high = ax.get_ylim()
    ticks = [0.0, *(size for size in sizes if size <= high), *(-size for size in sizes if -size >= low)]
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_minor_locator(NullLocator())


def _intervals(rows: Sequence[Plan]) -> list[str]:
    sure = next((row.certainty for row in rows if row.certainty), None)
    return [] if sure is None else [f"bands: {sure.level:.0%} intervals, {sure.draws} joint draws"]
