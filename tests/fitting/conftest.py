"""Runs made up from a law, for the tests of the room `fitting`."""

import numpy as np
import pytest

from fitting.flops import BUSBRIDGE2025
from fitting.published import BUSBRIDGE2025_FIGURES_LAW
from fitting.records import RunRecord, RunTable

SIZES = [143e6, 198e6, 266e6, 546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9]
STUDENTS = SIZES[1:]
TEACHERS = [198e6, 546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9]
TOKENS = np.geomspace(4e9, 512e9, 8)


def runs_of(known, noise, seed, *, distilled=True):
    """The paper's grid: 72 supervised runs and 8 x 8 x 7 distilled ones, teachers at 20 tokens per parameter."""
    rng = np.random.default_rng(seed)
    records = []

    def add(kind, N, D, loss, **others):
        loss = float(loss * np.exp(noise * rng.normal()))
        records.append(RunRecord(f"{kind}-{len(records)}", kind, float(N), float(D), loss, **others))

    for N in SIZES:
        for D in TOKENS:
            add("supervised", N, D, known.supervised.loss(N, D))
    for N_T in TEACHERS if distilled else []:
        teacher = float(known.supervised.loss(N_T, 20 * N_T))
        facts = {"teacher_id": f"{N_T:g}", "teacher_N": N_T, "teacher_D": 20 * N_T, "teacher_loss": teacher}
        for N in STUDENTS:
            for D in TOKENS:
                add("distillation", N, D, known.distillation.loss(N, D, teacher), **facts)
    return RunTable(tuple(records), BUSBRIDGE2025)


@pytest.fixture(scope="session")
def simulated():
    """Make runs of a law: `simulated(known, noise, seed)`."""
    return runs_of


@pytest.fixture(scope="session")
def noisy_runs():
    """The grid with 0.4 % of noise, from the law that matches the paper's figures."""
    return runs_of(BUSBRIDGE2025_FIGURES_LAW, 0.004, 1)


@pytest.fixture(scope="session")
def distillation_fit(noisy_runs):
    """Both laws fitted to `noisy_runs`, gamma free."""
    from fitting.estimation import fit_table

    return fit_table(noisy_runs)
