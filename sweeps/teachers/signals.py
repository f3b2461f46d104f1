"""A few tokens in place of a teacher's whole distribution: made from it, and turned back into a target.

Top-k keeps the likeliest tokens and one bucket for the rest: less than the whole truth, at any k. Sampling is
unbiased with about 12 distinct tokens per position as good as all of them (arXiv 2503.16870): the forward objective
and its gradient are right on average. Both are made slice by slice of positions, so that no (n, V) tensor is alive.
"""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from sweeps.targets import Dense, Sampled, TopK

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["top-k", "sampled"]

_CHUNK_ELEMENTS = 2**22
"""Probabilities alive at a time: 32 MiB of the float64 that sampling sums up."""

_ROUNDING = 1e-6
"""More than what float32 loses in a sum of probabilities."""


def pack(
    dense: Dense, positions: int, *, kind: Kind, kept: int, tau: float, n_vocab: int, seed: tuple[int, ...]
) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Tokens and values (positions, kept): float16 log-probabilities in falling order, or counts of draws.

    Draws are a function of `seed` and of the distribution; drawn tokens are merged, and places left over count 0.
    """
    tokens = np.zeros((positions, kept), dtype=token_type(n_vocab))
    values = np.zeros((positions, kept), dtype=value_type(kind, kept))
    random = np.random.default_rng(seed)
    size = max(1, _CHUNK_ELEMENTS // n_vocab)
    for start in range(0, positions, size):
        part = slice(start, min(start + size, positions))
        log_p = dense.log_probabilities(part, tau)
        if kind == "top-k":
            found = log_p.topk(kept, dim=-1)
            chosen, weight = found.indices, found.values
        else:
            uniform = torch.from_numpy(np.sort(random.random((part.stop - start, kept)), axis=1))
            chosen, weight = _draw(log_p, uniform.to(log_p.device))
        tokens[part], values[part] = chosen.cpu().numpy(), weight.cpu().numpy()
    return tokens, values


def unpack(tokens: "NDArray[Any]", values: "NDArray[Any]", kind: Kind, device: torch.device) -> TopK | Sampled:
    """The target that `pack` made, on `device`."""
    if kind == "top-k":
        log_p = _on(values.astype(np.float32), device)
        # halved precision may lift the sum of all above 1, and the rest must not be negative
        log_p -= (log_p.logsumexp(-1, keepdim=True) + _ROUNDING).clamp_(min=0)
        return TopK(_on(tokens.astype(np.int64), device), log_p)
    used = int((values > 0).any(axis=0).sum())
    counts = values[:, :used].astype(np.float32)
    weights = counts / counts.sum(axis=1, keepdims=True)
    return Sampled(_on(tokens[:, :used].astype(np.int64), device), _on(weights, device))


def token_type(n_vocab: int) -> "np.dtype[Any]":
    """The smallest type that holds every token."""
    return np.dtype(np.uint16 if n_vocab <= 2**16 else np.uint32)


def value_type(kind: Kind, kept: int) -> "np.dtype[Any]":
    """Log-probabilities, or counts of `kept` draws at most."""
    if kind == "top-k":
        return np.dtype(np.float16)
    return np.dtype(np.uint8 if kept < 2**8 else np.uint16)


def _draw(log_p: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Draw a token for each of the rising `uniform` (n, s) numbers; tokens and how often they came."""
    reached = log_p.double().exp_().cumsum_(-1)
    uniform = uniform.to(reached.dtype) * reached[:, -1:]
    drawn = torch.searchsorted(reached, uniform, right=True).clamp_(max=log_p.shape[-1] - 1)
    new = torch.ones_like(drawn)
    new[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
    place = new.cumsum(-1) - 1
    tokens, counts = torch.zeros_like(drawn), torch.zeros_like(drawn)
    return tokens.scatter_(-1, place, drawn), counts.scatter_add_(-1, place, torch.ones_like(drawn))


def _on(array: "NDArray[Any]", device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)
