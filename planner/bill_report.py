"""The bill of a plan for a terminal: a table of its parts, and what it was counted with."""

from rich.table import Table

from fitting import terminal
from fitting.units import flops
from planner.plans import Bill, Part


def table(bill: Bill) -> Table:
    """GPU-hours of every part, and days and money where they were asked for."""
    days, cost = bill.count is not None, bill.price is not None
    grid = terminal.table("", "FLOPs", "GPU-hours", *(["days"] if days else []), *(["cost"] if cost else []))

    def row(name: str, part: Part) -> None:
        grid.add_row(
            name,
            flops(part.flops),
            _number(part.gpu_hours),
            *([_number(part.days)] if part.days is not None else []),
            *([_number(part.cost)] if part.cost is not None else []),
        )

    row("student", bill.student)
    if bill.teacher.flops:
        row("teacher", bill.teacher)
    if bill.forwards.flops:
        row("teacher's forwards", bill.forwards)
    if bill.serving.flops:
        row("serving", bill.serving)
    row("in all", bill.total)
    if bill.supervised is not None:
        row("trained directly", bill.supervised)
    return grid


def words(bill: Bill) -> str:
    """What the bill was counted with, in a sentence."""
    machines = f"{bill.count:g} {bill.gpu.upper()}" if bill.count is not None else bill.gpu.upper()
    told = f"On {machines} at {bill.mfu:.0%} of {flops(bill.peak)} FLOP/s, {bill.peak_source}"
    priced = "" if bill.price is None else f"; {bill.price:g} a GPU-hour"
    return f"{told}{priced}."


def _number(value: float) -> str:
    """ "12,345", "12.3", "0.0123": three digits where there are no more before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
