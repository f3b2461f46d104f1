"""Fig 6 of arXiv 2502.08606: when does a teacher help at equal student tokens?"""

from typing import TYPE_CHECKING, Any

import numpy as np

from fitting.known import Range
from fitting.units import count
from paper_figs.axes import ROUND_BANDS, Floats, difference_bar, difference_contours, log_axis, outline_runs, rounded
from paper_figs.source import Source, spaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_TOKENS = (1e9, 1e13)
PAPER_STUDENTS = (1e8, 8e9)
PAPER_TEACHERS = (546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9)
TEACHER_TOKENS_PER_PARAMETER = 20
PAPER_SCALE, PAPER_BANDS = (-0.18, 0.18), 18


def draw(source: Source) -> "Figure":
    """Contours of L_S - L̃_S (nats/token) over student tokens and size, a panel for each of six teachers."""
    import matplotlib.pyplot as plt

    law = source.law.require_distillation()
    D_S = spaced(source.span("D_S", PAPER_TOKENS), 120)[None, :]
    N_S = spaced(source.span("N_S", PAPER_STUDENTS), 100)[:, None]
    gaps = [law.loss(N_S, D_S, L_T) - law.supervised.loss(N_S, D_S) for _, L_T in teachers(source)]
    scale = scale_of(source, PAPER_SCALE, gaps, D_S, N_S)
    bands = PAPER_BANDS if source.law.published else ROUND_BANDS
    fig, panels = plt.subplots(2, 3, figsize=(6.8, 4.0), sharex=True, sharey=True)
    for ax, (name, L_T), gap in zip(panels.flat, teachers(source), gaps, strict=True):
        filled = difference_contours(ax, D_S[0], N_S[:, 0], gap, scale, bands)
        outline_runs(ax, source.law.support.D_S, source.law.support.N_S)
        ax.set_title(f"{name}{L_T:.2f}")
        ax.set(xlim=(D_S.min(), D_S.max()), ylim=(N_S.min(), N_S.max()))
        log_axis(ax, "x", "student tokens $D_S$" if ax in panels[1] else "")
        log_axis(ax, "y", "student parameters $N_S$" if ax in panels[:, 0] else "")
    difference_bar(fig, filled, panels)
    return fig


def teachers(source: Source) -> list[tuple[str, float]]:
    """Six teachers, each with the beginning of a title and its cross-entropy: the paper's, or some of a fit's runs."""
    law = source.law
    if not law.published and law.support.L_T is not None:
        return [("$L_T$ = ", float(loss)) for loss in spaced(law.support.L_T, 6)[::-1]]
    return [
        (f"{count(N)} teacher, $L_T$ = ", float(law.supervised.loss(N, TEACHER_TOKENS_PER_PARAMETER * N)))
        for N in PAPER_TEACHERS
    ]


def scale_of(source: Source, paper: Range, gaps: list[Floats], D_S: Floats, N_S: Floats) -> Range:
    """Where the colours end: as the paper's, or most of the range among a fit's runs, whatever it says beyond them."""
    if source.law.published:
        return paper
    among = _inside(D_S, source.law.support.D_S) & _inside(N_S, source.law.support.N_S)
    limit = rounded(float(np.percentile(np.abs(gaps)[:, np.broadcast_to(among, gaps[0].shape)], 75)))
    return -limit, limit


def _inside(values: Floats, within: Range | None) -> Any:
    low, high = within or (0.0, np.inf)
    return (values >= low) & (values <= high)
