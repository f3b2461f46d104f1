"""Certified optima of scaling-law fits, in the manner of NIST's Statistical Reference Datasets (StRD).

What is certified. For each table of runs: the least value of the objective and the coefficients there, for residuals
r = log L̂ - log L (L in nats/token, the law's L̂ from `fitting.laws`), summed over the runs, unscaled:

    huber   Σ r²/2 where |r| <= delta, delta (|r| - delta/2) elsewhere
    l2      Σ r²/2
    lad     Σ |r|

The numbers of a table (and of delta, and of coefficients that are held) are taken to be the float64 nearest to what
the file says. Coefficients are positive; there are no other bounds.

How. Nothing here uses the project's own estimation. (1) scipy searches from many random starts: `least_squares`, then
`minimize(method="trust-exact")` with exact second derivatives; for lad, sequential linear programmes with `linprog`.
(2) The best end is polished with mpmath at 50 digits. For huber, the set of runs within delta and the signs of the
others fix a smooth system, gradient = 0; for lad, the runs with r = 0 and their multipliers make one (Karush-Kuhn-
Tucker). Newton's method solves it with exact derivatives (`Jet`). (3) It is checked that the sets are those assumed,
that the gradient is below 1e-30, that the Hessian is positive definite (for lad: multipliers strictly inside (-1, 1)
and the Hessian positive definite along what they leave free), and that no random step and no Nelder-Mead run is lower.
That proves a local minimum; that it is the global one rests on the many starts, whose count is given.

What is written. `NAME.csv`: simulated tables, from `random.Random(seed)` with losses rounded to six decimals, so that
every machine makes the same bytes. `NAME.json`: values as decimal strings. `digits` says how many are certain,
`agreeing` how many of `starts` ended within 1e-9 (relative) of the least value (for lad, the starts are the distinct
minima of the Huber objective and 16 points scattered around the best), `next_higher` the best other end within a
hundred times of it, if any (a start that ran out of float64's range has none), `slack` how far (relative) each
coefficient may move before the objective rises by 1e-9 (relative): where it is large, few digits of that coefficient
can be expected of a float64 fit.
Public tables are not part of the project; for them only `NAME.json` is written, from a folder given on the command
line, and `select` says which of their rows are used.

    python tests/fitting/certified/make.py --tables                    # write the simulated tables
    python tests/fitting/certified/make.py [--public FOLDER] [NAME...] # certify; about a minute a table
"""

import argparse
import csv
import hashlib
import json
import math
import random
import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np

from fitting.flops import BUSBRIDGE2025, SIX_ND
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.published import BUSBRIDGE2025_LAW
from fitting.records import RunRecord, RunTable

HERE = Path(__file__).resolve().parent
DELTA = 1e-3
DIGITS = 50
"""Decimal digits that mpmath works with."""

WRITTEN = 20
"""Significant digits in the JSON files."""

NAMES = {
    "supervised": ("A", "B", "E", "alpha", "beta", "gamma"),
    "distillation": ("A", "B", "alpha", "beta", "gamma", "c0", "c1", "f1", "d1"),
}

# --- the tables ------------------------------------------------------------------------------------------

EXCESS_AT = (1e9, 2e10)
"""The N and D at which the terms of a made-up law are compared."""

SUPERVISED = {
    # name: (law, (sizes, token counts) of a grid or a number of scattered runs, seed, share of outliers)
    "symmetric": (
        SupervisedLaw(0.3 * EXCESS_AT[0] ** 0.34, 0.3 * EXCESS_AT[1] ** 0.34, E=1.7, alpha=0.34, beta=0.34, gamma=1),
        (6, 8), 101, 0.0,
    ),
    "chinchilla": (SupervisedLaw(A=406.4, B=410.7, E=1.69, alpha=0.34, beta=0.28, gamma=1), 240, 102, 0.0),
    "asymmetric": (
        SupervisedLaw(0.3 * EXCESS_AT[0] ** 0.2, 0.3 * EXCESS_AT[1] ** 0.5, E=1.7, alpha=0.2, beta=0.5, gamma=1),
        (12, 8), 103, 0.0,
    ),
    "published": (BUSBRIDGE2025_LAW.supervised, (9, 8), 104, 0.0),
    "outliers": (SupervisedLaw(A=406.4, B=410.7, E=1.69, alpha=0.34, beta=0.28, gamma=1), 120, 105, 0.05),
}  # fmt: skip
SIZES, TOKENS, NOISE = (5e7, 1.2e10), (1e9, 5e11), 0.005
"""Ranges of N and D, and the standard deviation of log L."""

