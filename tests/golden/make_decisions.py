"""Golden plans of what decisions cost: serving, students of any size, families, reuse, data, ways to ask a teacher.

Optima by differential evolution and simplexes from many starts, over the logarithms of everything that is free: the
teacher, the student's size, the tokens of each student as parts of what the budget leaves. Laws and FLOPs are those
of `make_plans.py`; not a line is the planner's. A loss is good to 1e-9, a place to 1e-3 at best, since optima are flat.

    python tests/golden/make_decisions.py            # write decisions.json: minutes
"""

import argparse
import importlib.util
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TOLERANCE = {"loss": 1e-6, "others": 3e-2}
SEEDS = (1, 2, 3)


def _plans():
    spec = importlib.util.spec_from_file_location("make_plans", HERE / "make_plans.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_plans"] = module  # where its dataclasses look for themselves
    spec.loader.exec_module(module)
    return module


base = _plans()


@dataclass(frozen=True)
class Decision:
    """A question: `students` are sizes (None: the best one) with their weights, each trained `reuse` times.

    `serve` tokens by each of them. `unique` tokens in all, of which teacher and students share none, or all with
    `share`; `grid` are the teachers' sizes that exist. With `cached` one pass over the longest student's tokens
    serves all of them; `kd` is the share of tokens that the teacher is asked for.
    """

    law: str
    students: tuple
    C: float
    pay_logits: float
    pay_pretraining: float
    weights: tuple = ()
    serve: float = 0.0
    reuse: int = 1
    unique: float = math.inf
    share: bool = False
    grid: tuple = ()
    cached: bool = False
    kd: float = 1.0


def forward(N):
    return np.exp(base.log_forward(np.log(N)))


def tokens(decision, sizes, parts, N_T, D_T):
    """Each student's tokens: in proportion to `parts`, as many as the budget leaves beside the teacher (None: none)."""
    F = forward(np.asarray(sizes))
    left, cap, asked, teacher = decision.C - decision.reuse * decision.serve * F.sum(), decision.unique, 0.0, 0.0
    if N_T is not None:
        teacher = 3 * decision.pay_pretraining * forward(N_T) * D_T
        asked = decision.pay_logits * decision.kd * forward(N_T)
        if decision.pay_pretraining:
            if D_T > decision.unique:
                return None
            cap -= 0.0 if decision.share else D_T
    left -= teacher
    if left <= 0 or cap <= 0:
        return None
    once = decision.cached and N_T is not None
    price = decision.reuse * (3 * F * parts).sum()
    price += asked * (parts.max() if once else decision.reuse * parts.sum())
    found = np.minimum(np.minimum(parts * left / price, cap), base.BOX[1])
    return found if (found >= base.BOX[0]).all() else None


def losses(decision, sizes, D, N_T, D_T):
    if N_T is None:
        return np.array([float(base.supervised_loss(N, d)) for N, d in zip(sizes, D, strict=True)])
    L_T = float(base.supervised_loss(N_T, D_T))
    return np.array(
        [float(base.student_loss(decision.law, N, math.log(d), L_T)) for N, d in zip(sizes, D, strict=True)]
    )


def best(decision, *, taught, N_T=None, effort=1.0):
    """The least weighted loss over everything free, and where: a dict of sizes, D, losses, N_T and D_T."""
    from scipy.optimize import differential_evolution, minimize

    free, names = [], []

    def add(name, low, high):
        names.append(name)
        free.append((math.log(low), math.log(high)))

    if taught:
        if N_T is None:
            add("N_T", 1e6, 1e15)
        if decision.pay_pretraining or decision.pay_logits == 0:
            add("D_T", 1e6, base.BOX[1])
    if decision.students == (None,):
        add("N_S", 1e6, 1e16)
    for i in range(1, len(decision.students)):
        add(i, 1e-5, 1e5)
    weights = np.asarray(decision.weights or (1.0,) * len(decision.students), dtype=float)

    def read(x):
        named = dict(zip(names, np.exp(x), strict=True))
        sizes = [named.get("N_S", N) for N in decision.students]
        parts = np.array([named.get(i, 1.0) for i in range(len(sizes))])
        who = (N_T if N_T is not None else named["N_T"], named.get("D_T", base.BOX[1])) if taught else (None, None)
        return sizes, tokens(decision, sizes, parts / parts.max(), *who), who

    def objective(x):
        sizes, D, who = read(x)
        return 9.0 if D is None else float(weights @ losses(decision, sizes, D, *who) / weights.sum())

    inside = [(low, high) for low, high in free]
    ends = []
    if not free:
        ends = [np.empty(0)]
    for seed in SEEDS if free else ():
        found = differential_evolution(
            objective, inside, seed=seed, popsize=int(24 * effort), maxiter=int(250 * effort), tol=1e-13, polish=False
        )
        x = found.x
        for _ in range(6):
            x = minimize(objective, x, method="Nelder-Mead", bounds=inside,
                         options={"xatol": 1e-11, "fatol": 1e-15, "maxfev": 6000}).x  # fmt: skip
        ends.append(x)
    x = min(ends, key=objective)
    sizes, D, who = read(x)
    return {
        "loss": objective(x),
        "spread": max(objective(end) for end in ends) - objective(x),
        "N": [float(N) for N in sizes],
        "D": [float(d) for d in D],
        "losses": [float(L) for L in losses(decision, sizes, D, *who)],
        "L_T": float(base.supervised_loss(*who)) if taught else None,
        "N_T": who[0],
        "D_T": who[1] if taught and (decision.pay_pretraining or decision.pay_logits == 0) else None,
    }


