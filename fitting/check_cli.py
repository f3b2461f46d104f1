"""The command `distillaw check`."""

import typer


def check() -> None:
    """Find everything wrong or odd with a table of runs."""
    raise typer.Exit(2)
