"""The CSV files beside the pictures: the planner's numbers, every kind of drawing, the same bytes each time."""

import csv
import json
import os

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from fitting.published import BUSBRIDGE2025_LAW
from paper_figs.data import rows
from planner.decision import plan
from planner.plots.palette import LABELS
from planner.scenarios import Budget, Charges, scenarios


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A figure of every kind, drawn twice with its data: rows by figure, and the two folders."""
    from fitting.library import load_law
    from paper_figs.catalogue import find
    from paper_figs.source import Source

    folders = [tmp_path_factory.mktemp(name) for name in ("a", "b")]
    source = Source(load_law("busbridge2025"))
    found = {}
    for entry in find(["6", "8", "9", "17", "19", "26", "40"], have_runs=False):
        for folder in folders:
            paths = entry.save(source, folder, data=True)
            assert [path.suffix for path in paths] == [".png", ".pdf", ".csv"]
        with paths[-1].open(newline="") as file:
            found[entry.name] = list(csv.DictReader(file))
    return found, folders


def series(table, panel, name):
    return np.array(
        [[float(row["x"]), float(row["y"])] for row in table if (row["panel"], row["series"]) == (panel, name)]
    )


def test_the_lines_are_the_planners_numbers(tables):
    for figure, at in (("fig08", 11), ("fig17", 31)):
        for name, charges in scenarios().items():
            C, loss = series(tables[0][figure], "1B student", LABELS[name])[at]
            found = plan(BUSBRIDGE2025_LAW, Budget(C, charges.logits, charges.pretraining), student=1e9)
            assert loss == pytest.approx(found.student.loss, rel=1e-6)


def test_the_stacks_are_the_shares(tables):
    parts = [series(tables[0]["fig26"], "10B student", name) for name in ("student's training", "teacher's training")]
    C = parts[0][60, 0]
    found = plan(BUSBRIDGE2025_LAW, Budget(C, 0.0, 1.0), student=1e10)
    assert [part[60, 1] for part in parts] == pytest.approx([100 * found.shares[0], 100 * found.shares[2]], abs=1e-3)
    assert parts[0][:, 1] + parts[1][:, 1] == pytest.approx(np.full(121, 100.0))


def test_the_contours_lie_where_the_law_has_their_level(tables):
    law = BUSBRIDGE2025_LAW.distillation
    points = [row for row in tables[0]["fig06"] if row["kind"] == "contour" and row["panel"].startswith("1.82B")]
    N_S, D_S, level = (np.array([float(row[name]) for row in points]) for name in ("y", "x", "z"))
    L_T = BUSBRIDGE2025_LAW.supervised.loss(1.82e9, 20 * 1.82e9)
    gap = law.loss(N_S, D_S, L_T) - law.supervised.loss(N_S, D_S)
    assert np.abs(gap - level).max() < 2e-3  # between the points of the map's grid
    assert {row["kind"] for row in tables[0]["fig06"]} == {"contour", "line"}
    assert {0.0, 0.18, -0.02} <= set(level.round(6))


def test_maps_of_optima_have_levels_of_every_panel(tables):
    panels = {row["panel"] for row in tables[0]["fig19"]}
    assert len(panels) == 5
    for panel in panels:
        assert len({row["z"] for row in tables[0]["fig19"] if row["panel"] == panel}) >= 3


def test_a_line_across_a_panel_has_the_panels_ends(tables):
    across = series(tables[0]["fig09"], "1B student", "student parameters $N_S$")
    assert across[:, 1] == pytest.approx([1e9, 1e9])
    assert across[0, 0] < 1e20 < 1e26 < across[1, 0]


def test_points_are_told_from_lines_and_named_by_the_legend():
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.plot([1, 2], [3, np.nan], "o", color="#D55E00")
    ax.legend(handles=[mpl.lines.Line2D([], [], color="#D55E00", label="4B tokens")])
    ax.plot([], [])
    found = list(rows(fig))
    plt.close(fig)
    assert [(row.kind, row.series, row.x, row.y) for row in found[:1]] == [("points", "4B tokens", 1.0, 3.0)]
    assert np.isnan(found[1].y)
    assert len(found) == 2


def test_the_files_never_change(tables):
    first, second = tables[1]
    names = sorted(path.name for path in first.iterdir())
    assert len([name for name in names if name.endswith(".csv")]) == 7
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    text = (first / "fig40_infinite_data.csv").read_text()
    assert text.startswith("panel,kind,series,x,y,z\n")
    assert "\r" not in text
    assert "nan" not in text


def test_the_command_writes_data_on_request(distillaw, tmp_path):
    answer = distillaw("figures", "40", "--out", tmp_path, "--data", "--json")
    assert answer.code == 0
    files = json.loads(answer.out)["files"]
    assert [name.rpartition(".")[2] for name in files] == ["png", "pdf", "csv"]
    assert sorted(files) == sorted(map(str, tmp_path.iterdir()))
    assert answer.err == ""
    assert distillaw("figures", "40", "--out", tmp_path).err == "drawing figures ...\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["17", "--data"], "--out: name the folder"),
        (["--all"], "--out: name the folder"),
        (["17", "--all", "--out", "x"], "--all draws every figure"),
        (["17", "--all"], "--all draws every figure"),
        (["40", "--out", "taken/x"], "cannot be a folder for pictures"),
        (["40", "--out", "taken"], "cannot be a folder for pictures"),
    ],
)
def test_refusals(distillaw, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    answer = distillaw("figures", *arguments)
    assert answer.code == 2
    assert words in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_folder_that_is_closed_is_refused_before_anything_is_drawn(distillaw, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    answer = distillaw("figures", "40", "--out", tmp_path)
    assert answer.code == 2
    assert "cannot be written to" in answer.err
    assert not list(tmp_path.iterdir())


def test_what_is_not_charged_has_no_area(tables):
    """Fig 26 charges the teacher's training, and so has no area of its forward passes."""
    assert Charges(0, 1).scenario == "teacher-pretraining"
    assert {row["series"] for row in tables[0]["fig26"]} == {"student's training", "teacher's training"}