GIVEN = BUSBRIDGE2025_LAW
"""The supervised law under the distillation law, taken as exact."""

TAUGHT = DistillationLaw(
    GIVEN.supervised, A=1000, B=10000, alpha=0.35, beta=0.4, gamma=0.7, c0=1.0, c1=5.0, f1=0.3, d1=1.1
)
STUDENTS, STUDENT_TOKENS, TEACHERS, TAUGHT_NOISE = (5e7, 8e9, 7), (2e9, 5e11, 6), (1.7, 3.5, 8), 0.002

PUBLIC = {"kyo-takano": "kyo_takano_llm.csv", "gadre2024": "gadre2024.csv", "porian2024": "porian2024.csv"}


def spaced(low, high, count):
    """`count` numbers from low to high, evenly spaced in the logarithm, to three significant digits."""
    return [float(f"{low * (high / low) ** (i / (count - 1)):.3g}") for i in range(count)]


def simulated(name):
    """The table NAME.csv as a `RunTable`; equal everywhere, since `Random.random` is and losses are rounded."""
    rng, normal = random.Random(SUPERVISED[name][2] if name in SUPERVISED else 106), NormalDist()
    records = []

    def add(kind, N, D, loss, noise, **others):
        loss = round(loss * math.exp(noise * normal.inv_cdf(rng.random())), 6)
        records.append(RunRecord(f"run-{len(records) + 1:03d}", kind, N, D, loss, **others))

    if name == "distillation":
        for L_T in (round(x, 4) for x in np.linspace(*TEACHERS).tolist()):
            for N in spaced(*STUDENTS):
                for D in spaced(*STUDENT_TOKENS):
                    add("distillation", N, D, TAUGHT.loss(N, D, L_T), TAUGHT_NOISE, teacher_loss=L_T)
        return RunTable(tuple(records), BUSBRIDGE2025)
    law, shape, _, outliers = SUPERVISED[name]
    if isinstance(shape, tuple):
        points = [(N, D) for N in spaced(*SIZES, shape[0]) for D in spaced(*TOKENS, shape[1])]
    else:

        def draw(low, high):
            return float(f"{low * (high / low) ** rng.random():.3g}")

        points = [(draw(*SIZES), draw(*TOKENS)) for _ in range(shape)]
    odd = set(rng.sample(range(len(points)), round(outliers * len(points))))
    for i, (N, D) in enumerate(points):
        add("supervised", N, D, law.loss(N, D) * (1.05 if i in odd else 1), NOISE)
    return RunTable(tuple(records), BUSBRIDGE2025 if name == "published" else SIX_ND)


def select(name, folder):
    """The runs of a public table that are used: lists N, D, loss, in the file's order.

    kyo-takano: every row. gadre2024: models trained on c4_original, loss on the set c4_val, N = `params`.
    porian2024: dataset rw, tuned hyperparameters, `param_count` standard, validation loss; three rows of the file
    have no numbers and are passed over.
    """
    with (Path(folder) / PUBLIC[name]).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    if name == "gadre2024":
        rows = [row for row in rows if row["dataset"] == "c4_original" and "/c4_val/" in row["val_data"]]
    if name == "porian2024":
        wanted = {"dataset": "rw", "hparams": "tuned", "param_count": "standard", "val": "val"}
        rows = [row for row in rows if all(row[key] == value for key, value in wanted.items()) and row["loss"]]
    names = ("N", "D", "loss") if name == "kyo-takano" else ("params", "tokens", "loss")
    return tuple([float(row[key]) for row in rows] for key in names)


