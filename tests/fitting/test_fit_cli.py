"""`distillaw fit`, `predict` and `laws`: their JSON, their words, their refusals."""

import json

import pytest

from fitting.published import BUSBRIDGE2025_LAW, PUBLISHED
from fitting.records import RunTable

FLAGS = ["--student", "1B", "--tokens", "100B"]


@pytest.fixture
def runs_file(tmp_path, noisy_runs):
    path = tmp_path / "runs.csv"
    noisy_runs.write(path)
    return path


@pytest.fixture
def law_file(tmp_path, distillation_fit):
    path = tmp_path / "law.json"
    distillation_fit.to_json(path)
    return path


def refused(answer):
    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
    lines = answer.err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    return answer.err


# --- fit -------------------------------------------------------------------------------------------------


def test_fit_writes_the_law_that_it_prints(distillaw, runs_file, tmp_path):
    out = tmp_path / "out.json"
    answer = distillaw("fit", runs_file, "--free", "gamma", "--free", "K", "--out", out, "--json")
    assert answer.code == 0
    assert answer.err == ""
    found = json.loads(answer.out)
    assert found == json.loads(out.read_text())
    assert found["rollout"]["folds"]
    assert found["diagnosis"]["directions"]
    assert found["fixed"] == {}
    assert found["selection"] == []


def test_all_free_is_the_fit_of_the_library(distillaw, runs_file, distillation_fit):
    found = json.loads(distillaw("fit", runs_file, "--free", "gamma", "--free", "K", "--json").out)
    for part, fit in ((found, distillation_fit), (found["supervised"], distillation_fit.supervised)):
        assert part["coefficients"] == pytest.approx(fit.coefficients, rel=1e-9)
        assert part["id"] == fit.id


def test_the_form_is_chosen_and_the_comparison_shown(distillaw, runs_file):
    answer = distillaw("fit", runs_file)
    found = json.loads(distillaw("fit", runs_file, "--json").out)
    assert sum(candidate["chosen"] for candidate in found["selection"]) == 1
    assert sum(candidate["chosen"] for candidate in found["supervised"]["selection"]) == 1
    for candidate in found["selection"] + found["supervised"]["selection"]:
        assert candidate["name"] in answer.out
    assert "rollout error" in answer.out
    assert "Beyond the runs, for every e-fold of compute" in answer.out


def test_draws_pictures_and_options(distillaw, runs_file, tmp_path):
    out, pictures = tmp_path / "law.json", tmp_path / "pictures"
    answer = distillaw(
        "fit", runs_file, "--fix", "gamma=1", "--bootstrap", "20", "--loss", "l2", "--no-priors", "--exact-teachers",
        "--out", out, "--plot", pictures,
    )  # fmt: skip
    assert answer.code == 0
    found = json.loads(out.read_text())
    assert found["draws"]["count"] == found["supervised"]["draws"]["count"] <= 20
    assert found["method"]["loss"] == "l2"
    assert found["prior_strength"] == found["teacher_spread"] == 0
    assert found["huber_delta"] is None
    assert "bootstrap" in answer.out
    for name in ("residuals", "isoflop", "predicted", "profiles", "draws"):
        assert (pictures / f"{name}.png").stat().st_size > 1000
        assert f"{name}.png" in answer.out


def test_the_papers_own_procedure(distillaw, runs_file, monkeypatch):
    """A thinned grid of starts; the whole one takes a minute for the supervised law alone."""
    from fitting.procedure import grid as procedure_grid

    whole = procedure_grid.starting_points
    monkeypatch.setattr("fitting.procedure.busbridge2025.starting_points", lambda form, starts: whole(form, 40))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    arguments = ("fit", runs_file, "--form", "supervised", "--procedure", "busbridge2025", "--bootstrap", "4", "--json")
    found = json.loads(distillaw(*arguments).out)
    assert found["huber_delta"] == 1e-4
    assert found["draws"]["count"] == 4
    assert found["warnings"][0]["code"] == "published-procedure"
    err = refused(distillaw(*arguments, "--loss", "lad", "--fix", "gamma=1"))
    assert "--loss: the paper's own procedure leaves no choice of it" in err
    assert "--fix: the paper's" in err
    assert "there is busbridge2025, not 'kaplan'" in refused(distillaw("fit", runs_file, "--procedure", "kaplan"))


def test_a_fit_reads_well_in_a_notebook(distillation_fit):
    text = distillation_fit.report()
    assert text.startswith("The distillation law fits 448 distilled runs")
    assert "warning: " in text
    html = distillation_fit._repr_html_()
    assert html.startswith("<pre>")
    assert "The distillation law fits 448 distilled runs" in html


def test_fit_answers_first_and_ends_with_the_next_command(distillaw, runs_file, tmp_path):
    out = tmp_path / "law.json"
    answer = distillaw("fit", runs_file, "--fix", "gamma=1", "--out", out)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("The distillation law fits 448 distilled runs to a typical 0.")
    assert lines[-1].startswith("Next: distillaw plan train-teacher --student 7.75B --budget ")
    assert "gamma" in answer.out
    assert "fixed" in answer.out
    assert "warning: " in answer.err
    assert "\x1b" not in answer.out + answer.err
    next_command = lines[-1].removeprefix("Next: distillaw ").split()
    assert distillaw(*next_command).code == 0


