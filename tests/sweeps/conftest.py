"""Grids in processes of their own, for tests that kill them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps import grid as grids
from sweeps import journal
from sweeps.executors import local


class Processes:
    """`distillaw sweep` as a person runs it. What is still at work at the end of a test is killed."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []
        # tests that run in the background ignore Ctrl-C, and what they start would inherit that
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(self, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
        """A command under way, in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-c", "from planner.cli import main; main()", "sweep", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        self._started.append(process)
        return process

    def run(self, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command from its start to its end, whatever that is; never with a traceback."""
        process = self.start(*arguments, **environment)
        out, err = self.end_of(process)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def end_of(self, process: "subprocess.Popen[str]") -> tuple[str, str]:
        """What a command printed, once it has ended."""
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return out, err

    def workers(self, process: "subprocess.Popen[str]") -> list[int]:
        """The processes that train, or are about to: the forks of the server."""
        return [pid for server in self._children(process.pid, b"forkserver") for pid in self._children(server, b"")]

    def _children(self, parent: int, word: bytes) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _fields(int(entry.name))[1:2] == [str(parent)]:
                with contextlib.suppress(OSError):
                    if word in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found

    def alive(self, pid: int) -> bool:
        return _fields(pid)[:1] not in ([], ["Z"])

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
            time.sleep(0.01)

    def end_all(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):  # of a group that has ended, as nearly all have
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


class _Here:
    """A pool of one worker that is this process."""

    def __init__(self, workers: int, context: Any, begin: Any, arguments: tuple[Any, str, Any]) -> None:
        local._worker = local._Worker(grids.open_grid(Path(arguments[1])), arguments[0])

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **how: bool) -> None:
        pass


@pytest.fixture
def workers_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cells are trained by this process, where a test can get at them."""
    import torch

    threads = torch.get_num_threads()
    monkeypatch.setattr(local, "ProcessPoolExecutor", _Here)
    monkeypatch.setattr("sweeps.working.prepare", lambda: None)
    yield
    torch.set_num_threads(threads)


def _fields(pid: int) -> list[str]:
    """State, parent and so on of a process; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


@pytest.fixture
def processes() -> Iterator[Processes]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("reads the process table from /proc")
    found = Processes()
    yield found
    found.end_all()


@pytest.fixture(scope="session")
def assert_the_same() -> Callable[[Path, Path], None]:
    """That two folders hold the same grid: records, models and journals to the bit, but for what the clock says."""

    def compare(found: Path, whole: Path) -> None:
        cells = sorted(path.name for path in (whole / "cells").iterdir())
        assert cells == sorted(path.name for path in (found / "cells").iterdir())
        for cell in cells:
            here, there = found / "cells" / cell, whole / "cells" / cell
            kept = {path.name for path in here.iterdir()} - {"state.safetensors.damaged"}
            assert kept == {path.name for path in there.iterdir()}
            for name in kept - {"journal.jsonl"}:
                assert (here / name).read_bytes() == (there / name).read_bytes(), here / name
            assert _timeless(here / "journal.jsonl") == _timeless(there / "journal.jsonl"), here
        assert not list(found.rglob("*.partial"))

    return compare


def _timeless(path: Path) -> list[journal.Entry]:
    return [replace(entry, tokens_per_s=0.0, mfu=0.0) for entry in journal.read(path)]
