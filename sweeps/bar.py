"""The bar of long work whose time left is not in proportion to its share: whoever moves it says what is left."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


def bar(console: Console, *, transient: bool) -> Progress:
    """A bar of tasks with a field `left`, a text; shown on a terminal only, and gone at the end if `transient`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        disable=not console.is_terminal,
        refresh_per_second=4,
        transient=transient,
    )
