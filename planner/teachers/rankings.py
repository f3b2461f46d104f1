"""A ranking of teachers: what each would make of a student, and how sure the law is of their order. Nouns only."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from fitting.fit import Doubt
from fitting.known import ON_THE_EDGE, Range
from planner.plans import Verdict

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "distillaw/ranking/1"

Gap = Literal["below", "within", "above"]


@dataclass(frozen=True)
class Outcome:
    """A student after D tokens: its cross-entropy (nats/token) and, from a law with joint draws, the interval."""

    D: float
    loss: float
    interval: Range | None = None


@dataclass(frozen=True)
class Ideal:
    """The teacher's cross-entropy that would serve the student best, and the ends between which it loses `nats`."""

    loss: float
    low: float
    high: float
    nats: float


@dataclass(frozen=True)
class RankedTeacher:
    """One candidate: its student at the budget, and what the candidate lacks.

    `price` is what a token of its forward passes costs (FLOPs): its own or the ledger's F(N), None where neither is
    known. `student` is None, as are all that follow from it, where its forward passes leave too few tokens.
    `margin` is what distilling from it gains over training directly, `behind_best` what its student loses to the best
    one's, with the interval of that difference from a law with joint draws; nats/token. `usable` holds the
    cross-entropies of a teacher that serve this student best on the same tokens, within 0.001 nats, and `gap` says
    where this teacher's lies: below them is the capacity gap.
    """

    rank: int | None
    tied_with_best: bool
    name: str
    N: float | None
    loss: float
    price: float | None
    student: Outcome | None
    margin: float | None
    behind_best: float | None
    behind_best_interval: Range | None
    gap: Gap | None
    usable: Range | None
    words: str
    support: Mapping[str, float]
    warnings: tuple[Doubt, ...]


@dataclass(frozen=True)
class Ranking:
    """Teachers by the loss of their student, best first (schema distillaw/ranking/1).

    Candidates that the law cannot tell from the best share rank 1. The verdict is that of the best one against
    `supervised`, held against `margin_scale` as a plan's is. `ideal` is the teacher that the scenario would choose,
    None where the budget cannot pay for any in the law's box.
    """

    law: Mapping[str, Any]
    pay_logits: float
    budget: float
    student_N: float
    supervised: Outcome
    ideal: Ideal | None
    rows: tuple[RankedTeacher, ...]
    verdict: Verdict
    margin_scale: float
    margin_basis: Literal["interval", "published-error"]
    level: float | None
    corpus: str | None
    tokenizer: str | None
    warnings: tuple[Doubt, ...]

    @property
    def best(self) -> RankedTeacher | None:
        """The first, unless no candidate's forward passes can be paid for."""
        return self.rows[0] if self.rows[0].student is not None else None

    @property
    def ties(self) -> tuple[RankedTeacher, ...]:
        """The others that the law cannot tell from the best."""
        return tuple(row for row in self.rows[1:] if row.tied_with_best)

    @property
    def outside(self) -> dict[str, float]:
        """The quantities outside the law's runs, and by which factor at most."""
        return {name: factor for name, (factor, _) in farthest(self.rows).items()}

    def to_json(self) -> dict[str, Any]:
        """The ranking as one JSON object with raw SI numbers."""
        data = asdict(self)
        return {
            "schema": SCHEMA,
            "law": dict(self.law),
            "deltas": {"logits": self.pay_logits, "pretraining": 0.0},
            "budget": self.budget,
            "student": {"N": self.student_N},
            **{key: data[key] for key in ("supervised", "ideal", "rows", "verdict", "margin_scale", "margin_basis")},
            **{key: data[key] for key in ("level", "corpus", "tokenizer", "warnings")},
        }

    def to_frame(self) -> "pd.DataFrame":
        """A pandas frame of one row per candidate, best first; losses in nats/token, price in FLOPs per token."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.rows])

    def _repr_html_(self) -> str:
        """The ranking as the command prints it, for a notebook."""
        from planner.teachers import report

        return report.html(self)


def farthest(rows: Iterable[RankedTeacher]) -> dict[str, tuple[float, str]]:
    """What lies outside the law's runs: by which factor at most, and for which teacher."""
    found: dict[str, tuple[float, str]] = {}
    for row in rows:
        for name, factor in row.support.items():
            if factor > max(ON_THE_EDGE, found.get(name, (1.0, ""))[0]):
                found[name] = (factor, row.name)
    return found


def _flat(row: RankedTeacher) -> dict[str, Any]:
    low, high = (row.student and row.student.interval) or (None, None)
    behind_low, behind_high = row.behind_best_interval or (None, None)
    return {
        "rank": row.rank,
        "tied_with_best": row.tied_with_best,
        "name": row.name,
        "N": row.N,
        "loss": row.loss,
        "price": row.price,
        "student_D": row.student.D if row.student else None,
        "student_loss": row.student.loss if row.student else None,
        "student_loss_low": low,
        "student_loss_high": high,
        "margin": row.margin,
        "behind_best": row.behind_best,
        "behind_best_low": behind_low,
        "behind_best_high": behind_high,
        "gap": row.gap,
        "words": row.words,
        "farthest_outside": max(row.support.values(), default=1.0),
    }
