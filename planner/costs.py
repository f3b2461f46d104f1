"""What FLOPs are in the units that people rent: GPU-hours at an achieved fraction of the peak, days, money."""

import difflib
import math
from dataclasses import dataclass

from fitting.errors import Faults
from fitting.gpus import PEAKS, source

SECONDS = 3600.0


@dataclass(frozen=True)
class Hardware:
    """GPUs by their name in `PEAKS`, of which training achieves the share `mfu` of the dense peak.

    `count` of them work at once, where days are asked for; `price` is that of one GPU-hour, in any currency, where
    money is. Raises `InputError` with every fault, and with the nearest name for a GPU that is not there.
    """

    gpu: str
    mfu: float
    count: float | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        faults = Faults()
        name = self.gpu.strip().casefold()
        if name not in PEAKS:
            near = difflib.get_close_matches(name, PEAKS, n=1, cutoff=0.4)
            meant = f"; did you mean {near[0]!r}?" if near else "."
            faults.add(f"--gpu: no GPU is called {self.gpu!r}{meant} There are {', '.join(PEAKS)}")
        if not 0 < self.mfu <= 1:
            faults.add(f"--mfu: the achieved share of the peak lies in (0, 1], not {self.mfu:g}")
        if self.count is not None and not (self.count >= 1 and self.count == int(self.count)):
            faults.add(f"--count: GPUs are counted in whole numbers from 1 on, not {self.count:g}")
        if self.price is not None and not (math.isfinite(self.price) and self.price > 0):
            faults.add(f"--price: a GPU-hour costs more than zero, not {self.price:g}; without a price leave it out")
        faults.raise_if_any()
        object.__setattr__(self, "gpu", name)
        if self.count is not None:
            object.__setattr__(self, "count", int(self.count))

    @property
    def peak(self) -> float:
        """Dense FLOP/s at best."""
        return PEAKS[self.gpu]

    @property
    def source(self) -> str:
        """What the peak is, and by whom."""
        return source(self.gpu)

    def hours(self, flops: float) -> float:
        """The GPU-hours that so many FLOPs take."""
        return flops / (SECONDS * self.peak * self.mfu)

    def flops(self, hours: float) -> float:
        """The FLOPs that so many GPU-hours buy: hours x 3600 x peak x MFU."""
        return hours * SECONDS * self.peak * self.mfu
