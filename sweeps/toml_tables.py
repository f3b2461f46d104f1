"""Reading TOML tables strictly: every key is known, every value has its type, every fault is kept with its remedy."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fitting import units
from fitting.errors import Faults, InputError

T = TypeVar("T")
REQUIRED: Any = object()
"""The default of a key that has none."""


def nearest(name: str, known: list[str]) -> str:
    """`; did you mean 'x'?` for a near miss among the known names, else nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class Table:
    """One table of a file: its keys are taken one by one, and `close` refuses those that nobody took.

    A value that is refused, or missing, reads as its default (None where it has none) and leaves a line in
    `faults`, so that one reading finds all that is wrong.
    """

    def __init__(self, data: Any, where: str, faults: Faults) -> None:
        self.where, self.faults = where, faults
        self._taken: list[str] = []
        self._data: Mapping[str, Any] = {}
        if isinstance(data, Mapping):
            self._data = data
        else:
            faults.add(f"{where}: must be a table of keys and values, not {data!r}")

    def place(self, key: str) -> str:
        """How a fault names a key of this table."""
        return f"{self.where} {key}" if self.where else key

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def text(self, key: str, default: str | None = REQUIRED) -> Any:
        """A string."""
        return self._take(key, default, _text)

    def count(self, key: str, default: int | None = REQUIRED) -> Any:
        """A whole number greater than zero, written 3, "250K" or "2M"."""
        return self._take(key, default, _count)

    def positive(self, key: str, default: float | None = REQUIRED) -> Any:
        """A number greater than zero."""
        return self._take(key, default, _positive)

    def not_negative(self, key: str, default: float | None = REQUIRED) -> Any:
        """A number, zero allowed."""
        return self._take(key, default, _not_negative)

    def share(self, key: str, default: float | None = REQUIRED) -> Any:
        """A number between 0 and 1."""
        return self._take(key, default, _share)

    def flag(self, key: str, default: bool = REQUIRED) -> Any:
        """true or false."""
        return self._take(key, default, _flag)

    def choice(self, key: str, known: tuple[str, ...], default: str | None = REQUIRED) -> Any:
        """One of the texts in `known`."""

        def read(value: Any, place: str) -> str:
            if value not in known:
                raise InputError(
                    f"{place}: must be one of {', '.join(known)}, not {value!r}{nearest(str(value), [*known])}"
                )
            return str(value)

        return self._take(key, default, read)

    def window(self, key: str, default: tuple[float, float]) -> Any:
        """Two shares, [start, end), of which the first is the smaller."""
        return self._take(key, default, _window)

    def text_lists(self, key: str) -> list[list[str]]:
        """A list of lists of strings; none where it is absent."""

        def read(value: Any, place: str) -> list[str]:
            if not isinstance(value, list) or not value:
                raise InputError(f"{place}: must be a list of lists, [[...], [...]], not {value!r}")
            return [_text(item, place) for item in value]

        return self._list(key, [], read)

    def seed(self, key: str, default: int | None = REQUIRED) -> Any:
        """A whole number, zero allowed."""
        return self._take(key, default, _seed)

    def counts(self, key: str) -> list[int]:
        """One count or a list of them."""
        return self._list(key, REQUIRED, _count)

    def seeds(self, key: str, default: list[int]) -> list[int]:
        """One seed or a list of them."""
        return self._list(key, default, _seed)

    def texts(self, key: str, default: list[str] = REQUIRED) -> list[str]:
        """One string or a list of them."""
        return self._list(key, default, _text)

    def table(self, key: str) -> "Table":
        """The sub-table [key]; an empty one where it is absent, so that its keys take their defaults."""
        self._taken.append(key)
        return Table(self._data.get(key, {}), f"[{key}]", self.faults)

    def tables(self, key: str) -> "list[Table]":
        """The sub-tables [[key]], none where they are absent."""
        self._taken.append(key)
        found = self._data.get(key, [])
        if not isinstance(found, list):
            self.faults.add(f"{self.place(key)}: must be a list of tables; head each one [[{key}]]")
            return []
        return [Table(item, f"[[{key}]] {i}:", self.faults) for i, item in enumerate(found, start=1)]

    def close(self) -> None:
        """Refuse every key that was not taken."""
        for key in self._data:
            if key not in self._taken:
                known = nearest(key, self._taken) or f"; known here: {', '.join(self._taken)}"
                self.faults.add(f"{self.place(key)}: unknown key{known}")

    def _take(self, key: str, default: Any, read: Callable[[Any, str], T]) -> T | None:
        self._taken.append(key)
        if key not in self._data:
            if default is REQUIRED:
                self.faults.add(f"{self.place(key)}: is missing")
                return None
            return default  # type: ignore[no-any-return]
        found = self.faults.collect(read, self._data[key], self.place(key))
        return found if found is not None or default is REQUIRED else default

    def _list(self, key: str, default: Any, read: Callable[[Any, str], T]) -> list[T]:
        def each(value: Any, place: str) -> list[T]:
            values = value if isinstance(value, list) else [value]
            if not values:
                raise InputError(f"{place}: must not be empty")
            within = Faults()
            found = [within.collect(read, item, place) for item in values]
            within.raise_if_any()
            return [item for item in found if item is not None]

        return self._take(key, default, each) or []


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}: must be a text in quotes, not {value!r}")
    return value


def _count(value: Any, place: str) -> int:
    number = _positive(value, place)
    if number != int(number):
        raise InputError(f"{place}: must be a whole number, not {value!r}")
    return int(number)


def _positive(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(f'{place}: must be a number, not {value!r}; write 3, 250_000 or "250K"')
    return units.parse(str(value), place)


def _not_negative(value: Any, place: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0:
        return 0.0
    return _positive(value, place)


def _share(value: Any, place: str) -> float:
    if isinstance(value, bool):
        raise InputError(f"{place}: must be a number between 0 and 1, not {value!r}")
    return units.parse_share(value, place)


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{place}: must be true or false, not {value!r}")
    return value


def _window(value: Any, place: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(f"{place}: must be two shares of training, [0.0, 0.5], not {value!r}")
    start, end = (_share(item, place) for item in value)
    if not start < end:
        raise InputError(f"{place}: must start before it ends, not {value!r}")
    return start, end


def _seed(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{place}: must be a whole number from 0 on, not {value!r}")
    return value
