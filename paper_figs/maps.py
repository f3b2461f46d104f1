"""Optimal quantities of one scenario over compute and student size, as maps and as slices of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fitting import units
from paper_figs.axes import Floats, log_axis, sequence
from paper_figs.by_scenario import COMPUTE
from paper_figs.optima import Quantity, budgets_of, optima, students_of
from paper_figs.source import Source
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FINE = 61
_LINES = 12
"""Contour lines in a map."""


def maps(source: Source, charges: Charges, quantities: Sequence[Quantity]) -> "Figure":
    """A map of each quantity over total compute (x) and student size (y), its contours labelled."""
    import matplotlib.pyplot as plt

    source.law.require_distillation()
    sizes, budgets = students_of(source, _FINE), budgets_of(source, _FINE)
    found = optima(source.law, sizes, budgets, charges)
    fig, panels = plt.subplots(1, len(quantities), figsize=(1.9 * len(quantities) + 0.6, 2.5), sharey=True)
    for ax, quantity in zip(np.atleast_1d(panels), quantities, strict=True):
        values = quantity.of(found)
        if quantity.counted:
            _count_map(ax, budgets, sizes, values)
        else:
            ax.contourf(budgets, sizes, values, levels=_LINES, cmap="viridis")
            lines = ax.contour(budgets, sizes, values, levels=_LINES, colors="white", linewidths=0.5)
            ax.clabel(lines, fontsize=5, fmt="%.2f")
        ax.set_title(quantity.short)
        log_axis(ax, "x", "", flops=True, most=4)
        log_axis(ax, "y", "student parameters $N_S$" if ax is np.atleast_1d(panels)[0] else "")
    fig.supxlabel(COMPUTE)
    return fig


def slices(source: Source, charges: Charges, quantities: Sequence[Quantity]) -> "Figure":
    """Each quantity against total compute, a line for each student."""
    import matplotlib.pyplot as plt

    source.law.require_distillation()
    sizes, budgets = students_of(source), budgets_of(source, _FINE)
    found = optima(source.law, sizes, budgets, charges)
    fig, panels = plt.subplots(1, len(quantities), figsize=(1.9 * len(quantities) + 0.6, 2.6))
    for ax, quantity in zip(np.atleast_1d(panels), quantities, strict=True):
        lines = [
            line
            for N_S, values, colour in zip(sizes, quantity.of(found), sequence(len(sizes)), strict=True)
            for line in ax.plot(budgets, values, color=colour, lw=1.0, label=units.count(N_S))
        ]
        log_axis(ax, "x", "", flops=True, most=4)
        if quantity.counted:
            log_axis(ax, "y", "")
        ax.set_title(quantity.short)
    fig.supxlabel(COMPUTE)
    fig.legend(handles=lines, title="student", loc="outside right center")
    return fig


def _count_map(ax: Any, x: Floats, y: Floats, values: Floats) -> None:
    """A map of counts: a colour and a line for each decade or part of one, written 1B, 10B."""
    logs = np.log10(values)
    low, high = np.nanmin(logs), np.nanmax(logs)
    step = next((step for step in (0.25, 0.5, 1.0, 2.0) if (high - low) / step <= _LINES), 3.0)
    levels = np.arange(np.floor(low / step) * step, high + step, step)
    ax.contourf(x, y, logs, levels=levels, cmap="viridis")
    lines = ax.contour(x, y, logs, levels=levels, colors="white", linewidths=0.5)
    ax.clabel(lines, fontsize=5, fmt=lambda level: units.count(10.0**level, 2))
