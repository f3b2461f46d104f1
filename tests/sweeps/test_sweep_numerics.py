"""The model in other arithmetic: bfloat16 autocast stays near float32, compilation gives the same loss."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fitting.flops import Shape
from sweeps.machine import compile_in_place
from sweeps.models import Transformer, initialise

SHAPES = [Shape.of_depth(2, aspect=32, n_heads=2, n_vocab=256, n_ctx=64), Shape(2, 64, 176, 4, 2, 256, 64)]
TOKENS = torch.randint(256, (4, 65), generator=torch.Generator().manual_seed(0))


def built(shape: Shape) -> Transformer:
    model = Transformer(shape, output_scale=0.5)
    initialise(model, 0)
    return model


def loss_of(hidden: Tensor, model: Transformer) -> Tensor:
    """Cross-entropy in float32, outside of any autocast."""
    return F.cross_entropy(F.linear(hidden.float(), model.head).flatten(0, 1), TOKENS[:, 1:].flatten())


def gradients(model: Transformer) -> dict[str, Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("shape", SHAPES, ids=["multi-head", "grouped"])
def test_bfloat16_autocast_is_near_float32(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    attended: list[set[torch.dtype]] = []
    attend = F.scaled_dot_product_attention

    def noted(*heads: Tensor, **options: Any) -> Tensor:
        attended.append({each.dtype for each in heads})
        return attend(*heads, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", noted)
    exact, narrow = built(shape), built(shape)
    loss = loss_of(exact(TOKENS[:, :-1]), exact)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = narrow(TOKENS[:, :-1])
    near = loss_of(hidden, narrow)
    loss.backward()
    near.backward()

    assert attended == [{torch.float32}] * 2 + [{torch.bfloat16}] * 2
    assert hidden.dtype == torch.float32
    assert near.item() == pytest.approx(loss.item(), rel=2e-3)
    wanted, found = gradients(exact), gradients(narrow)
    for name, gradient in found.items():
        assert gradient.dtype == torch.float32
        assert float((gradient - wanted[name]).norm() / wanted[name].norm()) < 0.05, name


def whole(model: Transformer, **options: Any) -> Callable[[Tensor], Tensor]:
    torch.compiler.reset()
    return torch.compile(model, fullgraph=True, **options)


def test_the_model_is_one_graph_with_the_same_gradients() -> None:
    """`aot_eager` traces forward and backward as a compiler would, and generates no code."""
    exact, traced = built(SHAPES[0]), built(SHAPES[0])
    loss_of(exact(TOKENS[:, :-1]), exact).backward()
    loss_of(whole(traced, backend="aot_eager")(TOKENS[:, :-1]), traced).backward()
    wanted = gradients(exact)
    for name, gradient in gradients(traced).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-7)


def test_one_process_compiles_any_number_of_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its limit torch says so once and goes on uncompiled: other bits, by what a worker ran before."""
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compile_ = Transformer.compile
    monkeypatch.setattr(Transformer, "compile", lambda model, **how: compile_(model, backend=backend, **how))
    torch.compiler.reset()
    for n_ctx in range(8, 48, 4):
        model = built(Shape.of_depth(1, aspect=16, n_heads=2, n_vocab=256, n_ctx=n_ctx)).requires_grad_(False)
        compile_in_place(model)
        for _ in range(2):
            model(torch.zeros(1, n_ctx, dtype=torch.long))
    assert len(graphs) == 10


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_the_compiled_loss_is_the_same() -> None:
    # one layer and no gradients: nearly all of the time is the C++ compiler's, and only while its cache is cold
    model = built(Shape.of_depth(1, aspect=32, n_heads=2, n_vocab=256, n_ctx=64)).requires_grad_(False)
    loss = loss_of(model(TOKENS[:, :-1]), model).item()
    assert loss_of(whole(model)(TOKENS[:, :-1]), model).item() == pytest.approx(loss, rel=1e-5)
