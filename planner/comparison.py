"""All scenarios side by side, for one budget or a range of them: a plan each, and training directly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fitting.errors import Faults, Infeasible
from fitting.fit import Doubt
from fitting.known import KnownLaw
from fitting.units import count
from planner.decision import plans, supervised_plan
from planner.plans import Plan, Target, frame
from planner.scenarios import SUPERVISED, Budget, Charges, Limits, scenarios
from planner.target import Unreachable, check_target, plan_for, supervised_budget

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
    budgets: Sequence[float],
    *,
    student: float,
    charges: Charges | None = None,
    limits: Limits | None = None,
    interval: float | None = None,
) -> Comparison:
    """Supervised training and the four scenarios for each of the budgets (FLOPs).

    `charges` are the shares that a scenario pays of what it pays for, all of it by default. The regret of a plan is
    given where one budget is compared. Raises `Infeasible` when no budget buys anything, otherwise as
    `planner.decision.plan`.
    """
    _check(budgets)
    rows, missing = [], []
    for C in budgets:
        try:
            rows.append(supervised_plan(law, C, student=student, interval=interval))
        except Infeasible as error:
            missing.append(Missing(SUPERVISED, C, str(error)))
    for name, charged in scenarios(charges).items():
        found = plans(
            law, budgets, charged, student=student, limits=limits, interval=interval, regret=len(budgets) == 1
        )
        for C, row in zip(budgets, found, strict=True):
            if isinstance(row, Infeasible):
                missing.append(Missing(name, C, str(row)))
            else:
                rows.append(row)
    return _ordered(student, rows, missing)


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
    check_target(law, target)
    rows, missing, floors = [], [], {}
    budget, floor = supervised_budget(law, target, student)
    if budget is None:
        floors[SUPERVISED] = floor
        missing.append(
            Missing(SUPERVISED, None, f"trained directly a student of this size stays above {floor:.4f} nats/token")
        )
    else:
        alone = supervised_plan(law, budget, student=student, interval=interval)
        rows.append(replace(alone, target=Target(target, budget, floor)))
    for name, charged in scenarios(charges).items():
        try:
            rows.append(plan_for(law, target, charged, student=student, limits=limits, interval=interval))
        except Unreachable as error:
            floors[name] = error.floor
            missing.append(Missing(name, None, str(error)))
    if not rows:
        told = ", ".join(f"{name} {least:.4f}" for name, least in floors.items())
        raise Infeasible(
            f"no budget brings a {count(student)} student to {target:g} nats/token; its floors by law {law.id!r} are "
            f"{told}; raise --target-loss or choose a larger --student"
        )
    return Comparison(student, tuple(rows), tuple(missing))


def _ordered(student: float, rows: list[Plan], missing: list[Missing]) -> Comparison:
    if not rows:
        raise Infeasible(missing[0].why)
    names = [SUPERVISED, *scenarios()]
    rows.sort(key=lambda row: (row.budget, names.index(row.scenario)))
    return Comparison(student, tuple(rows), tuple(missing))


def _check(budgets: Sequence[float]) -> None:
    faults = Faults()
    if not len(budgets):
        faults.add("budgets: there are none")
    for C in budgets:
        faults.collect(Budget, float(C))
    if len(set(budgets)) < len(budgets):
        faults.add("budgets: each may be given once")
    faults.raise_if_any()


def _told(rows: list[Plan]) -> str:
    scenarios_ = dict.fromkeys(row.scenario for row in rows)
    return ", ".join(scenarios_)
