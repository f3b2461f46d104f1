"""Maps whose contours can be read: light colours under dark lines, and labels that neither meet nor leave a panel."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figs.axes import Floats, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART, _FROM_THE_FRAME, _SHORTEST = 18.0, 11.0, 34.0
"""Points between two labels, between a label and the frame, and the length of the shortest line that gets one."""

TWO_DIGITS = "{:.2f}".format
"""How the level of a cross-entropy (nats/token) is written."""


def contour_map(ax: "Axes", x: Floats, y: Floats, z: Floats, levels: Floats, write: Callable[[float], str]) -> None:
    """Filled contours, dark where z is large, with a line for each level, labelled where there is room.

    The axes have their scales and limits before: labels are placed, and lines opened for them, by where points lie.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patheffects import withStroke

    pale = LinearSegmentedColormap.from_list("pale", ["#F7FBFF", "#C6DBEF", "#6BAED6"])
    ax.contourf(x, y, z, levels=levels, cmap=pale, extend="both")
    inside = [level for level in levels if np.nanmin(z) < level < np.nanmax(z)]
    if not inside:
        return
    lines = ax.contour(x, y, z, levels=inside, colors="0.25", linewidths=0.5)
    places = _places(ax, lines)
    if places:
        for text in ax.clabel(lines, fontsize=6, colors="black", fmt=write, manual=places, inline_spacing=2):
            text.set_path_effects([withStroke(linewidth=1.2, foreground="white", alpha=0.7)])


def levels_of(panels: Sequence[Floats], lines: int) -> Floats:
    """Levels at round numbers, the same in all panels: about `lines` of them in the panel of middling range."""
    step = rounded(float(np.median([np.nanmax(z) - np.nanmin(z) for z in panels])) / lines)
    low, high = min(np.nanmin(z) for z in panels), max(np.nanmax(z) for z in panels)
    return step * np.arange(np.floor(low / step), np.ceil(high / step) + 1)


def _places(ax: Any, lines: Any) -> list[tuple[float, float]]:
    """Where labels go, in data: of each level the point of a long line that lies farthest from labels before it."""
    points = 72 / ax.figure.dpi
    frame = ax.bbox
    middle, half = points * np.array([frame.x0 + frame.x1, frame.y0 + frame.y1]) / 2, np.array(frame.size) * points / 2
    taken: list[Floats] = []
    found = []
    for segments in lines.allsegs:
        best, where = 0.0, None
        for line in segments:
            at = ax.transData.transform(line) * points
            if len(at) < 2 or np.hypot(*np.diff(at, axis=0).T).sum() < _SHORTEST:
                continue
            inside = (np.abs(at - middle) <= half - _FROM_THE_FRAME).all(axis=1)
            room = np.min([np.hypot(*(at - other).T) for other in taken], axis=0) if taken else np.full(len(at), np.inf)
            score = np.where(inside & (room > _APART), np.minimum(room, 3 * _APART) + 1e3, 0.0)
            score = np.where(score > 0, score - 0.3 * np.hypot(*(at - middle).T), 0.0)
            if score.max() > best:
                best, where = float(score.max()), int(score.argmax())
                chosen, spot = line[where], at[where]
        if where is not None:
            taken.append(spot)
            found.append((float(chosen[0]), float(chosen[1])))
    return found
