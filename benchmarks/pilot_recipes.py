"""What the recipe does to the pilot's students: `python benchmarks/pilot_recipes.py [--runs RUNS.csv]`.

Learning rates, bracketed for supervised runs and for distilled ones; then λ, τ, the direction, truncated and sampled
teachers, when and how often the teacher is asked, and pools, each as a change in percent of the loss from the student
that differs in nothing else and was distilled plainly; and what each is worth in compute (arXiv 2211.00683 asks so):
the FLOPs with which a supervised run, by the pilot's supervised law, reaches the same loss, over the run's own with its
teacher's forward passes. Intervals are 90 %, Student's t over teachers and seeds.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from pilot_study import PILOT
from pilot_tables import head, heading, mean_of, row

from fitting.estimation import fit_law
from fitting.laws import SupervisedLaw
from fitting.records import RunTable
from fitting.units import count

RECIPES = PILOT.with_name("pilot-recipes.csv")
PLAIN = {
    "lambda": 1.0, "tau": 1.0, "direction": "forward", "signal": "online", "kept": 0, "window": "0:1", "every": 1,
    "fraction": 1.0,
}  # fmt: skip
"""How the pilot's own students were distilled."""
STUDENT = ["N", "D", "seed"]


def main() -> None:
    """Print everything as tables of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=RECIPES)
    parser.add_argument("--pilot", type=Path, default=PILOT, help="more runs at the common rate")
    given = parser.parse_args()
    frame = read(given.runs, given.pilot)
    learning_rates(frame)
    usual = frame[frame.learning_rate == usual_rate(frame)]
    recipes(usual)
    pools(usual)
    speed_ups(usual, RunTable.read(given.pilot))


def read(*tables: Path) -> pd.DataFrame:
    """The finished runs of several tables; one that stands in two of them comes once."""
    frame = pd.concat([RunTable.read(path).to_frame() for path in tables], ignore_index=True)
    frame = frame[frame.status == "finished"].drop_duplicates("digest")
    return frame.assign(teacher_id=frame.teacher_id.fillna(""), kept=frame.kept.fillna(0))


def plain(frame: pd.DataFrame) -> pd.Series:
    """Which runs were distilled plainly by one teacher."""
    alike = pd.Series(frame.kind == "distillation") & ~frame.teacher_id.str.contains("+", regex=False)
    for name, value in PLAIN.items():
        alike &= frame[name] == value
    return alike


def usual_rate(frame: pd.DataFrame) -> float:
    """The rate of most runs."""
    return float(frame.learning_rate.mode().iloc[0])


def learning_rates(frame: pd.DataFrame) -> None:
    """Losses of equal runs by their rate, the best of each marked."""
    chosen = frame[(frame.role == "supervised") | plain(frame)]
    chosen = chosen[chosen.seed == chosen.seed.min()]
    rates = sorted(chosen.learning_rate.unique())
    heading("Learning rates", "Loss, nats/token, one seed; N, D and the teacher's loss.")
    head("N", "D", "L_T", *(f"{rate:g}" for rate in rates))
    for (N, D, _), cells in chosen.groupby(["N", "D", "teacher_id"]):
        losses = cells.set_index("learning_rate").loss
        if len(losses) > 1:
            marked = [_marked(losses, rate) for rate in rates]
            row(count(N), count(D), _teacher(cells.teacher_loss.iloc[0]), *marked)
    print()


def _marked(losses: pd.Series, rate: float) -> str:
    if rate not in losses:
        return ""
    return f"**{losses[rate]:.4f}**" if losses[rate] == losses.min() else f"{losses[rate]:.4f}"


def _teacher(loss: float) -> str:
    return "alone" if np.isnan(loss) else f"{loss:.3f}"


def recipes(frame: pd.DataFrame) -> None:
    """What each other recipe does, by teacher and over all."""
    twins = frame[plain(frame)][[*STUDENT, "teacher_id", "loss"]]
    other = frame[(frame.kind == "distillation") & ~plain(frame) & ~frame.teacher_id.str.contains("+", regex=False)]
    pairs = other.merge(twins, on=[*STUDENT, "teacher_id"], suffixes=("", "_plain"))
    pairs["change"] = 100 * np.log(pairs.loss / pairs.loss_plain)
    pairs["recipe"] = named(pairs)
    teachers = sorted(pairs.teacher_loss.unique(), reverse=True)
    heading("Recipes", "Change of the loss from a plain distillation, %, at equal N, D, teacher and seed, by L_T.")
    head("N", "D", "recipe", *(f"{loss:.3f}" for loss in teachers), "pairs", "all")
    for (N, D, recipe), cells in pairs.groupby(["N", "D", "recipe"], sort=False):
        means = cells.groupby("teacher_loss").change.mean()
        at = [f"{means[loss]:+.2f}" if loss in means else "" for loss in teachers]
        row(count(N), count(D), recipe, *at, len(cells), mean_of(cells.change.to_numpy(float), 2))
    print()


def named(frame: pd.DataFrame) -> list[str]:
    """What is not plain about each run."""
    return [
        ", ".join(
            [f"{name} {_said(run[name])}" for name, value in PLAIN.items() if run[name] != value]
            + [f"pool {run['pool']}"] * ("+" in run["teacher_id"])
        )
        or "plain"
        for run in frame.to_dict("records")
    ]


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def pools(frame: pd.DataFrame) -> None:
    """Students of several teachers beside those of each alone."""
    of_many = frame[frame.teacher_id.str.contains("+", regex=False)]
    heading("Pools", "Change of the loss, %, from students of each member alone.")
    head("N", "D", "pool", "cells", "of the best member", "of the mean of members")
    for (N, D, how, members), cells in of_many.groupby(["N", "D", "pool", "teacher_id"]):
        single = frame[plain(frame) & frame.teacher_id.isin(members.split("+"))]
        both = cells.merge(single.groupby(STUDENT).loss.agg(["min", "mean"]).reset_index(), on=STUDENT)
        against = [100 * np.log(both.loss / both[how_many]).to_numpy(float) for how_many in ("min", "mean")]
        row(count(N), count(D), f"{len(members.split('+'))}, {how}", len(both), *(mean_of(a, 2) for a in against))
    print()


def speed_ups(frame: pd.DataFrame, pilot: RunTable) -> None:
    """FLOPs of a supervised run of the same size and loss over those of each distilled one, by teacher."""
    law = fit_law(SupervisedLaw, pilot).law
    assert isinstance(law, SupervisedLaw)
    runs = frame[frame.kind == "distillation"]
    N, loss = (runs[name].to_numpy(float) for name in ("N", "loss"))
    alone = np.asarray(pilot.convention.training(N, law.tokens(N, loss)))
    runs = runs.assign(ratio=alone / (runs.C + runs.C_logits), recipe=named(runs))
    studied = runs[runs.recipe != "plain"][["N", "D", "teacher_id"]].drop_duplicates()
    runs = runs.merge(studied, on=["N", "D", "teacher_id"])
    teachers = runs.groupby("teacher_id").teacher_loss.first().sort_values(ascending=False)
    heading("At equal loss", "FLOPs of training directly over those of the run with its teacher's forwards, by L_T.")
    head("N", "D", "recipe", *(f"{loss:.3f}" for loss in teachers))
    for (N, D, recipe), cells in runs.groupby(["N", "D", "recipe"], sort=False):
        means = cells.groupby("teacher_id").ratio.mean()
        row(count(N), count(D), recipe, *(f"{means[name]:.2f}" if name in means else "" for name in teachers.index))
    print()


if __name__ == "__main__":
    sys.exit(main())
