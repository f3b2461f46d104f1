"""`benchmarks/pilot_recipes.py` on runs made up so that what each recipe does is known."""

import importlib
import math
from pathlib import Path

import pytest

from fitting.flops import SIX_ND
from fitting.laws import SupervisedLaw
from fitting.records import RunRecord, RunTable

LAW = SupervisedLaw(20, 900, 1.2, 0.3, 0.42, 1.0)

PLAIN = {
    "lambda": 1.0, "tau": 1.0, "direction": "forward", "signal": "online", "kept": None, "pool": "one",
    "window": "0:1", "every": 1, "fraction": 1.0, "learning_rate": 0.01, "role": "distilled",
}  # fmt: skip


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("pilot_recipes")


def student(loss, teacher="a", *, seed=0, **recipe):
    extras = {**PLAIN, **recipe}
    extras["digest"] = f"{teacher} {seed} {sorted(extras.items(), key=str)}"
    name = f"r{abs(hash(extras['digest']))}"
    L_T = {"a": 2.5, "b": 2.8, "a+b": 2.65}[teacher]
    of = {"teacher_id": teacher, "teacher_N": 1e6, "teacher_D": 1e7, "teacher_loss": L_T}
    return RunRecord(name, "distillation", 5e4, 1e6, loss, seed=seed, C=3e11, C_logits=1e11, extras=extras, **of)


def alone(loss, rate):
    extras = {"learning_rate": rate, "role": "supervised", "digest": f"alone {rate}"}
    return RunRecord(f"s{rate}", "supervised", 5e4, 1e6, loss, seed=0, C=3e11, extras=extras)


@pytest.fixture
def printed(study, tmp_path, capsys, monkeypatch):
    of = {(teacher, seed): 3.0 + seed / 10 + (teacher == "b") / 5 for teacher in "ab" for seed in (0, 1)}
    usual = [student(loss, teacher, seed=seed) for (teacher, seed), loss in of.items()]
    more = [
        *(student(loss * math.exp(0.01 * (1 + key[1])), key[0], seed=key[1], every=5) for key, loss in of.items()),
        student(3.0 * math.exp(0.01), signal="top-k", kept=8),
        student(3.0 * math.exp(-0.02), tau=2.0),
        student(2.9, "a+b", pool="average"),
        student(3.01, learning_rate=0.02),
        alone(3.3, 0.01),
        alone(3.29, 0.02),
    ]
    RunTable((*usual, *more), SIX_ND).write(tmp_path / "recipes.csv")
    laws = [
        RunRecord(f"l{N}-{D}", "supervised", N, D, float(LAW.loss(N, D)), C=6 * N * D, extras={"digest": f"l{N}-{D}"})
        for N in (2e4, 5e4, 1e5, 3e5)
        for D in (5e5, 1e6, 2e6, 4e6)
    ]
    RunTable((*usual, *laws), SIX_ND).write(tmp_path / "pilot.csv")
    monkeypatch.setattr("sys.argv", ["x", "--runs", f"{tmp_path}/recipes.csv", "--pilot", f"{tmp_path}/pilot.csv"])
    study.main()
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 50K")]


def test_rates_recipes_and_pools_are_told_apart(printed):
    assert printed == [
        "| 50K | 1M | alone | 3.3000 | **3.2900** |",
        "| 50K | 1M | 2.500 | **3.0000** | 3.0100 |",
        # a standard deviation of .577 over four pairs, and Student's t of 2.353
        "| 50K | 1M | every 5 | +1.50 | +1.50 | 4 | +1.50 ± 0.68 |",
        "| 50K | 1M | signal top-k, kept 8 |  | +1.00 | 1 | +1.00 |",
        "| 50K | 1M | tau 2 |  | -2.00 | 1 | -2.00 |",
        # ln(2.9 / 3.0) and ln(2.9 / 3.1): one member is at 3.0, the other at 3.2
        "| 50K | 1M | 2, average | 1 | -3.39 | -6.67 |",
        # LAW reaches 3.0 on (900 / (1.8 - 20 / 50000^.3))^(1 / .42) tokens: 10.5M, 7.9 times the run and its teacher
        "| 50K | 1M | plain | 4.61 |  | 6.94 |",
        "| 50K | 1M | every 5 | 4.22 |  | 6.31 |",
        "| 50K | 1M | signal top-k, kept 8 |  |  | 7.20 |",
        "| 50K | 1M | tau 2 |  |  | 8.89 |",
        "| 50K | 1M | pool average |  | 9.86 |  |",
    ]
