"""The commands `distillaw fit`, `predict` and `laws`: flags in, one answer out; mounted by name."""

import json
from typing import Annotated

import typer

from fitting import units
from fitting.errors import Faults
from fitting.known import KnownLaw
from fitting.library import load_law, load_supervised, parse_size
from fitting.options import ConventionOption, Json, Map, Runs, check_out, read_runs
from fitting.published import DEFAULT_LAW, PUBLISHED


def fit(
    runs: Runs,
    form: Annotated[
        str | None,
        typer.Option(help="supervised or distillation; by default distillation if the table has distilled runs."),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            "--fix",
            metavar="NAME=VALUE",
            help="Hold a coefficient. For a distillation, gamma holds in both laws and supervised.NAME in the "
            "supervised law underneath. Repeatable.",
        ),
    ] = None,
    huber_delta: Annotated[
        str, typer.Option("--huber-delta", help="Where the loss of a log residual turns from square to linear.")
    ] = "1e-3",
    supervised: Annotated[
        str | None,
        typer.Option(
            "--supervised", metavar="LAW", help="A known supervised law (id or file) instead of a fitted one."
        ),
    ] = None,
    mapping: Map = None,
    convention: ConventionOption = None,
    out: Annotated[str | None, typer.Option("--out", help="Write the fit as JSON, to use as --law.")] = None,
    as_json: Json = False,
) -> None:
    """Fit the supervised law to runs, and the distillation law on top of it.

    The supervised law is L(N, D) = E + (A/N^alpha + B/D^beta)^gamma; the distillation law adds the teacher's
    cross-entropy (Eq 1 and 8 of arXiv 2502.08606). Only finished runs count.

    \b
    Examples:
      distillaw fit runs.csv --out law.json
      distillaw fit runs.csv --fix gamma=1 --out law.json
      distillaw fit runs.csv --form supervised --json
      distillaw fit students.csv --supervised busbridge2025 --out law.json
      distillaw fit theirs.csv --map N=params --map D=tokens --map loss=val_loss --convention 6ND
    """
    from fitting import evidence

    faults = Faults()
    if form not in (None, "supervised", "distillation"):
        faults.add(f"--form: must be supervised or distillation, not {form!r}")
    fixed = faults.collect(evidence.parse_fixed, fix or []) or {}
    delta = faults.collect(units.parse, huber_delta, "--huber-delta")
    base = faults.collect(load_supervised, supervised, "--supervised") if supervised is not None else None
    if supervised is not None and form == "supervised":
        faults.add("--supervised: takes the place of the law that --form supervised would fit; give one of the two")
    faults.collect(check_out, out)
    table = read_runs(runs, mapping, convention, faults)
    faults.raise_if_any()
    assert delta is not None

    from fitting.estimation import fit_table
    from fitting.method import Method

    if not as_json:
        typer.echo(f"Fitting {len(table)} runs of {runs} ...", err=True)
    found = fit_table(table, form=form, fixed=fixed, supervised=base, method=Method(huber_delta=delta))
    if out is not None:
        found.to_json(out)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), allow_nan=False))
        return
    from fitting.report import show_fit

    show_fit(found, runs, out)


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

    if as_json:
        found = [report.describe_law(law) for law in PUBLISHED.values()]
        typer.echo(json.dumps({"schema": "distillaw/laws/1", "laws": found}, allow_nan=False))
        return
    report.show_laws(PUBLISHED.values())


def _predict_table(
    runs: str,
    law: KnownLaw | None,
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
