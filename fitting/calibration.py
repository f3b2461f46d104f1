"""Intervals beyond the runs that hold what they promise: their centre and width from predictions of held-out runs.

The interval score (Winkler 1972; Gneiting and Raftery 2007), width plus a fine for every run left out, picks the drift
of the centre and the noise; the growth of the width is then the conformal one: the least that puts the promised share
of the held-out runs inside. The combination is ours; its coverage is measured by `benchmarks/coverage.py`.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from fitting.coordinates import Array
from fitting.findings import Beyond

_DRIFTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the folds' mean drift that are tried."""

_NOISES = (0.85, 0.9, 0.95, 1.0)
"""Large runs may scatter less about the law than the small ones that its noise was taken from."""

_RELUCTANCE = 1.0
"""Relative rise of the score for a noise e-fold from 1 and a share of drift 1 from one half, squared."""

_NEAR = math.log(2.0)
"""Distance within which the noise passes from that of the runs to that beyond them."""


@dataclass(frozen=True)
class Held:
    """One fold's held-out runs: log L - log L̂, variance of parameters and noise, distance h; shape (runs,)."""

    error: Array
    variance: Array
    distance: Array


def calibrated(folds: list[Held], level: float, *, noise_too: bool = True) -> Beyond:
    """What held-out runs say of predictions beyond the fitted ones; all folds weigh alike.

    Without `noise_too` the noise is that of the runs: of several directions one alone can change it.
    """
    beyond = [Held(f.error[at], f.variance[at], f.distance[at]) for f in folds if (at := f.distance > 0).any()]
    if not beyond:
        return Beyond()
    error, variance, distance = (
        np.concatenate([getattr(fold, name) for fold in beyond]) for name in ("error", "variance", "distance")
    )
    count = len(error)
    rank = math.ceil((count + 1) * level)
    if rank > count:
        excess = max(float(np.mean(error**2) - np.mean(variance)), 0.0)
        return Beyond(growth=math.sqrt(excess / float(np.mean(distance**2))))
    weight = np.concatenate([np.full(len(fold.error), 1 / len(fold.error)) for fold in beyond])
    slope = float(np.mean([fold.error @ fold.distance / (fold.distance @ fold.distance) for fold in beyond]))
    half = NormalDist().inv_cdf((1 + level) / 2)
    best = (math.inf, Beyond())
    for share in _DRIFTS:
        for noise in _NOISES if noise_too else (1.0,):
            off = np.abs(error - share * slope * distance)
            known = factor(noise, distance) ** 2 * variance
            needed = np.sqrt(np.maximum((off / half) ** 2 - known, 0.0)) / distance
            growth = float(np.sort(needed)[rank - 1])
            width = half * np.sqrt(known + (growth * distance) ** 2)
            score = float(weight @ (2 * width + 2 / (1 - level) * np.maximum(off - width, 0.0)))
            score *= 1 + _RELUCTANCE * (math.log(noise) ** 2 + (share - 0.5) ** 2)
            if score < best[0]:
                best = (score, Beyond(share * slope, growth, noise, conformal=True))
    return best[1]


def factor(noise: float, distance: Array) -> Array:
    """What multiplies the standard deviation of parameters and noise at a distance: 1 among the runs."""
    found: Array = 1 - (1 - noise) * np.minimum(distance / _NEAR, 1.0)
    return found
