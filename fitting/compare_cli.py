"""The command `distillaw compare-laws`."""

import typer


def compare() -> None:
    """Forms of the law side by side, by how well they predict runs beyond those they saw."""
    raise typer.Exit(2)