def digest(columns):
    """A hash of the numbers that were certified, to tell another version of a public table from a wrong fit."""
    return hashlib.sha256(repr([[float(x) for x in column] for column in columns]).encode()).hexdigest()[:16]


# --- derivatives -----------------------------------------------------------------------------------------


def elementwise(name, x):
    """exp, log or sign of a float64 array or of an object array of mpmath numbers."""
    if x.dtype != object:
        return getattr(np, name)(x)
    import mpmath

    return np.frompyfunc(getattr(mpmath, name), 1, 1)(x)


class Jet:
    """A quantity for each run with its first and second derivatives: shapes (runs,), (p, runs), (p, p, runs).

    Arithmetic carries the derivatives along exactly, in float64 or in mpmath's numbers.
    """

    __array_ufunc__ = None

    def __init__(self, value, first, second):
        self.value, self.first, self.second = value, first, second

    def through(self, f, f1, f2):
        """A function of this quantity, from its value and derivatives."""
        outer = self.first[:, None] * self.first[None]
        return Jet(f, f1 * self.first, f1 * self.second + f2 * outer)

    def exp(self):
        e = elementwise("exp", self.value)
        return self.through(e, e, e)

    def log(self):
        inverse = 1 / self.value
        return self.through(elementwise("log", self.value), inverse, -inverse * inverse)

    def __neg__(self):
        return Jet(-self.value, -self.first, -self.second)

    def __abs__(self):
        sign = elementwise("sign", self.value)
        return Jet(sign * self.value, sign * self.first, sign * self.second)

    def __add__(self, other):
        if isinstance(other, Jet):
            return Jet(self.value + other.value, self.first + other.first, self.second + other.second)
        return Jet(self.value + other, self.first, self.second)

    __radd__ = __add__

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.first * other, self.second * other)
        cross = self.first[:, None] * other.first[None]
        return Jet(
            self.value * other.value,
            self.value * other.first + other.value * self.first,
            self.value * other.second + other.value * self.second + cross + np.swapaxes(cross, 0, 1),
        )

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self * (other**-1.0 if isinstance(other, Jet) else 1 / other)

    def __rtruediv__(self, other):
        return self**-1.0 * other

    def __pow__(self, power):
        return (power * self.log()).exp()

    def __rpow__(self, base):
        return (self * elementwise("log", base)).exp()


# --- the problem -----------------------------------------------------------------------------------------


