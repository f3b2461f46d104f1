"""The runs of several grids of one text as one table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fitting.errors import Faults
from fitting.records import RunRecord, RunTable
from sweeps.grid import Grid


def joined(grids: Sequence[Grid], tables: Sequence[RunTable]) -> RunTable:
    """The runs of grids by their tables, one after another; a run that several of them have comes once.

    Runs that differ and have one name are called GRID/RUN, in `teacher_id` too. Raises `InputError` for grids of
    different texts or conventions, and where even the longer names are the same.
    """
    _require_one_text(grids)
    first, *others = tables
    for grid, other in zip(grids[1:], others, strict=True):
        first.convention.require_same(other.convention, str(grids[0].folder), str(grid.folder))
    runs = [(grid, run) for grid, found in zip(grids, tables, strict=True) for run in found.records]
    meanings: dict[str, set[str]] = {}
    for _, run in runs:
        meanings.setdefault(run.run_id, set()).add(_identity(run))
    ambiguous = {name for name, found in meanings.items() if len(found) > 1}
    # a given teacher of an ambiguous name is none of this grid's cells, and keeps it
    own = {grid.folder: {cell.id for cell in grid.spec.cells} for grid in grids}
    kept: dict[str, RunRecord] = {}
    faults = Faults()
    for grid, run in runs:
        here = ambiguous & own[grid.folder]
        renamed = _renamed(run, {name: f"{grid.spec.name}/{name}" for name in here})
        before = kept.setdefault(renamed.run_id, renamed)
        if _identity(before) != _identity(run):
            faults.add(
                f"{grid.folder}: its run {run.run_id} and one of another grid that is called {grid.spec.name!r} too "
                "differ; collect them apart"
            )
    faults.raise_if_any()
    return RunTable(tuple(kept.values()), first.convention)


def _require_one_text(grids: Sequence[Grid]) -> None:
    faults, first = Faults(), grids[0]
    for grid in grids[1:]:
        for what, key in (("text", "sha256"), ("tokenizer", "tokenizer_sha256")):
            if grid.corpus[key] != first.corpus[key]:
                faults.add(
                    f"{grid.folder}: has another {what} than {first.folder} ({grid.corpus[key][:12]}, not "
                    f"{first.corpus[key][:12]}): their losses do not compare; collect them apart"
                )
    faults.raise_if_any()


def _identity(run: RunRecord) -> str:
    """What two records of one run share and those of two do not; a digest takes in the teachers."""
    return str(run.extras["digest"])


def _renamed(run: RunRecord, names: Mapping[str, str]) -> RunRecord:
    taught = run.teacher_id and "+".join(names.get(name, name) for name in run.teacher_id.split("+"))
    return replace(run, run_id=names.get(run.run_id, run.run_id), teacher_id=taught)
