"""The FLOP ledger: the only place with a FLOP formula, for sweeps to log, fits to check and plans to spend.

Source: "Distillation Scaling Laws", arXiv 2502.08606 v2: Eq 9 (what a budget pays for), Eq 57-69 (FLOPs from N),
Tables 9-10 (parameters) and 11-12 (itemised FLOPs) in the authors' own counting. FLOPs are per token unless a
name says otherwise; N and D are counts.
"""

import bisect
import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from fitting.errors import InputError

FORWARDS_PER_TRAINING_STEP = 3
"""A backward pass costs two forward passes (Eq 70), so training costs three."""

_N_FFN = 3
"""Matrices in a gated feed-forward block."""


@dataclass(frozen=True)
class Shape:
    """One transformer of the paper's family: pre-norm, QK-norm, RoPE, gated FFN, tied embeddings."""

    n_layers: int
    d_model: int
    d_ffn: int
    n_heads: int
    n_kv_heads: int
    n_vocab: int
    n_ctx: int

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    @classmethod
    def of_depth(
        cls, n_layers: int, *, aspect: int = 128, n_heads: int = 16, n_vocab: int = 32768, n_ctx: int = 4096
    ) -> "Shape":
        """The family's member with `n_layers` layers and `d_model = aspect * n_layers`; multi-head attention.

        The feed-forward width is 8/3 d_model, rounded up to a multiple of 128 as in Table 13 (of 8 below a
        width of 1024, where 128 would distort the shape). Table 13 prints 12672 for the 10B model, which this
        rule gives too, but its N needs 12800.
        """
        d_model = aspect * n_layers
        if d_model % (2 * n_heads):
            raise InputError(
                f"heads: a width of {d_model} does not split into {n_heads} heads of even size (rotary embeddings "
                f"turn pairs); choose a divisor of {d_model // 2}"
            )
        return cls._of_width(n_layers, d_model, n_heads, n_vocab, n_ctx)

    @classmethod
    def of_size(
        cls, N: float, *, aspect: int = 128, n_heads: int = 16, n_vocab: int = 32768, n_ctx: int = 4096
    ) -> "Shape":
        """The trainable shape nearest to N non-embedding parameters: any depth, any width that the heads can share.

        Nearest is the least |log N'/N| + |log a'/a| over N' and the aspect ratio a' = d_model / n_layers, so a member
        of the family (`of_depth`) is found from its own N, and a larger N never gives a smaller shape. N' is off by
        up to half a step of the width, which is a multiple of twice the heads; a' by up to a factor of 1.7 between
        the smallest depths. Raises `InputError` where N' would be off by a quarter or a' by a factor of 2.
        """
        if not (math.isfinite(N) and N > 0 and aspect > 0 and n_heads > 0):
            raise InputError(f"size: N, aspect and n_heads must be greater than zero, not {N}, {aspect}, {n_heads}")

        def counted(n_layers: int, steps: int) -> int:
            return parameters(cls._of_width(n_layers, 2 * n_heads * steps, n_heads, n_vocab, n_ctx)).non_embedding

        near = []
        depth = (N / (12 * aspect**2)) ** (1 / 3)  # Eq 57-63; twice or half has 2.8 times another aspect ratio
        for n_layers in range(max(1, int(depth / 2)), math.ceil(2 * depth) + 1):
            widest = math.ceil(math.sqrt(N / (12 * n_layers)) / (2 * n_heads))  # N >= 12 n_layers d_model²
            above = 1 + bisect.bisect_left(range(1, widest + 1), N, key=partial(counted, n_layers))
            for steps in range(max(1, above - 1), above + 1):
                size, shaped = counted(n_layers, steps) / N, 2 * n_heads * steps / (n_layers * aspect)
                near.append((abs(math.log(size)) + abs(math.log(shaped)), size, shaped, n_layers, steps))
        _, size, shaped, n_layers, steps = min(near)
        shape = cls._of_width(n_layers, 2 * n_heads * steps, n_heads, n_vocab, n_ctx)
        if not (0.8 < size < 1.25 and 0.5 < shaped < 2):
            raise InputError(
                f"size: no shape near {N:.4g} parameters with {n_heads} heads and a width of {aspect} a layer; the "
                f"nearest has {size * N:.0f} ({n_layers} layers, width {shape.d_model}); choose another size, or for "
                "small models fewer heads or a smaller aspect ratio"
            )
        return shape

    @classmethod
    def _of_width(cls, n_layers: int, d_model: int, n_heads: int, n_vocab: int, n_ctx: int) -> "Shape":
        multiple = 128 if d_model >= 1024 else 8
        d_ffn = -(-8 * d_model // (3 * multiple)) * multiple
        return cls(n_layers, d_model, d_ffn, n_heads, n_heads, n_vocab, n_ctx)


@dataclass(frozen=True)
class Parameters:
    """Parameter counts per group (Tables 9-10); `non_embedding` is the N of the laws."""

    embedding: int
    attention: int
    ffn: int
    norms: int

    @property
    def non_embedding(self) -> int:
        return self.attention + self.ffn + self.norms

    @property
    def total(self) -> int:
        return self.embedding + self.non_embedding


def parameters(shape: Shape) -> Parameters:
    """Count the parameters of a shape (Tables 9-10, arXiv 2502.08606); the output head is tied."""
    d, heads, kv = shape.d_model, shape.n_heads, shape.n_kv_heads
    attention = (heads + 2 * kv) * shape.d_head * d + heads * shape.d_head * d
    norms = shape.n_layers * (2 * d + 2 * shape.d_head) + d
    return Parameters(
        embedding=shape.n_vocab * d,
        attention=shape.n_layers * attention,
        ffn=shape.n_layers * _N_FFN * d * shape.d_ffn,
        norms=norms,
    )


@dataclass(frozen=True)
class ForwardFlops:
    """Forward FLOPs per token, itemised (Tables 11-12, arXiv 2502.08606)."""

    embedding: float
    qkv: float
    attention_logits: float
    softmax: float
    attention_values: float
    projection: float
    ffn: float
    head: float

    @property
    def matmul(self) -> float:
        """What a counter of matrix products sees: everything but the embedding lookup and the softmax."""
        return self.total - self.embedding - self.softmax

    @property
    def total(self) -> float:
        return float(sum(asdict(self).values()))


def forward(shape: Shape, *, causal_attention: bool = True) -> ForwardFlops:
    """Forward FLOPs per token of a shape, itemised; `causal_attention` counts only what the mask leaves."""
    layers, d, n_ctx = shape.n_layers, shape.d_model, shape.n_ctx
    seen = 1 if causal_attention else 2
    return ForwardFlops(
        embedding=2 * d,
        qkv=layers * 2 * (1 + 2 * shape.n_kv_heads / shape.n_heads) * d**2,
        attention_logits=layers * seen * d * n_ctx,
        softmax=layers * seen * 2.5 * shape.n_heads * n_ctx,
        attention_values=layers * seen * d * n_ctx,
        projection=layers * 2 * d**2,
        ffn=layers * 2 * _N_FFN * d * shape.d_ffn,
        head=2 * shape.n_vocab * d,
    )


def training(shape: Shape, tokens: float, *, causal_attention: bool = True) -> float:
    """FLOPs to train a shape on `tokens` tokens, itemised: the C that a sweep logs."""
    return FORWARDS_PER_TRAINING_STEP * forward(shape, causal_attention=causal_attention).total * tokens


@dataclass(frozen=True)
class Convention:
    """How N and compute are counted; it travels with every record, law and plan, and two never mix.

    `name` is the rule: "itemised" counts Tables 11-12 from a shape and Eq 69 from N alone; "6ND" is 2N forward
    FLOPs per token. `rho` = d_model / n_layers and `omega` = N / (n_layers d_model²) describe the family of
    shapes (Eq 57-63); "6ND" may leave them, the context and the vocabulary open (None).
    """

    name: Literal["itemised", "6ND"]
    rho: float | None
    omega: float | None
    n_ctx: int | None
    n_vocab: int | None
    causal_attention: bool
    parameters: Literal["non-embedding", "total"]

    def __post_init__(self) -> None:
        if self.name not in ("itemised", "6ND"):
            raise InputError(f"convention: name must be 'itemised' or '6ND', not {self.name!r}")
        if self.parameters not in ("non-embedding", "total"):
            raise InputError(f"convention: parameters must be 'non-embedding' or 'total', not {self.parameters!r}")
        shape = {"rho": self.rho, "omega": self.omega, "n_ctx": self.n_ctx, "n_vocab": self.n_vocab}
        bad = [key for key, value in shape.items() if value is not None and not value > 0]
        if self.name == "itemised":
            bad += [key for key, value in shape.items() if value is None]
            if self.parameters == "total":
                raise InputError("convention: 'itemised' counts N without embeddings; parameters must say so")
        if bad:
            raise InputError(f"convention: {', '.join(bad)} must be positive numbers under {self.name!r}")

    def forward(self, N: Any) -> Any:
        """Forward FLOPs per token of a model with N parameters; N may be a float or an array.

        "itemised" is Eq 69 (arXiv 2502.08606), 2N(1 + σ1 n_ctx N^-1/3 + σ2 n_vocab N^-2/3), within 0.4 % of the
        itemised count for the paper's models; full attention doubles its second term. "6ND" is 2N.
        """
        if self.name == "6ND":
            return 2.0 * N
        attention, head = self._below_linear()
        return 2.0 * N + attention * N ** (2 / 3) + head * N ** (1 / 3)

    def forward_of_cube(self, root: Any) -> tuple[Any, Any, Any]:
        """F at N = root³, its elasticity d log F / d log N, and the slope of that in log N; floats or arrays.

        The elasticity lies in [1/3, 1] and never falls: log F is convex in log N, which a search can build on.
        """
        linear = 2.0 * root * root * root
        if self.name == "6ND":
            return linear, 1.0, 0.0
        attention, head = self._below_linear()
        middle, low = attention * root * root, head * root
        F = linear + middle + low
        elasticity = (linear + (2 / 3) * middle + (1 / 3) * low) / F
        return F, elasticity, (linear + (4 / 9) * middle + (1 / 9) * low) / F - elasticity * elasticity

    def _below_linear(self) -> tuple[float, float]:
        """The coefficients of N^(2/3), attention, and N^(1/3), the head, in Eq 69."""
        assert self.rho
        assert self.omega
        assert self.n_ctx
        assert self.n_vocab
        sigma1 = (1 / (self.rho * self.omega**2)) ** (1 / 3) * (1 if self.causal_attention else 2)
        sigma2 = (self.rho / self.omega) ** (1 / 3)
        return 2 * sigma1 * self.n_ctx, 2 * sigma2 * self.n_vocab

    def training(self, N: Any, D: Any) -> Any:
        """FLOPs to train N parameters on D tokens."""
        return FORWARDS_PER_TRAINING_STEP * self.forward(N) * D

    def embedding(self, N: float) -> float | None:
        """Parameters in the (tied) embedding beside N non-embedding ones; None where the family is unknown."""
        if self.rho is None or self.omega is None or self.n_vocab is None:
            return None
        return float(self.n_vocab * (N * self.rho / self.omega) ** (1 / 3))

    def without_embedding(self, total: float) -> float:
        """The N non-embedding parameters of a model with `total` parameters. Raises `InputError` if there is none."""
        if self.rho is None or self.omega is None or self.n_vocab is None:
            raise InputError("--total: this law's convention does not say which family of shapes it counts")
        width = self.n_vocab * (self.rho / self.omega) ** (1 / 3)
        root = (total / width) if total < width else total ** (1 / 3)
        for _ in range(60):  # Newton on x³ + width x = total: convex in x > 0, so it converges from above
            root -= (root**3 + width * root - total) / (3 * root**2 + width)
        return float(root**3)

    def require_same(self, other: "Convention", mine: str, theirs: str) -> None:
        """Raise `InputError` naming each field in which two conventions differ."""
        a, b = asdict(self), asdict(other)
        differ = [f"{key}: {a[key]} against {b[key]}" for key in a if a[key] != b[key]]
        if differ:
            raise InputError(
                f"{mine} and {theirs} count parameters or FLOPs by different conventions ({'; '.join(differ)}); "
                "recount one of them, never mix the two"
            )

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "Convention":
        """Read a convention from JSON data found in `where`; every fault in one `InputError`."""
        fields = set(cls.__dataclass_fields__)
        if not isinstance(data, dict) or set(data) != fields:
            raise InputError(f"{where}: a convention has exactly the fields {', '.join(sorted(fields))}")
        try:
            return cls(**data)
        except (InputError, TypeError) as error:
            raise InputError(f"{where}: {error}") from None


BUSBRIDGE2025 = Convention("itemised", 128, 12, 4096, 32768, causal_attention=True, parameters="non-embedding")
"""The paper's own counting (Eq 57-69, Tables 9-13). 32768 tokens of vocabulary: Table 13's N_total needs it."""

SIX_ND = Convention("6ND", None, None, None, None, causal_attention=True, parameters="non-embedding")
SIX_ND_TOTAL = Convention("6ND", None, None, None, None, causal_attention=True, parameters="total")
"""Hoffmann et al. 2022 (arXiv 2203.15556) count N with embeddings and training as 6ND."""

CONVENTIONS = {"busbridge2025": BUSBRIDGE2025, "6ND": SIX_ND, "6ND-total": SIX_ND_TOTAL}


@dataclass(frozen=True)
class Spend:
    """Total FLOPs of a plan, by what they pay for: Eq 9, and the student's forward passes in use."""

    student_training: float
    teacher_inference: float
    teacher_training: float
    serving: float = 0.0

    @property
    def total(self) -> float:
        return self.student_training + self.teacher_inference + self.teacher_training + self.serving


def spend(
    convention: Convention,
    N_S: float,
    D_S: float,
    N_T: float | None,
    D_T: float | None,
    *,
    pay_logits: float,
    pay_pretraining: float,
    serve_tokens: float = 0.0,
    copies: int = 1,
) -> Spend:
    """What Eq 9 (arXiv 2502.08606) charges: 3F(N_S)D_S + F(N_T)(δ_Lgt D_S + 3 δ_Pre D_T); and F(N_S) a token served.

    `copies` students share the teacher's training alone. A teacher size or token count that is not known (None) may
    only appear where its share is not paid.
    """
    logits = teacher = 0.0
    if pay_logits:
        if N_T is None:
            raise ValueError("the forward passes of a teacher of unknown size cannot be paid for")
        logits = pay_logits * float(convention.forward(N_T)) * D_S
    if pay_pretraining:
        if N_T is None or D_T is None:
            raise ValueError("the training of a teacher of unknown size or tokens cannot be paid for")
        teacher = pay_pretraining * float(convention.training(N_T, D_T))
    serving = float(convention.forward(N_S)) * serve_tokens
    return Spend(copies * float(convention.training(N_S, D_S)), copies * logits, teacher, copies * serving)
