"""Runs as evidence: what a run of training cost and reached, and tables of them with one convention.

N counts parameters by the table's convention, D tokens, C FLOPs, losses are nats per token on held-out data.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fitting import intake, tables
from fitting.errors import InputError
from fitting.flops import Convention

if TYPE_CHECKING:
    import pandas as pd

_TEXT = ("run_id", "kind", "teacher_id", "status")


@dataclass(frozen=True)
class RunRecord:
    """One run. `C` is the student's training alone; `C_logits` and `C_teacher` are its teacher's cost (Eq 9).

    A run that is not "finished" is kept but is no evidence; its loss may be NaN. `extras` are free columns.
    """

    run_id: str
    kind: Literal["supervised", "distillation"]
    N: float
    D: float
    loss: float
    C: float | None = None
    teacher_id: str | None = None
    teacher_N: float | None = None
    teacher_D: float | None = None
    teacher_loss: float | None = None
    C_logits: float | None = None
    C_teacher: float | None = None
    seed: int | None = None
    status: str = "finished"
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunTable:
    """Runs that share one convention; `len(table)` counts them, `table.records` holds them in order."""

    records: tuple[RunRecord, ...]
    convention: Convention

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        mapping: Mapping[str, str] | None = None,
        convention: Convention | None = None,
        planned: bool = False,
    ) -> "RunTable":
        """Read a CSV, JSONL or Parquet table, by its suffix.

        `mapping` names the file's column for a field of ours ({"loss": "val_loss"}). `convention` is needed
        where the file states none, and must agree where it does. Without a `kind`, a row with a teacher_loss
        is a distillation; without a `run_id` a run is named by its row. Numbers may be written 300M or 1e21. With
        `planned`, runs still to be made are welcome: rows, or a whole table, without a loss.

        Raises `InputError` with every fault of the file at once.
        """
        path = Path(path)
        return cls._checked(tables.read(path), str(path), mapping, convention, planned=planned)

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        *,
        mapping: Mapping[str, str] | None = None,
        convention: Convention | None = None,
    ) -> "RunTable":
        """Take the rows of a pandas frame, as `read` takes a file's; an optional NaN is a missing cell."""
        columns = tuple(str(name) for name in frame.columns)
        rows = [
            dict(zip(columns, (_plain(cell) for cell in cells), strict=True))
            for cells in frame.itertuples(index=False, name=None)
        ]
        # pandas writes a missing text or optional number as NaN; only in required columns a NaN is a fault
        for row in rows:
            for name in columns:
                ours = next((key for key, theirs in (mapping or {}).items() if theirs == name), name)
                if ours not in ("N", "D", "loss") and isinstance(row[name], float) and np.isnan(row[name]):
                    row[name] = None
        places = tuple(f"row {i}" for i in range(1, len(rows) + 1))
        return cls._checked(tables.RawTable(columns, tuple(rows), places, None), "frame", mapping, convention)

    @classmethod
    def _checked(
        cls,
        raw: tables.RawTable,
        where: str,
        mapping: Mapping[str, str] | None,
        convention: Convention | None,
        *,
        planned: bool = False,
    ) -> "RunTable":
        found, settled = intake.fields(raw, where, mapping=mapping, convention=convention, planned=planned)
        return cls(tuple(RunRecord(**record) for record in found), settled)

    def write(self, path: str | Path) -> None:
        """Write CSV, JSONL or Parquet, by the suffix, whole or not at all; equal tables give equal bytes.

        Numbers come back exactly. In CSV a free column comes back as numbers, truth values or text.
        """
        columns, rows = self._rows()
        tables.write(Path(path), columns, rows, self.convention)

    def to_frame(self) -> "pd.DataFrame":
        """A pandas frame of one row per run, free columns last."""
        import pandas as pd

        columns, rows = self._rows()
        return pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=list(columns))

    def supervised(self) -> "RunTable":
        """The finished supervised runs."""
        return self._finished("supervised")

    def distillation(self) -> "RunTable":
        """The finished distilled runs."""
        return self._finished("distillation")

    def unfinished(self) -> "RunTable":
        """The runs that are no evidence: diverged, failed, still running."""
        kept = tuple(record for record in self.records if record.status != "finished")
        return RunTable(kept, self.convention)

    def column(self, name: str) -> NDArray[Any]:
        """One field or free column, shape (runs,): float64 with NaN for missing numbers, objects for text.

        Raises `InputError` for a name that no run has.
        """
        cells = [self._cell(record, name) for record in self.records]
        own = {item.name for item in fields(RunRecord)} - {"extras"}
        if name not in own and all(cell is None for cell in cells):
            raise InputError(f"no run has a {name!r}")
        numeric = all(cell is None or isinstance(cell, int | float) for cell in cells)
        if name in _TEXT or not numeric:
            return np.array(cells, dtype=object)
        return np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=np.float64)

    def stated(self, name: str) -> str | None:
        """What the runs say in a free column of text, where all of them say the same but for case; None otherwise."""
        said = [record.extras.get(name) for record in self.records]
        if not said or None in said or len({str(cell).strip().casefold() for cell in said}) > 1:
            return None
        return str(said[0]).strip()

    @property
    def sha256(self) -> str:
        """Hash of the convention and of every run's fields, in order, free columns left out.

        The same for the same runs in CSV, JSONL or Parquet; another order is another hash.
        """
        digest = hashlib.sha256(json.dumps(asdict(self.convention), sort_keys=True).encode())
        for record in self.records:
            row = [_number(getattr(record, name)) for name in intake.FIELDS]
            digest.update(("\n" + json.dumps(row)).encode())
        return digest.hexdigest()

    def _finished(self, kind: str) -> "RunTable":
        kept = (record for record in self.records if record.kind == kind and record.status == "finished")
        return RunTable(tuple(kept), self.convention)

    @staticmethod
    def _cell(record: RunRecord, name: str) -> Any:
        return getattr(record, name) if name in intake.FIELDS else record.extras.get(name)

    def _rows(self) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
        own = [
            name
            for name in intake.FIELDS
            if name in ("run_id", "kind", "N", "D", "loss", "status")
            or any(getattr(record, name) is not None for record in self.records)
        ]
        free = dict.fromkeys(name for record in self.records for name in record.extras)
        rows = [{name: _number(getattr(record, name)) for name in own} | dict(record.extras) for record in self.records]
        return (*own, *free), rows


def _number(value: Any) -> Any:
    """Whole numbers without a fraction, so that a billion tokens read as 1000000000."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _plain(value: Any) -> Any:
    """A Python value for a NumPy or pandas scalar."""
    if hasattr(value, "item"):
        value = value.item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value
