"""From a TOML file to the runs of a grid; every fault of the file is found in one reading."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from fitting.errors import Faults, InputError
from fitting.flops import Shape
from sweeps import corpora
from sweeps.consultation import Consultation, most_kept
from sweeps.consultation_table import differences, read_consultation
from sweeps.given import GivenTeacher, Slice
from sweeps.given import read as read_given
from sweeps.spec import GridSpec, Recipe, Role, RunSpec
from sweeps.toml_tables import Table, nearest

_LETTER = {"teacher": "t", "supervised": "s", "distilled": "d"}
_TABLES: dict[Role, str] = {"teacher": "teachers", "supervised": "supervised", "distilled": "distilled"}


def load(path: Path, *, repeat: bool = False) -> GridSpec:
    """Read a grid file; `repeat` stands in for its [corpus] key. Raises `InputError` with every fault at once."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(f"{path}: cannot be read as a grid: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    try:
        return parse(data, path.parent, repeat=repeat)
    except InputError as error:
        raise InputError(*(f"{path}: {line}" for line in error.faults)) from None


def parse(data: dict[str, Any], folder: Path = Path(), *, repeat: bool = False) -> GridSpec:
    """Turn the contents of a grid file in `folder` into runs. Raises `InputError` with every fault at once."""
    faults = Faults()
    reader = _GridReader(Table(data, "", faults), faults, folder, repeat)
    grid = reader.read()
    faults.raise_if_any()
    return grid


@dataclass(frozen=True)
class _Family:
    """The shapes of a grid: one member for each depth, one nearest to each size."""

    aspect: int
    heads: int
    n_ctx: int
    n_vocab: int

    def member(self, layers: int) -> Shape:
        return Shape.of_depth(layers, aspect=self.aspect, n_heads=self.heads, n_vocab=self.n_vocab, n_ctx=self.n_ctx)

    def of_size(self, N: float) -> Shape:
        return Shape.of_size(N, aspect=self.aspect, n_heads=self.heads, n_vocab=self.n_vocab, n_ctx=self.n_ctx)


