"""The pictures of a fit: every run and fold in them, curves that are the law, axes with units, the same bytes again."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from fitting import plots, profiles, stages
from fitting.bootstrap import with_draws
from fitting.errors import InputError
from fitting.estimation import fit_law, fit_table
from fitting.fit import Fit
from fitting.flops import BUSBRIDGE2025, SIX_ND, SIX_ND_TOTAL
from fitting.laws import SupervisedLaw
from fitting.plots.runs import budgets, running_median
from fitting.profiles import Profile
from fitting.published import BUSBRIDGE2025_FIGURES_LAW
from fitting.records import RunRecord, RunTable
from fitting.selection import fitted

CHECKOUT = Path(__file__).resolve().parents[2]
TINY = replace(BUSBRIDGE2025, rho=24.0, n_ctx=128, n_vocab=256)
ALWAYS = ["residuals", "isoflop", "predicted", "profiles"]


@pytest.fixture(scope="module")
def small():
    """A table like the demo's, 14 supervised and 28 distilled runs of 7K to 187K parameters, and its whole fit."""
    alone = SupervisedLaw(A=60.0, B=2500.0, E=1.2, alpha=0.45, beta=0.62, gamma=1.0)
    taught = replace(
        BUSBRIDGE2025_FIGURES_LAW.distillation, supervised=alone, A=60.0, B=2500.0, alpha=0.45, beta=0.62, gamma=0.9
    )
    rng, records = np.random.default_rng(3), []

    def add(kind, N, D, loss, **others):
        loss = float(loss * np.exp(0.004 * rng.normal()))
        records.append(RunRecord(f"{kind}-{len(records)}", kind, N, D, loss, **others))
        return loss

    sizes = (7.1e3, 55.8e3, 187e3)
    pairs = [(N, D) for N in sizes for D in (128e3, 256e3, 512e3, 1024e3)] + [(sizes[0], 2048e3), (sizes[1], 2048e3)]
    teachers = {(N, D): add("supervised", N, D, alone.loss(N, D)) for N, D in pairs}
    for N_T, D_T in ((sizes[0], 128e3), (sizes[0], 512e3), (sizes[1], 1024e3), (sizes[2], 1024e3)):
        L_T = teachers[N_T, D_T]
        facts = {"teacher_id": f"{N_T:g}-{D_T:g}", "teacher_N": N_T, "teacher_D": D_T, "teacher_loss": L_T}
        for N, D in [(N, D) for N in sizes[:2] for D in (128e3, 256e3, 512e3)] + [(sizes[2], 256e3)]:
            add("distillation", N, D, taught.loss(N, D, L_T), **facts)
    table = RunTable(tuple(records), TINY)
    return with_draws(fitted(table, fixed={"gamma": 1.0}), table, 40), table


@pytest.fixture(scope="module")
def budgeted():
    """Supervised runs at four budgets, nine sizes each, 6ND."""
    law, rng, records = BUSBRIDGE2025_FIGURES_LAW.supervised, np.random.default_rng(0), []
    for C in (1e19, 1e20, 1e21, 1e22):
        for N in np.geomspace(1e8, 1e10, 9):
            D = C / (6 * N) * np.exp(0.03 * rng.normal())
            loss = law.loss(N, D) * np.exp(0.003 * rng.normal())
            records.append(RunRecord(f"r{len(records)}", "supervised", float(N), float(D), float(loss)))
    table = RunTable(tuple(records), SIX_ND)
    return fit_law(SupervisedLaw, table), table


def axes():
    return Figure().subplots()


def points(ax, marker="o"):
    """The x and y of all that is drawn with this marker, shape (n, 2)."""
    return np.concatenate([line.get_xydata() for line in ax.get_lines() if line.get_marker() == marker])


def legend(ax):
    found = ax.get_legend()
    return found.get_title().get_text(), [text.get_text() for text in found.get_texts()]


# --- files -----------------------------------------------------------------------------------------------


def names(paths):
    return [path.name for path in paths]


def test_a_whole_fit_has_five_pictures_the_same_bytes_twice(small, tmp_path):
    fit, table = small
    first = plots.write(fit, table, tmp_path / "a", ("png", "svg"))
    assert names(first) == [f"{name}.{suffix}" for name in [*ALWAYS, "draws"] for suffix in ("png", "svg")]
    assert min(path.stat().st_size for path in first) > 5000
    for other in plots.write(fit, table, tmp_path / "b", ("svg",)):
        assert (tmp_path / "a" / other.name).read_bytes() == other.read_bytes()
    svg = (tmp_path / "a" / "residuals.svg").read_text()
    assert "dc:date" not in svg


