"""The student's objective, computed from hidden states in chunks of tokens.

Eq 7 of "Distillation Scaling Laws" (arXiv 2502.08606): (1 - λ) L_NTP + λ L_KD + λ_Z L_Z, with L_NTP the
cross-entropy of the data, L_KD = -τ² Σ softmax(z_T/τ) log softmax(z_S/τ), the forward direction as soft
cross-entropy, and L_Z = logsumexp(z_S)². All in nats per token. Eq 7's L_KD keeps the teacher's entropy, so at
λ > 0 its value is no cross-entropy of the data; `Loss.cross_entropy` is.

Logits and probabilities exist for one chunk at a time: the gradients are computed in the forward pass, chunk by
chunk, and `backward` only scales them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

CHUNK_ELEMENTS = 2**24
"""Logits alive at a time unless the caller says otherwise: 64 MiB of float32 in each intermediate."""


@dataclass(frozen=True)
class Loss:
    """Means over tokens, in nats: `objective` is Eq 7 and differentiable, the rest is for the journal."""

    objective: Tensor
    cross_entropy: Tensor
    distillation: Tensor
    z: Tensor


@dataclass(frozen=True)
class _Weights:
    lam: float
    tau: float
    z_loss: float
    chunk: int


def objective(
    *,
    student_hidden: Tensor,
    student_head: Tensor,
    targets: Tensor,
    teacher_hidden: Tensor | None = None,
    teacher_head: Tensor | None = None,
    lam: float = 0.0,
    tau: float = 1.0,
    z_loss: float = 0.0,
    chunk: int | None = None,
) -> Loss:
    """Eq 7 for hidden states (..., d) with heads (n_vocab, d) and targets (...).

    `lam` is λ, the share of distillation (0: supervised, and no teacher is needed); `tau` the temperature of
    both sides; `z_loss` is λ_Z. The teacher receives no gradient. `chunk` is tokens at a time.
    """
    if lam and (teacher_hidden is None or teacher_head is None):
        raise ValueError("lam > 0 needs teacher_hidden and teacher_head")
    student = student_hidden.flatten(0, -2)
    teacher = teacher_hidden.flatten(0, -2) if lam and teacher_hidden is not None else None
    weights = _Weights(lam, tau, z_loss, _chunk(chunk, student_head))
    total, cross_entropy, distillation, z = _ChunkedObjective.apply(  # type: ignore[no-untyped-call]
        student, student_head, targets.flatten(), teacher, teacher_head, weights
    )
    return Loss(total, cross_entropy, distillation, z)


@torch.no_grad()
def cross_entropy_sum(hidden: Tensor, head: Tensor, targets: Tensor, chunk: int | None = None) -> Tensor:
    """The summed cross-entropy of the data in nats, float64, without gradients: what validation adds up."""
    total = torch.zeros((), dtype=torch.float64, device=hidden.device)
    size = _chunk(chunk, head)
    flat, target = hidden.flatten(0, -2), targets.flatten()
    for start in range(0, len(target), size):
        part = slice(start, start + size)
        total += F.cross_entropy(F.linear(flat[part], head).float(), target[part], reduction="sum").double()
    return total


def _chunk(chunk: int | None, head: Tensor) -> int:
    return chunk if chunk is not None else max(1, CHUNK_ELEMENTS // head.shape[0])


class _ChunkedObjective(torch.autograd.Function):
    """Value and gradient of Eq 7 in one pass over chunks of tokens."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        head: Tensor,
        targets: Tensor,
        teacher_hidden: Tensor | None,
        teacher_head: Tensor | None,
        weights: _Weights,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        lam, tau, n = weights.lam, weights.tau, hidden.shape[0]
        grad_hidden, grad_head = torch.empty_like(hidden), torch.zeros_like(head)
        sums = hidden.new_zeros(3)  # cross-entropy, distillation, z
        for start in range(0, n, weights.chunk):
            part = slice(start, start + weights.chunk)
            h, target = hidden[part], targets[part, None]
            logits = F.linear(h, head)
            log_z = logits.logsumexp(-1, keepdim=True)
            sums[0] += (log_z - logits.gather(-1, target)).sum()
            sums[2] += log_z.square().sum()
            # d/dz of (1-λ) NTP + λ_Z log_z² is ((1-λ) + 2 λ_Z log_z) softmax(z) - (1-λ) onehot
            grad = (logits - log_z).exp_()
            grad *= (1 - lam) + 2 * weights.z_loss * log_z
            if lam != 1:
                grad.scatter_add_(-1, target, torch.full_like(log_z, lam - 1))
            if teacher_hidden is not None and teacher_head is not None:
                # d/dz of -τ² Σ q log softmax(z/τ) is τ (softmax(z/τ) - q); logits are free to be overwritten
                log_p = logits.div_(tau).log_softmax(-1) if tau != 1 else logits.sub_(log_z)
                q = F.linear(teacher_hidden[part], teacher_head).div_(tau).softmax(-1)
                sums[1] -= tau**2 * torch.einsum("tv,tv->", q, log_p)
                grad.add_(log_p.exp_().sub_(q), alpha=lam * tau)
            torch.matmul(grad, head, out=grad_hidden[part])
            grad_head.addmm_(grad.t(), h)
        means = sums / n
        ctx.save_for_backward(grad_hidden.div_(n), grad_head.div_(n))
        cross_entropy, distillation, z = means.unbind()
        ctx.mark_non_differentiable(cross_entropy, distillation, z)
        total = (1 - lam) * cross_entropy + lam * distillation + weights.z_loss * z
        return total, cross_entropy, distillation, z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_total: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_head = ctx.saved_tensors
        return grad_hidden * grad_total, grad_head * grad_total, None, None, None, None
