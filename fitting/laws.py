"""The laws: cross-entropy in nats per token from parameters, tokens and the teacher's cross-entropy.

Plain arithmetic (`+ * / ** abs`), so that floats, NumPy arrays and JAX arrays go through the same code, and so
that coefficients may be arrays too (one entry per bootstrap draw). N are non-embedding parameters unless the
convention of the law says otherwise.
"""

from dataclasses import dataclass
from typing import Any


def _at_least_one(x: Any) -> Any:
    return (abs(x - 1) + x + 1) / 2


@dataclass(frozen=True)
class SupervisedLaw:
    """L(N, D) = E + (A N^-α + B D^-β)^γ: Eq 1 of arXiv 2502.08606; γ = 1 is Hoffmann et al. (arXiv 2203.15556)."""

    A: Any
    B: Any
    E: Any
    alpha: Any
    beta: Any
    gamma: Any

    def loss(self, N: Any, D: Any) -> Any:
        """Cross-entropy (nats/token) of N parameters trained on D tokens; broadcasts."""
        return self.E + (self.A * N**-self.alpha + self.B * D**-self.beta) ** self.gamma

    def limit(self, N: Any) -> Any:
        """L(N, ∞), nats/token (Eq 35)."""
        return self.E + (self.A * N**-self.alpha) ** self.gamma

    def tokens(self, N: Any, loss: Any) -> Any:
        """The D with L(N, D) = `loss`; NaN or negative where no D reaches it (then `loss` <= L(N, ∞))."""
        rest = (loss - self.E) ** (1 / self.gamma) - self.A * N**-self.alpha
        return (rest / self.B) ** (-1 / self.beta)

    def size(self, D: Any, loss: Any) -> Any:
        """The N with L(N, D) = `loss`; NaN or negative where no N reaches it."""
        rest = (loss - self.E) ** (1 / self.gamma) - self.B * D**-self.beta
        return (rest / self.A) ** (-1 / self.alpha)


@dataclass(frozen=True)
class DistillationLaw:
    """L_S(N_S, D_S, L_T): Eq 8 of arXiv 2502.08606, with L̃_S from the supervised law at (N_S, D_S).

    L_S = L_T + L_T^-c0 (1 + (L_T / (L̃_S d1))^(1/f1))^(-c1 f1) (A' N_S^-α' + B' D_S^-β')^γ'.
    The second term is positive: the law cannot say that a student beats its teacher.
    """

    supervised: SupervisedLaw
    A: Any
    B: Any
    alpha: Any
    beta: Any
    gamma: Any
    c0: Any
    c1: Any
    f1: Any
    d1: Any

    def teacher_factor(self, ratio: Any) -> Any:
        """(1 + (ratio / d1)^(1/f1))^(-c1 f1) with ratio = L_T / L̃_S, free of overflow for any f1 > 0.

        (1 + r^p)^-k = m^(-pk) (m^-p + (r/m)^p)^-k for every m > 0; with m = max(r, 1) both powers lie in [0, 1].
        """
        r = ratio / self.d1
        m = _at_least_one(r)
        return m**-self.c1 * ((1 / m) ** (1 / self.f1) + (r / m) ** (1 / self.f1)) ** (-self.c1 * self.f1)

    def loss(self, N_S: Any, D_S: Any, L_T: Any) -> Any:
        """Cross-entropy (nats/token) of a student of N_S parameters, distilled on D_S tokens; broadcasts."""
        own = (self.A * N_S**-self.alpha + self.B * D_S**-self.beta) ** self.gamma
        factor = self.teacher_factor(L_T / self.supervised.loss(N_S, D_S))
        return L_T + L_T**-self.c0 * factor * own
