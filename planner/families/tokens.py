"""How several students share what is left of a budget: tokens of least weighted loss, for many cases at once.

At the optimum the last FLOP buys every student the same weighted gain, unless it has all the tokens that there are, or
the fewest. Newton's method on the logarithms of those gains per token: each step solves for the common gain under
which the linearised tokens spend the budget, so the budget is always spent. It finds the one optimum where losses are
convex in tokens, as those of the published laws are (docs/adr/0016-families.md).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from planner.search import Floats

_STEPS = 30
_HALVINGS = 48
_CONVERGED = 1e-6
_H = 3e-3
"""Step of the differences in log D."""

_STEEPEST = -0.3
"""Slope of a log gain in log D at most: a convex loss has less than 0, a flatter one would leap."""

_LEAP = 3.0
"""How far log D may move in a step."""

_TINY = 1e-300


def split(
    loss: Callable[[Floats, NDArray[np.intp]], Floats],
    weights: Floats,
    price: Floats,
    budget: Floats,
    low: float,
    high: Floats,
) -> tuple[Floats, Floats]:
    """log D of m students in n cases, and their weighted loss: shapes (n, m) and (n,), +inf where D cannot be paid.

    `loss(log_D, index)` gives the losses of the cases at `index`; `price` (n, m) is in FLOPs per token, `budget` (n,)
    in FLOPs; log D lies between `low` and `high` (n,).
    """
    n, m = price.shape
    found, value = np.full((n, m), low), np.full(n, np.inf)
    at = np.flatnonzero((high >= low) & (price.sum(axis=1) * np.exp(low) <= budget))
    if not len(at):
        return found, value
    price, budget, ends = price[at], budget[at], (low, high[at, None])
    s = np.clip(np.log(budget[:, None] / price / m), *ends)
    moving = np.arange(len(at))
    for _ in range(_STEPS):
        here, where, within = s[moving], at[moving], (low, ends[1][moving])
        middle, right, left = (loss(here + h, where) for h in (0.0, _H, -_H))
        gain = np.maximum((left - right) / (2 * _H), _TINY)
        bend = (left - 2 * middle + right) / _H**2
        log_gain = np.log(np.maximum(weights * gain, _TINY)) - here
        slope = np.minimum(-bend / gain - 1, _STEEPEST)
        s[moving] = _spent(here, log_gain - np.log(price[moving]), slope, price[moving], budget[moving], within)
        moving = moving[np.abs(s[moving] - here).max(axis=1) > _CONVERGED]
        if not len(moving):
            break
    found[at] = s
    value[at] = loss(s, at) @ weights
    return found, value


def _spent(
    s: Floats, log_gain: Floats, slope: Floats, price: Floats, budget: Floats, ends: tuple[float, Floats]
) -> Floats:
    """The linearised tokens under the one gain per FLOP that spends the budget; all there are where none does."""

    def tokens(level: Floats) -> Floats:
        step = np.clip((level[:, None] - log_gain) / slope, -_LEAP, _LEAP)
        return np.clip(s + step, *ends)

    # at the ends every step is a whole leap, or ends at a bound
    reach = _LEAP * np.abs(slope).max(axis=1)
    few, many = log_gain.max(axis=1) + reach, log_gain.min(axis=1) - reach
    for _ in range(_HALVINGS):
        middle = 0.5 * (few + many)
        over = (price * np.exp(tokens(middle))).sum(axis=1) > budget
        few, many = np.where(over, few, middle), np.where(over, middle, many)
    return tokens(few)
