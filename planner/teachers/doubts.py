"""What a reader of a ranking should know: extrapolation, losses that may not compare, another law's order."""

from collections.abc import Callable, Iterator, Mapping

from fitting.fit import Doubt
from fitting.known import ON_THE_EDGE, KnownLaw
from fitting.units import count
from planner.plans import Plan
from planner.teachers.candidates import Candidate, outside_knowledge
from planner.teachers.rankings import Ranking, farthest

_SHOWN = 5
"""Teachers named in one sentence."""


def of_candidate(law: KnownLaw, candidate: Candidate, support: Mapping[str, float]) -> Iterator[Doubt]:
    """The doubts about one candidate."""
    outside = ", ".join(f"{name} by {factor:.3g}x" for name, factor in support.items() if factor > ON_THE_EDGE)
    if outside:
        yield Doubt("support", f"outside the runs that law {law.id!r} was fitted to: {outside}")
    if candidate.N is not None and candidate.loss <= (limit := float(law.supervised.limit(candidate.N))):
        yield Doubt(
            "teacher-unreachable",
            f"by law {law.id!r} a {count(candidate.N)} model stays above {limit:.3f} nats/token however long it "
            f"trains, and this one has {candidate.loss:.3f}: was its loss measured on the law's data and tokenizer? "
            "(docs/faq.md#other-tokenizer)",
        )
    for what in outside_knowledge(candidate, law):
        yield Doubt(
            f"{what}-unknown",
            f"law {law.id!r} does not say its {what}, so nothing tells whether a loss on {getattr(candidate, what)!r} "
            "compares (docs/faq.md#other-tokenizer)",
        )


def of_ranking(law: KnownLaw, ranking: Ranking, alone: Plan, opinion: Callable[[], Ranking]) -> Iterator[Doubt]:
    """The doubts about all candidates together; `opinion` makes another law's ranking of them."""
    outside = farthest(ranking.rows)
    if outside:
        listed = ", ".join(_outside(name, factor, teacher) for name, (factor, teacher) in outside.items())
        yield Doubt("support", f"outside the runs that law {law.id!r} was fitted to: {listed}")
    # training directly gets the most tokens, so what bounds the students bounds it first
    yield from (doubt for doubt in alone.warnings if doubt.code in ("bound-hit", "unspent"))
    second = law.second_opinion
    if second is not None and any(row.student and row.student.D < second.below_D_S for row in ranking.rows):
        yield Doubt(
            "second-opinion",
            f"the student gets fewer than {count(second.below_D_S)} tokens, and {second.why}; law {second.law_id!r} "
            f"says: {_brief(opinion())}",
        )


def _outside(name: str, factor: float, teacher: str) -> str:
    whose = f" ({teacher})" if name in ("L_T", "N_T") else ""
    return f"{name} by up to {factor:.3g}x{whose}"


def _brief(other: Ranking) -> str:
    able = [row for row in other.rows if row.student is not None]
    listed = ", ".join(f"{row.name} {row.student.loss:.3f}" for row in able[:_SHOWN] if row.student)
    more = f" and {len(able) - _SHOWN} more" if len(able) > _SHOWN else ""
    return f"student with {listed}{more}, supervised {other.supervised.loss:.3f} nats/token ({other.verdict})"
