"""How long a grid will take here: a few real steps of each shape on one thread, then the schedule played through."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fitting.flops import Shape, forward, parameters, training
from sweeps.given import GivenTeacher
from sweeps.grid import OVER, State
from sweeps.makespan import makespan
from sweeps.sharing import shared, trunks
from sweeps.spec import GridSpec, RunSpec

START_SECONDS = 8.0
"""The imports that workers are forks of, and the command's own: the first take 4 s, or 6 beside other work."""

OVERHEAD = 1.15
"""A run against its bare steps: 1.02 (width 72) to 1.25 (width 24) measured, for the Trainer and the journal."""

PACK_OVERHEAD = 1.06
"""A pack against its parts as they are timed here; against its FLOPs 1.03 to 1.24 were measured (`sharing.WORTH`)."""

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


def estimate(
    grid: GridSpec,
    states: Mapping[str, State],
    workers: int,
    together: int | None = None,
    cores: int | None = None,
) -> Estimate:
    """Time what is left of a grid, failed cells included, packed as `queueing` would (`together`).

    `cores` is how many the workers share; None: each has what it needs. Raises `ImportError` without torch.
    """
    started = time.perf_counter()
    rates, timed = _rates(grid.cells)
    took = time.perf_counter() - started
    left: dict[str, State] = {name: state if state in OVER else "planned" for name, state in states.items()}
    over = [cell for cell in grid.cells if left[cell.id] in OVER]
    slots = max(1, min(workers, len(grid.cells) - len(over)))
    seconds = makespan(grid.cells, left, _Prices(grid.cells, over, rates, slots, cores), slots, together)
    total = START_SECONDS + seconds if seconds else 0.0
    what = f"each of {timed} shapes" if timed else "a small model that stands for them all"
    basis = f"{_STEPS} steps of {what}, measured now in {took:.1f} s on one thread of this CPU"
    if timed < len(rates):
        basis += f"; the {len(rates) - timed} larger shapes are scaled from it by FLOPs"
    threads = slots * max(cell.recipe.devices for cell in grid.cells)
    if cores is not None and threads > cores:
        basis += f"; {threads} threads share {cores} cores"
    return Estimate(total, workers, basis)


def cores_here() -> int:
    """How many cores of this machine its processes may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def judging_flops(cell: RunSpec) -> float:
    """FLOPs of the forward passes that judge a run, on the way and at its end; no law charges them."""
    passes = (cell.recipe.validations + 1) * cell.forward_flops + sum(t.forward_flops for t in cell.teachers)
    return cell.recipe.validation_tokens * passes


class _Prices:
    """What groups of cells take, in seconds, asked in the order in which they start: the first fills a cache."""

    def __init__(
        self, cells: Iterable[RunSpec], over: Iterable[RunSpec], rates: Rates, workers: int, cores: int | None
    ) -> None:
        self._rates, self._workers, self._cores = rates, workers, cores
        self._branches = trunks(cells).keys()
        self._cached: dict[object, float] = {}
        for cell in over:
            self._teacher_flops(cell)

    def __call__(self, group: Sequence[RunSpec]) -> float:
        devices = group[0].recipe.devices
        alone = sum(self._own(cell) for cell in group)
        taught = max(self._teacher_flops(cell) * self._per_teacher_flop(cell) for cell in group)
        seconds = OVERHEAD * (alone + taught) * (PACK_OVERHEAD if len(group) > 1 else 1.0)
        if self._cores is not None:
            seconds *= max(1.0, self._workers * devices / self._cores)
        # a cell on several devices starts processes of its own
        return seconds if devices == 1 else START_SECONDS + seconds / devices

    def _own(self, cell: RunSpec) -> float:
        """Its updates, and its share of the judging: validations, and at the end itself against its teachers."""
        update, forward = self._rates[cell.shape]
        judged = (cell.recipe.validations + 1) * forward
        judged += sum(teacher.forward_flops for teacher in cell.teachers) * self._per_teacher_flop(cell)
        return cell.tokens * self._share(cell) * update + cell.recipe.validation_tokens * judged

    def _share(self, cell: RunSpec) -> float:
        return cell.own_share if cell.id in self._branches else 1.0

    def _teacher_flops(self, cell: RunSpec) -> float:
        """Of the forward passes that its targets need: those that it makes, or that a cache does not hold yet."""
        if cell.logits_flops or not cell.consulted_flops:
            return cell.logits_flops * self._share(cell)
        key = shared(cell)
        before = self._cached.get(key, 0.0)
        self._cached[key] = max(before, cell.consulted_flops)
        return self._cached[key] - before

    def _per_teacher_flop(self, cell: RunSpec) -> float:
        """Seconds: what the teachers' own timing says, or that of their student for one that was given."""
        shapes = [cell.shape if isinstance(teacher, GivenTeacher) else teacher.shape for teacher in cell.teachers]
        price = [self._rates[shape][1] / forward(shape).total for shape in shapes]
        return sum(price) / len(price) if price else 0.0


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
            loss = objective(student_hidden=model(tokens), student_head=model.head, targets=tokens).objective
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), cell.recipe.clip)
            adamw.step()
            adamw.zero_grad()
            updates.append(time.perf_counter() - start)
            start = time.perf_counter()
            with torch.no_grad():
                torch.log_softmax(model(tokens) @ model.head.T, -1)
            forwards.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    # the first step pays for allocations
    return min(updates[1:]) / tokens.numel(), min(forwards[1:]) / tokens.numel()
