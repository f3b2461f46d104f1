"""The figures of optimal plans: each drawn, for the published law and for a fit; their numbers are the planner's."""

import importlib
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from fitting.known import Support
from fitting.published import BUSBRIDGE2025_LAW
from paper_figs import optima as quantities
from paper_figs.catalogue import CATALOGUE, find
from paper_figs.optima import optima, supervised
from paper_figs.source import Source
from planner.decision import plan
from planner.plots.palette import LABELS
from planner.scenarios import Budget, Charges, scenarios
from planner.target import least_budget

LAW = Source(BUSBRIDGE2025_LAW)
SUPPORT = Support(N_S=(1e4, 1e6), D_S=(1e5, 4e6), L_T=(1.9, 2.5), N_T=(1e5, 1e6), D_T=(1e6, 4e6))
OWN = Source(replace(BUSBRIDGE2025_LAW, published=False, support=SUPPORT, box_N=(1e2, 1e8), box_D=(1e3, 4e8)))
ENTRIES = [entry for entry in CATALOGUE if entry.needs == "law"]


def draw(name, source=LAW):
    (entry,) = find([name], have_runs=False)
    return importlib.import_module(f"paper_figs.{entry.module}").draw(source)


@pytest.fixture(autouse=True)
def closed():
    """Every figure of a test is closed after it."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize("source", [LAW, OWN], ids=["published", "fitted"])
@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_every_figure_of_coefficients_can_be_drawn(entry, source):
    figure = draw(entry.name, source)
    assert figure.axes
    words = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    assert any(unit in word for word in words for unit in ("nats/token", "compute", "tokens", "error against"))
    assert figure.get_figwidth() <= 7.0  # the width of a page: nothing is made smaller to be printed
    figure.draw_without_rendering()
    assert min(text.get_fontsize() for text in figure.findobj(mpl.text.Text) if text.get_text()) >= 6
    for ax in figure.axes:
        for line in ax.get_lines():
            x, y = (np.asarray(values, dtype=float) for values in line.get_data())
            assert np.isfinite(x).all()
            assert np.isfinite(y).any()


@pytest.mark.parametrize(("name", "charges"), scenarios().items())
def test_arrays_of_optima_are_plans(name, charges):
    students, budgets = np.array([3e8, 1e10]), np.array([1e20, 1e23, 1e26])
    found = optima(BUSBRIDGE2025_LAW, students, budgets, charges)
    D, losses = supervised(BUSBRIDGE2025_LAW, students, budgets)
    for i, N_S in enumerate(students):
        for j, C in enumerate(budgets):
            one = plan(BUSBRIDGE2025_LAW, Budget(C, charges.logits, charges.pretraining), student=N_S)
            assert found.L_S[i, j] == pytest.approx(one.student.loss, rel=1e-12)
            assert found.L_T[i, j] == pytest.approx(one.teacher.loss, rel=1e-6)
            assert found.D_S[i, j] == pytest.approx(one.student.D, rel=1e-6)
            assert found.shares[:, i, j] == pytest.approx(one.shares, abs=1e-6)
            assert (D[i, j], losses[i, j]) == pytest.approx((one.supervised.D, one.supervised.loss), rel=1e-12)


def test_what_cannot_be_paid_for_is_no_number():
    found = optima(BUSBRIDGE2025_LAW, np.array([1e9]), np.array([1e10, 1e22]), Charges(1, 1))
    assert np.isnan(found.L_S[0, 0])
    assert np.isnan(found.shares[:, 0, 0]).all()
    assert found.L_S[0, 1] > 0


def test_fig17_and_18_have_eight_students_and_the_planners_lines():
    for name, quantity, lines in (("fig17", quantities.L_S, 5), ("fig18", quantities.L_T, 4)):
        panels = draw(name).axes
        assert [ax.get_title().removesuffix(" student") for ax in panels] == [
            "300M", "500M", "1B", "3B", "5B", "10B", "30B", "50B",
        ]  # fmt: skip
        for ax in panels:
            assert len(ax.get_lines()) == lines
        line = next(line for line in panels[2].get_lines() if line.get_label() == LABELS["teacher-inference"])
        C, value = line.get_xydata()[20]
        one = optima(BUSBRIDGE2025_LAW, np.array([1e9]), np.array([C]), Charges(1, 0))
        assert value == pytest.approx(quantity.of(one)[0, 0], rel=1e-9)


def test_fig31_leaves_out_tokens_that_cost_nothing():
    labels = {line.get_label() for line in draw("fig31").axes[0].get_lines()}
    assert labels == {LABELS[name] for name in scenarios() if name != "teacher-inference"}


def test_shares_fill_the_budget():
    """The stack of what is paid for reaches 100 % at every budget."""
    for name, parts in (("fig23", 2), ("fig26", 2), ("fig29", 3)):
        for ax in draw(name).axes:
            assert len(ax.collections) == parts
            x, y = ax.collections[-1].get_paths()[0].vertices.T
            tops = [y[x == at].max() for at in np.unique(x)]
            assert tops == pytest.approx([100] * len(tops), abs=1e-6)


def test_fig33_is_the_ratio_of_least_budgets():
    panel = draw("fig33").axes[1]
    assert panel.get_title() == "teacher inference"
    line = next(line for line in panel.get_lines() if line.get_label() == "1B")
    loss, ratio = line.get_xydata()[150]
    ours = least_budget(BUSBRIDGE2025_LAW, loss, Charges(1, 0), student=1e9)
    alone = BUSBRIDGE2025_LAW.convention.training(1e9, BUSBRIDGE2025_LAW.supervised.tokens(1e9, loss))
    assert ratio == pytest.approx(ours / alone, rel=0.01)


def test_fig40_meets_the_papers_check_of_unlimited_data():
    """Values of a separate evaluation of Eq 35 and 37 with the printed coefficients."""
    alone, taught = (line.get_xydata() for line in draw("fig40").axes[0].get_lines()[:2])
    for N, expected in ((1e8, (2.533, 2.521)), (1e9, (2.079, 2.088)), (1e10, (1.782, 1.788)), (1e12, (1.460, 1.404))):
        found = [np.interp(np.log(N), np.log(line[:, 0]), line[:, 1]) for line in (alone, taught)]
        assert found == pytest.approx(expected, abs=0.008 if N == 1e12 else 0.002)


def test_fig07_and_15_mark_the_best_teacher():
    for name, at in (("fig07", (1e10, 1e12)), ("fig15", (1e10, 1e12))):
        N_S, D_S = at
        ax = draw(name).axes[{"fig07": 1, "fig15": 2}[name]]
        x, y = next(line for line in ax.get_lines() if line.get_color() == "#D62728").get_data()
        best = np.interp(np.log(N_S if name == "fig07" else D_S), np.log(x), y)
        around = np.linspace(1.3, 2.4, 20001)
        losses = BUSBRIDGE2025_LAW.distillation.loss(N_S, D_S, around)
        assert best == pytest.approx(around[np.argmin(losses)], abs=2e-3)


@pytest.mark.parametrize("name", ["fig07", "fig16", "fig19", "fig24"])
def test_labels_of_contours_neither_meet_nor_leave_their_panel(name):
    figure = draw(name)
    figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert len(boxes) >= 3
        for i, box in enumerate(boxes):
            assert ax.bbox.x0 <= box.x0 < box.x1 <= ax.bbox.x1
            assert ax.bbox.y0 <= box.y0 < box.y1 <= ax.bbox.y1
            middle = np.mean([box.p0, box.p1], axis=0)
            for other in boxes[:i]:
                assert not (other.x0 < middle[0] < other.x1 and other.y0 < middle[1] < other.y1)


def test_lines_are_named_at_their_ends_in_their_order():
    figure = draw("fig28")
    for ax in figure.axes:
        named = [(text.get_position()[1], text.get_text()) for text in ax.texts]
        ends = {line.get_label(): line.get_ydata()[-1] for line in ax.get_lines()}
        assert [name for _, name in sorted(named)] == sorted(ends, key=ends.get)
        heights = sorted(height for height, _ in named)
        assert np.diff(heights).min() > 0.03
        assert -0.01 <= heights[0] <= heights[-1] <= 1.01


def test_the_end_of_the_search_is_marked_where_a_plan_lies_there():
    panels = {ax.get_title(): [line.get_label() for line in ax.get_lines()] for ax in draw("fig32").axes}
    assert [title for title, labels in panels.items() if "end of the search" in labels] == ["50B student"]


def test_the_colours_of_a_difference_end_where_the_papers_do():
    for name, scale in (
        ("fig06", (-0.18, 0.18)),
        ("fig13a", (-0.075, 0.375)),
        ("fig13b", (-0.08, 0.64)),
        ("fig14", (-0.15, 0.06)),
    ):
        (levels,) = {
            tuple(np.round(drawn.levels, 6))
            for ax in draw(name).axes
            for drawn in ax.collections
            if len(getattr(drawn, "levels", ())) > 1
        }
        assert (levels[0], levels[-1]) == scale
        assert 0.0 in levels


def test_numbers_name_figures_with_their_letters():
    assert [entry.name for entry in find(["13a", "fig13B", "9"], have_runs=False)] == ["fig13a", "fig13b", "fig09"]
