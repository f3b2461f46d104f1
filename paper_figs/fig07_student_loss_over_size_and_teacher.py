"""Fig 7 of arXiv 2502.08606: the student's cross-entropy over its size and its teacher's cross-entropy."""

from typing import TYPE_CHECKING

import numpy as np

from paper_figs.source import Source, spaced
from paper_figs.teacher_planes import (
    RED,
    best_teacher,
    best_teacher_line,
    explain,
    loss_planes,
    tokens_of,
    worst_teacher,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_STUDENTS = (1e9, 1e11)


def draw(source: Source) -> "Figure":
    """Contours of L_S (nats/token) over N_S and L_T, a panel for each of four numbers of tokens; red: L_T*."""
    import matplotlib.pyplot as plt

    law = source.law.require_distillation()
    N_S = spaced(source.span("N_S", PAPER_STUDENTS), 121)
    E, top = law.supervised.E, worst_teacher(source)
    L_T = np.linspace(E + 1e-3 * (top - E), top, 160)
    tokens = tokens_of(source)
    fig, panels = plt.subplots(1, 4, figsize=(7.0, 2.6), sharex=True, sharey=True)
    loss_planes(panels, N_S, L_T, [law.loss(N_S[None, :], D_S, L_T[:, None]) for D_S, _ in tokens])
    for ax, (D_S, title) in zip(panels, tokens, strict=True):
        ax.plot(N_S, best_teacher(source, N_S, np.full_like(N_S, D_S)), color=RED, lw=1.4)
        ax.set(title=title, xlabel="student parameters $N_S$", ylim=(E, top))
    panels[0].set_ylabel("teacher cross-entropy $L_T$ (nats/token)")
    explain(fig, best_teacher_line())
    return fig
