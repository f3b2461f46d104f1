"""How a grid file says the way a student consults its teachers: once for all, and where a table differs."""

from dataclasses import asdict

from sweeps.consultation import Consultation
from sweeps.toml_tables import Table


def read_consultation(table: Table, default: Consultation) -> Consultation:
    """The keys of a table that are about consulting; those that it leaves out are `default`'s."""
    start, end = table.window("window", (default.start, default.end)) or (0.0, 1.0)
    signal = table.choice("signal", ("online", "top-k", "sampled"), default.signal)
    asked = Consultation(
        lam=_or(table.share("lambda", default.lam), default.lam),
        tau=_or(table.positive("tau", default.tau), default.tau),
        direction=table.choice("direction", ("forward", "reverse"), default.direction),
        signal=signal,
        kept=table.count("keep", None if signal == "online" else default.kept),  # which nobody asked of this table
        pool=table.choice("pool", ("draw", "average"), default.pool),
        start=start,
        end=end,
        every=table.count("every", default.every) or 1,
        fraction=_or(table.share("fraction", default.fraction), default.fraction),
    )
    keep, add = table.place("keep"), table.faults.add
    if asked.signal == "online" and asked.kept is not None:
        add(f'{keep}: the signal "online" keeps everything; remove it, or choose "top-k" or "sampled"')
    if asked.signal != "online" and asked.kept is None:
        add(f'{keep}: is missing; say how many tokens the signal "{asked.signal}" keeps, such as 64 or 50')
    if asked.signal != "online" and asked.direction == "reverse":
        add(f'{table.place("direction")}: "reverse" needs every token of the teacher; use signal = "online"')
    if asked.fraction == 0:
        add(f"{table.place('fraction')}: must be greater than zero; a run that never asks is a supervised one")
    return asked


def differences(asked: Consultation, default: Consultation) -> str:
    """What a cell's name says of how it consults: the values in which it departs from its grid's default."""
    before = asdict(default)
    parts = []
    for name, value in asdict(asked).items():
        if value != before[name] and value is not None:
            parts.append(f"-{_WRITTEN.get(name, name)}{value:g}" if isinstance(value, int | float) else f"-{value}")
    return "".join(parts)


_WRITTEN = {"lam": "lambda", "kept": "keep"}


def _or(value: float | None, default: float) -> float:
    """A value that the file got wrong reads as the default; the fault is kept."""
    return default if value is None else value
