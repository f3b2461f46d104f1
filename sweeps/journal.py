"""The log of a run: one JSON object a line, only ever appended to, keyed by step.

A resumed run repeats the steps since its last checkpoint and logs them again: on reading, the last line of a
step wins. A kill or a full disk can tear the last line: reading leaves it out, and the next line starts on a fresh one.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Entry:
    """The state of a run after `step` updates.

    `train_loss` and `val_loss` are cross-entropies of the data in nats per token: the first is the mean over the
    steps since the entry before, the second on the held-out slice (None where it was not taken). `objective` is
    Eq 7 (arXiv 2502.08606), averaged likewise. FLOPs are itemised and causal, so far: the training of this model,
    and its teachers' forward passes. A loss that is not finite is None. `lr` is the rate of the step's update. `kl` is
    the divergence from the teacher's distribution in nats per token, where it was asked and tells. `mfu` is FLOP/s over
    the device's peak, of all that the process did since the entry before.
    """

    step: int
    tokens: int
    flops_training: float
    flops_logits: float
    train_loss: float | None
    objective: float | None
    val_loss: float | None
    lr: float
    tokens_per_s: float
    kl: float | None = None
    mfu: float | None = None


class Journal:
    """Appends entries, each on the disk before `append` returns. A context manager. Raises `OSError` that names it."""

    def __init__(self, path: Path) -> None:
        torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        self._path = path
        self._file = path.open("ab", buffering=0)  # a buffer would try again what failed, when it is closed
        if torn:
            self._write(b"\n")

    def append(self, entry: Entry) -> None:
        self._write(json.dumps(asdict(entry), allow_nan=False).encode() + b"\n")
        os.fsync(self._file.fileno())

    def _write(self, content: bytes) -> None:
        try:
            while content:
                content = content[self._file.write(content) :]  # a disk that is nearly full takes a part
        except OSError as error:
            error.filename = str(self._path)  # a failing write names none
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[Entry]:
    """All entries by step; none where there is no journal yet."""
    if not path.exists():
        return []
    by_step = {}
    for line in path.read_bytes().splitlines():
        entry = _entry(line)
        if entry is not None:
            by_step[entry.step] = entry
    return [by_step[step] for step in sorted(by_step)]


def restore(path: Path, entries: Iterable[Entry]) -> None:
    """Append those of `entries` that a journal has lost."""
    there = read(path)
    lost = [entry for entry in entries if entry not in there]
    if lost:
        with Journal(path) as log:
            for entry in lost:
                log.append(entry)


def _entry(line: bytes) -> Entry | None:
    try:
        data: Any = json.loads(line)
        return Entry(**data) if isinstance(data, Mapping) and isinstance(data.get("step"), int) else None
    except (ValueError, TypeError):  # a line that was torn
        return None
