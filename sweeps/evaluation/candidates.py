"""Evaluations as a table of candidates: what `distillaw plan teacher-exists --candidates` reads, and what else is
known, for people."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitting import tables
from fitting.errors import InputError
from sweeps import files
from sweeps.evaluation.naming import tokenizer_name

if TYPE_CHECKING:
    from fitting.flops import Convention
    from sweeps.corpora import Corpus
    from sweeps.evaluation.measures import Evaluation
    from sweeps.evaluation.opening import Opened

COLUMNS = (
    "name", "N", "loss", "price", "corpus", "tokenizer", "N_total", "D", "standard_error", "ece", "accuracy", "tokens",
    "n_ctx", "forward_flops", "corpus_sha256", "tokenizer_sha256", "digest",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table that is there already: its columns, rows and convention; empty for a file that is not."""

    columns: tuple[str, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    convention: "Convention | None" = None


def row(model: "Opened", found: "Evaluation", corpus: "Corpus") -> dict[str, Any]:
    """One evaluation by column: N without embeddings, loss in nats per token, FLOPs of a token's forward pass."""
    return {
        "name": model.found.name,
        "N": model.N,
        "loss": found.loss,
        "price": model.price,
        "corpus": corpus.name,
        "tokenizer": tokenizer_name(corpus.n_vocab, corpus.tokenizer_sha256),
        "N_total": model.N_total,
        "D": model.found.D,
        "standard_error": found.standard_error,
        "ece": found.ece,
        "accuracy": found.accuracy,
        "tokens": found.tokens,
        "n_ctx": found.n_ctx,
        "forward_flops": model.forward_flops,
        "corpus_sha256": corpus.sha256,
        "tokenizer_sha256": corpus.tokenizer_sha256,
        "digest": model.digest,
    }


def open_table(path: Path) -> Table:
    """The table at `path`, to be written to. Raises `InputError` where there is none and none can be made."""
    if path.suffix.lower() != ".csv":
        raise InputError(f"--out: {path}: a table of candidates is written as .csv")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"--out: {path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise InputError(f"--out: {path}: cannot write into {folder}")
    if not path.exists():
        return Table()
    if not path.is_file() or not os.access(path, os.W_OK):
        raise InputError(f"--out: {path}: is there already and cannot be written to")
    try:
        raw = tables.read(path)
    except InputError as error:
        raise InputError(*(f"--out: {line}" for line in error.faults)) from None
    missing = [name for name in ("name", "N", "loss") if name not in raw.columns]
    if missing:
        raise InputError(
            f"--out: {path}: is there already and no table of candidates (it has no column "
            f"{', '.join(map(repr, missing))}); choose another file"
        )
    if raw.convention is not None and raw.convention.parameters == "total":
        raise InputError(f"--out: {path}: counts N with embeddings by its convention; choose another file")
    return Table(raw.columns, raw.rows, raw.convention)


def write(path: Path, before: Table, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write the table with these rows at its end, or in place of those of the same names; its other columns stay.

    Returns what a person should know of rows that were replaced.
    """
    new = {row["name"]: row for row in rows}
    notes = []
    kept = []
    for old in before.rows:
        replacing = new.pop(str(old.get("name") or ""), None)
        if replacing is not None and old.get("digest") != replacing["digest"]:
            notes.append(f"{path}: the row {old['name']!r} was another model's, and is replaced")
        kept.append(old if replacing is None else {**old, **replacing})
    columns = [*before.columns, *(name for name in COLUMNS if name not in before.columns)]
    whole = [*kept, *new.values()]
    if before.convention is not None:
        tables.write(path, columns, whole, before.convention)
        return notes
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in whole)
    try:
        files.write(path, buffer.getvalue().encode())
    except OSError as error:
        raise InputError(f"--out: {path}: cannot be written: {error.strerror}") from None
    return notes


def _cell(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
