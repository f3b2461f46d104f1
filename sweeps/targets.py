"""What a teacher says of a batch, in the forms that a student can learn from.

Positions are the flattened tokens of a batch, n of them, over a vocabulary of V. `Full` and `Mixture` can say
log-probabilities of any slice of positions, so that no (n, V) tensor need ever be alive; `TopK` and `Sampled` are what
a cache keeps. Temperatures: the first two take one when asked, the last two were made at one, and must be used at it.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Dense(Protocol):
    """A target that knows the whole vocabulary."""

    def log_probabilities(self, part: slice, tau: float) -> Tensor:
        """log softmax(z/τ) of the positions in `part`, (positions, V), float32 or more; the caller may overwrite it."""
        ...


@dataclass(frozen=True)
class Full:
    """A teacher's final hidden states (n, d) and its head (V, d); its logits are their product."""

    hidden: Tensor
    head: Tensor

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor]:
        dtype = product_dtype(self.hidden)
        return self.hidden.detach().to(dtype), self.head.detach().to(dtype)

    def log_probabilities(self, part: slice, tau: float) -> Tensor:
        hidden, head = self._factors
        logits = raised(F.linear(hidden[part], head))
        if tau != 1:
            logits.div_(tau)
        return torch.log_softmax(logits, -1, out=logits)


@dataclass(frozen=True)
class Mixture:
    """The mean of several teachers' probabilities, each at the temperature asked for."""

    members: tuple[Dense, ...]

    def log_probabilities(self, part: slice, tau: float) -> Tensor:
        first, *others = self.members
        total = first.log_probabilities(part, tau)
        for member in others:
            torch.logaddexp(total, member.log_probabilities(part, tau), out=total)
        return total.sub_(math.log(len(self.members)))


@dataclass(frozen=True)
class TopK:
    """The k likeliest tokens (n, k) of each position and their log-probabilities (n, k), float32.

    The mass that they leave is one bucket for all other tokens, of the teacher and of the student: truncating and
    renormalising instead would teach over-confidence.
    """

    tokens: Tensor
    log_probabilities: Tensor


@dataclass(frozen=True)
class Sampled:
    """Tokens (n, s) drawn from the teacher at each position and their weights (n, s), which add up to 1.

    Weights are counts over the number of draws; places that were not needed have weight 0. The expectation of the
    forward objective and of its gradient is that of the full distribution (arXiv 2503.16870).
    """

    tokens: Tensor
    weights: Tensor


Target = Full | Mixture | TopK | Sampled


def product_dtype(hidden: Tensor) -> torch.dtype:
    """The dtype in which hidden states meet a head: autocast's where it is on, otherwise their own."""
    device = hidden.device.type
    if torch.is_autocast_enabled(device) and hidden.dtype != torch.float64:
        return torch.get_autocast_dtype(device)
    return hidden.dtype


def raised(values: Tensor) -> Tensor:
    """At least float32: softmax and sums are never taken in less."""
    return values.float() if values.dtype.itemsize < 4 else values
