"""Which teachers and students of the mapping problem are trained: the two experiments of App C.2 (arXiv 2502.08606).

`teacher-width` (Fig 11): students of teachers of growing width. `teacher-steps` (Fig 12): students of teachers of one
width, 512 in the paper, that were trained for longer and longer. A network whose steps are not given sees samples in
proportion to its parameters: 20 for each in the paper, 500 batches at least. Beside them stand supervised students,
trained on the labels.
"""

from collections.abc import Iterable, Iterator
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


def steps_of(width: int, samples: int, scale: Scale) -> int:
    """Steps that show a network so many samples for each of its parameters, or the scale's least."""
    return max(scale.least_steps, -(-samples * parameters(width) // BATCH))


def teachers(scale: Scale) -> list[Teacher]:
    by_width = [
        Teacher(TEACHER_WIDTH, width, steps_of(width, scale.teacher_samples, scale)) for width in scale.teacher_widths
    ]
    return by_width + [Teacher(TEACHER_STEPS, scale.longest_width, steps) for steps in scale.teacher_steps]


def run(scale: Scale, progress: Progress = silent) -> list[Row]:
    """Train everything of a scale; a row for each student, the same for the same scale, machine and threads.

    Cross-entropies are exact: over all inputs, weighted by how likely the sampler draws each. A teacher of both
    experiments is trained once, and so are its students.
    """
    shapes = list(dict.fromkeys((teacher.width, teacher.steps) for teacher in teachers(scale)))
    students = [(width, steps_of(width, scale.student_samples, scale)) for width in scale.student_widths]
    total = scale.trials * (_work(shapes) + (1 + len(shapes)) * _work(students))
    done = 0

    def tell(networks: int, width: int, steps: int) -> None:
        nonlocal done
        done += networks * _work([(width, steps)])
        progress("training (updates of a weight, millions)", round(done / 1e6), round(total / 1e6))

    tell(0, 1, 0)
    answers = np.eye(CLASSES, dtype=np.float32)[all_inputs().labels]
    said = {
        (width, steps): train(
            width, steps, answers[None, None], range(scale.trials), partial(tell, scale.trials, width)
        )[0]
        for width, steps in shapes
    }
    sure = np.broadcast_to(answers, (scale.trials, *answers.shape))
    targets = np.stack([sure, *(np.exp(each) for each in said.values())]).astype(np.float32)
    seeds = range(STUDENT_SEEDS, STUDENT_SEEDS + scale.trials)
    rows = []
    for width, steps in students:
        alone, *taught = train(width, steps, targets, seeds, partial(tell, len(targets) * scale.trials, width))
        by_teacher = dict(zip(shapes, taught, strict=True))
        rows += list(_rows(alone, None, None, width, steps, scale.name))
        for teacher in teachers(scale):
            key = teacher.width, teacher.steps
            rows += list(_rows(by_teacher[key], teacher, said[key], width, steps, scale.name))
    return rows


def _work(networks: Iterable[tuple[int, int]]) -> int:
    """Updates of a weight, over networks of these widths trained for these steps."""
    return sum(parameters(width) * steps for width, steps in networks)


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
    students: Floats, teacher: Teacher | None, said: Floats | None, width: int, steps: int, scale: str
) -> Iterator[Row]:
    """A row for each trial of a student, from its log-probabilities and its teacher's (trials, inputs, classes)."""
    for trial, student in enumerate(students):
        yield Row(
            experiment=SUPERVISED if teacher is None else teacher.experiment,
            student_width=width,
            student_steps=steps,
            teacher_width=None if teacher is None else teacher.width,
            teacher_steps=None if teacher is None else teacher.steps,
            trial=trial,
            teacher_cross_entropy=None if said is None else float(cross_entropy(said[trial])),
            student_cross_entropy=float(cross_entropy(student)),
            student_accuracy=float(accuracy(student)),
            kl_to_teacher=None if said is None else float(divergence(said[trial], student)),
            scale=scale,
        )
