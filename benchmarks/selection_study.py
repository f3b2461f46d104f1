"""Rules for choosing the form of the law, by what they cost: `python benchmarks/selection_study.py [--runs FOLDER]`.

Public tables of training runs (arXiv 2406.19146, arXiv 2403.08540 and kyo-takano/chinchilla) are cut below their top k
budgets, k = 1 to 4; the forms "gamma = 1" and "gamma free" are fitted to the runs below, and every rule chooses one of
them from the folds of those runs alone. What it costs is the mean |L̂/L - 1| on the runs above. The cuts are few and
alike (five validation sets share the same models), so small differences between rules mean nothing.

Then runs made up of laws with gamma = 0.452 and gamma = 1: how often each rule finds the form that made them. Last,
distilled runs with and without an effect of the teacher beside its L_T: how often `fitting.terms` finds it.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from math import comb
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fitting import rollout, selection, terms
from fitting.errors import InputError
from fitting.estimation import fit_distillation, fit_law
from fitting.flops import BUSBRIDGE2025, SIX_ND, SIX_ND_TOTAL
from fitting.laws import SupervisedLaw
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW
from fitting.records import RunRecord, RunTable

PUBLIC_RUNS = Path(__file__).resolve().parents[2] / "shared" / "data" / "public-runs"
CUTS = 4
FEWEST = 20
IN_DISTRIBUTION = ("c4_val", "openlm", "paloma_c4", "falcon", "redpajama")
SIZES = np.geomspace(143e6, 7.75e9, 9)
NOISE = 0.004
NOTABLE = 0.002

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Case(NamedTuple):
    """Two forms, gamma = 1 first: log L̂ - log L of the runs beyond, and errors on the folds that both could fit."""

    family: str
    name: str
    beyond: tuple[Array, Array]
    folds: tuple[Array, Array]
    chosen: int

    @property
    def errors(self) -> tuple[float, float]:
        """Mean |L̂/L - 1| on the runs beyond."""
        first, second = (float(np.mean(np.abs(np.expm1(log)))) for log in self.beyond)
        return first, second


Rule = Callable[[Array, Array], bool]


def chance(small: Array, large: Array) -> float:
    """Of as many folds going to the larger form if both were equally good."""
    wins, count = int((large < small).sum()), len(small)
    return sum(comb(count, k) for k in range(wins, count + 1)) / 2**count


def lower(margin: float, *, largest_chance: float = 1.0) -> Rule:
    """Take the larger form when its mean error is lower by a margin, and it wins more folds than by chance."""

    def rule(small: Array, large: Array) -> bool:
        return bool(large.mean() <= (1 - margin) * small.mean() and chance(small, large) <= largest_chance)

    return rule


RULES: dict[str, Rule] = {
    "always gamma = 1": lambda small, large: False,
    "always gamma free": lambda small, large: True,
    **{f"{margin:.0%} lower": lower(margin) for margin in (0.05, 0.1, 0.2, 0.3)},
    "lower on every fold": lambda small, large: bool((large < small).all()),
    "20% lower on every fold": lambda small, large: bool((large < 0.8 * small).all()),
    "20% lower on the nearest fold": lambda small, large: bool(large[0] < 0.8 * small[0]),
    "20% lower, nearest fold too": lambda small, large: bool(
        large.mean() < 0.8 * small.mean() and large[0] < 0.8 * small[0]
    ),
    "lower by a standard error": lambda small, large: (
        len(small) > 1 and bool((small - large).mean() > (small - large).std(ddof=1) / np.sqrt(len(small)))
    ),
    **{
        f"{margin:.0%} lower, sign test 5%": lower(margin, largest_chance=0.05)
        for margin in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    },
}


def public_tables(folder: Path) -> Iterator[tuple[str, str, RunTable]]:
    """Family, name and runs of each public table."""
    yield "kyo_takano", "kyo_takano", RunTable.read(folder / "kyo_takano_llm.csv", convention=SIX_ND_TOTAL)
    frame = pd.read_csv(folder / "porian2024.csv").dropna(subset=["params", "tokens", "loss"])
    frame = frame[(frame.tokens > 0) & (frame.param_count == "standard") & (frame.val == "val")]
    by = ["file", "dataset", "hparams", "warmup", "decay", "param_count", "val"]
    for key, group in frame.groupby(by):
        if group.flops.nunique() >= 6 and len(group) >= 40:
            runs = group.drop(columns=by)
            found = RunTable.from_frame(runs, mapping={"N": "params", "D": "tokens"}, convention=SIX_ND)
            yield "porian2024", " ".join(map(str, key[1:5])), found
    frame = pd.read_csv(folder / "gadre2024.csv")
    for (dataset, val), group in frame.groupby(["dataset", "val_data"]):
        known = next((name for name in IN_DISTRIBUTION if name in val), None)
        if len(group) >= 25 and known:
            runs = group[["params_no_embed", "tokens", "loss"]]
            found = RunTable.from_frame(runs, mapping={"N": "params_no_embed", "D": "tokens"}, convention=SIX_ND)
            yield "gadre2024", f"{dataset} {known}", found


def case(family: str, name: str, seen: RunTable, beyond: RunTable) -> Case | None:
    """Fit both forms to what is seen; None where one of them cannot be fitted, or no fold is left."""

    def fit(form: selection.Form) -> selection.Fit:
        return fit_law(SupervisedLaw, seen, fixed=form.fixed)

    trials = [selection.trial(form, fit, seen) for form in selection.supervised_forms({})]
    folds = selection.shared(trials)
    if any(trial.fit is None for trial in trials) or not folds:
        return None
    N, D, loss = (beyond.column(column) for column in ("N", "D", "loss"))
    small, large = (np.log(trial.fit.predict(N, D) / loss) for trial in trials if trial.fit is not None)
    errors = [np.array([trial.errors[fold] for fold in folds]) for trial in trials]
    return Case(family, name, (small, large), (errors[0], errors[1]), selection.choose(trials))


def public_cases(folder: Path) -> list[Case]:
    """Every table below its top budgets."""
    found = []
    for family, name, table in public_tables(folder):
        sys.stderr.write(f"{name}\n")
        compute = np.log(table.convention.training(table.column("N"), table.column("D")))
        for k, edge in enumerate(rollout._edges(compute)[:CUTS]):
            seen, beyond = (
                RunTable(tuple(r for r, kept in zip(table.records, mask, strict=True) if kept), table.convention)
                for mask in (compute <= edge, compute > edge)
            )
            try:
                made = case(family, f"{name} below {k + 1}", seen, beyond) if len(seen) >= FEWEST else None
            except InputError as error:
                sys.stderr.write(f"  {k + 1}: {error}\n")
                made = None
            found += [] if made is None else [made]
    return found


def simulated(law: SupervisedLaw, sizes: int, seed: int) -> tuple[RunTable, RunTable]:
    """`sizes` x 8 runs of a law, and its largest runs ten times as large in N and in D, without noise, to predict."""
    rng = np.random.default_rng(seed)
    tokens = np.geomspace(4e9, 512e9, 8)
    chosen = SIZES[:sizes]
    losses = {(N, D): law.loss(N, D) * np.exp(NOISE * rng.normal()) for N in chosen for D in tokens}
    beyond = {(10 * N, 10 * D): law.loss(10 * N, 10 * D) for N in chosen[-3:] for D in tokens[-3:]}
    first, second = (
        RunTable(
            tuple(RunRecord(f"{N:g} {D:g}", "supervised", N, D, float(L)) for (N, D), L in runs.items()), BUSBRIDGE2025
        )
        for runs in (losses, beyond)
    )
    return first, second


def show(cases: list[Case]) -> None:
    """One row for each rule."""
    errors = np.array([case.errors for case in cases])
    best = errors.min(axis=1)
    print(f"{len(cases)} cases; folds shared: {np.bincount([len(case.folds[0]) for case in cases])} of 0, 1, 2, ...")
    print(
        f"{'rule':32} {'free':>5} {'median':>8} {'mean':>8} {'worst':>8} {'regret':>8} {'> .2pp':>7} "
        f"{'gain':>8} {'> .2pp':>7}"
    )
    for name, rule in RULES.items():
        took = np.array([rule(*case.folds) for case in cases])
        row(name, took, np.where(took, errors[:, 1], errors[:, 0]), errors[:, 0])
    took = np.array([case.chosen == 1 for case in cases])
    row("distillaw's own choice", took, np.where(took, errors[:, 1], errors[:, 0]), errors[:, 0])
    row("the better one, known after", errors[:, 1] < errors[:, 0], best, errors[:, 0])
    for power in (0, 2):
        mixed = []
        for case in cases:
            small, large = (float(fold.mean()) ** -power for fold in case.folds)
            share = large / (small + large)
            mixed.append(np.mean(np.abs(np.expm1((1 - share) * case.beyond[0] + share * case.beyond[1]))))
        row(f"mean of both, weights error^-{power}", np.full(len(cases), np.nan), np.array(mixed), errors[:, 0])


def row(name: str, took: Array, error: Array, plain: Array) -> None:
    """Share that took gamma free, errors, and what the rule lost and gained against gamma = 1."""
    loss = error - plain
    lost, gained = int((loss > NOTABLE).sum()), int((loss < -NOTABLE).sum())
    print(
        f"{name:32} {np.mean(took):5.0%} {np.median(error):8.2%} {error.mean():8.2%} {error.max():8.2%} "
        f"{max(loss.max(), 0.0):8.2%} {lost:7d} {max(-loss.min(), 0.0):8.2%} {gained:7d}"
    )


EFFECTS = {
    "none": {},
    "none, L_T off by 0.4%": {"measured": 0.004},
    "none, 20 tokens per teacher parameter": {"ratios": (20.0,)},
    "N_T^0.005": {"size": 0.005},
    "M_T^0.005": {"ratio": 0.005},
    "L_T 1% higher": {"offset": 0.01},
    "N_T^0.01, 20 tokens per teacher parameter": {"size": 0.01, "ratios": (20.0,)},
}


def distilled(
    seed: int,
    *,
    size: float = 0.0,
    ratio: float = 0.0,
    offset: float = 0.0,
    measured: float = 0.0,
    ratios: tuple[float, ...] = (20.0, 80.0, 320.0),
) -> RunTable:
    """40 supervised and 375 (or 125) distilled runs; students' losses depend on N_T^`size` and M_T^`ratio`."""
    law, rng = BUSBRIDGE2025_FIGURES_LAW, np.random.default_rng(seed)
    assert law.distillation is not None
    students, records = np.geomspace(143e6, 7.75e9, 5), []

    def add(kind: str, N: float, D: float, loss: float, **others: object) -> None:
        noisy = float(loss * np.exp(NOISE * rng.normal()))
        records.append(RunRecord(f"{len(records)}", kind, float(N), float(D), noisy, **others))

    for N in students:
        for D in np.geomspace(4e9, 512e9, 8):
            add("supervised", N, D, law.supervised.loss(N, D))
    for N_T in (198e6, 546e6, 1.82e9, 4.82e9, 7.75e9):
        for M_T in ratios:
            L_T = float(law.supervised.loss(N_T, M_T * N_T))
            seen = L_T * float(np.exp(measured * rng.normal()))
            teacher = {"teacher_id": f"{N_T:g} {M_T:g}", "teacher_N": N_T, "teacher_D": M_T * N_T, "teacher_loss": seen}
            for N in students:
                for D in np.geomspace(4e9, 512e9, 5):
                    loss = law.distillation.loss(N, D, L_T * np.exp(offset)) * (N_T / 1e9) ** size * (M_T / 80) ** ratio
                    add("distillation", N, D, loss, **teacher)
    return RunTable(tuple(records), BUSBRIDGE2025)


