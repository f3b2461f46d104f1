"""Do prediction intervals hold what they promise? Coverage over simulated laws, and over public tables of runs.

Simulated: independent truths, with noise, grids and numbers of runs varied; a law is fitted to runs, and predicts new
runs inside their range and up to eight times their compute. Public tables (skipped where the folder is absent): trained
below the top budgets, asked for the runs above. Each is compared with intervals of parameters and noise alone,
by coverage and by the interval score (Winkler 1972).

    python benchmarks/coverage.py --truths 200 [--public FOLDER] [--level 0.95] [--json FILE]
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitting.bootstrap import with_draws
from fitting.errors import DistillawError
from fitting.estimation import fit_law
from fitting.fit import Fit
from fitting.flops import SIX_ND, SIX_ND_TOTAL
from fitting.laws import SupervisedLaw
from fitting.records import RunRecord, RunTable
from fitting.rollout import _edges, rollout

Array = NDArray[np.float64]
DRAWS = 300
PUBLIC = Path(__file__).resolve().parents[2] / "shared" / "data" / "public-runs"


def truth(rng: np.random.Generator) -> SupervisedLaw:
    """A law whose two terms are of comparable size at 1B parameters and 20B tokens."""
    gamma = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.4, 0.9))
    slopes, share = rng.uniform(0.2, 0.5, 2), rng.uniform(0.2, 0.8)
    excess = float(rng.uniform(0.5, 1.5)) ** (1 / gamma)
    alpha, beta = slopes / gamma
    return SupervisedLaw(
        share * excess * 1e9**alpha, (1 - share) * excess * 2e10**beta, float(rng.uniform(1, 2.2)), alpha, beta, gamma
    )


def grid(rng: np.random.Generator) -> tuple[Array, Array]:
    """Sizes and tokens of a factorial, IsoFLOP or scattered design of 30 to 150 runs."""
    kind = rng.integers(3)
    if kind == 0:
        sizes, tokens = rng.integers(5, 11, 2)
        N, D = np.meshgrid(np.geomspace(1e8, 10 ** rng.uniform(9.3, 10), sizes), np.geomspace(2e9, 3e11, tokens))
        return N.ravel(), D.ravel()
    if kind == 1:
        C = np.geomspace(1e19, 10 ** rng.uniform(20.5, 21.5), rng.integers(5, 8))[:, None]
        N = np.sqrt(C / 120) * np.geomspace(0.2, 5, rng.integers(6, 12))
        return N.ravel(), (C / 6 / N).ravel()
    count = rng.integers(40, 120)
    return 10 ** rng.uniform(8, 10, count), 10 ** rng.uniform(9.3, 11.5, count)


def table(N: Array, D: Array, loss: Array) -> RunTable:
    rows = zip(N, D, loss, strict=True)
    return RunTable(tuple(RunRecord(str(i), "supervised", *map(float, row)) for i, row in enumerate(rows)), SIX_ND)


def simulated(truths: int, seed: int) -> Iterator[tuple[str, RunTable, Array, Array, Array, dict[str, float]]]:
    """Runs to fit, and new runs to predict: inside the range, and beyond it."""
    for k in range(truths):
        rng = np.random.default_rng([seed, k])
        law, noise = truth(rng), float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))
        N, D = grid(rng)
        loss = law.loss(N, D) * np.exp(noise * rng.standard_normal(len(N)))
        fixed = {"gamma": 1.0} if law.gamma == 1 else {}
        scale = np.exp(rng.uniform(0, np.log(8), 60))
        split = rng.random(60)
        for where, factor in (("inside", np.ones(60)), ("beyond", scale)):
            largest = np.argsort(N * D)[-max(1, len(N) // 4) :]
            at = rng.choice(largest if where == "beyond" else len(N), size=60)
            n, d = N[at] * factor**split, D[at] * factor ** (1 - split)
            new = law.loss(n, d) * np.exp(noise * rng.standard_normal(60))
            yield where, table(N, D, loss), n, d, new, fixed


def score(low: Array, high: Array, y: Array, level: float) -> Array:
    """Width plus 2 / (1 - level) for every unit outside, on log loss."""
    fine = 2 / (1 - level)
    found: Array = (high - low) + fine * (np.maximum(low - y, 0) + np.maximum(y - high, 0))
    return found


def judged(fit: Fit, N: Array, D: Array, loss: Array, level: float) -> dict[str, Any]:
    """Coverage and mean score of the fit's intervals, and of those of parameters and noise alone."""
    found: dict[str, Any] = {"runs": len(N), "error": float(np.mean(np.abs(fit.predict(N, D) / loss - 1)))}
    for name, judge in (("full", fit), ("plain", replace(fit, rollout=None))):
        _, low, high = judge.predict(N, D, interval=level)
        found[f"{name}_inside"] = float(np.mean((low <= loss) & (loss <= high)))
        found[f"{name}_score"] = float(np.mean(score(np.log(low), np.log(high), np.log(loss), level)))
    return found


def complete(runs: RunTable, fixed: dict[str, float] | None) -> Fit:
    """The fit with rollout and draws; `fixed` None chooses gamma by rollout."""
    if fixed is None:
        from fitting.selection import fitted

        fit = fitted(runs, form="supervised")
    else:
        fit = fit_law(SupervisedLaw, runs, fixed=fixed)
        fit = replace(fit, rollout=rollout(fit, runs))
    return with_draws(fit, runs, DRAWS)


