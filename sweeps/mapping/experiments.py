"""Which teachers and students of the mapping problem are trained: the two experiments of App C.2 (arXiv 2502.08606).

`teacher-width` (Fig 11): students of teachers of growing width. `teacher-steps` (Fig 12): students of teachers of width
512 that were trained for longer and longer. A network whose steps are not given sees 20 samples per parameter, 500
batches at least. Beside them stand supervised students, trained on the labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fitting.progress import Progress, silent
from sweeps.mapping.networks import BATCH, parameters, train
from sweeps.mapping.problem import CLASSES, all_inputs
from sweeps.mapping.scales import Scale
from sweeps.mapping.table import SUPERVISED, TEACHER_STEPS, TEACHER_WIDTH, Row

STUDENT_SEEDS = 1000
"""The seed of a student's first trial; a teacher's is 0, so that no student sees its teacher's batches."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Teacher:
    experiment: str
    width: int
    steps: int


def steps_of(width: int, scale: Scale) -> int:
    """Steps of a network that is trained in full: samples in proportion to its parameters, 500 batches at least."""
    return max(scale.least_steps, -(-scale.samples_per_parameter * parameters(width) // BATCH))


def teachers(scale: Scale) -> list[Teacher]:
    by_width = [Teacher(TEACHER_WIDTH, width, steps_of(width, scale)) for width in scale.teacher_widths]
    return by_width + [Teacher(TEACHER_STEPS, scale.longest_width, steps) for steps in scale.teacher_steps]


def run(scale: Scale, progress: Progress = silent) -> list[Row]:
    """Train everything of a scale; a row for each student, the same for the same scale, machine and threads.

    Cross-entropies are exact: over all inputs, weighted by how likely the sampler draws each.
    """
    asked = teachers(scale)
    seeds = range(scale.trials)
    total = sum(work for _, work in _work(scale))
    done = 0.0

    def tell(networks: int, width: int, steps: int) -> None:
        nonlocal done
        done += networks * parameters(width) * steps
        progress("training (updates of a weight, millions)", round(done / 1e6), round(total / 1e6))

    tell(0, 1, 0)
    answers = np.eye(CLASSES, dtype=np.float32)[all_inputs().labels]
    said = [train(t.width, t.steps, answers[None, None], seeds, partial(tell, scale.trials, t.width))[0] for t in asked]
    targets = np.stack([np.broadcast_to(answers, said[0].shape), *(np.exp(each) for each in said)]).astype(np.float32)
    rows = []
    for width in scale.student_widths:
        steps, of_students = steps_of(width, scale), range(STUDENT_SEEDS, STUDENT_SEEDS + scale.trials)
        students = train(width, steps, targets, of_students, partial(tell, len(targets) * scale.trials, width))
        rows += list(_rows(width, steps, asked, said, students, scale.name))
    return rows


def _work(scale: Scale) -> Iterator[tuple[int, int]]:
    """For each network its width and the updates of a weight that training it takes."""
    for teacher in teachers(scale):
        for _ in range(scale.trials):
            yield teacher.width, teacher.steps * parameters(teacher.width)
    for width in scale.student_widths:
        for _ in range(scale.trials * (1 + len(teachers(scale)))):
            yield width, steps_of(width, scale) * parameters(width)


def cross_entropy(said: Floats) -> Floats:
    """Of the labels (nats), from log-probabilities (..., inputs, classes)."""
    inputs = all_inputs()
    found: Floats = -said[..., np.arange(len(inputs.labels)), inputs.labels] @ inputs.probabilities
    return found


def accuracy(said: Floats) -> Floats:
    """How often the most likely class is the label."""
    inputs = all_inputs()
    found: Floats = (said.argmax(axis=-1) == inputs.labels) @ inputs.probabilities
    return found


def divergence(teacher: Floats, student: Floats) -> Floats:
    """KL(teacher || student) in nats, from log-probabilities (..., inputs, classes)."""
    found: Floats = (np.exp(teacher) * (teacher - student)).sum(axis=-1) @ all_inputs().probabilities
    return found


def _rows(
    width: int, steps: int, asked: list[Teacher], said: list[Floats], students: Floats, scale: str
) -> Iterator[Row]:
    """A student width's rows: those trained on labels first, then each teacher's."""
    for group, (loss, right) in enumerate(zip(cross_entropy(students), accuracy(students), strict=True)):
        teacher = asked[group - 1] if group else None
        for trial in range(len(loss)):
            own = None if teacher is None else said[group - 1][trial]
            yield Row(
                experiment=SUPERVISED if teacher is None else teacher.experiment,
                student_width=width,
                student_steps=steps,
                teacher_width=None if teacher is None else teacher.width,
                teacher_steps=None if teacher is None else teacher.steps,
                trial=trial,
                teacher_cross_entropy=None if own is None else float(cross_entropy(own)),
                student_cross_entropy=float(loss[trial]),
                student_accuracy=float(right[trial]),
                kl_to_teacher=None if own is None else float(divergence(own, students[group, trial])),
                scale=scale,
            )
