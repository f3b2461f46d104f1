"""The flags that the commands which plan have in common."""

from typing import Annotated

import typer

Student = Annotated[str, typer.Option("--student", help="Student size, non-embedding parameters: 300M, 1B, 7e9.")]
AnyStudent = Annotated[
    str,
    typer.Option(
        "--student",
        help="Student size, non-embedding parameters: 300M, 7e9; auto for the best; 300M,1B,3B share a teacher.",
    ),
]
ServeTokens = Annotated[
    str | None,
    typer.Option("--serve-tokens", help="Tokens that the student serves in its life, out of the same budget: 2T."),
]
Weights = Annotated[
    str | None,
    typer.Option("--weights", help="How much each of several students counts, all alike if not said: 1,2,1."),
]
Reuse = Annotated[
    str | None,
    typer.Option("--reuse", help="Students, or retrainings, that share the teacher and the budget: 5."),
]
MaxTokens = Annotated[
    str | None, typer.Option("--max-tokens", help="Unique tokens that there are; teacher and student share none: 300B.")
]
ShareTokens = Annotated[
    bool, typer.Option("--share-tokens", help="With --max-tokens: a teacher may see its students' tokens.")
]
TeacherGrid = Annotated[
    str | None, typer.Option("--teacher-grid", help="The only sizes of teachers that there are: 1B,3B,7B.")
]
RoundShapes = Annotated[bool, typer.Option("--round-shapes", help="Round the sizes to shapes that can be trained.")]
KdFraction = Annotated[
    str | None, typer.Option("--kd-fraction", help="Share of the tokens that the teacher is asked for: 0.3.")
]
KdEvery = Annotated[str | None, typer.Option("--kd-every", help="Or: it is asked at every so many-th step: 5.")]
LogitSource = Annotated[
    str | None, typer.Option("--logit-source", help="How it is asked: online, cached-top64 or sampled-12.")
]
FlopBudget = Annotated[str | None, typer.Option("--budget", help="Total FLOPs: 1e21.")]
Budgets = Annotated[
    str | None,
    typer.Option("--budget", help="Total FLOPs: 1e21, or a range 1e20:1e26[:points], two a decade by default."),
]
GpuHours = Annotated[str | None, typer.Option("--gpu-hours", help="In place of --budget, with --gpu and --mfu: 50000.")]
Gpu = Annotated[str | None, typer.Option("--gpu", help="Which GPU: a100, h100, h200, b200, l40s, mi300x or v100.")]
Mfu = Annotated[str | None, typer.Option("--mfu", help="Share of its peak that training achieves: 0.4.")]
Count = Annotated[str | None, typer.Option("--count", help="GPUs at work at once, for days: 64. With --gpu and --mfu.")]
Price = Annotated[
    str | None, typer.Option("--price", help="Of a GPU-hour, in any currency: 1.8. With --gpu and --mfu.")
]
TargetLoss = Annotated[
    str | None,
    typer.Option("--target-loss", help="In place of --budget: the student's nats/token to reach for the least FLOPs."),
]
PayLogits = Annotated[
    str,
    typer.Option("--pay-logits", help="Share of the teacher's forward passes that is paid, 0 to 1; 0 if cached."),
]
PayPretraining = Annotated[
    str, typer.Option("--pay-pretraining", help="Share of the teacher's training that is paid, 0 to 1.")
]
MaxTeacher = Annotated[str | None, typer.Option("--max-teacher", help="Largest teacher to consider: 70B.")]
MaxTeacherTokens = Annotated[
    str | None, typer.Option("--max-teacher-tokens", help="Most tokens a teacher may be trained on: 15T.")
]
LawOption = Annotated[str, typer.Option("--law", help="A published law's id (distillaw laws) or a fit's JSON file.")]
Total = Annotated[bool, typer.Option("--total", help="Sizes are given with embeddings.")]
Level = Annotated[
    str | None, typer.Option("--interval", help="Level of the intervals, from a fit with draws; .95 if not said.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 where the law is asked beyond its runs.")]
Plot = Annotated[str | None, typer.Option("--plot", metavar="FILE", help="Draw the answer: .png, .svg or .pdf.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
