"""Fig 31 of arXiv 2502.08606: the tokens of the best teacher against compute."""

from typing import TYPE_CHECKING

from paper_figs import optima
from paper_figs.by_scenario import curves
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """D_T* against total FLOPs; teacher inference, whose D_T* is unbounded, has no line."""
    return curves(source, optima.D_T, open_tokens=True)
