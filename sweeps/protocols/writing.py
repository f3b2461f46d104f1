"""A protocol's grid as a grid file: TOML that people can read and change, and that is read back before it is kept."""

import textwrap
import tomllib
from itertools import groupby
from pathlib import Path

from fitting import units
from fitting.errors import InputError
from sweeps import grid_file
from sweeps.protocols.design import Asked, Block
from sweeps.spec import Role

_TABLES: dict[Role, str] = {"teacher": "teachers", "supervised": "supervised", "distilled": "distilled"}
_WIDTH = 100


def written(asked: Asked, corpus: str | None, about: str, *, repeat: bool = False) -> str:
    """The text of a grid file; `corpus` is the folder of a prepared corpus, seen from the file, or None for a name."""
    scale = asked.scale
    text = f"name = {_text(scale.corpus or '')}" if corpus is None else f"path = {_text(corpus)}"
    head = [
        *(f"# {line}" for said in about.splitlines() for line in textwrap.wrap(said, _WIDTH)),
        f"name = {_text(asked.name)}",
        "",
        "[corpus]",
        text,
        *(["repeat = true"] if scale.repeat or repeat else []),
        f"validation_tokens = {scale.validation_tokens:_}",
        "",
        "[model]",
        f"aspect = {scale.aspect}",
        f"heads = {scale.heads}",
        f"n_ctx = {scale.n_ctx}",
        f"parametrisation = {_text(scale.parametrisation)}",
        "",
        "[training]",
        f"batch_tokens = {scale.batch_tokens:_}",
        f"learning_rate = {asked.learning_rate!r} # at reference_width; bracket it first",
        f"reference_width = {scale.reference_width}",
        f"warmup_steps = {scale.warmup_steps}",
        f"precision = {_text(scale.precision)}",
        f"validations = {scale.validations}",
        "",
        "[distillation]",
        "lambda = 1.0",
        "tau = 1.0",
    ]
    tables = []
    for note, blocks in groupby(asked.blocks, key=lambda block: block.note):
        tables += ["", f"# {note}"]
        tables += [line for block in blocks for line in ("", *_table(block, scale.by))][1:]
    return "\n".join([*head, *tables, ""])


def require_sound(text: str, folder: Path, *, corpus_at_hand: bool) -> None:
    """Read a grid file's text as `distillaw sweep run` will in `folder`. Raises `InputError` with all that is wrong.

    A corpus that is still to be prepared is no fault; everything but its tokens and vocabulary is read all the same.
    """
    try:
        grid_file.parse(tomllib.loads(text), folder)
    except InputError as error:
        left = [line for line in error.faults if corpus_at_hand or not line.startswith("[corpus] path: ")]
        if left:
            raise InputError(*left) from None


def _table(block: Block, by: str) -> list[str]:
    lines = [f"[[{_TABLES[block.role]}]]", f"{by} = {_size(block.size)}", f"tokens = {_list(block.tokens)}"]
    if block.seeds != (0,):
        lines.append(f"seeds = {_list(block.seeds)}")
    if block.teachers:
        one_line = f"teachers = [{', '.join(map(_text, block.teachers))}]"
        several = ["teachers = [", *(f"  {_text(name)}," for name in block.teachers), "]"]
        lines += [one_line] if len(one_line) <= _WIDTH else several
    return lines


def _size(size: int) -> str:
    return str(size) if size < 1000 else _text(units.exact(size))


def _list(values: tuple[int, ...]) -> str:
    shown = [f"{value:_}" for value in values]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _text(value: str) -> str:
    """A TOML string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
