"""The weighted objective for JAX's minimisers, in log A, log B, log E, alpha, beta."""

import jax.numpy as jnp
from rivals.objective import DELTA


def total(x, log_N, log_D, log_loss, weight):
    """Σ weight · huber_δ(log L̂ - log L)."""
    a, b, e, alpha, beta = x
    error = jnp.log(jnp.exp(a - alpha * log_N) + jnp.exp(b - beta * log_D) + jnp.exp(e)) - log_loss
    clipped = jnp.clip(error, -DELTA, DELTA)
    return weight @ (clipped * (error - clipped / 2))
