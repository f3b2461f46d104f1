"""Fig 9 of arXiv 2502.08606: what the best plan makes of a budget that pays for everything."""

from typing import TYPE_CHECKING

from fitting.units import count
from paper_figs.axes import log_axis
from paper_figs.by_scenario import COMPUTE
from paper_figs.optima import budgets_of, optima, students_of
from paper_figs.source import Source
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """N_T*, D_S*, D_T* and the student's N_S against total FLOPs, a panel for each of four students."""
    import matplotlib.pyplot as plt

    source.law.require_distillation()
    sizes, budgets = students_of(source)[::2], budgets_of(source, 61)
    found = optima(source.law, sizes, budgets, Charges(logits=1, pretraining=1))
    fig, panels = plt.subplots(1, 4, figsize=(7.0, 2.4), sharex=True, sharey=True)
    for i, (ax, N_S) in enumerate(zip(panels, sizes, strict=True)):
        lines = [
            *ax.plot(budgets, found.D_S[i], color="#0072B2", label="student tokens $D_S^*$"),
            *ax.plot(budgets, found.D_T[i], color="#D55E00", label="teacher tokens $D_T^*$"),
            *ax.plot(budgets, found.N_T[i], color="#009E73", label="teacher parameters $N_T^*$"),
            ax.axhline(N_S, color="black", ls="--", lw=0.9, label="student parameters $N_S$"),
        ]
        ax.set_title(f"{count(N_S)} student")
        log_axis(ax, "x", "", flops=True, most=4)
        log_axis(ax, "y", "tokens or parameters" if ax is panels[0] else "")
    fig.supxlabel(COMPUTE)
    fig.legend(handles=lines, loc="outside upper center", ncols=4)
    return fig
