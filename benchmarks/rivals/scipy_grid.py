"""SciPy's L-BFGS-B with finite differences from each of 4500 starts, as Hoffmann et al. 2022 fit their law."""

from itertools import product

import numpy as np
from rivals.objective import DELTA, from_logs
from scipy.optimize import minimize

name = "SciPy L-BFGS-B, 4500 starts"

SHARE = 0.02
STARTS = np.array(
    list(product(range(0, 30, 5), range(0, 30, 5), (-1, -0.5, 0, 0.5, 1), (0, 0.5, 1, 1.5, 2), (0, 0.5, 1, 1.5, 2))),
    dtype=float,
)
"""log A, log B, log E, alpha, beta."""


def grid(N, D, loss, share):
    """Coefficients from a random `share` of the starts, (starts, 5), and that share."""
    log_N, log_D, log_loss = np.log(N), np.log(D), np.log(loss)

    def total(x):
        a, b, e, alpha, beta = x
        terms = np.stack([a - alpha * log_N, b - beta * log_D, np.full_like(log_N, e)])
        error = np.abs(np.logaddexp.reduce(terms) - log_loss)
        return np.where(error <= DELTA, error**2 / 2, DELTA * (error - DELTA / 2)).sum()

    count = max(1, round(share * len(STARTS)))
    chosen = np.random.default_rng(0).permutation(STARTS)[:count]
    return from_logs([minimize(total, start, method="L-BFGS-B").x for start in chosen]), count / len(STARTS)
