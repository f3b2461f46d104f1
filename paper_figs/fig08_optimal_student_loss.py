"""Fig 8 of arXiv 2502.08606: the best cross-entropy of a student against compute, by what the compute must pay for."""

from typing import TYPE_CHECKING

import numpy as np

from fitting.units import count
from paper_figs.axes import label_starts, log_axis
from paper_figs.source import Source, spaced
from planner.allocation import optimum
from planner.plots.palette import COLOURS, LABELS
from planner.problems import Problems
from planner.scenarios import SUPERVISED, scenarios

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_STUDENTS = (300e6, 1e9, 3e9, 10e9)
PAPER_BUDGETS = (1e20, 1e26)


def draw(source: Source) -> "Figure":
    """L_S* (nats/token) against total FLOPs: supervised and four scenarios, a panel for each student size."""
    import matplotlib.pyplot as plt

    law = source.law
    law.require_distillation()
    sizes, budgets = np.array(PAPER_STUDENTS), spaced(PAPER_BUDGETS, 121)
    if not law.published and law.support.N_S is not None and law.support.D_S is not None:
        sizes = spaced(law.support.N_S, 4)
        ends = (law.convention.training(N, D) for N, D in zip(law.support.N_S, law.support.D_S, strict=True))
        low, high = ends
        budgets = spaced((low, high * 10), 121)
    fig, panels = plt.subplots(2, 2, figsize=(6.8, 5.0), sharex=True)
    for ax, N_S in zip(panels.flat, sizes, strict=True):
        D_alone = np.minimum(budgets / law.convention.training(N_S, 1.0), law.box_D[1])
        curves = {SUPERVISED: law.supervised.loss(N_S, D_alone)}
        for name, charges in scenarios().items():
            losses = optimum(Problems.of(law, N_S, budgets, charges))[0].loss
            curves[name] = np.where(np.isfinite(losses), losses, np.nan)
        lines = []
        for name, curve in curves.items():
            dashes = "--" if name == SUPERVISED else "-"
            lines += ax.plot(budgets, curve, color=COLOURS[name], ls=dashes, label=LABELS[name])
        ax.set_title(f"{count(N_S)} student")
        ax.set_ylabel("student cross-entropy (nats/token)")
        log_axis(ax, "x", "total compute (FLOPs)" if ax in panels[1] else "", flops=True)
        label_starts(ax, lines)
    return fig
