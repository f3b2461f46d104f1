"""The models of Table 13 of arXiv 2502.08606, built without memory: the modules, the ledger and the print agree."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fitting import flops
from fitting.flops import Shape
from sweeps.models import Transformer

TABLE_13 = Path(__file__).resolve().parents[1] / "golden" / "busbridge2025_table13.csv"
with TABLE_13.open() as lines:
    MODELS = list(csv.DictReader(lines))
PRINTED = 5e-4
"""The table has four digits."""


def shape_of(model: dict[str, str]) -> Shape:
    """A row's shape: 16 heads, which its FLOPs imply. 10B prints a d_ff of 12672; its N and FLOPs need 12800."""
    width = 12800 if model["name"] == "10B" else int(model["dff"])
    return Shape(int(model["L"]), int(model["d"]), width, 16, 16, 32768, 4096)


def grouped(model: Transformer) -> flops.Parameters:
    """A module's parameters in the ledger's groups."""
    counts = {"embedding": 0, "attention": 0, "ffn": 0, "norms": 0}
    for name, value in model.named_parameters():
        group = "norms" if "norm" in name else next(group for group in counts if f"{group}." in name)
        counts[group] += value.numel()
    return flops.Parameters(**counts)


def products(shape: Shape) -> float:
    """FLOPs of matrix products per token, counted on the modules; on meta, as on CPU tensors no attention is seen."""
    with torch.device("meta"):
        model, tokens = Transformer(shape), torch.zeros(1, shape.n_ctx, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model.logits(tokens)
    return counter.get_total_flops() / shape.n_ctx


def extrapolated(shape: Shape) -> float:
    """The same from one layer and two, for speed: all layers are alike."""
    one, two = (products(replace(shape, n_layers=layers)) for layers in (1, 2))
    return one + (shape.n_layers - 1) * (two - one)


@pytest.mark.parametrize("layers", [8, 40])
def test_layers_are_alike(layers: int) -> None:
    shape = Shape.of_depth(layers)
    assert extrapolated(shape) == products(shape)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_a_model_of_the_paper(model: dict[str, str]) -> None:
    shape = shape_of(model)
    with torch.device("meta"):
        built = Transformer(shape)
    counted = grouped(built)
    assert counted == flops.parameters(shape)
    assert counted.non_embedding == pytest.approx(float(model["N"]) * 1e9, rel=PRINTED)
    assert counted.total == pytest.approx(float(model["Ntot"]) * 1e9, rel=PRINTED)

    # the counter sees matrix products and all of the attention; the table counts what the mask leaves
    full, causal = flops.forward(shape, causal_attention=False), flops.forward(shape)
    seen = extrapolated(shape)
    assert seen == full.matmul
    masked = full.attention_logits + full.attention_values - causal.attention_logits - causal.attention_values
    assert seen - masked + causal.embedding + causal.softmax == pytest.approx(causal.total, rel=1e-12)
    assert causal.total == pytest.approx(float(model["Cfwd"]) * 1e9, rel=PRINTED)
