"""Teachers that a grid does not train: models that exist, known by what `distillaw evaluate` found of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitting.errors import Faults, InputError
from sweeps import files
from sweeps.toml_tables import Table

SCHEMA = "distillaw/evaluation/1"


@dataclass(frozen=True)
class GivenTeacher:
    """A model by its evaluation on the held-out slice of a grid's corpus.

    `weights` is the digest of the model, which it must still have when it teaches. `loss` is in nats per token, `N`
    non-embedding parameters, `D` the tokens that it was trained on where that is known, `forward_flops` per token.
    """

    id: str
    weights: str
    N: int
    D: int | None
    loss: float
    forward_flops: float

    @property
    def training_flops(self) -> float | None:
        """What it took to train it is not ours to say."""
        return None


@dataclass(frozen=True)
class Slice:
    """The held-out slice that judges all runs of a grid: a loss on another does not compare."""

    corpus_sha256: str
    tokenizer_sha256: str
    n_ctx: int
    tokens: int


def read(table: Table, folder: Path, judged_on: Slice | None) -> list[tuple[GivenTeacher, str]]:
    """The teachers of a [[given]] table and where their models are; faults go to the table.

    `evaluation` is what `distillaw evaluate MODEL... --json` printed, a path relative to `folder`.
    """
    named = table.text("evaluation")
    table.close()
    if named is None:
        return []
    found = table.faults.collect(_evaluations, folder / named, table.place("evaluation"), judged_on)
    return found or []


def require_present(given: Mapping[str, str]) -> None:
    """Raise `InputError` naming each teacher whose model is no longer where it was evaluated."""
    gone = [
        f"{name}: its model is not at {path}; evaluate it where it is now"
        for name, path in given.items()
        if not Path(path).exists()
    ]
    if gone:
        raise InputError(*gone)


def _evaluations(path: Path, place: str, judged_on: Slice | None) -> list[tuple[GivenTeacher, str]]:
    try:
        data = files.read_json(path)
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, not {SCHEMA!r}")
        teachers = [(_teacher(found), str(found["path"])) for found in data["evaluations"]]
        on = data["corpus"]["sha256"], data["corpus"]["tokenizer_sha256"]
        slices = [Slice(*on, found["n_ctx"], found["tokens"]) for found in data["evaluations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place}: {path} is no evaluation that this version can read ({error}); write one with "
            f"`distillaw evaluate MODEL --corpus C --json > {path.name}`"
        ) from None
    faults = Faults()
    for (teacher, where), mine in zip(teachers, slices, strict=True):
        differs = _difference(mine, judged_on) if judged_on else None
        if differs:
            faults.add(f"{place}: {teacher.id} ({where}) {differs}")
    faults.raise_if_any()
    return teachers


def _teacher(found: dict[str, Any]) -> GivenTeacher:
    D = found["D"]
    return GivenTeacher(
        id=str(found["name"]),
        weights=str(found["digest"]),
        N=int(found["N"]),
        D=None if D is None else int(D),
        loss=float(found["loss"]),
        forward_flops=float(found["forward_flops"]),
    )


def _difference(mine: Slice, grid: Slice) -> str | None:
    """Why a loss does not compare with a grid's, and what to do."""
    if mine.tokenizer_sha256 != grid.tokenizer_sha256:
        return (
            f"has another tokenizer than the corpus ({mine.tokenizer_sha256[:12]}, not {grid.tokenizer_sha256[:12]}); "
            "prepare the corpus with the teacher's own (distillaw corpus prepare --tokenizer)"
        )
    if mine.corpus_sha256 != grid.corpus_sha256:
        return (
            f"was evaluated on another text ({mine.corpus_sha256[:12]}, not {grid.corpus_sha256[:12]}); "
            "evaluate it on this grid's corpus"
        )
    if (mine.n_ctx, mine.tokens) != (grid.n_ctx, grid.tokens):
        return (
            f"was evaluated on {mine.tokens} tokens in windows of {mine.n_ctx}; "
            f"evaluate it with --tokens {grid.tokens} --n-ctx {grid.n_ctx}, as this grid judges its runs"
        )
    return None
