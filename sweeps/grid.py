"""A grid on the disk: which cells there are, what each waits for, how far each has come.

```
    DIR/grid.json                      the cells and the corpus, as last asked for
    DIR/logits/                        what is cached of teachers, for all their students
    DIR/cells/ID/spec.json             everything that decides the cell's result
    DIR/cells/ID/journal.jsonl         its log
    DIR/cells/ID/state.safetensors     where to resume; removed at the end
    DIR/cells/ID/model.safetensors     the trained model, with model.json beside it
    DIR/cells/ID/record.json           written last: the mark of a cell that is never run again
    DIR/cells/ID/error.txt             why it failed; removed when it is tried again
```
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fitting import flops
from fitting.errors import Faults, InputError
from fitting.records import RunRecord, RunTable
from sweeps import files, journal
from sweeps.corpora.batches import windows_of
from sweeps.evaluation.naming import tokenizer_name
from sweeps.given import GivenTeacher
from sweeps.schedule import DECAY_SHARE
from sweeps.spec import GridSpec, RunSpec, by_id

GRID_SCHEMA = "distillaw/grid/1"
RUN_SCHEMA = "distillaw/run/1"

State = Literal["finished", "diverged", "failed", "blocked", "started", "waiting"]
"""A cell is blocked when its teacher diverged, failed or is itself blocked; started when it can be resumed."""


@dataclass(frozen=True)
class CellFolder:
    """The files of one cell."""

    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def state(self) -> Path:
        return self.path / "state.safetensors"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def record(self) -> Path:
        return self.path / "record.json"

    @property
    def error(self) -> Path:
        return self.path / "error.txt"


@dataclass(frozen=True)
class Grid:
    """A grid and its folder. `corpus` says what text it is made of (`Corpus.describe`)."""

    folder: Path
    spec: GridSpec
    corpus: Mapping[str, Any]

    def cell(self, cell: RunSpec) -> CellFolder:
        return CellFolder(self.folder / "cells" / cell.id)

    def states(self) -> dict[str, State]:
        """The state of every cell, by id, teachers before students."""
        found: dict[str, State] = {}
        for cell in self.spec.cells:
            found[cell.id] = self._state(cell, [found[teacher.id] for teacher in cell.teachers if teacher.id in found])
        return found

    def _state(self, cell: RunSpec, teachers: Sequence[State]) -> State:
        folder, record = self.cell(cell), self.record(cell)
        if record is not None:
            return "diverged" if record["status"] == "diverged" else "finished"
        if folder.error.exists():
            return "failed"
        if {"diverged", "failed", "blocked"} & set(teachers):
            return "blocked"
        return "started" if folder.journal.exists() else "waiting"

    def record(self, cell: RunSpec) -> Mapping[str, Any] | None:
        """What is recorded of a cell that is done; None of another. Raises `InputError` for a damaged record."""
        path = self.cell(cell).record
        return _read(path, ("status", "loss")) if path.exists() else None

    def flops_done(self, cell: RunSpec) -> float:
        """FLOPs that a cell has behind it, by its journal; all of them once it is finished."""
        folder = self.cell(cell)
        if folder.record.exists():
            return cell.total_flops
        entries = journal.read(folder.journal)
        return entries[-1].flops_training + entries[-1].flops_logits if entries else 0.0

    def finish(self, cell: RunSpec, status: str, loss: float, measured: Mapping[str, float] | None = None) -> None:
        """Mark a cell as done, for good: `status` is "finished" or "diverged" (`loss` NaN).

        `measured` is what else is known of it, by names in `MEASURED`.
        """
        folder = self.cell(cell)
        files.write_json(
            folder.record,
            {
                "schema": RUN_SCHEMA,
                "id": cell.id,
                "status": status,
                "loss": loss if math.isfinite(loss) else None,
                "digest": cell.digest(),
                "corpus_sha256": self.corpus["sha256"],
                **(measured or {}),
            },
        )
        folder.state.unlink(missing_ok=True)

    def table(self) -> RunTable:
        """The finished and diverged runs in the grid's order, but for those whose teacher's loss is not there (again).

        Raises `InputError` when there is none.
        """
        done = {cell.id: record for cell in self.spec.cells if (record := self.record(cell)) is not None}
        known = done.keys() | self.spec.given.keys()
        ready = [cell for cell in self.spec.cells if {cell.id, *(teacher.id for teacher in cell.teachers)} <= known]
        if not ready:
            raise InputError(f"{self.folder}: no cell is finished yet; run the grid with `distillaw sweep run`")
        losses = {name: _loss(record) for name, record in done.items()}
        records = [self._record(cell, done[cell.id], losses) for cell in ready]
        return RunTable(tuple(records), self.spec.convention())

    def _record(self, cell: RunSpec, stored: Mapping[str, Any], losses: Mapping[str, float]) -> RunRecord:
        taught = cell.teachers
        alone = taught[0] if len(taught) == 1 else None  # a pool has no size and no tokens
        known = [teacher.training_flops for teacher in taught if teacher.training_flops is not None]
        return RunRecord(
            run_id=cell.id,
            kind="distillation" if taught else "supervised",
            N=flops.parameters(cell.shape).non_embedding,
            D=cell.tokens,
            loss=losses[cell.id],
            C=cell.training_flops,
            teacher_id="+".join(teacher.id for teacher in taught) or None,
            teacher_N=alone.N if alone else None,
            teacher_D=alone.D if alone else None,
            teacher_loss=sum(_loss_of(teacher, losses) for teacher in taught) / len(taught) if taught else None,
            C_logits=cell.logits_flops if taught else None,
            C_teacher=sum(known) if taught and len(known) == len(taught) else None,
            seed=cell.seed,
            status=stored["status"],
            extras=self._extras(cell) | {name: stored.get(name) for name in MEASURED},
        )

    def _extras(self, cell: RunSpec) -> dict[str, Any]:
        """What else is known of a run, wall-clock times left out: a resumed grid gives the same table."""
        shape, recipe, counts = cell.shape, cell.recipe, flops.parameters(cell.shape)
        return {
            "role": cell.role,
            "n_layers": shape.n_layers,
            "d_model": shape.d_model,
            "d_ffn": shape.d_ffn,
            "n_heads": shape.n_heads,
            "N_embedding": counts.embedding,
            "N_attention": counts.attention,
            "N_ffn": counts.ffn,
            "N_norms": counts.norms,
            "steps": cell.steps,
            "batch_tokens": recipe.batch_tokens,
            "learning_rate": cell.learning_rate,
            "weight_decay": recipe.weight_decay,
            "z_loss": recipe.z_loss,
            "schedule": recipe.schedule,
            "decay_share": (recipe.decay_share or DECAY_SHARE) if recipe.schedule == "branches" else None,
            "parametrisation": recipe.parametrisation,
            "precision": recipe.precision,
            **_consultation(cell),
            "teacher_price": _given_price(cell),
            "half": cell.half,
            "epochs": epochs(cell, self.corpus),
            "validation_tokens": recipe.validation_tokens,
            "corpus": self.corpus["name"],
            "corpus_sha256": self.corpus["sha256"],
            "tokenizer": tokenizer_name(self.corpus["n_vocab"], self.corpus["tokenizer_sha256"]),
            "digest": cell.digest(),
        }


def create(folder: Path, spec: GridSpec, corpus: Mapping[str, Any]) -> Grid:
    """Prepare `folder` for a grid, or take up the grid that is in it; raises `InputError` as `check` does."""
    check(folder, spec, corpus)
    grid = Grid(folder, spec, corpus)
    described = {
        "schema": GRID_SCHEMA,
        "name": spec.name,
        "corpus": dict(corpus),
        "source": spec.corpus,
        "given": dict(spec.given),
        "cells": [cell.id for cell in spec.cells],
    }
    try:
        for cell in spec.cells:
            files_of = grid.cell(cell)
            files_of.path.mkdir(parents=True, exist_ok=True)
            if not files_of.spec.exists():
                files.write_json(files_of.spec, cell.to_dict())
        files.write_json(folder / "grid.json", described)
    except OSError as error:
        raise InputError(f"--out: cannot write {error.filename}: {error.strerror}") from None
    return grid


def check(folder: Path, spec: GridSpec, corpus: Mapping[str, Any]) -> None:
    """Raise `InputError` when a folder cannot take a grid up.

    It must be absent, empty, or hold a grid of the same text whose cells of the same name are the same cells.
    """
    faults = Faults()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out: {folder} is a file; name a folder")
    if (folder / "grid.json").exists():
        before = _described(folder)["corpus"]
        if before["sha256"] != corpus["sha256"]:
            faults.add(
                f"--out: {folder} was made from another text ({before['name']} {before['sha256'][:12]}, "
                f"now {corpus['name']} {corpus['sha256'][:12]}); use {_THE_SAME_TEXT.get(corpus['name'], 'that one')}, "
                "or another folder"
            )
        elif before["tokenizer_sha256"] != corpus["tokenizer_sha256"]:
            faults.add(f"--out: {folder} was made with another tokenizer; use that one, or another folder")
        for name, cell in by_id(spec.cells).items():
            path = CellFolder(folder / "cells" / name).spec
            stored = faults.collect(_read, path) if path.exists() else None
            if stored is not None and (differ := _difference(stored, cell.to_dict())):
                faults.add(
                    f"--out: {folder} holds a cell {name} that was specified otherwise ({differ}); "
                    "choose another folder"
                )
    elif folder.exists() and any(path.name != _LOCK for path in folder.iterdir()):
        faults.add(f"--out: {folder} is not empty and holds no grid; choose another folder")
    faults.raise_if_any()


def open_grid(folder: Path) -> Grid:
    """The grid in a folder. Raises `InputError` where there is none, or one that cannot be read."""
    data = _described(folder)
    specs = [CellFolder(folder / "cells" / name).spec for name in data["cells"]]
    gone = [path.parent.name for path in specs if not path.exists()]
    if gone:
        raise InputError(
            f"{folder}: its cells {', '.join(gone)} were removed; `distillaw sweep run GRID.toml --out {folder}` "
            "trains them again"
        )
    try:
        cells = [RunSpec.from_dict(_read(path)) for path in specs]
        return Grid(folder, GridSpec(data["name"], data["source"], tuple(cells), data["given"]), data["corpus"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder}: is no grid that this version can read ({error})") from None


def epochs(cell: RunSpec, corpus: Mapping[str, Any]) -> float:
    """How often a run goes through its half of the text; above 1 it repeats tokens."""
    return cell.tokens / (windows_of(corpus["tokens"][cell.half], cell.shape.n_ctx) * cell.shape.n_ctx)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a grid's folder for oneself. Raises `InputError` when another run has it; a kill releases it."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot make the folder {folder}: {error.strerror}") from None
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"--out: another `sweep run` is at work in {folder}; wait for it, or stop it") from None
    except OSError as error:
        raise InputError(f"--out: cannot write into {folder}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


_LOCK = ".lock"

_THE_SAME_TEXT = {"stdlib": "the Python it was made with"}

MEASURED = ("kl_to_teacher", "ece", "ece_to_teacher")
"""What the record of a cell may hold beside its loss."""


def _described(folder: Path) -> Mapping[str, Any]:
    """The file that makes a folder a grid's. Raises `InputError` where there is none, or one that cannot be read."""
    path = folder / "grid.json"
    if not path.is_file():
        raise InputError(f"{folder}: holds no grid; `distillaw sweep run GRID.toml --out {folder}` makes one")
    try:
        data: Mapping[str, Any] = files.read_json(path)
        if data["schema"] != GRID_SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, not {GRID_SCHEMA!r}")
        if missing := [key for key in ("name", "corpus", "source", "given", "cells") if key not in data]:
            raise ValueError(f"it has no {', '.join(missing)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no grid that this version can read ({error})") from None
    return data


