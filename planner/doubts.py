"""What a reader of a plan should know: extrapolation, edges of the search, flat optima, unsuitable teachers."""

from collections.abc import Callable

from fitting.fit import Doubt
from fitting.known import ON_THE_EDGE, KnownLaw, Range
from fitting.units import count
from planner.plans import NearOptimal, Plan
from planner.scenarios import BEST_CASE, NAMED_TEACHER, SUPERVISED, TEACHER_INFERENCE
from planner.terms import Terms

FLAT_SIZE_RATIO = 4.0
FLAT_LOSS_NATS = 0.1
"""An optimum is called flat when near-optimal teachers differ by more than these in N_T or L_T. Our choice."""

_AT_BOUND = 1e-6
"""Relative distance to the edge of the box below which a quantity counts as sitting on it."""


def doubts(law: KnownLaw, plan: Plan, bounds: dict[str, Range], opinion: Callable[[], Plan] | None) -> list[Doubt]:
    """Every doubt about a plan; `bounds` are the ends of the search by quantity, `opinion` makes another law's plan."""
    found: list[Doubt] = []
    if plan.outside:
        listed = ", ".join(f"{name} by {factor:.3g}x" for name, factor in plan.outside.items())
        found.append(Doubt("support", f"outside the runs that law {law.id!r} was fitted to: {listed}"))
    if plan.student.chosen:
        found += _chosen_size(law, plan)
    found += _edges(law, plan, bounds)
    found += data_bound(plan.terms, plan.student.D, plan.teacher.D if plan.pay_pretraining else None)
    if plan.unspent:
        found.append(
            Doubt("unspent", f"{plan.unspent:.3g} FLOPs of the budget are left: no more tokens fit the search box")
        )
    if plan.near_optimal is not None:
        found += _teacher(law, plan, plan.near_optimal) if plan.teacher.given else _flatness(plan.near_optimal)
    if plan.runner_up is not None:
        other = plan.runner_up
        tokens = "" if other.teacher_D is None else f" on {count(other.teacher_D)} tokens"
        found.append(
            Doubt(
                "runner-up",
                f"another optimum is {other.student_loss - plan.student.loss:.4f} nats worse: a "
                f"{count(other.teacher_N)} teacher{tokens} at {other.teacher_loss:.3f} nats/token",
            )
        )
    second = law.second_opinion
    if second is not None and opinion is not None and plan.student.D < second.below_D_S:
        found.append(
            Doubt(
                "second-opinion",
                f"the student gets fewer than {count(second.below_D_S)} tokens, and {second.why}; law "
                f"{second.law_id!r} says: {_brief(opinion())}",
            )
        )
    return found


def _edges(law: KnownLaw, plan: Plan, bounds: dict[str, Range]) -> list[Doubt]:
    values = {"D_S": plan.student.D, "N_T": plan.teacher.N, "D_T": plan.teacher.D}
    if plan.teacher.given or plan.scenario == SUPERVISED:
        values = {"D_S": plan.student.D}
    if plan.scenario == TEACHER_INFERENCE:
        del values["D_T"]  # free, so always as many as there may be
    D_T = values.get("D_T")
    if D_T is not None and on_edge(D_T, (plan.terms.most_tokens,) * 2):
        values.pop("D_T", None)  # a bound of the data, not of the search
    if plan.student.chosen:
        values = {"N_S": plan.student.N, **values}
    hit = [
        name for name, value in values.items() if value is not None and name in bounds and on_edge(value, bounds[name])
    ]
    if not hit:
        return []
    return [
        Doubt(
            "bound-hit",
            f"{', '.join(hit)} sits on the edge of the search ({', '.join(f'{n} {span(bounds[n])}' for n in hit)}): "
            "the best plan lies beyond it",
        )
    ]


