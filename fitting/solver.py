"""Minimise sums of Huber losses of residuals for many starts or resamples at once: damped Newton steps, float64.

Lanes (starts, or resamples of the runs) move side by side in blocks that fit the cache; as they arrive, others take
their place. The curvature of a step lies between two models: iteratively reweighted least squares, which is safe far
from the optimum, and the Huber loss's own second derivative, which is fast near it. A lane's `caution` says how much of
the first is mixed in, and its damping how far a step may go; both fall with every success and rise with every failure.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BLOCK_CELLS = 36_000
"""Runs times lanes in a block: with some twenty arrays of it a step stays in a core's second-level cache."""

_LARGE = 24 * 2**20
"""Bytes that are asked for and given back, untouched, before the work: glibc's malloc takes from that how much freed
memory to keep. Without it every step's arrays go back to the system and come again page by page, at twice the time."""

_MAX_STEPS = 615
"""No multiple of `_CHECK_EVERY`, so that a lane that it stops can be told from one that creeps."""

_PROGRESS = 1e-13
"""Relative decrease of the objective that counts as progress."""

_PATIENCE = 3
"""Steps in a row without progress after which a lane has arrived."""

_CHECK_EVERY = 25
_WORTHWHILE = 1e-9
"""Relative decrease over `_CHECK_EVERY` steps below which a lane on a long flat valley has arrived too."""

_CREEPING = 1e-6
"""The same for a lane stopped by the limit of steps: what it could still gain is nothing that a fit would show."""

_EXACT = 1e-26
"""Objective per run below which residuals are rounding errors (1e-13) and progress means nothing."""

_FREE = 1e-2
"""Damping up to which a step is as good as undamped."""

_CAUTION = (1e-3, 1.0)
_DAMPING = (1e-10, 1e8)


class Surface(Protocol):
    """Residuals and their derivatives at points of a box; `lanes` says which lane each point belongs to."""

    @property
    def lower(self) -> Array: ...

    @property
    def upper(self) -> Array: ...

    @property
    def runs(self) -> int: ...

    def residuals(self, z: Array, lanes: NDArray[np.intp]) -> Array:
        """Shape (points, runs)."""

    def linearised(self, z: Array, lanes: NDArray[np.intp]) -> tuple[Array, Array]:
        """Residuals, and their derivatives, shape (points, p, runs)."""


@dataclass(frozen=True)
class Penalty:
    """Σ strength · ((z - mean) / sd)² / 2, to be added to the objective; `sd` is infinite where there is none.

    `mean` and `sd` have shape (p,), `strength` is in units of the objective.
    """

    mean: Array
    sd: Array
    strength: float

    @property
    def precision(self) -> Array:
        """Second derivatives, shape (p,)."""
        found: Array = self.strength / self.sd**2
        return found

    def value(self, z: Array) -> Array:
        """At each row of z."""
        found: Array = 0.5 * ((z - self.mean) ** 2 @ self.precision)
        return found


@dataclass(frozen=True)
class Minima:
    """Where each lane ended: coordinates (lanes, p), penalised objectives (lanes,), whether it stopped by itself."""

    coordinates: Array
    objectives: Array
    arrived: NDArray[np.bool_]


def huber(r: Any, delta: float) -> Any:
    """r²/2 inside δ, δ(|r| - δ/2) outside, elementwise; δ may be infinite (least squares)."""
    inside = np.minimum(np.abs(r), delta)
    return inside * (np.abs(r) - 0.5 * inside)


def objectives(residuals: Array, weights: Array | None, delta: float) -> Array:
    """Σ weight · huber_δ(residual) of each row; infinite where a residual is not a number."""
    losses = huber(residuals, delta)
    total = losses.sum(axis=-1) if weights is None else np.einsum("...r,...r->...", losses, weights)
    return np.where(np.isfinite(total), total, np.inf)


