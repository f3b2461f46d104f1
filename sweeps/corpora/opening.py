"""Opening a corpus: one that is registered by its name, or the folder of a prepared one."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from fitting.errors import InputError
from sweeps.corpora import manifest
from sweeps.corpora.corpus import Corpus
from sweeps.corpora.documents import Digest, Document
from sweeps.corpora.splitting import PARTS, split
from sweeps.corpora.stdlib import stdlib
from sweeps.corpora.tokenizer import Bytes

CORPORA: dict[str, Callable[[], Iterator[Document]]] = {"stdlib": stdlib}
"""Corpora that need no preparation, by their name in a grid: a function that yields the documents."""


def load(source: str | Path) -> Corpus:
    """The corpus of that name (one of `CORPORA`), or in that folder (`distillaw corpus prepare` made it).

    The tokens of a folder stay on the disk, and its shards' sizes are checked, not their contents. Raises
    `InputError` with every fault.
    """
    if str(source) in CORPORA:
        return _registered(str(source))
    folder = Path(source)
    if not folder.exists():
        known = ", ".join(CORPORA)
        raise InputError(f"{source}: no such corpus; name {known}, or a folder that `distillaw corpus prepare` made")
    found = manifest.read(folder)
    arrays = (manifest.tokens(folder, found, part) for part in PARTS)
    return Corpus(found.name, str(folder.resolve()), found.n_vocab, found.sha256, found.tokenizer.sha256, *arrays)


@lru_cache(maxsize=1)
def _registered(name: str) -> Corpus:
    """All of it in memory, as bytes."""
    import numpy as np

    parts = split(CORPORA[name]())
    digest = Digest()
    arrays = []
    for documents in (parts.teacher, parts.student, parts.validation):
        for document in documents:
            digest.add(document)
        joined = b"".join(document.text + bytes([Bytes.end]) for document in documents)
        arrays.append(np.frombuffer(joined, dtype=np.uint8))
    return Corpus(name, name, Bytes.n_vocab, digest.hexdigest(), Bytes.sha256, *arrays)
