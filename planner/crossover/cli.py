"""The command `distillaw crossover`: flags in, one answer out; mounted by name."""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from fitting import units
from fitting.errors import Faults, InputError
from fitting.options import DEFAULT_LAW
from planner import options

if TYPE_CHECKING:
    from fitting.known import KnownLaw
    from planner.crossover.stretches import Crossover


def crossover(
    student: options.Student,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="LOW:HIGH", help="Budgets in FLOPs; by default all that the law reaches."),
    ] = None,
    tolerance: Annotated[
        str, typer.Option("--tolerance", help="Nats/token up to which a margin counts for neither side.")
    ] = "0.005",
    pay_logits: options.PayLogits = "1",
    pay_pretraining: options.PayPretraining = "1",
    law: options.LawOption = DEFAULT_LAW,
    total: options.Total = False,
    strict: options.Strict = False,
    plot: options.Plot = None,
    as_json: options.Json = False,
) -> None:
    """Where distilling stops paying: the budgets at which it wins, supervised training wins, or neither does.

    For each scenario, with the best teacher at every budget; the shares apply to the scenarios that pay at all. From a
    fit with draws, also the share of draws on each side.

    \b
    Examples:
      distillaw crossover --student 1B
      distillaw crossover --student 300M --budget 1e20:1e24 --tolerance 0.02
      distillaw crossover --student 7B --pay-logits 0.5 --json
      distillaw crossover --student 1B --budget 1e20:1e26 --plot map.png
      distillaw crossover --student 100K --law law.json --strict
    """
    given = dict(locals())
    from fitting.library import load_law, parse_size

    faults = Faults()
    known = faults.collect(load_law, law)
    N_S = faults.collect(parse_size, student, "--student", known, with_embeddings=total)
    nats = faults.collect(_tolerance, tolerance)
    logits = faults.collect(units.parse_share, pay_logits, "--pay-logits")
    pretraining = faults.collect(units.parse_share, pay_pretraining, "--pay-pretraining")
    budgets = faults.collect(_budgets, budget) if budget is not None else None
    if plot is not None:
        from planner.plots import check

        faults.collect(check, plot)
    faults.raise_if_any()
    assert known is not None
    assert N_S is not None
    assert nats is not None
    assert logits is not None
    assert pretraining is not None

    from fitting.progress import shown
    from planner.crossover import crossing
    from planner.scenarios import Charges

    with shown(not as_json and known.fitted is not None and known.fitted.draws is not None) as progress:
        found = crossing.crossover(
            known,
            student=N_S,
            tolerance=nats,
            budgets=budgets,
            charges=Charges(logits, pretraining),
            strict=strict,
            progress=progress,
        )
    if plot is not None:
        _draw(found, known, plot)
    if as_json:
        typer.echo(json.dumps(found.to_json(), allow_nan=False))
        return
    from planner.crossover.report import show, telling_budget
    from planner.question import command

    show(found, command(given, "plan teacher-exists", budget=units.flops(telling_budget(found))))


def _draw(found: "Crossover", law: "KnownLaw", path: str) -> None:
    """The margin over budgets and student sizes, in every scenario."""
    import numpy as np

    from planner import plots
    from planner.crossover.crossing import crossover_map, sizes_around
    from planner.scenarios import scenarios

    students, budgets = sizes_around(law, found.student), np.geomspace(*found.budgets, 61)
    delta = {name: crossover_map(law, students, budgets, paid) for name, paid in scenarios(found.charges).items()}
    plots.crossover_map(students, budgets, delta, found.tolerance, path, mark=found.student, law=law)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"--tolerance: {text!r} is not a number; write nats/token, as in 0.005") from None
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"--tolerance: must be zero or more nats/token, not {text!r}")
    return value


def _budgets(text: str) -> tuple[float, float]:
    low, high, points = units.parse_range(text, "--budget")
    if points is not None:
        raise InputError(f"--budget: {text!r} asks for {points} points, but changes are found wherever they are; "
                         f"write {units.exact(low, units.flops)}:{units.exact(high, units.flops)}")  # fmt: skip
    return low, high
