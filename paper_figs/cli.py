"""`distillaw figures`: draws the papers' figures from a law and, where they show runs, from a run table."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fitting.errors import InputError
from fitting.options import DEFAULT_LAW


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(help="fig01, fig05, fig06, fig08; all that are possible if none.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the pictures (PNG and PDF).")] = None,
    law: Annotated[str, typer.Option("--law", help="A published law's id or a fit's JSON file.")] = DEFAULT_LAW,
    runs: Annotated[
        Path | None, typer.Option("--runs", help="A table of runs, for the figures that show runs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw the figures of the paper from its coefficients, or from your own law and runs.

    Without --out, list them.

    \b
    Examples:
      distillaw figures
      distillaw figures fig06 fig08 --out figures
      distillaw figures --law law.json --runs runs.csv --out figures
    """
    from paper_figs.catalogue import CATALOGUE, find

    if out is None:
        if names or runs is not None:
            raise InputError("--out: name the folder that the pictures go to")
        if as_json:
            listed = [{"name": entry.name, "about": entry.about, "needs_runs": entry.needs_runs} for entry in CATALOGUE]
            typer.echo(json.dumps({"schema": "distillaw/figure-list/1", "figures": listed}))
            return
        for entry in CATALOGUE:
            typer.echo(f"{entry.name}  {entry.about}{' (needs --runs)' if entry.needs_runs else ''}")
        return
    chosen = find(names or [], have_runs=runs is not None)
    from fitting.library import load_law
    from fitting.records import RunTable
    from paper_figs.source import Source

    source = Source(load_law(law), None if runs is None else RunTable.read(runs))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {out} cannot be a folder for pictures: {error.strerror}") from None
    written = []
    for entry in chosen:
        typer.echo(f"drawing {entry.name}", err=True)
        written += entry.save(source, out)
    if as_json:
        typer.echo(json.dumps({"schema": "distillaw/figures/1", "files": [str(path) for path in written]}))
        return
    for path in written:
        typer.echo(path)
