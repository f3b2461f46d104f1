"""A grid seen from outside: its states, its pace and the time left, in numbers, on a terminal and through a pipe."""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fitting.flops import training
from sweeps import corpora, grid_file, journal
from sweeps import grid as grids
from sweeps.estimate import judging_flops
from sweeps.grid import Grid
from sweeps.journal import Entry, Journal
from sweeps.spec import RunSpec
from sweeps.watching import Watcher

CELLS = """
name = "watched"
[corpus]
validation_tokens = 4096
[model]
aspect = 32
n_ctx = 64
[training]
batch_tokens = 512
learning_rate = 0.01
validations = 1
[[teachers]]
layers = 1
tokens = "64K"
[[supervised]]
layers = 2
tokens = ["64K", "256K"]
[[distilled]]
layers = [1, 2]
tokens = "64K"
teachers = "t-L1-64K-s0"
"""

TEACHER, SHORT, LONG, STUDENT, OTHER = (
    "t-L1-64K-s0",
    "s-L2-64K-s0",
    "s-L2-256K-s0",
    "d-L1-64K-s0-from-t-L1-64K-s0",
    "d-L2-64K-s0-from-t-L1-64K-s0",
)


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return made(tmp_path, CELLS)


def made(folder: Path, text: str) -> Grid:
    path = folder / "grid.toml"
    path.write_text(text)
    asked = grid_file.load(path)
    return grids.create(folder / "out", asked, corpora.load(asked.corpus).describe())


def cell(grid: Grid, name: str) -> RunSpec:
    return next(cell for cell in grid.spec.cells if cell.id == name)


def log(grid: Grid, name: str, *steps: int, tokens_per_s: float = 1024.0) -> None:
    """Journal entries as a run leaves them."""
    of = cell(grid, name)
    for step in steps:
        tokens = step * of.recipe.batch_tokens
        spent = training(of.shape, tokens), of.consulted_flops_after(step)
        with Journal(grid.cell(of).journal) as log:
            log.append(Entry(step, tokens, *spent, 3.25, 3.25, None, 0.01, tokens_per_s))


