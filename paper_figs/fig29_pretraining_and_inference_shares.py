"""Fig 29 of arXiv 2502.08606: what the best plan spends its compute on, teacher pretraining and inference."""

from typing import TYPE_CHECKING

from paper_figs.share_stacks import stacks
from paper_figs.source import Source
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """Shares of the budget against total FLOPs, a panel for each student."""
    return stacks(source, Charges(logits=1, pretraining=1))
