"""Batches: a pure function of the tokens, the seed and the step.

The text is cut into windows that do not overlap, and a permutation drawn from the seed says which come when. An
epoch is one such permutation; the next one, where a run may repeat, is another.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sweeps.corpora.corpus import Corpus, Tokens


def batch(
    tokens: "Tokens", *, seed: int, step: int, n_ctx: int, windows: int, repeat: bool = False
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Inputs and targets (windows, n_ctx) of one step.

    No token is trained on twice in an epoch. Past the end of the first, a batch goes on with the next epoch where
    `repeat` is true, and raises `IndexError` where it is not.
    """
    import numpy as np

    available = windows_of(len(tokens), n_ctx)
    first, end = step * windows, (step + 1) * windows
    if available == 0 or (end > available and not repeat):
        raise IndexError(f"step {step}: the text has only {available} windows of {n_ctx} tokens")
    chosen = []
    while first < end:
        epoch, place = divmod(first, available)
        taken = _order(available, seed, epoch)[place : place + end - first]
        chosen.append(taken.astype(np.int64))
        first += len(taken)
    return _cut(tokens, np.concatenate(chosen), n_ctx)


def held_out(corpus: "Corpus", *, n_ctx: int, tokens: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Inputs and targets (windows, n_ctx) for validation: windows spread evenly over the held-out slice."""
    import numpy as np

    available = windows_of(len(corpus.validation), n_ctx)
    wanted = tokens // n_ctx
    return _cut(corpus.validation, np.arange(wanted) * available // wanted, n_ctx)


def windows_of(length: int, n_ctx: int) -> int:
    """Windows of `n_ctx` inputs in a text of `length` tokens; the last one's targets reach one token further."""
    return max(0, (length - 1) // n_ctx)


def _cut(tokens: "Tokens", windows: "NDArray[np.int64]", n_ctx: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    import numpy as np

    found = tokens[windows[:, None] * n_ctx + np.arange(n_ctx + 1)].astype(np.int64)
    return found[:, :-1], found[:, 1:]


@lru_cache(maxsize=4)
def _order(windows: int, seed: int, epoch: int) -> "NDArray[np.unsignedinteger[Any]]":
    """The permutation of an epoch. Four bytes a window up to 4e9 of them, which is all that a run keeps in memory."""
    import numpy as np

    narrow: type[np.unsignedinteger[Any]] = np.uint32 if windows <= 2**32 else np.uint64
    order = np.arange(windows, dtype=narrow)
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)) if epoch else seed)
    random.shuffle(order)
    return order
