"""Scenarios side by side where each has one plan: of one budget, or of one cross-entropy to be reached."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fitting.known import Range
from fitting.units import count
from planner.plans import Plan
from planner.plots import shares
from planner.plots.axes import caption, letter, log_axis, powers, signed, zoomed
from planner.plots.choices import CHOICES
from planner.plots.labels import HALO
from planner.plots.over_budgets import ERROR_SEEN
from planner.plots.palette import COLOURS, LABELS, PALE
from planner.scenarios import SUPERVISED

_WIDTH = 7.0
_ROW = 0.27
"""Inches of a scenario."""

_APART = 1.25
"""Least ratio from the middle of a log axis to its ends."""


@dataclass(frozen=True)
class _Quantity:
    """What a panel shows of each plan: its value, its interval if it has one, and how its number is written."""

    label: str
    value: Callable[[Plan], float | None]
    written: Callable[[float], str]
    interval: Callable[[Plan], Range | None] = lambda row: None
    log: Callable[[float], str] | None = None
    """How ticks of a log axis are written; None is a linear axis."""


def draw(rows: Sequence[Plan]) -> Figure:
    """The figure of `planner.plots.comparison` for one plan a scenario."""
    order = list(LABELS)
    rows = sorted(rows, key=lambda row: order.index(row.scenario))
    target = rows[0].target
    height = _ROW * len(rows) + 0.75
    choices = [choice for choice in CHOICES if any(choice.value(row) is not None for row in rows)]
    figure = Figure(figsize=(_WIDTH, 2 * height + 0.35))
    bands = figure.subfigures(2, 1, squeeze=False)[:, 0]
    upper = _upper(rows)
    above = bands[0].subplots(1, len(upper), sharey=True, squeeze=False)[0]
    below = bands[1].subplots(1, len(choices), sharey=True, squeeze=False)[0]
    for ax, show in zip(above, upper.values(), strict=True):
        show(ax, rows)
    for ax, choice in zip(below, choices, strict=True):
        points(ax, rows, _Quantity(choice.unit, choice.value, count, log=count))
    titles = [*upper, *(choice.title for choice in choices)]
    for ax, name, title in zip([*above, *below], "abcdefg", titles, strict=False):
        letter(ax, name, title)
    for panels in (above, below):
        panels[0].set_yticks([_height(row, rows) for row in rows], [LABELS[row.scenario] for row in rows])
        panels[0].set_ylim(-0.6, len(rows) - 0.3)
        for ax in panels:
            ax.tick_params(axis="y", length=0)
            ax.spines["left"].set_visible(False)
    handles = shares.keys(rows)
    if target is None and any(row.certainty is None and row.scenario != SUPERVISED for row in rows):
        handles.insert(0, Patch(facecolor=PALE, label="too close to call"))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    told = [f"{_powers(rows[0].budget)} FLOPs" if target is None else f"to {target.loss:g} nats/token"]
    sure = next((row.certainty for row in rows if row.certainty), None)
    if sure is not None:
        told.append(f"{sure.level:.0%} intervals, {sure.draws} joint draws")
    caption(figure, rows[0], *told)
    return figure


def _upper(rows: Sequence[Plan]) -> dict[str, Callable[[Axes, Sequence[Plan]], None]]:
    """What the upper panels are called and how each is drawn: only those that the plans have something for."""
    found: dict[str, Callable[[Axes, Sequence[Plan]], None]] = {}
    if rows[0].target is not None:
        found["compute needed"] = lambda ax, rows: points(ax, rows, _NEEDED)
        if any(_RELATIVE.value(row) is not None for row in rows):
            found["relative compute"] = _relative
    else:
        found["cross-entropy"] = lambda ax, rows: points(ax, rows, _LOSS)
        if any(row.scenario != SUPERVISED for row in rows):
            found["margin over supervised"] = _margins
    found["share of the budget"] = _shares
    return found


def points(ax: Axes, rows: Sequence[Plan], quantity: _Quantity) -> None:
    """A point for each plan that has the quantity, with its interval and its number."""
    values = []
    for row in rows:
        y, value = _height(row, rows), quantity.value(row)
        ax.axhline(y, color=PALE, lw=0.6, zorder=0)
        if value is None:
            ax.text(0.5, y, "open" if row.teacher.loss is not None else "–", transform=ax.get_yaxis_transform(),
                    ha="center", va="center", fontsize="small", color="0.5",
                    bbox={"facecolor": "white", "lw": 0, "pad": 1.0})  # fmt: skip
            continue
        ends = quantity.interval(row)
        if ends is not None:
            ax.plot(ends, (y, y), color=COLOURS[row.scenario], lw=2.2, alpha=0.4, solid_capstyle="butt", zorder=1)
        ax.plot([value], [y], "o", color=COLOURS[row.scenario], ms=4.0, label=LABELS[row.scenario], zorder=2)
        ax.annotate(
            quantity.written(value), (value, y), xytext=(0, 3.5), textcoords="offset points", ha="center", va="bottom",
            fontsize=6, color=COLOURS[row.scenario], path_effects=HALO,
        )  # fmt: skip
        values += [value, *(ends or ())]
    if quantity.log is None:
        zoomed(ax, values, "x", pad=0.14)
        ax.locator_params(axis="x", nbins=4)
        ax.set_xlabel(quantity.label)
    else:
        low, high = min(values), max(values)
        room = max((high / low) ** 0.28, _APART)
        ax.set_xlim(low / room, high * room)
        log_axis(ax, "x", quantity.label, quantity.log, most=4)


def _shares(ax: Axes, rows: Sequence[Plan]) -> None:
    shares.bars(ax, rows, [_height(row, rows) for row in rows])
    ax.set_xlabel("per cent")


def _relative(ax: Axes, rows: Sequence[Plan]) -> None:
    points(ax, rows, _RELATIVE)
    ax.axvline(1.0, color="black", lw=0.7, zorder=1)


def _margins(ax: Axes, rows: Sequence[Plan]) -> None:
    distilled = [row for row in rows if row.scenario != SUPERVISED]
    margin = _Quantity(
        "nats/token",
        lambda row: None if row.scenario == SUPERVISED else row.margin,
        lambda value: signed(round(value, 3)),
        lambda row: row.certainty.margin if row.certainty else None,
    )
    points(ax, rows, margin)
    widest = 0.0
    for row in distilled:
        if row.certainty is None:
            y = _height(row, rows)
            ax.fill_betweenx([y - 0.34, y + 0.34], -row.margin_scale, row.margin_scale, color=PALE, lw=0, zorder=0.5)
            widest = max(widest, row.margin_scale)
    # an error many times the margins would leave them no room
    widest = min(widest, ERROR_SEEN * max(abs(row.margin) for row in distilled))
    ax.axvline(0.0, color="black", lw=0.7, zorder=1)
    ends = [end for row in distilled for end in (row.margin, *(row.certainty.margin if row.certainty else ()))]
    zoomed(ax, [*ends, 0.0, -widest, widest], "x", pad=0.14)
    ax.locator_params(axis="x", nbins=4)


_LOSS = _Quantity(
    "nats/token",
    lambda row: row.student.loss,
    lambda value: f"{value:.3f}",
    lambda row: row.student.interval,
)


def _powers(value: float) -> str:
    return powers(float(f"{value:.3g}"))


_NEEDED = _Quantity("FLOPs", lambda row: row.budget, _powers, log=powers)
_RELATIVE = _Quantity(
    "times that of supervised",
    lambda row: (
        row.budget / row.target.supervised_budget
        if row.target is not None and row.target.supervised_budget is not None
        else None
    ),
    lambda value: f"{value:.3g}",
    log=lambda value: f"{value:g}",
)


def _height(row: Plan, rows: Sequence[Plan]) -> float:
    """The first plan on top."""
    return float(len(rows) - 1 - [other.scenario for other in rows].index(row.scenario))
