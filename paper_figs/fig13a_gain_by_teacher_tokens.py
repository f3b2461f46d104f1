"""Fig 13a of arXiv 2502.08606: which teachers, by size and tokens, help a student at 20 tokens per parameter?"""

from typing import TYPE_CHECKING

from paper_figs.source import Source
from paper_figs.teacher_gaps import gaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_TOKENS = (1e9, 1e13)
PAPER_SCALE = (-0.075, 0.375)


def draw(source: Source) -> "Figure":
    """Contours of L_S - L̃_S (nats/token) over D_T and N_T for each of four students."""
    return gaps(source, "tokens", PAPER_TOKENS, PAPER_SCALE)
