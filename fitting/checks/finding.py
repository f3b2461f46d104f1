"""One thing that is wrong or odd with a table of runs, and how findings write runs and numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fitting.records import RunRecord, RunTable

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

WORD = {"supervised": "supervised", "distillation": "distilled"}
"""How messages call the runs of a kind."""

_NAMED = 3
"""Runs named in a message; `run_ids` holds all of them."""


@dataclass(frozen=True)
class Finding:
    """A stable code, how bad it is, a sentence with runs, values and remedy, and the runs that it speaks of.

    A "fault" makes a fit of these runs wrong or impossible; what is "odd" may be right and should be looked at.
    """

    code: str
    severity: Literal["fault", "odd"]
    message: str
    run_ids: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"run_ids": list(self.run_ids)}


def runs_named(run_ids: Sequence[str]) -> str:
    """`run a`, `runs a and b`, `runs a, b, c and 4 more`."""
    return ("run " if len(run_ids) == 1 else "runs ") + listed(run_ids)


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, c and 4 more`."""
    if len(items) > _NAMED + 1:
        return f"{', '.join(items[:_NAMED])} and {len(items) - _NAMED} more"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def number_of(count: int, noun: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def finished(table: RunTable, kind: str) -> RunTable:
    """The finished runs of a kind."""
    return table.supervised() if kind == "supervised" else table.distillation()


def teacher_of(record: RunRecord) -> tuple[object, ...]:
    """What tells a run's teacher from others: its name, or its facts where it has none; empty without a teacher."""
    if record.kind == "supervised":
        return ()
    if record.teacher_id is not None:
        return (record.teacher_id,)
    return (record.teacher_N, record.teacher_D, record.teacher_loss)


def without(table: RunTable, run_ids: Sequence[str]) -> RunTable:
    """The table less some runs."""
    dropped = set(run_ids)
    return RunTable(tuple(record for record in table.records if record.run_id not in dropped), table.convention)
