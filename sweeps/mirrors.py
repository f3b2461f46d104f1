"""A run's journal, shown in TensorBoard and Weights & Biases as it is written, through Lightning's loggers.

The journal stays the truth. A mirror that fails is given up with one warning, and the run goes on: it has the same bits
with mirrors and without.
"""

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from fitting.errors import Faults
from sweeps.journal import Entry, Journal
from sweeps.spec import RunSpec

NAMES = ("tensorboard", "wandb")
"""What `--log` may name; also the packages that they need, and the extras that install those."""

_PATIENCE_SECONDS = 60.0
"""For a server of W&B's that does not answer. What it was not told stays in DIR/wandb, for `wandb sync`."""

_LOG = logging.getLogger(__name__)
_given_up: set[str] = set()
"""Mirrors that failed in this process: a server that is away would make every cell wait for it."""


@dataclass(frozen=True)
class Mirrors:
    """Which mirrors a grid's runs have: some of `NAMES`, below the grid's `folder`, under its name, `grid`."""

    names: tuple[str, ...]
    folder: Path
    grid: str


def check(names: Sequence[str]) -> None:
    """Raise `InputError` for names that are no mirror's, and for packages that are not installed."""
    faults = Faults()
    for name in names:
        if name not in NAMES:
            faults.add(f"--log {name}: is none of {', '.join(NAMES)}")
        elif find_spec(name) is None:
            faults.add(f"--log {name}: is not installed: pip install 'distillaw[{name}]' (see docs/faq.md#mirrors)")
    faults.raise_if_any()


def journal(path: Path, spec: RunSpec, start: int, mirrors: Mirrors | None) -> Journal:
    """The journal of a run that goes on after `start` steps, with its mirrors."""
    return Journal(path) if mirrors is None or not mirrors.names else MirroredJournal(path, spec, start, mirrors)


class MirroredJournal(Journal):
    """A journal that shows each entry, once it is on the disk."""

    def __init__(self, path: Path, spec: RunSpec, start: int, mirrors: Mirrors) -> None:
        super().__init__(path)
        self._mirrors: dict[str, _Mirror] = {}
        for name in dict.fromkeys(mirrors.names):
            self._open(name, spec, start, mirrors)

    def append(self, entry: Entry) -> None:
        super().append(entry)
        for name, mirror in list(self._mirrors.items()):
            try:
                with _quiet():
                    mirror.show(entry)
            except Exception as error:
                self._give_up(name, error)

    def close(self) -> None:
        super().close()
        for name, mirror in list(self._mirrors.items()):
            try:
                with _quiet():
                    mirror.close()
            except Exception as error:
                self._give_up(name, error)
        self._mirrors.clear()

    def _open(self, name: str, spec: RunSpec, start: int, mirrors: Mirrors) -> None:
        if name in _given_up:
            return
        try:
            with _quiet():
                if name == "tensorboard":
                    self._mirrors[name] = _TensorBoard(spec, start, mirrors)
                else:
                    self._mirrors[name] = _WandB(spec, mirrors)
        except Exception as error:
            self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        self._mirrors.pop(name, None)
        if name not in _given_up:
            _given_up.add(name)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            _LOG.warning("warning: --log %s: %s; this process goes on without it, journals are complete", name, reason)


class _Mirror(Protocol):
    def show(self, entry: Entry) -> None: ...

    def close(self) -> None: ...


class _TensorBoard:
    """DIR/tensorboard/CELL. Each entry is on the disk when `show` returns."""

    def __init__(self, spec: RunSpec, start: int, mirrors: Mirrors) -> None:
        from lightning.pytorch.loggers import TensorBoardLogger

        # purged: what a run that is resumed logged after the state from which it goes on, and logs again
        folder = mirrors.folder / "tensorboard"
        self._logger = TensorBoardLogger(folder, spec.id, version="", purge_step=start + 1)
        self._described, self._about = False, _about(spec)

    def show(self, entry: Entry) -> None:
        values = _values(entry)
        if not self._described and "val_loss" in values:  # its page of hyperparameters shows them with these values
            self._logger.log_hyperparams(self._about, values, entry.step)
            self._described = True
        else:
            self._logger.log_metrics(values, entry.step)
        self._logger.experiment.flush()

    def close(self) -> None:
        self._logger.finalize("success")


class _WandB:
    """A run of the project of the grid's name; its files are in DIR/wandb.

    Its id is the cell's, so that a run that is resumed is the same run there. What a kill makes it log again is there
    twice: nothing that W&B was told can be taken back.
    """

    def __init__(self, spec: RunSpec, mirrors: Mirrors) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")  # read when it is imported; a setting comes after its first words

        import wandb
        from lightning.pytorch.loggers import WandbLogger

        settings = wandb.Settings(console="off", init_timeout=_PATIENCE_SECONDS, finish_timeout=_PATIENCE_SECONDS)
        self._run = wandb.init(
            project=mirrors.grid,
            dir=mirrors.folder,
            id=spec.digest()[:16],
            name=spec.id,
            resume="allow",
            reinit="create_new",  # students that are trained together are several runs of one process
            settings=settings,
        )
        self._run.define_metric("trainer/global_step")
        self._run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        self._logger = WandbLogger(experiment=self._run)
        self._logger.log_hyperparams(_about(spec))
        self._steps, self._whole = spec.steps, False

    def show(self, entry: Entry) -> None:
        self._logger.log_metrics(_values(entry), entry.step)
        self._whole = entry.step == self._steps and entry.train_loss is not None

    def close(self) -> None:
        self._run.finish(exit_code=0 if self._whole else 1)  # one that was stopped, or diverged, is not "finished"


def _about(spec: RunSpec) -> dict[str, Any]:
    """What a person filters and sorts runs by."""
    return {
        "N": spec.N,
        "D": spec.D,
        "role": spec.role,
        "teachers": ", ".join(teacher.id for teacher in spec.teachers),
        "learning_rate": spec.learning_rate,
        "seed": spec.seed,
    }


def _values(entry: Entry) -> dict[str, float]:
    return {name: value for name, value in asdict(entry).items() if name != "step" and value is not None}


def _quiet() -> warnings.catch_warnings:
    """What these libraries warn of is theirs to change."""
    return warnings.catch_warnings(action="ignore")
