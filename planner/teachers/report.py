"""A ranking for a terminal or a notebook: which teacher, the table, what the others lack, the next command."""

from rich.console import Console
from rich.table import Table

from fitting import terminal
from fitting.fit import Doubt
from fitting.units import count, flops
from planner.render import loss
from planner.teachers.rankings import Outcome, RankedTeacher, Ranking

_SHOWN = 5
"""Sentences on single teachers, and teachers named in a sentence; the table has all of them."""

_GAPS = {"below": "too good for this student", "within": "what this student can use", "above": "could be better"}


def show(ranking: Ranking, next_command: str) -> None:
    """Print a ranking: the result on stdout, its warnings on stderr."""
    out = terminal.console()
    _print(ranking, out)
    terminal.show_doubts(doubts(ranking))
    out.print(f"Next: {next_command}")


def html(ranking: Ranking) -> str:
    """The ranking for a notebook, warnings included."""
    return terminal.html(lambda out: _print(ranking, out), doubts(ranking))


def answer(ranking: Ranking) -> str:
    """Which teacher, and whether to distil at all, in a sentence."""
    best, alone = ranking.best, ranking.supervised
    N, cost = count(ranking.student_N), flops(ranking.budget)
    direct = loss(alone.loss, alone.interval)
    if best is None:
        return (
            f"Train directly: no teacher's forward passes leave the {N} student enough of {cost} FLOPs; trained "
            f"directly it reaches {direct} nats/token on {count(alone.D)} tokens."
        )
    assert best.student is not None
    assert best.margin is not None
    taught = loss(best.student.loss, best.student.interval)
    if ranking.verdict == "distil":
        return (
            f"Distil from the {best.name} teacher: the {N} student reaches {taught} nats/token on "
            f"{count(best.student.D)} tokens; trained directly with the same {cost} FLOPs it reaches {direct}."
        )
    if ranking.verdict == "supervise":
        return (
            f"Train directly: with {cost} FLOPs the {N} student reaches {direct} nats/token on {count(alone.D)} "
            f"tokens; distilled from the {best.name} teacher, the best of these, it reaches {taught}."
        )
    return (
        f"Too close to call: with {cost} FLOPs the {N} student reaches {taught} nats/token distilled from the "
        f"{best.name} teacher, the best of these, and {direct} trained directly; the law cannot tell "
        f"{abs(best.margin):.3f} nats from nothing (its error here is about {ranking.margin_scale:.3f})."
    )


def ties(ranking: Ranking) -> str:
    """Who cannot be told from the best, in a sentence; nothing where there is nobody to tell from it."""
    best, tied = ranking.best, ranking.ties
    others = [row for row in ranking.rows[1:] if row.student is not None]
    if best is None or not others:
        return ""
    if not tied:
        return f"No other teacher ties with {best.name}."
    names = _listed([row.name for row in tied])
    most = max(row.behind_best or 0.0 for row in tied)
    nats = f"{most:.3f} nats behind" if len(tied) == 1 else f"at most {most:.3f} nats behind"
    why = (
        "within the law's error"
        if ranking.level is None
        else f"and the {ranking.level:.0%} interval of {'the' if len(tied) == 1 else 'each'} difference holds 0"
    )
    return f"{names} {'ties' if len(tied) == 1 else 'tie'} with {best.name}: {nats}, {why}."


def ideal(ranking: Ranking) -> str:
    """The cross-entropy to look for, in a sentence."""
    found = ranking.ideal
    if found is None:
        return "No teacher of any size that the law knows can be afforded."
    return (
        f"Ideal for this student and budget: a teacher at {found.loss:.3f} nats/token ({found.low:.3f} to "
        f"{found.high:.3f} costs at most {found.nats:g} nats)."
    )


def doubts(ranking: Ranking) -> list[Doubt]:
    """All warnings, those on single teachers under their names; what is said of several is said once."""
    found = list(ranking.warnings)
    single: dict[Doubt, list[str]] = {}
    for row in ranking.rows:
        for doubt in row.warnings:
            if doubt.code != "support":  # told of all rows together
                single.setdefault(doubt, []).append(row.name)
    return found + [Doubt(doubt.code, f"{_listed(names)}: {doubt.message}") for doubt, names in single.items()]


def table(ranking: Ranking) -> Table:
    """The candidates, best first, with training directly in its place."""
    priced = any(row.price is not None for row in ranking.rows) and bool(ranking.pay_logits)
    grid = terminal.table(
        "", "teacher", "parameters", "loss", *(["FLOPs/token"] if priced else []), "student's tokens", "student's loss",
        "behind", "gain", "teacher's loss is", left=("teacher", "teacher's loss is"),
    )  # fmt: skip
    best = ranking.best
    direct = ranking.supervised
    placed = False
    for row in ranking.rows:
        if not placed and (row.student is None or row.student.loss > direct.loss):
            _add_direct(grid, direct, best, priced)
            placed = True
        _add(grid, row, ranking, priced)
    if not placed:
        _add_direct(grid, direct, best, priced)
    return grid


def _print(ranking: Ranking, out: Console) -> None:
    for sentence in (answer(ranking), ties(ranking), ideal(ranking)):
        if sentence:
            out.print(sentence)
    out.print()
    terminal.show_table(out, table(ranking))
    out.print()
    told = [row.words for row in ranking.rows if _worth_words(row, ranking.best)]
    for words in told[:_SHOWN]:
        out.print(words)
    if len(told) > _SHOWN:
        out.print(f"{len(told) - _SHOWN} more in --json.")
    out.print(f"Losses compare on {_measured_on(ranking)}. Law: {ranking.law['id']} ({ranking.law['source']}).")


def _add(grid: Table, row: RankedTeacher, ranking: Ranking, priced: bool) -> None:
    tied = row.rank is not None and row.rank == 1 and bool(ranking.ties)
    student, first = row.student, row is ranking.best
    grid.add_row(
        "" if row.rank is None else f"{row.rank}=" if tied else f"{row.rank}",
        row.name,
        "" if row.N is None else count(row.N),
        f"{row.loss:.3f}",
        *([("" if row.price is None else flops(row.price))] if priced else []),
        "too few" if student is None else count(student.D),
        "" if student is None else loss(student.loss, student.interval),
        "" if row.behind_best is None or first else loss(row.behind_best, row.behind_best_interval),
        "" if row.margin is None else f"{row.margin:+.3f}",
        "" if row.gap is None else _GAPS[row.gap],
    )


def _add_direct(grid: Table, direct: Outcome, best: RankedTeacher | None, priced: bool) -> None:
    behind = "" if best is None or best.student is None else f"{direct.loss - best.student.loss:.3f}"
    grid.add_row(
        "", "none: trained directly", "", "", *([""] if priced else []), count(direct.D),
        loss(direct.loss, direct.interval), behind, "", "",
    )  # fmt: skip


def _worth_words(row: RankedTeacher, best: RankedTeacher | None) -> bool:
    """Whether the table leaves open why a teacher stands where it does: it is better than others that beat it."""
    return row.student is None or row.gap == "below" or (best is not None and row.loss < best.loss)


def _measured_on(ranking: Ranking) -> str:
    if ranking.corpus is None and ranking.tokenizer is None:
        return "the text and the tokens of the law's runs alone"
    text = "the law's text" if ranking.corpus is None else f"the law's text ({ranking.corpus})"
    tokens = "tokens" if ranking.tokenizer is None else f"tokens ({ranking.tokenizer})"
    return f"{text} and {tokens} alone"


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    if more > 0:
        return f"{', '.join(names[:_SHOWN])} and {more} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
