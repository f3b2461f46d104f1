"""Numbers as spreadsheets and people write them: 1,300,000,000, 1.300.000, 3,14, 70 M, NaN."""

import math
import re
from typing import Any

from fitting.errors import InputError

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DOTTED = re.compile(r"[+-]?\d{1,3}(\.\d{3}){2,}(,\d+)?")
_ONE_DOT = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_SPACED = re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f']\d{3})+")
_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?\s*[KMBGT]?", re.IGNORECASE)
_COUNT_WORDS = {"k": "K", "thousand": "K", "mn": "M", "million": "M", "bn": "B", "billion": "B", "trillion": "T"}
_NOT_FINITE = {"nan": math.nan, "#num!": math.nan, "#n/a": math.nan, "inf": math.inf, "infinity": math.inf}


def count(value: Any, label: str, decimal_comma: bool) -> Any:
    """A number of parameters, tokens or FLOPs, spelt so that `fitting.units` reads it; anything else as it is.

    Raises `InputError` for what can be read in two ways.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _SPACED.fullmatch(text):
        return re.sub(r"[^\d+-]", "", text)
    if decimal_comma and _ONE_DOT.fullmatch(text):
        raise InputError(
            f"{label}: {text!r} may be {text.replace('.', '')} or {float(text):g}; write it without the dot"
        )
    if _DOTTED.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    if _COMMA.fullmatch(text):
        if re.fullmatch(r"[+-]?\d{1,3},\d{3}\s*[KMBGT]", text, re.IGNORECASE):
            raise InputError(
                f"{label}: {text!r} may be {text.replace(',', '')} or {text.replace(',', '.')}; write one of them"
            )
        return text.replace(",", ".")
    number, _, word = text.rpartition(" ")
    return number + _COUNT_WORDS[word.lower()] if number and word.lower() in _COUNT_WORDS else value


def loss(value: Any) -> Any:
    """A loss; a comma in it is decimal, as no loss needs one for thousands."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    plain = text.lower().lstrip("+-")
    if plain in _NOT_FINITE:
        return _NOT_FINITE[plain]
    return text.replace(",", ".") if _COMMA.fullmatch(text) else text
