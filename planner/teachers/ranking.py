"""Which of several teachers: each one's student at a budget, who ties with the best, and what each teacher lacks."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from fitting import intervals
from fitting.errors import InputError
from fitting.known import KnownLaw
from fitting.published import PUBLISHED
from planner.allocation import ideal_loss, near_optimal_loss, optimum
from planner.decision import level_of, relative_error, supervised_plan
from planner.near import NEAR_OPTIMAL_NATS
from planner.plans import Plan, verdict_of
from planner.problems import Problems
from planner.scenarios import Budget, Charges
from planner.search import Floats
from planner.teachers import candidates as candidates_
from planner.teachers import doubts
from planner.teachers.candidates import Candidate
from planner.teachers.rankings import Gap, Ideal, Outcome, RankedTeacher, Ranking
from planner.teachers.words import words_of

__all__ = ["RankedTeacher", "Ranking", "gap_curve", "rank_teachers"]


def rank_teachers(
    law: KnownLaw,
    budget: Budget,
    *,
    student: float,
    candidates: Iterable[Candidate],
    interval: float | None = None,
) -> Ranking:
    """Rank teachers by the loss of a student of `student` parameters that each would teach with this budget.

    Each student is that of `planner.decision.plan` with this teacher. Without joint draws a candidate ties with the
    best when it is behind by no more than the law's error; with them, when the interval of the difference holds 0. The
    order of the candidates changes nothing: equal losses go by name.

    Raises `Infeasible` when the budget buys too little even without a teacher, and `InputError` for no candidates,
    candidates that cannot be compared, a law without distillation and an interval of a law without draws.
    """
    # sorted before anything is computed, so that not even rounding can depend on the order
    found = sorted(candidates, key=lambda candidate: candidate.name)
    if budget.pay_pretraining:
        raise InputError("candidates: teachers that exist are not trained again: pay_pretraining must be 0")
    candidates_.check(found, law, budget.pay_logits)
    law.require_distillation()
    student = float(student)
    level = level_of(law, interval)
    alone = supervised_plan(law, budget.flops, student=student, interval=interval)
    problems = Problems.of(law, student, budget.flops, Charges(budget.pay_logits, 0.0))
    rows = _rows(law, problems, found, alone)
    rows.sort(key=lambda row: (row.student is None, row.student.loss if row.student else row.loss, row.name))
    ranking = Ranking(
        law=law.describe(),
        pay_logits=budget.pay_logits,
        budget=budget.flops,
        student_N=student,
        supervised=Outcome(alone.supervised.D, alone.supervised.loss, alone.supervised.interval),
        ideal=_ideal(problems),
        rows=tuple(rows),
        verdict="supervise",
        margin_scale=0.0,
        margin_basis="published-error" if level is None else "interval",
        level=level,
        corpus=law.corpus,
        tokenizer=law.tokenizer,
        warnings=(),
    )
    if ranking.best is not None:
        ranking = _held_against_error(law, ranking) if level is None else _held_against_draws(law, ranking, level)
    ranking = replace(ranking, rows=_in_words(law, ranking))

    def opinion() -> Ranking:
        assert law.second_opinion is not None
        return rank_teachers(PUBLISHED[law.second_opinion.law_id], budget, student=student, candidates=found)

    return replace(ranking, warnings=tuple(doubts.of_ranking(law, ranking, alone, opinion)))


def gap_curve(law: KnownLaw, student_N: float, D_S: float, L_T: Floats) -> Floats:
    """The student's cross-entropy on D_S tokens against its teacher's (nats/token): the capacity gap as a curve."""
    found: Floats = law.require_distillation().loss(student_N, D_S, np.asarray(L_T, dtype=float))
    return found


def _rows(law: KnownLaw, problems: Problems, found: Sequence[Candidate], alone: Plan) -> list[RankedTeacher]:
    """The candidates with their students, not ranked yet."""
    prices = [_price(law, candidate) for candidate in found]
    L_T = np.array([candidate.loss for candidate in found])
    D_S, loss = problems.at_price(L_T, np.array([price or 0.0 for price in prices]))
    rows = []
    for i, (candidate, price) in enumerate(zip(found, prices, strict=True)):
        N, D = alone.student.N, float(D_S[0, i])
        paid = bool(np.isfinite(loss[0, i]))
        factors = law.support.factors(N_S=N, D_S=D if paid else None, L_T=candidate.loss, N_T=candidate.N)
        rows.append(
            RankedTeacher(
                rank=None,
                tied_with_best=False,
                name=candidate.name,
                N=candidate.N,
                loss=candidate.loss,
                price=price,
                student=Outcome(D, float(loss[0, i])) if paid else None,
                margin=alone.supervised.loss - float(loss[0, i]) if paid else None,
                behind_best=None,
                behind_best_interval=None,
                gap=None,
                usable=None,
                words="",
                support=factors,
                warnings=tuple(doubts.of_candidate(law, candidate, factors)),
            )
        )
    return _with_gaps(law, problems, rows)


def _price(law: KnownLaw, candidate: Candidate) -> float | None:
    if candidate.price is not None:
        return candidate.price
    return None if candidate.N is None else float(law.convention.forward(candidate.N))


def _with_gaps(law: KnownLaw, problems: Problems, rows: list[RankedTeacher]) -> list[RankedTeacher]:
    """Where each teacher lies against those that would serve its student best on the same tokens."""
    D_S = np.array([row.student.D for row in rows if row.student is not None])
    if not len(D_S):
        return rows
    copies = problems.take(np.zeros(len(D_S), dtype=np.intp))
    best, low, high = ideal_loss(copies, D_S, NEAR_OPTIMAL_NATS)
    least = copies.student_loss(D_S[:, None], best[:, None])[:, 0]
    placed = iter(zip(best, low, high, least, strict=True))
    return [row if row.student is None else _with_gap(row, row.student, *next(placed)) for row in rows]


def _with_gap(
    row: RankedTeacher, student: Outcome, best: float, low: float, high: float, least: float
) -> RankedTeacher:
    within = student.loss <= least + NEAR_OPTIMAL_NATS
    gap: Gap = "within" if within else "below" if row.loss < best else "above"
    return replace(row, gap=gap, usable=(float(low), float(high)))


def _ideal(problems: Problems) -> Ideal | None:
    found = optimum(problems)[0]
    if not np.isfinite(found.loss[0]):
        return None
    low, high = near_optimal_loss(problems, found, NEAR_OPTIMAL_NATS)
    return Ideal(float(found.L_T[0]), float(low[0]), float(high[0]), NEAR_OPTIMAL_NATS)


def _held_against_error(law: KnownLaw, ranking: Ranking) -> Ranking:
    """Ties and verdict of a law without joint draws: by its relative error, as a plan's verdict."""
    best = ranking.best
    assert best is not None
    scale = _scale(law, best)
    rows = []
    for row in ranking.rows:
        if row.student is not None:
            late = _behind(row, best)
            # of two predictions the less certain one counts
            row = replace(row, behind_best=late, tied_with_best=late <= max(scale, _scale(law, row)))
        rows.append(row)
    assert best.margin is not None
    return replace(ranking, rows=_ranked(rows), verdict=verdict_of(best.margin, scale), margin_scale=scale)


