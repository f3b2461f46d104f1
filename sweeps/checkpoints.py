"""What a run leaves on the disk: a resumable state while it trains, and a model that can teach once it is done.

Both are safetensors (no pickle), written whole or not at all. The state keeps the weights, AdamW's moments, the
journal and its running sums, and the number of updates made; batches and the learning rate are functions of the
step and need no state. A teacher is no part of its student's files. A SHA-256 in the header tells a file whose bits
have changed.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
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
from sweeps.journal import Entry
from sweeps.models import Transformer
from sweeps.parametrisation import output_scale
from sweeps.spec import RunSpec

STATE_SCHEMA = "distillaw/state/1"
MODEL_SCHEMA = "distillaw/model/1"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")

_LOG = logging.getLogger(__name__)


class CheckpointError(DistillawError):
    """A file of a run that cannot be used."""


class Damaged(ValueError):
    """A file is not what was written as it; it says how that shows."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: updates made, the sums since its last journal entry, and its entries so far."""

    step: int
    sums: Tensor
    entries: tuple[Entry, ...] = ()


def save_state(path: Path, spec: RunSpec, model: nn.Module, optimizer: torch.optim.Optimizer, at: Progress) -> None:
    """Write everything that the next update depends on."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for moment in _MOMENTS:
            tensors[f"adamw.{moment}.{name}"] = optimizer.state[parameter][moment]
    tensors["sums"] = at.sums
    journal = [asdict(entry) for entry in at.entries if entry.step <= at.step]
    header = {"schema": STATE_SCHEMA, "digest": spec.digest(), "step": at.step, "journal": journal}
    _write(path, tensors, header)


def load_state(path: Path, spec: RunSpec, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
    """Restore model and optimizer, and say where the run stood; None where there is no state yet.

    A file that is damaged is set aside with a warning, and is none. Raises `CheckpointError` for that of another run.
    """
    try:
        header, tensors = _read(path)
    except FileNotFoundError:
        return None
    except Damaged as damage:
        _set_aside(path, damage)
        return None
    if header.get("schema") != STATE_SCHEMA or header.get("digest") != spec.digest():
        raise CheckpointError(f"{path}: is the state of another run; remove it to start {spec.id} afresh")
    model.load_state_dict({name: tensors[f"model.{name}"] for name in model.state_dict()})
    for name, parameter in model.named_parameters():
        state = {moment: tensors[f"adamw.{moment}.{name}"] for moment in _MOMENTS}
        optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in state.items()}
    entries = tuple(Entry(**entry) for entry in header.get("journal", []))
    return Progress(header["step"], tensors["sums"], entries)


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
        raise CheckpointError(
            f"{path}: no usable model ({reason}); remove {path.parent}, and `sweep run` trains it again"
        ) from None
    return model.requires_grad_(False).eval()


def _write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    checked = {**header, "sha256": digest(json.dumps(header), stored)}
    files.write(path, save(stored, {"json": json.dumps(checked)}))  # of several keys, safetensors shuffles the order


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors of a file. Raises `Damaged`, or `OSError` where the disk says no."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("json", "{}"))
        tensors = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise Damaged(f"cannot be read: {error}") from None
    if "schema" not in header:
        raise Damaged("its header is gone")
    checksum = header.pop("sha256", None)  # older files have none
    if checksum not in (None, digest(json.dumps(header), tensors)):
        raise Damaged("its checksum does not match")
    return header, tensors


def _set_aside(path: Path, damage: Damaged) -> None:
    """Take a damaged state out of the way, and say so."""
    aside = path.with_name(f"{path.name}.damaged")
    with suppress(FileNotFoundError):  # another process of the same cell was first, and has said so
        os.replace(path, aside)
        _LOG.warning("warning: %s: %s; kept as %s, and its run starts afresh", path, damage, aside.name)


def digest(described: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over a description and over tensors: their names, types, shapes and bytes."""
    found = hashlib.sha256(described.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content: Any = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        found.update(content)
    return found.hexdigest()
