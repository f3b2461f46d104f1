"""The learning rate as a pure function of the step, so that a resumed run needs no scheduler state."""

import math

FINAL_SHARE = 1e-3
"""The cosine ends at a thousandth of the peak (arXiv 2502.08606)."""


def learning_rate(step: int, *, peak: float, warmup_steps: int, steps: int) -> float:
    """The rate of update `step` (from 0) of `steps`: linear warm-up, then a cosine down to a thousandth of the peak.

    A warm-up longer than a tenth of the run is cut to that: the paper's 2000 steps would be all of a small run.
    """
    warmup = min(warmup_steps, steps // 10)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
