"""What the figures over a teacher's cross-entropy share: labelled contours, the best teacher, panels of tokens."""

from typing import TYPE_CHECKING, Any

from fitting.units import count
from paper_figs.axes import Floats
from paper_figs.source import Source, spaced
from planner.allocation import ideal_loss
from planner.problems import Problems
from planner.scenarios import Charges

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER_TOKENS = (250e9, 1e12, 4e12, 16e12)
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


def loss_contours(ax: "Axes", x: Floats, y: Floats, loss: Floats, lines: int = 12) -> Any:
    """Filled contours of a cross-entropy (nats/token), its lines labelled."""
    filled = ax.contourf(x, y, loss, levels=lines, cmap="viridis")
    drawn = ax.contour(x, y, loss, levels=lines, colors="white", linewidths=0.5)
    ax.clabel(drawn, fontsize=5, fmt="%.2f")
    return filled
