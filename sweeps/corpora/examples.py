"""The beginnings of a few documents, to see with one's own eyes what training will see."""

from pathlib import Path
from typing import Any

from sweeps.corpora import manifest, tokenizer
from sweeps.corpora.manifest import Manifest
from sweeps.corpora.splitting import PARTS
from sweeps.corpora.tokenizer import Bytes, Tokenizer

_TOKENS = 24


def examples(folder: Path, found: Manifest) -> list[dict[str, Any]]:
    """The first tokens of each part with the text of each token. Raises `InputError` without its tokenizer."""
    note = found.tokenizer
    made: Tokenizer = Bytes() if note.kind == "bytes" else tokenizer.read(folder / manifest.TOKENIZER, note.end_token)
    beginnings = []
    for part in PARTS:
        first = manifest.tokens(folder, found, part)[:_TOKENS]
        pieces = [made.decode(first[i : i + 1]).decode(errors="replace") for i in range(len(first))]
        beginnings.append({"part": part, "tokens": first.tolist(), "pieces": pieces})
    return beginnings
