"""`distillaw figures`: draws the papers' figures from a law and, where they show runs, from a run table."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fitting.errors import Faults, InputError
from fitting.options import DEFAULT_LAW

if TYPE_CHECKING:
    from paper_figs.catalogue import Entry


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(help="Numbers or names: 8, 13a, fig17; all that are possible if none.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every figure that the law and the tables allow, and --gallery.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the pictures (PNG and PDF).")] = None,
    data: Annotated[bool, typer.Option("--data", help="Beside each picture a CSV of the numbers behind it.")] = False,
    gallery: Annotated[
        bool, typer.Option("--gallery", help="One offline page, gallery.html: the pictures beside the paper's claims.")
    ] = False,
    law: Annotated[str, typer.Option("--law", help="A published law's id or a fit's JSON file.")] = DEFAULT_LAW,
    runs: Annotated[
        Path | None, typer.Option("--runs", help="A table of runs, for the figures that show runs.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="A table of distillaw sweep mapping, for Figs 11 and 12.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw the figures of the paper from its coefficients, or from your own law and runs.

    Without --out, list them.

    \b
    Examples:
      distillaw figures
      distillaw figures fig06 fig08 --out figures
      distillaw figures 17 --out figures --data
      distillaw figures --all --out figures
      distillaw figures --law law.json --runs runs.csv --out figures
      distillaw figures 11 12 --mapping mapping.csv --out figures
    """
    from paper_figs.catalogue import CATALOGUE, find

    faults = Faults()
    if everything and names:
        faults.add(f"--all draws every figure; leave out either it or {' '.join(names)}")
    if out is None:
        if names or everything or data or gallery or runs is not None or mapping is not None:
            faults.add("--out: name the folder that the pictures go to")
        faults.raise_if_any()
        if as_json:
            listed = [
                {"name": entry.name, "about": entry.about, "needs": entry.needs, "needs_runs": entry.needs_runs}
                for entry in CATALOGUE
            ]
            typer.echo(json.dumps({"schema": "distillaw/figure-list/1", "figures": listed}))
            return
        for entry in CATALOGUE:
            typer.echo(f"{entry.name}  {entry.about}{'' if entry.needs == 'law' else f' (needs --{entry.needs})'}")
        return
    chosen = faults.collect(find, names or [], have_runs=runs is not None, have_mapping=mapping is not None)
    faults.raise_if_any()
    assert chosen is not None
    from fitting.library import load_law
    from fitting.progress import shown
    from fitting.records import RunTable
    from paper_figs.source import Source
    from sweeps.mapping import table

    known = faults.collect(load_law, law)
    run_table = None if runs is None else faults.collect(RunTable.read, runs)
    mapping_table = None if mapping is None else faults.collect(table.read, mapping)
    faults.raise_if_any()
    assert known is not None
    if run_table is not None:
        known.convention.require_same(run_table.convention, f"law {known.id!r}", "the runs")
    if names and any(entry.distils for entry in chosen):
        known.require_distillation()
    elif not names:
        chosen = [entry for entry in chosen if known.distillation is not None or not entry.distils]
        _tell_left_out(chosen, known.distillation is not None)
    source = Source(known, run_table, mapping_table)
    _make(out)
    written = []
    with shown(not as_json) as progress:
        for done, entry in enumerate(chosen):
            progress("drawing figures", done, len(chosen))
            written += entry.save(source, out, data=data)
        progress("drawing figures", len(chosen), len(chosen))
        if gallery or everything:
            from paper_figs.gallery import write

            written.append(write(chosen, source.law, out, data=data, mapping=source.mapping, progress=progress))
    if as_json:
        typer.echo(json.dumps({"schema": "distillaw/figures/1", "files": [str(path) for path in written]}))
        return
    for path in written:
        typer.echo(path)


def _tell_left_out(chosen: "list[Entry]", distils: bool) -> None:
    """Say on stderr which figures the inputs do not allow, and what each of them needs."""
    from paper_figs.catalogue import CATALOGUE

    without: dict[str, list[str]] = {}
    for entry in CATALOGUE:
        if entry not in chosen:
            why = "a law with a distillation form" if entry.distils and not distils else f"--{entry.needs}"
            without.setdefault(why, []).append(entry.name)
    for why, names in without.items():
        need = "need" if len(names) > 1 else "needs"
        typer.echo(f"left out: {', '.join(names)} {need} {why}", err=True)


def _make(folder: Path) -> None:
    """Make the folder for the pictures, or raise `InputError` before anything is drawn."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {folder} cannot be a folder for pictures: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"--out: {folder} cannot be written to; name another folder")
