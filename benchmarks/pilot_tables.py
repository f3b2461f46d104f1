"""How the pilot's benchmarks print: tables of Markdown, means and slopes with 90 % intervals."""

import numpy as np
from scipy import stats

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def heading(title: str, says: str = "") -> None:
    """A heading, and what is shown under it."""
    print(f"## {title}\n" + (f"\n{says}\n" if says else ""))


def row(*cells: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |")


def head(*cells: str) -> None:
    """The head of a table."""
    row(*cells)
    print("|" + "---|" * len(cells))


def mean_of(values: Array, digits: int) -> str:
    """A mean and, of several values, its 90 % interval by Student's t."""
    if len(values) == 0:
        return ""
    mean = f"{values.mean():+.{digits}f}"
    if len(values) == 1:
        return mean
    half = stats.t.ppf(0.95, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {half:.{digits}f}"


def slope_of(x: Array, y: Array) -> str:
    """A slope by least squares and its 90 % interval."""
    line = stats.linregress(x, y)
    half = stats.t.ppf(0.95, len(x) - 2) * line.stderr
    return f"{line.slope:+.3f} ± {half:.3f}"
