"""Fig 11 of arXiv 2502.08606: students of wider and wider teachers, on the mapping problem of App C.2."""

from typing import TYPE_CHECKING

from paper_figs.mapping_panels import draw_students
from paper_figs.source import Source
from sweeps.mapping.table import TEACHER_WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(source: Source) -> "Figure":
    """Cross-entropy of students (nats) against their teacher's width and its own cross-entropy; no law is needed."""
    return draw_students(source, "fig11", TEACHER_WIDTH, "width of the teacher")