class Runs:
    """The residuals of a law on some runs, in coordinates that scipy can work with.

    Supervised: log of the two terms at the runs' mean log N and log D, log E, α, β, log γ. Distillation: the same of
    the primed coefficients without E, then c0, log c1, log f1, log d1. A `gamma` that is held has no coordinate.
    """

    def __init__(self, form, N, D, loss, teacher=None, gamma=None):
        self.form, self.gamma = form, gamma
        self.columns = [np.asarray(x, dtype=float) for x in (N, D, loss, *([] if teacher is None else [teacher]))]
        self.centre = [float(np.mean(np.log(x))) for x in self.columns[:2]]
        self.free = [name for name in NAMES[form] if name != "gamma" or gamma is None]
        self.count = len(self.columns[0])

    def coefficients(self, z):
        """Coefficients by name from coordinates: a list of numbers or of jets."""
        at = dict(zip(self.free, z, strict=True))

        def exp(x):
            return x.exp() if isinstance(x, Jet) else elementwise("exp", np.array([x]))[0]

        found = {name: x if name in ("alpha", "beta", "c0") else exp(x) for name, x in at.items()}
        for name, slope, centre in (("A", "alpha", self.centre[0]), ("B", "beta", self.centre[1])):
            found[name] = exp(at[name] + at[slope] * centre)
        return {"gamma": self.gamma} | found

    def residuals(self, z):
        """log L̂ - log L, shape (runs,), or a `Jet` of it; as exact as the numbers in z."""
        exact = not isinstance(z[0], Jet | float)
        return self._of(self.coefficients(z), exact or (isinstance(z[0], Jet) and z[0].value.dtype == object))

    def jet(self, z):
        """The residuals at z, a float64 or object array of shape (p,), with derivatives by z."""
        p, zero, one = len(z), z[0] * 0, z[0] * 0 + 1
        second = np.full((p, p, 1), zero)
        first = [np.array([[one if i == j else zero] for i in range(p)]) for j in range(p)]
        return self.residuals([Jet(np.array([z[j]]), first[j], second) for j in range(p)])

    def _of(self, coefficients, exact):
        N, D, loss, *teacher = self.exact() if exact else self.columns
        law = SupervisedLaw if self.form == "supervised" else DistillationLaw
        given = {} if self.form == "supervised" else {"supervised": GIVEN.supervised}
        predicted = law(**given, **coefficients).loss(N, D, *teacher)
        log = predicted.log() if isinstance(predicted, Jet) else elementwise("log", predicted)
        return log - elementwise("log", loss)

    def exact(self):
        """The columns as object arrays of mpmath numbers."""
        import mpmath

        return [np.array([mpmath.mpf(x) for x in column.tolist()], dtype=object) for column in self.columns]

    def start(self, rng):
        """Random coordinates from the scale of the losses."""
        loss = self.columns[2]
        gamma = self.gamma or math.exp(rng.uniform(math.log(0.3), math.log(2)))
        share = rng.uniform(0.1, 0.9)
        if self.form == "supervised":
            floor = loss.min() * rng.uniform(0.2, 0.97)
            rest = math.log(float(np.median(loss)) - floor) / gamma
        else:
            rest = math.log(rng.uniform(0.3, 3)) / gamma
        found = {"A": rest + math.log(share), "B": rest + math.log(1 - share), "gamma": math.log(gamma)}
        if self.form == "supervised":
            found["E"] = math.log(floor)
        found |= {name: math.exp(rng.uniform(math.log(0.08), math.log(0.8))) for name in ("alpha", "beta")}
        found |= {
            "c0": rng.uniform(0, 3),
            "c1": rng.uniform(0, 3),
            "f1": rng.uniform(-2.5, 0),
            "d1": rng.normal(0, 0.3),
        }
        return np.array([found[name] for name in self.free])


def weights(r, loss, delta):
    """The objective at residuals r, and its first and second derivatives by each of them, shape (runs,)."""
    if loss == "l2":
        return (r * r).sum() / 2, r, r * 0 + 1
    size = abs(r)
    if loss == "lad":
        return size.sum(), elementwise("sign", r), r * 0
    within = np.asarray(size <= delta, dtype=bool)
    value = np.where(within, r * r / 2, delta * (size - delta / 2)).sum()
    return value, np.where(within, r, delta * elementwise("sign", r)), within * (r * 0 + 1)


def gradient_and_hessian(jet, slope, curvature):
    """Of a sum over runs, from the residuals' jet and the objective's derivatives by each residual."""
    outer = np.dot(jet.first * curvature, jet.first.T)
    return np.dot(jet.first, slope), outer + (jet.second * slope).sum(axis=-1)


# --- the search, in float64 ------------------------------------------------------------------------------


def descend(runs, z, loss, delta):
    """A local minimum of huber or l2 near z by trust-exact, in coordinates whitened at z. Returns (value, z)."""
    from scipy.optimize import minimize

    first = runs.jet(z).first
    if not np.isfinite(first).all():
        return math.inf, z
    _, singular, directions = np.linalg.svd(first.T, full_matrices=False)
    whiten = directions.T / np.maximum(singular, 1e-7 * singular[0])
    unit = delta**2 if loss == "huber" else 1e-5
    cache = {}

    def all_at(y):
        key = y.tobytes()
        if key not in cache:
            cache.clear()
            jet = runs.jet(z + whiten @ y)
            value, slope, curvature = weights(jet.value, loss, delta)
            gradient, hessian = gradient_and_hessian(jet, slope, curvature)
            if not (math.isfinite(value) and np.isfinite(hessian).all()):
                value, gradient, hessian = math.inf, 0 * gradient, 0 * hessian
            cache[key] = value / unit, whiten.T @ gradient / unit, whiten.T @ hessian @ whiten / unit
        return cache[key]

    found = minimize(
        lambda y: all_at(y)[0], np.zeros(len(z)), jac=lambda y: all_at(y)[1], hess=lambda y: all_at(y)[2],
        method="trust-exact", options={"gtol": 1e-10, "maxiter": 400, "initial_trust_radius": 1e-2},
    )  # fmt: skip
    return float(found.fun) * unit, z + whiten @ found.x


