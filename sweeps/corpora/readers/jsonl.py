"""JSON Lines: one object a line, the text in a field. So are the shards of C4, `c4-train.00000-of-01024.json.gz`."""

import json
from collections.abc import Iterator

from fitting.errors import InputError
from sweeps.corpora.documents import Document
from sweeps.corpora.readers.compressed import UNREADABLE, opened
from sweeps.corpora.readers.finding import Found, find
from sweeps.corpora.readers.position import Position
from sweeps.corpora.source import Source

_SHOWN = 10
"""Faults of one file that are named."""


def read_jsonl(source: Source, position: Position) -> Iterator[Document]:
    """A document for every line that is not blank.

    Raises `InputError` for lines that are no JSON object with that field, the first of a file and others behind it.
    """
    found = find(source)
    position.expect([file.path for file in found])
    for file in found:
        yield from _documents(file, source.field, position)


def _documents(file: Found, field: str, position: Position) -> Iterator[Document]:
    faults: list[str] = []
    number = 0
    try:
        with opened(file.path, position) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    text = _text(line, field)
                except ValueError as error:
                    faults.append(f"{file.path}, line {number}: {error}")
                    if len(faults) == _SHOWN:
                        break
                    continue
                if not faults:
                    yield Document(f"{file.name}:{number}", "", text)
    except UNREADABLE as error:
        faults.append(f"{file.path}, after line {number}: cannot be read on ({error}); fetch the file again")
    if faults:
        raise InputError(*faults)


def _text(line: bytes, field: str) -> bytes:
    """The text of a line, in UTF-8. Raises `ValueError`, with the remedy where there is one."""
    try:
        content = json.loads(line.strip())
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(content, dict):
        raise ValueError(f"must be an object, {{...}}, not {type(content).__name__}")
    if field not in content:
        raise ValueError(f"has no field {field!r}; it has {', '.join(content) or 'none'}; name one with --field")
    text = content[field]
    if not isinstance(text, str):
        raise ValueError(f"field {field!r} must be a text, not {text!r}")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"field {field!r} holds half of a surrogate pair, which is no text") from None
