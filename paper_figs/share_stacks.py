"""What the budget of the best plan goes into, against compute, a panel for each student."""

from typing import TYPE_CHECKING

import numpy as np

from fitting.units import count
from paper_figs.axes import log_axis
from paper_figs.by_scenario import COMPUTE
from paper_figs.optima import budgets_of, optima, students_of
from paper_figs.source import Source
from planner.plots.palette import PARTS
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def stacks(source: Source, charges: Charges) -> "Figure":
    """Shares (%) of student training, teacher forwards and teacher training in the budget."""
    import matplotlib.pyplot as plt

    source.law.require_distillation()
    sizes, budgets = students_of(source), budgets_of(source, 121)
    shares = 100 * optima(source.law, sizes, budgets, charges).shares
    paid = [0, *([1] if charges.logits else []), *([2] if charges.pretraining else [])]
    names = list(PARTS)
    fig, panels = plt.subplots(2, 4, figsize=(7.0, 3.8), sharex=True, sharey=True)
    for i, (ax, N_S) in enumerate(zip(panels.flat, sizes, strict=True)):
        areas = ax.stackplot(
            budgets,
            np.nan_to_num(shares[paid, i]),
            colors=[PARTS[names[part]] for part in paid],
            labels=[names[part] for part in paid],
            ec="white",
            lw=0.4,
        )
        unpaid = np.isnan(shares[0, i])
        if unpaid.any():
            ax.axvspan(budgets[0], budgets[unpaid][-1], color="0.97", lw=0)
            ax.annotate("no plan", (0.03, 0.5), xycoords="axes fraction", rotation=90, va="center", fontsize=6.5)
        ax.set_title(f"{count(N_S)} student")
        ax.set(ylim=(0, 100), xlim=(budgets[0], budgets[-1]))
        log_axis(ax, "x", "", flops=True, most=4)
    fig.supxlabel(COMPUTE)
    fig.supylabel("share of the budget (%)")
    fig.legend(handles=areas, loc="outside upper center", ncols=len(areas))
    return fig
