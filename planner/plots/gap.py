"""The capacity-gap curve: the cross-entropy of one student on one number of tokens against its teacher's."""

import numpy as np
from matplotlib.axes import Axes

from fitting.known import KnownLaw, Range
from fitting.units import count
from planner.plots.axes import STUDENT_LOSS
from planner.plots.palette import COLOURS, GREY, PALE
from planner.scenarios import SUPERVISED
from planner.search import Floats

TEACHER_LOSS = "teacher cross-entropy $L_T$ (nats/token)"
CURVE = "#3B4F6B"

_POINTS = 400
_INTO = 0.05
"""The least part of the law's runs to be shown."""

_FLOOR = 1e-4
"""Least distance of a teacher from the law's floor E, relative to it."""

_ROOM = 0.06

_ABOVE = 0.25
"""How far above what matters the curve is followed, as a share of that level's distance from the law's floor."""


def window(law: KnownLaw, N_S: float, D_S: float, level: float, *seen: float) -> Range:
    """Teachers' cross-entropies to show: all that are to be seen, and the law's runs as far as they tell anything.

    Poor teachers' students all lie on the diagonal, so the runs are shown up to where the student is some way above
    `level` (nats/token) and what else is to be seen; where they begin beyond that, their beginning.
    """
    floor = float(law.supervised.E)
    within = law.support.L_T or (min(seen), max(seen))
    low, high = min(*seen, within[0]), max(seen)
    tried = np.linspace(high, max(high, within[1]), _POINTS)
    loss = np.asarray(law.require_distillation().loss(N_S, D_S, tried))
    ceiling = max(level, float(loss[0])) + _ABOVE * (level - floor)
    high = max(float(tried[loss <= ceiling][-1]), within[0] + _INTO * (within[1] - within[0]))
    room = _ROOM * (high - low) or 0.02 * high
    return max(low - room, floor * (1 + _FLOOR)), high + room


def curve(ax: Axes, law: KnownLaw, N_S: float, D_S: float, shown: Range) -> tuple[Floats, Floats]:
    """The student's cross-entropy against its teacher's, returned too, and the diagonal on which they are equal."""
    L_T = np.linspace(*shown, _POINTS)
    L_S = np.asarray(law.require_distillation().loss(N_S, D_S, L_T))
    ax.plot(L_T, L_S, color=CURVE, zorder=2, label=f"student on {count(D_S)} tokens")
    ax.plot(L_T, L_T, color=GREY, lw=0.8, ls=":", zorder=1, label="$L_S = L_T$")
    ax.set(xlim=shown, xlabel=TEACHER_LOSS, ylabel=STUDENT_LOSS)
    return L_T, L_S


def supervised_level(ax: Axes, loss: float, interval: Range | None = None) -> None:
    """Training directly with the same budget."""
    ax.axhline(loss, color=COLOURS[SUPERVISED], lw=1.0, ls=(0, (4, 2)), zorder=1.5, label="supervised")
    if interval is not None:
        ax.axhspan(*interval, color="black", alpha=0.07, lw=0, zorder=0)


def near_optimal(ax: Axes, ends: Range, label: str) -> None:
    """Teachers that serve nearly as well as the best."""
    ax.axvspan(*ends, color=PALE, lw=0, zorder=0, label=label)


def law_teachers(ax: Axes, within: Range | None) -> None:
    """The teachers of the law's runs, as a bar on the lower edge of the panel."""
    if within is not None:
        ax.plot(
            within, (0, 0), transform=ax.get_xaxis_transform(), color="#56B4E9", lw=4.0, solid_capstyle="butt",
            clip_on=True, zorder=1.2, label=f"law's runs, {within[0]:.2f} to {within[1]:.2f}",
        )  # fmt: skip
