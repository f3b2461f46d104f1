"""Printing: a narrow terminal wraps a table's lines, and never shortens a cell."""

import io
import re

import pytest
from rich.console import Console

from fitting import terminal
from fitting.fit import Doubt


@pytest.mark.parametrize("width", [20, 60, 200])
def test_no_cell_is_ever_shortened(width, monkeypatch):
    cells = ["a long name of a run", "1.23456789e+21", "5.3e+03", "finished"]
    screen = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True)
    grid = terminal.table("run", "FLOPs", "D/N", "state", left=("state",))
    grid.add_row(*cells)
    terminal.show_table(screen, grid)
    printed = screen.file.getvalue()
    assert all(cell in printed for cell in cells)
    assert screen.width == width


def test_a_narrow_terminal_reads_row_by_row():
    screen = Console(file=io.StringIO(), width=18, force_terminal=True, no_color=True)
    grid = terminal.table("run", "FLOPs", "state", left=("state",))
    grid.add_row("r1", "1e21", "finished")
    grid.add_row("r2", "", "running")
    terminal.show_table(screen, grid)
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", screen.file.getvalue()).splitlines()]
    assert lines == ["r1", "FLOPs: 1e21", "state: finished", "r2", "state: running"]
    assert max(map(len, lines)) <= 18


def test_a_pipe_gets_the_table_whole(capsys):
    grid = terminal.table(*(f"column {i}" for i in range(40)))
    grid.add_row(*["cell"] * 40)
    terminal.show_table(terminal.console(), grid)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_brackets_are_text(capsys):
    terminal.console().print("pip install 'distillaw[sweeps]'")
    terminal.show_doubts([Doubt("bound-hit", "N_T in [1e6, 1e17]")])
    printed = capsys.readouterr()
    assert printed.out == "pip install 'distillaw[sweeps]'\n"
    assert printed.err == "warning: N_T in [1e6, 1e17] [bound-hit]\n"


def test_what_is_written_for_a_notebook_is_not_shown_there_as_it_is_written(monkeypatch, capsys):
    """In a notebook rich would display each line at once, and the notebook then the whole again."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    found = terminal.html(lambda out: out.print("a plan"), [Doubt("support", "far outside")])
    assert found == "<pre>a plan\nwarning: far outside [support]\n</pre>"
    assert capsys.readouterr() == ("", "")
