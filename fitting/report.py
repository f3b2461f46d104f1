"""Predictions and laws for a terminal: the answer in a sentence, the table, the doubts, the next command.

Results go to stdout, warnings to stderr. Without a terminal, and under NO_COLOR, the text is plain.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from fitting import terminal, units
from fitting.fit import COEFFICIENTS
from fitting.known import KnownLaw
from fitting.predict import LEVEL, Prediction, range_of
from fitting.published import DEFAULT_LAW
from fitting.records import RunTable


def show_prediction(
    prediction: Prediction, law: KnownLaw, N: float, D: float, teacher_loss: float | None, called: str
) -> None:
    """Print the prediction for one student; `called` is how the caller named the law."""
    screen = terminal.console()
    who = f"{units.count(N)} parameters on {units.count(D)} tokens"
    gain = prediction.supervised_loss - prediction.loss
    if teacher_loss is None:
        screen.print(f"Trained on the data alone, {who} reach {prediction.loss:.3f} nats/token.")
    else:
        side = "better" if gain >= 0 else "worse"
        screen.print(
            f"Distilled from a teacher at {teacher_loss:g}, {who} reach {prediction.loss:.3f} nats/token, "
            f"{abs(gain):.3f} {side} than without a teacher."
        )
    screen.print()
    grid = terminal.table("", "nats/token")
    if teacher_loss is not None:
        grid.add_row("teacher", f"{teacher_loss:.4f}")
        grid.add_row("student, distilled", f"{prediction.loss:.4f}")
    grid.add_row("student, supervised", f"{prediction.supervised_loss:.4f}")
    if prediction.interval is not None:
        low, high = prediction.interval
        grid.add_row(f"{LEVEL:.0%} interval of the student's run", f"{low:.4f} to {high:.4f}")
    terminal.show_table(screen, grid)
    screen.print()
    screen.print(f"Law: {law.id} ({law.source}). Error: {law.error_source}.")
    terminal.show_doubts(prediction.warnings)
    with_law = "" if called == DEFAULT_LAW else f" --law {called}"
    if law.distillation is None:
        screen.print("Next: distillaw laws")
    elif teacher_loss is None:
        screen.print(
            f"Next: distillaw predict --student {units.exact(N)} --tokens {units.exact(D)} --teacher-loss "
            f"{0.9 * prediction.loss:.2f}{with_law}"
        )
    else:
        cost = units.flops(float(law.convention.training(N, D)))
        screen.print(f"Next: distillaw plan teacher-exists --student {units.exact(N)} --budget {cost}{with_law}")


def show_predictions(runs: RunTable, law: KnownLaw, out: str) -> None:
    """Print how a law's predictions compare with a table that has them in `predicted`."""
    screen = terminal.console()
    miss = misses(runs)
    known = ~np.isnan(miss)
    told = f", a typical {np.median(miss[known]):.2%} from what was observed" if known.any() else ""
    screen.print(f"Predicted {int((~np.isnan(runs.column('predicted'))).sum())} of {len(runs)} runs{told}.")
    screen.print()
    terminal.show_table(screen, _misses_by_kind(runs, miss) if known.any() else _expected(runs))
    screen.print()
    drawn = any("low" in run.extras for run in runs.records)
    told = "column `predicted`; this law has no draws, so no low and high"
    if drawn:
        told = f"columns `predicted`, `low` and `high` ({LEVEL:.0%} intervals)"
    screen.print(f"Law: {law.id} ({law.source}). Written to {out}, {told}.")
    screen.print(f"Next: distillaw figures --runs {out}" if known.any() else "Next: distillaw plan --help")


def _misses_by_kind(runs: RunTable, miss: Any) -> Table:
    grid = terminal.table("runs", "finished", "median miss", "90th percentile", "worst", "worst run")
    kinds, names = runs.column("kind"), runs.column("run_id")
    for kind in ("supervised", "distillation"):
        among = ~np.isnan(miss) & (kinds == kind)
        if among.any():
            found = miss[among]
            middle, high, worst = np.median(found), np.quantile(found, 0.9), found.max()
            run = names[among][found.argmax()]
            grid.add_row(kind, str(among.sum()), f"{middle:.2%}", f"{high:.2%}", f"{worst:.2%}", str(run))
    return grid


_SHOWN = 20


def _expected(runs: RunTable) -> Table:
    """What runs still to be made should reach, the first twenty of them."""
    grid = terminal.table("run", "N", "D", "teacher", "nats/token")
    for run in runs.records[:_SHOWN]:
        teacher = "" if run.teacher_loss is None else f"{run.teacher_loss:.4g}"
        expected = f"{run.extras['predicted']:.4f}" if "predicted" in run.extras else "unknown"
        grid.add_row(run.run_id, units.count(run.N), units.count(run.D), teacher, expected)
    if len(runs) > _SHOWN:
        grid.add_row(f"and {len(runs) - _SHOWN} more")
    return grid


def describe_predictions(runs: RunTable, law: KnownLaw, out: str) -> dict[str, Any]:
    """The object of `distillaw predict RUNS --json`."""
    miss = misses(runs)
    known = miss[~np.isnan(miss)]
    return {
        "schema": "distillaw/predictions/1",
        "law": law.describe(),
        "out": out,
        "n_runs": len(runs),
        "median_relative_error": float(np.median(known)) if len(known) else None,
        "interval": LEVEL if any("low" in run.extras for run in runs.records) else None,
    }


def misses(runs: RunTable) -> Any:
    """|predicted / observed - 1| of each run, shape (runs,); NaN where a run did not finish."""
    finished = runs.column("status") == "finished"
    return np.where(finished, np.abs(runs.column("predicted") / runs.column("loss") - 1), np.nan)


def show_laws(laws: Iterable[KnownLaw]) -> None:
    """Print the laws that the program knows."""
    screen, laws = terminal.console(), list(laws)
    screen.print(f"{len(laws)} published laws; a fit's JSON file serves wherever an id does.")
    for law in laws:
        screen.print()
        screen.print(f"{law.id}: {law.source}")
        screen.print(f"  N is {law.convention.parameters}; runs: {range_of(law)}; error: {law.error_source}")
        grid = terminal.table("", *COEFFICIENTS["supervised"], "c0", "c1", "f1", "d1")
        for form, formula in (("supervised", law.supervised), ("distillation", law.distillation)):
            if formula is not None:
                cells = [getattr(formula, str(column.header), None) for column in grid.columns[1:]]
                grid.add_row(f"  {form}", *("" if cell is None else f"{cell:g}" for cell in cells))
        terminal.show_table(screen, grid)
        for note in law.notes:
            screen.print(f"  {note}")
    screen.print()
    screen.print("Next: distillaw predict --student 1B --tokens 100B --teacher-loss 2.2")


def describe_law(law: KnownLaw) -> dict[str, Any]:
    """One law in the object of `distillaw laws --json`."""
    formulas = {"supervised": law.supervised, "distillation": law.distillation}
    return {
        **law.describe(),
        "coefficients": {
            form: {name: getattr(formula, name) for name in COEFFICIENTS[form]}
            for form, formula in formulas.items()
            if formula is not None
        },
        "intervals": law.intervals,
        "interval_level": law.interval_level,
        "support": {name: ends for name, ends in asdict(law.support).items() if ends is not None},
        "relative_error": law.relative_error,
        "error_source": law.error_source,
        "notes": list(law.notes),
    }
