"""Estimates of time: every shape has a rate, and models too large to build are scaled instead of built."""

from pathlib import Path

import pytest

from fitting.flops import Shape, forward, parameters
from sweeps import grid_file
from sweeps.estimate import START_SECONDS, estimate

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
