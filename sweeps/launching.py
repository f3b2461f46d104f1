"""The processes of a cell on several devices: started, watched, told to stop, and never left behind.

A parent starts them, listens to all, and ends the rest as soon as one fails, so that nobody waits for a process that
is gone. They end with their parent, even one that was killed. What they do is not this file's to know.
"""

import contextlib
import os
import pickle
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from fitting.errors import DistillawError
from sweeps import forking
from sweeps.parent import end_with_parent

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 2.0
"""From the first failure to the end of the others: who breaks down because of another may be heard first."""

_EXIT_SECONDS = 20.0
_STOP = "stop"
_HOST = "127.0.0.1"


class RankError(DistillawError):
    """One of the processes of a cell failed or died."""


@dataclass(frozen=True)
class _Ended:
    """The last word of a process; `error` is None for one that did its work."""

    error: DistillawError | None = None


def launch(
    world: int,
    target: Callable[..., None],
    args: tuple[Any, ...],
    *,
    stop: Callable[[], bool],
    hear: Callable[[Any], None],
) -> None:
    """Run `target(place, world, say, stop, *args)` in `world` new processes, which share out this one's threads.

    They find each other as `torch.distributed` expects of `env://`. `stop` is asked ten times a second here and
    passed on; `hear` is called here with what a process says. Raises the error of a process: its own if it is one of
    ours, else `RankError`, which also says who was killed.
    """
    import torch
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, and not in __all__

    context = forking.context(target.__module__)
    # held here, at a port that is free for certain: a process that looks for one first may lose it to another
    store = TCPStore(_HOST, 0, is_master=True, wait_for_workers=False)
    threads = max(1, torch.get_num_threads() // world)
    work = pickle.dumps((target, args))
    processes: list[Any] = []
    pipes: list[Connection] = []
    ended = False
    try:
        for place in range(world):
            ours, theirs = context.Pipe()
            pipes.append(ours)
            setting = _environment(place, world, store.port, threads)
            process = context.Process(target=_begin, args=(place, world, setting, threads, theirs, work), daemon=True)
            with forking.signals_held():  # the parent answers: it says `stop`, or kills
                process.start()
            processes.append(process)
            theirs.close()  # so that the end of the process is the end of the pipe
        _watch(processes, pipes, stop, hear)
        ended = True
    finally:
        for process in processes:
            if ended:
                process.join(_EXIT_SECONDS)
            process.kill()
            process.join()
        for pipe in pipes:
            pipe.close()
        del store  # and its port; an error on its way up would hold it


def _watch(
    processes: list[Any], pipes: list[Connection], stop: Callable[[], bool], hear: Callable[[Any], None]
) -> None:
    """Listen until every process has ended, or one has failed."""
    at_work = dict(zip(pipes, processes, strict=True))
    errors: list[DistillawError] = []
    deaths: list[DistillawError] = []
    deadline, told = float("inf"), False
    while at_work and time.monotonic() < deadline:
        if not told and stop():
            told = True
            for pipe in at_work:
                with contextlib.suppress(OSError):  # of a process that is gone, which shows when it is listened to
                    pipe.send(_STOP)
        ready = wait(list(at_work), _POLL_SECONDS)
        for pipe in [pipe for pipe in at_work if pipe in ready]:
            try:
                said = pipe.recv()
            except (EOFError, OSError):
                process = at_work.pop(pipe)
                process.join(_GRACE_SECONDS)
                deaths.append(_death(pipes.index(pipe), len(pipes), process.exitcode))
                continue
            if not isinstance(said, _Ended):
                hear(said)
                continue
            at_work.pop(pipe)
            if said.error is not None:
                errors.append(said.error)
        if (deaths or errors) and deadline == float("inf"):
            deadline = time.monotonic() + _GRACE_SECONDS
    for error in (*deaths, *errors):  # who dies says nothing, and makes the others fail
        raise error


def _death(place: int, world: int, code: int | None) -> RankError:
    how = f"killed by signal {-code}, or out of memory" if code is not None and code < 0 else f"exit code {code}"
    return RankError(f"process {place + 1} of {world} died ({how}); the state is kept: run the same again to go on")


def _environment(place: int, world: int, port: int, threads: int) -> dict[str, str]:
    """What torch and Lightning read of a process that they did not start, on one machine."""
    found = {
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": str(port),
        "RANK": str(place),
        "LOCAL_RANK": str(place),
        "WORLD_SIZE": str(world),
        "NODE_RANK": "0",
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the parent holds the store, as torchrun's agent does
        "TORCHELASTIC_RESTART_COUNT": "0",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    if loopback is not None and "GLOO_SOCKET_IFNAME" not in os.environ:
        found["GLOO_SOCKET_IFNAME"] = loopback  # a machine's own name need not lead anywhere
    return found


# What follows runs in the processes.


def _begin(place: int, world: int, setting: dict[str, str], threads: int, pipe: Connection, work: bytes) -> None:
    end_with_parent()
    os.environ.update(setting)  # read when torch is imported
    last = _Ended()
    try:
        target, args = pickle.loads(work)
        import torch

        torch.set_num_threads(threads)
        target(place, world, pipe.send, pipe.poll, *args)  # nothing but `stop` is ever said to it
    except Exception as error:
        last = _Ended(_portable(error, f"process {place + 1} of {world}:\n{traceback.format_exc().strip()}"))
    with contextlib.suppress(OSError):  # a parent that no longer listens
        pipe.send(last)
    pipe.close()
    if last.error is not None:
        os._exit(1)  # without the farewells of libraries, which may wait for the others


def _portable(error: Exception, text: str) -> DistillawError:
    """One of our errors as it is, anything else (or what cannot be sent) as its text."""
    if isinstance(error, DistillawError):
        with contextlib.suppress(Exception):
            again = pickle.loads(pickle.dumps(error))
            if isinstance(again, DistillawError):
                return error
    return RankError(text)
