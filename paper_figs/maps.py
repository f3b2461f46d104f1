"""Optimal quantities of one scenario over compute and student size, as maps and as slices of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fitting import units
from paper_figs.axes import Floats, label_ends, log_axis, mark_ends, sequence
from paper_figs.by_scenario import COMPUTE
from paper_figs.contours import TWO_DIGITS, contour_map, levels_of
from paper_figs.optima import Quantity, budgets_of, optima, students_of
from paper_figs.source import Source
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FINE, _FINER = 61, 121
_LINES = 10
"""Contour lines in a map."""


def maps(source: Source, charges: Charges, quantities: Sequence[Quantity]) -> "Figure":
    """A map of each quantity over total compute (x) and student size (y), its contours labelled."""
    source.law.require_distillation()
    sizes, budgets = students_of(source, _FINE), budgets_of(source, _FINER)
    found = optima(source.law, sizes, budgets, charges)
    fig, panels = _panels(len(quantities))
    for ax, quantity in zip(panels, quantities, strict=True):
        values = quantity.of(found)
        ax.set(title=quantity.short, xlim=(budgets[0], budgets[-1]), ylim=(sizes[0], sizes[-1]))
        log_axis(ax, "x", "", flops=True, most=4)
        log_axis(ax, "y", "")
        if quantity.counted:
            _count_map(ax, budgets, sizes, values)
        else:
            contour_map(ax, budgets, sizes, values, levels_of([values], _LINES), TWO_DIGITS)
    fig.supxlabel(COMPUTE)
    fig.supylabel("student parameters $N_S$")
    return fig


def slices(source: Source, charges: Charges, quantities: Sequence[Quantity]) -> "Figure":
    """Each quantity against total compute, a line for each student."""
    source.law.require_distillation()
    sizes, budgets = students_of(source), budgets_of(source, _FINER)
    found = optima(source.law, sizes, budgets, charges)
    fig, panels = _panels(len(quantities))
    for ax, quantity in zip(panels, quantities, strict=True):
        lines = [
            line
            for N_S, values, colour in zip(sizes, quantity.of(found), sequence(len(sizes)), strict=True)
            for line in ax.plot(budgets, values, color=colour, lw=1.0, label=units.count(N_S))
        ]
        ax.set(title=quantity.short, xlim=(budgets[0], budgets[-1]))
        log_axis(ax, "x", "", flops=True, most=4)
        if quantity.box is not None:
            log_axis(ax, "y", "")
            mark_ends(ax, quantity.of(found), quantity.box(source.law))
        label_ends(ax, lines)
    fig.supxlabel(COMPUTE)
    fig.suptitle("a line for each student, with its parameters at its right", fontsize=7)
    return fig


def _panels(n: int) -> "tuple[Figure, list[Axes]]":
    """A figure as wide as a page with so many panels in two rows; the last row may be shorter."""
    import matplotlib.pyplot as plt

    fig, panels = plt.subplots(2, -(-n // 2), figsize=(7.0 if n > 4 else 5.6, 4.6))
    for spare in panels.flat[n:]:
        spare.remove()
    return fig, list(panels.flat[:n])


def _count_map(ax: "Axes", x: Floats, y: Floats, values: Floats) -> None:
    """A map of counts: a colour and a line for each decade or part of one, written 1B, 10B."""
    logs = np.log10(values)
    low, high = np.nanmin(logs), np.nanmax(logs)
    step = next((step for step in (0.25, 0.5, 1.0, 2.0) if (high - low) / step <= _LINES), 3.0)
    levels = np.arange(np.floor(low / step) * step, high + step, step)
    contour_map(ax, x, y, logs, levels, lambda level: units.count(10.0**level, 2))
