"""Models that are named on a command line: what each is, known before any weights are read, and then its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fitting import flops
from fitting.errors import InputError
from sweeps import files
from sweeps.corpora import CORPORA

if TYPE_CHECKING:
    from sweeps.corpora import Corpus
    from sweeps.teachers.source import Teacher

MODEL_SCHEMA = "distillaw/model/1"  # that of `checkpoints`, which imports torch

_FOREIGN_CONTEXT = 1024
_TOKENS = 65536
"""How a model is judged that no run of ours says it of."""

_FOREIGN_WINDOWS = 4


@dataclass(frozen=True)
class Found:
    """A model before its weights are read.

    `path` is what `load` takes. Of a model that a grid trained, `trained_on` is the corpus (`Corpus.describe`),
    `source` where it may be, `loss` what its run measured, and `n_ctx` the longest context that it can see; of others
    nothing of that is known. `tokens` and `context` are how it is judged where nobody says otherwise, `windows` how
    many windows at a time.
    """

    name: str
    kind: Literal["trained", "hugging face"]
    path: Path
    context: int
    tokens: int
    windows: int
    n_ctx: int | None = None
    n_vocab: int | None = None
    D: int | None = None
    loss: float | None = None
    trained_on: Mapping[str, Any] | None = None
    source: str | None = None


@dataclass(frozen=True)
class Opened:
    """What the weights of a model say of it, which need not stay in memory for that.

    `N` is non-embedding parameters, `N_total` all of them; `forward_flops` and `digest` are those of a `Teacher`.
    `price` is `forward_flops` where the ledger's family of shapes would not know what a token costs.
    """

    found: Found
    N: int
    N_total: int
    forward_flops: float
    price: float | None
    digest: str


def find(named: Path) -> Found:
    """What lies at a path: a cell of a grid, its `model.safetensors`, the folder of a Hugging Face model, a GGUF file.

    Raises `InputError` for anything else, saying what it is.
    """
    if not named.exists():
        raise InputError(
            f"{named}: no such model; name the folder of a cell (DIR/cells/ID), or of a Hugging Face model"
        )
    if named.is_file():
        if named.suffix == ".gguf":
            return _foreign(named, named.stem)
        if named.with_suffix(".json").is_file() and named.suffix == ".safetensors":
            return _trained(named)
        beside = f"without {named.with_suffix('.json').name} beside it, " if named.suffix == ".safetensors" else ""
        raise InputError(f"{named}: {beside}no model; name the folder of a cell, or of a Hugging Face model")
    weights = named / "model.safetensors"
    if (named / "model.json").is_file():
        if not weights.is_file():
            raise InputError(f"{weights}: is missing; run the cell again")
        return _trained(weights)
    if (named / "config.json").is_file():
        return _foreign(named, named.resolve().name)
    raise InputError(f"{named}: {_why_none(named)}")


def load(found: Found, corpus: "Corpus", n_ctx: int) -> "tuple[Opened, Teacher]":
    """Read the weights of a model that is to see `n_ctx` tokens of a corpus.

    Raises `InputError` for a model of another tokenizer than the corpus, or one that cannot see so much, and
    `CheckpointError` for weights that cannot be used.
    """
    if found.kind == "trained":
        from sweeps.teachers import trained

        own = trained.load(found.path)
        counts = flops.parameters(own.model.shape)
        return Opened(found, counts.non_embedding, counts.total, own.forward_flops, None, own.digest), own
    from sweeps.teachers import huggingface

    other = huggingface.load(found.path, n_ctx=n_ctx)
    huggingface.require_same_tokenizer(corpus, other)
    total = sum(parameter.numel() for parameter in other.model.parameters())
    return Opened(found, other.N, total, other.forward_flops, other.forward_flops, other.digest), other


def _trained(weights: Path) -> Found:
    described = weights.with_suffix(".json")
    try:
        data = files.read_json(described)
        if data["schema"] != MODEL_SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, not {MODEL_SCHEMA!r}")
        shape, recipe = data["shape"], data["spec"]["recipe"]
        return Found(
            name=str(data["id"]),
            kind="trained",
            path=weights,
            context=int(shape["n_ctx"]),
            tokens=int(recipe["validation_tokens"]),
            windows=16,  # as its run was judged, `measures.WINDOWS`
            n_ctx=int(shape["n_ctx"]),
            n_vocab=int(shape["n_vocab"]),
            D=int(data["D"]),
            loss=float(data["loss"]),
            trained_on={key: data["corpus"][key] for key in ("name", "sha256", "tokenizer_sha256")},
            source=_source(weights.parent, str(recipe["corpus"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{described}: describes no model that this version can read ({error})") from None


def _source(cell: Path, identity: str) -> str | None:
    """Where the corpus of a cell is: its name where that says all, else where its grid found it."""
    if identity in CORPORA:
        return identity
    try:
        source = str(files.read_json(cell.resolve().parent.parent / "grid.json")["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return source if source in CORPORA or Path(source).is_dir() else None


def _foreign(path: Path, name: str) -> Found:
    return Found(name, "hugging face", path, _FOREIGN_CONTEXT, _TOKENS, _FOREIGN_WINDOWS)


def _why_none(folder: Path) -> str:
    """What a folder is that holds no model, and what to do."""
    if (folder / "grid.json").is_file():
        cells = sorted(path.parent.name for path in folder.glob("cells/*/model.json"))
        named = f", as {folder / 'cells' / cells[-1]}" if cells else "; none of them has a model yet"
        return f"is a grid; name cells of it{named}"
    if (folder / "record.json").is_file():
        return "its run diverged and left no model"
    if (folder / "spec.json").is_file():
        return "its run has not finished; run the grid with `distillaw sweep run`"
    return "holds no model (no model.json of a run, no config.json of Hugging Face)"
