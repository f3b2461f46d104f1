"""How every room prints: plain text that a pipe can read, tables whose cells are never cut, warnings on stderr."""

import io
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table

from fitting.fit import Doubt

WIDTH = 200
"""Columns where no terminal says how wide it is: enough for every table, since a pipe does not wrap."""


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr: nothing is read as markup, long lines are left to the terminal to wrap."""
    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = WIDTH
    return made


def table(*columns: str, left: tuple[str, ...] = ()) -> Table:
    """A table without lines; numbers to the right; the first column and those in `left` to the left."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        grid.add_column(column, justify="left" if i == 0 or column in left else "right", no_wrap=True)
    return grid


def show_table(out: Console, grid: Table) -> None:
    """Print a table; where the terminal is narrower than it, row by row, a line for each cell that says something."""
    wide = Console(width=10_000).measure(grid).maximum
    if out.is_terminal and wide > out.width:
        headers = [str(column.header) for column in grid.columns]
        for cells in zip(*(column.cells for column in grid.columns), strict=True):
            first, *others = (str(cell) for cell in cells)
            out.print(first, style="bold")
            for header, cell in zip(headers[1:], others, strict=True):
                if cell.strip():
                    out.print(f"  {header}: {cell.strip()}")
        if grid.caption:
            out.print(str(grid.caption))
        return
    before = out.width
    out.width = max(before, wide)
    out.print(grid)
    out.width = before


def html(write: Callable[[Console], None], doubts: Iterable[Doubt] = ()) -> str:
    """What `write` prints, and warnings below it, for a notebook."""
    screen = Console(
        file=io.StringIO(), record=True, highlight=False, markup=False, emoji=False, width=WIDTH, force_jupyter=False
    )
    write(screen)
    for doubt in doubts:
        screen.print(f"warning: {doubt.message} [{doubt.code}]", soft_wrap=True)
    return screen.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def show_doubts(doubts: Iterable[Doubt]) -> None:
    """Print warnings, on stderr."""
    err = console(stderr=True)
    for doubt in doubts:
        err.print(f"warning: {doubt.message} [{doubt.code}]")