def test_a_large_grid_without_draws(distillation_fit, noisy_runs, tmp_path):
    written = plots.write(distillation_fit, noisy_runs, tmp_path / "new" / "folder")
    assert names(written) == [f"{name}.png" for name in ALWAYS]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_public_runs(public_runs, tmp_path):
    table = RunTable.read(public_runs("kyo_takano_llm.csv"), convention=SIX_ND_TOTAL)
    fit = fit_law(SupervisedLaw, table, fixed={"gamma": 1.0})
    assert names(plots.write(fit, table, tmp_path)) == [f"{name}.png" for name in ALWAYS]


def test_a_given_supervised_law_has_no_panel_of_its_own(small, tmp_path):
    _, table = small
    given = Fit.given(replace(BUSBRIDGE2025_FIGURES_LAW, convention=TINY))
    fit = fit_table(table, supervised=given, fixed={"gamma": 1.0}, limit_form=True)
    assert plots._residuals(fit, table).axes[0].get_xlabel() == "student's training compute (FLOPs)"
    assert [ax.get_xlabel() for ax in plots._isoflop(fit, table).axes] == ["teacher cross-entropy $L_T$ (nats/token)"]
    assert names(plots.write(fit, table, tmp_path, ("pdf",))) == [f"{name}.pdf" for name in ALWAYS]


def test_what_cannot_be_written_is_refused(small, tmp_path):
    fit, table = small
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"--plot .*: cannot be a folder for pictures"):
            plots.write(fit, table, folder)
    with pytest.raises(InputError, match="bmp: the formats are png, svg, pdf"):
        plots.write(fit, table, tmp_path, ("png", "bmp"))
    with pytest.raises(InputError, match="was not made from this table"):
        plots.write(fit, RunTable(table.records[::-1], table.convention), tmp_path)


def test_a_picture_that_cannot_be_written_is_refused(small, tmp_path):
    (tmp_path / "residuals.png").mkdir()
    with pytest.raises(InputError, match="cannot be a folder for pictures"):
        plots.write(*small, tmp_path)


def test_the_caption_says_which_runs(small):
    figure = plots._residuals(*small)
    plots._caption(figure, small[0])
    told = figure._supxlabel.get_text().replace("\n", " ")
    assert small[0].id in told
    assert "28 distilled runs" in told
    assert small[1].sha256[:12] in told


def test_the_style_is_that_of_the_papers_figures():
    other = CHECKOUT / "paper_figs" / "paper.mplstyle"
    own, theirs = (mpl.rc_params_from_file(path, use_default_template=False) for path in (plots.STYLE, other))
    assert dict(own) == dict(theirs)


def test_nothing_else_of_the_room_loads_matplotlib():
    code = "import sys, fitting.fit_cli, fitting.pipeline, fitting.fit_report; print('matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert found.stdout.strip() == "False"


# --- residuals -------------------------------------------------------------------------------------------


def test_residuals_show_every_run_and_the_scale(small):
    fit, table = small
    for part, runs in ((fit.supervised, table.supervised()), (fit, table.distillation())):
        ax = axes()
        plots.residuals(part, table, ax)
        N, D, loss = (runs.column(name) for name in ("N", "D", "loss"))
        L_T = runs.column("teacher_loss") if part is fit else None
        expected = np.stack([TINY.training(N, D), 100 * np.log(part.predict(N, D, L_T) / loss)], axis=1)
        dots = ax.collections[0]
        assert np.asarray(dots.get_offsets()) == pytest.approx(expected)
        assert np.asarray(dots.get_array()) == pytest.approx(N)
        band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
        assert (band.y0, band.y1) == pytest.approx((-100 * part.relative_error, 100 * part.relative_error))
        assert ax.get_xscale() == "log"
        assert "training compute (FLOPs)" in ax.get_xlabel()
        assert "(%)" in ax.get_ylabel()
        title, entries = legend(ax)
        assert title == f"{len(runs)} {'distilled' if L_T is not None else 'supervised'} runs"
        assert entries[-1] == "running median"


