"""What Figs 51 to 54 share: students that differ in one thing of their recipe, as curves of their cross-entropy."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fitting.errors import InputError
from fitting.recipes import COLUMNS
from fitting.records import RunRecord, RunTable
from fitting.units import count
from paper_figs.axes import Floats, sequence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN: Mapping[str, Any] = {
    "lambda": 1.0, "tau": 1.0, "direction": "forward", "signal": "online", "window": "0:1", "every": 1, "fraction": 1,
}  # fmt: skip
"""A plain distillation: Eq 7 of arXiv 2502.08606 with λ = τ = 1 on whole distributions, at every step."""

_TRAINING = ("schedule", "decay_share", "parametrisation", "precision", "learning_rate", "batch_tokens", "weight_decay",
             "z_loss", "corpus_sha256")  # fmt: skip
"""How a run was trained, whoever taught it."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Runs of one student size and number of tokens at rising values `x` of one quantity, all else the same.

    `loss`, `low` and `high` (points,) are the mean, least and greatest cross-entropy over seeds, in nats per token.
    `teacher` is its size and cross-entropy, None of supervised runs; `series` tells curves of one teacher apart.
    """

    N: float
    D: float
    teacher: tuple[float, float] | None
    series: Any
    x: Floats
    loss: Floats
    low: Floats
    high: Floats


def is_plain(record: RunRecord, *but: str) -> bool:
    """Whether a student was distilled plainly by one teacher, but for these columns."""
    alone = record.kind == "distillation" and "+" not in (record.teacher_id or "")
    return alone and all(record.extras.get(name) == value for name, value in PLAIN.items() if name not in but)


def is_supervised(record: RunRecord) -> bool:
    """Whether a run learned from the students' half of the text alone."""
    return record.kind == "supervised" and record.extras.get("role") == "supervised"


def curves(
    records: Iterable[tuple[RunRecord, float]],
    varied: Sequence[str],
    series: Callable[[RunRecord], Any] = lambda _: None,
) -> list[Curve]:
    """The curves of runs and the value that each has of the varied quantity, whose columns are `varied`.

    For each size, tokens, teacher and series it is that of the most values, and then of the most runs; two at least.
    Runs of equal digest count once. In the order of their teachers' cross-entropy, the weakest first.
    """
    seen, groups = set[Any](), defaultdict[Any, dict[float, list[float]]](lambda: defaultdict(list))
    for record, value in records:
        digest = record.extras.get("digest", record.run_id)
        if record.status != "finished" or (digest, value, _teacher(record)) in seen:
            continue
        seen.add((digest, value, _teacher(record)))
        held = tuple(str(record.extras.get(name)) for name in (*COLUMNS, *_TRAINING) if name not in varied)
        groups[(record.N, record.D, _teacher(record), series(record)), held][value].append(record.loss)
    best: dict[Any, dict[float, list[float]]] = {}
    for (key, _), found in groups.items():
        best[key] = max(best.get(key, found), found, key=lambda one: (len(one), sum(map(len, one.values()))))
    made = [_curve(key, found) for key, found in best.items() if len(found) > 1]
    return sorted(made, key=lambda one: (one.N, one.D, -one.teacher[1] if one.teacher else 0.0, str(one.series)))


def of_one_student(found: Sequence[Curve], figure: str, quantity: str, remedy: str) -> list[Curve]:
    """The curves of the size and tokens that have the longest, then most points. Raises `InputError` without any."""
    if not any(curve.teacher for curve in found):
        raise InputError(
            f"{figure}: the table of recipes has no two students of one size, teacher and number of tokens that differ "
            f"in {quantity} alone; {remedy}, and give their table with --recipes"
        )
    points: dict[tuple[float, float], list[int]] = defaultdict(list)
    for curve in found:
        if curve.teacher:
            points[curve.N, curve.D].append(len(curve.x))
    N, D = max(points, key=lambda key: (max(points[key]), sum(points[key]), -key[0], -key[1]))
    return [curve for curve in found if (curve.N, curve.D) == (N, D)]


