"""A table for a terminal, as JSON and as CSV."""

import csv
import math
from io import StringIO
from pathlib import Path
from typing import Any

from fitting import terminal
from fitting.errors import InputError
from fitting.known import KnownLaw
from fitting.units import count, flops
from paper_figs import files
from paper_figs.tables.catalogue import Entry
from paper_figs.tables.table import Kind, PaperTable

SCHEMA = "distillaw/table/1"


def show(table: PaperTable, law: KnownLaw, following: str) -> None:
    """Print a table: its answer, its rows, its notes, the law, the next command."""
    screen = terminal.console()
    screen.print(table.answer)
    screen.print()
    left = tuple(column.heading for column in table.columns if column.kind == "text")
    grid = terminal.table(*(column.heading for column in table.columns), left=left)
    for row in table.rows:
        grid.add_row(*(written(row[column.key], column.kind) for column in table.columns))
    terminal.show_table(screen, grid)
    screen.print()
    for note in table.notes:
        screen.print(note)
    screen.print(f"Law: {law.id} ({law.source}).")
    screen.print(f"Next: {following}")


def written(value: Any, kind: Kind) -> str:
    """A cell as people read it; empty for None."""
    if value is None:
        return ""
    match kind:
        case "text":
            return str(value)
        case "whole":
            return str(value)
        case "exact":
            return f"{value:_}"
        case "count":
            return count(value, 4)
        case "flops":
            return flops(value, 4)
        case "share":
            return f"{value:.1%}"
        case "error":
            return f"{value:+.2%}"
        case "number":
            return f"{value:.4g}" if abs(value) < 1000 else f"{value:.6g}"


def as_dict(entry: Entry, table: PaperTable, law: KnownLaw) -> dict[str, Any]:
    """The table as one JSON object with raw SI numbers; null where there is none, or none that is finite."""
    return {
        "schema": SCHEMA,
        "tables": list(entry.numbers),
        "name": entry.name,
        "title": table.title,
        "answer": table.answer,
        "law": law.describe(),
        "columns": [{"key": column.key, "heading": column.heading, "kind": column.kind} for column in table.columns],
        "rows": [{key: _plain(value) for key, value in row.items()} for row in table.rows],
        "notes": list(table.notes),
    }


def write(entry: Entry, table: PaperTable, folder: Path) -> Path:
    """Write the rows as CSV, raw numbers under the columns' keys. Raises `InputError` where that cannot be."""
    path = folder / f"{entry.module}.csv"
    keys = [column.key for column in table.columns]
    text = StringIO()
    out = csv.DictWriter(text, keys, lineterminator="\n")
    out.writeheader()
    out.writerows(table.rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {folder} cannot be a folder for tables: {error.strerror}") from None
    return files.write(path, text.getvalue().encode())


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
