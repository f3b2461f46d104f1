"""Other people's tables, as they really look, made into one of ours; what can be read in two ways is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitting.errors import InputError
from fitting.flops import SIX_ND
from fitting.records import RunTable
from sweeps.importing.numbers import count, loss
from sweeps.importing.taking import Imported, take

# as W&B exports its table of runs: every cell quoted, "-" for no notes, "" for what is not there
WANDB = """\
"Name","ID","State","Notes","User","Tags","Created","Runtime","Sweep","config.seed","learning_rate","model.n_params",\
"train_tokens","_step","train/loss","val/loss"
"bright-sun-4","k2u8d1xz","finished","-","ada","","2026-03-01T09:48:11.000Z","9910","","0","0.01","1000000","20000000",\
"4882","3.61","3.7021"
"bright-sun-5","p0q7n3aa","finished","-","ada","base","2026-03-01T11:02:40.000Z","5902","","1","0.01","1000000",\
"40000000","9765","3.47","3.5518"
"calm-sea-6","zz81kd02","crashed","-","ada","","2026-03-01T12:00:00.000Z","12","","0","0.01","2000000","20000000","31",\
"6.02",""
"calm-sea-6","b5c6d7e8","finished","resumed","ada","","2026-03-01T12:10:00.000Z","7001","","0","0.01","2000000",\
"20000000","4882","3.40","3.4904"
"wild-hill-7","ww7l2k3j","finished","-","ada","","2026-03-02T12:10:00.000Z","7001","","0","0.3","2000000","40000000",\
"9765","NaN","NaN"
"last-one-8","r1r2r3r4","running","-","ada","","2026-03-02T13:10:00.000Z","70","","0","0.01","2000000","80000000","100",\
"5.1","5.2"
"""

# a line plot's export: three columns for each run, gaps where another run logged a step
CHART = """\
"Step","bright-sun-4 - _step","bright-sun-4 - _step__MIN","bright-sun-4 - _step__MAX","bright-sun-4 - val/loss",\
"bright-sun-4 - val/loss__MIN","bright-sun-4 - val/loss__MAX","bright-sun-5 - val/loss","bright-sun-5 - val/loss__MIN",\
"bright-sun-5 - val/loss__MAX","gone-9 - val/loss","gone-9 - val/loss__MIN","gone-9 - val/loss__MAX"
"1000","1000","1000","1000","4.9","4.9","4.9","4.8","4.8","4.8","5.0","5.0","5.0"
"4882","4882","4882","4882","3.7021","3.7021","3.7021","","","","","",""
"9765","","","","","","","3.5518","3.5518","3.5518","","",""
"""


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def taken(*paths: Path, **options: Any) -> Imported:
    return take(paths, **{"mapping": {}, "convention": SIX_ND, **options})


def refusal(*paths: Path, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        taken(*paths, **options)
    return str(refused.value)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("params,tokens,loss", "1.3B,26B,2.9"),
        ("N,D,loss", "1.3e9,2.6e10,2.9"),
        ("n_params,train_tokens,final_loss", "1300M,26_000_000_000,2.9"),
        ("model_size,n_tokens,val_loss", '"1,300,000,000","26,000,000,000",2.9'),
        ("parameters,tokens_seen,eval/loss", "1.3 billion,26 bn,2.9"),
        ("model.n_params,data/tokens,validation/cross_entropy_loss", "1 300 000 000,26000000000,2.9"),
        ("Num Params,Total Tokens,Test Loss", "1.3B,26B,2.9"),
    ],
)
def test_the_names_and_numbers_that_people_write(tmp_path: Path, header: str, row: str) -> None:
    (record,) = taken(write(tmp_path / "runs.csv", f"{header}\n{row}\n")).table.records
    assert (record.N, record.D, record.loss, record.kind) == (1.3e9, 2.6e10, 2.9, "supervised")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("params;tokens;loss\n1,3B;26.000.000.000;2,9\n;;\n", "utf-8-sig"),
        ("sep=;\r\nparams;tokens;loss;;\r\n1300000000;26000000000;2,9;;\r\n", "utf-8-sig"),
        ("params\ttokens\tloss\n1.3B\t26B\t2.9\n", "utf-16"),
        (",params,tokens,loss\n0,1.3B,26B,2.9\n,,,\n", "utf-8"),
    ],
    ids=["semicolons", "excel", "unicode text", "pandas"],
)
def test_the_files_that_spreadsheets_write(tmp_path: Path, text: str, encoding: str) -> None:
    (record,) = taken(write(tmp_path / "runs.csv", text, encoding)).table.records
    assert (record.N, record.D, record.loss) == (1.3e9, 2.6e10, 2.9)
    assert record.extras == {}


@pytest.mark.parametrize(
    ("text", "decimal_comma", "said"),
    [("1,300M", False, "may be 1300M or 1.300M"), ("1.300", True, "may be 1300 or 1.3")],
)
def test_a_number_that_may_be_two_is_refused(text: str, decimal_comma: bool, said: str) -> None:
    with pytest.raises(InputError, match=said):
        count(text, "line 2, params", decimal_comma)


def test_numbers() -> None:
    assert count("1,300", "N", False) == "1300"
    assert count("1.300", "N", False) == "1.300"
    assert count("0,5B", "N", True) == "0.5B"
    assert loss("3,214") == "3.214"
    assert math.isnan(loss("NaN"))
    assert loss("Infinity") == math.inf
    assert loss("3.2%") == "3.2%"  # refused where numbers are read


def test_a_wandb_table(tmp_path: Path) -> None:
    found = taken(write(tmp_path / "wandb_export.csv", WANDB), mapping={"loss": "val/loss"})
    assert [record.run_id for record in found.table.records] == ["k2u8d1xz", "p0q7n3aa", "b5c6d7e8", "ww7l2k3j"]
    assert [record.status for record in found.table.records] == ["finished"] * 3 + ["diverged"]
    assert [record.loss for record in found.table.records[:3]] == [3.7021, 3.5518, 3.4904]
    assert [record.seed for record in found.table.records] == [0, 1, 0, 0]
    assert found.table.records[0].extras == {
        "Name": "bright-sun-4",
        "learning_rate": 0.01,
        "_step": 4882,
        "train/loss": 3.61,
    }
    assert found.left_out == {"crashed (State)": 1, "running (State)": 1}
    (read_as,) = found.read_as.values()
    assert read_as == {
        "N": "model.n_params",
        "D": "train_tokens",
        "loss": "val/loss",
        "seed": "config.seed",
        "run_id": "ID",
    }


def test_a_chart_gives_losses_to_a_table(tmp_path: Path) -> None:
    bare = "\n".join(line.rpartition(",")[0].rpartition(",")[0] for line in WANDB.splitlines()) + "\n"
    bare = "\n".join(line for line in bare.splitlines() if "calm-sea" not in line and "wild-hill" not in line)
    table, chart = write(tmp_path / "runs.csv", bare), write(tmp_path / "chart.csv", CHART)
    found = taken(table, chart)
    assert [(record.run_id, record.loss) for record in found.table.records] == [
        ("k2u8d1xz", 3.7021),
        ("p0q7n3aa", 3.5518),
    ]
    assert found.left_out == {"running (State)": 1, "in a chart and not in a table of runs": 1}
    assert found.read_as[str(chart)] == {"loss": "val/loss, its last value"}


def test_a_chart_alone_has_no_sizes(tmp_path: Path) -> None:
    said = refusal(write(tmp_path / "chart.csv", CHART))
    assert "shows losses of runs and not their N and D; give the table of the runs as well" in said
    assert "distillaw sweep import runs.csv chart.csv" in said


def test_charts_call_runs_by_names_that_must_be_theirs_alone(tmp_path: Path) -> None:
    twice = WANDB.replace("bright-sun-5", "bright-sun-4").replace("train/loss", "x").replace("val/loss", "y")
    said = refusal(write(tmp_path / "runs.csv", twice), write(tmp_path / "chart.csv", CHART))
    assert "'bright-sun-4' is also the run of line 2, and charts know runs by their names" in said


def test_two_losses_are_asked_about(tmp_path: Path) -> None:
    said = refusal(write(tmp_path / "runs.csv", WANDB))
    assert "'train/loss', 'val/loss' may each be loss; say which (on held-out text)" in said
    assert "--map loss=train/loss or --map loss=val/loss" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("params,params_no_embed,tokens,loss\n2e6,1e6,1e9,3\n", "--map N=params or --map N=params_no_embed"),
        ("params,tokens,train_loss\n1e6,1e9,3\n", "'train_loss' is of training, and laws are of held-out losses"),
        ("params,tokens,val_ppl\n1e6,1e9,20\n", "is a perplexity, and laws are of its logarithm"),
        ("params,tokens,loss\n1e6,1e9,20\n", "looks like a perplexity; take its logarithm (2.996 nats/token"),
        ("params,tokens,loss\n1e6,1e9,2.9%\n", "line 2, loss: '2.9%' is not a number"),
        ("params,steps,loss\n1e6,100,3\n", "no column is D; say which of params, steps, loss it is: --map D=COLUMN"),
        ("params,tokens,loss\n", "has a header and no rows"),
        ("params,tokens,loss\n1e6,1e9,\n", "no run is left of the rows: 1 without loss"),
        ("name,N,D,loss\na,1e6,1e9,3\na,1e6,2e9,3\n", "name has 1 names for 2 runs ('a': 2)"),
        ("a,a,N\n1,2,3\n", "names 'a' more than once"),
        ("N,D,loss\n1,2,3,4\n", "line 2: 4 cells where the header has 3"),
    ],
)
def test_refusals_say_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(write(tmp_path / "runs.csv", text))


def test_a_convention_is_asked_for_as_fit_asks(tmp_path: Path) -> None:
    said = refusal(write(tmp_path / "runs.csv", "N,D,loss\n1e6,1e9,3\n"), convention=None)
    assert "does not say how N and FLOPs are counted" in said


def test_distilled_runs_bits_and_kinds(tmp_path: Path) -> None:
    path = write(
        tmp_path / "runs.csv",
        "run,student,params,tokens,loss,teacher,teacher_params,teacher_tokens,teacher_loss\n"
        "a,x,1e6,1e9,4,big,7B,140B,3\nb,y,1e6,1e9,5,,,,\n",
    )
    one, two = taken(path, loss_unit="bits", kind=None).table.records
    assert (one.kind, one.teacher_id, one.teacher_N, one.teacher_D) == ("distillation", "big", 7e9, 1.4e11)
    assert (one.loss, one.teacher_loss) == pytest.approx((4 * math.log(2), 3 * math.log(2)), rel=1e-15)
    assert (two.kind, two.run_id) == ("supervised", "b")
    assert "a distilled run needs its teacher's cross-entropy" in refusal(path, kind="distillation")


def test_several_tables_are_one(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{name}.csv", f"params,tokens,loss\n{size},1e9,3\n") for name, size in (("a", 1), ("b", 2))
    ]
    found = taken(*paths)
    assert [record.run_id for record in found.table.records] == ["a-2", "b-2"]
    assert [record.N for record in found.table.records] == [1, 2]


def test_a_table_of_ours_comes_back_as_it_is(tmp_path: Path) -> None:
    first = taken(write(tmp_path / "theirs.csv", WANDB), mapping={"loss": "val/loss"}).table
    first.write(tmp_path / "ours.csv")
    again = taken(tmp_path / "ours.csv", mapping={"loss": "loss"}, convention=None).table
    assert again.sha256 == first.sha256


def test_the_command_says_what_it_read_as_what(tmp_path: Path, distillaw: Callable[..., Any]) -> None:
    table, out = write(tmp_path / "wandb.csv", WANDB), tmp_path / "runs.csv"
    asked = ("sweep", "import", table, "--map", "loss=val/loss", "--convention", "6ND", "--out", out)
    answer = distillaw(*asked)
    assert answer.code == 0
    assert "N is 'model.n_params', D is 'train_tokens', loss is 'val/loss'" in answer.err
    assert "warning: 2 rows are left out: 1 crashed (State); 1 running (State)" in answer.err
    assert "1 of them diverged" in answer.err
    assert answer.out.splitlines() == [
        f"4 runs in {out}: 4 supervised, 0 distilled.",
        f"Next: distillaw check {out}",
    ]
    told = json.loads(distillaw(*asked, "--json").out)
    assert told["schema"] == "distillaw/sweep-import/1"
    assert (told["runs"], told["supervised"], told["distilled"], told["diverged"]) == (4, 4, 0, 1)
    assert told["read_as"][str(table)]["loss"] == "val/loss"
    assert told["left_out"] == {"crashed (State)": 1, "running (State)": 1}
    assert RunTable.read(out).convention == SIX_ND


def test_every_fault_of_the_flags_at_once(tmp_path: Path, distillaw: Callable[..., Any]) -> None:
    table = write(tmp_path / "runs.csv", "N,D,loss\n1e6,1e9,3\n")
    wrong = ("--map", "loss", "--kind", "both", "--loss-unit", "ppl", "--where", "x", "--convention", "7ND")
    answer = distillaw("sweep", "import", table, "--out", tmp_path / "runs" / "x.csv", *wrong)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 6
    answer = distillaw("sweep", "import", table, "--out", tmp_path / "x.csv", "--map", "loss=los", "--where", "a=b")
    assert answer.code == 2
    assert "--map loss=los: no table has a column 'los'; did you mean 'loss'?" in answer.err
    assert "--where a=b: no table has a column 'a'" in answer.err
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize(
    ("name", "flags", "runs", "left_out"),
    [
        ("kyo_takano_llm.csv", (), 234, 0),
        (
            "gadre2024.csv",
            (
                *("--map", "N=params_no_embed", "--where", "dataset=c4_original"),
                *("--where", "val_data=training/eval_data/c4_val/shard-{0000000..0000010}.tar"),
            ),
            34,
            798,
        ),
        (
            "porian2024.csv",
            ("--where", "dataset=rw", "--where", "hparams=base", "--where", "warmup=long", "--where", "val=train"),
            None,
            None,
        ),
    ],
)
def test_public_tables(
    tmp_path: Path,
    public_runs: Callable[[str], Path],
    distillaw: Callable[..., Any],
    name: str,
    flags: tuple[str, ...],
    runs: int | None,
    left_out: int | None,
) -> None:
    out = tmp_path / "runs.csv"
    answer = distillaw(
        "sweep", "import", public_runs(name), "--convention", "6ND-total", "--out", out, "--json", *flags
    )
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    if runs is not None:
        assert (told["runs"], sum(told["left_out"].values())) == (runs, left_out)
    assert len(RunTable.read(out)) == told["runs"] > 30


def test_a_public_table_is_imported_checked_and_fitted(
    tmp_path: Path, public_runs: Callable[[str], Path], distillaw: Callable[..., Any]
) -> None:
    out, law = tmp_path / "runs.csv", tmp_path / "law.json"
    theirs = public_runs("kyo_takano_llm.csv")
    assert distillaw("sweep", "import", theirs, "--convention", "6ND-total", "--out", out).code == 0
    assert distillaw("check", out).code == 0
    assert distillaw("fit", out, "--out", law).code == 0
    assert law.exists()
