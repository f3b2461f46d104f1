"""From a protocol and a scale to the runs of its grids: the grid itself, and what brackets its learning rate first."""

from collections.abc import Callable
from dataclasses import dataclass

from fitting.flops import Shape
from sweeps.consultation import Consultation
from sweeps.protocols.points import Points
from sweeps.protocols.scales import RATES, Scale
from sweeps.spec import GridSpec, Recipe, Role, RunSpec

_LETTER: dict[Role, str] = {"teacher": "t", "supervised": "s", "distilled": "d"}


@dataclass(frozen=True)
class Block:
    """One table of a grid file, and its runs; `note` says what it is part of."""

    role: Role
    size: int
    tokens: tuple[int, ...]
    seeds: tuple[int, ...]
    teachers: tuple[str, ...]
    note: str
    cells: tuple[RunSpec, ...]


@dataclass(frozen=True)
class Asked:
    """A grid to write: its tables, and with them the runs that `distillaw sweep run` makes of it."""

    name: str
    scale: Scale
    n_vocab: int
    learning_rate: float
    blocks: tuple[Block, ...]

    @property
    def cells(self) -> tuple[RunSpec, ...]:
        """The runs, teachers first."""
        return tuple(cell for block in self.blocks for cell in block.cells)

    def spec(self) -> GridSpec:
        """The grid as what runs it sees it, but for its text, which is not opened."""
        return GridSpec(self.name, self.scale.corpus or "", self.cells)


def design(scale: Scale, protocol: str, *, n_vocab: int, learning_rate: float, supervised: bool = True) -> Asked:
    """The grid of a protocol (arXiv 2502.08606, section 4) at a scale, on a corpus of `n_vocab` tokens."""
    wanted = scale.designs[protocol]
    draft = _Draft(scale, n_vocab, learning_rate)
    for points in wanted.teachers:
        draft.add("teacher", points, f"Teachers, {points.label}.")
    for points in wanted.apart:
        draft.add("teacher", points, f"A teacher off that line, {points.label}: L_T varies apart from N_T.")
    teachers = list(draft.blocks)
    if supervised:
        for points in scale.supervised:
            draft.add("supervised", points, f"Supervised runs, {points.label}.")
    for points in wanted.students:
        draft.add("distilled", points, f"Students, {points.label}.", _names(teachers))
    for points, sizes in wanted.further:
        few = _names([block for block in teachers if block.size in sizes])
        draft.add("distilled", points, f"Students, {points.label}, of some teachers only.", few)
    return draft.done(f"{protocol}-{scale.name}")


def brackets(asked: Asked) -> dict[float, Asked]:
    """By factor on the learning rate, the runs that say which rate is best.

    Supervised runs of the grid's smallest and largest size, and a student of the smallest with the teacher that costs
    least: each on the most tokens that its size trains on, because short runs prefer higher rates than long ones.
    """
    size_of = {cell.shape: block.size for block in asked.blocks for cell in block.cells}
    longest = {shape: max(cell.tokens for cell in asked.cells if cell.shape == shape) for shape in size_of}
    small, large = (end(asked.cells, key=lambda cell: cell.N).shape for end in (min, max))
    teacher = min((cell for cell in asked.cells if cell.role == "teacher"), key=lambda cell: cell.training_flops)
    found = {}
    for factor in RATES:
        draft = _Draft(asked.scale, asked.n_vocab, factor * asked.learning_rate)
        draft.put("teacher", size_of[teacher.shape], [teacher.tokens], (0,), "The teacher that costs least.")
        draft.put("supervised", size_of[small], [longest[small]], (0,), "The smallest size at its longest.")
        draft.put("supervised", size_of[large], [longest[large]], (0,), "The largest size at its longest.")
        names = _names(draft.blocks[:1])
        draft.put("distilled", size_of[small], [longest[small]], (0,), "Distilled runs may like another rate.", names)
        found[factor] = draft.done(f"{asked.name}-rate-{factor:g}x")
    return found


