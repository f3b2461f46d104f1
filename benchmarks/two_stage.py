"""How well do two-stage fits predict? The paper's grid, simulated, fitted to its smaller half, asked for the rest.

8 student sizes x 8 numbers of tokens x 7 teachers at 20 tokens a parameter, noise of 0.5 % on every student and every
supervised run. Fitted to students up to 1.82B on up to 128B tokens with teachers up to 2.72B; errors are
root mean squares of L̂/L - 1 against the law that made the runs, in the fitted part of the grid and beyond it. Held
against a fit that starts at the truth and has no priors.

    python benchmarks/two_stage.py [--seeds 20] [--json FILE]
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from fitting import search, stages
from fitting.estimation import fit_distillation, fit_law
from fitting.fit import COEFFICIENTS, Fit
from fitting.flops import BUSBRIDGE2025
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.method import Method
from fitting.published import BUSBRIDGE2025_LAW
from fitting.records import RunRecord, RunTable
from fitting.selection import fitted

SIZES = [143e6, 198e6, 266e6, 546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9]
STUDENTS = SIZES[1:]
TEACHERS = [198e6, 546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9]
TOKENS = np.geomspace(4e9, 512e9, 8)
LARGEST = {"student": 1.82e9, "tokens": 130e9, "teacher": 2.72e9}

PRINTED = BUSBRIDGE2025_LAW.require_distillation()
TRUTHS = {"printed coefficients": PRINTED, "a live D term (B' = 1.36e6)": replace(PRINTED, B=1.36e6)}


def table(law: DistillationLaw, seed: int, *, noise: float = 0.005, teacher_noise: float = 0.0) -> RunTable:
    """The whole grid; teachers' losses are measured with `teacher_noise`, their students learn from the true ones."""
    rng = np.random.default_rng(seed)
    records = []

    def add(kind: str, N: float, D: float, loss: float, **others: object) -> None:
        loss = float(loss * np.exp(noise * rng.standard_normal()))
        records.append(RunRecord(f"r{len(records)}", kind, N, float(D), loss, **others))  # type: ignore[arg-type]

    for N in SIZES:
        for D in TOKENS:
            add("supervised", N, D, law.supervised.loss(N, D))
    for N_T in TEACHERS:
        true = float(law.supervised.loss(N_T, 20 * N_T))
        measured = true * float(np.exp(teacher_noise * rng.standard_normal()))
        for N in STUDENTS:
            for D in TOKENS:
                facts = {"teacher_id": f"{N_T:g}", "teacher_N": N_T, "teacher_D": 20 * N_T, "teacher_loss": measured}
                add("distillation", N, D, law.loss(N, D, true), **facts)
    return RunTable(tuple(records), BUSBRIDGE2025)


def small(record: RunRecord) -> bool:
    """Whether a distilled run belongs to the part of the grid that is fitted."""
    return (
        record.N <= LARGEST["student"]
        and record.D <= LARGEST["tokens"]
        and (record.teacher_N or 0.0) <= LARGEST["teacher"]
    )


def part(runs: RunTable, *, small_supervised: bool) -> RunTable:
    """What is fitted: the small distilled runs, and all supervised runs or the small ones among them."""
    kept = (
        r
        for r in runs.records
        if (r.kind == "distillation" and small(r))
        or (r.kind == "supervised" and (not small_supervised or (r.N <= 1.83e9 and r.D <= LARGEST["tokens"])))
    )
    return RunTable(tuple(kept), runs.convention)


def errors(fit: Fit, law: DistillationLaw) -> tuple[float, float]:
    """RMS of L̂/L - 1 on the fitted part of the grid and on the rest, teachers at their true losses."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for N_T in TEACHERS:
        teacher = float(law.supervised.loss(N_T, 20 * N_T))
        for N in STUDENTS:
            for D in TOKENS:
                inside = N <= LARGEST["student"] and D <= LARGEST["tokens"] and N_T <= LARGEST["teacher"]
                found[inside].append(fit.predict(N, D, teacher) / law.loss(N, D, teacher) - 1)
    within, beyond = (float(np.sqrt(np.mean(np.square(found[key])))) for key in (True, False))
    return within, beyond


def from_truth(runs: RunTable, law: DistillationLaw) -> Fit:
    """The fit without priors that starts at the truth: what a search could hope for at best."""
    method = Method(priors=False, teacher_errors=False)
    below = fit_law(SupervisedLaw, runs, method=method)
    distilled = runs.distillation()
    problem = stages.distillation_problem(distilled, below, {}, limit=False)
    start = problem.coordinates.of({name: getattr(law, name) for name in COEFFICIENTS["distillation"]})
    found = search.settle(problem, method, start[None], method.delta, 0.0, weights=None, agreeing=1.0)
    coefficients = {name: float(x[0]) for name, x in problem.coordinates.coefficients(found.z[None]).items()}
    return replace(fit_distillation(runs, below, method=method), coefficients=coefficients)


def chosen(runs: RunTable, law: DistillationLaw) -> Fit:
    """What `distillaw fit` does: forms by rollout, weak priors, errors of teachers."""
    return fitted(runs)


def all_free(runs: RunTable, law: DistillationLaw) -> Fit:
    """All coefficients free, weak priors, errors of teachers."""
    return fit_distillation(runs, fit_law(SupervisedLaw, runs))


def exact_teachers(runs: RunTable, law: DistillationLaw) -> Fit:
    """All coefficients free, weak priors, the teachers' losses without errors of their own."""
    return fit_distillation(runs, fit_law(SupervisedLaw, runs), method=Method(teacher_errors=False))


def no_priors(runs: RunTable, law: DistillationLaw) -> Fit:
    """All coefficients free, nothing else."""
    return fit_distillation(runs, fit_law(SupervisedLaw, runs), method=Method(priors=False, teacher_errors=False))


WAYS: dict[str, Callable[[RunTable, DistillationLaw], Fit]] = {
    "as distillaw fit": chosen,
    "all nine free": all_free,
    "L_T taken as exact": exact_teachers,
    "without priors": no_priors,
    "from the truth": from_truth,
}


def study(law: DistillationLaw, seeds: int, *, teacher_noise: float, small_supervised: bool) -> dict[str, list[float]]:
    """Errors of every way, by seed: `name in` and `name out`."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        runs = part(table(law, seed, teacher_noise=teacher_noise), small_supervised=small_supervised)
        for name, way in WAYS.items():
            within, beyond = errors(way(runs, law), law)
            found.setdefault(f"{name} in", []).append(within)
            found.setdefault(f"{name} out", []).append(beyond)
        if sys.stderr.isatty():
            print(f"\r{seed + 1} of {seeds} ", end="", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    settings = {
        "L_T exact": {"teacher_noise": 0.0, "small_supervised": False},
        "L_T exact, stage 1 on small runs only": {"teacher_noise": 0.0, "small_supervised": True},
        "0.5 % noise in each teacher's L_T": {"teacher_noise": 0.005, "small_supervised": False},
    }
    rows = {}
    for truth, law in TRUTHS.items():
        for setting, options in settings.items():
            found = study(law, given.seeds, **options)  # type: ignore[arg-type]
            rows[f"{truth}; {setting}"] = found
            print(f"\n{truth}; {setting}; {given.seeds} seeds")
            for name in WAYS:
                within, beyond = np.array(found[f"{name} in"]), np.array(found[f"{name} out"])
                print(
                    f"  {name:18s} in grid {within.mean():.3%} (worst {within.max():.3%})   "
                    f"beyond {beyond.mean():.3%} (median {np.median(beyond):.3%}, worst {beyond.max():.3%})"
                )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
