"""Text to train on: two disjoint halves, for teachers and for students, and a validation slice shared by all.

A corpus is split by document, so that no half has seen a part of what another is judged on, and alike
documents are dealt to both halves in turn, so that equal runs on either half reach equal loss. A batch is a pure
function of (seed, step): nothing about the order of batches has to be saved to resume a run.
"""

import hashlib
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Half = Literal["teacher", "student"]

_END_OF_DOCUMENT = b"\0"
_VALIDATION_EVERY = 25
"""One document in so many is held out: about 4 %."""

_NOT_TEXT = {"__pycache__", "encodings", "idle_test", "pydoc_data", "site-packages", "dist-packages", "test", "tests"}
"""Left out of `stdlib`: other people's packages, tests (their literals), tables of code points, one huge string."""


@dataclass(frozen=True)
class Corpus:
    """Tokens of a corpus, one array for each half and one held out, with the hash of all its documents."""

    name: str
    n_vocab: int
    sha256: str
    teacher: "NDArray[np.uint8]"
    student: "NDArray[np.uint8]"
    validation: "NDArray[np.uint8]"

    def half(self, which: Half) -> "NDArray[np.uint8]":
        """The tokens that teachers, or students, train on."""
        return self.teacher if which == "teacher" else self.student

    def capacity(self, which: Half, n_ctx: int) -> int:
        """Tokens of a half that can be trained on without seeing one twice, in windows of `n_ctx`."""
        return _windows(len(self.half(which)), n_ctx) * n_ctx

    def describe(self) -> dict[str, Any]:
        """What a grid records of its corpus: name, vocabulary, hash and sizes in tokens."""
        return {
            "name": self.name,
            "n_vocab": self.n_vocab,
            "sha256": self.sha256,
            "tokens": {
                "teacher": len(self.teacher),
                "student": len(self.student),
                "validation": len(self.validation),
            },
        }


@dataclass(frozen=True)
class Document:
    """One text with its name; documents of one group are alike and are dealt to the halves in turn."""

    name: str
    group: str
    text: bytes


@dataclass(frozen=True)
class Split:
    """Documents by where they went."""

    teacher: tuple[Document, ...]
    student: tuple[Document, ...]
    validation: tuple[Document, ...]


@lru_cache(maxsize=1)
def load(name: str) -> Corpus:
    """Read the corpus `name`, one of `CORPORA`."""
    import numpy as np

    parts = split(CORPORA[name]())
    digest = hashlib.sha256()
    arrays = []
    for documents in (parts.teacher, parts.student, parts.validation):
        for document in documents:
            digest.update(hashlib.sha256(document.name.encode()).digest())
            digest.update(hashlib.sha256(document.text).digest())
        joined = b"".join(document.text + _END_OF_DOCUMENT for document in documents)
        arrays.append(np.frombuffer(joined, dtype=np.uint8))
    return Corpus(name, 256, digest.hexdigest(), *arrays)


def split(documents: Iterator[Document]) -> Split:
    """Deal documents to the halves, group by group and largest first, each to the half with fewer bytes."""
    teacher: list[Document] = []
    student: list[Document] = []
    validation: list[Document] = []
    balance = 0
    ordered = sorted(documents, key=lambda document: (document.group, -len(document.text), document.name))
    for i, document in enumerate(ordered):
        if i % _VALIDATION_EVERY == _VALIDATION_EVERY // 2:
            validation.append(document)
        elif balance <= 0:
            teacher.append(document)
            balance += len(document.text)
        else:
            student.append(document)
            balance -= len(document.text)
    return Split(tuple(teacher), tuple(student), tuple(validation))


def batch(
    tokens: "NDArray[np.uint8]", *, seed: int, step: int, n_ctx: int, windows: int
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Inputs and targets (windows, n_ctx) of one step: a pure function of its arguments.

    The text is cut into windows that do not overlap, and a permutation drawn from the seed says which come
    when, so no token is trained on twice. Raises `IndexError` past the end.
    """
    import numpy as np

    order = _order(_windows(len(tokens), n_ctx), seed)
    chosen = order[step * windows : (step + 1) * windows]
    if len(chosen) < windows:
        raise IndexError(f"step {step}: the text has only {len(order)} windows of {n_ctx} tokens")
    found = tokens[chosen[:, None] * n_ctx + np.arange(n_ctx + 1)].astype(np.int64)
    return found[:, :-1], found[:, 1:]


def held_out(corpus: Corpus, *, n_ctx: int, tokens: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Inputs and targets (windows, n_ctx) for validation: windows spread evenly over the held-out slice."""
    import numpy as np

    available = _windows(len(corpus.validation), n_ctx)
    wanted = tokens // n_ctx
    chosen = np.arange(wanted) * available // wanted
    found = corpus.validation[chosen[:, None] * n_ctx + np.arange(n_ctx + 1)].astype(np.int64)
    return found[:, :-1], found[:, 1:]


def _windows(length: int, n_ctx: int) -> int:
    return max(0, (length - 1) // n_ctx)  # the last window's targets reach one token further


@lru_cache(maxsize=4)
def _order(windows: int, seed: int) -> "NDArray[np.int64]":
    import numpy as np

    return np.random.default_rng(seed).permutation(windows)


def _stdlib() -> Iterator[Document]:
    """The modules of the running Python's own standard library, as bytes; a package is a group."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in root.rglob("*.py"):
        inside = path.relative_to(root)
        if (
            path.is_file()
            and _NOT_TEXT.isdisjoint(inside.parts)
            and not inside.name.startswith(("_sysconfigdata", "sitecustomize"))
        ):
            yield Document(inside.as_posix(), inside.parts[0] if len(inside.parts) > 1 else "", path.read_bytes())


CORPORA: dict[str, Callable[[], Iterator[Document]]] = {"stdlib": _stdlib}
"""Each corpus by its name in a grid: a function that yields its documents."""
