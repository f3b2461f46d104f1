"""The optimum of Eq 10 and 28 (arXiv 2502.08606): which teacher and how many tokens a budget should buy.

Nested one-dimensional searches in logs, for many problems at once. The student's tokens are whatever the teacher
leaves of the budget, so the budget is spent exactly; the teacher matters only through L_T and its price, so for
each L_T the cheapest teacher is found first (`planner.problems`), and L_T is searched last, over everything that the
law's box can reach.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from planner.problems import Problems
from planner.search import POINTS, Floats, Index, minima, sublevel, zoom


@dataclass(frozen=True)
class Allocations:
    """k points of the search: t = log(L_T - E), the student's tokens, the teacher and the student's cross-entropy.

    All of shape (k,). `loss` is +inf where the budget cannot pay for the fewest tokens of the search box.
    """

    t: Floats
    loss: Floats
    D_S: Floats
    L_T: Floats
    N_T: Floats
    D_T: Floats

    def take(self, index: Index) -> "Allocations":
        """The points at `index`."""
        return Allocations(*(getattr(self, field.name)[index] for field in fields(self)))


def given(problems: Problems, loss: float, N_T: float | None, D_T: float | None) -> Allocations:
    """What a teacher that exists leaves its student; what is not known of it is NaN."""
    D_S, student = problems.with_teacher(loss, N_T)
    alike = np.ones(len(problems))
    with np.errstate(invalid="ignore"):
        t = np.log(loss - problems.supervised.E) * alike
    known = [np.nan if value is None else value for value in (N_T, D_T)]
    return Allocations(t, student, D_S, loss * alike, known[0] * alike, known[1] * alike)


def optimum(problems: Problems, *, points: int = POINTS) -> tuple[Allocations, Allocations]:
    """The allocations of least student cross-entropy, and the second-best local minima (loss +inf: none)."""
    if problems.grid:
        return _of_grid(problems, points)
    found = minima(problems, *problems.t_range(), points=points)
    other_x = np.where(np.isfinite(found.other_y), found.other_x, found.x)
    return _at(problems, found.x, found.y), _at(problems, other_x, found.other_y)


def of_grid(problems: Problems) -> list[Problems]:
    """The problems with a teacher of each size that there is."""
    return [replace(problems, grid=(), teacher_N=(size, size)) for size in problems.grid]


def _of_grid(problems: Problems, points: int) -> tuple[Allocations, Allocations]:
    """The best two local minima over the sizes that there are."""
    found = [each for asked in of_grid(problems) for each in optimum(asked, points=points)]
    order = np.argsort([each.loss for each in found], axis=0, kind="stable")
    every = np.arange(len(problems))

    def place(rank: int) -> Allocations:
        return Allocations(
            *(np.stack([getattr(each, f.name) for each in found])[order[rank], every] for f in fields(Allocations))
        )

    return place(0), place(1)


def _at(problems: Problems, t: Floats, loss: Floats) -> Allocations:
    at = t[:, None]
    log_N, log_D = problems.teacher(at)
    D_S = problems.student_tokens(log_N, log_D) if problems.paid else problems.tokens(at)
    N_T, D_T = (
        np.clip(np.exp(value[:, 0]), *ends)
        for value, ends in ((log_N, problems.teacher_N), (log_D, problems.teacher_D))
    )
    return Allocations(t, loss, D_S[:, 0], problems.L_T(at)[:, 0], N_T, D_T)


def near_optimal_loss(problems: Problems, best: Allocations, nats: float) -> tuple[Floats, Floats]:
    """The intervals of L_T around the optima in which the best plan loses at most `nats`."""
    low, high = sublevel(problems.loss, best.t, best.loss + nats, *problems.t_range())
    return problems.L_T(low[:, None])[:, 0], problems.L_T(high[:, None])[:, 0]


def near_optimal_size(problems: Problems, best: Allocations, nats: float) -> tuple[Floats, Floats]:
    """The intervals of N_T around the optima in which the best plan loses at most `nats`."""
    low, high = (np.full(len(problems), np.log(end)) for end in problems.teacher_N)
    edges = sublevel(
        lambda log_N: loss_of_size(problems, log_N), np.log(best.N_T), best.loss + nats, low, high, points=33, rounds=4
    )
    return np.exp(edges[0]), np.exp(edges[1])


def loss_of_size(problems: Problems, log_N_T: Floats) -> Floats:
    """The student's loss beside a teacher of each size, trained on the best number of tokens; shape (k, p)."""
    k, p = log_N_T.shape
    family = _BySize(problems.take(np.repeat(np.arange(k), p)), log_N_T.reshape(-1, 1))
    low, high = (np.full(k * p, np.log(end)) for end in problems.teacher_D)
    return zoom(family, low, high, points=25, rounds=3)[1].reshape(k, p)


@dataclass(frozen=True)
class _BySize:
    """The student's loss against log D_T, for teachers of given sizes."""

    problems: Problems
    log_N_T: Floats

    def __len__(self) -> int:
        return len(self.problems)

    def take(self, index: Index) -> "_BySize":
        return _BySize(self.problems.take(index), self.log_N_T[index])

    def loss(self, log_D_T: Floats) -> Floats:
        return self.problems.loss_of_teacher(self.log_N_T, log_D_T)


@dataclass(frozen=True)
class _OnTokens:
    """The student's loss against t on a given number of its tokens, whatever the teacher costs."""

    problems: Problems
    D_S: Floats

    def __len__(self) -> int:
        return len(self.problems)

    def take(self, index: Index) -> "_OnTokens":
        return _OnTokens(self.problems.take(index), self.D_S[index])

    def loss(self, t: Floats) -> Floats:
        return self.problems.student_loss(self.D_S[:, None] + 0.0 * t, self.problems.L_T(t))


def ideal_loss(problems: Problems, D_S: Floats, nats: float) -> tuple[Floats, Floats, Floats]:
    """For students on D_S tokens: the L_T that would serve each best, and the ends of the interval within `nats`."""
    family, ends = _OnTokens(problems, D_S), problems.t_range()
    found = minima(family, *ends)
    low, high = sublevel(family.loss, found.x, found.y + nats, *ends)
    best, low, high = (problems.L_T(t[:, None])[:, 0] for t in (found.x, low, high))
    return best, low, high
