"""The two nouns of this folder: a `Teacher` says what it thinks of tokens, a `Source` gives a step its target.

A teacher is a model; a source decides whether the model runs at all (`online`), which of several does (`pool`), or
whether what it said once is read from the disk (`cache`).
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from fitting.errors import InputError
from sweeps import checkpoints
from sweeps.targets import Full, Mixture, Target


class Teacher(Protocol):
    """A language model that is frozen and stays as it is.

    `digest` tells two teachers apart by everything that decides what they say; `forward_flops` is the price of one
    token, by the ledger.
    """

    @property
    def n_vocab(self) -> int: ...

    @property
    def digest(self) -> str: ...

    @property
    def forward_flops(self) -> float: ...

    def distribution(self, inputs: Tensor) -> Full | Mixture:
        """What it expects after each token of `inputs` (batch, length), without gradients, on their device."""
        ...


class Source(Protocol):
    """A student's signal, step by step."""

    def target(self, step: int, inputs: Tensor) -> Target:
        """What to learn at `step` from `inputs` (batch, length); positions are their tokens in order, flattened."""
        ...


def weights_digest(model: nn.Module, described: Mapping[str, Any]) -> str:
    """SHA-256 over a model's weights and over what turns them into a function (its shape)."""
    return checkpoints.digest(json.dumps(described, sort_keys=True), model.state_dict())


def require_same_vocabulary(teachers: Mapping[str, Teacher], n_vocab: int) -> None:
    """Raise `InputError` naming each teacher whose vocabulary is not the student's."""
    faults = [
        f"{name}: predicts {teacher.n_vocab} tokens and its student {n_vocab}; "
        "a student learns only from a teacher of its own tokenizer"
        for name, teacher in teachers.items()
        if teacher.n_vocab != n_vocab
    ]
    if faults:
        raise InputError(*faults)
