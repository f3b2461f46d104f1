"""Fits against certified optima: tables of runs whose best fit is known to 20 digits, found without our solver.

`certified/make.py` says what is certified and how. Agreement is counted in digits, as NIST does for its reference
datasets: the LRE, -log10 of the relative error.
"""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

from fitting.estimation import fit_distillation, fit_law
from fitting.fit import Fit
from fitting.flops import SIX_ND_TOTAL
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.method import Method
from fitting.records import RunRecord, RunTable

CERTIFIED = Path(__file__).parent / "certified"
DIGITS = {"huber": (12, 6), "l2": (12, 6), "lad": (4, 2)}
"""Digits that a fit must have: of the objective, and of each coefficient unless those of the objective leave it open.

Our `lad` minimises a Huber objective whose δ is a thousandth of the mean |r|. Every residual within δ adds δ/2 to
Σ |r| at the most, so that p of them in n runs cost p / 2000 n of it.
"""


def _make():
    spec = importlib.util.spec_from_file_location("certified_make", CERTIFIED / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _make()
SETS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(CERTIFIED.glob("*.json"))}
CASES = [
    pytest.param(name, case, id="-".join([name, case["loss"], "gamma1" if case["fixed"] else "free"]))
    for name, known in SETS.items()
    for case in known["cases"]
]
SIMULATED = [name for name in SETS if name not in make.PUBLIC]


@pytest.fixture
def table_of(public_runs):
    """The runs of a certified set by its name."""

    def read(name):
        if name not in make.PUBLIC:
            return RunTable.read(CERTIFIED / SETS[name]["table"])
        columns = make.select(name, public_runs(make.PUBLIC[name]).parent)
        same = make.digest(columns) == SETS[name]["rows_digest"]
        assert same, f"{make.PUBLIC[name]} holds other numbers than the version that was certified"
        rows = enumerate(zip(*columns, strict=True))
        return RunTable(tuple(RunRecord(f"run-{i}", "supervised", *row) for i, row in rows), SIX_ND_TOTAL)

    return read


def lre(found, certified):
    """How many digits agree: -log10 of the relative error, 15 at most."""
    error = abs(found / float(certified) - 1)
    return 15.0 if error < 1e-15 else -math.log10(error)


def objective(residual, loss, delta):
    """The objective as `certified/make.py` defines it, in float64."""
    size = np.abs(residual)
    if loss == "lad":
        return size.sum()
    within = (size <= delta) if loss == "huber" else np.full(size.shape, True)
    return np.where(within, size**2 / 2, (delta or 0) * (size - (delta or 0) / 2)).sum()


def test_every_table_is_certified():
    assert set(SETS) == {*make.SUPERVISED, "distillation", *make.PUBLIC}
    for name, known in SETS.items():
        wanted = [(loss, fixed) for loss, fixed in make.cases_of(name)]
        assert [(case["loss"], case["fixed"]) for case in known["cases"]] == wanted
        assert all(case["digits"] >= 15 for case in known["cases"])


@pytest.mark.parametrize("name", SIMULATED)
def test_the_simulated_tables_are_made_again_to_the_byte(name, tmp_path):
    made = tmp_path / f"{name}.csv"
    make.simulated(name).write(made)
    assert made.read_bytes() == (CERTIFIED / made.name).read_bytes()


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_certified_value_is_the_objective_at_the_certified_coefficients(table_of, name, case):
    table = table_of(name)
    coefficients = {key: float(value) for key, value in case["coefficients"].items()} | case["fixed"]
    at = [table.column(column) for column in ("N", "D")]
    if name == "distillation":
        law = DistillationLaw(make.GIVEN.supervised, **coefficients)
        at.append(table.column("teacher_loss"))
    else:
        law = SupervisedLaw(**coefficients)
    residual = np.log(law.loss(*at)) - np.log(table.column("loss"))
    found = objective(residual, case["loss"], case["delta"] and float(case["delta"]))
    assert lre(found, case["objective"]) > 11


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_fit_has_the_certified_digits(table_of, name, case):
    table = table_of(name)
    loss, fixed = case["loss"], case["fixed"]
    method = Method(loss=loss, huber_delta=float(case["delta"] or 1), priors=False, teacher_errors=False)
    if name == "distillation":
        fit = fit_distillation(table, Fit.given(make.GIVEN), method=method)
    else:
        fit = fit_law(SupervisedLaw, table, fixed=fixed, method=method)
    assert fit.status == "converged"
    assert fit.objective >= float(case["objective"]) * (1 - 1e-12)  # else what is certified is not the least value
    of_objective, of_coefficients = DIGITS[loss]
    assert lre(fit.objective, case["objective"]) >= of_objective
    for key, value in case["coefficients"].items():
        # `slack` belongs to 1e-9 of the objective, which is flat there: what its digits leave open goes as the root
        slack = float(case.get("slack", {}).get(key, 0)) * math.sqrt(10.0**-of_objective / 1e-9)
        wanted = min(of_coefficients, -math.log10(max(slack, 1e-20)))
        assert lre(fit.coefficients[key], value) >= wanted, key
