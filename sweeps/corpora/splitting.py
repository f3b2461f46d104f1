"""Which document goes where: teachers' half, students' half, or held out. No document is in two parts.

Alike documents are dealt to both halves in turn, so that equal runs on either half reach equal loss. That takes
the sizes of all documents at once; a stream is split by the hash of each document instead, which needs nothing
else and sends equal documents to one part.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sweeps.corpora.documents import Document

Part = Literal["teacher", "student", "validation"]
PARTS: tuple[Part, ...] = ("teacher", "student", "validation")

_VALIDATION_EVERY = 25
"""One document in so many is held out: about 4 %."""


@dataclass(frozen=True)
class Split:
    """Documents by where they went."""

    teacher: tuple[Document, ...]
    student: tuple[Document, ...]
    validation: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """What dealing needs to know of a document: whom it is like, its bytes, its name."""

    group: str
    length: int
    name: str

    @classmethod
    def of(cls, document: Document) -> "Size":
        return cls(document.group, len(document.text), document.name)


def deal(sizes: Sequence[Size]) -> tuple[list[int], list[Part]]:
    """The order in which documents are dealt, and the part of each by its index.

    They are dealt group by group and largest first, each to the half that has fewer bytes.
    """
    order = sorted(range(len(sizes)), key=lambda i: (sizes[i].group, -sizes[i].length, sizes[i].name))
    parts: list[Part] = ["validation"] * len(sizes)
    balance = 0
    for place, i in enumerate(order):
        if place % _VALIDATION_EVERY == _VALIDATION_EVERY // 2:
            continue
        parts[i] = "teacher" if balance <= 0 else "student"
        balance += sizes[i].length if balance <= 0 else -sizes[i].length
    return order, parts


def by_hash(document: Document) -> Part:
    """The part that the text of a document decides."""
    number = int.from_bytes(hashlib.sha256(document.text).digest()[:8], "big")
    if number % _VALIDATION_EVERY == 0:
        return "validation"
    return "teacher" if number // _VALIDATION_EVERY % 2 else "student"


def split(documents: Iterable[Document]) -> Split:
    """Deal documents to the parts, each part in the order of dealing."""
    found = list(documents)
    order, parts = deal([Size.of(document) for document in found])
    return Split(*(tuple(found[i] for i in order if parts[i] == part) for part in PARTS))
