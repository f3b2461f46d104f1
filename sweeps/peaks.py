"""What a device can do at best, the denominator of the model FLOP utilisation (MFU)."""

import time
from functools import lru_cache

import torch

from fitting.gpus import find
from sweeps.spec import Precision

_SIZE = 1024
_REPEATS = 3


@lru_cache(maxsize=8)
def peak(device: torch.device, precision: Precision) -> float:
    """FLOP/s: the data sheet's for a known GPU in bf16, else that of a large matrix product, measured now.

    A CPU is measured on the threads that this process may use, and so beside whatever else runs on it.
    """
    if device.type == "cuda" and precision == "bf16":
        known = find(torch.cuda.get_device_name(device))
        if known is not None:
            return known
    return _measured(device, torch.bfloat16 if precision == "bf16" else torch.float32)


def _measured(device: torch.device, dtype: torch.dtype) -> float:
    size = _SIZE * (8 if device.type == "cuda" else 1)
    a = torch.ones(size, size, device=device, dtype=dtype)
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)
