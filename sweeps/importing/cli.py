"""The command `distillaw sweep import`: tables of other people's in, a table of runs out, and what was read as what."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fitting.errors import Faults
from fitting.options import ConventionOption, Map, check_out, parse_mapping
from sweeps.printing import Json, print_json


def import_runs(
    tables: Annotated[
        list[Path], typer.Argument(metavar="TABLE...", help="CSV, JSONL or Parquet; CSV exports of W&B's.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="RUNS", help="The table: .csv, .jsonl or .parquet.")],
    mapping: Map = None,
    convention: ConventionOption = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="What runs are whose table does not say: supervised or distillation.")
    ] = None,
    loss_unit: Annotated[
        str, typer.Option("--loss-unit", help="What losses are counted in, per token: nats or bits.")
    ] = "nats",
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="COLUMN=VALUE", help="Keep the rows that say this. Repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make other people's tables of runs into one that `check` and `fit` read.

    Columns are found by the names that people give them; where two could be the loss, or N, it asks. Of W&B's exports
    finished runs are taken; a chart gives the last loss of each run in the table beside it.

    \b
    Examples:
      distillaw sweep import theirs.csv --convention 6ND --out runs.csv
      distillaw sweep import theirs.csv --map loss=val/loss --map N=params_no_embed --convention 6ND --out runs.csv
      distillaw sweep import wandb_export.csv wandb_chart.csv --convention 6ND-total --out runs.csv --json
      distillaw sweep import theirs.csv --where val_data=c4 --loss-unit bits --convention 6ND --out runs.csv
    """
    from fitting import conventions, intake
    from sweeps.importing.taking import take

    faults = Faults()
    asked = faults.collect(parse_mapping, mapping or []) or {}
    counted = faults.collect(conventions.named, convention) if convention is not None else None
    if kind is not None and kind not in intake.KINDS:
        faults.add(f"--kind {kind}: is neither supervised nor distillation")
    if loss_unit not in ("nats", "bits"):
        faults.add(f"--loss-unit {loss_unit}: is neither nats nor bits; of a perplexity take the logarithm first")
    rows: dict[str, str] = {}
    for text in where or []:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals):
            faults.add(f"--where {text}: write COLUMN=VALUE, as in --where val_data=c4")
        rows[name] = value
    faults.collect(check_out, out)
    faults.raise_if_any()

    found = take(
        tables,
        mapping=asked,
        convention=counted,
        kind=kind,
        loss_unit="bits" if loss_unit == "bits" else "nats",
        where=rows,
    )
    found.table.write(out)
    numbers = _counted(found.table)
    if as_json:
        told = {"out": out, **numbers, "read_as": found.read_as, "left_out": found.left_out, "loss_unit": loss_unit}
        print_json("distillaw/sweep-import/1", told)
        return
    for path, chosen in found.read_as.items():
        typer.echo(f"{path}: " + ", ".join(f"{ours} is {theirs!r}" for ours, theirs in chosen.items()), err=True)
    if found.left_out:
        reasons = "; ".join(f"{number} {reason}" for reason, number in found.left_out.items())
        typer.echo(f"warning: {sum(found.left_out.values())} rows are left out: {reasons}", err=True)
    typer.echo(
        f"{numbers['runs']} runs in {out}: {numbers['supervised']} supervised, {numbers['distilled']} distilled."
    )
    if numbers["diverged"]:
        typer.echo(f"warning: {numbers['diverged']} of them diverged; fits leave them out", err=True)
    typer.echo(f"Next: distillaw check {out}")


def _counted(table: Any) -> dict[str, int]:
    kinds = [record.kind for record in table.records]
    return {
        "runs": len(kinds),
        "supervised": kinds.count("supervised"),
        "distilled": kinds.count("distillation"),
        "diverged": sum(record.status == "diverged" for record in table.records),
    }
