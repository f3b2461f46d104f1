"""Where distilling stops paying: the budgets at which it wins over supervised training, loses, or hardly matters.

Δ(C) is the cross-entropy of the student trained directly with C FLOPs minus that of the same student distilled with
them in the best way of the scenario. Its sign may change never, once or several times, and where the curves almost
touch a change means nothing, so the answer is a list of stretches of budgets, cut where |Δ| passes a tolerance.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fitting.errors import Faults, Infeasible, InputError
from fitting.fit import Doubt
from fitting.known import ON_THE_EDGE, KnownLaw, Range
from fitting.progress import Progress, silent
from fitting.published import PUBLISHED
from fitting.units import count, flops
from planner.crossover.partition import Margin, Piece, partition
from planner.crossover.stretches import Crossover, Shares, Stretch, Winner
from planner.decision import parameters
from planner.problems import Problems
from planner.scenarios import Charges, scenarios
from planner.search import Floats, minima

TOLERANCE = 0.005
"""Nats/token below which a margin counts for neither side, where the caller does not say."""

_WINNER: dict[int, Winner] = {1: "distil", 0: "neither", -1: "supervise"}

_POINTS = 129
"""Points of the grid on which basins of the best teacher are told apart; as for the draws' regret."""

_BELOW_THE_RUNS = 10.0
"""How far below the fewest tokens of the law's runs a student's budgets start, where the caller does not say."""

_ROUNDING = 1e-12
"""Relative step inside the search box: at its very edge a student's tokens may round to beyond it."""


def crossover(
    law: KnownLaw,
    *,
    student: float,
    tolerance: float = TOLERANCE,
    budgets: Range | None = None,
    charges: Charges | None = None,
    strict: bool = False,
    progress: Progress = silent,
) -> Crossover:
    """The stretches of budgets in which distilling, supervised training or neither wins, in every scenario.

    For a student of `student` parameters, counted as the law counts N. `tolerance` is in nats/token. `charges` are
    the shares that the scenarios charge of what they pay for, all of it by default. The `budgets` (FLOPs) are
    narrowed to those that train the student directly on as many tokens as the law's box holds; without, they are all
    of these from a tenth of the tokens of the law's runs on. Where no
    teacher can be paid for, supervised training wins.

    Raises `InputError` for a law without distillation and for numbers that make no question, `Infeasible` when no
    such budget is left, and with `strict` when the law is asked beyond its runs.
    """
    charges = charges or Charges()
    if budgets is not None:
        if len(budgets) != 2:
            raise InputError(f"budgets: must be a lowest and a highest, not {budgets!r}")
        budgets = (float(budgets[0]), float(budgets[1]))
    _check(student, tolerance, budgets)
    student, tolerance = float(student), float(tolerance)
    law.require_distillation()
    step = float(law.convention.training(student, 1.0))
    possible = (step * law.box_D[0] * (1 + _ROUNDING), step * law.box_D[1] * (1 - _ROUNDING))
    if not math.isfinite(possible[1] * possible[1]):  # means of budgets are taken on the way
        raise InputError(f"student: {student:g} parameters cost more FLOPs than a floating-point number holds")
    low, high = _within(law, student, possible, budgets or _usual(law, step, possible))
    support = None if law.support.D_S is None else (step * law.support.D_S[0], step * law.support.D_S[1])
    doubts = [*_cut(budgets, (low, high)), *_beyond(law, student, (low, high), support)]
    if strict and any(doubt.code == "support" for doubt in doubts):
        raise Infeasible(*(f"--strict: {doubt.message}" for doubt in doubts if doubt.code == "support"))
    asked = scenarios(charges)
    pieces = {name: partition(margin_of(law, student, paid), low, high, tolerance) for name, paid in asked.items()}
    by_draws: Callable[[str, Piece], Shares | None] = _no_shares
    draws = 0
    if law.fitted is not None and law.fitted.draws is not None:
        from planner.crossover.draws import Drawn

        drawn = Drawn.of(law, student, asked, (low, high), tolerance, progress)
        by_draws, draws = drawn.shares, drawn.draws
    found = {
        name: tuple(
            Stretch(
                each.low,
                each.high,
                (each.low / step, each.high / step),
                _WINNER[each.side],
                by_draws(name, each),
            )
            for each in pieces[name]
        )
        for name in asked
    }
    doubts += _error(law, student, high / step, tolerance, draws)
    doubts += _opinion(law, found, student, tolerance, step, charges)
    return Crossover(
        law=law.describe(),
        student=student,
        tolerance=tolerance,
        charges=charges,
        budgets=(low, high),
        support=support,
        size_in_runs=_size_beyond(law, student) <= ON_THE_EDGE,
        scenarios=found,
        draws=draws,
        warnings=tuple(doubts),
    )


def crossover_map(law: KnownLaw, students: Any, budgets: Any, charges: Charges) -> Floats:
    """Δ (nats/token) of every student size at every budget (FLOPs), shape (students, budgets).

    NaN where the budget cannot pay for the fewest tokens of the law's box, or not for a teacher beside them.
    """
    N, C = np.asarray(students, dtype=float), np.asarray(budgets, dtype=float)
    problems = Problems.of(law, np.repeat(N, len(C)), np.tile(C, len(N)), charges)
    found = _margins(problems).reshape(len(N), len(C))
    return np.where(np.isfinite(found), found, np.nan)


def sizes_around(law: KnownLaw, student: float, count_: int = 41) -> Floats:
    """Student sizes for a map: the law's runs and this student, and a factor of three to either side."""
    low, high = law.support.N_S or (student, student)
    found: Floats = np.geomspace(min(low, student) / 3, max(high, student) * 3, count_)
    return found


