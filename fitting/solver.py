"""Minimise a sum of Huber losses of residuals from many starts at once: damped Gauss-Newton, float64.

JAX evaluates residuals and their derivatives for a block of starts; the small linear algebra and the decisions are
NumPy's, which keeps what must be compiled small. Every step tries two models of the curvature, iteratively
reweighted least squares (safe far from the optimum) and the Huber loss's own second derivative (fast near it), each
at several dampings, and keeps the best trial. JAX's float64 is switched on inside the calls only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Data = tuple[Array, ...]
Residual = Callable[[jax.Array, Any], jax.Array]
"""Residuals, shape (runs,), from coordinates, shape (p,), and the arrays that the form needs."""

_LANES = 16
"""Starts that move side by side; as they arrive, others take their place."""

_MAX_STEPS = 500
_PATIENCE = 5
"""Steps in a row without relative progress after which a start has arrived."""

_PROGRESS = 1e-11
"""Relative decrease of the objective that counts as progress."""

_LEADERS = 4
_FOLLOW_AFTER = 60
_SAME = 3e-5
"""After so many steps only the best few go on; others as close to the best as this have found its valley."""

_CHECK_EVERY = 20
_WORTHWHILE = 1e-9
"""Relative decrease over `_CHECK_EVERY` steps below which a start on a long flat valley has arrived too."""

_EXACT = 1e-24
"""Objective per run below which residuals are rounding errors (1e-12) and progress means nothing."""

_DAMPINGS = np.array([1e-2, 1.0, 1e2])
"""Trial dampings, relative to the current one."""

_TRIALS = 2 * len(_DAMPINGS)

_OWN_CURVATURE_FLOOR = 1e-2
"""Share of the reweighted curvature mixed into the Huber loss's own, which alone may be singular."""

_ROWS = 64
"""Runs are padded to this times a power of two, so that tables of similar size share compiled code."""


@dataclass(frozen=True)
class Minima:
    """Where each start ended, best first.

    `coordinates` (starts, p), `objectives` (starts,), `arrived` (starts,): stopped by itself rather than by the
    limit of steps. `residuals` (runs,) and `jacobian` (runs, p) belong to the best.
    """

    coordinates: Array
    objectives: Array
    arrived: NDArray[np.bool_]
    residuals: Array
    jacobian: Array


class Objective:
    """Σ huber_δ(residual) over the runs of one table, evaluated for many coordinates at once.

    `residual` must be the same function object from call to call, or it is compiled anew.
    """

    def __init__(self, residual: Residual, columns: Array, parameters: Data, delta: float) -> None:
        """`columns` has shape (k, runs); `parameters` are whatever else `residual` needs."""
        self._residual = residual
        self.runs = columns.shape[1]
        rows = _ROWS
        while rows < self.runs:
            rows *= 2
        padding = np.repeat(columns[:, :1], rows - self.runs, axis=1)  # a real run, so that nothing overflows
        self.weights = (np.arange(rows) < self.runs).astype(float)
        self.delta = delta
        with jax.enable_x64(True):
            self._data = tuple(jnp.asarray(a, dtype=jnp.float64) for a in (np.hstack([columns, padding]), *parameters))
            self._weights = jnp.asarray(self.weights)

    def values(self, z: Array) -> Array:
        """The objective at each row of `z`, shape (points, p); infinite where it is not a number."""
        size, found = _LANES * _TRIALS, []
        for block in _blocks(z, size):
            with jax.enable_x64(True):
                found.append(np.asarray(_values(self._residual, self._data, self._weights, block, self.delta)))
        value = np.concatenate(found)[: len(z)]
        return np.where(np.isnan(value), np.inf, value)

    def linearised(self, z: Array) -> tuple[Array, Array]:
        """Residuals (points, rows) and their derivatives (points, rows, p), padding included, at up to a block."""
        (block,) = _blocks(z, _LANES)
        with jax.enable_x64(True):
            r, jacobian = _linearised(self._residual, self._data, block)
            return np.asarray(r)[: len(z)], np.asarray(jacobian)[: len(z)]


def huber(r: Any, delta: Any) -> Any:
    """r²/2 inside δ, δ(|r| - δ/2) outside, elementwise."""
    inside = abs(r) <= delta
    return inside * 0.5 * r * r + ~inside * delta * (abs(r) - 0.5 * delta)


def best_of(objective: Objective, points: Array, count: int) -> Array:
    """The `count` rows of `points` where the objective is lowest."""
    return points[np.argsort(objective.values(points), kind="stable")[:count]]


