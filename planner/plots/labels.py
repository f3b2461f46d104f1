"""Names beside the points they name, clear of lines and of each other."""

from collections.abc import Sequence

import numpy as np
import textalloc
from matplotlib import patheffects
from matplotlib.axes import Axes

from planner.search import Floats

HALO = [patheffects.withStroke(linewidth=1.6, foreground="white")]
"""White around letters, for texts that a line runs behind."""

_LONGEST = 28
"""Characters of a name."""

_MOST = 4
"""Names of points on each other that are told."""

_SAME = 1e-3
"""Shares of the panel up to which two points are one to the eye."""


def name_points(ax: Axes, points: Floats, names: Sequence[str], lines: Sequence[tuple[Floats, Floats]]) -> None:
    """Write each name beside its point (data coordinates, shape (n, 2)), with a thin line to it where it is not near.

    Points beyond the names have none; they and `lines` are not written over. Points that lie on each other share one
    text; long names are cut. The figure must be laid out already (`planner.plots.axes.settle`).
    """
    at = ax.transAxes.inverted().transform(ax.transData.transform(points))
    groups: dict[int, list[str]] = {}
    for i, name in enumerate(map(_short, names)):
        first = int(np.flatnonzero(np.abs(at - at[i]).max(axis=1) <= _SAME)[0])
        groups.setdefault(first, []).append(name)
    found = points[list(groups)]
    textalloc.allocate(
        ax,
        found[:, 0],
        found[:, 1],
        [_together(told) for told in groups.values()],
        x_scatter=points[:, 0],
        y_scatter=points[:, 1],
        x_lines=[x for x, _ in lines],
        y_lines=[y for _, y in lines],
        textsize=7,
        margin=0.012,
        min_distance=0.02,
        max_distance=0.3,
        linecolor="0.4",
        linewidth=0.5,
        avoid_label_lines_overlap=True,
        path_effects=HALO,
        parse_math=False,
    )


def _together(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _MOST} more"] if len(names) > _MOST else []
    return "\n".join([*names[:_MOST], *more])


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
