"""One plan: its teacher on the capacity-gap curve, what the budget goes to, what would change the margin."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fitting.known import KnownLaw
from planner.plans import CoefficientEffect, Plan
from planner.plots import shares
from planner.plots.axes import caption, letter, powers, signed, zoomed
from planner.plots.gap import curve, law_teachers, near_optimal, supervised_level, window
from planner.plots.palette import COLOURS, GAIN, LABELS, LOSS

_HEIGHT = 3.1
_BAR = 1.0

_LETTERS = {"alpha": r"\alpha", "beta": r"\beta", "gamma": r"\gamma"}
_DISTILLATION = "distillation."


def draw(result: Plan, law: KnownLaw) -> Figure:
    """The figure of `planner.plots.plan`."""
    effects = [] if result.sensitivity is None else list(result.sensitivity.coefficients)
    figure = Figure(figsize=(7.0 if effects else 4.2, _HEIGHT + _BAR))
    above, below = figure.subfigures(2, 1, height_ratios=(_HEIGHT, _BAR), squeeze=False)[:, 0]
    panels = above.subplots(1, 2 if effects else 1, squeeze=False, width_ratios=(1.5, 1) if effects else None)[0]
    gap(panels[0], result, law)
    letter(panels[0], "a")
    above.legend(handles=panels[0].get_legend_handles_labels()[0], loc="outside upper left", ncols=4 if effects else 2)
    if effects:
        tornado(panels[1], effects)
        letter(panels[1], "b", "grey: where the margin's sign turns")
    bar = below.subplots()
    shares.bars(bar, [result], [0.0])
    bar.set(yticks=[], ylim=(-0.4, 0.4), xlabel="share of the budget (%)")
    bar.spines["left"].set_visible(False)
    letter(bar, "c" if effects else "b")
    bar.legend(
        handles=shares.keys([result]), loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=4, borderaxespad=0.2,
        borderpad=0.2,
    )  # fmt: skip
    told = [LABELS[result.scenario], f"{powers(float(f'{result.budget:.3g}'))} FLOPs"]
    if result.certainty is not None:
        told.append(f"{result.certainty.level:.0%} intervals, {result.certainty.draws} joint draws")
    caption(figure, result, *told)
    return figure


def gap(ax: Axes, result: Plan, law: KnownLaw) -> None:
    """The student on this plan's tokens against its teacher's cross-entropy, with the chosen teacher."""
    N_S, D_S, near, within = result.student.N, result.student.D, result.near_optimal, law.support.L_T
    L_T = result.teacher.loss
    seen = [loss for loss in (L_T, *(near.L_T if near else ())) if loss is not None]
    level = max(result.student.loss, result.supervised.loss)
    shown = window(law, N_S, D_S, level, *(seen or [level]))
    _, L_S = curve(ax, law, N_S, D_S, shown)
    supervised_level(ax, result.supervised.loss, result.supervised.interval)
    if near is not None:
        near_optimal(ax, near.L_T, f"at most {near.nats:g} nats worse")
    law_teachers(ax, within)
    if L_T is not None:
        colour = COLOURS[result.scenario]
        if result.student.interval is not None:
            ax.plot([L_T] * 2, result.student.interval, color=colour, lw=2.2, alpha=0.5, zorder=2.8)
        name = "this teacher" if result.teacher.given else "the best teacher"
        ax.plot([L_T], [result.student.loss], "o", ms=5, color=colour, mec="white", zorder=3, label=name)
    if result.runner_up is not None:
        other = result.runner_up
        ax.plot(
            [other.teacher_loss], [other.student_loss], "o", ms=4.5, mfc="white", color=COLOURS[result.scenario],
            zorder=2.9, label="runner-up",
        )  # fmt: skip
    zoomed(ax, [*L_S, result.supervised.loss, *(result.student.interval or ())], pad=0.1)


def tornado(ax: Axes, effects: list[CoefficientEffect]) -> None:
    """What 1 % more of each coefficient does to the margin, the largest effect on top.

    Beside it, in grey, the change of the coefficient at which the margin changes its sign, where 20 % is enough.
    """
    ordered = sorted(
        ((effect.margin, effect) for effect in effects if effect.margin is not None), key=lambda each: abs(each[0])
    )
    ax.barh(
        range(len(ordered)), [margin for margin, _ in ordered], height=0.66,
        color=[GAIN if margin > 0 else LOSS for margin, _ in ordered],
    )  # fmt: skip
    ax.set_yticks(range(len(ordered)), [coefficient(effect.coefficient) for _, effect in ordered])
    ax.tick_params(axis="y", length=0)
    ax.axvline(0.0, color="black", lw=0.6)
    ax.margins(y=0.02)
    largest = max((abs(margin) for margin, _ in ordered), default=0.0) or 1e-6
    ax.set_xlim(-1.12 * largest, 1.12 * largest)
    for y, (margin, effect) in enumerate(ordered):
        if effect.turns_at is not None:
            side = -1 if margin > 0 else 1
            ax.annotate(
                f"{100 * effect.turns_at:+.1f} %".replace("-", "−"), (0, y), xytext=(3 * side, 0),
                textcoords="offset points", ha="right" if side < 0 else "left", va="center", fontsize=6, color="0.45",
            )  # fmt: skip
    ax.locator_params(axis="x", nbins=5)
    ax.xaxis.set_major_formatter(FuncFormatter(signed))
    ax.set_xlabel("change of the margin per +1 %\nof a coefficient (nats/token)")


def coefficient(name: str) -> str:
    """A coefficient as the laws write it; those of a distillation law have a prime where both laws have one."""
    own = name.removeprefix(_DISTILLATION)
    if own[-1].isdigit():
        return f"${own[:-1]}_{own[-1]}$"
    prime = "'" if name.startswith(_DISTILLATION) else ""
    return f"${_LETTERS.get(own, own)}{prime}$"
