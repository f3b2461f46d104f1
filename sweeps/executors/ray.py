"""Cells as tasks of Ray: a cluster's, or one that lives on this machine for the time of a run.

Ray places the tasks, starts one again whose process or node died, and keeps processes alive from task to task.
"""

import functools
import os
import signal
import socket
import sys
from collections.abc import Collection
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Self

from fitting.errors import DistillawError, Faults, InputError
from sweeps import working
from sweeps.grid import Grid, State, open_grid
from sweeps.queueing import EngineError

_RETRIES = 2
"""Of a task whose process or node died, by Ray."""

_ANSWER_SECONDS = 5.0
_OBJECT_STORE_BYTES = 100 * 2**20
"""Nearly the least that Ray takes: cells leave their results in files."""


class OnRay:
    """An engine of at most `slots` tasks of one CPU and `gpus` GPUs, which may be a fraction of one.

    `address` is "auto" or HOST:PORT of a cluster, whose nodes all have to see the grid's folder; None is a Ray of this
    run alone. To enter raises `InputError` where that cannot be had.
    """

    tries = 2  # of Ray's three each: the second time each cell of a group is alone

    def __init__(
        self,
        grid: Grid,
        slots: int,
        checkpoint_seconds: float,
        address: str | None,
        gpus: float,
        logs: tuple[str, ...] = (),
    ) -> None:
        self.slots, self._checkpoint_seconds, self._logs = slots, checkpoint_seconds, logs
        self._folder = str(grid.folder.resolve())
        self._address, self._gpus = address, gpus
        self._devices = max(cell.recipe.devices for cell in grid.spec.cells)
        self._running: set[Any] = set()
        self._chatter = redirect_stdout(sys.stderr)  # Ray prints of deaths where our results go

    def submit(self, names: list[str]) -> Any:
        group = self._task.remote(self._folder, names, self._checkpoint_seconds, self._logs)
        self._running.add(group)
        return group

    def wait(self, running: Collection[Any], seconds: float) -> Collection[Any]:
        ended, _ = self._ray.wait(list(running), timeout=seconds)
        return list(ended)

    def result(self, group: Any) -> dict[str, State]:
        self._running.discard(group)
        errors = self._ray.exceptions
        try:
            ended: dict[str, State] = self._ray.get(group)
        except errors.RayTaskError as error:
            if isinstance(error.cause, DistillawError):
                raise error.cause from None
            raise EngineError(str(error).strip().splitlines()[-1]) from None
        except errors.OutOfMemoryError:
            raise EngineError("its process was ended by Ray, because the memory of its node ran out") from None
        except (errors.WorkerCrashedError, errors.NodeDiedError):
            why = f"{_RETRIES + 1} processes in a row died of it (killed, or out of memory, or with their node)"
            raise EngineError(why) from None
        except errors.RayError as error:
            raise EngineError(f"Ray: {str(error).strip().splitlines()[0]}") from None
        return ended

    def __enter__(self) -> Self:
        self._ray = _library()
        self._chatter.__enter__()
        on_term = signal.getsignal(signal.SIGTERM)
        try:
            self._join()
            if signal.getsignal(signal.SIGTERM) is not on_term:
                signal.signal(signal.SIGTERM, on_term)  # Ray's own would end us before the cells have saved a state
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self._check(nodes)
        except BaseException:
            self._leave()
            raise
        # A process keeps the GPU that it first used, and Ray may lend its next task another one. Where there is
        # but one to a node, a process may live on, as it does without GPUs.
        alone = all(node.get("GPU", 0.0) <= 1 for node in nodes)
        options = {} if self._gpus and not alone else {"max_calls": 0}
        self._task = self._ray.remote(num_cpus=1, num_gpus=self._gpus, max_retries=_RETRIES, **options)(_work)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for group in self._running:
                self._ray.cancel(group)  # an interrupt, which those at work take as a request (`_work`)
            if self._running:
                self._ray.wait(list(self._running), num_returns=len(self._running))
        finally:
            self._leave()

    def _join(self) -> None:
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address is None:
            self._ray.init(
                address="local",
                num_cpus=self.slots,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                **quiet,
            )
            return
        _ask(self._address)
        try:
            self._ray.init(address=self._address, **quiet)
        except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            why = str(error).strip().splitlines()[0]
            raise InputError(f"--address {self._address}: {why}") from None

    def _check(self, nodes: list[dict[str, float]]) -> None:
        """Raise `InputError` for tasks that no node could ever take: they would wait for ever."""
        faults, gpus = Faults(), self._gpus
        if gpus > 1 and not gpus.is_integer():
            faults.add(f"--gpus {gpus:g}: Ray lends parts of one GPU, or whole ones")
        if gpus and self._devices > max(gpus, 1):
            faults.add(f"--gpus {gpus:g}: a cell of the grid asks for {self._devices} devices; give it as many")
        if not any(node.get("CPU", 0.0) >= 1 and node.get("GPU", 0.0) >= gpus for node in nodes):
            have = sorted({f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes})
            where = "this machine" if self._address is None else "the cluster"
            wanted = f"one CPU and {gpus:g} GPUs" if gpus else "a CPU"
            faults.add(f"--gpus {gpus:g}: no node of {where} has {wanted} for a worker; there are {'; '.join(have)}")
        faults.raise_if_any()

    def _leave(self) -> None:
        self._ray.shutdown()
        self._chatter.__exit__(None, None, None)


def _library() -> Any:
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # of 40 s each, where something that is no Ray answers
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody was asked whether to report to Ray's makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # as it is, without the warning that it may change
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray: needs Ray; pip install 'distillaw[ray]'") from None
    return ray


def _ask(address: str) -> None:
    """Raise `InputError` where nothing answers at an address; Ray itself would wait for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise InputError(f"--address {address}: write auto, or HOST:PORT as `ray start --head` names it")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--address {address}: nothing answers there ({error}); start a cluster (`ray start --head`), or name one"
        ) from None


# What follows runs in the processes of Ray.


def _work(folder: str, names: list[str], checkpoint_seconds: float, logs: tuple[str, ...]) -> dict[str, State]:
    with working.Asked(signal.SIGINT) as asked:  # what `ray.cancel` does to a task
        working.prepare()
        return working.work(_opened(folder), names, checkpoint_seconds, asked, logs)


@functools.cache
def _opened(folder: str) -> Grid:
    try:
        return open_grid(Path(folder))
    except InputError as error:
        raise InputError(
            f"--out: {socket.gethostname()}, a node of the Ray cluster, cannot read {folder}, which must be on a file "
            f"system that all nodes see ({error})"
        ) from None
