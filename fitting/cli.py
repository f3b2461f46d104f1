"""The commands `distillaw predict` and `laws`: flags in, one answer out; mounted by name."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from fitting import units
from fitting.errors import Faults
from fitting.options import DEFAULT_LAW, ConventionOption, Json, Map, check_out, read_runs

if TYPE_CHECKING:
    from fitting.known import KnownLaw


def predict(
    runs: Annotated[
        str | None, typer.Argument(metavar="[RUNS]", help="A table of runs to predict, instead of one student.")
    ] = None,
    student: Annotated[str | None, typer.Option("--student", help="Student size, parameters: 300M, 1B, 7e9.")] = None,
    tokens: Annotated[str | None, typer.Option("--tokens", help="Its training tokens: 100B.")] = None,
    teacher_loss: Annotated[
        str | None,
        typer.Option("--teacher-loss", help="The teacher's cross-entropy, nats/token; without it, no teacher."),
    ] = None,
    law: Annotated[
        str, typer.Option("--law", help="A published law's id (distillaw laws) or a fit's JSON file.")
    ] = DEFAULT_LAW,
    total: Annotated[bool, typer.Option("--total", help="The size is given with embeddings.")] = False,
    mapping: Map = None,
    convention: ConventionOption = None,
    out: Annotated[
        str | None, typer.Option("--out", help="For RUNS: write them here with a column `predicted`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict a student's cross-entropy from a law, or that of every run in a table.

    \b
    Examples:
      distillaw predict --student 1B --tokens 100B --teacher-loss 2.2
      distillaw predict --student 1B --tokens 100B --json
      distillaw predict --student 100K --tokens 2M --teacher-loss 2.5 --law law.json
      distillaw predict runs.csv --law law.json --out predicted.csv
    """
    from fitting.library import load_law, parse_size

    faults = Faults()
    known = faults.collect(load_law, law)
    single = {"--student": student, "--tokens": tokens, "--teacher-loss": teacher_loss}
    if runs is not None:
        faults.extend([f"{name}: is for one student; a table ({runs}) has its own" for name, v in single.items() if v])
        if total:
            faults.add("--total: a table says by its convention how it counts; see --convention")
        _predict_table(runs, known, mapping, convention, out, as_json, faults)
        return
    for name, value in (("--out", out), ("--map", mapping), ("--convention", convention)):
        if value:
            faults.add(f"{name}: is for a table of runs; name the table")
    for name in ("--student", "--tokens"):
        if single[name] is None:
            faults.add(f"{name}: is missing; give --student and --tokens, or a table of runs")
    N = faults.collect(parse_size, student, "--student", known, with_embeddings=total) if student is not None else None
    D = faults.collect(units.parse, tokens, "--tokens") if tokens is not None else None
    L_T = faults.collect(units.parse_loss, teacher_loss, "--teacher-loss") if teacher_loss is not None else None
    faults.raise_if_any()
    assert known is not None
    assert N is not None
    assert D is not None

    from fitting import predict as prediction

    found = prediction.student(known, N, D, L_T)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), allow_nan=False))
        return
    from fitting.report import show_prediction

    show_prediction(found, known, N, D, L_T, law)


def laws(as_json: Json = False) -> None:
    """List the published laws: coefficients, where they come from, and how far they reach.

    \b
    Examples:
      distillaw laws
      distillaw laws --json
    """
    from fitting import report
    from fitting.published import PUBLISHED

    if as_json:
        found = [report.describe_law(law) for law in PUBLISHED.values()]
        typer.echo(json.dumps({"schema": "distillaw/laws/1", "laws": found}, allow_nan=False))
        return
    report.show_laws(PUBLISHED.values())


def _predict_table(
    runs: str,
    law: "KnownLaw | None",
    mapping: list[str] | None,
    convention: str | None,
    out: str | None,
    as_json: bool,
    faults: Faults,
) -> None:
    if out is None:
        faults.add("--out: is missing; say where the table with its predictions goes: --out predicted.csv")
    faults.collect(check_out, out)
    table = read_runs(runs, mapping, convention, faults, planned=True)
    faults.raise_if_any()
    assert law is not None
    assert out is not None

    from fitting import predict as prediction
    from fitting import report

    found = prediction.table(law, table)
    found.write(out)
    if as_json:
        typer.echo(json.dumps(report.describe_predictions(found, law, out), allow_nan=False))
        return
    report.show_predictions(found, law, out)
