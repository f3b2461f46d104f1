"""What every table is: an answer in a sentence, columns that say how they are written, rows of raw numbers, notes."""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "whole", "exact", "count", "flops", "share", "error", "number"]
"""How a cell is written: an exact number with its digits in groups, a count with its suffix, FLOPs in powers of ten,
a share or a relative error in per cent."""


@dataclass(frozen=True)
class Column:
    """A key of the rows, what stands above it, and how its values are written; raw values are SI numbers."""

    key: str
    heading: str
    kind: Kind


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper, computed: `rows` map each column's key to a number, a word, or None where there is none."""

    title: str
    answer: str
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()
