"""CSV tables that a command of ours writes and a figure reads back: what every such table asks of its file."""

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fitting.errors import InputError


def lines(path: Path, columns: Sequence[str], what: str, how_made: str) -> list[dict[str, str | None]]:
    """The rows of a table of `what`, as text by column. Raises `InputError` where it lacks one or cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            found = list(reader)
            names = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table of {what}: {error}") from None
    missing = [name for name in columns if name not in names]
    if missing:
        raise InputError(
            f"{path}: lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; make it: {how_made}"
        )
    return found


def number(cell: str, place: str, low: float, kind: Callable[[str], Any]) -> Any:
    """A cell as an `int` or a finite `float` not below `low`, or `InputError` naming its place and value."""
    try:
        value = kind(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= low):
        least = f"of {low} or more" if low > 0 else "that is not negative"
        raise InputError(f"{place} is {cell!r}; it must be a {'whole' if kind is int else 'finite'} number {least}")
    return value
