"""One run from its specification: Lightning's Trainer around the objective, a journal and a resumable state.

Everything a step depends on is a function of (specification, step) or part of the state, so that a run that was
interrupted and resumed ends with the same bits as one that was not, on a CPU with the same number of threads.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fitting import flops
from fitting.errors import DistillawError
from sweeps import checkpoints, corpora, objectives, schedule
from sweeps.feeding import Batches, validation_loss
from sweeps.journal import Entry, Journal
from sweeps.models import Transformer, initialise
from sweeps.spec import RunSpec

with warnings.catch_warnings():  # lightning's own imports warn of what it will have to change, not we
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.pytorch import LightningModule, Trainer

ENTRIES = 32
"""Journal entries in a run, evenly spaced; validation is rarer (`Recipe.validations`)."""

BETAS = (0.9, 0.95)
"""AdamW's; the paper does not state its own."""


class Interrupted(DistillawError):
    """A run was asked to stop; its state is saved and the same call resumes it."""


class _Diverged(Exception):
    """The loss is no longer finite."""


@dataclass(frozen=True)
class Result:
    """The end of a run. `loss` is the held-out cross-entropy in nats per token, NaN for a diverged run."""

    status: Literal["finished", "diverged"]
    loss: float


@dataclass(frozen=True)
class Paths:
    """Where a run keeps its files."""

    journal: Path
    state: Path
    model: Path
    teacher: Path | None = None


def train(
    spec: RunSpec, paths: Paths, *, checkpoint_seconds: float = 10.0, stop: Callable[[], bool] = lambda: False
) -> Result:
    """Train one cell to its end, from its saved state if there is one, and save the model.

    A run is "diverged" when its loss is no longer finite, or when it ends no better than a uniform guess (ln V);
    it then leaves no model. `stop` is asked after every update; when it says so, the state is saved and
    `Interrupted` raised. A state is saved every `checkpoint_seconds` of training.
    """
    corpus = corpora.load(spec.recipe.corpus)
    model = Transformer(spec.shape)
    initialise(model, spec.stream("init"))
    teacher = checkpoints.load_model(paths.teacher) if paths.teacher else None
    run = Run(spec, model, teacher, corpus, paths.state, checkpoint_seconds, stop)
    with Journal(paths.journal) as journal:
        run.journal = journal
        try:
            run.fit()
        except _Diverged:
            paths.state.unlink(missing_ok=True)
            return Result("diverged", math.nan)
    loss = run.val_loss
    if not loss < math.log(spec.shape.n_vocab):
        paths.state.unlink(missing_ok=True)
        return Result("diverged", math.nan)
    checkpoints.save_model(paths.model, spec, model, loss, corpus.describe())
    return Result("finished", loss)


