"""How processes that train are started: forks of one that has paid for the imports, deaf to what its group is sent."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from multiprocessing import get_context, resource_tracker
from typing import Any

_TO_GROUPS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR2] if hasattr(signal, "SIGUSR2") else [])]
"""What may reach a whole group of processes at once. The one that started the others answers for all."""


def context(module: str) -> Any:
    """A way to start processes that will use `module`; none is a fork of this one, whose threads it would lack.

    On Linux they are forks of a server that has imported `module` and done nothing else, no CUDA either: importing the
    training stack takes seconds, and a server keeps it for all later processes.
    """
    with signals_held():
        pass  # so that the bookkeeper of semaphores is there before the first of them
    if sys.platform != "linux":
        return get_context("spawn")  # elsewhere system libraries do not survive any fork
    found = get_context("forkserver")
    found.set_forkserver_preload([module])
    return found


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Block what is sent to groups; who is started meanwhile starts so, and so do a server and what it forks.

    Blocked and not ignored, because Lightning sets a handler.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_GROUPS)
    try:
        # the standard library's bookkeeper of semaphores: it must be deaf too, and lets some through when it starts
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, _TO_GROUPS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear_signals() -> None:
    """Let them through again, in a process that was started while they were held and has set its handlers."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_GROUPS)
