"""From a budget to a plan: the optimum, supervised training beside it, the verdict and every doubt about it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fitting.errors import Faults, Infeasible, InputError
from fitting.flops import Spend, spend
from fitting.known import KnownLaw
from fitting.published import PUBLISHED
from fitting.units import count, flops
from planner import sizes
from planner.allocation import Allocations, given, optimum
from planner.doubts import doubts
from planner.near import near_optimal
from planner.plans import Plan, PlannedTeacher, RunnerUp, Student, Supervised, verdict_of
from planner.problems import ROUNDING, Problems
from planner.scenarios import NAMED_TEACHER, SUPERVISED, TEACHER_INFERENCE, Budget, Charges, Limits, Teacher
from planner.terms import AUTO, Terms

RUNNER_UP_NATS = 0.005
"""Another local optimum is worth showing when it is no worse than this."""

LEVEL = 0.95
"""Of intervals, where the law has joint draws and the caller does not say."""


def plan(
    law: KnownLaw,
    budget: Budget,
    *,
    student: float | str,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
    terms: Terms | None = None,
) -> Plan:
    """The best use of `budget` for a student of `student` parameters (counted as the law counts N), or of the best
    number of them with `AUTO`, for the student trained directly likewise. `terms` are what else is to be paid.

    With a `teacher`, that teacher; without, the one the scenario would choose (Eq 10, 28 of arXiv 2502.08606), within
    `limits`. The optimum is global within the law's search box. Intervals are at level 0.95 where the law has joint
    draws; naming the level in `interval` demands them.

    Raises `Infeasible` when the budget buys too little, and `InputError` for a law without distillation, a teacher
    below the law's floor, a size that is no positive number, and an interval of a law without draws.
    """
    (found,) = plans(
        law,
        [budget.flops],
        budget.charges,
        student=student,
        teacher=teacher,
        limits=limits,
        interval=interval,
        terms=terms,
    )
    if isinstance(found, Infeasible):
        raise found
    from planner.sensitivity import sensitivity

    found = replace(found, sensitivity=sensitivity(law, found, limits, teacher))
    if found.terms.reuse is None or not found.pay_pretraining:
        return found
    from planner.sharing import sharing

    return replace(found, sharing=sharing(law, found, limits))


def plans(
    law: KnownLaw,
    budgets: Sequence[float],
    charges: Charges,
    *,
    student: float | str,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
    terms: Terms | None = None,
    regret: bool = True,
) -> list[Plan | Infeasible]:
    """A plan for each of several budgets (FLOPs), all in one search; in a budget's place what speaks against it.

    As `plan`, without the sensitivity; without `regret`, also without the search of every draw's own plan.
    """
    found, problems, best = drafts(
        law,
        budgets,
        charges,
        student=student,
        teacher=teacher,
        limits=limits,
        interval=interval,
        terms=terms,
        regret=regret,
    )
    feasible = np.array([i for i, draft in enumerate(found) if isinstance(draft, Plan)], dtype=np.intp)
    problems, best = problems.take(feasible), best.take(feasible)
    near = near_optimal(problems, best, teacher, law.box_N if student == AUTO else None)
    terms = terms or Terms()
    bounds = {"N_S": law.box_N, "D_S": law.box_D, "N_T": problems.teacher_N, "D_T": problems.teacher_D}
    if terms.teacher_grid:
        del bounds["N_T"]
    for i, around in zip(feasible, near, strict=True):
        draft = found[i]
        assert isinstance(draft, Plan)
        planned = replace(draft, near_optimal=around)
        opinion = _opinion(law, planned, teacher, limits)
        found[i] = replace(planned, warnings=tuple(doubts(law, planned, bounds, opinion)))
    return found


def drafts(
    law: KnownLaw,
    budgets: Sequence[float],
    charges: Charges,
    *,
    student: float | str,
    teacher: Teacher | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
    terms: Terms | None = None,
    regret: bool = False,
) -> tuple[list[Plan | Infeasible], Problems, Allocations]:
    """The plans of `plans` without what surrounds them, near-optimal teachers and doubts; and where they were found."""
    terms = terms or Terms()
    check_question(law, charges, student, teacher, limits, terms)
    every = [Budget(C).flops for C in budgets]
    level = level_of(law, interval)
    auto = isinstance(student, str) and student == AUTO
    asked = Problems.of(law, 1.0 if auto else float(student), np.asarray(every), charges, limits, terms=terms)
    problems, alone = sized(law, asked, teacher) if auto else (asked, asked)
    D_alone, L_alone = alone.supervised_tokens(), alone.supervised_loss()
    if teacher is None:
        best, other = optimum(problems)
        beside = "the cheapest teacher and "
    else:
        best, other = given(problems, teacher.loss, teacher.N, teacher.D), None
        beside = "the teacher's forward passes on "
    found: list[Plan | Infeasible] = []
    for i, C in enumerate(every):
        if not np.isfinite(best.loss[i]):
            found.append(Infeasible(_too_small(law, float(problems.N_S[i, 0]), C, beside, terms)))
            continue
        if other is None:
            assert teacher is not None
            chosen, second = PlannedTeacher(teacher.N, teacher.D, teacher.loss, given=True), None
        else:
            chosen, second = _chosen(charges, limits, best, i), _runner_up(charges, limits, best, other, i)
        learner = Student(float(problems.N_S[i, 0]), float(best.D_S[i]), float(best.loss[i]), chosen=auto)
        direct = Supervised(float(D_alone[i]), float(L_alone[i]), N=float(alone.N_S[i, 0]))
        draft = replace(outline(law, C, charges, terms, learner, chosen, direct), runner_up=second)
        if level is not None:
            from planner.certainty import with_certainty

            by_law = teacher is not None and teacher.by_law
            draft = with_certainty(law, draft, limits, level, regret=regret, by_law=by_law)
        found.append(draft)
    return found, problems, best


def supervised_plan(law: KnownLaw, budget: float, *, student: float, interval: float | None = None) -> Plan:
    """Training the student directly with the whole budget, as a plan of the scenario "supervised"."""
    check_question(law, Charges(0.0, 0.0), student, None, None)
    student, budget = float(student), Budget(budget).flops
    level = level_of(law, interval)
    D = _tokens_alone(law, student, budget)
    if D < law.box_D[0] * (1 - ROUNDING):
        raise Infeasible(_too_small(law, student, budget, ""))
    loss = float(law.supervised.loss(student, D))
    found = Plan(
        scenario=SUPERVISED,
        law=law.describe(),
        pay_logits=0.0,
        pay_pretraining=0.0,
        budget=budget,
        student=Student(student, D, loss),
        teacher=PlannedTeacher(None, None, None, given=False),
        flops=Spend(float(law.convention.training(student, D)), 0.0, 0.0),
        supervised=Supervised(D, loss, N=student),
        verdict="supervise",
        margin=0.0,
        margin_scale=0.0,
        margin_basis="published-error" if level is None else "interval",
        near_optimal=None,
        runner_up=None,
        support=law.support.factors(N_S=student, D_S=D),
        warnings=(),
    )
    if level is not None:
        from planner.certainty import alone

        ends = alone(law, student, D, level)
        found = replace(found, student=Student(student, D, loss, ends), supervised=Supervised(D, loss, ends, N=student))
    return replace(found, warnings=tuple(doubts(law, found, {"D_S": law.box_D}, None)))


def level_of(law: KnownLaw, interval: float | None) -> float | None:
    """The level of a law's intervals, None where it has no joint draws. Raises `InputError` where they are demanded."""
    if interval is not None:
        from fitting.intervals import HIGHEST_LEVEL

        level = _number(interval)
        if not 0 < level <= HIGHEST_LEVEL:
            raise InputError(f"--interval: a level lies between 0 and {HIGHEST_LEVEL}, not {interval!r}")
    if law.fitted is not None and law.fitted.draws is not None:
        return LEVEL if interval is None else interval
    if interval is not None:
        remedy = (
            "published laws come without them"
            if law.published
            else "fit it with them: distillaw fit RUNS --bootstrap 1000 --out law.json"
        )
        raise InputError(f"--interval: law {law.id!r} has no joint draws to take intervals from; {remedy}")
    return None


