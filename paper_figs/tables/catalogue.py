"""The tables by number: what each shows, and the module that computes it."""

import importlib
import re
from dataclasses import dataclass
from difflib import get_close_matches

from fitting.errors import Faults, InputError
from fitting.known import KnownLaw
from paper_figs.tables.family import Model
from paper_figs.tables.table import PaperTable


@dataclass(frozen=True)
class Entry:
    """A table of the book: its numbers in the paper, its module, one line about it, whether it counts a model."""

    numbers: tuple[int, ...]
    module: str
    about: str
    of_models: bool = False
    of_one_model: bool = False

    @property
    def name(self) -> str:
        """The last part of the module's name."""
        return self.module.partition("_")[2]

    def build(self, law: KnownLaw, model: Model) -> PaperTable:
        """Compute the table. Raises `InputError` for a law that lacks what it shows."""
        module = importlib.import_module(f"paper_figs.tables.{self.module}")
        found: PaperTable = module.build(law, model) if self.of_models else module.build(law)
        return found


CATALOGUE = (
    Entry((2, 5), "table02_scenarios", "the scenarios and what each pays"),
    Entry((3,), "table03_allocation", "what a budget that pays for everything is best spent on"),
    Entry((6,), "table06_coefficients", "the coefficients, and the exponents a and b that follow"),
    Entry((8,), "table08_symbols", "the symbols, and the names that hold them here"),
    Entry((9, 10), "table09_parameters", "parameters of a model, itemised", of_models=True, of_one_model=True),
    Entry((11, 12), "table11_flops", "FLOPs per token of a model, itemised", of_models=True, of_one_model=True),
    Entry((13,), "table13_models", "the models: parameters, FLOPs per token, approximations", of_models=True),
)

LEFT_OUT = {1: "notation", 4: "a comparison in words", 7: "from trained runs"}
"""Tables of the paper that do not follow from coefficients or the ledger, and what they are."""


def find(names: list[str]) -> list[Entry]:
    """The tables of those numbers or names, or all when none is given. Raises `InputError` with the nearest."""
    if not names:
        return list(CATALOGUE)
    faults = Faults()
    found = [faults.collect(_one, name) for name in names]
    faults.raise_if_any()
    return list(dict.fromkeys(entry for entry in found if entry is not None))


def _one(name: str) -> Entry:
    by_number = {number: entry for entry in CATALOGUE for number in entry.numbers}
    by_name = {key: entry for entry in CATALOGUE for key in (entry.name, entry.module)}
    asked = name.strip().casefold()
    if asked in by_name:
        return by_name[asked]
    known = f"known: {', '.join(str(number) for number in sorted(by_number))}"
    match = re.fullmatch(r"(?:table|tab)?[ _-]?0*(\d{1,9})", asked)
    if match is None:
        near = get_close_matches(asked, by_name, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"table {name!r} is not known; {meant}{known}")
    number = int(match[1])
    if number in LEFT_OUT:
        raise InputError(f"table {number} ({LEFT_OUT[number]}) does not follow from a law or the ledger; {known}")
    if number not in by_number:
        nearest = min(by_number, key=lambda each: abs(each - number))
        raise InputError(f"table {name!r} is not known; did you mean {nearest}? {known}")
    return by_number[number]
