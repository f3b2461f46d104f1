"""A fit as a file: it comes back exactly, it becomes a law to plan with, and what is wrong with a file is named."""

import json
import math
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import cycle

import numpy as np
import pytest

from fitting.errors import InputError
from fitting.estimation import fit_law
from fitting.findings import Draws
from fitting.fit import COEFFICIENTS, SCHEMA, Fit
from fitting.laws import DistillationLaw, SupervisedLaw
from fitting.library import load_law, load_supervised
from fitting.published import BUSBRIDGE2025_LAW

CONTRACT = {
    "schema", "form", "coefficients", "identified", "intervals", "interval_level", "objective", "status",
    "starts_agreeing", "n_runs", "table_sha256", "convention", "supervised", "warnings",
}  # fmt: skip


@pytest.fixture
def law_file(tmp_path, distillation_fit):
    path = tmp_path / "law.json"
    distillation_fit.to_json(path)
    return path


def test_a_fit_comes_back_exactly(law_file, distillation_fit, tmp_path):
    found = Fit.from_json(law_file)
    assert found == distillation_fit
    assert found.to_json() == law_file.read_text()
    given = Fit.given(BUSBRIDGE2025_LAW)
    given.to_json(tmp_path / "given.json")
    assert Fit.from_json(tmp_path / "given.json") == given


def test_the_json_holds_the_contract(law_file, noisy_runs):
    data = json.loads(law_file.read_text())
    assert set(data) >= CONTRACT
    assert data["schema"] == SCHEMA
    assert data["table_sha256"] == noisy_runs.sha256
    assert data["convention"] == asdict(noisy_runs.convention)
    assert data["interval_method"] == "linearised"
    for part in (data, data["supervised"]):
        names = set(COEFFICIENTS[part["form"]])
        assert set(part["coefficients"]) == set(part["identified"]) == set(part["intervals"]) == names
        assert all(set(doubt) == {"code", "message"} for doubt in part["warnings"])
    assert data["supervised"]["supervised"] is None


def test_a_fit_is_a_law_to_plan_with(law_file, distillation_fit):
    known = load_law(str(law_file))
    assert known.id == distillation_fit.id
    assert known.id.startswith("fit-")
    assert len(known.id) == len("fit-") + 8
    assert isinstance(known.distillation, DistillationLaw)
    assert known.distillation.supervised == known.supervised
    assert known.support.N_S == (198e6, 7.75e9)
    assert known.support.N_T == (143e6, 7.75e9)
    assert known.box_N == pytest.approx((143e4, 7.75e11))
    assert known.box_D == pytest.approx((198e6 * 20 / 100, 512e11))
    assert known.relative_error == 0.01
    assert not known.published
    assert str(law_file) not in known.source
    assert {"E", "distillation.c0"} <= known.intervals.keys()
    assert "distillation.c1" not in known.intervals
    assert known.supervised.loss(1e9, 1e11) == distillation_fit.predict(1e9, 1e11)
    assert known.distillation.loss(1e9, 1e11, 2.2) == distillation_fit.predict(1e9, 1e11, 2.2)


def test_a_supervised_fit_knows_no_teachers(distillation_fit, tmp_path):
    fit = distillation_fit.supervised
    fit.to_json(tmp_path / "alone.json")
    known = load_law(str(tmp_path / "alone.json"))
    assert known.distillation is None
    assert known.support.L_T is None
    with pytest.raises(InputError, match="no place for a teacher"):
        fit.predict(1e9, 1e11, 2.2)
    assert fit.predict(np.array([1e9, 2e9]), 1e11).shape == (2,)
    assert load_supervised(str(tmp_path / "alone.json")) == fit


def test_the_supervised_part_of_a_file(law_file, distillation_fit):
    assert load_supervised(str(law_file)) == distillation_fit.supervised
    assert load_supervised("hoffmann2022").status == "given"


