"""What arXiv 2502.08606 says of its own figures, each statement with the measure that holds it against a law.

Where the paper has words only, the range that counts as meeting them is our reading of them, and shown as such.
"""

from collections.abc import Callable
from functools import partial

from fitting.units import count, flops
from paper_figs.claim import Claim
from paper_figs.measures import (
    BOTH,
    INFERENCE,
    LOGITS,
    PRETRAINING,
    STUDENT,
    TEACHER,
    best_teacher_exponent,
    compute_ratio,
    crossover,
    faster_student,
    gain_at_the_end,
    gain_with_training,
    map_maximum,
    overtraining,
    plane_maximum,
    share,
    share_change,
    teacher_beside_peak,
    teacher_excess,
    teacher_peak,
    teacher_plateau,
    teacher_ratio_exponent,
    teacher_tokens,
    token_ratio,
    tokens_beside_supervised,
    uneven,
    unlimited_gap,
)
from paper_figs.optima import PAPER_BUDGETS
from planner.crossover.crossing import TOLERANCE as NATS

FIG08_STUDENTS = (300e6, 1e9, 3e9, 10e9)
LABELS = 0.1
"""Nats/token: two steps between labels of the paper's contours, which were assigned to panels by hand."""

EVEN, MOST = 15.0, 5.0
"""Points of the budget by which shares that the paper calls even may differ, and most of it may miss half of it."""

OTHER_SCENARIO = (
    "the paper names the scenario pretraining + inference, but its number is far from what either law gives there, and "
    "may belong to another scenario"
)


def _nats(value: float) -> str:
    return f"{value:.3f}"


def _gain(value: float) -> str:
    return f"{value:+.4f}"


def _number(value: float) -> str:
    return f"{value:.2f}"


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _small_percent(value: float) -> str:
    return f"{value:.1f} %"


def _apart(value: float) -> str:
    return f"{value:.0f} points"


def _ratio(value: float) -> str:
    return f"{value:.2g}"


def _points(value: float) -> str:
    return f"{value:+.0f} points" if value else "no change"


_UP, _DOWN = (0.0, float("inf")), (float("-inf"), 0.0)


def _never_better() -> list[Claim]:
    ends, never = flops(PAPER_BUDGETS[1]), "with enough compute distilling is never better than training directly"
    gains = f"largest gain of the best case at {ends} FLOPs (nats/token), students of "
    every = "both scenarios that pay for the teacher's training are worse than training directly at every budget"
    claims = [
        Claim(("fig08", "fig17"), never, "no gain", "Figs 8 and 17", gains + "300M to 10B",
              partial(gain_at_the_end, students=FIG08_STUDENTS), _gain, _DOWN, NATS),
        Claim(("fig17",), never, "no gain", "Fig 17", gains + "30B and 50B, beyond the runs of the law",
              partial(gain_at_the_end, students=(30e9, 50e9)), _gain, _DOWN, NATS),
        Claim(("fig08", "fig17"), every, "no gain", "Figs 8 and 17",
              "largest gain at any budget (nats/token), 300M to 3B",
              partial(gain_with_training, students=(300e6, 1e9, 3e9)), _gain, _DOWN, NATS),
        Claim(("fig08", "fig17"), every, "no gain", "Figs 8 and 17", "largest gain at any budget (nats/token), 10B",
              partial(gain_with_training, students=(10e9,)), _gain, _DOWN, NATS),
    ]  # fmt: skip
    for N in (1e9, 10e9):
        claims.append(
            Claim(("fig08", "fig17"), f"training a {count(N)} student directly overtakes teacher inference",
                  "a curve only", "Figs 8 and 17", "FLOPs from which it stays ahead",
                  partial(crossover, student=N, charges=INFERENCE), flops, None)
        )  # fmt: skip
    return claims


