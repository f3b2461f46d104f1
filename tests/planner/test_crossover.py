"""Where distilling stops paying: against brute force and plans, the shape of the answer, draws, words, refusals."""

import json
import subprocess
import sys
from dataclasses import astuple, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting import intervals
from fitting.errors import Infeasible, InputError
from fitting.findings import Draws
from fitting.fit import COEFFICIENTS, Fit
from fitting.progress import silent
from fitting.published import BESIROGLU2024_LAW, BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW
from planner.allocation import optimum
from planner.crossover.crossing import crossover, crossover_map, margin_of
from planner.crossover.draws import _FINE, Drawn, _between, _margins
from planner.crossover.partition import SHORTEST, partition, sides
from planner.crossover.report import sentence
from planner.crossover.stretches import Shares
from planner.decision import plans
from planner.plans import Plan
from planner.problems import Problems
from planner.scenarios import Charges, scenarios
from planner.search import minima

LAW = BUSBRIDGE2025_LAW
ALL = (1.0, 1e40)
"""More budgets than any law is searched for: all that there are."""

SIDE = {"distil": 1, "supervise": -1, "neither": 0}


def changes(found, scenario):
    """(budget, winner from there on) of every change."""
    return [(each.low, each.winner) for each in found.scenarios[scenario][1:]]


def brute_force(N_S, C, pay_logits, pay_pretraining):
    """Δ by a grid over all teachers in [1e6, 1e17]², refined around its best point; Table 6 and Eq 69 typed in anew."""

    def forward(N):
        return 2 * N * (1 + 155.061 * N ** (-1 / 3) + 72131.7 * N ** (-2 / 3))

    def alone(N, D):
        return 1.220 + (3355 * N**-0.408 + 18186 * D**-0.431) ** 0.452

    def loss(n, d):
        N_T, D_T = np.exp(n), np.exp(d)
        L_T = alone(N_T, D_T)
        D_S = (C - pay_pretraining * 3 * forward(N_T) * D_T) / (3 * forward(N_S) + pay_logits * forward(N_T))
        D = np.maximum(D_S, 1e6)
        gap = 522.6 * 0.090 * np.logaddexp(0, np.log(L_T / alone(N_S, D) / 1.315) / 0.090)
        found = L_T + np.exp(-2.549 * np.log(L_T) - gap) * (2243 * N_S**-0.321 + 24181 * D**-0.637) ** 0.764
        return np.where(D_S >= 1e6, found, np.inf)

    box = np.log(1e6), np.log(1e17)
    n = d = np.linspace(*box, 600)
    step = n[1] - n[0]
    for _ in range(7):
        values = loss(n[:, None], d[None, :])
        i, j = np.unravel_index(np.argmin(values), values.shape)
        best = values[i, j]
        n, d = (np.clip(x + step * np.linspace(-3, 3, 61), *box) for x in (n[i], d[j]))
        step /= 10
    return alone(N_S, C / (3 * forward(N_S))) - best


@pytest.mark.parametrize(
    ("student", "best_case", "teacher_inference"),
    [(3e8, 9e22, 6.5e21), (5e8, 2.1e22, 2.6e21), (1e9, 2.2e22, 3.7e21), (3e9, 9.3e22, 1.6e22), (5e9, 2.6e23, 4.0e22),
     (1e10, 1.8e24, 1.8e23)],
)  # fmt: skip
def test_the_sign_changes_where_an_independent_solver_found_it(student, best_case, teacher_inference):
    """Values of a separate SLSQP study of the printed law, to the digits it gave."""
    found = crossover(LAW, student=student, tolerance=0, budgets=(1e20, 1e26))
    for scenario, expected in (("best-case", best_case), ("teacher-inference", teacher_inference)):
        assert changes(found, scenario) == [(pytest.approx(expected, rel=0.06), "supervise")]
        assert found.scenarios[scenario][0].winner == "distil"