def entry(name):
    """One golden decision: the question, the best with a teacher and the best without."""
    decision = DECISIONS[name]
    if decision.grid:
        taught = min((best(decision, taught=True, N_T=N) for N in decision.grid), key=lambda found: found["loss"])
    else:
        taught = best(decision, taught=True)
    alone = best(decision, taught=False)
    spread = max(taught.pop("spread"), alone.pop("spread"))
    sys.stdout.write(f"{name}: {taught['loss']:.9f} {alone['loss']:.9f}, starts differ by {spread:.1e}\n")
    alone = {key: alone[key] for key in ("loss", "N", "D", "losses")}
    inputs = {key: value for key, value in asdict(decision).items() if value != math.inf}
    inputs = {key: list(value) if isinstance(value, tuple) else value for key, value in inputs.items()}
    return {"id": name, "inputs": inputs, "taught": _rounded(taught), "alone": _rounded(alone)}


def _rounded(found):
    def digits(value, count):
        if isinstance(value, list):
            return [digits(each, count) for each in value]
        return value if value is None else float(f"{value:.{count}g}")

    return {key: digits(value, 12 if key in ("loss", "losses", "L_T") else 6) for key, value in found.items()}


PRINTED, FIGURES = base.B_PRIME
BOTH, INFERENCE, PRETRAINING, FREE = (1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)

DECISIONS = {
    "serve-1B-1e23": Decision(PRINTED, (1e9,), 1e23, *BOTH, serve=2e12),
    "serve-300M-1e21": Decision(PRINTED, (3e8,), 1e21, *INFERENCE, serve=5e11),
    "serve-10B-1e24": Decision(FIGURES, (1e10,), 1e24, *PRETRAINING, serve=1e13),
    "auto-1e22": Decision(PRINTED, (None,), 1e22, *BOTH),
    "auto-1e22-2T": Decision(PRINTED, (None,), 1e22, *BOTH, serve=2e12),
    "auto-1e24-20T": Decision(FIGURES, (None,), 1e24, *INFERENCE, serve=2e13),
    "reuse5-10B-5e22": Decision(PRINTED, (1e10,), 5e22, *BOTH, reuse=5),
    "reuse20-300M-1e23-500B": Decision(PRINTED, (3e8,), 1e23, *PRETRAINING, reuse=20, serve=5e11),
    "family-both-1e23": Decision(PRINTED, (3e8, 1e9, 3e9), 1e23, *BOTH, weights=(1.0, 2.0, 1.0)),
    "family-inference-1e22": Decision(PRINTED, (5e8, 5e9), 1e22, *INFERENCE),
    "family-pretraining-1e24": Decision(FIGURES, (1e9, 1e10), 1e24, *PRETRAINING, weights=(1.0, 3.0), serve=1e12),
    "family-free-1e22": Decision(FIGURES, (3e8, 1e9), 1e22, *FREE),
    "family-both-5e23-reuse4": Decision(FIGURES, (1e9, 3e9), 5e23, *BOTH, reuse=4, serve=2e11),
    "tokens300B-both-1B-1e23": Decision(PRINTED, (1e9,), 1e23, *BOTH, unique=3e11),
    "tokens1T-pretraining-3B-1e23": Decision(FIGURES, (3e9,), 1e23, *PRETRAINING, unique=1e12),
    "shared300B-both-1B-1e23": Decision(PRINTED, (1e9,), 1e23, *BOTH, unique=3e11, share=True),
    "grid-both-3B-1e23": Decision(PRINTED, (3e9,), 1e23, *BOTH, grid=(1e9, 3e9, 7e9, 7e10)),
    "family-tokens1T-1e24": Decision(FIGURES, (1e9, 3e9), 1e24, *BOTH, unique=1e12),
    "family-grid-inference": Decision(PRINTED, (5e8, 5e9), 1e22, *INFERENCE, grid=(1e9, 3e9, 1e10)),
    "auto-1e21-1T": Decision(FIGURES, (None,), 1e21, *PRETRAINING, serve=1e12),
}


def document(entries):
    return {
        "schema": "distillaw/golden-decisions/1",
        "made_by": "tests/golden/make_decisions.py, a search that shares no code with the planner",
        "units": "losses in nats per token, sizes in non-embedding parameters, D and served tokens, C in FLOPs",
        "tolerance": TOLERANCE,
        "decisions": entries,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="make these again, and keep the others")
    asked = parser.parse_args().only
    path, began = HERE / "decisions.json", time.perf_counter()
    kept = {}
    if asked is not None and path.exists():
        kept = {each["id"]: each for each in json.loads(path.read_text(encoding="utf-8"))["decisions"]}
    every = [kept[name] if name in kept and name not in asked else entry(name) for name in DECISIONS]
    path.write_text(json.dumps(document(every), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(every)} decisions in {time.perf_counter() - began:.0f} s\n")


if __name__ == "__main__":
    main()
