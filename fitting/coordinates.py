"""Coordinates in which the laws' surfaces are round, and the way from them to the coefficients of the papers.

Taken at the data's centre (mean log N, log D, log L_T): the log sizes u, v of the two power terms there, their
effective slopes p = αγ, q = βγ, log γ, and log E; for the distillation law also c0, and log K, log f1, log s of
the teacher factor with K = c1 f1 and s = d1 K^-f1, because for K ≫ 1 the factor is exp(-(L_T / (L̃_S s))^(1/f1))
and neither c1 nor d1 alone can be seen.

A coefficient that is held makes its own coordinate a function of the others: each coefficient owns one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fitting.fit import COEFFICIENTS

Array = NDArray[np.float64]
Form = Literal["supervised", "distillation"]

NAMES: dict[Form, tuple[str, ...]] = {
    "supervised": ("u", "v", "log_E", "p", "q", "log_gamma"),
    "distillation": ("u", "v", "p", "q", "log_gamma", "c0", "log_K", "log_f1", "log_s"),
}

OWNED: dict[Form, tuple[str, ...]] = {
    "supervised": ("A", "B", "E", "alpha", "beta", "gamma"),
    "distillation": ("A", "B", "alpha", "beta", "gamma", "c0", "c1", "f1", "d1"),
}
"""The coefficient whose being held removes each coordinate."""

LIMIT_K = 1e6
"""K that stands for its limit: there the teacher factor is exp(-(L_T / (L̃_S s))^(1/f1)) to one part in a million."""


@dataclass(frozen=True)
class Coordinates:
    """One form's coordinates at a centre, some of them held.

    `centre` is mean log N, log D and, for a distillation, log L_T. `fixed` are coefficients by name. With `limit`
    the teacher factor is taken at K → ∞, and log K is no coordinate.
    """

    form: Form
    centre: tuple[float, ...]
    fixed: Mapping[str, float]
    limit: bool = False

    @property
    def count(self) -> int:
        """How many coordinates the form has, held ones included."""
        return len(NAMES[self.form])

    @property
    def free(self) -> tuple[int, ...]:
        """Which of the form's coordinates are free."""
        owned = OWNED[self.form]
        return tuple(i for i, name in enumerate(owned) if name not in self.fixed and not (self.limit and name == "c1"))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the free coordinates."""
        return tuple(NAMES[self.form][i] for i in self.free)

    @property
    def coupled(self) -> bool:
        """Whether a held coordinate moves with free ones."""
        return bool({"A", "B", "alpha", "beta", "c1", "d1"} & set(self.fixed))

    def expand(self, z: Array) -> Array:
        """All coordinates, shape (points, count), from the free ones, shape (points, free)."""
        return self._expanded(z)[0]

    def chain(self, z: Array) -> Array:
        """Derivatives of all coordinates by the free ones, shape (points, count, free)."""
        return self._expanded(z)[1]

    def _expanded(self, z: Array) -> tuple[Array, Array]:
        points, free = len(z), self.free
        y = np.zeros((points, self.count))
        by = np.zeros((points, self.count, len(free)))
        for k, i in enumerate(free):
            y[:, i] = z[:, k]
            by[:, i, k] = 1.0
        at = {name: i for i, name in enumerate(NAMES[self.form])}
        g = at["log_gamma"]
        held = self.fixed
        if "gamma" in held:
            y[:, g] = np.log(held["gamma"])
        for name, slope in (("alpha", "p"), ("beta", "q")):
            if name in held:
                y[:, at[slope]] = held[name] * np.exp(y[:, g])
                by[:, at[slope]] = y[:, at[slope], None] * by[:, g]
        if self.form == "supervised" and "E" in held:
            y[:, at["log_E"]] = np.log(held["E"])
        if self.form == "distillation":
            self._expand_teacher_factor(y, by, at)
        for name, size, slope, centre in (("A", "u", "p", self.centre[0]), ("B", "v", "q", self.centre[1])):
            if name in held:
                log = np.log(held[name])
                scaled = np.exp(y[:, g]) * log
                y[:, at[size]] = scaled - y[:, at[slope]] * centre
                by[:, at[size]] = scaled[:, None] * by[:, g] - centre * by[:, at[slope]]
                if self.form == "distillation":
                    y[:, at[size]] -= y[:, at["c0"]] * self.centre[2]
                    by[:, at[size]] -= self.centre[2] * by[:, at["c0"]]
        return y, by

    def _expand_teacher_factor(self, y: Array, by: Array, at: Mapping[str, int]) -> None:
        held, K, f, s = self.fixed, at["log_K"], at["log_f1"], at["log_s"]
        if "c0" in held:
            y[:, at["c0"]] = held["c0"]
        if "f1" in held:
            y[:, f] = np.log(held["f1"])
        if "c1" in held:
            y[:, K] = np.log(held["c1"]) + y[:, f]
            by[:, K] = by[:, f]
        elif self.limit:
            y[:, K] = np.log(LIMIT_K)
        if "d1" in held:
            f1 = np.exp(y[:, f])
            y[:, s] = np.log(held["d1"]) - f1 * y[:, K]
            by[:, s] = -f1[:, None] * (y[:, K, None] * by[:, f] + by[:, K])

    def logs(self, z: Array) -> Array:
        """Logarithms of the coefficients (c0 as it is), shape (points, coefficients), ordered as `COEFFICIENTS`."""
        return self._logs(self.expand(z))[0]

    def logs_by(self, z: Array) -> Array:
        """Derivatives of `logs` by the free coordinates, shape (points, coefficients, free)."""
        y, chain = self._expanded(z)
        by_chain: Array = self._logs(y)[1] @ chain
        return by_chain

    def _logs(self, y: Array) -> tuple[Array, Array]:
        at = {name: i for i, name in enumerate(NAMES[self.form])}
        names = COEFFICIENTS[self.form]
        logs = np.zeros((len(y), len(names)))
        by = np.zeros((len(y), len(names), self.count))
        row = {name: i for i, name in enumerate(names)}
        g = y[:, at["log_gamma"]]
        inverse = np.exp(-g)
        for name, size, slope, centre in (("A", "u", "p", self.centre[0]), ("B", "v", "q", self.centre[1])):
            total = y[:, at[size]] + y[:, at[slope]] * centre
            by[:, row[name], at[size]] = inverse
            by[:, row[name], at[slope]] = inverse * centre
            if self.form == "distillation":
                total = total + y[:, at["c0"]] * self.centre[2]
                by[:, row[name], at["c0"]] = inverse * self.centre[2]
            logs[:, row[name]] = inverse * total
            by[:, row[name], at["log_gamma"]] = -logs[:, row[name]]
        for name, slope in (("alpha", "p"), ("beta", "q")):
            logs[:, row[name]] = np.log(y[:, at[slope]]) - g
            by[:, row[name], at[slope]] = 1 / y[:, at[slope]]
            by[:, row[name], at["log_gamma"]] = -1.0
        logs[:, row["gamma"]] = g
        by[:, row["gamma"], at["log_gamma"]] = 1.0
        if self.form == "supervised":
            logs[:, row["E"]] = y[:, at["log_E"]]
            by[:, row["E"], at["log_E"]] = 1.0
            return logs, by
        log_K, log_f1 = y[:, at["log_K"]], y[:, at["log_f1"]]
        f1 = np.exp(log_f1)
        logs[:, row["c0"]] = y[:, at["c0"]]
        by[:, row["c0"], at["c0"]] = 1.0
        logs[:, row["c1"]] = log_K - log_f1
        by[:, row["c1"], at["log_K"]] = 1.0
        by[:, row["c1"], at["log_f1"]] = -1.0
        logs[:, row["f1"]] = log_f1
        by[:, row["f1"], at["log_f1"]] = 1.0
        logs[:, row["d1"]] = y[:, at["log_s"]] + f1 * log_K
        by[:, row["d1"], at["log_s"]] = 1.0
        by[:, row["d1"], at["log_K"]] = f1
        by[:, row["d1"], at["log_f1"]] = f1 * log_K
        return logs, by

    def coefficients(self, z: Array) -> dict[str, Array]:
        """The coefficients as the law is written in them, arrays of shape (points,); fixed ones exactly as given."""
        logs = self.logs(z)
        found = {
            name: logs[:, i] if name == "c0" else np.exp(logs[:, i]) for i, name in enumerate(COEFFICIENTS[self.form])
        }
        return {name: np.full(len(z), self.fixed[name]) if name in self.fixed else x for name, x in found.items()}

    def of(self, coefficients: Mapping[str, float]) -> Array:
        """The free coordinates, shape (free,), of a law with these coefficients."""
        c = {name: float(value) for name, value in coefficients.items()}
        gamma = c["gamma"]
        p, q = c["alpha"] * gamma, c["beta"] * gamma
        moved = c["c0"] * self.centre[2] if self.form == "distillation" else 0.0
        y = {
            "u": gamma * np.log(c["A"]) - p * self.centre[0] - moved,
            "v": gamma * np.log(c["B"]) - q * self.centre[1] - moved,
            "p": p,
            "q": q,
            "log_gamma": np.log(gamma),
        }
        if self.form == "supervised":
            y["log_E"] = np.log(c["E"])
        else:
            K = c["c1"] * c["f1"]
            y |= {"c0": c["c0"], "log_K": np.log(K), "log_f1": np.log(c["f1"])}
            y["log_s"] = np.log(c["d1"]) - c["f1"] * np.log(K)
        return np.array([y[name] for name in self.names])
