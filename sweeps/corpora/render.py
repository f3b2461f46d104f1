"""A corpus for a terminal and for programs."""

from pathlib import Path
from typing import Any

from fitting import terminal, units
from sweeps.corpora.manifest import TOKENIZER, Manifest
from sweeps.corpora.splitting import PARTS

_WHO = {"teacher": "teachers", "student": "students", "validation": "held out"}
_HOW = {
    "dealt": "by document, alike ones dealt to both halves in turn",
    "hashed": "by the hash of each document",
}


def show(found: Manifest, folder: Path, wanted: int | None = None) -> None:
    """Print what a corpus holds, and how often `wanted` tokens go through it."""
    out = terminal.console()
    tokens = {part: found.parts[part].tokens for part in PARTS}
    out.print(
        f"Corpus {found.name}: {units.count(tokens['teacher'])} tokens for teachers, "
        f"{units.count(tokens['student'])} for students, {units.count(tokens['validation'])} held out; "
        f"{found.n_vocab} in the vocabulary, {found.bytes / found.tokens:.2f} bytes per token."
    )
    out.print()
    columns = ["part", "documents", "bytes", "tokens", *(["epochs"] if wanted else []), "sha256"]
    table = terminal.table(*columns, left=("sha256",))
    for part in PARTS:
        shard = found.parts[part]
        epochs = [] if wanted is None else [f"{wanted / shard.tokens:.2f}" if part != "validation" else ""]
        table.add_row(_WHO[part], str(shard.documents), str(shard.bytes), str(shard.tokens), *epochs, shard.sha256[:16])
    terminal.show_table(out, table)
    out.print(f"Text: {found.format}, {found.documents} documents, sha256 {found.sha256[:16]}.")
    out.print(f"Split: {_HOW[found.split]}.")
    out.print(f"Tokenizer: {_tokenizer(found, folder)}.")
    if found.licence:
        out.print(f"Licence: {found.licence}.")
    if wanted:
        half = min(tokens["teacher"], tokens["student"])
        if wanted > half:
            out.print(
                f"{units.count(wanted)} tokens are more than a half holds: a grid needs repeat = true in [corpus]."
            )
        else:
            out.print(f"{units.count(wanted)} tokens fit into either half without repeating any.")


def show_examples(examples: list[dict[str, Any]]) -> None:
    """Print the beginnings of a few documents, token by token."""
    out = terminal.console()
    out.print()
    for example in examples:
        out.print(
            f"{_WHO[example['part']]}, first document: " + "·".join(repr(piece)[1:-1] for piece in example["pieces"])
        )


def doubts(found: Manifest) -> list[str]:
    """What makes one doubt that this is the corpus that was meant."""
    if found.as_described is False:
        return [f"the text is not what the description of {found.name} states: another version, or other files"]
    return []


def as_object(found: Manifest, folder: Path) -> dict[str, Any]:
    """A corpus as `--json` prints it: the manifest, and what follows from it."""
    content = found.to_dict()
    content.pop("schema")
    return {
        "folder": str(folder),
        **content,
        "documents": found.documents,
        "tokens": found.tokens,
        "bytes": found.bytes,
        "bytes_per_token": found.bytes / found.tokens,
        "warnings": doubts(found),
    }


def _tokenizer(found: Manifest, folder: Path) -> str:
    note = found.tokenizer
    if note.kind == "bytes":
        return "bytes; 0 ends a document"
    trained = ""
    if note.trained_on_bytes is not None:
        trained = f", trained on {units.count(note.trained_on_bytes)} bytes of both halves"
    return f"BPE in {folder / TOKENIZER}, sha256 {note.sha256[:16]}{trained}; {note.end_token} ends a document"
