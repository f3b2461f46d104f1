"""How long a grid will take here: a few real steps of each shape on one thread, then the schedule played through."""

import heapq
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fitting import flops
from fitting.flops import Shape, forward, parameters, training
from sweeps.given import GivenTeacher
from sweeps.grid import OVER, State
from sweeps.queueing import order, ready
from sweeps.sharing import trunks
from sweeps.spec import GridSpec, RunSpec

START_SECONDS = 8.0
"""A worker's imports, measured at 4-6 s with one starting beside it; cells run after that."""

OVERHEAD = 1.15
"""A run against its bare steps: 1.02 (width 72) to 1.25 (width 24) measured, for the Trainer and the journal."""

_STEPS = 4

_STEP_FLOPS = 2e10
"""A timed step takes as many windows of its batch as stay below this, under a second on one thread."""

_LARGEST_TIMED = 30e6
"""Parameters of the largest model that is built to be timed; larger ones are scaled from it by FLOPs."""

Rates = dict[Shape, tuple[float, float]]
"""Seconds a token for (an update, a forward pass) by shape."""


@dataclass(frozen=True)
class Estimate:
    """`seconds` of wall clock for a grid with `workers`, and what that rests on."""

    seconds: float
    workers: int
    basis: str


def estimate(grid: GridSpec, states: dict[str, State], workers: int) -> Estimate:
    """Time what is left of a grid. Raises `ImportError` without torch."""
    started = time.perf_counter()
    rates, timed = _rates(grid.cells)
    took = time.perf_counter() - started
    left = [cell for cell in order(grid.cells) if states[cell.id] not in OVER]
    trunk_of = trunks(grid.cells)
    seconds = {cell.id: _seconds(cell, rates) * (cell.own_share if cell.id in trunk_of else 1.0) for cell in left}
    total = START_SECONDS + _makespan(left, dict(states), seconds, workers, trunk_of) if left else 0.0
    what = f"each of {timed} shapes" if timed else "a small model that stands for them all"
    basis = f"{_STEPS} steps of {what}, measured now in {took:.1f} s on one thread of this CPU"
    if timed < len(rates):
        basis += f"; the {len(rates) - timed} larger shapes are scaled from it by FLOPs"
    return Estimate(total, workers, basis)


def _seconds(cell: RunSpec, rates: Rates) -> float:
    step, forward = rates[cell.shape]
    taught = 0.0
    if cell.logits_flops:  # a FLOP of a teacher takes what its own timing says, or that of its student
        shapes = [cell.shape if isinstance(teacher, GivenTeacher) else teacher.shape for teacher in cell.teachers]
        price = [rates[shape][1] / flops.forward(shape).total for shape in shapes]
        taught = cell.logits_flops * sum(price) / len(price)
    validated = cell.recipe.validation_tokens * cell.recipe.validations
    return OVERHEAD * (cell.tokens * step + taught + validated * forward)


def _makespan(
    waiting: list[RunSpec],
    states: dict[str, State],
    seconds: dict[str, float],
    workers: int,
    trunk_of: Mapping[str, RunSpec],
) -> float:
    """When the last cell ends if cells are started as `executors` does."""
    running: list[tuple[float, str]] = []
    now = 0.0
    while waiting or running:
        # a branch can start before its trunk has ended, which this leaves out
        startable = ready(waiting, states, trunk_of, lambda cell: False)
        for cell in startable[: workers - len(running)]:
            waiting.remove(cell)
            heapq.heappush(running, (now + seconds[cell.id], cell.id))
        if not running:
            break  # what is left waits for a teacher that will not come
        now, name = heapq.heappop(running)
        states[name] = "done"
    return now


def _rates(cells: Iterable[RunSpec]) -> tuple[Rates, int]:
    """The rates of every shape, and how many of them were measured."""
    by_shape = {cell.shape: cell for cell in cells}
    small = {shape: cell for shape, cell in by_shape.items() if parameters(shape).total <= _LARGEST_TIMED}
    measured = {shape: _seconds_per_token(cell) for shape, cell in small.items()}
    found = dict(measured)
    if len(small) < len(by_shape):
        if not measured:
            stand_in = Shape.of_depth(3, aspect=64, n_heads=4, n_vocab=256, n_ctx=128)
            some = next(iter(by_shape.values()))
            measured[stand_in] = _seconds_per_token(replace(some, shape=stand_in))
        largest = max(measured, key=lambda shape: forward(shape).total)
        for shape in by_shape.keys() - small.keys():
            ratio = forward(shape).total / forward(largest).total
            update, pass_ = measured[largest]
            found[shape] = (update * ratio, pass_ * ratio)
    return found, len(small)


def _seconds_per_token(cell: RunSpec) -> tuple[float, float]:
    """Seconds a token for (an update, a forward pass) of a cell's shape, from a few real steps on one thread."""
    import torch

    from sweeps.models import Transformer, initialise
    from sweeps.objectives import objective

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = Transformer(cell.shape)
        initialise(model, 0)
        adamw = torch.optim.AdamW(model.parameters(), fused=True)
        affordable = int(_STEP_FLOPS / training(cell.shape, cell.shape.n_ctx))
        windows = max(1, min(cell.recipe.batch_tokens // cell.shape.n_ctx, affordable))
        tokens = torch.zeros(windows, cell.shape.n_ctx, dtype=torch.long)
        updates, forwards = [], []
        for _ in range(_STEPS):
            start = time.perf_counter()
            hidden = model(tokens)
            middle = time.perf_counter()
            loss = objective(student_hidden=hidden, student_head=model.head, targets=tokens).objective
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), cell.recipe.clip)
            adamw.step()
            adamw.zero_grad()
            updates.append(time.perf_counter() - start)
            forwards.append(middle - start)
    finally:
        torch.set_num_threads(threads)
    # the first step pays for allocations
    return min(updates[1:]) / tokens.numel(), min(forwards[1:]) / tokens.numel()
