"""From the rows of somebody's table to the fields of run records: aliases, numbers, and every refusal.

All faults of a table are reported at once, each with its row, column, value and remedy.
"""

import difflib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fitting import conventions, tables, units
from fitting.errors import Faults, InputError
from fitting.flops import Convention

FIELDS = (
    "run_id",
    "kind",
    "N",
    "D",
    "C",
    "loss",
    "teacher_id",
    "teacher_N",
    "teacher_D",
    "teacher_loss",
    "C_logits",
    "C_teacher",
    "seed",
    "status",
)
"""The columns of a table of runs, in the order in which they are written."""

KINDS = ("supervised", "distillation")
STATUSES = ("finished", "diverged", "failed", "crashed", "killed", "stopped", "running", "planned")
"""Only finished runs are evidence; the others are kept and counted."""

_POSITIVE = ("N", "D", "C", "teacher_N", "teacher_D")
_NOT_NEGATIVE = ("C_logits", "C_teacher")
_LOSSES = ("loss", "teacher_loss")
_KNOWN_AS = {
    "N": ("params", "parameters", "n_params", "num_params", "params_no_embed", "model_size", "size"),
    "D": ("tokens", "n_tokens", "num_tokens", "train_tokens", "data"),
    "loss": ("val_loss", "validation_loss", "eval_loss", "cross_entropy", "test_loss", "final_loss"),
}


def fields(
    table: tables.RawTable,
    where: str,
    *,
    mapping: Mapping[str, str] | None,
    convention: Convention | None,
    planned: bool = False,
) -> tuple[list[dict[str, Any]], Convention]:
    """Check a raw table; give the keyword arguments of one `RunRecord` per row, and the table's convention.

    `mapping` names the table's column for a field of ours ({"loss": "val_loss"}). With `planned`, a row may lack a
    loss and a status: it is a run still to be made. Raises `InputError`.
    """
    faults = Faults()
    required = ("N", "D") if planned else ("N", "D", "loss")
    source = _sources(table.columns, mapping or {}, required, where, faults)
    if not table.rows:
        faults.add(f"{where}: the table is empty: it has no runs")
    faults.raise_if_any()  # without its columns a table has nothing else to check

    extras = _extras(table, source)
    found = [
        _record(row, place, number, source, planned, where, faults)
        for number, (row, place) in enumerate(zip(table.rows, table.places, strict=True), start=1)
    ]
    for record, others in zip(found, extras, strict=True):
        record["extras"] = others
    _refuse_duplicates(found, table.places, where, faults)
    stated = faults.collect(_row_convention, table, where)
    if table.convention is not None and stated is not None:
        faults.collect(table.convention.require_same, stated, where, "its column 'convention'")
    settled = faults.collect(conventions.settle, table.convention or stated, convention, where)
    tables.raise_capped(faults)
    assert settled is not None
    return found, settled


def _sources(
    columns: Sequence[str], mapping: Mapping[str, str], required: Sequence[str], where: str, faults: Faults
) -> dict[str, str]:
    """Which column of the table holds each of our fields."""
    for ours, theirs in mapping.items():
        if ours not in FIELDS:
            faults.add(f"--map {ours}={theirs}: a run has no {ours!r}; it has {', '.join(FIELDS)}")
        elif theirs not in columns:
            near = difflib.get_close_matches(theirs, columns, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {_listed(columns)}"
            faults.add(f"--map {ours}={theirs}: {where} has no column {theirs!r}{hint}")
    source = {name: name for name in FIELDS if name in columns} | {
        ours: theirs for ours, theirs in mapping.items() if ours in FIELDS and theirs in columns
    }
    free = [name for name in columns if name not in FIELDS and name not in mapping.values()]
    for name in required:
        if name not in source and name not in mapping:
            guess = _near(name, free)
            hint = (
                f"{guess!r} may be it: --map {name}={guess}"
                if guess
                else f"say which of {_listed(free or columns)} it is: --map {name}=COLUMN"
            )
            faults.add(f"{where}: no column {name!r}; {hint}")
    for name in free:
        meant = next((ours for ours in FIELDS if ours not in source and _misspelt(name, ours)), None)
        if meant and meant not in required:
            faults.add(
                f"{where}: column {name!r} looks like {meant!r}: --map {meant}={name}, "
                "or rename it if it is something else"
            )
    return source


def _near(ours: str, free: Sequence[str]) -> str | None:
    closest = difflib.get_close_matches(ours, free, n=1, cutoff=0.8)
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: _misspelt(name, ours),
        lambda name: name.casefold() in _KNOWN_AS[ours],
        lambda name: name in closest,
        lambda name: ours == "loss" and "loss" in name.casefold(),
        lambda name: any(word in name.casefold() for word in _KNOWN_AS[ours][:2]),
    )
    for test in tests:
        matching = [name for name in free if test(name)]
        if matching:
            return matching[0]
    return None


def _misspelt(name: str, ours: str) -> bool:
    """The same letters in another dress, or one slip in a long name (teacher_M is a name of its own)."""

    def plain(text: str) -> str:
        return "".join(letter for letter in text.casefold() if letter.isalnum())

    return plain(name) == plain(ours) or difflib.SequenceMatcher(None, name, ours).ratio() > 0.9


def _listed(columns: Sequence[str], shown: int = 12) -> str:
    rest = len(columns) - shown
    return ", ".join(columns[:shown]) + (f" and {rest} more" if rest > 0 else "")


