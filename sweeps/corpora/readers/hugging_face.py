"""A data set of Hugging Face `datasets`, streamed: nothing is downloaded before it is read."""

import re
from collections.abc import Iterator
from pathlib import Path

from fitting.errors import InputError
from sweeps.corpora.documents import Document
from sweeps.corpora.readers.position import Position
from sweeps.corpora.source import Source

_ON_THE_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")


def read_hugging_face(source: Source, position: Position) -> Iterator[Document]:
    """A document for every row of one split, from the hub or from a folder. Code of a data set is never run.

    Raises `InputError` for what cannot be loaded, for rows without that field, and for a fault on the way.
    """
    try:
        import datasets
    except ImportError:
        raise InputError("Hugging Face data sets need `datasets`: pip install 'distillaw[corpora]'") from None
    name = source.dataset or ""
    if not Path(name).exists() and not _ON_THE_HUB.fullmatch(name):
        raise InputError(f"{name}: no such folder, and no name of a data set (owner/name)")
    row = 0
    try:
        rows = datasets.load_dataset(name, name=source.config, split=source.split, streaming=True)
        for row, content in enumerate(rows, start=1):
            text = content.get(source.field)
            if not isinstance(text, str):
                known = ", ".join(content)
                raise InputError(
                    f"{name}, row {row}: has no text in {source.field!r}; it has {known}; name one with --field"
                )
            yield Document(str(row), "", text.encode())
    except InputError:
        raise
    except Exception as error:  # of the library, of the network, of what decodes the files
        reason = " ".join(str(error).split()) or type(error).__name__
        where = f"row {row}: cannot be read on" if row else "cannot be loaded"
        here = "" if Path(name).exists() else "; without a network, name the folder of a data set on this machine"
        raise InputError(f"{name}: {where} ({reason}){here}") from None
