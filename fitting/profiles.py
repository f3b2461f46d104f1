"""Profiles of the objective: how far a coefficient can move while all the others make up for it.

Unlike linearised intervals these follow a curved valley, and they say where it has no end inside the search box.
The objective is the penalised one where the fit had priors: a profile is as wide as runs and priors together leave it.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fitting import search, solver
from fitting.coordinates import NAMES, OWNED, Array, Form
from fitting.errors import InputError
from fitting.fit import COEFFICIENTS
from fitting.forms import Problem
from fitting.stages import Stage

LEVEL = 0.90

PROFILED = {"supervised": ("E", "gamma"), "distillation": ("gamma", "d1", "s")}
"""What is profiled: a floor and shapes that trade against the slopes. s = d1 (c1 f1)^-f1 is a coordinate of the fit."""

_CLOSE = 0.01
"""An end is known when its distance from the optimum is, to one percent."""

_FIRST_STEP = (1e-4, 0.5)
"""Smallest and largest first step in a logarithm: widths measured by curvature may be zero (exact runs) or infinite."""

_ODD = 1.1
"""Times the root of the rise that was foretold, above which a point is looked at again."""

_GROWTH = (1.3, 3.0)
_MOST_STEPS = 24
_MOST_RESTARTS = 3

_ROUNDING = 1e-24
"""Rise per run below which an objective says nothing (residuals of 1e-12)."""


@dataclass(frozen=True, eq=False)
class Profile:
    """The objective minimised over all other coordinates, by values of one coefficient.

    `values` ascend, shape (points,); `rises` are the objective there less its minimum, shape (points,). `interval` is
    where the rise stays below `threshold`, as far as that is one piece around the optimum; None at an end that the
    search box comes before.
    """

    name: str
    values: Array
    rises: Array
    threshold: float
    interval: tuple[float | None, float | None]


def names(stage: Stage) -> tuple[str, ...]:
    """The coefficients that have a profile: those of `PROFILED` that are free, and mean something, in this stage."""
    law = stage.problem.coordinates
    found = [name for name in PROFILED[law.form] if _coordinate(law.form, name) in law.free]
    return tuple(name for name in found if not (law.limit and name == "d1"))


def profile(stage: Stage, name: str, level: float = LEVEL) -> Profile:
    """The profile of one coefficient, walked outward from the optimum on both sides until it has risen enough.

    That is by χ²(one degree, `level`) / 2 in units of the objective per nat of log-likelihood, E[ψ²] / E[ψ′]
    (`search.moments`): with it the profile of a quadratic objective is the interval from the sandwich covariance of a
    Huber estimate (Huber 1981). Priors do not change it. Ends are found to 1 % of their distance in the logarithm.
    Raises `InputError` for a coefficient that has no profile here (`names`).
    """
    if name not in names(stage):
        raise InputError(f"no profile of {name!r} here: it must be one of {', '.join(names(stage)) or '(none)'}")
    problem, only = stage.problem, np.zeros(1, dtype=np.intp)
    residuals = problem.residuals(stage.z[None], only)[0]
    squares, inside = search.moments(residuals, stage.delta, problem.laws)
    threshold = 0.5 * NormalDist().inv_cdf((1 + level) / 2) ** 2 * squares / inside
    threshold = max(threshold, _ROUNDING * problem.runs)
    penalty = problem.penalty(stage.strength, priors=stage.method.priors)
    z = stage.z
    for _ in range(_MOST_RESTARTS):
        best = solver.minimise(problem, z[None], stage.delta, weights=stage.weights, penalty=penalty)
        z, lowest = best.coordinates[0], float(best.objectives[0])
        sides = _walked(stage, name, z, lowest, threshold)
        points = sorted(
            [(sides[0].centre, 0.0, z), *(point for side in sides for point in side.points)], key=itemgetter(0)
        )
        deepest = min(points, key=itemgetter(1))
        if deepest[1] > -_CLOSE * threshold:
            break
        z = deepest[2]  # a better optimum was passed on the way
    low, high = (None if side.end is None else float(np.exp(side.at(side.end))) for side in sides)
    rises = np.array([rise for _, rise, _ in points])
    return Profile(name, np.exp([x for x, _, _ in points]), np.maximum(rises, 0.0), threshold, (low, high))


Point = tuple[float, float, Array]


@dataclass
class _Side:
    """One side's way out: distances from the optimum in the logarithm, the next one from the rises so far.

    `near` is the farthest point below the threshold, `far` the nearest above it, `before` the last that was near,
    as (distance, rise, coordinates).
    """

    sign: int
    centre: float
    limit: float
    threshold: float
    step: float
    near: Point
    before: Point | None = None
    far: Point | None = None
    end: float | None = None
    done: bool = False
    points: list[Point] = field(default_factory=list)

    def at(self, distance: float) -> float:
        return self.centre + self.sign * distance

    def next(self) -> tuple[float, Array]:
        """The next distance, and coordinates to start from there."""
        if self.far is None:
            distance = min(self.step, self.limit)
            if self.before is None or self.near[0] == 0:
                return distance, self.near[2]
            ahead = (distance - self.near[0]) / (self.near[0] - self.before[0])
            return distance, self.near[2] + min(ahead, 1.0) * (self.near[2] - self.before[2])
        share = self._crossing()
        if len(self.points) % 3 == 0:
            share = 0.5  # a profile with a bend can hold a secant at one end
        return (
            self.near[0] + share * (self.far[0] - self.near[0]),
            self.near[2] + share * (self.far[2] - self.near[2]),
        )

    def doubts(self, distance: float, rise: float) -> bool:
        """Whether a rise is the first above the threshold, or above what the points around it foretell."""
        if rise < self.threshold or self.far is None:
            return rise >= self.threshold
        share = (distance - self.near[0]) / (self.far[0] - self.near[0])
        low, high = (np.sqrt(max(known, 0.0)) for known in (self.near[1], self.far[1]))
        return bool(np.sqrt(rise) > _ODD * (low + share * (high - low)))

    def add(self, distance: float, rise: float, z: Array) -> None:
        self.points.append((self.at(distance), rise, z))
        if rise < self.threshold:
            self.before, self.near = self.near, (distance, rise, z)
        else:
            self.far = (distance, rise, z)
        if abs(np.sqrt(max(rise, 0.0) / self.threshold) - 1) < _CLOSE:
            self.end, self.done = distance, True
        elif self.far is not None:
            width = self.far[0] - self.near[0]
            if width < _CLOSE * self.far[0]:
                self.end, self.done = self.near[0] + self._crossing() * width, True
        elif distance >= self.limit:
            self.done = True
        else:
            # aim a little beyond the threshold, as if the rise went on as the square of the distance
            wanted = np.sqrt(1.2 * self.threshold / max(rise, 1e-3 * self.threshold))
            self.step = distance * float(np.clip(wanted, *_GROWTH))
        if len(self.points) >= _MOST_STEPS and not self.done:
            self.end, self.done = None if self.far is None else self.far[0], True

    def _crossing(self) -> float:
        """Where between `near` and `far` the threshold lies: roots of rises are nearly straight in the distance."""
        assert self.far is not None
        if not np.isfinite(self.far[1]):
            return 0.5
        low, high = (np.sqrt(max(rise, 0.0)) for rise in (self.near[1], self.far[1]))
        return float((np.sqrt(self.threshold) - low) / (high - low))


def _walked(stage: Stage, name: str, z: Array, lowest: float, threshold: float) -> list[_Side]:
    """Both sides' ways out from the optimum `z`, side by side as lanes."""
    problem = stage.problem
    centre, (low, high) = float(_logs(problem, name, z[None])[0]), _box(problem, name)
    step = float(np.clip(1.1 * _width(stage, name, z, threshold), *_FIRST_STEP))
    sides = [
        _Side(sign, centre, limit, threshold, step, (0.0, 0.0, z), done=limit <= 0)
        for sign, limit in ((-1, centre - low), (1, high - centre))
    ]
    while moving := [side for side in sides if not side.done]:
        tried = [side.next() for side in moving]
        logs = np.array([side.at(distance) for side, (distance, _) in zip(moving, tried, strict=True)])
        # from the nearest point, and from where the points so far say that the valley goes
        best = _minimised(stage, name, logs, [side.near[2] for side in moving], solver.minimise)
        best = _better(best, _minimised(stage, name, logs, [z for _, z in tried], solver.minimise))
        # an end must not be a place where the solver was caught
        odd = [k for k, side in enumerate(moving) if side.doubts(tried[k][0], float(best[1][k]) - lowest)]
        if odd:
            again = _minimised(stage, name, logs[odd], [moving[k].near[2] for k in odd], solver.graduated)
            best[0][odd], best[1][odd] = _better((best[0][odd], best[1][odd]), again)
        for side, (distance, _), found, value in zip(moving, tried, *best, strict=True):
            side.add(distance, float(value) - lowest, found)
    return sides


