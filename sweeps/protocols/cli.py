"""`distillaw sweep grid`: writes the grid file of one of the paper's protocols, and says what it would cost."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fitting.errors import Faults, InputError

if TYPE_CHECKING:
    from sweeps.protocols.design import Asked
    from sweeps.protocols.scales import Scale


def write_grid(
    protocol: Annotated[
        str,
        typer.Option("--protocol", metavar="NAME", help="fixed-m-teacher, isoflop-teacher or fixed-m: who varies how."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="GRID.toml", help="The grid file; brackets go beside it.")],
    scale: Annotated[
        str, typer.Option("--scale", metavar="NAME", help="paper, gpu-30min, cpu-1h or cpu-10min.")
    ] = "cpu-10min",
    corpus: Annotated[
        Path | None, typer.Option("--corpus", metavar="DIR", help="A prepared corpus, in place of the scale's text.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="RATE", help="The peak rate: what the brackets found.")
    ] = None,
    supervised: Annotated[
        bool,
        typer.Option("--supervised/--no-supervised", help="With the supervised runs that a law needs, or without."),
    ] = True,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="Let runs go through the text more than once; their records say so.")
    ] = False,
    mfu: Annotated[
        float, typer.Option("--mfu", metavar="SHARE", help="The share of its peak that an A100-hour is counted at.")
    ] = 0.4,
    force: Annotated[bool, typer.Option("--force", help="Replace grid files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Write the grid of one of the paper's protocols, at its scale or yours.

    Fixed-M teachers and IsoFLOP students, IsoFLOP teachers and fixed-M students, or both of fixed M (arXiv 2502.08606,
    section 4), with the supervised runs that a fit needs. Beside it come grid files that bracket the learning rate, at
    the smallest and the largest size. Prints the cost of all of them; trains nothing.

    \b
    Examples:
      distillaw sweep grid --protocol fixed-m-teacher --out p1.toml
      distillaw sweep grid --protocol isoflop-teacher --scale cpu-1h --out p2.toml
      distillaw sweep grid --protocol fixed-m --scale gpu-30min --corpus corpora/linux --out p3.toml
      distillaw sweep grid --protocol fixed-m-teacher --scale paper --mfu 0.5 --out paper.toml --json
      distillaw sweep grid --protocol fixed-m --learning-rate 0.02 --out p3.toml --force
    """
    from sweeps.protocols import cost, render
    from sweeps.protocols.design import brackets, design
    from sweeps.protocols.scales import PROTOCOLS, SCALES
    from sweeps.protocols.writing import require_sound, written

    faults = Faults()
    faults.collect(_require_known, "--protocol", protocol, list(PROTOCOLS))
    faults.collect(_require_known, "--scale", scale, list(SCALES))
    faults.collect(_require_file, out)
    if not 0 < mfu <= 1:
        faults.add(f"--mfu: the achieved share of the peak lies in (0, 1], not {mfu:g}")
    if learning_rate is not None and not 0 < learning_rate < float("inf"):
        faults.add(f"--learning-rate: must be a number greater than zero, not {learning_rate:g}")
    faults.raise_if_any()

    chosen = SCALES[scale]
    text, folder = _text(chosen, corpus, out)
    rate = chosen.learning_rate if learning_rate is None else learning_rate
    n_vocab = _n_vocab(chosen, folder)
    asked = design(chosen, protocol, n_vocab=n_vocab, learning_rate=rate, supervised=supervised)
    rates = brackets(asked)
    files: dict[Path, tuple[Asked, str]] = {out: (asked, render.about(asked, protocol))}
    for factor, bracket in rates.items():
        beside = out.with_name(f"{out.stem}-rate-{factor:g}x{out.suffix}")
        files[beside] = (bracket, render.about_bracket(bracket, factor, out.name))
    there = [path for path in files if path.exists()]
    if there and not force:
        raise InputError(
            *(f"--out: {path} is there already; name another file, or replace it with --force" for path in there)
        )
    contents = {path: written(one, text, about, repeat=repeat) for path, (one, about) in files.items()}
    for content in contents.values():
        require_sound(content, out.parent, corpus_at_hand=folder is None or folder.exists())
    costs = cost.cost(asked, rates.values(), mfu)
    time = cost.wall(asked, list(rates.values()), costs)
    for path, content in contents.items():
        path.write_text(content, encoding="utf-8")
    result = render.Result(protocol, asked, tuple(files), costs, time, folder)
    if as_json:
        render.as_json(result)
    else:
        render.as_text(result)


def _require_known(option: str, name: str, known: list[str]) -> None:
    from sweeps.toml_tables import nearest

    if name not in known:
        raise InputError(f"{option}: {name!r} is not known; it must be one of {', '.join(known)}{nearest(name, known)}")


def _require_file(out: Path) -> None:
    """That a grid file can be written there."""
    if out.is_dir():
        raise InputError(f"--out: {out} is a folder; name a file in it, such as {out / 'grid.toml'}")
    if not out.parent.is_dir():
        raise InputError(f"--out: there is no folder {out.parent}; make it or name another")
    if out.suffix != ".toml":
        raise InputError(f"--out: a grid file ends in .toml, unlike {out.name}")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"--out: {out.parent} cannot be written to; name a file elsewhere")


def _text(scale: "Scale", corpus: Path | None, out: Path) -> tuple[str | None, Path | None]:
    """The text of a grid: its folder as the grid file names it and as it is found from here; None twice for a name."""
    if corpus is not None:
        return os.path.relpath(corpus, out.parent), corpus
    if scale.corpus is not None:
        return None, None
    return "corpus", out.parent / "corpus"


def _n_vocab(scale: "Scale", folder: Path | None) -> int:
    """Tokens of vocabulary: the corpus's where it is at hand, because FLOPs depend on it, else the scale's."""
    from sweeps import corpora

    return corpora.load(folder).n_vocab if folder is not None and folder.exists() else scale.n_vocab
