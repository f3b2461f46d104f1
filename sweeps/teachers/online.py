"""The teacher runs beside its student: nothing is kept, and every student pays for every token."""

from dataclasses import dataclass

from torch import Tensor

from sweeps.targets import Full, Mixture
from sweeps.teachers.source import Teacher


@dataclass(frozen=True)
class Online:
    """A `Source` that asks the teacher at every step."""

    teacher: Teacher

    def target(self, step: int, inputs: Tensor) -> Full | Mixture:
        return self.teacher.distribution(inputs)