Found = tuple[Array, Array]
"""Coordinates, shape (lanes, p), and penalised objectives, shape (lanes,)."""


def _better(one: Found, other: Found) -> Found:
    lower = other[1] < one[1]
    return np.where(lower[:, None], other[0], one[0]), np.where(lower, other[1], one[1])


def _width(stage: Stage, name: str, z: Array, threshold: float) -> float:
    """How far the logarithm would go to the threshold if the objective were quadratic."""
    problem = stage.problem
    residuals, jacobian = (found[0] for found in problem.linearised(z[None], np.zeros(1, dtype=np.intp)))
    inside = search.moments(residuals, stage.delta, problem.laws)[1]
    curvature = inside * (jacobian if stage.weights is None else jacobian * stage.weights) @ jacobian.T
    penalty = problem.penalty(stage.strength, priors=stage.method.priors)
    diagonal = np.einsum("pp->p", curvature)
    diagonal += 1e-10 * diagonal.max() + (0.0 if penalty is None else penalty.precision)
    by = np.zeros(len(z))
    by[: problem.laws] = _logs_by(problem, name, z[None])[0]
    return float(np.sqrt(2 * threshold * by @ np.linalg.solve(curvature, by)))


def _minimised(
    stage: Stage, name: str, logs: Array, starts: Sequence[Array], minimise: Callable[..., solver.Minima]
) -> Found:
    """The minima with the coefficient's logarithm held at `logs`, a lane for each, shape (lanes,)."""
    held = _Held(stage.problem, name, logs)
    own = held.own
    whole = stage.problem.penalty(stage.strength, priors=stage.method.priors)
    others = None
    if whole is not None:
        others = replace(whole, sd=np.where(np.arange(len(whole.sd)) == own, np.inf, whole.sd))
    found = minimise(held, np.stack(starts), stage.delta, weights=stage.weights, penalty=others)
    z = held.placed(found.coordinates, np.arange(len(logs)))
    values = found.objectives
    if whole is not None:  # the prior of the coordinate that was held
        values = values + 0.5 * whole.precision[own] * (z[:, own] - whole.mean[own]) ** 2
    return z, values