def over_truths(truths: int, seed: int, level: float) -> list[dict[str, Any]]:
    rows, fit, last = [], None, None
    for where, runs, N, D, loss, fixed in simulated(truths, seed):
        try:
            if last is None or last.sha256 != runs.sha256:
                fit, last = complete(runs, fixed), runs
        except DistillawError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        assert fit is not None
        rows.append({"where": where, "gamma": "1" if fixed else "free", **judged(fit, N, D, loss, level)})
        progress(len(rows), 2 * truths)
    return rows


def public_tables(folder: Path) -> Iterator[tuple[str, RunTable]]:
    """The tables of one setting each: Porian et al. (2406.19146), Gadre et al. (2403.08540), and kyo-takano's."""
    import pandas as pd

    yield "kyo_takano", RunTable.read(folder / "kyo_takano_llm.csv", convention=SIX_ND_TOTAL)
    frame = pd.read_csv(folder / "porian2024.csv").dropna(subset=["params", "tokens", "loss"])
    setting = ["file", "dataset", "hparams", "warmup", "decay", "param_count", "val"]
    for names, part in frame.groupby(setting):
        if names[5] == "standard" and part.flops.nunique() >= 6 and len(part) >= 40:
            columns = {"N": "params", "D": "tokens"}
            yield (
                f"porian {names[1:5]}",
                RunTable.from_frame(part.drop(columns=setting), mapping=columns, convention=SIX_ND),
            )
    frame = pd.read_csv(folder / "gadre2024.csv")
    for (data, val), part in frame.groupby(["dataset", "val_data"]):
        if len(part) >= 25 and any(name in val for name in ("c4_val", "openlm", "paloma_c4", "falcon", "redpajama")):
            yield (
                f"gadre {data} {val[-24:]}",
                RunTable.from_frame(
                    part[["params_no_embed", "tokens", "loss"]],
                    mapping={"N": "params_no_embed", "D": "tokens"},
                    convention=SIX_ND,
                ),
            )


def over_public(folder: Path, level: float) -> list[dict[str, Any]]:
    """Train below the top one to four budgets (or tenths of the runs), predict those above."""
    rows = []
    for name, runs in public_tables(folder):
        compute = np.log(runs.convention.training(runs.column("N"), runs.column("D")))
        for edge in _edges(compute)[:4]:
            low = RunTable(tuple(r for r, c in zip(runs.records, compute, strict=True) if c <= edge), runs.convention)
            high = RunTable(tuple(r for r, c in zip(runs.records, compute, strict=True) if c > edge), runs.convention)
            if len(low) < 20:
                continue
            try:
                fit, plain = complete(low, None), fit_law(SupervisedLaw, low, fixed={"gamma": 1.0})
                baseline = replace(with_draws(plain, low, DRAWS), rollout=None)
            except DistillawError as error:
                print(f"left out: {name}: {error}", file=sys.stderr)
                continue
            at = high.column("N"), high.column("D"), high.column("loss")
            theirs = judged(baseline, *at, level)
            chosen = "1" if "gamma" in fit.fixed else "free"
            row = {"where": name.split()[0], "table": name, "gamma": chosen, **judged(fit, *at, level)}
            # against the plain Huber fit of the Chinchilla form, parameters and noise: what others do
            rows.append(
                row | {f"huber_{key.removeprefix('plain_')}": theirs[key] for key in theirs if "full" not in key}
            )
            progress(len(rows), 0)
    return rows


def progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}" + (f" of {total}" if total else ""), end="", file=sys.stderr)


def summary(rows: list[dict[str, Any]], key: str) -> None:
    """Print coverage pooled over runs with its interval from resampling whole tables, and the scores."""
    rng = np.random.default_rng(0)
    for value in [*sorted({row[key] for row in rows}), "all"]:
        kept = [row for row in rows if value in (row[key], "all")]
        runs = np.array([row["runs"] for row in kept])
        line = f"{value:12s} {len(kept):4d} splits {runs.sum():6d} runs"
        for name in ("full", "plain"):
            inside = np.array([row[f"{name}_inside"] for row in kept])
            at = rng.integers(len(kept), size=(2000, len(kept)))
            pooled = (inside * runs)[at].sum(1) / runs[at].sum(1)
            low, high = np.quantile(pooled, [0.025, 0.975])
            line += f" | {name} {np.average(inside, weights=runs):.3f} ({low:.3f}-{high:.3f})"
        full, plain = (np.array([row[f"{name}_score"] for row in kept]) for name in ("full", "plain"))
        print(f"{line} | score better {np.mean(full < plain):.2f}, {full.mean():.4f} against {plain.mean():.4f}")
        if "huber_score" in kept[0]:
            theirs = np.array([row["huber_score"] for row in kept])
            errors, huber = (np.array([row[name] for row in kept]) for name in ("error", "huber_error"))
            print(
                f"{'':12s} against plain Huber, gamma = 1: score better {np.mean(full < theirs):.2f} "
                f"({theirs.mean():.4f}); error median {np.median(errors):.4f} against {np.median(huber):.4f}, "
                f"at worst {np.max(errors - huber):+.4f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truths", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--public", type=Path, default=PUBLIC)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = {"simulated": over_truths(given.truths, given.seed, given.level) if given.truths else []}
    if rows["simulated"]:
        print("simulated laws")
        summary(rows["simulated"], "where")
    if given.public.exists():
        print("public tables")
        rows["public"] = over_public(given.public, given.level)
        summary(rows["public"], "where")
    else:
        print(f"public tables: not at {given.public}, skipped")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
