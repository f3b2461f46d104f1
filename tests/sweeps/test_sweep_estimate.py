"""Estimates of time: every shape has a rate, and models too large to build are scaled instead of built."""

import time
from pathlib import Path

import pytest

from fitting.flops import Shape, forward
from sweeps import grid_file
from sweeps.estimate import estimate

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
    return estimate(grid, {cell.id: "waiting" for cell in grid.cells}, 1)


def test_a_model_too_large_to_time_is_not_built(tmp_path):
    """Twenty layers of width 2560, 1.6 billion parameters, would take minutes and gigabytes to step."""
    start = time.perf_counter()
    large = timed(tmp_path, aspect=128, heads=16, layers=20)
    assert time.perf_counter() - start < 30
    assert "scaled from it by FLOPs" in large.basis
    small = timed(tmp_path, aspect=128, heads=16, layers=10)
    shapes = [Shape.of_depth(n, n_vocab=256, n_ctx=256) for n in (20, 10)]
    ratio = forward(shapes[0]).total / forward(shapes[1]).total
    assert large.seconds / small.seconds == pytest.approx(ratio, rel=0.5)  # both are measurements


def test_small_models_are_measured(tmp_path):
    found = timed(tmp_path, aspect=16, heads=2, layers="[1, 2]")
    assert "2 shapes" in found.basis
    assert "scaled" not in found.basis
    assert found.seconds > 0
