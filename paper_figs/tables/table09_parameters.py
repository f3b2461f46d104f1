"""Tables 9 and 10: the parameters of a model by group, from the ledger."""

from typing import Any

from fitting.flops import parameters
from fitting.known import KnownLaw
from fitting.units import count
from paper_figs.tables.family import Model, described, example, require_shapes
from paper_figs.tables.table import Column, PaperTable

FORMULAS = {
    "embedding": "n_vocab * d_model",
    "attention": "n_layers * (2 * n_heads + 2 * n_kv_heads) * d_head * d_model",
    "ffn": "n_layers * 3 * d_model * d_ffn",
    "norms": "n_layers * (2 * d_model + 2 * d_head) + d_model",
}
"""What the ledger counts for each group, in the names of `Shape`: shown beside its numbers, which come from there."""

_COLUMNS = (
    Column("part", "part", "text"),
    Column("formula", "formula", "text"),
    Column("parameters", "parameters", "exact"),
    Column("share", "share", "share"),
)


def build(law: KnownLaw, model: Model) -> PaperTable:
    """The groups of one model's parameters, N (without embeddings) and the total, with their shares of the total."""
    shape = example(law, model)
    counted = parameters(shape)
    rows: list[dict[str, Any]] = [
        {"part": part, "formula": formula, "parameters": getattr(counted, part)} for part, formula in FORMULAS.items()
    ]
    rows.append({"part": "N", "formula": "attention + ffn + norms", "parameters": counted.non_embedding})
    rows.append({"part": "total", "formula": "N + embedding", "parameters": counted.total})
    omega = require_shapes(law).omega
    assert omega is not None
    rule = omega * shape.n_layers * shape.d_model**2
    return PaperTable(
        "Parameters of a model, itemised",
        f"{count(counted.non_embedding)} parameters without embeddings, the N of the laws, and {count(counted.total)} "
        f"with them: {described(shape)}.",
        _COLUMNS,
        tuple({**row, "share": row["parameters"] / counted.total} for row in rows),
        (
            "The output head shares the embedding's matrix.",
            (
                f"The family's rule, omega n_layers d_model² with omega = {omega:g}, gives N = {count(rule, 4)} "
                f"({rule / counted.non_embedding - 1:+.2%})."
            ),
        ),
    )
