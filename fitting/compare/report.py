"""Forms of the law for a terminal: the answer in a sentence, one row a form, what is doubted, the next command."""

import shlex
from collections.abc import Sequence

from rich.table import Table

from fitting import terminal, units
from fitting.compare.forms import KAPLAN, Comparison, Row


def show(found: Comparison, runs: str, flags: Sequence[str]) -> None:
    """Print a comparison; `runs` and `flags` are what the next command repeats."""
    screen = terminal.console()
    screen.print(answer(found))
    screen.print()
    terminal.show_table(screen, _rows(found))
    screen.print()
    screen.print(f"Chosen: {found.rows[found.chosen].trial.form.name}: {found.why}.")
    screen.print(_where(found))
    if any(row.trial.form.name == KAPLAN for row in found.rows):
        screen.print("Kaplan, (A/N^alpha + B/D)^gamma without E (arXiv 2001.08361), is compared and never chosen.")
    if found.supervised is not None:
        screen.print(f"All forms stand on the supervised law {found.supervised.id}, {_below(found)}.")
    if found.terms:
        screen.print()
        terminal.show_table(screen, _terms(found))
    terminal.show_doubts(found.warnings)
    screen.print(f"Next: distillaw fit {shlex.join([runs, *flags])} --out law.json")


def answer(found: Comparison) -> str:
    """Which form predicts larger runs, in one sentence."""
    best = found.rows[found.chosen]
    name = f"The {found.fit.form} law with {best.trial.form.name}"
    if best.error is None:
        return f"{name} is taken untested: too few runs to hold any out."
    others = [f"{row.trial.form.name} by {row.error:.2%}" for row in found.rows if row is not best and row.error]
    told = f" ({', '.join(others)})" if others else ""
    return f"{name} is the form to use: fitted to small runs it misses larger ones by {best.error:.2%}{told}."


def _rows(found: Comparison) -> Table:
    where = ("N", "D") if found.fit.form == "supervised" else ()
    grid = terminal.table(
        "form", "free", "status", "objective", "rollout error", "held out", "inside 95%", *where, "nats/token", "",
        left=("status", ""),
    )  # fmt: skip
    for k, row in enumerate(found.rows):
        grid.add_row(*_cells(row, where), "chosen" if k == found.chosen else "")
    return grid


def _cells(row: Row, where: Sequence[str]) -> list[str]:
    tried = row.trial
    if tried.fit is None:
        return [tried.form.name, str(tried.free), "left out", *[""] * (5 + len(where))]
    held = ("untested", "", "") if row.error is None or row.rollout is None else (
        f"{row.error:.2%}", str(row.rollout.predicted), f"{row.inside:.0%}"
    )  # fmt: skip
    at = row.optimum or {}
    place = [units.count(at[name]) if at else "none" for name in where]
    loss = f"{at['loss']:.4f}" if at else ""
    return [tried.form.name, str(tried.free), tried.fit.status, f"{tried.fit.objective:.4g}", *held, *place, loss]


def _where(found: Comparison) -> str:
    if found.budget is not None:
        return f"N, D and nats/token are the compute-optimal ones at {units.flops(found.budget)} FLOPs."
    at = found.rows[found.chosen].optimum
    assert at is not None
    return (
        f"nats/token are those of a student of {units.count(at['N_S'])} parameters on {units.count(at['D_S'])} tokens "
        f"with the best teacher ({at['L_T']:.4g}): the largest student on twice the tokens."
    )


def _below(found: Comparison) -> str:
    assert found.supervised is not None
    chosen = [candidate.name for candidate in found.supervised.selection if candidate.chosen]
    if chosen:
        return f"{chosen[0]} by its own rollout"
    return "given" if found.supervised.status == "given" else "its form as fixed"


def _terms(found: Comparison) -> Table:
    grid = terminal.table("term beside the law", "slope", "held-out error", "with it", "")
    for term in found.terms:
        told = "would help" if term.taken else ""
        grid.add_row(term.name, f"{term.slope:+.3g}", f"{term.error_without:.2%}", f"{term.error_with:.2%}", told)
    return grid
