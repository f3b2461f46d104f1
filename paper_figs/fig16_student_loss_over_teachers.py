"""Fig 16 of arXiv 2502.08606: the student's cross-entropy over its teacher's size and cross-entropy, by compute."""

from typing import TYPE_CHECKING

import numpy as np

from fitting.flops import FORWARDS_PER_TRAINING_STEP
from fitting.units import count, flops
from paper_figs.optima import budgets_of
from paper_figs.source import Source, spaced
from paper_figs.teacher_planes import explain, loss_planes, worst_teacher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_STUDENTS = (1e9, 3e9, 10e9, 30e9)
PAPER_BUDGETS = (1e21, 1e22, 1e23, 1e24)
PAPER_TEACHERS = (1e9, 1e12)


def draw(source: Source) -> "Figure":
    """Contours of L_S over N_T and L_T where D_S is what the teacher's forward passes leave (Eq 27), 4 x 4 panels."""
    import matplotlib.pyplot as plt

    law, known = source.law.require_distillation(), source.law
    students, budgets = PAPER_STUDENTS, PAPER_BUDGETS
    if not known.published and known.support.N_S is not None:
        students = tuple(spaced(known.support.N_S, 4))
        budgets = tuple(budgets_of(source, 6)[1:5])
    N_T = spaced(source.span("N_T", PAPER_TEACHERS), 101)
    E, top = law.supervised.E, worst_teacher(source)
    L_T = np.linspace(E + 1e-3 * (top - E), top, 120)
    F = known.convention.forward
    cells = [(N_S, C) for N_S in students for C in budgets]
    left = [C / (FORWARDS_PER_TRAINING_STEP * F(N_S) + F(N_T)) for N_S, C in cells]
    losses = [law.loss(N_S, D_S[None, :], L_T[:, None]) for (N_S, _), D_S in zip(cells, left, strict=True)]
    fig, panels = plt.subplots(4, 4, figsize=(7.0, 7.0), sharex=True, sharey=True)
    loss_planes(list(panels.flat), N_T, L_T, losses, lines=9)
    for ax, (N_S, C) in zip(panels.flat, cells, strict=True):
        ax.set_title(f"{count(N_S)} student, {flops(C)} FLOPs", fontsize=7)
        ax.set(xlabel="teacher parameters $N_T$" if ax in panels[-1] else "", ylim=(E, top))
    for ax in panels[:, 0]:
        ax.set_ylabel("$L_T$ (nats/token)")
    explain(fig)
    return fig
