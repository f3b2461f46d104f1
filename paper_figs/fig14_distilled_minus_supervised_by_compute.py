"""Fig 14 of arXiv 2502.08606: when does a teacher help at equal compute of the student?"""

from typing import TYPE_CHECKING

from paper_figs.axes import ROUND_BANDS, difference_bar, difference_contours, log_axis
from paper_figs.fig06_distilled_minus_supervised import PAPER_STUDENTS, scale_of, teachers
from paper_figs.optima import budgets_of
from paper_figs.source import Source, spaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_COMPUTE = (1e19, 1e22)
PAPER_SCALE, PAPER_BANDS = (-0.15, 0.06), 21


def draw(source: Source) -> "Figure":
    """Contours of L_S - L̃_S (nats/token) over the student's own training FLOPs and size, for each of six teachers."""
    import matplotlib.pyplot as plt

    law = source.law.require_distillation()
    C = spaced(PAPER_COMPUTE, 120) if source.law.published else budgets_of(source, 120)
    N_S = spaced(source.span("N_S", PAPER_STUDENTS), 100)[:, None]
    D_S = C[None, :] / source.law.convention.training(N_S, 1.0)
    gaps = [law.loss(N_S, D_S, L_T) - law.supervised.loss(N_S, D_S) for _, L_T in teachers(source)]
    scale = scale_of(source, PAPER_SCALE, gaps, D_S, N_S)
    bands = PAPER_BANDS if source.law.published else ROUND_BANDS
    fig, panels = plt.subplots(2, 3, figsize=(6.8, 4.0), sharex=True, sharey=True)
    for ax, (name, L_T), gap in zip(panels.flat, teachers(source), gaps, strict=True):
        filled = difference_contours(ax, C, N_S[:, 0], gap, scale, bands)
        ax.set(title=f"{name}{L_T:.2f}", xlim=(C[0], C[-1]), ylim=(N_S.min(), N_S.max()))
        log_axis(ax, "x", "", flops=True, most=5)
        log_axis(ax, "y", "student parameters $N_S$" if ax in panels[:, 0] else "")
    fig.supxlabel("student training compute (FLOPs)")
    difference_bar(fig, filled, panels)
    return fig
