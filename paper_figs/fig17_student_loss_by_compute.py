"""Fig 17 of arXiv 2502.08606: the best cross-entropy of a student against compute, for eight students."""

from typing import TYPE_CHECKING

from paper_figs import optima
from paper_figs.by_scenario import curves
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """L_S* (nats/token) against total FLOPs: supervised and four scenarios, a panel for each student size."""
    return curves(source, optima.L_S, alone="loss")
