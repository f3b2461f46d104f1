"""What the machinery around cells costs, and what a second worker brings: whole grids, by the clock.

`python benchmarks/grid_throughput.py` trains equal supervised cells of some 30 seconds and of steps of at least 40 ms,
on one thread each, and prints

- the overhead: a grid of one worker, from before its process starts to after it has ended, over the sum of what its
  cells take alone in this process, which has paid for its imports;
- cells per hour with two workers over those with one.

Cells alone are timed before, between and after the grids, and their median counts, because machines drift. Takes some
six minutes; nothing else should run.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

from fitting.flops import Shape
from sweeps import corpora
from sweeps import grid as grids
from sweeps.running import How, run
from sweeps.spec import GridSpec, Recipe, RunSpec
from sweeps.student import Paths

CELLS, STEPS, BATCH, N_CTX = 4, 340, 1024, 128
RECIPE = Recipe("stdlib", BATCH, 0.01, None, 20, 1e-4, 1.0, 1e-4, 64 * N_CTX, 2)
SHAPE = Shape.of_depth(4, aspect=32, n_heads=4, n_vocab=256, n_ctx=N_CTX)


def cell(seed: int) -> RunSpec:
    return RunSpec(f"cell-{seed}", "supervised", SHAPE, 32, BATCH * STEPS, seed, RECIPE)


def alone(room: Path) -> float:
    """Seconds of a cell in this process."""
    from sweeps.training import train

    room.mkdir()
    start = time.perf_counter()
    train(cell(0), Paths(room / "journal", room / "state", room / "model"))
    return time.perf_counter() - start


def whole(room: Path, workers: int) -> float:
    """Seconds of the grid."""
    spec = GridSpec(f"workers-{workers}", "stdlib", tuple(cell(seed) for seed in range(CELLS)))
    start = time.perf_counter()
    run(grids.create(room, spec, corpora.load("stdlib").describe()), How(workers=workers))
    return time.perf_counter() - start


def main() -> None:
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        alone(room / "warm")
        times = [alone(room / "before")]
        one = whole(room / "one", 1)
        times.append(alone(room / "between"))
        two = whole(room / "two", 2)
        times.append(alone(room / "after"))
    each = median(times)
    print(f"{CELLS} cells of {each:.1f} s ({min(times):.1f} to {max(times):.1f}), steps of {1e3 * each / STEPS:.0f} ms")
    print(f"one worker: {one:.1f} s, {one / (CELLS * each):.3f} of the sum of its cells")
    print(f"two workers: {two:.1f} s, {one / two:.2f} times the cells per hour")


if __name__ == "__main__":
    main()
