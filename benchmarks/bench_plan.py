"""The planner's optimum against SciPy's SLSQP from several starts, as the paper solves it; draws; and a cold command.

`make bench` prints both sides of each group; quote the ratio of medians.
"""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from fitting.findings import Draws
from fitting.fit import COEFFICIENTS, Fit
from fitting.known import KnownLaw
from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.allocation import optimum
from planner.crossover.crossing import crossover
from planner.decision import plan
from planner.problems import Problems
from planner.scenarios import Budget, Charges

N_S, C = 1e9, 1e23


def ours() -> float:
    return float(optimum(Problems.of(LAW, N_S, C, Charges(1, 1)))[0].loss[0])


def slsqp(starts: int = 8) -> float:
    """Eq 10 of arXiv 2502.08606 in logs of (N_T, D_T), D_S from the budget, from random starts in the box."""
    law = LAW.require_distillation()
    F = LAW.convention.forward

    def loss(x):
        N_T, D_T = np.exp(x)
        D_S = (C - 3 * F(N_T) * D_T) / (3 * F(N_S) + F(N_T))
        return float(law.loss(N_S, max(D_S, 1e6), LAW.supervised.loss(N_T, D_T)))

    def left(x):
        N_T, D_T = np.exp(x)
        return (C - 3 * F(N_T) * D_T) / C

    rng = np.random.default_rng(0)
    best = np.inf
    for start in np.log(10.0) * rng.uniform((7, 8), (11, 13), (starts, 2)):
        found = minimize(
            loss, start, method="SLSQP", bounds=[np.log((1e6, 1e17))] * 2, constraints={"type": "ineq", "fun": left}
        )
        if found.success and left(found.x) >= -1e-9:
            best = min(best, found.fun)
    return best


@pytest.mark.benchmark(group="optimum, 1B student, 1e23 FLOPs, everything paid")
def test_nested_search(benchmark):
    benchmark.extra_info["loss"] = benchmark(ours)


@pytest.mark.benchmark(group="optimum, 1B student, 1e23 FLOPs, everything paid")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_slsqp_from_eight_starts(benchmark):
    loss = benchmark(slsqp)
    assert ours() <= loss * (1 + 1e-9)


@pytest.mark.benchmark(group="optimum, 1B student, 1e23 FLOPs, everything paid")
def test_whole_plan_with_near_optimal_ranges(benchmark):
    benchmark(lambda: plan(LAW, Budget(C, 1, 1), student=N_S))


def with_draws(count: int) -> KnownLaw:
    """The printed law as a fit with joint draws, each coefficient jittered by half a per cent."""
    rng = np.random.default_rng(0)

    def draws(law: object, form: str) -> Draws:
        names = COEFFICIENTS[form]
        return Draws({n: getattr(law, n) * np.exp(0.005 * rng.standard_normal(count)) for n in names}, "run", count)

    base = replace(Fit.given(LAW), status="converged", n_runs=73, draws=draws(LAW.supervised, "supervised"))
    own = {name: getattr(LAW.distillation, name) for name in COEFFICIENTS["distillation"]}
    fit = replace(
        base,
        form="distillation",
        coefficients=own,
        identified=dict.fromkeys(own, True),
        intervals=dict.fromkeys(own),
        supervised=base,
        draws=draws(LAW.distillation, "distillation"),
    )
    return replace(fit.known(), box_N=LAW.box_N, box_D=LAW.box_D)


@pytest.mark.benchmark(group="a plan, everything paid, by the draws of its law")
@pytest.mark.parametrize("count", [0, 1000])
def test_plan_with_draws(benchmark, count):
    law = with_draws(count) if count else LAW
    benchmark(lambda: plan(law, Budget(C, 1, 1), student=N_S))


@pytest.mark.benchmark(group="crossovers in all scenarios, by the draws of the law")
@pytest.mark.parametrize("count", [0, 1000])
def test_crossover_with_draws(benchmark, count):
    law = with_draws(count) if count else LAW
    benchmark.pedantic(lambda: crossover(law, student=N_S), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="1000 optima, everything paid")
def test_a_thousand_at_once(benchmark):
    budgets = np.geomspace(1e20, 1e26, 1000)
    benchmark(lambda: optimum(Problems.of(LAW, N_S, budgets, Charges(1, 1))))


@pytest.mark.benchmark(group="1000 optima, everything paid")
def test_a_thousand_one_by_one(benchmark):
    budgets = np.geomspace(1e20, 1e26, 1000)
    benchmark.pedantic(
        lambda: [optimum(Problems.of(LAW, N_S, C, Charges(1, 1))) for C in budgets], rounds=3, warmup_rounds=1
    )


@pytest.mark.benchmark(group="a cold command")
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            [
                "-c",
                "from planner.cli import main; main()",
                "plan",
                "train-teacher",
                "--student",
                "1B",
                "--budget",
                "1e23",
                "--json",
            ],
            id="plan",
        ),
        pytest.param(["-c", "from planner.cli import main; main()", "--help"], id="help"),
        pytest.param(["-c", "import numpy"], id="python -c 'import numpy'"),
        pytest.param(["-c", "pass"], id="python -c pass"),
    ],
)
def test_cold(benchmark, command):
    benchmark.pedantic(
        lambda: subprocess.run([sys.executable, *command], check=True, capture_output=True), rounds=7, warmup_rounds=1
    )
