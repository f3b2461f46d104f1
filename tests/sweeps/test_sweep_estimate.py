"""Estimates of time: every shape has a rate, models too large to build are scaled instead of built, and the schedule is
played through as the queue would run it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fitting.flops import Shape, forward, parameters, training
from sweeps import grid_file
from sweeps.estimate import OVERHEAD, PACK_OVERHEAD, START_SECONDS, estimate, judging_flops
from sweeps.grid import State
from sweeps.makespan import makespan
from sweeps.spec import GridSpec, RunSpec

GRID = """
name = "x"
[corpus]
name = "stdlib"
[model]
aspect = {aspect}
heads = {heads}
n_ctx = 256
[training]
batch_tokens = 1024
learning_rate = 0.01
[[supervised]]
layers = {layers}
tokens = 1_048_576
"""


def timed(folder: Path, **model: object):
    path = folder / "grid.toml"
    path.write_text(GRID.format(**model))
    grid = grid_file.load(path)
    return estimate(grid, {cell.id: "planned" for cell in grid.cells}, 1)


def test_a_model_too_large_to_time_is_not_built(tmp_path, monkeypatch):
    """1.6 billion parameters would take minutes and gigabytes to step: their time follows by FLOPs from what ran."""
    built = []

    def timed_only(cell):
        built.append(parameters(cell.shape).total)
        return 1e-6, 3e-7

    monkeypatch.setattr("sweeps.estimate._seconds_per_token", timed_only)
    found = {layers: timed(tmp_path, aspect=128, heads=16, layers=layers) for layers in (10, 20)}
    assert max(built) < 3e7
    assert all("scaled from it by FLOPs" in one.basis for one in found.values())
    small, large = (forward(Shape.of_depth(n, n_vocab=256, n_ctx=256)).total for n in (10, 20))
    ratio = (found[20].seconds - START_SECONDS) / (found[10].seconds - START_SECONDS)
    assert ratio == pytest.approx(large / small)


def test_small_models_are_measured(tmp_path):
    found = timed(tmp_path, aspect=16, heads=2, layers="[1, 2]")
    assert "2 shapes" in found.basis
    assert "scaled" not in found.basis
    assert found.seconds > 0


STUDENTS = """
name = "x"
[corpus]
name = "stdlib"
validation_tokens = 4096
[model]
aspect = 16
heads = 2
n_ctx = 64
[training]
batch_tokens = 512
learning_rate = 0.01
validations = 1
{training}
[[teachers]]
layers = 3
tokens = "64K"
[[distilled]]
layers = [1, 2]
tokens = {tokens}
teachers = "t-L3-64K-s0"
{signal}
"""


@pytest.fixture
def one_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every FLOP takes a nanosecond."""
    monkeypatch.setattr(
        "sweeps.estimate._seconds_per_token",
        lambda cell: (1e-9 * training(cell.shape, 1), 1e-9 * forward(cell.shape).total),
    )


def students(folder: Path, *, tokens: str = '"64K"', signal: str = "", training: str = "") -> GridSpec:
    path = folder / "grid.toml"
    path.write_text(STUDENTS.format(tokens=tokens, signal=signal, training=training))
    return grid_file.load(path)


def taught(grid: GridSpec) -> dict[str, State]:
    """The teacher is done."""
    return {cell.id: "planned" if cell.teachers else "done" for cell in grid.cells}


def seconds(grid: GridSpec, workers: int = 1, together: int | None = None, cores: int | None = None) -> float:
    return estimate(grid, taught(grid), workers, together, cores).seconds - START_SECONDS