def sized(
    law: KnownLaw, asked: Problems, teacher: Teacher | None, *, points: tuple[int, int] = sizes.POINTS
) -> tuple[Problems, Problems]:
    """The problems with the size of student that each budget serves best: distilled, and trained directly."""
    direct = asked.of_size(sizes.alone(asked, law.box_N)[:, None])
    if teacher is None:
        return asked.of_size(sizes.distilled(asked, law.box_N, points=points)[:, None]), direct
    return asked.of_size(sizes.beside(asked, law.box_N, teacher.loss, price_of(law, teacher))[:, None]), direct


def price_of(law: KnownLaw, teacher: Teacher) -> float:
    """FLOPs of a teacher's forward pass per token; 0 where its size is not known, so not paid for."""
    return 0.0 if teacher.N is None else float(law.convention.forward(teacher.N))


def outline(
    law: KnownLaw,
    budget: float,
    charges: Charges,
    terms: Terms,
    student: Student,
    teacher: PlannedTeacher,
    supervised: Supervised,
) -> Plan:
    """A plan by the law alone: its costs, what it is held against, how far it reaches. Draws and doubts come after."""
    assert teacher.loss is not None
    N_S, D_S, loss = student.N, student.D, student.loss
    margin = supervised.loss - loss
    support = law.support.factors(N_S=N_S, D_S=D_S, L_T=teacher.loss, N_T=teacher.N, D_T=teacher.D)
    scale = relative_error(law, support) * loss
    return Plan(
        scenario=NAMED_TEACHER if teacher.given else charges.scenario,
        law=law.describe(),
        pay_logits=charges.logits,
        pay_pretraining=charges.pretraining,
        budget=budget,
        student=student,
        teacher=teacher,
        flops=spend(
            law.convention,
            N_S,
            D_S,
            teacher.N,
            teacher.D,
            pay_logits=charges.logits,
            pay_pretraining=charges.pretraining,
            serve_tokens=terms.serve_tokens,
            copies=terms.copies,
        ),
        supervised=supervised,
        verdict=verdict_of(margin, scale),
        margin=margin,
        margin_scale=scale,
        margin_basis="published-error",
        near_optimal=None,
        runner_up=None,
        support=support,
        warnings=(),
        terms=terms,
    )