def _read(path: Path, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """A file of a cell. Raises `InputError` where it is damaged."""
    try:
        data = files.read_json(path)
        if isinstance(data, dict) and all(key in data for key in keys):
            return data
        reason = "something else is in it"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise InputError(f"{path}: cannot be read ({reason}); remove {path.parent}, and `sweep run` trains its cell again")


def _consultation(cell: RunSpec) -> dict[str, Any]:
    """The columns that say how a run learned from its teachers: empty for a supervised one."""
    asked = cell.consultation
    if asked is None:
        return dict.fromkeys(("lambda", "tau", "direction", "signal", "kept", "pool", "window", "every", "fraction"))
    return {
        "lambda": asked.lam,
        "tau": asked.tau,
        "direction": asked.direction,
        "signal": asked.signal,
        "kept": asked.kept,
        "pool": asked.pool if len(cell.teachers) > 1 else "one",  # no blank: those would pass for pools'
        "window": f"{asked.start:g}:{asked.end:g}",
        "every": asked.every,
        "fraction": asked.fraction,
    }


def _given_price(cell: RunSpec) -> float | None:
    """FLOPs of a forward pass on a token where the one teacher is given: its shape may be of another family."""
    given = [teacher.forward_flops for teacher in cell.teachers if isinstance(teacher, GivenTeacher)]
    return given[0] if len(cell.teachers) == len(given) == 1 else None


def _loss_of(teacher: RunSpec | GivenTeacher, losses: Mapping[str, float]) -> float:
    return teacher.loss if isinstance(teacher, GivenTeacher) else losses[teacher.id]


def _loss(record: Mapping[str, Any]) -> float:
    return math.nan if record["loss"] is None else float(record["loss"])


def _difference(before: Mapping[str, Any], now: Mapping[str, Any], inside: str = "") -> str:
    """The keys in which two specifications differ, with both values."""
    lines = []
    for key in now:
        old, new, place = before.get(key), now[key], f"{inside}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            lines.append(_difference(old, new, f"{place}."))
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            lines += [_difference(one, other, f"{place}.") for one, other in zip(old, new, strict=True)]
        elif old != new:
            lines.append(f"{place}: {old} then, {new} now")
    return ", ".join(line for line in lines if line)
