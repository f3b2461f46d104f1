"""How often, and by which way, a student asks its teacher: what that costs, and what is not known of its effect.

The laws know students that ask at every token and see the whole distribution. Another way changes the cost by what
the ledger says; what it does to the loss no law here has measured, so it is bounded, not predicted, and no plan is
optimised for it.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fitting.errors import Faults
from fitting.flops import Spend
from fitting.known import KnownLaw
from planner.families.plans import FamilyPlan
from planner.families.search import Family
from planner.plans import Bound, Consulted, Plan
from planner.problems import Problems
from planner.scenarios import Charges

ONLINE = "online"
_CACHES = {"cached-top": 2.55, "sampled-": 1.1}
"""Bytes on disk for each token that a cache keeps, compressed: measured for top-64 and 12 draws (docs/choosing.md)."""

_SOURCE = re.compile(r"(cached-top|sampled-)([1-9]\d*)")


@dataclass(frozen=True)
class Consulting:
    """The teacher is asked for the share `share` of the tokens, through `source`.

    Sources are "online", "cached-top64" and "sampled-12", the last two with any number. Raises `InputError` with
    every fault.
    """

    share: float = 1.0
    source: str = ONLINE

    def __post_init__(self) -> None:
        faults = Faults()
        if not 0 < self.share <= 1:
            faults.add(f"--kd-fraction: a share of the tokens lies in (0, 1], not {self.share:g}")
        if self.source != ONLINE and _SOURCE.fullmatch(self.source) is None:
            near = difflib.get_close_matches(self.source, [ONLINE, "cached-top64", "sampled-12"], n=1, cutoff=0.0)
            faults.add(
                f"--logit-source: {self.source!r} is no way to ask a teacher; did you mean {near[0]!r}? There are "
                "online, cached-topK and sampled-N, as in cached-top64 and sampled-12"
            )
        faults.raise_if_any()

    @property
    def as_the_law(self) -> bool:
        """Whether the law's own students asked so: always, and online."""
        return self.share == 1 and self.source == ONLINE

    @property
    def bytes_per_token(self) -> float:
        """What a cache keeps of a token, about; 0 online."""
        match = _SOURCE.fullmatch(self.source)
        return 0.0 if match is None else _CACHES[match[1]] * int(match[2])


def consulted(plan: Plan, law: KnownLaw, consulting: Consulting) -> Plan:
    """The plan, its students asking their teacher otherwise, on the tokens that it gives them.

    Its verdict goes, and all that says how sure it was: both are of students that ask for every token.
    """
    if consulting.as_the_law:
        return plan
    found = _consulted(plan, law, consulting, [(plan.student.N, plan.student.D)])
    found = replace(found, supervised_loss=_directly(plan, law, found.flops.total))
    return replace(plan, consultation=found, verdict=None, certainty=None, sensitivity=None, sharing=None)


def consulted_family(plan: FamilyPlan, law: KnownLaw, consulting: Consulting) -> FamilyPlan:
    """As `consulted`: one pass of a cache serves the whole family."""
    if consulting.as_the_law:
        return plan
    found = _consulted(plan, law, consulting, [(each.student.N, each.student.D) for each in plan.members])
    N, weights = (np.array(each) for each in zip(*((m.student.N, m.weight) for m in plan.members), strict=True))
    family = Family.of(law, N, weights, found.flops.total, Charges(0.0, 0.0), None, plan.terms)
    found = replace(found, supervised_loss=family.directly().loss)
    return replace(plan, consultation=found, verdict=None, certainty=None, sharing=None)


def _consulted(
    plan: Plan | FamilyPlan, law: KnownLaw, consulting: Consulting, students: Sequence[tuple[float, float]]
) -> Consulted:
    teacher, share = plan.teacher, consulting.share
    assert teacher.loss is not None
    longest = max(D for _, D in students)
    asked = longest if consulting.source != ONLINE else plan.terms.copies * sum(D for _, D in students)
    price = 0.0
    if plan.pay_logits:
        assert teacher.N is not None
        price = plan.pay_logits * float(law.convention.forward(teacher.N))
    spent = replace(plan.flops, teacher_inference=price * share * asked)
    bounds = [_bound(law, N, D, teacher.loss, consulting) for N, D in students]
    return Consulted(
        consulting.share,
        consulting.source,
        spent,
        plan.flops.teacher_inference - spent.teacher_inference,
        consulting.bytes_per_token * share * longest,
        None,
        tuple(bounds),
        plan.supervised_loss if isinstance(plan, FamilyPlan) else plan.supervised.loss,
    )


def _directly(plan: Plan, law: KnownLaw, budget: float) -> float:
    """The loss of the student trained directly for so many FLOPs."""
    N = plan.supervised.N
    problems = Problems.of(law, N, budget, Charges(0.0, 0.0), terms=replace(plan.terms, teacher_grid=()))
    return float(problems.supervised_loss()[0])


def _bound(law: KnownLaw, N: float, D: float, L_T: float, consulting: Consulting) -> Bound:
    """From no loss at all, to none of the benefit.

    With none of it the tokens that the teacher is not asked for teach nothing, and its answers from a cache do no more
    than the text alone, which may even be better where the law would rather train this student directly.
    """
    distillation = law.require_distillation()
    ends = [float(distillation.loss(N, share * D, L_T)) for share in (1.0, consulting.share)]
    if consulting.source != ONLINE:
        ends.append(float(law.supervised.loss(N, D)))
    return Bound(N, D, min(ends), max(ends))


def spent(plan: Plan | FamilyPlan) -> Spend:
    """What is really spent, with the way the teacher is asked."""
    return plan.flops if plan.consultation is None else plan.consultation.flops
