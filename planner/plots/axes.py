"""What the pictures' panels share: log axes that read 1B and 10^21, panel letters, the small print."""

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from fitting.units import count
from planner.plans import Plan

COMPUTE = "compute (FLOPs)"
STUDENT_LOSS = "student cross-entropy (nats/token)"

_CAPTION_WIDTH = 26
"""Characters of a caption to an inch of the figure."""


def powers(value: float) -> str:
    """FLOPs on an axis: 10 to the k, with what it is multiplied by where that is not 1."""
    exponent = int(np.floor(np.log10(value) + 1e-9))
    factor = f"{value / 10.0**exponent:.6g}"
    return f"$10^{{{exponent}}}$" if factor == "1" else rf"${factor}\times10^{{{exponent}}}$"


def signed(value: float, _: int | None = None) -> str:
    """A difference on an axis: +0.05, 0, −0.02."""
    return f"{value:+.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def log_axis(
    ax: Axes, which: str, label: str, write: Callable[[float], str] = count, *, most: int = 6, room: float = 0.5
) -> None:
    """Make the `which` ("x" or "y") axis logarithmic with up to `most` ticks written by `write`; call after drawing.

    `room` is the least distance of two ticks, of what each has where as many as there may be are spread evenly.
    """
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(FixedLocator(log_ticks(low, high, most, room)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(LogLocator(subs="all") if high / low < 1e4 else NullLocator())
    axis.set_label_text(label)


def flops_axis(ax: Axes, which: str, label: str = COMPUTE, *, most: int = 6) -> None:
    """As `log_axis`, in powers of ten, which are wide where they are multiplied."""
    low, high = sorted((ax.xaxis if which == "x" else ax.yaxis).get_view_interval())
    log_axis(ax, which, label, powers, most=most, room=0.5 if high / low > 1e3 else 1.6)


def log_ticks(low: float, high: float, most: int, room: float = 0.5) -> list[float]:
    """The finest of the usual sets of round numbers that has at most `most` in [low, high], none close to the next."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    sets = [np.outer(10.0**decades, factors).ravel() for factors in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3))]
    sets += [10.0 ** decades[decades % step == 0] for step in range(1, len(decades) + 1)]
    inside = [ticks[(ticks >= low / 1.0001) & (ticks <= high * 1.0001)] for ticks in sets]
    apart = room / most * np.log(high / low)
    found = next(
        ticks for ticks in inside if len(ticks) <= most and np.diff(np.log(ticks)).min(initial=np.inf) >= apart
    )
    if len(found) < 2:  # less than a decade: round numbers as on a linear axis
        found = np.asarray(MaxNLocator(max(2, most - 2)).tick_values(low, high))
        found = found[(found >= low) & (found <= high)]
    return [float(tick) for tick in found]


def pad_log(ax: Axes, which: str, factor: float = 1.15) -> None:
    """Widen an axis to hold a range of at least `factor` either side, so that one value is no degenerate axis."""
    low, high = sorted((ax.xaxis if which == "x" else ax.yaxis).get_data_interval())
    (ax.set_xlim if which == "x" else ax.set_ylim)(low / factor, high * factor)


def letter(ax: Axes, name: str, title: str = "") -> None:
    """ "(a)" above the left end of a panel, and its title."""
    text = rf"$\bf{{({name})}}$" if name else ""
    ax.set_title(f"{text} {title}".strip(), loc="left")


def caption(figure: Figure, row: Plan, *words: str) -> None:
    """Where the picture comes from, in small print below it."""
    told = [f"{count(row.student.N)} student", *words, provenance(row.law)]
    small_print(figure, "; ".join(told))


def provenance(law: Mapping[str, Any]) -> str:
    """Which law a picture is drawn from; `law` is what `KnownLaw.describe` says."""
    return plain(f"law {law['id']} ({law['source']})")


def plain(text: str) -> str:
    """A text that others wrote, whose dollars are no formulas."""
    return text.replace("$", r"\$")


def small_print(figure: Figure, text: str) -> None:
    """Small print below a figure."""
    wrapped = textwrap.fill(text, int(_CAPTION_WIDTH * figure.get_figwidth()))
    figure.supxlabel(wrapped, x=0.01, ha="left", fontsize=5.5, color="0.45")


def settle(figure: Figure) -> None:
    """Lay the figure out for good: labels are put where there is room, and drawing again would move the panels."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def zoomed(ax: Axes, values: Any, which: str = "y", *, pad: float = 0.06) -> None:
    """Limits that hold the values and a little more."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    low, high = float(known.min()), float(known.max())
    room = pad * (high - low) or 0.01 * abs(high) or 0.01
    (ax.set_ylim if which == "y" else ax.set_xlim)(low - room, high + room)
