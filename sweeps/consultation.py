"""How and when a student consults its teachers: everything about distillation but the teachers themselves.

Eq 7 of arXiv 2502.08606 gives λ and τ. Windows, strides and fractions are our reading of the two strategies that cut
the overhead of distillation by 80-90 % (abstract of arXiv 2303.06480; its text was not at hand). Drawing one teacher of
a pool at each step is arXiv 2211.00683's.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Direction = Literal["forward", "reverse"]
Signal = Literal["online", "top-k", "sampled"]
Pool = Literal["draw", "average"]


@dataclass(frozen=True)
class Consultation:
    """The distillation half of a run's specification.

    `lam` is λ, the share of distillation in the objective of a step that consults; `tau` the temperature of both
    sides; `direction` the direction of the KL divergence. `signal` says what is learned from: the teacher's whole
    distribution, computed as the student trains (`online`), or `kept` tokens of it from a cache. With several teachers,
    one is drawn for each step (`draw`) or their probabilities are averaged (`average`).

    A step consults when it lies in [start, end) as shares of training, is an `every`-th step from there, and
    is drawn with probability `fraction`; other steps learn from the data alone, at weight 1, and no teacher runs.
    """

    lam: float = 1.0
    tau: float = 1.0
    direction: Direction = "forward"
    signal: Signal = "online"
    kept: int | None = None
    pool: Pool = "draw"
    start: float = 0.0
    end: float = 1.0
    every: int = 1
    fraction: float = 1.0

    def schedule(self, steps: int, teachers: int, seed: int) -> "NDArray[np.bool_]":
        """Which teachers run at which step, (steps, teachers): a pure function of its arguments.

        Both draws are prefixes of endless sequences, so that runs of one seed agree on them whatever their length.
        """
        return _schedule(self, steps, teachers, seed)


def most_kept(signal: Signal, n_vocab: int) -> int:
    """How many tokens a cache can keep of a position: the vocabulary, or as many draws as two bytes can count."""
    return n_vocab if signal == "top-k" else 2**16 - 1


@lru_cache(maxsize=16)
def _schedule(asked: Consultation, steps: int, teachers: int, seed: int) -> "NDArray[np.bool_]":
    import numpy as np

    step = np.arange(steps)
    first, end = _first_at(asked.start, steps), _first_at(asked.end, steps)
    consults = (step >= first) & (step < end) & ((step - first) % asked.every == 0)
    if asked.fraction < 1:
        consults &= np.random.default_rng((seed, 0)).random(steps) < asked.fraction
    if teachers == 1 or asked.pool == "average":
        return np.repeat(consults[:, None], teachers, axis=1)
    drawn = (np.random.default_rng((seed, 1)).random(steps) * teachers).astype(int)
    chosen: NDArray[np.bool_] = consults[:, None] & (drawn[:, None] == np.arange(teachers))
    return chosen


def _first_at(share: float, steps: int) -> int:
    """The first step at or after a share of a run; 0.1 of 30 steps is step 3, though 0.1 * 30 is a little more."""
    return math.ceil(round(share * steps, 6))