def _chosen_size(law: KnownLaw, plan: Plan) -> list[Doubt]:
    """A size that the law never saw was chosen, with or without a teacher: the choice itself is an extrapolation."""
    within = law.support.N_S
    if within is None:
        return []
    found = []
    for who, N in (("distilled", plan.student.N), ("trained directly", plan.supervised.N)):
        if law.support.factor(N, within) > ON_THE_EDGE:
            found.append(f"{count(N)} {who}")
    if not found:
        return []
    return [
        Doubt(
            "student-size",
            f"the size that was chosen, {' and '.join(found)}, is none that law {law.id!r} has seen, {span(within)}: "
            "name the sizes that you would train with --student instead",
        )
    ]


def data_bound(terms: Terms, D_S: float, D_T: float | None) -> list[Doubt]:
    """All the unique tokens there are, where the plan takes them: more data would serve it better."""
    if terms.max_tokens is None:
        return []
    taken = max(D_S, D_T or 0.0) if terms.share_tokens else D_S + (D_T or 0.0)
    if taken < terms.max_tokens * (1 - _AT_BOUND):
        return []
    told = f"the student {count(D_S)}"
    if D_T is not None:
        told = f"{told}, the teacher {count(D_T)}"
    return [
        Doubt(
            "data-bound",
            f"the plan takes all {count(terms.max_tokens)} unique tokens ({told}); what repeating them would do is not "
            "in the law",
        )
    ]


def _flatness(near: NearOptimal) -> list[Doubt]:
    wide = []
    if near.L_T[1] - near.L_T[0] > FLAT_LOSS_NATS:
        wide.append(f"L_T from {near.L_T[0]:.3f} to {near.L_T[1]:.3f}")
    if near.N_S is not None and near.N_S[1] / near.N_S[0] > FLAT_SIZE_RATIO:
        wide.append(f"N_S from {count(near.N_S[0])} to {count(near.N_S[1])}")
    if near.N_T is not None and near.N_T[1] / near.N_T[0] > FLAT_SIZE_RATIO:
        wide.append(f"N_T from {count(near.N_T[0])} to {count(near.N_T[1])}")
    if not wide:
        return []
    return [Doubt("flat-optimum", f"within {near.nats:g} nats of the optimum: {' and '.join(wide)}")]


def _teacher(law: KnownLaw, plan: Plan, near: NearOptimal) -> list[Doubt]:
    found = []
    teacher, (low, high) = plan.teacher, near.L_T
    assert teacher.loss is not None
    if teacher.loss < low:
        found.append(
            Doubt(
                "capacity-gap",
                f"the teacher's {teacher.loss:.3f} nats/token is below what this student can use: teachers from "
                f"{low:.3f} to {high:.3f} would serve it better on the same tokens",
            )
        )
    elif teacher.loss > high:
        measured = law.support.L_T
        beyond = (
            f", says the law, though no teacher below {measured[0]:.3f} was among its runs"
            if measured is not None and high < measured[0]
            else ""
        )
        found.append(
            Doubt(
                "weak-teacher",
                f"a stronger teacher, {low:.3f} to {high:.3f} nats/token, would serve this student better on the "
                f"same tokens{beyond}",
            )
        )
    if teacher.N is not None and teacher.loss <= (limit := float(law.supervised.limit(teacher.N))):
        found.append(
            Doubt(
                "teacher-unreachable",
                f"by law {law.id!r} a {count(teacher.N)} model stays above {limit:.3f} nats/token however long it "
                "trains; check that the teacher's loss was measured on the law's data and tokenizer",
            )
        )
    return found


def _brief(other: Plan) -> str:
    words = f"student {other.student.loss:.3f} nats/token on {count(other.student.D)} tokens"
    words += f", supervised {other.supervised.loss:.3f}, teacher at {other.teacher.loss:.3f}"
    if other.teacher.N is not None and other.scenario not in (BEST_CASE, NAMED_TEACHER):
        words += f" with {count(other.teacher.N)} parameters"
        if other.teacher.D is not None:
            words += f" on {count(other.teacher.D)} tokens"
    return f"{words} ({other.verdict})"


def on_edge(value: float, ends: Range) -> bool:
    return any(abs(value / end - 1) < _AT_BOUND for end in ends)


def span(ends: Range) -> str:
    return f"{count(ends[0])} to {count(ends[1])}"