class Run(LightningModule):
    """A student on its way. The teacher is held outside the module tree: no checkpoint, optimizer or `.train()`
    call can reach it."""

    journal: Journal

    def __init__(
        self,
        spec: RunSpec,
        model: Transformer,
        teacher: Transformer | None,
        corpus: corpora.Corpus,
        state: Path,
        checkpoint_seconds: float,
        stop: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.spec, self.model, self.corpus = spec, model, corpus
        self._outside = (teacher,)  # a tuple is no submodule
        self._state, self._checkpoint_seconds, self._stop = state, checkpoint_seconds, stop
        self._adamw = _optimizer(model, spec)
        self._start = 0
        self._sums = torch.zeros(3, dtype=torch.float64)  # updates, cross-entropy, objective since the last entry
        self._every = -(-spec.steps // ENTRIES)
        self.val_loss = math.nan

    def fit(self) -> None:
        """Run the updates that are left."""
        progress = checkpoints.load_state(self._state, self.spec, self.model, self._adamw)
        if progress is not None:
            self._start, self._sums = progress.step, progress.sums
        loader = DataLoader(Batches(self.spec, self.corpus, self._start), batch_size=None)
        with warnings.catch_warnings():
            for message, category in _HARMLESS:
                warnings.filterwarnings("ignore", message=message, category=category)
            _trainer(self.spec, self.spec.steps - self._start).fit(self, train_dataloaders=loader)

    @property
    def step(self) -> int:
        """Updates made, those before a resumption included."""
        return self._start + self.trainer.global_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self._adamw

    def on_fit_start(self) -> None:
        (teacher,) = self._outside
        if teacher is not None:
            teacher.to(self.device)
        self._sums = self._sums.to(self.device)
        for state in self._adamw.state.values():  # restored on the CPU, before the module was moved
            for key, value in state.items():
                state[key] = value.to(self.device)
        self._entry_at = self._saved_at = time.monotonic()
        self._entry_step = self._start

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        recipe = self.spec.recipe
        self._rate = schedule.learning_rate(
            self.step, peak=self.spec.learning_rate, warmup_steps=recipe.warmup_steps, steps=self.spec.steps
        )
        for group in self._adamw.param_groups:
            group["lr"] = self._rate

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, targets = batch
        (teacher,) = self._outside
        hidden = taught = None
        if teacher is not None:
            with torch.no_grad():
                hidden, taught = teacher(inputs), teacher.head
        loss = objectives.objective(
            student_hidden=self.model(inputs),
            student_head=self.model.head,
            targets=targets,
            teacher_hidden=hidden,
            teacher_head=taught,
            lam=self.spec.lam,
            tau=self.spec.tau,
            z_loss=self.spec.recipe.z_loss,
        )
        self._latest = torch.stack((torch.ones_like(loss.z), loss.cross_entropy, loss.objective.detach()))
        return loss.objective

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._sums += self._latest
        step, last = self.step, self.step == self.spec.steps
        if step % self._every == 0 or last:
            self._log(step, last)
        stop = self._stop() and not last
        if stop or (time.monotonic() - self._saved_at >= self._checkpoint_seconds and not last):
            if not bool(self._sums.isfinite().all()):
                raise _Diverged
            checkpoints.save_state(
                self._state, self.spec, self.model, self._adamw, checkpoints.Progress(step, self._sums)
            )
            self._saved_at = time.monotonic()
        if stop:
            raise Interrupted(f"{self.spec.id}: stopped after {step} of {self.spec.steps} steps")

    def _log(self, step: int, last: bool) -> None:
        spec, batch_tokens = self.spec, self.spec.recipe.batch_tokens
        now = time.monotonic()
        updates, cross_entropy, objective = self._sums.tolist()
        finite = math.isfinite(cross_entropy) and math.isfinite(objective)
        validate = finite and (last or self._validates_at(step))
        if validate:
            self.val_loss = validation_loss(self.model, spec, self.corpus, self.device)
        finite = finite and (not validate or math.isfinite(self.val_loss))
        self.journal.append(
            Entry(
                step=step,
                tokens=step * batch_tokens,
                flops_training=flops.training(spec.shape, step * batch_tokens),
                flops_logits=spec.logits_flops * step / spec.steps,
                train_loss=cross_entropy / updates if finite else None,
                objective=objective / updates if finite else None,
                val_loss=self.val_loss if validate and finite else None,
                lr=self._rate,
                tokens_per_s=(step - self._entry_step) * batch_tokens / max(now - self._entry_at, 1e-9),
            )
        )
        if not finite:
            raise _Diverged
        self._sums.zero_()
        self._entry_at, self._entry_step = time.monotonic(), step

    def _validates_at(self, step: int) -> bool:
        """Whether one of the evenly spaced validations falls between the entry before and this one."""
        share = self.spec.steps / self.spec.recipe.validations
        return step // share > (step - self._every) // share


def _optimizer(model: Transformer, spec: RunSpec) -> torch.optim.AdamW:
    """AdamW with the decoupled decay of Loshchilov & Hutter (arXiv 1711.05101): independent of the peak rate.

    torch multiplies the decay by the rate, so it is divided by the peak here. Gains do not decay.
    """
    recipe = spec.recipe
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    gains = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay / spec.learning_rate},
        {"params": gains, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=spec.learning_rate, betas=BETAS, fused=True)


def _trainer(spec: RunSpec, updates: int) -> Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # its banners say nothing about a run
    cuda = torch.cuda.is_available()
    return Trainer(
        accelerator="gpu" if cuda else "cpu",  # "auto" would take Apple's, which has no float64 for the sums
        devices=1,
        max_steps=updates,
        gradient_clip_val=spec.recipe.clip,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic="warn" if cuda else True,
        # not Slurm's, even there: who runs the cells requeues them, Lightning must not
        plugins=[LightningEnvironment()],
    )


_HARMLESS: tuple[tuple[str, type[Warning]], ...] = (
    (r".*does not have many workers", UserWarning),  # batches are slices of memory: workers would only slow them
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),  # lightning's own call into torch
    (r"Memory Efficient attention defaults to a non-deterministic", UserWarning),  # on GPUs, which promise no bits
)
"""Advice that does not apply here, by the beginning of its message."""
