"""Cells from specification to end: Lightning's Trainer around one student, or several that share a teacher.

Everything a step depends on is a function of (specification, step) or part of the state, so that a run that was
interrupted and resumed ends with the same bits as one that was not, on a CPU with the same number of threads. Students
that are trained together read the same batches and one teacher forward a step; each ends as it would alone. A cell
on several devices is the same run in as many processes, each with its share of every batch's windows; on two of a
CPU the same holds of its bits. With more, DDP adds up gradients in an order that changes after the first update of a
call, and a resumed run may differ in the last bits.
"""

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fitting import flops
from fitting.errors import DistillawError
from sweeps import corpora, launching, mirrors
from sweeps.feeding import Batches
from sweeps.machine import compile_in_place
from sweeps.peaks import peak
from sweeps.ranks import Rank
from sweeps.spec import RunSpec
from sweeps.student import Paths, Result, Student
from sweeps.teachers.opening import open_sources, open_teachers
from sweeps.teachers.shared import Shared

with warnings.catch_warnings():  # lightning's own imports warn of what it will have to change, not we
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.utilities.exceptions import SIGTERMException


class Interrupted(DistillawError):
    """Runs were asked to stop; their states are saved and the same call resumes them."""


def train(
    spec: RunSpec, paths: Paths, *, checkpoint_seconds: float = 10.0, stop: Callable[[], bool] = lambda: False
) -> Result:
    """Train one cell of a registered corpus to its end; `train_together` says how."""
    results: list[Result] = []
    train_together(
        [(spec, paths)],
        corpora.load(spec.recipe.corpus),
        checkpoint_seconds=checkpoint_seconds,
        stop=stop,
        done=lambda _, result: results.append(result),
    )
    return results[0]


def train_together(
    cells: Sequence[tuple[RunSpec, Paths]],
    corpus: corpora.Corpus,
    *,
    checkpoint_seconds: float = 10.0,
    stop: Callable[[], bool] = lambda: False,
    done: Callable[[RunSpec, Result], None],
) -> None:
    """Train cells that read the same batches from the same teachers, each from its saved state if there is one.

    A run is "diverged" when its loss is no longer finite, or when it ends no better than a uniform guess (ln V); it
    then leaves no model, and the others go on. `done` is told of each as it ends. `stop` is asked after every update;
    when it says so, the states are saved and `Interrupted` raised. States are saved every `checkpoint_seconds`.

    Cells on several devices are trained one after the other, each in processes of its own: `stop` is then asked from
    time to time, and a process that dies is a `launching.RankError`.
    """
    if cells[0][0].recipe.devices == 1:
        _train(cells, corpus, Rank(), checkpoint_seconds, stop, done)
        return
    for spec, paths in cells:
        launching.launch(
            spec.recipe.devices,
            _train_in_rank,
            (spec, paths, corpus.source, checkpoint_seconds),
            stop=stop,
            hear=partial(done, spec),
        )


def _train_in_rank(
    place: int,
    world: int,
    say: Callable[[Result], None],
    stop: Callable[[], bool],
    spec: RunSpec,
    paths: Paths,
    source: str,
    checkpoint_seconds: float,
) -> None:
    """One process's part of a cell; process 0 says how it ended."""
    rank = Rank(place, world)

    def done(_: RunSpec, result: Result) -> None:
        if rank.writes:
            say(result)

    _train([(spec, paths)], corpora.load(source), rank, checkpoint_seconds, stop, done)


def _train(
    cells: Sequence[tuple[RunSpec, Paths]],
    corpus: corpora.Corpus,
    rank: Rank,
    checkpoint_seconds: float,
    stop: Callable[[], bool],
    done: Callable[[RunSpec, Result], None],
) -> None:
    teachers = open_teachers(*cells[0], corpus)
    members = [Shared(source, len(cells)) for source in open_sources(cells, corpus, teachers)]
    students = [Student(spec, where, corpus, teachers, members, rank) for spec, where in cells]
    run = Run(students, members, corpus, checkpoint_seconds, stop, done, rank)
    try:
        for student in students if rank.writes else ():
            where = student.paths
            student.journal = mirrors.journal(where.journal, student.spec, student.start, where.mirrors)
        run.fit()
    finally:
        for student in students:
            if student.journal is not None:
                student.journal.close()


