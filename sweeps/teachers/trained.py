"""A teacher that this project trained: the model that a run left behind."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from fitting import flops
from sweeps import checkpoints
from sweeps.models import Transformer
from sweeps.targets import Full
from sweeps.teachers.source import weights_digest


class Trained:
    """A `Teacher` around the project's own transformer."""

    def __init__(self, model: Transformer) -> None:
        self.model = model.requires_grad_(False).eval()

    @property
    def n_vocab(self) -> int:
        return self.model.shape.n_vocab

    @cached_property
    def digest(self) -> str:
        return weights_digest(self.model, {**asdict(self.model.shape), "output_scale": self.model.output_scale})

    @property
    def forward_flops(self) -> float:
        return flops.forward(self.model.shape).total

    @torch.no_grad()
    def distribution(self, inputs: Tensor) -> Full:
        if self.model.head.device != inputs.device:
            self.model.to(inputs.device)
        return Full(self.model(inputs).flatten(0, -2), self.model.head)


def load(path: Path, digest: str | None = None) -> Trained:
    """The model of a run as a teacher. Raises `CheckpointError` where it is missing, broken or of another shape, or
    not that of the run of `digest`."""
    return Trained(checkpoints.load_model(path, digest))
