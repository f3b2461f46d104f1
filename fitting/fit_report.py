"""A fit for people: the answer in a sentence, the coefficients, how far to trust them, what to run next.

The result goes to stdout, warnings to stderr; `text` and `html` give the same for a notebook.
"""

import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fitting import terminal, units
from fitting.findings import Candidate, Diagnosis, Effect, Rollout
from fitting.fit import Fit


def show_fit(fit: Fit, runs: str, out: str | None, drawn: Sequence[Path] = ()) -> None:
    """Print a fit; `runs` and `out` are the paths that the next command repeats, `drawn` the pictures made."""
    screen = terminal.console()
    _print(fit, screen)
    screen.print(f"Law: {fit.id}, {fit.source}." + (f" Written to {out}." if out else ""))
    if drawn:
        screen.print(f"Pictures: {', '.join(str(path) for path in drawn)}")
    terminal.show_doubts([*(fit.supervised.warnings if fit.supervised else ()), *fit.warnings])
    screen.print(f"Next: {_next(fit, runs, out)}")


def text(fit: Fit) -> str:
    """The report as plain text, warnings included."""
    buffer = io.StringIO()
    screen = Console(
        file=buffer,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
        width=terminal.WIDTH,
        force_jupyter=False,
    )
    _print(fit, screen)
    screen.print(f"Law: {fit.id}, {fit.source}.")
    for doubt in [*(fit.supervised.warnings if fit.supervised else ()), *fit.warnings]:
        screen.print(f"warning: {doubt.message} [{doubt.code}]")
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def html(fit: Fit) -> str:
    """The report for a notebook."""
    return terminal.html(lambda out: out.print(text(fit), soft_wrap=True))


def answer(fit: Fit) -> str:
    """How well the law fits, in one sentence."""
    kind = "distilled" if fit.form == "distillation" else "supervised"
    are = "is" if len(fit.vague) == 1 else "are"
    told = f"; {len(fit.vague)} of its {fit.free} free coefficients {are} not determined" if fit.vague else ""
    rolled = ""
    if fit.rollout is not None:
        rolled = f", and misses larger runs by {fit.rollout.error:.2%} when fitted to the smaller ones"
    return f"The {fit.form} law fits {fit.n_runs} {kind} runs to a typical {fit.relative_error:.2%}{rolled}{told}."


def _print(fit: Fit, screen: Console) -> None:
    screen.print(answer(fit))
    screen.print()
    for part in (fit.supervised, fit):
        if part is not None:
            screen.print(_heading(part))
            terminal.show_table(screen, _coefficients(part))
            screen.print()
            if part.selection:
                _show_selection(part.selection, screen)
            if part.rollout is not None:
                _show_rollout(part.rollout, screen)
            if part.diagnosis is not None:
                _show_diagnosis(part.diagnosis, part, screen)
    if fit.effects:
        _show_effects(fit.effects, screen)


def _show_effects(effects: Sequence[Effect], screen: Console) -> None:
    grid = terminal.table("asking the teacher otherwise", "tokens", "pairs", "loss", "90 %")
    for found in effects:
        how = found.how if found.source == "online" else f"{found.how}, {found.source}"
        ends = "" if found.interval is None else f"{found.interval[0]:+.2%} to {found.interval[1]:+.2%}"
        grid.add_row(how, f"{found.share:.0%}", str(found.pairs), f"{found.log_ratio:+.2%}", ends)
    terminal.show_table(screen, grid)
    screen.print("Against students that ask at every step and differ in nothing else.")
    screen.print()


def _heading(fit: Fit) -> str:
    if fit.status == "given":
        return f"Supervised law, given: {fit.id} ({fit.source})"
    drawn = "" if fit.draws is None else f", {len(fit.draws)} of {fit.draws.asked} draws by {fit.draws.unit}"
    errors = f", teachers' losses off by a typical {fit.teacher_spread:.2%}" if fit.teacher_spread else ""
    return (
        f"{fit.form.capitalize()} law: {fit.status}, objective {fit.objective:.6g}, "
        f"{fit.starts_agreeing:.0%} of starts agree{drawn}{errors}"
    )


