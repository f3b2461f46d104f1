"""What the machinery around a training step costs, and what a shared teacher forward saves, side by side in one run.

`python benchmarks/training_step.py` prints ratios of seconds per step, all on one thread:

- a run (Lightning, journal, states) against a bare loop of the same model, batches, objective and optimizer, at steps
  of at least 40 ms;
- four students of one teacher trained together against one after the other, beside the ratio of their FLOPs,
  (F_T + 3 ΣF_S) / (4 F_T + 3 ΣF_S), which supposes that a FLOP takes both models as long.

Seconds are the processor's, so that others on the machine disturb little; what waits for the disk is not in them. A
step's are the difference of a long and a short run over the difference of their steps, so that what a run pays once is
left out. Repetitions of what is compared take turns; the median of their ratios counts.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from fitting import flops
from fitting.flops import Shape
from sweeps import checkpoints, corpora, objectives, parametrisation, schedule
from sweeps.consultation import Consultation
from sweeps.feeding import batch_of
from sweeps.models import Transformer, initialise
from sweeps.spec import Recipe, RunSpec
from sweeps.student import BETAS, Paths
from sweeps.training import train_together

N_CTX, VOCABULARY, WINDOWS = 128, 256, 8
BATCH = N_CTX * WINDOWS
SHORT, LONG, REPEATS = 4, 34, 3
RECIPE = Recipe("stdlib", BATCH, 0.01, None, 2000, 1e-4, 1.0, 1e-4, 2 * N_CTX, 1)


def cell(name: str, layers: int, steps: int, *, aspect: int = 32) -> RunSpec:
    shape = Shape.of_depth(layers, aspect=aspect, n_heads=4, n_vocab=VOCABULARY, n_ctx=N_CTX)
    return RunSpec(name, "supervised", shape, aspect, BATCH * steps, 0, RECIPE)


def seconds(run: Callable[[int], None]) -> float:
    """Seconds of one step."""

    def took(steps: int) -> float:
        start = time.process_time()
        run(steps)
        return time.process_time() - start

    short = took(SHORT)
    return (took(LONG) - short) / (LONG - SHORT)


def compared(run: Callable[[int], None], other: Callable[[int], None]) -> tuple[float, float]:
    """Seconds per step of `other`, and those of `run` over them, measured in turns."""
    for one in (run, other):
        one(2)  # what the first call of a process pays
    pairs = [(seconds(run), seconds(other)) for _ in range(REPEATS)]
    return min(pair[1] for pair in pairs), median(pair[0] / pair[1] for pair in pairs)


def bare(spec: RunSpec) -> None:
    """The same updates without Lightning, journal or states."""
    corpus = corpora.load("stdlib")
    model = Transformer(spec.shape)
    initialise(model, spec.stream("init"))
    groups = parametrisation.groups(
        model, rate=spec.learning_rate, weight_decay=1e-4, parametrisation="standard", base_width=None
    )
    adamw = torch.optim.AdamW(groups, betas=BETAS, fused=True)
    for step in range(spec.steps):
        inputs, targets = batch_of(spec, corpus, step)
        loss = objectives.objective(
            student_hidden=model(inputs), student_head=model.head, targets=targets, z_loss=spec.recipe.z_loss
        )
        loss.objective.backward()
        for group in adamw.param_groups:
            group["lr"] = schedule.learning_rate(
                step, peak=spec.learning_rate, warmup_steps=spec.recipe.warmup_steps, steps=spec.steps
            )
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.recipe.clip)
        adamw.step()
        adamw.zero_grad()


def full(cells: Sequence[RunSpec], teachers: Path | None = None) -> None:
    """The cells together, as a worker trains them."""
    with tempfile.TemporaryDirectory() as folder:

        def paths(spec: RunSpec) -> Paths:
            home = Path(folder) / spec.id
            home.mkdir()
            taught = tuple(teachers / f"{one.id}.safetensors" for one in spec.teachers) if teachers else ()
            return Paths(home / "journal.jsonl", home / "state.safetensors", home / "model.safetensors", taught)

        train_together([(spec, paths(spec)) for spec in cells], corpora.load("stdlib"), done=lambda *_: None)


def overhead() -> None:
    print("a run against a bare loop")
    for layers in (4, 6):
        spec = cell("s", layers, LONG)

        def at(steps: int, spec: RunSpec = spec) -> RunSpec:
            return replace(spec, tokens=BATCH * steps)

        loop, ratio = compared(lambda n, at=at: full([at(n)]), lambda n, at=at: bare(at(n)))
        size = flops.parameters(spec.shape).total / 1e6
        print(f"  {size:.2f}M parameters: {1e3 * loop:.0f} ms a bare step, x {ratio:.3f}")


def packing() -> None:
    print("four students together against one after the other")
    with tempfile.TemporaryDirectory() as folder:
        for teacher_layers, student_layers, aspect in ((4, 2, 32), (3, 3, 32), (4, 2, 64), (5, 2, 64)):
            teacher = replace(cell(f"t{teacher_layers}-{aspect}", teacher_layers, LONG, aspect=aspect), role="teacher")
            model = Transformer(teacher.shape)
            initialise(model, 0)
            checkpoints.save_model(Path(folder) / f"{teacher.id}.safetensors", teacher, model, 1.0, {})
            students = [
                replace(
                    cell(f"d{i}", student_layers, LONG, aspect=aspect),
                    role="distilled",
                    teachers=(teacher,),
                    consultation=Consultation(lam=lam),
                )
                for i, lam in enumerate((1.0, 0.9, 0.7, 0.5))
            ]

            def at(steps: int, students: list[RunSpec] = students) -> list[RunSpec]:
                return [replace(one, tokens=BATCH * steps) for one in students]

            def apart(steps: int, at: Callable[[int], list[RunSpec]] = at) -> None:
                for one in at(steps):
                    full([one], Path(folder))

            _, ratio = compared(lambda n, at=at: full(at(n), Path(folder)), apart)
            F_T, F_S = (flops.forward(one.shape).total for one in (teacher, students[0]))
            ideal = (F_T + 12 * F_S) / (4 * F_T + 12 * F_S)
            sizes = f"student of width {students[0].shape.d_model}, F_T = {F_T / F_S:.1f} F_S"
            print(f"  {sizes}: x {ratio:.3f} of the time, x {ideal:.3f} of the FLOPs: {ratio / ideal:.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    overhead()
    packing()
