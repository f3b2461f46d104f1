"""The whole chain on small real runs, as a newcomer would type it; and every command that the documents show."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A folder with `sweep/`, `runs.csv` and `law.json`, made by the command line from data/grids/ci.toml."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("chain")
    command = [sys.executable, "-c", "from planner.cli import main; main()"]
    for arguments in (
        ["sweep", "run", str(CHECKOUT / "data/grids/ci.toml"), "--out", "sweep", "--workers", "2"],
        ["sweep", "collect", "sweep", "--out", "runs.csv"],
        ["fit", "runs.csv", "--fix", "gamma=1", "--out", "law.json"],
    ):
        done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def inside(sweep, monkeypatch):
    monkeypatch.chdir(sweep)
    return sweep


def test_runs_carry_their_convention_and_their_compute(inside):
    from fitting.records import RunTable

    table = RunTable.read("runs.csv")
    assert (table.convention.name, table.convention.rho, table.convention.n_vocab) == ("itemised", 16, 256)
    supervised, distilled = table.supervised(), table.distillation()
    assert len(supervised) >= 8
    assert len(distilled) >= 10
    for runs in (supervised, distilled):
        by_law = table.convention.training(runs.column("N"), runs.column("D"))
        assert runs.column("C") == pytest.approx(by_law, rel=0.006)  # Eq 69 against the itemised count
    assert (distilled.column("C_logits") > 0).all()
    assert (distilled.column("loss") < 5.55).all()  # ln 256: better than a uniform guess


def test_the_runs_show_what_training_does(inside):
    """More tokens help every size; the supervised law sees it, with sizes and tokens both mattering."""
    from fitting.records import RunTable

    students = [
        r for r in RunTable.read("runs.csv").records if r.kind == "supervised" and r.extras["role"] != "teacher"
    ]
    for N in {record.N for record in students}:
        losses = [record.loss for record in sorted(students, key=lambda r: r.D) if record.N == N]
        assert losses == sorted(losses, reverse=True)


def test_the_fit_describes_its_runs(inside):
    found = json.loads(Path("law.json").read_text())
    assert found["schema"] == "distillaw/fit/2"
    assert found["form"] == "distillation"
    assert found["supervised"]["form"] == "supervised"
    assert found["coefficients"]["gamma"] == 1
    assert found["residual_rms"] < 0.03
    assert found["table_sha256"]


@pytest.mark.parametrize("command", [["teacher-exists"], ["train-teacher"], ["teacher-exists", "--pay-logits", "0"]])
def test_plans_from_the_fitted_law(inside, distillaw, command):
    answer = distillaw("plan", *command, "--student", "20K", "--budget", "2e11", "--law", "law.json", "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert found["law"]["convention"]["rho"] == 16
    assert found["flops"]["total"] == pytest.approx(2e11, rel=1e-9)
    assert found["margin_scale"] >= 0.01 * found["student"]["loss"]


def test_predictions_for_the_table_it_was_fitted_to(inside, distillaw):
    answer = distillaw("predict", "runs.csv", "--law", "law.json", "--out", "predicted.csv")
    assert answer.code == 0
    from fitting.records import RunTable

    table = RunTable.read("predicted.csv")
    error = table.column("predicted") / table.column("loss") - 1
    assert abs(error).max() < 0.1


def test_figures_from_the_runs(inside, distillaw):
    answer = distillaw("figures", 1, 5, 6, 8, "--law", "law.json", "--runs", "runs.csv", "--out", "figures")
    assert answer.code == 0
    assert len(answer.out.split()) == 8
    assert all(Path(name).stat().st_size > 5000 for name in answer.out.split())


def test_a_law_of_other_shapes_is_refused_for_these_runs(inside, distillaw):
    for arguments in (
        ["predict", "runs.csv", "--law", "busbridge2025", "--out", "x.csv"],
        ["fit", "runs.csv", "--supervised", "busbridge2025"],
    ):
        answer = distillaw(*arguments)
        assert answer.code == 2
        assert "different conventions" in answer.err
    assert not Path("x.csv").exists()


def test_the_finished_sweep_is_not_run_again(inside, distillaw):
    before = {path: path.stat().st_mtime_ns for path in Path("sweep").rglob("journal.jsonl")}
    assert distillaw("sweep", "run", CHECKOUT / "data/grids/ci.toml", "--out", "sweep").code == 0
    assert {path: path.stat().st_mtime_ns for path in Path("sweep").rglob("journal.jsonl")} == before


@pytest.mark.parametrize("grid", ["ci", "demo"])
def test_eq_69_is_as_close_to_the_count_as_the_documents_say(grid):
    """1.2 % for every shape of the project's grids, 0.5 % above ten thousand parameters."""
    from fitting import flops
    from sweeps import grid_file

    found = grid_file.load(CHECKOUT / f"data/grids/{grid}.toml")
    for shape in {cell.shape for cell in found.cells}:
        N = flops.parameters(shape).non_embedding
        error = found.convention().forward(float(N)) / flops.forward(shape).total - 1
        assert abs(error) < (0.005 if N > 1e4 else 0.012), shape