def _teachers() -> list[Claim]:
    shown, source = ("fig09", "fig28", "fig32"), "Fig 9 and its text"
    claims = []
    for N in (1e9, 10e9):
        name = f"{count(N)} student"
        claims += [
            Claim(shown, f"the teacher's size rises with compute ({name})", "rises", source,
                  "N_T* at the smallest budget over its peak", partial(teacher_beside_peak, student=N, end=0),
                  _number, (float("-inf"), 0.95)),
            Claim(shown, f"it comes to lie slightly above the student's ({name})",
                  "slightly above; how far has no number", source, "largest N_T*/N_S",
                  partial(teacher_peak, student=N), _number, (1.0, float("inf"))),
            Claim(shown, f"it stays level ({name})", "a plateau; no length given", source,
                  "decades of compute within a fifth of the peak", partial(teacher_plateau, student=N),
                  _number, (1.0, float("inf"))),
            Claim(shown, f"in the end it falls ({name})", "falls", source,
                  "N_T* at the largest budget over its peak", partial(teacher_beside_peak, student=N, end=-1),
                  _number, (float("-inf"), 0.95)),
        ]  # fmt: skip
    claims += [
        Claim(("fig09", "fig31"), "the teacher is overtrained as compute grows (1B student)",
              "compute-optimal, then overtrained", source, "D_T*/N_T* at the largest budget over the smallest's",
              partial(overtraining, student=1e9), lambda value: f"{value:.0f}", (1.0, float("inf"))),
        Claim(("fig09", "fig30", "fig31"), "the student's tokens grow faster than the teacher's (1B student)",
              "faster", source, "exponent of D_S* in C minus that of D_T*",
              partial(faster_student, student=1e9), _number, _UP),
    ]  # fmt: skip
    return claims


def _shares() -> list[Claim]:
    few, many = 1e21, 1e25
    most, half = "mostly", (50.0, float("inf"))
    claims = []
    for N in (300e6, 1e9, 3e9):
        name = f"{count(N)} student"
        claims += [
            Claim(("fig29",), f"at {flops(few)} FLOPs a small student's budget is {most} teacher pretraining ({name})",
                  "mostly; read as half or more", "Table 3", "teacher's training in the budget",
                  partial(share, student=N, C=few, part=TEACHER), _percent, half, MOST),
            Claim(("fig29",), f"at {flops(many)} FLOPs it is even between student and inference ({name})",
                  "even", "Table 3", "farthest of the two from their mean",
                  partial(uneven, student=N, C=many, parts=(STUDENT, LOGITS)), _apart, _DOWN, EVEN),
            Claim(("fig29",), f"and much less of it is pretraining ({name})", "much less; read as a fifth or less",
                  "Table 3", "teacher's training in the budget",
                  partial(share, student=N, C=many, part=TEACHER), _percent, (float("-inf"), 20.0)),
        ]  # fmt: skip
    for N in (10e9, 30e9, 50e9):
        name = f"{count(N)} student"
        claims += [
            Claim(("fig29",), f"at {flops(few)} FLOPs a large student's budget is {most} its own training ({name})",
                  "mostly; read as half or more", "Table 3", "student's training in the budget",
                  partial(share, student=N, C=few, part=STUDENT), _percent, half, MOST),
            Claim(("fig29",), f"at {flops(many)} FLOPs it goes to three equal parts ({name})", "equal", "Table 3",
                  "farthest of the three from a third",
                  partial(uneven, student=N, C=many, parts=(STUDENT, LOGITS, TEACHER)), _apart, _DOWN, EVEN),
        ]  # fmt: skip
    return claims


def _maps() -> list[Claim]:
    claims = []
    for N, label in ((1e9, 3.70), (3e9, 3.55), (10e9, 3.45), (30e9, 3.40)):
        claims.append(
            Claim(("fig16",), f"the highest contour of the {count(N)} student at 1e21 FLOPs", f"{label:.2f}",
                  "Fig 16, contour labels", "largest L_S of the panel (nats/token)",
                  partial(plane_maximum, student=N, C=1e21), _nats, (label, label + LABELS / 2), LABELS)
        )  # fmt: skip
    claims.append(
        Claim(("fig19",), "the highest contour of L_S* in the best case", "2.75", "Fig 19, contour labels",
              "largest L_S* of the map (nats/token)", map_maximum, _nats, (2.75, 2.75 + LABELS / 2), LABELS)
    )  # fmt: skip
    return claims


