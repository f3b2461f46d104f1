"""Fig 33 of arXiv 2502.08606: the compute that distilling takes, beside training directly to the same cross-entropy."""

from typing import TYPE_CHECKING

import numpy as np

from paper_figs.ratios import panels_of
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """Ratio of total FLOPs against L_S, a panel for each scenario and a line for each student."""
    return panels_of(
        source,
        lambda found: np.broadcast_to(found.budgets, found.L_S.shape),
        "compute",
        "compute, distilled / supervised",
    )
