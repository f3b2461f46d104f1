"""A fitted law whose joint draws are known: the published one, with its coefficients jittered."""

from dataclasses import replace

import numpy as np
import pytest

from fitting.findings import Draws
from fitting.fit import COEFFICIENTS, Fit
from fitting.published import BUSBRIDGE2025_LAW


def jittered(law, names, spread, count, seed):
    """Draws of each coefficient, log-normal around the law's own, shape (count,)."""
    rng = np.random.default_rng(seed)
    found = {name: float(getattr(law, name)) * np.exp(spread * rng.standard_normal(count)) for name in names}
    return Draws(found, "run", count)


@pytest.fixture(scope="session")
def law_with_draws():
    """`law_with_draws(count, spread)`: the printed law as a fit with draws; support as printed, no rollout."""

    def make(count=200, spread=0.002):
        known = BUSBRIDGE2025_LAW
        base = replace(
            Fit.given(known),
            status="converged",
            n_runs=73,
            relative_error=0.004,
            draws=jittered(known.supervised, COEFFICIENTS["supervised"], spread, count, 1),
        )
        names = COEFFICIENTS["distillation"]
        fit = replace(
            base,
            form="distillation",
            coefficients={name: float(getattr(known.distillation, name)) for name in names},
            identified=dict.fromkeys(names, True),
            intervals=dict.fromkeys(names),
            supervised=base,
            n_runs=697,
            id="fit-planted",
            draws=jittered(known.distillation, names, spread, count, 2),
        )
        return replace(fit.known(), box_N=known.box_N, box_D=known.box_D)

    return make
