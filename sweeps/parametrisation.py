"""How initial weights, learning rates and the output go with width: the standard way, or μP.

Standard: one rate for all parameters. Its best value falls with width, roughly as 1/width, so it is bracketed for
each size or divided by the width (`Recipe.reference_width`, for all parameters alike).

"mup" is what arXiv 2502.08606 trains with, "μP (simple)" of Wortsman et al. (arXiv 2309.14322, section 3.2.4): a rate
tuned once, at `base_width`, serves every width.

Published there: the rate of each linear layer is multiplied by base-fan-in/fan-in and nothing else changes, so that
embedding and gains keep the base rate; weights start at 1/sqrt(fan_in), attention stays at 1/sqrt(d_head) with
normalised queries and keys; weight decay is independent of the rate; the head is a matrix of its own and counts as a
linear layer.

Our reading, since here, as in 2502.08606, the head is the embedding and one matrix cannot have two rates: it keeps an
embedding's, the base rate, and as a head its output is multiplied by base_width/d_model, which scales each change of
the logits as a head's own rate would have. With that goes a start at 1/sqrt(base_width) whatever the width, as in the
formulation of Tensor Programs V that allows tying (arXiv 2203.03466, Table 8). Every fan-in counts as d_model, which
leaves out the rounding of d_ffn. At the base width both ways are the same model, to the bit.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from fitting.flops import Shape
from sweeps import models
from sweeps.models import Transformer
from sweeps.spec import Parametrisation


def output_scale(shape: Shape, parametrisation: Parametrisation, base_width: int | None) -> float:
    """What `Transformer` multiplies its hidden states with: base_width/d_model under μP, else 1."""
    return _narrowing(shape, parametrisation, base_width)


def initialise(model: Transformer, seed: int, parametrisation: Parametrisation, base_width: int | None) -> None:
    """Draw the weights, a pure function of shape, seed and parametrisation; see `models.initialise`."""
    _narrowing(model.shape, parametrisation, base_width)
    models.initialise(model, seed, embedding_width=base_width if parametrisation == "mup" else None)


def groups(
    model: Transformer, *, rate: float, weight_decay: float, parametrisation: Parametrisation, base_width: int | None
) -> list[dict[str, Any]]:
    """AdamW's parameter groups. `rate` is the peak; a step sets `group["lr"]` to the scheduled rate times
    `group["scale"]`.

    The decay is the decoupled one of Loshchilov & Hutter (arXiv 1711.05101), independent of the rate: torch multiplies
    it by a group's rate, so it is divided here by that group's peak, and a step takes `weight_decay` times the
    schedule's share of its peak off every matrix. Gains do not decay.
    """
    linear = [parameter for parameter in model.parameters() if parameter.ndim > 1 and parameter is not model.head]
    gains = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    return [
        _group([model.head], rate, 1.0, weight_decay),
        _group(linear, rate, _narrowing(model.shape, parametrisation, base_width), weight_decay),
        _group(gains, rate, 1.0, 0.0),
    ]


def _group(parameters: Sequence[Tensor], rate: float, scale: float, weight_decay: float) -> dict[str, Any]:
    peak = rate * scale
    return {"params": list(parameters), "lr": peak, "scale": scale, "weight_decay": weight_decay / peak}


def _narrowing(shape: Shape, parametrisation: Parametrisation, base_width: int | None) -> float:
    """base_width/d_model under μP, 1 otherwise."""
    if parametrisation == "standard":
        return 1.0
    if base_width is None:
        raise ValueError("μP needs the width at which its rate was tuned")
    return base_width / shape.d_model
