"""Is every plan the best there is? The planner against brute force, over the paper's plane of students and budgets.

Eight students x budgets from 1e20 to 1e26 by half decades x the four scenarios and one with fractional shares, under
both sets of coefficients. The brute force is that of `tests/golden/make_plans.py`, which shares no code with the
planner; the FLOPs of each plan and the cross-entropy of its student are counted again with its formulas. A row of the
table is a law and a scenario:

    above       how far our loss is above the brute force's, at worst (relative), and where
    below       how far it is below, at worst: above 1e-9 the brute force is not one
    recomputed  how far a plan's loss is from the law at its own tokens and teacher, at worst (relative)
    spent       how far the FLOPs of a plan are from the budget, at worst (relative), and where; `boxed` plans, whose
                student has all the tokens of the search box, are left out

Exits 1 if a loss is above by more than 1e-6, below or recomputed otherwise by more than 1e-9, or a budget is not spent
to 1e-9. Our times are of whole plans, with their near-optimal ranges and second opinions; theirs of the optimum alone.

    python benchmarks/certify_plans.py
"""

import importlib.util
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fitting.published import PUBLISHED
from fitting.units import count, flops
from planner.decision import Plan, plan
from planner.scenarios import Budget

STUDENTS = [3e8, 5e8, 1e9, 3e9, 5e9, 1e10, 3e10, 5e10]
BUDGETS = [10 ** (20 + half / 2) for half in range(13)]
FRACTIONAL = (0.3, 0.7)
ABOVE, EXACT = 1e-6, 1e-9


def brute_force() -> ModuleType:
    """The maker of the golden plans."""
    path = Path(__file__).resolve().parents[1] / "tests" / "golden" / "make_plans.py"
    spec = importlib.util.spec_from_file_location("make_plans", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Checked:
    """One plan beside the brute force: relative differences, whether the box binds, and seconds of each."""

    where: str
    loss: float
    recomputed: float
    spent: float
    boxed: bool
    ours: float
    theirs: float


def check(brute: ModuleType, law: str, N_S: float, C: float, shares: tuple[float, float]) -> Checked:
    began = time.perf_counter()
    found = plan(PUBLISHED[law], Budget(C, *shares), student=N_S)
    between = time.perf_counter()
    problem = brute.Problem(law, N_S, C, *shares)
    best = brute.solve(problem)
    ended = time.perf_counter()
    return Checked(
        f"{count(N_S)} {flops(C)}",
        found.student.loss / best.loss - 1,
        recomputed(brute, problem, found),
        abs(brute.spent(problem, found.student.D, found.teacher.N, found.teacher.D) / C - 1),
        found.student.D >= brute.BOX[1],
        between - began,
        ended - between,
    )


def recomputed(brute: ModuleType, problem: object, found: Plan) -> float:
    """How far the plan's losses are from the law's at what the plan says to do; open tokens are the box's end."""
    tokens = brute.BOX[1] if found.teacher.D is None else found.teacher.D
    L_T = float(brute.supervised_loss(found.teacher.N, tokens))
    loss = float(brute.student_loss(problem.law, problem.N_S, math.log(found.student.D), L_T))  # type: ignore[attr-defined]
    return max(abs(found.student.loss / loss - 1), abs(found.teacher.loss / L_T - 1))


def main() -> int:
    brute = brute_force()
    scenarios = {**brute.SCENARIOS, "shares {:g} and {:g}".format(*FRACTIONAL): FRACTIONAL}
    print(
        f"{'law':22} {'scenario':30} {'plans':>5} {'above':>8} {'at':>12} {'below':>8} {'recomputed':>10} "
        f"{'spent':>8} {'at':>12} {'boxed':>5} {'ours':>8} {'brute':>8}"
    )
    every: list[Checked] = []
    for law in brute.B_PRIME:
        for scenario, shares in scenarios.items():
            rows = [check(brute, law, N_S, C, shares) for N_S in STUDENTS for C in BUDGETS]
            worst = max(rows, key=lambda row: row.loss)
            spent = max((row for row in rows if not row.boxed), key=lambda row: row.spent)
            print(
                f"{law:22} {scenario:30} {len(rows):5} {max(worst.loss, 0.0):8.1e} {worst.where:>12} "
                f"{max(0.0, *(-row.loss for row in rows)):8.1e} {max(row.recomputed for row in rows):10.1e} "
                f"{spent.spent:8.1e} {spent.where:>12} {sum(row.boxed for row in rows):5} "
                f"{sum(row.ours for row in rows):6.2f} s {sum(row.theirs for row in rows):6.2f} s",
                flush=True,
            )
            every += rows
    failed = [
        row
        for row in every
        if row.loss > ABOVE or max(-row.loss, row.recomputed) > EXACT or (row.spent > EXACT and not row.boxed)
    ]
    ours, theirs = sum(row.ours for row in every), sum(row.theirs for row in every)
    print(
        f"{len(every)} plans, {len(failed)} not certified; a plan takes {1e3 * ours / len(every):.1f} ms, "
        f"the brute force {1e3 * theirs / len(every):.0f} ms"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
