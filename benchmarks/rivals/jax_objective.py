"""One run table's weighted objective for JAX's minimisers."""

import jax
import jax.numpy as jnp
from rivals.objective import DELTA

jax.config.update("jax_enable_x64", True)

BATCH = 500
"""Resamples minimised together: a batch takes as many steps as its slowest."""


def of_runs(N, D, loss):
    """A function of (log A, log B, log E, alpha, beta) and the runs' weights."""
    log_N, log_D, log_loss = jnp.log(N), jnp.log(D), jnp.log(loss)

    def total(x, weight):
        a, b, e, alpha, beta = x
        error = jnp.log(jnp.exp(a - alpha * log_N) + jnp.exp(b - beta * log_D) + jnp.exp(e)) - log_loss
        clipped = jnp.clip(error, -DELTA, DELTA)
        return weight @ (clipped * (error - clipped / 2))

    return total
