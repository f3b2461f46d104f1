"""The size of student that a budget serves best, distilled or trained directly, for many problems at once.

Distilled, the size and the teacher are searched together: log N_S and t = log(L_T - E) on one grid, every basin
refined. Trained directly, or with a teacher that exists, there is the size alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fitting.known import Range
from planner import planes
from planner.allocation import of_grid, optimum
from planner.problems import Problems
from planner.search import Floats, Index, minima, sublevel

POINTS = (97, 97)
"""Of the grid of log N_S and t."""

COARSE = (41, 49)
"""The same where many laws are asked, none of which is the plan's own."""

_HALVINGS = 60


def distilled(problems: Problems, box: Range, *, points: tuple[int, int] = POINTS) -> Floats:
    """N_S of the least cross-entropy beside the best teacher, shape (k,); the smallest where none is feasible."""

    found = [_beside_best(asked, box, points) for asked in of_grid(problems) or [problems]]
    best = np.argmin([loss for _, loss in found], axis=0)
    log_N: Floats = np.stack([each for each, _ in found])[best, np.arange(len(problems))]
    return np.exp(log_N)


def _beside_best(problems: Problems, box: Range, points: tuple[int, int]) -> tuple[Floats, Floats]:
    """log N_S beside the best teacher, and the loss."""

    def loss(log_N: Floats, t: Floats, index: Index) -> Floats:
        return problems.take(index).of_size(np.exp(log_N)).loss(t)

    log_N, _, least = planes.minima(loss, ends(problems, box), problems.t_range(), points=points)
    return log_N, least


def beside(problems: Problems, box: Range, L_T: float, price: float) -> Floats:
    """N_S of the least cross-entropy beside a teacher that exists (nats/token, FLOPs per token of its forwards)."""
    return _one(problems, box, lambda asked: asked.at_price(L_T, price)[1])


def alone(problems: Problems, box: Range) -> Floats:
    """N_S of the least cross-entropy without a teacher, shape (k,)."""
    return _one(problems, box, _directly)


def around(problems: Problems, box: Range, best: Floats, nats: float) -> tuple[Floats, Floats]:
    """The intervals of N_S around the best in which the distilled student loses at most `nats`; shape (k,) each."""

    def loss(log_N: Floats) -> Floats:
        k, p = log_N.shape
        asked = problems.take(np.repeat(np.arange(k), p)).of_size(np.exp(log_N.reshape(-1, 1)))
        return optimum(asked, points=65)[0].loss.reshape(k, p)

    at = np.log(best)
    return _sublevel(problems, box, loss, at, nats)


def around_given(
    problems: Problems, box: Range, best: Floats, nats: float, L_T: float, price: float
) -> tuple[Floats, Floats]:
    """As `around`, beside a teacher that exists."""

    def loss(log_N: Floats) -> Floats:
        return problems.of_size(np.exp(log_N)).at_price(L_T, price)[1]

    return _sublevel(problems, box, loss, np.log(best), nats)


def ends(problems: Problems, box: Range) -> tuple[Floats, Floats]:
    """log N_S of the smallest student of the box, and of the largest that its fewest tokens can be paid for."""
    low, high = (np.full(len(problems), np.log(end)) for end in box)
    inside, outside = low, high
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        paid = problems.of_size(np.exp(middle)[:, None]).supervised_feasible()
        inside, outside = np.where(paid, middle, inside), np.where(paid, outside, middle)
    return low, np.where(problems.of_size(np.exp(high)[:, None]).supervised_feasible(), high, inside)


def _sublevel(
    problems: Problems, box: Range, loss: Callable[[Floats], Floats], at: Floats, nats: float
) -> tuple[Floats, Floats]:
    ceiling = loss(at[:, None])[:, 0] + nats
    low, high = sublevel(loss, at, ceiling, *ends(problems, box), points=17, rounds=4)
    return np.exp(low), np.exp(high)


def _directly(asked: Problems) -> Floats:
    D = asked.tokens_alone()
    return np.where(D >= asked.box_D[0], asked.supervised.loss(asked.N_S, D), np.inf)


def _one(problems: Problems, box: Range, loss: Callable[[Problems], Floats]) -> Floats:
    return np.exp(minima(_BySize(problems, loss), *ends(problems, box)).x)


@dataclass(frozen=True)
class _BySize:
    """A loss against log N_S."""

    problems: Problems
    of: Callable[[Problems], Floats]

    def __len__(self) -> int:
        return len(self.problems)

    def take(self, index: Index) -> "_BySize":
        return replace(self, problems=self.problems.take(index))

    def loss(self, log_N: Floats) -> Floats:
        return self.of(self.problems.of_size(np.exp(log_N)))