def _chosen(charges: Charges, limits: Limits | None, best: Allocations, i: int) -> PlannedTeacher:
    return PlannedTeacher(
        float(best.N_T[i]), _tokens_of(charges, limits, float(best.D_T[i])), float(best.L_T[i]), given=False
    )


def _tokens_of(charges: Charges, limits: Limits | None, D_T: float) -> float | None:
    """Where its training is free the teacher has all the tokens that there may be: open, unless the caller says."""
    unbounded = limits is None or limits.D is None
    return None if charges.scenario == TEACHER_INFERENCE and unbounded else D_T


def _runner_up(
    charges: Charges, limits: Limits | None, best: Allocations, other: Allocations, i: int
) -> RunnerUp | None:
    if not other.loss[i] - best.loss[i] <= RUNNER_UP_NATS:
        return None
    return RunnerUp(
        float(other.D_S[i]),
        float(other.loss[i]),
        float(other.N_T[i]),
        _tokens_of(charges, limits, float(other.D_T[i])),
        float(other.L_T[i]),
    )


def _opinion(law: KnownLaw, planned: Plan, teacher: Teacher | None, limits: Limits | None) -> Callable[[], Plan]:
    def ask() -> Plan:
        assert law.second_opinion is not None
        (found,) = plans(
            PUBLISHED[law.second_opinion.law_id],
            [planned.budget],
            Charges(planned.pay_logits, planned.pay_pretraining),
            student=AUTO if planned.student.chosen else planned.student.N,
            teacher=teacher,
            limits=limits,
            terms=planned.terms,
        )
        assert isinstance(found, Plan)  # the same box and prices: what one law can pay for, the other can
        return found

    return ask


