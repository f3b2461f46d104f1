"""What a chunk of positions adds to the objective, and its gradient, in place of the logits.

z are the student's logits (rows, V) at the temperature of the divergence, p = softmax(z), q the teacher's
probabilities, w = λτ. Every function here turns z into

    w (∂D/∂z) + (a + 2b log Z) p,    log Z = logsumexp(z),    a, b = slope,

the second half being the gradient of a log Z + b log²Z, all of cross-entropy and z-loss but the target's one-hot. It
returns log Z, and of D's two readings what is known: the term that λ multiplies, less τ², and the KL divergence.
Rows add up in the dtype of z; nothing of the size of z is allocated but where it is said.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Slope(NamedTuple):
    """The weights of log Z and of log²Z in the objective."""

    log_z: float
    square: float

    def __call__(self, log_z: Tensor) -> Tensor | float:
        return self.log_z + 2 * self.square * log_z if self.square else self.log_z


class Terms(NamedTuple):
    """By row, (rows, 1): log Z; the distillation term, less τ²; the KL divergence, None where it is not known."""

    log_z: Tensor
    distillation: Tensor
    kl: Tensor | None


def data(z: Tensor, slope: Slope) -> Tensor:
    """No teacher: log Z, and z becomes (a + 2b log Z) p."""
    log_z = _softmax(z)
    _scale(z, slope(log_z))
    return log_z


def forward(z: Tensor, log_q: Tensor, w: float, slope: Slope) -> Terms:
    """-Σ q log p = log Z - Σ q z, so ∂/∂z_i = p_i - q_i. Overwrites log q; allocates q."""
    q = log_q.softmax(-1)  # exp(log_q), and on a CPU faster
    negentropy = _sum(torch.mul(q, log_q, out=log_q))
    cross = _sum(torch.mul(q, z, out=log_q))
    log_z = _softmax(z)
    _scale(z, slope(log_z) + w)
    z.sub_(q, alpha=w)
    soft = log_z - cross
    return Terms(log_z, soft, soft + negentropy)


def reverse(z: Tensor, log_q: Tensor, w: float, slope: Slope) -> Terms:
    """R = Σ p (log p - log q), ∂/∂z_i = p_i (log p_i - log q_i - R). Overwrites log q; allocates p."""
    top = z.amax(-1, keepdim=True)
    p = z.softmax(-1)
    log_z = top - p.amax(-1, keepdim=True).log_()
    z.sub_(log_z).sub_(log_q)
    kl = _sum(torch.mul(p, z, out=log_q))
    z.sub_(kl).mul_(w).add_(slope(log_z)).mul_(p)
    return Terms(log_z, kl, kl)


def top_k(z: Tensor, tokens: Tensor, log_q: Tensor, w: float, slope: Slope) -> Terms:
    """-Σ_K q log p - q* log p*, a star the sum over tokens outside K: ∂/∂z_i = p_i - (q_i in K, q* p_i/p* outside).

    p_i/p* is the softmax of the tokens outside K alone and log p* the difference of two logsumexps, so that neither
    underflows with p*. With k = V there is nothing outside.
    """
    kept, q = z.gather(-1, tokens), log_q.exp()
    rest = (1 - _sum(q)).clamp_(min=0) if tokens.shape[-1] < z.shape[-1] else torch.zeros_like(q[:, :1])
    z.scatter_(-1, tokens, torch.finfo(z.dtype).min)
    outside = _softmax(z)
    log_z = torch.logaddexp(outside, kept.logsumexp(-1, keepdim=True))
    log_p, log_tail = kept - log_z, outside - log_z
    factor = slope(log_z) + w
    z.mul_(log_tail.exp() * factor - w * rest)
    z.scatter_(-1, tokens, log_p.exp() * factor - w * q)
    soft = -_sum(q * log_p) - rest * log_tail
    negentropy = _sum(q * log_q.clamp(min=torch.finfo(z.dtype).min)) + torch.xlogy(rest, rest)
    return Terms(log_z, soft, soft + negentropy)


def sampled(z: Tensor, tokens: Tensor, weights: Tensor, w: float, slope: Slope) -> Terms:
    """-Σ_j v_j log p(t_j) over draws t_j of weights v_j, ∂/∂z_i = p_i Σ_j v_j - Σ_j v_j [t_j = i]."""
    chosen, total = z.gather(-1, tokens), _sum(weights)
    log_z = _softmax(z)
    _scale(z, slope(log_z) + w * total)
    z.scatter_add_(-1, tokens, weights * -w)
    return Terms(log_z, _sum(weights * (log_z - chosen)), None)


def _softmax(z: Tensor) -> Tensor:
    """Turn logits into probabilities; log Z = max z - log max p, in which nothing underflows."""
    top = z.amax(-1, keepdim=True)
    torch.softmax(z, -1, out=z)
    return top - z.amax(-1, keepdim=True).log_()


def _scale(p: Tensor, factor: Tensor | float) -> None:
    if not isinstance(factor, float) or factor != 1:
        p.mul_(factor)


def _sum(rows: Tensor) -> Tensor:
    return rows.sum(-1, keepdim=True)
