"""The laws as an estimation sees them: coordinates in which their surfaces are round, boxes, starts, and back.

Coordinates are taken at the data's centre (mean log N, log D, log L_T): the log sizes u, v of the two power terms
there, their effective slopes p = αγ, q = βγ, log γ, and log E; for the distillation law also c0, and log s, log f1,
log K of the teacher factor with K = c1 f1 and s = d1 K^-f1, because for K ≫ 1 the factor is
exp(-(L_T / (L̃_S s))^(1/f1)) and neither c1 nor d1 alone can be seen. The formulas here are those of `fitting.laws`
in logarithms (Eq 44 and 49 of arXiv 2502.08606); a test holds them equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from fitting.fit import COEFFICIENTS
from fitting.solver import Residual

Array = NDArray[np.float64]

_VANISHED = 60.0
"""How far below the excess loss, in logarithms, a power term may fall; with a large γ even far ones count."""

_GAMMA = (0.1, 10.0)
_SLOPE = (5e-3, 2.0)
_C0 = (0.0, 20.0)
_F1 = (0.01, 3.0)
_K = (0.02, 1e5)


@dataclass(frozen=True)
class Problem:
    """One law to be fitted to one table: what the solver needs, and how to read its answer.

    `fixed` is NaN where a coefficient is free, in the order of `COEFFICIENTS[form]`, which is also that of the
    coordinates: each coefficient owns the coordinate that is held when it is fixed.
    """

    form: Literal["supervised", "distillation"]
    residual: Residual
    columns: Array
    centre: Array
    fixed: Array
    lower: Array
    upper: Array
    starts: Array

    @property
    def names(self) -> tuple[str, ...]:
        return COEFFICIENTS[self.form]

    @property
    def free(self) -> NDArray[np.bool_]:
        return np.isnan(self.fixed)

    @property
    def parameters(self) -> tuple[Array, Array, Array]:
        """What the residual needs beside the columns: the centre, the fixed values, and which are fixed."""
        return self.centre, np.nan_to_num(self.fixed), (~self.free).astype(float)

    def log_coefficients(self, z: Array) -> tuple[Array, Array]:
        """Logarithms of the coefficients at coordinates z (c0 as it is), and their derivatives by z.

        Shapes (coefficients,) and (coefficients, p), in the order of `names`.
        """
        with jax.enable_x64(True):
            logs, derivatives = _read(_READ[self.form], z, *self.parameters)
            return np.asarray(logs), np.asarray(derivatives)

    def coefficients(self, z: Array) -> dict[str, float]:
        """The coefficients as the law is written in them; fixed ones exactly as given."""
        logs, _ = self.log_coefficients(z)
        values = {n: float(x if n == "c0" else np.exp(x)) for n, x in zip(self.names, logs, strict=True)}
        given = zip(self.names, self.fixed, strict=True)
        return values | {name: float(value) for name, value in given if not np.isnan(value)}


def supervised(N: Array, D: Array, loss: Array, fixed: Mapping[str, float], *, starts: int, seed: int) -> Problem:
    """Eq 1 (arXiv 2502.08606) for runs of N parameters on D tokens that reached `loss`, arrays of shape (runs,)."""
    n, d, y = np.log(N), np.log(D), np.log(loss)
    low, high, middle = y.min(), y.max(), np.median(y)
    lower = np.array([middle - _VANISHED, middle - _VANISHED, low - 7, _SLOPE[0], _SLOPE[0], np.log(_GAMMA[0])])
    upper = np.array([high + 3, high + 3, low + 0.3, _SLOPE[1], _SLOPE[1], np.log(_GAMMA[1])])

    rng = np.random.default_rng(seed)
    floor = np.exp(low) * rng.uniform(0.2, 0.97, starts)
    rest, share = np.log(np.exp(middle) - floor), rng.uniform(0.1, 0.9, starts)
    gamma = np.exp(rng.uniform(np.log(0.3), np.log(2.0), starts))
    drawn = [rest + gamma * np.log(share), rest + gamma * np.log1p(-share), np.log(floor)]
    drawn += [np.exp(rng.uniform(np.log(0.08), np.log(0.8), starts)) for _ in "pq"]
    return Problem(
        "supervised",
        _supervised_residual,
        np.stack([n - n.mean(), d - d.mean(), y]),
        np.array([n.mean(), d.mean()]),
        np.array([fixed.get(name, np.nan) for name in COEFFICIENTS["supervised"]], dtype=float),
        lower,
        upper,
        np.clip(np.stack([*drawn, np.log(gamma)], axis=1), lower, upper),
    )


def distillation(
    N: Array,
    D: Array,
    teacher_loss: Array,
    supervised_loss: Array,
    loss: Array,
    fixed: Mapping[str, float],
    *,
    starts: int,
    seed: int,
) -> Problem:
    """Eq 8 (arXiv 2502.08606), with L̃_S (`supervised_loss`) at each run; arrays of shape (runs,)."""
    n, d, t, y = np.log(N), np.log(D), np.log(teacher_loss), np.log(loss)
    x = t - np.log(supervised_loss)
    above = np.log(np.median(np.maximum(loss - teacher_loss, 0.01 * loss)))
    highest = np.log(np.max(np.maximum(loss - teacher_loss, 0.01 * loss)))
    lower = np.array([above - _VANISHED, above - _VANISHED, _SLOPE[0], _SLOPE[0], np.log(_GAMMA[0]), _C0[0]])
    upper = np.array([highest + 10, highest + 10, _SLOPE[1], _SLOPE[1], np.log(_GAMMA[1]), _C0[1]])
    lower = np.append(lower, [np.log(_K[0]), np.log(_F1[0]), x.min() - 2])
    upper = np.append(upper, [np.log(_K[1]), np.log(_F1[1]), x.max() + 4])

    rng = np.random.default_rng(seed)
    share = rng.uniform(0.1, 0.9, starts)
    gamma = np.exp(rng.uniform(np.log(0.3), np.log(2.0), starts))
    drawn = [above + gamma * np.log(share), above + gamma * np.log1p(-share)]
    drawn += [np.exp(rng.uniform(np.log(0.08), np.log(0.8), starts)) for _ in "pq"]
    drawn += [np.log(gamma), rng.uniform(0.0, 4.0, starts), rng.uniform(np.log(0.3), np.log(100.0), starts)]
    drawn += [rng.uniform(np.log(0.03), np.log(1.0), starts)]
    drawn += [rng.uniform(np.median(x), x.max() + 0.5, starts)]
    return Problem(
        "distillation",
        _distillation_residual,
        np.stack([n - n.mean(), d - d.mean(), t, x, y]),
        np.array([n.mean(), d.mean(), t.mean()]),
        np.array([fixed.get(name, np.nan) for name in COEFFICIENTS["distillation"]], dtype=float),
        lower,
        upper,
        np.clip(np.stack(drawn, axis=1), lower, upper),
    )


# Below, `held` is 1 where a coefficient is fixed and 0 where it is free; a held coordinate is computed from the
# fixed value, so that its derivative vanishes and the same compiled code serves every choice of --fix.


def _lse(a: Any, b: Any) -> Any:
    """log(e^a + e^b). Unlike jnp.logaddexp it takes no care of infinities, and compiles in half the time."""
    top = jnp.maximum(a, b)
    return top + jnp.log1p(jnp.exp(a + b - 2 * top))


def _terms(u: Any, v: Any, p: Any, q: Any, g: Any, n: Any, d: Any) -> Any:
    """log (A N^-α + B D^-β)^γ."""
    gamma = jnp.exp(g)
    return gamma * _lse((u - p * n) / gamma, (v - q * d) / gamma)


def _log(value: Any) -> Any:
    return jnp.log(jnp.where(value > 0, value, 1.0))


def _supervised_coordinates(z: Any, centre: Any, fixed: Any, held: Any) -> tuple[Any, ...]:
    A, B, E, alpha, beta, gamma = fixed
    keep_A, keep_B, keep_E, keep_alpha, keep_beta, keep_gamma = held
    g = jnp.where(keep_gamma, _log(gamma), z[5])
    p = jnp.where(keep_alpha, alpha * jnp.exp(g), z[3])
    q = jnp.where(keep_beta, beta * jnp.exp(g), z[4])
    u = jnp.where(keep_A, jnp.exp(g) * _log(A) - p * centre[0], z[0])
    v = jnp.where(keep_B, jnp.exp(g) * _log(B) - q * centre[1], z[1])
    return u, v, jnp.where(keep_E, _log(E), z[2]), p, q, g


def _supervised_residual(z: Any, data: Any) -> Any:
    columns, centre, fixed, held = data
    n, d, y = columns
    u, v, e, p, q, g = _supervised_coordinates(z, centre, fixed, held)
    return _lse(e, _terms(u, v, p, q, g, n, d)) - y


def _read_supervised(z: Any, centre: Any, fixed: Any, held: Any) -> Any:
    u, v, e, p, q, g = _supervised_coordinates(z, centre, fixed, held)
    gamma = jnp.exp(g)
    log_A, log_B = (u + p * centre[0]) / gamma, (v + q * centre[1]) / gamma
    return jnp.stack([log_A, log_B, e, jnp.log(p) - g, jnp.log(q) - g, g])


def _distillation_coordinates(z: Any, centre: Any, fixed: Any, held: Any) -> tuple[Any, ...]:
    A, B, alpha, beta, gamma, c0, c1, f1, d1 = fixed
    keep_A, keep_B, keep_alpha, keep_beta, keep_gamma, keep_c0, keep_c1, keep_f1, keep_d1 = held
    g = jnp.where(keep_gamma, _log(gamma), z[4])
    p = jnp.where(keep_alpha, alpha * jnp.exp(g), z[2])
    q = jnp.where(keep_beta, beta * jnp.exp(g), z[3])
    c0 = jnp.where(keep_c0, c0, z[5])
    log_f1 = jnp.where(keep_f1, _log(f1), z[7])
    log_K = jnp.where(keep_c1, _log(c1) + log_f1, z[6])
    log_s = jnp.where(keep_d1, _log(d1) - jnp.exp(log_f1) * log_K, z[8])
    u = jnp.where(keep_A, jnp.exp(g) * _log(A) - p * centre[0] - c0 * centre[2], z[0])
    v = jnp.where(keep_B, jnp.exp(g) * _log(B) - q * centre[1] - c0 * centre[2], z[1])
    return u, v, p, q, g, c0, log_K, log_f1, log_s


def _distillation_residual(z: Any, data: Any) -> Any:
    columns, centre, fixed, held = data
    n, d, t, x, y = columns
    u, v, p, q, g, c0, log_K, log_f1, log_s = _distillation_coordinates(z, centre, fixed, held)
    steep = (x - log_s) * jnp.exp(-log_f1) - log_K
    factor = -jnp.exp(log_K) * _lse(0.0, steep)
    return _lse(t, _terms(u, v, p, q, g, n, d) - c0 * (t - centre[2]) + factor) - y


def _read_distillation(z: Any, centre: Any, fixed: Any, held: Any) -> Any:
    u, v, p, q, g, c0, log_K, log_f1, log_s = _distillation_coordinates(z, centre, fixed, held)
    gamma = jnp.exp(g)
    log_A = (u + p * centre[0] + c0 * centre[2]) / gamma
    log_B = (v + q * centre[1] + c0 * centre[2]) / gamma
    log_d1 = log_s + jnp.exp(log_f1) * log_K
    return jnp.stack([log_A, log_B, jnp.log(p) - g, jnp.log(q) - g, g, c0, log_K - log_f1, log_f1, log_d1])


_READ = {"supervised": _read_supervised, "distillation": _read_distillation}


@partial(jax.jit, static_argnums=0)
def _read(conversion: Any, z: Any, centre: Any, fixed: Any, held: Any) -> tuple[Any, Any]:
    return conversion(z, centre, fixed, held), jax.jacfwd(conversion)(z, centre, fixed, held)
