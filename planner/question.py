"""What a user asks of the planner, read from flags with all their faults at once."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fitting import units
from fitting.errors import Faults, Infeasible
from fitting.known import KnownLaw
from fitting.library import load_law, parse_size
from fitting.published import DEFAULT_LAW
from planner import conditions
from planner.costs import Hardware
from planner.decision import level_of
from planner.scenarios import Charges, Limits, Teacher
from planner.terms import Terms

if TYPE_CHECKING:
    from planner.consulting import Consulting

_QUESTION = ("student", "budget", "gpu_hours", "gpu", "mfu", "target_loss")
_BILL = ("count", "price")
_FAMILY = ("weights",)
_TEACHERS = ("max_teacher", "max_teacher_tokens", "pay_logits")
_LAW = ("law", "total", "interval")
_UNDERSTOOD = {
    "plan teacher-exists": (*_QUESTION, *_FAMILY, *conditions.TERMS, *conditions.CONSULTING, *_BILL, *_TEACHERS, *_LAW),
    "plan train-teacher": (
        *_QUESTION,
        *_FAMILY,
        *conditions.TERMS,
        *conditions.CONSULTING,
        *_BILL,
        *_TEACHERS,
        "pay_pretraining",
        *_LAW,
    ),
    "plan compare": (*_QUESTION, *_TEACHERS, "pay_pretraining", *_LAW),
    "crossover": ("student", "pay_logits", "pay_pretraining", "law", "total"),
}
"""The flags that a next command takes over, by command."""

_DEFAULTS = {"pay_logits": "1", "pay_pretraining": "1", "law": DEFAULT_LAW}

_A_DECADE = 2
"""Budgets a decade in a range that does not say how many."""

_MOST = 1000
"""Budgets that a comparison may have."""


@dataclass(frozen=True)
class Question:
    """A student, what is paid, and either budgets (FLOPs) or a target (nats/token); `given` has it as it was typed."""

    law: KnownLaw
    student: float | str | tuple[float, ...]
    weights: tuple[float, ...] | None
    budgets: tuple[float, ...]
    target: float | None
    charges: Charges
    limits: Limits | None
    teacher: Teacher | None
    terms: Terms
    interval: float | None
    hardware: Hardware | None
    consulting: "Consulting | None"
    hours: float | None
    given: Mapping[str, Any]

    @property
    def size(self) -> float:
        """The student's size, for what cannot choose it."""
        assert isinstance(self.student, float)
        return self.student

    def command(self, name: str) -> str:
        """The command line that asks `distillaw NAME` the same."""
        return command(self.given, name)

    @property
    def words(self) -> str:
        """What the GPU-hours buy, where the budget was given in them."""
        found = self.hardware
        if self.hours is None or found is None:
            return ""
        return (
            f"{units.count(self.hours)} {found.gpu.upper()} hours at {found.mfu:.0%} of {units.flops(found.peak)} "
            f"FLOP/s are {units.flops(found.flops(self.hours))} FLOPs."
        )


def command(given: Mapping[str, Any], name: str, **others: str) -> str:
    """The command line that asks `distillaw NAME` what the flags in `given` ask, with `others` in place of some."""
    told: dict[str, Any] = {**given, **others}
    if told.get("gpu_hours") is None and "count" not in _UNDERSTOOD[name]:
        told = {**told, "gpu": None, "mfu": None}  # they are for a bill, which that command does not write
    parts = ["distillaw", *name.split()]
    for flag in _UNDERSTOOD[name]:
        value = told.get(flag)
        if value is None or value is False or value == _DEFAULTS.get(flag):
            continue
        parts += [f"--{flag.replace('_', '-')}"] + ([] if value is True else [str(value)])
    return shlex.join(parts)


def read(given: dict[str, Any], *, ranges: bool = False) -> Question:
    """The question that the flags in `given` ask, by the names of `planner.options`; `ranges` allows several budgets.

    Raises `InputError` with the faults of all flags.
    """
    faults = Faults()
    law = faults.collect(load_law, given["law"])
    student = conditions.student(faults, given, law)
    weights = conditions.weights(faults, given, student)
    terms = conditions.terms(faults, given, law)
    consulting = conditions.consulting(faults, given)
    hardware = conditions.hardware(faults, given)
    budgets, target, hours = _amount(faults, given, hardware, ranges=ranges)
    shares = [
        faults.collect(units.parse_share, given.get(name, absent), f"--{name.replace('_', '-')}")
        for name, absent in (("pay_logits", "1"), ("pay_pretraining", "0"))
    ]
    most_N, most_D = given.get("max_teacher"), given.get("max_teacher_tokens")
    N = (
        faults.collect(parse_size, most_N, "--max-teacher", law, with_embeddings=given["total"])
        if most_N is not None
        else None
    )
    D = faults.collect(units.parse, most_D, "--max-teacher-tokens") if most_D is not None else None
    limits = None if N is None and D is None else Limits(N, D)
    teacher = _teacher(faults, given, law, paid=bool(shares[0]))
    level = None
    if given.get("interval") is not None:
        level = faults.collect(units.parse, given["interval"], "--interval")
        if law is not None and level is not None:
            faults.collect(level_of, law, level)
    if given.get("plot") is not None:
        from planner.plots import check

        faults.collect(check, given["plot"])
    faults.raise_if_any()
    assert law is not None
    assert student is not None
    pay_logits, pay_pretraining = shares
    assert pay_logits is not None
    assert pay_pretraining is not None
    return Question(
        law,
        student,
        weights,
        budgets,
        target,
        Charges(pay_logits, pay_pretraining),
        limits,
        teacher,
        terms,
        level,
        hardware,
        consulting,
        hours,
        given,
    )


