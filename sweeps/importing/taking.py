"""From other people's tables to one of ours: columns found, losses in nats, what is no run left out and counted."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fitting import intake, tables
from fitting.errors import Faults, InputError
from fitting.flops import Convention
from fitting.records import RunRecord, RunTable
from sweeps.importing import charts, columns, numbers
from sweeps.importing.reading import Foreign, read

LossUnit = Literal["nats", "bits"]

_COUNTS = ("N", "D", "C", "teacher_N", "teacher_D", "C_logits", "C_teacher")
_LOSSES = ("loss", "teacher_loss")
_STATES = frozenset(["finished", "crashed", "failed", "killed", "running", "preempted", "preempting", "pending"])
"""W&B's of a run."""

_NOT_FINITE: Mapping[Any, str] = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
"""W&B's spelling, and ours in free columns."""

_PLUMBING = frozenset(("Agent", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "Commit", "GitHub"))
"""W&B's own columns: who and when, not what."""


@dataclass(frozen=True)
class Imported:
    """A table of runs, and how it came to be.

    `read_as` has, by file, their column for each of ours; `left_out` counts the rows that are no runs, by the reason.
    """

    table: RunTable
    read_as: Mapping[str, Mapping[str, str]]
    left_out: Mapping[str, int]


def take(
    paths: Sequence[Path],
    *,
    mapping: Mapping[str, str],
    convention: Convention | None,
    kind: str | None = None,
    loss_unit: LossUnit = "nats",
    where: Mapping[str, str] | None = None,
) -> Imported:
    """Read tables of runs, and charts with their losses, as one table of runs in nats per token.

    `mapping` names their column for one of ours. `convention` says how they count N and FLOPs, `kind` what runs are
    whose table does not say, `where` keeps the rows whose columns hold these values. A loss that is not finite makes a
    diverged run. Raises `InputError` with every fault, what can be read in two ways among them.
    """
    faults = Faults()
    found = [table for path in paths if (table := faults.collect(read, path)) is not None]
    faults.raise_if_any()
    curves = [table for table in found if charts.is_chart(table)]
    plain = [table for table in found if table not in curves]
    everything = [name for table in plain for name in table.raw.columns]
    columns.require_known(mapping, everything + [name for table in curves for name in charts.metrics_of(table)], faults)
    for name in where or {}:
        if name not in everything:
            faults.add(f"--where {name}={(where or {})[name]}: no table has a column {name!r}")
    faults.raise_if_any()
    if not plain:
        raise InputError(
            f"{', '.join(str(table.path) for table in curves)}: shows losses of runs and not their N and D; give the "
            "table of the runs as well (W&B: the Runs table, Export, CSV, with the columns for parameters and tokens): "
            f"distillaw sweep import runs.csv {curves[0].path.name} ..."
        )
    read_as: dict[str, dict[str, str]] = {}
    losses: dict[str, Any] = {}
    for chart in curves:
        metric, values = charts.last_values(chart, mapping, faults)
        read_as[str(chart.path)] = {"loss": f"{metric}, its last value"}
        for name in losses.keys() & values.keys():
            faults.add(f"{chart.path}: the loss of {name!r} is in another chart too; give one of them")
        losses |= values
    rows = _Rows(kind, loss_unit, where or {}, losses if curves else None, len(plain) > 1)
    for table in plain:
        chosen = columns.choose(table.raw, mapping, str(table.path), faults, loss=not curves)
        read_as[str(table.path)] = chosen
        if {"N", "D"} <= chosen.keys():
            rows.add(table, chosen, faults)
            _refuse_repeats(table, chosen.get("run_id"), rows, faults)
    tables.raise_capped(faults)
    if rows.losses:
        rows.left_out["in a chart and not in a table of runs"] += len(rows.losses)
    if not rows.rows:
        why = "; ".join(f"{number} {reason}" for reason, number in rows.left_out.items())
        raise InputError(f"{', '.join(map(str, paths))}: no run is left of the rows: {why or 'there are none'}")
    stated = next((table.raw.convention for table in plain if table.raw.convention is not None), None)
    raw = tables.RawTable(tuple(dict.fromkeys(name for row in rows.rows for name in row)), *rows.all(), stated)
    records, settled = intake.fields(
        raw, ", ".join(str(table.path) for table in plain), mapping=None, convention=convention
    )
    return Imported(RunTable(tuple(RunRecord(**record) for record in records), settled), read_as, dict(rows.left_out))


