"""What a run leaves on the disk: a resumable state while it trains, and a model that can teach once it is done.

Both are safetensors (no pickle), written whole or not at all. The state keeps the weights, AdamW's moments, the
running sums of the journal and the number of updates made; batches and the learning rate are functions of the
step and need no state. A teacher is no part of its student's files.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fitting import flops
from fitting.errors import DistillawError
from sweeps import files
from sweeps.models import Transformer
from sweeps.parametrisation import output_scale
from sweeps.spec import RunSpec

STATE_SCHEMA = "distillaw/state/1"
MODEL_SCHEMA = "distillaw/model/1"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class CheckpointError(DistillawError):
    """A file of a run that cannot be used."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: updates made, and the sums since its last journal entry."""

    step: int
    sums: Tensor


def save_state(path: Path, spec: RunSpec, model: nn.Module, optimizer: torch.optim.Optimizer, at: Progress) -> None:
    """Write everything that the next update depends on."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for moment in _MOMENTS:
            tensors[f"adamw.{moment}.{name}"] = optimizer.state[parameter][moment]
    tensors["sums"] = at.sums
    header = {"schema": STATE_SCHEMA, "digest": spec.digest(), "step": at.step}
    _write(path, tensors, header)


def load_state(path: Path, spec: RunSpec, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Restore model and optimizer, and say where the run stood; None where there is no state yet.

    Raises `CheckpointError` for a file that cannot be read or belongs to another run.
    """
    if not path.exists():
        return None
    header, tensors = _read(path)
    if header.get("schema") != STATE_SCHEMA or header.get("digest") != spec.digest():
        raise CheckpointError(f"{path}: is the state of another run; remove it to start {spec.id} afresh")
    model.load_state_dict({name: tensors[f"model.{name}"] for name in model.state_dict()})
    for name, parameter in model.named_parameters():
        state = {moment: tensors[f"adamw.{moment}.{name}"] for moment in _MOMENTS}
        optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in state.items()}
    return Progress(header["step"], tensors["sums"])


def save_model(path: Path, spec: RunSpec, model: nn.Module, loss: float, corpus: Mapping[str, Any]) -> None:
    """Write the weights to `path` and, beside it as JSON, all that is needed to use them as a teacher."""
    counts = flops.parameters(spec.shape)
    described = {
        "schema": MODEL_SCHEMA,
        "id": spec.id,
        "shape": asdict(spec.shape),
        "parameters": asdict(counts),
        "N": counts.non_embedding,
        "D": spec.tokens,
        "loss": loss,
        "corpus": dict(corpus),
        "digest": spec.digest(),
        "spec": spec.to_dict(),
    }
    _write(path, dict(model.state_dict()), {"schema": MODEL_SCHEMA, "digest": spec.digest()})
    files.write_json(path.with_suffix(".json"), described)


def load_model(path: Path, digest: str | None = None) -> Transformer:
    """The model at `path`, frozen and in eval, built from the specification in the JSON beside it.

    Raises `CheckpointError` where either file is missing, unreadable or does not fit the other, and for the model of
    another run than that of `digest`.
    """
    described = path.with_suffix(".json")
    try:
        data = files.read_json(described)
        spec = RunSpec.from_dict(data["spec"])
        header, tensors = _read(path)
        if header.get("digest") != data["digest"]:
            raise ValueError(f"{described.name} belongs to another model")
        if digest not in (None, data["digest"]):
            raise ValueError(f"it is the model of another run, {spec.id}")
        if data["shape"] != asdict(spec.shape):
            raise ValueError(f"{described.name} states two shapes")
        recipe = spec.recipe
        model = Transformer(spec.shape, output_scale(spec.shape, recipe.parametrisation, recipe.reference_width))
        model.load_state_dict(tensors)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())  # torch's take several lines
        raise CheckpointError(f"{path}: no usable model ({reason}); remove its folder and run it again") from None
    return model.requires_grad_(False).eval()


def _write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    files.write(path, save(stored, {"json": json.dumps(header)}))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("json", "{}"))
        return header, load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); remove it to start its run afresh") from None