def search(runs, loss, delta, starts, seed):
    """Where scipy ends from each random start: (value, z), best first."""
    from scipy.optimize import least_squares

    rng, found = np.random.default_rng(seed), []
    for _ in range(starts):
        z = runs.start(rng)
        try:
            ended = least_squares(
                lambda z: np.nan_to_num(runs.residuals(z.tolist()), nan=1e3, posinf=1e3, neginf=-1e3),
                z, jac=lambda z: np.nan_to_num(runs.jet(z).first.T), x_scale="jac", max_nfev=300,
                loss="linear" if loss == "l2" else "huber", f_scale=delta,
            )  # fmt: skip
            value, z = descend(runs, ended.x, loss, delta)
            for _ in range(3):  # whitened anew, until it helps no more
                before = value
                value, z = descend(runs, z, loss, delta)
                if value > before * (1 - 1e-12):
                    break
        except (ValueError, np.linalg.LinAlgError):  # left the numbers that float64 holds
            value = math.inf
        found.append((value, z))
    return sorted(found, key=lambda end: end[0])


def distinct(ends, apart=1e-6):
    """Ends whose values differ by more than `apart` (relative), best first, a hundred times the best at most."""
    found = []
    for value, z in ends:
        if math.isfinite(value) and (not found or value > found[-1][0] * (1 + apart)):
            found.append((value, z))
    return [end for end in found if end[0] <= 100 * found[0][0]]


def linear_programmes(runs, z):
    """A local minimum of Σ |r| near z: linearise, step inside a box, shrink it where that fails. Returns (value, z)."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, eye_array, hstack, vstack

    radius, n, p = 1e-2, runs.count, len(z)
    eye = eye_array(n, format="csr")
    value = float(np.abs(runs.jet(z).value).sum())
    for _ in range(100):
        jet = runs.jet(z)
        scale = math.sqrt(n) / np.linalg.norm(jet.first, axis=1)
        J = csr_matrix(jet.first.T * scale)
        step = linprog(
            np.r_[np.zeros(p), np.ones(n)], A_ub=vstack([hstack([J, -eye]), hstack([-J, -eye])]),
            b_ub=np.r_[-jet.value, jet.value], bounds=[(-radius, radius)] * p + [(0, None)] * n, method="highs-ds",
        )  # fmt: skip
        if step.x is None or step.fun >= value * (1 - 1e-15):
            break
        there = z + scale * step.x[:p]
        tried = float(np.abs(runs.residuals(there.tolist())).sum())
        if tried < value:
            z, value, radius = there, tried, radius * 2
        else:
            radius /= 4
    return value, z


def search_lad(runs, ends, seed):
    """Where linear programmes end: from the minima of the Huber objective, and from points around the best of them."""
    minima = distinct(ends, 1e-9)
    rng, best = np.random.default_rng(seed), minima[0][1]
    spread = math.sqrt(runs.count) / np.linalg.norm(runs.jet(best).first, axis=1)
    points = [z for _, z in minima[:8]] + [best + 0.03 * spread * rng.normal(size=len(best)) for _ in range(16)]
    return sorted((linear_programmes(runs, z) for z in points), key=lambda end: end[0])


# --- the certificate, in mpmath --------------------------------------------------------------------------


def largest(values):
    return max(abs(x) for x in np.ravel(values))


def solve(matrix, right):
    """The solution of a linear system of mpmath numbers, object arrays."""
    import mpmath

    answer = mpmath.lu_solve(mpmath.matrix(matrix.tolist()), mpmath.matrix(right.tolist()))
    return np.array(list(answer), dtype=object)


def smallest_eigenvalue(hessian):
    """Of a symmetric matrix of mpmath numbers, scaled to a unit diagonal first; -1 where a diagonal is not positive."""
    import mpmath

    diagonal = [hessian[i, i] for i in range(len(hessian))]
    if min(diagonal) <= 0:
        return mpmath.mpf(-1)
    scale = np.array([1 / mpmath.sqrt(x) for x in diagonal], dtype=object)
    values = mpmath.eigsy(mpmath.matrix((scale[:, None] * hessian * scale).tolist()), eigvals_only=True)
    return min(values)


def newton_smooth(runs, z, loss, delta):
    """Newton's method on gradient = 0 for huber and l2. Returns z, Hessian, gradient, residuals, the last step."""
    step = None
    for _ in range(60):
        jet = runs.jet(z)
        _, slope, curvature = weights(jet.value, loss, delta)
        gradient, hessian = gradient_and_hessian(jet, slope, curvature)
        if step is not None and largest(step) < 1e-40:
            return z, hessian, gradient, jet.value, step
        step = solve(hessian, -gradient)
        z = z + step
    raise ArithmeticError(f"Newton's method did not settle: last step {float(largest(step)):.1e}")


