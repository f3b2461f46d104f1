"""From text to tokens: bytes as they are, or byte-pair encoding by Hugging Face `tokenizers`.

A tokenizer is known by the SHA-256 of its canonical JSON, and every document ends with its `end` token.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fitting.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

END = "<|endoftext|>"
"""The end of a document in tokenizers that are trained here."""

_ENDS = (END, "</s>", "<eos>", "<|end_of_text|>", "<|im_end|>", "[SEP]")
"""Where a tokenizer of other people's says no more, the first of these that it knows ends a document."""

_PIECE = 1 << 20
"""Characters encoded at a time: what one encoding may take of memory."""

_CUT = re.compile(r"(?<=[A-Za-z0-9])(?=[ \n])")
"""Where a text may be cut without changing its tokens: before white space that follows a letter or digit, a place
that no match of GPT-2's pattern (the byte-level pre-tokenizer's) spans, and whose right side none looks at."""


class Tokenizer(Protocol):
    """What a corpus is encoded with. `definition` is its JSON, None for bytes."""

    kind: Literal["bytes", "bpe"]
    n_vocab: int
    end: int
    end_token: str
    sha256: str
    definition: str | None

    def encode(self, texts: Sequence[bytes]) -> "list[NDArray[np.unsignedinteger[Any]]]":
        """The tokens of each text, without the end of document."""

    def decode(self, tokens: "NDArray[np.unsignedinteger[Any]]") -> bytes:
        """The text of tokens."""


class Bytes:
    """Each byte is a token; 0 ends a document."""

    kind: Literal["bytes", "bpe"] = "bytes"
    n_vocab: int = 256
    end: int = 0
    end_token: str = "\0"
    definition: str | None = None
    sha256: str = hashlib.sha256(b'{"end":0,"type":"bytes"}').hexdigest()

    def encode(self, texts: Sequence[bytes]) -> "list[NDArray[np.unsignedinteger[Any]]]":
        import numpy as np

        return [np.frombuffer(text, dtype=np.uint8) for text in texts]

    def decode(self, tokens: "NDArray[np.unsignedinteger[Any]]") -> bytes:
        return tokens.astype("u1").tobytes()


class Encoding:
    """A tokenizer of Hugging Face `tokenizers`, from its JSON.

    Raises `InputError` when it has no special token `end`, or none of the usual ones where `end` is None.
    """

    kind: Literal["bytes", "bpe"] = "bpe"

    def __init__(self, definition: str, *, end: str | None = None) -> None:
        self._tokenizer = _library().Tokenizer.from_str(definition)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # "<|endoftext|>" in a text is text, not the end of it
        self.definition: str | None = self._tokenizer.to_str()
        content = json.loads(self._tokenizer.to_str())
        special = {token["content"]: token["id"] for token in content["added_tokens"] if token["special"]}
        named = [name for name in ((end,) if end else _ENDS) if name in special]
        if not named:
            known = ", ".join(special) or "none"
            missing = f"no special token {end!r}" if end else "no special token that usually ends a document"
            raise InputError(f"{missing}; its special tokens: {known}; name one with --end-token")
        self.end_token: str = named[0]
        self.end: int = special[named[0]]
        self.n_vocab: int = max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        self.sha256: str = hashlib.sha256(_canonical(content)).hexdigest()
        self._cuts = content["normalizer"] is None and _is_byte_level(content["pre_tokenizer"])

    def encode(self, texts: Sequence[bytes]) -> "list[NDArray[np.unsignedinteger[Any]]]":
        import numpy as np

        pieces = [list(_pieces(text.decode(), _PIECE) if self._cuts else [text.decode()]) for text in texts]
        encoded = iter(
            self._tokenizer.encode_batch_fast([piece for each in pieces for piece in each], add_special_tokens=False)
        )
        return [np.concatenate([np.array(next(encoded).ids, dtype=np.uint32) for _ in each]) for each in pieces]

    def decode(self, tokens: "NDArray[np.unsignedinteger[Any]]") -> bytes:
        text: str = self._tokenizer.decode(tokens.tolist(), skip_special_tokens=False)
        return text.encode()


def train(texts: Iterable[bytes], n_vocab: int) -> Encoding:
    """Byte-level BPE (GPT-2's pattern, nothing normalised) with `n_vocab` tokens, bytes and the end included.

    Equal texts give equal tokenizers, in whatever order and with however many threads. Raises `InputError` when the
    texts have too few pairs that come twice.
    """
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=n_vocab,
        min_frequency=2,
        special_tokens=[END],
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((piece for text in texts for piece in _pieces(text.decode(), _PIECE)), trainer)
    found = Encoding(tokenizer.to_str())
    if found.n_vocab != n_vocab:
        raise InputError(
            f"--bpe: the text has pairs for {found.n_vocab} tokens, not {n_vocab}; ask for {found.n_vocab} or "
            "fewer, from 257 on"
        )
    return found


def read(path: Path, end: str | None) -> Encoding:
    """The tokenizer in a `tokenizer.json`. Raises `InputError` for what is none."""
    try:
        return Encoding(path.read_text(encoding="utf-8"), end=end)
    except InputError as error:
        raise InputError(*(f"{path}: {line}" for line in error.faults)) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # what the library raises is Exception itself
        raise InputError(f"{path}: is no tokenizer.json that `tokenizers` can read ({error})") from None


def _pieces(text: str, size: int) -> Iterator[str]:
    """A text in pieces of `size` characters or a little more, cut where it does not change the tokens."""
    start = 0
    while len(text) - start > size and (cut := _CUT.search(text, start + size)) is not None:
        yield text[start : cut.start()]
        start = cut.start()
    yield text[start:]


def _is_byte_level(pre_tokenizer: Any) -> bool:
    return (
        isinstance(pre_tokenizer, dict)
        and pre_tokenizer["type"] == "ByteLevel"
        and pre_tokenizer["use_regex"]
        and not pre_tokenizer["add_prefix_space"]
    )


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise InputError("BPE needs `tokenizers`: pip install 'distillaw[corpora]'") from None
    return tokenizers