@pytest.mark.usefixtures("one_rate")
def test_a_pack_pays_for_its_teacher_once(tmp_path: Path) -> None:
    grid = students(tmp_path)
    one, other = (cell for cell in grid.cells if cell.teachers)
    apart = 1e-9 * OVERHEAD * sum(cell.total_flops + judging_flops(cell) for cell in (one, other))
    assert seconds(grid, together=1) == pytest.approx(apart)
    packed = PACK_OVERHEAD * (apart - 1e-9 * OVERHEAD * one.logits_flops)
    assert seconds(grid, together=2) == pytest.approx(packed)
    assert seconds(grid) == pytest.approx(packed)  # worth it here, as the queue would find
    assert seconds(grid, workers=2) < packed  # and not where a worker would have nothing to do


@pytest.mark.usefixtures("one_rate")
def test_a_cache_is_filled_once(tmp_path: Path) -> None:
    grid = students(tmp_path, signal='signal = "top-k"\nkeep = 8')
    cells = [cell for cell in grid.cells if cell.teachers]
    work = sum(cell.training_flops + judging_flops(cell) for cell in cells) + cells[0].consulted_flops
    assert seconds(grid, together=1) == pytest.approx(1e-9 * OVERHEAD * work)
    over: dict[str, State] = {**taught(grid), cells[0].id: "done"}
    left = estimate(grid, over, 1).seconds - START_SECONDS
    assert left == pytest.approx(1e-9 * OVERHEAD * (cells[1].training_flops + judging_flops(cells[1])))


@pytest.mark.usefixtures("one_rate")
def test_workers_share_the_cores_that_there_are(tmp_path: Path) -> None:
    grid = students(tmp_path)
    both = seconds(grid, workers=2, together=1, cores=2)
    assert seconds(grid, workers=2, together=1) == both
    assert seconds(grid, workers=2, together=1, cores=1) == pytest.approx(2 * both)
    assert seconds(grid, workers=16, together=1, cores=2) == both  # there are two cells
    assert "2 threads share 1 cores" in estimate(grid, taught(grid), 2, 1, 1).basis


@pytest.mark.usefixtures("one_rate")
def test_a_cell_on_several_devices_starts_processes_of_its_own(tmp_path: Path) -> None:
    alone = seconds(students(tmp_path), together=1)
    spread = students(tmp_path, training="devices = 2")
    assert seconds(spread, cores=2) == pytest.approx(2 * START_SECONDS + alone / 2)
    assert seconds(spread, cores=1) == pytest.approx(2 * START_SECONDS + alone)


@pytest.mark.usefixtures("one_rate")
def test_what_failed_is_tried_again_and_students_of_the_diverged_are_not(tmp_path: Path) -> None:
    grid = students(tmp_path)
    teacher = grid.cells[0].id
    failed: dict[str, State] = {cell.id: "failed" if cell.id == teacher else "blocked" for cell in grid.cells}
    fresh: dict[str, State] = dict.fromkeys(failed, "planned")
    diverged: dict[str, State] = {**failed, teacher: "diverged"}
    assert estimate(grid, failed, 1).seconds == estimate(grid, fresh, 1).seconds > START_SECONDS
    assert estimate(grid, diverged, 1).seconds == 0


def test_a_branch_starts_where_its_trunk_has_left_a_state(tmp_path: Path) -> None:
    grid = students(
        tmp_path, tokens='["64K", "128K"]', training='schedule = "branches"\ndecay_share = 0.5\nwarmup_steps = 5'
    )
    states: dict[str, State] = {cell.id: "planned" if cell.id.startswith("d-L1") else "done" for cell in grid.cells}
    short, trunk = (cell for cell in grid.cells if cell.id.startswith("d-L1"))
    prices = {short.id: 3.0, trunk.id: 12.0}

    def price(group: Sequence[RunSpec]) -> float:
        return sum(prices[cell.id] for cell in group)

    assert makespan(grid.cells, states, price, 1, 1) == 15.0
    assert makespan(grid.cells, states, price, 2, 1) == 12.0
    prices[short.id] = 10.0
    branch = 12.0 * short.branches_at / trunk.steps
    assert makespan(grid.cells, states, price, 2, 1) == pytest.approx(branch + 10.0)
