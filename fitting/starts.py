"""Where a search starts: variable projection over a small grid of exponents, and random points at the data's scale.

For given exponents the sizes of the two power terms follow from linear least squares (variable projection, Golub and
Pereyra 1973), so that a grid over the few others is dense enough to hit every basin we have seen.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from fitting.coordinates import NAMES, Array
from fitting.forms import Problem
from fitting.solver import objectives
from fitting.surfaces import DistilledRuns, SupervisedRuns

_SLOPES = (0.08, 0.15, 0.25, 0.4, 0.65)
_FEW_SLOPES = (0.12, 0.25, 0.5)


def starts(problem: Problem, count: int, delta: float, seed: int) -> Array:
    """`count` starting points, shape (count, p): half of them the best projections, half random."""
    projected = _projected(problem)
    values = objectives(problem.residuals(projected, np.zeros(len(projected), dtype=np.intp)), None, delta)
    best = projected[np.argsort(values, kind="stable")[: count // 2]]
    drawn = _drawn(problem, count - len(best), np.random.default_rng(seed))
    found: Array = np.clip(np.concatenate([best, drawn]), problem.lower, problem.upper)
    return found


def _choices(problem: Problem, name: str, values: Sequence[float]) -> Sequence[float]:
    """The values to try for a coordinate: those given, or the one it is held at (by a coefficient of its own)."""
    law = problem.coordinates
    held = {"log_gamma": "gamma", "c0": "c0", "log_f1": "f1"}.get(name)
    if held is not None and held in law.fixed:
        return (law.fixed[held] if held == "c0" else float(np.log(law.fixed[held])),)
    return values


def _projected(problem: Problem) -> Array:
    columns, loss = problem.columns, np.exp(problem.target)
    gammas = _choices(problem, "log_gamma", (np.log(0.5), 0.0))
    if isinstance(columns, SupervisedRuns):
        floors = loss.min() * np.array([0.2, 0.5, 0.75, 0.92])
        grid = np.array(list(itertools.product(_SLOPES, _SLOPES, gammas, np.log(floors))))
        p, q, g, e = grid.T
        excess = np.maximum(loss - np.exp(e)[:, None], 1e-3 * loss)
        u, v = _sizes(excess, p, q, g, columns, excess / loss)
        return _picked(problem, {"u": u, "v": v, "log_E": e, "p": p, "q": q, "log_gamma": g})
    teacher, ratio = np.atleast_2d(columns.log_teacher)[0], np.atleast_2d(columns.log_ratio)[0]
    places = [float(np.median(ratio)), float(ratio.max()), float(ratio.max()) + 0.3]
    sharp = _choices(problem, "log_f1", tuple(np.log([0.06, 0.2, 0.6])))
    grid = np.array(
        list(itertools.product(_FEW_SLOPES, _FEW_SLOPES, gammas, _choices(problem, "c0", (0.0, 2.0)), sharp, places))
    )
    p, q, g, c0, log_f1, log_s = grid.T
    log_K = np.full(len(grid), np.log(20.0))
    soft = np.logaddexp(0.0, (ratio - log_s[:, None]) / np.exp(log_f1)[:, None] - log_K[:, None])
    log_factor = -c0[:, None] * columns.teacher - np.exp(log_K)[:, None] * soft
    ahead = np.maximum(loss - np.exp(teacher), 1e-3 * loss)
    u, v = _sizes(np.exp(np.log(ahead) - np.maximum(log_factor, -30.0)), p, q, g, columns, ahead / loss)
    found = {"u": u, "v": v, "p": p, "q": q, "log_gamma": g, "c0": c0, "log_K": log_K}
    return _picked(problem, found | {"log_f1": log_f1, "log_s": log_s})


def _sizes(
    excess: Array, p: Array, q: Array, g: Array, columns: SupervisedRuns | DistilledRuns, share: Array
) -> tuple[Array, Array]:
    """log sizes of the two terms whose sum, to the power γ, comes closest to `excess` in relative terms.

    `share` weights the runs: that of the excess in the loss, since a run near its floor says little of it.
    """
    gamma = np.exp(g)[:, None]
    target = excess ** (1 / gamma)
    weight = share / target
    first = np.exp(-p[:, None] * columns.n / gamma) * weight
    second = np.exp(-q[:, None] * columns.d / gamma) * weight
    aim = share * np.ones_like(target)
    ff, ss, fs = (first**2).sum(1), (second**2).sum(1), (first * second).sum(1)
    fa, sa = (first * aim).sum(1), (second * aim).sum(1)
    apart = np.maximum(ff * ss - fs**2, 1e-12 * ff * ss)
    a, b = (fa * ss - sa * fs) / apart, (sa * ff - fa * fs) / apart
    a, b = np.maximum(a, 0.02 * fa / ff), np.maximum(b, 0.02 * sa / ss)  # no term may vanish at a start
    return np.exp(g) * np.log(a), np.exp(g) * np.log(b)


def _drawn(problem: Problem, count: int, rng: np.random.Generator) -> Array:
    loss, columns = np.exp(problem.target), problem.columns
    share = rng.uniform(0.1, 0.9, count)
    gamma = np.exp(rng.uniform(np.log(0.3), np.log(2.0), count))
    slopes = np.exp(rng.uniform(np.log(0.08), np.log(0.8), (2, count)))
    found = {"p": slopes[0], "q": slopes[1], "log_gamma": np.log(gamma)}
    if isinstance(columns, SupervisedRuns):
        floor = loss.min() * rng.uniform(0.2, 0.97, count)
        rest = np.log(np.median(loss) - floor)
        found["log_E"] = np.log(floor)
    else:
        teacher, ratio = np.exp(np.atleast_2d(columns.log_teacher)[0]), np.atleast_2d(columns.log_ratio)[0]
        rest = np.full(count, np.log(np.median(np.maximum(loss - teacher, 0.01 * loss))))
        found["c0"] = rng.uniform(0.0, 4.0, count)
        found["log_K"] = rng.uniform(np.log(0.3), np.log(100.0), count)
        found["log_f1"] = rng.uniform(np.log(0.03), np.log(1.0), count)
        found["log_s"] = rng.uniform(np.median(ratio), ratio.max() + 0.5, count)
    found["u"], found["v"] = rest + gamma * np.log(share), rest + gamma * np.log1p(-share)
    return _picked(problem, found)


def _picked(problem: Problem, found: dict[str, Array]) -> Array:
    """The free coordinates of points given by all of them; teachers' errors start at nought."""
    names = NAMES[problem.form]
    points = np.stack([found[names[i]] for i in problem.coordinates.free], axis=1)
    return np.hstack([points, np.zeros((len(points), len(problem.lower) - problem.laws))])
