"""The form of Fig 1 of arXiv 2502.08606, from your own runs: student cross-entropy against its teacher's, by tokens."""

from typing import TYPE_CHECKING

import numpy as np

from fitting.units import count
from paper_figs.axes import sequence
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """Runs (points) and the law (lines), both in nats/token; a panel for each student size, a colour for each D_S."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    law = source.law.require_distillation()
    runs = source.require_runs("fig01").distillation()
    N, D, L_T, loss = (runs.column(name) for name in ("N", "D", "teacher_loss", "loss"))
    sizes, tokens = np.unique(N), np.unique(D)
    colours = dict(zip(tokens, sequence(len(tokens)), strict=True))
    fig, panels = plt.subplots(
        1, len(sizes), figsize=(1.2 + 2.0 * len(sizes), 2.8), sharex=True, sharey=True, squeeze=False
    )
    pad = 0.08 * (L_T.max() - L_T.min())
    x = np.linspace(L_T.min() - pad, L_T.max() + pad, 200)
    for ax, N_S in zip(panels[0], sizes, strict=True):
        ax.plot(x, x, color="0.6", lw=0.8, ls=":")
        for D_S in tokens:
            at = (N_S == N) & (D_S == D)
            if not at.any():
                continue
            ax.plot(x, law.loss(N_S, D_S, x), color=colours[D_S])
            ax.plot(L_T[at], loss[at], "o", color=colours[D_S], mec="white", mew=0.4)
        ax.set_title(f"{count(N_S)} student")
        ax.set_xlabel("teacher cross-entropy\n(nats/token)")
    span = 0.08 * (loss.max() - loss.min())
    panels[0, 0].set(
        ylim=(min(loss.min(), L_T.min()) - span, loss.max() + span), ylabel="student cross-entropy (nats/token)"
    )
    last = panels[0, -1]
    handles = [Line2D([], [], color=colours[D_S], marker="o", label=f"{count(D_S)} tokens") for D_S in tokens[::-1]]
    handles.append(Line2D([], [], color="0.6", ls=":", label="student = teacher"))
    last.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig
