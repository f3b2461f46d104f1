"""The optimum of Eq 10 and 28 (arXiv 2502.08606): which teacher and how many tokens a budget should buy.

Nested one-dimensional searches in logs. The student's tokens are whatever the teacher leaves of the budget, so
the budget is spent exactly; the teacher matters only through L_T and its price, so for each L_T the cheapest
teacher is found first, and L_T is searched last, over everything that the law's box can reach.
"""

from dataclasses import dataclass

import numpy as np

from fitting.errors import Infeasible
from fitting.flops import FORWARDS_PER_TRAINING_STEP
from fitting.known import KnownLaw, Range
from fitting.units import count, flops
from planner.scenarios import TEACHER_INFERENCE, Budget, Teacher
from planner.search import Floats, global_minimum, sublevel_interval, zoom


@dataclass(frozen=True)
class Allocation:
    """A point of the search: the student's tokens, the teacher, and the student's cross-entropy (nats/token).

    `N_T` and `D_T` are None where the scenario leaves them open. `bounds` names the quantities that sit on the
    edge of the law's search box.
    """

    D_S: float
    L_T: float
    N_T: float | None
    D_T: float | None
    loss: float
    bounds: tuple[str, ...] = ()


_AT_BOUND = 1e-6
"""Relative distance to the edge of the box below which a quantity counts as sitting on it."""


