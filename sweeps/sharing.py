"""What cells of a grid need do only once: the trunk of runs of several lengths, a teacher's forward passes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sweeps.spec import RunSpec

LARGEST_PACK = 4
WORTH = 0.15
"""Share of its students' FLOPs that a pack must save: 3 to 24 % of its time went elsewhere when it was measured."""

SMALL = 100e6
"""Parameters of all students of a pack that is not asked for: what four optimizers need beyond is the user's to say."""


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


def pack(startable: Sequence[RunSpec], load: Iterable[RunSpec], slots: int, limit: int | None) -> list[RunSpec]:
    """The first of the cells that can start, and those to train beside it on one teacher forward.

    At most `limit` in all; None takes as many as is cheaper: a pack must save `WORTH` of its FLOPs, and must not be
    what all others wait for in the end, so it stays within a slot's share of `load`, all that is left to do.
    """
    first = startable[0]
    if not first.teachers or first.recipe.devices > 1:
        return [first]
    same = shared(first)
    group = [first, *[other for other in startable if other is not first and shared(other) == same]]
    if limit is not None:
        return group[:limit]
    left = sum(cell.total_flops for cell in load)
    for size in range(min(LARGEST_PACK, len(group)), 1, -1):
        cells = group[:size]
        apart, together = sum(cell.total_flops for cell in cells), _flops(cells)
        worth = 1 - together / apart >= WORTH
        fits = together <= (left - apart + together) / slots
        if worth and fits and sum(cell.N for cell in cells) <= SMALL:
            return cells
    return [first]


def _flops(cells: Sequence[RunSpec]) -> float:
    """What cells cost that are trained on one teacher forward: that of the longest."""
    return sum(cell.training_flops for cell in cells) + max(cell.logits_flops for cell in cells)


def shared(cell: RunSpec) -> object:
    """What must be equal for two students to see the same batches and the same targets."""
    asked = cell.consultation
    when = asked and replace(asked, lam=0.0, start=0.0, end=1.0, every=1, direction="forward")
    recipe = cell.recipe
    same = (recipe.corpus, recipe.batch_tokens, recipe.precision, recipe.compiled, cell.shape.n_ctx, cell.seed)
    return cell.teachers, when, same
