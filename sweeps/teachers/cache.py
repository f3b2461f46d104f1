"""What a teacher says of a stream of batches, written once and shared by every student that reads the same batches.

A cache is a folder: a manifest that says of what it is, and shards of some steps each. Whoever first needs a step
builds its shard, under a lock, so that any number of processes fill one cache together and none has to come first;
a shard lies there whole or not at all, and what it holds does not depend on who built it.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from fitting.errors import InputError
from sweeps import files
from sweeps.checkpoints import CheckpointError
from sweeps.consultation import most_kept
from sweeps.targets import Sampled, TopK
from sweeps.teachers import shards, signals
from sweeps.teachers.shards import Damaged, Shard
from sweeps.teachers.source import Teacher

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = "distillaw/logits/1"

_SHARD_BYTES = 2**23
_SHARD_STEPS = 32
"""A shard is at most so large before compression, unless one step alone is larger, and covers at most so many steps.
Another number here is another schema."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """Everything that decides what a cache holds: two students share one only if they agree on all of it.

    `teacher` is the digest of the teacher; `corpus` and `tokenizer` are the SHA-256 of the documents and of what made
    tokens of them; `half` and `seed` say which batches, of `batch_tokens` in windows of `n_ctx`. Of the teacher at
    temperature `tau`, `kept` tokens per position stay: its likeliest, or as many draws. `precision` is what
    it runs in, whatever its students do.
    """

    teacher: str
    corpus: str
    tokenizer: str
    half: str
    seed: int
    n_ctx: int
    batch_tokens: int
    n_vocab: int
    tau: float
    kind: signals.Kind
    kept: int
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        most = most_kept(self.kind, self.n_vocab)
        if not 1 <= self.kept <= most:
            raise InputError(f"cached logits: keep 1 to {most} tokens of a {self.kind} signal, not {self.kept}")
        if not self.tau > 0:
            raise InputError(f"cached logits: the temperature must be positive, not {self.tau}")

    @property
    def name(self) -> str:
        """A folder name for this cache, unlike that of any other."""
        return f"{self.kind}-{self.kept}-{self.digest()[:16]}"

    @property
    def steps_per_shard(self) -> int:
        """A power of two, so that the steps of runs in doubling series end where shards do."""
        position = signals.token_type(self.n_vocab).itemsize + signals.value_type(self.kind, self.kept).itemsize
        fit = max(1, _SHARD_BYTES // (self.batch_tokens * self.kept * position))
        return int(min(_SHARD_STEPS, 1 << (fit.bit_length() - 1)))

    def digest(self) -> str:
        return hashlib.sha256(repr(sorted({**asdict(self), "tau": float(self.tau)}.items())).encode()).hexdigest()


@dataclass(frozen=True)
class Contents:
    """What lies in a cache: `tokens` is what its teacher has been run on, `bytes` what the shards take on disk."""

    shards: int
    tokens: int
    bytes: int


class Cached:
    """A `Source` that reads a cache, and extends it where it can.

    `inputs_of` gives the inputs (windows, n_ctx) of any step, and `wanted` (steps) says which of them this student will
    ask for: of a shard, only those are built, and steps that another student adds later join them. `teacher` makes
    the teacher when something has to be built; without one the cache must be complete.

    Raises `InputError` for a folder that holds something else, naming each difference.
    """

    def __init__(
        self,
        folder: Path,
        key: Key,
        *,
        inputs_of: Callable[[int], Tensor],
        wanted: "NDArray[np.bool_]",
        teacher: Callable[[], Teacher] | None = None,
    ) -> None:
        self.folder, self.key = folder, key
        self._inputs_of, self._wanted, self._make = inputs_of, wanted, teacher
        self._teacher: Teacher | None = None
        self._held: tuple[int, Shard] | None = None  # students go step by step: one shard at a time will do
        _claim(folder, key)

    def target(self, step: int, inputs: Tensor) -> TopK | Sampled:
        """What the teacher said at `step` of `inputs`, its windows or some of them.

        Raises `InputError` if that was about other inputs, and `CheckpointError` for a shard that is damaged or
        missing while no teacher is at hand.
        """
        index = step // self.key.steps_per_shard
        held = self._held[1] if self._held and self._held[0] == index else None
        if held is None or held.row(step) is None:
            held = self._shard(index, step, inputs.device)
            self._held = index, held
        row = held.row(step)
        assert row is not None
        tokens, values = held.tokens[row], held.values[row]
        hashes = _hashes(inputs)
        if not np.array_equal(hashes, held.inputs[row]):
            places = self._places(step, hashes, held.inputs[row])
            tokens, values = tokens[places], values[places]
        return signals.unpack(tokens, values, self.key.kind, inputs.device)

    def _places(self, step: int, hashes: "NDArray[np.uint8]", kept: "NDArray[np.uint8]") -> "NDArray[np.int64]":
        """The positions of windows that are a part of the step's, as in a run on several devices."""
        windows = {window.tobytes(): i for i, window in enumerate(kept)}
        found = [windows.get(window.tobytes()) for window in hashes]
        if None in found:
            raise InputError(
                f"{self.folder}: what is cached for step {step} is about other inputs than this student's; "
                "the batches are of another corpus, seed or order. Give these students a cache of their own"
            )
        return (np.array(found)[:, None] * self.key.n_ctx + np.arange(self.key.n_ctx)).ravel()

    def contents(self) -> Contents:
        """Read the whole cache, verifying it, and count. Raises `CheckpointError` for a damaged shard."""
        steps = size = number = 0
        for path in sorted(self.folder.glob("*.shard")):
            try:
                steps += len(self._read(int(path.stem)).steps)
            except Damaged:
                raise CheckpointError(f"{path}: damaged; remove it, and the next student builds it again") from None
            size += path.stat().st_size
            number += 1
        return Contents(number, steps * self.key.batch_tokens, size)

    def _shard(self, index: int, step: int, device: torch.device) -> Shard:
        """The shard `index`, with at least `step` in it."""
        found, trouble = self._look(index, step)
        if found is not None and not trouble:
            return found
        path = self._path(index)
        with self._lock(path.stem):
            found, trouble = self._look(index, step)  # somebody may have built it meanwhile
            if found is not None and not trouble:
                return found
            if self._make is None:
                raise CheckpointError(
                    f"{path}: {trouble}, and no teacher is at hand to build it; run once more where the teacher is"
                )
            if path.exists() and found is None:
                _LOG.warning("%s: %s; it is built again", path, trouble)
            for partial in self.folder.glob(f"{path.name}.*.partial"):
                partial.unlink()  # of a builder that was killed: nobody else writes this shard now
            first = index * self.key.steps_per_shard
            there = found.steps.tolist() if found is not None else []
            ahead = range(first, min(first + self.key.steps_per_shard, len(self._wanted)))
            missing = {step, *(other for other in ahead if self._wanted[other])}.difference(there)
            built = self._build(sorted(missing), device)
            shard = built if found is None else built.with_all(found)
            files.write(path, shards.encode(shard, self._identity(index)))
        return shard

    def _look(self, index: int, step: int) -> tuple[Shard | None, str]:
        """What lies on the disk, and what keeps it from answering for `step`, if anything does."""
        try:
            found = self._read(index)
        except FileNotFoundError:
            return None, "is not there"
        except Damaged:
            return None, "is damaged (its checksum does not match)"
        return found, f"does not hold step {step}" if found.row(step) is None else ""

    def _build(self, steps: Iterable[int], device: torch.device) -> Shard:
        key = self.key
        if self._teacher is None:
            assert self._make is not None
            self._teacher = self._make()
            if (self._teacher.digest, self._teacher.n_vocab) != (key.teacher, key.n_vocab):
                raise InputError(
                    f"{self.folder}: is to hold what teacher {key.teacher[:12]} says of {key.n_vocab} tokens, and the "
                    f"teacher at hand is {self._teacher.digest[:12]} with {self._teacher.n_vocab}"
                )
        hashes, tokens, values = [], [], []
        for step in steps:
            inputs = self._inputs_of(step)
            with torch.autocast(device.type, torch.bfloat16, enabled=key.precision == "bf16"):
                packed = signals.pack(
                    self._teacher.distribution(inputs.to(device)),
                    inputs.numel(),
                    kind=key.kind,
                    kept=key.kept,
                    tau=key.tau,
                    n_vocab=key.n_vocab,
                    seed=(key.seed, step),
                )
            hashes.append(_hashes(inputs))
            tokens.append(packed[0])
            values.append(packed[1])
        return Shard(np.array(steps, dtype=np.int64), np.stack(hashes), np.stack(tokens), np.stack(values))

    def _read(self, index: int) -> Shard:
        return shards.decode(self._path(index).read_bytes(), self._identity(index))

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.shard"

    def _identity(self, index: int) -> str:
        return f"{SCHEMA} {self.key.digest()} {index}"

    def _lock(self, name: str) -> FileLock:
        return FileLock(self.folder / "locks" / f"{name}.lock")


def _claim(folder: Path, key: Key) -> None:
    """Make `folder` the cache of `key`, or make sure that it is."""
    described: dict[str, Any] = {"schema": SCHEMA, **asdict(key)}
    (folder / "locks").mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.json"
    with FileLock(folder / "locks" / "manifest.lock"):
        if not manifest.exists():
            files.write_json(manifest, described)
            return
        try:
            found = files.read_json(manifest)
            differ = [name for name in described if found.get(name) != described[name]]
        except (OSError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{manifest}: cannot be read ({error}); remove {folder}, and the next student builds it again"
            ) from None
    if differ:
        raise InputError(
            *(f"{folder}: holds logits of {name} {found.get(name)!r}, not {described[name]!r}" for name in differ),
            f"{folder}: give these students a cache of their own, or remove this one if nobody needs it",
        )


def _hashes(inputs: Tensor) -> "NDArray[np.uint8]":
    """A hash (windows, 16) of each window of tokens."""
    windows = [hashlib.blake2b(window.tobytes(), digest_size=16).digest() for window in inputs.cpu().numpy()]
    return np.frombuffer(b"".join(windows), dtype=np.uint8).reshape(-1, 16)
