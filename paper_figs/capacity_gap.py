"""A capacity gap without training: kernel regression under norm constraints (arXiv 2502.08606, App C.1).

The target is f* = Σ α_i φ_i over orthonormal φ. The teacher may use the first m of them with norm at most T, the
student the first n with norm at most D, and the student learns from the teacher alone. Lemmas C.1 and C.2 give both
errors in closed form; the published prose around Eq 26 has the two cases of Q reversed.
"""

import numpy as np

from paper_figs.axes import Floats


def teacher_error(alpha: Floats, m: Floats, T: float) -> Floats:
    """‖f* - f_T‖ of the best teacher on the first m functions with norm at most T (Lemma C.1); shape as m."""
    below, beyond = _energy(alpha, m)
    found: Floats = np.sqrt((_shrunk(below, T) - 1) ** 2 * below + beyond)
    return found


def student_error(alpha: Floats, m: Floats, n: int, T: float, D: float) -> Floats:
    """‖f* - f_S‖ of the student on the first n functions with norm at most D that fits this teacher (Lemma C.2)."""
    below, _ = _energy(alpha, m)
    shared, beyond = _energy(alpha, np.minimum(m, n))
    C = _shrunk(below, T)
    Q = np.where(C * np.sqrt(shared) < D, 1.0, D / (C * np.sqrt(shared)))
    found: Floats = np.sqrt((C * Q - 1) ** 2 * shared + beyond)
    return found


def _energy(alpha: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Σ α² of the first m coefficients and of the others."""
    sums = np.concatenate(([0.0], np.cumsum(alpha**2)))
    at = np.asarray(m, dtype=int)
    return sums[at], sums[-1] - sums[at]


def _shrunk(energy: Floats, norm: float) -> Floats:
    """What a norm constraint leaves of a function of this energy: 1, or less where it binds."""
    return np.where(np.sqrt(energy) <= norm, 1.0, norm / np.sqrt(energy))
