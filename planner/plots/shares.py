"""What a budget goes to: areas over budgets, and stacked bars."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from planner.plans import Plan
from planner.plots.palette import GREY, PARTS, SERVING, UNSPENT
from planner.search import Floats

_HATCH = "//////"
_WRITTEN = 6.0
"""Per cent of the budget from which a part of a bar carries its number."""

_DARK = 1
"""Parts whose numbers are written in white: the first so many."""


def percent(rows: Sequence[Plan]) -> Floats:
    """Shares of the budget in per cent: those of `parts_of`, and what is left unspent; shape (parts + 1, rows)."""
    parts = np.array([row.shares for row in rows], dtype=float).T
    if len(parts_of(rows)) > len(parts):
        parts = np.vstack([parts, [row.flops.serving / row.budget for row in rows]])
    left = np.array([[row.unspent / row.budget for row in rows]])
    return 100 * np.vstack([parts, left])


def parts_of(rows: Sequence[Plan]) -> dict[str, str]:
    """The parts of a budget with their colours: serving only where a student does."""
    return PARTS | SERVING if any(row.flops.serving for row in rows) else PARTS


def areas(ax: Axes, rows: Sequence[Plan]) -> None:
    """Stacked shares over the budgets of one scenario's plans, by rising budget; the x axis is left to the caller."""
    stacked = ax.stackplot(
        [row.budget for row in rows],
        percent(rows),
        colors=[*parts_of(rows).values(), "white"],
        edgecolor="white",
        linewidth=0.4,
    )
    stacked[-1].set_hatch(_HATCH)
    stacked[-1].set_edgecolor(GREY)
    stacked[-1].set_linewidth(0.0)
    ax.set_ylim(0, 100)
    ax.margins(x=0)


def bars(ax: Axes, rows: Sequence[Plan], at: Sequence[float], *, height: float = 0.62) -> None:
    """A stacked bar for each plan at the heights `at`, parts with their per cent where there is room."""
    found = percent(rows)
    left = np.zeros(len(rows))
    for k, (name, colour) in enumerate([*parts_of(rows).items(), (UNSPENT, "white")]):
        hatch = _HATCH if name == UNSPENT else None
        ax.barh(at, found[k], height, left, color=colour, hatch=hatch, edgecolor=GREY if hatch else "white", lw=0.4)
        for y, start, width in zip(at, left, found[k], strict=True):
            if width >= _WRITTEN and name != UNSPENT:
                ax.text(start + width / 2, y, f"{width:.0f}", ha="center", va="center", fontsize="small",
                        color="white" if k < _DARK else "black")  # fmt: skip
        left = left + found[k]
    ax.set_xlim(0, 100)


def keys(rows: Sequence[Plan]) -> list[Artist]:
    """What the colours mean, of the parts that any of the plans has."""
    present = percent(rows).max(axis=1) > 0
    found: list[Artist] = [
        Patch(facecolor=colour, label=name)
        for (name, colour), there in zip(parts_of(rows).items(), present[:-1], strict=True)
        if there
    ]
    if present[-1]:
        found.append(Patch(facecolor="white", edgecolor=GREY, lw=0.0, hatch=_HATCH, label=UNSPENT))
    return found