@contextmanager
def held(*paths: Path) -> Iterator[None]:
    """Locks that another process holds."""
    script = """
import sys
from contextlib import ExitStack
from pathlib import Path
from sweeps import locks
with ExitStack() as stack:
    for path in sys.argv[1:]:
        stack.enter_context(locks.hold(Path(path)))
    print("held", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, paths)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def at(grid: Grid, *names: str) -> Any:
    """Another process is at work on these cells."""
    return held(*(grid.lock(cell(grid, name)) for name in names))


# what a look sees


def test_the_time_left_is_work_over_pace(grid: Grid) -> None:
    """One cell is left, at half of its steps and 1024 tokens/s: its other half, and its judging at the end."""
    for name in (TEACHER, LONG, STUDENT, OTHER):
        grid.finish(cell(grid, name), "finished", 2.0)
    log(grid, SHORT, 50, 62)
    short = cell(grid, SHORT)
    with at(grid, SHORT):
        look = Watcher(grid).look()
    (running,) = look.running
    share = 62 / short.steps
    assert running.share == pytest.approx(share)
    assert running.speed == pytest.approx(1024 * short.training_flops / short.tokens)
    left = (1 - share) * (short.training_flops + judging_flops(short)) / (running.speed or 0)
    assert running.seconds == look.seconds == pytest.approx(left)
    assert look.speed == running.speed
    assert look.done == pytest.approx(look.total - (1 - share) * short.training_flops)


def test_the_time_left_follows_the_longest_chain(grid: Grid) -> None:
    """Students wait for the teacher that runs: however fast all cells together are, they come after it."""
    for name in (SHORT, LONG, OTHER):
        grid.finish(cell(grid, name), "finished", 2.0)
    log(grid, TEACHER, 4, 8)
    with at(grid, TEACHER):
        look = Watcher(grid).look()
    (running,) = look.running
    student = cell(grid, STUDENT)
    after = (student.total_flops + judging_flops(student)) / (running.speed or 0)
    assert look.seconds == pytest.approx((running.seconds or 0) + after)


def test_a_pack_of_which_a_part_has_logged_says_nothing_of_its_pace(grid: Grid) -> None:
    """The small student of two on one teacher logs first: the large one is not as slow as its share of that process."""
    for name in (TEACHER, SHORT):
        grid.finish(cell(grid, name), "finished", 2.0)
    log(grid, LONG, 400, 420)
    log(grid, STUDENT, 100, 104, tokens_per_s=300.0)
    with at(grid, LONG, STUDENT, OTHER):
        look = Watcher(grid).look()
    running = {each.cell.id: each for each in look.running}
    other = cell(grid, OTHER)
    as_usual = (other.total_flops + judging_flops(other)) / (running[LONG].speed or 0)
    assert running[OTHER].seconds is None
    assert look.seconds == pytest.approx(max(as_usual, running[LONG].seconds or 0, running[STUDENT].seconds or 0))


def test_nothing_says_how_long_before_a_pace_is_known(grid: Grid) -> None:
    with at(grid, TEACHER):
        watcher = Watcher(grid)
        look = watcher.look()
        (running,) = look.running
        assert (look.seconds, look.speed, running.entry, running.seconds, running.share) == (None, 0, None, None, 0)
        log(grid, TEACHER, 4)  # half a second, of which nobody knows what the start took
        assert watcher.look().seconds is None
    assert Watcher(grid).look().seconds is None  # nobody runs


def test_a_slow_first_entry_counts_where_it_is_long(grid: Grid) -> None:
    log(grid, TEACHER, 4, tokens_per_s=100.0)
    with at(grid, TEACHER):
        assert Watcher(grid).look().seconds is not None


def test_torn_lines_and_clocks_of_other_machines_do_not_matter(grid: Grid) -> None:
    log(grid, TEACHER, 4, 8)
    path = grid.cell(cell(grid, TEACHER)).journal
    with path.open("ab") as file:
        file.write(b'not json\n[1, 2]\n{"step": 12}\n\xff\xfe\n{"step": 16, "tok')
    for skew in (-1e6, 1e6):
        os.utime(path, (time.time() + skew, time.time() + skew))
        with at(grid, TEACHER):
            look = Watcher(grid).look()
        assert look.running[0].share == pytest.approx(8 / cell(grid, TEACHER).steps)
        assert look.seconds is not None


def test_a_look_reads_only_what_has_changed(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over, and what nobody has begun, is not asked again and again: there may be a thousand of each."""
    grid.finish(cell(grid, SHORT), "finished", 2.0)
    log(grid, TEACHER, 4, 8)
    asked: list[str] = []
    state, read = Grid.state, journal.read
    monkeypatch.setattr("sweeps.watching._LOCK_SECONDS", 1e9)
    monkeypatch.setattr(Grid, "state", lambda self, cell, *rest: asked.append(cell.id) or state(self, cell, *rest))
    monkeypatch.setattr(journal, "read", lambda path: asked.append(path.parent.name) or read(path))
    watcher = Watcher(grid)
    with at(grid, TEACHER):
        watcher.look()
        asked.clear()
        watcher.look()
        assert asked == []
        log(grid, TEACHER, 12)
        watcher.look()
        assert asked == [TEACHER]  # its journal
        with at(grid, LONG):
            assert watcher.look().states[LONG] == "running"
    monkeypatch.setattr("sweeps.watching._LOCK_SECONDS", 0.0)
    grid.finish(cell(grid, TEACHER), "diverged", float("nan"))
    states = watcher.look().states
    assert [states[name] for name in (TEACHER, LONG, STUDENT)] == ["diverged", "planned", "blocked"]


# what `watch` says and how it ends


def test_it_ends_when_all_is_over(grid: Grid, distillaw: Any) -> None:
    for each in grid.spec.cells:
        grid.finish(each, "finished", 2.0)
    answer = distillaw("sweep", "watch", grid.folder)
    assert (answer.code, answer.err) == (0, "")
    assert "All cells are over: 5 done." in answer.out
    assert f"Next: distillaw sweep collect {grid.folder} --out runs.csv" in answer.out


def test_it_ends_where_nobody_is_at_work_and_says_how_to_go_on(grid: Grid, distillaw: Any) -> None:
    log(grid, SHORT, 4)
    answer = distillaw("sweep", "watch", grid.folder)
    assert answer.code == 0
    assert f"Nobody is at work in {grid.folder}: 4 planned, 1 preempted." in answer.out
    assert f"Next: distillaw sweep run GRID.toml --out {grid.folder}" in answer.out
    for name in (TEACHER, SHORT, LONG, OTHER):
        grid.finish(cell(grid, name), "finished", 2.0)
    grid.cell(cell(grid, STUDENT)).error.write_text("Traceback (most recent call last):\n  x\nOSError: no more disk\n")
    answer = distillaw("sweep", "watch", grid.folder)
    assert answer.code == 0
    assert f"{STUDENT}: failed: OSError: no more disk" in answer.out
    assert f"Next: distillaw sweep retry {grid.folder}" in answer.out