def test_fit_supervised_alone(distillaw, runs_file):
    answer = distillaw("fit", runs_file, "--form", "supervised", "--json")
    found = json.loads(answer.out)
    assert (found["form"], found["n_runs"], found["supervised"]) == ("supervised", 72, None)


def test_fit_on_a_known_law(distillaw, tmp_path, noisy_runs):
    path = tmp_path / "students.jsonl"
    RunTable(noisy_runs.distillation().records, noisy_runs.convention).write(path)
    answer = distillaw("fit", path, "--supervised", "busbridge2025", "--json")
    assert json.loads(answer.out)["supervised"]["id"] == "busbridge2025"
    assert "too few runs: 0 finished supervised runs" in refused_after_start(distillaw("fit", path))
    assert "different conventions" in refused_after_start(distillaw("fit", path, "--supervised", "hoffmann2022"))


def refused_after_start(answer):
    """A refusal that comes after the line that says what is being fitted."""
    assert answer.code == 2
    assert "Traceback" not in answer.err
    return answer.err


def test_fit_reads_other_peoples_columns(distillaw, public_runs):
    table = public_runs("kyo_takano_llm.csv")
    answer = distillaw("fit", table, "--convention", "6ND-total", "--fix", "gamma=1", "--json")
    assert json.loads(answer.out)["n_runs"] == 234
    assert "does not say how N and FLOPs are counted" in refused(distillaw("fit", table))


def test_fit_says_everything_wrong_with_the_flags_at_once(distillaw, tmp_path):
    answer = distillaw(
        "fit", tmp_path / "none.csv", "--form", "both", "--fix", "gamma", "--huber-delta", "0", "--supervised",
        "busbridge", "--map", "loss", "--convention", "7ND", "--out", tmp_path / "no" / "law.json", "--loss", "l3",
        "--bootstrap", "0", "--cluster", "seed", "--free", "gama", "--plot", tmp_path / "no" / "pictures",
    )  # fmt: skip
    err = refused(answer)
    flags = ("--form", "--fix gamma", "--huber-delta", "--supervised", "--map loss", "--convention", "--out", "--loss")
    for flag in (*flags, "--cluster seed: says which runs", "--free gama: must be one of gamma", "--plot"):
        assert flag in err
    assert len(err.splitlines()) == 12


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("N,D,loss\n", "it has no runs"),
        ("N,D,val\n1e8,2e9,3\n", "no column 'loss'"),
        ("N,D,loss\n1e8,nan,3\n1e8,-2e9,33\n", "must be greater than zero, not '-2e9'"),
        ("N,D,loss\n" + "1e8,2e9,3\n" * 5, "too few runs"),
    ],
)
def test_fit_refuses_bad_tables(distillaw, tmp_path, content, says):
    path = tmp_path / "runs.csv"
    path.write_text(content)
    assert says in refused_after_start(distillaw("fit", path, "--convention", "6ND"))


def test_a_fit_that_fails_exits_with_3(distillaw, runs_file, monkeypatch):
    from fitting import solver

    monkeypatch.setattr(solver, "_MAX_STEPS", 1)
    monkeypatch.setattr(solver, "_CREEPING", -1.0)
    answer = distillaw("fit", runs_file)
    assert answer.code == 3
    assert "did not converge" in answer.err


# --- predict ---------------------------------------------------------------------------------------------


def test_predict_json_is_the_contract(distillaw):
    found = json.loads(distillaw("predict", *FLAGS, "--teacher-loss", "2.2", "--json").out)
    assert set(found) == {"schema", "loss", "interval", "supervised_loss", "support", "warnings"}
    assert found["schema"] == "distillaw/prediction/1"
    assert found["interval"] is None
    assert found["loss"] == pytest.approx(BUSBRIDGE2025_LAW.distillation.loss(1e9, 1e11, 2.2), rel=1e-12)
    assert found["support"] == {"N_S": 1.0, "D_S": 1.0, "L_T": 1.0}
    alone = json.loads(distillaw("predict", *FLAGS, "--json").out)
    assert alone["loss"] == alone["supervised_loss"] == found["supervised_loss"]


def test_predict_answers_in_a_sentence_and_its_next_command_runs(distillaw, law_file):
    for extra in ([], ["--teacher-loss", "2.2"], ["--law", law_file], ["--law", law_file, "--teacher-loss", "2.2"]):
        answer = distillaw("predict", *FLAGS, *extra)
        assert answer.code == 0
        assert "nats/token" in answer.out.splitlines()[0]
        following = answer.out.splitlines()[-1].removeprefix("Next: distillaw ").split()
        assert distillaw(*following).code == 0


def test_predict_warns_of_extrapolation_and_of_the_second_opinion(distillaw):
    found = json.loads(distillaw("predict", "--student", "1B", "--tokens", "1B", "--teacher-loss", "2.2", "--json").out)
    assert found["support"]["D_S"] == 4.0
    assert {doubt["code"] for doubt in found["warnings"]} == {"extrapolation", "second-opinion"}
    weak = json.loads(distillaw("predict", *FLAGS, "--teacher-loss", "2.7", "--json").out)
    assert {doubt["code"] for doubt in weak["warnings"]} == {"weak-teacher"}


