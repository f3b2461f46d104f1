"""From a budget to the plan of a family: the joint optimum, the same students without a teacher, the verdict."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fitting.errors import Faults, Infeasible
from fitting.fit import Doubt
from fitting.flops import Spend, spend
from fitting.known import KnownLaw
from fitting.published import PUBLISHED
from fitting.units import count, flops
from planner.decision import check_question, level_of, parameters, price_of, relative_error
from planner.doubts import FLAT_LOSS_NATS, data_bound, on_edge, span
from planner.families.plans import FamilyPlan, Member
from planner.families.search import COARSE, Family, Optimum
from planner.near import NEAR_OPTIMAL_NATS
from planner.plans import NearOptimal, PlannedTeacher, Sharing, Student, Supervised, verdict_of
from planner.scenarios import NAMED_TEACHER, TEACHER_INFERENCE, Budget, Charges, Limits, Teacher
from planner.search import Floats
from planner.sharing import MOST, first
from planner.terms import Terms

_ROUNDS = 12
"""Windows around a basin where only the sign of a margin is asked for."""


def plan_family(
    law: KnownLaw,
    budget: Budget,
    *,
    students: Sequence[float],
    weights: Sequence[float] | None = None,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
    terms: Terms | None = None,
) -> FamilyPlan:
    """The teacher and the tokens of each student that minimise the weighted mean of their losses, out of one budget.

    Sizes are counted as the law counts N, each once; `weights` are 1 where they are not said. Without a `teacher` the
    one that serves the family best is looked for, within `limits`. Held against the same students trained directly
    with the whole budget, split among them as is best for that. The regret of joint draws is not searched.

    Raises as `planner.decision.plan`, and `InputError` with every fault of the sizes and weights.
    """
    N, shares = members_of(students, weights)
    terms, level = terms or Terms(), level_of(law, interval)
    check_question(law, budget.charges, float(N[0]), teacher, limits, terms)
    family = Family.of(law, N, shares, budget.flops, budget.charges, limits, terms)
    best = family.optimum() if teacher is None else family.beside(teacher.loss, price_of(law, teacher))
    if not math.isfinite(best.loss):
        raise Infeasible(_too_small(law, N, budget, terms))
    direct = family.directly()
    planned = (
        _teacher(budget.charges, limits, best)
        if teacher is None
        else PlannedTeacher(teacher.N, teacher.D, teacher.loss, given=True)
    )
    found = _outline(law, budget, terms, family, best, direct, planned)
    if level is not None:
        from planner.families.certainty import with_certainty

        found = with_certainty(law, found, level, by_law=teacher is not None and teacher.by_law)
    if teacher is None:
        around = family.near_optimal_loss(best, NEAR_OPTIMAL_NATS)
    else:
        around = family.ideal(best.D, NEAR_OPTIMAL_NATS)
    found = replace(found, near_optimal=NearOptimal(NEAR_OPTIMAL_NATS, around, None))
    if terms.reuse is not None and budget.pay_pretraining:
        found = replace(found, sharing=_sharing(law, found, N, shares, direct, limits))
    return replace(found, warnings=tuple(_doubts(law, found, family, teacher, limits)))


_ROUNDED = 0.011
"""What three shares of two digits may miss a sum of one by."""


def members_of(students: Sequence[float], weights: Sequence[float] | None) -> tuple[Floats, Floats]:
    """The sizes and weights of a family as arrays. Raises `InputError` with all that is wrong with them."""
    faults = Faults()
    N = [faults.collect(parameters, student) for student in students]
    known = [size for size in N if size is not None]
    if not len(students):
        faults.add("--student: a family has at least one student")
    twice = sorted({size for size in known if known.count(size) > 1})
    if twice:
        listed = ", ".join(count(size) for size in twice)
        faults.add(f"--student: each size may be named once, {listed} is there again; give it more --weights instead")
    shares = [1.0] * len(students) if weights is None else list(weights)
    if len(shares) != len(students):
        faults.add(f"--weights: {len(shares)} weights for {len(students)} students; give one for each, in their order")
    wrong = [share for share in shares if not (math.isfinite(share) and share >= 0)]
    if wrong:
        faults.add(f"--weights: must be numbers of 0 or more, not {', '.join(f'{share:g}' for share in wrong)}")
    elif not sum(shares) > 0:
        faults.add("--weights: at least one of them must be greater than zero")
    elif len(shares) > 1 and max(shares) < 1 and abs(sum(shares) - 1) > _ROUNDED:
        faults.add(
            f"--weights: {', '.join(f'{share:g}' for share in shares)} are all below one, as shares are, but their sum "
            f"is {sum(shares):g}; let them sum to 1, or write how much each counts as in 1,2,1"
        )
    faults.raise_if_any()
    return np.array(known), np.array(shares, dtype=float)


def _teacher(charges: Charges, limits: Limits | None, best: Optimum) -> PlannedTeacher:
    open_ended = charges.scenario == TEACHER_INFERENCE and (limits is None or limits.D is None)
    return PlannedTeacher(best.N_T, None if open_ended else best.D_T, best.L_T, given=False)


def _outline(
    law: KnownLaw,
    budget: Budget,
    terms: Terms,
    family: Family,
    best: Optimum,
    direct: Optimum,
    teacher: PlannedTeacher,
) -> FamilyPlan:
    members: list[Member] = []
    support: dict[str, float] = {}
    scale = 0.0
    for i, weight in enumerate(family.weights):
        N, D, D_alone = float(family.N[i]), float(best.D[i]), float(direct.D[i])
        loss, alone = float(best.losses[i]), float(direct.losses[i])
        members.append(Member(float(weight), Student(N, D, loss), Supervised(D_alone, alone, N=N), alone - loss))
        factors = law.support.factors(N_S=N, D_S=D, L_T=teacher.loss, N_T=teacher.N, D_T=teacher.D)
        # errors of one law for students of one teacher: taken to go the same way
        scale += float(weight) * relative_error(law, factors) * loss
        support.update({name: max(factor, support.get(name, 1.0)) for name, factor in factors.items()})
    margin = direct.loss - best.loss
    return FamilyPlan(
        scenario=NAMED_TEACHER if teacher.given else budget.charges.scenario,
        law=law.describe(),
        pay_logits=budget.pay_logits,
        pay_pretraining=budget.pay_pretraining,
        terms=terms,
        budget=budget.flops,
        members=tuple(members),
        teacher=teacher,
        flops=_spent(law, budget.charges, terms, members, teacher),
        supervised_flops=terms.copies
        * sum(
            float(law.convention.training(each.student.N, each.supervised.D))
            + float(law.convention.forward(each.student.N)) * terms.serve_tokens
            for each in members
        ),
        loss=best.loss,
        supervised_loss=direct.loss,
        verdict=verdict_of(margin, scale),
        margin=margin,
        margin_scale=scale,
        margin_basis="published-error",
        near_optimal=NearOptimal(NEAR_OPTIMAL_NATS, (best.L_T, best.L_T), None),
        support=support,
        warnings=(),
    )


def _spent(law: KnownLaw, charges: Charges, terms: Terms, members: list[Member], teacher: PlannedTeacher) -> Spend:
    """What every student takes, and the teacher once."""
    each = [
        spend(
            law.convention,
            member.student.N,
            member.student.D,
            teacher.N,
            teacher.D,
            pay_logits=charges.logits,
            pay_pretraining=charges.pretraining,
            serve_tokens=terms.serve_tokens,
            copies=terms.copies,
        )
        for member in members
    ]
    return Spend(
        sum(one.student_training for one in each),
        sum(one.teacher_inference for one in each),
        each[0].teacher_training,
        sum(one.serving for one in each),
    )


def _sharing(
    law: KnownLaw, found: FamilyPlan, N: Floats, weights: Floats, direct: Optimum, limits: Limits | None
) -> Sharing:
    """From how many copies of the whole family on, at the same budget for each, training the teacher pays."""
    per_copy, made = found.budget / found.terms.copies, {}
    charges = Charges(found.pay_logits, found.pay_pretraining)

    def margin(copies: int) -> tuple[float, float]:
        if copies not in made:
            terms = replace(found.terms, reuse=copies)
            family = Family.of(law, N, weights, per_copy * copies, charges, limits, terms)
            best = family.optimum(points=COARSE, rounds=_ROUNDS)
            if not math.isfinite(best.loss):
                return -math.inf, 0.0
            teacher = _teacher(charges, limits, best)
            again = _outline(law, Budget(per_copy * copies, charges.logits, charges.pretraining), terms, family, best,
                             direct, teacher)  # fmt: skip
            if found.certainty is not None:
                from planner.families.certainty import with_certainty

                again = with_certainty(law, again, found.certainty.level)
            made[copies] = again.margin, again.margin_scale
        return made[copies]

    def pays(copies: int) -> bool:
        return margin(copies)[0] > 0

    def clear(copies: int) -> bool:
        above, scale = margin(copies)
        return above > scale

    return Sharing(per_copy, first(pays), first(clear), MOST)


def _doubts(
    law: KnownLaw, found: FamilyPlan, family: Family, teacher: Teacher | None, limits: Limits | None
) -> list[Doubt]:
    doubts = []
    if found.outside:
        listed = ", ".join(f"{name} by {factor:.3g}x" for name, factor in found.outside.items())
        doubts.append(Doubt("support", f"outside the runs that law {law.id!r} was fitted to: {listed}"))
    edges = {f"D_S of {count(each.student.N)}": (each.student.D, law.box_D) for each in found.members}
    if teacher is None and found.teacher.N is not None:
        if not found.terms.teacher_grid:
            edges["N_T"] = found.teacher.N, family.shared.teacher_N
        if found.teacher.D is not None and not on_edge(found.teacher.D, (found.terms.most_tokens,) * 2):
            edges["D_T"] = found.teacher.D, family.shared.teacher_D
    hit = [f"{name} {span(ends)}" for name, (value, ends) in edges.items() if on_edge(value, ends)]
    if hit:
        doubts.append(Doubt("bound-hit", f"on the edge of the search: {', '.join(hit)}; the best plan lies beyond it"))
    doubts += data_bound(
        found.terms,
        max(each.student.D for each in found.members),
        found.teacher.D if found.pay_pretraining else None,
    )
    if found.unspent:
        doubts.append(
            Doubt("unspent", f"{found.unspent:.3g} FLOPs of the budget are left: no more tokens fit the search box")
        )
    low, high = found.near_optimal.L_T
    if teacher is None and high - low > FLAT_LOSS_NATS:
        doubts.append(
            Doubt(
                "flat-optimum", f"within {found.near_optimal.nats:g} nats of the optimum: L_T {low:.3f} to {high:.3f}"
            )
        )
    if teacher is not None and not low <= teacher.loss <= high:
        code, what = ("capacity-gap", "below") if teacher.loss < low else ("weak-teacher", "above")
        doubts.append(
            Doubt(
                code,
                f"the teacher's {teacher.loss:.3f} nats/token is {what} what serves this family best on the same "
                f"tokens, {low:.3f} to {high:.3f}",
            )
        )
    behind = [each for each in found.members if each.margin * found.margin < 0]
    if behind:
        listed = ", ".join(f"{count(each.student.N)} {each.margin:+.3f}" for each in behind)
        doubts.append(Doubt("divided-family", f"the weighted mean decides; against it go (nats/token): {listed}"))
    second = law.second_opinion
    if second is not None and any(each.student.D < second.below_D_S for each in found.members):
        other = plan_family(
            PUBLISHED[second.law_id],
            Budget(found.budget, found.pay_logits, found.pay_pretraining),
            students=[each.student.N for each in found.members],
            weights=[each.weight for each in found.members],
            teacher=teacher,
            limits=limits,
            terms=replace(found.terms, reuse=found.terms.copies if found.terms.copies > 1 else None),
        )
        doubts.append(
            Doubt(
                "second-opinion",
                f"a student gets fewer than {count(second.below_D_S)} tokens, and {second.why}; law {second.law_id!r} "
                f"says: {other.loss:.3f} nats/token in the mean, trained directly {other.supervised_loss:.3f} "
                f"({other.verdict})",
            )
        )
    return doubts


def _too_small(law: KnownLaw, N: Floats, budget: Budget, terms: Terms) -> str:
    serving = terms.copies * terms.serve_tokens * float(law.convention.forward(N).sum())
    also = f"; serving takes {flops(serving)} of it" if serving else ""
    copies = "" if terms.copies == 1 else f", {terms.copies} times each"
    return (
        f"a budget of {flops(budget.flops)} FLOPs cannot pay for a teacher and {count(law.box_D[0])} tokens of "
        f"each of the students {', '.join(count(size) for size in N)}{copies}, the fewest this law is searched "
        f"for{also}: raise --budget, or leave out the largest"
    )
