"""`distillaw sweep watch`: a grid as it runs, from any terminal that sees its folder."""

import time
from pathlib import Path
from typing import Annotated

import typer

from fitting.errors import InputError
from sweeps.printing import print_json

LOOKS = (0.1, 3600.0)
"""Seconds between two looks, at least and at most."""

QUEUE_SECONDS = 15.0
"""At least so long between two looks at a cluster's queue."""


def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a grid.")],
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", help="How often to look.")] = 2.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end; the table goes to stderr.")
    ] = False,
) -> None:
    """Watch a grid that runs, here or on another machine that shares the folder.

    Shows how far each running cell is, its losses and pace, and the time left: an estimate from the pace of what runs,
    so it says "about", and nothing before a cell has logged its first steps. Where it writes to no terminal it says a
    line when something has changed. Ends when all cells are over or nobody is at work; Ctrl-C ends it sooner. The grid
    does not notice.

    \b
    Examples:
      distillaw sweep watch runs/demo
      distillaw sweep watch runs/demo --every 30 >> demo.log
      distillaw sweep watch runs/demo --json > state.json
    """
    if not LOOKS[0] <= every <= LOOKS[1]:
        raise InputError(f"--every {every:g}: give seconds, {LOOKS[0]:g} to {LOOKS[1]:g}")
    from sweeps import grid as grids
    from sweeps import render
    from sweeps.executors import slurm
    from sweeps.screen import Screen
    from sweeps.watching import Watcher

    found = grids.open_grid(folder)
    try:
        watcher = Watcher(found)
        with Screen(found, watcher, stderr=as_json) as screen:
            while True:
                working = found.at_work()  # asked first: whoever has begun a cell by now is seen in the look
                look = watcher.look()
                queued = set() if working or look.running else slurm.queued(folder)
                screen.show(look, len(queued))
                if look.over or not (working or look.running or queued):
                    break
                time.sleep(max(every, QUEUE_SECONDS) if queued else every)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        print_json("distillaw/sweep-watch/1", {**render.state_object(found), "eta_seconds": None})
        return
    said = "All cells are over" if look.over else f"Nobody is at work in {folder}"
    typer.echo(f"{said}: {render.counted(look.states)}.")
    typer.echo(render.next_command(folder, look.states))
