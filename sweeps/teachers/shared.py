"""One teacher forward for several students: what a source said of the last step, said again."""

from dataclasses import dataclass, field

from torch import Tensor

from sweeps.targets import Dense, Full, Mixture, Target
from sweeps.teachers.source import Source

_ELEMENTS = {"cpu": 2**24}
"""Log-probabilities that are kept for the other students of a step: 64 MiB of float32; 1 GiB on other devices."""


class Shared:
    """A `Source` that asks another one once per step, however many students of a step want to know.

    With several `students` it keeps the log-probabilities too, as far as there is room: a head is a good part of a
    small model's forward pass. `asked` counts how often the source was.
    """

    def __init__(self, source: Source, students: int = 1) -> None:
        self._source, self._students = source, students
        self._last: tuple[int, Target] | None = None
        self.asked = 0

    def target(self, step: int, inputs: Tensor) -> Target:
        if self._last is None or self._last[0] != step:
            self._last = None  # let go of the step before, or two are alive
            found = self._source.target(step, inputs)
            if self._students > 1 and isinstance(found, Full | Mixture):
                found = Mixture((_Kept(found, _ELEMENTS.get(inputs.device.type, 2**28)),))
            self._last = (step, found)
            self.asked += 1
        return self._last[1]


@dataclass
class _Kept:
    """A `Dense` target that remembers what it was asked, until `room` is full: students ask in the same slices."""

    target: Dense
    room: int
    said: dict[tuple[int, int, float], Tensor] = field(default_factory=dict)

    def log_probabilities(self, part: slice, tau: float) -> Tensor:
        asked = part.start, part.stop, tau
        if asked in self.said:
            return self.said[asked].clone()  # who asks may overwrite it
        found = self.target.log_probabilities(part, tau)
        if found.numel() <= self.room:
            self.room -= found.numel()
            self.said[asked] = found.clone()
        return found
