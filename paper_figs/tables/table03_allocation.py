"""Table 3: what the best plans spend a budget on that pays for everything, at the ends of size and compute."""

from typing import Any

import numpy as np

from fitting.known import KnownLaw
from fitting.library import load_law
from fitting.units import count
from paper_figs.optima import budgets_of, optima, students_of
from paper_figs.source import Source
from paper_figs.tables.table import Column, PaperTable
from planner.scenarios import PRETRAINING_AND_INFERENCE, scenarios

PARTS = ("student", "inference", "pretraining")
"""The student's training, the teacher's forward passes and its training, as `Optima.shares` has them."""

ALIKE = 1.5
"""Shares within this factor of the largest count as even with it (our rule: the paper gives words alone)."""

_DECADES = 7
"""Budgets from 1e20 to 1e26 FLOPs, or from end to end of a fit's."""

_SIZES = {"small": slice(None, 4), "large": slice(-3, None)}
"""Of the paper's eight students, those of at most 3B and of at least 10B; the same places among a fit's."""

_COMPUTE = {"small": slice(None, 2), "large": slice(-2, None)}
"""Of the seven budgets, those of at most 1e21 and of at least 1e25 FLOPs; the same places among a fit's."""

_PAPER = {
    ("small", "small"): "pretraining",
    ("small", "large"): "student+inference",
    ("large", "small"): "student",
    ("large", "large"): "even",
}
"""The trends that the paper's Table 3 puts into sentences, in the words of `trend`."""

_COLUMNS = (
    Column("law", "law", "text"),
    Column("students", "students", "text"),
    Column("N_low", "from", "count"),
    Column("N_high", "to", "count"),
    Column("compute", "compute", "text"),
    Column("C_low", "from", "flops"),
    Column("C_high", "to", "flops"),
    *(Column(f"share_{part}", part, "share") for part in PARTS),
    Column("trend", "trend", "text"),
    Column("alike", "alike", "whole"),
    Column("plans", "of", "whole"),
)


def trend(shares: Any) -> str:
    """The parts of a budget within the factor `ALIKE` of the largest, by name; "even" where that is all of them."""
    most = max(shares)
    named = [part for part, share in zip(PARTS, shares, strict=True) if share * ALIKE >= most]
    return "even" if len(named) == len(PARTS) else "+".join(named)


def build(law: KnownLaw) -> PaperTable:
    """Mean shares of the budget over the plans of each corner, and the trend that they make.

    Under the law and, where it has one, its second opinion. `alike` counts the plans of a corner that show its trend
    by themselves. Beside a published law stand the paper's own trends. Raises `InputError` without a distillation law.
    """
    law.require_distillation()
    second = law.second_opinion
    laws = [law] if second is None else [law, load_law(second.law_id)]
    rows = [row for each in laws for row in _rows(each)]
    columns, notes = _COLUMNS, []
    differ: dict[str, list[str]] = {}
    if law.published:
        columns = (*_COLUMNS, Column("paper", "the paper's Table 3", "text"))
        differ = {each.id: [] for each in laws}
        for row in rows:
            row["paper"] = _PAPER[row["students"], row["compute"]]
            if row["trend"] != row["paper"]:
                differ[row["law"]].append(f"{_corner(row)} ({row['trend']}; the paper: {row['paper']})")
        notes += [_against(name, corners) for name, corners in differ.items()]
        if second is not None:
            notes.append(
                f"{second.law_id} is ours, not the paper's, and is asked where a student has fewer than "
                f"{count(second.below_D_S)} tokens: {second.why}; see docs/faq.md#printed-law."
            )
    notes.append(
        f"A trend names the parts within a factor {ALIKE:g} of the largest mean share (our rule); alike: how many of "
        "the corner's plans show it by themselves."
    )
    corners = "; ".join(f"{_corner(row)}: {row['trend']}" for row in rows[: len(_PAPER)])
    wrong = differ.get(law.id)
    told = "" if not wrong else f" Not as in the paper: {'; '.join(wrong)}."
    return PaperTable(
        "What a budget that pays for everything is best spent on",
        f"{corners[0].upper()}{corners[1:]}.{told}",
        columns,
        tuple(rows),
        tuple(notes),
    )


def _rows(law: KnownLaw) -> list[dict[str, Any]]:
    source = Source(law)
    students, budgets = students_of(source), budgets_of(source, _DECADES)
    found = optima(law, students, budgets, scenarios()[PRETRAINING_AND_INFERENCE])
    rows = []
    for students_are, sizes in _SIZES.items():
        for compute, spent in _COMPUTE.items():
            each = found.shares[:, sizes, spent].reshape(len(PARTS), -1)
            each = each[:, np.isfinite(each).all(axis=0)]  # a fit's least budgets may buy no plan
            row: dict[str, Any] = {
                "law": law.id,
                "students": students_are,
                "N_low": float(students[sizes][0]),
                "N_high": float(students[sizes][-1]),
                "compute": compute,
                "C_low": float(budgets[spent][0]),
                "C_high": float(budgets[spent][-1]),
            }
            n = each.shape[1]
            means = [float(mean) for mean in each.mean(axis=1)] if n else [None] * len(PARTS)
            word = trend(means) if n else "no plan"
            row |= {f"share_{part}": mean for part, mean in zip(PARTS, means, strict=True)}
            rows.append({**row, "trend": word, "alike": sum(trend(plan) == word for plan in each.T), "plans": n})
    return rows


def _corner(row: dict[str, Any]) -> str:
    return f"{row['students']} students with {row['compute']} compute"


def _against(name: str, corners: list[str]) -> str:
    if not corners:
        return f"{name} shows the paper's trends in every corner."
    return f"{name} differs from the paper's Table 3 for {'; '.join(corners)}."
