"""Many planning problems side by side: what a budget leaves for the student beside the cheapest teacher of each L_T.

All teachers of one cross-entropy lie on a curve, L(N_T, D_T) = L_T, along which
v = log of (A N_T^-α) / (B D_T^-β) runs over all numbers: with t = log(L_T - E),
log N_T = (log A - t/γ + log(1 + e^-v)) / α and log D_T = (log B - t/γ + log(1 + e^v)) / β, free of cancellation.
On it the price has one minimum (docs/adr/0010-many-plans-at-once.md), so the cheapest teacher is the root of one
increasing function of v, found by Newton's method for all problems and all points at once.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fitting.errors import InputError
from fitting.flops import FORWARDS_PER_TRAINING_STEP, Convention
from fitting.known import KnownLaw, Range
from fitting.laws import DistillationLaw, SupervisedLaw
from planner.scenarios import Charges, Limits
from planner.terms import Terms

Floats = NDArray[np.float64]
Coefficients = TypeVar("Coefficients", SupervisedLaw, DistillationLaw)

ROUNDING = 1e-9
"""By how much, relatively, a budget may fall short of the fewest tokens: it is a difference of far larger numbers."""

_NEWTON_STEPS = 40
_HALVINGS = 60
_CONVERGED = 1e-12

_NOTHING = 1e-100
"""Share of the budget below which a price is as good as none; smaller ones would overflow."""

_SPENT = 1e-30
"""Share of the budget that a student is left whose serving takes all of it: not enough for a token."""

_STRAIGHT = 1e-17
"""Share of a term of the law below which it cannot be told from nothing."""


@dataclass(frozen=True)
class Problems:
    """k problems: each with its own law, student size and budget; what is paid and the search box are common.

    N_S and C (FLOPs) have shape (k, 1), coefficients too where they differ, so that points of shape (k, p) broadcast
    against them. Every method takes t = log(L_T - E) of shape (k, p). `box_D` bounds the student's tokens; `teacher_N`
    and `teacher_D` bound the teacher. `served` tokens of the student's are paid before anything else.
    Student and teacher share no tokens of `disjoint`. Teachers have the sizes of `grid` alone, where there is one; an
    optimum tries them one by one, everything else here takes them for a range.
    """

    supervised: SupervisedLaw
    distillation: DistillationLaw
    convention: Convention
    N_S: Floats
    C: Floats
    charges: Charges
    box_D: Range
    teacher_N: Range
    teacher_D: Range
    served: float = 0.0
    disjoint: float = math.inf
    grid: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        law: KnownLaw,
        N_S: Any,
        C: Any,
        charges: Charges,
        limits: Limits | None = None,
        drawn: DistillationLaw | None = None,
        terms: Terms | None = None,
    ) -> "Problems":
        """Problems of the student sizes and budgets, which broadcast to one dimension; `charges` says what is paid.

        Where `terms` let several students share a teacher, C and its price are those of one of them: with the same
        size all get the same. `drawn` has the coefficients of other laws in place of the law's own, of shape (k,).
        Raises `InputError` for a law without distillation and for limits outside the law's search box.
        """
        distillation = law.require_distillation() if drawn is None else drawn
        limits, terms = limits or Limits(), terms or Terms()
        drawn_k = np.shape(distillation.supervised.A)
        N_S, C, _ = np.broadcast_arrays(
            np.atleast_1d(np.asarray(N_S, dtype=float)), np.atleast_1d(np.asarray(C, dtype=float)), np.zeros(drawn_k)
        )
        supervised = _map(distillation.supervised, _column)
        return cls(
            supervised,
            replace(_map(distillation, _column), supervised=supervised),
            law.convention,
            N_S[:, None],
            C[:, None] / terms.copies,
            replace(charges, pretraining=charges.pretraining / terms.copies),
            _bounded(law.box_D, terms.max_tokens, "--max-tokens", "tokens"),
            _of_grid(law.box_N, terms.teacher_grid)
            if terms.teacher_grid
            else _bounded(law.box_N, limits.N, "--max-teacher", "parameters"),
            _bounded(
                _bounded(law.box_D, limits.D, "--max-teacher-tokens", "tokens"),
                terms.max_tokens if charges.pretraining else None,
                "--max-tokens",
                "tokens",
            ),
            terms.serve_tokens,
            terms.most_tokens if charges.pretraining and not terms.share_tokens else math.inf,
            terms.teacher_grid,
        )

    def __len__(self) -> int:
        return len(self.N_S)

    def take(self, index: NDArray[np.intp]) -> "Problems":
        """The problems at `index`, which may repeat."""

        def pick(value: Any) -> Any:
            return value[index] if np.ndim(value) else value

        supervised = _map(self.supervised, pick)
        return replace(
            self,
            supervised=supervised,
            distillation=replace(_map(self.distillation, pick), supervised=supervised),
            N_S=self.N_S[index],
            C=self.C[index],
        )

    def of_size(self, N_S: Floats) -> "Problems":
        """The same for students of other sizes, of shape (k, 1) or (k, p)."""
        return replace(self, N_S=N_S)

    @property
    def paid(self) -> bool:
        """Whether the teacher costs the student any tokens."""
        return bool(self.charges.logits or self.charges.pretraining)

    def least_budget(self) -> float:
        """The FLOPs of the fewest tokens of the first student beside the cheapest teacher of the box."""
        N_T, D_T, D_S = self.teacher_N[0], self.teacher_D[0], self.box_D[0]
        student = float(np.ravel(self._student_step)[0])
        logits = self.charges.logits * float(self.convention.forward(N_T))
        served = self.served * student / FORWARDS_PER_TRAINING_STEP
        return served + D_S * (student + logits) + self.charges.pretraining * float(self.convention.training(N_T, D_T))

    def t_range(self) -> tuple[Floats, Floats]:
        """The ends of t = log(L_T - E) that teachers in the box can reach; shape (k,) each."""
        low, high = (
            self.t_of_teacher(np.full(self.N_S.shape, N), np.full(self.N_S.shape, D))[:, 0]
            for N, D in ((self.teacher_N[1], self.teacher_D[1]), (self.teacher_N[0], self.teacher_D[0]))
        )
        return low, high

    def t_of_teacher(self, N_T: Floats, D_T: Floats) -> Floats:
        """t = log(L(N_T, D_T) - E), without the cancellation."""
        law = self.supervised
        found: Floats = law.gamma * np.log(law.A * N_T**-law.alpha + law.B * D_T**-law.beta)
        return found

    def L_T(self, t: Floats) -> Floats:
        """The teacher's cross-entropy."""
        found: Floats = self.supervised.E + np.exp(t)
        return found

    def teacher(self, t: Floats) -> tuple[Floats, Floats]:
        """log N_T and log D_T of the teacher of each L_T that leaves the student the most tokens.

        Without charge for its training the smallest, trained on all that the box allows. Without any charge the one
        of least F(N_T) D_T, as the paper reports it.
        """
        low, high = self.ends(t)
        if self.charges.logits and not self.charges.pretraining:
            return self.on_curve(t, high)[:2]
        law = self.supervised
        v = np.clip(np.log(law.beta / law.alpha) + 0.0 * t, low, high)
        v = _root(lambda v: self._stationarity(t, v, logits=False), v, low, high)
        if self.charges.logits and self.charges.pretraining:
            # a smaller teacher than the cheapest to train: to its right the function rises at least as fast as v
            affordable = self.student_tokens(*self.on_curve(t, v)[:2]) > 0
            here = np.where(affordable, high, v)
            v = _root(lambda x: self._stationarity(t, x, logits=True), v, v, here)
        if self.disjoint < math.inf and self.charges.pretraining:
            v = self._leaving_tokens(t, low, v)
        return self.on_curve(t, v)[:2]

    def _leaving_tokens(self, t: Floats, low: Floats, best: Floats) -> Floats:
        """The v at which the student has the most tokens, where those of the teacher are taken from its own.

        Down from the best for the budget alone, the budget leaves fewer tokens and the teacher more: where the two
        meet, the student has the most.
        """

        def short(v: Floats) -> NDArray[np.bool_]:
            log_N, log_D, _ = self.on_curve(t, v)
            found: NDArray[np.bool_] = self._affordable(log_N, log_D) > self.disjoint - np.exp(log_D)
            return found

        high, low = best, np.minimum(low, best)
        ends = np.where(short(best), low, best)
        inside, outside = ends, best
        for _ in range(_HALVINGS):
            middle = 0.5 * (inside + outside)
            above = short(middle)
            inside, outside = np.where(above, inside, middle), np.where(above, middle, outside)
        return np.where(short(high), inside, high)

    def choices(self, t: Floats) -> tuple[Floats, Floats]:
        """The ends of v between which the best teacher of each L_T lies, whoever its students are.

        Its price is that of its training, least at the one end, and that of its forward passes, least at the other.
        """
        low, high = self.ends(t)
        if self.charges.logits and not self.charges.pretraining:
            return high, high
        law = self.supervised
        v = np.clip(np.log(law.beta / law.alpha) + 0.0 * t, low, high)
        v = _root(lambda v: self._stationarity(t, v, logits=False), v, low, high)
        fewest = low if self.disjoint < math.inf and self.charges.pretraining else v
        return fewest, (high if self.charges.logits else v)

    def student_tokens(self, log_N_T: Floats, log_D_T: Floats) -> Floats:
        """What budget and data leave for the student (Eq 9 solved for D_S); negative where the teacher takes more."""
        tokens = np.minimum(self._affordable(log_N_T, log_D_T), self.box_D[1])
        if self.disjoint < math.inf and self.charges.pretraining:
            tokens = np.minimum(tokens, self.disjoint - np.exp(log_D_T))
        return tokens

    def _affordable(self, log_N_T: Floats, log_D_T: Floats) -> Floats:
        F = self.convention.forward_of_cube(np.exp(log_N_T / 3))[0]
        left = self._left
        if self.charges.pretraining:
            left = left - self.charges.pretraining * FORWARDS_PER_TRAINING_STEP * F * np.exp(log_D_T)
        tokens: Floats = left / (self._student_step + self.charges.logits * F)
        return tokens

    def tokens(self, t: Floats) -> Floats:
        """The student's tokens beside the cheapest teacher of each L_T."""
        if not self.paid:
            return self.tokens_alone() + 0.0 * t
        return self.student_tokens(*self.teacher(t))

    def student_loss(self, D_S: Floats, L_T: Any) -> Floats:
        """L_S, +inf where the student gets fewer tokens than the box allows."""
        feasible = D_S >= self.box_D[0] * (1 - ROUNDING)
        with np.errstate(under="ignore"):
            loss = self.distillation.loss(self.N_S, np.maximum(D_S, self.box_D[0]), L_T)
        return np.where(feasible, loss, np.inf)

    def loss(self, t: Floats) -> Floats:
        """L_S beside the cheapest teacher of each cross-entropy."""
        return self.student_loss(self.tokens(t), self.L_T(t))

    def loss_of_teacher(self, log_N_T: Floats, log_D_T: Floats) -> Floats:
        """L_S beside a teacher of N_T parameters trained on D_T tokens."""
        L_T = self.L_T(self.t_of_teacher(np.exp(log_N_T), np.exp(log_D_T)))
        return self.student_loss(self.student_tokens(log_N_T, log_D_T), L_T)

    def with_teacher(self, L_T: float, N_T: float | None) -> tuple[Floats, Floats]:
        """D_S and L_S with a teacher that exists (Eq 27): what its forward passes leave; shape (k,) each."""
        D_S, loss = self.at_price(L_T, 0.0 if N_T is None else float(self.convention.forward(N_T)))
        return D_S[:, 0], loss[:, 0]

    def at_price(self, L_T: Any, price: Any) -> tuple[Floats, Floats]:
        """D_S and L_S with teachers that exist, whose forward passes cost `price` FLOPs per token; shape (k, p)."""
        D_S = np.minimum(self._left / (self._student_step + self.charges.logits * price), self.box_D[1])
        return D_S, self.student_loss(D_S, L_T)

    def supervised_tokens(self) -> Floats:
        """D of the student trained directly with the whole budget; shape (k,)."""
        return self.tokens_alone()[:, 0]

    def tokens_alone(self) -> Floats:
        """D of the student trained directly with the whole budget, in the shape of N_S."""
        tokens: Floats = np.minimum(self._left / self._student_step, self.box_D[1])
        return tokens

    def supervised_feasible(self) -> NDArray[np.bool_]:
        """Whether the budget pays for the fewest tokens of a student trained directly; shape (k,)."""
        feasible: NDArray[np.bool_] = self.supervised_tokens() >= self.box_D[0] * (1 - ROUNDING)
        return feasible

    def supervised_loss(self) -> Floats:
        """The cross-entropy of the student trained directly with the whole budget; shape (k,)."""
        found: Floats = self.supervised.loss(self.N_S, self.supervised_tokens()[:, None])[:, 0]
        return found

    @property
    def _left(self) -> Any:
        """FLOPs that are left for training; next to none where serving takes more than there is."""
        if not self.served:
            return self.C
        return np.maximum(self.C - self.served * self.convention.forward(self.N_S), _SPENT * self.C)

    @property
    def _student_step(self) -> Any:
        """FLOPs of training the student on one token."""
        return FORWARDS_PER_TRAINING_STEP * self.convention.forward(self.N_S)

    def on_curve(self, t: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
        """log N_T, log D_T and e^-|v| at v on the curves of t."""
        law = self.supervised
        small = np.exp(-np.abs(v))
        both = np.log1p(small)
        level = t / law.gamma
        log_N = (np.log(law.A) - level + both + np.maximum(-v, 0.0)) / law.alpha
        log_D = (np.log(law.B) - level + both + np.maximum(v, 0.0)) / law.beta
        return log_N, log_D, small

    def ends(self, t: Floats) -> tuple[Floats, Floats]:
        """The v between which a teacher of each L_T lies inside the box."""
        law = self.supervised
        level = t / law.gamma
        N = [law.alpha * np.log(end) - np.log(law.A) + level for end in self.teacher_N]
        D = [law.beta * np.log(end) - np.log(law.B) + level for end in self.teacher_D]
        low = np.maximum(-_inverse_softplus(N[1]), _inverse_softplus(D[0]))
        high = np.minimum(-_inverse_softplus(N[0]), _inverse_softplus(D[1]))
        # at either end of t the curve touches the box in a corner, where rounding may turn the two around
        return np.minimum(low, high), high

    def _stationarity(self, t: Floats, v: Floats, *, logits: bool) -> tuple[Floats, Floats]:
        """An increasing function of v that is zero at the cheapest teacher, and its slope; `logits` counts those too.

        d log(price) / d log N_T = 0 reads v = log(s (1 + κ) β / α), with s the elasticity of F and
        κ = δ_Lgt F (C - P) / ((3 F_S + δ_Lgt F) P), P the price of the teacher's training.
        """
        law = self.supervised
        log_N, log_D, small = self.on_curve(t, v)
        F, s, bend = self.convention.forward_of_cube(np.exp(log_N / 3))
        # d log N / d v = -1 / (α (1 + e^v))
        turn = -np.where(v > 0, small, 1.0) / (1 + small) / law.alpha
        value, slope = v - np.log(s * (law.beta / law.alpha)), 1 - bend / s * turn
        if not logits:
            return value, slope
        share = self.charges.logits * F / (self._student_step + self.charges.logits * F)
        price = self.charges.pretraining * FORWARDS_PER_TRAINING_STEP * F * np.exp(log_D)
        left = self._left
        ratio = left / np.maximum(price, _NOTHING * left)
        kappa = share * (ratio - 1)
        dearer = s * turn + np.where(v > 0, 1.0, small) / (1 + small) / law.beta  # d log P / d v
        rise = kappa * s * (1 - share) * turn - share * ratio * dearer
        return value - np.log1p(kappa), slope - rise / (1 + kappa)


def _root(function: Callable[[Floats], tuple[Floats, Floats]], v: Floats, low: Floats, high: Floats) -> Floats:
    """The roots of increasing functions (value and slope) in [low, high], the nearer end where there is none.

    Newton's steps from `v`, halving where one leaves the bracket.
    """
    below, above = low - 1, high + 1  # where the function was seen to be negative, positive: nowhere yet
    for _ in range(_NEWTON_STEPS):
        value, slope = function(v)
        below, above = np.where(value < 0, v, below), np.where(value > 0, v, above)
        step = np.clip(v - value / slope, low, high)
        done = np.abs(step - v) <= _CONVERGED * (1 + np.abs(v))
        inside = done | (step > below) & (step < above)
        v = np.where(inside, step, np.clip(0.5 * (below + above), low, high))
        if (done & inside).all():
            break
    return v


def _inverse_softplus(x: Floats) -> Floats:
    """log(e^x - 1), the v with log(1 + e^v) = x; where x is not positive a v below which the curve is straight."""
    positive = np.maximum(x, _STRAIGHT)
    found: Floats = positive + np.log(-np.expm1(-positive))
    return found


def _map(law: Coefficients, function: Any) -> Coefficients:
    """The law with `function` applied to each of its own coefficients."""
    names = [name for name in law.__dataclass_fields__ if name != "supervised"]
    return replace(law, **{name: function(getattr(law, name)) for name in names})


def _column(value: Any) -> Any:
    return np.asarray(value, dtype=float)[:, None] if np.ndim(value) else value


def _of_grid(box: Range, sizes: tuple[float, ...]) -> Range:
    outside = [size for size in sizes if not box[0] <= size <= box[1]]
    if outside:
        raise InputError(
            f"--teacher-grid: {', '.join(f'{size:g}' for size in outside)} lies outside of what the law is searched "
            f"for, {box[0]:g} to {box[1]:g} parameters"
        )
    return sizes[0], sizes[-1]


def _bounded(box: Range, limit: float | None, flag: str, what: str) -> Range:
    if limit is None:
        return box
    if limit < box[0]:
        raise InputError(f"{flag}: no teacher has at most {limit:g} {what}; the law is searched from {box[0]:g} on")
    return box[0], min(box[1], limit)
