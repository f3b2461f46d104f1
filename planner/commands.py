"""`distillaw plan`: reads a question from flags, asks the planner, prints the answer."""

import json
from typing import Annotated

import typer

from fitting import units
from fitting.errors import Faults
from fitting.known import KnownLaw
from fitting.library import load_law, parse_size
from fitting.published import DEFAULT_LAW
from planner.scenarios import Budget, Teacher

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="How to spend a training budget on a student, with a teacher that exists or one to be trained.",
)

Student = Annotated[str, typer.Option("--student", help="Student size, non-embedding parameters: 300M, 1B, 7e9.")]
FlopBudget = Annotated[str, typer.Option("--budget", help="Total FLOPs: 1e21.")]
PayLogits = Annotated[
    str,
    typer.Option("--pay-logits", help="Share of the teacher's forward passes that is paid: 1; 0 if cached or free."),
]
LawOption = Annotated[str, typer.Option("--law", help="A published law's id (distillaw laws) or a fit's JSON file.")]
Total = Annotated[bool, typer.Option("--total", help="Sizes are given with embeddings.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("teacher-exists")
def teacher_exists(
    student: Student,
    budget: FlopBudget,
    teacher: Annotated[str | None, typer.Option("--teacher", help="Size of the teacher at hand.")] = None,
    teacher_loss: Annotated[str | None, typer.Option("--teacher-loss", help="Its cross-entropy, nats/token.")] = None,
    teacher_tokens: Annotated[
        str | None,
        typer.Option("--teacher-tokens", help="Or its training tokens: the law then says its loss."),
    ] = None,
    pay_logits: PayLogits = "1",
    law: LawOption = DEFAULT_LAW,
    total: Total = False,
    as_json: Json = False,
) -> None:
    """Distil from a teacher that exists, or train directly? Which cross-entropy should the teacher have?

    \b
    Examples:
      distillaw plan teacher-exists --student 1B --budget 1e21 --teacher 7.75B --teacher-loss 2.0
      distillaw plan teacher-exists --student 1B --budget 1e21 --teacher 7.75B --teacher-tokens 155B
      distillaw plan teacher-exists --student 1B --budget 1e21
      distillaw plan teacher-exists --student 300M --budget 1e20 --pay-logits 0 --json
    """
    faults = Faults()
    known = faults.collect(load_law, law)
    N_S = faults.collect(parse_size, student, "--student", known, with_embeddings=total)
    flops = faults.collect(units.parse, budget, "--budget")
    share = faults.collect(units.parse_share, pay_logits, "--pay-logits")
    N_T = (
        faults.collect(parse_size, teacher, "--teacher", known, with_embeddings=total) if teacher is not None else None
    )
    L_T = faults.collect(units.parse_loss, teacher_loss, "--teacher-loss") if teacher_loss is not None else None
    D_T = faults.collect(units.parse, teacher_tokens, "--teacher-tokens") if teacher_tokens is not None else None
    if teacher_loss is not None and teacher_tokens is not None:
        faults.add("--teacher-tokens: the loss is given by --teacher-loss already; give one of the two")
    if teacher is not None and teacher_loss is None and teacher_tokens is None:
        faults.add("--teacher: say how good it is, with --teacher-loss or --teacher-tokens")
    if teacher is None and teacher_tokens is not None:
        faults.add("--teacher-tokens: say of which size, with --teacher")
    faults.raise_if_any()
    assert known is not None
    assert N_S is not None
    assert flops is not None
    assert share is not None
    named = None
    if L_T is None and N_T is not None and D_T is not None:
        L_T = float(known.supervised.loss(N_T, D_T))
    if L_T is not None:
        named = Teacher(L_T, N_T, D_T)
    _answer(known, law, Budget(flops, share), N_S, named, as_json)


@app.command("train-teacher")
def train_teacher(
    student: Student,
    budget: FlopBudget,
    pay_logits: PayLogits = "1",
    law: LawOption = DEFAULT_LAW,
    total: Total = False,
    as_json: Json = False,
) -> None:
    """Split a budget between training a teacher and distilling the student, or train the student directly?

    \b
    Examples:
      distillaw plan train-teacher --student 1B --budget 1e23
      distillaw plan train-teacher --student 1B --budget 1e23 --pay-logits 0
      distillaw plan train-teacher --student 100K --budget 1e13 --law law.json --json
    """
    faults = Faults()
    known = faults.collect(load_law, law)
    N_S = faults.collect(parse_size, student, "--student", known, with_embeddings=total)
    flops = faults.collect(units.parse, budget, "--budget")
    share = faults.collect(units.parse_share, pay_logits, "--pay-logits")
    faults.raise_if_any()
    assert known is not None
    assert N_S is not None
    assert flops is not None
    assert share is not None
    _answer(known, law, Budget(flops, share, pay_pretraining=1.0), N_S, None, as_json)


def _answer(known: KnownLaw, law: str, budget: Budget, N_S: float, teacher: Teacher | None, as_json: bool) -> None:
    from planner.decision import plan

    result = plan(known, budget, student=N_S, teacher=teacher)
    if as_json:
        typer.echo(json.dumps(result.to_json()))
        return
    from planner.render import show

    flags = f"--student {units.exact(N_S)} --budget {units.exact(budget.flops, units.flops)}"
    if law != DEFAULT_LAW:
        flags += f" --law {law}"
    other = "teacher-exists" if budget.pay_pretraining else "train-teacher"
    show(result, f"distillaw plan {other} {flags}")
