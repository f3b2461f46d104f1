"""Golden plans: optima of Eq 10 and 28 (arXiv 2502.08606) by brute force, without a line of the project's own code.

The laws (Eq 1 and 8 with Table 6) and the FLOPs (Eq 9 and 69) are typed in anew. What is searched is the teacher, in
the paper's box [1e6, 1e17]² of (N_T, D_T) or below the limits of a plan; the student gets what the budget leaves. For
each N_T of a grid the best D_T is found, every basin of its own grid being narrowed down, and then every basin of the
result over N_T; then the same with the two exchanged, since a valley that is narrow one way round is smooth the other.
Where the teacher's training is paid for, both are done again over (N_T, D_S): a teacher that takes nearly all of the
budget leaves a student whose tokens range over decades within one cell of the first grid. In the best case the loss
depends on L_T alone, so that is searched, and the (N_T, D_T) written is the pair of least F(N_T) D_T that has it. In
teacher inference D_T sits on its upper bound, and is null where that bound is the box's.

The optimum is flat: a loss is good to 1e-12, a place (tokens, sizes) to 1e-5 or better, hence the digits written.

    python tests/golden/make_plans.py            # write plans.json
    python tests/golden/make_plans.py --verify   # hold it against other methods: under a minute

`--verify` solves each plan again in three variables (N_T, D_T, D_S) with the budget as a constraint, by SLSQP from
many starts; in two by differential evolution; from finer grids; and sharpens the end by Newton's method with mpmath
at 50 digits. None may be lower by more than 1e-9 (relative).
"""

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TOLERANCE = {"loss": 1e-6, "others": 1e-2}
LOSS_DIGITS, OTHER_DIGITS = 12, 6
"""Significant digits in the file."""

BOX = (1e6, 1e17)
"""Bounds of N_T, D_T and D_S in the paper's own search."""

B_PRIME = {"busbridge2025": 24181.0, "busbridge2025-figures": 1.36e6}
E = 1.220

NEAR = 1e-5
"""Another end whose loss is less than this (relative) above the least would make the place of the optimum doubtful."""


@dataclass(frozen=True)
class Problem:
    """A question: the law by its id, the student's N, the FLOPs, the shares paid, the largest teacher allowed."""

    law: str
    N_S: float
    C: float
    pay_logits: float
    pay_pretraining: float
    max_N_T: float = BOX[1]
    max_D_T: float = BOX[1]


@dataclass(frozen=True)
class Optimum:
    """The least loss and where it is, and how sure that is.

    The searches ended in `ends` local minima. `tied` is the largest distance, in logarithms of what the scenario
    determines, to an end within NEAR of the least: other searches' ends in the same basin, or a rival basin.
    """

    loss: float
    D_S: float
    L_T: float
    N_T: float
    D_T: float
    ends: int
    tied: float


# --- the laws and the FLOPs, in logarithms ---------------------------------------------------------------


def log_forward(n):
    """log F(N): Eq 69 with 128 = d_model/n_layers, omega = 12, a context of 4096 and 32768 tokens of vocabulary."""
    attention, head = (128 * 12**2) ** (-1 / 3) * 4096, (128 / 12) ** (1 / 3) * 32768
    return np.log(2) + n + np.log1p(attention * np.exp(-n / 3) + head * np.exp(-2 * n / 3))


def log_excess(n, d):
    """log(L - E) of Eq 1."""
    return 0.452 * np.logaddexp(math.log(3355) - 0.408 * n, math.log(18186) - 0.431 * d)


def supervised_loss(N, D):
    return E + np.exp(log_excess(np.log(N), np.log(D)))


def student_loss(law, N_S, s, L_T):
    """Eq 8; s = log D_S."""
    n = math.log(N_S)
    alone = np.log(E + np.exp(log_excess(n, s)))
    own = 0.764 * np.logaddexp(math.log(2243) - 0.321 * n, math.log(B_PRIME[law]) - 0.637 * s)
    t = np.log(L_T)
    gap = 522.6 * 0.090 * np.logaddexp(0, (t - alone - math.log(1.315)) / 0.090)
    return L_T + np.exp(own - 2.549 * t - gap)


# --- the search ------------------------------------------------------------------------------------------


