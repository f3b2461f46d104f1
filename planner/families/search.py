"""The joint optimum: one teacher and the tokens of all its students, out of one budget.

The teacher is searched over t = log(L_T - E) and, where its training and its forward passes are both paid, over the
place on the curve of L_T between the teacher that is the cheapest to train and the smallest. For every teacher the
tokens are split by `planner.families.tokens`. Every basin of the grid is refined.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitting.flops import FORWARDS_PER_TRAINING_STEP
from fitting.known import KnownLaw
from planner import planes
from planner.allocation import of_grid
from planner.families.tokens import split
from planner.problems import Problems
from planner.scenarios import Charges, Limits
from planner.search import Floats, Index, sublevel, zoom
from planner.terms import Terms

POINTS = (97, 33)
"""Of the grid of t and the place on the curve."""

COARSE = (49, 13)


@dataclass(frozen=True)
class Optimum:
    """The best teacher (NaN where there is none) and each student's tokens and loss; `loss` is the weighted mean.

    `loss` is +inf where the budget cannot pay for the fewest tokens of every student.
    """

    loss: float
    D: Floats
    losses: Floats
    t: float
    L_T: float
    N_T: float
    D_T: float


@dataclass(frozen=True)
class Family:
    """Students of sizes N (m,) with weights (m,) that sum to 1, and what they share, as one problem of `Problems`.

    Its C and the price of its teacher's training are those of one of the copies of the family that share the teacher.
    """

    N: Floats
    weights: Floats
    shared: Problems

    @classmethod
    def of(
        cls, law: KnownLaw, N: Floats, weights: Floats, C: float, charges: Charges, limits: Limits | None, terms: Terms
    ) -> "Family":
        """A family under a law; raises `InputError` as `Problems.of`."""
        # what the students serve is theirs, and counted here
        shared = Problems.of(law, 1.0, C, charges, limits, terms=terms)
        shared = replace(shared, served=0.0)
        left = shared.C - terms.serve_tokens * float(law.convention.forward(N).sum())
        return cls(N, weights / weights.sum(), replace(shared, C=left))

    @property
    def step(self) -> Floats:
        """FLOPs of training each student on one token."""
        found: Floats = FORWARDS_PER_TRAINING_STEP * self.shared.convention.forward(self.N)
        return found

    def directly(self) -> Optimum:
        """Every student trained without a teacher."""
        law = self.shared.supervised

        def loss(log_D: Floats, index: NDArray[np.intp]) -> Floats:
            return np.asarray(law.loss(self.N, np.exp(log_D)))

        log_D, value = split(loss, self.weights, self.step[None, :], self._left, *self._box(1))
        none = float("nan")
        return Optimum(
            float(value[0]), np.exp(log_D[0]), loss(log_D, np.zeros(1, dtype=int))[0], none, none, none, none
        )

    def beside(self, L_T: float, price: float) -> Optimum:
        """Beside a teacher that exists (nats/token, FLOPs per token of its forward passes)."""
        at = np.array([L_T])
        value, log_D = self._taught(at, np.array([price]), self._left)
        none = float("nan")
        return Optimum(float(value[0]), np.exp(log_D[0]), self._losses(log_D, at)[0], none, L_T, none, none)

    def optimum(self, *, points: tuple[int, int] = POINTS, rounds: int = planes.ROUNDS) -> Optimum:
        """The best teacher there is for them all."""
        if self.shared.grid:
            every = [replace(self, shared=each).optimum(points=points, rounds=rounds) for each in of_grid(self.shared)]
            return min(every, key=lambda found: found.loss)
        charges = self.shared.charges
        free = bool(charges.pretraining and (charges.logits or self.shared.disjoint < math.inf))
        along = np.zeros(1), np.ones(1) if free else np.zeros(1)
        grid = (points[0], points[1] if free else 1)
        t, u, _ = planes.minima(
            lambda t, u, index: self.loss(t, u), self.shared.t_range(), along, points=grid, rounds=rounds
        )
        if self.shared.disjoint < math.inf and rounds == planes.ROUNDS:
            return self._polished(t, u)
        return self.at(float(t[0]), float(u[0]))

    def _polished(self, t: Floats, u: Floats) -> Optimum:
        """The best near (t, u), one variable inside the other: there is a crease where data and budget bind at once."""
        low, high = self.shared.t_range()
        reach = (high - low) / POINTS[0]
        beside = np.maximum(u - 2 / POINTS[1], 0.0), np.minimum(u + 2 / POINTS[1], 1.0)
        t, _ = zoom(_Best(self, *beside), np.maximum(t - reach, low), np.minimum(t + reach, high))
        u, _ = zoom(_Along(self, t), *beside)
        return self.at(float(t[0]), float(u[0]))

    def loss(self, t: Floats, u: Floats) -> Floats:
        """The weighted loss beside the teacher at t and the share u of the way along its curve; any one shape."""
        return self._at(t.ravel(), u.ravel())[0].reshape(t.shape)

    def at(self, t: float, u: float) -> Optimum:
        """What the students come to beside one teacher."""
        at, along = np.array([t]), np.array([u])
        value, log_D, log_N_T, log_D_T = self._at(at, along)
        L_T = self.shared.L_T(at)
        return Optimum(
            float(value[0]),
            np.exp(log_D[0]),
            self._losses(log_D, L_T)[0],
            t,
            float(L_T[0]),
            *(
                float(np.clip(np.exp(value[0]), *ends))
                for value, ends in ((log_N_T, self.shared.teacher_N), (log_D_T, self.shared.teacher_D))
            ),
        )

    def near_optimal_loss(self, best: Optimum, nats: float) -> tuple[float, float]:
        """The interval of L_T around the best in which the weighted loss rises by at most `nats`."""
        steps = np.linspace(0.0, 1.0, 17)

        def loss(t: Floats) -> Floats:
            along = np.broadcast_to(steps, (t.size, len(steps)))
            every = np.repeat(t.reshape(-1, 1), len(steps), axis=1)
            found, width = self.loss(every, along.copy()), steps[1]
            for _ in range(3):
                i = np.argmin(found, axis=1)
                middle = along[np.arange(len(i)), i]
                before = found.min(axis=1)
                along = np.clip(middle[:, None] + width * np.linspace(-1, 1, 9), 0.0, 1.0)
                width = width / 4
                found = np.minimum(self.loss(every[:, :9], along), before[:, None])
            least: Floats = found.min(axis=1).reshape(t.shape)
            return least

        if self.shared.grid:
            return replace(self, shared=replace(self.shared, grid=(), teacher_N=(best.N_T,) * 2)).near_optimal_loss(
                best, nats
            )
        low, high = self.shared.t_range()
        ends = sublevel(loss, np.array([best.t]), np.array([best.loss + nats]), low, high, points=13, rounds=4)
        return float(self.shared.L_T(ends[0])[0]), float(self.shared.L_T(ends[1])[0])

    def ideal(self, D: Floats, nats: float) -> tuple[float, float]:
        """The interval of L_T that would serve these students best on these tokens, whatever the teacher costs."""
        log_D = np.log(D)

        def loss(t: Floats) -> Floats:
            L_T = self.shared.L_T(t.ravel())
            found: Floats = (self._losses(np.broadcast_to(log_D, (t.size, len(D))), L_T) @ self.weights).reshape(
                t.shape
            )
            return found

        low, high = self.shared.t_range()
        none = np.zeros(1)
        at, _, value = planes.minima(lambda t, u, index: loss(t), (low, high), (none, none), points=(257, 1))
        ends = sublevel(loss, at, value + nats, low, high)
        return float(self.shared.L_T(ends[0])[0]), float(self.shared.L_T(ends[1])[0])

    @property
    def _left(self) -> Floats:
        return self.shared.C[:, 0]

    def _box(self, n: int) -> tuple[float, Floats]:
        low, high = self.shared.box_D
        return float(np.log(low)), np.full(n, np.log(high))

    def _losses(self, log_D: Floats, L_T: Floats) -> Floats:
        with np.errstate(under="ignore"):
            found: Floats = self.shared.distillation.loss(self.N, np.exp(log_D), L_T[:, None])
        return found

    def _at(self, t: Floats, u: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Weighted loss, log D of the students, log N_T and log D_T at n teachers."""
        column = t[None, :]
        low, high = self.shared.choices(column)
        log_N, log_D, _ = (each[0] for each in self.shared.on_curve(column, low + u * (high - low)))
        F = self.shared.convention.forward_of_cube(np.exp(log_N / 3))[0]
        training = FORWARDS_PER_TRAINING_STEP * F * np.exp(log_D)
        left = self._left - self.shared.charges.pretraining * training
        cap = self.shared.disjoint - np.exp(log_D) if self.shared.charges.pretraining else None
        value, tokens = self._taught(self.shared.L_T(t), F, left, cap)
        return value, tokens, log_N, log_D

    def _taught(self, L_T: Floats, F_T: Floats, left: Floats, cap: Floats | None = None) -> tuple[Floats, Floats]:
        price = self.step + self.shared.charges.logits * F_T[:, None]

        def loss(log_D: Floats, index: NDArray[np.intp]) -> Floats:
            return self._losses(log_D, L_T[index])

        low, high = self._box(len(L_T))
        if cap is not None:
            high = np.minimum(high, np.log(np.maximum(cap, 1.0)))
        log_D, value = split(loss, self.weights, price, left, low, high)
        return value, log_D


@dataclass(frozen=True)
class _Along:
    """The weighted loss against the place on the curve of each t."""

    family: Family
    t: Floats

    def __len__(self) -> int:
        return len(self.t)

    def take(self, index: Index) -> "_Along":
        return _Along(self.family, self.t[index])

    def loss(self, u: Floats) -> Floats:
        return self.family.loss(self.t[:, None] + 0.0 * u, u)


@dataclass(frozen=True)
class _Best:
    """The least weighted loss along a stretch of the curve, against t."""

    family: Family
    low: Floats
    high: Floats

    def __len__(self) -> int:
        return 1

    def take(self, index: Index) -> "_Best":
        return self

    def loss(self, t: Floats) -> Floats:
        ends = (np.broadcast_to(end, t.size) for end in (self.low, self.high))
        return zoom(_Along(self.family, t.ravel()), *ends)[1].reshape(t.shape)
