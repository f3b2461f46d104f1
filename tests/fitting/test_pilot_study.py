"""`benchmarks/pilot_study.py` and its parts on runs made up of laws: what was planted is found, what was not is not."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SIZES, TOKENS, LOSSES = np.meshgrid([2e4, 6e4, 2e5, 6e5], [5e5, 1e6, 2e6, 4e6], [2.3, 2.6, 2.9, 3.2])


@pytest.fixture
def named(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module


@pytest.fixture
def study(named):
    return named("pilot_study")


@pytest.fixture
def errors(named):
    return named("pilot_errors")


@pytest.fixture
def tables(named):
    return named("pilot_tables")


def students(loss, **columns):
    found = {"N": SIZES.ravel(), "D": TOKENS.ravel(), "teacher_loss": LOSSES.ravel(), "seed": 0}
    return pd.DataFrame({**found, "loss": loss.ravel(), **columns})


def test_the_law_without_its_teacher_factor_is_recovered(errors):
    frame = students(LOSSES + LOSSES**-1.3 * (40 * SIZES**-0.3 + 300 * TOKENS**-0.4) ** 0.9)
    beyond = frame.assign(N=frame.N * 10, D=frame.D * 10)
    beyond["loss"] = (
        beyond.teacher_loss + beyond.teacher_loss**-1.3 * (40 * beyond.N**-0.3 + 300 * beyond.D**-0.4) ** 0.9
    )
    loss = errors.without_factor(frame)
    assert np.abs(errors.log_error(loss, frame)).max() < 1e-6
    assert np.abs(errors.log_error(loss, beyond)).max() < 1e-4


def test_a_quadratic_is_recovered(errors):
    n, d, t = (np.log(x) for x in (SIZES, TOKENS, LOSSES))
    frame = students(np.exp(1 - 0.1 * n + 0.002 * n * d - 0.05 * d + 0.3 * t**2 - 0.01 * n * t))
    assert np.abs(errors.log_error(errors.quadratic(frame), frame)).max() < 1e-9


def test_noise_is_pooled_over_cells_with_several_seeds(study):
    cells = pd.DataFrame({"N": [1, 1, 2, 2, 2, 3], "D": 1, "teacher": "", "x": [0.0, 0.2, 1.0, 1.1, 1.2, 9.0]})
    spread, count = study.spread(cells, "x")
    assert count == 2
    assert spread == pytest.approx(np.sqrt((0.02 + 0.02) / 3))


def test_gains_are_paired_by_shape_tokens_and_seed(study):
    alone = pd.DataFrame(
        {"N": 1, "D": [1, 1, 2], "seed": [0, 1, 0], "loss": [3.0, 3.2, 2.5], "role": "supervised", "kind": "supervised"}
    )
    taught = pd.DataFrame(
        {
            "N": 1,
            "D": [1, 1, 4],
            "seed": [0, 1, 0],
            "loss": [2.9, 3.0, 2.0],
            "role": "distilled",
            "kind": "distillation",
        }
    )
    found = study.paired(pd.concat([alone, taught]))
    assert list(found.loss_alone - found.loss) == pytest.approx([0.1, 0.2])


def test_an_interval_is_students_t(tables):
    assert tables.mean_of(np.array([1.0, 2.0, 3.0]), 3) == "+2.000 ± 1.686"
    assert tables.mean_of(np.array([1.0]), 3) == "+1.000"
    assert tables.mean_of(np.array([]), 3) == ""
