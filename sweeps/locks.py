"""Who is at work where: locks on files, which a process holds until it ends, however it ends.

They hold between machines too, wherever the file system passes `flock` on (NFS does, Lustre when it is mounted so). The
files stay: to remove one while another process waits for it would make two locks of one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_SECONDS = 1.0
"""Who asks `held` has the lock for a moment, which is no reason to give up."""


class Taken(Exception):
    """Another process holds a lock."""


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock at `path`. Raises `Taken` where another process keeps it, `OSError` where it cannot be written."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout:
        raise Taken(str(path)) from None
    try:
        yield
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether a process holds the lock at `path`; no where that cannot be asked (a system without `flock`).

    Asks for a shared lock, which two who ask at once both get, and which needs no more than to read the file.
    """
    try:
        from fcntl import LOCK_NB, LOCK_SH, flock

        with path.open("rb") as file:
            flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False
