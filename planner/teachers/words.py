"""What is to be said of a teacher beside the best of the others: too good, too weak, or too dear."""

from planner.teachers.rankings import RankedTeacher

_TOLD = 0.0005
"""Nats/token below which a reason is not worth naming."""


def words_of(row: RankedTeacher, best: RankedTeacher | None, on_same_tokens: float | None) -> str:
    """One sentence on a teacher; `on_same_tokens` is its student's loss (nats/token) on the tokens of the best one.

    The capacity gap is what the teacher loses on equal tokens; what is left is the price of its forward passes.
    """
    if row.student is None or best is None or on_same_tokens is None:
        return (
            f"The {row.name} teacher cannot be afforded: its forward passes leave the student fewer tokens than the "
            "law is searched for."
        )
    if row.name == best.name:
        return _of_best(row)
    assert best.student is not None
    behind, by_loss = row.student.loss - best.student.loss, on_same_tokens - best.student.loss
    # a better teacher is too good only if it still is on the tokens that it leaves; if not, those are what it lacks
    lacking = by_loss > _TOLD and (row.loss >= best.loss or row.gap == "below")
    reasons = [_of_loss(row, best)] if lacking else []
    if row.student.D < best.student.D and behind - (by_loss if lacking else 0.0) > _TOLD:
        dearer = "its forward passes cost more"
        reasons.append(dearer if reasons or row.loss >= best.loss else f"{dearer} than its quality brings")
    told = "is no better than" if row.tied_with_best else "is worse than"
    error = "the law's error" if row.behind_best_interval is None else "the interval of the difference"
    within = f", within {error}" if row.tied_with_best else ""
    if not reasons:
        return f"The {row.name} teacher serves this student as the {best.name} does ({behind:.4f} nats behind{within})."
    return f"The {row.name} teacher {told} the {best.name}: {', and '.join(reasons)} ({behind:.3f} nats{within})."


def _of_loss(row: RankedTeacher, best: RankedTeacher) -> str:
    if row.loss < best.loss:
        return "its loss is below what this student can use"
    return "this student can use a better one" if row.gap == "above" else "its loss is higher"


def _of_best(row: RankedTeacher) -> str:
    assert row.usable is not None
    span = f"{row.usable[0]:.3f} to {row.usable[1]:.3f}"
    if row.gap == "within":
        return f"The {row.name} teacher's loss is what this student can use on these tokens ({span})."
    how = "its loss is below what this student can use" if row.gap == "below" else "this student can use a better one"
    return f"The {row.name} teacher is the best of these, and {how}: {span} would serve it better on these tokens."
