"""What distilling costs beside training directly to the same cross-entropy."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fitting.units import count
from paper_figs.axes import Floats, sequence
from paper_figs.optima import Optima, budgets_of, optima, students_of, supervised
from paper_figs.source import Source
from planner.plots.palette import LABELS
from planner.scenarios import scenarios

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_RATIOS = (0.2, 10.0)
PAPER_LOSSES = (1.6, 2.6)


def panels_of(source: Source, spent: Callable[[Optima], Floats], alone: str, label: str) -> "Figure":
    """Draw `spent` over what training directly spends, "compute" or "data", at equal cross-entropy: by scenario."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    law = source.law
    law.require_distillation()
    sizes, budgets = students_of(source), budgets_of(source, 241)
    D, losses = supervised(law, sizes, budgets)
    directly = np.broadcast_to(budgets, D.shape) if alone == "compute" else D
    fig, panels = plt.subplots(1, 4, figsize=(7.0, 2.5), sharex=True, sharey=True)
    for ax, (name, charges) in zip(panels, scenarios().items(), strict=True):
        found = optima(law, sizes, budgets, charges)
        taught = spent(found)
        for i, colour in enumerate(sequence(len(sizes))):
            loss, ratio = _at_equal_loss(found.L_S[i], taught[i], losses[i], directly[i])
            ax.plot(loss, ratio, color=colour, lw=1.0, label=count(sizes[i]))
        ax.axhline(1.0, color="black", lw=0.6, ls="--")
        ax.set(title=LABELS[name], yscale="log", ylim=PAPER_RATIOS)
        if law.published:
            ax.set_xlim(PAPER_LOSSES)
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")
    panels[0].set_ylabel(label)
    fig.supxlabel("student cross-entropy (nats/token)")
    fig.legend(handles=panels[0].get_lines()[: len(sizes)], title="student", loc="outside right center")
    return fig


def _at_equal_loss(taught: Floats, spent: Floats, alone: Floats, directly: Floats) -> tuple[Floats, Floats]:
    """Losses that both ways reach within the budgets, and the ratio of what they spend for them."""
    known = np.isfinite(taught)
    taught, spent = taught[known][::-1], spent[known][::-1]
    loss = np.linspace(max(taught[0], alone[-1]), min(taught[-1], alone[0]), 200)
    ours, theirs = np.interp(loss, taught, np.log(spent)), np.interp(loss, alone[::-1], np.log(directly[::-1]))
    return loss, np.exp(ours - theirs)
