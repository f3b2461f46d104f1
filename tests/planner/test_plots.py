"""The pictures of plans: numbers on the axes that are the plans' own, units, the same bytes again, refusals."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure

from fitting.errors import InputError
from fitting.flops import BUSBRIDGE2025
from fitting.known import Support
from fitting.laws import SupervisedLaw
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, HOFFMANN2022_LAW
from planner import plots
from planner.comparison import compare, compare_for
from planner.decision import plan, supervised_plan
from planner.plots import crossing, files, one_budget, one_plan, over_budgets, shares, teachers
from planner.plots.axes import log_ticks, powers, signed
from planner.plots.palette import COLOURS, LABELS
from planner.problems import Problems
from planner.scenarios import Budget, Charges, Teacher, scenarios
from planner.teachers.candidates import Candidate
from planner.teachers.ranking import rank_teachers

CHECKOUT = Path(__file__).resolve().parents[2]
LAW = BUSBRIDGE2025_LAW
BUDGETS = [1e20, 1e21, 1e22, 1e23]


@pytest.fixture(scope="module")
def several():
    return compare(LAW, BUDGETS, student=1e9).rows


@pytest.fixture(scope="module")
def single():
    return compare(LAW, [1e21], student=1e9).rows


@pytest.fixture(scope="module")
def drawn(law_with_draws):
    return law_with_draws(60)


@pytest.fixture(scope="module")
def tiny():
    """A law of models of thousands of parameters."""
    alone = SupervisedLaw(A=60.0, B=2500.0, E=1.2, alpha=0.45, beta=0.62, gamma=1.0)
    taught = replace(
        BUSBRIDGE2025_FIGURES_LAW.distillation, supervised=alone, A=60.0, B=2500.0, alpha=0.45, beta=0.62, gamma=0.9
    )
    ranges = Support((7.1e3, 187e3), (128e3, 1.05e6), (2.0, 3.4), (7.1e3, 187e3), (128e3, 2.05e6))
    return replace(
        BUSBRIDGE2025_FIGURES_LAW, id="tiny", source="costs $5", supervised=alone, distillation=taught,
        convention=replace(BUSBRIDGE2025, rho=24.0, n_ctx=128, n_vocab=256), published=False, relative_error=0.015,
        support=ranges, box_N=(1e3, 1e8), box_D=(1e4, 1e10),
    )  # fmt: skip


@pytest.fixture(scope="module")
def ranking():
    found = [Candidate(f"{N:g}B", loss, N * 1e9) for N, loss in ((7, 2.02), (13, 1.95), (70, 1.8), (400, 1.7))]
    return rank_teachers(LAW, Budget(1e22), student=10e9, candidates=[*found, Candidate("beyond", 1.6, 1e17)])


def drawn_in_style(draw, *args, **kwargs):
    """A figure as it is written, laid out."""
    with mpl.style.context(files.STYLE, after_reset=True):
        figure = draw(*args, **kwargs)
        figure.draw_without_rendering()
    return figure


def line(ax, name):
    """The data of the first line with this label."""
    (found, *_) = [line for line in ax.get_lines() if line.get_label() == name]
    return np.asarray(found.get_xdata(), dtype=float), np.asarray(found.get_ydata(), dtype=float)


def of(rows, scenario):
    return [row for row in rows if row.scenario == scenario]


def titled(figure, text):
    (found,) = [ax for ax in figure.axes if text in ax.get_title(loc="left")]
    return found


def words(figure):
    """All that is written in a figure."""
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def inside(figure):
    """Whether every text of the figure lies in it."""
    edge = figure.bbox.padded(1.0)
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text().strip()]
    boxes = [mpl.text.Text.get_window_extent(text) for text in texts]
    # ticks outside the limits of an axis are there but not drawn
    return all(
        edge.containsx(box.x0) and edge.containsx(box.x1) and edge.containsy(box.y0) and edge.containsy(box.y1)
        for box, text in zip(boxes, texts, strict=True)
        if text.axes is not None and text in (*text.axes.texts, text.axes.xaxis.label, text.axes.yaxis.label)
    )


# --- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", ["comparison", "single", "plan", "candidates", "map"])
def test_the_same_plans_are_the_same_bytes(several, single, ranking, tmp_path, picture):
    gains = {"best-case": np.array([[0.1, -0.1], [0.02, np.nan]])}
    draw = {
        "comparison": lambda path: plots.comparison(several, path),
        "single": lambda path: plots.comparison(single, path),
        "plan": lambda path: plots.plan(plan(LAW, Budget(1e21), student=1e9), LAW, path),
        "candidates": lambda path: plots.candidates(ranking, LAW, path),
        "map": lambda path: plots.crossover_map([1e9, 1e10], [1e20, 1e22], gains, 0.05, path, mark=2e9, law=LAW),
    }[picture]
    for suffix, start in (("PNG", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
        draw(first)
        with mpl.rc_context({"font.size": 20, "svg.hashsalt": "another"}):  # the reader's own settings
            draw(second)
        assert first.stat().st_size > 5000
        assert first.read_bytes().startswith(start)
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["picture.bmp", "picture", "png"])
def test_other_suffixes_are_refused(tmp_path, name, single):
    with pytest.raises(InputError, match=r"--plot: .* is no kind of picture; end it in \.png, \.svg, \.pdf"):
        plots.check(tmp_path / name)
    with pytest.raises(InputError, match="--plot: "):
        plots.comparison(single, tmp_path / name)


def test_places_that_cannot_be_written_to_are_refused(tmp_path, single, monkeypatch):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--plot: .* is a folder"):
        plots.check(tmp_path / "folder.png")
    for parent in ("absent", "file"):
        with pytest.raises(InputError, match="--plot: there is no folder"):
            plots.check(str(tmp_path / parent / "a.png"))
    assert plots.check(tmp_path / "new.svg") is None
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"--plot: .* cannot be written to"):
        plots.check(tmp_path / "new.svg")
    monkeypatch.undo()
    monkeypatch.setattr(Figure, "savefig", _full)
    with pytest.raises(InputError, match=r"--plot: .* cannot be written to: No space left"):
        plots.comparison(single, tmp_path / "new.svg")


def _full(*_, **__):
    raise OSError(28, "No space left on device")


def test_checking_a_path_loads_no_matplotlib():
    code = (
        "import sys; from planner import plots; plots.check('a.png'); import planner.cli, planner.commands; "
        "print('matplotlib' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert found.stdout.strip() == "False"


def test_the_style_is_that_of_the_papers_figures():
    other = CHECKOUT / "paper_figs" / "paper.mplstyle"
    own, theirs = (dict(mpl.rc_params_from_file(path, use_default_template=False)) for path in (files.STYLE, other))
    assert {name: value for name, value in own.items() if not name.startswith("hatch.")} == theirs


def test_a_picture_says_nothing_of_its_fonts(single, tmp_path, caplog, capfd):
    plots.comparison(single, tmp_path / "a.pdf")
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_nothing_to_draw_and_laws_without_distillation(tmp_path, single, ranking):
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.comparison([], tmp_path / "a.png")
    for draw, what in ((plots.plan, single[0]), (plots.candidates, ranking)):
        with pytest.raises(InputError, match="supervised training only"):
            draw(what, HOFFMANN2022_LAW, tmp_path / "a.png")


# --- axes ----------------------------------------------------------------------------------------------------


def test_ticks_are_round_few_and_apart():
    assert log_ticks(1e20, 1e26, 6) == [1e20, 1e22, 1e24, 1e26]
    assert log_ticks(1e20, 1e23, 6) == [1e20, 1e21, 1e22, 1e23]
    assert log_ticks(8e8, 3e9, 5) == [1e9, 2e9]
    assert log_ticks(1e22, 3e22, 4, 1.6) == [1e22, 2e22]
    assert log_ticks(1.2e16, 1.7e16, 5) == pytest.approx([1.2e16, 1.4e16, 1.6e16])


def test_numbers_are_written_as_in_print():
    assert [powers(x) for x in (1e21, 3e21, 1.5e13)] == [
        "$10^{21}$", r"$3\times10^{21}$", r"$1.5\times10^{13}$"
    ]  # fmt: skip
    assert [signed(x) for x in (0.05, -0.02, 0.0)] == ["+0.05", "−0.02", "0"]


# --- comparison of budgets -----------------------------------------------------------------------------------


def test_lines_are_the_plans_losses_and_margins(several):
    figure = drawn_in_style(over_budgets.draw, several)
    losses, margins = titled(figure, "(a)"), titled(figure, "(b)")
    for name, label in LABELS.items():
        rows = of(several, name)
        if not rows:
            continue
        x, y = line(losses, label)
        assert x == pytest.approx(BUDGETS)
        assert y == pytest.approx([row.student.loss for row in rows])
        if name != "supervised":
            assert line(margins, label)[1] == pytest.approx([row.margin for row in rows])
    assert losses.get_ylabel() == "student cross-entropy (nats/token)"
    assert margins.get_ylabel() == "margin over supervised (nats/token)"
    assert losses.get_xlabel() == "compute (FLOPs)"
    assert {text.get_text() for text in losses.get_xticklabels()} == {f"$10^{{{k}}}$" for k in (20, 21, 22, 23)}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(LABELS.values())[:5]
    assert "1B student; law busbridge2025" in words(figure)
    assert inside(figure)


def test_hollow_marks_are_too_close_to_call(several):
    margins = titled(drawn_in_style(over_budgets.draw, several), "(b)")
    hollow = [
        point for one in margins.get_lines() if one.get_markerfacecolor() == "white" and one.get_marker() == "o"
        for point in one.get_xydata()
    ]  # fmt: skip
    close = [(row.budget, row.margin) for row in several if row.teacher.loss and row.verdict == "too-close"]
    assert np.array(sorted(map(tuple, hollow))) == pytest.approx(np.array(sorted(close)))
    assert 0 < len(close) < 16


def test_the_laws_error_is_shaded_around_zero(several):
    margins = titled(drawn_in_style(over_budgets.draw, several), "(b)")
    rows = of(several, "best-case")
    outline = margins.collections[0].get_paths()[0].vertices
    for row in rows:
        at = outline[np.isclose(outline[:, 0], row.budget), 1]
        assert (at.min(), at.max()) == pytest.approx((-row.margin_scale, row.margin_scale))


def test_thick_lines_are_inside_the_laws_runs(several):
    losses = titled(drawn_in_style(over_budgets.draw, several), "(a)")
    thick = [one for one in losses.get_lines() if one.get_linewidth() > 2 and one.get_color() == COLOURS["best-case"]]
    shown = np.isfinite(thick[0].get_ydata())
    rows = of(several, "best-case")
    assert shown.tolist() == [max(row.support["D_S"], row.support["N_S"]) <= 1.005 for row in rows]
    assert losses.get_legend().get_texts()[0].get_text() == "student within the law's runs"


def test_shares_are_stacked_for_scenarios_of_several_parts(several):
    figure = drawn_in_style(over_budgets.draw, several)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert [title.split("$ ")[-1] for title in titles[2:5]] == list(LABELS.values())[2:5]
    panel = titled(figure, "teacher pretraining")
    rows = of(several, "teacher-pretraining")
    for k, area in enumerate(panel.collections):
        top = area.get_paths()[0].vertices
        for row, total in zip(rows, np.cumsum(shares.percent(rows), axis=0)[k], strict=True):
            assert top[np.isclose(top[:, 0], row.budget), 1].max() == pytest.approx(total, abs=1e-9)
    assert shares.percent(rows).sum(axis=0) == pytest.approx(100)


def test_choices_have_units_and_open_ones_no_line(several):
    figure = drawn_in_style(over_budgets.draw, several)
    both = of(several, "teacher-pretraining+inference")
    expected = {
        "teacher $N_T$": ("parameters", [row.teacher.N for row in both]),
        "teacher $D_T$": ("tokens", [row.teacher.D for row in both]),
        "student $D_S$": ("tokens", [row.student.D for row in both]),
        "$M_T = D_T/N_T$": ("tokens/parameter", [row.teacher.D / row.teacher.N for row in both]),
    }
    for title, (unit, values) in expected.items():
        ax = titled(figure, title)
        assert ax.get_ylabel() == unit
        assert line(ax, "pretraining + inference")[1] == pytest.approx(values)
        names = {one.get_label() for one in ax.get_lines()}
        assert ("teacher inference" in names) == (title in ("teacher $N_T$", "student $D_S$"))
        assert ("supervised" in names) == (title == "student $D_S$")
    assert {"1B", "10B"} <= {text.get_text() for text in titled(figure, "teacher $N_T$").get_yticklabels()}


def test_budgets_without_a_plan_leave_a_gap(several, tmp_path):
    rows = [row for row in several if row.scenario != "best-case" or row.budget > 1e20]
    rows = [row for row in rows if row.scenario != "teacher-inference" or row.budget == 1e21]
    losses = titled(drawn_in_style(over_budgets.draw, rows), "(a)")
    assert np.isnan(line(losses, "best case")[1]).tolist() == [True, False, False, False]
    (alone,) = [one for one in losses.get_lines() if one.get_label() == "teacher inference"]
    assert alone.get_marker() == "o"
    plots.comparison(of(several, "supervised"), tmp_path / "alone.png")
    plots.comparison([row for row in several if row.scenario in ("supervised", "best-case")], tmp_path / "two.png")


def test_bands_are_the_intervals_of_the_draws(drawn):
    rows = compare(drawn, BUDGETS, student=1e9).rows
    figure = drawn_in_style(over_budgets.draw, rows)
    for panel, interval in (("(a)", lambda row: row.student.interval), ("(b)", lambda row: row.certainty.margin)):
        ax = titled(figure, panel)
        kept = of(rows, "best-case")
        bands = [
            one for one in ax.collections if mpl.colors.to_hex(one.get_facecolor()[0]) == COLOURS["best-case"].lower()
        ]
        outline = bands[0].get_paths()[0].vertices
        for row in kept:
            at = outline[np.isclose(outline[:, 0], row.budget), 1]
            assert (at.min(), at.max()) == pytest.approx(interval(row))
    assert "bands: 95% intervals, 60 joint draws" in words(figure).replace("\n", " ")


def test_a_budget_left_unspent_is_hatched():
    rows = of(compare(LAW, [1e28, 1e30], student=1e6).rows, "teacher-inference")
    assert shares.percent(rows)[3, 1] > 1
    assert [patch.get_label() for patch in shares.keys(rows)][-1] == "unspent"


# --- one budget, one target ----------------------------------------------------------------------------------


def points(ax):
    return {one.get_label(): one.get_xdata()[0] for one in ax.get_lines() if one.get_marker() == "o"}


def test_one_budget_is_points_and_bars(single):
    figure = drawn_in_style(one_budget.draw, single)
    losses, margins, parts = (titled(figure, f"({name})") for name in "abc")
    assert points(losses) == pytest.approx({LABELS[row.scenario]: row.student.loss for row in single})
    assert points(margins) == pytest.approx({LABELS[row.scenario]: row.margin for row in single if row.teacher.loss})
    assert losses.get_xlabel() == margins.get_xlabel() == "nats/token"
    assert [text.get_text() for text in losses.get_yticklabels()] == list(LABELS.values())[:5]
    widths = np.array([bar.get_width() for bar in parts.patches]).reshape(4, 5)
    assert widths == pytest.approx(shares.percent(single))
    assert "open" in {text.get_text() for text in titled(figure, "teacher $D_T$").texts}
    assert points(titled(figure, "teacher $N_T$"))["best case"] == of(single, "best-case")[0].teacher.N
    assert "$10^{21}$ FLOPs" in words(figure)
    assert "too close to call" in words(figure)
    assert inside(figure)


def test_one_budget_with_draws_has_intervals(drawn):
    rows = compare(drawn, [1e22], student=1e9).rows
    figure = drawn_in_style(one_budget.draw, rows)
    wide = [one.get_xdata() for one in titled(figure, "(a)").get_lines() if one.get_linewidth() == 2.2]
    assert sorted(map(tuple, wide)) == sorted(row.student.interval for row in rows)
    assert "too close to call" not in words(figure)


def test_a_target_shows_the_compute_it_needs(tmp_path):
    rows = compare_for(LAW, 2.15, student=1e9).rows
    figure = drawn_in_style(one_budget.draw, rows)
    needed, relative = titled(figure, "compute needed"), titled(figure, "relative compute")
    assert points(needed) == pytest.approx({LABELS[row.scenario]: row.budget for row in rows})
    alone = of(rows, "supervised")[0].budget
    assert points(relative) == pytest.approx({LABELS[row.scenario]: row.budget / alone for row in rows})
    assert "to 2.15 nats/token" in words(figure)
    plots.comparison(rows, tmp_path / "target.pdf")


def test_a_target_that_training_directly_does_not_reach():
    rows = [row for row in compare_for(LAW, 2.15, student=1e9).rows if row.scenario != "supervised"]
    rows = [replace(row, target=replace(row.target, supervised_budget=None)) for row in rows]
    figure = drawn_in_style(one_budget.draw, rows)
    assert [ax.get_title(loc="left").split("$ ")[-1] for ax in figure.axes[:2]] == [
        "compute needed",
        "share of the budget",
    ]


def test_one_scenario_alone(single, tmp_path):
    for row in single:
        plots.comparison([row], tmp_path / "one.png")


# --- one plan ------------------------------------------------------------------------------------------------


def test_a_plan_lies_on_its_curve():
    found = plan(LAW, Budget(1e22), student=10e9)
    figure = drawn_in_style(one_plan.draw, found, LAW)
    ax = titled(figure, "(a)")
    x, y = line(ax, "student on 99.5B tokens")
    assert y == pytest.approx(LAW.distillation.loss(10e9, found.student.D, x))
    assert line(ax, "the best teacher") == (pytest.approx([found.teacher.loss]), pytest.approx([found.student.loss]))
    assert line(ax, "supervised")[1] == pytest.approx([found.supervised.loss] * 2)
    x, y = line(ax, "$L_S = L_T$")
    assert x == pytest.approx(y)
    shaded = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (shaded.x0, shaded.x1) == pytest.approx(found.near_optimal.L_T)
    assert line(ax, "law's runs, 2.00 to 2.79")[0] == pytest.approx(LAW.support.L_T)
    assert ax.get_xlabel() == "teacher cross-entropy $L_T$ (nats/token)"
    assert inside(figure)


def test_the_tornado_is_the_sensitivity_largest_first():
    found = plan(LAW, Budget(1e23, 1, 1), student=1e9)
    ax = titled(drawn_in_style(one_plan.draw, found, LAW), "(b)")
    effects = {one_plan.coefficient(one.coefficient): one for one in found.sensitivity.coefficients}
    assert len(effects) == 15
    names = [text.get_text() for text in ax.get_yticklabels()]
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([effects[name].margin for name in names])
    assert np.abs(widths).tolist() == sorted(np.abs(widths))
    turning = [f"{100 * effects[name].turns_at:+.1f} %".replace("-", "−") for name in names if effects[name].turns_at]
    assert [text.get_text() for text in ax.texts] == turning
    assert "nats/token" in ax.get_xlabel()


def test_coefficients_are_written_as_in_the_laws():
    names = ("E", "alpha", "distillation.alpha", "distillation.A", "distillation.d1")
    assert [one_plan.coefficient(name) for name in names] == ["$E$", r"$\alpha$", r"$\alpha'$", "$A'$", "$d_1$"]


def test_plans_of_all_kinds(drawn, tiny, tmp_path):
    found = plan(drawn, Budget(1e22, 1, 0), student=1e9)
    figure = drawn_in_style(one_plan.draw, found, drawn)
    bars = [one.get_ydata() for one in titled(figure, "(a)").get_lines() if one.get_linewidth() == 2.2]
    assert tuple(bars[0]) == found.student.interval
    for law, result in (
        (LAW, plan(LAW, Budget(1e21, 1, 0), student=1e9, teacher=Teacher(2.0, 7.75e9))),
        (LAW, supervised_plan(LAW, 1e21, student=1e9)),
        (tiny, plan(tiny, Budget(1e13, 1, 1), student=1e5)),
        (LAW, plan(LAW, Budget(1e19, 0, 0), student=1e10)),
    ):
        plots.plan(result, law, tmp_path / "plan.png")


def test_a_runner_up_is_hollow():
    found = plan(BUSBRIDGE2025_LAW, Budget(1e21), student=1e9)
    other = replace(found, runner_up=None)
    assert other.runner_up is None
    from planner.plans import RunnerUp

    second = RunnerUp(1e10, found.student.loss + 0.002, 1e9, None, found.teacher.loss + 0.1)
    ax = titled(drawn_in_style(one_plan.draw, replace(found, runner_up=second), LAW), "(a)")
    x, y = line(ax, "runner-up")
    assert (x[0], y[0]) == (second.teacher_loss, second.student_loss)


# --- candidates ----------------------------------------------------------------------------------------------


def boxes(figure):
    return [mpl.text.Text.get_window_extent(text) for text in figure.axes[0].texts]


def apart(found):
    return all(not a.overlaps(b) for i, a in enumerate(found) for b in found[:i])


def test_candidates_are_tied_to_the_curve_of_the_median(ranking):
    figure = drawn_in_style(teachers.draw, ranking, LAW)
    ax = figure.axes[0]
    paid = [row for row in ranking.rows if row.student]
    D_S = sorted(row.student.D for row in paid)[2]
    (curve,) = [one for one in ax.get_lines() if str(one.get_label()).startswith("student on")]
    x, y = curve.get_xdata(), curve.get_ydata()
    assert y == pytest.approx(LAW.distillation.loss(10e9, D_S, x))
    dots = np.concatenate([one.get_xydata() for one in ax.get_lines() if one.get_marker() == "o"])
    assert sorted(map(tuple, dots)) == sorted((row.loss, row.student.loss) for row in paid)
    stems = [one for one in ax.get_lines() if one.get_gid() == "stem"]
    for stem, row in zip(stems, paid, strict=True):
        assert stem.get_ydata() == pytest.approx([LAW.distillation.loss(10e9, D_S, row.loss), row.student.loss])
    shaded = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (shaded.x0, shaded.x1) == pytest.approx((ranking.ideal.low, ranking.ideal.high))
    assert line(ax, "supervised")[1][0] == ranking.supervised.loss
    assert sorted(text.get_text() for text in ax.texts) == sorted(row.name for row in paid)
    assert apart(boxes(figure))
    assert "forward passes not paid for: beyond" in words(figure).replace("\n", " ")
    assert inside(figure)


def test_many_names_keep_apart(tmp_path):
    rng = np.random.default_rng(0)
    found = [Candidate(f"candidate-{i:02}", float(x), 7e9) for i, x in enumerate(rng.uniform(1.9, 2.2, 14))]
    ranked = rank_teachers(LAW, Budget(1e22), student=3e9, candidates=found)
    figure = drawn_in_style(teachers.draw, ranked, LAW)
    told = [name for text in figure.axes[0].texts for name in text.get_text().split("\n")]
    assert sorted(told) == sorted(row.name for row in ranked.rows[:12])
    assert "named: the 12 best of 14" in figure.get_supxlabel()
    assert apart(boxes(figure))
    assert inside(figure)


def test_equal_candidates_share_a_label(drawn, tmp_path):
    found = [Candidate(f"n{i} $x", 2.1, 7e9) for i in range(6)]
    for law in (LAW, drawn):
        ranked = rank_teachers(law, Budget(1e21), student=1e9, candidates=found)
        figure = drawn_in_style(teachers.draw, ranked, law)
        assert [text.get_text() for text in figure.axes[0].texts] == ["n0 $x\nn1 $x\nn2 $x\nn3 $x\nand 2 more"]
    plots.candidates(rank_teachers(LAW, Budget(1e21), student=1e9, candidates=found[:1]), LAW, tmp_path / "one.svg")


def test_candidates_none_of_which_can_be_paid_for(tmp_path):
    ranked = rank_teachers(LAW, Budget(1e17), student=1e9, candidates=[Candidate("a" * 60, 1.7, 1e17)])
    assert ranked.rows[0].student is None
    plots.candidates(ranked, LAW, tmp_path / "none.png")


# --- the map -------------------------------------------------------------------------------------------------

STUDENTS, C = np.geomspace(1e8, 1e11, 20), np.geomspace(1e19, 1e25, 24)


@pytest.fixture(scope="module")
def gains():
    """Gains over budgets and sizes in the four scenarios; NaN below 1e20 FLOPs for large students."""
    found = {}
    for name, charges in scenarios().items():
        x, y = np.log10(C)[None, :], np.log10(STUDENTS)[:, None]
        found[name] = 0.2 * (y - 9.5) - 0.05 * (x - 21 - charges.pretraining)
        found[name][(y > 10) & (x < 20)] = np.nan
    return found


def test_the_map_has_a_panel_for_each_scenario_and_one_scale(gains):
    figure = drawn_in_style(crossing.draw, STUDENTS, C, gains, 0.02, mark=1e9, law=LAW)
    *panels, bar = figure.axes
    assert [ax.get_title(loc="left") for ax in panels] == list(LABELS.values())[1:5]
    assert all((ax.get_xscale(), ax.get_yscale()) == ("log", "log") for ax in panels)
    assert panels[2].get_xlabel() == "compute (FLOPs)"
    assert panels[0].get_ylabel() == "student parameters $N_S$"
    assert "nats/token" in bar.get_ylabel()
    for ax in panels:
        filled = ax.collections[0]
        assert filled.levels.tolist() == (-filled.levels[::-1]).tolist()
        assert filled.levels.tolist() == panels[0].collections[0].levels.tolist()
        assert ax.patch.get_hatch() == "xxxx"
        marked = [one for one in ax.get_lines() if np.allclose(one.get_ydata(), 1e9)]
        assert len(marked) == 1
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["no difference", r"neither ($|\Delta| \leq$ 0.02)", "no plan", "this student", "law's runs"]
    assert "law busbridge2025" in words(figure)
    assert inside(figure)


def test_zero_and_tolerance_are_where_the_gains_are(gains):
    figure = drawn_in_style(crossing.draw, STUDENTS, C, {"best-case": gains["best-case"]}, 0.02, mark=None, law=None)
    ax = figure.axes[0]

    def gain(contour):
        x, y = np.log10(np.concatenate([path.vertices for path in contour.get_paths()])).T
        return 0.2 * (y - 9.5) - 0.05 * (x - 21)

    *_, edge, zero = ax.collections
    assert gain(zero) == pytest.approx(0.0, abs=2e-3)  # straight between points of the grid
    # |Δ| is bent between the points of the grid
    assert np.abs(gain(edge)) == pytest.approx(0.02, abs=0.01)


def test_the_laws_runs_are_outlined_at_the_budgets_of_their_tokens(gains):
    figure = drawn_in_style(crossing.draw, STUDENTS, C, gains, 0.02, mark=None, law=LAW)
    (outline,) = figure.axes[0].get_lines()
    budget, N = outline.get_xdata(), outline.get_ydata()
    D = budget / LAW.convention.training(N, 1.0)
    assert set(np.round(D / 1e9, 6)) == {4.0, 512.0}
    assert (N.min(), N.max()) == pytest.approx(LAW.support.N_S)


def test_shades_are_round_numbers_from_the_tolerance_on():
    found = crossing.levels(np.linspace(-0.3, 0.04, 500), 0.02)
    assert found.tolist() == pytest.approx([-0.5, -0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2, 0.5])
    assert len(crossing.levels(np.array([1e-9, 100.0]), 1e-7)) == 18
    assert (crossing.levels(np.zeros(3), 0.005) == -crossing.levels(np.zeros(3), 0.005)[::-1]).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_maps_of_fewer_scenarios_one_sign_and_no_plan(gains, count, tmp_path):
    some = dict(list(gains.items())[:count])
    some["best-case"] = np.full_like(some["best-case"], np.nan)
    near = {name: np.full_like(gain, 0.01) for name, gain in some.items()}
    plots.crossover_map(STUDENTS, C, some, near, tmp_path / "map.png", mark=1e9)
    plots.crossover_map(STUDENTS, C, {"best-case": np.full((20, 24), 0.3)}, 0.001, tmp_path / "map.pdf", law=LAW)


def test_a_real_map(tiny, tmp_path):
    students, budgets = np.geomspace(1e4, 1e6, 8), np.geomspace(1e11, 1e14, 9)
    N, budget = np.repeat(students, 9), np.tile(budgets, 8)
    problems = Problems.of(tiny, N, budget, Charges())
    gain = (problems.supervised_loss() - problems.with_teacher(1.5, 1e6)[1]).reshape(8, 9)
    gain = np.where(np.isfinite(gain), gain, np.nan)
    plots.crossover_map(students, budgets, {"best-case": gain}, 0.02, tmp_path / "map.svg", law=tiny)