def minimise(
    surface: Surface,
    starts: Array,
    delta: float,
    *,
    weights: Array | None = None,
    penalty: Penalty | None = None,
    lanes: NDArray[np.intp] | None = None,
    max_steps: int | None = None,
) -> Minima:
    """Minimise inside the surface's box from every row of `starts`, shape (lanes, p).

    `weights` multiply the runs' losses: shape (runs,), or (lanes, runs) where each lane has its own, as resamples
    have. `lanes` numbers the rows, where they are not lanes 0, 1, ...; a lane that needs more
    than `max_steps` has not arrived.
    """
    max_steps = _MAX_STEPS if max_steps is None else max_steps
    weights = None if weights is None else np.asarray(weights, dtype=float)  # counts as integers cost twice the time
    np.empty(_LARGE, dtype=np.uint8)
    count = len(starts)
    own = np.arange(count) if lanes is None else lanes
    z_all, value_all = np.clip(starts, surface.lower, surface.upper), np.full(count, np.inf)
    arrived = np.zeros(count, dtype=bool)
    size = max(4, _BLOCK_CELLS // max(surface.runs, 1))
    state: _Block | None = None
    nxt = 0
    while nxt < count or (state is not None and len(state.at)):
        room = size - (0 if state is None else len(state.at))
        if nxt < count and (state is None or room * 4 >= size):
            fresh = np.arange(nxt, min(count, nxt + room))
            nxt = int(fresh[-1]) + 1
            block = _Block.of(surface, z_all[fresh], fresh, own[fresh], delta, weights, penalty)
            state = block if state is None else state.joined(block)
        assert state is not None
        state.step(surface, delta, penalty)
        done = state.done | (state.steps >= max_steps)
        if done.any():
            at = state.at[done]
            z_all[at], value_all[at] = state.z[done], state.value[done]
            arrived[at] = (state.steps[done] < max_steps) | state.creeping[done]
            if done.sum() * 4 >= len(done) or done.all():
                state = state.kept(~done)
            else:
                state.idle |= done
    return Minima(z_all, value_all, arrived & np.isfinite(value_all))


_GRADES = 3.0
"""Factor between one δ and the next on the way down."""


def graduated(
    surface: Surface,
    starts: Array,
    delta: float,
    *,
    weights: Array | None = None,
    penalty: Penalty | None = None,
    lanes: NDArray[np.intp] | None = None,
) -> Minima:
    """`minimise`, coming down to δ from one as large as the residuals.

    With δ far below the noise the objective is a landscape of kinks, and a long flat valley takes hundreds of steps
    from kink to kink; with a large δ it is smooth, and its minima lie close by.
    """
    own = np.arange(len(starts)) if lanes is None else lanes
    z = np.clip(starts, surface.lower, surface.upper)
    sizes = np.median(np.abs(surface.residuals(z, own)), axis=1)
    widest = 2 * float(np.min(sizes, initial=np.inf, where=np.isfinite(sizes)))
    grades = 0
    if math.isfinite(delta) and 0 < widest < math.inf:
        grades = min(max(0, math.ceil(math.log(widest / delta) / math.log(_GRADES))), 12)
    for grade in range(grades, 0, -1):
        z = minimise(surface, z, delta * _GRADES**grade, weights=weights, penalty=penalty, lanes=own).coordinates
    return minimise(surface, z, delta, weights=weights, penalty=penalty, lanes=own)


_ROWS = ("at", "lanes", "z", "r", "jacobian", "value", "mark", "damping", "caution", "still", "steps", "idle")


@dataclass
class _Block:
    """Lanes that move side by side; arrays have one row per lane."""

    at: NDArray[np.intp]
    lanes: NDArray[np.intp]
    z: Array
    r: Array
    jacobian: Array
    weights: Array | None
    value: Array
    mark: Array
    damping: Array
    caution: Array
    still: NDArray[np.int_]
    steps: NDArray[np.int_]
    idle: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        surface: Surface,
        z: Array,
        at: NDArray[np.intp],
        lanes: NDArray[np.intp],
        delta: float,
        weights: Array | None,
        penalty: Penalty | None,
    ) -> "_Block":
        r, jacobian = surface.linearised(z, lanes)
        own = weights if weights is None or weights.ndim == 1 else weights[at]
        value = _objective(r, own, delta, z, penalty)
        count = len(z)
        none = np.zeros(count, dtype=int)
        return cls(
            at, lanes, z, r, jacobian, own, value, value.copy(), np.full(count, 1e-3), np.full(count, 0.1),
            none, none.copy(), np.zeros(count, dtype=bool),
        )  # fmt: skip

    def joined(self, other: "_Block") -> "_Block":
        rows = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ROWS}
        per_lane = self.weights is not None and self.weights.ndim == 2
        both = np.concatenate([self.weights, other.weights]) if per_lane else self.weights
        return _Block(weights=both, **rows)

    def kept(self, which: NDArray[np.bool_]) -> "_Block":
        per_lane = self.weights is not None and self.weights.ndim == 2
        weights = self.weights[which] if per_lane and self.weights is not None else self.weights
        return _Block(weights=weights, **{name: getattr(self, name)[which] for name in _ROWS})

    @property
    def creeping(self) -> NDArray[np.bool_]:
        gained: Array = 1 - self.value / np.maximum(self.mark, 1e-300)
        return gained <= _CREEPING

    @property
    def done(self) -> NDArray[np.bool_]:
        stopped: NDArray[np.bool_] = self.idle | (self.still >= _PATIENCE)
        stopped |= (self.value <= _EXACT * self.r.shape[1]) | ~np.isfinite(self.value)
        return stopped

    def step(self, surface: Surface, delta: float, penalty: Penalty | None) -> None:
        """Try one step of every lane and take it where it lowers the objective."""
        trial, foreseen = self._trial(surface, delta, penalty)
        r, jacobian = surface.linearised(trial, self.lanes)
        value = _objective(r, self.weights, delta, trial, penalty)
        better = value < self.value
        gain = np.where(better, self.value - value, 0.0)
        worth = _PROGRESS * self.value
        # a step refused says nothing while a shorter one may do; a long step that foresees nothing says it all
        vain = (better & (gain <= worth)) | (foreseen <= worth) | (self.damping >= _DAMPING[1])
        settled = (foreseen <= worth) & (self.damping <= _FREE)
        self.still = np.where(gain > worth, 0, self.still + np.where(settled, _PATIENCE, vain))
        self.steps += 1
        checked = self.steps % _CHECK_EVERY == 0
        self.idle = self.idle | (checked & (np.minimum(self.value, value) > self.mark * (1 - _WORTHWHILE)))
        self.mark = np.where(checked, np.minimum(self.value, value), self.mark)
        good = better & (gain > 0.1 * foreseen)
        self.damping = np.where(
            good, self.damping * 0.1, np.where(better, self.damping, np.maximum(self.damping * 10, 1e-4))
        )
        self.damping = np.clip(self.damping, *_DAMPING)
        self.caution = np.clip(self.caution * np.where(good, 0.2, np.where(better, 1.0, 5.0)), *_CAUTION)
        if better.all():
            self.z, self.r, self.jacobian, self.value = trial, r, jacobian, value
        else:
            self.z[better], self.r[better] = trial[better], r[better]
            self.jacobian[better], self.value[better] = jacobian[better], value[better]

    def _trial(self, surface: Surface, delta: float, penalty: Penalty | None) -> tuple[Array, Array]:
        """The point each lane would go to, and the decrease that its model of the objective foresees."""
        size = np.abs(self.r)
        outside = size > delta
        shrink = np.minimum(delta, size) / np.maximum(size, 1e-300) if np.isfinite(delta) else np.ones_like(size)
        psi = self.r * shrink
        # reweighting alone (caution 1) sees curvature δ/|r| outside, the loss's own (caution 0) sees none
        curvature = np.where(outside, shrink * self.caution[:, None], 1.0)
        if self.weights is not None:
            psi *= self.weights
            curvature *= self.weights
        gradient = (self.jacobian @ psi[:, :, None])[:, :, 0]
        hessian = (self.jacobian * curvature[:, None, :]) @ self.jacobian.swapaxes(1, 2)
        diagonal = np.einsum("lpp->lp", hessian).copy()
        if penalty is not None:
            gradient += penalty.precision * (self.z - penalty.mean)
            np.einsum("lpp->lp", hessian)[:] += penalty.precision
            diagonal += penalty.precision
        # a coordinate that the objective pushes out of the box stays where it is
        held = ((self.z <= surface.lower) & (gradient > 0)) | ((self.z >= surface.upper) & (gradient < 0))
        if held.any():
            free = ~held
            gradient = gradient * free
            hessian *= free[:, :, None] & free[:, None, :]
        floor = 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-300
        np.einsum("lpp->lp", hessian)[:] += self.damping[:, None] * diagonal + floor
        move = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        return np.clip(self.z - move, surface.lower, surface.upper), 0.5 * np.einsum("lp,lp->l", gradient, move)


def _objective(r: Array, weights: Array | None, delta: float, z: Array, penalty: Penalty | None) -> Array:
    value = objectives(r, weights, delta)
    return value if penalty is None else value + penalty.value(z)
