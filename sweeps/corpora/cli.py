"""`distillaw corpus`: turn text into tokens once, and say what a corpus holds."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fitting.errors import Faults

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="""Turn text into tokens once, for any number of sweeps.

    \b
    Examples:
      distillaw corpus prepare texts --format text --bpe 4096 --out corpora/mine
      distillaw corpus prepare data/corpora/python-doc.toml --from extracted --out corpora/python-doc
      distillaw corpus info corpora/python-doc
    """,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def prepare(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="A description (.toml), files and folders, stdlib, or for hf a data set and its configuration.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the corpus, new or empty.")],
    folder: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Where the files of a description are.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="text, bytes, jsonl, c4, parquet or hf (Hugging Face); not for .toml."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What runs will call it; the folder's name else.")] = None,
    field: Annotated[
        str | None, typer.Option("--field", help="Where the text is: field of an object, column of a table.")
    ] = None,
    document_start: Annotated[
        str | None, typer.Option("--document-start", metavar="REGEX", help="A line that matches begins a document.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="BYTES", help="Stop after so much text, as 500M.")
    ] = None,
    bpe: Annotated[int | None, typer.Option("--bpe", metavar="TOKENS", help="Train BPE of that vocabulary.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", metavar="JSON", help="Take this tokenizer.json.")
    ] = None,
    end_token: Annotated[
        str | None, typer.Option("--end-token", help="Its special token that ends a document.")
    ] = None,
    as_bytes: Annotated[bool, typer.Option("--bytes", help="Bytes as tokens: the default without a .toml.")] = False,
    as_json: Json = False,
) -> None:
    """Turn text into tokens: two halves that share no document, and a held-out part.

    Text is read one document after another, whatever its length. Killed before its end it leaves no corpus; the same
    command begins anew.

    \b
    Examples:
      distillaw corpus prepare stdlib --bpe 2048 --out corpora/stdlib
      distillaw corpus prepare texts --format text --bpe 4096 --out corpora/mine
      distillaw corpus prepare dump.jsonl.gz --format jsonl --field body --bpe 8192 --out corpora/dump
      distillaw corpus prepare c4/en --format c4 --tokenizer tokenizer.json --out corpora/c4
      distillaw corpus prepare allenai/c4 en --format hf --limit 5G --bpe 32000 --out corpora/c4
      distillaw corpus prepare data/corpora/python-doc.toml --from extracted --out corpora/python-doc
    """
    from sweeps.corpora import preparing, render
    from sweeps.corpora.source import Vocabulary, overridden

    faults = Faults()
    if sum((bpe is not None, tokenizer is not None, as_bytes)) > 1:
        faults.add("--bpe, --tokenizer, --bytes: exclude each other; keep one")
    if end_token is not None and tokenizer is None:
        faults.add("--end-token: says which token of a --tokenizer ends a document; it means nothing alone")
    changes: dict[str, Any] = {"limit": faults.collect(_bytes, limit)} if limit is not None else {}
    if bpe is not None or tokenizer is not None or as_bytes:
        changes["vocabulary"] = Vocabulary(bpe, tokenizer, end_token)
    given = {"name": name, "field": field, "document_start": document_start}
    changes.update({key: value for key, value in given.items() if value is not None})
    source = faults.collect(_source, what, folder, form, out)
    source = faults.collect(overridden, source, changes) if source else None
    faults.collect(preparing.check_folder, out)
    faults.raise_if_any()
    assert source is not None
    from sweeps.corpora.progress import Display

    with Display(source.name) as display:
        found = preparing.prepare(source, out, display)
    if as_json:
        _print_json("distillaw/corpus-prepare/1", render.as_object(found, out))
    else:
        render.show(found, out)
    for doubt in render.doubts(found):
        typer.echo(f"warning: {doubt}", err=True)
    if not as_json:
        typer.echo(f'Next: name it in a grid file: [corpus] path = "{out.resolve()}"')


@app.command()
def info(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a corpus.")],
    tokens: Annotated[
        str | None, typer.Option("--tokens", metavar="D", help="How often so many tokens go through it, as 20M.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file, to find one that changed.")] = False,
    as_json: Json = False,
) -> None:
    """Say what a corpus holds: parts, tokens, vocabulary, hashes, how its documents begin.

    \b
    Examples:
      distillaw corpus info corpora/python-doc
      distillaw corpus info corpora/python-doc --tokens 20M
      distillaw corpus info corpora/python-doc --verify --json
    """
    from fitting import units
    from sweeps.corpora import manifest, render
    from sweeps.corpora.examples import examples

    wanted = None if tokens is None else int(units.parse(tokens, "--tokens"))
    found = manifest.read(folder)
    if verify:
        manifest.verify(folder, found)
    shown = examples(folder, found)
    if as_json:
        content = {**render.as_object(found, folder), "verified": verify, "examples": shown}
        if wanted is not None:
            halves = {part: wanted / found.parts[part].tokens for part in ("teacher", "student")}
            content["epochs"] = {"tokens": wanted, **halves}
        _print_json("distillaw/corpus-info/1", content)
    else:
        render.show(found, folder, wanted)
        if verify:
            typer.echo("Every file is what the manifest says.")
        render.show_examples(shown)
    for doubt in render.doubts(found):
        typer.echo(f"warning: {doubt}", err=True)


def _source(what: list[str], folder: Path | None, form: str | None, out: Path) -> Any:
    """The source that the arguments name. Raises `InputError` with every fault at once."""
    from sweeps.corpora.source import FORMATS, Source, read
    from sweeps.toml_tables import nearest

    faults = Faults()
    described = [name for name in what if name.endswith(".toml")]
    if described:
        if len(what) > 1:
            faults.add(f"SOURCE: {described[0]} describes a whole corpus; name nothing beside it")
        if form is not None:
            faults.add("--format: a description states its own; remove it")
        found = faults.collect(read, Path(described[0]), folder)
        faults.raise_if_any()
        return found
    if folder is not None:
        faults.add("--from: is for a description (.toml); name the folder itself")
    if what == ["stdlib"] and form in (None, "stdlib"):
        faults.raise_if_any()
        return Source("stdlib", "stdlib")
    known: list[str] = [name for name in FORMATS if name != "stdlib"]
    if form not in known:
        given = "is missing" if form is None else f"no format {form!r}"
        faults.add(f"--format: {given}; known: {', '.join(known)}{nearest(form or '', known)}")
    if form == "hf" and len(what) > 2:
        faults.add(f"SOURCE: hf takes one data set and at most its configuration, not {' '.join(what)}")
    faults.raise_if_any()
    called = out.resolve().name
    if form == "hf":
        return Source(called, "hf", dataset=what[0], config=what[1] if len(what) > 1 else None)
    return Source(called, form, tuple(Path(name) for name in what))  # type: ignore[arg-type]


def _bytes(text: str) -> int:
    from fitting import units

    return int(units.parse(text, "--limit"))


def _print_json(schema: str, content: dict[str, Any]) -> None:
    json.dump({"schema": schema, **content}, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")
