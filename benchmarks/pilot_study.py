"""What the pilot's runs say of the paper's claims: `python benchmarks/pilot_study.py [--runs data/runs/pilot.csv]`.

Noise between seeds; the law's error in the sample and on runs that it was not fitted to (the largest student, the
largest D, each teacher in turn), beside the same law without its teacher factor and a quadratic in logarithms; and what
the runs show of four claims of arXiv 2502.08606, each with an interval. Intervals are 90 %: over resampled students and
seeds for errors, Student's t over cells for differences. Cells of one student share their batches and first weights, so
those of one seed are not independent, and an interval over cells is a little too narrow.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from pilot_errors import errors, where
from pilot_tables import head, heading, mean_of, row, slope_of

from fitting.fit import Fit
from fitting.pipeline import fit_runs
from fitting.records import RunTable
from fitting.units import count

PILOT = Path(__file__).parents[1] / "data" / "runs" / "pilot.csv"
EQUAL = 0.02
"""nats/token between two teachers that pass as equal; what is left is taken off by the law's slope."""


def main() -> None:
    """Print everything as tables of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=PILOT)
    read = RunTable.read(parser.parse_args().runs)
    table = where(read, lambda run: run.status == "finished")
    frame = table.to_frame()
    taught = frame[frame.kind == "distillation"]
    print(f"{len(frame)} runs, {len(taught)} of them distilled, {frame.C.sum() + taught.C_logits.sum():.2e} FLOPs\n")
    noise(frame)
    halves(frame)
    fit = fit_runs(table)
    print_law(fit)
    errors(table, fit)
    only_through_loss(taught, fit)
    capacity_gap(taught)
    catching_up(frame)
    beaten_teachers(taught)


def noise(frame: pd.DataFrame) -> None:
    """Standard deviations between seeds, pooled over cells: of log L, and of the gain over the supervised twin."""
    heading("Noise between seeds")
    head("", "cells", "standard deviation, % of the loss")
    frame = frame.assign(log=np.log(frame.loss), teacher=frame.teacher_id.fillna(""))
    gains = paired(frame)
    for name, rows, column in (
        ("teachers", frame[frame.role == "teacher"], "log"),
        ("supervised", frame[frame.role == "supervised"], "log"),
        ("distilled", frame[frame.kind == "distillation"], "log"),
        ("gain, paired by first weights and batches", gains.assign(gain=np.log(gains.loss_alone / gains.loss)), "gain"),
    ):
        found, cells = spread(rows, column)
        row(name, cells, f"{100 * found:.2f}" if cells else "")
    print()


def spread(rows: pd.DataFrame, column: str) -> tuple[float, int]:
    """The pooled standard deviation of a column between seeds, and over how many cells that have more than one."""
    groups = [group[column].to_numpy() for _, group in rows.groupby(["N", "D", "teacher"]) if len(group) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return (float(np.sqrt(squares / freedom)) if freedom else np.nan), len(groups)


def halves(frame: pd.DataFrame) -> None:
    """Teachers beside supervised runs of their size and tokens, which saw the other half of the text."""
    alone = frame[frame.role == "supervised"].groupby(["N", "D"]).loss.mean().reset_index()
    both = frame[frame.role == "teacher"].merge(alone, on=["N", "D"], suffixes=("", "_alone"))
    heading("Are the halves of the text alike?", "Teachers minus supervised runs of equal N and D, nats/token.")
    print(f"{mean_of((both.loss - both.loss_alone).to_numpy(float), 4)} over {len(both)} pairs, of unequal seeds\n")


def paired(frame: pd.DataFrame) -> pd.DataFrame:
    """Distilled runs with the loss of the supervised run of the same shape, tokens and seed (`loss_alone`)."""
    alone = frame[frame.role == "supervised"][["N", "D", "seed", "loss"]]
    return frame[frame.kind == "distillation"].merge(alone, on=["N", "D", "seed"], suffixes=("", "_alone"))


def print_law(fit: Fit) -> None:
    """The coefficients of the forms that the folds chose."""
    for found in (fit.supervised, fit):
        assert found is not None
        held = ", ".join(f"{name} = {value:g}" for name, value in found.fixed.items()) or "nothing"
        heading(f"The {found.form} law: held {held}{', K infinite' if found.limit_form else ''}; {found.status}")
        for name, value in found.coefficients.items():
            interval = found.intervals.get(name)
            said = f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else "not identified"
            print(f"- {name} {value:.4g} ({said})")
        print()


def only_through_loss(taught: pd.DataFrame, fit: Fit) -> None:
    """Students of two teachers of equal loss: by how much they differ, the rest of L_T's difference taken off."""
    heading(
        "Does the teacher matter beside its loss?",
        "Students of the larger teacher minus students of the smaller, nats/token, at equal N, D and seed; what the\n"
        "law makes of the teachers' own difference is taken off.",
    )
    head("larger", "smaller", "their losses", "cells", "difference")
    teachers = taught.drop_duplicates("teacher_id").sort_values("teacher_N")
    for i, small in enumerate(teachers.itertuples()):
        for large in list(teachers.itertuples())[i + 1 :]:
            if large.teacher_N > small.teacher_N and abs(large.teacher_loss - small.teacher_loss) <= EQUAL:
                both = cells_of(taught, large.teacher_id, small.teacher_id)
                at = [both[name].to_numpy(float) for name in ("N", "D")]
                ours, theirs = (both[name].to_numpy(float) for name in ("teacher_loss_x", "teacher_loss_y"))
                difference = (both.loss_x - both.loss_y).to_numpy(float)
                left = difference - fit.law.loss(*at, ours) + fit.law.loss(*at, theirs)
                losses = f"{large.teacher_loss:.3f}, {small.teacher_loss:.3f}"
                row(large.teacher_id, small.teacher_id, losses, len(both), mean_of(left, 4))
    print()


