"""Progress of long work on stderr: what is being done, how far it is, and when it will be done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fitting import terminal

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""


def silent(what: str, done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def shown(visible: bool) -> Iterator[Progress]:
    """A `Progress` that draws a bar with an ETA on a terminal, and says each new piece of work in a line on a pipe."""
    if not visible:
        yield silent
        return
    console = terminal.console(stderr=True)
    if not console.is_terminal:
        said: set[str] = set()

        def say(what: str, done: int, total: int) -> None:
            if what not in said:
                said.add(what)
                console.print(f"{what} ...")

        yield say
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {}

        def draw(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield draw
