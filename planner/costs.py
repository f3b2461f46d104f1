"""What a budget is in the units that people rent: GPU-hours at an achieved fraction of the peak."""

import difflib
from dataclasses import dataclass

from fitting.errors import Faults
from fitting.gpus import PEAKS

SECONDS = 3600.0


@dataclass(frozen=True)
class GpuHours:
    """`hours` of a GPU that does `peak` FLOP/s at best, of which training achieves the share `mfu`."""

    hours: float
    gpu: str
    peak: float
    mfu: float

    @property
    def flops(self) -> float:
        """The FLOPs that they buy: hours x 3600 x peak x MFU."""
        return self.hours * SECONDS * self.peak * self.mfu


def gpu_hours(hours: float, gpu: str, mfu: float) -> GpuHours:
    """Hours of a GPU by its name in `PEAKS`. Raises `InputError` with the nearest name for one that is not there."""
    faults = Faults()
    name = gpu.strip().casefold()
    if name not in PEAKS:
        near = difflib.get_close_matches(name, PEAKS, n=1, cutoff=0.4)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        faults.add(f"--gpu: no GPU is called {gpu!r}{meant} There are {', '.join(PEAKS)}")
    if not 0 < mfu <= 1:
        faults.add(f"--mfu: the achieved share of the peak lies in (0, 1], not {mfu:g}")
    if not hours > 0:
        faults.add(f"--gpu-hours: must be greater than zero, not {hours:g}")
    faults.raise_if_any()
    return GpuHours(hours, name, PEAKS[name], mfu)