def from_teacher_tokens(problem, n, d):
    """The loss and log D_S of a teacher (n, d), D_S being what the budget leaves (Eq 9); +inf below the box."""
    F_S, F_T = np.exp(log_forward(math.log(problem.N_S))), np.exp(log_forward(n))
    left = problem.C - 3 * problem.pay_pretraining * F_T * np.exp(d)
    D_S = left / (3 * F_S + problem.pay_logits * F_T)
    feasible = D_S >= BOX[0]
    s = np.log(np.clip(D_S, *BOX))
    return np.where(feasible, student_loss(problem.law, problem.N_S, s, E + np.exp(log_excess(n, d))), np.inf), s


def from_student_tokens(problem, n, s):
    """The loss and log D_T at (n, s = log D_S), D_T being what the budget leaves; +inf outside the box."""
    F_S, F_T = np.exp(log_forward(math.log(problem.N_S))), np.exp(log_forward(n))
    left = problem.C - np.exp(s) * (3 * F_S + problem.pay_logits * F_T)
    D_T = left / (3 * problem.pay_pretraining * F_T)
    feasible = (D_T >= BOX[0]) & (D_T <= problem.max_D_T)
    d = np.log(np.clip(D_T, BOX[0], problem.max_D_T))
    return np.where(feasible, student_loss(problem.law, problem.N_S, s, E + np.exp(log_excess(n, d))), np.inf), d


def basins(values):
    """Row and column of every finite entry that neither of its neighbours in the row is below."""
    padded = np.pad(values, ((0, 0), (1, 1)), constant_values=np.inf)
    return np.nonzero(np.isfinite(values) & (values <= padded[:, :-2]) & (values <= padded[:, 2:]))


def narrow(f, low, high, cells=8, narrowest=1e-10):
    """Minimise f over k intervals at once (f of shape (k, m) to the same): k places and values.

    Each round keeps the two cells around its best point, and the least value ever seen counts.
    """
    rows, x, best = np.arange(len(low)), low, np.full(len(low), np.inf)
    while len(low) and (high - low).max() > narrowest:
        points = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, cells + 1)
        values = f(points)
        k = np.argmin(values, axis=1)
        better = values[rows, k] < best
        x, best = np.where(better, points[rows, k], x), np.where(better, values[rows, k], best)
        low, high = points[rows, np.maximum(k - 1, 0)], points[rows, np.minimum(k + 1, cells)]
    return x, best


def all_minima(f, box, points):
    """The local minima of a function of one variable: places and values, every basin of its grid narrowed down."""
    x = np.linspace(*box, points)
    _, i = basins(f(x)[None, :])
    return narrow(lambda x: f(x.ravel()).reshape(x.shape), x[np.maximum(i - 1, 0)], x[np.minimum(i + 1, points - 1)])


