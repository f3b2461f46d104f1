"""Candidate teachers on the capacity-gap curve of the student that they would teach."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fitting.known import KnownLaw
from fitting.units import count
from planner.plots.axes import plain, powers, provenance, settle, small_print, zoomed
from planner.plots.gap import CURVE, curve, law_teachers, near_optimal, supervised_level, window
from planner.plots.labels import name_points
from planner.plots.palette import GREY
from planner.teachers.rankings import Outcome, RankedTeacher, Ranking

_SIZE = (5.2, 3.9)
_NAMED = 12
"""Candidates for whose names there is room: the best ones."""

_LATE = "#8CA0BC"


def draw(ranking: Ranking, law: KnownLaw) -> Figure:
    """The figure of `planner.plots.candidates`."""
    figure = Figure(figsize=_SIZE)
    ax = figure.subplots()
    paid = [(row, row.student) for row in ranking.rows if row.student is not None]
    # of an even number the upper one of the middle, so that some candidate lies on the curve
    D_S = sorted(student.D for _, student in paid)[len(paid) // 2] if paid else ranking.supervised.D
    seen = [row.loss for row, _ in paid] + ([] if ranking.ideal is None else [ranking.ideal.low, ranking.ideal.high])
    level = max([ranking.supervised.loss, *(student.loss for _, student in paid)])
    shown = window(law, ranking.student_N, D_S, level, *(seen or [level]))
    L_T, L_S = curve(ax, law, ranking.student_N, D_S, shown)
    supervised_level(ax, ranking.supervised.loss, ranking.supervised.interval)
    law_teachers(ax, law.support.L_T)
    if ranking.ideal is not None:
        ideal = ranking.ideal
        near_optimal(ax, (ideal.low, ideal.high), f"ideal teacher, at most {ideal.nats:g} nats worse")
        ax.axvline(ideal.loss, color=GREY, lw=0.8, zorder=0.5)
    taken = _points(ax, paid, law, ranking.student_N, D_S)
    ends = [end for _, student in paid for end in student.interval or ()]
    zoomed(ax, [*L_S, ranking.supervised.loss, *(student.loss for _, student in paid), *ends], pad=0.1)
    figure.legend(handles=ax.get_legend_handles_labels()[0], loc="outside upper left", ncols=2)
    told = [
        f"{count(ranking.student_N)} student",
        f"{powers(float(f'{ranking.budget:.3g}'))} FLOPs",
        provenance(ranking.law),
    ]
    if any(student.D != D_S for _, student in paid):
        told.append(f"dotted: from each student to where {count(D_S)} tokens would bring it")
    if ranking.level is not None:
        told.append(f"{ranking.level:.0%} intervals")
    if len(paid) > _NAMED:
        told.append(f"named: the {_NAMED} best of {len(paid)}")
    unpaid = [row.name for row in ranking.rows if row.student is None]
    if unpaid:
        told.append(f"forward passes not paid for: {plain(', '.join(unpaid))}")
    small_print(figure, "; ".join(told))
    settle(figure)
    if paid:
        lines = [(L_T, L_S), (L_T, L_T), (np.array(shown), np.full(2, ranking.supervised.loss))]
        lines += [(np.array([x, x]), np.array([low, high])) for x, low, high in taken]
        at = np.array([(row.loss, student.loss) for row, student in paid])
        name_points(ax, at, [row.name for row, _ in paid[:_NAMED]], lines)
    return figure


def _points(
    ax: Axes, paid: list[tuple[RankedTeacher, Outcome]], law: KnownLaw, N_S: float, D_S: float
) -> list[tuple[float, float, float]]:
    """A point for each candidate, with its interval, tied by a stem to where it would lie on the curve's tokens.

    Returns what stands at each L_T: the lower and upper end of stem and interval together.
    """
    taken = []
    for row, student in paid:
        on_curve = float(law.require_distillation().loss(N_S, D_S, row.loss))
        ax.plot([row.loss] * 2, [on_curve, student.loss], color="0.3", lw=0.7, ls=(0, (1, 1)), zorder=2.3, gid="stem")
        ends = (on_curve, student.loss, *(student.interval or ()))
        taken.append((row.loss, min(ends), max(ends)))
        if student.interval is not None:
            ax.plot([row.loss] * 2, student.interval, color=_LATE, lw=1.0, marker="_", ms=6, mew=1.0, zorder=2.2)
    for tied, colour, name in ((True, CURVE, "best candidate and ties"), (False, _LATE, "other candidates")):
        at = [(row.loss, student.loss) for row, student in paid if (row is paid[0][0] or row.tied_with_best) == tied]
        if at:
            ax.plot(*zip(*at, strict=True), "o", ms=5, color=colour, mec="white", mew=0.6, zorder=3, label=name)
    return taken
