"""The learning rate as a pure function of the step, so that a resumed run needs no scheduler state."""

import math
from typing import Literal

Schedule = Literal["cosine", "branches"]
"""`cosine` is the paper's (arXiv 2502.08606). `branches` is a constant rate with a linear decay at the end of each run:
runs of several lengths share their trunk (warm-up and plateau, arXiv 2405.18392), and only their decays differ."""

FINAL_SHARE = 1e-3
"""Both end at a thousandth of the peak, as the paper's cosine does."""

DECAY_SHARE = 0.2
"""The last part of a run, which a branch decays over (arXiv 2405.18392 finds 10 to 20 % enough)."""


def learning_rate(
    step: int,
    *,
    peak: float,
    warmup_steps: int,
    steps: int,
    schedule: Schedule = "cosine",
    decay_share: float | None = None,
) -> float:
    """The rate of update `step` (from 0) of `steps`: linear warm-up, then what `schedule` says.

    With the cosine a warm-up longer than a tenth of the run is cut to that: the paper's 2000 steps would be all of a
    small run. Branches keep it, because the trunk must not depend on how long a run is.
    """
    warmup = min(warmup_steps, steps // 10) if schedule == "cosine" else warmup_steps
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if schedule == "cosine":
        progress = (step - warmup) / max(1, steps - 1 - warmup)
        share = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    else:
        start = branches_at(steps, decay_share)
        share = 1 - max(0, step - start + 1) / (steps - start)
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * share)


def branches_at(steps: int, decay_share: float | None) -> int:
    """The updates that a run of `steps` shares with longer ones: its last `decay_share` is its own."""
    return steps - max(1, round((DECAY_SHARE if decay_share is None else decay_share) * steps))