def margin_of(law: KnownLaw, student: float, charges: Charges) -> Margin:
    """Δ (nats/token) as a function of budgets (FLOPs); -inf where no teacher can be paid for."""
    return lambda C: _margins(Problems.of(law, student, C, charges))


def _margins(problems: Problems) -> Floats:
    return problems.supervised_loss() - minima(problems, *problems.t_range(), points=_POINTS).y


def _check(student: float, tolerance: float, budgets: Range | None) -> None:
    faults = Faults()
    faults.collect(parameters, student)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        faults.add(f"tolerance: must be zero or more nats/token, not {tolerance!r}")
    if budgets is not None and not (0 < budgets[0] < budgets[1] < math.inf):
        faults.add(f"budgets: FLOPs must be positive and rise, not {budgets!r}")
    faults.raise_if_any()


def _usual(law: KnownLaw, step: float, possible: Range) -> Range:
    """Without a question about so few tokens, the lowest budgets of the box only tell of its edge."""
    if law.support.D_S is None:
        return possible
    return max(possible[0], step * law.support.D_S[0] / _BELOW_THE_RUNS), possible[1]


def _within(law: KnownLaw, student: float, possible: Range, budgets: Range | None) -> Range:
    if budgets is None:
        return possible
    low, high = max(budgets[0], possible[0]), min(budgets[1], possible[1])
    if low >= high:
        raise Infeasible(
            f"no budget from {flops(budgets[0])} to {flops(budgets[1])} FLOPs trains a {count(student)} student on "
            f"{count(law.box_D[0])} to {count(law.box_D[1])} tokens, which this law is searched for; those from "
            f"{flops(possible[0])} to {flops(possible[1])} do"
        )
    return low, high


def _cut(asked: Range | None, kept: Range) -> list[Doubt]:
    if asked is None or asked == kept:
        return []
    return [
        Doubt(
            "range",
            f"of the budgets asked for, those from {_span(kept)} FLOPs are answered: the others train the student on "
            "fewer or more tokens than the law is searched for",
        )
    ]


def _beyond(law: KnownLaw, student: float, budgets: Range, support: Range | None) -> list[Doubt]:
    """One doubt where the student or some of the budgets lie outside the law's runs."""
    size = _size_beyond(law, student)
    if size > ON_THE_EDGE:
        assert law.support.N_S is not None
        low, high = map(count, law.support.N_S)
        return [
            Doubt(
                "support",
                f"a {count(student)} student lies outside the runs that law {law.id!r} was fitted to, {low} to {high}, "
                f"by {size:.3g}x, and so does every budget",
            )
        ]
    if support is None or (support[0] <= budgets[0] * ON_THE_EDGE and budgets[1] <= support[1] * ON_THE_EDGE):
        return []
    assert law.support.D_S is not None
    tokens = " to ".join(map(count, law.support.D_S))
    told = f"law {law.id!r} rests on runs only from {_span(support)} FLOPs ({tokens} tokens)"
    inside = max(support[0], budgets[0]), min(support[1], budgets[1])
    if inside[0] >= inside[1]:
        return [Doubt("support", f"{told}, which is none of these budgets")]
    return [Doubt("support", f"{told}; --budget {flops(inside[0])}:{flops(inside[1])} keeps to them")]


def _size_beyond(law: KnownLaw, student: float) -> float:
    """How far outside the law's runs the student's size lies, as a factor."""
    return law.support.factors(N_S=student).get("N_S", 1.0)


def _error(law: KnownLaw, student: float, tokens: float, tolerance: float, draws: int) -> list[Doubt]:
    """That the law itself errs by more than the tolerance; with draws the shares say how sure it is."""
    smallest = float(f"{law.relative_error * float(law.supervised.loss(student, tokens)):.2g}")
    if draws or tolerance >= smallest:
        return []
    return [
        Doubt(
            "law-error",
            f"law {law.id!r} errs by {law.error_source}, here {smallest:g} nats or more: what wins by less is not "
            f"settled; --tolerance {smallest:g} counts it for neither",
        )
    ]


def _opinion(
    law: KnownLaw,
    found: Mapping[str, tuple[Stretch, ...]],
    student: float,
    tolerance: float,
    step: float,
    charges: Charges,
) -> list[Doubt]:
    """What the law's second opinion says otherwise, where the student gets fewer tokens than that is for."""
    second = law.second_opinion
    stretches = next(iter(found.values()))
    low, high = stretches[0].low, stretches[-1].high
    if second is None or low >= step * second.below_D_S:
        return []
    part = low, min(high, step * second.below_D_S)
    other = crossover(PUBLISHED[second.law_id], student=student, tolerance=tolerance, budgets=part, charges=charges)
    from planner.crossover.report import sentence

    own = {name: sentence(name, _clipped(stretches, part[1])) for name, stretches in found.items()}
    theirs = {name: sentence(name, stretches) for name, stretches in other.scenarios.items()}
    otherwise = [words for name, words in theirs.items() if words != own[name]]
    return [
        Doubt(
            "second-opinion",
            f"below {flops(part[1])} FLOPs the student gets fewer than {count(part[1] / step)} tokens, and "
            f"{second.why}; law {second.law_id!r} says "
            + (f"otherwise there: {' '.join(otherwise)}" if otherwise else "the same there"),
        )
    ]


def _clipped(stretches: tuple[Stretch, ...], high: float) -> list[Stretch]:
    """The stretches below a budget, the last of them cut there."""
    below = [each for each in stretches if each.low < high]
    last = below[-1]
    share = min(1.0, high / last.high)
    return [*below[:-1], replace(last, high=last.high * share, tokens=(last.tokens[0], last.tokens[1] * share))]


def _no_shares(name: str, piece: Piece) -> None:
    return None


def _span(ends: Range) -> str:
    return f"{flops(ends[0])} to {flops(ends[1])}"
