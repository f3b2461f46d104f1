"""What a figure is drawn from: a law, and runs where the figure shows runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fitting.errors import InputError
from fitting.known import KnownLaw, Range
from fitting.records import RunTable
from sweeps.mapping.table import HOW_MADE, MappingTable, Row


@dataclass(frozen=True)
class Source:
    """A law and, for figures of runs or of the mapping problem, their tables."""

    law: KnownLaw
    runs: RunTable | None = None
    mapping: MappingTable | None = None

    def require_runs(self, figure: str) -> RunTable:
        """The runs, or `InputError` saying how to come by them."""
        if self.runs is None:
            raise InputError(missing(figure, "runs"))
        self.law.convention.require_same(self.runs.convention, f"law {self.law.id!r}", "the runs")
        return self.runs

    def require_mapping(self, figure: str, experiment: str) -> tuple[Row, ...]:
        """The rows of an experiment with the mapping problem, or `InputError` saying how to come by them."""
        if self.mapping is None:
            raise InputError(missing(figure, "mapping"))
        return self.mapping.of(experiment)

    def span(self, name: str, paper: Range, *, beyond: float = 2.0) -> Range:
        """The range to draw of a quantity: the paper's for a published law, else the fit's support and a bit beyond."""
        support = getattr(self.law.support, name)
        if self.law.published or support is None:
            return paper
        return support[0] / beyond, support[1] * beyond


def missing(figure: str, needs: str) -> str:
    """What to do about a figure whose table is not there."""
    if needs == "mapping":
        return f"{figure} shows runs of the mapping problem: give their table with --mapping ({HOW_MADE})"
    return f"{figure} shows runs: give a table with --runs (distillaw sweep collect DIR --out runs.csv)"


def spaced(within: Range, n: int) -> NDArray[np.float64]:
    """`n` points from end to end of a range, evenly spaced in logs."""
    return np.geomspace(within[0], within[1], n)