def _refuse_repeats(table: Foreign, column: str | None, rows: "_Rows", faults: Faults) -> None:
    """Say once, and not of each row, that a column of names has a name for several runs."""
    if column is None:
        return
    times = Counter(row["run_id"] for row in rows.latest())
    name, most = times.most_common(1)[0] if times else ("", 0)
    if most > 1:
        faults.add(
            f"{table.path}: {column} has {len(times)} names for {times.total()} runs ({name!r}: {most}); where a run "
            "has several rows keep one of them (--where COLUMN=VALUE), else say what names runs: --map run_id=COLUMN"
            + (" (W&B: export the column ID)" if column == "Name" else "")
        )


class _Rows:
    """The rows of a table that grows, with our columns first."""

    def __init__(
        self,
        kind: str | None,
        unit: LossUnit,
        where: Mapping[str, str],
        losses: dict[str, Any] | None,
        several: bool,
    ) -> None:
        self._kind, self._unit, self._where, self._several = kind, unit, where, several
        self.losses = losses
        self._charted = losses is not None
        self.rows: list[dict[str, Any]] = []
        self._places: list[str] = []
        self.left_out: Counter[str] = Counter()

    def all(self) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
        return tuple(self.rows), tuple(self._places)

    def latest(self) -> list[dict[str, Any]]:
        """The rows of the table that was added last."""
        return self.rows[self._first :]

    def add(self, table: Foreign, chosen: Mapping[str, str], faults: Faults) -> None:
        self._first = len(self.rows)
        state = _state_column(table)
        seen: dict[str, str] = {}
        for row, place in zip(table.raw.rows, table.raw.places, strict=True):
            if any(str(row.get(name)) != value for name, value in self._where.items()):
                self.left_out["not of the rows asked for (--where)"] += 1
                continue
            said = str(row.get(state)).lower() if state is not None else "finished"
            if said != "finished":
                self.left_out[f"{said} (State)"] += 1
                continue
            taken = {ours: row.get(theirs) for ours, theirs in chosen.items()}
            if self._charted:
                taken["loss"] = self._charted_loss(row, place, table, seen, faults)
            missing = [ours for ours in ("N", "D", "loss") if taken.get(ours) is None]
            if missing and taken.get("status") in (None, "finished"):
                self.left_out[f"without {' and '.join(missing)}"] += 1
                continue
            self._take(table, taken, row, place, chosen, faults)

    def _take(
        self,
        table: Foreign,
        taken: dict[str, Any],
        row: Mapping[str, Any],
        place: str,
        chosen: Mapping[str, str],
        faults: Faults,
    ) -> None:
        for ours in _COUNTS:
            if ours in taken:
                label = f"{table.path}: {place}, {chosen[ours]}"
                taken[ours] = faults.collect(numbers.count, taken[ours], label, table.decimal_comma)
        for ours in _LOSSES:
            if ours in taken:
                taken[ours] = self._nats(numbers.loss(taken[ours]))
        loss = taken.get("loss")
        if isinstance(loss, float) and not math.isfinite(loss) and taken.get("status") in (None, "finished"):
            taken["status"] = "diverged"
        if taken.get("run_id") is None:
            number = place.rpartition(" ")[2]
            taken["run_id"] = f"{table.path.stem}-{number}" if self._several else number
        if self._kind is not None and taken.get("kind") is None:
            taken["kind"] = self._kind
        used = {*chosen.values(), *(_PLUMBING if _state_column(table) else ())}
        free = {
            name: _NOT_FINITE.get(value, value) if isinstance(value, str) else value
            for name, value in row.items()
            if name not in used | taken.keys()
        }
        self.rows.append(taken | free)
        self._places.append(f"{table.path}: {place}" if self._several else place)

    def _nats(self, value: Any) -> Any:
        if self._unit == "nats" or value is None:
            return value
        try:
            return float(value) * math.log(2)
        except (TypeError, ValueError):
            return value  # which is refused where numbers are

    def _charted_loss(
        self, row: Mapping[str, Any], place: str, table: Foreign, seen: dict[str, str], faults: Faults
    ) -> Any:
        """The loss that a chart has of the run of this row; charts call runs by their names."""
        assert self.losses is not None
        name = next((str(row[column]) for column in ("Name", "name", "run_id") if row.get(column) is not None), None)
        if name is None:
            return None
        if name in seen:
            faults.add(
                f"{table.path}: {place}: {name!r} is also the run of {seen[name]}, and charts know runs by their "
                "names; rename one of them in W&B, or export the losses with the table"
            )
        if name in self.losses:
            seen[name] = place
        return self.losses.pop(name, None)


def _state_column(table: Foreign) -> str | None:
    """W&B's column of states, where it is one."""
    said = {str(row.get("State")).lower() for row in table.raw.rows} if "State" in table.raw.columns else set()
    return "State" if said and said <= _STATES else None
