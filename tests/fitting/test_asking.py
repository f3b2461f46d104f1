"""Runs that asked their teacher now and then: left out of the law, and held against their twins."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fitting import asking
from fitting.checks import everything as check
from fitting.fit import Fit
from fitting.flops import SIX_ND
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.pipeline import fit_runs
from fitting.records import RunRecord, RunTable

LAW = DistillationLaw(SupervisedLaw(60, 900, 1.2, 0.3, 0.42, 0.9), 50, 900, 0.3, 0.42, 0.8, 1.5, 40, 0.2, 1.1)
ALWAYS = {"lambda": 1.0, "window": "0:1", "every": 1, "fraction": 1.0, "signal": "online", "kept": None}


def student(N, D, L_T, *, seed=0, lost=0.0, **asked):
    loss = float(LAW.loss(N, D, L_T)) * math.exp(lost)
    name = f"d-{N:g}-{D:g}-{L_T}-{seed}-{asked}"
    told = {"C": 6.0 * N * D, "teacher_id": f"t-{L_T}", "teacher_N": 1e6, "teacher_D": 1e7, "teacher_loss": L_T}
    return RunRecord(name, "distillation", N, D, loss, seed=seed, extras={**ALWAYS, **asked}, **told)


def alone(N, D):
    return RunRecord(f"s-{N:g}-{D:g}", "supervised", N, D, float(LAW.supervised.loss(N, D)), C=6.0 * N * D)


SIZES, TOKENS, TEACHERS = (2e4, 6e4, 2e5, 6e5), (1e6, 2e6, 4e6, 8e6), (2.2, 2.5, 2.8, 3.1)
PLAIN = RunTable(
    (
        *(alone(N, D) for N in SIZES for D in TOKENS),
        *(student(N, D, L_T) for N in SIZES for D in TOKENS for L_T in TEACHERS),
    ),
    SIX_ND,
)
LESS = (
    *(student(6e4, 1e6, L_T, lost=lost, every=5) for L_T, lost in zip(TEACHERS, (0.01, 0.02, 0.03, 0.02), strict=True)),
    student(6e4, 1e6, 2.2, lost=0.05, window="0:0.2"),
    student(6e4, 1e6, 2.5, lost=-0.01, signal="top-k", kept=64),
    student(6e4, 1e6, 2.5, lost=0.08, every=5, seed=9),  # no twin
    student(6e4, 1e6, 2.5, lost=0.4, every=5, **{"lambda": 0.5}),  # nor this: its twin would have its lambda
)
MIXED = RunTable((*PLAIN.records, *LESS), SIX_ND)


def test_effects_are_means_over_pairs_that_differ_in_nothing_else():
    window, every, cached = sorted(asking.effects(MIXED), key=lambda effect: -effect.log_ratio)
    assert (window.how, window.share, window.source, window.pairs) == ("from 0% to 20% of training", 0.2, "online", 1)
    assert window.log_ratio == pytest.approx(0.05)
    assert window.interval is None
    assert (every.how, every.share, every.source, every.pairs) == ("every 5 steps", 0.2, "online", 4)
    assert every.log_ratio == pytest.approx(0.02)
    half = 2.3534 * np.std([0.01, 0.02, 0.03, 0.02], ddof=1) / 2  # Student's t, 3 degrees of freedom, 95 %
    assert every.interval == pytest.approx((0.02 - half, 0.02 + half), rel=1e-4)
    assert (cached.how, cached.share, cached.source) == ("at every step", 1.0, "cached-top64")
    assert cached.log_ratio == pytest.approx(-0.01)


def test_the_law_is_that_of_the_students_that_ask_always(tmp_path):
    found, plain = fit_runs(MIXED), fit_runs(PLAIN)
    assert found.coefficients == plain.coefficients
    assert found.table_sha256 == plain.table_sha256
    assert found.effects == asking.effects(MIXED)
    assert plain.effects == ()
    doubt = found.warnings[-1]
    assert doubt.code == "asked-otherwise"
    assert doubt.message.endswith("8 runs; 6 of them say what that does to the loss")
    found.to_json(tmp_path / "law.json")
    assert Fit.from_json(tmp_path / "law.json") == found
    assert "every 5 steps                    20%      4  +2.00%" in found.report()


def test_a_table_that_mostly_asks_otherwise_is_taken_as_it_is():
    few = RunTable((*PLAIN.records[:18], *LESS), SIX_ND)
    assert asking.of_law(few) is few
    assert asking.of_law(PLAIN) is PLAIN


def test_tables_that_say_nothing_of_asking_ask_always():
    bare = RunTable(tuple(replace(run, extras={}) for run in PLAIN.records), SIX_ND)
    assert asking.of_law(bare) is bare
    assert asking.effects(bare) == ()


def test_supervised_fits_are_not_concerned():
    assert fit_runs(MIXED, form="supervised").effects == ()


def test_files_without_effects_are_read(tmp_path):
    found = fit_runs(PLAIN, form="supervised").as_dict()
    del found["effects"]
    path = tmp_path / "law.json"
    path.write_text(json.dumps(found))
    assert Fit.from_json(path).effects == ()


def test_check_judges_the_runs_of_the_law_and_names_the_others():
    mixed = RunTable((*MIXED.records[:-1], student(6e4, 1e6, 2.5, lost=0.004, **{"lambda": 0.5})), SIX_ND)
    before = {finding.code for finding in check.findings(PLAIN)}
    found = {finding.code: finding for finding in check.findings(mixed)}
    assert set(found) - before == {"asked-otherwise", "mixed-recipes"}
    assert found["asked-otherwise"].run_ids == tuple(run.run_id for run in LESS[:-1])
    assert found["mixed-recipes"].message.startswith("column lambda has 2 values")
