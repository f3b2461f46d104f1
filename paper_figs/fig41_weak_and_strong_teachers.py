"""Fig 41 of arXiv 2502.08606, the law's curves: a strong teacher of a small student, and the other way round."""

from typing import TYPE_CHECKING

from fitting.units import count
from paper_figs.axes import label_ends, log_axis
from paper_figs.source import Source, spaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_PAIR = (546e6, 1.82e9)
PAPER_TOKENS = (8e9, 512e9)
TEACHER_TOKENS_PER_PARAMETER = 20


def draw(source: Source) -> "Figure":
    """L_S and the supervised loss of the same student (nats/token) against its tokens; teachers at 20 per parameter."""
    import matplotlib.pyplot as plt

    law = source.law.require_distillation()
    within = source.law.support.N_S
    small, large = PAPER_PAIR if source.law.published or within is None else tuple(spaced(within, 4)[1:3])
    D_S = spaced(source.span("D_S", PAPER_TOKENS, beyond=1.0), 121)
    fig, panels = plt.subplots(1, 2, figsize=(6.0, 2.6), sharex=True, sharey=True)
    for ax, N_S, N_T in zip(panels, (small, large), (large, small), strict=True):
        L_T = float(law.supervised.loss(N_T, TEACHER_TOKENS_PER_PARAMETER * N_T))
        ax.plot(D_S, law.loss(N_S, D_S, L_T), color="#0072B2", label="distilled")
        ax.plot(D_S, law.supervised.loss(N_S, D_S), color="black", ls="--", label="supervised")
        ax.plot(D_S[[0, -1]], [L_T, L_T], color="0.45", lw=0.8, ls=":", label="teacher")
        ax.set_title(f"{count(float(N_T))} teacher, {count(float(N_S))} student")
        log_axis(ax, "x", "student tokens $D_S$")
    panels[0].set_ylabel("cross-entropy (nats/token)")
    for ax in panels:
        label_ends(ax, ax.get_lines())
    return fig
