"""What single runs and their like say: unfinished, diverged, copied, repeated, measured on different data."""

import math
from collections import Counter, defaultdict

import numpy as np

from fitting import asking, recipes
from fitting.checks.finding import WORD, Finding, Mask, finished, listed, number_of, runs_named, teacher_of
from fitting.checks.rates import rate
from fitting.records import RunRecord, RunTable

_DIVERGED = 1.10
"""Loss over the worst of smaller runs, beyond which a run diverged: noise is 1 % or less, a bad learning rate a few."""

_SMALLER_RUNS = 2
"""Smaller runs that must all be better: with one alone, either of the two may be the wrong one."""

_LEAST_LOSS = 0.1
"""nats/token. Text holds more than this per byte, the shortest token there is."""

_DATA_COLUMNS = ("corpus", "dataset", "val", "val_data", "val_set", "validation", "eval_data", "tokenizer")
"""Free columns that say on what a loss was measured; losses on different data follow different laws."""


def unfinished(table: RunTable) -> list[Finding]:
    """Runs that are kept but are no evidence; a table without any evidence is a fault."""
    left = table.unfinished().records
    if not left:
        return []
    ids = tuple(record.run_id for record in left)
    counts = Counter(record.status for record in left)
    what = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    if len(left) == len(table):
        return [Finding("no-evidence", "fault", f"no run is finished ({what}); there is nothing to fit", ids)]
    share = f"{len(left)} of {len(table)} runs did not finish ({what}): {runs_named(ids)}"
    return [Finding("unfinished", "odd", f"{share}; a fit takes no notice of such runs", ids)]


def diverged(table: RunTable) -> list[Finding]:
    """Finished runs that learned nothing, or are far worse than every smaller run on no more tokens."""
    found = []
    ceiling = math.log(table.convention.n_vocab) if table.convention.n_vocab else math.inf
    for kind in WORD:
        runs = finished(table, kind)
        if not len(runs):
            continue
        loss, smaller = runs.column("loss"), _smaller(runs)
        worst = np.where(smaller, loss, -math.inf).max(axis=1)
        above = loss > ceiling
        far = ~above & (smaller.sum(axis=1) >= _SMALLER_RUNS) & (loss > _DIVERGED * worst)
        for i in np.flatnonzero(above):
            name = runs.records[i].run_id
            found.append(
                Finding(
                    "diverged",
                    "fault",
                    f"run {name} is called finished at {loss[i]:.4g} nats/token, above the log "
                    f"{table.convention.n_vocab} = {ceiling:.4g} of a model that guesses; say status=diverged, or "
                    "correct its loss",
                    (name,),
                )
            )
        for i in np.flatnonzero(far):
            name = runs.records[i].run_id
            found.append(
                Finding(
                    "diverged",
                    "fault",
                    f"run {name} is called finished at {loss[i]:.4g} nats/token, {loss[i] / worst[i] - 1:.0%} above "
                    f"the worst of {smaller[i].sum()} {WORD[kind]} runs with no more parameters and tokens; "
                    "say status=diverged, or correct its loss",
                    (name,),
                )
            )
    return found


def _smaller(runs: RunTable) -> Mask:
    """Whether run j (column) has no more parameters and tokens than run i (row), and the same teacher."""
    N, D = runs.column("N"), runs.column("D")
    _, teacher = np.unique([str(teacher_of(record)) for record in runs.records], return_inverse=True)
    found: Mask = (N <= N[:, None]) & (D <= D[:, None]) & (teacher == teacher[:, None])
    np.fill_diagonal(found, False)
    return found


def implausible(table: RunTable) -> list[Finding]:
    """Losses too low for text. Losses that must be perplexities are refused when the table is read."""
    low = [record for record in table.records if record.status == "finished" and record.loss < _LEAST_LOSS]
    if not low:
        return []
    ids = tuple(record.run_id for record in low)
    return [
        Finding(
            "low-loss",
            "odd",
            f"{runs_named(ids)}: a loss of {min(record.loss for record in low):.3g} is below the {_LEAST_LOSS} "
            "nats/token that text holds; losses are cross-entropies in nats per token, see docs/faq.md#perplexity",
            ids,
        )
    ]


