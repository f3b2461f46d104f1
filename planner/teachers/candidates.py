"""Teachers that could be had: read from a table, with everything that is wrong with them named at once."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fitting import tables, units
from fitting.errors import Faults
from fitting.known import KnownLaw
from fitting.library import parse_size
from planner.decision import below_floor

_REQUIRED = ("name", "N", "loss")
_OPTIONAL = ("price", "corpus", "tokenizer")
_KNOWN_AS = {
    "name": ("model", "teacher", "teacher_name", "teacher_id", "run_id", "id"),
    "N": ("teacher_n", "params", "parameters", "n_params", "num_params", "model_size", "size"),
    "loss": ("teacher_loss", "val_loss", "validation_loss", "eval_loss", "cross_entropy", "nll", "perplexity", "ppl"),
    "price": ("price_per_token", "flops_per_token"),
    "corpus": (),
    "tokenizer": ("tokeniser",),
}
"""What else people call a column; such a name is suggested, never taken."""

_REMEDY = "docs/faq.md#other-tokenizer"


@dataclass(frozen=True)
class Candidate:
    """A teacher that could be had.

    `loss` is its cross-entropy on the law's held-out text (nats/token), `N` its size as the law counts it. `price` is
    what a token of its forward passes is charged (FLOPs), in place of the ledger's F(N): that of a quantised or hosted
    teacher, 0 for one whose logits are cached. The share of the forward passes that the budget pays multiplies it.
    `corpus` and `tokenizer` say what the loss was measured on. `place` is where it was read, for messages.
    """

    name: str
    loss: float
    N: float | None = None
    price: float | None = None
    corpus: str | None = None
    tokenizer: str | None = None
    place: str = field(default="", compare=False, repr=False)

    def label(self, column: str) -> str:
        """How a message about one of its columns opens."""
        return f"{self.place or f'candidate {self.name!r}'}, {column}"


def read(
    path: str | Path, law: KnownLaw, *, with_embeddings: bool = False, pay_logits: float = 0.0
) -> tuple[Candidate, ...]:
    """Read a CSV, JSONL or Parquet table with the columns name, N, loss, and if need be price, corpus, tokenizer.

    Numbers may be written 7B or 1e9; `with_embeddings` says how the table counts N. A cell of N may be empty where the
    teacher's forward passes have a price or, by `pay_logits`, are free. Other columns are left alone. Raises
    `InputError` with every fault of the table at once.
    """
    raw, where = tables.read(Path(path)), str(path)
    faults = Faults()
    if raw.convention is not None:
        faults.collect(raw.convention.require_same, law.convention, where, f"law {law.id!r}")
    _check_columns(raw.columns, where, faults)
    if not raw.rows:
        faults.add(f"{where}: the table is empty: it has no teachers")
    faults.raise_if_any()  # without its columns a table has nothing else to check
    rows = [
        _candidate(cells, f"{where}: {place}", law, with_embeddings, pay_logits, faults)
        for place, cells in zip(raw.places, raw.rows, strict=True)
    ]
    named = [(_text(cells.get("name")), f"{where}: {place}") for place, cells in zip(raw.places, raw.rows, strict=True)]
    _refuse_duplicates(named, faults)
    tables.raise_capped(faults)
    return tuple(row for row in rows if row is not None)


def check(candidates: Sequence[Candidate], law: KnownLaw, pay_logits: float) -> None:
    """Raise `InputError` with everything that keeps these candidates from being ranked by the law."""
    faults = Faults()
    if not candidates:
        faults.add("candidates: there are none; name at least one teacher")
    for candidate in candidates:
        if not candidate.name.strip():
            faults.add(f"{candidate.label('name')}: missing")
        if faults.collect(units.parse_loss, repr(float(candidate.loss)), candidate.label("loss")) is not None:
            _check_loss(candidate.loss, candidate.label("loss"), law, faults)
        for column, value, least in (("N", candidate.N, "greater than"), ("price", candidate.price, "at least")):
            if value is not None and not (math.isfinite(value) and (value > 0 or (column == "price" and value == 0))):
                faults.add(f"{candidate.label(column)}: must be a finite number {least} zero, not {value!r}")
        _check_price(candidate.N, candidate.price, candidate.label("N"), pay_logits, faults)
        for what in ("corpus", "tokenizer"):
            _check_measured_on(what, getattr(candidate, what), candidate.label(what), law, faults)
    _refuse_duplicates([(candidate.name.strip(), candidate.place) for candidate in candidates], faults)
    tables.raise_capped(faults)


def _candidate(
    row: Mapping[str, Any], place: str, law: KnownLaw, with_embeddings: bool, pay_logits: float, faults: Faults
) -> Candidate | None:
    """One row as a candidate; None where it has no name or no loss, which `faults` then says with all else."""
    cells = {name: _text(row.get(name)) for name in (*_REQUIRED, *_OPTIONAL)}

    def number(column: str, parse: Callable[..., float], *others: Any, **options: Any) -> float | None:
        text = cells[column]
        return None if text is None else faults.collect(parse, text, f"{place}, {column}", *others, **options)

    for column in ("name", "loss"):
        if cells[column] is None:
            faults.add(f"{place}, {column}: missing")
    N = number("N", parse_size, law, with_embeddings=with_embeddings)
    loss = number("loss", units.parse_loss)
    price = number("price", _price)
    if loss is not None:
        _check_loss(loss, f"{place}, loss", law, faults)
    if cells["N"] is None and cells["price"] is None:
        _check_price(None, None, f"{place}, N", pay_logits, faults)
    for what in ("corpus", "tokenizer"):
        _check_measured_on(what, cells[what], f"{place}, {what}", law, faults)
    if cells["name"] is None or loss is None:
        return None
    return Candidate(cells["name"], loss, N, price, cells["corpus"], cells["tokenizer"], place)


def _text(cell: Any) -> str | None:
    """A cell as somebody may have written it; None for an empty one."""
    return None if cell is None or not str(cell).strip() else str(cell).strip()


def _price(text: str, where: str) -> float:
    try:
        free = float(text) == 0
    except ValueError:
        free = False
    return 0.0 if free else units.parse(text, where)


def _check_columns(columns: Sequence[str], where: str, faults: Faults) -> None:
    free = [column for column in columns if column not in _REQUIRED and column not in _OPTIONAL]
    for name in _REQUIRED:
        if name in columns:
            continue
        near = _near(name, free)
        if near is not None:
            hint = f"{near!r} may be it: rename it to {name!r}"
            if near.casefold() in ("perplexity", "ppl"):
                hint = f"{near!r} is not it: take its logarithm, in nats/token"
        elif name == "N":
            hint = "add it; a cell may be empty where the teacher has a price or its logits are free"
        else:
            hint = f"add it; the table has {', '.join(columns[:12])}{', ...' if len(columns) > 12 else ''}"
        faults.add(f"{where}: no column {name!r}; {hint}")
    for name in _OPTIONAL:
        near = None if name in columns else next((column for column in free if _same(name, column)), None)
        if near is not None:
            faults.add(f"{where}: column {near!r} looks like {name!r}: call it that, or something else if it is not")


def _near(ours: str, free: Sequence[str]) -> str | None:
    """The column that may be ours under another name."""
    same = [column for column in free if _same(ours, column)]
    plain = {_plain(column): column for column in free}
    close = difflib.get_close_matches(_plain(ours), plain, n=1, cutoff=0.7)
    return same[0] if same else plain[close[0]] if close else None


def _same(ours: str, column: str) -> bool:
    return _plain(column) in {_plain(ours), *(_plain(name) for name in _KNOWN_AS[ours])}


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _check_loss(loss: float, where: str, law: KnownLaw, faults: Faults) -> None:
    if loss <= law.supervised.E:
        faults.add(f"{where}: {below_floor(law, loss)} ({_REMEDY})")


def _check_price(N: float | None, price: float | None, where: str, pay_logits: float, faults: Faults) -> None:
    if N is None and price is None and pay_logits:
        faults.add(f"{where}: missing, and its forward passes are paid for: give N or a price, or --pay-logits 0")


def _check_measured_on(what: str, said: str | None, where: str, law: KnownLaw, faults: Faults) -> None:
    known = getattr(law, what)
    if said is not None and known is not None and said.strip().casefold() != known.strip().casefold():
        faults.add(
            f"{where}: {said!r}, but law {law.id!r} is for {known!r}: losses do not compare. Evaluate the teacher on "
            f"the law's ({_REMEDY}); if it is the same, write {known!r}"
        )


def _refuse_duplicates(named: Sequence[tuple[str | None, str]], faults: Faults) -> None:
    first: dict[str, str] = {}
    for name, place in named:
        if name is not None and name in first:
            other = f" (the first is {first[name].rpartition(': ')[2]})" if place else ""
            faults.add(f"{place or 'candidates'}, name: {name!r} is named twice{other}; give each teacher its own name")
        elif name is not None:
            first[name] = place


def outside_knowledge(candidate: Candidate, law: KnownLaw) -> tuple[str, ...]:
    """What the candidate says of its loss that the law has nothing to hold against: "corpus", "tokenizer"."""
    return tuple(
        what for what in ("corpus", "tokenizer") if getattr(candidate, what) is not None and getattr(law, what) is None
    )