def newton_lad(runs, z, guess):
    """Newton's method on the Karush-Kuhn-Tucker system of Σ |r|, runs `guess` having r = 0. As `newton_smooth`.

    The Hessian is that of the Lagrangian along the directions that keep those residuals zero (none: 0 x 0).
    """
    import mpmath

    zero = np.array(sorted(guess))
    p, k = len(z), len(zero)
    signs = jet = None
    multipliers = step = None
    for _ in range(60):
        jet = runs.jet(z)
        if signs is None:
            signs = elementwise("sign", jet.value)
            others = signs.copy()
            others[zero] = mpmath.mpf(0)
            J = jet.first[:, zero]
            pull = -np.dot(jet.first, others)
            multipliers = np.linalg.lstsq(J.astype(float), pull.astype(float), rcond=None)[0]
            multipliers = np.array([mpmath.mpf(float(x)) for x in multipliers], dtype=object)
        slope = others.copy()
        slope[zero] = multipliers
        gradient, hessian = gradient_and_hessian(jet, slope, 0 * slope)
        J = jet.first[:, zero]
        right = -np.concatenate([gradient, jet.value[zero]])
        if step is not None and largest(step) < 1e-40:
            break
        system = np.full((p + k, p + k), mpmath.mpf(0), dtype=object)
        system[:p, :p], system[:p, p:], system[p:, :p] = hessian, J, J.T
        step = solve(system, right)
        z, multipliers = z + step[:p], multipliers + step[p:]
    else:
        raise ArithmeticError("Newton's method did not settle")
    outside = np.delete(np.arange(runs.count), zero)
    if any(elementwise("sign", jet.value)[outside] != signs[outside]):
        raise ArithmeticError("the signs of the residuals are not those assumed")
    if largest(multipliers) >= 1:
        raise ArithmeticError("a multiplier is not inside (-1, 1)")
    basis = np.linalg.svd(J.astype(float).T)[2][k:].T  # what keeps the residuals zero, to first order
    along = basis.T @ hessian.astype(float) @ basis
    return z, along, right, jet.value, step[:p], multipliers


