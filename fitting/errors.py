"""The caller's mistakes and the program's failures, kept apart.

`InputError` is the caller's mistake (exit code 2), `Infeasible` an honest "no" (1), `FitError` and its kin a
piece of work that failed (3). Doubt about a result is none of these: it is data inside the result.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class DistillawError(Exception):
    """Anything that the command line reports in a line or a few, without a traceback."""

    exit_code = 3


class InputError(DistillawError, ValueError):
    """The caller's mistake: one line for each fault, each with the place, the value and the remedy."""

    exit_code = 2

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults: tuple[str, ...] = faults


class Infeasible(DistillawError):
    """The question was sound and the answer is no: no plan fits the budget."""

    exit_code = 1


class FitError(DistillawError):
    """An estimation that ended with nothing usable."""


class Faults:
    """Collects mistakes so that all of them are reported at once.

    >>> faults = Faults()
    >>> faults.add("--budget: must be greater than zero, not '0'")
    >>> faults.raise_if_any()
    Traceback (most recent call last):
    fitting.errors.InputError: --budget: must be greater than zero, not '0'
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        self._lines.append(line)

    def extend(self, lines: Sequence[str]) -> None:
        self._lines.extend(lines)

    def collect(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:
        """Call `function`; when it refuses its input, keep the reason and return None."""
        try:
            return function(*args, **kwargs)
        except InputError as error:
            self._lines.extend(error.faults)
        return None

    def raise_if_any(self) -> None:
        """Raise `InputError` with everything collected so far."""
        if self._lines:
            raise InputError(*self._lines)
