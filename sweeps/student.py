"""A run on its way: the weights, optimizer, journal and resumable state of one cell, advanced an update at a time."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from fitting import flops
from sweeps import checkpoints, corpora, journal, objectives, parametrisation, schedule
from sweeps.evaluation.measures import measured
from sweeps.feeding import validation_loss
from sweeps.journal import Entry, Journal
from sweeps.mirrors import Mirrors
from sweeps.models import Transformer
from sweeps.ranks import Rank
from sweeps.spec import RunSpec
from sweeps.targets import Target
from sweeps.teachers.pool import Pool
from sweeps.teachers.source import Source, Teacher

ENTRIES = 32
"""Journal entries in a run, evenly spaced; validation is rarer (`Recipe.validations`)."""

BETAS = (0.9, 0.95)
"""AdamW's; the paper does not state its own."""


@dataclass(frozen=True)
class Result:
    """The end of a run. `loss` is the held-out cross-entropy in nats per token, NaN for a diverged run.

    `measured` is what else the held-out slice says of a finished one (`evaluation.measures.measured`).
    """

    status: Literal["finished", "diverged"]
    loss: float
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Branch:
    """A shorter run on the same trunk: where its own state begins."""

    spec: RunSpec
    state: Path


@dataclass(frozen=True)
class Paths:
    """Where a run keeps its files and finds its teachers, in the order of `RunSpec.teachers`.

    `logits` is the folder of what is cached of teachers, shared by all runs of a grid. `mirrors` show the journal.
    """

    journal: Path
    state: Path
    model: Path
    teachers: tuple[Path, ...] = ()
    branches: tuple[Branch, ...] = ()
    logits: Path | None = None
    mirrors: Mirrors | None = None