@pytest.mark.parametrize(("student", "expected"), [(3e8, 3.6e21), (1e9, 2.2e21), (3e9, 1.1e22), (1e10, 1.3e23)])
def test_so_it_does_under_the_law_of_the_figures(student, expected):
    found = crossover(BUSBRIDGE2025_FIGURES_LAW, student=student, tolerance=0, budgets=(1e20, 1e26))
    assert changes(found, "teacher-inference") == [(pytest.approx(expected, rel=0.12), "supervise")]


@pytest.mark.parametrize(
    ("student", "scenario", "deltas", "expected"),
    [
        (3e10, "teacher-inference", (1, 0), [(2.343e25, "supervise"), (8.092e25, "distil")]),
        (3e8, "teacher-pretraining", (0, 1), [(1.792e21, "distil"), (8.922e22, "supervise")]),
        (3e8, "best-case", (0, 0), [(9.381e22, "supervise")]),
        (1e9, "teacher-inference", (1, 0), [(3.662e21, "supervise")]),
    ],
)
def test_changes_are_where_brute_force_sees_them(student, scenario, deltas, expected):
    """A 30B student changes sides twice, at margins of some 1e-5 nats; 300M distils only in between."""
    found = crossover(LAW, student=student, tolerance=0, budgets=(1e19, 1e27))
    assert changes(found, scenario) == [(pytest.approx(C, rel=1e-3), winner) for C, winner in expected]
    for C, winner in changes(found, scenario):
        before, after = (brute_force(student, C * factor, *deltas) for factor in (0.995, 1.005))
        assert (np.sign(before), np.sign(after)) == (-SIDE[winner], SIDE[winner])


def test_pretraining_also_pays_on_next_to_no_tokens():
    """Below some 2e8 tokens, where the printed law has no data term to speak of, nor any run."""
    first, second, *_ = changes(crossover(LAW, student=3e8, tolerance=0, budgets=ALL), "teacher-pretraining")
    assert first[1] == "distil"
    assert second == (pytest.approx(5.32e17, rel=1e-2), "supervise")


@pytest.mark.parametrize(("student", "expected"), [(3e8, 7.69e21), (3e10, 2.66e25)])
def test_in_the_best_case_the_margin_stays_below_the_tolerance(student, expected):
    *_, last = crossover(LAW, student=student).scenarios["best-case"]
    assert last.winner == "neither"
    assert last.low == pytest.approx(expected, rel=1e-2)
    budgets = np.geomspace(last.low * 1.01, last.high * 0.99, 6)
    assert max(abs(brute_force(student, C, 0, 0)) for C in budgets) < 0.005
    assert brute_force(student, last.low * 0.99, 0, 0) > 0.005


@pytest.mark.parametrize("student", [3e10, 5e10])
def test_in_the_best_case_large_students_are_always_distilled(student):
    (only,) = crossover(LAW, student=student, tolerance=0, budgets=(1e20, 1e27)).scenarios["best-case"]
    assert only.winner == "distil"


@pytest.mark.parametrize("law", [LAW, BUSBRIDGE2025_FIGURES_LAW])
@pytest.mark.parametrize("tolerance", [0.0, 0.005, 0.03])
def test_plans_on_either_side_of_an_end_have_these_winners(law, tolerance):
    found = crossover(law, student=1e9, tolerance=tolerance)
    for name, charges in scenarios().items():
        for before, after in pairwise(found.scenarios[name]):
            made = plans(law, [after.low * (1 - 1e-5), after.low * (1 + 1e-5)], charges, student=1e9)
            margins = [each.margin if isinstance(each, Plan) else -np.inf for each in made]
            assert list(sides(np.array(margins), tolerance)) == [SIDE[before.winner], SIDE[after.winner]]


