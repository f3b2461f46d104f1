"""A plan for a terminal: the answer in a sentence, the table, the doubts, the next command."""

from rich.table import Table

from fitting import terminal
from fitting.flops import Convention
from fitting.known import KnownLaw
from fitting.units import count, flops
from planner.decision import Plan
from planner.scenarios import BEST_CASE, NAMED_TEACHER, TEACHER_INFERENCE


def show(result: Plan, law: KnownLaw, next_command: str) -> None:
    """Print a plan: the result on stdout, its warnings on stderr."""
    out = terminal.console()
    out.print(answer(result))
    out.print(teacher_sentence(result))
    out.print()
    terminal.show_table(out, breakdown(result, law.convention))
    out.print()
    out.print(f"Student: {size(result.student.N, law.convention)}. Law: {law.id} ({law.source}).")
    terminal.show_doubts(result.warnings)
    out.print(f"Next: {next_command}")


def answer(result: Plan) -> str:
    """The verdict in one sentence."""
    alone, taught = result.supervised.loss, result.student.loss
    cost = flops(result.budget)
    if result.verdict == "distil":
        return (
            f"Distil: the {count(result.student.N)} student reaches {taught:.3f} nats/token on "
            f"{count(result.student.D)} tokens; trained directly with the same {cost} FLOPs it reaches {alone:.3f}."
        )
    if result.verdict == "supervise":
        return (
            f"Train directly: with {cost} FLOPs the {count(result.student.N)} student reaches {alone:.3f} nats/token "
            f"on {count(result.supervised.D)} tokens; distilled it reaches {taught:.3f}."
        )
    return (
        f"Too close to call: with {cost} FLOPs the {count(result.student.N)} student reaches {taught:.3f} nats/token "
        f"distilled and {alone:.3f} trained directly; the law cannot tell {abs(result.margin):.3f} nats from nothing "
        f"(its error here is about {result.margin_scale:.3f})."
    )


def teacher_sentence(result: Plan) -> str:
    """Which teacher, in one sentence."""
    teacher, near = result.teacher, result.near_optimal
    span = f"{near.L_T[0]:.3f} to {near.L_T[1]:.3f}"
    if result.scenario == NAMED_TEACHER:
        who = "The teacher" if teacher.N is None else f"The {count(teacher.N)} teacher"
        return f"{who} has {teacher.loss:.3f} nats/token; on these tokens this student is best served by {span}."
    look = f"{teacher.loss:.3f} nats/token ({span} costs at most {near.nats:g} nats)"
    assert teacher.N is not None  # every scenario without a named teacher chooses a size
    if result.scenario == BEST_CASE:
        assert teacher.D is not None
        return (
            f"Look for a teacher at {look}; the cheapest such one, F(N) D, has {count(teacher.N)} parameters and "
            f"{count(teacher.D)} tokens."
        )
    if result.scenario == TEACHER_INFERENCE:
        return (
            f"Look for a teacher at {look}. Its training is free here, so the smallest is best: {count(teacher.N)} "
            "parameters with unbounded tokens."
        )
    assert teacher.D is not None
    return f"Train a {count(teacher.N)} teacher on {count(teacher.D)} tokens, to {look}."


def breakdown(result: Plan, convention: Convention) -> Table:
    """Parameters, tokens, cross-entropy and FLOPs of the student, the teacher and supervised training."""
    grid = terminal.table("", "parameters", "tokens", "D/N", "nats/token", "FLOPs", "share")
    student, teacher, spent = result.student, result.teacher, result.flops

    def row(name: str, N: float | None, D: float | None, loss: float, cost: float | None) -> None:
        ratio = "" if N is None or D is None else f"{D / N:.3g}"
        grid.add_row(
            name,
            "any" if N is None else count(N),
            "" if D is None else count(D),
            ratio,
            f"{loss:.3f}",
            "" if cost is None else flops(cost),
            "" if cost is None else f"{100 * cost / result.budget:.0f}%",
        )

    row("student, distilled", student.N, student.D, student.loss, spent.student_training)
    row(
        "teacher",
        teacher.N,
        teacher.D,
        teacher.loss,
        spent.teacher_training if result.pay_pretraining else None,
    )
    if result.pay_logits:
        grid.add_row("teacher's forwards", "", count(student.D), "", "", flops(spent.teacher_inference),
                     f"{100 * spent.teacher_inference / result.budget:.0f}%")  # fmt: skip
    row("student, supervised", student.N, result.supervised.D, result.supervised.loss,
        float(convention.training(student.N, result.supervised.D)))  # fmt: skip
    return grid


def size(N: float, convention: Convention) -> str:
    """ "1B non-embedding (1.07B with embeddings)", as far as the convention knows."""
    if convention.parameters == "total":
        return f"{count(N)} with embeddings"
    embedding = convention.embedding(N)
    beside = "" if embedding is None else f" ({count(N + embedding)} with embeddings)"
    return f"{count(N)} non-embedding{beside}"