def _tokens_alone(law: KnownLaw, N_S: float, budget: float) -> float:
    return min(budget / float(law.convention.training(N_S, 1.0)), law.box_D[1])


def relative_error(law: KnownLaw, support: dict[str, float]) -> float:
    """The relative error that a verdict is held against, for a law without joint draws.

    For a published law the error it was published with, which its authors checked beyond their runs. A fitted law
    has no such check, so its residual error grows with the distance from its runs (our rule): L_S follows L_T one
    for one, so an L_T beyond the teachers measured may be wrong by as much as it lies beyond; every doubling of a
    size or a number of tokens adds one more residual error.
    """
    if law.published:
        return law.relative_error
    doublings = sum(math.log2(factor) for name, factor in support.items() if name != "L_T")
    return law.relative_error * (1 + doublings) + support.get("L_T", 1.0) - 1


def check_question(
    law: KnownLaw,
    charges: Charges,
    student: float | str,
    teacher: Teacher | None,
    limits: Limits | None,
    terms: Terms | None = None,
) -> None:
    faults = Faults()
    if terms is not None and terms.teacher_grid and (teacher is not None or (limits is not None and limits.N)):
        faults.add("teacher_grid: names the teachers that exist; a teacher or the largest one contradicts it")
    if student != AUTO:
        faults.collect(parameters, student)
    if teacher is not None:
        if charges.pretraining:
            faults.add("a teacher that exists is not trained again: pay_pretraining must be 0 for a named teacher")
        if teacher.N is None and charges.logits:
            faults.add("--teacher: its forward passes are paid for, so its size must be named; or --pay-logits 0")
        if limits is not None:
            faults.add("--max-teacher, --max-teacher-tokens: are for an ideal teacher; this one is named")
        if teacher.loss <= law.supervised.E:
            faults.add(f"--teacher-loss: {below_floor(law, teacher.loss)}")
    faults.raise_if_any()


def parameters(student: Any) -> float:
    """A student's size as a float. Raises `InputError` for what is no number of parameters, of 1 or more."""
    N = _number(student)
    if not (math.isfinite(N) and N >= 1):
        raise InputError(f"student: must be a number of parameters, at least 1, not {student!r}")
    return N


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def below_floor(law: KnownLaw, loss: float) -> str:
    """Why a teacher of this cross-entropy cannot be, and what to do about it."""
    return (
        f"{loss:g} nats/token is at or below {law.supervised.E:g}, the floor E of law {law.id!r}: no model reaches it "
        "there. Check that the loss is in nats per token, on the law's data and tokenizer"
    )


def _too_small(law: KnownLaw, N_S: float, budget: float, beside: str, terms: Terms | None = None) -> str:
    step = float(law.convention.training(N_S, 1.0))
    served, copies = (0.0, 1) if terms is None else (terms.serve_tokens, terms.copies)
    serving = float(law.convention.forward(N_S)) * served
    budget = budget / copies
    some = "" if budget >= step + serving else ", nor for a single one of them"
    also, each = "", "" if copies == 1 else f" for each of {copies} students"
    if served:
        also = f"; serving {count(served)} tokens takes {flops(serving)} FLOPs of it"
    return (
        f"a budget of {flops(budget)} FLOPs{each} cannot pay for {beside}{count(law.box_D[0])} tokens "
        f"of a {count(N_S)} student, the fewest this law is searched for{some}; one student token costs "
        f"{flops(step)} FLOPs{also}: raise --budget or choose a smaller --student"
    )
