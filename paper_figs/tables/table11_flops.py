"""Tables 11 and 12: the forward FLOPs per token of a model by part, from the ledger."""

from dataclasses import asdict
from typing import Any

from fitting.flops import FORWARDS_PER_TRAINING_STEP, forward, parameters
from fitting.known import KnownLaw
from fitting.units import count, flops
from paper_figs.tables.family import Model, described, example, require_shapes
from paper_figs.tables.table import Column, PaperTable

_COLUMNS = (
    Column("part", "part", "text"),
    Column("formula", "formula", "text"),
    Column("forward", "forward FLOPs", "flops"),
    Column("training", "training FLOPs", "flops"),
    Column("share", "share", "share"),
)


def formulas(*, causal_attention: bool) -> dict[str, str]:
    """What the ledger counts for each part, in the names of `Shape`: shown beside its numbers."""
    seen = "" if causal_attention else "2 * "
    return {
        "embedding": "2 * d_model",
        "qkv": "n_layers * 2 * (1 + 2 * n_kv_heads / n_heads) * d_model**2",
        "attention_logits": f"n_layers * {seen}d_model * n_ctx",
        "softmax": f"n_layers * {seen}2.5 * n_heads * n_ctx",
        "attention_values": f"n_layers * {seen}d_model * n_ctx",
        "projection": "n_layers * 2 * d_model**2",
        "ffn": "n_layers * 2 * 3 * d_model * d_ffn",
        "head": "2 * n_vocab * d_model",
    }


def build(law: KnownLaw, model: Model) -> PaperTable:
    """Forward and training FLOPs per token of one model by part, with each part's share of the total."""
    shape = example(law, model)
    convention = require_shapes(law)
    itemised = forward(shape, causal_attention=convention.causal_attention)
    written = formulas(causal_attention=convention.causal_attention)
    rows: list[dict[str, Any]] = [
        {"part": part, "formula": written[part], "forward": value} for part, value in asdict(itemised).items()
    ]
    rows.append({"part": "total", "formula": "", "forward": itemised.total})
    N = parameters(shape).non_embedding
    by_rule = float(convention.forward(float(N)))
    return PaperTable(
        "FLOPs per token of a model, itemised",
        f"A token costs {flops(itemised.total)} FLOPs forward and {flops(FORWARDS_PER_TRAINING_STEP * itemised.total)} "
        f"in training for {count(N)} parameters: {described(shape)}.",
        _COLUMNS,
        tuple(
            {
                **row,
                "training": FORWARDS_PER_TRAINING_STEP * row["forward"],
                "share": row["forward"] / itemised.total,
            }
            for row in rows
        ),
        (
            f"Attention is counted {'causal' if convention.causal_attention else 'in full'}.",
            f"A backward pass costs {FORWARDS_PER_TRAINING_STEP - 1} forward passes.",
            f"By N alone, as laws and plans count (Eq 69): {flops(by_rule, 4)} ({by_rule / itemised.total - 1:+.2%}).",
        ),
    )
