"""A causal language model of other people's as a teacher: where its logits come from, and what they cost."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fitting import flops
from fitting.errors import InputError
from fitting.flops import Shape
from sweeps.targets import Full, Mixture

if TYPE_CHECKING:
    from sweeps.corpora.tokenizer import Encoding


_TOKENS = 2**14
"""Tokens that go through a model at a time: a teacher may be much larger than the student whose batches it reads."""


@dataclass(frozen=True)
class Capped:
    """Logits cap · tanh(hidden · head / cap), a `Dense` target: how Gemma 2 bounds them."""

    hidden: Tensor
    head: Tensor
    cap: float

    def log_probabilities(self, part: slice, tau: float) -> Tensor:
        logits = F.linear(self.hidden[part], self.head).float()
        return logits.div_(self.cap).tanh_().mul_(self.cap / tau).log_softmax(-1)


@dataclass(frozen=True)
class Whole:
    """Logits (n, V) that come from no head that is known here, a `Dense` target: all of them alive at once."""

    logits: Tensor

    def log_probabilities(self, part: slice, tau: float) -> Tensor:
        return (self.logits[part].float() / tau).log_softmax(-1)


class Pretrained:
    """A `Teacher` around a causal language model of Hugging Face's `transformers`.

    Its logits are taken apart into hidden states and a head, with a bias, a scale or a soft cap, where a probe shows
    that they are their product. Rows of the head beyond the tokenizer's `n_vocab` are padding, and cut off. `N` is
    non-embedding parameters; `priced` says which rule `forward_flops` follows: "itemised" for models whose matrices
    are those of a shape of the ledger, else "2N" (which overrates sparse models: it counts every expert).
    """

    def __init__(
        self, model: Any, *, name: str, digest: str, n_vocab: int, n_ctx: int, tokenizer: "Encoding | None" = None
    ) -> None:
        self.model: nn.Module = model.requires_grad_(False).eval()
        self.name, self.digest, self.n_vocab, self.tokenizer = name, digest, n_vocab, tokenizer
        self._config = model.config
        self._output: nn.Module = model.get_output_embeddings()
        self._backbone: nn.Module = model.base_model
        inside = {id(model.get_input_embeddings().weight), id(self._output.weight)}
        parameters = {id(parameter): parameter for parameter in model.parameters()}
        body = [parameter for key, parameter in parameters.items() if key not in inside]
        self.N = sum(parameter.numel() for parameter in body)
        shape = _shape(self._config, n_vocab, n_ctx, sum(p.numel() for p in body if p.ndim > 1))
        self.priced = "2N" if shape is None else "itemised"
        self.forward_flops = float(flops.SIX_ND.forward(self.N) if shape is None else flops.forward(shape).total)
        self._head: Tensor | None = None
        self._cap: float | None = None
        self._probe(n_ctx)

    @torch.no_grad()
    def distribution(self, inputs: Tensor) -> Full | Mixture:
        if next(self.model.parameters()).device != inputs.device:
            self.model.to(inputs.device)
        if self._head is None:
            return Mixture((Whole(self._logits(inputs).flatten(0, -2)),))
        if self._head.device != inputs.device:
            self._head = self._head.to(inputs.device)
        hidden = self._hidden(inputs).flatten(0, -2)
        return Full(hidden, self._head) if self._cap is None else Mixture((Capped(hidden, self._head, self._cap),))

    def _logits(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=inputs, use_cache=False).logits
        return logits[..., : self.n_vocab]

    def _hidden(self, inputs: Tensor) -> Tensor:
        """The head's input, with a 1 behind it where the head has a bias."""
        parts = torch.split(inputs, max(1, _TOKENS // inputs.shape[1]))
        hidden = torch.cat([self._backbone(input_ids=part, use_cache=False).last_hidden_state for part in parts])
        return hidden if getattr(self._output, "bias", None) is None else F.pad(hidden, (0, 1), value=1.0)

    @torch.no_grad()
    def _probe(self, n_ctx: int) -> None:
        """Find out how hidden states become logits; leave `_head` None where that is none of the known ways."""
        tokens = torch.randint(self.n_vocab, (2, min(16, n_ctx)), generator=torch.Generator().manual_seed(0))
        expected = self._logits(tokens).float()
        other = tokens.clone()
        other[:, -1] = (other[:, -1] + 1) % self.n_vocab
        size = float(expected.abs().max())
        close = size * (1e-3 if self.model.dtype == torch.float32 else 5e-2)
        if not torch.allclose(self._logits(other).float()[:, :-1], expected[:, :-1], rtol=0, atol=close / 100):
            raise InputError(f"{self.name}: sees tokens that come later, so it is no causal language model")
        head = self._output.get_parameter("weight")[: self.n_vocab]
        bias = getattr(self._output, "bias", None)
        head = head if bias is None else torch.cat((head, bias[: self.n_vocab, None]), dim=1)
        hidden = self._hidden(tokens)
        if hidden.shape[-1] != head.shape[-1]:
            return
        product = F.linear(hidden, head).float()
        scale = float((product * expected).sum() / product.square().sum())
        cap = getattr(self._config, "final_logit_softcapping", None)
        if torch.allclose(product, expected, rtol=0, atol=close):
            self._head = head
        elif cap and torch.allclose(cap * (product / cap).tanh(), expected, rtol=0, atol=close):
            self._head, self._cap = head, cap
        elif torch.allclose(scale * product, expected, rtol=0, atol=close):
            self._head = scale * head


def _shape(config: Any, n_vocab: int, n_ctx: int, matrices: int) -> Shape | None:
    """The shape of the ledger with exactly as many weights in its matrices, if the model has one."""
    try:
        layers, width, inner = int(config.num_hidden_layers), int(config.hidden_size), int(config.intermediate_size)
        heads = int(config.num_attention_heads)
        groups = int(getattr(config, "num_key_value_heads", None) or heads)
    except (AttributeError, TypeError):
        return None
    shape = Shape(layers, width, inner, heads, groups, n_vocab, n_ctx)
    counted = flops.parameters(shape)
    return shape if width % heads == 0 and counted.attention + counted.ffn == matrices else None
