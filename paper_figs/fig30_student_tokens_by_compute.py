"""Fig 30 of arXiv 2502.08606: the tokens of the best student against compute."""

from typing import TYPE_CHECKING

from paper_figs import optima
from paper_figs.by_scenario import curves
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """D_S* against total FLOPs: supervised and four scenarios, a panel for each student size."""
    return curves(source, optima.D_S, alone="tokens")
