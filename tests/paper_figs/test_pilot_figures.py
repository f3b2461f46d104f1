"""What `distillaw figures` draws from whose law and runs, with the pilot's files and without; the gallery's parts."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fitting.fit import COEFFICIENTS, Fit
from paper_figs.catalogue import CATALOGUE, Entry
from paper_figs.claims import CLAIMS

SHOW_RUNS = [entry.name for entry in CATALOGUE if entry.runs]
LAW_FIGURES = [entry.name for entry in CATALOGUE if entry.needs == "law"]


@pytest.fixture
def pilot(monkeypatch, tmp_path, pilot_like):
    """A pilot's two files, as in a checkout."""
    law, runs = pilot_like
    base, names = Fit.given(law), COEFFICIENTS["distillation"]
    fit = replace(
        base,
        form="distillation",
        coefficients={name: float(getattr(law.distillation, name)) for name in names},
        identified=dict.fromkeys(names, True),
        intervals=dict.fromkeys(names),
        supervised=base,
        status="converged",
        objective=0.001,
        id="pilot-law",
    )
    folder = tmp_path / "runs"
    folder.mkdir()
    fit.to_json(folder / "pilot-law.json")
    runs.write(folder / "pilot.csv")
    monkeypatch.setattr("fitting.own_runs._FOLDER", folder)  # which has no reliability and no recipes
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """Nothing is drawn; what would be is listed, as (figure, law, runs?, folder)."""
    found = []

    def save(self, source, folder, *, data=False):
        found.append((self.name, source.law.id, source.runs is not None, folder.name))
        return [folder / self.picture]

    monkeypatch.setattr(Entry, "save", save)
    monkeypatch.setattr("paper_figs.claims.CLAIMS", CLAIMS[:2])
    return found


def test_named_figures_of_runs_are_drawn_from_the_pilot_and_the_others_from_the_paper(
    pilot, drawn, distillaw, tmp_path
):
    answer = distillaw("figures", 1, 2, 4, 5, 6, 40, 41, "--out", tmp_path / "o", "--json")
    assert answer.code == 0
    assert sorted(drawn) == [
        ("fig01", "pilot-law", True, "o"),
        ("fig02", "pilot-law", True, "o"),
        ("fig04", "pilot-law", True, "o"),
        ("fig05", "pilot-law", True, "o"),
        ("fig06", "busbridge2025", False, "o"),
        ("fig40", "busbridge2025", False, "o"),
        ("fig41", "pilot-law", True, "o"),
    ]
    assert json.loads(answer.out)["pilot"] == ["fig01", "fig02", "fig04", "fig05", "fig41"]
    said = f"Runs and law: the pilot's, {pilot / 'pilot.csv'} and {pilot / 'pilot-law.json'}, for "
    assert answer.err == f"{said}fig01, fig02, fig04, fig05, fig41\n"


def test_figures_without_runs_say_nothing_of_the_pilot(pilot, drawn, distillaw, tmp_path):
    answer = distillaw("figures", 6, "--out", tmp_path, "--json")
    assert (answer.err, json.loads(answer.out)["pilot"]) == ("", [])
    assert drawn == [("fig06", "busbridge2025", False, tmp_path.name)]


@pytest.mark.parametrize("arguments", [["--all"], []])
def test_all_draws_what_it_drew_and_the_pilot_beside_it(pilot, drawn, distillaw, tmp_path, arguments):
    answer = distillaw("figures", *arguments, "--out", tmp_path / "o")
    assert answer.code == 0
    assert [name for name, law, _, folder in drawn if (law, folder) == ("busbridge2025", "o")] == LAW_FIGURES
    assert [name for name, law, _, folder in drawn if (law, folder) == ("pilot-law", "pilot")] == SHOW_RUNS
    assert len(drawn) == len(LAW_FIGURES) + len(SHOW_RUNS)
    assert str(tmp_path / "o/pilot/fig39_isoflop_optima.png") in answer.out.splitlines()
    assert "fig05" not in "".join(line for line in answer.err.splitlines() if line.startswith("left out"))


def test_a_law_or_runs_that_are_named_are_taken(pilot, drawn, distillaw, tmp_path):
    assert distillaw("figures", 1, "--law", "busbridge2025", "--out", tmp_path / "o").err == "drawing figures ...\n"
    assert drawn == [("fig01", "busbridge2025", False, "o")]
    refused = distillaw("figures", 2, "--law", "busbridge2025", "--out", tmp_path / "o")
    assert (refused.code, len(drawn)) == (2, 1)
    assert "fig02 shows runs: give a table with --runs" in refused.err
    own = ["--law", pilot / "pilot-law.json", "--runs", pilot / "pilot.csv"]
    assert distillaw("figures", *own, "--all", "--out", tmp_path / "p").code == 0
    assert {(law, runs, folder) for _, law, runs, folder in drawn[1:]} == {("pilot-law", True, "p")}
    assert [name for name, *_ in drawn[1:]] == [e.name for e in CATALOGUE if e.needs in ("law", "runs")]
    other = distillaw("figures", 2, "--runs", pilot / "pilot.csv", "--out", tmp_path / "q")
    assert other.code == 2
    assert "different conventions" in other.err


