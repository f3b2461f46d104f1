"""Tokenizers: nothing is lost, nothing depends on chance, and what ends a document is no text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.errors import InputError
from sweeps.corpora import tokenizer
from sweeps.corpora.stdlib import stdlib
from sweeps.corpora.tokenizer import Bytes, Encoding

pytest.importorskip("tokenizers", reason="tokenizers encodes BPE; make setup installs it")
CHECKOUT = Path(__file__).resolve().parents[2]


def sample() -> list[bytes]:
    return [document.text for document in stdlib() if document.group == "json"]


@pytest.fixture(scope="module")
def bpe() -> Encoding:
    return tokenizer.train(sample(), 700)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_decoding_gives_every_text_back(bpe: Encoding, texts: list[str]) -> None:
    encoded = [text.encode() for text in texts]
    for made in (bpe, Bytes()):
        assert [made.decode(tokens) for tokens in made.encode(encoded)] == encoded


@given(st.binary())
def test_bytes_are_their_own_tokens(content: bytes) -> None:
    (tokens,) = Bytes().encode([content])
    assert tokens.dtype == np.uint8
    assert Bytes().decode(tokens) == content


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="ab1 \n\t.'é", max_size=200), st.integers(1, 20))
def test_cutting_a_long_text_does_not_change_its_tokens(bpe: Encoding, text: str, size: int) -> None:
    pieces = list(tokenizer._pieces(text, size))
    assert "".join(pieces) == text
    apart = np.concatenate(bpe.encode([piece.encode() for piece in pieces]))
    assert apart.tolist() == bpe.encode([text.encode()])[0].tolist()


def test_real_text_is_cut_and_keeps_its_tokens(bpe: Encoding) -> None:
    text = b"\n".join(sample())
    pieces = [piece.encode() for piece in tokenizer._pieces(text.decode(), 1000)]
    assert len(pieces) > len(text) / 2000
    assert np.concatenate(bpe.encode(pieces)).tolist() == bpe.encode([text])[0].tolist()


def test_the_vocabulary_is_as_large_as_asked_and_holds_every_byte(bpe: Encoding) -> None:
    assert bpe.n_vocab == 700
    (tokens,) = bpe.encode([bytes(range(128))])
    assert bpe.end not in tokens.tolist()
    assert max(tokens.tolist()) < 700


def test_the_end_of_a_document_cannot_be_written_in_one(bpe: Encoding) -> None:
    (tokens,) = bpe.encode([b"before<|endoftext|>after"])
    assert bpe.end not in tokens.tolist()
    assert bpe.decode(tokens) == b"before<|endoftext|>after"


def test_training_depends_on_nothing_but_the_text(bpe: Encoding) -> None:
    """Not on the order of documents, the hash seed, nor the number of threads: a process each."""
    code = (
        "from sweeps.corpora import tokenizer; from sweeps.corpora.stdlib import stdlib;"
        "texts = [d.text for d in stdlib() if d.group == 'json'];"
        "print(tokenizer.train({}, 700).sha256)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code.format(order)],
            env={**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads},
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        for order, seed, threads in (("texts", "0", "1"), ("texts[::-1]", "1", "4"))
    ]
    assert {run.communicate()[0].strip() for run in runs} == {bpe.sha256}
    assert tokenizer.train(sample()[:-1], 700).sha256 != bpe.sha256


def test_a_tokenizer_is_known_by_its_content_not_by_its_layout(bpe: Encoding, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(bpe.definition or ""), indent=7, sort_keys=True))
    again = tokenizer.read(path, None)
    assert (again.sha256, again.n_vocab, again.end) == (bpe.sha256, bpe.n_vocab, bpe.end)


def test_what_is_no_tokenizer_is_refused(bpe: Encoding, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(InputError, match="cannot be read: No such file"):
        tokenizer.read(path, None)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"is no tokenizer\.json that `tokenizers` can read"):
        tokenizer.read(path, None)
    path.write_text(bpe.definition or "")
    with pytest.raises(InputError, match=r"no special token '</s>'; its special tokens: <\|endoftext\|>; name one"):
        tokenizer.read(path, "</s>")


def test_a_text_too_small_for_the_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match=r"the text has pairs for 2\d\d tokens, not 5000; ask for 2\d\d or fewer"):
        tokenizer.train([b"a few words, a few words"] * 3, 5000)
