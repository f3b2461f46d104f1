"""A protocol's grid for a terminal and for programs: what it is, what it costs, what to do next."""

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitting import terminal, units
from sweeps.protocols.cost import FEW_STEPS, Cost, Wall, few_steps
from sweeps.protocols.design import Asked
from sweeps.protocols.scales import PROTOCOLS, READINGS
from sweeps.spec import Role


@dataclass(frozen=True)
class Result:
    """A grid that was written: `files` are it and its brackets; `corpus` is a folder, None for a corpus by name."""

    protocol: str
    asked: Asked
    files: tuple[Path, ...]
    cost: Cost
    wall: Wall
    corpus: Path | None

    @property
    def readings(self) -> tuple[str, ...]:
        """What the paper leaves open or says in two ways, and what was taken."""
        return (*READINGS[""], *READINGS[self.protocol]) if self.asked.scale.name == "paper" else ()

    @property
    def short(self) -> int:
        """Runs of too few steps."""
        return few_steps(self.asked.cells)

    def tokens(self, teachers: bool) -> int:
        """The longest run of teachers, or of all others."""
        return max((cell.tokens for cell in self.asked.cells if (cell.role == "teacher") == teachers), default=0)

    def runs(self, role: Role) -> int:
        return sum(cell.role == role for cell in self.asked.cells)


def about(asked: Asked, protocol: str) -> str:
    """The first lines of a grid file."""
    lines = [f"Protocol {protocol} of arXiv 2502.08606 (section 4), scale {asked.scale.name}: {PROTOCOLS[protocol]}."]
    if asked.scale.name == "paper":
        lines += [*READINGS[""], *READINGS[protocol]]
    return "\n".join(lines)


def about_bracket(asked: Asked, factor: float, grid: str) -> str:
    """The first line of a bracket's grid file."""
    return f"Brackets the learning rate of {grid}: here x {factor:g}. The best of these files' rates goes in there."


def as_text(result: Result) -> None:
    """Print the answer, the costs, and what to run."""
    out, asked, cost, wall = terminal.console(), result.asked, result.cost, result.wall
    main, *rates = (str(path) for path in result.files)
    together = None if wall.grid is None or wall.brackets is None else wall.grid + wall.brackets
    time = "" if together is None else f", about {units.duration(together)}"
    out.print(
        f"{main}: {result.protocol} at the scale {asked.scale.name}, {len(asked.cells)} runs, "
        f"{units.flops(cost.total)} FLOPs with brackets{time}."
    )
    out.print()
    table = terminal.table("what", "runs", "FLOPs", "A100-hours", "time")
    rows = [
        ("teachers", str(result.runs("teacher")), cost.teachers, None),
        ("supervised", str(result.runs("supervised")), cost.supervised, None),
        ("students", str(result.runs("distilled")), cost.students, None),
        ("teachers' forward passes", "", cost.logits, None),
        ("grid", str(len(asked.cells)), cost.total - cost.brackets, wall.grid),
        ("brackets", f"{len(rates)} files", cost.brackets, wall.brackets),
        ("both", "", cost.total, together),
    ]
    for what, runs, flops, seconds in rows:
        hours = f"{cost.a100_hours(flops):.3g}"
        table.add_row(what, runs, units.flops(flops), hours, "" if seconds is None else units.duration(seconds))
    terminal.show_table(out, table)
    out.print(f"A100-hours: of one A100 at an MFU of {100 * cost.mfu:g} %. Time: {wall.basis}.")
    for line in result.readings:
        out.print(f"Our reading: {line}")
    if result.short:
        terminal.console(stderr=True).print(
            f"warning: {result.short} of {len(asked.cells)} runs take fewer than {FEW_STEPS} steps; "
            "laws miss such runs by more"
        )
    _next(result, main, rates)


def _next(result: Result, main: str, rates: list[str]) -> None:
    out, scale = terminal.console(), result.asked.scale
    workers, shared = scale.workers, f" --together {scale.together}" if scale.together > 1 else ""
    if result.corpus is not None and not result.corpus.exists():
        out.print(
            f"Text: {result.corpus} is still to be prepared (distillaw corpus prepare), with a vocabulary of "
            f"{result.asked.n_vocab}; its longest runs are {units.count(result.tokens(True))} tokens of the teachers' "
            f"half, {units.count(result.tokens(False))} of the students'"
            + (", where text may repeat." if result.asked.scale.repeat else ", none twice.")
        )
    out.print("Next: the brackets, because the grid is only as good as its rate:")
    for path in rates:
        out.print(f"  distillaw sweep run {path} --out runs/{Path(path).stem} --workers {workers}")
    out.print(
        "Their losses: distillaw sweep status. Where x 0.5 or x 2 is the better one, write the grid again with its "
        "--learning-rate, and --force. Then:"
    )
    out.print(f"  distillaw sweep run {main} --out runs/{Path(main).stem} --workers {workers}{shared}")


def as_json(result: Result) -> None:
    """Print one object, quantities in FLOPs, hours and seconds."""
    cost, asked = result.cost, result.asked
    out, *rates = (str(path) for path in result.files)
    flops = {
        "teachers": cost.teachers,
        "supervised": cost.supervised,
        "students": cost.students,
        "logits": cost.logits,
        "brackets": cost.brackets,
        "total": cost.total,
    }
    content: dict[str, Any] = {
        "schema": "distillaw/sweep-grid/1",
        "protocol": result.protocol,
        "scale": asked.scale.name,
        "out": out,
        "brackets": rates,
        "learning_rate": asked.learning_rate,
        "runs": dict(Counter(cell.role for cell in asked.cells)),
        "runs_of_few_steps": result.short,
        "flops": flops,
        "mfu": cost.mfu,
        "a100_hours": {name: cost.a100_hours(value) for name, value in flops.items()},
        "seconds": {"grid": result.wall.grid, "brackets": result.wall.brackets},
        "seconds_basis": result.wall.basis,
        "corpus": None if result.corpus is None else str(result.corpus),
        "n_vocab": asked.n_vocab,
        "longest": {"teachers": result.tokens(True), "others": result.tokens(False)},
        "readings": list(result.readings),
    }
    json.dump(content, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")
