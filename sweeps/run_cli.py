"""`distillaw sweep run` and `retry`: train the cells of a grid, all that are left or only what failed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fitting.errors import Faults, InputError
from sweeps.printing import Json, print_json

if TYPE_CHECKING:
    from sweeps.grid import Grid
    from sweeps.running import How

Executor = Annotated[str, typer.Option("--executor", metavar="NAME", help="Who runs the cells: local, slurm or ray.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Cells, or packs of them, at once; of one thread each.")]
Together = Annotated[
    int | None,
    typer.Option(
        "--together",
        min=1,
        metavar="K",
        show_default="where it is cheaper",
        help="Students of one teacher that share its forward, at most.",
    ),
]
CheckpointEvery = Annotated[
    float, typer.Option("--checkpoint-every", metavar="SECONDS", min=0.0, help="What a kill may cost a cell.")
]
Slurm = Annotated[
    list[str] | None,
    typer.Option("--slurm", metavar="KEY=VALUE", help="For sbatch: partition=gpu, gpus_per_node=1. Repeatable."),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Of a Ray cluster: auto, or HOST:PORT.", show_default="a Ray of this machine"),
]
Gpus = Annotated[
    float, typer.Option("--gpus", min=0.0, metavar="SHARE", help="GPUs of each worker on Ray; 0.25: four share one.")
]

Log = Annotated[
    list[str] | None,
    typer.Option("--log", metavar="NAME", help="Show journals in tensorboard or wandb as well. Repeatable."),
]


def run(
    grid: Annotated[Path, typer.Argument(metavar="GRID.toml", help="The grid file.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the runs; one that holds some is resumed.")
    ],
    executor: Executor = "local",
    workers: Workers = 2,
    together: Together = None,
    slurm: Slurm = None,
    address: Address = None,
    gpus: Gpus = 0.0,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where a step of the costliest cell goes; train nothing.")
    ] = False,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="Let runs go through the text more than once; their records say so.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print cells, FLOPs and a time; train nothing.")] = False,
    checkpoint_every: CheckpointEvery = 10.0,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Run the cells of a grid.

    Teachers come before students, and cells that are done are never run again. Stop it with Ctrl-C, or kill it: the
    same command goes on where it was. A cell that fails does not stop the others; the exit code is then 3. On Slurm
    the cells are handed in as jobs, and the command returns (docs/clusters.md).

    \b
    Examples:
      distillaw sweep run data/grids/demo.toml --out runs/demo
      distillaw sweep run data/grids/demo.toml --out runs/demo --dry-run
      distillaw sweep run data/grids/demo.toml --out runs/demo --profile
      distillaw sweep run data/grids/demo.toml --out runs/demo --workers 4 --together 4 --json
      distillaw sweep run data/grids/demo.toml --out runs/demo --log tensorboard
      distillaw sweep run grid.toml --out runs/grid --executor slurm --slurm partition=gpu --slurm gpus_per_node=1
      distillaw sweep run grid.toml --out runs/grid --executor ray --address auto --workers 32 --gpus 0.25
    """
    from sweeps import corpora, grid_file

    if dry_run and profile:
        raise InputError("--dry-run, --profile: exclude each other; keep one")
    how = _how(executor, workers, together, checkpoint_every, slurm, address, gpus, log)
    asked = grid_file.load(grid, repeat=repeat)
    corpus = corpora.load(asked.corpus).describe()
    if dry_run:
        _dry_run(asked, corpus, out, how, as_json)
        return
    _require_training()
    from sweeps import grid as grids
    from sweeps import machine
    from sweeps.given import require_present

    require_present(asked.given)
    if profile or executor == "local":
        machine.require(asked.cells)
    if profile:
        _profile(asked, as_json)
        return
    grids.check(out, asked, corpus)  # before the lock leaves a file in a folder that is not ours
    with grids.locked(out):
        found = grids.create(out, asked, corpus)
        _run(found, how, None, as_json)


def retry(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a grid.")],
    executor: Executor = "local",
    workers: Workers = 2,
    together: Together = None,
    slurm: Slurm = None,
    address: Address = None,
    gpus: Gpus = 0.0,
    checkpoint_every: CheckpointEvery = 10.0,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Run again what failed, and the students that waited for it; nothing else.

    A diverged cell is not a failed one: it would diverge again.

    \b
    Examples:
      distillaw sweep retry runs/demo
      distillaw sweep retry runs/grid --executor slurm --slurm partition=gpu --slurm gpus_per_node=1
    """
    from sweeps import grid as grids

    how = _how(executor, workers, together, checkpoint_every, slurm, address, gpus, log)
    found = grids.open_grid(folder)
    _require_training()
    with grids.locked(folder):
        failed = found.failed()
        if not failed:
            if as_json:
                _print_state(found)
            else:
                typer.echo(f"Nothing in {folder} has failed.")
            return
        _run(found, how, failed, as_json)


def _how(
    executor: str,
    workers: int,
    together: int | None,
    checkpoint_every: float,
    slurm: list[str] | None,
    address: str | None,
    gpus: float,
    log: list[str] | None,
) -> "How":
    from sweeps.running import How

    faults, settings = Faults(), {}
    for text in slurm or []:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            faults.add(f"--slurm {text}: write KEY=VALUE, as in --slurm partition=gpu")
        elif key in settings:
            faults.add(f"--slurm {text}: {key} is set twice")
        settings[key] = value
    how = How(executor, workers, together, checkpoint_every, settings, address, gpus, tuple(log or ()))
    faults.collect(how.check)
    faults.raise_if_any()
    return how


def _run(found: "Grid", how: "How", only: set[str] | None, as_json: bool) -> None:
    from sweeps import render, running

    said = running.run(found, how, only)
    if as_json:
        _print_state(found)
        return
    render.summary(found)
    typer.echo(said or f"Next: distillaw sweep collect {found.folder} --out runs.csv")


def _print_state(found: "Grid") -> None:
    from sweeps import render

    print_json("distillaw/sweep-run/1", render.state_object(found))


def _dry_run(asked: Any, corpus: dict[str, Any], out: Path, how: "How", as_json: bool) -> None:
    from sweeps import grid as grids
    from sweeps import render
    from sweeps.estimate import cores_here, estimate

    grids.check(out, asked, corpus)
    states = grids.Grid(out, asked, corpus).states()
    try:
        time = estimate(asked, states, how.workers, how.together, cores_here() if how.executor == "local" else None)
    except ImportError:
        time = None
    if as_json:
        print_json("distillaw/sweep-run/1", render.plan_object(asked, corpus, states, time))
    else:
        render.plan(asked, corpus, states, time)
        typer.echo("Nothing was trained (--dry-run).")


def _profile(asked: Any, as_json: bool) -> None:
    from sweeps import profiling, render

    costliest = max(asked.cells, key=lambda cell: cell.total_flops / cell.steps)
    found = profiling.profile(costliest, asked)
    if as_json:
        print_json("distillaw/sweep-profile/1", found.to_dict())
    else:
        render.profile(found)
        typer.echo("Nothing was trained (--profile).")


def _require_training() -> None:
    import importlib.util

    missing = [name for name in ("torch", "lightning", "safetensors", "filelock") if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(f"training needs {', '.join(missing)}: pip install 'distillaw[sweeps]'")
