"""A grid for a terminal and for programs: its plan before it runs, its state and losses after."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fitting import flops, terminal, units
from sweeps.estimate import Estimate
from sweeps.grid import OVER, Grid, State
from sweeps.run_table import epochs
from sweeps.spec import GridSpec, RunSpec

if TYPE_CHECKING:
    from sweeps.profiling import Profile


def plan(grid: GridSpec, corpus: Mapping[str, Any], states: Mapping[str, State], time: Estimate | None) -> None:
    """Print what a grid would run."""
    out = terminal.console()
    left = [cell for cell in grid.cells if states[cell.id] not in OVER]
    total = sum(cell.total_flops for cell in left)
    done = len(grid.cells) - len(left)
    what = f"{len(grid.cells)} cells" + (f", {done} of them done" if done else "")
    out.print(f"Grid {grid.name}: {what}; {units.flops(total)} FLOPs to spend{_duration(time)}.")
    tokens = corpus["tokens"]
    out.print(
        f"Text: {corpus['name']}, {units.count(tokens['teacher'])} tokens for teachers, "
        f"{units.count(tokens['student'])} for students, sha256 {corpus['sha256'][:12]}."
    )
    out.print()
    table = terminal.table("cell", "N", "D", "steps", "FLOPs", "after", "state", left=("after", "state"))
    for cell in grid.cells:
        table.add_row(*_columns(cell), "+".join(teacher.id for teacher in cell.teachers), states[cell.id])
    terminal.show_table(out, table)
    if time is None:
        out.print("No estimate of the time: torch is not installed (pip install 'distillaw[sweeps]').")
    else:
        out.print(f"Time: an estimate from {time.basis}.")


def summary(grid: Grid) -> None:
    """Print the states of a grid's cells and the losses of the finished ones."""
    out = terminal.console()
    states = grid.states()
    counts = Counter(states.values())
    listed = ", ".join(f"{count} {state}" for state, count in counts.items())
    out.print(f"Grid {grid.spec.name} in {grid.folder}: {len(states)} cells, {listed}.")
    out.print()
    table = terminal.table("cell", "N", "D", "steps", "FLOPs", "loss", "state", left=("state",))
    for cell in grid.spec.cells:
        loss = _loss(grid, cell)
        state: str = states[cell.id]
        if state in ("running", "preempted"):
            state += f", {100 * grid.flops_done(cell) / cell.total_flops:.0f} %"
        table.add_row(*_columns(cell), "" if loss is None else f"{loss:.4f}", state)
    terminal.show_table(out, table)
    out.print("Loss: held-out cross-entropy in nats per token. N: non-embedding parameters.")
    again = repeats(grid.spec, grid.corpus)
    if again:
        out.print(again)


def repeats(grid: GridSpec, corpus: Mapping[str, Any]) -> str:
    """Which runs go through their text more than once, in words; nothing where none does."""
    times = [found for cell in grid.cells if (found := epochs(cell, corpus)) > 1]
    if not times:
        return ""
    return f"{len(times)} of {len(grid.cells)} cells repeat their text, up to {max(times):.1f} times (column epochs)."


def profile(found: "Profile") -> None:
    """Print where a step goes."""
    out = terminal.console()
    per_second = found.tokens / found.seconds
    out.print(
        f"A step of {found.cell} takes {_milliseconds(found.seconds)}: {units.count(per_second)} tokens/s, "
        f"MFU {100 * found.mfu:.0f} %, on {found.device} ({found.threads} threads)."
    )
    out.print()
    table = terminal.table("part", "time", "share", left=("part",))
    for name, seconds in found.parts.items():
        table.add_row(name, _milliseconds(seconds), f"{100 * seconds / found.seconds:.0f} %")
    terminal.show_table(out, table)
    out.print("Medians of steps with untrained weights, taken bare. MFU: the step's FLOPs over the device's peak.")


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def plan_object(
    grid: GridSpec, corpus: Mapping[str, Any], states: Mapping[str, State], time: Estimate | None
) -> dict[str, Any]:
    """What `--dry-run --json` prints."""
    return {
        "dry_run": True,
        "name": grid.name,
        "corpus": dict(corpus),
        "cells": [_cell_object(cell, states[cell.id]) for cell in grid.cells],
        "flops": sum(cell.total_flops for cell in grid.cells),
        "seconds": time.seconds if time else None,
        "seconds_basis": time.basis if time else None,
    }


def state_object(grid: Grid) -> dict[str, Any]:
    """What `run --json` and `status --json` print."""
    states = grid.states()
    cells = []
    for cell in grid.spec.cells:
        done = grid.flops_done(cell)
        cells.append({**_cell_object(cell, states[cell.id]), "flops_done": done, "loss": _loss(grid, cell)})
    return {
        "name": grid.spec.name,
        "out": str(grid.folder),
        "corpus": dict(grid.corpus),
        "counts": dict(Counter(states.values())),
        "cells": cells,
    }


def _cell_object(cell: RunSpec, state: State) -> dict[str, Any]:
    return {
        "id": cell.id,
        "role": cell.role,
        "teacher": "+".join(teacher.id for teacher in cell.teachers) or None,
        "N": flops.parameters(cell.shape).non_embedding,
        "D": cell.tokens,
        "steps": cell.steps,
        "flops": {"training": cell.training_flops, "logits": cell.logits_flops},
        "state": state,
    }


def _columns(cell: RunSpec) -> tuple[str, ...]:
    N = flops.parameters(cell.shape).non_embedding
    return cell.id, units.count(N), units.count(cell.tokens), str(cell.steps), units.flops(cell.total_flops)


def _loss(grid: Grid, cell: RunSpec) -> float | None:
    record = grid.record(cell)
    return record["loss"] if record else None


def _duration(time: Estimate | None) -> str:
    if time is None:
        return ""
    return f", about {units.duration(time.seconds)} with {time.workers} workers"