def minimise(objective: Objective, starts: Array, lower: Array, upper: Array) -> Minima:
    """Minimise inside a box from every row of `starts`, shape (starts, p)."""
    z, value = starts.copy(), objective.values(starts)
    damping, still = np.full(len(z), 1e-2), np.zeros(len(z), dtype=int)
    steps, mark = np.zeros(len(z), dtype=int), value.copy()
    exact = _EXACT * objective.runs
    moving = np.isfinite(value)
    while moving.any():
        lanes = np.flatnonzero(moving)[:_LANES]
        candidates = _candidates(objective, z[lanes], damping[lanes], lower, upper)
        values = objective.values(candidates.reshape(-1, z.shape[1])).reshape(len(lanes), _TRIALS)
        best = np.argmin(values, axis=1)
        row = np.arange(len(lanes))
        found, before = values[row, best], value[lanes]
        better = found < before
        z[lanes[better]] = candidates[row, best][better]
        value[lanes] = np.where(better, found, before)
        used = damping[lanes] * np.tile(_DAMPINGS, 2)[best]
        damping[lanes] = np.clip(np.where(better, used * 0.5, damping[lanes] * 1e3), 1e-9, 1e9)
        still[lanes] = np.where(found < before * (1 - _PROGRESS), 0, still[lanes] + 1)
        steps[lanes] += 1
        checked = lanes[steps[lanes] % _CHECK_EVERY == 0]
        idle = np.zeros(len(z), dtype=bool)
        idle[checked] = value[checked] > mark[checked] * (1 - _WORTHWHILE)
        mark[checked] = value[checked]
        idle |= _following(value, steps)
        moving[lanes] = ~idle[lanes] & (still[lanes] < _PATIENCE) & (steps[lanes] < _MAX_STEPS) & (value[lanes] > exact)

    order = np.argsort(value, kind="stable")
    r, jacobian = objective.linearised(z[order[:1]])
    arrived = np.isfinite(value) & (steps < _MAX_STEPS)
    runs = objective.runs
    return Minima(z[order], value[order], arrived[order], r[0, :runs], jacobian[0, :runs])


def _following(value: Array, steps: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Starts that have come within `_SAME` of the best and are not among the leaders."""
    close: NDArray[np.bool_] = (steps >= _FOLLOW_AFTER) & (value <= value.min() * (1 + _SAME))
    close[np.argsort(value, kind="stable")[:_LEADERS]] = False
    return close


def _candidates(objective: Objective, z: Array, damping: Array, lower: Array, upper: Array) -> Array:
    """Trial points, shape (lanes, trials, p): both curvatures at every damping."""
    r, jacobian = objective.linearised(z)
    size, delta = np.abs(r), objective.delta
    reweighted = delta / np.maximum(size, delta)
    own = (1 - _OWN_CURVATURE_FLOOR) * (size <= delta) + _OWN_CURVATURE_FLOOR * reweighted
    gradient = np.einsum("lrp,lr->lp", jacobian, objective.weights * reweighted * r)
    # a coordinate that the objective pushes out of the box stays where it is
    held = ((z <= lower) & (gradient > 0)) | ((z >= upper) & (gradient < 0))
    free = ~held
    gradient = gradient * free
    found = []
    for curvature in (reweighted, own):
        weighted = jacobian * (objective.weights * curvature)[:, :, None]
        hessian = np.swapaxes(jacobian, 1, 2) @ weighted
        hessian *= free[:, :, None] & free[:, None, :]
        diagonal = np.einsum("lpp->lp", hessian)
        floor = 1e-14 * diagonal.max(axis=1, keepdims=True) + 1e-300
        for scale in _DAMPINGS:
            damped = hessian.copy()
            np.einsum("lpp->lp", damped)[:] += damping[:, None] * scale * diagonal + floor
            step = np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
            found.append(np.clip(z - step, lower, upper))
    return np.stack(found, axis=1)


def _blocks(z: Array, size: int) -> list[Array]:
    """Cut the rows of `z` into blocks of exactly `size`, the last filled with its first row."""
    blocks = [z[i : i + size] for i in range(0, len(z), size)]
    missing = size - len(blocks[-1])
    blocks[-1] = np.concatenate([blocks[-1], np.repeat(blocks[-1][:1], missing, axis=0)])
    return blocks


@partial(jax.jit, static_argnums=0)
def _values(residual: Residual, data: Any, weights: Any, z: Any, delta: Any) -> Any:
    return jax.vmap(lambda point: jnp.sum(weights * huber(residual(point, data), delta)))(z)


@partial(jax.jit, static_argnums=0)
def _linearised(residual: Residual, data: Any, z: Any) -> tuple[Any, Any]:
    def twice(point: Any) -> tuple[Any, Any]:
        r = residual(point, data)
        return r, r

    def one(point: Any) -> tuple[Any, Any]:
        jacobian, r = jax.jacfwd(twice, has_aux=True)(point)
        return r, jacobian

    found: tuple[Any, Any] = jax.vmap(one)(z)
    return found
