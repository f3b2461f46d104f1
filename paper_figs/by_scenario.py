"""One optimal quantity against compute, a panel for each student and a line for each scenario."""

from typing import TYPE_CHECKING

from fitting.units import count
from paper_figs.axes import log_axis, mark_ends
from paper_figs.optima import Quantity, budgets_of, optima, students_of, supervised
from paper_figs.source import Source
from planner.plots.palette import COLOURS, LABELS
from planner.scenarios import SUPERVISED, TEACHER_INFERENCE, scenarios

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPUTE = "total compute (FLOPs)"
_BUDGETS = 121


def curves(source: Source, quantity: Quantity, *, alone: str | None = None, open_tokens: bool = False) -> "Figure":
    """Draw `quantity`; `alone` is "loss" or "tokens" of training directly, drawn beside it.

    With `open_tokens` the scenario whose teacher's tokens cost nothing, and are unbounded, has no line.
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    law = source.law
    law.require_distillation()
    sizes, budgets = students_of(source), budgets_of(source, _BUDGETS)
    found = {
        name: quantity.of(optima(law, sizes, budgets, charges))
        for name, charges in scenarios().items()
        if not (open_tokens and name == TEACHER_INFERENCE)
    }
    if alone is not None:
        found[SUPERVISED] = supervised(law, sizes, budgets)[1 if alone == "loss" else 0]
    fig, panels = plt.subplots(2, 4, figsize=(7.0, 4.5), sharex=True, sharey=quantity.counted)
    for i, (ax, N_S) in enumerate(zip(panels.flat, sizes, strict=True)):
        lines = [
            line
            for name, values in found.items()
            for line in ax.plot(
                budgets,
                values[i],
                color=COLOURS[name],
                ls="--" if name == SUPERVISED else "-",
                lw=1.1,
                label=LABELS[name],
            )
        ]
        ax.set_title(f"{count(N_S)} student")
        log_axis(ax, "x", "", flops=True, most=4)
        if quantity.box is not None:
            log_axis(ax, "y", "")
            mark_ends(ax, [values[i] for values in found.values()], quantity.box(law))
    fig.supxlabel(COMPUTE)
    fig.supylabel(quantity.label)
    if open_tokens:
        lines.append(
            Line2D([], [], ls="", label=f"{LABELS[TEACHER_INFERENCE]}: its teacher's tokens are free, no line")
        )
    fig.legend(handles=lines, loc="outside upper center", ncols=len(lines))
    return fig
