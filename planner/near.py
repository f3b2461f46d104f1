"""What is as good as a plan: other teachers, and other sizes of the student where that was searched for."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fitting.known import Range
from planner import sizes
from planner.allocation import Allocations, ideal_loss, near_optimal_loss, near_optimal_size, of_grid, optimum
from planner.plans import NearOptimal
from planner.problems import Problems
from planner.scenarios import Teacher

NEAR_OPTIMAL_NATS = 0.001
"""A teacher is near-optimal when the student loses no more than this to the best one, in nats per token."""


def near_optimal(
    problems: Problems, best: Allocations, teacher: Teacher | None, students: Range | None
) -> Iterator[NearOptimal]:
    """What is as good to `NEAR_OPTIMAL_NATS`; of a teacher that was named, the losses that would have been best.

    `students` is the box of the student's size where that was chosen, None where it was given.
    """
    teachers = learners = None
    if problems.grid and teacher is None:
        yield from _near_of_grid(problems, best, students)
        return
    if teacher is not None:
        _, low, high = ideal_loss(problems, best.D_S, NEAR_OPTIMAL_NATS)
    else:
        low, high = near_optimal_loss(problems, best, NEAR_OPTIMAL_NATS)
        if problems.paid:
            teachers = near_optimal_size(problems, best, NEAR_OPTIMAL_NATS)
    if students is not None:
        N_S = problems.N_S[:, 0]
        if teacher is None:
            learners = sizes.around(problems, students, N_S, NEAR_OPTIMAL_NATS)
        else:
            price = 0.0 if teacher.N is None else float(problems.convention.forward(teacher.N))
            learners = sizes.around_given(problems, students, N_S, NEAR_OPTIMAL_NATS, teacher.loss, price)
    for i in range(len(problems)):
        N_T, N_S_ = (None if each is None else (float(each[0][i]), float(each[1][i])) for each in (teachers, learners))
        yield NearOptimal(NEAR_OPTIMAL_NATS, (float(low[i]), float(high[i])), N_T, N_S_)


def _near_of_grid(problems: Problems, best: Allocations, students: Range | None) -> Iterator[NearOptimal]:
    """As `_near_optimal`, for teachers of certain sizes: L_T of the chosen size, and the sizes that are as good."""
    losses = np.stack([optimum(asked)[0].loss for asked in of_grid(problems)])
    for i in range(len(problems)):
        at = np.array([i])
        one = replace(problems.take(at), grid=(), teacher_N=(float(best.N_T[i]),) * 2)
        (near,) = near_optimal(one, best.take(at), None, students)
        as_good = [N for N, loss in zip(problems.grid, losses[:, i], strict=True) if loss <= best.loss[i] + near.nats]
        yield replace(near, N_T=(min(as_good), max(as_good)))
