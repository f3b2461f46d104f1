"""Tables of runs: three formats, one convention, and every refusal with its remedy."""

import json
import math
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from fitting.errors import InputError
from fitting.flops import BUSBRIDGE2025, SIX_ND, SIX_ND_TOTAL
from fitting.records import RunRecord, RunTable

GOOD = """run_id,N,D,loss
a,100M,2B,3.5
b,2e8,4_000_000_000,3.25
"""

TABLE = RunTable(
    (
        RunRecord("a", "supervised", 1e8, 2e9, 3.5, C=1.2e18, seed=0, extras={"lr": 0.003, "tags": "x,y", "ok": True}),
        RunRecord("b", "supervised", 123456789.125, 2e9 / 3, math.pi, extras={"lr": 1e-05, "note": "naïve"}),
        RunRecord("c", "distillation", 1e8, 2e9, 3.4, teacher_id="T1", teacher_N=1e9, teacher_D=2e10,
                  teacher_loss=2.9, C_logits=0.0, C_teacher=1.2e20, seed=7),
        RunRecord("d", "supervised", 1e8, 2e9, 19.5, status="diverged"),
    ),
    BUSBRIDGE2025,
)  # fmt: skip


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path, **options):
    with pytest.raises(InputError) as refused:
        RunTable.read(path, **{"convention": SIX_ND, **options})
    return refused.value.faults


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_comes_back_exactly_and_in_the_same_bytes(tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path, again = tmp_path / f"runs.{suffix}", tmp_path / f"again.{suffix}"
    TABLE.write(path)
    found = RunTable.read(path)
    assert found == TABLE
    assert found.sha256 == TABLE.sha256
    found.write(again)
    assert again.read_bytes() == path.read_bytes()
    assert not list(tmp_path.glob("*.tmp"))


def test_a_loss_that_is_not_a_number_stays_with_a_diverged_run(tmp_path):
    table = RunTable((TABLE.records[0], replace(TABLE.records[3], loss=math.nan)), SIX_ND)
    for suffix in ("csv", "jsonl"):
        table.write(tmp_path / f"runs.{suffix}")
        found = RunTable.read(tmp_path / f"runs.{suffix}")
        assert math.isnan(found.records[1].loss)
        assert len(found.supervised()) == 1
        assert len(found.unfinished()) == 1


def test_the_hash_sees_runs_and_convention_and_not_free_columns():
    bare = RunTable(tuple(replace(record, extras={}) for record in TABLE.records), BUSBRIDGE2025)
    assert bare.sha256 == TABLE.sha256
    assert replace(TABLE, convention=SIX_ND).sha256 != TABLE.sha256
    assert RunTable(TABLE.records[:-1], BUSBRIDGE2025).sha256 != TABLE.sha256


def test_numbers_kinds_and_names_are_filled_in(tmp_path):
    path = write(tmp_path / "runs.csv", "N,D,loss,teacher_loss\n100M,2B,3.5,\n1e8,2e9,3.4,2.9\n")
    table = RunTable.read(path, convention=SIX_ND)
    assert [record.run_id for record in table.records] == ["1", "2"]
    assert [record.kind for record in table.records] == ["supervised", "distillation"]
    assert table.records[0].N == 1e8
    assert len(table.supervised()) == len(table.distillation()) == 1
    assert np.isnan(table.column("teacher_loss")[0])
    assert table.column("kind").tolist() == ["supervised", "distillation"]
    with pytest.raises(InputError, match="no run has a 'lr'"):
        table.column("lr")


def test_free_columns_keep_their_types(tmp_path):
    text = "N,D,loss,lr,name,steps,ok\n1e8,2e9,3.5,1e-3,007,10,true\n1e8,2e9,3.4,,008,20,false\n"
    table = RunTable.read(write(tmp_path / "runs.csv", text), convention=SIX_ND)
    assert table.records[0].extras == {"lr": 1e-3, "name": "007", "steps": 10, "ok": True}
    assert table.records[1].extras == {"name": "008", "steps": 20, "ok": False}
    assert np.isnan(table.column("lr")[1])


def test_aliases(tmp_path):
    path = write(tmp_path / "runs.csv", "params,tokens,val_loss,loss\n1e8,2e9,3.5,3.1\n")
    table = RunTable.read(path, mapping={"N": "params", "D": "tokens", "loss": "val_loss"}, convention=SIX_ND)
    assert table.records[0].loss == 3.5
    assert table.records[0].extras == {"loss_unmapped": 3.1}
    faults = refusal(path, mapping={"N": "parms", "loss": "val_loss", "size": "params"})
    assert "--map N=parms" in faults[0]
    assert "did you mean 'params'" in faults[0]
    assert any(fault.startswith("--map size=params: a run has no 'size'") for fault in faults)


def test_frames(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = TABLE.to_frame()
    assert list(frame["run_id"]) == ["a", "b", "c", "d"]
    assert RunTable.from_frame(frame, convention=BUSBRIDGE2025) == TABLE
    with pytest.raises(InputError, match="row 1, loss: nan in a finished run"):
        RunTable.from_frame(pd.DataFrame({"N": [1e8], "D": [1e9], "loss": [float("nan")]}), convention=SIX_ND)


def test_pandas_is_not_loaded_by_the_module():
    code = "import sys, fitting.records; print([m for m in ('pandas', 'pyarrow', 'jax') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


# --- conventions -----------------------------------------------------------------------------------------


def test_a_table_must_say_how_it_counts(tmp_path):
    path = write(tmp_path / "runs.csv", GOOD)
    (fault,) = refusal(path, convention=None)
    assert "--convention busbridge2025|6ND|6ND-total|FILE.json" in fault


def test_a_convention_beside_the_table_serves_too(tmp_path):
    path = write(tmp_path / "runs.csv", GOOD)
    write(tmp_path / "runs.csv.convention.json", json.dumps(asdict(SIX_ND_TOTAL)))
    assert RunTable.read(path).convention == SIX_ND_TOTAL
    assert "parameters: total against non-embedding" in refusal(path)[0]


def test_what_a_table_states_is_not_overruled(tmp_path):
    TABLE.write(tmp_path / "runs.csv")
    assert RunTable.read(tmp_path / "runs.csv", convention=BUSBRIDGE2025).convention == BUSBRIDGE2025
    assert "different conventions" in refusal(tmp_path / "runs.csv")[0]


def test_rows_of_two_conventions_are_refused(tmp_path):
    text = "N,D,loss,convention\n1e8,2e9,3.5,6ND\n1e8,2e9,3.4,6ND-total\n"
    path = write(tmp_path / "runs.csv", text)
    (fault,) = refusal(path)
    assert "mixed conventions: 6ND (line 2); 6ND-total (line 3)" in fault
    assert RunTable.read(write(path, text.replace("-total", ""))).convention == SIX_ND


@pytest.mark.parametrize("text", ["{", '{"name": "6ND"}', "[1]"])
def test_a_broken_convention_is_named(tmp_path, text):
    path = write(tmp_path / "runs.csv", f"# distillaw/runs/1 {text}\n{GOOD}")
    assert "line 1" in refusal(path)[0]
    assert "distillaw/runs/2" in refusal(write(path, f"# distillaw/runs/2 {text}\n{GOOD}"))[0]


# --- cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("N", "-5", "must be greater than zero, not '-5'"),
        ("N", "0", "must be greater than zero"),
        ("D", "nan", "must be a finite number"),
        ("D", "inf", "must be a finite number"),
        ("D", "many", "'many' is not a number"),
        ("D", "", "missing"),
        ("C", "-1", "must be greater than zero"),
        ("C_logits", "-1", "must be at least zero"),
        ("loss", "nan", "say status=diverged"),
        ("loss", "0", "greater than zero"),
        ("loss", "", "missing"),
        ("loss", "33.1", "looks like a perplexity; take its logarithm (3.5 nats/token; see docs/faq"),
        ("teacher_loss", "20.1", "looks like a perplexity"),
        ("teacher_loss", "", "missing, and a distilled run needs its teacher's cross-entropy"),
        ("kind", "teacher", "neither 'supervised' nor 'distillation'"),
        ("status", "done", "'done' is not one of finished, diverged"),
        ("seed", "1.5", "must be a whole number"),
        ("run_id", "a", "'a' is already the run of line 2"),
    ],
)
def test_each_faulty_cell_is_named(tmp_path, column, value, says):
    row = {"run_id": "b", "kind": "distillation", "N": "1e8", "D": "2e9", "loss": "3.5", "teacher_loss": "3.0",
           "C": "", "C_logits": "", "seed": "", "status": "finished"}  # fmt: skip
    good = {**row, "run_id": "a"}
    lines = [",".join(row), ",".join(good.values()), ",".join({**row, column: value}.values())]
    (fault,) = refusal(write(tmp_path / "runs.csv", "\n".join(lines)))
    assert fault.startswith(f"{tmp_path / 'runs.csv'}: line 3, {column}: ")
    assert says in fault