def test_outside_a_checkout_runs_must_be_given(no_pilot, drawn, distillaw, tmp_path):
    refused = distillaw("figures", 2, 39, "--out", tmp_path / "o")
    assert refused.code == 2
    assert refused.err.count("give a table with --runs") == 2
    answer = distillaw("figures", "--out", tmp_path / "o", "--json")
    assert answer.code == 0
    assert [name for name, *_ in drawn] == LAW_FIGURES
    assert json.loads(answer.out)["pilot"] == []
    (line,) = (line for line in answer.err.splitlines() if line.endswith("--runs"))
    assert line == f"left out: {', '.join(e.name for e in CATALOGUE if e.needs == 'runs')} need --runs"


def test_half_a_pilot_is_none(pilot, drawn, distillaw, tmp_path, monkeypatch):
    monkeypatch.setattr("fitting.own_runs.pilot_law", lambda: None)
    assert distillaw("figures", 1, "--out", tmp_path / "o").code == 0
    assert drawn == [("fig01", "busbridge2025", False, "o")]


def test_what_a_table_does_not_allow_is_left_out_of_all_and_refused_by_name(pilot, distillaw, tmp_path, pilot_like):
    """The pilot with three teachers, none on a profile with another; only the figures of runs are drawn."""
    _, runs = pilot_like
    few = [record for record in runs.records if record.teacher_id in (None, "t5-2", "t3-0", "t4-1")]
    replace(runs, records=tuple(few)).write(pilot / "pilot.csv")
    refused = distillaw("figures", "3a", "38b", "--out", tmp_path / "o")
    assert refused.code == 2
    assert "fig03a: the runs have no IsoFLOP profile of teachers" in refused.err
    own = ["--law", pilot / "pilot-law.json", "--runs", pilot / "pilot.csv"]
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("paper_figs.catalogue.CATALOGUE", tuple(e for e in CATALOGUE if e.needs == "runs"))
        answer = distillaw("figures", *own, "--out", tmp_path / "p")
    assert answer.code == 0
    left = [line for line in answer.err.splitlines() if line.startswith("left out: fig")]
    assert [re.match(r"left out: (\w+): ", line)[1] for line in left] == ["fig03a", "fig37", "fig38b"]
    assert "sweep grid --protocol isoflop-teacher" in left[0]
    assert {path.name.partition("_")[0] for path in (tmp_path / "p").iterdir()} == {
        "fig02",
        "fig03b",
        "fig05",
        "fig36",
        "fig38a",
        "fig39",
    }


def test_the_gallery_has_a_second_part_that_claims_nothing(pilot, drawn, distillaw, tmp_path):
    assert distillaw("figures", "--all", "--out", tmp_path / "o").code == 0
    text = (tmp_path / "o/gallery.html").read_text()
    first, own = text.split('<h1 id="own">Own runs: the pilot</h1>')
    assert "the project's own runs" in own
    assert "not the paper's" in own
    assert "nothing here confirms the paper's numbers" in own
    assert "299 runs of 25.3K to 1.5M parameters on 524K to 8.39M tokens" in own
    assert "pilot-law" in own
    assert "<table" in first
    assert "<table" not in own
    assert re.findall(r'<section id="([\w-]+)">', own) == [f"own-{name}" for name in SHOW_RUNS]
    assert re.findall(r'<section id="([\w-]+)">', first) == LAW_FIGURES
    pictures = re.findall(r'<img src="([^"]+)"', own)
    assert pictures == [f"pilot/{entry.picture}" for entry in CATALOGUE if entry.runs]
    assert set(re.findall(r'href="#([\w-]+)"', text)) == {"own", *LAW_FIGURES, *(f"own-{name}" for name in SHOW_RUNS)}


def test_a_gallery_of_named_figures_of_the_pilot_has_that_part_alone(pilot, drawn, distillaw, tmp_path):
    assert distillaw("figures", 2, "--gallery", "--out", tmp_path / "o").code == 0
    text = (tmp_path / "o/gallery.html").read_text()
    assert re.findall(r'<img src="([^"]+)"', text) == ["fig02_student_isoflops.png"]
    assert "busbridge2025" not in text
    assert "<title>Figures by law pilot-law</title>" in text


def test_the_files_are_drawn(pilot, distillaw, tmp_path):
    """Not a mock: two figures of the pilot, twice, with their numbers and the page; the same bytes."""
    for folder in ("a", "b"):
        answer = distillaw("figures", 2, 39, "--out", tmp_path / folder, "--data", "--gallery")
        assert answer.code == 0
        assert sorted(map(Path, answer.out.splitlines())) == sorted((tmp_path / folder).iterdir())
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 7
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_list_says_which_figures_show_runs(distillaw):
    listed = {each["name"]: each for each in json.loads(distillaw("figures", "--json").out)["figures"]}
    assert {name: each["runs"] for name, each in listed.items() if each["runs"]} == {
        **dict.fromkeys(("fig01", "fig04", "fig41"), "may"),
        **dict.fromkeys((e.name for e in CATALOGUE if e.needs == "runs"), "must"),
    }
