"""Writing the tokens of one part to its file, as they come."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sweeps.corpora.manifest import Shard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ShardWriter:
    """A part's file while it grows: documents go in, and `close` says what it holds. A context manager."""

    def __init__(self, path: Path, dtype: str, end: int) -> None:
        import numpy as np

        self._path, self._dtype = path, dtype
        self._end = np.array([end], dtype=dtype).tobytes()
        self._sha256 = hashlib.sha256()
        self._tokens = self._documents = self._bytes = 0
        self._file = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, tokens: "NDArray[np.unsignedinteger[Any]]", n_bytes: int) -> None:
        """Append one document of `n_bytes` bytes of text, and its end."""
        content = tokens.astype(self._dtype).tobytes() + self._end
        self._file.write(content)
        self._sha256.update(content)
        self._tokens += len(tokens) + 1
        self._documents += 1
        self._bytes += n_bytes

    def finish(self) -> Shard:
        """Everything is on the disk when this returns."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return Shard(self._path.name, self._tokens, self._documents, self._bytes, self._sha256.hexdigest())
