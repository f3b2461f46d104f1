"""What the pictures of a fit share: its runs beside its predictions, log axes that read 100M and 1e21, colours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from fitting import units
from fitting.fit import Fit
from fitting.records import RunTable
from fitting.stages import fitted_to

Array = NDArray[np.float64]

KINDS = {"supervised": "supervised", "distillation": "distilled"}
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE = "0.55", "0.92"
EDGE: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.4}
_LIGHTEST = 0.88
"""Where viridis ends: its yellow cannot be seen on white."""

_MOST_NAMED = 8
"""Sizes that a colour bar names one by one."""


@dataclass(frozen=True, eq=False)
class Observed:
    """The runs that one law was fitted to, and what it says of them; arrays of shape (runs,).

    N parameters, D tokens, `C` FLOPs of training by the convention, losses in nats/token; `L_T` is None for
    supervised runs.
    """

    N: Array
    D: Array
    L_T: Array | None
    C: Array
    loss: Array
    predicted: Array

    def __len__(self) -> int:
        return len(self.loss)


def parts(fit: Fit, table: RunTable) -> list[Fit]:
    """The laws of a fit that were fitted to this table's runs, the supervised one first."""
    below = fit.supervised
    own = below is not None and fitted_to(below, table)
    return [below, fit] if below is not None and own else [fit]


def observed(fit: Fit, table: RunTable) -> Observed:
    """The runs of the last law of `fit`."""
    runs = table.supervised() if fit.form == "supervised" else table.distillation()
    N, D, loss = (runs.column(name) for name in ("N", "D", "loss"))
    L_T = None if fit.form == "supervised" else runs.column("teacher_loss")
    return Observed(N, D, L_T, np.asarray(fit.convention.training(N, D)), loss, np.asarray(fit.predict(N, D, L_T)))


def log_axis(ax: Axes, which: str, label: str, write: Callable[[float], str] = units.count) -> None:
    """Make the `which` ("x" or "y") axis logarithmic, its ticks written by `write`; call it after drawing."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(_log_locator(low, high))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(NullFormatter())
    if high / low > 1e3:
        axis.set_minor_locator(NullLocator())
    axis.set_label_text(label)


def _log_locator(low: float, high: float) -> Locator:
    decades = np.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 2.5 else (1.0,)
    return LogLocator(subs=subs, numticks=8)


def sequence(n: int) -> list[Any]:
    """`n` colours of an ordered quantity, from dark to light."""
    return [mpl.colormaps["viridis"](x) for x in np.linspace(0.0, _LIGHTEST, n)]


def spread(values: Array, count: int) -> Array:
    """At most `count` of the rows, evenly from the first to the last."""
    picked = np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))
    found: Array = values[picked]
    return found


def size_scale(table: RunTable) -> tuple[LogNorm, Colormap]:
    """Colours of the sizes in a table, the same in each of its pictures' panels."""
    N = np.concatenate([table.supervised().column("N"), table.distillation().column("N")])
    return LogNorm(N.min() / 1.01, N.max() * 1.01), ListedColormap(sequence(256))


def size_bar(figure: Figure, panels: Sequence[Axes], table: RunTable) -> None:
    """The colours of the sizes, beside the panels."""
    norm, colours = size_scale(table)
    sizes = np.unique(np.concatenate([table.supervised().column("N"), table.distillation().column("N")]))
    apart = np.diff(np.log(sizes)).min(initial=np.inf) > np.log(sizes[-1] / sizes[0]) / 20
    few = len(sizes) <= _MOST_NAMED and apart
    bar = figure.colorbar(
        ScalarMappable(norm, colours),
        ax=list(panels),
        ticks=FixedLocator([float(size) for size in sizes]) if few else _log_locator(float(sizes[0]), float(sizes[-1])),
        format=FuncFormatter(lambda value, _: units.count(value)),
    )
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label("parameters $N$")


def legend_above(ax: Axes, title: str | None = None, **kwargs: Any) -> None:
    """A legend between the panel and the edge of the figure, where it covers no runs; `title` names the panel."""
    legend = ax.legend(
        title=title, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.3, borderpad=0.0, handlelength=1.6,
        columnspacing=1.2, **kwargs,
    )  # fmt: skip
    _plain(legend)


def legend_beside(ax: Axes, title: str, **kwargs: Any) -> None:
    """A legend to the right of the panel."""
    _plain(ax.legend(title=title, loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.4, **kwargs))


def _plain(legend: Any) -> None:
    legend.set_alignment("left")
    legend.get_title().set_fontsize(mpl.rcParams["legend.fontsize"])


def counted(found: Observed, fit: Fit) -> str:
    """`72 supervised runs`."""
    return f"{len(found)} {KINDS[fit.form]} run{'s' if len(found) > 1 else ''}"