def test_all_faults_come_at_once_and_many_are_counted(tmp_path):
    text = "N,D,loss\n" + "-1,nan,33\n" * 30
    faults = refusal(write(tmp_path / "runs.csv", text))
    assert len(faults) == 21
    assert faults[0].startswith(f"{tmp_path / 'runs.csv'}: line 2, N: ")
    assert faults[-1] == "... and 70 more like these"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("params,tokens,loss", "--map N=params"),
        ("N,tokens,loss", "--map D=tokens"),
        ("N,D,val_loss", "--map loss=val_loss"),
        ("N,D,Loss", "--map loss=Loss"),
        ("n,D,loss", "--map N=n"),
        ("N,D,cost", "say which of cost it is: --map loss=COLUMN"),
    ],
)
def test_missing_columns_are_guessed(tmp_path, header, says):
    assert says in refusal(write(tmp_path / "runs.csv", f"{header}\n1e8,2e9,3.5\n"))[0]


def test_a_misspelt_optional_column_is_not_taken_for_a_free_one(tmp_path):
    (fault,) = refusal(write(tmp_path / "runs.csv", "N,D,loss,teacher_los\n1e8,2e9,3.5,3\n"))
    assert "looks like 'teacher_loss'" in fault
    RunTable.read(write(tmp_path / "runs.csv", "N,D,loss,teacher_M\n1e8,2e9,3.5,3\n"), convention=SIX_ND)