@settings(max_examples=20, deadline=None)
@given(
    student=st.floats(7.5, 11).map(lambda x: 10**x),
    tolerance=st.sampled_from([0.0, 0.005]) | st.floats(-6, -1).map(lambda x: 10**x),
    ends=st.tuples(st.floats(18, 28), st.floats(18, 28)).filter(lambda x: abs(x[0] - x[1]) > 0.01),
    shares=st.sampled_from([(1.0, 1.0), (0.3, 0.7), (0.0, 1.0), (1.0, 0.0)]),
)
def test_the_stretches_partition_the_budgets(student, tolerance, ends, shares):
    low, high = sorted(10**x for x in ends)
    try:
        found = crossover(LAW, student=student, tolerance=tolerance, budgets=(low, high), charges=Charges(*shares))
    except Infeasible:
        step = float(LAW.convention.training(student, 1))
        assert high < step * 1e6 * 1.01 or low > step * 1e17 * 0.99
        return
    assert set(found.scenarios) == set(scenarios(Charges(*shares)))
    for name, charges in scenarios(Charges(*shares)).items():
        stretches = found.scenarios[name]
        assert (stretches[0].low, stretches[-1].high) == found.budgets
        for each in stretches:
            assert each.low < each.high
            assert each.tokens[1] / each.tokens[0] == pytest.approx(each.high / each.low)
            assert each.draws is None
        for before, after in pairwise(stretches):
            assert before.high == after.low
            assert before.winner != after.winner
        # budgets that the search did not ask about
        budgets = np.geomspace(*found.budgets, 43)[1:-1]
        budgets = budgets[[min(abs(C / each.low - 1) for each in stretches) > 1e-5 for C in budgets]]
        seen = sides(margin_of(LAW, student, charges)(budgets), tolerance)
        said = [SIDE[each.winner] for C in budgets for each in stretches if each.low <= C < each.high]
        assert list(seen) == said


def pieces(function, tolerance=0.1, low=1e20, high=1e24):
    """Pieces of a function of x = log10(C) - 20 in [0, 4]."""
    return partition(lambda C: function(np.log10(C) - 20), low, high, tolerance)


@pytest.mark.parametrize("at", [1.0, 1.01, 1.03, 1.055, 0.001, 3.999])
def test_a_touch_narrower_than_the_grid_is_seen(at):
    """A peak over the threshold for 0.02 of a decade, a third of a cell."""
    found = pieces(lambda x: 0.101 - 10 * (x - at) ** 2)
    wins = [each for each in found if each.side == 1]
    assert len(wins) == 1
    for x, expected in zip(np.log10([wins[0].low, wins[0].high]) - 20, (at - 0.01, at + 0.01), strict=True):
        assert x == pytest.approx(np.clip(expected, 0, 4), abs=1e-6)
    assert [each.side for each in pieces(lambda x: 0.0999 - 10 * (x - at) ** 2) if each.side == 1] == []
    assert [each.side for each in pieces(lambda x: 10 * abs(x - at) - 0.101) if each.side == -1] == [-1]


def test_ends_are_found_to_a_millionth_even_two_in_one_cell():
    found = pieces(lambda x: 50 * (x - 1.234))
    assert [each.side for each in found] == [-1, 0, 1]
    assert [each.high for each in found[:-1]] == pytest.approx([10**21.232, 10**21.236], rel=1e-6)


def test_jumps_and_the_infeasible():
    found = pieces(lambda x: np.where(x < 0.5, -np.inf, np.where(x < 2.2, 1.0, -1.0)))
    assert [each.side for each in found] == [-1, 1, -1]
    assert [each.high for each in found[:-1]] == pytest.approx([10**20.5, 10**22.2], rel=1e-6)


def test_without_a_tolerance_only_nothing_is_neither():
    assert [each.side for each in pieces(lambda x: 0 * x, 0.0)] == [0]
    assert [each.side for each in pieces(lambda x: np.round(x - 2.0, 12), 0.0)] == [-1, 1]
    assert [each.side for each in pieces(lambda x: np.maximum(x - 2.0, 0.0), 0.0)] == [0, 1]


def test_a_range_too_narrow_to_cut_is_one_piece():
    ((low, high, _),) = pieces(lambda x: x - 1, 0.0, 1e21, 1e21 * (1 + 0.5 * SHORTEST))
    assert low < high


