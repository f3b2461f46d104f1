"""By how much the law misses the pilot's runs, in the sample and held out, beside two models that know less and more.

Held out are the largest student, the largest D and each teacher in turn; beside the law stand the same law without its
teacher factor and a quadratic in logarithms. Intervals are 90 %, over resampled pairs of student size and teacher.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from pilot_tables import Array, head, heading, row
from scipy import optimize

from fitting.estimation import fit_distillation, fit_law
from fitting.fit import Fit
from fitting.laws import SupervisedLaw
from fitting.records import RunRecord, RunTable

RESAMPLES = 1000
HUBER_DELTA = 1e-3
"""As of the law."""
BOX = np.array([20.0, 3.0, 20.0, 3.0, 3.0, 20.0])
"""Bounds of what is fitted without the teacher factor, as wide as those of the law."""
Loss = Callable[..., Array]
"""Cross-entropies from N, D and, of students, L_T."""


class Split(NamedTuple):
    """Runs to fit, and students to predict."""

    fitted: RunTable
    held: pd.DataFrame


def errors(table: RunTable, fit: Fit) -> None:
    """Root mean square errors of the models in the sample and on each kind of held-out run."""
    frame = table.to_frame()
    students = frame[frame.kind == "distillation"]
    most_N, most_D = students.N.max(), students.D.max()
    splits = {
        "in the sample": [Split(table, students)],
        "largest student": [Split(where(table, lambda run: run.N < most_N), students[most_N == students.N])],
        "largest D": [Split(where(table, lambda run: run.D < most_D), students[most_D == students.D])],
        "an unseen teacher, each in turn": list(unseen_teachers(table)),
    }
    heading("Errors, rms %")
    head("distilled runs", "", "law", "without teacher factor", "quadratic in logs")
    for name, several in splits.items():
        found = [judged(split, fit) for split in several]
        held = pd.concat([split.held for split in several])
        row(
            name, len(held), *(with_interval(np.concatenate([one[model] for one in found]), held) for model in found[0])
        )
    print()
    head("supervised runs", "", "law")
    alone = frame[frame.kind == "supervised"]
    for name, kept, held in (
        ("in the sample", table, alone),
        ("largest N", where(table, lambda run: run.N < alone.N.max()), alone[alone.N.max() == alone.N]),
        ("largest D", where(table, lambda run: run.D < alone.D.max()), alone[alone.D.max() == alone.D]),
    ):
        row(name, len(held), with_interval(log_error(supervised_law(kept, fit).loss, held), held))
    print()


def where(table: RunTable, keep: Callable[[RunRecord], bool]) -> RunTable:
    """The runs that are kept."""
    return RunTable(tuple(run for run in table.records if keep(run)), table.convention)


def unseen_teachers(table: RunTable) -> Iterator[Split]:
    """Every teacher in turn left out with its students; it stays among the supervised runs that it is one of."""
    frame = table.to_frame()
    for name in frame.teacher_id.dropna().unique():
        yield Split(where(table, lambda run, name=name: run.teacher_id != name), frame[frame.teacher_id == name])


def judged(split: Split, fit: Fit) -> dict[str, Array]:
    """log L̂ - log L of the held-out students by each model, fitted to the other runs in the form of `fit`."""
    fitted = split.fitted.to_frame()
    students = fitted[fitted.kind == "distillation"]
    base = fit_law(SupervisedLaw, split.fitted, fixed=held_in(fit.supervised))
    law = fit_distillation(split.fitted, base, fixed=held_in(fit), limit_form=fit.limit_form)
    models: dict[str, Loss] = {
        "law": law.law.loss,
        "without": without_factor(students),
        "quadratic": quadratic(students),
    }
    return {name: log_error(model, split.held) for name, model in models.items()}


def held_in(fit: Fit | None) -> dict[str, float]:
    """The coefficients that a fit held."""
    assert fit is not None
    return dict(fit.fixed)


def supervised_law(table: RunTable, fit: Fit) -> SupervisedLaw:
    """The supervised law in the form of `fit`'s, fitted to a table."""
    law = fit_law(SupervisedLaw, table, fixed=held_in(fit.supervised)).law
    assert isinstance(law, SupervisedLaw)
    return law


def columns(frame: pd.DataFrame) -> tuple[Array, ...]:
    """N and D, and of distilled runs L_T, shape (runs,) each."""
    names = ["N", "D"] if frame.teacher_loss.isna().all() else ["N", "D", "teacher_loss"]
    return tuple(frame[name].to_numpy(float) for name in names)


def log_error(loss: Loss, frame: pd.DataFrame) -> Array:
    """log L̂ - log L, shape (runs,)."""
    found: Array = np.log(loss(*columns(frame)) / frame.loss.to_numpy(float))
    return found


def without_factor(students: pd.DataFrame) -> Loss:
    """L_T + L_T^-c0 (A N^-alpha + B D^-beta)^gamma: Eq 8 of arXiv 2502.08606 without its middle factor."""
    N, D, L_T = columns(students)
    N0, D0 = np.exp(np.mean(np.log(N))), np.exp(np.mean(np.log(D)))

    def loss(z: Array, N: Array, D: Array, L_T: Array) -> Array:
        a, alpha, b, beta, log_gamma, c0 = z
        own = np.exp(np.exp(log_gamma) * np.logaddexp(a - alpha * np.log(N / N0), b - beta * np.log(D / D0)))
        found: Array = L_T + L_T**-c0 * own
        return found

    def residuals(z: Array) -> Array:
        found: Array = np.log(loss(z, N, D, L_T) / students.loss.to_numpy(float))
        return found

    starts = [
        np.array([a, alpha, a, beta, 0.0, c0])
        for a in (-2.0, 0.0)
        for alpha in (0.2, 0.6)
        for beta in (0.2, 0.6)
        for c0 in (0.0, 2.0)
    ]
    found = [
        optimize.least_squares(residuals, z, bounds=(-BOX, BOX), loss="huber", f_scale=HUBER_DELTA) for z in starts
    ]
    best = min(found, key=lambda one: float(one.cost)).x
    return lambda N, D, L_T: loss(best, N, D, L_T)


def quadratic(students: pd.DataFrame) -> Loss:
    """log L_S as a full quadratic in log N, log D and log L_T, by least squares: ten coefficients."""
    centre = [np.mean(np.log(column)) for column in columns(students)]

    def terms(*at: Array) -> Array:
        x = [np.log(column) - middle for column, middle in zip(at, centre, strict=True)]
        pairs = [x[i] * x[j] for i in range(3) for j in range(i, 3)]
        return np.stack([np.ones_like(x[0]), *x, *pairs], axis=1)

    weights = np.linalg.lstsq(terms(*columns(students)), np.log(students.loss.to_numpy(float)), rcond=None)[0]
    return lambda *at: np.exp(terms(*at) @ weights)


def with_interval(log: Array, held: pd.DataFrame) -> str:
    """The rms error in percent, and the middle 90 % over resampled pairs of student size and teacher."""
    percent = 100 * np.expm1(log)
    groups = held.groupby(["N", held.teacher_id.fillna("")]).indices
    squares = [(float((percent[rows] ** 2).sum()), len(rows)) for rows in groups.values()]
    sums, sizes = np.array(squares).T
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    low, high = np.quantile(np.sqrt(sums[drawn].sum(1) / sizes[drawn].sum(1)), [0.05, 0.95])
    return f"{np.sqrt(np.mean(percent**2)):.2f} ({low:.2f} to {high:.2f})"
