"""A chart of W&B's as it exports one: a column of steps, and for each run its metric, its least and its greatest."""

from collections.abc import Mapping
from typing import Any

from fitting.errors import Faults
from sweeps.importing import columns
from sweeps.importing.reading import Foreign

_EDGES = ("__MIN", "__MAX")


def is_chart(table: Foreign) -> bool:
    """Whether its columns are curves of runs ("run - val/loss", with "__MIN" and "__MAX"), not facts of runs."""
    return bool(_curves(table))


def metrics_of(table: Foreign) -> list[str]:
    """The metrics that it shows, W&B's own ("_step") left out."""
    return sorted({metric for _, metric in _curves(table).values() if not metric.startswith("_")})


def last_values(table: Foreign, mapping: Mapping[str, str], faults: Faults) -> tuple[str | None, dict[str, Any]]:
    """The metric that is the loss, and by the runs' names the last value of each curve of it."""
    metric = columns.metrics(metrics_of(table), mapping, str(table.path), faults)
    found: dict[str, Any] = {}
    for column, (run, name) in _curves(table).items():
        values = [row[column] for row in table.raw.rows if row.get(column) is not None]
        if name == metric and values:
            found[run] = values[-1]
    return metric, found


def _curves(table: Foreign) -> dict[str, tuple[str, str]]:
    """The columns that have a least and a greatest beside them, as (run, metric)."""
    known = set(table.raw.columns)
    named = [name for name in table.raw.columns if " - " in name and all(name + edge in known for edge in _EDGES)]
    return {name: (name.rpartition(" - ")[0], name.rpartition(" - ")[2]) for name in named}