def fitted(law, **draws):
    """The law as a fit with draws: arrays of coefficients in place of the law's own, "distillation.B" and the like."""
    count = len(next(iter(draws.values())))

    def drawn(part, names, prefix):
        found = {name: np.asarray(draws.get(prefix + name, np.full(count, getattr(part, name)))) for name in names}
        return Draws(found, "run", count)

    base = replace(Fit.given(law), draws=drawn(law.supervised, COEFFICIENTS["supervised"], ""))
    own = COEFFICIENTS["distillation"]
    fit = replace(
        base,
        form="distillation",
        coefficients={name: float(getattr(law.distillation, name)) for name in own},
        identified=dict.fromkeys(own, True),
        intervals=dict.fromkeys(own),
        status="converged",
        objective=0.0,
        n_runs=200,
        supervised=base,
        draws=drawn(law.distillation, own, "distillation."),
    )
    return replace(law, fitted=fit, published=False, second_opinion=None)


def scattered(count, seed=0):
    """Draws around the law of the figures, a few per mille wide."""
    rng, law = np.random.default_rng(seed), BUSBRIDGE2025_FIGURES_LAW
    names = [("", law.supervised, "A B E alpha beta gamma"), ("distillation.", law.distillation, "A B alpha gamma d1")]
    return fitted(
        law,
        **{
            prefix + name: getattr(part, name) * np.exp(0.003 * rng.standard_normal(count))
            for prefix, part, listed in names
            for name in listed.split()
        },
    )


def test_two_draws_on_two_sides_count_half_each():
    """1B changes sides at 3.66e21 by the printed law and at 2.42e21 by that of the figures."""
    law = fitted(LAW, **{"distillation.B": np.array([24181, 1.36e6])})
    found = crossover(law, student=1e9, tolerance=0, budgets=(2.5e21, 3.5e21))
    assert found.draws == 2
    (only,) = found.scenarios["teacher-inference"]
    assert (only.draws.distil, only.draws.supervise, only.draws.neither) == pytest.approx((0.5, 0.5, 0))
    (only,) = found.scenarios["best-case"]
    assert only.draws.distil == pytest.approx(1)
    assert "law-error" not in {doubt.code for doubt in found.warnings}


def test_each_draw_has_its_own_optimum():
    law = scattered(60)
    drawn = intervals.drawn(law.fitted)
    budgets = np.array([1e18, 1e20, 3e21, 1e23])
    for charges in scenarios().values():
        found = _margins(Problems.of(law, 1e9, 1e18, charges, drawn=drawn), budgets)
        for C, margins in zip(budgets, found, strict=True):
            problems = Problems.of(law, 1e9, C, charges, drawn=drawn)
            exact = problems.supervised_loss() - optimum(problems)[0].loss
            assert list(np.isfinite(margins)) == list(np.isfinite(exact))
            close = np.abs(exact) < 0.05  # where a margin decides
            assert margins[close] == pytest.approx(exact[close], abs=5e-4)