def profile(f, x, box, points):
    """min over y of f(x, y) for each x of shape (k,): the values and the y, every basin in y narrowed down."""
    y = np.linspace(*box, points)
    row, i = basins(f(x[:, None], y[None, :]))
    at, values = narrow(lambda y: f(x[row, None], y), y[np.maximum(i - 1, 0)], y[np.minimum(i + 1, points - 1)])
    order = np.lexsort((values, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    best, where = np.full(len(x), np.inf), np.full(len(x), y[0])
    best[row[first]], where[row[first]] = values[first], at[first]
    return best, where


def nested(f, x_box, y_box, points):
    """Local minima over x of the least f(x, y) over y: x, y and values, each of shape (k,)."""
    x, values = all_minima(lambda x: profile(f, x, y_box, points)[0], x_box, points)
    return x, profile(f, x, y_box, points)[1], values


def ends(problem, points):
    """Every local minimum that a search ends in: log N_T, log D_T, log D_S and the loss, the least first.

    Four searches where the teacher's training is paid for, two where it is not: (N_T, D_T) or (N_T, D_S), either
    variable inside the other, since a valley that is narrow one way round is smooth the other.
    """
    n_box, d_box, s_box = ((math.log(BOX[0]), math.log(high)) for high in (problem.max_N_T, problem.max_D_T, BOX[1]))
    families = [(from_teacher_tokens, d_box)]
    if problem.pay_pretraining:
        families.append((from_student_tokens, s_box))
    found = []
    for family, y_box in families:

        def loss(n, y, family=family):
            return family(problem, n, y)[0]

        n, y, value = nested(loss, n_box, y_box, points)
        other_y, other_n, other_value = nested(lambda y, n: loss(n, y), y_box, n_box, points)
        n, y, value = np.append(n, other_n), np.append(y, other_y), np.append(value, other_value)
        left = family(problem, n, y)[1]
        found.append([n, y, left, value] if family is from_teacher_tokens else [n, left, y, value])
    found = np.concatenate(found, axis=1)
    if not found.size:
        raise ValueError(f"nothing in the box can be paid for: {problem}")
    return found[:, np.argsort(found[3], kind="stable")]


def cheapest_teacher(problem, excess):
    """The (log N_T, log D_T) of least F(N_T) D_T with log(L(N_T, D_T) - E) = `excess`, inside the box and limits."""
    low, high = math.log(BOX[0]), math.log(problem.max_D_T)

    def tokens(n):
        rest = np.exp(excess / 0.452) - 3355 * np.exp(-0.408 * n)
        return np.where(rest > 0, np.log(18186 / np.where(rest > 0, rest, 1)) / 0.431, np.inf)

    def price(n):
        d = tokens(n)
        inside = (d >= low - 1e-9) & (d <= high + 1e-9)
        return np.where(inside, log_forward(n) + np.where(inside, d, 0), np.inf)

    n, prices = all_minima(price, (low, math.log(problem.max_N_T)), 4001)
    best = n[np.argmin(prices)]
    return float(best), float(np.clip(tokens(best), low, high))


def free_teacher(problem, points):
    """The best case, where the loss depends on L_T alone."""
    D_S = min(problem.C / (3 * float(np.exp(log_forward(math.log(problem.N_S))))), BOX[1])
    top, bottom = (log_excess(*map(math.log, at)) for at in ((BOX[0],) * 2, (problem.max_N_T, problem.max_D_T)))
    excess, loss = all_minima(
        lambda t: student_loss(problem.law, problem.N_S, math.log(D_S), E + np.exp(t)), (bottom, top), points**2
    )
    best = np.argmin(loss)
    near = loss <= loss[best] * (1 + NEAR)
    n, d = cheapest_teacher(problem, excess[best])
    tied = float(np.abs(excess[near] - excess[best]).max())
    L_T = E + math.exp(excess[best])
    return Optimum(float(loss[best]), D_S, L_T, math.exp(n), math.exp(d), len(loss), tied)


def solve(problem, points=256):
    """The optimum of `problem`, from grids of `points` points a side."""
    if not (problem.pay_logits or problem.pay_pretraining):
        return free_teacher(problem, points)
    n, d, s, loss = ends(problem, points)
    near = loss <= loss[0] * (1 + NEAR)
    tied = max(float(np.abs(x[near] - x[0]).max()) for x in (n, d, s))
    L_T = E + math.exp(log_excess(n[0], d[0]))
    return Optimum(float(loss[0]), math.exp(s[0]), L_T, math.exp(n[0]), math.exp(d[0]), len(loss), tied)


def directly(N_S, C):
    """Supervised training with the whole budget: its tokens and its loss."""
    D = min(C / (3 * float(np.exp(log_forward(math.log(N_S))))), BOX[1])
    return D, float(supervised_loss(N_S, D))


def spent(problem, D_S, N_T, D_T):
    """Eq 9; D_T may be None where the teacher's training is not paid for."""
    F_S, F_T = (float(np.exp(log_forward(math.log(N)))) for N in (problem.N_S, N_T))
    training = 3 * problem.pay_pretraining * F_T * D_T if problem.pay_pretraining else 0.0
    return 3 * F_S * D_S + problem.pay_logits * F_T * D_S + training


# --- the plans -------------------------------------------------------------------------------------------

SCENARIOS = {
    "best-case": (0.0, 0.0),
    "teacher-inference": (1.0, 0.0),
    "teacher-pretraining": (0.0, 1.0),
    "teacher-pretraining+inference": (1.0, 1.0),
}
PRINTED, FIGURES = B_PRIME
SIZES = {"300M": 3e8, "1B": 1e9, "3B": 3e9, "10B": 1e10, "30B": 3e10, "50B": 5e10}

PLANS = [
    *[
        {"law": law, "student": student, "budget": budget, "shares": SCENARIOS[scenario]}
        for law, scenario, pairs in (
            (PRINTED, "best-case", ("300M 1e21", "1B 1e23", "3B 1e25", "10B 1e22", "30B 1e24", "50B 1e26")),
            (PRINTED, "teacher-inference", ("300M 1e20", "1B 1e22", "3B 1e24", "10B 1e26", "30B 1e23", "50B 1e25")),
            (PRINTED, "teacher-pretraining", ("300M 1e24", "1B 1e20", "3B 1e22", "10B 1e25", "50B 1e23")),
            (
                PRINTED,
                "teacher-pretraining+inference",
                ("300M 1e22", "1B 1e26", "3B 1e21", "10B 1e24", "30B 1e20", "50B 1e26"),
            ),
            (FIGURES, "best-case", ("1B 1e20",)),
            (FIGURES, "teacher-inference", ("10B 1e21", "50B 1e22")),
            (FIGURES, "teacher-pretraining", ("30B 1e21",)),
            (FIGURES, "teacher-pretraining+inference", ("300M 1e20", "10B 1e23")),
        )
        for student, budget in (pair.split() for pair in pairs)
    ],
    {"law": PRINTED, "student": "1B", "budget": "1e23", "shares": (0.3, 0.7)},
    {"law": PRINTED, "student": "10B", "budget": "1e24", "shares": (0.7, 0.3)},
    {"law": FIGURES, "student": "3B", "budget": "1e21", "shares": (0.3, 0.7)},
    {"law": PRINTED, "student": "3B", "budget": "1e22", "shares": (0.3, 0.0)},
    {"law": PRINTED, "student": "1B", "budget": "1e21", "shares": (1.0, 0.0), "teacher": (7.75e9, 2.0)},
    {"law": PRINTED, "student": "300M", "budget": "1e20", "shares": (1.0, 0.0), "teacher": (1.82e9, 2.251)},
    {"law": FIGURES, "student": "10B", "budget": "1e22", "shares": (1.0, 0.0), "teacher": (1.26e10, 1.8)},
    {"law": PRINTED, "student": "10B", "budget": "1e23", "shares": (0.0, 0.0), "limits": (1e10, 1e12)},
    {"law": PRINTED, "student": "10B", "budget": "1e22", "shares": (1.0, 0.0), "limits": (None, 1e12)},
    {"law": FIGURES, "student": "3B", "budget": "1e23", "shares": (1.0, 0.0), "limits": (5e9, None)},
    {"law": PRINTED, "student": "3B", "budget": "1e24", "shares": (0.0, 1.0), "limits": (5e9, None)},
    {"law": PRINTED, "student": "1B", "budget": "1e25", "shares": (1.0, 1.0), "limits": (None, 5e12)},
    {"law": PRINTED, "student": "30B", "budget": "1e24", "shares": (1.0, 1.0), "limits": (1e10, 1e12)},
]
"""`shares` are (pay_logits, pay_pretraining), `teacher` (N_T, L_T), `limits` (of N_T, of D_T)."""


def name(row):
    """A readable id: what sets one plan apart from the others."""
    short = {"best-case": "best", "teacher-inference": "inference", "teacher-pretraining": "pretraining"}
    named = {shares: short.get(scenario, "both") for scenario, shares in SCENARIOS.items()}
    parts = [named.get(row["shares"], "{:g}+{:g}".format(*row["shares"])), row["student"], row["budget"]]
    if "teacher" in row:
        parts[0] = "named"
    if "limits" in row:
        parts += [f"{what}{limit:g}" for what, limit in zip("ND", row["limits"], strict=True) if limit]
    if row["law"] == FIGURES:
        parts.append("figures")
    return "-".join(parts).replace("e+0", "e").replace("e+", "e")


def problem_of(row):
    """The `Problem` of a row of PLANS."""
    limits = [BOX[1] if limit is None else limit for limit in row.get("limits", (None, None))]
    return Problem(row["law"], SIZES[row["student"]], float(row["budget"]), *row["shares"], *limits)


def digits(value, count):
    return None if value is None else float(f"{value:.{count}g}")


def entry(row):
    """One golden plan: what was asked and what the brute force found."""
    problem = problem_of(row)
    logits, pretraining = row["shares"]
    scenario = next(k for k, v in SCENARIOS.items() if v == (math.ceil(logits), math.ceil(pretraining)))
    if "teacher" in row:
        scenario = "named-teacher"
        N_T, L_T = row["teacher"]
        F_S, F_T = (float(np.exp(log_forward(math.log(N)))) for N in (problem.N_S, N_T))
        D_S = min(problem.C / (3 * F_S + logits * F_T), BOX[1])
        loss, D_T = float(student_loss(problem.law, problem.N_S, math.log(D_S), L_T)), None
    else:
        best = solve(problem)
        if best.tied > 5e-3:
            raise ValueError(f"{name(row)}: two places far apart are equally good; ask something else")
        loss, D_S, L_T, N_T, D_T = best.loss, best.D_S, best.L_T, best.N_T, best.D_T
        if scenario == "teacher-inference" and problem.max_D_T == BOX[1]:
            D_T = None
    D_alone, alone = directly(problem.N_S, problem.C)
    limits = row.get("limits")
    return {
        "id": name(row),
        "inputs": {
            "law": row["law"],
            "student": problem.N_S,
            "budget": problem.C,
            "pay_logits": logits,
            "pay_pretraining": pretraining,
            "teacher": {"N": N_T, "loss": L_T} if "teacher" in row else None,
            "limits": dict(zip(("max_teacher", "max_teacher_tokens"), limits, strict=True)) if limits else None,
        },
        "outputs": {
            "scenario": scenario,
            "student": {"loss": digits(loss, LOSS_DIGITS), "D": digits(D_S, OTHER_DIGITS)},
            "teacher": {
                "loss": digits(L_T, OTHER_DIGITS),
                "N": digits(N_T, OTHER_DIGITS),
                "D": digits(D_T, OTHER_DIGITS),
            },
            "supervised": {"loss": digits(alone, LOSS_DIGITS), "D": digits(D_alone, OTHER_DIGITS)},
            "margin": digits(alone - loss, OTHER_DIGITS),
        },
    }


def document(entries):
    """The whole file."""
    return {
        "schema": "distillaw/golden-plans/1",
        "made_by": "tests/golden/make_plans.py, a brute force that shares no code with the planner",
        "units": "losses and margin in nats per token, sizes in non-embedding parameters, D in tokens, budget in FLOPs",
        "tolerance": TOLERANCE,
        "tolerance_of": "relative; the margin is a difference of two losses and as good, absolutely, as they are",
        "plans": entries,
    }


# --- other methods ---------------------------------------------------------------------------------------


def slsqp(problem, starts=60, seed=0):
    """The least loss in (log N_T, log D_T, log D_S), the budget being a constraint, from random starts."""
    from scipy.optimize import minimize

    low, highs = math.log(BOX[0]), [math.log(high) for high in (problem.max_N_T, problem.max_D_T, BOX[1])]

    def loss(x):
        return float(student_loss(problem.law, problem.N_S, x[2], E + np.exp(log_excess(x[0], x[1]))))

    def left(x):
        n, d, s = x
        F_S, F_T = np.exp(log_forward(math.log(problem.N_S))), np.exp(log_forward(n))
        used = np.exp(s) * (3 * F_S + problem.pay_logits * F_T) + 3 * problem.pay_pretraining * F_T * np.exp(d)
        return math.log(problem.C) - float(np.log(used))

    rng = np.random.default_rng(seed)
    best = math.inf
    for start in rng.uniform([low] * 3, highs, (starts, 3)):
        with np.errstate(all="ignore"):
            found = minimize(
                loss,
                start,
                method="SLSQP",
                bounds=[(low, high) for high in highs],
                constraints={"type": "ineq", "fun": left},
                options={"ftol": 1e-15, "maxiter": 500},
            )
        if left(found.x) >= -1e-10:
            best = min(best, float(found.fun))
    return best


def evolution(problem, seed=0):
    """The least loss in (log N_T, log D_T), and in (log N_T, log D_S) where that is another problem."""
    from scipy.optimize import differential_evolution

    low, high = math.log(BOX[0]), math.log(BOX[1])
    boxes = {from_teacher_tokens: (low, math.log(problem.max_D_T))}
    if problem.pay_pretraining:
        boxes[from_student_tokens] = (low, high)

    def least(family, y_box):
        found = differential_evolution(
            lambda x: np.minimum(family(problem, *x)[0], 1e3),
            [(low, math.log(problem.max_N_T)), y_box],
            seed=seed, popsize=60, maxiter=600, tol=1e-14, atol=1e-14, vectorized=True, updating="deferred",
            polish=False,
        )  # fmt: skip
        return float(found.fun)

    return min(least(*pair) for pair in boxes.items())


def exact(problem, N_T, D_T):
    """Newton's method with mpmath at 50 digits, over what does not sit on a bound: the loss, and log N_T, log D_T."""
    import mpmath as mp

    mp.mp.dps = 50
    fixed = {
        0: mp.mpf(problem.max_N_T) if N_T > problem.max_N_T * (1 - 1e-7) else None,
        1: mp.mpf(problem.max_D_T) if D_T > problem.max_D_T * (1 - 1e-7) else None,
    }

    def typed(*words):
        return [mp.mpf(word) for word in words]

    A, B, alpha, beta, gamma, floor = typed("3355", "18186", "0.408", "0.431", "0.452", "1.220")
    A2, alpha2, beta2, gamma2 = typed("2243", "0.321", "0.637", "0.764")
    c0, c1, f1, d1 = typed("2.549", "522.6", "0.090", "1.315")
    B2 = mp.mpf(B_PRIME[problem.law])

    def forward(N):
        attention, head = mp.cbrt(mp.mpf(1) / 18432) * 4096, mp.cbrt(mp.mpf(32) / 3) * 32768
        return 2 * N * (1 + attention / mp.cbrt(N) + head / mp.cbrt(N) ** 2)

    def supervised(N, D):
        return floor + (A * N**-alpha + B * D**-beta) ** gamma

    N_S = mp.mpf(problem.N_S)
    logits, pretraining = typed(str(problem.pay_logits), str(problem.pay_pretraining))

    def loss(*free):
        free = list(free)
        N, D = (value if value is not None else mp.exp(free.pop(0)) for value in fixed.values())
        left = problem.C - 3 * pretraining * forward(N) * D
        D_S = min(left / (3 * forward(N_S) + logits * forward(N)), mp.mpf(BOX[1]))
        L_T = supervised(N, D)
        gap = (1 + (L_T / (supervised(N_S, D_S) * d1)) ** (1 / f1)) ** (-c1 * f1)
        return L_T + L_T**-c0 * gap * (A2 * N_S**-alpha2 + B2 * D_S**-beta2) ** gamma2

    start = [mp.log(value) for value, held in zip((N_T, D_T), fixed.values(), strict=True) if held is None]
    if not (problem.pay_logits or problem.pay_pretraining) and start:
        start, fixed[1] = start[:1], mp.mpf(D_T)  # only L_T is determined: one of the two suffices
    if len(start) == 1:
        start = [mp.findroot(lambda x: mp.diff(loss, x), start[0], tol=1e-30)]
    elif start:
        slopes = [lambda *x, order=order: mp.diff(loss, x, order) for order in ((1, 0), (0, 1))]
        start = list(mp.findroot(slopes, start, tol=1e-30))
    value, free = loss(*start), list(start)
    at = [mp.log(held) if held is not None else free.pop(0) for held in fixed.values()]
    return float(value), float(at[0]), float(at[1])


def verify():
    """Solve every plan by other means; writes the relative differences and returns whether none is above 1e-9."""
    lower = apart = 0.0
    heads = [f"{head:>10}" for head in ("tied", "SLSQP", "evolution", "finer", "50 digits", "place")]
    sys.stdout.write(" ".join([f"{'plan':34}", "ends", *heads]) + "\n")
    for row in PLANS:
        if "teacher" in row:
            continue
        problem = problem_of(row)
        best = solve(problem)
        loss, n, d = exact(problem, best.N_T, best.D_T)
        others = (slsqp(problem), evolution(problem), solve(problem, 512).loss, loss)
        ratios = [other / best.loss - 1 for other in others]
        place = max(abs(n - math.log(best.N_T)), abs(d - math.log(best.D_T)))
        lower, apart = max(lower, -min(ratios)), max(apart, abs(ratios[-1]))
        cells = [f"{value:10.1e}" for value in (best.tied, *ratios, place)]
        sys.stdout.write(" ".join([f"{name(row):34}", f"{best.ends:4}", *cells]) + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"none is lower by more than {lower:.1e} (relative); 50 digits agree to {apart:.1e}\n")
    return max(lower, apart) < 1e-9


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--verify", action="store_true", help="hold the optima against other methods, write nothing")
    if parser.parse_args().verify:
        return 0 if verify() else 1
    entries = []
    for row in PLANS:
        began = time.perf_counter()
        entries.append(entry(row))
        sys.stderr.write(f"{name(row)}: {time.perf_counter() - began:.1f} s\n")
    text = json.dumps(document(entries), indent=1)
    (HERE / "plans.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
