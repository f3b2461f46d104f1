"""A grid that is killed at any moment ends with the files that it would have left alone."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

# some seconds of training: without a teacher, from one, and from what is cached of one
GRID = """
name = "killed"
[corpus]
validation_tokens = 2048
[model]
aspect = 16
n_ctx = 32
[training]
batch_tokens = 128
learning_rate = 0.01
[[teachers]]
layers = 1
tokens = "32K"
[[supervised]]
layers = 2
tokens = "64K"
[[distilled]]
layers = [1, 2]
tokens = "32K"
teachers = "t-L1-32K-s0"
[[distilled]]
layers = 3
tokens = "32K"
teachers = "t-L1-32K-s0"
signal = "top-k"
keep = 16
"""

KILLS = 20


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grid") / "killed.toml"
    path.write_text(GRID)
    return path


@pytest.fixture
def whole(grid: Path, processes: Any) -> tuple[Path, float, float]:
    """The folder of the grid, run without interruption, and the seconds until its first state and until its end."""
    out = grid.parent / "whole"
    told = out / "seconds.json"
    if not told.exists():
        began = time.monotonic()
        process = processes.start("run", grid, "--out", out, "--checkpoint-every", 0.1)
        processes.wait_until(lambda: states(out), "a state")
        first = time.monotonic() - began
        _, err = processes.end_of(process)
        assert process.returncode == 0, err
        told.write_text(json.dumps([first, time.monotonic() - began]))
    first, last = json.loads(told.read_text())
    return out, first, last


def states(out: Path) -> list[Path]:
    return list(out.glob("cells/*/state.safetensors"))


def moments(seed: int, longest: float) -> list[float]:
    """Seconds, one in each twentieth of the whole length."""
    draw = random.Random(seed)
    found = [longest * (part + draw.random()) / KILLS for part in range(KILLS)]
    draw.shuffle(found)
    return found


def test_workers_that_are_killed_at_any_moment(
    grid: Path, whole: Any, tmp_path: Path, processes: Any, assert_the_same: Callable[..., None]
) -> None:
    """Others take their place. A cell that is killed three times before it got anywhere runs when asked again."""
    _, first, _ = whole
    draw, waits = random.Random(1), moments(1, 0.4 * first)
    out, kills, folders = tmp_path / "out-0", 0, 1
    while kills < KILLS:
        process = processes.start("run", grid, "--out", out, "--checkpoint-every", 0.1)
        while kills < KILLS and process.poll() is None:
            end = time.monotonic() + waits[kills]
            while time.monotonic() < end and process.poll() is None:
                time.sleep(0.01)
            victims = processes.workers(process)
            if victims:
                os.kill(draw.choice(sorted(victims)), signal.SIGKILL)
                kills += 1
        _, err = processes.end_of(process)
        assert process.returncode in (0, 3), err
        if process.returncode == 0:
            assert_the_same(out, whole[0])
            out, folders = tmp_path / f"out-{folders}", folders + 1
    done = processes.run("run", grid, "--out", out)
    assert done.returncode == 0, done.stderr
    assert_the_same(out, whole[0])


def test_runs_that_are_killed_at_any_moment(
    grid: Path, whole: Any, tmp_path: Path, processes: Any, assert_the_same: Callable[..., None]
) -> None:
    """Their workers notice, and the same command goes on. Two folders at a time, of one worker each."""
    waits, folders = moments(2, whole[2]), 2

    def run_until_done(place: int) -> None:
        done = 0
        for wait in waits[place::folders]:
            out = tmp_path / f"out-{place}-{done}"
            process = processes.start("run", grid, "--out", out, "--checkpoint-every", 0.1, "--workers", 1)
            time.sleep(wait)
            ended = process.poll()
            process.kill()
            _, err = processes.end_of(process)
            if ended is not None:
                assert ended == 0, err
                assert_the_same(out, whole[0])
                done += 1
        finished = processes.run("run", grid, "--out", out, "--workers", 1)
        assert finished.returncode == 0, finished.stderr
        assert_the_same(out, whole[0])

    with ThreadPoolExecutor(folders) as pool:
        list(pool.map(run_until_done, range(folders)))