def test_between_budgets_a_margin_is_a_cubic():
    x = np.linspace(0, 4, 9)
    fine = np.linspace(0, 4, 8 * _FINE + 1)
    assert _between(np.stack([x, 0.1 * x**2], axis=1)) == pytest.approx(np.stack([fine, 0.1 * fine**2], axis=1))
    jump = _between(np.array([-np.inf, -np.inf, 1.0, 2.0, 3.0])[:, None])[:, 0]
    assert not np.isnan(jump).any()
    assert np.isneginf(jump[: 3 * _FINE // 2]).all()
    assert (jump[3 * _FINE // 2 :] >= 1).all()


@pytest.mark.parametrize(("student", "tolerance"), [(1e9, 0.0), (3e9, 0.02)])
def test_shares_are_those_of_many_exact_optima(student, tolerance):
    """In narrow stretches too, where the shares change from end to end: 3B has one of a sixth of a decade."""
    law = scattered(40)
    low, high = (float(law.convention.training(student, D)) for D in (4e9, 4e12))
    drawn = intervals.drawn(law.fitted)
    found = Drawn.of(law, student, scenarios(), (low, high), tolerance, silent)
    log_C = np.linspace(*np.log([low, high]), 97)
    for name, charges in scenarios().items():
        shares = []
        for C in np.exp(log_C):
            problems = Problems.of(law, student, C, charges, drawn=drawn)
            side = sides(problems.supervised_loss() - minima(problems, *problems.t_range(), points=65).y, tolerance)
            shares.append([np.mean(side == which) for which in (1, -1, 0)])
        exact = Drawn(40, {name: (log_C, np.array(shares))})
        for piece in partition(margin_of(law, student, charges), low, high, tolerance):
            pair = (np.array(astuple(x.shares(name, piece))) for x in (found, exact))
            assert next(pair) == pytest.approx(next(pair), abs=0.03)


def test_shares_are_averaged_over_the_log_of_the_budget():
    shares = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    drawn = Drawn(10, {"best-case": (np.log([1e20, 1e21, 1e23]), shares)})
    ((piece,),) = (partition(lambda C: C, 1e20, 1e23, 0.0),)
    mean = drawn.shares("best-case", piece)
    assert (mean.distil, mean.supervise, mean.neither) == pytest.approx((1 / 6, 1 / 3, 1 / 2))
    narrow = drawn.shares("best-case", piece._replace(low=10**20.49, high=10**20.51))
    assert (narrow.distil, narrow.neither) == pytest.approx((0.5, 0.5))


def test_a_fit_with_draws_says_their_shares(distillaw, tmp_path):
    scattered(20).fitted.to_json(tmp_path / "law.json")
    arguments = ["crossover", "--student", "1B", "--law", tmp_path / "law.json", "--budget", "1e20:1e23"]
    shown = distillaw(*arguments)
    assert "draws: distil" in shown.out
    assert "Shares of 20 draws" in shown.out
    assert "Asking every draw" in shown.err
    answer = distillaw(*arguments, "--json")
    assert answer.err == ""
    for stretches in json.loads(answer.out)["scenarios"].values():
        for each in stretches:
            assert set(each["draws"]) == {"distil", "supervise", "neither"}
            assert sum(each["draws"].values()) == pytest.approx(1)


def test_json_is_one_object_of_the_contract(distillaw):
    answer = distillaw("crossover", "--student", "1B", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert set(found) == {
        "schema", "law", "student", "tolerance", "deltas", "range", "support", "scenarios", "warnings",
    }  # fmt: skip
    assert found["schema"] == "distillaw/crossover/1"
    assert (found["student"], found["tolerance"]) == (1e9, 0.005)
    assert list(found["scenarios"]) == [
        "best-case", "teacher-inference", "teacher-pretraining", "teacher-pretraining+inference",
    ]  # fmt: skip
    step = float(LAW.convention.training(1e9, 1))
    # from a tenth of the fewest tokens of the law's runs to the most that the law is searched for
    assert found["range"] == {"from": pytest.approx(step * 4e8), "to": pytest.approx(step * 1e17)}
    assert found["support"] == {"from": pytest.approx(step * 4e9), "to": pytest.approx(step * 512e9)}
    for stretches in found["scenarios"].values():
        for each in stretches:
            assert set(each) == {"from", "to", "tokens_from", "tokens_to", "winner", "draws"}
            assert each["winner"] in SIDE
            assert each["tokens_to"] == pytest.approx(each["to"] / step)
            assert each["draws"] is None
    assert {each["code"] for each in found["warnings"]} == {"support", "law-error", "second-opinion"}


def test_the_command_answers_as_the_function_does(distillaw):
    flags = ["--student", "3B", "--budget", "1e21:1e24", "--tolerance", "0.001", "--pay-logits", "0.5"]
    printed = json.loads(distillaw("crossover", *flags, "--pay-pretraining", "0.25", "--json").out)
    direct = crossover(LAW, student=3e9, budgets=(1e21, 1e24), tolerance=0.001, charges=Charges(0.5, 0.25))
    assert printed == json.loads(json.dumps(direct.to_json()))
    assert printed["deltas"] == {"logits": 0.5, "pretraining": 0.25}


def test_frames_and_notebooks():
    found = crossover(LAW, student=1e9)
    frame = found.to_frame()
    assert len(frame) == sum(map(len, found.scenarios.values()))
    assert list(frame.columns[:4]) == ["scenario", "from", "to", "tokens_from"]
    assert frame["draws_distil"].isna().all()
    html = found._repr_html_()
    assert "Best case: distil up to 8.33e21 FLOPs" in html
    assert "[law-error]" in html


def test_the_answer_comes_first_then_the_table(distillaw):
    answer = distillaw("crossover", "--student", "1B")
    lines = answer.out.splitlines()
    assert lines[0] == (
        "Best case: distil up to 8.33e21 FLOPs (1.13T tokens), neither up to 1.31e23 (17.9T), then train directly."
    )
    assert [line.partition(":")[0] for line in lines[1:4]] == [
        "Teacher inference", "Teacher pretraining", "Teacher pretraining and inference",
    ]  # fmt: skip
    assert lines[-1] == "Next: distillaw plan teacher-exists --student 1B --budget 1.95e21"
    for code in ("support", "law-error", "second-opinion"):
        assert f"[{code}]" in answer.err


def test_a_sentence_passes_over_slivers_unless_it_is_about_them():
    whole = crossover(LAW, student=1e9, budgets=ALL).scenarios["teacher-inference"]
    assert whole[0].winner == "supervise"
    assert sentence("teacher-inference", whole).startswith("Teacher inference: distil up to 1.95e21 FLOPs")
    near = crossover(LAW, student=1e9, budgets=(1.9e21, 2e21)).scenarios["teacher-inference"]
    assert sentence("teacher-inference", near) == (
        "Teacher inference: distil up to 1.95e21 FLOPs (265B tokens), then neither."
    )


def test_the_second_opinion_is_about_few_tokens_alone(distillaw):
    (opinion,) = [x.message for x in crossover(LAW, student=1e9, budgets=ALL).warnings if x.code == "second-opinion"]
    assert "below 2.95e19 FLOPs" in opinion
    assert "Best case" not in opinion  # where the two laws say the same
    other = crossover(BUSBRIDGE2025_FIGURES_LAW, student=1e9, budgets=ALL).scenarios["teacher-pretraining"]
    assert f"distil up to {other[2].high:.3g}".replace("+", "") in opinion
    enough = crossover(LAW, student=1e9, budgets=(1e20, 1e21))
    assert "second-opinion" not in {doubt.code for doubt in enough.warnings}


def test_strict_keeps_to_the_runs(distillaw):
    answer = distillaw("crossover", "--student", "1B", "--strict")
    assert (answer.code, answer.out) == (1, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("error: --strict: ")
    advised = line.partition("--budget ")[2].split()[0]
    kept = distillaw("crossover", "--student", "1B", "--strict", "--budget", advised)
    assert kept.code == 0
    assert "[support]" not in kept.err
    assert "partly" not in kept.out
    large = distillaw("crossover", "--student", "30B", "--strict", "--budget", "1e21:1e22")
    assert large.code == 1
    assert "30B student lies outside the runs" in large.err
    unasked = distillaw("crossover", "--student", "30B", "--budget", "1e21:1e22")
    assert not [line for line in unasked.out.splitlines() if line.endswith(("yes", "partly"))]
    none = distillaw("crossover", "--student", "1B", "--budget", "1e23:1e24")
    assert "which is none of these budgets" in none.err


def test_budgets_beyond_the_search_are_cut_off_and_said(distillaw):
    found = crossover(LAW, student=1e9, budgets=(1.0, 1e30))
    step = float(LAW.convention.training(1e9, 1))
    assert found.budgets == pytest.approx((step * 1e6, step * 1e17))
    assert "range" in {doubt.code for doubt in found.warnings}
    for budgets in ("1e5:1e6", "1e30:1e31"):
        answer = distillaw("crossover", "--student", "1B", "--budget", budgets)
        assert answer.code == 1
        assert "7.36e15 to 7.36e26 do" in answer.err


def test_sizes_with_embeddings_are_converted(distillaw):
    whole = distillaw("crossover", "--student", "1.047B", "--total", "--budget", "1e21:1e22", "--json")
    assert json.loads(whole.out)["student"] == pytest.approx(0.9755e9, rel=1e-3)  # Table 13's 975M


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--budget", "1e26:1e20"], "--budget: the range '1e26:1e20' runs backwards; write 1e20:1e26"),
        (["--budget", "1e20:1e20"], "--budget: the range '1e20:1e20' is empty"),
        (["--budget", ""], "--budget: '' is not a range; write low:high"),
        (["--budget", "1e21"], "--budget: '1e21' is not a range; write low:high"),
        (["--budget", "low:high"], "--budget: 'low' is not a number"),
        (["--budget", "1e20:1e26:7"], "--budget: '1e20:1e26:7' asks for 7 points"),
        (["--tolerance", "-0.1"], "--tolerance: must be zero or more"),
        (["--tolerance", "nan"], "--tolerance: must be zero or more"),
        (["--tolerance", "small"], "--tolerance: 'small' is not a number"),
        (["--pay-logits", "2"], "--pay-logits: must lie between 0 and 1"),
        (["--pay-pretraining", "all"], "--pay-pretraining: 'all' is not a number"),
        (["--student", "1e300"], "student: 1e+300 parameters cost more FLOPs"),
        (["--law", "busbridge"], "did you mean 'busbridge2025'"),
        (["--law", "hoffmann2022"], "add --total"),
        (["--law", "hoffmann2022", "--total"], "supervised training only"),
    ],
)
def test_bad_flags_get_one_line(distillaw, flags, words):
    answer = distillaw("crossover", "--student", "1B", *flags)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert words in line


def test_bad_arguments_are_refused_together():
    with pytest.raises(InputError) as refused:
        crossover(LAW, student=-1.0, tolerance=float("nan"), budgets=(1e22, 1e21))
    assert [line.partition(":")[0] for line in refused.value.faults] == ["student", "tolerance", "budgets"]
    with pytest.raises(InputError, match="supervised training only"):
        crossover(BESIROGLU2024_LAW, student=1e9)


def test_below_what_any_teacher_costs_every_draw_trains_directly(law_with_draws):
    """The edge of what can be paid for is that of the box: no draw distils on one side, nearly all on the other."""
    found = crossover(law_with_draws(40, 0.003), student=1e7, budgets=(1e14, 1e17)).scenarios["teacher-inference"]
    edge = float(LAW.convention.training(1e7, 1e6) + LAW.convention.forward(1e6) * 1e6)
    assert found[0].winner == "supervise"
    assert found[0].high == pytest.approx(edge, rel=1e-5)
    assert found[0].draws == Shares(0.0, 1.0, 0.0)
    assert found[1].winner == "distil"
    assert found[1].draws.distil > 0.99


def test_a_student_beyond_all_numbers_is_refused(distillaw):
    answer = distillaw("crossover", "--student", "1e290")
    assert (answer.code, answer.out) == (2, "")
    assert "more FLOPs than a floating-point number holds" in answer.err


def test_a_map_holds_the_margins_of_plans():
    students, budgets = np.array([3e8, 1e10, 1e12]), np.array([1e17, 1e20, 1e22, 1e25])
    found = crossover_map(LAW, students, budgets, Charges(1, 0))
    assert found.shape == (3, 4)
    for i, N in enumerate(students):
        for j, made in enumerate(plans(LAW, budgets, Charges(1, 0), student=N)):
            if isinstance(made, Infeasible):
                assert np.isnan(found[i, j])
            else:
                assert found[i, j] == pytest.approx(made.margin, abs=1e-7)
    assert np.isnan(found[2, 0])


def test_the_command_is_listed_and_explains_itself(distillaw):
    assert "\n  crossover " in distillaw("--help").out
    answer = distillaw("crossover", "--help")
    assert "Examples:\n" in answer.out
    assert "  distillaw crossover --student 1B\n" in answer.out


def test_help_needs_no_numbers():
    code = "import sys, planner.crossover.cli; print([x for x in ('numpy', 'fitting.published') if x in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
