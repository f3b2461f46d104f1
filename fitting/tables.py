"""Tables on disk: rows of plain cells from CSV, JSONL and Parquet files and back, with their convention.

Nothing here knows what a run is. CSV states its convention in a first line `# distillaw/runs/1 {...}`; the
other formats in a file beside them, `<file>.convention.json`, which CSV may have too.
"""

import csv
import io
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fitting import conventions
from fitting.errors import Faults, InputError
from fitting.flops import Convention

SCHEMA = "distillaw/runs/1"
_MARK = "# distillaw/runs/"
_SUFFIXES = (".csv", ".jsonl", ".parquet")
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")

Row = dict[str, Any]


@dataclass(frozen=True)
class RawTable:
    """Cells as they were found: `places[i]` names row i in messages ("line 4"); missing cells are None."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    places: tuple[str, ...]
    convention: Convention | None


def read(path: Path) -> RawTable:
    """Read a table by its suffix. Raises `InputError` with everything wrong with the file as such."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: unknown kind of file {suffix!r}; a table is {', '.join(_SUFFIXES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from None
    if not content.strip():
        raise InputError(f"{path}: the file is empty; a table needs a header and at least one row")
    beside = sidecar(path)
    stated = conventions.from_file(beside, str(path)) if beside.exists() else None
    if suffix == ".parquet":
        return _read_parquet(path, content, stated)
    text = _text(path, content)
    return _read_csv(path, text, stated) if suffix == ".csv" else _read_jsonl(path, text, stated)


def write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], convention: Convention) -> None:
    """Write a table by its suffix; the same rows always give the same bytes, and floats survive exactly."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        content = _csv_bytes(columns, rows, convention)
    elif suffix == ".jsonl":
        content = "".join(_json_line(row) + "\n" for row in rows).encode()
    elif suffix == ".parquet":
        content = _parquet_bytes(path, columns, rows)
    else:
        raise InputError(f"{path}: unknown kind of file {suffix!r}; a table is {', '.join(_SUFFIXES)}")
    if suffix != ".csv":
        _replace(sidecar(path), (json.dumps(asdict(convention)) + "\n").encode())
    elif sidecar(path).exists():  # a table written over another's must not inherit its convention
        sidecar(path).unlink()
    _replace(path, content)


def sidecar(path: Path) -> Path:
    """Where a table's convention lies when the table itself cannot say it."""
    return path.with_name(path.name + ".convention.json")


def _replace(path: Path, content: bytes) -> None:
    try:
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot write it: {error.strerror}") from None


def _text(path: Path, content: bytes) -> str:
    if content.startswith(b"PAR1"):
        raise InputError(f"{path}: this is a Parquet file by its first bytes; give it the suffix .parquet")
    if b"\0" in content:
        raise InputError(f"{path}: this is a binary file, not a text table")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text (byte 0x{content[error.start]:02x} at position {error.start}); save it as UTF-8"
        ) from None


def _read_csv(path: Path, text: str, stated: Convention | None) -> RawTable:
    lines = text.splitlines(keepends=True)
    skipped = 0
    while skipped < len(lines) and (lines[skipped].startswith("#") or not lines[skipped].strip()):
        stated = _header_convention(path, lines[skipped].strip(), stated)
        skipped += 1
    reader = csv.reader(io.StringIO("".join(lines[skipped:]), newline=""), strict=True)
    faults, rows, places = Faults(), [], []
    columns: tuple[str, ...] = ()
    try:
        for cells in reader:
            line = skipped + reader.line_num
            if not columns:
                columns = _header(path, cells)
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(columns):
                    faults.add(f"{path}: line {line}: {len(cells)} cells where the header has {len(columns)}")
                rows.append({name: cell.strip() or None for name, cell in zip(columns, cells, strict=False)})
                places.append(f"line {line}")
    except csv.Error as error:
        raise InputError(f"{path}: line {skipped + reader.line_num}: not CSV: {error}") from None
    faults.raise_if_any()
    return RawTable(columns, tuple(rows), tuple(places), stated)


