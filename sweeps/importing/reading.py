"""Files of other people's: what Excel, pandas and W&B make of a table, read as plain cells."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from fitting import tables
from fitting.errors import Faults, InputError

_TEXTS = (".csv", ".tsv", ".txt")
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Foreign:
    """A table as it was found. With `decimal_comma`, 3,14 may be a number below four."""

    path: Path
    raw: tables.RawTable
    decimal_comma: bool = False


def read(path: Path) -> Foreign:
    """Read a table by its suffix. Raises `InputError` with what is wrong with the file as such.

    Text may be separated by commas, semicolons (as Excel writes where the comma is decimal) or tabs, in UTF-8 or, with
    a byte order mark, UTF-16. Rows without content are no rows.
    """
    if path.suffix.lower() not in _TEXTS:
        return Foreign(path, tables.read(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from None
    text = _decoded(path, content)
    if text.startswith("# distillaw/") and path.suffix.lower() == ".csv":
        return Foreign(path, tables.read(path))  # one of ours, with its convention
    lines = text.splitlines(keepends=True)
    first = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None:
        raise InputError(f"{path}: the file is empty; a table needs a header and at least one row")
    if lines[first].strip().lower().startswith("sep="):  # which Excel reads and does not show
        delimiter, first = lines[first].strip()[4:] or "\t", first + 1
    else:
        delimiter = max(_DELIMITERS, key=lambda mark: _cells(lines[first], mark))
    return Foreign(path, _table(path, lines, first, delimiter), delimiter != ",")


def _decoded(path: Path, content: bytes) -> str:
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (at byte {error.start}); save it as UTF-8") from None
    if "\0" in text:
        raise InputError(f"{path}: this is a binary file, not a text table; a spreadsheet can save it as CSV")
    return text


def _cells(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter), []))


def _table(path: Path, lines: list[str], first: int, delimiter: str) -> tables.RawTable:
    faults, rows, places = Faults(), [], []
    names: list[str] | None = None
    reader = csv.reader(io.StringIO("".join(lines[first:]), newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            line = first + reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
                continue
            if any(cell.strip() for cell in cells[len(names) :]):
                faults.add(f"{path}: line {line}: {len(cells)} cells where the header has {len(names)}")
            # a nameless column is the index that pandas writes; Excel ends short rows early
            rows.append(
                {name: cell.strip() or None for name, cell in zip(names, cells, strict=False) if not _nameless(name)}
            )
            places.append(f"line {line}")
    except csv.Error as error:
        raise InputError(f"{path}: line {first + reader.line_num}: not a table: {error}") from None
    columns = [name for name in names or [] if not _nameless(name)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        faults.add(f"{path}: the header names {', '.join(map(repr, twice))} more than once; rename one of each")
    if not rows:
        faults.add(f"{path}: the table has a header and no rows")
    tables.raise_capped(faults)
    return tables.RawTable(tuple(columns), tuple(rows), tuple(places), None)


def _nameless(name: str) -> bool:
    return not name or name.startswith("Unnamed: ")
