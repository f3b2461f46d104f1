"""μP: what a few updates change does not depend on the width, where under the standard parametrisation it grows."""

import functools
import math

import pytest
import torch
from torch import Tensor

from fitting.flops import Shape
from sweeps import models, objectives, parametrisation
from sweeps.models import Transformer
from sweeps.parametrisation import Parametrisation

BASE, WIDTHS = 64, (64, 128, 256, 512)
PEAK, DECAY, STEPS = 2.0**-7, 1e-4, 4
N_VOCAB, N_CTX = 256, 32
TOKENS = torch.randint(N_VOCAB, (8, N_CTX + 1), generator=torch.Generator().manual_seed(0))
INPUTS, TARGETS = TOKENS[:, :-1], TOKENS[:, 1:]


def built(width: int, name: Parametrisation) -> Transformer:
    """Two layers, heads of 16: more of them in a wider model, as in arXiv 2309.14322."""
    shape = Shape.of_depth(2, aspect=width // 2, n_heads=width // 16, n_vocab=N_VOCAB, n_ctx=N_CTX)
    model = Transformer(shape, parametrisation.output_scale(shape, name, BASE))
    parametrisation.initialise(model, 1, name, BASE)
    return model


def optimizer(model: Transformer, name: Parametrisation, weight_decay: float = 0.0) -> torch.optim.AdamW:
    groups = parametrisation.groups(model, rate=PEAK, weight_decay=weight_decay, parametrisation=name, base_width=BASE)
    return torch.optim.AdamW(groups, betas=(0.9, 0.95))


def train(model: Transformer, adamw: torch.optim.Optimizer) -> None:
    for _ in range(STEPS):
        loss = objectives.objective(student_hidden=model(INPUTS), student_head=model.head, targets=TARGETS)
        loss.objective.backward()
        adamw.step()
        adamw.zero_grad()


@torch.no_grad()
def observed(model: Transformer) -> dict[str, Tensor]:
    """Outputs of the blocks, attention logits, logits, and by how much the right token's stands out of them."""
    streams: list[Tensor] = []
    normed: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda *call: streams.append(call[-1])) for block in model.blocks]
    for block in model.blocks:
        for norm in (block.attention.query_norm, block.attention.key_norm):
            hooks.append(norm.register_forward_hook(lambda *call: normed.append(call[-1])))
    logits = model.logits(INPUTS)
    for hook in hooks:
        hook.remove()
    turned = [models._rotate(heads, model.get_buffer("cosine"), model.get_buffer("sine")) for heads in normed]
    attention = [
        query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        for query, key in zip(turned[::2], turned[1::2], strict=True)
    ]
    right = logits.gather(-1, TARGETS[..., None]).squeeze(-1) - logits.mean(-1)
    return {
        "block 0": streams[0],
        "block 1": streams[1],
        "attention 0": attention[0],
        "attention 1": attention[1],
        "logits": logits,
        "right token": right.mean(),
    }


@functools.cache
def slopes(name: Parametrisation) -> dict[str, float]:
    """d log(mean size) / d log(width) of what is observed after training and of its change since the start."""
    sizes: dict[str, list[float]] = {}
    for width in WIDTHS:
        model = built(width, name)
        before = observed(model)
        train(model, optimizer(model, name))
        for what, after in observed(model).items():
            sizes.setdefault(what, []).append(float(after.abs().mean()))
            sizes.setdefault(f"change of {what}", []).append(float((after - before[what]).abs().mean()))
    centred = torch.tensor([math.log(width) for width in WIDTHS], dtype=torch.float64)
    centred -= centred.mean()
    return {what: float(centred @ torch.tensor(y).double().log() / centred.square().sum()) for what, y in sizes.items()}


LEARNED = [f"{change}{what}" for change in ("", "change of ") for what in ("block 0", "block 1", "right token")]
ATTENTION = [f"{change}{what}" for change in ("", "change of ") for what in ("attention 0", "attention 1")]


@pytest.mark.parametrize("what", [*LEARNED, *ATTENTION])
def test_under_mup_no_size_depends_on_the_width(what: str) -> None:
    assert abs(slopes("mup")[what]) < 0.15


