"""How far an evaluation is, on stderr: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fitting import terminal

_LINE_SECONDS = 20.0


class Display:
    """Told of models and of the share of each that is done. A context manager."""

    def __init__(self) -> None:
        self._console = terminal.console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            refresh_per_second=4,
            transient=True,
        )
        self._task = self._bar.add_task("", total=1.0)
        self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, name: str) -> None:
        """Show that a model is read."""
        self._name = name
        self._bar.reset(self._task, description=f"{name}: reading its weights", total=1.0)

    def tell(self, share: float) -> None:
        """Show the share of its windows that is done."""
        self._bar.update(self._task, description=self._name, completed=share)
        if not self._console.is_terminal and time.monotonic() - self._line_at >= _LINE_SECONDS:
            self._line_at = time.monotonic()
            self._console.print(f"{self._name}: {100 * share:.0f} %")
