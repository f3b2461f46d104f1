"""L-BFGS-B from many starts on Σ w huber_δ(log L̂ - log L), gradients by JAX, in one process or several.

Published (arXiv 2502.08606, App F and J): the objective with w = 1, the formulas in logarithms (Eq 44, 49), L-BFGS-B,
JAX. Ours: the weights, which carry a bootstrap resample as the number of times that it holds each run.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from signal import SIG_IGN, SIGINT, signal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitting.errors import FitError
from fitting.procedure.grid import Array, Form, box

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""

_CHUNK = 64
"""Starts that a process takes at a time: about a second's work."""


@dataclass(frozen=True)
class Task:
    """What to minimise. `columns` (k, runs) are log N, log D and, for a distillation, log L_T and log L̃_S.

    `log_loss` has shape (runs,). L-BFGS-B sees the objective times `scale`, which its stopping rules `ftol` and
    `gtol` (SciPy's names) are sensitive to.
    """

    form: Form
    columns: Array
    log_loss: Array
    delta: float
    scale: float
    ftol: float
    gtol: float


@dataclass(frozen=True, eq=False)
class Ends:
    """Where descents ended: `points` (starts, p), unscaled `objectives` (starts,), `stopped` on their own (starts,)."""

    points: Array
    objectives: Array
    stopped: NDArray[np.bool_]


def log_supervised(x: Any, n: Any, d: Any) -> Any:
    """log L (Eq 44, with α log N for its "α N") at x = (log A, log B, log E, α, β, γ), n = log N and d = log D."""
    import jax.numpy as jnp

    return jnp.logaddexp(x[2], x[5] * jnp.logaddexp(x[0] - x[3] * n, x[1] - x[4] * d))


def log_distillation(x: Any, n: Any, d: Any, teacher: Any, alone: Any) -> Any:
    """log L_S (Eq 49) at x = (log A', log B', α', β', γ', c0, c1, f1, log d1), from logs of N_S, D_S, L_T and L̃_S."""
    import jax.numpy as jnp

    own = x[4] * jnp.logaddexp(x[0] - x[2] * n, x[1] - x[3] * d)
    gap = jnp.logaddexp(0.0, (teacher - alone - x[8]) / x[7])
    return jnp.logaddexp(teacher, -x[5] * teacher - x[6] * x[7] * gap + own)


@cache
def _compiled(form: Form) -> Callable[..., Any]:
    """The objective and its gradient as one array (1 + p,), compiled once for each number of runs."""
    import jax
    import jax.numpy as jnp

    law: Callable[..., Any] = log_supervised if form == "supervised" else log_distillation

    def objective(x: Any, columns: Any, log_loss: Any, weights: Any, delta: Any, scale: Any) -> Any:
        size = jnp.abs(law(x, *columns) - log_loss)
        return scale * jnp.sum(weights * jnp.where(size <= delta, size**2 / 2, delta * (size - delta / 2)))

    def both(*arguments: Any) -> Any:
        value, gradient = jax.value_and_grad(objective)(*arguments)
        return jnp.concatenate([value[None], gradient])  # one array is fetched faster than two

    return jax.jit(both)


class Descent:
    """One task, ready to be evaluated and minimised in this process."""

    def __init__(self, task: Task) -> None:
        import jax
        import jax.numpy as jnp

        self._task = task
        self._both = _compiled(task.form)
        with jax.enable_x64(True):
            self._columns = tuple(jnp.asarray(column) for column in task.columns)
            self._log_loss = jnp.asarray(task.log_loss)
            self._ones = jnp.ones(len(task.log_loss))
            self._delta, self._scale = jnp.asarray(task.delta), jnp.asarray(task.scale)

    def evaluate(self, x: Array) -> tuple[float, Array]:
        """The scaled objective and its gradient (p,) at coordinates x (p,), every run counting once."""
        import jax

        with jax.enable_x64(True):
            return self._evaluate(x, self._ones)

    def run(self, starts: Array, weights: Array | None = None) -> Ends:
        """Descend from every row of `starts` (starts, p), with a row of `weights` (starts, runs) for each."""
        import jax
        import jax.numpy as jnp
        from scipy.optimize import minimize

        task = self._task
        bounds = list(zip(*(end.tolist() for end in box(task.form)), strict=True))
        options: Any = {"ftol": task.ftol, "gtol": task.gtol}
        found = []
        with jax.enable_x64(True):
            for i, x in enumerate(starts):
                counts = self._ones if weights is None else jnp.asarray(weights[i], dtype=float)
                end = minimize(self._evaluate, x, (counts,), "L-BFGS-B", jac=True, bounds=bounds, options=options)
                found.append(end)
        return Ends(
            np.array([end.x for end in found]),
            np.array([float(end.fun) for end in found]) / task.scale,
            np.array([bool(end.success) and np.isfinite(end.fun) for end in found]),
        )

    def _evaluate(self, x: Array, weights: Any) -> tuple[float, Array]:
        both = np.asarray(self._both(x, self._columns, self._log_loss, weights, self._delta, self._scale))
        return float(both[0]), both[1:]


def descend(
    task: Task,
    starts: Array,
    weights: NDArray[Any] | None = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    what: str,
) -> Ends:
    """Descend from every row of `starts`, spread over `workers` processes; their number does not change the answer."""
    parts, done = [], 0
    cuts = [slice(i, i + _CHUNK) for i in range(0, len(starts), _CHUNK)]
    chunks = [(starts[cut], None if weights is None else weights[cut]) for cut in cuts]
    with _runner(task, min(workers, len(chunks))) as run:
        for part in run(chunks):
            parts.append(part)
            done += len(part.points)
            if progress is not None:
                progress(what, done, len(starts))
    return Ends(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.objectives for part in parts]),
        np.concatenate([part.stopped for part in parts]),
    )


_Chunks = list[tuple[Array, NDArray[Any] | None]]


@contextmanager
def _runner(task: Task, workers: int) -> Iterator[Callable[[_Chunks], Iterator[Ends]]]:
    """Something that runs chunks and gives their ends in order."""
    if workers <= 1:
        descent = Descent(task)
        yield lambda chunks: (descent.run(*chunk) for chunk in chunks)
        return
    # spawned, because a forked process may not use JAX
    pool: Executor = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(task,))
    try:
        yield lambda chunks: pool.map(_run, chunks)
    except BrokenProcessPool as error:
        raise FitError("a worker process ended before its descents did; fewer workers need less memory") from error
    finally:
        pool.shutdown(cancel_futures=True)


_descent: Descent | None = None
"""What a worker process minimises."""


def _begin(task: Task) -> None:
    global _descent
    signal(SIGINT, SIG_IGN)  # an interrupt is the parent's to act on; here it would only print a traceback
    _descent = Descent(task)


def _run(chunk: tuple[Array, NDArray[Any] | None]) -> Ends:
    assert _descent is not None
    return _descent.run(*chunk)
