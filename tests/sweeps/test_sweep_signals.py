"""A run that is told to stop, or one of its workers, saves what it has and goes on to the same bits."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

# several seconds of training
GRID = """
name = "long"
[corpus]
validation_tokens = 1024
[model]
aspect = 16
n_ctx = 32
[training]
batch_tokens = 128
learning_rate = 0.01
[[supervised]]
layers = 2
tokens = "256K"
"""


def test_signals_in_the_middle_of_a_step(tmp_path: Path, processes: Any, assert_the_same: Callable[..., None]) -> None:
    """A state is saved after it; a worker is replaced, and a run ends with exit code 3."""
    path, out, whole = tmp_path / "long.toml", tmp_path / "out", tmp_path / "whole"
    path.write_text(GRID)
    cell = out / "cells" / "s-L2-256K-s0"
    log, state = cell / "journal.jsonl", cell / "state.safetensors"

    def at_work(process: Any) -> float:
        """Wait until a worker gets on; the time of its last state, which nothing but a signal makes it write."""
        size = log.stat().st_size if log.exists() else 0
        processes.wait_until(lambda: log.exists() and log.stat().st_size > size, "a step")
        assert process.poll() is None
        return state.stat().st_mtime if state.exists() else 0.0

    def started() -> Any:
        return processes.start("run", path, "--out", out, "--checkpoint-every", 1e6, "--workers", 1)

    process = started()
    for number in (signal.SIGTERM, signal.SIGUSR2):
        before = at_work(process)
        (worker,) = processes.workers(process)
        os.kill(worker, number)
        processes.wait_until(lambda worker=worker: not processes.alive(worker), "a worker to end")
        assert state.stat().st_mtime > before
    for send, number in PARENT_SIGNALS:
        before = at_work(process)
        send(process.pid, number)
        _, err = processes.end_of(process)
        assert process.returncode == 3, err
        assert "error: stopped; finished cells and the state of the others are kept: run the same command again" in err
        assert "resource_tracker" not in err
        assert state.stat().st_mtime > before
        process = started()
    _, err = processes.end_of(process)
    assert process.returncode == 0, err

    undisturbed = processes.run("run", path, "--out", whole, "--workers", 1)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert_the_same(out, whole)


PARENT_SIGNALS = (
    (os.kill, signal.SIGTERM),
    (os.kill, signal.SIGUSR2),
    (os.killpg, signal.SIGTERM),
    (os.killpg, signal.SIGUSR2),
)
