"""Several teachers for one student: one drawn for each step, at the price of one, or all of them averaged.

The draw is arXiv 2211.00683's; which teacher it falls on is `Consultation.schedule`'s to say.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from fitting.errors import InputError
from sweeps.targets import Full, Mixture, Target
from sweeps.teachers.source import Source, Teacher

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Pool:
    """The sources of one student and a schedule (steps, sources) that says which of them a step asks.

    No other source is touched. Where a row names several, their probabilities are averaged, which takes whole
    distributions; of cached ones, the average must be cached itself (`Averaged`).
    """

    def __init__(self, members: Sequence[Source], schedule: "NDArray[np.bool_]") -> None:
        if schedule.ndim != 2 or schedule.shape[1] != len(members):
            raise ValueError(f"a schedule of shape {schedule.shape} for {len(members)} sources")
        self.members, self.schedule = tuple(members), schedule

    def target(self, step: int, inputs: Tensor) -> Target | None:
        """The target of `step`; None where it asks no teacher and learns from the data alone."""
        asked = [member for member, asks in zip(self.members, self.schedule[step], strict=True) if asks]
        targets = [member.target(step, inputs) for member in asked]
        if len(targets) < 2:
            return targets[0] if targets else None
        dense = tuple(target for target in targets if isinstance(target, Full | Mixture))
        if len(dense) < len(targets):
            raise InputError(
                f"step {step}: averages {len(targets)} teachers, some of which say a few tokens only; "
                "cache the average of the teachers instead of each of them, or draw one a step"
            )
        return Mixture(dense)


@dataclass(frozen=True)
class Averaged:
    """A `Teacher` that is the mean of several teachers' probabilities, at the price of all of them."""

    members: tuple[Teacher, ...]

    @property
    def n_vocab(self) -> int:
        return self.members[0].n_vocab

    @property
    def digest(self) -> str:
        digests = sorted(member.digest for member in self.members)
        return hashlib.sha256(" ".join(["average", *digests]).encode()).hexdigest()

    @property
    def forward_flops(self) -> float:
        return sum(member.forward_flops for member in self.members)

    def distribution(self, inputs: Tensor) -> Mixture:
        return Mixture(tuple(member.distribution(inputs) for member in self.members))
