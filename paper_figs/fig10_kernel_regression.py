"""Fig 10 of arXiv 2502.08606: a better teacher can make a worse student, in kernel regression."""

from typing import TYPE_CHECKING

import numpy as np

from paper_figs.axes import label_ends, sequence
from paper_figs.capacity_gap import student_error, teacher_error
from paper_figs.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COEFFICIENTS = 1000
TEACHER_NORM, STUDENT_NORM = 5.0, 4.5
STUDENTS = (300, 400, 500, 600, 700, 800)
SEED = 0


def draw(source: Source) -> "Figure":
    """Errors of the teacher and of six students against the teacher's number of functions m; no law is needed."""
    import matplotlib.pyplot as plt

    alpha = np.random.default_rng(SEED).uniform(-1, 1, COEFFICIENTS)
    m = np.arange(1.0, COEFFICIENTS + 1)
    fig, ax = plt.subplots(figsize=(4.2, 2.8))
    for n, colour in zip(STUDENTS, sequence(len(STUDENTS)), strict=True):
        errors = student_error(alpha, m, n, TEACHER_NORM, STUDENT_NORM)
        ax.plot(m, errors, color=colour, label=f"student, $n = {n}$")
        ax.plot(n, errors[n - 1], "o", color=colour, ms=3)
    ax.plot(m, teacher_error(alpha, m, TEACHER_NORM), color="black", ls="--", label="teacher")
    ax.set(xlabel="functions that the teacher can use, $m$", ylabel="error against the target, $\\|f^* - f\\|$")
    ax.set_xlim(0, COEFFICIENTS)
    label_ends(ax, [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")])
    return fig
