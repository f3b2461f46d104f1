"""How often, and by which way, a student asks its teacher: what that costs, and what is not known of its effect.

The laws know students that ask at every token and see the whole distribution. Another way changes the cost by what
the ledger says. What it does to the loss no law tells: where the fit has runs that asked so, what they lost is taken
over (`fitting.asking`), else it is bounded, not predicted. No plan is optimised for it.
"""

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fitting.errors import Faults
from fitting.findings import Effect
from fitting.flops import Spend
from fitting.known import KnownLaw
from planner.families.plans import FamilyPlan
from planner.families.search import Family
from planner.plans import Bound, Consulted, Plan, Verdict, verdict_of
from planner.problems import Problems
from planner.scenarios import Charges

ONLINE = "online"
_CACHES = {"cached-top": 2.55, "sampled-": 1.1}
"""Bytes on disk for each token that a cache keeps, compressed, measured for top-64 and 12 draws (LOG.md)."""

_SOURCE = re.compile(r"(cached-top|sampled-)([1-9]\d*)")


@dataclass(frozen=True)
class Consulting:
    """The teacher is asked for the share `share` of the tokens, through `source`; `every` so many steps if so said.

    Sources are "online", "cached-top64" and "sampled-12", the last two with any number. Raises `InputError` with
    every fault.
    """

    share: float = 1.0
    source: str = ONLINE
    every: int | None = None

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

    def measured(self, law: KnownLaw) -> tuple[Effect, ...]:
        """What runs of a fitted law that asked so lost: for as many of their tokens, and at the same steps if said."""
        effects: tuple[Effect, ...] = () if law.fitted is None else law.fitted.effects
        alike = [e for e in effects if e.source == self.source and math.isclose(e.share, self.share, rel_tol=1e-3)]
        return tuple(e for e in alike if self.every in (None, 1) or e.how == f"every {self.every} steps")

    @property
    def bytes_per_token(self) -> float:
        """What a cache keeps of a token, about; 0 online."""
        match = _SOURCE.fullmatch(self.source)
        return 0.0 if match is None else _CACHES[match[1]] * int(match[2])


def consulted(plan: Plan, law: KnownLaw, consulting: Consulting) -> Plan:
    """The plan, its students asking their teacher otherwise, on the tokens that it gives them.

    Its verdict goes, and all that says how sure it was: both are of students that ask for every token. Runs of the law
    that asked so give another.
    """
    if consulting.as_the_law:
        return plan
    found = _consulted(plan, law, consulting, [(plan.student.N, plan.student.D)])
    found = replace(found, supervised_loss=_directly(plan, law, found.flops.total))
    found, verdict = _judged(found, [plan.student.loss], [1.0], plan.margin_scale)
    return replace(plan, consultation=found, verdict=verdict, certainty=None, sensitivity=None, sharing=None)


def consulted_family(plan: FamilyPlan, law: KnownLaw, consulting: Consulting) -> FamilyPlan:
    """As `consulted`: one pass of a cache serves the whole family."""
    if consulting.as_the_law:
        return plan
    found = _consulted(plan, law, consulting, [(each.student.N, each.student.D) for each in plan.members])
    N, weights = (np.array(each) for each in zip(*((m.student.N, m.weight) for m in plan.members), strict=True))
    family = Family.of(law, N, weights, found.flops.total, Charges(0.0, 0.0), None, plan.terms)
    found = replace(found, supervised_loss=family.directly().loss)
    losses = [each.student.loss for each in plan.members]
    found, verdict = _judged(found, losses, [each.weight for each in plan.members], plan.margin_scale)
    return replace(plan, consultation=found, verdict=verdict, certainty=None, sharing=None)


def _judged(
    found: Consulted, losses: Sequence[float], weights: Sequence[float], scale: float
) -> tuple[Consulted, Verdict | None]:
    """What the measured effects make of students whose losses are these when they ask always, and the verdict.

    There is none without effects, or where one of them rests on a single pair, which says nothing of its error. Ways of
    asking that differ in their verdicts leave it too close to call.
    """
    effects = found.measured
    if not effects:
        return found, None
    always = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)
    effect = sum(e.pairs * e.log_ratio for e in effects) / sum(e.pairs for e in effects)
    expected = tuple(loss * math.exp(effect) for loss in losses)
    margin = found.supervised_loss - always * math.exp(effect)
    found = replace(found, effect=effect, expected=expected, margin=margin)
    if any(e.interval is None for e in effects):
        return found, None
    scales = [math.hypot(scale, always * (e.interval[1] - e.interval[0]) / 2) for e in effects if e.interval]
    verdicts = {
        verdict_of(found.supervised_loss - always * math.exp(e.log_ratio), each)
        for e, each in zip(effects, scales, strict=True)
    }
    return replace(found, margin_scale=max(scales)), verdicts.pop() if len(verdicts) == 1 else "too-close"


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
        consulting.measured(law),
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
