"""Which students the law cannot tell from the best: by its joint draws where it has them, else by its error."""

from typing import NamedTuple

import numpy as np

from fitting import intervals
from fitting.fit import Fit
from fitting.known import KnownLaw, Range
from planner.certainty import Prediction
from planner.search import Floats


class Taught(NamedTuple):
    """A student to compare: N parameters on D tokens, its teacher's cross-entropy, and what the law says of it."""

    N: float
    D: float
    L_T: float
    prediction: Prediction


def behind(law: KnownLaw, student: Taught, best: Taught, half_widths: float) -> Range:
    """The interval of how far a student stays behind another of the same law, nats/token.

    The draws are paired, and beyond the runs a law errs the same way for both: what the rollout measured, an error in
    proportion to the distance, counts by the difference of their distances. The noise of single runs is left out, as
    it is from the margin of a plan. The teachers' cross-entropies are measured, so no draw changes them.
    """
    one, other = student.prediction, best.prediction
    found = one.loss - other.loss
    drift, variance = _beyond(law.fitted, student, best)
    variance += float(np.mean((one.drawn - other.drawn - found) ** 2))
    half, centre = half_widths * float(np.sqrt(variance)), found + drift
    return min(centre - half, found), max(centre + half, found)


def _beyond(fit: Fit, student: Taught, best: Taught) -> tuple[float, float]:
    """The shift of the difference, and its variance, for predictions beyond the runs."""
    measured = {} if fit.rollout is None else fit.rollout.beyond
    reaches = [_distances(fit, each) for each in (student, best)]
    drift = variance = 0.0
    for kind, found in measured.items():
        apart = student.prediction.loss * reaches[0][kind] - best.prediction.loss * reaches[1][kind]
        drift += found.drift * float(apart)
        variance += (found.growth * float(apart)) ** 2
    return drift, variance


def _distances(fit: Fit, student: Taught) -> dict[str, Floats]:
    return intervals.distances(fit, np.asarray(student.N), np.asarray(student.D), np.asarray(student.L_T))
