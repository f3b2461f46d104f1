"""The student's objective, computed from hidden states in chunks of tokens.

Eq 7 of "Distillation Scaling Laws" (arXiv 2502.08606): (1 - λ) L_NTP + λ L_KD + λ_Z L_Z, with L_NTP the
cross-entropy of the data, L_KD = -τ² Σ softmax(z_T/τ) log softmax(z_S/τ), the forward direction as soft
cross-entropy, and L_Z = logsumexp(z_S)². All in nats per token. Eq 7's L_KD keeps the teacher's entropy, so at
λ > 0 its value is no cross-entropy of the data; `Loss.cross_entropy` is. The reverse direction is
τ² KL(softmax(z_S/τ) || softmax(z_T/τ)). τ² keeps the gradient's size as τ grows, and stands here once.

Logits exist for one chunk of tokens at a time, and probabilities for a part of it: the gradients are computed in the
forward pass (`divergences`), and `backward` only scales them, in place and so only once. Beside them and the head's
gradient, a chunk of the student's logits is alive and, for a whole distribution, one of the teacher's.

Under autocast, or with hidden states in a narrow dtype, products are taken in that dtype; softmax, sums and the
accumulated gradients are float32, or float64 for what comes in float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sweeps import divergences
from sweeps.consultation import Direction
from sweeps.divergences import Slope, Terms
from sweeps.targets import Full, Mixture, Sampled, Target, TopK, product_dtype, raised

CHUNK_ROWS, CHUNK_ELEMENTS = 256, {"cpu": 2**20}
"""Tokens multiplied by a head at a time: enough for a matrix product to pay (128: 8 % slower at V = 4096, 64: 24 %),
and more where the vocabulary is small (elements by device, others 2^25: 128 MiB of float32)."""

BLOCK_ELEMENTS = {"cpu": 2**18}
"""Logits of a chunk that are turned into their gradient at a time: what stays in a cache on a CPU; elsewhere 2^24."""


@dataclass(frozen=True)
class Loss:
    """Means over tokens, in nats: `objective` is Eq 7 and differentiable, the rest is for the journal.

    `distillation` is what λ multiplies, τ² included. `kl` is the divergence from the teacher in the direction asked
    for, at temperature τ and without τ²: over the whole vocabulary, or over k + 1 outcomes for `TopK`; None without
    a teacher or where it cannot be known (`Sampled`).
    """

    objective: Tensor
    cross_entropy: Tensor
    distillation: Tensor
    z: Tensor
    kl: Tensor | None


@dataclass(frozen=True)
class _Weights:
    lam: float
    tau: float
    z_loss: float
    direction: Direction
    chunk: int


def objective(
    *,
    student_hidden: Tensor,
    student_head: Tensor,
    targets: Tensor,
    teacher: Target | None = None,
    lam: float = 0.0,
    tau: float = 1.0,
    z_loss: float = 0.0,
    direction: Direction = "forward",
    chunk: int | None = None,
) -> Loss:
    """Eq 7 for hidden states (..., d), a head (n_vocab, d), targets (...) and a teacher of the flattened positions.

    `lam` is λ, the share of distillation (0: supervised, and no teacher is asked); `tau` the temperature of
    both sides; `z_loss` is λ_Z. The teacher receives no gradient. `chunk` is tokens at a time.
    """
    if lam and teacher is None:
        raise ValueError("lam > 0 needs a teacher")
    if direction not in get_args(Direction):
        raise ValueError(f"direction {direction!r}: one of {', '.join(get_args(Direction))}")
    if lam and direction == "reverse" and isinstance(teacher, TopK | Sampled):
        raise ValueError(f"the reverse direction needs a whole distribution, not {type(teacher).__name__}")
    said, asked = _positions(teacher), targets.numel()
    if lam and said not in (None, asked):
        raise ValueError(f"the teacher speaks of {said} positions, the student of {asked}")
    weights = _Weights(lam, tau, z_loss, direction, chunk_of(chunk, student_head))
    total, cross_entropy, distillation, z, kl = _ChunkedObjective.apply(  # type: ignore[no-untyped-call]
        student_hidden.flatten(0, -2), student_head, targets.flatten(), teacher if lam else None, weights
    )
    known = lam and not isinstance(teacher, Sampled)
    return Loss(total, cross_entropy, distillation, z, kl if known else None)


@torch.no_grad()
def cross_entropy_sum(hidden: Tensor, head: Tensor, targets: Tensor, chunk: int | None = None) -> Tensor:
    """The summed cross-entropy of the data in nats, float64, without gradients: what validation adds up."""
    total = torch.zeros((), dtype=torch.float64, device=hidden.device)
    dtype = product_dtype(hidden)
    flat, narrow_head, target = hidden.flatten(0, -2).to(dtype), head.to(dtype), targets.flatten()
    for part in _slices(0, len(target), chunk_of(chunk, head)):
        z = raised(F.linear(flat[part], narrow_head))
        at_target = z.gather(-1, target[part, None])
        total += (divergences.data(z, Slope(1, 0)) - at_target).sum()
        del z  # or it would live on beside the next
    return total


def _positions(teacher: object) -> int | None:
    if isinstance(teacher, Mixture):
        return _positions(teacher.members[0])
    if isinstance(teacher, Full):
        return len(teacher.hidden)
    return len(teacher.tokens) if isinstance(teacher, TopK | Sampled) else None


def chunk_of(chunk: int | None, head: Tensor) -> int:
    return chunk or max(CHUNK_ROWS, CHUNK_ELEMENTS.get(head.device.type, 2**25) // head.shape[0])


def _slices(start: int, stop: int, size: int) -> Iterator[slice]:
    return (slice(at, min(at + size, stop)) for at in range(start, stop, size))


class _ChunkedObjective(torch.autograd.Function):
    """Value and gradient of Eq 7 in one pass over chunks of tokens."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, teacher: Target | None, weights: _Weights
    ) -> tuple[Tensor, ...]:
        n, dtype = len(targets), product_dtype(hidden)
        narrow, narrow_head = hidden.to(dtype), head.to(dtype)
        wide = raised(narrow_head[:0]).dtype
        grad_hidden, grad_head = torch.empty_like(hidden, dtype=wide), torch.zeros_like(head, dtype=wide)
        readings = torch.zeros(4, n, 1, dtype=wide, device=hidden.device)  # log Z, logit of the target, L_KD / τ², KL
        for part in _slices(0, n, weights.chunk):
            gradient = F.linear(narrow[part], narrow_head)
            _descend(gradient, targets, teacher, part, weights, readings)
            if dtype == wide:
                torch.mm(gradient, narrow_head, out=grad_hidden[part])
                grad_head.addmm_(gradient.t(), narrow[part], alpha=1 / n)
            else:
                grad_hidden[part] = gradient @ narrow_head
                grad_head.add_(gradient.t() @ narrow[part], alpha=1 / n)
            del gradient  # or it would live on beside the next
        ctx.gradients = grad_hidden.div_(n), grad_head
        ctx.dtypes = hidden.dtype, head.dtype
        log_z, at_target, distillation, kl = readings.double().unbind()
        terms = (log_z - at_target, weights.tau**2 * distillation, log_z.square(), kl)
        cross_entropy, distillation, z, kl = (term.mean().to(wide) for term in terms)
        ctx.mark_non_differentiable(cross_entropy, distillation, z, kl)
        total = (1 - weights.lam) * cross_entropy + weights.lam * distillation + weights.z_loss * z
        return total, cross_entropy, distillation, z, kl

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_total: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("a second backward: the gradients were handed out, not copied; compute the loss anew")
        (grad_hidden, grad_head), ctx.gradients = ctx.gradients, None
        hidden, head = ctx.dtypes
        return grad_hidden.mul_(grad_total).to(hidden), grad_head.mul_(grad_total).to(head), None, None, None