def test_it_waits_while_a_run_holds_the_folder(grid: Grid, processes: Any) -> None:
    """No cell runs yet, or between two; the end of the run ends the watch."""
    with held(grid.folder / ".lock"):
        watch = processes.start("watch", grid.folder, "--every", 0.1)
        assert watch.stdout.readline() == "watched: 0/5 cells, 0 % of FLOPs; 5 planned\n"
        time.sleep(0.5)  # several looks
        assert watch.poll() is None
    rest, _ = processes.end_of(watch)
    assert watch.returncode == 0
    assert "Nobody is at work" in rest


def test_json_is_one_object_at_the_end(grid: Grid, distillaw: Any) -> None:
    log(grid, LONG, 4, 8)
    grid.finish(cell(grid, LONG), "diverged", float("nan"))
    grid.cell(cell(grid, TEACHER)).error.write_text("boom\nand why")
    answer = distillaw("sweep", "watch", grid.folder, "--json")
    found = json.loads(answer.out)
    assert (found["schema"], found["eta_seconds"]) == ("distillaw/sweep-watch/1", None)
    assert found["counts"] == {"failed": 1, "planned": 1, "diverged": 1, "blocked": 2}
    cells = {each["id"]: each for each in found["cells"]}
    assert (cells[LONG]["diverged_at"], cells[LONG]["error"]) == (8, None)
    assert (cells[TEACHER]["diverged_at"], cells[TEACHER]["error"]) == (None, "boom\nand why")
    assert f"{LONG}: diverged at step 8" in answer.err


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf"])
def test_looks_need_time_between_them(grid: Grid, distillaw: Any, every: str) -> None:
    answer = distillaw("sweep", "watch", grid.folder, "--every", every)
    assert answer.code == 2
    assert f"--every {every}: give seconds, 0.1 to 3600" in answer.err


def test_a_folder_without_a_grid(tmp_path: Path, distillaw: Any) -> None:
    answer = distillaw("sweep", "watch", tmp_path)
    assert answer.code == 2
    assert "holds no grid" in answer.err


def test_ctrl_c_ends_it_quietly(grid: Grid, processes: Any) -> None:
    with held(grid.folder / ".lock"):
        watch = processes.start("watch", grid.folder)
        watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        _, err = processes.end_of(watch)
    assert (watch.returncode, err) == (130, "")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from planner.cli import main; main()", "sweep", *map(str, arguments)]


# on a terminal


def on_a_terminal(
    arguments: list[str], columns: int, see: Callable[[str], object] = lambda written: None
) -> tuple[int, str]:
    """The exit code of a command, and all that it writes to a terminal; `see` is told what there is so far."""
    import fcntl
    import termios

    terminal, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    settings = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm-256color"}
    process = subprocess.Popen(arguments, stdin=other, stdout=other, stderr=other, env=settings, start_new_session=True)
    os.close(other)
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        written += part
        see(written.decode(errors="replace"))
    os.close(terminal)
    return process.wait(), written.decode()


def frames(written: str) -> list[list[str]]:
    """The tables that a live one was, one after another, line by line."""
    moves = re.compile(r"(?:\r?\x1b\[2K|\x1b\[1A)+")
    drawn = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frame) for frame in moves.split(written)]
    return [frame.split("\r\n") for frame in drawn if frame.strip()]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_table_on_a_terminal(grid: Grid, columns: int) -> None:
    log(grid, LONG, 100, 200)
    log(grid, SHORT, 4, 8)
    grid.finish(cell(grid, SHORT), "diverged", float("nan"))
    grid.cell(cell(grid, OTHER)).error.write_text("x" * 200)
    grid.finish(cell(grid, TEACHER), "finished", 2.0)
    with ExitStack() as running:
        running.enter_context(at(grid, LONG, STUDENT))

        def see(written: str) -> None:
            if "failed: xxx" in written:
                running.close()

        code, written = on_a_terminal(command("watch", grid.folder, "--every", 0.2), columns, see)
    assert code == 0
    shown = frames(written)
    with_rows = next(frame for frame in shown if any(line.startswith(LONG) for line in frame))
    assert with_rows[0].startswith("watched: 2/5 cells, ")
    assert "about " in with_rows[0]
    assert "1 done, 2 running, 1 failed, 1 diverged" in with_rows[1]
    row = next(line for line in with_rows if line.startswith(LONG))
    assert row.split()[3:7] == ["40", "%", "3.250", "1.02K"]
    assert any(line.startswith(STUDENT[:20]) for line in with_rows)  # no journal yet
    assert any(line == f"{SHORT}: diverged at step 8" for line in with_rows)
    assert any(line.startswith(f"{OTHER}: failed: xxx") and line.endswith("…") for line in with_rows)
    assert max(len(line) for frame in shown[:-1] for line in frame) <= columns
    assert "Nobody is at work" in written


