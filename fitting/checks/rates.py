"""Learning rates, where a table says them, and sizes whose losses say that theirs was not tuned."""

from collections import defaultdict

import numpy as np

from fitting import units
from fitting.checks.finding import Finding, listed, number_of, runs_named, teacher_of
from fitting.records import RunRecord, RunTable

_COLUMNS = ("learning_rate", "lr", "peak_lr", "max_lr", "peak_learning_rate")

_WORSE = 0.01
"""How much worse than a smaller model a larger one on no fewer tokens must be: the laws err by 1 % themselves."""

_NOISES = 7.0
"""The same in standard deviations of a run: five of those of a difference of two runs."""

_LARGER = 1.1
"""How much larger, so that two ways of counting one model are not two sizes."""


def rate(record: RunRecord) -> float | None:
    """The learning rate that a run's free columns state."""
    for name, value in record.extras.items():
        if name.casefold() in _COLUMNS and isinstance(value, int | float):
            return float(value)
    return None


def best_rates(table: RunTable) -> RunTable:
    """The table with only the best learning rate of each setting that was tried at several."""
    dropped = {
        id(record) for tried in _tried(table) for lr, group in tried.items() for record in group if lr != _best(tried)
    }
    return RunTable(tuple(record for record in table.records if id(record) not in dropped), table.convention)


def edges(table: RunTable) -> list[Finding]:
    """Settings whose best learning rate is the smallest or largest that was tried."""
    every = _tried(table)
    at_edge = [tried for tried in every if _best(tried) in (min(tried), max(tried))]
    if not at_edge:
        return []
    told = []
    for tried in at_edge:
        record, best = next(iter(tried.values()))[0], _best(tried)
        side = "smallest" if best == min(tried) else "largest"
        told.append(
            f"{best:.3g}, the {side} of {len(tried)}, for {units.count(record.N)} parameters on "
            f"{units.count(record.D)} tokens"
        )
    ids = tuple(record.run_id for tried in at_edge for record in tried[_best(tried)])
    return [
        Finding(
            "learning-rate-edge",
            "odd",
            f"the best learning rate is the last one tried in {len(at_edge)} of {number_of(len(every), 'setting')} "
            f"({listed(told)}); try further in that direction, and give a fit only the best run of each setting",
            ids,
        )
    ]


def not_smooth(table: RunTable, noise: float) -> list[Finding]:
    """Supervised runs that a smaller model on no more tokens beats; `noise` is a run's relative standard deviation."""
    runs = table.supervised()
    if len(runs) < 2:
        return []
    N, D, loss = (runs.column(name) for name in ("N", "D", "loss"))
    smaller = (_LARGER * N <= N[:, None]) & (D <= D[:, None])
    best = np.where(smaller, loss, np.inf)
    beaten = loss > best.min(axis=1) * (1 + max(_WORSE, _NOISES * noise))
    if not beaten.any():
        return []
    margin = loss / best.min(axis=1) - 1
    worst = int(np.argmax(np.where(beaten, margin, -np.inf)))
    by = int(np.argmin(best[worst]))
    ids = tuple(runs.records[i].run_id for i in np.flatnonzero(beaten))
    run, other = runs.records[worst], runs.records[by]
    return [
        Finding(
            "not-smooth",
            "odd",
            f"{number_of(len(ids), 'run')} of {len(runs)} {'is' if len(ids) == 1 else 'are'} worse than a smaller "
            f"model on no more tokens ({runs_named(ids)}): run {run.run_id}, {units.count(run.N)} on "
            f"{units.count(run.D)} tokens, is {margin[worst]:.1%} worse than run {other.run_id}, "
            f"{units.count(other.N)} on {units.count(other.D)}; the learning rate of the larger sizes may be untuned",
            ids,
        )
    ]


def _tried(table: RunTable) -> list[dict[float, list[RunRecord]]]:
    """For each setting that was run at several learning rates: its finished runs by learning rate."""
    groups: dict[tuple[object, ...], dict[float, list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in table.records:
        lr = rate(record)
        if record.status == "finished" and lr is not None:
            groups[(record.kind, record.N, record.D, *teacher_of(record))][lr].append(record)
    return [tried for tried in groups.values() if len(tried) > 1]


def _best(tried: dict[float, list[RunRecord]]) -> float:
    return min(tried, key=lambda lr: min(record.loss for record in tried[lr]))
