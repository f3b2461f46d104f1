"""Levels of intervals: those that draws can tell, and the refusal of others."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fitting import intervals
from fitting.errors import InputError
from fitting.findings import Draws
from fitting.fit import COEFFICIENTS


@pytest.fixture
def fit_with_draws(distillation_fit):
    base = distillation_fit.supervised
    found = {name: np.full(3, base.coefficients[name]) for name in COEFFICIENTS["supervised"]}
    return replace(base, draws=Draws(found, "run", 3))


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (0.9999999999999999, "do not tell levels above 0.9999"),
        (0.99995, "do not tell levels above 0.9999"),
        (1.0, "between 0 and 1"),
        (0.0, "between 0 and 1"),
        (-0.5, "between 0 and 1"),
        (math.nan, "between 0 and 1, not nan"),
    ],
)
def test_levels_that_draws_cannot_tell_are_refused(fit_with_draws, level, says):
    with pytest.raises(InputError, match=says):
        intervals.quantile(level, fit_with_draws)
    with pytest.raises(InputError, match=says):
        fit_with_draws.predict(1e9, 1e11, interval=level)


def test_the_highest_level_is_told(fit_with_draws):
    loss, low, high = fit_with_draws.predict(1e9, 1e11, interval=intervals.HIGHEST_LEVEL)
    assert low < loss < high
    assert intervals.quantile(0.95, fit_with_draws) == pytest.approx(1.96, rel=0.05)
