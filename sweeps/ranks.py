"""The processes that train one cell together: which one this is, and what all of them agree on.

Gradients are averaged by DDP, on the devices. What is here is small, float64 or a decision, and goes between the
processes' own memories (gloo), so that no device has to be waited for. Ranks are added up in their order: the
same bits come out in every process, and in every run.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed


@dataclass
class Rank:
    """Process `place` of `world`; the only one unless told otherwise. `meet` comes before anything is agreed."""

    place: int = 0
    world: int = 1
    _group: Any = field(default=None, repr=False)

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files."""
        return self.place == 0

    def meet(self) -> None:
        """Open the way between processes whose `torch.distributed` is initialised."""
        if self.world > 1:
            self._group = distributed.new_group(backend="gloo")

    def share(self, windows: Tensor) -> Tensor:
        """This process's part of a batch's windows."""
        return windows if self.world == 1 else windows[self.place :: self.world].contiguous()

    def agreed(self, decision: int) -> int:
        """What process 0 decided, whatever this one thinks. Nobody returns before process 0 has asked."""
        if self.world == 1:
            return decision
        box = torch.tensor(decision)
        distributed.broadcast(box, 0, group=self._group)
        return int(box)

    def joined(self, vector: Tensor) -> Tensor:
        """Every process's vector, one after the other."""
        if self.world == 1:
            return vector
        own = vector.cpu()
        parts = [torch.empty_like(own) for _ in range(self.world)]
        distributed.all_gather(parts, own, group=self._group)
        return torch.cat(parts).to(vector.device)

    def total(self, vector: Tensor) -> Tensor:
        """The sum of every process's vector."""
        return vector if self.world == 1 else self.joined(vector).view(self.world, -1).sum(0)