class Run(LightningModule):
    """Students on their way. Teachers are held outside the module tree: no checkpoint, optimizer or `.train()` call
    can reach them."""

    def __init__(
        self,
        students: Sequence[Student],
        members: Sequence[Shared],
        corpus: corpora.Corpus,
        checkpoint_seconds: float,
        stop: Callable[[], bool],
        done: Callable[[RunSpec, Result], None],
        rank: Rank | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # several students have several optimizers
        self.models = nn.ModuleList(student.model for student in students)
        self._students, self._members = tuple(students), tuple(members)
        self._corpus, self._checkpoint_seconds, self._stop, self._done = corpus, checkpoint_seconds, stop, done
        self._rank = rank or Rank()
        self._step = min(student.start for student in students)
        self._own_work = 0.0
        if students[0].spec.recipe.compiled:
            for model in (student.model for student in students):
                compile_in_place(model)

    def fit(self) -> None:
        """Run the updates that are left."""
        longest = max((student.spec for student in self._students), key=lambda spec: spec.steps)
        loader = DataLoader(Batches(longest, self._corpus, self._step, self._rank), batch_size=None)
        with warnings.catch_warnings():
            for message, category in _HARMLESS:
                warnings.filterwarnings("ignore", message=message, category=category)
            try:
                _trainer(longest, self._rank).fit(self, train_dataloaders=loader)
            except SIGTERMException:  # Lightning looks for it too, between two steps, after we have asked `stop`
                self._save(self._step)
                raise Interrupted(f"{longest.id}: stopped after {self._step} of {longest.steps} steps") from None

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [student.optimizer for student in self._students]

    def on_fit_start(self) -> None:
        self._rank.meet()
        for student in self._students:
            student.begin(self.device)
        self._peak = peak(self.device, self._students[0].spec.recipe.precision) * self._rank.world
        self._saved_at = time.monotonic()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        inputs, targets = batch
        step = self._step
        for student in self._students:
            if not student.takes(step):
                continue
            if step == student.start:
                student.start_clock(self._work)
            loss = student.loss(inputs, targets, student.target(step, inputs))
            self.manual_backward(loss.objective)  # on several devices the mean of their gradients, of equal shares
            student.update(step, loss)
            self._own_work += flops.training(student.spec.shape, student.spec.recipe.batch_tokens)
        self._step += 1
        self._after(self._step)

    @property
    def _work(self) -> float:
        """FLOPs done in this call, on all devices: the students' training, and each teacher's forward passes once."""
        spec = self._students[0].spec
        if spec.consultation is None or spec.consultation.signal != "online":
            return self._own_work
        prices = [teacher.forward_flops * spec.recipe.batch_tokens for teacher in spec.teachers]
        return self._own_work + sum(m.asked * price for m, price in zip(self._members, prices, strict=True))

    def _after(self, step: int) -> None:
        """What happens between two updates: journals, ends, branches, states."""
        moving = [student for student in self._students if student.takes(step - 1)]
        for student in moving:
            if student.logs_after(step):
                student.log(step, self._work, self._peak)
            if step == student.spec.steps and student.result is None:
                student.finish()
            if student.result is not None:
                self._end(student)
            else:
                student.branch(step)
        left = [student for student in self._students if student.result is None]
        if not left:
            self.trainer.should_stop = True
            return
        due = time.monotonic() - self._saved_at >= self._checkpoint_seconds
        decision = self._rank.agreed(_STOP if self._stop() else _SAVE if due else _GO_ON)
        if decision != _GO_ON:
            self._save(step)
        if decision == _STOP:
            self._rank.agreed(_STOP)  # the first to raise ends the others: not before process 0 has written
            names = ", ".join(student.spec.id for student in left)
            raise Interrupted(f"{names}: stopped after {step} of {left[0].spec.steps} steps")

    def _end(self, student: Student) -> None:
        assert student.result is not None
        student.close()
        self._done(student.spec, student.result)
        if student.journal is not None:
            student.journal.close()

    def _save(self, step: int) -> None:
        for student in self._students:
            if student.result is None and student.start <= step:
                student.save(step)
        self._saved_at = time.monotonic()


_GO_ON, _SAVE, _STOP = range(3)
"""What process 0 decides after an update."""


def _trainer(spec: RunSpec, rank: Rank) -> Trainer:
    for part in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(part).setLevel(logging.ERROR)  # its banners say nothing about a run
    cuda = torch.cuda.is_available()
    return Trainer(
        accelerator="gpu" if cuda else "cpu",  # "auto" would take Apple's, which has no float64 for the sums
        devices=rank.world,
        strategy="ddp" if rank.world > 1 else "auto",
        use_distributed_sampler=False,  # `Batches` shares out the windows
        precision="bf16-mixed" if spec.recipe.precision == "bf16" else "32-true",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic="warn" if cuda else True,
        # not Slurm's, even there: who runs the cells requeues them, Lightning must not. Where `launching` has set
        # LOCAL_RANK it takes the process for one of several, and the device of that number
        plugins=[LightningEnvironment()],
    )


_HARMLESS: tuple[tuple[str, type[Warning]], ...] = (
    (r".*does not have many workers", UserWarning),  # batches are slices of memory: workers would only slow them
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),  # lightning's own call into torch
    (
        r"The `srun` command is available",
        UserWarning,
    ),  # where Slurm is installed; nothing here is one job of many tasks
    (r"Memory Efficient attention defaults to a non-deterministic", UserWarning),  # on GPUs, which promise no bits
)
"""Advice that does not apply here, by the beginning of its message."""
