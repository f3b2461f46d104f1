"""A run's text as tensors: its batches in order, and the held-out loss that judges it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from sweeps import corpora, objectives
from sweeps.models import Transformer
from sweeps.ranks import Rank
from sweeps.spec import RunSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VALIDATION_WINDOWS = 16
"""Windows evaluated at a time."""


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """The batches of a run from step `start` on, as much of each as is for `rank`."""

    def __init__(self, spec: RunSpec, corpus: corpora.Corpus, start: int, rank: Rank) -> None:
        self.spec, self.corpus, self.start, self.rank = spec, corpus, start, rank

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(self.start, self.spec.steps):
            inputs, targets = batch_of(self.spec, self.corpus, step)
            yield self.rank.share(inputs), self.rank.share(targets)


def batch_of(spec: RunSpec, corpus: corpora.Corpus, step: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets (windows, n_ctx) of one step of a run."""
    n_ctx, seed = spec.shape.n_ctx, spec.stream("batches")
    windows = spec.recipe.batch_tokens // n_ctx
    tokens = corpus.half(spec.half)
    # whether a run may repeat its text is a grid's to say: one that may not is refused before it starts
    return _tensors(corpora.batch(tokens, seed=seed, step=step, n_ctx=n_ctx, windows=windows, repeat=True))


def validation_loss(
    model: Transformer,
    spec: RunSpec,
    corpus: corpora.Corpus,
    device: torch.device | str = "cpu",
    rank: Rank | None = None,
) -> float:
    """Mean cross-entropy of the held-out slice in nats per token; the same windows for every run of a grid.

    Processes share out the groups of windows, not windows, and add them up in the order of one process: it makes no
    difference to the last bit how many there are.
    """
    rank = rank or Rank()
    tokens = spec.recipe.validation_tokens
    inputs, targets = _tensors(corpora.held_out(corpus, n_ctx=spec.shape.n_ctx, tokens=tokens))
    groups = [slice(at, at + _VALIDATION_WINDOWS) for at in range(0, len(inputs), _VALIDATION_WINDOWS)]
    sums = torch.zeros(len(groups), dtype=torch.float64, device=device)
    with torch.no_grad():
        for i in range(rank.place, len(groups), rank.world):
            part = groups[i]
            sums[i] = objectives.cross_entropy_sum(model(inputs[part].to(device)), model.head, targets[part].to(device))
    total = 0.0
    for value in rank.total(sums).tolist():  # `sum` rounds otherwise from Python 3.12 on
        total += value
    return total / targets.numel()


def _tensors(arrays: "tuple[NDArray[Any], NDArray[Any]]") -> tuple[Tensor, Tensor]:
    inputs, targets = arrays
    return torch.from_numpy(inputs), torch.from_numpy(targets)