def _coefficients(fit: Fit) -> Table:
    method = "bootstrap" if fit.draws is not None else fit.interval_method
    grid = terminal.table("coefficient", "value", f"{fit.interval_level or 0.9:.0%} interval ({method})", "identified")
    for name, value in fit.coefficients.items():
        ends = fit.intervals[name]
        known = "fixed" if name in fit.fixed else "yes" if fit.identified[name] else "no"
        if fit.limit_form and name in ("c1", "d1"):
            known = "in the limit"
        grid.add_row(name, f"{value:.4g}", "" if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}", known)
    return grid


def _show_selection(selection: Sequence[Candidate], screen: Console) -> None:
    grid = terminal.table("form", "free", "rollout error", "objective", "")
    for found in selection:
        error = "untested" if found.error is None else f"{found.error:.2%}"
        grid.add_row(found.name, str(found.free), error, f"{found.objective:.4g}", "chosen" if found.chosen else "")
    terminal.show_table(screen, grid)
    screen.print()


def _show_rollout(rollout: Rollout, screen: Console) -> None:
    grid = terminal.table("held out", "fitted", "predicted", "mean error", "bias", f"inside {rollout.level:.0%}")
    for fold in rollout.folds:
        row = (str(fold.fitted), str(fold.predicted), f"{fold.error:.2%}", f"{fold.bias:+.2%}", f"{fold.inside:.0%}")
        grid.add_row(fold.held_out, *row)
    terminal.show_table(screen, grid)
    for kind, found in rollout.beyond.items():
        what = "compute, N or D" if kind == "C" else "the teacher's cross-entropy"
        step, times = (1.0, "every e-fold") if kind == "C" else (0.1, "every 10 %")
        how = "" if found.conformal else " (too few runs held out to calibrate)"
        screen.print(
            f"Beyond the runs, for {times} of {what}: drift {found.drift * step:+.2%}, error "
            f"{found.growth * step:.2%} more{how}."
        )
    screen.print()


def _show_diagnosis(diagnosis: Diagnosis, fit: Fit, screen: Console) -> None:
    from fitting import diagnosis as words

    grid = terminal.table("training compute", "runs", "mean residual", "rms")
    for scale in diagnosis.by_scale:
        ends = f"{units.flops(scale.C[0])} to {units.flops(scale.C[1])}"
        grid.add_row(ends, str(scale.runs), f"{scale.mean:+.2%}", f"{scale.rms:.2%}")
    terminal.show_table(screen, grid)
    if diagnosis.worst:
        screen.print("Missed most: " + ", ".join(f"{name} ({miss:+.1%})" for name, miss in diagnosis.worst))
    for name, within in diagnosis.profiles.items():
        told = f"; {words.gamma_words(within)}" if name == "gamma" else ""
        screen.print(f"Profile of {name} (90 %): {_span(*within)}{told}")
    if diagnosis.directions:
        screen.print(words.describe(diagnosis.directions[0], fit.form))
    if diagnosis.next_run:
        screen.print(f"What to run next: {diagnosis.next_run}.")
    screen.print()


def _span(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "any value that was searched"
    if low is None:
        return f"up to {high:.4g}"
    return f"from {low:.4g}" if high is None else f"{low:.4g} to {high:.4g}"


def _next(fit: Fit, runs: str, out: str | None) -> str:
    if out is None:
        return f"distillaw fit {runs} --out law.json, then distillaw plan --law law.json"
    within = fit.support
    assert within.N_S is not None
    assert within.D_S is not None
    size, total = units.count(within.N_S[1]), " --total" if fit.convention.parameters == "total" else ""
    if fit.form == "supervised":
        return f"distillaw predict --student {size} --tokens {units.count(within.D_S[1])} --law {out}{total}"
    budget = units.flops(2 * float(fit.convention.training(within.N_S[1], within.D_S[1])))
    return f"distillaw plan train-teacher --student {size} --budget {budget} --law {out}{total}"
