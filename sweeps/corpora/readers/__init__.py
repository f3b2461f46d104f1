"""Readers: from files or a data set to documents, one after another, in an order that is always the same.

Each file of this folder reads one kind of text. A fault in the text raises `InputError` naming the file and, where
there are any, the line; further faults of the same file are named with it.
"""

from collections.abc import Callable, Iterator

from sweeps.corpora.documents import Document
from sweeps.corpora.readers.hugging_face import read_hugging_face
from sweeps.corpora.readers.jsonl import read_jsonl
from sweeps.corpora.readers.parquet import read_parquet
from sweeps.corpora.readers.position import Position
from sweeps.corpora.readers.standard_library import read_stdlib
from sweeps.corpora.readers.text import read_text
from sweeps.corpora.source import Format, Source

__all__ = ["IN_TURN", "Position", "documents"]

_READERS: dict[Format, Callable[[Source, Position], Iterator[Document]]] = {
    "text": read_text,
    "bytes": read_text,
    "jsonl": read_jsonl,
    "c4": read_jsonl,
    "parquet": read_parquet,
    "hf": read_hugging_face,
    "stdlib": read_stdlib,
}

IN_TURN: tuple[Format, ...] = ("text", "bytes", "stdlib")
"""Formats whose documents are few enough to be dealt by group and size; the others are split by hash."""


def documents(source: Source, position: Position) -> Iterator[Document]:
    """The documents of a source, up to its limit; `position` is kept up to date on the way."""
    left = source.limit
    for document in _READERS[source.format](source, position):
        if left is not None:
            left -= len(document.text)
            if left < 0:
                return
        yield document
