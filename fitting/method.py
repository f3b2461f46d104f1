"""How a law is estimated: the loss that residuals suffer, what runs count, what else is allowed for."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fitting.errors import Faults, InputError
from fitting.solver import huber

Array = NDArray[np.float64]
LossName = Literal["huber", "lad", "l2"]
LOSSES: tuple[str, ...] = get_args(LossName)

HUBER_DELTA = 1e-3
_SMALLEST_DELTA = 1e-9
"""Below, residuals of rounding size would lie outside."""

_LAD_DELTA = 1e-3
"""δ of a `lad` fit in units of its scale: the density that Besiroglu et al. (arXiv 2404.10102) maximise over
coefficients and scale together is a Huber density with this δ, all but a Laplace density."""


@dataclass(frozen=True)
class Method:
    """How a law is estimated.

    `loss` is "huber" (Σ huber_δ, δ = `huber_delta`), "lad" (Σ |r|, by a joint scale as in the code of Besiroglu et
    al. 2024) or "l2" (Σ r²/2) of the log residuals r. `weights` and `cluster` name columns: what a run's loss is
    multiplied by (they are scaled to a mean of 1), and what resamples keep together. `priors` are those of
    `fitting.forms`, on the distillation law alone. With `teacher_errors`, the error in each teacher's log L_T is
    estimated too. Random starts and resamples come from `seed`.
    """

    loss: LossName = "huber"
    huber_delta: float = HUBER_DELTA
    weights: str | None = None
    cluster: str | None = None
    priors: bool = True
    teacher_errors: bool = True
    seed: int = 0

    def check(self) -> None:
        """Raise `InputError` with everything that makes no sense."""
        faults = Faults()
        if self.loss not in LOSSES:
            faults.add(f"--loss: must be one of {', '.join(LOSSES)}, not {self.loss!r}")
        if not (math.isfinite(self.huber_delta) and self.huber_delta >= _SMALLEST_DELTA):
            faults.add(f"--huber-delta: must be at least {_SMALLEST_DELTA:g}, not {self.huber_delta!r}")
        faults.raise_if_any()

    @property
    def delta(self) -> float:
        """The δ that a search starts with."""
        return math.inf if self.loss == "l2" else self.huber_delta

    def next_delta(self, delta: float, residuals: Array) -> float:
        """The δ to go on with from an optimum found with `delta`: a `lad` fit comes down to its scale in steps."""
        if self.loss != "lad":
            return delta
        return max(delta / 5, _LAD_DELTA * float(np.mean(np.abs(residuals))), 1e-15)

    def objective(self, residuals: Array, weights: Array | None) -> float:
        """What is reported: the unscaled sum over runs, without priors."""
        r = np.abs(residuals)
        each = r if self.loss == "lad" else huber(r, self.delta)
        return float(each.sum() if weights is None else each @ weights)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def parse_loss_name(text: str) -> LossName:
    """Read `--loss`. Raises `InputError` for what is none."""
    if text not in LOSSES:
        raise InputError(f"--loss: must be one of {', '.join(LOSSES)}, not {text!r}")
    return cast(LossName, text)
