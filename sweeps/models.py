"""The paper's transformer, from a shape of the ledger: pre-norm RMSNorm, QK-norm, RoPE, SwiGLU, tied embeddings.

Source: "Distillation Scaling Laws", arXiv 2502.08606 v2, Tables 9-10. Its parameters per group equal
`fitting.flops.parameters(shape)`. How weights, rates and the output go with width is `sweeps.parametrisation`.

Under autocast to bfloat16 the weights, the residual stream, every norm, the rotation and the hidden states that come
out stay float32; matrix products and attention are bfloat16. Without autocast nothing is cast.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fitting.flops import Shape

ROPE_BASE = 500_000.0
NORM_EPSILON = 1e-6


class Attention(nn.Module):
    """Causal attention with normalised queries and keys; one gain per head dimension, shared by the heads."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads, self.d_head = shape.n_heads, shape.n_kv_heads, shape.d_head
        self.qkv = nn.Linear(shape.d_model, (self.n_heads + 2 * self.n_kv_heads) * self.d_head, bias=False)
        self.projection = nn.Linear(self.n_heads * self.d_head, shape.d_model, bias=False)
        self.query_norm = nn.RMSNorm(self.d_head, eps=NORM_EPSILON)
        self.key_norm = nn.RMSNorm(self.d_head, eps=NORM_EPSILON)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        batch, length, _ = x.shape
        heads = self.qkv(x).view(batch, length, -1, self.d_head).transpose(1, 2)
        query, key, value = heads.split((self.n_heads, self.n_kv_heads, self.n_kv_heads), dim=1)
        query = _turned(self.query_norm, query, cosine, sine)
        key = _turned(self.key_norm, key, cosine, sine)
        mixed = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=self.n_heads != self.n_kv_heads
        )
        return self.projection(mixed.transpose(1, 2).reshape(batch, length, -1))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)), gate and up in one matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_up = nn.Linear(shape.d_model, 2 * shape.d_ffn, bias=False)
        self.down = nn.Linear(shape.d_ffn, shape.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)  # type: ignore[no-any-return]


class Block(nn.Module):
    """One layer: attention and feed-forward, each behind its own norm and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.ffn = FeedForward(shape)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cosine, sine)
        return x + self.ffn(self.ffn_norm(x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Tokens (batch, length) to normalised hidden states (batch, length, d_model).

    The head is left to the loss, which multiplies by `head` (the tied embedding) in chunks of tokens;
    `logits` does both at once where the vocabulary is small. `output_scale` multiplies the hidden states and with
    them the logits (`parametrisation.output_scale`); it is no weight and in no checkpoint.
    """

    def __init__(self, shape: Shape, output_scale: float = 1.0) -> None:
        super().__init__()
        self.shape, self.output_scale = shape, output_scale
        self.embedding = nn.Embedding(shape.n_vocab, shape.d_model)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layers))
        self.output_norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        # a pure function of the shape, so never part of a checkpoint
        cosine, sine = _rotations(shape)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    @property
    def head(self) -> Tensor:
        """The output matrix (n_vocab, d_model): the embedding itself."""
        return self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        cosine, sine = self.get_buffer("cosine")[:length], self.get_buffer("sine")[:length]
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, cosine, sine)
        hidden: Tensor = self.output_norm(x)
        return hidden if self.output_scale == 1 else hidden * self.output_scale

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits (batch, length, n_vocab), all alive at once."""
        return F.linear(self(tokens), self.head)


def initialise(model: Transformer, seed: int, *, embedding_width: int | None = None) -> None:
    """Draw the weights: a pure function of the shape and the seed, whatever the default device or generator.

    Every matrix is normal with standard deviation 1/sqrt(fan_in); the two that write into the residual stream
    are scaled by 1/sqrt(2 n_layers) more, so that the stream does not grow with depth. The tied embedding has
    1/sqrt(d_model), unit-variance logits, or that of `embedding_width` in place of the model's. Gains are 1.
    """
    generator = torch.Generator().manual_seed(seed)
    depth = 1 / math.sqrt(2 * model.shape.n_layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2:
                parameter.fill_(1.0)
                continue
            deviation = parameter.shape[1] ** -0.5
            if name.endswith(("projection.weight", "down.weight")):
                deviation *= depth
            elif parameter is model.head and embedding_width is not None:
                deviation = embedding_width**-0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)


def _rotations(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines (n_ctx, d_head / 2) of the rotary embedding, in float64 until the end."""
    half = shape.d_head // 2
    frequency = ROPE_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.outer(torch.arange(shape.n_ctx, dtype=torch.float64), frequency)
    return angle.cos().float(), angle.sin().float()


def _turned(norm: nn.RMSNorm, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Normalise and rotate heads in the precision of the gains, and return them in their own, which the values have."""
    return _rotate(norm(x.to(norm.weight.dtype)), cosine, sine).to(x.dtype)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the pairs (x[i], x[i + d_head/2]) by the angle of their position."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
