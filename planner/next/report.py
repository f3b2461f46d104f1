"""Advice for a terminal or a notebook: what to train next, the runs in order, single runs beside them, the doubts."""

import math

from rich.console import Console
from rich.table import Table

from fitting import terminal
from fitting.units import count, flops
from planner.next.advice import Advice
from planner.next.advising import ROUNDED
from planner.next.cells import Cell
from planner.next.choosing import MOST_RUNS, Step


def show(advice: Advice, next_command: str) -> None:
    """Print advice: the result on stdout, its warnings on stderr."""
    out = terminal.console()
    _print(advice, out)
    terminal.show_doubts(advice.warnings)
    out.print(f"Next: {next_command}")


def html(advice: Advice) -> str:
    """The advice for a notebook, warnings included."""
    return terminal.html(lambda out: _print(advice, out), advice.warnings)


def answer(advice: Advice) -> str:
    """What to train next and what it does to the expected regret, in a sentence."""
    if not advice.batch:
        return (
            f"No run to choose from would change the plan, by what {advice.draws} draws know: they expect it to lose "
            f"{advice.now:.3g} nats/token."
        )
    falls = f"the plan's expected regret falls from {advice.now:.3g} to {advice.then:.3g} nats/token"
    if len(advice.batch) == 1:
        return f"Train next: {words(advice.batch[0])}: {falls} for {flops(advice.flops)} FLOPs."
    return f"Train next: the {len(advice.batch)} runs below: {falls} for {flops(advice.flops)} FLOPs."


def words(step: Step) -> str:
    """A run in words."""
    cell = step.cell
    told = f"{count(cell.N)} parameters on {count(cell.D)} tokens"
    if cell.teacher is None:
        return f"{told}, without a teacher"
    if step.trains is None:
        return f"{told}, taught by {cell.teacher.name}"
    assert step.trains.D is not None
    return f"{told}, and first its teacher, {count(step.trains.N)} on {count(step.trains.D)} tokens"


def _print(advice: Advice, out: Console) -> None:
    out.print(answer(advice))
    out.print()
    if len(advice.batch) > 1:
        terminal.show_table(out, _batch(advice))
        out.print()
    if advice.batch and advice.spend is not None and len(advice.batch) < MOST_RUNS:
        out.print(
            f"The {flops(advice.spend - advice.flops)} FLOPs left pay for no run that lowers it noticeably, by what "
            "the draws know: fit these runs, and ask again."
        )
        out.print()
    if advice.best:
        out.print("Single runs, most gain per FLOP first:")
        terminal.show_table(out, _best(advice))
        out.print()
    plan = advice.plan
    out.print(
        f"The plan: {plan.scenario}, a {count(plan.student.N)} student, {flops(plan.budget)} FLOPs ({plan.verdict}). "
        f"Regret is what it loses to the plan of whichever draw is true; {advice.draws} draws, {advice.candidates} "
        f"runs to choose from{_reach(advice)}."
    )
    out.print(f"Law: {plan.law['id']} ({plan.law['source']}).")


def _reach(advice: Advice) -> str:
    names = {"N_S": "parameters", "D_S": "tokens"}
    far = [f"{names[name]} {factor:.2g}x" for name, factor in advice.reach.items() if factor > ROUNDED]
    return f", beyond the law's runs by at most {' and '.join(far)}" if far else ", all among the law's runs"


def _batch(advice: Advice) -> Table:
    grid = terminal.table(
        "run", "parameters", "tokens", "teacher", "FLOPs", "predicted loss", "regret left", left=("teacher",)
    )
    for step in advice.batch:
        if step.trains is not None:
            assert step.trains.D is not None
            grid.add_row(step.trains.name, count(step.trains.N), count(step.trains.D), "", "with the next", "", "")
        grid.add_row(*_cells(step.cell), flops(step.flops), f"{math.exp(step.predicted):.3f}", f"{step.left:.3g}")
    return grid


def _best(advice: Advice) -> Table:
    grid = terminal.table("run", "parameters", "tokens", "teacher", "FLOPs", "regret left", left=("teacher",))
    for each in advice.best:
        grid.add_row(*_cells(each.cell), flops(each.flops), f"{each.left:.3g}")
    return grid


def _cells(cell: Cell) -> tuple[str, ...]:
    teacher = cell.teacher
    of = "" if teacher is None else teacher.name if teacher.exists else f"{teacher.name}, to be trained"
    return cell.run_id, count(cell.N), count(cell.D), of
