"""What a law says where arXiv 2502.08606 states something of its figures: small functions from a law to a number."""

import numpy as np

from fitting.known import KnownLaw
from paper_figs.axes import Floats
from paper_figs.fig16_student_loss_over_teachers import PAPER_TEACHERS
from paper_figs.optima import PAPER_BUDGETS, PAPER_STUDENTS, Optima, optima
from paper_figs.source import Source, spaced
from paper_figs.teacher_planes import PAPER_WORST, best_teacher
from planner.crossover.crossing import crossover_map
from planner.scenarios import Charges
from planner.target import Unreachable, least_budget

BEST, INFERENCE = Charges(logits=0, pretraining=0), Charges(logits=1, pretraining=0)
PRETRAINING, BOTH = Charges(logits=0, pretraining=1), Charges(logits=1, pretraining=1)
STUDENT, LOGITS, TEACHER = range(3)
"""The parts of a budget, in the order of `Optima.shares`."""


def _over_budgets(law: KnownLaw, students: tuple[float, ...], charges: Charges, n: int = 61) -> Optima:
    return optima(law, np.array(students), spaced(PAPER_BUDGETS, n), charges)


def gain_at_the_end(law: KnownLaw, students: tuple[float, ...]) -> float:
    """The largest gain (nats/token) from the best teacher, free of charge, at the largest budget of the axes."""
    return float(crossover_map(law, students, [PAPER_BUDGETS[1]], BEST).max())


def gain_with_training(law: KnownLaw, students: tuple[float, ...]) -> float:
    """The largest gain (nats/token) at any budget of the axes where the teacher's training is paid."""
    budgets = spaced(PAPER_BUDGETS, 61)
    return float(max(np.nanmax(crossover_map(law, students, budgets, paid)) for paid in (PRETRAINING, BOTH)))


def crossover(law: KnownLaw, student: float, charges: Charges) -> float:
    """FLOPs from which training directly stays ahead up to the end of the axes, NaN if it does not."""
    budgets = spaced(PAPER_BUDGETS, 601)
    gain = crossover_map(law, [student], budgets, charges)[0]
    ahead = np.flatnonzero(gain > 0)
    if not len(ahead) or ahead[-1] == len(budgets) - 1:
        return float("nan")
    at = slice(int(ahead[-1]) + 1, int(ahead[-1]) - 1 if ahead[-1] else None, -1)
    return float(np.exp(np.interp(0.0, gain[at], np.log(budgets[at]))))


def teacher_peak(law: KnownLaw, student: float) -> float:
    """The largest N_T* over N_S."""
    return float(_over_budgets(law, (student,), BOTH).N_T.max() / student)


def teacher_beside_peak(law: KnownLaw, student: float, end: int) -> float:
    """N_T* at the smallest (0) or largest (-1) budget of the axes over its peak."""
    N_T = _over_budgets(law, (student,), BOTH).N_T[0]
    return float(N_T[end] / N_T.max())


def teacher_plateau(law: KnownLaw, student: float) -> float:
    """Decades of compute in which N_T* is within a fifth of its peak."""
    N_T = _over_budgets(law, (student,), BOTH, 241).N_T[0]
    return float((N_T > 0.8 * N_T.max()).mean() * np.log10(PAPER_BUDGETS[1] / PAPER_BUDGETS[0]))


def faster_student(law: KnownLaw, student: float) -> float:
    """The exponent of D_S* in C minus that of D_T*."""
    found = _over_budgets(law, (student,), BOTH)
    return _exponent(found.budgets, found.D_S[0]) - _exponent(found.budgets, found.D_T[0])


def overtraining(law: KnownLaw, student: float) -> float:
    """D_T*/N_T* at the largest budget of the axes over that at the smallest."""
    found = _over_budgets(law, (student,), BOTH)
    M_T = found.D_T[0] / found.N_T[0]
    return float(M_T[-1] / M_T[0])


def share(law: KnownLaw, student: float, C: float, part: int) -> float:
    """A part (%) of a budget that pays for everything."""
    return float(100 * optima(law, np.array([student]), np.array([C]), BOTH).shares[part, 0, 0])


def uneven(law: KnownLaw, student: float, C: float, parts: tuple[int, ...]) -> float:
    """Points by which some parts of a budget that pays for everything miss their mean, at most."""
    found = 100 * optima(law, np.array([student]), np.array([C]), BOTH).shares[list(parts), 0, 0]
    return float(np.abs(found - found.mean()).max())