def broken(path, **changes):
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in data.items() if value != "gone"}))
    with pytest.raises(InputError) as refused:
        Fit.from_json(path)
    assert all(fault.startswith(str(path)) for fault in refused.value.faults)
    return "\n".join(refused.value.faults)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": "distillaw/fit/1"}, "another version"),
        ({"schema": "distillaw/plan/1"}, "not a law file: its schema is 'distillaw/plan/1'"),
        ({"schema": "gone"}, "it has no 'schema'"),
        ({"objective": "gone", "id": "gone"}, "a field is missing: id"),
        ({"form": "chinchilla"}, "must be supervised or distillation"),
        ({"coefficients": {"A": 1}}, "a distillation law also needs B, alpha, beta, gamma, c0, c1, f1, d1"),
        ({"coefficients": None}, "coefficients: a distillation law also needs A, B"),
        ({"fixed": {"delta": 1.0}}, "fixed: a distillation law has no delta; it has A, B, alpha"),
        ({"relative_error": math.nan}, "relative_error: must be a finite number, not nan"),
        ({"support": {"N_S": [1e8, math.inf]}}, "support.N_S.1: must be a finite number, not inf"),
        ({"convention": {"name": "6ND"}}, "convention"),
        ({"supervised": None}, "needs the supervised law it stands on"),
        ({"supervised": {"schema": SCHEMA}}, "supervised: a field is missing"),
        ({"status": "fine"}, "status: must be one of"),
        ({"support": {"weight": [1, 2]}}, "not a law file"),
        ({"warnings": [{"code": "x"}]}, "not a law file"),
        ({"intervals": {"A": 3}}, "intervals: says nothing of B"),
        ({"identified": None}, "identified: not what a law file holds there: None"),
        ({"n_runs": "many"}, "n_runs: not what a law file holds there: 'many'"),
    ],
)
def test_what_is_wrong_with_a_law_file_is_named(law_file, changes, says):
    assert says in broken(law_file, **changes)


@pytest.mark.parametrize("stage", ["distillation", "supervised"])
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Z", 1.0, "coefficients: a {stage} law has no Z; it has A, B, "),
        ("alpha", "gone", "coefficients: a {stage} law also needs alpha"),
        ("alpha", math.nan, "coefficients: alpha must be a positive number, not nan"),
        ("alpha", math.inf, "coefficients: alpha must be a positive number, not inf"),
        ("alpha", 10**400, "coefficients: alpha must be a positive number, not inf"),
        ("alpha", -math.inf, "coefficients: alpha must be a positive number, not -inf"),
    ],
)
def test_coefficients_are_those_of_the_form_and_finite(law_file, stage, name, value, says):
    data = json.loads(law_file.read_text())
    part = data if stage == "distillation" else data["supervised"]
    part["coefficients"] = {k: v for k, v in (part["coefficients"] | {name: value}).items() if v != "gone"}
    fault = broken(law_file, **data)
    assert "\n" not in fault
    assert says.format(stage=stage) in fault
    assert ("supervised: coefficients" in fault) == (stage == "supervised")


def test_both_stages_count_alike(law_file):
    base = json.loads(law_file.read_text())["supervised"]
    fault = broken(law_file, supervised=base | {"convention": base["convention"] | {"n_ctx": 2048, "n_vocab": 50000}})
    assert "different conventions (n_ctx: 2048 against 4096; n_vocab: 50000 against 32768)" in fault
    assert f"the supervised law it stands on ({base['id']!r})" in fault


def with_draws(fit, count):
    names = COEFFICIENTS[fit.form]
    return replace(fit, draws=Draws({name: np.full(count, fit.coefficients[name]) for name in names}, "run", count))


@pytest.mark.parametrize(("own", "below"), [(3, 5), (3, 1), (1, 3)])
def test_draws_of_two_stages_belong_together(distillation_fit, tmp_path, own, below):
    path = tmp_path / "law.json"
    base = distillation_fit.supervised
    with_draws(replace(distillation_fit, supervised=with_draws(base, below)), own).to_json(path)
    assert f"draws: {own} of the distillation law and {below} of the supervised law" in broken(path)
    with_draws(replace(distillation_fit, supervised=with_draws(base, own)), own).to_json(path)
    assert len(Fit.from_json(path).draws) == own
    with_draws(distillation_fit, own).to_json(path)  # the supervised law is held
    assert Fit.from_json(path).supervised.draws is None