def _descend(
    logits: Tensor, targets: Tensor, teacher: Target | None, part: slice, weights: _Weights, readings: Tensor
) -> None:
    """Turn the logits of `part` into the gradient of its summed objective, block by block, and note its `readings`."""
    lam, tau = weights.lam, weights.tau
    slope = Slope(1 - lam, weights.z_loss)
    log_q = None
    if teacher is not None and not isinstance(teacher, TopK | Sampled):
        log_q = teacher.log_probabilities(part, tau).to(readings.dtype)
        if log_q.shape != logits.shape:
            said, asked = tuple(log_q.shape), tuple(logits.shape)
            raise ValueError(f"the teacher speaks of {said} positions and tokens, the student of {asked}")
    size = max(1, BLOCK_ELEMENTS.get(logits.device.type, 2**24) // logits.shape[1])
    for rows in _slices(0, len(logits), size):
        here = slice(part.start + rows.start, part.start + rows.stop)
        z, target = raised(logits[rows]), targets[here, None]
        at_target = z.gather(-1, target)
        if teacher is None:
            log_z = divergences.data(z, slope)
        else:
            soft = z if tau == 1 else z / tau
            known = log_q[rows] if log_q is not None else None
            terms = _terms(soft, teacher, known, here, weights, slope if tau == 1 else Slope(0, 0))
            log_z = terms.log_z
            if tau != 1:
                log_z = divergences.data(z, slope)
                z += soft
            readings[2, here] = terms.distillation
            if terms.kl is not None:
                readings[3, here] = terms.kl
        if lam != 1:
            z.scatter_add_(-1, target, torch.full_like(log_z, lam - 1))
        if z.dtype != logits.dtype:
            logits[rows] = z
        readings[0, here], readings[1, here] = log_z, at_target


def _terms(z: Tensor, teacher: Target, log_q: Tensor | None, here: slice, weights: _Weights, slope: Slope) -> Terms:
    w = weights.lam * weights.tau  # τ² for the objective, 1/τ for z = z_S/τ
    if isinstance(teacher, TopK):
        return divergences.top_k(z, teacher.tokens[here].long(), teacher.log_probabilities[here].to(z.dtype), w, slope)
    if isinstance(teacher, Sampled):
        return divergences.sampled(z, teacher.tokens[here].long(), teacher.weights[here].to(z.dtype), w, slope)
    assert log_q is not None
    return (divergences.forward if weights.direction == "forward" else divergences.reverse)(z, log_q, w, slope)
