"""A grid's runs as a table that laws are fitted to: what each was, what it reached, what it cost."""

import math
from collections.abc import Mapping
from typing import Any

from fitting import flops
from fitting.errors import InputError
from fitting.records import RunRecord, RunTable
from sweeps.corpora.batches import windows_of
from sweeps.evaluation.naming import tokenizer_name
from sweeps.given import GivenTeacher
from sweeps.grid import Grid
from sweeps.schedule import DECAY_SHARE
from sweeps.spec import RunSpec

MEASURED = ("kl_to_teacher", "ece", "ece_to_teacher")
"""What the record of a cell may hold beside its loss."""


def table(grid: Grid) -> RunTable:
    """The finished and diverged runs in the grid's order, but for those whose teacher's loss is not there (again).

    Raises `InputError` when there is none.
    """
    done = {cell.id: record for cell in grid.spec.cells if (record := grid.record(cell)) is not None}
    known = done.keys() | grid.spec.given.keys()
    ready = [cell for cell in grid.spec.cells if {cell.id, *(teacher.id for teacher in cell.teachers)} <= known]
    if not ready:
        raise InputError(f"{grid.folder}: no cell is finished yet; run the grid with `distillaw sweep run`")
    losses = {name: _loss(record) for name, record in done.items()}
    records = [_record(grid, cell, done[cell.id], losses) for cell in ready]
    return RunTable(tuple(records), grid.spec.convention())


def _record(grid: Grid, cell: RunSpec, stored: Mapping[str, Any], losses: Mapping[str, float]) -> RunRecord:
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
        extras=_extras(cell, grid.corpus) | {name: stored.get(name) for name in MEASURED},
    )


def _extras(cell: RunSpec, corpus: Mapping[str, Any]) -> dict[str, Any]:
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
        "epochs": epochs(cell, corpus),
        "validation_tokens": recipe.validation_tokens,
        "corpus": corpus["name"],
        "corpus_sha256": corpus["sha256"],
        "tokenizer": tokenizer_name(corpus["n_vocab"], corpus["tokenizer_sha256"]),
        "digest": cell.digest(),
    }


def epochs(cell: RunSpec, corpus: Mapping[str, Any]) -> float:
    """How often a run goes through its half of the text; above 1 it repeats tokens."""
    return cell.tokens / (windows_of(corpus["tokens"][cell.half], cell.shape.n_ctx) * cell.shape.n_ctx)


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