class _GridReader:
    """Reads a grid in two passes: its settings, and where those are sound, its cells."""

    def __init__(self, root: Table, faults: Faults, folder: Path, repeat: bool) -> None:
        self.root, self.faults, self.folder, self.repeat = root, faults, folder, repeat
        self.cells: dict[str, RunSpec] = {}
        self.given: dict[str, GivenTeacher] = {}
        self.paths: dict[str, str] = {}

    def read(self) -> GridSpec:
        name = self.root.text("name")
        corpus_table, model, training = (self.root.table(key) for key in ("corpus", "model", "training"))
        distillation = self.root.table("distillation")
        groups = {role: self.root.tables(key) for role, key in _TABLES.items()}
        given = self.root.tables("given")
        corpus = self._corpus(corpus_table)
        self.repeat |= corpus_table.flag("repeat", False)
        n_vocab = corpus.n_vocab if corpus else 256
        family = _Family(model.count("aspect", 32), model.count("heads", 2), model.count("n_ctx", 128), n_vocab)
        recipe = Recipe(
            corpus=corpus.identity if corpus else "",
            batch_tokens=training.count("batch_tokens"),
            learning_rate=training.positive("learning_rate"),
            reference_width=training.count("reference_width", None),
            warmup_steps=training.count("warmup_steps", 2000),
            weight_decay=training.not_negative("weight_decay", 1e-4),
            clip=training.positive("clip", 1.0),
            z_loss=training.not_negative("z_loss", 1e-4),
            validation_tokens=corpus_table.count("validation_tokens", 65536),
            validations=training.count("validations", 2),
            parametrisation=model.choice("parametrisation", ("standard", "mup"), "standard"),
            schedule=training.choice("schedule", ("cosine", "branches"), "cosine"),
            decay_share=training.share("decay_share", None),
            precision=training.choice("precision", ("fp32", "bf16"), "fp32"),
            compiled=training.flag("compile", False),
            devices=training.count("devices", 1),
        )
        consultation = read_consultation(distillation, Consultation())
        for table in (corpus_table, model, training, distillation, self.root):
            table.close()
        self._check_recipe(recipe, family, corpus)
        judged_on = (
            Slice(corpus.sha256, corpus.tokenizer_sha256, family.n_ctx, recipe.validation_tokens) if corpus else None
        )
        for table in given:
            self._give(table, judged_on)
        for role, tables in groups.items():
            for table in tables:
                self._cells(role, table, family, recipe, corpus, consultation)
        if not any(groups.values()):
            self.faults.add("a grid needs at least one [[teachers]], [[supervised]] or [[distilled]] table")
        return GridSpec(name, corpus.source if corpus else "", tuple(self.cells.values()), self.paths)

    def _corpus(self, table: Table) -> corpora.Corpus | None:
        """The text, by its name or in a prepared folder; None, with the fault noted, where it cannot be opened."""
        name, path = table.text("name", None), table.text("path", None)
        if path is not None:
            if name is not None:
                self.faults.add("[corpus]: has both name and path; keep one")
            return self._opened(self.folder / path, "path")
        name = name or "stdlib"
        if name not in corpora.CORPORA:
            known = ", ".join(corpora.CORPORA)
            self.faults.add(f"[corpus] name: no corpus {name!r}; known: {known}; a prepared one is named by its path")
            return None
        return self._opened(name, "name")

    def _opened(self, source: str | Path, key: str) -> corpora.Corpus | None:
        try:
            return corpora.load(source)
        except InputError as error:
            for line in error.faults:
                self.faults.add(f"[corpus] {key}: {line}")
            return None

    def _check_recipe(self, recipe: Recipe, family: _Family, corpus: corpora.Corpus | None) -> None:
        if recipe.batch_tokens and recipe.batch_tokens % family.n_ctx:
            self.faults.add(
                f"[training] batch_tokens: {recipe.batch_tokens} is no multiple of n_ctx = {family.n_ctx}; "
                f"write {_neighbours(recipe.batch_tokens, family.n_ctx)}"
            )
        if recipe.parametrisation == "mup" and recipe.reference_width is None:
            self.faults.add(
                "[training] reference_width: is missing; under μP it is the width at which learning_rate was tuned"
            )
        if recipe.decay_share is not None and recipe.schedule != "branches":
            self.faults.add('[training] decay_share: only the schedule "branches" decays by it; remove it')
        elif recipe.decay_share is not None and not 0 < recipe.decay_share < 1:
            self.faults.add(f"[training] decay_share: must lie between 0 and 1, not {recipe.decay_share:g}")
        if recipe.batch_tokens and recipe.batch_tokens // family.n_ctx % recipe.devices:
            self.faults.add(
                f"[training] devices: {recipe.batch_tokens // family.n_ctx} windows a step do not divide evenly over "
                f"{recipe.devices} devices"
            )
        held = corpus.held_out_capacity(family.n_ctx) if corpus else 0
        if recipe.validation_tokens % family.n_ctx:
            self.faults.add(
                f"[corpus] validation_tokens: {recipe.validation_tokens} is no multiple of n_ctx = {family.n_ctx}; "
                f"write {_neighbours(recipe.validation_tokens, family.n_ctx)}"
            )
        elif corpus and recipe.validation_tokens > held:
            self.faults.add(
                f"[corpus] validation_tokens: corpus too small: {corpus.name!r} holds out {held} tokens, not "
                f"{recipe.validation_tokens}; ask for fewer"
            )

    def _cells(
        self,
        role: Role,
        table: Table,
        family: _Family,
        recipe: Recipe,
        corpus: corpora.Corpus | None,
        consultation: Consultation,
    ) -> None:
        """The product of one table's lists, each cell checked and added."""
        shapes = self._shapes(table, family)
        tokens, seeds = table.counts("tokens"), table.seeds("seeds", [0])
        taught: list[tuple[RunSpec | GivenTeacher, ...]] = [()]
        asked: Consultation | None = None
        if role == "distilled":
            taught = self._taught(table)
            asked = read_consultation(table, consultation)
        table.close()
        half: corpora.Half = "teacher" if role == "teacher" else "student"
        sound = [count for count in tokens if self._tokens_fit(count, table, recipe, corpus, half, family.n_ctx)]
        for (size, shape), count, seed, teachers in product(shapes.items(), sound, seeds, taught):
            name = f"{_LETTER[role]}-{size}-{_written(count)}-s{seed}"
            if asked is not None:
                name += f"-from-{'+'.join(teacher.id for teacher in teachers)}{differences(asked, consultation)}"
            self._add(RunSpec(name, role, shape, family.aspect, count, seed, recipe, teachers, asked), table)

    def _give(self, table: Table, judged_on: Slice | None) -> None:
        """Take in the teachers that one [[given]] table knows of."""
        for teacher, path in read_given(table, self.folder, judged_on):
            if teacher.id in self.given:
                self.faults.add(f"{table.where} {teacher.id} is given twice; remove one")
            self.given[teacher.id], self.paths[teacher.id] = teacher, path

    def _shapes(self, table: Table, family: _Family) -> dict[str, Shape]:
        """The shapes of a table by what they are called in a cell's name: by depth, or by size."""
        if "params" in table:
            if "layers" in table:
                self.faults.add(f"{table.where} has both layers and params; keep one")
            sizes = {f"N{_written(N)}": partial(family.of_size, N) for N in table.counts("params")}
        else:
            sizes = {f"L{depth}": partial(family.member, depth) for depth in table.counts("layers")}
        place = table.place("params" if "params" in table else "layers")
        found = {size: self.faults.collect(_shape, make, size, place) for size, make in sizes.items()}
        return {size: shape for size, shape in found.items() if shape is not None}

    def _add(self, cell: RunSpec, table: Table) -> None:
        """Take a cell into the grid unless something speaks against it."""
        if cell.id in self.cells:
            self.faults.add(f"{table.where} the cell {cell.id} is asked for twice; remove one")
        if cell.recipe.schedule == "branches" and cell.recipe.warmup_steps >= cell.branches_at:
            self.faults.add(
                f"{table.place('tokens')}: {cell.tokens} tokens are {cell.steps} steps that decay after "
                f"{cell.branches_at}, before the warm-up of {cell.recipe.warmup_steps} is over, which branches keep "
                "whole; ask for more tokens or lower [training] warmup_steps"
            )
        asked = cell.consultation
        if asked is not None and not cell.consulted_flops:
            self.faults.add(
                f"{table.place('tokens')}: none of the {cell.steps} steps that {cell.tokens} tokens are asks a "
                "teacher; widen window, lower every or raise fraction, or make it a [[supervised]] run"
            )
        if asked is not None and asked.kept is not None and asked.kept > most_kept(asked.signal, cell.shape.n_vocab):
            self.faults.add(
                f"{table.place('keep')}: must be at most {most_kept(asked.signal, cell.shape.n_vocab)} for the signal "
                f'"{asked.signal}" of {cell.shape.n_vocab} tokens, not {asked.kept}'
            )
        self.cells[cell.id] = cell

    def _taught(self, table: Table) -> list[tuple[RunSpec | GivenTeacher, ...]]:
        """The teachers of each cell: one of `teachers`, or all of one of `pools`."""
        pools = table.text_lists("pools")
        alone = table.texts("teachers") if "teachers" in table or not pools else []
        found = [[self._teacher(name, table, "teachers")] for name in alone]
        found += [[self._teacher(name, table, "pools") for name in names] for names in pools]
        for names in pools:
            for name in sorted({name for name in names if names.count(name) > 1}):
                self.faults.add(f"{table.place('pools')}: {name!r} is in one pool more than once; remove it there")
        return [tuple(teacher for teacher in one if teacher) for one in found if None not in one]

    def _teacher(self, name: str, table: Table, key: str) -> RunSpec | GivenTeacher | None:
        own = {cell.id: cell for cell in self.cells.values() if cell.role == "teacher"}
        known = [*own, *self.given]
        if name in own and name in self.given:
            self.faults.add(
                f"{table.place(key)}: {name!r} is a teacher that this grid trains and one that it is given "
                f"({self.paths[name]}); write another name into the evaluation"
            )
            return None
        if name in known:
            return own.get(name) or self.given[name]
        listed = f"; this grid's teachers: {', '.join(known)}" if known else "; add it as a [[teachers]] table"
        self.faults.add(f"{table.place(key)}: {name!r} is not a teacher of this grid{nearest(name, known) or listed}")
        return None

    def _tokens_fit(
        self, tokens: int, table: Table, recipe: Recipe, corpus: corpora.Corpus | None, half: corpora.Half, n_ctx: int
    ) -> bool:
        place, batch = table.place("tokens"), recipe.batch_tokens
        capacity = corpus.capacity(half, n_ctx) if corpus else tokens
        if corpus and tokens > capacity and not (self.repeat and capacity):
            again = (
                ", or write repeat = true in [corpus] (or give --repeat) to train on it more than once"
                if capacity
                else ""
            )
            self.faults.add(
                f"{place}: corpus too small: {tokens} tokens asked of the {half} half of {corpus.name!r}, which has "
                f"{capacity} in windows of {n_ctx}; ask for fewer{again}"
            )
        elif batch and tokens % batch:
            self.faults.add(
                f"{place}: {tokens} is no whole number of steps of batch_tokens = {batch}; "
                f"write {_neighbours(tokens, batch)}"
            )
        else:
            return bool(batch)
        return False


def _shape(make: Callable[[], Shape], size: str, place: str) -> Shape:
    try:
        return make()
    except InputError as error:
        raise InputError(*(f"{place} = {size[1:]}: {line}" for line in error.faults)) from None


def _written(tokens: int) -> str:
    """Tokens in a cell's name, exactly: 1024000 is 1024K, 3000000 is 3M."""
    for suffix, unit in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if tokens % unit == 0:
            return f"{tokens // unit}{suffix}"
    return str(tokens)


def _neighbours(value: int, unit: int) -> str:
    """The multiples of `unit` around a value that is not one."""
    below, above = value // unit * unit, -(-value // unit) * unit
    return f"{below} or {above}" if below else str(above)
