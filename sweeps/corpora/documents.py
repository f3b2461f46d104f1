"""A document: the unit that is dealt to one part of a corpus, and never cut in two."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """One text, in UTF-8 unless it is bytes of no encoding; documents of one `group` are alike."""

    name: str
    group: str
    text: bytes


class Digest:
    """The SHA-256 of a list of documents, names included, fed one by one: equal for equal lists alone."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, document: Document) -> None:
        self._sha256.update(hashlib.sha256(document.name.encode()).digest())
        self._sha256.update(hashlib.sha256(document.text).digest())

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()
