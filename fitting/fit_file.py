"""A fit as a JSON file: written exactly, read back exactly, and what is wrong with a file named."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from fitting.errors import Faults, InputError
from fitting.findings import Candidate, Diagnosis, Draws, Rollout
from fitting.fit import COEFFICIENTS, SCHEMA, STATUSES, Doubt, Fit
from fitting.flops import Convention
from fitting.known import Support
from fitting.method import Method

_NUMBER, _MAYBE_NUMBER, _MAYBE_TEXT = (int, float), (int, float, NoneType), (str, NoneType)
_KINDS: dict[str, tuple[type, ...]] = {
    "coefficients": (dict,),
    "identified": (dict,),
    "intervals": (dict,),
    "interval_level": _MAYBE_NUMBER,
    "interval_method": _MAYBE_TEXT,
    "objective": _MAYBE_NUMBER,
    "status": (str,),
    "starts_agreeing": _MAYBE_NUMBER,
    "n_runs": (int,),
    "table_sha256": _MAYBE_TEXT,
    "id": (str,),
    "source": (str,),
    "fixed": (dict,),
    "huber_delta": _MAYBE_NUMBER,
    "limit_form": (bool,),
    "prior_strength": _NUMBER,
    "teacher_spread": _NUMBER,
    "residual_rms": _MAYBE_NUMBER,
    "relative_error": _NUMBER,
    "support": (dict,),
    "warnings": (list,),
    "versions": (dict,),
    "corpus": _MAYBE_TEXT,
    "tokenizer": _MAYBE_TEXT,
}
"""What JSON holds in each field of a fit."""

_OPTIONAL = ("corpus", "tokenizer")
"""Fields that a file may lack: files of the same schema were written without them."""

_PARTS: dict[str, Any] = {
    "method": Method | None,
    "rollout": Rollout | None,
    "selection": tuple[Candidate, ...],
    "diagnosis": Diagnosis | None,
}
"""Fields that hold dataclasses of plain values."""


def as_dict(fit: Fit) -> dict[str, Any]:
    """A fit in JSON's own types."""
    data: dict[str, Any] = {"schema": SCHEMA}
    for item in fields(fit):
        value = getattr(fit, item.name)
        if isinstance(value, Fit | Draws):
            value = value.as_dict()
        elif isinstance(value, Support):
            value = {name: ends for name, ends in asdict(value).items() if ends is not None}
        elif is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        elif isinstance(value, tuple):
            value = [asdict(part) if is_dataclass(part) and not isinstance(part, type) else part for part in value]
        elif isinstance(value, Mapping):
            value = dict(value)
        data[item.name] = value
    return data


def write(fit: Fit, path: str | Path | None = None) -> str:
    """A fit as JSON text, written to `path` where one is given. Raises `InputError` where it cannot be."""
    text = json.dumps(as_dict(fit), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    if path is not None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot write it: {error.strerror}") from None
    return text


def read(path: str | Path) -> Fit:
    """Read the file that `write` wrote. Raises `InputError` that says what is wrong with it."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a law file: a binary file or not UTF-8 text") from None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not a law file: {error.msg} at line {error.lineno}, column {error.colno}; it may be cut "
            "short: write it again with distillaw fit --out"
        ) from None
    return _parsed(data, str(path))


def _parsed(data: Any, where: str) -> Fit:
    """Build a fit from parsed JSON found in `where`; every fault in one `InputError`."""
    if not isinstance(data, dict) or "schema" not in data:
        raise InputError(f"{where}: not a law file: it has no 'schema'; distillaw fit --out writes one")
    schema = str(data["schema"])
    if schema != SCHEMA:
        kind = "another version of law file" if schema.startswith("distillaw/fit/") else "not a law file"
        raise InputError(f"{where}: {kind}: its schema is {schema!r} and this version reads {SCHEMA!r}")
    names = {item.name for item in fields(Fit)}
    faults = Faults()
    faults.extend([f"{where}: a field is missing: {name}" for name in sorted(names - set(data) - set(_OPTIONAL))])
    form = str(data.get("form"))
    if "form" in data and form not in COEFFICIENTS:
        faults.add(f"{where}: form: must be supervised or distillation, not {form!r}")
    faults.raise_if_any()

    values: dict[str, Any] = {name: data.get(name) for name in names}
    for name, kinds in _KINDS.items():
        if not isinstance(values[name], kinds) or isinstance(values[name], bool) != (kinds == (bool,)):
            faults.add(f"{where}: {name}: not what a law file holds there: {values[name]!r}")
    for name in COEFFICIENTS[form]:
        _check_coefficient(values["coefficients"], name, where, faults)
        for about in ("identified", "intervals"):
            if isinstance(values[about], dict) and name not in values[about]:
                faults.add(f"{where}: {about}: says nothing of {name}")
    values["convention"] = faults.collect(Convention.from_dict, values["convention"], f"{where}: convention")
    if form == "distillation" and values["supervised"] is None:
        faults.add(f"{where}: supervised: a distillation law needs the supervised law it stands on")
    elif values["supervised"] is not None:
        values["supervised"] = faults.collect(_parsed, values["supervised"], f"{where}: supervised")
    if values["status"] not in STATUSES:
        faults.add(f"{where}: status: must be one of {', '.join(STATUSES)}, not {values['status']!r}")
    if values["draws"] is not None:
        values["draws"] = faults.collect(Draws.from_dict, values["draws"], f"{where}: draws")
    for name, kind in _PARTS.items():
        values[name] = faults.collect(_built, kind, values[name], f"{where}: {name}")
    faults.raise_if_any()
    try:
        support = values["support"].items()
        values["support"] = Support(**{name: (float(ends[0]), float(ends[1])) for name, ends in support})
        values["intervals"] = {
            name: None if ends is None else (float(ends[0]), float(ends[1]))
            for name, ends in values["intervals"].items()
        }
        values["warnings"] = tuple(Doubt(**doubt) for doubt in values["warnings"])
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise InputError(f"{where}: not a law file: {error}") from None
    return Fit(**values)


def _built(kind: Any, value: Any, where: str) -> Any:
    """`value`, parsed from JSON, as the type `kind`: a dataclass, tuple, mapping, union or plain value."""
    origin, parts = get_origin(kind), get_args(kind)
    if NoneType in parts:
        return None if value is None else _built(parts[0], value, where)
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = get_type_hints(kind)
        if set(value) == set(hints):
            return kind(**{name: _built(hints[name], part, f"{where}: {name}") for name, part in value.items()})
    elif origin is tuple and isinstance(value, list):
        kinds = [parts[0]] * len(value) if parts[-1] is ... else list(parts)
        if len(kinds) == len(value):
            return tuple(_built(part, item, where) for part, item in zip(kinds, value, strict=True))
    elif origin is Mapping and isinstance(value, dict):
        return {name: _built(parts[1], item, where) for name, item in value.items()}
    elif value in parts:  # one of a Literal's values
        return value
    plain = (int, float) if kind is float else kind if isinstance(kind, type) else ()
    if isinstance(value, plain) and isinstance(value, bool) == (kind is bool):
        return value
    raise InputError(f"{where}: not what a law file holds there: {value!r}")


def _check_coefficient(coefficients: Any, name: str, where: str, faults: Faults) -> None:
    value = coefficients.get(name) if isinstance(coefficients, dict) else None
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value < 0
        or (value == 0 and name != "c0")
    ):
        faults.add(f"{where}: coefficients: {name} must be a positive number, not {value!r}")