def share_change(law: KnownLaw, charges: Charges, part: int) -> float:
    """The largest change (points) of a share from the smallest to the largest budget, among the eight students."""
    found = _over_budgets(law, PAPER_STUDENTS, charges, 2).shares[part]
    return float(100 * (found[:, 1] - found[:, 0]).max())


def plane_maximum(law: KnownLaw, student: float, C: float) -> float:
    """The largest L_S of a panel of Fig 16, at the most expensive and poorest teacher of its axes or between."""
    N_T = spaced(PAPER_TEACHERS, 101)
    F = law.convention.forward
    D_S = C / (law.convention.training(student, 1.0) + F(N_T))
    L_T = np.linspace(law.supervised.E, PAPER_WORST, 121)[1:, None]
    return float(law.require_distillation().loss(student, D_S[None, :], L_T).max())


def map_maximum(law: KnownLaw) -> float:
    """The largest L_S* of the map of the best case."""
    return float(np.nanmax(_over_budgets(law, PAPER_STUDENTS, BEST, 2).L_S))


def tokens_beside_supervised(law: KnownLaw) -> float:
    """D_S* of the best case over the tokens that the budget trains a student on directly, farthest from 1."""
    found = _over_budgets(law, PAPER_STUDENTS, BEST)
    ratio = found.D_S * law.convention.training(found.students[:, None], 1.0) / found.budgets
    return float(ratio.flat[np.abs(np.log(ratio)).argmax()])


def teacher_tokens(law: KnownLaw, student: float, C: float) -> float:
    """D_T* where only the teacher's forward passes are paid."""
    return float(optima(law, np.array([student]), np.array([C]), INFERENCE).D_T[0, 0])


def teacher_excess(law: KnownLaw, student: float) -> float:
    """Nats/token by which L_T* misses the least that the teacher's own training compute buys, at most."""
    found = _over_budgets(law, (student,), PRETRAINING, 13)
    C_T = law.convention.training(found.N_T[0], found.D_T[0])
    N = np.geomspace(0.1, 10.0, 801)[:, None] * found.N_T[0]
    least = law.supervised.loss(N, C_T / law.convention.training(N, 1.0)).min(axis=0)
    return float((found.L_T[0] - least).max())


def teacher_ratio_exponent(law: KnownLaw, student: float) -> float:
    """The exponent of D_T*/N_T* in C where only the teacher's training is paid."""
    found = _over_budgets(law, (student,), PRETRAINING)
    return _exponent(found.budgets, found.D_T[0] / found.N_T[0])


def compute_ratio(law: KnownLaw, student: float, loss: float, charges: Charges) -> float:
    """The least compute that distils to a loss over that which trains to it directly, NaN if one cannot."""
    try:
        C = least_budget(law, loss, charges, student=student)
    except Unreachable:
        return float("nan")
    return float(C / law.convention.training(student, law.supervised.tokens(student, loss)))


def token_ratio(law: KnownLaw, student: float, loss: float, charges: Charges) -> float:
    """The tokens of that plan, D_S + δ_Pre D_T (Eq 34), over those that train directly, NaN if one cannot."""
    try:
        C = least_budget(law, loss, charges, student=student)
    except Unreachable:
        return float("nan")
    found = optima(law, np.array([student]), np.array([C]), charges)
    taught = found.D_S[0, 0] + (charges.pretraining * found.D_T[0, 0] if charges.pretraining else 0.0)
    return float(taught / law.supervised.tokens(student, loss))


def unlimited_gap(law: KnownLaw) -> float:
    """The largest difference (%) of L_S(N, ∞, L_T*) from L(N, ∞), 100M to 100B."""
    sizes = spaced((100e6, 100e9), 31)
    enough = law.convention.training(sizes[-1], law.box_D[1])
    taught = optima(law, sizes, np.array([enough]), BEST).L_S[:, 0]
    return float(100 * np.abs(taught / law.supervised.limit(sizes) - 1).max())


def best_teacher_exponent(law: KnownLaw, D_S: float) -> float:
    """The exponent of L_T* in N_S on a number of student tokens."""
    sizes = spaced((1e9, 100e9), 21)
    return _exponent(sizes, best_teacher(Source(law), sizes, np.full_like(sizes, D_S)))


def _exponent(x: Floats, y: Floats) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
