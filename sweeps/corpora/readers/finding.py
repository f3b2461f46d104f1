"""The files of a source, in the order of their names."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fitting.errors import Faults, InputError
from sweeps.corpora.source import Format, Source

_PATTERNS: dict[Format, tuple[str, ...]] = {
    "text": ("**/*",),
    "bytes": ("**/*",),
    "jsonl": ("**/*.jsonl", "**/*.jsonl.gz", "**/*.ndjson"),
    "c4": ("**/c4-train.*.json.gz",),
    "parquet": ("**/*.parquet",),
}
"""What is read of a folder where a source does not say."""


@dataclass(frozen=True, order=True)
class Found:
    """A file and its name inside the place it was found in."""

    name: str
    path: Path

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.name).parent)


def find(source: Source) -> list[Found]:
    """The files of a source. Raises `InputError` for places that are not there or hold nothing to read."""
    faults = Faults()
    found: set[Found] = set()
    for place in source.places:
        if place.is_dir():
            found.update(_in_folder(place, source))
        elif place.is_file():
            found.add(Found(place.name, place))
        else:
            faults.add(f"{place}: no such file or folder{_how(source)}")
    faults.raise_if_any()
    if not found:
        wanted = ", ".join(source.files or _PATTERNS[source.format])
        places = ", ".join(str(place) for place in source.places)
        raise InputError(f"{places}: no file matches {wanted}{_how(source)}")
    return sorted(found)


def _in_folder(folder: Path, source: Source) -> set[Found]:
    paths = {path for pattern in source.files or _PATTERNS[source.format] for path in folder.glob(pattern)}
    for pattern in source.exclude:
        paths -= set(folder.glob(pattern)) | {
            path for outer in folder.glob(pattern.removesuffix("/**")) if outer.is_dir() for path in outer.rglob("*")
        }
    inside = ((path.relative_to(folder), path) for path in paths if path.is_file())
    return {
        Found(name.as_posix(), path)
        for name, path in inside
        if not any(part.startswith(".") for part in name.parts)  # what tools keep for themselves
    }


def _how(source: Source) -> str:
    return f"; get the text, then name its folder with --from: {' '.join(source.get.split())}" if source.get else ""
