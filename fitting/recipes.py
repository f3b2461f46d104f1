"""Runs of different recipes in one table: their losses need not lie on one law, and none must be mixed in unseen."""

from collections import Counter

from fitting.records import RunTable

COLUMNS = (
    "schedule",
    "decay_share",
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


def repeated(runs: RunTable) -> str:
    """Which finished runs went through their text more than once, by the free column `epochs`; nothing where none did.

    Laws of tokens are laws of tokens that are new.
    """
    said = [record.extras.get("epochs") for record in runs.records if record.status == "finished"]
    again = [epochs for epochs in said if isinstance(epochs, int | float) and epochs > 1]
    if not again:
        return ""
    return f"{len(again)} of {len(said)} runs repeat their text, up to {max(again):.3g} times (column epochs)"


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
