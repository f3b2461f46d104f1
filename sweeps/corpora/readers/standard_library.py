"""The running Python's own standard library as a source, for vocabularies other than bytes."""

from collections.abc import Iterator

from fitting.errors import InputError
from sweeps.corpora.documents import Document
from sweeps.corpora.readers.position import Position
from sweeps.corpora.source import Source, Vocabulary
from sweeps.corpora.stdlib import stdlib


def read_stdlib(source: Source, position: Position) -> Iterator[Document]:
    """Its modules. Raises `InputError` for one that is not UTF-8 where the vocabulary is not bytes."""
    for document in stdlib():
        if source.vocabulary != Vocabulary():
            try:
                document.text.decode()
            except UnicodeDecodeError:
                raise InputError(
                    f"{document.name}: this Python's module is no UTF-8; prepare it with --bytes"
                ) from None
        yield document
