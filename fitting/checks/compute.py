"""Columns of FLOPs against the table's convention: which disagree, by how much, and which count they do follow."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fitting import units
from fitting.checks.finding import Array, Finding, Mask, runs_named
from fitting.flops import BUSBRIDGE2025, SIX_ND, Convention
from fitting.records import RunRecord, RunTable

_TOLERANCE = 0.03
"""Relative. Eq 69 is within 1.2 % of an itemised count of a shape; the choice of a count matters by 5 to 40 %."""

_MOST = 0.9
"""Share of the runs that must follow another count before a message names it; the rest may be single mistakes."""


def compute(table: RunTable) -> list[Finding]:
    """What disagrees in C (the student's training), C_logits (its teacher's forwards) and C_teacher (its training)."""
    runs = RunTable(tuple(record for record in table.records if record.status == "finished"), table.convention)
    if not len(runs):
        return []
    N, D, N_T, D_T = (runs.column(name) for name in ("N", "D", "teacher_N", "teacher_D"))
    own = table.convention
    always = np.array([_asks_always(record) for record in runs.records])
    charged = {
        "C": (own.training(N, D), _other_counts(own, N, D, N_T, D_T)),
        "C_logits": (_teacher_prices(runs, own.forward(N_T)) * D, {"6ND": SIX_ND.forward(N_T) * D}),
        "C_teacher": (own.training(N_T, D_T), {"6ND": SIX_ND.training(N_T, D_T)}),
    }
    found = []
    for column, (expected, others) in charged.items():
        stated = runs.column(column)
        if column == "C_logits":  # who asks part of the time pays a part: how much is the schedule's to say
            expected = np.where(always, expected, np.minimum(stated, expected))
        counted = ~np.isnan(stated) & ~np.isnan(expected) & (stated > 0)  # zero says that it was free
        if counted.any():
            among = RunTable(tuple(runs.records[i] for i in np.flatnonzero(counted)), own)
            rest = {name: value[counted] for name, value in others.items()}
            found += _column(among, column, stated[counted], expected[counted], rest)
    return found


def _column(runs: RunTable, column: str, stated: Array, expected: Array, others: Mapping[str, Array]) -> list[Finding]:
    ratio = stated / expected
    wrong = _differs(ratio)
    if not wrong.any():
        return []
    ids = tuple(runs.records[i].run_id for i in np.flatnonzero(wrong))
    worst = int(np.argmax(np.abs(np.log(ratio))))
    name, formula = runs.records[worst].run_id, _formula(column)
    if wrong.mean() < 0.5:
        message = (
            f"column {column}: {len(ids)} of {len(runs)} runs disagree with the table's convention "
            f"({runs_named(ids)}): run {name} says {units.flops(stated[worst])} where {formula} is "
            f"{units.flops(expected[worst])}, a ratio of {ratio[worst]:.3g}; correct the FLOPs, or N and D"
        )
        return [Finding(f"compute-{column}", "fault", message, ids)]
    middle = float(np.median(ratio))
    message = (
        f"column {column} disagrees with the table's convention in {len(ids)} of {len(runs)} runs: it is {middle:.3g} "
        f"times {formula} in the median and {ratio[worst]:.3g} times at worst (run {name})"
    )
    agreeing = {name: value for name, value in others.items() if np.mean(~_differs(stated / value)) >= _MOST}
    if agreeing:
        best = min(agreeing, key=lambda name: float(np.median(np.abs(stated / agreeing[name] - 1))))
        off = float(np.median(np.abs(stated / agreeing[best] - 1)))
        message += f"; {best} agrees to {off:.1%}"
    elif np.mean(~_differs(ratio / middle)) >= _MOST:
        message += f"; one constant explains it: {column} is {middle:.3g} times what it should be in every run"
    remedy = f"recount {column}, or state the convention that it was counted by; see docs/faq.md#compute-column"
    return [Finding(f"compute-{column}", "fault", f"{message}; {remedy}", ids)]


def _teacher_prices(runs: RunTable, by_convention: Array) -> Array:
    """FLOPs of a teacher's forward pass on a token: the column `teacher_price`, written by `distillaw sweep collect` of
    teachers that no grid trained and whose shape may be any, else by the convention."""
    stated = [record.extras.get("teacher_price") for record in runs.records]
    known = np.array([price if isinstance(price, int | float) else np.nan for price in stated])
    return np.where(np.isnan(known), by_convention, known)


def _asks_always(record: RunRecord) -> bool:
    """Whether a run asked its teacher at every step, by the columns of `distillaw sweep collect`; blanks say so."""
    whole = {"window": "0:1", "every": 1, "fraction": 1}
    return all(record.extras.get(name) in (None, value) for name, value in whole.items())


def _differs(ratio: Array) -> Mask:
    found: Mask = ~(np.abs(ratio - 1) <= _TOLERANCE)  # a count that is not known (NaN) agrees with nothing
    return found


def _formula(column: str) -> str:
    return {
        "C": "the training of N on D",
        "C_logits": "the forward passes of teacher_N on D",
        "C_teacher": "the training of teacher_N on teacher_D",
    }[column]


def _other_counts(own: Convention, N: Array, D: Array, N_T: Array, D_T: Array) -> dict[str, Array]:
    """Counts of a run's training that people use, by what a message calls them."""
    training = own.training(N, D)
    logits, teacher = own.forward(N_T) * D, own.training(N_T, D_T)
    found = {
        "6ND": SIX_ND.training(N, D),
        "busbridge2025": BUSBRIDGE2025.training(N, D),
        "the forward passes alone": own.forward(N) * D,
        "the training with the teacher's forward passes": training + logits,
        "the training with the teacher's forward passes and training": training + logits + teacher,
    }
    if own.name == "itemised":
        other = replace(own, causal_attention=not own.causal_attention)
        word = "full" if own.causal_attention else "causal"
        found[f"the same convention with {word} attention"] = other.training(N, D)
    embedding = np.array([own.embedding(float(n)) or np.nan for n in N])
    found["6ND on N with embeddings"] = SIX_ND.training(N + embedding, D)
    return found
