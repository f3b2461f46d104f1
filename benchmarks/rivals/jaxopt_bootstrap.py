"""JAXopt's BFGS, vmapped over batches of resamples, each started at the full fit's optimum."""

import warnings
from functools import lru_cache

import jax
import numpy as np
from rivals import jax_objective
from rivals.objective import from_logs, to_logs

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it says that nobody maintains it
    import jaxopt

name = "JAXopt BFGS, vmapped"

SAMPLE = 4000
COMPILES = True


@lru_cache
def _compiled():
    def fit(N, D, loss, weight, start):
        solver = jaxopt.BFGS(jax_objective.of_runs(N, D, loss), tol=1e-8, maxiter=200)
        return solver.run(start, weight).params

    return jax.jit(jax.vmap(fit, in_axes=(None, None, None, 0, None)))


def bootstrap(N, D, loss, weights, start):
    """Coefficients for each resample, (resamples, 5)."""
    begin = to_logs(start)
    batches = [weights[i : i + jax_objective.BATCH] for i in range(0, len(weights), jax_objective.BATCH)]
    return from_logs(np.concatenate([_compiled()(N, D, loss, batch, begin) for batch in batches]))
