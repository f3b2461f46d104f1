"""docs/laws.md: its lines are what the program prints, its picture what `benchmarks/printed_law.py` draws."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
PAGE = (DOCS / "laws.md").read_text()
QUOTED = re.findall(r"```console\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)
"""Commands, and the lines under them."""


@pytest.fixture(scope="module")
def study():
    path = CHECKOUT / "benchmarks" / "printed_law.py"
    spec = importlib.util.spec_from_file_location("printed_law", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_block_of_lines_is_under_commands_or_the_scripts():
    assert PAGE.count("```text") == len(QUOTED) + 1


@pytest.mark.parametrize(("commands", "lines"), QUOTED, ids=[commands.splitlines()[0] for commands, _ in QUOTED])
def test_lines_under_commands_are_lines_of_their_output(distillaw, commands, lines):
    printed = []
    for command in commands.splitlines():
        _, program, *arguments = shlex.split(command)
        assert program == "distillaw"
        if arguments[0] != "figures":  # those take seconds; that they are drawn is seen where all examples are run
            answer = distillaw(*arguments)
            assert answer.code == 0
            printed += [line.rstrip() for line in answer.out.splitlines()]
    assert [line for line in lines.splitlines() if line.rstrip() not in printed] == []


def test_links_lead_to_headings():
    for document, anchor in re.findall(r"\]\(([a-z-]*(?:\.md)?)#([a-z-]+)\)", PAGE):
        headings = re.findall(r"^##+ (.+)$", (DOCS / (document or "laws.md")).read_text(), flags=re.MULTILINE)
        assert anchor in {re.sub(r"[^a-z -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for path in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (DOCS / path).exists()
    for path in re.findall(r"`((?:tests|benchmarks)/[\w/.]+)", PAGE):
        assert (CHECKOUT / path).exists()


def test_the_study_prints_what_the_page_shows(study, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["printed_law.py"])
    study.main()
    (block,) = re.findall(r"```text\n(Fig 16 at 1e21.*?)```", PAGE, flags=re.DOTALL)
    assert capsys.readouterr().out == block


def test_a_map_is_highest_where_the_student_has_fewest_tokens(study):
    """By hand: N_T = 1T, and L_T at either end, since L_S is convex in it between a strong and a weak teacher."""
    for law in (study.PRINTED, study.OURS):
        for N_S in study.CONTOURS:
            ends = law.loss(N_S, study.tokens(N_S), np.array([study.TEACHERS[0], 2.5]))
            assert study.highest(law, N_S) == pytest.approx(ends.max(), rel=1e-12)


def test_the_sets_that_are_compared_are_those_of_the_program(study):
    assert study.PRINTED is BUSBRIDGE2025_LAW.distillation
    assert study.OURS is BUSBRIDGE2025_FIGURES_LAW.distillation
    assert study.TEACHER_LOSS == pytest.approx(BUSBRIDGE2025_LAW.support.L_T[0], abs=5e-4)


def test_the_drawn_profiles_and_heights_are_the_laws(study):
    import matplotlib.pyplot as plt

    figure = study.draw()
    left, right = figure.axes
    lines = [line for line in left.lines if len(line.get_xdata()) == len(study.SIZES)]
    drawn = [(law, C) for law in (study.PRINTED, study.OURS) for C in study.COMPUTE]
    assert len(lines) == len(drawn)
    for line, (law, C) in zip(lines, drawn, strict=True):
        N_S = line.get_xdata()
        D_S = C / BUSBRIDGE2025_LAW.convention.training(N_S, 1.0)
        np.testing.assert_allclose(line.get_ydata(), law.loss(N_S, D_S, study.TEACHER_LOSS), rtol=1e-12)
    dots = [line for line in left.lines if len(line.get_xdata()) == 1]
    assert len(dots) == len(study.COMPUTE) + 1  # of the printed set only the last profile has a minimum
    for law, points in zip((study.PRINTED, study.OURS), right.lines, strict=True):
        np.testing.assert_allclose(points.get_ydata(), [study.highest(law, N) for N in study.CONTOURS])
    plt.close(figure)


def test_the_picture_is_what_the_study_draws(study, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["printed_law.py", "--out", str(tmp_path)])
    study.main()
    shown = DOCS / "figures" / "laws_conflict.png"
    assert shown.stat().st_size < 120_000
    drawn, kept = (mpl.image.imread(path) for path in (tmp_path / shown.name, shown))
    assert drawn.shape == kept.shape
    assert np.abs(drawn - kept).mean() < 0.005  # another version of a font may move an edge
