"""This package, behind the rivals' interface."""

import numpy as np

from fitting import forms, solver
from fitting.estimation import fit_law
from fitting.flops import SIX_ND_TOTAL
from fitting.laws import SupervisedLaw
from fitting.method import HUBER_DELTA
from fitting.records import RunRecord, RunTable

name = "distillaw"

SHARE = 1.0
SAMPLE = 4000


def grid(N, D, loss, share):
    """Coefficients, (1, 5), from all of our own starts."""
    rows = zip(N.tolist(), D.tolist(), loss.tolist(), strict=True)
    runs = tuple(RunRecord(f"r{i}", "supervised", *row) for i, row in enumerate(rows))
    found = fit_law(SupervisedLaw, RunTable(runs, SIX_ND_TOTAL), fixed={"gamma": 1.0}).coefficients
    return np.array([[found[key] for key in ("A", "B", "E", "alpha", "beta")]]), 1.0


def bootstrap(N, D, loss, weights, start):
    """Coefficients for each resample, (resamples, 5); `weights` are multiplicities, (resamples, runs)."""
    problem = forms.supervised(N, D, loss, {"gamma": 1.0})
    names = ("A", "B", "E", "alpha", "beta")
    z = problem.coordinates.of(dict(zip(names, start, strict=True)) | {"gamma": 1.0})
    found = solver.minimise(problem, np.repeat(z[None], len(weights), axis=0), HUBER_DELTA, weights=weights)
    coefficients = problem.coordinates.coefficients(found.coordinates)
    return np.stack([coefficients[name] for name in names], axis=1)
