"""Whether runs can carry a law at all: what is refused before any fitting starts."""

import difflib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from fitting import units
from fitting.errors import Faults, InputError
from fitting.fit import COEFFICIENTS
from fitting.method import Method
from fitting.records import RunTable

_ANY = tuple(dict.fromkeys(name for names in COEFFICIENTS.values() for name in names))
_STEEPEST = 20.0
_SPARE = 2
"""Runs needed beyond one per free coefficient."""


def check(runs: RunTable, form: str, fixed: Mapping[str, float], method: Method, *, limit_form: bool = False) -> None:
    """Raise `InputError` with all that keeps these runs from determining a law of this form."""
    faults = Faults()
    names = COEFFICIENTS[form]
    faults.extend(_bad_values(fixed, form))
    faults.collect(method.check)
    for flag, column in (("--weights", method.weights), ("--cluster", method.cluster)):
        if column is not None and len(runs):
            try:
                runs.column(column)
            except InputError as error:
                faults.add(f"{flag} {column}: {error}")
    free = len(names) - sum(name in fixed for name in names) - limit_form
    if free == 0:
        faults.add(f"--fix: every coefficient of the {form} law is fixed; nothing is left to fit")
    count, kind = len(runs), "distilled" if form == "distillation" else form
    if free and count < free + _SPARE:
        remedy = "add runs" + ("" if "gamma" in fixed else " or hold a coefficient: --fix gamma=1")
        if form == "supervised":
            remedy += "; for a distillation fit, --supervised LAW takes a known law in its place"
        faults.add(
            f"too few runs: {count} finished {kind} runs for {free} free coefficients, which need at least "
            f"{free + _SPARE}; {remedy}"
        )
    elif count:
        faults.extend(_flat(runs, fixed))
    faults.raise_if_any()


def _flat(runs: RunTable, fixed: Mapping[str, float]) -> list[str]:
    found = []
    for column, slope, size in (("N", "alpha", "A"), ("D", "beta", "B")):
        values = np.unique(runs.column(column))
        if len(values) == 1 and not (slope in fixed and size in fixed):
            found.append(
                f"column {column}: every run has {units.count(float(values[0]))}, so the runs cannot tell how the "
                f"loss depends on {column}; vary it, or hold both: --fix {size}=... --fix {slope}=..."
            )
    losses = np.unique(runs.column("loss"))
    if len(losses) == 1:
        found.append(f"column loss: every run has {losses[0]:g}; there is nothing to fit")
    return found


def parse_fixed(texts: list[str]) -> dict[str, float]:
    """Read `--fix NAME=VALUE`; raises `InputError` for every malformed one."""
    faults, found = Faults(), {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not equals or math.isnan(number):
            faults.add(f"--fix {text}: write NAME=NUMBER, as in --fix gamma=1")
        elif name.strip().removeprefix("supervised.") not in _ANY:
            faults.add(f"--fix {text}: no law has a {name.strip()!r}{_meant(name.strip(), _ANY)}")
        elif name.strip() in found:
            faults.add(f"--fix {text}: {name.strip()} is fixed twice")
        found[name.strip()] = number
    faults.raise_if_any()
    return found


FREEABLE = ("gamma", "supervised.gamma", "K")


def check_free(free: Sequence[str], fixed: Mapping[str, float]) -> None:
    """Raise `InputError` for names in `--free` that are no choice of the rollout, or are fixed."""
    faults = Faults()
    for name in free:
        if name not in FREEABLE:
            faults.add(f"--free {name}: must be one of {', '.join(FREEABLE)}{_meant(name, FREEABLE)}")
        elif name in fixed:
            faults.add(f"--free {name}: it is fixed, too; give one of the two")
    faults.raise_if_any()


def split_fixed(fixed: Mapping[str, float], form: str, *, given: bool) -> tuple[dict[str, float], dict[str, float]]:
    """What is fixed in the law asked for and in the supervised law underneath it.

    For a distillation, `gamma` holds in both and `supervised.NAME` underneath only; a known law underneath
    (`given`) has nothing to fix. Raises `InputError`.
    """
    prefix = "supervised."
    own = {name: value for name, value in fixed.items() if not name.startswith(prefix)}
    below = {name.removeprefix(prefix): value for name, value in fixed.items() if name.startswith(prefix)}
    if form == "supervised":
        both = sorted(set(own) & set(below))
        if both:
            raise InputError(f"--fix: {', '.join(both)} is fixed twice")
        return own | below, {}
    if given and below:
        raise InputError("--fix supervised.NAME: the supervised law is given by --supervised and is not fitted")
    if "gamma" in own:
        below.setdefault("gamma", own["gamma"])
    faults = Faults()
    faults.extend(_bad_values(own, form))
    faults.extend(_bad_values(below, "supervised"))
    faults.raise_if_any()
    return own, below


def _meant(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _bad_values(fixed: Mapping[str, float], form: str) -> list[str]:
    names, found = COEFFICIENTS[form], []
    for name, value in fixed.items():
        if name not in names:
            found.append(f"--fix {name}: the {form} law has {', '.join(names)}{_meant(name, names)}")
        elif not math.isfinite(value) or value < 0 or (value == 0 and name != "c0"):
            found.append(f"--fix {name}={value:g}: must be a positive number")
        elif name in ("alpha", "beta", "gamma") and value > _STEEPEST:
            found.append(f"--fix {name}={value:g}: must be at most {_STEEPEST:g}; beyond that powers overflow")
    return found