class Search:
    """The student's cross-entropy as a function of the teacher, for one student size and one budget.

    Raises `Infeasible` when the budget cannot pay for the fewest tokens in the law's search box.
    """

    def __init__(self, law: KnownLaw, N_S: float, budget: Budget) -> None:
        self.law, self.N_S, self.budget = law, N_S, budget
        self.distillation = law.require_distillation()
        self.student_training = FORWARDS_PER_TRAINING_STEP * float(law.convention.forward(N_S))
        (n_low, n_high), (d_low, d_high) = law.box_N, law.box_D
        floor, ceiling = law.supervised.loss(n_high, d_high), law.supervised.loss(n_low, d_low)
        self.t_range: Range = (
            float(np.log(floor - law.supervised.E)),
            float(np.log(ceiling - law.supervised.E)),
        )

    def L_T(self, t: Floats) -> Floats:
        """The teacher's cross-entropy; t = log(L_T - E) resolves the range near the law's floor."""
        return np.asarray(self.law.supervised.E + np.exp(t))

    def teacher_tokens(self, N_T: Floats, L_T: Floats) -> Floats:
        """D_T with L(N_T, D_T) = L_T; +inf where no number of tokens is enough."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            D_T = self.law.supervised.tokens(N_T, L_T)
        return np.where(np.isfinite(D_T), D_T, np.inf)

    def student_tokens(self, N_T: Floats, D_T: Floats) -> Floats:
        """What the budget leaves for the student (Eq 9 solved for D_S); negative where the teacher costs more."""
        forward = self.law.convention.forward(N_T)
        left = np.full(np.broadcast_shapes(np.shape(N_T), np.shape(D_T)), self.budget.flops)
        if self.budget.pay_pretraining:
            left = left - self.budget.pay_pretraining * FORWARDS_PER_TRAINING_STEP * forward * D_T
        tokens = left / (self.student_training + self.budget.pay_logits * forward)
        return np.asarray(np.minimum(tokens, self.law.box_D[1]))

    def student_loss(self, D_S: Floats, L_T: Floats) -> Floats:
        """L_S, +inf where the student gets fewer tokens than the box allows."""
        feasible = D_S >= self.law.box_D[0]
        with np.errstate(under="ignore"):
            loss = self.distillation.loss(self.N_S, np.where(feasible, D_S, self.law.box_D[0]), L_T)
        return np.where(feasible, loss, np.inf)

    def size_range(self, L_T: Floats) -> tuple[Floats, Floats]:
        """The N_T that reach each L_T with tokens inside the box; shapes as L_T."""
        (n_low, n_high), (d_low, d_high) = self.law.box_N, self.law.box_D
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            smallest = self.law.supervised.size(d_high, L_T)
            largest = self.law.supervised.size(d_low, L_T)
        smallest = np.clip(np.nan_to_num(smallest, nan=n_high, posinf=n_high), n_low, n_high)
        largest = np.clip(np.nan_to_num(largest, nan=n_high, posinf=n_high), n_low, n_high)
        return smallest, np.maximum(smallest, largest)

    def best_teacher(self, L_T: Floats) -> tuple[Floats, Floats]:
        """For each L_T (shape (k,)) the N_T that leaves the student the most tokens, and those tokens D_S.

        Without charge for its training the smallest teacher is the cheapest. Without any charge N_T is the one of
        least F(N_T) D_T, as the paper reports it.
        """
        smallest, largest = self.size_range(L_T)
        if not self.budget.pay_pretraining and self.budget.pay_logits:
            return smallest, self.student_tokens(smallest, np.zeros_like(smallest))

        def cost(log_N: Floats) -> Floats:
            N_T = np.exp(log_N)
            D_T = np.clip(self.teacher_tokens(N_T, L_T[:, None]), *self.law.box_D)
            if not self.budget.pay_pretraining:
                return np.asarray(np.log(self.law.convention.forward(N_T) * D_T))
            return -self.student_tokens(N_T, D_T)

        log_N, least = zoom(cost, np.log(smallest), np.log(largest))
        if self.budget.pay_pretraining:
            return np.exp(log_N), -least
        return np.exp(log_N), self.student_tokens(np.exp(log_N), np.zeros_like(log_N))

    def loss_by_teacher_loss(self, t: Floats) -> Floats:
        """The student's loss at the best teacher of each cross-entropy; t of shape (k,)."""
        L_T = self.L_T(t)
        return self.student_loss(self.best_teacher(L_T)[1] if self.paid else self.all_tokens(t), L_T)

    def loss_by_teacher_size(self, log_N: Floats) -> Floats:
        """The student's loss at the best cross-entropy of a teacher of each size; log N_T of shape (k,)."""
        N_T = np.exp(log_N)[:, None]

        def loss(t: Floats) -> Floats:
            L_T = self.L_T(t)
            D_T = self.teacher_tokens(N_T, L_T)
            inside = (D_T >= self.law.box_D[0] * (1 - _AT_BOUND)) & (D_T <= self.law.box_D[1] * (1 + _AT_BOUND))
            return np.where(inside, self.student_loss(self.student_tokens(N_T, np.where(inside, D_T, 0)), L_T), np.inf)

        low = np.log(self.law.supervised.loss(N_T[:, 0], self.law.box_D[1]) - self.law.supervised.E)
        high = np.log(self.law.supervised.loss(N_T[:, 0], self.law.box_D[0]) - self.law.supervised.E)
        return zoom(loss, low, high)[1]

    @property
    def paid(self) -> bool:
        return bool(self.budget.pay_logits or self.budget.pay_pretraining)

    def all_tokens(self, like: Floats) -> Floats:
        """The student's tokens when the teacher is free."""
        return np.full(like.shape, min(self.budget.flops / self.student_training, self.law.box_D[1]))

    def optimum(self) -> Allocation:
        """The allocation of least student cross-entropy (Eq 10, 28)."""
        t, loss = global_minimum(self.loss_by_teacher_loss, *self.t_range)
        if not np.isfinite(loss):
            raise Infeasible(self._too_small("the cheapest teacher and "))
        L_T = self.L_T(np.array([t]))
        (N_T,), (D_S,) = self.best_teacher(L_T)
        (D_T,) = np.clip(self.teacher_tokens(np.array([N_T]), L_T), *self.law.box_D)
        tokens_open = self.budget.scenario == TEACHER_INFERENCE
        D_S, N_T, D_T = float(D_S), float(N_T), float(D_T)
        bounds = [
            name
            for name, value, ends in (
                ("D_S", D_S, self.law.box_D),
                ("N_T", N_T, self.law.box_N),
                ("D_T", D_T, self.law.box_D),
            )
            if on_edge(value, ends) and not (name == "D_T" and tokens_open)
        ]
        if min(t - self.t_range[0], self.t_range[1] - t) < _AT_BOUND:
            bounds.append("L_T")
        return Allocation(D_S, float(L_T[0]), N_T, None if tokens_open else D_T, loss, tuple(bounds))

    def named(self, teacher: Teacher) -> Allocation:
        """The student's cross-entropy with a teacher that exists: all that the logits leave goes into D_S (Eq 27)."""
        price = 0.0 if teacher.N is None else self.budget.pay_logits * float(self.law.convention.forward(teacher.N))
        D_S = min(self.budget.flops / (self.student_training + price), self.law.box_D[1])
        loss = float(self.student_loss(np.array([D_S]), np.array([teacher.loss]))[0])
        if not np.isfinite(loss):
            raise Infeasible(self._too_small("the teacher's forward passes on "))
        bounds = ("D_S",) if on_edge(D_S, self.law.box_D) else ()
        return Allocation(D_S, teacher.loss, teacher.N, teacher.D, loss, bounds)

    def near_optimal_loss(self, best: Allocation, nats: float) -> Range:
        """The interval of L_T around an optimum in which the best plan loses at most `nats`."""
        t = float(np.log(best.L_T - self.law.supervised.E))
        low, high = sublevel_interval(self.loss_by_teacher_loss, t, best.loss + nats, *self.t_range)
        edges = self.L_T(np.array([low, high]))
        return float(edges[0]), float(edges[1])

    def near_optimal_size(self, best: Allocation, nats: float) -> Range | None:
        """The interval of N_T around an optimum in which the best plan loses at most `nats`; None if N_T is free."""
        if not self.paid or best.N_T is None:
            return None
        low, high = (float(np.log(end)) for end in self.law.box_N)
        edges = sublevel_interval(self.loss_by_teacher_size, float(np.log(best.N_T)), best.loss + nats, low, high)
        return float(np.exp(edges[0])), float(np.exp(edges[1]))

    def ideal_loss(self, D_S: float, nats: float) -> tuple[float, Range]:
        """For a student on D_S tokens: the L_T that would serve it best, and the interval within `nats` of it."""

        def loss(t: Floats) -> Floats:
            return self.student_loss(np.full(t.shape, D_S), self.L_T(t))

        t, least = global_minimum(loss, *self.t_range)
        low, high = sublevel_interval(loss, t, least + nats, *self.t_range)
        best, *edges = self.L_T(np.array([t, low, high]))
        return float(best), (float(edges[0]), float(edges[1]))

    def _too_small(self, teacher: str) -> str:
        return (
            f"a budget of {flops(self.budget.flops)} FLOPs cannot pay for {teacher}{count(self.law.box_D[0])} tokens "
            f"of a {count(self.N_S)} student, the fewest this law is searched for; one student token costs "
            f"{flops(self.student_training)} FLOPs: raise --budget or choose a smaller --student"
        )


def on_edge(value: float, ends: Range) -> bool:
    """Whether a positive value sits on an end of its range, to a relative 1e-6."""
    return any(abs(value / end - 1) < _AT_BOUND for end in ends)