def test_predict_reads_sizes_with_embeddings(distillaw):
    given = json.loads(distillaw("predict", "--student", "1.07B", "--tokens", "100B", "--total", "--json").out)
    plain = json.loads(distillaw("predict", *FLAGS, "--json").out)
    assert given["loss"] == pytest.approx(plain["loss"], abs=1e-3)
    assert "add --total" in refused(distillaw("predict", *FLAGS, "--law", "hoffmann2022"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--student", "0", "--tokens", "100B"], "--student: must be greater than zero"),
        (["--student", "1B", "--tokens", "nan"], "--tokens: must be a finite number"),
        (["--student", "1B"], "--tokens: is missing"),
        ([], "--student: is missing"),
        ([*FLAGS, "--teacher-loss", "1.1"], "is not above E = 1.22"),
        ([*FLAGS, "--teacher-loss", "20"], "looks like a perplexity"),
        ([*FLAGS, "--law", "busbridge"], "did you mean 'busbridge2025'"),
        ([*FLAGS, "--law", "none.json"], "cannot read it"),
        ([*FLAGS, "--out", "x.csv"], "--out: is for a table"),
        ([*FLAGS, "--total", "--law", "besiroglu2024", "--teacher-loss", "2.2"], "supervised training only"),
    ],
)
def test_predict_refuses(distillaw, arguments, says):
    assert says in refused(distillaw("predict", *arguments))


def test_predict_a_table(distillaw, runs_file, law_file, tmp_path, distillation_fit):
    out = tmp_path / "predicted.csv"
    answer = distillaw("predict", runs_file, "--law", law_file, "--out", out)
    assert answer.code == 0
    assert answer.out.startswith("Predicted 520 of 520 runs, a typical 0.")
    table = RunTable.read(out)
    assert len(table) == 520
    last = table.records[-1]
    expected = distillation_fit.predict(last.N, last.D, last.teacher_loss)
    assert last.extras["predicted"] == pytest.approx(expected, rel=1e-12)
    assert "low" not in last.extras
    found = json.loads(distillaw("predict", runs_file, "--law", law_file, "--out", out, "--json").out)
    assert found["n_runs"] == 520
    assert found["median_relative_error"] < 0.005


def test_predict_refuses_tables_that_do_not_fit_the_law(distillaw, runs_file, law_file, tmp_path):
    out = tmp_path / "predicted.csv"
    assert "--out: is missing" in refused(distillaw("predict", runs_file, "--law", law_file))
    assert "different conventions" in refused(distillaw("predict", runs_file, "--law", "hoffmann2022", "--out", out))
    assert "--student: is for one student" in refused(
        distillaw("predict", runs_file, "--student", "1B", "--law", law_file, "--out", out)
    )
    text = "# " + runs_file.read_text().splitlines()[0].removeprefix("# ") + "\nN,D,loss,teacher_loss\n1e8,2e9,3,1.1\n"
    low = tmp_path / "low.csv"
    low.write_text(text)
    assert "is not above E" in refused(distillaw("predict", low, "--out", out))
    assert not out.exists()


# --- laws ------------------------------------------------------------------------------------------------


def test_laws(distillaw):
    answer = distillaw("laws")
    assert all(name in answer.out for name in PUBLISHED)
    found = json.loads(distillaw("laws", "--json").out)
    assert [law["id"] for law in found["laws"]] == list(PUBLISHED)
    assert found["laws"][0]["coefficients"]["distillation"]["c1"] == 522.6


@pytest.mark.parametrize("command", ["fit", "predict", "laws"])
def test_help_holds_examples_on_their_own_lines(distillaw, command):
    answer = distillaw(command, "--help")
    assert answer.code == 0
    assert f"\n    distillaw {command}" in answer.out


def test_runs_still_to_be_made_are_predicted_and_never_fitted(distillaw, tmp_path):
    """A table without losses is a wish list: `predict` answers it, `fit` refuses it."""
    wishes = tmp_path / "wishes.csv"
    wishes.write_text("N,D,teacher_loss,kind\n1B,20B,,supervised\n1B,100B,2.2,distillation\n1B,1B,,distillation\n")
    out = tmp_path / "predicted.csv"
    answer = distillaw("predict", wishes, "--convention", "busbridge2025", "--out", out)
    assert answer.code == 0
    assert [line.split()[-1] for line in answer.out.splitlines()[2:6]] == ["nats/token", "2.3747", "2.2497", "unknown"]
    table = RunTable.read(out, planned=True)
    assert {record.status for record in table.records} == {"planned"}
    law = BUSBRIDGE2025_LAW
    assert table.records[1].extras["predicted"] == law.distillation.loss(1e9, 1e11, 2.2)
    refused = distillaw("fit", wishes, "--convention", "busbridge2025")
    assert refused.code == 2
    assert "no column 'loss'" in refused.err