@dataclass(frozen=True)
class _Held:
    """A problem with one coefficient held at another value in each lane: a surface for the solver.

    The coordinate that the coefficient owns stays in its place, but nothing depends on it: the solver leaves it.
    """

    problem: Problem
    name: str
    logs: Array

    @property
    def lower(self) -> Array:
        return self.problem.lower

    @property
    def upper(self) -> Array:
        return self.problem.upper

    @property
    def runs(self) -> int:
        return self.problem.runs

    @property
    def own(self) -> int:
        """Which of the coordinates the coefficient owns."""
        law = self.problem.coordinates
        return law.free.index(_coordinate(law.form, self.name))

    def placed(self, z: Array, lanes: NDArray[np.intp]) -> Array:
        """The same points with the coordinate where the coefficient has its lane's value."""
        z = z.copy()
        z[:, self.own] = 0.0
        z[:, self.own] = self.logs[lanes] - _logs(self.problem, self.name, z)
        return z

    def residuals(self, z: Array, lanes: NDArray[np.intp]) -> Array:
        return self.problem.residuals(self.placed(z, lanes), lanes)

    def linearised(self, z: Array, lanes: NDArray[np.intp]) -> tuple[Array, Array]:
        at = self.placed(z, lanes)
        residuals, jacobian = self.problem.linearised(at, lanes)
        by = _logs_by(self.problem, self.name, at)
        # the logarithm is the own coordinate plus a function of the others, which moves it the other way
        for k in np.flatnonzero(by.any(axis=0)):
            if k != self.own:
                jacobian[:, k] -= by[:, k, None] * jacobian[:, self.own]
        jacobian[:, self.own] = 0.0
        return residuals, jacobian


def _coordinate(form: Form, name: str) -> int:
    """Which of the form's coordinates a coefficient owns; s is one itself."""
    return NAMES[form].index("log_s") if name == "s" else OWNED[form].index(name)


def _logs(problem: Problem, name: str, z: Array) -> Array:
    """The coefficient's logarithm at points z, shape (points,)."""
    law = problem.coordinates
    if name == "s":
        return law.expand(z[:, : problem.laws])[:, _coordinate(law.form, name)]
    return law.logs(z[:, : problem.laws])[:, COEFFICIENTS[law.form].index(name)]


def _logs_by(problem: Problem, name: str, z: Array) -> Array:
    """Its derivatives by the law's free coordinates, shape (points, free)."""
    law = problem.coordinates
    if name == "s":
        return law.chain(z[:, : problem.laws])[:, _coordinate(law.form, name)]
    return law.logs_by(z[:, : problem.laws])[:, COEFFICIENTS[law.form].index(name)]


def _box(problem: Problem, name: str) -> tuple[float, float]:
    """The logarithms that the coefficient takes inside the search box: for d1, those at the corners bound the rest."""
    law = problem.coordinates
    z = 0.5 * (problem.lower + problem.upper)
    moving = [k for k, known in enumerate(law.names) if known in ("log_K", "log_f1", "log_s")]
    if name != "d1":
        moving = [law.free.index(_coordinate(law.form, name))]
    corners = np.repeat(z[None], 2 ** len(moving), axis=0)
    corners[:, moving] = list(itertools.product(*((problem.lower[k], problem.upper[k]) for k in moving)))
    found = _logs(problem, name, corners)
    return float(found.min()), float(found.max())