class Student:
    """One cell between two updates. `result` is there once it is over.

    On several devices each process has one, of the same weights at every step; process 0 alone writes.
    """

    journal: Journal | None = None
    result: Result | None = None

    def __init__(
        self,
        spec: RunSpec,
        paths: Paths,
        corpus: corpora.Corpus,
        teachers: Sequence[Teacher] = (),
        members: Sequence[Source] = (),
        rank: Rank | None = None,
    ) -> None:
        self.spec, self.paths, self.corpus, self.teachers = spec, paths, corpus, tuple(teachers)
        self._rank = rank or Rank()
        recipe = spec.recipe
        way = recipe.parametrisation, recipe.reference_width
        self.model = Transformer(spec.shape, parametrisation.output_scale(spec.shape, *way))
        parametrisation.initialise(self.model, spec.stream("init"), *way)
        groups = parametrisation.groups(
            self.model,
            rate=spec.learning_rate,
            weight_decay=recipe.weight_decay,
            parametrisation=recipe.parametrisation,
            base_width=recipe.reference_width,
        )
        self.optimizer = torch.optim.AdamW(groups, betas=BETAS, fused=True)
        self.source = None
        if spec.consultation is not None:
            asked = spec.consultation.schedule(spec.steps, len(spec.teachers), spec.stream("consultation"))
            self.source = Pool(members, asked[:, : len(members)])  # a cached average is one source for all
        self.start = 0
        self.sums = torch.zeros(5, dtype=torch.float64)  # updates, cross-entropy, objective, consultations, KL
        progress = checkpoints.load_state(paths.state, spec, self.model, self.optimizer)
        if progress is not None:
            self.start = progress.step
            self.sums = progress.sums.view(self._rank.world, -1)[self._rank.place].clone()
            if self._rank.writes:
                journal.restore(paths.journal, progress.entries)
        self.val_loss = math.nan
        self._every = -(-spec.steps // ENTRIES)

    def begin(self, device: torch.device) -> None:
        """Bring along to a device what a move of the model leaves behind."""
        self.sums = self.sums.to(device)
        for state in self.optimizer.state.values():  # restored on the CPU, before the module was moved
            for key, value in state.items():
                state[key] = value.to(device)

    def start_clock(self, work: float) -> None:
        """Time from here, when the process has done `work` FLOPs: others of a pack may have been further behind."""
        self._entry_at, self._entry_step, self._entry_work = time.monotonic(), self.start, work

    def takes(self, step: int) -> bool:
        """Whether update `step` (from 0) is one of those that are left."""
        return self.result is None and self.start <= step < self.spec.steps

    def target(self, step: int, inputs: Tensor) -> Target | None:
        """What the teachers say, None where none is asked."""
        return self.source.target(step, inputs) if self.source is not None else None

    def loss(self, inputs: Tensor, targets: Tensor, taught: Target | None) -> objectives.Loss:
        """Eq 7 where a teacher was asked, else plain cross-entropy at weight 1; z-loss in both."""
        asked, recipe = self.spec.consultation, self.spec.recipe
        hidden, head = self.model(inputs), self.model.head
        if taught is None or asked is None:
            return objectives.objective(student_hidden=hidden, student_head=head, targets=targets, z_loss=recipe.z_loss)
        return objectives.objective(
            student_hidden=hidden,
            student_head=head,
            targets=targets,
            teacher=taught,
            lam=asked.lam,
            tau=asked.tau,
            direction=asked.direction,
            z_loss=recipe.z_loss,
        )

    def update(self, step: int, loss: objectives.Loss) -> None:
        """Take update `step` from the gradients that are there."""
        recipe = self.spec.recipe
        rate = schedule.learning_rate(
            step,
            peak=self.spec.learning_rate,
            warmup_steps=recipe.warmup_steps,
            steps=self.spec.steps,
            schedule=recipe.schedule,
            decay_share=recipe.decay_share,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self._rate = rate
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        value = loss.objective.detach()
        one = torch.ones_like(loss.cross_entropy)
        kl = torch.zeros_like(one) if loss.kl is None else loss.kl
        asked = torch.zeros_like(one) if loss.kl is None else one
        self.sums += torch.stack((one, loss.cross_entropy, value, asked, kl))

    def logs_after(self, step: int) -> bool:
        """Whether a journal entry is due once `step` updates are made."""
        return step % self._every == 0 or step == self.spec.steps

    def log(self, step: int, work: float, peak: float) -> None:
        """Append to the journal, with a validation where one is due, and end a run whose loss is not finite.

        `work` is the FLOPs that all processes have done so far, of `peak` FLOP/s at best.
        """
        spec, batch_tokens = self.spec, self.spec.recipe.batch_tokens
        now = time.monotonic()
        updates, cross_entropy, objective, asked, kl = self._rank.total(self.sums).tolist()
        finite = math.isfinite(cross_entropy) and math.isfinite(objective)
        validate = finite and (step == spec.steps or self._validates_after(step))
        if validate:
            with self._unrounded():
                self.val_loss = validation_loss(self.model, spec, self.corpus, self.sums.device, self._rank)
        finite = finite and (not validate or math.isfinite(self.val_loss))
        seconds = max(now - self._entry_at, 1e-9)
        if self.journal is not None:
            online = spec.consultation is not None and spec.consultation.signal == "online"
            self.journal.append(
                Entry(
                    step=step,
                    tokens=step * batch_tokens,
                    flops_training=flops.training(spec.shape, step * batch_tokens),
                    flops_logits=spec.consulted_flops_after(step) if online else 0.0,
                    train_loss=cross_entropy / updates if finite else None,
                    objective=objective / updates if finite else None,
                    val_loss=self.val_loss if validate and finite else None,
                    lr=self._rate,
                    tokens_per_s=(step - self._entry_step) * batch_tokens / seconds,
                    kl=kl / asked if asked and math.isfinite(kl) else None,
                    mfu=(work - self._entry_work) / seconds / peak,
                )
            )
        if not finite:
            self.result = Result("diverged", math.nan)
        self.sums.zero_()
        self._entry_at, self._entry_step, self._entry_work = time.monotonic(), step, work

    def save(self, step: int) -> None:
        """Write the state after `step` updates; not of a run that has diverged, which its next journal entry ends.

        When states are saved is chance, and the journal does not depend on it.
        """
        sums = self._rank.joined(self.sums)
        if not bool(sums.isfinite().all()):
            return
        entries = tuple(journal.read(self.paths.journal)) if self._rank.writes else ()
        self._write(self.paths.state, self.spec, checkpoints.Progress(step, sums, entries))

    def branch(self, step: int) -> None:
        """Leave a state to the shorter runs whose trunk ends here."""
        for branch in self.paths.branches:
            if branch.spec.branches_at == step and not branch.state.exists():
                none = torch.zeros_like(self.sums).repeat(self._rank.world)
                self._write(branch.state, branch.spec, checkpoints.Progress(step, none))

    def finish(self) -> None:
        """Judge a run that has taken its last update, and save the model of one that learned anything."""
        if not self.val_loss < math.log(self.spec.shape.n_vocab):
            self.result = Result("diverged", math.nan)
            return
        if not self._rank.writes:  # the others need no more than to know that it is over
            self.result = Result("finished", self.val_loss)
            return
        with self._unrounded():
            found = measured(self.model, self.spec, self.corpus, self.teachers, self.sums.device)
        self.result = Result("finished", self.val_loss, found)

    def close(self) -> None:
        """Leave on the disk what a run that is over leaves."""
        assert self.result is not None
        if not self._rank.writes:
            return
        if self.result.status == "finished":
            checkpoints.save_model(self.paths.model, self.spec, self.model, self.result.loss, self.corpus.describe())
        else:
            self.paths.state.unlink(missing_ok=True)

    def _write(self, path: Path, spec: RunSpec, at: checkpoints.Progress) -> None:
        if self._rank.writes:
            checkpoints.save_state(path, spec, self.model, self.optimizer, at)

    def _unrounded(self) -> torch.autocast:
        """A run is judged in float32, whatever it trains in: `distillaw evaluate` finds the same."""
        return torch.autocast(self.sums.device.type, enabled=False)

    def _validates_after(self, step: int) -> bool:
        """Whether one of the evenly spaced validations falls between the entry before and this one."""
        share = self.spec.steps / self.spec.recipe.validations
        return step // share > (step - self._every) // share
