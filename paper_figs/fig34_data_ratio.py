"""Fig 34 of arXiv 2502.08606: the tokens that distilling takes, beside training directly to the same cross-entropy."""

from typing import TYPE_CHECKING

from paper_figs.ratios import panels_of
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """Ratio of D_S + δ_Pre D_T (Eq 34) to the supervised D against L_S, by scenario, a line for each student."""
    return panels_of(
        source,
        lambda found: found.D_S + found.charges.pretraining * found.D_T,
        "data",
        "tokens, distilled / supervised",
    )