def show_terms(seeds: int) -> None:
    """How often each term is taken, by what is really there."""
    print(f"\nTerms beside the distillation law, {seeds} tables each: how often taken, and the median slope")
    for label, options in EFFECTS.items():
        found: dict[str, list[terms.Term]] = {}
        for seed in range(seeds):
            table = distilled(seed, **options)
            fit = fit_distillation(table, fit_law(SupervisedLaw, table), fixed={"gamma": 1.0}, limit_form=True)
            for term in terms.terms(fit, table):
                found.setdefault(term.name, []).append(term)
        told = [
            f"{name} {sum(term.taken for term in tried)} ({np.median([term.slope for term in tried]):+.4f}, at best "
            f"{max(1 - term.error_with / term.error_without for term in tried):.0%} less error)"
            for name, tried in found.items()
        ]
        print(f"{label:42} {', '.join(told)}")


def main() -> None:
    """Print the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=PUBLIC_RUNS, help="the folder with the public tables")
    parser.add_argument("--seeds", type=int, default=20, help="simulated tables of each kind")
    arguments = parser.parse_args()
    if arguments.runs.is_dir():
        cases = public_cases(arguments.runs)
        for family in (None, *dict.fromkeys(case.family for case in cases)):
            print(f"\nPublic runs: {family or 'all'}")
            show([case for case in cases if family in (None, case.family)])
    else:
        sys.stderr.write(f"{arguments.runs}: no public tables there; simulated runs alone\n")
    laws = {"gamma = 0.452": BUSBRIDGE2025_LAW.supervised, "gamma = 1": HOFFMANN2022_LAW.supervised}
    for truth, law in laws.items():
        for sizes in (9, 4):
            print(f"\nSimulated, {truth}, {sizes} sizes x 8 token counts, {NOISE:.1%} of noise")
            pairs = [simulated(law, sizes, seed) for seed in range(arguments.seeds)]
            made = [case("simulated", truth, *pair) for pair in pairs]
            show([found for found in made if found is not None])
    show_terms(arguments.seeds)


if __name__ == "__main__":
    main()
