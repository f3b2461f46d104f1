"""Files that may be compressed by gzip (`.gz`, and dictd's `.dz`, which is gzip too), opened as what they hold."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from sweeps.corpora.readers.position import Position

_SUFFIXES = (".gz", ".dz")

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file that is damaged or not allowed raises."""


@contextmanager
def opened(path: Path, position: Position) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed; `position` follows."""
    with path.open("rb") as raw:
        position.begin(path, raw.tell)
        if path.suffix in _SUFFIXES:
            with gzip.open(raw) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            yield raw
        position.end()
