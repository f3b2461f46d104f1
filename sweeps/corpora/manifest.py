"""What a folder of tokens says of itself: `manifest.json`, written last, the mark of a corpus that is whole.

```
    DIR/manifest.json      everything below, with sizes and hashes
    DIR/teacher.bin        tokens of the teachers' half, little-endian, one after another
    DIR/student.bin        of the students' half
    DIR/validation.bin     held out
    DIR/tokenizer.json     what made them, unless they are bytes
```
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fitting.errors import Faults, InputError
from sweeps import files
from sweeps.corpora.splitting import PARTS, Part

if TYPE_CHECKING:
    from sweeps.corpora.corpus import Tokens

SCHEMA = "distillaw/corpus/1"
FILE = "manifest.json"
TOKENIZER = "tokenizer.json"
_ITEM = {"|u1": 1, "<u2": 2, "<u4": 4}
_REMEDY = "prepare the corpus anew: distillaw corpus prepare"


def dtype_for(n_vocab: int) -> str:
    """The smallest unsigned integer that holds every token, as NumPy writes it."""
    return "|u1" if n_vocab <= 2**8 else "<u2" if n_vocab <= 2**16 else "<u4"


@dataclass(frozen=True)
class Shard:
    """The file of one part. `bytes` is of the text, `sha256` of the file."""

    file: str
    tokens: int
    documents: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class TokenizerNote:
    """Which tokenizer: "bytes", or "bpe" in a file, and its end of a document, by number and name.

    One that was trained on the corpus says on how much of the halves' text, counted from the beginning.
    """

    kind: Literal["bytes", "bpe"]
    sha256: str
    end: int
    end_token: str
    trained_on_documents: int | None
    trained_on_bytes: int | None


@dataclass(frozen=True)
class Manifest:
    """A prepared corpus. `sha256` is of its documents in the order of reading, before anything was done to them.

    `split` says how documents went to parts (`sweeps.corpora.splitting`); `as_described` whether the documents are
    those that the description states, None where it states none.
    """

    name: str
    about: str | None
    licence: str | None
    format: str
    sha256: str
    n_vocab: int
    dtype: str
    tokenizer: TokenizerNote
    split: Literal["dealt", "hashed"]
    as_described: bool | None
    parts: dict[Part, Shard]

    @property
    def documents(self) -> int:
        return sum(shard.documents for shard in self.parts.values())

    @property
    def tokens(self) -> int:
        return sum(shard.tokens for shard in self.parts.values())

    @property
    def bytes(self) -> int:
        return sum(shard.bytes for shard in self.parts.values())

    def to_dict(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Manifest":
        """Read back what `to_dict` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']!r}, not {SCHEMA!r}")
        shards = {part: f"{part}.bin" for part in PARTS}
        if (
            data["dtype"] != dtype_for(data["n_vocab"])
            or {part: shard["file"] for part, shard in data["parts"].items()} != shards
        ):
            raise ValueError("dtype or parts are not those of a corpus")
        content = {key: value for key, value in data.items() if key != "schema"}
        content["tokenizer"] = TokenizerNote(**data["tokenizer"])
        content["parts"] = {part: Shard(**data["parts"][part]) for part in PARTS}
        return cls(**content)


def read(folder: Path) -> Manifest:
    """The manifest of a prepared folder; its shards must be there with their sizes.

    Raises `InputError` with every fault at once.
    """
    path = folder / FILE
    if not path.is_file():
        begun = folder.is_dir() and any((folder / f"{part}.bin").exists() for part in PARTS)
        what = "its preparation did not come to its end" if begun else "holds no corpus"
        raise InputError(f"{folder}: {what}; `distillaw corpus prepare ... --out {folder}` makes one")
    try:
        found = Manifest.from_dict(files.read_json(path))
        wanted = {folder / shard.file: shard.tokens * _ITEM[found.dtype] for shard in found.parts.values()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no manifest that this version can read ({error}); {_REMEDY}") from None
    faults = Faults()
    for file, size in wanted.items():
        if not file.is_file():
            faults.add(f"{file}: is missing; {_REMEDY}")
        elif file.stat().st_size != size:
            faults.add(f"{file}: has {file.stat().st_size} bytes, {path.name} says {size}; {_REMEDY}")
    faults.raise_if_any()
    return found


def verify(folder: Path, found: Manifest) -> None:
    """Hash every shard, look at every token and at the tokenizer. Raises `InputError` naming each that differs."""
    import numpy as np

    faults = Faults()
    for shard in found.parts.values():
        digest, largest = hashlib.sha256(), 0
        with (folder / shard.file).open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
                largest = max(largest, int(np.frombuffer(block, dtype=found.dtype).max()))
        if digest.hexdigest() != shard.sha256:
            faults.add(
                f"{folder / shard.file}: its contents changed (sha256 {digest.hexdigest()[:16]}, {FILE} says "
                f"{shard.sha256[:16]}); {_REMEDY}"
            )
        if largest >= found.n_vocab:
            faults.add(f"{folder / shard.file}: holds a token {largest} of a vocabulary of {found.n_vocab}; {_REMEDY}")
    if found.tokenizer.kind != "bytes":
        from sweeps.corpora import tokenizer

        path = folder / TOKENIZER
        if (
            made := faults.collect(tokenizer.read, path, found.tokenizer.end_token)
        ) and made.sha256 != found.tokenizer.sha256:
            faults.add(f"{path}: is not the tokenizer of this corpus; {_REMEDY}")
    faults.raise_if_any()


def tokens(folder: Path, found: Manifest, part: Part) -> "Tokens":
    """The tokens of a part, mapped from the disk: what is not looked at takes no memory."""
    import numpy as np

    shard = found.parts[part]
    if shard.tokens == 0:
        return np.zeros(0, dtype=found.dtype)  # an empty file cannot be mapped
    return np.memmap(folder / shard.file, dtype=found.dtype, mode="r", shape=(shard.tokens,))
