"""What cells of a grid need do only once: the trunk of runs of several lengths, a teacher's forward passes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sweeps.spec import RunSpec


def trunks(cells: Iterable[RunSpec]) -> dict[str, RunSpec]:
    """By id of a run that branches off: the longest of the runs that share its trunk."""
    families: dict[str, list[RunSpec]] = {}
    for cell in cells:
        if cell.trunk is not None:
            families.setdefault(cell.trunk, []).append(cell)
    found = {}
    for family in families.values():
        longest = max(family, key=lambda cell: cell.tokens)
        found.update({cell.id: longest for cell in family if cell is not longest})
    return found


def pack(first: RunSpec, others: Sequence[RunSpec], limit: int) -> list[RunSpec]:
    """`first` and those of `others` that can be trained beside it on one teacher forward, at most `limit` in all."""
    if not first.teachers or first.recipe.devices > 1:
        return [first]
    shared = _shared(first)
    return [first, *[other for other in others if other is not first and _shared(other) == shared]][:limit]


def _shared(cell: RunSpec) -> object:
    """What must be equal for two students to see the same batches and the same targets."""
    asked = cell.consultation
    when = asked and replace(asked, lam=0.0, start=0.0, end=1.0, every=1, direction="forward")
    recipe = cell.recipe
    same = (recipe.corpus, recipe.batch_tokens, recipe.precision, recipe.compiled, cell.shape.n_ctx, cell.seed)
    return cell.teachers, when, same