def certify(runs, z, loss, delta, seed):
    """Polish z and prove a local minimum; raises `ArithmeticError` where that fails. Returns what JSON records."""
    import mpmath

    mpmath.mp.dps = DIGITS
    delta = mpmath.mpf(delta)
    z = np.array([mpmath.mpf(float(x)) for x in z], dtype=object)
    report = {}
    if loss == "lad":
        r = np.abs(runs.jet(z.astype(float)).value)
        order = np.argsort(r)
        # the zeros of a minimum found in float64 are those below the widest gap among the smallest residuals
        gaps = np.log(np.maximum(r[order[1 : len(z) + 1]], 1e-17) / np.maximum(r[order[: len(z)]], 1e-17))
        found = newton_lad(runs, z, order[: int(np.argmax(gaps)) + 1])
        z, along, gradient, residual, step, multipliers = found
        if len(along) and np.linalg.eigvalsh(along).min() <= 0:
            raise ArithmeticError("not a minimum along the directions that the zero residuals leave free")
        report["zero_residuals"] = len(multipliers)
        report["largest_multiplier"] = mpmath.nstr(largest(multipliers), 6)
        covariance = None
    else:
        z, hessian, gradient, residual, step = newton_smooth(runs, z, loss, delta)
        least = smallest_eigenvalue(hessian)
        if least <= 0:
            raise ArithmeticError("the Hessian is not positive definite")
        report["least_eigenvalue"] = mpmath.nstr(least, 6)
        if loss == "huber":
            report["within_delta"] = int(sum(abs(residual) <= delta))
            report["nearest_to_delta"] = mpmath.nstr(min(abs(abs(residual) / delta - 1)), 6)
        covariance = np.array(mpmath.inverse(mpmath.matrix(hessian.tolist())).tolist(), dtype=object).reshape(
            hessian.shape
        )
    if largest(gradient) > 1e-30:
        raise ArithmeticError(f"the gradient is {float(largest(gradient)):.1e}")
    value, before = weights(residual, loss, delta)[0], weights(runs.residuals((z - step).tolist()), loss, delta)[0]
    coefficients, earlier = runs.coefficients(z.tolist()), runs.coefficients((z - step).tolist())

    rng = np.random.default_rng(seed)
    scale = 1 / np.linalg.norm(runs.jet(z.astype(float)).first, axis=1) * math.sqrt(runs.count)
    for radius in 10.0 ** np.arange(-9, 0):
        for _ in range(10):
            away = [
                x + mpmath.mpf(float(dx)) for x, dx in zip(z, radius * scale * rng.normal(size=len(z)), strict=True)
            ]
            if weights(runs.residuals(away), loss, delta)[0] <= value:
                raise ArithmeticError(f"a random step of {radius:g} is lower")
    lowest = min(nelder_mead(runs, z, scale * radius, loss, delta, rng) for radius in (1e-4, 1e-2))
    if lowest < value * (1 - mpmath.mpf(10) ** -12):
        raise ArithmeticError(f"Nelder-Mead finds {float(lowest)}")

    changes = [abs(coefficients[name] / earlier[name] - 1) for name in runs.free] + [abs(value / before - 1)]
    digits = min(WRITTEN, int(-mpmath.log10(max([*changes, mpmath.mpf(10) ** -DIGITS]))) - 1)
    if covariance is not None:
        slopes = runs.coefficients([Jet(np.array([z[j]]), *unit(z, j)) for j in range(len(z))])
        report["slack"] = {
            name: mpmath.nstr(
                mpmath.sqrt(2e-9 * value * np.dot(s.first[:, 0], np.dot(covariance, s.first[:, 0]))) / c, 3
            )
            for name, s, c in ((name, slopes[name], coefficients[name]) for name in runs.free)
        }
    return float(value), {
        "objective": mpmath.nstr(value, WRITTEN),
        "coefficients": {name: mpmath.nstr(coefficients[name], WRITTEN) for name in runs.free},
        "digits": digits,
        "gradient_norm": mpmath.nstr(largest(gradient), 3),
        **report,
    }


def unit(z, j):
    """First and second derivatives, by z, of its entry j."""
    zero = z[0] * 0
    first = np.array([[zero + 1 if i == j else zero] for i in range(len(z))], dtype=object)
    return first, np.full((len(z), len(z), 1), zero, dtype=object)