def _header_convention(path: Path, line: str, stated: Convention | None) -> Convention | None:
    if not line.startswith(_MARK):
        return stated
    schema, _, text = line.removeprefix("# ").partition(" ")
    if schema != SCHEMA:
        raise InputError(f"{path}: written as {schema}, which this version does not read; it reads {SCHEMA}")
    found = conventions.from_json(text, f"{path}: line 1")
    if stated is not None:
        stated.require_same(found, str(sidecar(path)), f"line 1 of {path}")
    return found


def _header(path: Path, cells: list[str]) -> tuple[str, ...]:
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise InputError(f"{path}: cells are separated by {';' if ';' in names[0] else 'tabs'}; use commas")
    if names[0].startswith("{"):
        raise InputError(f"{path}: looks like JSON lines; give it the suffix .jsonl")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: the header names {', '.join(repr(name) for name in twice)} more than once")
    return tuple(names)


def _read_jsonl(path: Path, text: str, stated: Convention | None) -> RawTable:
    faults, rows, places = Faults(), [], []
    columns: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            faults.add(f"{path}: line {number}: not JSON ({error.msg} at character {error.pos})")
            continue
        if not isinstance(row, dict):
            faults.add(f"{path}: line {number}: a row is a JSON object, not {type(row).__name__}")
            continue
        columns.update(dict.fromkeys(row))
        rows.append(row)
        places.append(f"line {number}")
    raise_capped(faults)
    return RawTable(tuple(columns), tuple(rows), tuple(places), stated)


def _read_parquet(path: Path, content: bytes, stated: Convention | None) -> RawTable:
    pyarrow, parquet = _pyarrow(path)
    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None
    rows = tuple(table.to_pylist())
    return RawTable(tuple(table.column_names), rows, tuple(f"row {i}" for i in range(1, len(rows) + 1)), stated)


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(f"{path}: Parquet needs one more package: pip install 'distillaw[parquet]'") from None
    return pyarrow, parquet


def raise_capped(faults: Faults, shown: int = 20) -> None:
    """Raise what was collected, the first `shown` faults in full and the rest as a count."""
    try:
        faults.raise_if_any()
    except InputError as error:
        rest = len(error.faults) - shown
        if rest <= 0:
            raise
        raise InputError(*error.faults[:shown], f"... and {rest} more like these") from None


def number_cells(cells: Sequence[Any]) -> list[Any]:
    """Give the cells of a text column their type: numbers or truth values where all of them are, else text.

    A number with a leading zero ("007") is a name.
    """
    known = [cell for cell in cells if cell is not None]
    if not all(isinstance(cell, str) for cell in known):
        return list(cells)
    if known and all(cell in ("true", "false") for cell in known):
        return [None if cell is None else cell == "true" for cell in cells]
    if not all(_NUMBER.fullmatch(cell) or cell in ("nan", "inf", "-inf") for cell in known):
        return list(cells)
    return [None if cell is None else int(cell) if _INTEGER.fullmatch(cell) else float(cell) for cell in cells]


def _csv_bytes(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], convention: Convention) -> bytes:
    buffer = io.StringIO(newline="")
    buffer.write(f"# {SCHEMA} {json.dumps(asdict(convention))}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row.get(name)) for name in columns] for row in rows)
    return buffer.getvalue().encode()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return str(value)


def _json_line(row: Mapping[str, Any]) -> str:
    cells = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
        if value is not None
    }
    return json.dumps(cells, allow_nan=False, ensure_ascii=False)


def _parquet_bytes(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    pyarrow, parquet = _pyarrow(path)
    try:
        table = pyarrow.table({name: pyarrow.array([row.get(name) for row in rows]) for name in columns})
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(table, sink)
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: cannot write these columns as Parquet: {error}") from None
    return bytes(sink.getvalue().to_pybytes())
