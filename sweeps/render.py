"""A grid for a terminal and for programs: its plan before it runs, its state and losses after."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitting import flops, terminal, units
from sweeps.estimate import Estimate
from sweeps.grid import OVER, Grid, State
from sweeps.queueing import TO_DO
from sweeps.run_table import epochs
from sweeps.spec import GridSpec, RunSpec
from sweeps.watching import Look, Watcher

if TYPE_CHECKING:
    from rich.console import Console

    from sweeps.profiling import Profile


MOST_ROWS = 60
"""Cells that a table lists in full."""

STATES: tuple[State, ...] = ("done", "running", "planned", "preempted", "failed", "diverged", "blocked")
"""In the order in which a person wants to know."""

_NOTABLE: tuple[State, ...] = ("running", "preempted", "failed", "diverged")
"""What is listed of a grid that is too long for a table."""


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
    table = terminal.table("cell", "N", "D", "FLOPs", "steps", "after", "state", left=("after", "state"))
    for cell in grid.cells:
        table.add_row(
            *_columns(cell), str(cell.steps), "+".join(teacher.id for teacher in cell.teachers), states[cell.id]
        )
    terminal.show_table(out, table)
    if time is None:
        out.print("No estimate of the time: torch is not installed (pip install 'distillaw[sweeps]').")
    else:
        out.print(f"Time: an estimate from {time.basis}.")


def summary(grid: Grid) -> Look:
    """Print how far a grid is, its cells with the losses so far, and what is wrong with some; returns what it saw."""
    out = terminal.console()
    watcher = Watcher(grid)
    look = watcher.look()
    out.print(f"Grid {grid.spec.name} in {grid.folder}: {len(look.states)} cells, {counted(look.states)}.")
    if look.running:
        out.print(f"Running: {how_far(look)}.")
    out.print()
    listed = grid.spec.cells
    if len(listed) > MOST_ROWS:
        _show_roles(out, grid, look)
        listed = tuple(cell for cell in listed if look.states[cell.id] in _NOTABLE)
    table = terminal.table("cell", "N", "D", "FLOPs", "loss", "state", left=("state",))
    for cell in listed:
        loss = _loss(grid, cell)
        state: str = look.states[cell.id]
        if state in ("running", "preempted"):
            state += f", {100 * watcher.flops_done(cell) / cell.total_flops:.0f} %"
        elif state == "diverged":
            state = diverged(watcher.diverged_at(cell.id))
        table.add_row(*_columns(cell), "" if loss is None else f"{loss:.4f}", state)
    if listed:
        terminal.show_table(out, table)
    if len(listed) < len(look.states):
        out.print(f"{len(look.states) - len(listed)} cells of other states are not listed; --json has them all.")
    out.print("Loss: held-out cross-entropy in nats per token. N: non-embedding parameters.")
    for name in look.among("failed"):
        out.print(f"{name} failed: {watcher.error(name)} (see {watcher.error_file(name)})")
    again = repeats(grid.spec, grid.corpus)
    if again:
        out.print(again)
    return look


def _show_roles(out: "Console", grid: Grid, look: Look) -> None:
    """A grid too long to list: its cells by role and state."""
    here = [state for state in STATES if state in look.states.values()]
    table = terminal.table("role", "cells", *here)
    for role in ("teacher", "supervised", "distilled"):
        of_role = Counter(look.states[cell.id] for cell in grid.spec.cells if cell.role == role)
        if of_role:
            table.add_row(role, str(of_role.total()), *(str(of_role[state] or "") for state in here))
    terminal.show_table(out, table)
    out.print()


def counted(states: Mapping[str, State]) -> str:
    """How many cells are in each state: `3 done, 2 running, 5 planned`."""
    counts = Counter(states.values())
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def how_far(look: Look) -> str:
    """Cells over, the share of FLOPs done, and, where something says, the pace and the time left."""
    said = f"{len(look.among(*OVER))}/{len(look.states)} cells, {int(100 * look.done / look.total)} % of FLOPs"
    if look.speed:
        said += f", {units.flops(look.speed, 2)} FLOP/s"
    return said + (f", about {units.duration(look.seconds)} left" if look.seconds is not None else "")


def diverged(step: int | None) -> str:
    """A diverged cell is flagged, with its step where the journal has it."""
    return "diverged" if step is None else f"diverged at step {step}"


def next_command(folder: Path, states: Mapping[str, State]) -> str:
    """How to go on with a grid at which nobody is at work."""
    here = set(states.values())
    if here & set(TO_DO):
        return f"Next: distillaw sweep run GRID.toml --out {folder}"
    if "failed" in here:
        return f"Next: distillaw sweep retry {folder}"
    return f"Next: distillaw sweep collect {folder} --out runs.csv"


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
    """What `run --json`, `status --json` and `watch --json` print."""
    watcher = Watcher(grid)
    states = watcher.look().states
    cells = []
    for cell in grid.spec.cells:
        state, error = states[cell.id], grid.cell(cell).error
        seen = {
            "flops_done": watcher.flops_done(cell),
            "loss": _loss(grid, cell),
            "diverged_at": watcher.diverged_at(cell.id) if state == "diverged" else None,
            "error": _text(error) if state == "failed" else None,
        }
        cells.append({**_cell_object(cell, state), **seen})
    return {
        "name": grid.spec.name,
        "out": str(grid.folder),
        "corpus": dict(grid.corpus),
        "counts": dict(Counter(states.values())),
        "cells": cells,
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # it is being tried again
        return ""


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
    return cell.id, units.count(N), units.count(cell.tokens), units.flops(cell.total_flops)


def _loss(grid: Grid, cell: RunSpec) -> float | None:
    record = grid.record(cell)
    return record["loss"] if record else None


def _duration(time: Estimate | None) -> str:
    if time is None:
        return ""
    return f", about {units.duration(time.seconds)} with {time.workers} workers"
