"""Where distilling pays: its gain over training directly, by budget and student size."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from fitting.known import KnownLaw
from fitting.units import count
from planner.plots.axes import COMPUTE, flops_axis, log_axis, provenance, signed, small_print
from planner.plots.labels import HALO
from planner.plots.palette import LABELS
from planner.search import Floats

_MOST = 9
"""Shades on either side of zero, at most."""

_EXTEND = 0.03
"""Length of the colour bar's ends, of the bar."""

_LIMIT = 98.0
"""Percentile of |Δ| that the colours reach."""

_NEITHER, _NO_PLAN = "....", "xxxx"
_RUNS: dict[str, Any] = {"color": "0.1", "lw": 1.0, "ls": ":"}
_ZERO: dict[str, Any] = {"colors": "black", "linewidths": 1.1}
_EDGE: dict[str, Any] = {"colors": "0.25", "linewidths": 0.6, "linestyles": "--"}


def draw(
    students: Sequence[float] | Floats,
    budgets: Sequence[float] | Floats,
    delta: Mapping[str, Floats],
    tolerance: float | Mapping[str, Floats],
    *,
    mark: float | None,
    law: KnownLaw | None,
) -> Figure:
    """The figure of `planner.plots.crossover_map`."""
    N, C = np.asarray(students, dtype=float), np.asarray(budgets, dtype=float)
    names = [name for name in LABELS if name in delta]
    rows, columns = {1: (1, 1), 2: (1, 2), 3: (1, 3)}.get(len(names), (-(-len(names) // 2), 2))
    figure = Figure(figsize=(4.2 if columns == 1 else 7.0, 1.1 + (2.3 if columns == 3 else 2.5) * rows))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    gains = {name: np.asarray(delta[name], dtype=float) for name in names}
    given = dict.fromkeys(names, tolerance) if isinstance(tolerance, int | float) else tolerance
    near = {name: np.broadcast_to(np.asarray(given[name], dtype=float), gains[name].shape) for name in names}
    every = np.concatenate([np.ravel(near[name]) for name in names])
    bounds = levels(np.concatenate([np.ravel(gains[name]) for name in names]), float(np.nanmin(every)))
    for ax, name in zip(panels.flat, names, strict=False):
        panel(ax, C, N, gains[name], near[name], bounds)
        ax.set_title(LABELS[name], loc="left")
        if law is not None:
            runs(ax, law)
        if mark is not None:
            ax.axhline(mark, color="black", lw=0.8, ls=(0, (6, 2)))
            ax.annotate(count(mark), (1.0, mark), xycoords=("axes fraction", "data"), xytext=(-3, 1.5),
                        textcoords="offset points", ha="right", fontsize="small", path_effects=HALO)  # fmt: skip
        ax.set(xlim=(C.min(), C.max()), ylim=(N.min(), N.max()))
        flops_axis(ax, "x", COMPUTE if ax in panels[-1] else "", most=5)
        log_axis(ax, "y", "student parameters $N_S$" if ax in panels[:, 0] else "", most=5)
    for ax in panels.flat[len(names) :]:
        ax.remove()
    under, *between, over = shades(len(bounds) + 1)
    colours = ListedColormap(between).with_extremes(under=under, over=over)
    bar = figure.colorbar(
        ScalarMappable(BoundaryNorm(bounds, colours.N), colours), ax=list(panels.flat[: len(names)]), extend="both",
        ticks=bounds, format=FuncFormatter(signed), spacing="uniform", aspect=30,
        extendfrac=_EXTEND,
    )  # fmt: skip
    bar.minorticks_off()
    bar.set_label("gain from distilling $\\Delta = L_\\mathrm{supervised} - L_\\mathrm{distilled}$ (nats/token)")
    for y, up, words in ((1 + _EXTEND, 1, "distil"), (-_EXTEND, -1, "train\ndirectly")):
        end = bar.ax.annotate(
            words, (0.5, y), xycoords="axes fraction", xytext=(0, 3 * up), textcoords="offset points", ha="center",
            va="bottom" if up > 0 else "top", fontsize="small", annotation_clip=False,
        )  # fmt: skip
        end.set_in_layout(False)  # a text above the bar would be given the bar's own room
    handles = _keys(gains, mark, law, tolerance)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles) if columns > 1 else 2)
    if law is not None:
        small_print(figure, provenance(law.describe()))
    return figure


def panel(ax: Axes, C: Floats, N: Floats, gain: Floats, tolerance: Floats, bounds: Floats) -> None:
    """One scenario: its gain in shades, the line of no gain, and what is too little to count for either side."""
    # what has no plan is left out of the shades, and the panel's own hatching shows
    ax.patch.set(hatch=_NO_PLAN, facecolor="0.97", edgecolor="0.7", linewidth=0.0)
    if not np.isfinite(gain).any():
        return
    ax.contourf(C, N, gain, levels=bounds, colors=shades(len(bounds) + 1), extend="both")
    inside = np.abs(gain) - tolerance
    if np.nanmin(inside) <= 0:
        ax.contourf(C, N, inside, levels=[-np.inf, 0.0], colors="none", hatches=[_NEITHER])
        ax.contour(C, N, inside, levels=[0.0], **_EDGE)
    if np.nanmin(gain) < 0 < np.nanmax(gain):
        ax.contour(C, N, gain, levels=[0.0], **_ZERO)


def runs(ax: Axes, law: KnownLaw) -> None:
    """Outline the law's runs: their sizes, at the budgets that train each directly on their numbers of tokens."""
    if law.support.N_S is None or law.support.D_S is None:
        return
    N = np.geomspace(*law.support.N_S, 60)
    low, high = (np.asarray(law.convention.training(N, D)) for D in law.support.D_S)
    ax.plot(np.concatenate([low, high[::-1], low[:1]]), np.concatenate([N, N[::-1], N[:1]]), **_RUNS)


def levels(gains: Floats, tolerance: float) -> Floats:
    """Bounds of the shades, symmetric about zero: the round numbers 1, 2, 5 from the tolerance to the largest gain."""
    sizes = np.abs(gains[np.isfinite(gains)])
    largest = float(np.percentile(sizes, _LIMIT)) if len(sizes) and sizes.max() > 0 else 1.0
    least = tolerance if 0 < tolerance < largest else largest / 100
    decades = 10.0 ** np.arange(np.floor(np.log10(least)), np.floor(np.log10(largest)) + 2)
    series = np.outer(decades, (1, 2, 5)).ravel()
    top = int(np.searchsorted(series, largest * (1 - 1e-9)))
    kept = series[: top + 1][series[: top + 1] >= least * (1 - 1e-9)][-_MOST:]
    return np.concatenate([-kept[::-1], kept])


def shades(count_: int) -> list[str]:
    """Colours from what speaks against distilling to what speaks for it, white in the middle."""
    colours = mpl.colormaps["PuOr"]
    return [to_hex(colours(x)) for x in np.linspace(0.04, 0.96, count_)]


def _keys(
    gains: Mapping[str, Floats],
    mark: float | None,
    law: KnownLaw | None,
    tolerance: float | Mapping[str, Floats],
) -> list[Artist]:
    near = f"neither ($|\\Delta| \\leq$ {tolerance:g})" if isinstance(tolerance, int | float) else "neither"
    found: list[Artist] = [
        Line2D([], [], color="black", lw=1.1, label="no difference"),
        Patch(facecolor="white", edgecolor="0.35", hatch=_NEITHER, lw=0.4, label=near),
    ]
    if any(np.isnan(gain).any() for gain in gains.values()):
        found.append(Patch(facecolor="0.97", edgecolor="0.7", hatch=_NO_PLAN, lw=0.0, label="no plan"))
    if mark is not None:
        found.append(Line2D([], [], color="black", lw=0.8, ls=(0, (6, 2)), label="this student"))
    if law is not None and law.support.N_S is not None and law.support.D_S is not None:
        found.append(Line2D([], [], **_RUNS, label="law's runs"))
    return found
