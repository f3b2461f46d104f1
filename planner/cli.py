"""The command `distillaw`: mounts every room's commands and turns errors into lines and exit codes.

Commands come from the entry-point group `distillaw.commands` and are imported one at a time, when called, so
that no room imports another upward and `--help` stays instant.
"""

import importlib
import importlib.util
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import planner
from fitting.errors import DistillawError, InputError
from planner import completion

GROUP = "distillaw.commands"
_ORDER = (
    "plan",
    "crossover",
    "page",
    "fit",
    "check",
    "compare-laws",
    "predict",
    "laws",
    "corpus",
    "sweep",
    "evaluate",
    "figures",
    "tables",
)


class Rooms(TyperGroup):
    """The commands that the rooms offer."""

    def list_commands(self, ctx: Any) -> list[str]:
        names = offered().keys()
        return [name for name in _ORDER if name in names] + sorted(names - set(_ORDER))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = offered().get(cmd_name)
        return None if entry is None else _command(entry)


@cache
def offered() -> dict[str, EntryPoint]:
    """The commands that are installed, by name: finding them reads every installed distribution, so once is enough."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return found


def _command(entry: EntryPoint) -> Any:
    require_ours(entry.module.partition(".")[0])
    loaded = entry.load()
    if isinstance(loaded, typer.Typer):
        mounted = loaded
    else:
        mounted = typer.Typer(add_completion=False, rich_markup_mode=None)
        mounted.command(entry.name)(loaded)
    for each in mounted.registered_commands:
        if each.callback is not None:
            completion.offer(each.callback, entry.name)
    command = typer.main.get_command(mounted)
    command.name = entry.name
    return command


def require_ours(room: str) -> None:
    """Raise `InputError` when the package `room` is not distillaw's: the names of our rooms are common words."""
    spec = importlib.util.find_spec(room)
    found = Path(spec.origin).parent if spec and spec.origin else None
    ours = Path(str(planner.__file__)).parent.parent / room
    try:
        marked = found == ours and importlib.import_module(room).DISTRIBUTION == "distillaw"
    except (ImportError, AttributeError):
        marked = False
    if not marked:
        where = found or "nowhere"
        raise InputError(
            f"{room}: Python finds {where}, which is not distillaw's package of that name; another distribution hides "
            f"it (for `sweeps`, the old package of Weights & Biases): pip uninstall {room}, then reinstall distillaw; "
            "see docs/faq.md#sweeps-package"
        )


app = typer.Typer(
    cls=Rooms,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Decide how to spend training compute on a teacher and its students.

    Codes in [brackets] after a message are headings of docs/faq.md.

    \b
    Examples:
      distillaw plan teacher-exists --student 1B --budget 1e21
      distillaw plan train-teacher --student 1B --budget 1e23
      distillaw fit runs.csv --out law.json
    """


def main() -> None:
    """Run the command line; exit 0 answered, 1 infeasible, 2 bad input, 3 a fit or run failed."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="distillaw")
    except DistillawError as error:
        if len(arguments) != len(sys.argv) - 1:
            raise
        for line in str(error).splitlines():
            typer.echo(f"error: {line}", err=True)
        sys.exit(error.exit_code)