def _one_sided() -> list[Claim]:
    return [
        Claim(("fig19", "fig20", "fig30"), "in the best case the student gets the tokens of supervised training",
              "the same", "Figs 19 and 20", "D_S* over supervised D, where farthest from 1",
              tokens_beside_supervised, lambda value: f"{value:.4f}", (1.0, 1.0), 0.001),
        Claim(("fig21", "fig22"), "where only inference is paid the teacher is trained to the end of the search box",
              "1e17 tokens", "Figs 21 and 22, search bounds", "D_T* of a 1B student at 1e23 FLOPs",
              partial(teacher_tokens, student=1e9, C=1e23), flops, (1e17, 1e17), 1e15),
        Claim(("fig23",), "as compute grows the student's share falls and the teacher's forward passes take it",
              "falls", "Fig 23", "largest change of the student's share among eight students, 1e20 to 1e26 FLOPs",
              partial(share_change, charges=INFERENCE, part=STUDENT), _points, _DOWN),
        Claim(("fig24", "fig25", "fig26"), "where its training is paid the teacher is compute-optimal (1B student)",
              "compute-optimal", "Figs 24 to 26", "most that L_T* misses the optimum by (nats/token)",
              partial(teacher_excess, student=1e9), _nats, _DOWN, NATS),
        Claim(("fig24", "fig25", "fig26"), "its tokens per parameter do not change with compute (1B student)",
              "constant", "Figs 24 to 26", "exponent of D_T*/N_T* in C",
              partial(teacher_ratio_exponent, student=1e9), lambda value: f"{value:+.3f}", (0.0, 0.0), 0.05),
        Claim(("fig26",), "as compute grows the teacher's share falls", "falls", "Fig 26",
              "largest change of the teacher's share among eight students, 1e20 to 1e26 FLOPs",
              partial(share_change, charges=PRETRAINING, part=TEACHER), _points, _DOWN),
        Claim(("fig07", "fig15"), "the best teacher's cross-entropy falls as a power of the student's size",
              "falls", "text on Fig 7", "exponent of L_T* in N_S at 1T student tokens",
              partial(best_teacher_exponent, D_S=1e12), lambda value: f"{value:+.3f}", _DOWN),
        Claim(("fig40",), "with unlimited data both ways end alike for 100M to 100B parameters", "consistent",
              "Fig 40, E.6", "largest difference of the two limits", unlimited_gap, _small_percent, _DOWN, 1.0),
    ]  # fmt: skip


def _ratios() -> list[Claim]:
    claims = []
    measures: tuple[tuple[str, str, Callable[..., float], tuple[float, float]], ...] = (
        ("fig33", "compute", compute_ratio, (3 / 4, 1 / 2)),
        ("fig34", "tokens", token_ratio, (2 / 3, 1 / 2)),
    )
    for figure, spent, measure, parts in measures:
        for (N, loss), part in zip(((500e6, 2.4), (10e9, 2.2)), parts, strict=True):
            for charges, name in ((BOTH, "pretraining + inference"), (INFERENCE, "teacher inference")):
                claims.append(
                    Claim((figure,), f"{spent} to bring a {count(N)} student to {loss:g}, over training directly",
                          f"about {part:.2f}", "Figs 33 and 34, D.5", f"the ratio in {name}",
                          partial(measure, student=N, loss=loss, charges=charges), _ratio, (part, part), 0.05,
                          OTHER_SCENARIO)
                )  # fmt: skip
    return claims


CLAIMS = (*_never_better(), *_teachers(), *_shares(), *_maps(), *_one_sided(), *_ratios())
"""Every claim, in the order of the page."""
