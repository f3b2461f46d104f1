"""What "7B" means: the one place where numbers that people write become floats, and back."""

import math
import re
from collections.abc import Callable

from fitting.errors import InputError

_SUFFIX = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_NUMBER = re.compile(r"(?P<value>[+-]?(\d[\d_]*(\.\d*)?|\.\d+)(e[+-]?\d+)?)\s*(?P<suffix>[KMBGT]?)", re.IGNORECASE)


def parse(text: str, name: str) -> float:
    """Read a positive, finite quantity such as `1e21`, `300M`, `7B`, `2T` or `1_000`.

    `name` is what the caller wrote it for (`--budget`, a column); it opens the refusal.
    Raises `InputError` for zero, negatives, infinities, NaN and anything that is not such a number.
    """
    stripped = str(text).strip()
    if stripped.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise InputError(f"{name}: must be a finite number, not {stripped!r}")
    match = _NUMBER.fullmatch(stripped)
    if match is None:
        raise InputError(f"{name}: {stripped!r} is not a number; write it as 1e21, 300M, 7B, 2T or 1_000")
    value = float(match["value"].replace("_", "")) * _SUFFIX[match["suffix"].upper()]
    if not math.isfinite(value):
        raise InputError(f"{name}: {stripped!r} is too large for a floating-point number")
    if value <= 0:
        raise InputError(f"{name}: must be greater than zero, not {stripped!r}")
    return value


def parse_share(text: str, name: str) -> float:
    """Read a number in [0, 1], as the δ of Eq 9 (arXiv 2502.08606). Raises `InputError` otherwise."""
    try:
        value = float(str(text))
    except ValueError:
        raise InputError(f"{name}: {str(text)!r} is not a number; write a share between 0 and 1") from None
    if not 0 <= value <= 1:
        raise InputError(f"{name}: must lie between 0 and 1, not {str(text)!r}")
    return value


def parse_range(text: str, name: str) -> tuple[float, float, int | None]:
    """Read `low:high` or `low:high:points`, such as `1e20:1e26:13`: rising ends, each as `parse` reads it.

    Points are at least 2, and None where they are not said. Raises `InputError` with one line otherwise.
    """
    parts = [part.strip() for part in str(text).split(":")]
    if len(parts) not in (2, 3):
        raise InputError(f"{name}: {str(text)!r} is not a range; write low:high, as in 1e20:1e26")
    if "" in parts:
        raise InputError(f"{name}: a part of the range {str(text)!r} is empty; write low:high, as in 1e20:1e26")
    low, high = parse(parts[0], name), parse(parts[1], name)
    if low == high:
        raise InputError(f"{name}: the range {str(text)!r} is empty: both ends are the same")
    if low > high:
        raise InputError(f"{name}: the range {str(text)!r} runs backwards; write {parts[1]}:{parts[0]}")
    if len(parts) == 2:
        return low, high, None
    try:
        points = int(parts[2])
    except ValueError:
        points = 0
    if points < 2:
        raise InputError(f"{name}: the range {str(text)!r} needs a whole number of points, 2 or more, not {parts[2]!r}")
    return low, high, points


PERPLEXITY_ABOVE = 12.0
"""nats/token. A uniform guess over 128k tokens is 11.8; a larger "loss" is a perplexity or a diverged run."""


def parse_loss(text: str, name: str) -> float:
    """Read a cross-entropy in nats/token. Raises `InputError` as `parse` does, and for what must be a perplexity."""
    value = parse(text, name)
    if value > PERPLEXITY_ABOVE:
        raise InputError(
            f"{name}: {text!r} looks like a perplexity; take its logarithm ({math.log(value):.4g} nats/token; "
            "see docs/faq.md#perplexity)"
        )
    return value


def count(value: float, digits: int = 3) -> str:
    """Write parameters or tokens with a suffix: `1.07B`, `512B`, `2T`; beyond 1000T in powers of ten."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1 <= value < 9.995e14:
        return flops(value, digits)
    rounded = float(f"{value:.{digits - 1}e}")
    for suffix in ("T", "B", "M", "K", ""):
        if rounded >= _SUFFIX[suffix]:
            return f"{rounded / _SUFFIX[suffix]:.{max(digits, 3)}g}{suffix}"
    return f"{rounded:g}"


def flops(value: float, digits: int = 3) -> str:
    """Write FLOPs in powers of ten: `1e21`, `3.27e+22` without the sign: `3.27e22`; `inf` and `nan` as they are."""
    if not math.isfinite(value):
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def exact(value: float, write: Callable[[float], str] = count) -> str:
    """Write a quantity so that `parse` reads the same number back: as `write` does it, in full where that rounds."""
    short = write(value)
    return short if parse(short, "value") == value else repr(value)


def duration(seconds: float) -> str:
    """Seconds for a person: `45 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
