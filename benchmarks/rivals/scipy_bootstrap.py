"""SciPy's BFGS with analytic gradients, one resample after another, each from the full fit's optimum.

It minimises the objective over δ: as it stands, BFGS's own tolerance stops it short of the optimum.
"""

import numpy as np
from rivals.objective import DELTA, from_logs, to_logs
from scipy.optimize import minimize

name = "SciPy BFGS, gradients"

SAMPLE = 1000


def bootstrap(N, D, loss, weights, start):
    """Coefficients for each resample, (resamples, 5)."""
    log_N, log_D, log_loss = np.log(N), np.log(D), np.log(loss)

    def total(x, weight):
        a, b, e, alpha, beta = x
        size, tokens, floor = np.exp(a - alpha * log_N), np.exp(b - beta * log_D), np.exp(e)
        predicted = size + tokens + floor
        error = np.log(predicted) - log_loss
        clipped = np.clip(error / DELTA, -1, 1)
        slope = weight * clipped / predicted
        by_size, by_tokens = slope * size, slope * tokens
        gradient = [by_size.sum(), by_tokens.sum(), floor * slope.sum(), -by_size @ log_N, -by_tokens @ log_D]
        return weight @ (clipped * (error - DELTA * clipped / 2)), np.array(gradient)

    begin = to_logs(start)
    return from_logs([minimize(total, begin, args=(weight,), jac=True, method="BFGS").x for weight in weights])
