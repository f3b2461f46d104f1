"""Fig 19 of arXiv 2502.08606: the best plans over compute and student size, best case."""

from typing import TYPE_CHECKING

from paper_figs.maps import maps
from paper_figs.optima import D_S, D_T, L_S, L_T, N_T
from paper_figs.source import Source
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """Maps of L_S*, L_T*, D_S*, N_T*, D_T* over total FLOPs and N_S."""
    return maps(source, Charges(logits=0, pretraining=0), (L_S, L_T, D_S, N_T, D_T))
