"""How far reading has come, for a person who waits."""

from collections.abc import Callable
from pathlib import Path


class Position:
    """The share of a source that has been read; None where nothing is known of its length."""

    def __init__(self) -> None:
        self._total = self._before = self._size = 0
        self._offset: Callable[[], float] = lambda: 0.0

    @property
    def share(self) -> float | None:
        return min(1.0, (self._before + self._offset()) / self._total) if self._total else None

    def expect(self, paths: list[Path]) -> None:
        """Say which files will be read."""
        self._total = sum(path.stat().st_size for path in paths)

    def begin(self, path: Path, offset: Callable[[], float]) -> None:
        """Say that a file is next; `offset` gives the bytes read of it, as it lies on the disk."""
        self._before += self._size
        self._size, self._offset = path.stat().st_size, offset

    def end(self) -> None:
        """Say that the file is read."""
        self._offset = lambda: float(self._size)