def test_under_mup_logits_do_not_grow_and_their_random_part_averages_out() -> None:
    for what in ("logits", "change of logits"):
        assert -0.55 < slopes("mup")[what] < 0  # 1/sqrt(width): over random embeddings, not what was learned


@pytest.mark.parametrize("what", ["change of block 0", "change of block 1", "block 0", "block 1"])
def test_under_standard_the_stream_grows_with_the_width(what: str) -> None:
    assert slopes("standard")[what] > 0.5


@pytest.mark.parametrize("what", ["change of attention 0", "right token"])
def test_under_standard_so_does_what_is_learned_from_it(what: str) -> None:
    assert slopes("standard")[what] > 0.25


def test_at_the_base_width_both_are_one_model() -> None:
    standard, mup = built(BASE, "standard"), built(BASE, "mup")
    for model, name in ((standard, "standard"), (mup, "mup")):
        train(model, optimizer(model, name, DECAY))
    assert all(torch.equal(mup.state_dict()[name], value) for name, value in standard.state_dict().items())
    assert torch.equal(standard(INPUTS), mup(INPUTS))


def test_standard_is_the_plain_initialisation() -> None:
    model, plain = built(128, "standard"), Transformer(built(128, "standard").shape)
    models.initialise(plain, 1)
    assert all(torch.equal(plain.state_dict()[name], value) for name, value in model.state_dict().items())
    assert model.output_scale == 1


def test_mup_changes_only_where_the_embedding_starts() -> None:
    standard, mup = (built(256, name).state_dict() for name in ("standard", "mup"))
    assert [name for name in standard if not torch.equal(standard[name], mup[name])] == ["embedding.weight"]
    assert mup["embedding.weight"].std().item() == pytest.approx(BASE**-0.5, rel=0.01)


def test_the_output_is_scaled_and_no_checkpoint_knows_it() -> None:
    model = built(256, "mup")
    assert model.output_scale == BASE / 256
    plain = Transformer(model.shape)
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model(INPUTS), plain(INPUTS) * model.output_scale)
    assert torch.equal(model.logits(INPUTS), model(INPUTS) @ model.head.T)


@pytest.mark.parametrize("name", ["standard", "mup"])
def test_every_parameter_is_in_one_group_at_its_own_rate(name: Parametrisation) -> None:
    model = built(256, name)
    adamw = optimizer(model, name)
    rates = {parameter: group["lr"] for group in adamw.param_groups for parameter in group["params"]}
    assert len(rates) == sum(len(group["params"]) for group in adamw.param_groups)
    assert set(rates) == set(model.parameters())
    assert all(group["lr"] == PEAK * group["scale"] for group in adamw.param_groups)
    for parameter, rate in rates.items():
        linear = parameter.ndim > 1 and parameter is not model.head
        assert rate == PEAK * (BASE / 256 if linear and name == "mup" else 1)


@pytest.mark.parametrize("name", ["standard", "mup"])
def test_decay_is_independent_of_the_rate(name: Parametrisation) -> None:
    """Halfway down the schedule a step takes half of the decay off every matrix, whatever its rate, and gains stay."""
    model = built(256, name)
    before = {key: value.clone() for key, value in model.named_parameters()}
    adamw = optimizer(model, name, DECAY)
    for group in adamw.param_groups:
        group["lr"] = PEAK / 2 * group["scale"]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    adamw.step()
    for key, value in model.named_parameters():
        kept = 1 - DECAY / 2 if value.ndim > 1 else 1
        torch.testing.assert_close(value, before[key] * kept, rtol=1e-6, atol=0)


def test_mup_without_a_base_is_refused() -> None:
    model = built(64, "standard")
    with pytest.raises(ValueError, match="width at which its rate was tuned"):
        parametrisation.output_scale(model.shape, "mup", None)
    with pytest.raises(ValueError, match="width at which its rate was tuned"):
        parametrisation.initialise(model, 0, "mup", None)
    with pytest.raises(ValueError, match="width at which its rate was tuned"):
        parametrisation.groups(model, rate=PEAK, weight_decay=0, parametrisation="mup", base_width=None)
