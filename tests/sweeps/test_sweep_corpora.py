"""The text: halves that share nothing, and batches that depend on seed and step alone."""

import itertools

import numpy as np
import pytest

from sweeps import corpora
from sweeps.corpora import Corpus, Document


@pytest.fixture(scope="module")
def stdlib() -> Corpus:
    return corpora.load("stdlib")


def test_halves_and_validation_share_no_document() -> None:
    parts = corpora.split(corpora.CORPORA["stdlib"]())
    names = [{document.name for document in part} for part in (parts.teacher, parts.student, parts.validation)]
    for one, other in itertools.combinations(names, 2):
        assert not one & other
    texts = [{document.text for document in part if document.text} for part in (parts.teacher, parts.student)]
    # a handful of two-line modules may be equal; nothing of substance is
    assert all(len(text) < 1000 for text in texts[0] & texts[1])


def test_every_document_is_dealt_once_and_the_halves_are_as_long() -> None:
    documents = [Document(f"{i}", str(i % 3), bytes(1 + i * 37 % 5000)) for i in range(400)]
    parts = corpora.split(iter(documents))
    dealt = [*parts.teacher, *parts.student, *parts.validation]
    assert sorted(document.name for document in dealt) == sorted(document.name for document in documents)
    lengths = [sum(len(document.text) for document in part) for part in (parts.teacher, parts.student)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02)


def test_order_of_the_documents_does_not_matter() -> None:
    documents = [Document(f"{i}", "", bytes(i)) for i in range(100)]
    assert corpora.split(iter(documents)) == corpora.split(iter(documents[::-1]))


def test_stdlib_is_large_enough_and_even(stdlib: Corpus) -> None:
    assert len(stdlib.teacher) > 3_000_000
    assert len(stdlib.teacher) == pytest.approx(len(stdlib.student), rel=0.01)
    assert 0.01 < len(stdlib.validation) / len(stdlib.teacher) < 0.2
    assert len(stdlib.sha256) == 64


def test_halves_have_the_same_statistics(stdlib: Corpus) -> None:
    """Bigrams counted on either half predict the held-out bytes alike, to half a percent."""
    held = stdlib.validation.astype(np.int64)

    def cross_entropy(tokens: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> float:
        wide = tokens.astype(np.int64)
        counts = np.bincount(wide[:-1] * 256 + wide[1:], minlength=65536).reshape(256, 256) + 0.1
        log_p = np.log(counts / counts.sum(1, keepdims=True))
        return float(-log_p[held[:-1], held[1:]].mean())

    teacher, student = cross_entropy(stdlib.teacher), cross_entropy(stdlib.student)
    assert teacher == pytest.approx(student, rel=5e-3)


def test_a_batch_is_a_function_of_seed_and_step(stdlib: Corpus) -> None:
    def batch(seed: int, step: int) -> bytes:
        inputs, _ = corpora.batch(stdlib.student, seed=seed, step=step, n_ctx=64, windows=4)
        return inputs.tobytes()

    first = [batch(0, step) for step in (0, 1, 2)]
    assert [batch(0, step) for step in (2, 0, 1)] == [first[2], first[0], first[1]]
    assert batch(1, 0) != first[0]


def test_targets_follow_inputs_and_no_token_comes_twice() -> None:
    tokens = np.arange(251, dtype=np.uint8)
    seen: list[int] = []
    for step in range(5):
        inputs, targets = corpora.batch(tokens, seed=5, step=step, n_ctx=10, windows=5)
        assert (targets == inputs + 1).all()
        seen.extend(inputs.ravel().tolist())
    assert sorted(seen) == list(range(250))
    with pytest.raises(IndexError, match="only 25 windows"):
        corpora.batch(tokens, seed=5, step=5, n_ctx=10, windows=5)


def test_every_epoch_is_another_permutation_of_the_same_windows() -> None:
    tokens = np.arange(251, dtype=np.uint8)  # 25 windows, in steps of 4: no epoch ends with a step

    def windows(seed: int) -> list[int]:
        batches = (
            corpora.batch(tokens, seed=seed, step=step, n_ctx=10, windows=4, repeat=True)[0] for step in range(25)
        )
        return [int(window[0]) for inputs in batches for window in inputs]

    found = windows(5)
    epochs = [found[start : start + 25] for start in range(0, 100, 25)]
    assert all(sorted(epoch) == list(range(0, 250, 10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert windows(5) == found
    assert windows(6)[25:] != found[25:]
    first = [corpora.batch(tokens, seed=5, step=step, n_ctx=10, windows=5)[0] for step in range(5)]
    assert [int(window[0]) for inputs in first for window in inputs] == epochs[0]


def test_a_batch_may_be_longer_than_the_text_and_no_text_has_no_batch() -> None:
    tokens = np.arange(21, dtype=np.uint8)
    inputs, _ = corpora.batch(tokens, seed=0, step=3, n_ctx=10, windows=5, repeat=True)
    assert sorted(inputs[:, 0].tolist()) in ([0, 0, 0, 10, 10], [0, 0, 10, 10, 10])
    with pytest.raises(IndexError, match="only 0 windows"):
        corpora.batch(tokens[:5], seed=0, step=0, n_ctx=10, windows=1, repeat=True)


def test_the_order_of_batches_does_not_change_between_versions() -> None:
    """Pinned: a sweep that is resumed with another version goes on with the batches it began with."""
    tokens = np.arange(81, dtype=np.uint8)
    batches = [corpora.batch(tokens, seed=2**61 + 7, step=step, n_ctx=10, windows=8, repeat=True)[0] for step in (0, 1)]
    assert [inputs[:, 0].tolist() for inputs in batches] == [
        [70, 30, 0, 10, 60, 50, 20, 40],
        [50, 20, 70, 0, 60, 10, 30, 40],
    ]


def test_validation_is_spread_over_the_held_out_slice(stdlib: Corpus) -> None:
    inputs, targets = corpora.held_out(stdlib, n_ctx=128, tokens=65536)
    assert inputs.shape == targets.shape == (512, 128)
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    last = stdlib.validation[-20_000:].tobytes()
    assert inputs[-1].astype(np.uint8).tobytes() in last
