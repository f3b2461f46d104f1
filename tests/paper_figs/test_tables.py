"""The computed tables: against the ledger, the planner, the published coefficients and the paper's printed digits."""

import csv
import importlib
import inspect
import json
import subprocess
import sys
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from fitting import flops
from fitting.errors import InputError
from fitting.findings import Draws
from fitting.fit import Fit
from fitting.flops import BUSBRIDGE2025, SIX_ND, Shape
from fitting.known import Support
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW
from fitting.records import RunRecord
from paper_figs.tables import table03_allocation as table03
from paper_figs.tables import table09_parameters as table09
from paper_figs.tables import table11_flops as table11
from paper_figs.tables.catalogue import CATALOGUE, LEFT_OUT, find
from paper_figs.tables.family import Model, example, shape_of
from paper_figs.tables.report import written
from planner.decision import plan
from planner.scenarios import Budget, scenarios

CHECKOUT = Path(__file__).resolve().parents[2]
with (CHECKOUT / "tests/golden/busbridge2025_table13.csv").open() as lines:
    PRINTED = list(csv.DictReader(lines))
SUPPORT = Support(N_S=(1e4, 1e6), D_S=(1e5, 4e6), L_T=(1.9, 2.5), N_T=(1e5, 1e6), D_T=(1e6, 4e6))
OWN = replace(
    BUSBRIDGE2025_LAW,
    id="own",
    published=False,
    convention=replace(BUSBRIDGE2025, rho=24, n_ctx=128, n_vocab=256),
    support=SUPPORT,
    box_N=(1e2, 1e8),
    box_D=(1e3, 4e8),
    second_opinion=None,
)


def build(number, law=BUSBRIDGE2025_LAW, **model):
    (entry,) = find([str(number)])
    return entry.build(law, Model(**model))


def test_scenarios_pay_what_the_ledger_charges():
    rows = build(2).rows
    assert build(5) == build(2)
    assert [row["scenario"] for row in rows] == list(scenarios())
    for row, charges in zip(rows, scenarios().values(), strict=True):
        assert (row["delta_logits"], row["delta_pretraining"]) == (charges.logits, charges.pretraining)
        F_S, F_T = (BUSBRIDGE2025.forward(N) for N in (1e9, 4e9))
        paid = flops.spend(
            BUSBRIDGE2025, 1e9, 2e10, 4e9, 8e10, pay_logits=charges.logits, pay_pretraining=charges.pretraining
        )
        assert row["student_training"] * F_S * 2e10 == pytest.approx(paid.student_training)
        assert row["teacher_inference"] * F_T * 2e10 == pytest.approx(paid.teacher_inference)
        assert row["teacher_training"] * F_T * 8e10 == pytest.approx(paid.teacher_training)


def corners(law):
    return {(row["students"], row["compute"]): row for row in build(3, law).rows if row["law"] == law.id}


def test_allocation_spans_the_papers_corners():
    found = corners(BUSBRIDGE2025_LAW)
    assert [found["small", "small"][key] for key in ("N_low", "N_high", "C_low", "C_high")] == pytest.approx(
        [3e8, 3e9, 1e20, 1e21]
    )
    assert [found["large", "large"][key] for key in ("N_low", "N_high", "C_low", "C_high")] == pytest.approx(
        [1e10, 5e10, 1e25, 1e26]
    )


@pytest.mark.parametrize("law", [BUSBRIDGE2025_LAW, BUSBRIDGE2025_FIGURES_LAW], ids=lambda law: law.id)
def test_allocation_is_the_mean_of_the_planners_shares(law):
    row = corners(law)["large", "small"]
    shares = [plan(law, Budget(C, 1.0, 1.0), student=N).shares for N in (1e10, 3e10, 5e10) for C in (1e20, 1e21)]
    assert [row[f"share_{part}"] for part in table03.PARTS] == pytest.approx(np.mean(shares, axis=0), rel=1e-6)
    assert row["plans"] == 6
    assert row["alike"] == sum(table03.trend(each) == row["trend"] for each in shares)


