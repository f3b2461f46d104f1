"""Who is at work where: locks on files, which a process holds until it ends, however it ends.

They hold between machines too, wherever the file system passes `flock` on (NFS does, Lustre when it is mounted so). The
files stay: to remove one while another process waits for it would make two locks of one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 1.0
"""Who asks `held` has the lock for a moment, which is no reason to give up."""

_ASKERS_SECONDS = 0.02
"""Nor is who asks at the same time at work."""


class Taken(Exception):
    """Another process holds a lock."""


@contextmanager
def hold(path: Path, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock at `path`. Raises `Taken` where another process keeps it, `OSError` where it cannot be written."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise Taken(str(path)) from None
    try:
        yield
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether a process holds the lock at `path`; no where that cannot be asked (no filelock, a folder of others)."""
    if not path.exists():
        return False
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_ASKERS_SECONDS, poll_interval=_ASKERS_SECONDS / 4)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
