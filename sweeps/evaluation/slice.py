"""How much of the held-out slice there is to judge by."""

from typing import TYPE_CHECKING

from fitting.errors import InputError

if TYPE_CHECKING:
    from sweeps.corpora import Corpus


def require_held_out(corpus: "Corpus", n_ctx: int, tokens: int) -> None:
    """Raise `InputError` unless `tokens` can be cut from the held-out slice in windows of `n_ctx`."""
    held = corpus.held_out_capacity(n_ctx)
    if tokens > held:
        raise InputError(
            f"tokens: corpus too small: {corpus.name!r} holds out {held} tokens in windows of {n_ctx}, not {tokens}; "
            "ask for fewer"
        )
    if tokens < n_ctx:
        raise InputError(f"tokens: {tokens} are less than one window of {n_ctx}; ask for more, or a shorter context")
