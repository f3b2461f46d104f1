"""Grids on Ray, run for real: a Ray of this machine, and a cluster of two nodes that are both on it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fitting.errors import InputError
from sweeps import corpora, grid_file
from sweeps import grid as grids
from sweeps.executors.ray import OnRay

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads from /proc who is at work on a cell"),
]

TINY = """
name = "tiny"
[corpus]
validation_tokens = 1024
[model]
aspect = 32
n_ctx = 64
[training]
batch_tokens = 512
learning_rate = 0.01
[[teachers]]
layers = 1
tokens = "128K"
[[supervised]]
layers = 2
tokens = "256K"
[[distilled]]
layers = 1
tokens = "64K"
teachers = "t-L1-128K-s0"
"""
LONG = "s-L2-256K-s0"  # starts at once, and takes the longest


@pytest.fixture(scope="module", autouse=True)
def _ray() -> None:
    pytest.importorskip("ray", reason="Ray is not installed (distillaw[ray])")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grid") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(tiny: Path) -> Path:
    """The folder of the grid, run by processes of this machine without interruption."""
    out = tiny.parent / "finished"
    done = subprocess.run(command(tiny, out, executor="local"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def command(tiny: Path, out: Path, *more: object, executor: str = "ray") -> list[str]:
    words = ["sweep", "run", tiny, "--out", out, "--executor", executor, "--workers", 2, "--json", *more]
    return [sys.executable, "-c", "from planner.cli import main; main()", *map(str, words)]


def start(tiny: Path, out: Path, *more: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(tiny, out, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that what it leaves behind can be found
    )


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.02)


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def stat(pid: int) -> list[str]:
    """State, parent, group, session and so on of a process; of one that is gone, that of a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["Z", "0", "0", "0"]


def alive_in(session: int) -> list[int]:
    return [pid for pid in processes() if (of := stat(pid))[3] == str(session) and of[0] != "Z"]


def at_work(out: Path) -> dict[str, int]:
    """The process of Ray that holds the lock of a cell, by cell."""
    found = {}
    for pid in processes():
        with suppress(OSError):
            if not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
                continue
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    path = Path(os.readlink(descriptor))
                    if path.parent == out / ".locks":
                        found[path.name] = pid
    return found


def has_begun(out: Path, cell: str = LONG) -> bool:
    """Whether a cell is on its way, beyond its first steps."""
    with suppress(FileNotFoundError):
        return (out / "cells" / cell / "journal.jsonl").stat().st_size > 0
    return False


def saved_since(out: Path, since: float, cell: str = LONG) -> bool:
    with suppress(FileNotFoundError):
        return (out / "cells" / cell / "state.safetensors").stat().st_mtime > since
    return False


def assert_the_same(finished: Path, out: Path) -> None:
    paths = [path for name in ("record.json", "model.safetensors") for path in finished.glob(f"cells/*/{name}")]
    assert len(paths) == 6
    for path in paths:
        assert path.read_bytes() == (out / path.relative_to(finished)).read_bytes(), path.name


def test_stopped_and_killed_the_records_are_the_same(tiny: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    # a polite stop, of the driver alone, before any state was due: a state is saved, and nothing is left behind
    process = start(tiny, out, "--checkpoint-every", 1000)
    wait_until(lambda: has_begun(out), "a cell to begin")
    assert len(at_work(out)) >= 1
    process.send_signal(signal.SIGTERM)
    said, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert said == ""
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert "raylet" not in err
    assert (out / "cells" / LONG / "state.safetensors").exists()
    assert grids.open_grid(out).states()[LONG] == "preempted"
    assert not alive_in(process.pid)

    # kill -9 of a worker, as for want of memory: Ray starts another, which goes on from the last state
    began = time.time()
    process = start(tiny, out, "--checkpoint-every", 0.1)
    wait_until(lambda: saved_since(out, began) and LONG in at_work(out), "a state after the stop")
    worker = at_work(out)[LONG]
    os.kill(worker, signal.SIGKILL)
    began = time.time()
    wait_until(lambda: saved_since(out, began) and at_work(out).get(LONG, worker) != worker, "another worker's state")

    # kill -9 of the driver: all of its Ray ends
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: not at_work(out), "orphans to end")
    killed = process.pid

    done = subprocess.run(command(tiny, out), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"done": 3}
    assert "raylet" not in done.stderr
    assert_the_same(finished, out)
    wait_until(lambda: not alive_in(killed), "all of Ray to end")


@dataclass
class Cluster:
    address: str
    head: "subprocess.Popen[str]"
    other: "subprocess.Popen[str]"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head of one CPU, and a node of two CPUs and, so it says, a GPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    nodes = []
    try:
        nodes.append(node("--head", "--port", port, "--num-cpus", 1, "--num-gpus", 0, "--include-dashboard", "false"))
        nodes.append(node("--address", address, "--num-cpus", 2, "--num-gpus", 1))
        yield Cluster(address, *nodes)
    finally:
        for process in nodes:
            end_session(process)


def node(*arguments: object) -> "subprocess.Popen[str]":
    words = ["start", *map(str, arguments), "--object-store-memory", "100000000", "--disable-usage-stats", "--block"]
    code = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},  # nobody else is on this cluster
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ray runtime started" in line:
            return process
    raise AssertionError(said)


