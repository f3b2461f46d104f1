"""Fig 15 of arXiv 2502.08606: the student's cross-entropy over its tokens and its teacher's cross-entropy."""

from typing import TYPE_CHECKING

import numpy as np

from fitting.units import count
from paper_figs.axes import log_axis
from paper_figs.source import Source, spaced
from paper_figs.teacher_planes import best_teacher, loss_contours, worst_teacher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_STUDENTS = (1e9, 3e9, 10e9, 30e9)
PAPER_TOKENS = (250e9, 16e12)


def draw(source: Source) -> "Figure":
    """Contours of L_S (nats/token) over D_S and L_T by student; red: L_T*, dashed: where supervised training wins."""
    import matplotlib.pyplot as plt

    law = source.law.require_distillation()
    within = source.law.support.N_S
    students = PAPER_STUDENTS if source.law.published or within is None else tuple(spaced(within, 4))
    D_S = spaced(source.span("D_S", PAPER_TOKENS), 121)
    E, top = law.supervised.E, worst_teacher(source)
    L_T = np.linspace(E + 1e-3 * (top - E), top, 160)
    fig, panels = plt.subplots(1, 4, figsize=(7.0, 2.3), sharex=True, sharey=True)
    for ax, N_S in zip(panels, students, strict=True):
        loss_contours(ax, D_S, L_T, law.loss(N_S, D_S[None, :], L_T[:, None]))
        best = best_teacher(source, np.full_like(D_S, N_S), D_S)
        ax.plot(D_S, best, color="#D62728", lw=1.2)
        behind = np.flatnonzero(law.supervised.loss(N_S, D_S) < law.loss(N_S, D_S, best))
        if len(behind):
            ax.axvline(D_S[behind[0]], color="black", ls="--", lw=0.9)
        ax.set(title=f"{count(N_S)} student", xlim=(D_S[0], D_S[-1]), ylim=(E, top))
        log_axis(ax, "x", "student tokens $D_S$")
    panels[0].set_ylabel("teacher cross-entropy $L_T$ (nats/token)")
    return fig