# --- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("runs.csv", b"", "empty"),
        ("runs.csv", b"N,D,loss\n", "it has no runs"),
        ("runs.jsonl", b"\n", "empty"),
        ("runs.csv", b"N,D,loss\n1,2\n", "2 cells where the header has 3"),
        ("runs.csv", b"N;D;loss\n1;2;3\n", "use commas"),
        ("runs.csv", b"N,N,loss\n1,2,3\n", "more than once"),
        ("runs.csv", b'{"N": 1}\n', "looks like JSON lines"),
        ("runs.csv", b"PAR1\x00\x00", "give it the suffix .parquet"),
        ("runs.csv", b"N,D\x00\x01,loss\n", "binary file"),
        ("runs.csv", b"N,D,loss,who\n1,2,3,Jos\xe9\n", "not UTF-8 text (byte 0xe9"),
        ("runs.csv", b'N,D,loss\n1,2,"3\n', "not CSV"),
        ("runs.jsonl", b'{"N": 1\n', "line 1: not JSON"),
        ("runs.jsonl", b"[1, 2]\n", "a row is a JSON object, not list"),
        ("runs.jsonl", b'{"N": 1e8, "D": 2e9, "loss": true}\n', "True is not a number"),
        ("runs.txt", b"N,D,loss\n1,2,3\n", "unknown kind of file '.txt'"),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    assert says in "\n".join(refusal(tmp_path / name))


def test_a_missing_file_and_a_folder(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.csv")[0]
    (tmp_path / "folder.csv").mkdir()
    assert "cannot read it" in refusal(tmp_path / "folder.csv")[0]


def test_not_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "runs.parquet").write_bytes(b"PAR1 and then nothing")
    assert "not a Parquet file" in refusal(tmp_path / "runs.parquet")[0]


def test_parquet_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "runs.parquet").write_bytes(b"PAR1")
    assert "pip install 'distillaw[parquet]'" in refusal(tmp_path / "runs.parquet")[0]


def test_a_table_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="cannot write it"):
        TABLE.write(tmp_path / "nowhere" / "runs.csv")
    with pytest.raises(InputError, match="unknown kind of file"):
        TABLE.write(tmp_path / "runs.xlsx")


def test_a_slip_is_a_better_guess_than_another_loss(tmp_path):
    """`los` beside `z_loss`: the slip is meant, not the other loss."""
    path = tmp_path / "runs.csv"
    path.write_text("N,D,z_loss,los\n1e6,1e7,1e-4,3.2\n")
    with pytest.raises(InputError, match=r"--map loss=los$"):
        RunTable.read(path, convention=SIX_ND)
