"""`distillaw sweep`: run a grid of teachers and students, see how far it is, collect its table of runs."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fitting.errors import InputError
from sweeps.mapping.cli import mapping
from sweeps.protocols.cli import write_grid

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="""Train teachers and students on a grid, and collect their losses as a table of runs.

    \b
    Examples:
      distillaw sweep grid --protocol fixed-m --scale cpu-10min --out grid.toml
      distillaw sweep run data/grids/ci.toml --out runs/ci --dry-run
      distillaw sweep run data/grids/ci.toml --out runs/ci
      distillaw sweep status runs/ci
      distillaw sweep collect runs/ci --out runs.csv
    """,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def run(
    grid: Annotated[Path, typer.Argument(metavar="GRID.toml", help="The grid file.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the runs; one that holds some is resumed.")
    ],
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, of one thread each.")] = 2,
    together: Annotated[
        int, typer.Option("--together", min=1, metavar="K", help="Students of one teacher that share its forward.")
    ] = 1,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where a step of the costliest cell goes; train nothing.")
    ] = False,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="Let runs go through the text more than once; their records say so.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print cells, FLOPs and a time; train nothing.")] = False,
    checkpoint_every: Annotated[
        float, typer.Option("--checkpoint-every", metavar="SECONDS", min=0.0, help="What a kill may cost a cell.")
    ] = 10.0,
    as_json: Json = False,
) -> None:
    """Run the cells of a grid.

    Teachers come before students, and finished cells are never run again. Stop it with Ctrl-C, or kill it: the same
    command goes on where it was. A cell that fails does not stop the others; the exit code is then 3.

    \b
    Examples:
      distillaw sweep run data/grids/demo.toml --out runs/demo
      distillaw sweep run data/grids/demo.toml --out runs/demo --dry-run
      distillaw sweep run data/grids/demo.toml --out runs/demo --profile
      distillaw sweep run data/grids/demo.toml --out runs/demo --together 4
      distillaw sweep run data/grids/demo.toml --out runs/demo --workers 4 --json
    """
    from sweeps import corpora, grid_file

    if dry_run and profile:
        raise InputError("--dry-run, --profile: exclude each other; keep one")
    asked = grid_file.load(grid, repeat=repeat)
    corpus = corpora.load(asked.corpus).describe()
    if dry_run:
        _dry_run(asked, corpus, out, workers, as_json)
        return
    _require_training()
    from sweeps import grid as grids
    from sweeps import machine
    from sweeps.executors import run_cells
    from sweeps.given import require_present
    from sweeps.progress import Display

    require_present(asked.given)
    machine.require(asked.cells)
    if profile:
        _profile(asked, as_json)
        return
    grids.check(out, asked, corpus)  # before the lock leaves a file in a folder that is not ours
    with grids.locked(out):
        found = grids.create(out, asked, corpus)
        with Display(found) as display:
            run_cells(
                found,
                workers=workers,
                together=together,
                checkpoint_seconds=checkpoint_every,
                tell=display.tell,
            )
    if as_json:
        _print_json("distillaw/sweep-run/1", _state_of(found))
        return
    from sweeps import render

    render.summary(found)
    typer.echo(f"Next: distillaw sweep collect {out} --out runs.csv")


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a grid.")], as_json: Json = False
) -> None:
    """Say how far a grid is.

    Which cells are finished, started, waiting, failed or blocked by their teacher, and the losses so far.

    \b
    Examples:
      distillaw sweep status runs/demo
      distillaw sweep status runs/demo --json
    """
    from sweeps import grid as grids
    from sweeps import render

    found = grids.open_grid(folder)
    if as_json:
        _print_json("distillaw/sweep-status/1", _state_of(found))
    else:
        render.summary(found)


@app.command()
def collect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a grid.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUNS", help="The table: .csv, .jsonl or .parquet.")],
    as_json: Json = False,
) -> None:
    """Write a grid's runs as one table.

    The table states the convention that counts its parameters and FLOPs. Diverged runs are kept with that status, and
    fits leave them out.

    \b
    Examples:
      distillaw sweep collect runs/demo --out runs.csv
      distillaw sweep collect runs/demo --out runs.parquet --json
    """
    from sweeps import grid as grids
    from sweeps import render, run_table

    found = grids.open_grid(folder)
    table = run_table.table(found)
    table.write(out)
    cells, runs = len(found.spec.cells), len(table.records)
    diverged = sum(record.status != "finished" for record in table.records)
    missing = cells - runs
    if as_json:
        numbers = {"out": str(out), "cells": cells, "runs": runs, "diverged": diverged, "missing": missing}
        _print_json("distillaw/sweep-collect/1", numbers)
        return
    kinds = [record.kind for record in table.records]
    typer.echo(
        f"{runs} runs in {out}: {kinds.count('supervised')} supervised (teachers included), "
        f"{kinds.count('distillation')} distilled."
    )
    if diverged:
        typer.echo(f"warning: {diverged} of them diverged; fits leave them out", err=True)
    again = render.repeats(found.spec, found.corpus)
    if again:
        typer.echo(f"warning: {again}", err=True)
    if missing:
        typer.echo(
            f"warning: {missing} of {cells} cells are not in the table: they, or their teachers, are not finished",
            err=True,
        )
    typer.echo(f"Next: distillaw fit {out} --form distillation --out law.json")


app.command()(mapping)
app.command("grid")(write_grid)


def _dry_run(asked: Any, corpus: dict[str, Any], out: Path, workers: int, as_json: bool) -> None:
    from sweeps import grid as grids
    from sweeps import render
    from sweeps.estimate import estimate

    grids.check(out, asked, corpus)
    states = grids.Grid(out, asked, corpus).states()
    try:
        time = estimate(asked, states, workers)
    except ImportError:
        time = None
    if as_json:
        _print_json("distillaw/sweep-run/1", render.plan_object(asked, corpus, states, time))
    else:
        render.plan(asked, corpus, states, time)
        typer.echo("Nothing was trained (--dry-run).")


def _profile(asked: Any, as_json: bool) -> None:
    from sweeps import profiling, render

    costliest = max(asked.cells, key=lambda cell: cell.total_flops / cell.steps)
    found = profiling.profile(costliest, asked)
    if as_json:
        _print_json("distillaw/sweep-profile/1", found.to_dict())
    else:
        render.profile(found)
        typer.echo("Nothing was trained (--profile).")


def _require_training() -> None:
    import importlib.util

    missing = [name for name in ("torch", "lightning", "safetensors", "filelock") if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(f"training needs {', '.join(missing)}: pip install 'distillaw[sweeps]'")


def _state_of(found: Any) -> dict[str, Any]:
    """A grid's cells with their state, as `--json` prints them."""
    from sweeps import render

    return render.state_object(found)


def _print_json(schema: str, content: dict[str, Any]) -> None:
    json.dump({"schema": schema, **content}, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")
