"""Fig 15 of arXiv 2502.08606: the student's cross-entropy over its tokens and its teacher's cross-entropy."""

from typing import TYPE_CHECKING

import numpy as np

from fitting.units import count
from paper_figs.source import Source, spaced
from paper_figs.teacher_planes import RED, best_teacher, best_teacher_line, explain, loss_planes, worst_teacher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_STUDENTS = (1e9, 3e9, 10e9, 30e9)
PAPER_TOKENS = (250e9, 16e12)


def draw(source: Source) -> "Figure":
    """Contours of L_S (nats/token) over D_S and L_T by student; red: L_T*, dashed: where supervised training wins."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    law = source.law.require_distillation()
    within = source.law.support.N_S
    students = PAPER_STUDENTS if source.law.published or within is None else tuple(spaced(within, 4))
    D_S = spaced(source.span("D_S", PAPER_TOKENS), 121)
    E, top = law.supervised.E, worst_teacher(source)
    L_T = np.linspace(E + 1e-3 * (top - E), top, 160)
    fig, panels = plt.subplots(1, 4, figsize=(7.0, 2.6), sharex=True, sharey=True)
    loss_planes(panels, D_S, L_T, [law.loss(N_S, D_S[None, :], L_T[:, None]) for N_S in students])
    for ax, N_S in zip(panels, students, strict=True):
        best = best_teacher(source, np.full_like(D_S, N_S), D_S)
        ax.plot(D_S, best, color=RED, lw=1.4)
        behind = np.flatnonzero(law.supervised.loss(N_S, D_S) < law.loss(N_S, D_S, best))
        if len(behind):
            ax.axvline(D_S[behind[0]], color="black", ls="--", lw=0.9)
        ax.set(title=f"{count(N_S)} student", xlabel="student tokens $D_S$", ylim=(E, top))
    panels[0].set_ylabel("teacher cross-entropy $L_T$ (nats/token)")
    dashed = Line2D([], [], color="black", ls="--", lw=0.9, label="tokens from which supervised training wins")
    explain(fig, best_teacher_line(), dashed)
    return fig
