"""`distillaw tables`: computes the paper's tables from a law's coefficients and the FLOP ledger."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from fitting.errors import Faults
from fitting.options import DEFAULT_LAW, Json


def tables(
    names: Annotated[
        list[str] | None, typer.Argument(help="Their numbers in the paper: 3, 13; with --out, all if none.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for CSV files, one a table.")] = None,
    law: Annotated[str, typer.Option("--law", help="A published law's id or a fit's JSON file.")] = DEFAULT_LAW,
    layers: Annotated[
        int | None, typer.Option("--layers", min=1, help="For 9 to 12: layers of the model, else one amid the law's.")
    ] = None,
    heads: Annotated[
        int | None, typer.Option("--heads", min=1, help="For 9 to 13: attention heads, else 16 where the width allows.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute the tables of the paper from its coefficients, or from your own law.

    Without a number and without --out, list them.

    \b
    Examples:
      distillaw tables
      distillaw tables 13
      distillaw tables 11 --layers 24
      distillaw tables 6 --law law.json --json
      distillaw tables --out tables
    """
    from paper_figs.tables.catalogue import CATALOGUE, find

    faults = Faults()
    chosen = faults.collect(find, names or [])
    if chosen is not None and (names or out is not None):
        if layers is not None and not any(entry.of_one_model for entry in chosen):
            faults.add("--layers: is for tables 9 to 12, which count one model")
        if heads is not None and not any(entry.of_models for entry in chosen):
            faults.add("--heads: is for tables 9 to 13, which count models")
        if as_json and out is None and len(chosen) > 1:
            faults.add("--json: prints one table; name one, or give --out for all of them")
    elif chosen is not None and (layers is not None or heads is not None):
        faults.add("--layers, --heads: name the table that they are for, 9 to 13")
    faults.raise_if_any()
    assert chosen is not None
    if not names and out is None:
        if as_json:
            listed = [{"tables": each.numbers, "name": each.name, "about": each.about} for each in CATALOGUE]
            typer.echo(json.dumps({"schema": "distillaw/table-list/1", "tables": listed}))
            return
        for entry in CATALOGUE:
            typer.echo(f"{', '.join(str(number) for number in entry.numbers):<6}  {entry.about}")
        return

    from fitting.library import load_law
    from paper_figs.tables import report
    from paper_figs.tables.family import Model

    known = load_law(law)
    made = [(entry, faults.collect(entry.build, known, Model(layers, heads))) for entry in chosen]
    faults.raise_if_any()
    built = [(entry, table) for entry, table in made if table is not None]
    if out is not None:
        paths = [str(report.write(entry, table, out)) for entry, table in built]
        typer.echo(json.dumps({"schema": "distillaw/table-files/1", "files": paths}) if as_json else "\n".join(paths))
        return
    if as_json:
        typer.echo(json.dumps(report.as_dict(*built[0], known), allow_nan=False))
        return
    with_law = "" if law == DEFAULT_LAW else f" --law {shlex.quote(law)}"
    for i, (entry, table) in enumerate(built):
        if i:
            typer.echo()
        report.show(table, known, f"distillaw tables {entry.numbers[0]}{with_law} --out tables")
