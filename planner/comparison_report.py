"""A comparison of scenarios for a terminal or a notebook: the answer, one table, the doubts, the next command."""

from rich.console import Console
from rich.table import Table

from fitting import terminal
from fitting.units import count, flops
from planner.comparison import Comparison
from planner.plans import Plan
from planner.question import Question
from planner.render import MET, loss
from planner.scenarios import SUPERVISED

_WHAT = ("L_T", "N_T", "D_T", "D_S")
_PARTS = ("student FLOPs", "forwards", "teacher FLOPs")
"""The headers over `_what` and `_shares`."""


def show(found: Comparison, asked: Question) -> None:
    """Print a comparison: the result on stdout, its warnings on stderr."""
    out = terminal.console()
    _print(found, out)
    if asked.words:
        out.print(asked.words)
    terminal.show_doubts(found.warnings)
    out.print(f"Next: {_next(found, asked)}")


def html(found: Comparison) -> str:
    """The comparison for a notebook, warnings included."""
    return terminal.html(lambda out: _print(found, out), found.warnings)


def _print(found: Comparison, out: Console) -> None:
    targets = any(row.target for row in found.rows)
    one = len(found.budgets) == 1
    out.print(_cheapest(found) if targets else _answer(found) if one else _answers(found))
    out.print()
    terminal.show_table(out, _by_cost(found) if targets else _by_scenario(found) if one else _by_budget(found))
    out.print()
    for missing in found.missing:
        where = "" if missing.budget is None else f" at {flops(missing.budget)} FLOPs"
        out.print(f"No plan for {missing.scenario}{where}: {missing.why}.")
    law = found.rows[0].law
    out.print(f"Law: {law['id']} ({law['source']}).")


def _answer(found: Comparison) -> str:
    best = min(found.rows, key=lambda row: row.student.loss)
    N, cost = count(found.student), flops(best.budget)
    close = [row.scenario for row in found.rows if row.scenario != SUPERVISED and row.verdict == "too-close"]
    worth = [row.scenario for row in found.rows if row.verdict == "distil"]
    told = [f"Distil in {_list(worth)}" if worth else "In no scenario is distilling clearly better"]
    if close:
        told.append(f"too close to call in {_list(close) if len(close) < len(found.rows) - 1 else 'all of them'}")
    return (
        f"{'; '.join(told)}: with {cost} FLOPs the {N} student reaches {best.student.loss:.3f} nats/token at best, "
        f"{best.scenario}."
    )


def _answers(found: Comparison) -> str:
    """For every scenario the budgets at which distilling wins."""
    told = []
    for name in found.scenarios:
        if name == SUPERVISED:
            continue
        won = [row.budget for row in found.of(name) if row.verdict == "distil"]
        told.append(f"{name} {_spans(won, found.budgets)}")
    return f"Distilling a {count(found.student)} student clearly pays: {'; '.join(told)}."


def _spans(won: list[float], budgets: tuple[float, ...]) -> str:
    """ "at 1e20 to 1e21 and 1e24 FLOPs": neighbouring budgets together."""
    if not won:
        return "nowhere"
    runs: list[list[float]] = []
    for C in won:
        if runs and budgets.index(C) == budgets.index(runs[-1][-1]) + 1:
            runs[-1].append(C)
        else:
            runs.append([C])
    parts = [flops(run[0]) if len(run) == 1 else f"{flops(run[0])} to {flops(run[-1])}" for run in runs]
    return f"at {_list(parts)} FLOPs"


def _cheapest(found: Comparison) -> str:
    best = min(found.rows, key=lambda row: row.budget)
    assert best.target is not None
    told = (
        f"The {count(found.student)} student reaches {best.target.loss:g} nats/token for the least in scenario "
        f"{best.scenario}: {flops(best.budget)} FLOPs"
    )
    if best.student.loss < best.target.loss - MET:
        tokens = count(best.student.D)
        return f"{told}, on {tokens} tokens, the fewest searched for; it is at {best.student.loss:.3f} then."
    return f"{told}."


def _by_scenario(found: Comparison) -> Table:
    grid = terminal.table(
        "", "nats/token", *_WHAT, *_PARTS, "margin", "verdict", left=("verdict",)
    )  # fmt: skip
    for row in found.rows:
        grid.add_row(row.scenario, loss(row.student.loss, row.student.interval), *_what(row), *_shares(row), *_won(row))
    return grid


def _by_budget(found: Comparison) -> Table:
    names = [name for name in found.scenarios if name != SUPERVISED]
    grid = terminal.table("FLOPs", SUPERVISED, *(f"{name} (margin)" for name in names))
    cells = {(row.budget, row.scenario): row for row in found.rows}
    for C in found.budgets:
        alone = cells.get((C, SUPERVISED))
        line = [flops(C), "" if alone is None else f"{alone.student.loss:.3f}"]
        for name in names:
            row = cells.get((C, name))
            sign = "" if row is None else {"distil": " *", "too-close": " ~"}.get(row.verdict or "", "  ")
            line.append("" if row is None else f"{row.student.loss:.3f} ({row.margin:+.3f}){sign}")
        grid.add_row(*line)
    grid.caption = "* distilling wins, ~ too close to call"
    grid.caption_justify = "left"
    return grid


def _by_cost(found: Comparison) -> Table:
    grid = terminal.table("", "FLOPs", "of supervised", "nats/token", *_WHAT, *_PARTS)
    for row in found.rows:
        assert row.target is not None
        alone = row.target.supervised_budget
        ratio = "" if alone is None else f"{row.budget / alone:.2g}x"
        grid.add_row(row.scenario, flops(row.budget), ratio, f"{row.student.loss:.3f}", *_what(row), *_shares(row))
    return grid


def _what(row: Plan) -> list[str]:
    """L_T, N_T, D_T and D_S of a plan."""
    teacher = row.teacher
    if teacher.loss is None:
        return ["", "", "", count(row.student.D)]
    counts = ["any" if value is None else count(value) for value in (teacher.N, teacher.D)]
    return [f"{teacher.loss:.3f}", *counts, count(row.student.D)]


def _shares(row: Plan) -> list[str]:
    return [f"{share:.0%}" if share else "" for share in row.shares]


def _won(row: Plan) -> list[str]:
    return ["", ""] if row.scenario == SUPERVISED else [f"{row.margin:+.3f}", row.verdict or ""]


def _next(found: Comparison, asked: Question) -> str:
    if any(row.target for row in found.rows) or len(found.budgets) > 1:
        return asked.command("crossover")
    return asked.command("plan train-teacher" if found.rows[-1].pay_pretraining else "plan teacher-exists")


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
