"""A crossover for a terminal or a notebook: a sentence a scenario, the table, the doubts, the next command."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from fitting import terminal
from fitting.known import ON_THE_EDGE, Range
from fitting.units import count, flops
from planner.crossover.stretches import Crossover, Stretch
from planner.render import size
from planner.scenarios import TEACHER_INFERENCE

_DOES = {"distil": "distil", "supervise": "train directly", "neither": "neither"}

_SLIVER, _SLIVER_SHARE = 1.15, 0.05
"""A sentence leaves out stretches narrower than this factor, or where less is asked for than this share of its log."""


def show(result: Crossover, next_command: str) -> None:
    """Print a crossover: the result on stdout, its warnings on stderr."""
    out = terminal.console()
    _print(result, out)
    terminal.show_doubts(result.warnings)
    out.print(f"Next: {next_command}")


def html(result: Crossover) -> str:
    """The crossover for a notebook, warnings included."""
    return terminal.html(lambda out: _print(result, out), result.warnings)


def _print(result: Crossover, out: Console) -> None:
    for name, stretches in result.scenarios.items():
        out.print(sentence(name, stretches))
    out.print()
    terminal.show_table(out, breakdown(result))
    out.print()
    if result.draws:
        out.print(f"Shares of {result.draws} draws, each with its own optimum, averaged over the log of the budget.")
    if result.tolerance:
        out.print(f"Neither: at most {result.tolerance:g} nats/token apart.")
    out.print(f"Student: {size(result.student, result.convention)}. Law: {result.law['id']} ({result.law['source']}).")


def sentence(scenario: str, stretches: Sequence[Stretch]) -> str:
    """Who wins where, in one sentence: "Best case: distil up to 2.17e22 FLOPs (2.95T tokens), then train directly." """
    name = scenario[0].upper() + scenario[1:].replace("-", " ").replace("+", " and ")
    *before, last = _told(stretches)
    if not before:
        return f"{name}: {_DOES[last.winner]} from {flops(last.low)} to {flops(last.high)} FLOPs."
    parts = []
    for i, each in enumerate(before):
        units = (" FLOPs", " tokens") if i == 0 else ("", "")
        parts.append(f"{_DOES[each.winner]} up to {flops(each.high)}{units[0]} ({count(each.tokens[1])}{units[1]})")
    return f"{name}: {', '.join(parts)}, then {_DOES[last.winner]}."


def _told(stretches: Sequence[Stretch]) -> list[Stretch]:
    """The stretches that a sentence has room for: slivers, which the table shows, are passed over."""
    least = min(_SLIVER, (stretches[-1].high / stretches[0].low) ** _SLIVER_SHARE)
    found: list[Stretch] = []
    for each in stretches:
        if each.high < least * each.low:
            continue
        if found and found[-1].winner == each.winner:
            found[-1] = replace(found[-1], high=each.high, tokens=(found[-1].tokens[0], each.tokens[1]))
        else:
            found.append(each)
    return found


def breakdown(result: Crossover) -> Table:
    """A row a stretch: FLOPs, the supervised student's tokens, the winner, how far runs bear it, shares of draws."""
    shares = ("draws: distil", "draws: supervise", "draws: neither") if result.draws else ()
    columns = ("", "wins", "FLOPs from", "FLOPs to", "tokens from", "tokens to", "in the runs", *shares)
    grid = terminal.table(*columns, left=("wins", "in the runs"))
    for name, stretches in result.scenarios.items():
        for each in stretches:
            cells = [
                name,
                each.winner,
                *_apart(flops, (each.low, each.high)),
                *_apart(count, each.tokens),
                _borne(result, (each.low, each.high)),
            ]
            if each.draws is not None:
                cells += [f"{share:.0%}" for share in (each.draws.distil, each.draws.supervise, each.draws.neither)]
            grid.add_row(*cells)
    return grid


def _apart(write: Callable[[float, int], str], ends: Range) -> tuple[str, str]:
    """Both ends in three digits, or in as many more as tell them apart."""
    for digits in range(3, 7):
        low, high = (write(end, digits) for end in ends)
        if low != high:
            break
    return low, high


def _borne(result: Crossover, budgets: Range) -> str:
    """Whether the law's runs reach the student and these budgets."""
    if not result.size_in_runs:
        return "no"
    if result.support is None:
        return "not known"
    low, high = result.support
    if budgets[1] <= low or budgets[0] >= high:
        return "no"
    return "yes" if budgets[0] * ON_THE_EDGE >= low and budgets[1] <= high * ON_THE_EDGE else "partly"


def telling_budget(result: Crossover) -> float:
    """A budget worth a plan of its own: a change of winner in teacher inference, if there is one inside the runs."""
    low, high = result.budgets
    stretches = result.scenarios.get(TEACHER_INFERENCE) or next(iter(result.scenarios.values()))
    changes = [each.low for each in stretches[1:]]
    known = result.support or result.budgets
    inside = [C for C in changes if known[0] <= C <= known[1]]
    middle = (max(low, known[0]) * min(high, known[1])) ** 0.5
    return inside[-1] if inside else middle if low <= middle <= high else (low * high) ** 0.5