def shown(document: str) -> list[tuple[str, str]]:
    """The commands that a document shows after `$ `, each with the output printed under it ("" if none)."""
    text = (CHECKOUT / document).read_text()
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


COMMANDS = [(document, *entry) for document in DOCUMENTS for entry in shown(document)]


@pytest.mark.parametrize(("document", "command", "output"), COMMANDS, ids=[f"{d}: {c}" for d, c, _ in COMMANDS])
def test_documented_commands(inside, distillaw, document, command, output):
    """Every `$ distillaw` line runs, and prints what the document says it prints; `$ make` lines name targets.

    Where the document ends with `...`, the program goes on.
    """
    words = shlex.split(command)
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(), flags=re.MULTILINE)
        assert set(words[1:]) <= set(targets)
        return
    assert words[0] == "distillaw"
    if not Path("data").exists():
        shutil.copytree(CHECKOUT / "data", "data")
    answer = distillaw(*words[1:])
    assert answer.code == 0, answer.err
    if output.strip():
        said = [line.rstrip() for line in output.strip().splitlines()]
        printed = [line.rstrip() for line in answer.out.strip().splitlines()]
        if said[-1] == "...":
            assert len(printed) >= len(said)
            printed[len(said) - 1 :] = ["..."]
        assert printed == said


def test_python_examples_of_the_documents_run(inside, capsys):
    for document in DOCUMENTS:
        for block in re.findall(r"```python\n(.*?)```", (CHECKOUT / document).read_text(), flags=re.DOTALL):
            exec(compile(block, document, "exec"), {})
    assert "The distillation law fits" in capsys.readouterr().out
    assert Path("from-python.json").exists()


@pytest.mark.parametrize(
    "command", [["plan", "teacher-exists"], ["plan", "train-teacher"], ["plan", "compare"], ["crossover"]]
)
def test_the_examples_of_the_planners_help_run(inside, distillaw, command):
    shutil.copy(CHECKOUT / "data" / "teachers.csv", "teachers.csv")
    examples = re.findall(r"^ +distillaw (.*)$", distillaw(*command, "--help").out, flags=re.MULTILINE)
    assert len(examples) >= 4
    for example in examples:
        answer = distillaw(*shlex.split(example))
        if "--strict" in example:  # that law's runs are few
            assert answer.code == 1, example
        else:
            assert answer.code == 0, f"{example}: {answer.err}"


def test_inline_commands_of_the_documents_exist(distillaw):
    """Commands named in running text and tables have the options that they are shown with."""
    for document in DOCUMENTS:
        for command in re.findall(r"`distillaw ([^`]*)`", (CHECKOUT / document).read_text()):
            words = shlex.split(command)
            names = [word for word in words[:2] if re.fullmatch("[a-z-]+", word)]
            if not names:
                continue
            if names[0] not in ("plan", "sweep"):
                names = names[:1]
            answer = distillaw(*names, "--help")
            assert answer.code == 0, f"{document}: distillaw {command}"
            for option in re.findall(r"--[a-z-]+", command):
                assert option in answer.out, f"{document}: distillaw {command}"
