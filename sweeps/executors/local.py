"""Cells on the processes of this machine, one thread each; its GPUs are shared out among them.

The pool is the standard library's. Importing the training stack costs more than a small cell does: workers are forks of
a process that has done so, and live through many cells.
"""

import os
import signal
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sweeps import forking, working
from sweeps.grid import Grid, State, open_grid
from sweeps.parent import end_with_parent
from sweeps.queueing import EngineError

Group = Future[dict[str, State]]


class Local:
    """An engine of at most `slots` processes; one that dies is replaced, and takes nothing with it but its cells."""

    tries = 3

    def __init__(self, grid: Grid, slots: int, checkpoint_seconds: float, logs: tuple[str, ...] = ()) -> None:
        self.slots, self._checkpoint_seconds, self._logs = slots, checkpoint_seconds, logs
        self._context = forking.context("sweeps.training")
        # no Event: that has a lock, and a worker killed while it asked would leave everybody waiting for it
        self._stop = self._context.RawValue("b", 0)
        self._folder = str(grid.folder)
        self._one_gpu = slots > 1 and all(cell.recipe.devices == 1 for cell in grid.spec.cells)
        self._pools: list[ProcessPoolExecutor] = []
        self._at: dict[Group, ProcessPoolExecutor] = {}

    def submit(self, names: list[str]) -> Group:
        busy = self._at.values()
        pool = next((pool for pool in self._pools if pool not in busy), None) or self._more()
        with forking.signals_held():  # of the process that a pool starts
            try:
                group = pool.submit(_work, names, self._checkpoint_seconds, self._logs)
            except BrokenProcessPool:  # its process died while it had nothing to do
                pool = self._replaced(pool)
                group = pool.submit(_work, names, self._checkpoint_seconds, self._logs)
        self._at[group] = pool
        return group

    def wait(self, running: Collection[Group], seconds: float) -> Collection[Group]:
        return wait(running, timeout=seconds, return_when=FIRST_COMPLETED).done

    def result(self, group: Group) -> dict[str, State]:
        pool = self._at.pop(group)
        try:
            return group.result()
        except BrokenProcessPool:
            self._replaced(pool)
            raise EngineError("its process died (killed, or out of memory)") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.value = 1
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def _more(self) -> ProcessPoolExecutor:
        self._pools.append(self._pool(len(self._pools)))
        return self._pools[-1]

    def _replaced(self, pool: ProcessPoolExecutor) -> ProcessPoolExecutor:
        place = self._pools.index(pool)
        pool.shutdown(wait=True)  # until its process is gone, with all that it held
        self._pools[place] = self._pool(place)
        return self._pools[place]

    def _pool(self, place: int) -> ProcessPoolExecutor:
        """A pool of one process: a death in a larger one would end all of it, and not say whose cells were lost."""
        begin = (self._stop, self._folder, place if self._one_gpu else None)
        return ProcessPoolExecutor(1, self._context, _start_worker, begin)


# What follows runs in the workers.


@dataclass
class _Worker:
    """What a worker keeps between cells."""

    grid: Grid
    stop: Any
    terminated: bool = False
    busy: bool = False

    def should_stop(self) -> bool:
        return self.terminated or bool(self.stop.value)

    def on_signal(self, *_: object) -> None:
        self.terminated = True
        if not self.busy:
            self.exit()

    def exit(self) -> None:
        os._exit(128 + signal.SIGTERM)


_worker: _Worker


def _start_worker(stop: Any, folder: str, place: int | None) -> None:
    working.prepare()
    if place is not None:
        _keep_one_gpu(place)
    global _worker
    _worker = _Worker(open_grid(Path(folder)), stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent tells us to stop
    signal.signal(signal.SIGTERM, _worker.on_signal)
    if hasattr(signal, "SIGUSR2"):
        signal.signal(signal.SIGUSR2, _worker.on_signal)
    forking.hear_signals()
    end_with_parent()


def _keep_one_gpu(place: int) -> None:
    """Leave one of several GPUs to this process, in turn; as many processes as there are share one."""
    import torch

    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = listed.split(",") if listed else [str(number) for number in range(torch.cuda.device_count())]
    if len(names) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = names[place % len(names)]  # read when CUDA is first used


def _work(names: list[str], checkpoint_seconds: float, logs: tuple[str, ...]) -> dict[str, State]:
    _worker.busy = True
    try:
        return working.work(_worker.grid, names, checkpoint_seconds, _worker.should_stop, logs)
    finally:
        _worker.busy = False
        if _worker.terminated:  # the states are saved; back in the pool nobody would send this process home
            _worker.exit()