def test_the_printed_law_shows_the_papers_trends_but_for_large_students_with_small_compute():
    found = corners(BUSBRIDGE2025_LAW)
    assert {corner for corner, row in found.items() if row["trend"] != row["paper"]} == {("large", "small")}
    assert found["large", "small"]["trend"] == "pretraining"
    assert "large students with small compute (pretraining; the paper: student)" in build(3).answer
    assert any(note.startswith("busbridge2025 differs") for note in build(3).notes)


def test_the_figures_law_beside_it_gives_large_students_their_share():
    beside = [row for row in build(3).rows if row["law"] == BUSBRIDGE2025_FIGURES_LAW.id]
    assert beside == list(build(3, BUSBRIDGE2025_FIGURES_LAW).rows)
    found = corners(BUSBRIDGE2025_FIGURES_LAW)
    assert found["large", "small"]["trend"] == found["large", "small"]["paper"] == "student"
    # pretraining is the largest share of small students with small compute, as in the paper, but not by far
    small = found["small", "small"]
    assert max(table03.PARTS, key=lambda part: small[f"share_{part}"]) == small["paper"] == "pretraining"
    assert small["trend"] == "student+pretraining"


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        ((0.6, 0.3, 0.1), "student"),
        ((0.1, 0.2, 0.7), "pretraining"),
        ((0.5, 0.45, 0.05), "student+inference"),
        ((0.3, 0.4, 0.3), "even"),
    ],
)
def test_a_trend_names_the_parts_near_the_largest(shares, word):
    assert table03.trend(shares) == word


def test_table_6_is_the_published_law():
    rows = {row["coefficient"]: row for row in build(6).rows}
    law = BUSBRIDGE2025_LAW
    assert list(rows) == ["A", "B", "E", "alpha", "beta", "gamma", "c0", "c1", "f1", "d1", "a", "b"]
    for form, formula, prefix in (
        ("supervised", law.supervised, ""),
        ("distillation", law.distillation, "distillation."),
    ):
        for name, row in rows.items():
            if name in "ab":
                continue
            assert row[form] == getattr(formula, name, None)
            ends = law.intervals.get(prefix + name, (None, None))
            assert (row[f"{form}_low"], row[f"{form}_high"]) == ends
    # printed: a 0.513 and 0.664, b 0.486 and 0.335, each from coefficients with more digits than are printed
    for name, printed in {"a": (0.513, 0.664), "b": (0.486, 0.335)}.items():
        assert (rows[name]["supervised"], rows[name]["distillation"]) == pytest.approx(printed, abs=1.1e-3)
        assert rows[name]["supervised_low"] is None
    for form in ("supervised", "distillation"):
        assert rows["a"][form] + rows["b"][form] == pytest.approx(1)


def test_table_6_of_a_law_without_distillation_has_no_such_columns():
    found = build(6, HOFFMANN2022_LAW)
    assert [column.key for column in found.columns] == [
        "coefficient",
        "supervised",
        "supervised_low",
        "supervised_high",
    ]
    assert found.rows[-2]["supervised"] == pytest.approx(0.28 / 0.62)


def test_the_exponents_of_a_fit_with_draws_have_intervals():
    fit = Fit.given(replace(HOFFMANN2022_LAW, interval_level=0.9))
    alpha, beta = np.linspace(0.3, 0.4, 101), np.full(101, 0.3)
    spread = {name: np.full(101, value) for name, value in fit.coefficients.items()} | {"alpha": alpha, "beta": beta}
    fit = replace(fit, draws=Draws(spread, "run", 101), interval_level=0.9)
    row = build(6, replace(HOFFMANN2022_LAW, fitted=fit, interval_level=0.9)).rows[-2]
    assert row["coefficient"] == "a"
    assert (row["supervised_low"], row["supervised_high"]) == pytest.approx((0.3 / 0.695, 0.3 / 0.605), rel=1e-3)