def end_session(process: "subprocess.Popen[str]") -> None:
    for pid in alive_in(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


class TestACluster:
    """In the order in which they stand: the last one takes a node away."""

    def test_too_many_gpus(self, cluster: Cluster, tiny: Path, tmp_path: Path) -> None:
        asked = command(tiny, tmp_path / "out", "--address", cluster.address, "--gpus", 1.5)
        refused = subprocess.run(asked, capture_output=True, text=True)
        assert refused.returncode == 2, refused.stderr
        assert "--gpus 1.5: Ray lends parts of one GPU, or whole ones" in refused.stderr
        assert "no node of the cluster has one CPU and 1.5 GPUs for a worker" in refused.stderr
        assert "there are 1 CPUs and 0 GPUs; 2 CPUs and 1 GPUs" in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_a_folder_that_a_node_does_not_see_and_a_task_that_always_dies(
        self, cluster: Cluster, finished: Path
    ) -> None:
        code = f"""
import os
from dataclasses import replace
from pathlib import Path
from sweeps import grid
from sweeps.executors.ray import OnRay
def ended(engine):
    group = engine.submit([])
    while not engine.wait([group], 1.0):
        pass
    try:
        engine.result(group)
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"
gone = replace(grid.open_grid(Path({str(finished)!r})), folder=Path("/nowhere/at/all"))
with OnRay(gone, 1, 10.0, {cluster.address!r}, 0.0) as engine:
    unseen = ended(engine)
    engine._task = engine._ray.remote(max_retries=2)(lambda *_: os.kill(os.getpid(), 9))
    dead = ended(engine)
print(unseen)
print(dead)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        unseen, dead = done.stdout.splitlines()
        assert unseen.startswith("InputError: --out: ")
        assert "cannot read /nowhere/at/all, which must be on a file system that all nodes see" in unseen
        assert dead == ("EngineError: 3 processes in a row died of it (killed, or out of memory, or with their node)")

    @pytest.mark.parametrize(("gpus", "at_once"), [(1.0, 1), (0.5, 2)])
    def test_shares_of_a_gpu(self, cluster: Cluster, tiny: Path, tmp_path: Path, gpus: float, at_once: int) -> None:
        """Two workers and one GPU: one cell at a time if each takes it all."""
        out = tmp_path / "out"
        process = start(tiny, out, "--address", cluster.address, "--gpus", gpus, "--checkpoint-every", 1000)
        most = 0

        def enough() -> bool:
            nonlocal most
            assert process.poll() is None, process.communicate()
            now = at_work(out)
            assert all(is_child_of(pid, cluster.other) for pid in now.values())
            most = max(most, len(now))
            return most == 2 or (has_begun(out) and has_begun(out, "t-L1-128K-s0"))

        wait_until(enough, "both cells to begin")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 3, err
        assert most == at_once
        assert not at_work(out)

    def test_nodes_share_the_cells_and_one_may_die(
        self, cluster: Cluster, tiny: Path, finished: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"

        def on_both() -> bool:
            now = at_work(out)
            return all(any(is_child_of(pid, node) for pid in now.values()) for node in (cluster.head, cluster.other))

        # kill -9 of the driver: the cluster ends its tasks, and stays
        began = time.time()
        process = start(tiny, out, "--address", cluster.address, "--checkpoint-every", 0.1)
        wait_until(on_both, "a cell on each node")
        wait_until(lambda: saved_since(out, began), "a state")
        process.kill()
        process.communicate(timeout=60)
        wait_until(lambda: not at_work(out), "the cluster to end what nobody waits for")
        assert cluster.head.poll() is None
        assert cluster.other.poll() is None

        # the death of a node: its cell goes on where there is room
        process = start(tiny, out, "--address", cluster.address, "--checkpoint-every", 0.1)
        wait_until(on_both, "a cell on each node again")
        end_session(cluster.other)
        said, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert json.loads(said)["counts"] == {"done": 3}
        assert_the_same(finished, out)


def is_child_of(pid: int, node: "subprocess.Popen[str]") -> bool:
    """Whether a process is one of a node's; one that is just gone was anybody's."""
    return stat(pid)[3] in (str(node.pid), "0")


class TestRefusals:
    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("127.0.0.1:1", "nothing answers there"),
            ("no.such.host.invalid:6379", "nothing answers there"),
            ("somewhere", "write auto, or HOST:PORT"),
            ("ray://127.0.0.1:10001", "write auto, or HOST:PORT"),
        ],
    )
    def test_an_address_of_no_cluster(self, tiny: Path, tmp_path: Path, address: str, said: str) -> None:
        grid = grids.create(tmp_path / "out", grid_file.load(tiny), corpora.load("stdlib").describe())
        with pytest.raises(InputError, match=said), OnRay(grid, 1, 10.0, address, 0.0):
            pass

    def test_no_ray(self, tiny: Path, tmp_path: Path, distillaw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        answer = distillaw("sweep", "run", tiny, "--out", tmp_path / "out", "--executor", "ray")
        assert answer.code == 2, answer.err
        assert "pip install 'distillaw[ray]'" in answer.err
        assert "Traceback" not in answer.err
