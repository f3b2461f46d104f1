"""The pictures of `distillaw fit RUNS --plot DIR`: residuals, IsoFLOP curves, predictions, profiles, draws.

Each function of `__all__` but `write` draws one panel into axes that it is given, so that a notebook can put together
its own; `matplotlib.style.context(STYLE)` gives them the look of the files. Only these modules of the room draw.
"""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fitting import profiles
from fitting.errors import InputError
from fitting.fit import Fit
from fitting.plots.axes import parts, size_bar
from fitting.plots.law import bands, profile, profile_keys, profile_label, teacher_bands
from fitting.plots.runs import errors, held_out, isoflop, predicted, residuals, students
from fitting.records import RunTable
from fitting.stages import fitted_to, stage_of

__all__ = [
    "STYLE",
    "bands",
    "errors",
    "held_out",
    "isoflop",
    "predicted",
    "profile",
    "profile_keys",
    "residuals",
    "students",
    "teacher_bands",
    "write",
]

STYLE = Path(__file__).with_name("plots.mplstyle")

_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}
"""Metadata left out of each format, so that the same fit gives the same bytes."""

_CAPTION_WIDTH = 26
"""Characters of a caption to an inch of the figure."""

_PROFILES_A_ROW = 3


def write(fit: Fit, table: RunTable, folder: Path, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Draw every picture that the fit has something for, into `folder` (made if need be); returns the files.

    Raises `InputError` for a folder that cannot be written to, for a format other than png, svg and pdf, and for a
    fit that was not made from this table.
    """
    unknown = [name for name in formats if name not in _UNDATED]
    if unknown:
        raise InputError(f"pictures: {', '.join(unknown)}: the formats are {', '.join(_UNDATED)}")
    if not fitted_to(fit, table):
        raise InputError(f"the fit {fit.id!r} was not made from this table: their hashes differ")
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with style.context(STYLE):
            for name, draw in _PICTURES.items():
                figure = draw(fit, table)
                if figure is None:
                    continue
                _caption(figure, fit)
                figure.draw_without_rendering()
                figure.set_layout_engine("none")  # drawing again would move things: every format gets this layout
                for suffix in formats:
                    path = folder / f"{name}.{suffix}"
                    figure.savefig(path, metadata=_UNDATED[suffix])
                    written.append(path)
    except OSError as error:
        raise InputError(f"--plot {folder}: cannot be a folder for pictures: {error.strerror or error}") from None
    return written


def _panels(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs: Any) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes, shape (rows, columns)."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, axes


def _caption(figure: Figure, fit: Fit) -> None:
    """Where the picture comes from, in small print below it."""
    text = textwrap.fill(f"{fit.id}: {fit.source}", int(_CAPTION_WIDTH * figure.get_figwidth()))
    figure.supxlabel(text, x=0.01, ha="left", fontsize=5.5, color="0.45")


def _residuals(fit: Fit, table: RunTable) -> Figure:
    shown = parts(fit, table)
    figure, panels = _panels(3.2 * len(shown) + 0.9, 2.8, 1, len(shown), sharey=True)
    for part, ax in zip(shown, panels[0], strict=True):
        residuals(part, table, ax)
    for ax in panels[0, 1:]:
        ax.set_ylabel("")
    size_bar(figure, panels[0], table)
    return figure


def _isoflop(fit: Fit, table: RunTable) -> Figure:
    draws: list[Callable[[Fit, RunTable, Axes], None]] = []
    if parts(fit, table)[0].form == "supervised":
        draws.append(isoflop)
    if fit.form == "distillation":
        draws.append(students)
    figure, panels = _panels(4.4 * len(draws), 3.2, 1, len(draws))
    for draw, ax in zip(draws, panels[0], strict=True):
        draw(fit, table, ax)
    return figure


def _predicted(fit: Fit, table: RunTable) -> Figure:
    shown = parts(fit, table)
    figure, panels = _panels(3.4 * len(shown) + 0.2, 4.4, 2, len(shown), height_ratios=(2, 1), sharex="col")
    for part, (above, below) in zip(shown, panels.T, strict=True):
        held = held_out(part, table)
        predicted(part, table, above, held)
        errors(part, table, below, held)
    return figure


def _profiles(fit: Fit, table: RunTable) -> Figure | None:
    found = []
    for part in parts(fit, table):
        stage = stage_of(part, table)
        if stage is not None:
            found += [(profiles.profile(stage, name), part.form) for name in profiles.names(stage)]
    if not found:
        return None
    columns = min(len(found), _PROFILES_A_ROW)
    rows = -(-len(found) // columns)
    figure, panels = _panels(2.2 * columns + 1.0, 2.0 * rows + 0.5, rows, columns, sharey=True)
    for (one, form), ax in zip(found, panels.flat, strict=False):
        profile(one, ax, profile_label(one.name, form))
    for ax in panels[:, 1:].flat:
        ax.set_ylabel("")
    for ax in panels.flat[len(found) :]:
        ax.remove()
    figure.legend(handles=profile_keys(profiles.LEVEL), loc="outside upper left", ncols=4 if columns > 1 else 2)
    return figure


def _draws(fit: Fit, table: RunTable) -> Figure | None:
    shown = [part for part in parts(fit, table) if part.draws is not None]
    if not shown:
        return None
    figure, panels = _panels(4.4 * len(shown), 3.2, 1, len(shown))
    for part, ax in zip(shown, panels[0], strict=True):
        (bands if part.form == "supervised" else teacher_bands)(part, table, ax)
    return figure


_PICTURES: dict[str, Callable[[Fit, RunTable], Figure | None]] = {
    "residuals": _residuals,
    "isoflop": _isoflop,
    "predicted": _predicted,
    "profiles": _profiles,
    "draws": _draws,
}
