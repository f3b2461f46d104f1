"""The PyPI package `chinchilla`: SciPy's BFGS with finite differences in long double, on the objective given here.

Its loss function is free, so it gets the Huber loss; it minimises a mean, scaled here to the sum over δ. Its
worker processes and its figure are left out.
"""

import tempfile
from pathlib import Path

import numpy as np
from chinchilla import Chinchilla
from chinchilla._metrics import log_huber
from rivals.objective import DELTA, to_logs

name = "chinchilla 0.2"

SHARE = 0.01
SAMPLE = 40
AXES = {"E": (1, 2), "a": (1, 10), "b": (1, 10), "alpha": (0.1, 0.7), "beta": (0.1, 0.7)}
"""The grid that its documentation shows, five values an axis."""


def grid(N, D, loss, share):
    """Coefficients of its best start, (1, 5), and the share of its grid that was run."""
    count = max(1, round(5 * share**0.2))
    axes = {key: np.linspace(*ends, count) for key, ends in AXES.items()}
    return np.array([_fit(N, D, loss, axes)]), (count / 5) ** 5


def bootstrap(N, D, loss, weights, start):
    """Coefficients for each resample, (resamples, 5), its runs repeated as often as they were drawn."""
    a, b, _, alpha, beta = to_logs(start)
    axes = {key: [float(at)] for key, at in zip(AXES, (start[2], a, b, alpha, beta), strict=True)}
    repeated = (np.repeat(np.arange(len(N)), weight.astype(int)) for weight in weights)
    return np.array([_fit(N[rows], D[rows], loss[rows], axes) for rows in repeated])


def _fit(N, D, loss, axes):
    with tempfile.TemporaryDirectory() as folder:
        rows = np.column_stack([6 * N * D, N, D, loss])
        np.savetxt(Path(folder, "df.csv"), rows, delimiter=",", header="C,N,D,loss", comments="", fmt="%.17g")
        fitter = Chinchilla(
            folder,
            axes,
            loss_fn=lambda true, predicted: log_huber(true, predicted, DELTA) * (len(N) / DELTA),
            log_level=50,
        )
        fitter.visualizer.optim = lambda *_, **__: None
        fitter.fit(parallel=False)
        return [float(fitter.params[key]) for key in ("A", "B", "E", "alpha", "beta")]