def _teacher(faults: Faults, given: dict[str, Any], law: KnownLaw | None, *, paid: bool) -> Teacher | None:
    """The teacher at hand, by its loss or by the tokens that the law then makes a loss of."""
    size, loss, tokens = (given.get(name) for name in ("teacher", "teacher_loss", "teacher_tokens"))
    N = faults.collect(parse_size, size, "--teacher", law, with_embeddings=given["total"]) if size is not None else None
    L = faults.collect(units.parse_loss, loss, "--teacher-loss") if loss is not None else None
    D = faults.collect(units.parse, tokens, "--teacher-tokens") if tokens is not None else None
    if loss is not None and tokens is not None:
        faults.add("--teacher-tokens: the loss is given by --teacher-loss already; give one of the two")
    if size is not None and loss is None and tokens is None:
        faults.add("--teacher: say how good it is, with --teacher-loss or --teacher-tokens")
    if size is None and tokens is not None:
        faults.add("--teacher-tokens: say of which size, with --teacher")
    if size is None and loss is not None and paid:
        faults.add("--teacher: its forward passes are paid for, so its size must be named; or --pay-logits 0")
    if given.get("candidates") is not None:
        faults.extend(
            [
                f"--{name.replace('_', '-')}: is for one teacher; --candidates names several"
                for name in ("teacher", "teacher_loss", "teacher_tokens", "max_teacher", "max_teacher_tokens")
                if given.get(name) is not None
            ]
        )
        if given.get("target_loss") is not None:
            faults.add("--target-loss: candidates are ranked at one budget; give --budget or --gpu-hours")
    if law is not None and L is None and N is not None and D is not None:
        return Teacher(float(law.supervised.loss(N, D)), N, D, by_law=True)
    return None if L is None else Teacher(L, N, D)


def refuse(law: KnownLaw, outside: Mapping[str, float]) -> None:
    """Raise `Infeasible` for what lies outside the law's runs, by name and factor: what `--strict` means."""
    if outside:
        listed = ", ".join(f"{name} by {factor:.3g}x" for name, factor in outside.items())
        raise Infeasible(
            f"--strict: the answer lies outside the runs that law {law.id!r} was fitted to: {listed}; plan closer to "
            "them, or leave out --strict to see it with its warnings"
        )


def _amount(
    faults: Faults, given: dict[str, Any], hardware: Hardware | None, *, ranges: bool
) -> tuple[tuple[float, ...], float | None, float | None]:
    """Budgets, or a target, or the GPU-hours that a budget was given in."""
    named = {f"--{name.replace('_', '-')}": given.get(name) for name in ("budget", "gpu_hours", "target_loss")}
    said = [name for name, value in named.items() if value is not None]
    if len(said) != 1:
        told = "none is given" if not said else f"{' and '.join(said)} are given"
        faults.add(f"--budget, --gpu-hours or --target-loss: give exactly one of them; {told}")
        return (), None, None
    if given.get("budget") is not None:
        return _budgets(faults, given["budget"], ranges=ranges), None, None
    if given.get("target_loss") is not None:
        return (), faults.collect(units.parse_loss, given["target_loss"], "--target-loss"), None
    hours = faults.collect(units.parse, given["gpu_hours"], "--gpu-hours")
    missing = [f"--{name}" for name in ("gpu", "mfu") if given.get(name) is None]
    if missing:
        faults.add(f"--gpu-hours: needs {' and '.join(missing)} too, as in --gpu h100 --mfu 0.4")
    if hardware is None or hours is None:
        return (), None, None
    return (hardware.flops(hours),), None, hours


def _budgets(faults: Faults, text: str, *, ranges: bool) -> tuple[float, ...]:
    if ":" not in text:
        value = faults.collect(units.parse, text, "--budget")
        return () if value is None else (value,)
    if not ranges:
        faults.add(f"--budget: {text!r} is a range; this command takes one budget, distillaw plan compare takes ranges")
        return ()
    ends = faults.collect(units.parse_range, text, "--budget")
    if ends is None:
        return ()
    low, high, points = ends
    if points is None:
        points = max(2, round(_A_DECADE * np.log10(high / low)) + 1)
    if points > _MOST:
        faults.add(f"--budget: {text!r} asks for {points} budgets; at most {_MOST} are compared")
        return ()
    found = tuple(float(C) for C in np.geomspace(low, high, points))
    if len(set(found)) < len(found):
        faults.add(f"--budget: {text!r} is too narrow for {points} different budgets; ask for fewer of them")
    return found
