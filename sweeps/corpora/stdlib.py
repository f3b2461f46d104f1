"""The modules of the running Python's own standard library: text that is on every machine that runs Python."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

from sweeps.corpora.documents import Document

_NOT_TEXT = {"__pycache__", "encodings", "idle_test", "pydoc_data", "site-packages", "dist-packages", "test", "tests"}
"""Left out: other people's packages, tests (their literals), tables of code points, one huge string."""


def stdlib() -> Iterator[Document]:
    """One document a module, as bytes; a package is a group."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if (
            path.is_file()
            and _NOT_TEXT.isdisjoint(inside.parts)
            and not inside.name.startswith(("_sysconfigdata", "sitecustomize"))
        ):
            yield Document(inside.as_posix(), inside.parts[0] if len(inside.parts) > 1 else "", path.read_bytes())
