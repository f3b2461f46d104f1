"""The transformer is the ledger's: its parameters and its matrix products are counted the same."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fitting import flops
from fitting.flops import Shape
from sweeps.models import Transformer, initialise

SMALL = Shape.of_depth(3, aspect=32, n_heads=2, n_vocab=256, n_ctx=64)
GROUPED = Shape(2, 64, 176, 4, 2, 128, 32)


def on_meta(shape: Shape) -> Transformer:
    with torch.device("meta"):
        return Transformer(shape)


def counted(model: Transformer, part: str) -> int:
    return sum(value.numel() for name, value in model.named_parameters() if part in name)


@pytest.mark.parametrize("shape", [SMALL, GROUPED], ids=lambda shape: f"d{shape.d_model}")
def test_parameters_per_group_equal_the_ledger(shape: Shape) -> None:
    model, expected = on_meta(shape), flops.parameters(shape)
    norms = counted(model, "norm")
    assert counted(model, "embedding") == expected.embedding
    assert (
        counted(model, "attention.") - counted(model, "query_norm") - counted(model, "key_norm") == expected.attention
    )
    assert counted(model, "ffn.") == expected.ffn
    assert norms == expected.norms
    assert counted(model, "") == expected.total


def test_matrix_products_equal_the_ledger_without_causal_halving() -> None:
    tokens = torch.zeros(1, SMALL.n_ctx, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter:
        on_meta(SMALL).logits(tokens)
    assert counter.get_total_flops() == flops.forward(SMALL, causal_attention=False).matmul * SMALL.n_ctx


@pytest.fixture
def model() -> Transformer:
    model = Transformer(SMALL)
    initialise(model, 7)
    return model.requires_grad_(False)


def test_no_token_sees_a_later_one(model: Transformer) -> None:
    tokens = torch.randint(256, (1, 20), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 12:] += 1
    before, after = model(tokens), model(changed % 256)
    assert torch.equal(before[:, :12], after[:, :12])
    assert not torch.allclose(before[:, 12:], after[:, 12:])


def test_attention_knows_distances_only(model: Transformer) -> None:
    """Rotary queries and keys: their product depends on how far apart they are, not on where."""
    from sweeps.models import _rotate

    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, SMALL.d_head, generator=generator)
    cosine, sine = model.get_buffer("cosine"), model.get_buffer("sine")
    product = [
        float(_rotate(query[None], cosine[[i]], sine[[i]]) @ _rotate(key[None], cosine[[i - 5]], sine[[i - 5]]).T)
        for i in (5, 20, 60)
    ]
    assert product == pytest.approx([product[0]] * 3, rel=1e-4)


def test_weights_are_a_function_of_shape_and_seed(model: Transformer) -> None:
    torch.manual_seed(99)
    again, other = Transformer(SMALL), Transformer(SMALL)
    initialise(again, 7)
    initialise(other, 8)
    mine, same, different = (dict(one.state_dict()) for one in (model, again, other))
    assert all(torch.equal(mine[name], same[name]) for name in mine)
    assert not torch.equal(mine["embedding.weight"], different["embedding.weight"])


def test_the_head_is_the_embedding(model: Transformer) -> None:
    assert model.head is model.embedding.weight
    tokens = torch.zeros(1, 4, dtype=torch.long)
    assert torch.equal(model.logits(tokens), model(tokens) @ model.head.T)
