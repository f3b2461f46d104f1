"""How far a preparation is, on stderr: a bar with the time left on a terminal, a line now and then elsewhere."""

import time
from typing import Self

from fitting import terminal, units
from sweeps.bar import bar
from sweeps.corpora.readers import Position

_LINE_SECONDS = 20.0
_LOOK_SECONDS = 0.2
_TRUSTED_SECONDS = 1.0


class Display:
    """Told of phases and of the text that passes, shows the share done and the time left. A context manager."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._console = terminal.console(stderr=True)
        self._bar = bar(self._console, transient=True)
        self._task = self._bar.add_task(name, total=None, left="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, phase: str, position: Position, n_bytes: int | None) -> None:
        """Show that a phase of `n_bytes` (None: unknown) begins."""
        self._phase, self._position, self._total, self._done = phase, position, n_bytes, 0
        self._began = self._looked = self._line_at = time.monotonic()
        self._bar.reset(self._task, description=f"{self._name}: {phase}", total=None, left="")

    def tell(self, n_bytes: int) -> None:
        """Show that so many more bytes have passed."""
        self._done += n_bytes
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        share = self._done / self._total if self._total else self._position.share
        left = ""
        if share and now - self._began > _TRUSTED_SECONDS:
            left = f"about {units.duration((now - self._began) * (1 - share) / share)} left"
        passed = f"{units.count(self._done)} bytes"
        self._bar.update(
            self._task,
            total=None if share is None else 1.0,
            completed=share or 0.0,
            description=f"{self._name}: {self._phase}, {passed}",
            left=left,
        )
        if not self._console.is_terminal and now - self._line_at >= _LINE_SECONDS:
            self._line_at = now
            done = "" if share is None else f", {100 * share:.0f} %"
            self._console.print(f"{self._name}: {self._phase}, {passed}{done}" + (f", {left}" if left else ""))
