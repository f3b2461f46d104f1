"""The form of Fig 5 of arXiv 2502.08606, from your own runs: what the law predicts against what was observed."""

from typing import TYPE_CHECKING

import numpy as np

from fitting.errors import InputError
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """Predicted against observed cross-entropy (nats/token) above, relative error (%) below, for each kind of run."""
    import matplotlib.pyplot as plt

    table, law = source.require_runs("fig05"), source.law
    kinds = []
    alone = table.supervised()
    if alone.records:
        kinds.append(("supervised runs", alone, law.supervised.loss(alone.column("N"), alone.column("D"))))
    taught = table.distillation()
    if taught.records and law.distillation is not None:
        predicted = law.distillation.loss(taught.column("N"), taught.column("D"), taught.column("teacher_loss"))
        kinds.append(("distilled runs", taught, predicted))
    if not kinds:
        raise InputError("fig05: the table has no finished run that this law predicts")
    fig, panels = plt.subplots(
        2, len(kinds), figsize=(3.2 * len(kinds) + 0.4, 4.0), squeeze=False, height_ratios=(2, 1), sharex="col"
    )
    worst = max(1.0, *(float(np.abs(100 * (p / t.column("loss") - 1)).max()) for _, t, p in kinds))
    for (above, below), (name, runs, predicted) in zip(panels.T, kinds, strict=True):
        observed = runs.column("loss")
        error = 100 * (predicted / observed - 1)
        ends = [min(observed.min(), predicted.min()), max(observed.max(), predicted.max())]
        above.plot(ends, ends, color="0.6", lw=0.8)
        above.plot(observed, predicted, "o", mec="white", mew=0.4)
        above.set(
            title=f"{len(observed)} {name}, rms error {np.sqrt(np.mean(error**2)):.2f} %",
            ylabel="predicted (nats/token)",
        )
        below.axhspan(-1, 1, color="0.92", lw=0)
        below.axhline(0, color="0.6", lw=0.8)
        below.plot(observed, error, "o", mec="white", mew=0.4)
        below.set(xlabel="observed (nats/token)", ylabel="error (%)", ylim=(-1.15 * worst, 1.15 * worst))
    return fig