class _Draft:
    """Collects the tables of a grid; a run that is there already is not asked for again."""

    def __init__(self, scale: Scale, n_vocab: int, learning_rate: float) -> None:
        self.scale, self.n_vocab, self.learning_rate = scale, n_vocab, learning_rate
        self.recipe = _recipe(scale, learning_rate)
        self.blocks: list[Block] = []
        self.cells: dict[str, RunSpec] = {}

    def add(self, role: Role, points: Points, note: str, teachers: tuple[str, ...] = ()) -> None:
        """All runs of `points`, in whole steps: a table for each size."""
        batch = self.recipe.batch_tokens
        tokens: dict[int, list[int]] = {}
        for size, exact in points.of(self._shape):
            tokens.setdefault(size, []).append(max(1, round(exact / batch)) * batch)
        for size, counts in tokens.items():
            self.put(role, size, counts, (0, 1) if size in points.repeated else (0,), note, teachers)

    def put(
        self,
        role: Role,
        size: int,
        tokens: list[int],
        seeds: tuple[int, ...],
        note: str,
        teachers: tuple[str, ...] = (),
    ) -> None:
        """A size on each of `tokens`, with each seed and teacher; a table for each set of seeds that is left new."""
        new: dict[tuple[int, ...], list[int]] = {}
        for count in tokens:
            fresh = tuple(s for s in seeds if self._runs(role, size, count, s, teachers)[0].id not in self.cells)
            if fresh:
                new.setdefault(fresh, []).append(count)
        for fresh, counts in new.items():
            cells = [
                cell for count in counts for seed in fresh for cell in self._runs(role, size, count, seed, teachers)
            ]
            self.cells.update({cell.id: cell for cell in cells})
            self.blocks.append(Block(role, size, tuple(counts), fresh, teachers, note, tuple(cells)))

    def done(self, name: str) -> Asked:
        """What was collected, as a grid."""
        return Asked(name, self.scale, self.n_vocab, self.learning_rate, tuple(self.blocks))

    def _shape(self, size: int) -> Shape:
        make: Callable[..., Shape] = Shape.of_depth if self.scale.by == "layers" else Shape.of_size
        scale = self.scale
        return make(size, aspect=scale.aspect, n_heads=scale.heads, n_vocab=self.n_vocab, n_ctx=scale.n_ctx)

    def _runs(self, role: Role, size: int, count: int, seed: int, teachers: tuple[str, ...]) -> list[RunSpec]:
        """The runs of one size, tokens and seed: one, or one for each teacher."""
        called = f"L{size}" if self.scale.by == "layers" else f"N{_written(size)}"
        name = f"{_LETTER[role]}-{called}-{_written(count)}-s{seed}"
        shape, aspect = self._shape(size), self.scale.aspect
        if role != "distilled":
            return [RunSpec(name, role, shape, aspect, count, seed, self.recipe)]
        asked = Consultation()
        return [
            RunSpec(f"{name}-from-{t}", role, shape, aspect, count, seed, self.recipe, (self.cells[t],), asked)
            for t in teachers
        ]


def _recipe(scale: Scale, learning_rate: float) -> Recipe:
    """What a grid file's settings say, with the paper's defaults (App E of arXiv 2502.08606)."""
    return Recipe(
        corpus=scale.corpus or "",
        batch_tokens=scale.batch_tokens,
        learning_rate=learning_rate,
        reference_width=scale.reference_width,
        warmup_steps=scale.warmup_steps,
        weight_decay=1e-4,
        clip=1.0,
        z_loss=1e-4,
        validation_tokens=scale.validation_tokens,
        validations=scale.validations,
        parametrisation=scale.parametrisation,
        precision=scale.precision,
    )


def _names(blocks: list[Block]) -> tuple[str, ...]:
    return tuple(cell.id for block in blocks for cell in block.cells)


def _written(count: int) -> str:
    """A count in a cell's name as grid files write it, exactly: 1024000 is 1024K."""
    for suffix, unit in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)
