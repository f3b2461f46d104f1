"""Table 13: the models, their parameters, their FLOPs per token, and what approximations make of those."""

from dataclasses import replace
from typing import Any

from fitting.flops import SIX_ND, forward, parameters
from fitting.known import KnownLaw
from fitting.units import count
from paper_figs.tables.family import Model, depths, require_shapes, shape_of
from paper_figs.tables.table import Column, PaperTable

MISPRINTED = 37
"""Layers of the paper's 10B model, whose printed N does not follow from the d_ffn printed beside it."""

_WIDER = 128
"""The step of d_ffn by which that N is met (`fitting.flops.Shape.of_depth`)."""

_COLUMNS = (
    Column("model", "model", "text"),
    Column("n_layers", "layers", "whole"),
    Column("d_model", "d_model", "whole"),
    Column("d_ffn", "d_ffn", "whole"),
    Column("N", "N", "count"),
    Column("N_total", "N_total", "count"),
    Column("C_fwd", "C_fwd", "flops"),
    Column("C_2N", "2N", "flops"),
    Column("error_2N", "error", "error"),
    Column("C_sigma", "2N+σ", "flops"),
    Column("error_sigma", "error", "error"),
    Column("C_eq69", "Eq 69", "flops"),
    Column("error_eq69", "error", "error"),
)


def build(law: KnownLaw, model: Model) -> PaperTable:
    """A row for each depth: shape, N without and with embeddings, and forward FLOPs per token, counted in four ways.

    `C_fwd` is the itemised count (Tables 11 and 12), `C_2N` is 2N, `C_sigma` adds attention and the output head as the
    shape has them (Eq 59), `C_eq69` as N alone says (Eq 69: what laws and plans use). Errors are relative to `C_fwd`.
    """
    convention = require_shapes(law)
    rows: list[dict[str, Any]] = []
    for n_layers in depths(law):
        shape = shape_of(law, n_layers, model.heads)
        counted, itemised = parameters(shape), forward(shape, causal_attention=convention.causal_attention)
        N = counted.non_embedding
        linear = float(SIX_ND.forward(N))
        approximate = {
            "2N": linear,
            "sigma": linear + itemised.attention_logits + itemised.attention_values + itemised.head,
            "eq69": float(convention.forward(float(N))),
        }
        rows.append(
            {
                "model": count(N),
                "n_layers": n_layers,
                "d_model": shape.d_model,
                "d_ffn": shape.d_ffn,
                "N": N,
                "N_total": counted.total,
                "C_fwd": itemised.total,
                **{f"C_{name}": value for name, value in approximate.items()},
                **{f"error_{name}": value / itemised.total - 1 for name, value in approximate.items()},
            }
        )
    worst = {name: max(abs(row[f"error_{name}"]) for row in rows) for name in ("2N", "sigma", "eq69")}
    notes = ["C_fwd and its approximations are forward FLOPs per token; N is without embeddings, N_total with them."]
    heads = sorted({shape_of(law, n_layers, model.heads).n_heads for n_layers in depths(law)})
    notes.append(
        f"Attention heads: {', '.join(map(str, heads))}. Laws do not say; of C_fwd only the softmax knows them."
    )
    if law.published:
        shape = shape_of(law, MISPRINTED, model.heads)
        wider = replace(shape, d_ffn=shape.d_ffn + _WIDER)
        notes.append(
            f"{MISPRINTED} layers: the d_ffn of {shape.d_ffn} that the paper prints, as the family's rule gives it, "
            f"makes {count(parameters(shape).non_embedding)}; the N printed beside it is that of {wider.d_ffn} "
            f"({count(parameters(wider).non_embedding, 4)})."
        )
    return PaperTable(
        "Models, parameters and FLOPs per token",
        f"{len(rows)} models of {rows[0]['model']} to {rows[-1]['model']}: 2N misses their FLOPs by up to "
        f"{worst['2N']:.1%}, with attention and the head by {worst['sigma']:.2%}, and from N alone (Eq 69) "
        f"by {worst['eq69']:.2%}.",
        _COLUMNS,
        tuple(rows),
        tuple(notes),
    )
