"""What a protocol's grid costs, before anything runs: FLOPs by what they pay for, A100-hours, wall time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from fitting.gpus import PEAKS
from sweeps.protocols.design import Asked
from sweeps.spec import RunSpec

_HOUR = 3600.0

FEW_STEPS = 500
"""Runs of fewer steps miss a law by more than longer ones do (a pilot on CPUs: without them a fit's error fell from
0.81 to 0.62 %)."""


@dataclass(frozen=True)
class Cost:
    """FLOPs by the itemised causal count: training of each role, teachers' forward passes, all brackets together."""

    teachers: float
    supervised: float
    students: float
    logits: float
    brackets: float
    mfu: float

    @property
    def total(self) -> float:
        """Everything, the brackets too."""
        return self.teachers + self.supervised + self.students + self.logits + self.brackets

    def a100_hours(self, flops: float) -> float:
        """FLOPs as hours of one A100 at `mfu`."""
        return flops / (_HOUR * PEAKS["a100"] * self.mfu)


@dataclass(frozen=True)
class Wall:
    """`seconds` of wall clock for a grid and for its brackets, and what that rests on; None where nothing says."""

    grid: float | None
    brackets: float | None
    basis: str


def cost(asked: Asked, brackets: Iterable[Asked], mfu: float) -> Cost:
    """Add up the runs of a grid and of its brackets."""
    training: Counter[str] = Counter()
    for cell in asked.cells:
        training[cell.role] += cell.training_flops  # type: ignore[assignment]
    return Cost(
        teachers=training["teacher"],
        supervised=training["supervised"],
        students=training["distilled"],
        logits=sum(cell.logits_flops for cell in asked.cells),
        brackets=sum(cell.total_flops for bracket in brackets for cell in bracket.cells),
        mfu=mfu,
    )


def wall(asked: Asked, brackets: list[Asked], costs: Cost) -> Wall:
    """How long it takes: from steps timed here where the scale is made for this kind of machine, else from its rate."""
    scale = asked.scale
    if scale.calibrated:
        from sweeps.estimate import estimate

        def timed(one: Asked) -> tuple[float, str]:
            found = estimate(one.spec(), {cell.id: "planned" for cell in one.cells}, scale.workers)
            return found.seconds, found.basis

        try:
            grid, basis = timed(asked)
            one, _ = timed(brackets[0])  # the others differ in their rate only
        except ImportError:
            return Wall(None, None, "torch is not installed (pip install 'distillaw[sweeps]')")
        return Wall(grid, one * len(brackets), f"{basis}, with {scale.workers} workers")
    if scale.rate is None:
        return Wall(None, None, "it depends on how many devices there are; see the A100-hours")
    return Wall((costs.total - costs.brackets) / scale.rate, costs.brackets / scale.rate, scale.rate_basis)


def few_steps(cells: Iterable[RunSpec]) -> int:
    """How many runs take fewer than `FEW_STEPS` steps."""
    return sum(cell.steps < FEW_STEPS for cell in cells)
