"""Picture files: what can be written, told before any work is done, and the same bytes for the same picture."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitting.errors import InputError
from fitting.fit import Doubt
from fitting.terminal import show_doubts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = Path(__file__).with_name("plots.mplstyle")

_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}
"""Metadata left out of each format, so that the same picture is the same bytes."""


def check(path: str | Path) -> None:
    """Raise `InputError` for a picture that could not be written: its suffix, its folder. Loads no matplotlib."""
    path = Path(path)
    if _suffix(path) not in _UNDATED:
        raise InputError(
            f"--plot: {str(path)!r} is no kind of picture; end it in {', '.join(f'.{s}' for s in _UNDATED)}"
        )
    if path.is_dir():
        raise InputError(f"--plot: {str(path)!r} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"--plot: there is no folder {str(path.parent)!r}; make it or name another")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"--plot: {str(path)!r} cannot be written to; name another place")


def write(draw: Callable[[], "Figure"], path: str | Path) -> None:
    """Draw a figure in the pictures' own style, whatever the reader's settings, and write it."""
    check(path)
    from matplotlib import style

    with style.context(STYLE, after_reset=True), _quiet_fonts(), warnings.catch_warnings(record=True) as heard:
        warnings.filterwarnings("always", message="Glyph .* missing from font")
        figure = draw()
        try:
            figure.savefig(path, format=_suffix(Path(path)), metadata=_UNDATED[_suffix(Path(path))])
        except OSError as error:
            raise InputError(f"--plot: {str(path)!r} cannot be written to: {error.strerror or error}") from None
    for told in heard:
        if not str(told.message).startswith("Glyph"):
            warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)
    if any(str(told.message).startswith("Glyph") for told in heard):
        show_doubts([Doubt("font", f"{str(path)!r}: the font has no signs for some names; they are boxes there")])


@contextmanager
def _quiet_fonts() -> Iterator[None]:
    """No words about the dates in matplotlib's own fonts, which fontTools finds odd when a PDF takes them in."""
    logger = logging.getLogger("fontTools")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _suffix(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")