def resolved(path):
    """What a dotted path names: a module's class or function, then its attribute, its field or its parameter."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        break
    for name in parts[length:]:
        if is_dataclass(found) and name in {field.name for field in fields(found)}:
            found = name
        elif inspect.isfunction(found):
            found = inspect.signature(found).parameters[name]
        else:
            found = getattr(found, name)
    return found


def test_every_name_and_column_of_table_8_exists():
    from sweeps import run_table

    kept = {field.name for field in fields(RunRecord)}
    for row in build(8).rows:
        assert resolved(row["python"]) is not None
        column = row["column"]
        assert column is None or column in kept or f'"{column}": ' in inspect.getsource(run_table), column
    with pytest.raises((AttributeError, KeyError)):
        resolved("fitting.laws.SupervisedLaw.delta")


def test_table_8_has_every_coefficient_of_the_laws_and_its_value():
    rows = {row["python"]: row for row in build(8).rows}
    for law in (BUSBRIDGE2025_LAW.supervised, BUSBRIDGE2025_LAW.distillation):
        kind = type(law)
        for field in fields(kind):
            if field.name != "supervised":
                assert rows[f"{kind.__module__}.{kind.__name__}.{field.name}"]["value"] == getattr(law, field.name)
    symbols = [row["symbol"] for row in rows.values()]
    assert {"α", "α′", "E", "c0", "δ_Lgt", "L_T"} <= set(symbols)
    assert len(set(symbols)) == len(symbols)
    alone = build(8, HOFFMANN2022_LAW).rows
    assert [row["value"] for row in alone if row["symbol"] in ("c0", "A′")] == [None, None]


def test_table_8_says_what_the_convention_counts():
    counted = replace(SIX_ND, parameters="total")
    assert build(8, replace(HOFFMANN2022_LAW, convention=counted)).rows[0]["meaning"].endswith("with its embeddings")
    assert build(8).rows[0]["meaning"].endswith("without its embeddings")


def evaluated(formula, shape):
    return eval(formula, {"__builtins__": {}}, {**asdict(shape), "d_head": shape.d_head})


@pytest.mark.parametrize("law", [BUSBRIDGE2025_LAW, OWN], ids=["published", "fitted"])
def test_parameters_are_the_ledgers_and_their_formulas_hold(law):
    found = build(9, law, layers=12)
    assert found == build(10, law, layers=12)
    shape = shape_of(law, 12)
    rows = {row["part"]: row for row in found.rows}
    counted = flops.parameters(shape)
    for part, value in asdict(counted).items():
        assert rows[part]["parameters"] == value == evaluated(rows[part]["formula"], shape)
    assert rows["N"]["parameters"] == counted.non_embedding
    assert rows["total"]["parameters"] == counted.total
    assert sum(rows[part]["share"] for part in table09.FORMULAS) == pytest.approx(1)


@pytest.mark.parametrize("causal", [True, False])
def test_flops_are_the_ledgers_and_their_formulas_hold(causal):
    law = replace(BUSBRIDGE2025_LAW, convention=replace(BUSBRIDGE2025, causal_attention=causal))
    found = build(11, law, layers=10)
    assert found == build(12, law, layers=10)
    shape = Shape.of_depth(10)
    itemised = flops.forward(shape, causal_attention=causal)
    rows = {row["part"]: row for row in found.rows}
    assert list(rows) == [*table11.formulas(causal_attention=causal), "total"]
    for part, value in asdict(itemised).items():
        assert rows[part]["forward"] == value == pytest.approx(evaluated(rows[part]["formula"], shape))
    assert rows["total"]["forward"] == itemised.total
    assert rows["total"]["training"] == flops.training(shape, 1.0, causal_attention=causal)
    assert ("causal" in found.notes[0]) == causal


def test_the_model_counted_by_default_is_amid_the_laws_students():
    assert example(BUSBRIDGE2025_LAW, Model()) == Shape.of_depth(19)
    N = flops.parameters(example(OWN, Model())).non_embedding
    assert SUPPORT.N_S[0] < N < SUPPORT.N_S[1]
    assert example(BUSBRIDGE2025_LAW, Model(heads=8)).n_heads == 8


@pytest.mark.parametrize(("i", "printed"), list(enumerate(PRINTED)), ids=[each["name"] for each in PRINTED])
def test_table_13(i, printed):
    row = build(13).rows[i]
    assert len(build(13).rows) == len(PRINTED)
    assert row["n_layers"] == int(printed["L"])
    assert (row["d_model"], row["d_ffn"]) == (int(printed["d"]), int(printed["dff"]))
    counts = {"N": "N", "N_total": "Ntot", "C_fwd": "Cfwd", "C_2N": "C2N", "C_sigma": "Csig"}
    if printed["name"] == "10B":
        # the misprint: N, N_total and FLOPs are those of a d_ff of 12800, not of the 12672 printed beside them
        assert row["N"] == pytest.approx(9.98e9, rel=5e-4)
        assert row["model"] == "9.98B"
        for ours, theirs in counts.items():
            assert row[ours] != pytest.approx(float(printed[theirs]) * 1e9, rel=5e-3)
        wider = replace(Shape.of_depth(37), d_ffn=12800)
        assert flops.parameters(wider).non_embedding == pytest.approx(float(printed["N"]) * 1e9, rel=5e-4)
        assert flops.forward(wider).total == pytest.approx(float(printed["Cfwd"]) * 1e9, rel=5e-4)
        return
    assert row["model"] == printed["name"]
    for ours, theirs in counts.items():
        assert row[ours] == pytest.approx(float(printed[theirs]) * 1e9, rel=6e-4), ours
    # in percentage points; the printed errors are larger by some 0.01 to 0.02 throughout
    assert 100 * row["error_2N"] == pytest.approx(float(printed["e2N"]), abs=0.025)
    assert 100 * row["error_sigma"] == pytest.approx(float(printed["esig"]), abs=0.025)


def test_table_13_holds_what_plans_use_against_the_itemised_count():
    found = build(13)
    for row in found.rows:
        assert row["C_eq69"] == BUSBRIDGE2025.forward(float(row["N"]))
        assert abs(row["error_eq69"]) < 4e-3
    assert any("12800 (10.05B)" in note for note in found.notes)


def test_table_13_of_a_fit_spans_its_students():
    found = build(13, OWN)
    assert found.rows[0]["N"] < 2 * SUPPORT.N_S[0]
    assert found.rows[-1]["N"] > SUPPORT.N_S[1] / 2
    assert not any("paper" in note for note in found.notes)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.module)
@pytest.mark.parametrize("law", [BUSBRIDGE2025_LAW, OWN], ids=["published", "fitted"])
def test_every_table_is_whole(entry, law):
    found = entry.build(law, Model())
    assert found.title
    assert found.answer.endswith(".")
    assert "nan" not in found.answer
    keys = {column.key for column in found.columns}
    assert len(keys) == len(found.columns)
    for row in found.rows:
        assert row.keys() == keys
        assert all(isinstance(written(row[column.key], column.kind), str) for column in found.columns)


def test_a_corner_that_buys_no_plan_says_so():
    poor = replace(OWN, box_D=(1e7, 4e8))
    rows = build(3, poor).rows
    assert rows[2]["plans"] == 0
    assert rows[2]["trend"] == "no plan"
    assert rows[2]["share_student"] is None


def test_tables_answer_to_numbers_and_names():
    assert {entry.module for entry in find(["13", "Table 13", "tab13", "table13_models", "models"])} == {
        "table13_models"
    }
    assert find([]) == list(CATALOGUE)
    assert not {number for entry in CATALOGUE for number in entry.numbers} & LEFT_OUT.keys()


def test_without_a_number_the_tables_are_listed(distillaw):
    answer = distillaw("tables")
    assert answer.code == 0
    assert len(answer.out.splitlines()) == len(CATALOGUE)
    for line, entry in zip(answer.out.splitlines(), CATALOGUE, strict=True):
        assert line.startswith(", ".join(map(str, entry.numbers)))
        assert line.endswith(entry.about)
    listed = json.loads(distillaw("tables", "--json").out)
    assert listed["schema"] == "distillaw/table-list/1"
    assert [tuple(each["tables"]) for each in listed["tables"]] == [entry.numbers for entry in CATALOGUE]


def test_a_table_is_printed_answer_first(distillaw):
    answer = distillaw("tables", "13")
    assert (answer.code, answer.err) == (0, "")
    printed = answer.out.splitlines()
    assert printed[0] == build(13).answer
    assert printed[2].split()[:4] == ["model", "layers", "d_model", "d_ffn"]
    assert [line.split()[0] for line in printed[3:36]] == [row["model"] for row in build(13).rows]
    assert printed[-1] == "Next: distillaw tables 13 --out tables"
    both = distillaw("tables", "2", "6")
    assert build(2).answer in both.out
    assert build(6).answer in both.out


def test_json_holds_raw_numbers(distillaw):
    answer = distillaw("tables", "9", "--layers", "8", "--json")
    found = json.loads(answer.out)
    assert found["schema"] == "distillaw/table/1"
    assert found["tables"] == [9, 10]
    assert found["law"]["id"] == "busbridge2025"
    assert found["rows"] == list(build(9, layers=8).rows)
    assert [column["key"] for column in found["columns"]] == list(found["rows"][0])


def test_csv_files_hold_raw_numbers_and_never_change(distillaw, tmp_path):
    for folder in ("a", "b"):
        answer = distillaw("tables", "--out", tmp_path / folder, "--json")
        assert answer.code == 0
        files = json.loads(answer.out)
        assert files["schema"] == "distillaw/table-files/1"
        assert [Path(name).stem for name in files["files"]] == [entry.module for entry in CATALOGUE]
    for entry in CATALOGUE:
        name = f"{entry.module}.csv"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with (tmp_path / "a" / "table13_models.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [float(row["C_fwd"]) for row in rows] == [row["C_fwd"] for row in build(13).rows]
    assert distillaw("tables", "6", "--out", tmp_path).out.strip() == str(tmp_path / "table06_coefficients.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["14"], "did you mean 13?"),
        (["modles"], "did you mean models?"),
        (["14", "modles"], "did you mean 13?"),
        (["7"], "table 7 (from trained runs)"),
        (["x"], "known: 2, 3, 5, 6, 8, 9, 10, 11, 12, 13"),
        (["13", "--law", "busbrige2025"], "did you mean 'busbridge2025'?"),
        (["3", "--law", "hoffmann2022"], "supervised training only"),
        (["11", "--law", "hoffmann2022"], "counts 6ND"),
        (["13", "--layers", "9"], "--layers"),
        (["6", "--heads", "9"], "--heads"),
        (["--heads", "9"], "name the table"),
        (["11", "--heads", "7"], "does not split into 7 heads"),
        (["11", "--layers", "0"], "--layers"),
        (["6", "13", "--json"], "prints one table"),
    ],
)
def test_refusals(distillaw, arguments, words):
    answer = distillaw("tables", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err


def test_every_table_that_a_law_lacks_is_named_at_once(distillaw, tmp_path):
    answer = distillaw("tables", "--law", "hoffmann2022", "--out", tmp_path / "out")
    assert answer.code == 2
    assert "supervised training only" in answer.err
    assert "counts 6ND" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_is_the_callers_mistake(distillaw, tmp_path):
    (tmp_path / "file").touch()
    answer = distillaw("tables", "6", "--out", tmp_path / "file")
    assert answer.code == 2
    assert "--out" in answer.err
    with pytest.raises(InputError, match="counts 6ND"):
        build(13, HOFFMANN2022_LAW)


def test_tables_need_numpy_alone():
    heavy = ["jax", "torch", "scipy", "matplotlib", "pandas"]
    code = f"""
import sys
import paper_figs.tables.cli
early = [name for name in [*{heavy}, "numpy"] if name in sys.modules]
from fitting.published import BUSBRIDGE2025_LAW
from paper_figs.tables.catalogue import CATALOGUE
from paper_figs.tables.family import Model
for entry in CATALOGUE:
    entry.build(BUSBRIDGE2025_LAW, Model())
print(early, [name for name in {heavy} if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert found.stdout.strip() == "[] []"
