"""All scenarios side by side, for one budget or a range of them: a plan each, and training directly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fitting.errors import Faults, Infeasible
from fitting.fit import Doubt
from fitting.known import KnownLaw
from fitting.units import count
from planner.decision import plans, supervised_plan
from planner.plans import Plan, Target, frame
from planner.scenarios import SUPERVISED, Budget, Charges, Limits, scenarios
from planner.target import Unreachable, check_target, least_budget, supervised_budget

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "distillaw/comparison/1"


@dataclass(frozen=True)
class Missing:
    """A scenario that a budget (FLOPs; None where a target was given) has no plan in, and why."""

    scenario: str
    budget: float | None
    why: str


@dataclass(frozen=True)
class Comparison:
    """Plans by budget and scenario, supervised training first (schema distillaw/comparison/1)."""

    student: float
    rows: tuple[Plan, ...]
    missing: tuple[Missing, ...]

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios compared, in order."""
        return tuple(dict.fromkeys(row.scenario for row in self.rows))

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets compared (FLOPs), rising."""
        return tuple(sorted({row.budget for row in self.rows}))

    @property
    def outside(self) -> dict[str, float]:
        """The quantities outside the law's runs in any row, and by how much at most."""
        found: dict[str, float] = {}
        for row in self.rows:
            for name, factor in row.outside.items():
                found[name] = max(factor, found.get(name, 1.0))
        return found

    @property
    def warnings(self) -> tuple[Doubt, ...]:
        """What is to be known of the rows together; each row has its own doubts too."""
        found = []
        if self.outside:
            listed = ", ".join(f"{name} by up to {factor:.3g}x" for name, factor in self.outside.items())
            found.append(Doubt("support", f"outside the runs that law {self.rows[0].law['id']!r} has: {listed}"))
        for code, words in _SUMMARIES.items():
            where = [row for row in self.rows if any(doubt.code == code for doubt in row.warnings)]
            if where:
                found.append(Doubt(code, f"{words} ({_told(where)}); plan it alone to see more"))
        return tuple(found)

    def of(self, scenario: str) -> Iterator[Plan]:
        """The rows of one scenario, by rising budget."""
        return (row for row in self.rows if row.scenario == scenario)

    def to_json(self) -> dict[str, Any]:
        """One JSON object; each row is a plan object."""
        return {
            "schema": SCHEMA,
            "student": self.student,
            "rows": [row.to_json() for row in self.rows],
            "infeasible": [vars(missing) for missing in self.missing],
            "warnings": [vars(doubt) for doubt in self.warnings],
        }

    def to_frame(self) -> "pd.DataFrame":
        """A pandas frame of one row per plan."""
        return frame(self.rows)

    def _repr_html_(self) -> str:
        """The table as the command prints it, for a notebook."""
        from planner import comparison_report

        return comparison_report.html(self)


_SUMMARIES = {
    "second-opinion": "the law's authors' own figures contradict it for so few tokens of the student",
    "bound-hit": "the best plan sits on the edge of the search",
    "runner-up": "another teacher does nearly as well",
}


def compare(
    law: KnownLaw,
    budgets: float | Sequence[float],
    *,
    student: float,
    charges: Charges | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
) -> Comparison:
    """Supervised training and the four scenarios for one or several budgets (FLOPs).

    `charges` are the shares that a scenario pays of what it pays for, all of it by default. The regret of a plan is
    given where one budget is compared, its sensitivity never: `planner.decision.plan` has it. Raises `Infeasible` when
    no budget buys anything, otherwise as `plan`.
    """
    law.require_distillation()
    every = _checked(budgets)
    rows: list[Plan] = []
    missing = []
    for C in every:
        try:
            rows.append(supervised_plan(law, C, student=student, interval=interval))
        except Infeasible as error:
            missing.append(Missing(SUPERVISED, C, str(error)))
    for name, charged in scenarios(charges).items():
        found = plans(law, every, charged, student=student, limits=limits, interval=interval, regret=len(every) == 1)
        for C, row in zip(every, found, strict=True):
            if isinstance(row, Infeasible):
                missing.append(Missing(name, C, str(row)))
            else:
                rows.append(row)
    if not rows:
        raise Infeasible(missing[0].why)
    names = [SUPERVISED, *scenarios()]
    rows.sort(key=lambda row: (row.budget, names.index(row.scenario)))
    return Comparison(float(student), tuple(rows), tuple(missing))


def compare_for(
    law: KnownLaw,
    target: float,
    *,
    student: float,
    charges: Charges | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
) -> Comparison:
    """The least compute that brings the student to `target` nats/token, trained directly and in each scenario.

    Raises `Infeasible` when no scenario reaches it.
    """
    law.require_distillation()
    check_target(law, target)
    rows, missing, floors = [], [], {}
    budget, floor = supervised_budget(law, target, student)
    reached = Target(float(target), budget, floor)
    if budget is None:
        floors[SUPERVISED] = floor
        missing.append(
            Missing(SUPERVISED, None, f"trained directly a student of this size stays above {floor:.4f} nats/token")
        )
    else:
        rows.append(supervised_plan(law, budget, student=student, interval=interval))
    for name, charged in scenarios(charges).items():
        try:
            C = least_budget(law, target, charged, student=student, limits=limits)
        except Unreachable as error:
            floors[name] = error.floor
            missing.append(Missing(name, None, str(error)))
            continue
        (row,) = plans(law, [C], charged, student=student, limits=limits, interval=interval)
        assert isinstance(row, Plan)  # the budget was found by planning with it
        rows.append(row)
    if not rows:
        told = ", ".join(f"{name} {least:.4f}" for name, least in floors.items())
        raise Infeasible(
            f"no budget brings a {count(student)} student to {target:g} nats/token; its floors by law {law.id!r} are "
            f"{told}; raise --target-loss or choose a larger --student"
        )
    return Comparison(float(student), tuple(replace(row, target=reached) for row in rows), tuple(missing))


def _checked(budgets: float | Sequence[float]) -> list[float]:
    faults = Faults()
    found = list(np.atleast_1d(np.asarray(budgets, dtype=object)))
    if not found:
        faults.add("budgets: there are none")
    checked = [faults.collect(Budget, C) for C in found]
    every = [budget.flops for budget in checked if budget is not None]
    if len(set(every)) < len(every):
        faults.add("budgets: each may be given once")
    faults.raise_if_any()
    return every


def _told(rows: list[Plan]) -> str:
    scenarios_ = dict.fromkeys(row.scenario for row in rows)
    return ", ".join(scenarios_)
