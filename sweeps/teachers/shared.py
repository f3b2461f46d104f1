"""One teacher forward for several students: what a source said of the last step, said again."""

from torch import Tensor

from sweeps.targets import Target
from sweeps.teachers.source import Source


class Shared:
    """A `Source` that asks another one once per step, however many students of a step want to know.

    `asked` counts how often it did.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._last: tuple[int, Target] | None = None
        self.asked = 0

    def target(self, step: int, inputs: Tensor) -> Target:
        if self._last is None or self._last[0] != step:
            self._last = (step, self._source.target(step, inputs))
            self.asked += 1
        return self._last[1]