def nelder_mead(runs, z, spread, loss, delta, rng):
    """The least value that Nelder-Mead finds in float64 from near z, recomputed with mpmath."""
    import mpmath
    from scipy.optimize import minimize

    centre, delta_float = z.astype(float), float(delta)

    def value(y):
        return float(
            np.nan_to_num(weights(runs.residuals((centre + spread * y).tolist()), loss, delta_float)[0], nan=1e9)
        )

    found = minimize(
        value, rng.normal(size=len(z)), method="Nelder-Mead", options={"maxfev": 3000, "xatol": 1e-12, "fatol": 1e-18},
    )  # fmt: skip
    end = [mpmath.mpf(x) for x in (centre + spread * found.x).tolist()]
    return weights(runs.residuals(end), loss, delta)[0]


# --- the command -----------------------------------------------------------------------------------------


def columns_of(name, public):
    """The columns that are certified: N, D, loss and, for a distillation, the teachers' loss."""
    if name in PUBLIC:
        return select(name, public)
    table = RunTable.read(HERE / f"{name}.csv")
    names = ("N", "D", "loss", *(["teacher_loss"] if name == "distillation" else []))
    return tuple(table.column(column).tolist() for column in names)


def cases_of(name):
    """What is certified of a table: (loss, fixed)."""
    if name == "distillation":
        return [("huber", {}), ("l2", {})]
    return [(loss, fixed) for fixed in ({"gamma": 1.0}, {}) for loss in ("huber", "l2", "lad")]


def certified(name, public, starts):
    """All cases of one table, as its JSON file holds them; a case that cannot be certified is told on stderr."""
    columns = columns_of(name, public)
    form = "distillation" if name == "distillation" else "supervised"
    cases, found = [], {}
    for loss, fixed in cases_of(name):
        runs = Runs(form, *columns, gamma=fixed.get("gamma"))
        with np.errstate(all="ignore"):
            if loss == "lad":
                ends = search_lad(runs, found["huber"], seed=1)
            else:
                ends = found[loss] = search(runs, loss, DELTA, starts, seed=1)
            best = distinct(ends)
            try:
                value, report = certify(runs, best[0][1], loss, DELTA, seed=2)
            except (ArithmeticError, np.linalg.LinAlgError) as error:
                at = {key: float(x) for key, x in runs.coefficients(best[0][1].tolist()).items()}
                sys.stderr.write(f"{name} {loss} {fixed}: NOT certified: {error}; {best[0][0]!r} at {at}\n")
                continue
        agreeing = sum(end[0] <= value * (1 + 1e-9) for end in ends)
        higher = [end[0] for end in best if end[0] > value * (1 + 1e-6)]
        cases.append(
            {
                "loss": loss,
                "delta": repr(DELTA) if loss == "huber" else None,
                "fixed": fixed,
                "starts": len(ends),
                "agreeing": agreeing,
                "next_higher": f"{higher[0]:.8g}" if higher else None,
                **report,
            }
        )
        sys.stderr.write(f"{name} {loss} {fixed}: {json.dumps(cases[-1])}\n")
    source = {"public_table": PUBLIC[name]} if name in PUBLIC else {"table": f"{name}.csv"}
    return source | {"form": form, "rows": len(columns[0]), "rows_digest": digest(columns), "cases": cases}


def main():
    parser = argparse.ArgumentParser(description="Make tables of runs and certify the optima of their fits.")
    parser.add_argument("names", nargs="*", help="tables to certify; all of them without any")
    parser.add_argument("--tables", action="store_true", help="write the simulated tables and certify nothing")
    parser.add_argument("--public", type=Path, help="folder of the public tables; without it they are left out")
    parser.add_argument("--starts", type=int, default=64, help="random starts of each search")
    arguments = parser.parse_args()
    made = [*SUPERVISED, "distillation"]
    if arguments.tables:
        for name in arguments.names or made:
            simulated(name).write(HERE / f"{name}.csv")
        return
    for name in arguments.names or [*made, *(PUBLIC if arguments.public else [])]:
        text = json.dumps(certified(name, arguments.public, arguments.starts), indent=1) + "\n"
        (HERE / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