def test_the_running_median_is_of_neighbours():
    x = np.repeat([1e18, 1e19, 1e20, 1e21], 12)
    at, middle = running_median(x, np.tile(np.arange(12.0), 4) + np.log10(x))
    assert at == pytest.approx([1e18, 1e19, 1e20, 1e21], rel=1e-5)
    assert middle == pytest.approx([23.5, 24.5, 25.5, 26.5])


def test_sizes_are_named_beside_the_panels(small):
    bar = plots._residuals(*small).axes[-1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["7.1K", "55.8K", "187K"]
    assert bar.get_ylabel() == "parameters $N$"


# --- IsoFLOP curves and students -------------------------------------------------------------------------


def test_isoflop_curves_of_budgets(budgeted):
    fit, table = budgeted
    ax = axes()
    plots.isoflop(fit, table, ax)
    dots = points(ax)
    runs = np.stack([table.column("N"), table.column("loss")], axis=1)
    assert sorted(map(tuple, dots)) == sorted(map(tuple, runs))
    title, entries = legend(ax)
    assert [float(entry) for entry in entries[:-1]] == pytest.approx([1e19, 1e20, 1e21, 1e22], rel=0.05)
    assert entries[-1] == "law's minimum"
    assert "moved" not in title
    curves = [line.get_xydata() for line in ax.get_lines() if line.get_marker() == "None"]
    for curve, (N, loss) in zip(curves, points(ax, "D"), strict=True):
        assert curve[:, 1].min() == pytest.approx(loss)
        assert curve[np.argmin(curve[:, 1]), 0] == pytest.approx(N)
        C = 6 * N * fit.supervised_law.tokens(N, loss)
        assert min(abs(np.log(C / budget)) for budget in (1e19, 1e20, 1e21, 1e22)) < 0.05
    assert ax.get_xlabel() == "parameters $N$"
    assert ax.get_ylabel() == "cross-entropy $L$ (nats/token)"
    ax.figure.canvas.draw()
    assert {"100M", "1B"} <= {text.get_text() for text in ax.get_xticklabels()}


def test_runs_without_budgets_keep_their_residuals_when_moved(distillation_fit, noisy_runs):
    ax, fit = axes(), distillation_fit.supervised
    plots.isoflop(distillation_fit, noisy_runs, ax)
    runs = noisy_runs.supervised()
    N, D, loss = (runs.column(name) for name in ("N", "D", "loss"))
    groups, designed = budgets(BUSBRIDGE2025.training(N, D))
    assert not designed
    assert sum(group.runs.sum() for group in groups) == len(runs)
    lines = [line for line in ax.get_lines() if line.get_marker() == "o"]
    for group, line in zip(groups, lines, strict=True):
        x, y = line.get_xydata().T
        law = fit.predict(x, group.C / BUSBRIDGE2025.training(x, 1.0))
        assert y / law == pytest.approx((loss / fit.predict(N, D))[group.runs])
        assert np.abs(np.log10(BUSBRIDGE2025.training(N, D)[group.runs] / group.C)).max() <= 0.25 + 1e-9
    assert legend(ax)[0].endswith("moved there along the law")


def test_students_lie_on_the_laws_lines_and_none_is_left_out(distillation_fit, noisy_runs):
    ax = axes()
    plots.students(distillation_fit, noisy_runs, ax)
    runs = noisy_runs.distillation()
    assert len(points(ax)) == len(runs)
    assert legend(ax)[1][-2:] == ["other students", "$L_S = L_T$"]
    assert len(legend(ax)[1]) == 8
    curves = [line for line in ax.get_lines() if line.get_marker() == "None"][1:]
    assert all(curve.get_ydata()[0] >= curve.get_xdata()[0] for curve in curves)
    starts = [curve.get_ydata()[0] for curve in curves]
    assert starts == sorted(starts, reverse=True)
    assert ax.get_xlabel() == "teacher cross-entropy $L_T$ (nats/token)"
    assert ax.get_ylabel() == "student cross-entropy $L_S$ (nats/token)"


# --- predictions -----------------------------------------------------------------------------------------


def test_predicted_shows_runs_and_all_that_the_rollout_held_out(small):
    fit, table = small
    for part, count in ((fit.supervised, 14), (fit, 28)):
        held = plots.held_out(part, table)
        assert part.rollout is not None
        assert sum(len(one.loss) for one in held) == part.rollout.predicted
        missed = np.concatenate([np.abs(one.predicted / one.loss - 1) for one in held])
        folds = part.rollout.folds
        told = sum(fold.error * fold.predicted for fold in folds) / sum(fold.predicted for fold in folds)
        assert missed.mean() == pytest.approx(told, rel=1e-6)
        ax, below = axes(), axes()
        plots.predicted(part, table, ax, held)
        plots.errors(part, table, below, held)
        dots = points(ax)
        assert len(dots) == len(points(below)) == count
        assert points(below)[:, 1] == pytest.approx(100 * (dots[:, 1] / dots[:, 0] - 1))
        assert ax.get_xlim() == ax.get_ylim()
        entries = legend(ax)[1]
        assert entries[:2] == ["fitted", "±1 %"]
        assert set(entries[2:]) <= {"predicted from smaller runs", "predicted from poorer teachers"}
        assert len(entries[2:]) == len(held) > 0
        assert below.get_xlabel() == "observed (nats/token)"
        assert ax.get_ylabel() == "predicted (nats/token)"


def test_without_a_rollout_nothing_is_held_out(distillation_fit, noisy_runs):
    assert plots.held_out(distillation_fit, noisy_runs) == []


# --- profiles and draws ----------------------------------------------------------------------------------


def test_a_profile_with_an_open_end():
    values = np.array([0.1, 0.3, 1.0, 3.0, 9.0])
    rises = np.array([0.5, 0.2, 0.0, 2.0, 6.0]) * 1e-5
    ax = axes()
    plots.profile(Profile("d1", values, rises, 1e-5, (None, 2.1)), ax)
    shaded = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (shaded.x0, shaded.x1) == pytest.approx((0.1, 2.1))
    assert points(ax)[:, 1] == pytest.approx(rises / 1e-5)
    assert points(ax, "D") == pytest.approx(np.array([[1.0, 0.0]]))
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "$d_1$"
    curve = ax.get_lines()[0].get_xydata()
    assert np.interp(values, curve[:, 0], curve[:, 1]) == pytest.approx(rises / 1e-5, abs=0.02)


def test_profiles_of_both_laws(distillation_fit, noisy_runs):
    found = plots._profiles(distillation_fit, noisy_runs)
    labels = [ax.get_xlabel() for ax in found.axes]
    assert labels == ["irreducible loss $E$ (nats/token)", r"$\gamma$", r"$\gamma'$", "$d_1$", "$s = d_1\\,K^{-f_1}$"]
    stage = stages.stage_of(distillation_fit.supervised, noisy_runs)
    ends = profiles.profile(stage, "E").interval
    shaded = found.axes[0].patches[0].get_extents().transformed(found.axes[0].transData.inverted())
    assert (shaded.x0, shaded.x1) == pytest.approx(ends)


def test_bands_hold_the_law_and_reach_ten_times_the_runs(small):
    fit, table = small
    ax = axes()
    plots.bands(fit.supervised, table, ax)
    D = table.supervised().column("D").max()
    assert ax.get_xlim()[1] == pytest.approx(10 * D)
    beyond = ax.patches[-1].get_extents().transformed(ax.transData.inverted())
    assert (beyond.x0, beyond.x1) == pytest.approx((D, 10 * D))
    assert legend(ax)[1] == ["7.1K", "55.8K", "187K", "1.87M", "90 % of the draws", "beyond the runs"]
    assert len(points(ax)) == 14
    curves = [line for line in ax.get_lines() if line.get_marker() == "None"]
    for band, curve in zip(ax.collections, curves, strict=True):
        outline = band.get_paths()[0].vertices
        assert to_rgba(curve.get_color())[:3] == pytest.approx(tuple(band.get_facecolor()[0][:3]))
        last = outline[np.isclose(outline[:, 0], 10 * D), 1]
        assert last.min() < last.max()
    assert ax.get_xlabel() == "tokens $D$"


def test_teacher_bands_reach_better_teachers(small):
    fit, table = small
    ax = axes()
    plots.teacher_bands(fit, table, ax)
    best = fit.predict(1.87e6, 10 * fit.support.D_T[1])
    low = table.distillation().column("teacher_loss").min()
    assert ax.get_xlim()[0] == pytest.approx(best)
    beyond = ax.patches[-1].get_extents().transformed(ax.transData.inverted())
    assert (beyond.x0, beyond.x1) == pytest.approx((best, low))
    assert "1.87M, 5.12M tokens" in legend(ax)[1]
    assert len(ax.collections) == 4


def test_without_draws_there_are_no_bands(budgeted):
    assert plots._draws(*budgeted) is None