def copies(table: RunTable) -> list[Finding]:
    """Runs that stand in the table more than once: same size, tokens, teacher, seed, learning rate and loss."""
    groups: dict[tuple[object, ...], list[RunRecord]] = defaultdict(list)
    for record in table.records:
        if record.status == "finished":
            groups[(*_setting(record), record.seed, record.loss)].append(record)
    twice = [group for group in groups.values() if len(group) > 1]
    if not twice:
        return []
    extra = sum(len(group) for group in twice) - len(twice)
    shown = listed([" = ".join(record.run_id for record in group[:3]) for group in twice])
    return [
        Finding(
            "copies",
            "fault",
            f"{number_of(extra, 'run')} stand{'s' if extra == 1 else ''} in the table again, with the same N, D, "
            f"teacher, seed and loss ({shown}), and would count twice; keep one of each",
            tuple(record.run_id for group in twice for record in group),
        )
    ]


def repeats(table: RunTable) -> list[Finding]:
    """The spread between runs of one setting: the noise that no law can explain."""
    groups: dict[tuple[object, ...], set[float]] = defaultdict(set)
    members: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for record in table.records:
        if record.status == "finished":
            groups[_setting(record)].add(math.log(record.loss))
            members[_setting(record)].append(record.run_id)
    logs = {key: np.array(sorted(group)) for key, group in groups.items() if len(group) > 1}
    if not logs:
        return []
    spread = math.sqrt(
        sum(float(np.sum((group - group.mean()) ** 2)) for group in logs.values())
        / sum(len(group) - 1 for group in logs.values())
    )
    widest = max(logs, key=lambda key: float(np.ptp(logs[key])))
    ids = tuple(name for key in logs for name in members[key])
    return [
        Finding(
            "repeats",
            "odd",
            f"{number_of(len(logs), 'setting')} of N, D and teacher {'was' if len(logs) == 1 else 'were'} run more "
            f"than once: losses differ by {spread:.2%} from run to run (standard deviation), at most by "
            f"{np.expm1(np.ptp(logs[widest])):.2%} ({runs_named(members[widest])}); no law can miss by less",
            ids,
        )
    ]


def mixed_data(table: RunTable) -> list[Finding]:
    """Losses that were measured on different data, by the table's own free columns."""
    found = []
    for name in sorted({name for record in table.records for name in record.extras}):
        if name.casefold() not in _DATA_COLUMNS:
            continue
        counts = Counter(str(record.extras.get(name)) for record in table.records if record.status == "finished")
        if len(counts) > 1:
            shown = listed([f"{value} ({count})" for value, count in counts.most_common()])
            found.append(
                Finding(
                    "mixed-data",
                    "odd",
                    f"column {name} has {len(counts)} values: {shown}; losses on different data or tokens follow "
                    "different laws, so keep one value in a table",
                )
            )
    return found


def mixed_recipes(table: RunTable) -> list[Finding]:
    """Runs of a law that were not trained alike, by the columns that `sweep collect` writes."""
    return [
        Finding("mixed-recipes", "odd", f"column {line}; fit one kind at a time, or know that the law mixes them")
        for line in recipes.mixed(asking.of_law(table))
    ]


def asked_otherwise(table: RunTable) -> list[Finding]:
    """Students that no law is fitted to, because they did not ask their teacher always as the others did."""
    kept = {record.run_id for record in asking.of_law(table).records}
    ids = tuple(record.run_id for record in table.records if record.run_id not in kept)
    if not ids:
        return []
    message = (
        f"{runs_named(ids)} did not ask their teacher always (window, every, fraction, signal): laws are fitted "
        "without such runs, which say instead what asking less does to the loss; see docs/faq.md#asked-otherwise"
    )
    return [Finding("asked-otherwise", "odd", message, ids)]


def repeated_text(table: RunTable) -> list[Finding]:
    """Runs whose tokens were not all new."""
    line = recipes.repeated(table)
    message = f"{line}: a token that was seen before teaches less than a new one, which D does not tell"
    return [Finding("repeated-text", "odd", message)] if line else []


def _setting(record: RunRecord) -> tuple[object, ...]:
    """What makes two runs alike: size, tokens, teacher, learning rate, and data and recipe where they are said."""
    said = _DATA_COLUMNS + recipes.COLUMNS
    other = tuple(str(value) for name, value in record.extras.items() if name.casefold() in said)
    return (record.kind, record.N, record.D, *teacher_of(record), rate(record), other)
