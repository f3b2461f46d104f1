"""Distilled minus supervised cross-entropy over teachers that could be trained, by student."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from fitting.known import Range
from fitting.units import count
from paper_figs.axes import ROUND_BANDS, difference_bar, difference_contours, log_axis, rounded
from paper_figs.source import Source, spaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_STUDENTS = (198e6, 546e6, 975e6, 1.82e9)
PAPER_TEACHERS = (1e8, 7e9)
PAPER_BANDS = 18
STUDENT_TOKENS_PER_PARAMETER = 20
_AXES = {"tokens": "teacher tokens $D_T$", "compute": "teacher compute (FLOPs)"}


def gaps(source: Source, axis: Literal["tokens", "compute"], paper: Range, scale: Range) -> "Figure":
    """Draw it over the teacher's tokens or training compute (x) and its size (y), a panel for each of four students."""
    import matplotlib.pyplot as plt

    law, known = source.law.require_distillation(), source.law
    students = np.array(PAPER_STUDENTS)
    if not known.published and known.support.N_S is not None:
        students = spaced(known.support.N_S, 4)
    N_T = spaced(source.span("N_T", PAPER_TEACHERS), 101)[:, None]
    D_T = spaced(source.span("D_T", paper if axis == "tokens" else (1e9, 1e13)), 121)[None, :]
    x = D_T
    if axis == "compute":
        ends = paper if known.published else tuple(known.convention.training(N_T[[0, -1], 0], D_T[0, [0, -1]]))
        x = spaced((float(ends[0]), float(ends[1])), 121)[None, :]
        D_T = x / known.convention.training(N_T, 1.0)
    L_T = law.supervised.loss(N_T, D_T)
    D_S = STUDENT_TOKENS_PER_PARAMETER * students
    differences = [law.loss(N, D, L_T) - law.supervised.loss(N, D) for N, D in zip(students, D_S, strict=True)]
    bands = PAPER_BANDS
    if not known.published:
        limit = rounded(float(np.percentile(np.abs(differences), 75)))
        scale, bands = (-limit, limit), ROUND_BANDS
    fig, panels = plt.subplots(1, 4, figsize=(7.0, 2.3), sharex=True, sharey=True)
    for ax, N_S, gap in zip(panels, students, differences, strict=True):
        filled = difference_contours(ax, x[0], N_T[:, 0], gap, scale, bands)
        ax.set(title=f"{count(float(N_S))} student", xlim=(x.min(), x.max()), ylim=(N_T.min(), N_T.max()))
        log_axis(ax, "x", "", flops=axis == "compute", most=5)
        log_axis(ax, "y", "teacher parameters $N_T$" if ax is panels[0] else "")
    fig.supxlabel(_AXES[axis])
    difference_bar(fig, filled, panels)
    return fig