def cells_of(taught: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Students of two teachers side by side (`_x`, `_y`) at equal N, D and seed."""
    first, second = (taught[taught.teacher_id == name] for name in (one, other))
    return first.merge(second, on=["N", "D", "seed"])


def capacity_gap(taught: pd.DataFrame) -> None:
    """Students of the strongest teacher beside those of every other."""
    teachers = taught.drop_duplicates("teacher_id").sort_values("teacher_loss")
    strongest, others = teachers.teacher_id.iloc[0], list(teachers.teacher_id.iloc[1:])
    heading(
        "Does a stronger teacher make a worse student?",
        f"Students of the strongest teacher ({strongest}, {teachers.teacher_loss.iloc[0]:.3f}) minus those of\n"
        "another, nats/token, at equal N, D and seed; means over seeds, and over sizes with an interval.",
    )
    head("student", "D", *(f"{one.teacher_id}, {one.teacher_loss:.3f}" for one in list(teachers.itertuples())[1:]))
    pairs = [cells_of(taught, strongest, name) for name in others]
    for D in sorted(taught.D.unique()):
        at = [cells[D == cells.D] for cells in pairs]
        for N in sorted(taught[D == taught.D].N.unique()):
            found = [(cells.loss_x - cells.loss_y)[cells.N == N].to_numpy(float) for cells in at]
            row(count(N), count(D), *(f"{values.mean():+.3f}" if len(values) else "" for values in found))
        few = sorted(taught.N.unique())[:2]
        small = [cells[cells.N.isin(few)] for cells in at]
        row("two smallest", count(D), *(mean_of((cells.loss_x - cells.loss_y).to_numpy(float), 3) for cells in small))
        row("all", count(D), *(mean_of((cells.loss_x - cells.loss_y).to_numpy(float), 3) for cells in at))
    print()


def catching_up(frame: pd.DataFrame) -> None:
    """What a teacher gains over training directly, by tokens."""
    gains = paired(frame).assign(gain=lambda pairs: pairs.loss_alone - pairs.loss)
    tokens = sorted(gains.D.unique())
    heading(
        "Does supervised training catch up?",
        "Loss trained directly minus loss distilled, nats/token, at equal N, D and seed: means over seeds, slopes.",
    )
    falling = overtaken = 0
    head("student", "teacher's loss", *(count(D) for D in tokens), "per doubling of D")
    for (N, L_T), cells in gains.groupby(["N", "teacher_loss"]):
        means = cells.groupby("D").gain.mean()
        at = [f"{means[D]:+.3f}" if D in means else "" for D in tokens]
        enough = cells.D.nunique() > 2
        slope = slope_of(np.log2(cells.D.to_numpy(float)), cells.gain.to_numpy(float)) if enough else ""
        row(count(N), f"{L_T:.3f}", *at, slope)
        falling += bool((means.diff().dropna() < 0).all())
        overtaken += bool(means.iloc[0] > 0 > means.iloc[-1])
    pairs = gains.groupby(["N", "teacher_loss"]).ngroups
    print(f"\nOf {pairs} pairs of student and teacher {falling} gain less at each D, {overtaken} change sign.\n")


def beaten_teachers(taught: pd.DataFrame) -> None:
    """Students below their teacher's loss."""
    better = taught[taught.loss < taught.teacher_loss]
    heading("Do students beat their teacher?", f"{len(better)} of {len(taught)} do.")
    for (N, teacher), rows in better.groupby(["N", "teacher_id"]):
        margins = [f"{one.teacher_loss - one.loss:.3f} at {count(one.D)}" for one in rows.itertuples()]
        print(f"- {count(N)} of {teacher}: {', '.join(margins)}")


if __name__ == "__main__":
    sys.exit(main())