def _record(
    row: Mapping[str, Any],
    place: str,
    number: int,
    source: Mapping[str, str],
    planned: bool,
    where: str,
    faults: Faults,
) -> dict[str, Any]:
    cell = {ours: _blank(row.get(theirs)) for ours, theirs in source.items()}

    def label(name: str) -> str:
        theirs = source.get(name, name)
        return f"{where}: {place}, {name if theirs == name else f'{name} ({theirs})'}"

    open_ended = planned and cell.get("loss") is None
    status = str(cell.get("status") or ("planned" if open_ended else "finished")).strip().lower()
    if status not in STATUSES:
        faults.add(f"{label('status')}: {status!r} is not one of {', '.join(STATUSES)}")
    finished = status == "finished"
    kind = cell.get("kind")
    if kind is None:
        kind = "supervised" if cell.get("teacher_loss") is None else "distillation"
    elif kind not in KINDS:
        faults.add(f"{label('kind')}: {kind!r} is neither 'supervised' nor 'distillation'")

    record: dict[str, Any] = {
        "run_id": str(number if cell.get("run_id") is None else cell["run_id"]),
        "kind": kind,
        "status": status,
        "teacher_id": None if cell.get("teacher_id") is None else str(cell["teacher_id"]),
        "seed": faults.collect(_integer, cell.get("seed"), label("seed")),
    }
    for name in _POSITIVE + _NOT_NEGATIVE:
        value = cell.get(name)
        if value is None and name in ("N", "D"):
            faults.add(f"{label(name)}: missing")
        record[name] = faults.collect(_number, value, label(name), zero=name in _NOT_NEGATIVE)
    for name in _LOSSES:
        record[name] = faults.collect(_loss, cell.get(name), label(name), finished)
    if cell.get("loss") is None:
        if finished:
            faults.add(f"{label('loss')}: missing")
        record["loss"] = math.nan
    if kind == "distillation" and finished and cell.get("teacher_loss") is None:
        faults.add(f"{label('teacher_loss')}: missing, and a distilled run needs its teacher's cross-entropy")
    return record


def _blank(value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
    return None if value == "" else value


def _number(value: Any, label: str, *, zero: bool = False) -> float | None:
    if value is None:
        return None
    number = _float(value, label)
    if math.isnan(number) or math.isinf(number):
        raise InputError(f"{label}: must be a finite number, not {value!r}")
    if number < 0 or (number == 0 and not zero):
        raise InputError(f"{label}: must be {'at least' if zero else 'greater than'} zero, not {value!r}")
    return number


def _loss(value: Any, label: str, finished: bool) -> float | None:
    if value is None:
        return None
    number = _float(value, label)
    if not finished:
        return number
    if math.isnan(number) or math.isinf(number):
        raise InputError(f"{label}: {value!r} in a finished run; correct it, or say status=diverged")
    if number <= 0:
        raise InputError(f"{label}: a cross-entropy in nats/token is greater than zero, not {value!r}")
    if number > units.PERPLEXITY_ABOVE:
        raise InputError(
            f"{label}: {value!r} looks like a perplexity; take its logarithm ({math.log(number):.4g} nats/token; "
            "see docs/faq.md#perplexity)"
        )
    return number


def _float(value: Any, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{label}: {value!r} is not a number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return units.parse(str(value), label)


def _integer(value: Any, label: str) -> int | None:
    if value is None:
        return None
    try:
        number = float(value)
        if isinstance(value, bool) or number != int(number):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"{label}: must be a whole number, not {value!r}") from None
    return int(value) if isinstance(value, int) else int(number)


def _extras(table: tables.RawTable, source: Mapping[str, str]) -> list[dict[str, Any]]:
    """What a table says beside our fields; a column that an alias displaced becomes `<name>_unmapped`."""
    used = set(source.values())
    names = [name for name in table.columns if name not in used and name != "convention"]
    columns = {
        f"{name}_unmapped" if name in FIELDS else name: tables.number_cells(
            [_blank(row.get(name)) for row in table.rows]
        )
        for name in names
    }
    return [{name: cells[i] for name, cells in columns.items() if cells[i] is not None} for i in range(len(table.rows))]


def _refuse_duplicates(records: Sequence[Mapping[str, Any]], places: Sequence[str], where: str, faults: Faults) -> None:
    first: dict[str, str] = {}
    for record, place in zip(records, places, strict=True):
        name = record["run_id"]
        if name in first:
            faults.add(f"{where}: {place}, run_id: {name!r} is already the run of {first[name]}; name each run once")
        first.setdefault(name, place)


def _row_convention(table: tables.RawTable, where: str) -> Convention | None:
    """The convention that a column `convention` states, the same on every row."""
    if "convention" not in table.columns:
        return None
    said: dict[str, list[str]] = {}
    for row, place in zip(table.rows, table.places, strict=True):
        value = _blank(row.get("convention"))
        if value is not None:
            text = json.dumps(value) if isinstance(value, dict) else str(value)
            said.setdefault(text, []).append(place)
    if len(said) > 1:
        shown = "; ".join(
            f"{text} ({', '.join(rows[:3])}{', ...' if len(rows) > 3 else ''})" for text, rows in said.items()
        )
        raise InputError(f"{where}: mixed conventions: {shown}; recount one part, or split the table")
    return conventions.named(next(iter(said)), f"{where}: column 'convention'") if said else None
