"""Where a training step goes: the parts of a few real steps of one cell, timed one by one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from fitting import flops
from sweeps import corpora, objectives
from sweeps.feeding import batch_of
from sweeps.given import GivenTeacher
from sweeps.machine import compile_in_place
from sweeps.models import Transformer, initialise
from sweeps.peaks import peak
from sweeps.spec import GridSpec, RunSpec
from sweeps.targets import Dense, Full, Mixture
from sweeps.teachers.opening import open_given
from sweeps.teachers.source import Teacher
from sweeps.teachers.trained import Trained

_WARM, _TIMED = 3, 10


@dataclass(frozen=True)
class Profile:
    """The medians of a step's parts in seconds, in order, on a device, and what they make together.

    `mfu` is the step's FLOPs over its seconds and the device's peak. What Lightning and the journal add is not in here.
    """

    cell: str
    device: str
    threads: int
    tokens: int
    parts: dict[str, float]
    flops: float
    mfu: float

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": self.seconds, "tokens_per_s": self.tokens / self.seconds}


def profile(cell: RunSpec, grid: GridSpec) -> Profile:
    """Time steps of a cell with untrained weights, its teachers' too: what they hold does not change what they cost.

    A cell that learns from a cache is timed as if its teachers ran beside it. A CPU has one thread, as a worker has.
    """
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    corpus = corpora.load(grid.corpus)
    student = _model(cell, device)
    asked_of = cell.teachers[: _teachers_per_step(cell)]
    teachers = [_teacher(one, grid, corpus, cell.shape.n_ctx, device) for one in asked_of]
    adamw = torch.optim.AdamW(student.parameters(), lr=cell.learning_rate, fused=True)
    asked = cell.consultation
    clock = _Clock(device)
    for step in range(_WARM + _TIMED):
        if step == _WARM:
            clock.parts.clear()
        with clock("batch"):
            inputs, targets = (tensor.to(device) for tensor in batch_of(cell, corpus, step))
        with torch.autocast(device.type, torch.bfloat16, enabled=cell.recipe.precision == "bf16"):
            taught = None
            if teachers:
                with clock("teacher"):
                    taught = _target(teachers, inputs)
            with clock("student forward"):
                hidden = student(inputs)
            with clock("loss and its gradient"):
                loss = objectives.objective(
                    student_hidden=hidden,
                    student_head=student.head,
                    targets=targets,
                    teacher=taught,
                    lam=asked.lam if asked else 0.0,
                    tau=asked.tau if asked else 1.0,
                    direction=asked.direction if asked else "forward",
                    z_loss=cell.recipe.z_loss,
                )
        with clock("student backward"):
            loss.objective.backward()  # type: ignore[no-untyped-call]
        with clock("clipping"):
            torch.nn.utils.clip_grad_norm_(student.parameters(), cell.recipe.clip)
        with clock("optimizer"):
            adamw.step()
            adamw.zero_grad()
    parts = {name: median(seconds) for name, seconds in clock.parts.items()}
    tokens = cell.recipe.batch_tokens
    work = flops.training(cell.shape, tokens) + sum(teacher.forward_flops * tokens for teacher in teachers)
    mfu = work / sum(parts.values()) / peak(device, cell.recipe.precision)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return Profile(cell.id, name, torch.get_num_threads(), tokens, parts, work, mfu)


class _Clock:
    """Keeps how long each part of a step takes, to the end of its work on the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.parts: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._wait()
        start = time.perf_counter()
        yield
        self._wait()
        self.parts.setdefault(name, []).append(time.perf_counter() - start)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _model(cell: RunSpec, device: torch.device) -> Transformer:
    model = Transformer(cell.shape)
    initialise(model, 0)
    model.to(device)
    if cell.recipe.compiled:
        compile_in_place(model)
    return model


def _teachers_per_step(cell: RunSpec) -> int:
    """How many teachers run at a step that asks: one drawn, or all of those averaged."""
    return len(cell.teachers) if cell.consultation and cell.consultation.pool == "average" else 1


def _teacher(
    one: RunSpec | GivenTeacher, grid: GridSpec, corpus: corpora.Corpus, n_ctx: int, device: torch.device
) -> Teacher:
    if isinstance(one, GivenTeacher):
        return open_given(one, Path(grid.given[one.id]), corpus, n_ctx)
    return Trained(_model(one, device))


def _target(teachers: list[Teacher], inputs: torch.Tensor) -> Full | Mixture:
    dense: list[Dense] = [teacher.distribution(inputs) for teacher in teachers]
    return dense[0] if len(dense) == 1 and isinstance(dense[0], Full) else Mixture(tuple(dense))