def test_draws_are_of_the_forms_coefficients(distillation_fit, tmp_path):
    fit = with_draws(distillation_fit, 3)
    found = {name: values for name, values in fit.draws.coefficients.items() if name != "f1"} | {"E": np.ones(3)}
    replace(fit, draws=Draws(found, "run", 3)).to_json(tmp_path / "law.json")
    says = broken(tmp_path / "law.json")
    assert "draws: a distillation law also needs f1" in says
    assert "draws: a distillation law has no E; it has A" in says


def test_faults_of_both_stages_are_reported_at_once(law_file):
    data = json.loads(law_file.read_text())
    data["coefficients"]["Z"] = 1.0
    data["supervised"]["coefficients"]["alpha"] = math.nan
    assert len(broken(law_file, **data).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not a law file"), (b"{", "cut"), (b"\x80\x81", "binary file"), (b"[]", "not a law file"),
     (b'{"a": 1}', "no 'schema'"), (b"1e999", "not a law file"),
     (b"9" * 10_000, "not a law file"), (b"[" * 100_000, "nested too deeply")],
)  # fmt: skip
def test_foreign_and_corrupt_files(tmp_path, content, says):
    (tmp_path / "law.json").write_bytes(content)
    with pytest.raises(InputError, match=says):
        load_law(str(tmp_path / "law.json"))


def test_a_half_written_file(law_file):
    law_file.write_text(law_file.read_text()[:500])
    with pytest.raises(InputError, match="it may be cut short"):
        load_law(str(law_file))


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_law(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="cannot read it"):
        load_law(str(tmp_path))
    with pytest.raises(InputError, match="cannot write it"):
        Fit.given(BUSBRIDGE2025_LAW).to_json(tmp_path / "no" / "law.json")


def test_the_name_depends_on_runs_and_choices(distillation_fit):
    assert distillation_fit.id != distillation_fit.supervised.id
    assert replace(distillation_fit).id == distillation_fit.id


@pytest.mark.parametrize("module", ["fitting.flops", "fitting.library", "fitting.cli", "fitting.predict"])
def test_a_law_is_loaded_without_heavy_imports(module, law_file):
    code = f"""
import sys, {module}
from fitting.library import load_law
load_law({str(law_file)!r}).supervised.loss(1e9, 2e10)
print([name for name in ("jax", "torch", "scipy", "scipy.optimize", "matplotlib", "pandas") if name in sys.modules])
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_what_the_runs_were_measured_on_travels_with_the_law(noisy_runs, tmp_path):
    """A law knows its corpus where every run of its table names the same, and old files, which say nothing, load."""

    def labelled(*corpora):
        records = (
            replace(run, extras={"corpus": c}) for run, c in zip(noisy_runs.records, cycle(corpora), strict=False)
        )
        return replace(noisy_runs, records=tuple(records))

    assert labelled("DCLM", " dclm ").stated("corpus") == "DCLM"
    assert labelled("DCLM", "C4").stated("corpus") is None
    assert labelled("DCLM", None).stated("corpus") is None
    assert noisy_runs.stated("corpus") is None
    fit = fit_law(SupervisedLaw, labelled("DCLM").supervised())
    assert (fit.corpus, fit.tokenizer) == ("DCLM", None)
    fit.to_json(tmp_path / "law.json")
    assert load_law(str(tmp_path / "law.json")).corpus == "DCLM"
    data = json.loads((tmp_path / "law.json").read_text())
    (tmp_path / "old.json").write_text(json.dumps({k: v for k, v in data.items() if k not in ("corpus", "tokenizer")}))
    assert load_law(str(tmp_path / "old.json")).corpus is None
    assert "corpus: not what a law file holds there: 3" in broken(tmp_path / "law.json", corpus=3)
    assert BUSBRIDGE2025_LAW.corpus == Fit.given(BUSBRIDGE2025_LAW).corpus == "English C4"
