"""Findings for a terminal: the answer in a sentence, faults, oddities, the table in numbers, the next command."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from fitting import terminal, units
from fitting.checks.finding import WORD, Finding, number_of


def show(found: Sequence[Finding], summary: Mapping[str, Any], n_runs: int, runs: str, flags: Sequence[str]) -> None:
    """Print findings; `runs` and `flags` are what the next command repeats."""
    screen = terminal.console()
    faults = [finding for finding in found if finding.severity == "fault"]
    odd = [finding for finding in found if finding.severity == "odd"]
    screen.print(answer(len(faults), len(odd), n_runs))
    for heading, part in (("Faults", faults), ("Oddities", odd)):
        if part:
            screen.print()
            screen.print(f"{heading}:")
        for finding in part:
            end = "" if finding.message.endswith("?") else "."
            screen.print(f"- {finding.message[0].upper()}{finding.message[1:]}{end} [{finding.code}]")
    screen.print()
    _show_summary(summary)
    screen.print()
    command = shlex.join([runs, *flags])
    alone, taught = ("finished" in summary["runs"].get(kind, {}) for kind in ("supervised", "distillation"))
    if faults:
        screen.print(f"Next: correct the faults, then distillaw check {command}")
    elif taught and not alone:
        screen.print(f"Next: distillaw fit {command} --supervised LAW --out law.json")
    else:
        screen.print(f"Next: distillaw fit {command} --out law.json")


def answer(faults: int, odd: int, n_runs: int) -> str:
    """How many of each, in one sentence."""
    runs = number_of(n_runs, "run")
    oddities = f"{odd} {'oddity' if odd == 1 else 'oddities'}"
    if faults:
        return f"{number_of(faults, 'fault')} and {oddities} in {runs}."
    return f"No faults and {oddities if odd else 'nothing odd'} in {runs}."


def _show_summary(summary: Mapping[str, Any]) -> None:
    screen = terminal.console()
    grid = terminal.table("runs", "status", "N", "D", "FLOPs", "nats/token", "teachers at", left=("status",))
    for kind, statuses in summary["runs"].items():
        told = ", ".join(f"{count} {status}" for status, count in statuses.items())
        ends = summary["ranges"].get(kind, {})
        grid.add_row(
            WORD[kind],
            told,
            *(_range(ends.get(name), units.count) for name in ("N", "D")),
            _range(ends.get("C"), units.flops),
            *(_range(ends.get(name), "{:.4g}".format) for name in ("loss", "teacher_loss")),
        )
    terminal.show_table(screen, grid)
    if summary["n_teachers"]:
        screen.print(f"{number_of(summary['n_teachers'], 'teacher')}. Ranges are those of the finished runs.")


def _range(ends: Sequence[float] | None, write: Any) -> str:
    if ends is None:
        return ""
    low, high = (write(end) for end in ends)
    return low if low == high else f"{low} to {high}"
