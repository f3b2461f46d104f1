"""Which side wins at which budget, by scenario: the nouns of a crossover."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from fitting.fit import Doubt
from fitting.flops import Convention
from fitting.known import Range
from planner.scenarios import Charges

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "distillaw/crossover/1"

Winner = Literal["distil", "supervise", "neither"]


@dataclass(frozen=True)
class Shares:
    """The shares of a law's joint draws under which each side wins, averaged over the log of the budget."""

    distil: float
    supervise: float
    neither: float


@dataclass(frozen=True)
class Stretch:
    """Budgets from `low` to `high` FLOPs with one winner throughout; `tokens` are the supervised student's there.

    `draws` is None for a law without joint draws.
    """

    low: float
    high: float
    tokens: Range
    winner: Winner
    draws: Shares | None


@dataclass(frozen=True)
class Crossover:
    """Which side wins at which budget, by scenario (schema distillaw/crossover/1).

    In every scenario the stretches partition `budgets` (FLOPs), and neighbours have different winners. `support` are
    the budgets whose supervised tokens lie in the law's runs, None where the law does not say, and `size_in_runs` says
    whether the student's size does. `draws` is the number of joint draws, 0 without.
    """

    law: Mapping[str, Any]
    student: float
    tolerance: float
    charges: Charges
    budgets: Range
    support: Range | None
    size_in_runs: bool
    scenarios: Mapping[str, tuple[Stretch, ...]]
    draws: int
    warnings: tuple[Doubt, ...]

    @property
    def convention(self) -> Convention:
        """How parameters and FLOPs are counted."""
        return Convention.from_dict(dict(self.law["convention"]), "crossover")

    def to_json(self) -> dict[str, Any]:
        """One JSON object with raw SI numbers."""
        return {
            "schema": SCHEMA,
            "law": dict(self.law),
            "student": self.student,
            "tolerance": self.tolerance,
            "deltas": {"logits": self.charges.logits, "pretraining": self.charges.pretraining},
            "range": _ends(self.budgets),
            "support": None if self.support is None else _ends(self.support),
            "scenarios": {
                name: [
                    {
                        "from": each.low,
                        "to": each.high,
                        "tokens_from": each.tokens[0],
                        "tokens_to": each.tokens[1],
                        "winner": each.winner,
                        "draws": None if each.draws is None else asdict(each.draws),
                    }
                    for each in stretches
                ]
                for name, stretches in self.scenarios.items()
            },
            "warnings": [asdict(doubt) for doubt in self.warnings],
        }

    def to_frame(self) -> "pd.DataFrame":
        """A pandas frame, a row a stretch: scenario, from and to in FLOPs and tokens, winner, shares of the draws."""
        import pandas as pd

        rows = []
        for name, stretches in self.to_json()["scenarios"].items():
            for each in stretches:
                shares = each.pop("draws") or dict.fromkeys(("distil", "supervise", "neither"), math.nan)
                rows.append({"scenario": name, **each, **{f"draws_{side}": x for side, x in shares.items()}})
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        """The answer as the command prints it, for a notebook."""
        from planner.crossover import report

        return report.html(self)


def _ends(ends: Range) -> dict[str, float]:
    return {"from": ends[0], "to": ends[1]}
