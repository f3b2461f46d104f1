"""How many students a teacher must serve before its training pays."""

from collections.abc import Callable
from dataclasses import replace

from fitting.errors import Infeasible
from fitting.known import KnownLaw
from planner.decision import drafts
from planner.plans import Plan, Sharing
from planner.scenarios import Charges, Limits

MOST = 1 << 20
"""Students that are tried at most: a teacher that so many share is next to free."""


def sharing(law: KnownLaw, plan: Plan, limits: Limits | None) -> Sharing:
    """From how many students on, each with the plan's budget per student, training the teacher pays.

    The more students share it the less a teacher costs each of them, so the number is found by halving. A size that
    was searched for stays as planned.
    """
    per_student = plan.budget / plan.terms.copies
    charges = Charges(plan.pay_logits, plan.pay_pretraining)
    level = plan.certainty.level if plan.certainty else None

    def made(students: int) -> Plan | None:
        (found,), _, _ = drafts(
            law,
            [per_student * students],
            charges,
            student=plan.student.N,
            limits=limits,
            interval=level,
            terms=replace(plan.terms, reuse=students),
        )
        return None if isinstance(found, Infeasible) else found

    def pays(students: int) -> bool:
        found = made(students)
        return found is not None and found.student.loss < plan.supervised.loss

    def clear(students: int) -> bool:
        found = made(students)
        return found is not None and plan.supervised.loss - found.student.loss > found.margin_scale

    return Sharing(per_student, first(pays), first(clear), MOST)


def first(holds: Callable[[int], bool]) -> int | None:
    """The least number of students from which on something holds; None where it does not for `MOST`."""
    if not holds(MOST):
        return None
    low, high = 0, MOST
    while high - low > 1:
        middle = (low + high) // 2 if low else round(high**0.5) if high > 3 else high // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