# beside a real run


def test_beside_a_real_run(tmp_path: Path, processes: Any) -> None:
    """As a pipe and as a terminal, to its end; the run does not notice."""
    path, out = tmp_path / "grid.toml", tmp_path / "out"
    smaller = {'["64K", "256K"]': '"96K"', "[1, 2]": "1", '"64K"': '"32K"', "-64K": "-32K", "= 512": "= 256"}
    path.write_text(re.sub("|".join(map(re.escape, smaller)), lambda found: smaller[found.group()], CELLS))
    run = processes.start("run", path, "--out", out)
    processes.wait_until(lambda: list(out.glob(".locks/*")), "the first cells")
    piped = processes.start("watch", out, "--every", 0.2)
    code, drawn = on_a_terminal(command("watch", out, "--every", 0.2), 100)
    lines = processes.end_of(piped)[0].splitlines()
    processes.end_of(run)
    assert (code, piped.returncode, run.returncode) == (0, 0, 0)
    assert "All cells are over: 3 done." in lines
    assert "All cells are over: 3 done." in drawn
    assert len([line for line in lines if ": done, loss " in line]) == 3
    assert any("FLOP/s, about " in line for line in lines)
    assert any(line.startswith("s-L2-96K-s0  ") and " % " in line for frame in frames(drawn) for line in frame)


# status


def test_status_flags_what_needs_somebody(grid: Grid, distillaw: Any) -> None:
    log(grid, LONG, 4, 8)
    grid.finish(cell(grid, LONG), "diverged", float("nan"))
    error = grid.cell(cell(grid, TEACHER)).error
    error.write_text("Traceback (most recent call last):\n  somewhere\nValueError: no such thing\n")
    log(grid, SHORT, 62)
    answer = distillaw("sweep", "status", grid.folder)
    assert answer.code == 0
    assert "5 cells, 1 preempted, 1 failed, 1 diverged, 2 blocked." in answer.out
    assert f"{TEACHER} failed: ValueError: no such thing (see {error})" in answer.out
    assert re.search(rf"{LONG} .* diverged at step 8", answer.out)
    assert re.search(rf"{SHORT} .* preempted, 50 %", answer.out)
    table = answer.out.split("\n\n")[1].split("\nLoss:")[0]
    assert max(map(len, table.splitlines())) <= 80
    found = json.loads(distillaw("sweep", "status", grid.folder, "--json").out)
    assert {each["id"]: each["diverged_at"] for each in found["cells"]}[LONG] == 8


def test_a_long_grid_is_summed_up(tmp_path: Path, distillaw: Any) -> None:
    seeds = ", ".join(map(str, range(70)))
    grid = made(tmp_path, CELLS + f'[[supervised]]\nlayers = 1\ntokens = "64K"\nseeds = [{seeds}]\n')
    assert len(grid.spec.cells) == 75
    grid.finish(cell(grid, "s-L1-64K-s69"), "finished", 2.0)
    grid.cell(cell(grid, TEACHER)).error.write_text("boom")
    answer = distillaw("sweep", "status", grid.folder)
    assert "75 cells, 1 done, 71 planned, 1 failed, 2 blocked." in answer.out
    assert re.search(r"supervised +72 +1 +71", answer.out)
    listed = [line for line in answer.out.splitlines() if line.startswith(("t-", "s-", "d-")) and "failed:" not in line]
    assert [line.split()[0] for line in listed] == [TEACHER]
    assert "74 cells of other states are not listed; --json has them all." in answer.out
    assert len(json.loads(distillaw("sweep", "status", grid.folder, "--json").out)["cells"]) == 75
