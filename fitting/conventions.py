"""Conventions by name or from a file, and the rule that a table has exactly one."""

import json
from pathlib import Path
from typing import Any

from fitting.errors import InputError
from fitting.flops import CONVENTIONS, Convention

REMEDY = f"--convention {'|'.join(CONVENTIONS)}|FILE.json"


def named(text: str, where: str = "--convention") -> Convention:
    """The convention that `text` means: a known name, a JSON file with its fields, or that JSON itself.

    Raises `InputError` that opens with `where`.
    """
    if text in CONVENTIONS:
        return CONVENTIONS[text]
    if text.lstrip().startswith("{"):
        return from_json(text, where)
    path = Path(text)
    if path.suffix == ".json":
        return from_file(path, where)
    raise InputError(f"{where}: {text!r} is not a convention; choose {', '.join(CONVENTIONS)} or a JSON file")


def from_file(path: Path, where: str) -> Convention:
    """Read a convention from a JSON file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: cannot read {path}: {_reason(error)}") from None
    return from_json(text, f"{where}: {path}")


def from_json(text: str, where: str) -> Convention:
    """Read a convention from the text of a JSON object."""
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON ({error.msg} at character {error.pos})") from None
    return Convention.from_dict(data, where)


def settle(stated: Convention | None, given: Convention | None, where: str) -> Convention:
    """The one convention of a table, from what the table states and what the caller gave.

    Raises `InputError` when there is none, and when the two differ.
    """
    if stated is None and given is None:
        raise InputError(
            f"{where}: does not say how N and FLOPs are counted; add {REMEDY} "
            "(busbridge2025: N without embeddings, itemised FLOPs; 6ND: N without embeddings; "
            "6ND-total: N with embeddings; see docs/faq.md#convention)"
        )
    if stated is not None and given is not None:
        stated.require_same(given, where, "the convention given")
    found = stated if stated is not None else given
    assert found is not None
    return found


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
