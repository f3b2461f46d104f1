"""The PyPI package `simple-scaling-laws`: least squares of the loss itself, and a wild bootstrap of its residuals.

Its resamples are its own, so their objectives cannot be set beside the others'; their cost can. Needs Python 3.12.
"""

import numpy as np
import polars
from simple_scaling_laws import fit

name = "simple-scaling-laws 0.2"

SHARE = 1.0
SAMPLE = 4000
OWN_RESAMPLES = True


def grid(N, D, loss, share):
    """Coefficients, (1, 5), from its own starts; a fit always makes a few resamples, here one."""
    model = _fit(N, D, loss, 1)
    return _plain(model, model.fits["test_loss__x"].params[None]), 1.0


def bootstrap(N, D, loss, weights, start):
    """Coefficients of as many resamples as there are weights, (resamples, 5)."""
    model = _fit(N, D, loss, len(weights))
    return _plain(model, model.draws["test_loss__x"].params)


def _fit(N, D, loss, draws):
    runs = {"training_run_id": [f"r{i}" for i in range(len(N))], "test_set_id": ["t"] * len(N)}
    table = {"model_size__n": N, "dataset_size__d": D, "test_loss__x": loss}
    return fit(polars.DataFrame(runs | table), law="separable-power", n_draws=draws)


def _plain(model, found):
    """From sizes in units of their geometric mean to parameters and tokens."""
    columns = dict(zip(model.law.param_names, np.moveaxis(found, -1, 0), strict=True))
    unit = {key: seen["reference"] for key, seen in model.manifest["predictors"].items()}
    A = columns["A"] * unit["model_size__n"] ** columns["alpha"]
    B = columns["B"] * unit["dataset_size__d"] ** columns["beta"]
    return np.stack([A, B, columns["E"], columns["alpha"], columns["beta"]], axis=-1)
