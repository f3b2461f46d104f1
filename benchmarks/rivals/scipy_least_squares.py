"""SciPy's least_squares with its Huber loss and an analytic Jacobian, resample after resample from the optimum."""

import numpy as np
from rivals.objective import DELTA, from_logs, to_logs
from scipy.optimize import least_squares

name = "SciPy least_squares"

SAMPLE = 1000


def bootstrap(N, D, loss, weights, start):
    """Coefficients for each resample, (resamples, 5)."""
    begin = to_logs(start)
    return from_logs([_fit(N[kept], D[kept], loss[kept], w[kept], begin) for w in weights if (kept := w > 0).any()])


def _fit(N, D, loss, weight, begin):
    log_N, log_D, log_loss = np.log(N), np.log(D), np.log(loss)

    def terms(x):
        a, b, e, alpha, beta = x
        return np.exp(a - alpha * log_N), np.exp(b - beta * log_D), np.exp(e)

    def residual(x):
        return np.log(sum(terms(x))) - log_loss

    def jacobian(x):
        size, tokens, floor = terms(x)
        predicted = size + tokens + floor
        columns = [size, tokens, np.full_like(size, floor), -size * log_N, -tokens * log_D]
        return np.stack(columns, axis=1) / predicted[:, None]

    def weighted_huber(squares):
        """SciPy's Huber loss and its two derivatives, times the weights."""
        above = np.maximum(squares, 1)
        value = np.where(squares <= 1, squares, 2 * np.sqrt(above) - 1)
        return weight * np.stack([value, above**-0.5, np.where(squares <= 1, 0, -0.5 * above**-1.5)])

    found = least_squares(
        residual,
        begin,
        jac=jacobian,
        loss=weighted_huber,
        f_scale=DELTA,
        x_scale="jac",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-15,
        max_nfev=500,
    )
    return found.x
