"""The file format of a cache: what a teacher said at some steps, compressed, behind a SHA-256.

A file is the digest (32 bytes) of an identity and the rest, and the rest a zlib stream of safetensors. The identity
(which cache, which shard of it) is not stored: a file that was renamed, or copied from another cache, fails as one with
a flipped bit does.
"""

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load, save

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Damaged(Exception):
    """These bytes are not what was written as this shard."""


@dataclass(frozen=True)
class Shard:
    """Steps (m) in rising order, a hash of each window (m, windows, 16), tokens and values (m, positions, kept)."""

    steps: "NDArray[np.int64]"
    inputs: "NDArray[np.uint8]"
    tokens: "NDArray[Any]"
    values: "NDArray[Any]"

    def row(self, step: int) -> int | None:
        """Where `step` is kept, if it is."""
        found = int(np.searchsorted(self.steps, step))
        return found if found < len(self.steps) and self.steps[found] == step else None

    def with_all(self, other: "Shard") -> "Shard":
        """The steps of both; no step may be in both."""
        order = np.argsort(np.concatenate((self.steps, other.steps)))
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("steps", "inputs", "tokens", "values")]
        return Shard(*(np.concatenate(pair)[order] for pair in pairs))


def encode(shard: Shard, identity: str) -> bytes:
    """The bytes of a file: a pure function of its arguments."""
    values = shard.values
    if values.dtype == np.float16:
        # log-probabilities fall, so their bits rise in small steps, which compress once high and low bytes part
        bits = values.view(np.uint16)
        rises = bits.copy()
        rises[..., 1:] -= bits[..., :-1]
        values = np.stack((rises >> 8, rises & 0xFF)).astype(np.uint8)
    arrays = {"steps": shard.steps, "inputs": shard.inputs, "tokens": shard.tokens, "values": values}
    body = zlib.compress(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
    return _digest(identity, body) + body


def decode(content: bytes, identity: str) -> Shard:
    """Read back what `encode` wrote. Raises `Damaged` where that is not what the bytes are."""
    digest, body = content[:32], content[32:]
    if digest != _digest(identity, body):
        raise Damaged
    arrays = load(zlib.decompress(body))
    values = arrays.pop("values")
    if values.ndim == 4:
        rises = (values[0].astype(np.uint16) << 8) | values[1]
        values = np.cumsum(rises, axis=-1, dtype=np.uint16).view(np.float16)
    return Shard(**arrays, values=values)


def _digest(identity: str, body: bytes) -> bytes:
    return hashlib.sha256(identity.encode() + b"\n" + body).digest()
