"""How long a grid will take here: a few real steps of each shape on one thread, then the schedule played through."""

import heapq
import time
from dataclasses import dataclass

from fitting.flops import Shape
from sweeps.executors import order, ready
from sweeps.grid import State
from sweeps.spec import GridSpec, RunSpec

START_SECONDS = 8.0
"""A worker's imports, measured at 4-6 s with one starting beside it; cells run after that."""

OVERHEAD = 1.15
"""A run against its bare steps: 1.02 (width 72) to 1.25 (width 24) measured, for the Trainer and the journal."""

_STEPS = 4


@dataclass(frozen=True)
class Estimate:
    """`seconds` of wall clock for a grid with `workers`, and what that rests on."""

    seconds: float
    workers: int
    basis: str


def estimate(grid: GridSpec, states: dict[str, State], workers: int) -> Estimate:
    """Time what is left of a grid. Raises `ImportError` without torch."""
    started = time.perf_counter()
    rates = {}
    for cell in grid.cells:
        for shape_of in (cell, cell.teacher):
            if shape_of is not None and shape_of.shape not in rates:
                rates[shape_of.shape] = _seconds_per_token(shape_of)
    took = time.perf_counter() - started
    left = [cell for cell in order(grid.cells) if states[cell.id] in ("waiting", "started", "failed")]
    seconds = {cell.id: _seconds(cell, rates) for cell in left}
    total = START_SECONDS + _makespan(left, dict(states), seconds, workers) if left else 0.0
    basis = f"{_STEPS} steps of each of {len(rates)} shapes, measured now in {took:.1f} s on one thread"
    return Estimate(total, workers, basis)


def _seconds(cell: RunSpec, rates: dict[Shape, tuple[float, float]]) -> float:
    step, forward = rates[cell.shape]
    teacher = rates[cell.teacher.shape][1] if cell.teacher else 0.0
    validated = cell.recipe.validation_tokens * cell.recipe.validations
    return OVERHEAD * (cell.tokens * (step + teacher) + validated * forward)


def _makespan(waiting: list[RunSpec], states: dict[str, State], seconds: dict[str, float], workers: int) -> float:
    """When the last cell ends if cells are started as `executors` does."""
    running: list[tuple[float, str]] = []
    now = 0.0
    while waiting or running:
        while len(running) < workers and (cell := ready(waiting, states)) is not None:
            waiting.remove(cell)
            heapq.heappush(running, (now + seconds[cell.id], cell.id))
        if not running:
            break  # what is left waits for a teacher that will not come
        now, name = heapq.heappop(running)
        states[name] = "finished"
    return now


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
        windows = cell.recipe.batch_tokens // cell.shape.n_ctx
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
    return min(updates[1:]) / cell.recipe.batch_tokens, min(forwards[1:]) / cell.recipe.batch_tokens
