"""Runs of different recipes in one table: their losses need not lie on one law, and none must be mixed in unseen."""

from collections import Counter

from fitting.records import RunTable

COLUMNS = (
    "schedule",
    "parametrisation",
    "precision",
    "lambda",
    "tau",
    "direction",
    "signal",
    "kept",
    "pool",
    "window",
    "every",
    "fraction",
)
"""Free columns, as `distillaw sweep collect` writes them: how a model was trained and how it consulted its teacher."""


def mixed(runs: RunTable) -> list[str]:
    """What differs among finished runs, a sentence for each column with more than one value; blanks say nothing."""
    found = []
    for name in COLUMNS:
        said = [record.extras.get(name) for record in runs.records if record.status == "finished"]
        counts = Counter(str(value) for value in said if value is not None)
        if len(counts) > 1:
            shown = ", ".join(f"{value} ({count})" for value, count in counts.most_common())
            found.append(f"{name} has {len(counts)} values: {shown}")
    return found