def _scale(law: KnownLaw, row: RankedTeacher) -> float:
    assert row.student is not None
    return relative_error(law, dict(row.support)) * row.student.loss


def _behind(row: RankedTeacher, best: RankedTeacher) -> float:
    assert row.student is not None
    assert best.student is not None
    return row.student.loss - best.student.loss


def _held_against_draws(law: KnownLaw, ranking: Ranking, level: float) -> Ranking:
    """Ties and verdict of a law with joint draws, and the interval of every student."""
    from planner import certainty
    from planner.teachers import ties

    half = intervals.quantile(level, law.fitted)
    N = ranking.student_N

    def taught(row: RankedTeacher) -> ties.Taught:
        assert row.student is not None
        found = certainty.taught(law, N, row.student.D, row.loss)
        return ties.Taught(N, row.student.D, row.loss, found._replace(loss=row.student.loss))

    assert ranking.best is not None
    best = taught(ranking.best)
    rows = []
    for row in ranking.rows:
        if row.student is not None:
            one = taught(row)
            ends = ties.behind(law, one, best, half)
            row = replace(
                row,
                student=replace(row.student, interval=one.prediction.interval(half)),
                behind_best=_behind(row, ranking.best),
                behind_best_interval=ends,
                tied_with_best=ends[0] <= 0 <= ends[1],
            )
        rows.append(row)
    margin = certainty.margin_between(best.prediction, certainty.directly(law, N, ranking.supervised.D), half)
    assert ranking.best.margin is not None
    scale = certainty.scale_of(ranking.best.margin, margin)
    return replace(ranking, rows=_ranked(rows), verdict=verdict_of(ranking.best.margin, scale), margin_scale=scale)


def _ranked(rows: Sequence[RankedTeacher]) -> tuple[RankedTeacher, ...]:
    """The rows, by rising loss already, with their ranks: 1 for ties with the best, else after all that are better."""
    losses = [row.student.loss for row in rows if row.student is not None]
    return tuple(
        row
        if row.student is None
        else replace(row, rank=1 if row.tied_with_best else 1 + bisect_left(losses, row.student.loss))
        for row in rows
    )


def _in_words(law: KnownLaw, ranking: Ranking) -> tuple[RankedTeacher, ...]:
    """The rows with what is to be said of each beside the best: its price and its loss tell apart on equal tokens."""
    best = ranking.best
    if best is None:
        return tuple(replace(row, words=words_of(row, None, None)) for row in ranking.rows)
    assert best.student is not None
    on_same_tokens = gap_curve(law, ranking.student_N, best.student.D, np.array([row.loss for row in ranking.rows]))
    return tuple(
        replace(row, words=words_of(row, best, float(alike)))
        for row, alike in zip(ranking.rows, on_same_tokens, strict=True)
    )
