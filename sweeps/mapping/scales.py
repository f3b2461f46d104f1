"""How much of the mapping problem is trained: as much as App C.2 of arXiv 2502.08606, or what takes minutes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Widths of hidden layers, steps of 512 samples, and how many trials of each network.

    A teacher whose steps are not given sees `teacher_samples` for each of its parameters, a student `student_samples`,
    in `least_steps` steps at least. The teachers of Fig 12 are `longest_width` wide and take `teacher_steps`.
    """

    name: str
    trials: int
    student_widths: tuple[int, ...]
    teacher_widths: tuple[int, ...]
    longest_width: int
    teacher_steps: tuple[int, ...]
    teacher_samples: int = 20
    student_samples: int = 20
    least_steps: int = 500


SCALES = {
    scale.name: scale
    for scale in (
        Scale("paper", 4, (128, 256, 362), (128, 181, 256, 362, 512), 512, tuple(2**k for k in range(6, 15))),
        Scale("minutes", 2, (128, 256), (128, 181, 256, 362), 362, (256, 1024, 2048, 5487), student_samples=7),
    )
}
"""`paper`: widths, steps and trials as printed, teacher widths between the printed ends ours. `minutes`: fewer of them,
students trained on a third of the samples, and in the second experiment a teacher of width 362, whose longest training
is that of the first."""
