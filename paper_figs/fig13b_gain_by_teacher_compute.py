"""Fig 13b of arXiv 2502.08606: which teachers, by size and compute, help a student at 20 tokens per parameter?"""

from typing import TYPE_CHECKING

from paper_figs.source import Source
from paper_figs.teacher_gaps import gaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_COMPUTE = (1e19, 1e22)
PAPER_SCALE = (-0.08, 0.64)


def draw(source: Source) -> "Figure":
    """Contours of L_S - L̃_S (nats/token) over the teacher's training FLOPs and N_T for each of four students."""
    return gaps(source, "compute", PAPER_COMPUTE, PAPER_SCALE)
