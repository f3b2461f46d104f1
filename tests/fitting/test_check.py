"""`distillaw check`: one table for each finding, with exactly that wrong; sound tables have none."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fitting.checks import compute as check_compute
from fitting.checks import design as check_design
from fitting.checks import everything as check
from fitting.checks import law as check_law
from fitting.checks import rates as check_rates
from fitting.checks import runs as check_runs
from fitting.checks import teachers as check_teachers
from fitting.checks.finding import Finding, listed, runs_named
from fitting.flops import BUSBRIDGE2025, SIX_ND, SIX_ND_TOTAL
from fitting.published import BUSBRIDGE2025_FIGURES_LAW as LAW
from fitting.records import RunRecord, RunTable

SIZES = np.geomspace(2e8, 4e9, 5)
TOKENS = np.geomspace(5e9, 2.5e11, 6)


def table_of(records, convention=BUSBRIDGE2025):
    return RunTable(tuple(replace(record, run_id=f"r{i}") for i, record in enumerate(records)), convention)


def alone(N, D, **others):
    return RunRecord("", "supervised", float(N), float(D), float(LAW.supervised.loss(N, D)), **others)


def taught(N, D, teacher, L_T, **others):
    loss = float(LAW.distillation.loss(N, D, L_T))
    return RunRecord("", "distillation", float(N), float(D), loss, teacher_id=teacher, teacher_loss=L_T, **others)


def supervised_grid(sizes=SIZES, tokens=TOKENS, **others):
    return [alone(N, D, **others) for N in sizes for D in tokens]


def distilled_grid(teachers=(2.1, 2.3, 2.6), sizes=SIZES[::2], tokens=TOKENS[::2]):
    return [taught(N, D, f"T{i}", L_T) for i, L_T in enumerate(teachers) for N in sizes for D in tokens]


def changed(table, at, **fields):
    records = list(table.records)
    records[at] = replace(records[at], **fields)
    return RunTable(tuple(records), table.convention)


def noisy(table, spread, seed=0):
    rng = np.random.default_rng(seed)
    records = (replace(record, loss=record.loss * math.exp(spread * rng.normal())) for record in table.records)
    return RunTable(tuple(records), table.convention)


def only(found: list[Finding], code: str, severity: str) -> Finding:
    (finding,) = found
    assert (finding.code, finding.severity) == (code, severity)
    return finding


@pytest.fixture(scope="module")
def grid():
    return table_of(supervised_grid())


@pytest.fixture(scope="module")
def both():
    return table_of(supervised_grid() + distilled_grid())


@pytest.fixture(scope="module")
def many():
    students = distilled_grid(teachers=(1.9, 2.1, 2.3, 2.5, 2.7), sizes=SIZES, tokens=TOKENS)
    return noisy(table_of(supervised_grid() + students), 0.002)


@pytest.fixture(scope="module")
def laws(many):
    return check_law.fitted(many)


# --- sound tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.001, 0.004])
def test_the_papers_grid_is_sound(simulated, noise):
    assert not check.findings(simulated(LAW, noise, 5))


@pytest.mark.parametrize(("noise", "seed"), [(0.0, 0), (0.003, 1), (0.01, 2), (0.02, 3)])
def test_a_supervised_grid_is_sound(grid, noise, seed):
    assert not check.findings(noisy(grid, noise, seed))


def test_isoflop_profiles_are_sound():
    profiles = [
        alone(N, C / (6 * N), C=float(C))
        for C in np.geomspace(3e18, 3e20, 5)
        for N in np.geomspace(0.2, 5, 6) * math.sqrt(C / 120)
    ]
    assert not check.findings(noisy(table_of(profiles, SIX_ND), 0.005))


def test_a_public_table_has_no_faults(distillaw, public_runs):
    answer = distillaw("check", public_runs("kyo_takano_llm.csv"), "--convention", "6ND-total")
    assert answer.code == 0
    assert answer.out.startswith("No faults and ")


# --- single runs -----------------------------------------------------------------------------------------


def test_unfinished_runs_are_counted_and_named(grid):
    table = changed(changed(grid, 3, status="diverged", loss=math.nan), 4, status="running")
    finding = only(check_runs.unfinished(table), "unfinished", "odd")
    assert finding.run_ids == ("r3", "r4")
    assert "2 of 30 runs did not finish" in finding.message
    assert "1 diverged, 1 running" in finding.message
    nothing = table_of([replace(record, status="failed") for record in grid.records])
    only(check_runs.unfinished(nothing), "no-evidence", "fault")


def test_a_loss_above_a_guess_diverged(grid):
    finding = only(check_runs.diverged(changed(grid, 20, loss=10.9)), "diverged", "fault")
    assert finding.run_ids == ("r20",)
    assert "log 32768 = 10.4" in finding.message


def test_a_run_far_above_all_smaller_ones_diverged():
    table = table_of(supervised_grid(), SIX_ND)  # which does not say how many tokens there are to guess from
    finding = only(check_runs.diverged(changed(table, 20, loss=4.2)), "diverged", "fault")
    assert finding.run_ids == ("r20",)
    assert "above the worst of 11 supervised runs with no more parameters and tokens" in finding.message
    assert not check_runs.diverged(table)


def test_a_students_divergence_is_judged_among_its_teachers_own():
    table = table_of(distilled_grid())
    assert not check_runs.diverged(table)
    assert only(check_runs.diverged(changed(table, 8, loss=3.4)), "diverged", "fault").run_ids == ("r8",)


def test_a_diverged_run_is_not_an_outlier_too(grid):
    assert [finding.code for finding in check.findings(changed(grid, 20, loss=10.9))] == ["diverged"]


def test_a_loss_too_low_for_text(grid):
    finding = only(check_runs.implausible(changed(grid, 2, loss=0.02)), "low-loss", "odd")
    assert finding.run_ids == ("r2",)
    assert not check_runs.implausible(grid)


def test_copies_and_repeats_are_told_apart(grid):
    first = grid.records[0]
    copied = table_of([*grid.records, first])
    assert only(check_runs.copies(copied), "copies", "fault").run_ids == ("r0", "r30")
    assert not check_runs.repeats(copied)

    seeds = [replace(first, seed=seed, loss=first.loss * (1 + 0.01 * seed)) for seed in (0, 1, 2)]
    repeated = table_of([*grid.records[1:], *seeds])
    assert not check_runs.copies(repeated)
    finding = only(check_runs.repeats(repeated), "repeats", "odd")
    assert finding.run_ids == ("r29", "r30", "r31")
    assert "1 setting " in finding.message
    assert "differ by 0.99% from run to run (standard deviation), at most by 2.00%" in finding.message
    other_teacher = [taught(1e9, 2e10, name, 2.3) for name in "ab"]
    assert not check_runs.copies(table_of(other_teacher))


def test_losses_on_different_data(grid):
    mixed = [replace(r, extras={"val_data": "c4" if i % 2 else "pile"}) for i, r in enumerate(grid.records)]
    finding = only(check_runs.mixed_data(table_of(mixed)), "mixed-data", "odd")
    assert "column val_data has 2 values" in finding.message
    twice = [replace(grid.records[0], extras={"val_data": name}, loss=loss) for name, loss in (("c4", 3), ("pile", 2))]
    assert not check_runs.repeats(table_of(twice))
    one = [replace(record, extras={"val_data": "c4", "digest": i}) for i, record in enumerate(grid.records)]
    assert not check_runs.mixed_data(table_of(one))


def test_runs_of_different_recipes(grid):
    recipes = [replace(r, extras={"schedule": "branches" if i < 3 else "cosine"}) for i, r in enumerate(grid.records)]
    finding = only(check_runs.mixed_recipes(table_of(recipes)), "mixed-recipes", "odd")
    assert "column schedule has 2 values: cosine (27), branches (3)" in finding.message
    # a blank says nothing: a supervised run has no window
    blank = [replace(r, extras={"window": "0:1" if i else None}) for i, r in enumerate(grid.records)]
    assert not check_runs.mixed_recipes(table_of(blank))
    # and what was made otherwise is no repeat
    twice = [replace(grid.records[0], extras={"every": n}, loss=loss) for n, loss in ((1, 3.0), (5, 3.1))]
    assert not check_runs.repeats(table_of(twice))


def test_runs_that_repeat_their_text(grid):
    often = [replace(r, extras={"epochs": 0.5 * i}) for i, r in enumerate(grid.records)]
    finding = only(check_runs.repeated_text(table_of(often)), "repeated-text", "odd")
    assert "27 of 30 runs repeat their text, up to 14.5 times (column epochs)" in finding.message
    assert not check_runs.repeated_text(table_of(often[:3]))
    assert not check_runs.repeated_text(table_of([replace(r, extras={"epochs": None}) for r in grid.records]))


# --- FLOPs -----------------------------------------------------------------------------------------------


def with_compute(count, convention=BUSBRIDGE2025):
    records = [replace(record, C=float(count(record))) for record in supervised_grid()]
    return table_of(records, convention)


def test_compute_by_the_tables_own_convention():
    assert not check_compute.compute(with_compute(lambda r: 1.012 * BUSBRIDGE2025.training(r.N, r.D)))
    assert not check_compute.compute(with_compute(lambda r: 6 * r.N * r.D, SIX_ND_TOTAL))


@pytest.mark.parametrize(
    ("count", "convention", "says"),
    [
        (lambda r: 6.006 * r.N * r.D, BUSBRIDGE2025, "6ND agrees to 0.1%"),
        (lambda r: BUSBRIDGE2025.training(r.N, r.D), SIX_ND, "busbridge2025 agrees to 0.0%"),
        (
            lambda r: 6 * (r.N + BUSBRIDGE2025.embedding(r.N)) * r.D,
            BUSBRIDGE2025,
            "6ND on N with embeddings agrees to 0.0%",
        ),
        (lambda r: 2 * r.N * r.D, SIX_ND, "the forward passes alone agrees to 0.0%"),
        (
            lambda r: replace(BUSBRIDGE2025, causal_attention=False).training(r.N, r.D),
            BUSBRIDGE2025,
            "the same convention with full attention agrees to 0.0%",
        ),
        (lambda r: 9 * r.N * r.D, SIX_ND, "one constant explains it: C is 1.5 times what it should be"),
    ],
)
def test_compute_by_another_count_is_recognised(count, convention, says):
    table = with_compute(count, convention)
    finding = only(check_compute.compute(table), "compute-C", "fault")
    assert says in finding.message
    assert len(finding.run_ids) > 15


def test_single_wrong_computes_are_named():
    table = with_compute(lambda r: 6 * r.N * r.D, SIX_ND)
    finding = only(check_compute.compute(changed(table, 7, C=3 * table.records[7].C)), "compute-C", "fault")
    assert finding.run_ids == ("r7",)
    assert "a ratio of 3" in finding.message


def test_a_teachers_cost_is_checked_and_may_be_free():
    own = BUSBRIDGE2025
    facts = {"teacher_N": 4e9, "teacher_D": 8e10}

    def students(logits, training, count=own.training):
        return table_of(
            taught(N, D, "T", 2.3, C=float(count(N, D)), C_logits=logits(D), C_teacher=training, **facts)
            for N in SIZES
            for D in TOKENS
        )

    forwards, trained = (lambda D: float(own.forward(4e9)) * D), float(own.training(4e9, 8e10))
    assert not check_compute.compute(students(forwards, trained))
    assert not check_compute.compute(students(lambda D: 0.0, 0.0))
    only(check_compute.compute(students(lambda D: 8e9 * D * 3, trained)), "compute-C_logits", "fault")
    only(check_compute.compute(students(forwards, 1.5 * trained)), "compute-C_teacher", "fault")
    everything = students(forwards, trained, lambda N, D: own.training(N, D) + own.forward(4e9) * D)
    finding = only(check_compute.compute(everything), "compute-C", "fault")
    assert "the training with the teacher's forward passes agrees" in finding.message


def test_a_teacher_of_another_family_has_its_own_price():
    facts = {"teacher_N": 4e9, "teacher_D": 8e10}
    runs = [taught(N, D, "T", 2.3, C_logits=1.5e10 * D, **facts) for N in SIZES for D in TOKENS]
    only(check_compute.compute(table_of(runs)), "compute-C_logits", "fault")
    priced = [replace(run, extras={"teacher_price": 1.5e10}) for run in runs]
    assert not check_compute.compute(table_of(priced))
    wrong = [replace(run, extras={"teacher_price": 2e10}) for run in runs]
    only(check_compute.compute(table_of(wrong)), "compute-C_logits", "fault")


@pytest.mark.parametrize("way", [{"window": "0:0.5"}, {"every": 2}, {"fraction": 0.5}])
def test_who_asks_part_of_the_time_pays_a_part(way):
    """As `distillaw sweep collect` writes it: no more than all forward passes, and less is no fault."""
    own, facts = BUSBRIDGE2025, {"teacher_N": 4e9, "teacher_D": 8e10}

    def students(share, extras):
        runs = [
            taught(N, D, "T", 2.3, C_logits=share * float(own.forward(4e9)) * D, **facts) for N in SIZES for D in TOKENS
        ]
        return table_of(replace(run, extras={"window": "0:1", "every": 1, "fraction": 1.0} | extras) for run in runs)

    assert not check_compute.compute(students(0.5, way))
    only(check_compute.compute(students(0.5, {})), "compute-C_logits", "fault")
    only(check_compute.compute(students(1.5, way)), "compute-C_logits", "fault")


# --- design ----------------------------------------------------------------------------------------------


def test_levels_ranges_and_gaps(grid):
    assert not check_design.ranges(grid)
    one = table_of(supervised_grid(sizes=[1e9]))
    finding = only(check_design.ranges(one), "one-level", "fault")
    assert "all 6 supervised runs have N = 1B: nothing tells alpha" in finding.message
    two = table_of(supervised_grid(tokens=[5e9, 5.01e9, 4.9e10, 5e10]))
    assert only(check_design.ranges(two), "few-levels", "odd").message.startswith("the supervised runs have 2 levels")
    short = table_of(supervised_grid(tokens=[5e9, 1e10, 2e10]))
    finding = only(check_design.ranges(short), "short-range", "odd")
    assert "D of the supervised runs spans a factor of 4 (5B to 20B)" in finding.message
    gap = table_of(supervised_grid(sizes=[1e7, 2e7, 4e7, 6e8, 1e9]))
    finding = only(check_design.ranges(gap), "gap", "odd")
    assert "no supervised run has N between 40M and 600M, a gap of 1.2 decades; a run near 150M" in finding.message


def test_a_gap_in_compute_alone():
    low = [alone(N, 2e10 / N * 1e8) for N in np.geomspace(3e7, 3e8, 6)]
    high = [alone(N, 1e12 / N * 1e9) for N in np.geomspace(1e8, 2e9, 6)]
    finding = only(check_design.ranges(table_of(low + high, SIX_ND)), "gap", "odd")
    assert "C between" in finding.message


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (lambda N: 20 * N, "D/N is 20 (to 0%)"),
        (lambda N: 1e20 / (6 * N), "they are one IsoFLOP profile"),
        (lambda N: 1e5 * N**0.5, "D goes as N^0.5"),
    ],
)
def test_runs_on_one_line(grid, tokens, says):
    line = table_of([alone(N, tokens(N)) for N in np.geomspace(1e8, 4e9, 8)])
    finding = only(check_design.one_line(line), "one-line", "fault")
    assert says in finding.message
    assert "alpha and beta cannot be told apart" in finding.message
    assert not check_design.one_line(grid)


def test_a_distillation_grid_needs_teachers_and_students():
    assert not check_design.distilled_grid(table_of(distilled_grid()))
    one = table_of(distilled_grid(teachers=(2.3,)))
    assert "all 9 students had one teacher" in only(check_design.distilled_grid(one), "one-teacher", "fault").message
    alike = table_of(distilled_grid(teachers=(2.3, 2.31, 2.32)))
    assert "c0 cannot be told" in only(check_design.distilled_grid(alike), "c0", "odd").message
    line = table_of(
        taught(N, 20 * N, f"T{i}", L_T) for i, L_T in enumerate((2.1, 2.3, 2.6)) for N in np.geomspace(1e8, 4e9, 5)
    )
    finding = only(check_design.distilled_grid(line), "students-on-a-line", "odd")
    assert "beta' cannot be told apart" in finding.message


# --- teachers --------------------------------------------------------------------------------------------


@pytest.fixture
def family():
    """Two teachers with their own runs, and six students of each."""
    owners = [alone(N, 20 * N, extras={"role": "teacher"}) for N in (1e9, 4e9)]
    students = [
        taught(N, D, f"r{i}", owner.loss, teacher_N=owner.N, teacher_D=owner.D)
        for i, owner in enumerate(owners)
        for N in SIZES[:2]
        for D in TOKENS[:3]
    ]
    return table_of(owners + students)


def test_teachers_that_agree_with_everything(family, both):
    assert not check_teachers.teachers(family, 0.0)
    assert not check_teachers.teachers(both, 0.0)


@pytest.mark.parametrize(("column", "value"), [("teacher_loss", 2.3), ("teacher_N", 2e9), ("teacher_D", 4e10)])
def test_a_teacher_with_two_values(family, column, value):
    found = check_teachers.teachers(changed(family, 5, **{column: value}), 0.0)
    assert [finding.code for finding in found] == ["teacher-facts", "teacher-disagrees"]
    assert {finding.severity for finding in found} == {"fault"}
    assert f"teacher r0 has {column} from" in found[0].message
    assert found[1].run_ids == ("r0", "r5")


def test_a_teacher_whose_own_run_says_otherwise(family):
    finding = only(check_teachers.teachers(changed(family, 0, loss=2.5), 0.0), "teacher-disagrees", "fault")
    assert "its own run has loss = 2.5, but 6 of 6 students say teacher_loss = 2.375" in finding.message
    finding = only(
        check_teachers.teachers(changed(family, 0, status="diverged", loss=math.nan), 0.0), "teacher-unfinished", "odd"
    )
    assert "teacher r0 is diverged, and 6 students learned from it" in finding.message


def test_teachers_that_are_missing_or_idle(family):
    idle = table_of([*family.records, alone(2e9, 4e10, extras={"role": "teacher"})])
    assert only(check_teachers.teachers(idle, 0.0), "teacher-unused", "odd").run_ids == ("r14",)
    finding = only(check_teachers.teachers(changed(family, 5, teacher_id="r00"), 0.0), "teacher-missing", "odd")
    assert "1 of 3 teachers (r00) are no supervised run of this table" in finding.message


def test_a_teacher_too_good_to_be_true(both):
    last = len(both) - 1
    finding = only(check_teachers.teachers(changed(both, last, teacher_id="X", teacher_loss=1.0), 0.0),
                   "teacher-too-good", "odd")  # fmt: skip
    assert finding.run_ids == (f"r{last}",)


def test_students_that_beat_their_teacher(both):
    last = len(both) - 1
    ahead = changed(both, last, loss=0.97 * both.records[last].teacher_loss)
    finding = only(check_teachers.teachers(ahead, 0.002), "teacher-beaten", "odd")
    assert "1 of 27 students beat their teacher by more than 1.0%" in finding.message
    assert "(3.0%)" in finding.message
    assert not check_teachers.teachers(ahead, 0.01)


# --- against a fitted law --------------------------------------------------------------------------------


def test_outliers_are_named_with_their_residual(both):
    table = noisy(both, 0.003)
    wrong = changed(changed(table, 8, loss=1.05 * table.records[8].loss), 40, loss=0.95 * table.records[40].loss)
    found = check_law.outliers(wrong, check_law.fitted(wrong))
    assert [(finding.code, finding.run_ids) for finding in found] == [("outliers", ("r8",)), ("outliers", ("r40",))]
    residual = float(found[0].message.split("run r8 by +")[1].partition("%")[0])
    assert residual == pytest.approx(5, abs=1.2)


def test_a_size_that_is_off_the_law():
    sizes = np.geomspace(2e8, 8e9, 8)
    table = noisy(table_of(supervised_grid(sizes=sizes)), 0.002)
    untuned = [r if r.N != sizes[3] else replace(r, loss=1.025 * r.loss) for r in table.records]
    wrong = RunTable(tuple(untuned), table.convention)
    found = check_law.one_sided(wrong, check_law.fitted(wrong))
    assert [finding.code for finding in found] == ["size-off"]
    assert found[0].run_ids == tuple(f"r{i}" for i in range(18, 24))
    assert "lie above the law that fits the others, by 2." in found[0].message


def test_students_all_on_one_side_of_the_transition(laws):
    far = table_of(distilled_grid(teachers=(1.85, 1.95, 2.2), sizes=SIZES[:2], tokens=TOKENS[:3]))
    finding = only(check_law.teacher_factor(far, laws), "d1-f1", "odd")
    assert "all on one side of 0.9" in finding.message
    assert "add students that need no teacher as poor as theirs" in finding.message
    narrow = table_of(distilled_grid(teachers=(2.3, 2.35), sizes=[1e9, 1.1e9], tokens=[1e11, 1.2e11]))
    assert (
        "too narrow a range to tell d1 and f1" in only(check_law.teacher_factor(narrow, laws), "d1-f1", "odd").message
    )


def test_coefficients_that_a_fit_could_not_tell(both, laws):
    def vague(name):
        fit = laws.distillation
        return replace(laws, distillation=replace(fit, identified={**fit.identified, name: False}))

    assert "do not determine f1" in only(check_law.teacher_factor(both, vague("f1")), "d1-f1", "odd").message
    assert not check_law.teacher_slope(both, laws)
    assert not check_law.teacher_factor(both, laws)


def test_c0_is_named_where_no_form_of_the_law_tells_it(laws, many):
    alike = noisy(table_of(supervised_grid() + distilled_grid(teachers=(2.3, 2.35))), 0.01)
    assert "do not determine c0" in only(check_law.teacher_slope(alike, check_law.fitted(alike)), "c0", "odd").message
    vague = replace(laws.distillation, identified={**laws.distillation.identified, "c0": False})
    assert not check_law.teacher_slope(many, replace(laws, distillation=vague))  # the simplest form does


def test_what_could_not_be_checked_is_said(grid):
    few = check_law.fitted(RunTable(grid.records[::3], grid.convention)).skipped
    assert "10 runs are too few to tell which of them is wrong, 15 would do" in only(few, "not-checked", "odd").message
    fewer = check_law.fitted(RunTable(grid.records[:3], grid.convention)).skipped
    assert "no law could be fitted: too few runs" in only(fewer, "not-checked", "odd").message
    students = check_law.fitted(table_of(distilled_grid())).skipped
    assert "stands on a supervised one, and there is none" in only(students, "not-checked", "odd").message


# --- learning rates --------------------------------------------------------------------------------------


def tried(N, rates, best):
    return [replace(alone(N, 2e10), loss=2.5 + 0.1 * math.log(rate / best) ** 2, extras={"lr": rate}) for rate in rates]


def test_the_best_learning_rate_is_the_last_one_tried():
    table = table_of(tried(1e9, (1e-3, 2e-3, 4e-3), 4e-3) + tried(2e9, (1e-3, 2e-3, 4e-3), 2e-3))
    finding = only(check_rates.edges(table), "learning-rate-edge", "odd")
    assert "in 1 of 2 settings (0.004, the largest of 3, for 1B parameters on 20B tokens)" in finding.message
    assert finding.run_ids == ("r2",)
    assert [record.run_id for record in check_rates.best_rates(table).records] == ["r2", "r4"]
    assert not check_rates.edges(table_of(supervised_grid(extras={"lr": 1e-3})))


def test_a_larger_model_that_is_worse(grid):
    assert not check_rates.not_smooth(grid, 0.0)
    worse = changed(grid, 24, loss=1.03 * grid.records[18].loss)
    finding = only(check_rates.not_smooth(worse, 0.003), "not-smooth", "odd")
    assert finding.run_ids == ("r24",)
    assert "run r24, 4B on 5B tokens, is 3.0% worse than run r18, 1.89B on 5B" in finding.message
    assert not check_rates.not_smooth(worse, 0.01)


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path, grid):
    made = tmp_path / "runs.csv"
    grid.write(made)
    return made


def test_the_answer_comes_first_and_its_next_command_runs(distillaw, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    answer = distillaw("check", path)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "No faults and nothing odd in 30 runs."
    assert "30 finished" in answer.out
    assert answer.err == f"Checking 30 runs of {path} ...\n"
    assert lines[-1] == f"Next: distillaw fit {path} --out law.json"
    assert distillaw(*lines[-1].removeprefix("Next: distillaw ").split()).code == 0


def test_faults_exit_with_1_and_come_before_oddities(distillaw, path, grid):
    wrong = changed(changed(grid, 20, loss=10.9), 3, status="stopped")
    wrong.write(path)
    answer = distillaw("check", path)
    assert answer.code == 1
    assert answer.out.startswith("1 fault and 1 oddity in 30 runs.\n\nFaults:\n- Run r20 is called finished")
    assert "\nOddities:\n- 1 of 30 runs did not finish" in answer.out
    assert answer.out.splitlines()[-1] == f"Next: correct the faults, then distillaw check {path}"
    assert all(len(line.split(" [")[-1]) > 1 for line in answer.out.splitlines() if line.startswith("- "))


def test_json_is_the_contract(distillaw, path, both):
    changed(both, 20, loss=10.9).write(path)
    answer = distillaw("check", path, "--json")
    assert (answer.code, answer.err) == (1, "")
    found = json.loads(answer.out)
    assert set(found) == {"schema", "runs", "n_runs", "faults", "odd", "summary"}
    assert (found["schema"], found["runs"], found["n_runs"]) == ("distillaw/check/1", str(path), 57)
    (fault,) = found["faults"]
    assert set(fault) == {"code", "severity", "message", "run_ids"}
    assert (fault["code"], fault["severity"], fault["run_ids"]) == ("diverged", "fault", ["r20"])
    assert found["summary"]["runs"] == {"supervised": {"finished": 30}, "distillation": {"finished": 27}}
    assert found["summary"]["n_teachers"] == 3
    ranges = found["summary"]["ranges"]["distillation"]
    assert ranges["N"] == pytest.approx([2e8, 4e9])
    assert ranges["teacher_loss"] == [2.1, 2.6]
    assert ranges["C"] is None


def test_bad_input_exits_with_2(distillaw, tmp_path):
    for name, content in (("none.csv", None), ("bad.csv", "N,D,loss\n1e8,2e9,nan\n1e8,-1,3\n")):
        file = tmp_path / name
        if content:
            file.write_text(content)
        answer = distillaw("check", file, "--convention", "6ND")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 2
    assert distillaw("check", tmp_path / "none.csv", "--convention", "7ND", "--map", "loss").code == 2


def test_flags_are_repeated_in_the_next_command(distillaw, tmp_path, grid):
    file = tmp_path / "theirs.csv"
    rows = "".join(f"{record.N},{record.D},{record.loss}\n" for record in grid.records)
    file.write_text("params,tokens,val_loss\n" + rows)
    flags = ["--map", "N=params", "--map", "D=tokens", "--map", "loss=val_loss", "--convention", "6ND"]
    answer = distillaw("check", file, *flags)
    assert answer.out.splitlines()[-1] == f"Next: distillaw fit {file} {' '.join(flags)} --out law.json"


def test_help_holds_examples_on_their_own_lines(distillaw):
    answer = distillaw("check", "--help")
    assert answer.code == 0
    assert "\n    distillaw check" in answer.out


def test_runs_are_named_in_messages():
    assert runs_named(["a"]) == "run a"
    assert runs_named(["a", "b"]) == "runs a and b"
    assert listed(list("abcd")) == "a, b, c and d"
    assert listed(list("abcdef")) == "a, b, c and 3 more"
