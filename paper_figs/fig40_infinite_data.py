"""Fig 40 of arXiv 2502.08606: with unlimited data, do distilling and training directly end at the same loss?"""

from typing import TYPE_CHECKING

import numpy as np

from paper_figs.axes import log_axis
from paper_figs.optima import optima
from paper_figs.source import Source, spaced
from planner.plots.palette import COLOURS
from planner.scenarios import BEST_CASE, SUPERVISED, Charges

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_SIZES = (100e6, 1e12)


def draw(source: Source) -> "Figure":
    """L(N, ∞) (Eq 35) and L_S(N, D, L_T*) at the most tokens of the search box (Eq 37), nats/token, against N."""
    import matplotlib.pyplot as plt

    law = source.law
    law.require_distillation()
    sizes = spaced(source.span("N_S", PAPER_SIZES), 61)
    enough = law.convention.training(sizes[-1], law.box_D[1])
    taught = optima(law, sizes, np.array([enough]), Charges(logits=0, pretraining=0)).L_S[:, 0]
    fig, ax = plt.subplots(figsize=(3.4, 2.6))
    ax.plot(sizes, law.supervised.limit(sizes), color=COLOURS[SUPERVISED], ls="--", label="supervised, $L(N, \\infty)$")
    ax.plot(sizes, taught, color=COLOURS[BEST_CASE], label="distilled, $L_S(N, \\infty, L_T^*)$")
    if law.support.N_S is not None:
        ax.axvspan(*law.support.N_S, color="0.93", zorder=0, lw=0)
        middle = float(np.sqrt(law.support.N_S[0] * law.support.N_S[1]))
        ax.annotate(
            "the law's runs", (middle, 0.98), xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=6.5
        )
    ax.set(ylabel="cross-entropy (nats/token)", xlim=(sizes[0], sizes[-1]))
    log_axis(ax, "x", "student parameters $N_S$")
    ax.legend(loc="lower left")
    return fig
