"""What Figs 11 and 12 share: students of the mapping problem against their teachers, and against what those know."""

from typing import TYPE_CHECKING, Any

from paper_figs.axes import sequence
from paper_figs.source import Source
from paper_figs.u_shape import curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_students(source: Source, figure: str, experiment: str, quantity: str) -> "Figure":
    """Student cross-entropy (nats) against a teacher's `quantity` and against its own cross-entropy; bands 25-75 %.

    The panels span what students reach: a teacher that is better than all of them leaves the first below.
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    rows = source.require_mapping(figure, experiment)
    assert source.mapping is not None
    found = curves(rows, source.mapping.rows)
    fig, (by_quantity, by_loss) = plt.subplots(1, 2, figsize=(6.4, 2.8), sharey=True)
    teachers, known = found[-1].teachers, found[-1].taught_by
    for curve, colour in zip(found, sequence(len(found)), strict=True):
        name = f"student, width {curve.width}"
        _band(by_quantity, curve.teachers, curve.loss, color=colour, marker="o", label=name)
        _band(by_loss, curve.taught_by[1], curve.loss, color=colour, marker="o", label=name)
        if curve.alone is not None:
            for ax in (by_quantity, by_loss):
                ax.axhline(curve.alone[1], color=colour, lw=0.8, ls=":", label=f"{name}, on labels")
    by_quantity.set_yscale("log")
    limits = by_quantity.get_ylim()
    _band(by_quantity, teachers, known, color="black", ls="--", label="teacher itself")
    by_loss.plot(known[1], known[1], color="black", ls="--", lw=0.8, label="student as good as its teacher")
    by_quantity.set(xscale="log", xlabel=quantity, ylabel="cross-entropy (nats)", ylim=limits)
    shown = teachers[:: 2 if len(teachers) > 7 else 1]
    by_quantity.set_xticks(shown, [str(each) for each in shown])
    by_quantity.set_xticks([], minor=True)
    by_loss.set(xscale="log", xlabel="cross-entropy of the teacher (nats)")
    by_loss.invert_xaxis()
    by_quantity.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)))
    by_quantity.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    by_quantity.yaxis.set_minor_formatter(NullFormatter())
    by_loss.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    by_loss.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    lines = [line for line in by_quantity.get_lines() if line.get_linestyle() != ":"]
    lines.append(Line2D([], [], color="0.4", lw=0.8, ls=":", label="student trained on labels"))
    fig.legend(handles=lines, loc="outside right center")
    return fig


def _band(ax: "Axes", x: Any, quartiles: Any, **style: Any) -> None:
    """A median line in a band from the lower to the upper quartile."""
    low, median, high = quartiles
    ax.fill_between(x, low, high, color=style["color"], alpha=0.2, lw=0)
    ax.plot(x, median, **style)
