"""The yardstick: what a contender's coefficients are worth, whatever it minimised itself."""

import numpy as np

DELTA = 1e-3


def objective(coefficients, N, D, loss, weights=1.0):
    """Σ weight · huber_δ(log L̂ - log L) with L̂ = E + A N^-alpha + B D^-beta.

    `coefficients` are (..., 5): A, B, E, alpha, beta; `weights` broadcast to (..., runs). Infinite where L̂ is
    no loss.
    """
    A, B, E, alpha, beta = np.moveaxis(np.asarray(coefficients, dtype=float), -1, 0)[..., None]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        error = np.abs(np.log(E + A * N**-alpha + B * D**-beta) - np.log(loss))
        huber = np.where(error <= DELTA, error**2 / 2, DELTA * (error - DELTA / 2))
        total = np.sum(huber * weights, axis=-1)
    return np.where(np.isfinite(total), total, np.inf)


def from_logs(logs):
    """A, B, E, alpha, beta from log A, log B, log E, alpha, beta, (..., 5)."""
    logs = np.asarray(logs, dtype=float)
    return np.concatenate([np.exp(logs[..., :3]), logs[..., 3:]], axis=-1)


def to_logs(coefficients):
    """The way back."""
    coefficients = np.asarray(coefficients, dtype=float)
    return np.concatenate([np.log(coefficients[..., :3]), coefficients[..., 3:]], axis=-1)
