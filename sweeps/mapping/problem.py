"""The mapping problem of App C.2 (arXiv 2502.08606): which place of a context a query points to.

A context is eight integers in {0, 1, 2}, a query one of its eight places, an input the context followed by the one-hot
query. Where the context holds 0 at the query, the label is the query itself; else it is the other place that holds the
same integer. That needs the integer exactly twice: every other input has no label, and is left out.

There are finitely many inputs, so a network's cross-entropy is computed on all of them, without noise. How the paper
draws its samples is not printed. Ours: context and query uniform, given that there is a label. All inputs are then
equally likely, and since a run draws more samples than there are inputs, its "no sample repeats" can only mean that
every batch is a fresh draw.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

CLASSES = 8
VALUES = 3
UNLABELLED = -1


@dataclass(frozen=True)
class Inputs:
    """The inputs that have a label: `x` (inputs, 2 * CLASSES) of 0, 1 and 2, `labels` and `probabilities` (inputs,)."""

    x: NDArray[np.int8]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def labels(contexts: NDArray[np.integer], queries: NDArray[np.integer]) -> NDArray[np.int64]:
    """The label of each context (n, places) with its query (n,), `UNLABELLED` where it is not unique."""
    rows, places = np.arange(len(contexts)), np.arange(contexts.shape[1])
    asked = contexts[rows, queries]
    same = (contexts == asked[:, None]) & (places != queries[:, None])
    other = np.where(same.sum(axis=1) == 1, same.argmax(axis=1), UNLABELLED)
    return np.where(asked == 0, queries, other)


@cache
def all_inputs() -> Inputs:
    """The 24,664 inputs that have a label, equally likely (see above: our choice)."""
    every = np.array(list(product(range(VALUES), repeat=CLASSES)), dtype=np.int8)
    contexts = np.repeat(every, CLASSES, axis=0)
    queries = np.tile(np.arange(CLASSES), len(every))
    found = labels(contexts, queries)
    kept = found != UNLABELLED
    x = np.concatenate([contexts, np.eye(CLASSES, dtype=np.int8)[queries]], axis=1)[kept]
    return Inputs(x, found[kept], np.full(len(x), 1 / len(x)))


def draw(generator: np.random.Generator, n: int) -> NDArray[np.int64]:
    """`n` independent samples, as rows of `all_inputs`."""
    return generator.integers(len(all_inputs().labels), size=n)
