"""Table 8: the symbols of arXiv 2502.08606, and the names that hold them here."""

from dataclasses import fields
from typing import Any, NamedTuple

from fitting.flops import Convention
from fitting.known import KnownLaw
from fitting.laws import DistillationLaw, SupervisedLaw
from paper_figs.tables.table import Column, PaperTable
from paper_figs.tables.table06_coefficients import exponents

_COLUMNS = (
    Column("symbol", "symbol", "text"),
    Column("meaning", "meaning", "text"),
    Column("unit", "unit", "text"),
    Column("value", "value", "number"),
    Column("python", "in Python", "text"),
    Column("column", "in run tables", "text"),
)

_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "rho": "ρ", "omega": "ω"}


class _Symbol(NamedTuple):
    """A symbol with its meaning and unit; where it stands in Python, and in which column of a run table."""

    symbol: str
    meaning: str
    unit: str
    python: str
    column: str | None = None


_QUANTITIES = (
    _Symbol("N", "parameters of a model", "parameters", "fitting.records.RunRecord.N", "N"),
    _Symbol("D", "tokens that a model is trained on", "tokens", "fitting.records.RunRecord.D", "D"),
    _Symbol("C", "compute of training a model", "FLOPs", "fitting.records.RunRecord.C", "C"),
    _Symbol("L", "cross-entropy on held-out data", "nats/token", "fitting.records.RunRecord.loss", "loss"),
    _Symbol("N_S", "parameters of a student", "parameters", "planner.plans.Student.N", "N"),
    _Symbol("D_S", "tokens that a student is distilled on", "tokens", "planner.plans.Student.D", "D"),
    _Symbol("L_S", "cross-entropy of a distilled student", "nats/token", "planner.plans.Student.loss", "loss"),
    _Symbol(
        "L̃_S",
        "cross-entropy of the same student trained directly on as many tokens",
        "nats/token",
        "fitting.laws.SupervisedLaw.loss",
    ),
    _Symbol("N_T", "parameters of a teacher", "parameters", "planner.plans.PlannedTeacher.N", "teacher_N"),
    _Symbol("D_T", "tokens that a teacher was trained on", "tokens", "planner.plans.PlannedTeacher.D", "teacher_D"),
    _Symbol("L_T", "cross-entropy of a teacher", "nats/token", "planner.plans.PlannedTeacher.loss", "teacher_loss"),
    _Symbol("F(N)", "compute of a forward pass of one token", "FLOPs/token", "fitting.flops.Convention.forward"),
    _Symbol("δ_Lgt", "share of the teacher's forward passes that is charged", "", "planner.scenarios.Charges.logits"),
    _Symbol("δ_Pre", "share of the teacher's training that is charged", "", "planner.scenarios.Charges.pretraining"),
    _Symbol("λ", "weight of the teacher in a student's objective", "", "sweeps.objectives.objective.lam", "lambda"),
    _Symbol("τ", "temperature of both distributions in the objective", "", "sweeps.objectives.objective.tau", "tau"),
    _Symbol("λ_Z", "weight of the Z-loss in the objective", "", "sweeps.objectives.objective.z_loss", "z_loss"),
)

COEFFICIENTS = {
    "A": ("size of the term that falls with parameters", ""),
    "B": ("size of the term that falls with tokens", ""),
    "E": ("cross-entropy that no size and no data get below", "nats/token"),
    "alpha": ("how fast the term of parameters falls", ""),
    "beta": ("how fast the term of tokens falls", ""),
    "gamma": ("exponent of both terms together", ""),
    "c0": ("how much less a student misses its teacher by, the worse the teacher", ""),
    "c1": ("how steeply a student closes up to its teacher once the teacher is weak for it", ""),
    "f1": ("how gradual the change from a strong teacher to a weak one is", ""),
    "d1": ("L_T / L̃_S at which a teacher turns from strong to weak for its student", ""),
}
"""What each coefficient of Eq 1 and Eq 8 says, and its unit; that of A and B depends on the exponents."""

SHAPES = {
    "rho": ("width of a model over its layers", ""),
    "omega": ("parameters over layers times squared width", ""),
    "n_ctx": ("tokens of context", "tokens"),
    "n_vocab": ("entries of the vocabulary", ""),
}
"""What a convention says of the family of shapes that it counts."""


def build(law: KnownLaw) -> PaperTable:
    """Every symbol with its meaning, its unit, the law's value of it if it has one, and where it is found."""
    rows = [{**each._asdict(), "value": None} for each in _QUANTITIES]
    rows[0]["meaning"] += {"non-embedding": ", without its embeddings", "total": ", with its embeddings"}[
        law.convention.parameters
    ]
    for formula, kind, prime in ((law.supervised, SupervisedLaw, ""), (law.distillation, DistillationLaw, "′")):
        for name in (field.name for field in fields(kind) if field.name in COEFFICIENTS):
            shared = prime if hasattr(law.supervised, name) else ""
            meaning, unit = COEFFICIENTS[name]
            where = f"{kind.__module__}.{kind.__name__}.{name}"
            rows.append(_row(_GREEK.get(name, name) + shared, meaning, unit, where, getattr(formula, name, None)))
    here = f"{exponents.__module__}.{exponents.__name__}"
    for name, value, counted in zip("ab", exponents(law.supervised), ("size", "number of tokens"), strict=True):
        rows.append(_row(name, f"exponent of compute in the best {counted}, trained directly", "", here, value))
    for name, (meaning, unit) in SHAPES.items():
        where = f"{Convention.__module__}.{Convention.__name__}.{name}"
        rows.append(_row(_GREEK.get(name, name), meaning, unit, where, getattr(law.convention, name)))
    held = sum(row["value"] is not None for row in rows)
    return PaperTable(
        "Symbols",
        f"{len(rows)} symbols of the paper and the names that hold them here; law {law.id} has a value for {held}.",
        _COLUMNS,
        tuple(rows),
        (
            "A star marks what the best plan has: L_S*, D_S*, L_T*, N_T* and D_T* are found in planner.plans.Plan.",
            "A prime marks a coefficient of the distillation law that the supervised law has too.",
        ),
    )


def _row(symbol: str, meaning: str, unit: str, python: str, value: Any) -> dict[str, Any]:
    held = None if value is None else float(value)
    return {**_Symbol(symbol, meaning, unit, python)._asdict(), "value": held}
