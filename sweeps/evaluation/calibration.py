"""Whether a model means what it says: expected calibration errors, added up chunk by chunk.

Both are sums over M = 21 uniform bins of (0, 1] ("Distillation Scaling Laws", arXiv 2502.08606):

    ECE (Eq 38)       Σ_m |B_m|/n · | accuracy(B_m) - confidence(B_m) |
    ECE_Dist (Eq 39)  Σ_m |B_m|/n · | confidence(B_m; one model) - confidence(B_m; the other) |

Confidence is the largest probability at a position, accuracy how often its token is the one that follows. Eq 38 sorts
positions by the confidence that it judges; Eq 39 by that of either model, which is named ("student bins" and "teacher
bins"). |B_m| times a difference of means is one of sums, so sums are all that is kept.

Our reading of Eq 39 is that each model's confidence is in its own likeliest token, which need not be the same one.
The paper's values fit that alone: students of its larger teachers are up to 9 % off by Eq 39 while they and their
teachers are off by 0.6 % at most by Eq 38. The teacher's probability of the student's token, the other reading, would
lie near the accuracy, as the student's confidence does, and the two would hardly differ.
"""

import torch
from torch import Tensor

BINS = 21


class Gap:
    """The mean over bins, weighted by count, of the absolute difference between the means of two quantities.

    Eq 38 with (confidence, confidence, correct), Eq 39 with (one's confidence, one's, the other's). Sums are float64,
    and the same on every device however often they are made; the order of positions and their chunks decide no more
    than the last bits.
    """

    def __init__(self, bins: int = BINS) -> None:
        self._sums = torch.zeros(bins, 3, dtype=torch.float64)

    def add(self, sorted_by: Tensor, first: Tensor, second: Tensor) -> None:
        """Take in positions: three tensors of one size, `sorted_by` in [0, 1]."""
        bins = len(self._sums)
        edges = torch.arange(bins, device=sorted_by.device)
        # a bin holds its upper edge; what rounding lifted above 1 is in the last
        index = (sorted_by.flatten().double() * bins).ceil().long().sub_(1).clamp_(0, bins - 1)
        # a product with 0 and 1 in place of a histogram, which adds in no fixed order on a GPU
        inside = (index == edges[:, None]).double()
        columns = torch.stack([torch.ones_like(index).double(), first.flatten().double(), second.flatten().double()], 1)
        self._sums += (inside @ columns).cpu()

    @property
    def value(self) -> float:
        """The error, in [0, 1] for quantities in [0, 1]; NaN before the first position."""
        return float((self._sums[:, 1] - self._sums[:, 2]).abs().sum() / self._sums[:, 0].sum())

    @property
    def counts(self) -> Tensor:
        """Positions in each bin, (bins,)."""
        return self._sums[:, 0]

    @property
    def means(self) -> Tensor:
        """The means of both quantities in each bin, (bins, 2): a reliability diagram. NaN where a bin is empty."""
        return self._sums[:, 1:] / self._sums[:, :1]