def with_supervised(table: RunTable, students: Sequence[RunRecord]) -> list[tuple[RunRecord, float]]:
    """Students by λ, and for each recipe of theirs the supervised runs that are its λ = 0, as if of that teacher."""
    found = [(record, float(record.extras["lambda"])) for record in students]
    alone = [record for record in table.records if is_supervised(record)]
    recipes = {_without_seed(record): record for record in students}
    for like in recipes.values():
        for record in alone:
            if (record.N, record.D) == (like.N, like.D) and _trained(record) == _trained(like):
                asked = {name: like.extras.get(name) for name in COLUMNS}
                taught = replace(
                    record, teacher_id=like.teacher_id, teacher_N=like.teacher_N, teacher_loss=like.teacher_loss,
                    extras={**record.extras, **asked},
                )  # fmt: skip
                found.append((taught, 0.0))
    return found


def draw_curve(ax: "Axes", curve: Curve, name: str, colour: Any, *, ls: str = "-", marker: str = "o") -> None:
    """The means as a line, and bars from the least to the greatest where there are several seeds."""
    ax.plot(curve.x, curve.loss, color=colour, ls=ls, lw=1.0, marker=marker, label=name)
    if np.any(curve.high > curve.low):
        ends = (curve.loss - curve.low, curve.high - curve.loss)
        ax.errorbar(curve.x, curve.loss, ends, fmt="none", ecolor=colour, elinewidth=0.8)


def colours(found: Sequence[Curve]) -> dict[tuple[float, float], Any]:
    """A colour for each teacher, the weakest first."""
    teachers = sorted(
        {curve.teacher for curve in found if curve.teacher}, key=lambda teacher: (-teacher[1], teacher[0])
    )
    return dict(zip(teachers, sequence(len(teachers)), strict=True))


def teacher_name(teacher: tuple[float, float]) -> str:
    return f"{count(teacher[0])}, {teacher[1]:.2f}"


def student_title(curve: Curve) -> str:
    return f"{count(curve.N)} students on {count(curve.D)} tokens"


def finish(fig: "Figure", ax: "Axes", found: Sequence[Curve], x_label: str) -> None:
    """Labels, and a legend of all lines beside the panel."""
    ax.set(xlabel=x_label, ylabel="student cross-entropy (nats/token)", title=student_title(found[0]))
    legend(fig, [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")])


def legend(fig: "Figure", handles: Sequence[Any]) -> None:
    fig.legend(
        handles=handles,
        title="teacher, its cross-\nentropy (nats/token)",
        title_fontsize=7,
        alignment="left",
        loc="outside right center",
    )


def value_ticks(ax: "Axes", values: Iterable[float], names: Mapping[float, str] | None = None) -> None:
    """A logarithmic axis with a tick at each value, those left out that would lie on the one before."""
    from matplotlib.ticker import NullFormatter, NullLocator

    ax.set_xscale("log")
    wanted, shown = sorted(set(values)), list[float]()
    apart = np.log(wanted[-1] / wanted[0]) / 9
    for value in reversed(wanted):  # the last is the whole
        if not shown or np.log(shown[-1] / value) > apart:
            shown.append(value)
    ax.set_xticks(shown, [(names or {}).get(value, f"{value:g}") for value in shown])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


def _curve(key: tuple[float, float, tuple[float, float] | None, Any], found: Mapping[float, list[float]]) -> Curve:
    x = sorted(found)
    losses = [found[value] for value in x]
    mean, low, high = (np.array([reduce(each) for each in losses]) for reduce in (np.mean, min, max))
    return Curve(*key, np.array(x), mean, low, high)


def _teacher(record: RunRecord) -> tuple[float, float] | None:
    """Size and cross-entropy, so rounded that a teacher that was measured twice is one."""
    if record.teacher_loss is None:
        return None
    return float(record.teacher_N or 0), round(record.teacher_loss, 4)


def _trained(record: RunRecord) -> tuple[str, ...]:
    return tuple(str(record.extras.get(name)) for name in _TRAINING)


def _without_seed(record: RunRecord) -> tuple[Any, ...]:
    asked = tuple(str(record.extras.get(name)) for name in COLUMNS if name != "lambda")
    return record.N, record.D, _teacher(record), asked, _trained(record)
