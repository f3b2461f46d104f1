"""Names beside the points they name, put where nothing else is.

Geometry is in pixels of a figure that is laid out already (`planner.plots.axes.settle`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text

from planner.search import Floats

HALO = [patheffects.withStroke(linewidth=1.6, foreground="white")]
"""White around letters, for texts that a line runs behind."""

_NEAR = 9.0
"""Points up to which a name needs no line to what it names."""

_SAME = 3.0
"""Points up to which two marks are one to the eye."""

_LONGEST = 28
"""Characters of a name."""

_RADII = (5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 65.0, 85.0, 110.0)
_DIRECTIONS = np.deg2rad([0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202, 68, 112, 248, 292])
"""Where a name is tried around a point: points of distance, near ones first, and directions, best ones first."""


@dataclass
class Room:
    """What is taken in a panel: boxes (x0, y0, x1, y1) of texts and a cloud of points on lines and marks, in pixels."""

    ax: Axes
    boxes: list[Floats] = field(default_factory=list)
    cloud: Floats = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def pixels(self) -> float:
        """Pixels to a point of length."""
        return float(self.ax.figure.dpi) / 72

    def take(self, x: Floats, y: Floats) -> Floats:
        """Mark a line of data coordinates as taken; returns its points in pixels, one at each pixel of its length."""
        found = densely(self.ax, x, y)
        self.cloud = np.concatenate([self.cloud, found])
        return found

    def free(self, box: Floats, margin: float) -> bool:
        """Whether a box with a margin lies in the panel and nothing lies in it."""
        x0, y0, x1, y1 = box + margin * np.array([-1, -1, 1, 1])
        edge = self.ax.bbox
        if x0 < edge.x0 or y0 < edge.y0 or x1 > edge.x1 or y1 > edge.y1:
            return False
        if any(x0 < b[2] and b[0] < x1 and y0 < b[3] and b[1] < y1 for b in self.boxes):
            return False
        return distance(box, self.cloud) > margin

    def seen(self, point: Floats, box: Floats) -> bool:
        """Whether a straight line from a point to the middle of a box crosses none of the other boxes."""
        line = np.linspace(point, (box[:2] + box[2:]) / 2, 60)
        return all(distance(other, line) > 0 for other in self.boxes)


def densely(ax: Axes, x: Floats, y: Floats) -> Floats:
    """Points in pixels, about one to a pixel, along a line of data coordinates; NaN interrupts it."""
    with np.errstate(invalid="ignore"):
        corners = ax.transData.transform(np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)]))
    pieces = [corners[np.isfinite(corners).all(axis=1)]]
    for start, end in pairwise(corners):
        length = np.hypot(*(end - start))
        if np.isfinite(length) and length > 1:
            pieces.append(start + (end - start) * np.linspace(0, 1, int(min(length, 5000)) + 1)[:, None])
    return np.concatenate(pieces)


def distance(box: Floats, cloud: Floats) -> float:
    """Pixels between a box and the nearest point of a cloud; 0 inside it."""
    if not len(cloud):
        return float("inf")
    outside = np.maximum(np.maximum(box[:2] - cloud, cloud - box[2:]), 0.0)
    return float(np.hypot(*outside.T).min())


def name_points(room: Room, points: Floats, names: Sequence[str]) -> list[Annotation]:
    """Write each name beside its point (data coordinates, shape (n, 2)), with a thin line to it where it is not near.

    Names keep clear of each other and of all that is taken in the room, as far as there is any room left. Points that
    lie on each other share one text; long names are cut.
    """
    at = room.ax.transData.transform(points)
    room.cloud = np.concatenate([room.cloud, at])
    written = []
    for point, told in _together(at, names, _SAME * room.pixels):
        text = room.ax.annotate(
            told, (0, 0), xytext=(0, 0), textcoords="offset points", fontsize="small", ha="center", va="center",
            path_effects=HALO, annotation_clip=False, parse_math=False,
            arrowprops={"arrowstyle": "-", "color": "0.4", "lw": 0.5, "shrinkA": 0, "shrinkB": 3.0},
        )  # fmt: skip
        text.set_in_layout(False)
        width, height = _extent(text)
        tried = [(_around(point, radius * room.pixels, angle, width, height), radius)
                 for radius in _RADII for angle in _DIRECTIONS]  # fmt: skip
        boxes = [_box(middle, width, height) for middle, _ in tried]
        others = at[np.hypot(*(at - point).T) > _SAME * room.pixels]
        # a name without a line must be nearer to its own point than to any other
        told_apart = [radius > _NEAR or distance(box, others) > 1.5 * radius * room.pixels
                      for box, (_, radius) in zip(boxes, tried, strict=True)]  # fmt: skip
        free = (
            i
            for i, box in enumerate(boxes)
            if told_apart[i] and room.free(box, 1.5 * room.pixels) and room.seen(point, box)
        )
        # no clean place: at least on no other name
        bare = Room(room.ax, room.boxes)
        chosen = next(free, next((i for i, box in enumerate(boxes) if bare.free(box, 0.0)), 0))
        middle, radius = tried[chosen]
        text.xy = tuple(room.ax.transData.inverted().transform(point))
        text.set_position(tuple((middle - point) / room.pixels))
        room.boxes.append(boxes[chosen])
        if radius <= _NEAR and text.arrow_patch is not None:
            text.arrow_patch.set_visible(False)
        else:
            room.cloud = np.concatenate([room.cloud, np.linspace(point, middle, 50)])
        written.append(text)
    return written


def _together(at: Floats, names: Sequence[str], same: float) -> list[tuple[Floats, str]]:
    """Points (pixels) with the names of all that lie on them, a name a line."""
    groups: list[tuple[Floats, list[str]]] = []
    for point, name in zip(at, map(_short, names), strict=True):
        near = next((told for other, told in groups if np.hypot(*(other - point)) <= same), None)
        if near is None:
            groups.append((point, [name]))
        else:
            near.append(name)
    return [(point, "\n".join(told)) for point, told in groups]


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _around(point: Floats, radius: float, angle: float, width: float, height: float) -> Floats:
    """The middle of a box whose edge is `radius` from a point, in a direction."""
    across, up = np.cos(angle), np.sin(angle)
    found: Floats = point + np.array([across * (radius + width / 2), up * (radius + height / 2)])
    return found


def _box(middle: Floats, width: float, height: float) -> Floats:
    half = np.array([width, height]) / 2
    return np.concatenate([middle - half, middle + half])


def _extent(text: Annotation) -> tuple[float, float]:
    # of the text alone: an annotation's own extent holds its arrow too
    found = Text.get_window_extent(text)
    return float(found.width), float(found.height)
