"""What the figures over a teacher's cross-entropy share: labelled contours, the best teacher, panels of tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fitting.units import count
from paper_figs.axes import Floats, log_axis
from paper_figs.contours import TWO_DIGITS, contour_map, levels_of
from paper_figs.source import Source, spaced
from planner.allocation import ideal_loss
from planner.problems import Problems
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PAPER_TOKENS = (250e9, 1e12, 4e12, 16e12)
RED = "#D62728"
PAPER_WORST = 2.5
"""nats/token: the upper end of the paper's axes of L_T."""


def worst_teacher(source: Source) -> float:
    """The upper end of an axis of L_T: the paper's, or the poorest teacher of a fit's runs."""
    within = source.law.support.L_T
    return PAPER_WORST if source.law.published or within is None else within[1]


def tokens_of(source: Source) -> list[tuple[float, str]]:
    """Four numbers of student tokens with a title each: the paper's, or some of a fit's runs."""
    within = source.law.support.D_S
    chosen = PAPER_TOKENS if source.law.published or within is None else tuple(spaced(within, 4))
    return [(float(D_S), f"{count(float(D_S))} student tokens") for D_S in chosen]


def best_teacher(source: Source, N_S: Floats, D_S: Floats) -> Floats:
    """L_T* (nats/token) of each student on its tokens, whatever the teacher costs; shape as N_S."""
    law = source.law
    problems = Problems.of(law, N_S, law.convention.training(N_S, D_S), Charges(0.0, 0.0))
    return ideal_loss(problems, D_S, 0.0)[0]


def loss_planes(panels: Sequence["Axes"], x: Floats, y: Floats, losses: Sequence[Floats], lines: int = 12) -> None:
    """Contours of a cross-entropy (nats/token) over x, in logs, and L_T: a map and its limits for each panel.

    The panels share their levels, so that a colour and a line mean the same in all of them.
    """
    levels = levels_of(losses, lines)
    for ax, loss in zip(panels, losses, strict=True):
        ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        log_axis(ax, "x", "")
        contour_map(ax, x, y, loss, levels, TWO_DIGITS)


def explain(fig: "Figure", *lines: "Line2D") -> None:
    """Say above the panels what the contours are, and the lines across them."""
    from matplotlib.lines import Line2D

    contours = Line2D([], [], color="0.25", lw=0.5, label="student cross-entropy $L_S$ (nats/token)")
    fig.legend(handles=[contours, *lines], loc="outside upper center", ncols=1 + len(lines))


def best_teacher_line() -> "Line2D":
    """How L_T* is drawn."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=RED, lw=1.4, label="best teacher $L_T^*$")
