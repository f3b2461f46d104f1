"""Optimal plans over student sizes and budgets as arrays: what Figs 8, 9 and 17 to 34 of arXiv 2502.08606 show."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fitting.flops import FORWARDS_PER_TRAINING_STEP
from fitting.known import KnownLaw, Range
from paper_figs.axes import Floats
from paper_figs.source import Source, spaced
from planner.allocation import optimum
from planner.problems import Problems
from planner.scenarios import Charges

PAPER_STUDENTS = (300e6, 500e6, 1e9, 3e9, 5e9, 10e9, 30e9, 50e9)
PAPER_BUDGETS = (1e20, 1e26)


@dataclass(frozen=True)
class Optima:
    """The best plans of a scenario, arrays of shape (students, budgets), NaN where a budget (FLOPs) buys none.

    Losses are nats/token. `shares` has the parts of the budget that go into the student, the teacher's forward passes
    and its training, shape (3, students, budgets).
    """

    students: Floats
    budgets: Floats
    charges: Charges
    L_S: Floats
    L_T: Floats
    D_S: Floats
    N_T: Floats
    D_T: Floats
    shares: Floats


@dataclass(frozen=True)
class Quantity:
    """One thing that is optimised: its name on an axis and above a panel, its values, what bounds a count's search."""

    label: str
    short: str
    of: Callable[[Optima], Floats]
    box: Callable[[KnownLaw], Range] | None = None

    @property
    def counted(self) -> bool:
        """Whether its values are parameters or tokens."""
        return self.box is not None


def _box_N(law: KnownLaw) -> Range:
    return law.box_N


def _box_D(law: KnownLaw) -> Range:
    return law.box_D


L_S = Quantity("student cross-entropy $L_S^*$ (nats/token)", "$L_S^*$ (nats/token)", lambda found: found.L_S)
L_T = Quantity("teacher cross-entropy $L_T^*$ (nats/token)", "$L_T^*$ (nats/token)", lambda found: found.L_T)
D_S = Quantity("student tokens $D_S^*$", "student tokens $D_S^*$", lambda found: found.D_S, _box_D)
N_T = Quantity("teacher parameters $N_T^*$", "teacher parameters $N_T^*$", lambda found: found.N_T, _box_N)
D_T = Quantity("teacher tokens $D_T^*$", "teacher tokens $D_T^*$", lambda found: found.D_T, _box_D)


def optima(law: KnownLaw, students: Floats, budgets: Floats, charges: Charges) -> Optima:
    """The optima of every student with every budget, in one search."""
    problems = Problems.of(law, np.repeat(students, len(budgets)), np.tile(budgets, len(students)), charges)
    best = optimum(problems)[0]
    C, feasible = problems.C[:, 0], np.isfinite(best.loss)
    student = FORWARDS_PER_TRAINING_STEP * law.convention.forward(problems.N_S[:, 0]) * best.D_S
    forwards = charges.logits * law.convention.forward(best.N_T) * best.D_S
    training = charges.pretraining * law.convention.training(best.N_T, best.D_T)
    shape = len(students), len(budgets)

    def table(values: Floats) -> Floats:
        return np.where(feasible, values, np.nan).reshape(shape)

    return Optima(
        students,
        budgets,
        charges,
        table(best.loss),
        table(best.L_T),
        table(best.D_S),
        table(best.N_T),
        table(best.D_T),
        np.stack([table(part / C) for part in (student, forwards, training)]),
    )


def supervised(law: KnownLaw, students: Floats, budgets: Floats) -> tuple[Floats, Floats]:
    """D and cross-entropy of the students trained directly, shape (students, budgets) each."""
    D = np.minimum(budgets / law.convention.training(students[:, None], 1.0), law.box_D[1])
    return D, law.supervised.loss(students[:, None], D)


def students_of(source: Source, n: int | None = None) -> Floats:
    """The paper's students, or as many from one end of the fit's runs to the other; `n` evenly spaced ones if given."""
    support = source.law.support.N_S
    if source.law.published or support is None:
        ends = (PAPER_STUDENTS[0], PAPER_STUDENTS[-1])
        return np.array(PAPER_STUDENTS) if n is None else spaced(ends, n)
    return spaced(support, n or len(PAPER_STUDENTS))


def budgets_of(source: Source, n: int) -> Floats:
    """The paper's budgets, or those of the fit's runs and ten times more."""
    law = source.law
    if law.published or law.support.N_S is None or law.support.D_S is None:
        return spaced(PAPER_BUDGETS, n)
    low, high = (law.convention.training(N, D) for N, D in zip(law.support.N_S, law.support.D_S, strict=True))
    return spaced((float(low), 10 * float(high)), n)
