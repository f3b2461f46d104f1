"""Runs to choose from where the caller names none: a grid around a fit's runs, a little towards the decision."""

from collections.abc import Sequence

import numpy as np

from fitting.errors import InputError
from fitting.known import KnownLaw, Range
from planner.next.cells import Cell, Taught, trained_name
from planner.plans import Plan
from planner.search import Floats

OCTAVES = 2.0
"""How far beyond the runs a size, a number of tokens or a run's compute may go at most, in factors of two."""

FEWEST_TOKENS = 1.0
"""Tokens per parameter; with fewer no law has been seen to hold."""

TEACHER_RATIO = 20.0
"""Tokens per parameter of a teacher that would be trained, as near as the grid has them: the paper's teachers."""

MOST_TEACHERS = 12


def cells(law: KnownLaw, plan: Plan, teachers: Sequence[Taught] = ()) -> list[Cell]:
    """Sizes and tokens in steps of two; students of `teachers`, and of some that would have to be trained.

    Beyond the largest run by at most `OCTAVES`, and no farther than what the plan itself would train. A teacher that is
    looked for, whatever its tokens, rests on what its size reaches with many: so there tokens go as far as they may.
    Raises `InputError` for a law that says nothing of its runs.
    """
    support = law.support
    if support.N_S is None or support.D_S is None:
        raise InputError(f"--cells: law {law.id!r} says nothing of its runs; name the runs to choose from in a table")
    sizes = _steps(_joined(support.N_S, support.N_T), max(plan.student.N, plan.teacher.N or 0.0, plan.supervised.N))
    tokens = _steps(_joined(support.D_S, support.D_T), max(plan.student.D, _teacher_tokens(plan), plan.supervised.D))
    most = _largest(law) * 2.0**OCTAVES
    pairs = [
        (float(N), float(D))
        for N in sizes
        for D in tokens
        if D >= FEWEST_TOKENS * N and float(law.convention.training(N, D)) <= most
    ]
    known = _spread(teachers)
    new = [_near_ratio(N, pairs) for N in dict.fromkeys(N for N, _ in pairs)]
    every = [*known, *(Taught(trained_name(N, D), N, D, None) for N, D in new)]
    found = [Cell(N, D) for N, D in pairs]
    for teacher in every:
        students = (Cell(N, D, teacher) for N, D in pairs)
        found += [cell for cell in students if cell.spend(law.convention).total <= most]
    return found


def _teacher_tokens(plan: Plan) -> float:
    teacher = plan.teacher
    if teacher.D is not None:
        return teacher.D
    return 0.0 if teacher.given else np.inf


def _largest(law: KnownLaw) -> float:
    """FLOPs of the largest run, or what the largest size takes on the most tokens where that is not known."""
    stages = [] if law.fitted is None else [law.fitted, *([law.fitted.supervised] if law.fitted.supervised else [])]
    known = [stage.rollout.largest_C for stage in stages if stage.rollout is not None]
    assert law.support.N_S is not None
    assert law.support.D_S is not None
    return max(known) if known else float(law.convention.training(law.support.N_S[1], law.support.D_S[1]))


def _joined(first: Range, second: Range | None) -> Range:
    return first if second is None else (min(first[0], second[0]), max(first[1], second[1]))


def _steps(within: Range, wanted: float) -> Floats:
    """From the smallest of the runs' values up in steps of two: to the largest, and on towards what is wanted."""
    top = min(max(wanted, within[1]), within[1] * 2.0**OCTAVES)
    number = max(2, round(np.log2(top / within[0])) + 1)
    found: Floats = np.array([float(f"{value:.2g}") for value in np.geomspace(within[0], top, number)])
    return found


def _near_ratio(N: float, pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return min((pair for pair in pairs if pair[0] == N), key=lambda pair: abs(np.log(pair[1] / (TEACHER_RATIO * N))))


def _spread(teachers: Sequence[Taught]) -> list[Taught]:
    """At most `MOST_TEACHERS` of them, evenly over their cross-entropies."""
    ordered = sorted(teachers, key=lambda teacher: (teacher.loss or 0.0, teacher.name))
    if len(ordered) <= MOST_TEACHERS:
        return ordered
    return [ordered[i] for i in np.linspace(0, len(ordered) - 1, MOST_TEACHERS).round().astype(int)]
