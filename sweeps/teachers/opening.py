"""The sources of students that are trained together, from their specifications."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from fitting.errors import InputError
from sweeps import corpora
from sweeps.evaluation.opening import find, load
from sweeps.feeding import batch_of
from sweeps.given import GivenTeacher
from sweeps.spec import RunSpec
from sweeps.teachers import trained
from sweeps.teachers.cache import Cached, Key
from sweeps.teachers.online import Online
from sweeps.teachers.pool import Averaged
from sweeps.teachers.source import Source, Teacher, require_same_vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sweeps.student import Paths


def open_teachers(spec: RunSpec, paths: "Paths", corpus: corpora.Corpus) -> list[Teacher]:
    """The teachers of a run, in order.

    Raises `InputError` for one of another vocabulary, `CheckpointError` for one that cannot be loaded.
    """
    n_ctx = spec.shape.n_ctx
    teachers: list[Teacher] = [
        open_given(teacher, path, corpus, n_ctx)
        if isinstance(teacher, GivenTeacher)
        else trained.load(path, teacher.digest())
        for teacher, path in zip(spec.teachers, paths.teachers, strict=True)
    ]
    names = [teacher.id for teacher in spec.teachers]
    require_same_vocabulary(dict(zip(names, teachers, strict=True)), spec.shape.n_vocab)
    return teachers


def open_given(teacher: GivenTeacher, path: Path, corpus: corpora.Corpus, n_ctx: int) -> Teacher:
    """A teacher that existed before the grid. Raises `InputError` where it is not the model that was evaluated."""
    _, found = load(find(path), corpus, n_ctx)
    if found.digest != teacher.weights:
        raise InputError(
            f"{path}: is another model ({found.digest[:12]}) than the one evaluated as {teacher.id} "
            f"({teacher.weights[:12]}); evaluate it again, and run it in another folder"
        )
    return found


def open_sources(
    cells: "Sequence[tuple[RunSpec, Paths]]", corpus: corpora.Corpus, teachers: Sequence[Teacher]
) -> list[Source]:
    """One source for each teacher of the cells, or one for all of them where what they say on average is cached.

    The cells have the same teachers and consult them alike (`sharing.pack`).
    """
    spec, paths = cells[0]
    asked = spec.consultation
    if asked is None:
        return []
    if asked.signal == "online":
        return [Online(teacher) for teacher in teachers]
    wanted = _wanted([cell for cell, _ in cells])
    if asked.pool == "average" and len(teachers) > 1:
        teachers, wanted = [Averaged(tuple(teachers))], wanted[:, :1]
    return [_cached(spec, paths, corpus, teacher, wanted[:, i]) for i, teacher in enumerate(teachers)]


def _cached(
    spec: RunSpec, paths: "Paths", corpus: corpora.Corpus, teacher: Teacher, wanted: "NDArray[np.bool_]"
) -> Cached:
    asked = spec.consultation
    assert asked is not None
    assert asked.signal != "online"
    assert asked.kept is not None
    assert paths.logits is not None
    key = Key(
        teacher=teacher.digest,
        corpus=corpus.sha256,
        tokenizer=corpus.tokenizer_sha256,
        half=spec.half,
        seed=spec.stream("batches"),
        n_ctx=spec.shape.n_ctx,
        batch_tokens=spec.recipe.batch_tokens,
        n_vocab=spec.shape.n_vocab,
        tau=asked.tau,
        kind=asked.signal,
        kept=asked.kept,
        precision=spec.recipe.precision,
    )

    def inputs(step: int) -> Tensor:
        return batch_of(spec, corpus, step)[0]

    return Cached(paths.logits / key.name, key, inputs_of=inputs, wanted=wanted, teacher=lambda: teacher)


def _wanted(cells: Sequence[RunSpec]) -> "NDArray[np.bool_]":
    """Which teachers any of the cells asks at which step, (steps of the longest, teachers)."""
    import numpy as np

    found = np.zeros((max(cell.steps for cell in cells), len(cells[0].teachers)), dtype=bool)
    for cell in cells:
        if cell.consultation is not None:
            asked = cell.consultation.schedule(cell.steps, len(cell.teachers), cell.stream("consultation"))
            found[: cell.steps] |= asked
    return found
