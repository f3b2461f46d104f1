"""Many networks of one shape, trained at once: two equal hidden layers with ReLU, Adam, a one-cycle cosine.

Settings of App C.2 (arXiv 2502.08606): batches of 512 fresh samples, a learning rate that rises linearly to 3e-4 for
5 % of the steps and falls to zero as a cosine. Weights start as PyTorch's `nn.Linear` does. A target is a distribution
over the classes for every input of the problem: the label for a teacher, what its teacher says for a student, whose
loss is then the forward KL divergence at temperature 1 but for a constant.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweeps.mapping.problem import CLASSES, all_inputs, draw

BATCH = 512
PEAK_RATE = 3e-4
WARM_UP = 0.05
CHUNK = 64
"""Steps whose samples are drawn at once, and between two calls of `tell`."""


def parameters(width: int) -> int:
    """Weights and biases of a network."""
    return (2 * CLASSES + 1) * width + (width + 1) * width + (width + 1) * CLASSES


def train(
    width: int,
    steps: int,
    targets: NDArray[np.float32],
    seeds: Sequence[int],
    tell: Callable[[int], None] = lambda steps: None,
) -> NDArray[np.float64]:
    """Train a network for each target and seed; log-probabilities (targets, seeds, inputs, classes), in nats.

    `targets` is (targets, seeds, inputs, classes), or has 1 in place of seeds. Networks of one seed share their first
    weights and all their batches, so that they differ by their targets alone. `tell` is called with steps just taken.
    """
    groups, trials = len(targets), len(seeds)
    inputs = all_inputs()
    x = torch.from_numpy(inputs.x.astype(np.float32))
    aims = torch.from_numpy(targets)
    weights = [
        part.expand(groups, *part.shape).reshape(-1, *part.shape[1:]).clone().requires_grad_()
        for part in _start(width, seeds)
    ]
    optimiser = torch.optim.Adam(weights, lr=PEAK_RATE, fused=True)
    generators = [np.random.default_rng(seed) for seed in seeds]
    own = torch.arange(targets.shape[1])[:, None]  # of a target that all seeds share there is one row
    for step in range(steps):
        if step % CHUNK == 0:
            ahead = min(CHUNK, steps - step)
            drawn = [draw(generator, ahead * BATCH).reshape(ahead, BATCH) for generator in generators]
            samples = torch.from_numpy(np.stack(drawn, axis=1))  # (ahead, trials, BATCH)
        rows = samples[step % CHUNK]
        optimiser.param_groups[0]["lr"] = PEAK_RATE * rate(step, steps)
        seen = x[rows].expand(groups, trials, BATCH, x.shape[1]).reshape(-1, BATCH, x.shape[1])
        aim = aims[:, own, rows].reshape(-1, BATCH, CLASSES)
        optimiser.zero_grad(set_to_none=True)
        loss = -(aim * _forward(seen, weights)).sum() / BATCH
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % CHUNK == CHUNK - 1 or step == steps - 1:
            tell(step % CHUNK + 1)
    with torch.no_grad():
        every = [_forward(x.expand(1, *x.shape), [part[i : i + 1] for part in weights]) for i in range(groups * trials)]
    return torch.cat(every).reshape(groups, trials, *every[0].shape[1:]).double().numpy()


def rate(step: int, steps: int) -> float:
    """The learning rate of a step (from 0) over its peak."""
    rise = max(1, round(WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / (steps - rise + 1)))


def _start(width: int, seeds: Sequence[int]) -> list[Tensor]:
    """Three layers' weights (seeds, in, out) and biases (seeds, 1, out), uniform within 1 / sqrt(in)."""
    sizes = (2 * CLASSES, width, width, CLASSES)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    parts = []
    for n, m in pairwise(sizes):
        for rows in (n, 1):
            drawn = [torch.rand(rows, m, generator=generator) for generator in generators]
            parts.append((2 * torch.stack(drawn) - 1) / math.sqrt(n))
    return parts


def _forward(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Log-probabilities (networks, batch, classes) of inputs (networks, batch, features)."""
    w1, b1, w2, b2, w3, b3 = weights
    h = torch.baddbmm(b1, x, w1).relu()
    h = torch.baddbmm(b2, h, w2).relu()
    return torch.baddbmm(b3, h, w3).log_softmax(dim=-1)
