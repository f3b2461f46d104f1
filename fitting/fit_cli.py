"""The command `distillaw fit`: from a table of runs to a law, its doubts and its pictures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fitting import units
from fitting.errors import Faults, InputError
from fitting.options import ConventionOption, Json, Map, Runs, check_out, read_runs, runs_or_pilot

if TYPE_CHECKING:
    from fitting.method import Method

Form = Annotated[
    str | None,
    typer.Option(help="supervised or distillation; by default distillation if the table has distilled runs."),
]
Fix = Annotated[
    list[str] | None,
    typer.Option(
        "--fix",
        metavar="NAME=VALUE",
        help="Hold a coefficient. For a distillation, gamma holds in both laws and supervised.NAME in the "
        "supervised law underneath. Repeatable.",
    ),
]
Loss = Annotated[str, typer.Option("--loss", help="What a log residual costs: huber, lad (absolute) or l2 (square).")]
HuberDelta = Annotated[
    str, typer.Option("--huber-delta", help="Where the Huber loss of a log residual turns from square to linear.")
]
Supervised = Annotated[
    str | None,
    typer.Option("--supervised", metavar="LAW", help="A known supervised law (id or file) instead of a fitted one."),
]


def fit(
    runs: Runs = None,
    form: Form = None,
    fix: Fix = None,
    free: Annotated[
        list[str] | None,
        typer.Option(
            "--free",
            metavar="NAME",
            help="Leave gamma, supervised.gamma or K free, whatever the rollout says of it. Repeatable.",
        ),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", metavar="N", min=0, help="Joint draws from N resamples of the runs.")
    ] = 0,
    loss: Loss = "huber",
    huber_delta: HuberDelta = "1e-3",
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="COLUMN", help="What each run's loss is multiplied by.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="COLUMN", help="Resample runs that share a value of this column together."),
    ] = None,
    priors: Annotated[
        bool, typer.Option("--priors/--no-priors", help="Weak priors on the distillation law (docs/how-to-choose.md).")
    ] = True,
    exact_teachers: Annotated[
        bool, typer.Option("--exact-teachers", help="Take the teachers' losses as free of error.")
    ] = False,
    procedure: Annotated[
        str | None,
        typer.Option("--procedure", help="busbridge2025: the paper's own fit (delta 1e-4, its grids of starts)."),
    ] = None,
    supervised: Supervised = None,
    mapping: Map = None,
    convention: ConventionOption = None,
    out: Annotated[str | None, typer.Option("--out", help="Write the fit as JSON, to use as --law.")] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="DIR", help="Draw residuals, IsoFLOPs, predictions, profiles.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit the supervised law to runs, and the distillation law on top of it.

    The supervised law is L(N, D) = E + (A/N^alpha + B/D^beta)^gamma; the distillation law adds the teacher's
    cross-entropy (Eq 1 and 8 of arXiv 2502.08606). Only finished runs count. Whether gamma is 1 is chosen by
    rollout: fit small runs, predict large ones.

    \b
    Examples:
      distillaw fit
      distillaw fit runs.csv --out law.json
      distillaw fit runs.csv --bootstrap 1000 --out law.json --plot pictures
      distillaw fit runs.csv --fix gamma=1 --out law.json
      distillaw fit runs.csv --form supervised --loss l2 --json
      distillaw fit students.csv --supervised busbridge2025 --out law.json
      distillaw fit runs.csv --procedure busbridge2025 --bootstrap 4096
      distillaw fit theirs.csv --map N=params --map D=tokens --map loss=val_loss --convention 6ND
    """
    from fitting import evidence
    from fitting.library import load_supervised

    faults = Faults()
    if form not in (None, "supervised", "distillation"):
        faults.add(f"--form: must be supervised or distillation, not {form!r}")
    fixed = faults.collect(evidence.parse_fixed, fix or []) or {}
    method = faults.collect(
        method_of, loss, huber_delta, weights=weights, cluster=cluster, priors=priors, teacher_errors=not exact_teachers
    )
    faults.collect(evidence.check_free, free or [], fixed)
    if bootstrap == 1:
        faults.add("--bootstrap: at least 2 resamples, or 0 for none")
    if cluster is not None and not bootstrap:
        faults.add(f"--cluster {cluster}: says which runs are resampled together; it needs --bootstrap N")
    faults.collect(_check_procedure, procedure, fix, free, loss, huber_delta, weights, cluster)
    base = faults.collect(load_supervised, supervised, "--supervised") if supervised is not None else None
    if supervised is not None and form == "supervised":
        faults.add("--supervised: takes the place of the law that --form supervised would fit; give one of the two")
    faults.collect(check_out, out)
    faults.collect(_check_plot, plot)
    runs = faults.collect(runs_or_pilot, runs) or ""
    table = read_runs(runs, mapping, convention, faults)
    faults.raise_if_any()
    assert method is not None

    from fitting.pipeline import fit_runs
    from fitting.progress import shown

    with shown(not as_json) as progress:
        found = fit_runs(
            table,
            form=form,
            fixed=fixed,
            free=tuple(free or ()),
            supervised=base,
            method=method,
            resamples=bootstrap,
            procedure=procedure,
            progress=progress,
        )
    if out is not None:
        found.to_json(out)
    drawn = []
    if plot is not None:
        from fitting import asking, plots

        drawn = plots.write(found, asking.of_law(table), Path(plot))
    if as_json:
        typer.echo(json.dumps(found.as_dict(), allow_nan=False))
        return
    from fitting.fit_report import show_fit

    show_fit(found, runs, out, drawn)


def method_of(
    loss: str,
    huber_delta: str,
    *,
    weights: str | None = None,
    cluster: str | None = None,
    priors: bool = True,
    teacher_errors: bool = True,
) -> "Method":
    """The method that the flags name. Raises `InputError` with all that is wrong with them."""
    from fitting.method import Method, parse_loss_name

    faults = Faults()
    delta = faults.collect(units.parse, huber_delta, "--huber-delta")
    name = faults.collect(parse_loss_name, loss)
    faults.raise_if_any()
    assert delta is not None
    assert name is not None
    return Method(
        loss=name, huber_delta=delta, weights=weights, cluster=cluster, priors=priors, teacher_errors=teacher_errors
    )


def _check_procedure(
    procedure: str | None,
    fix: list[str] | None,
    free: list[str] | None,
    loss: str,
    huber_delta: str,
    weights: str | None,
    cluster: str | None,
) -> None:
    if procedure is None:
        return
    faults = Faults()
    if procedure != "busbridge2025":
        faults.add(f"--procedure: there is busbridge2025, not {procedure!r}")
    settled = {
        "--fix": fix,
        "--free": free,
        "--loss": loss != "huber",
        "--huber-delta": huber_delta != "1e-3",
        "--weights": weights,
        "--cluster": cluster,
    }
    faults.extend(
        [f"{name}: the paper's own procedure leaves no choice of it" for name, given in settled.items() if given]
    )
    faults.raise_if_any()


def _check_plot(plot: str | None) -> None:
    if plot is None:
        return
    path = Path(plot)
    if path.exists() and not path.is_dir():
        raise InputError(f"--plot {plot}: is a file; name a folder")
    if not path.parent.is_dir():
        raise InputError(f"--plot {plot}: there is no folder {path.parent}")
