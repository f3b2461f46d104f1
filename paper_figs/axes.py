"""What the figures share: log axes that read 1B and 512B, labels beside the lines they name, diverging contours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fitting import units
from fitting.known import Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Floats = NDArray[np.float64]


def log_axis(ax: "Axes", which: str, label: str, *, flops: bool = False, most: int = 8) -> None:
    """Make the `which` ("x" or "y") axis logarithmic, up to `most` ticks with unit suffixes or as powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    write = units.flops if flops else units.count
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 2.5 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=most))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(NullFormatter())
    if decades > 3:
        axis.set_minor_locator(NullLocator())
    axis.set_label_text(label)


def label_starts(ax: "Axes", lines: Sequence["Line2D"]) -> None:
    """Name lines that meet at the right: their labels in their colours, in the order of their left ends."""
    ordered = sorted(lines, key=lambda line: -np.nanmax(np.asarray(line.get_ydata())[:3]))
    ax.legend(handles=ordered, labelcolor="linecolor", handlelength=1.4, loc="upper right")


def difference_contours(ax: "Axes", x: Floats, y: Floats, z: Floats, limit: float) -> Any:
    """Filled contours of a signed difference, colours symmetric about zero, the zero line drawn."""
    levels = np.linspace(-limit, limit, 19)
    filled = ax.contourf(x, y, z, levels=levels, cmap="PuOr_r", extend="both")
    if z.min() < 0 < z.max():
        ax.contour(x, y, z, levels=[0.0], colors="black", linewidths=0.8)
    return filled


def outline_runs(ax: "Axes", x: Range | None, y: Range | None) -> None:
    """A dotted frame around the range of the runs behind a law; what lies outside is extrapolation."""
    if x is None or y is None:
        return
    ax.plot([x[0], x[1], x[1], x[0], x[0]], [y[0], y[0], y[1], y[1], y[0]], color="0.45", lw=0.8, ls=":")
    ax.annotate("runs", (x[1], y[0]), xytext=(-2, 2), textcoords="offset points", ha="right", fontsize="small")


def sequence(n: int) -> list[Any]:
    """`n` colours of an ordered quantity, from dark to light."""
    import matplotlib as mpl

    return [mpl.colormaps["viridis"](x) for x in np.linspace(0.0, 0.88, n)]
