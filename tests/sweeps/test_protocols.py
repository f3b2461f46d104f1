"""Grids of the paper's protocols: what the paper prints, and scaled ones that keep its logic and fit their time."""

import json
import tomllib
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitting.errors import InputError
from sweeps import corpora, grid_file
from sweeps.corpora import Corpus
from sweeps.protocols import scales
from sweeps.protocols.cost import cost
from sweeps.protocols.design import Asked, brackets, design
from sweeps.protocols.points import Line, Profile
from sweeps.protocols.scales import PROTOCOLS, RATES, SCALES, Scale
from sweeps.protocols.writing import require_sound, written
from sweeps.spec import RunSpec

SCALED = [name for name in SCALES if name != "paper"]
PAIRS = list(product(SCALES, PROTOCOLS))

TABLE_13 = {
    8: ("103M", 0.1028), 9: ("143M", 0.1434), 10: ("198M", 0.1983), 12: ("340M", 0.3398), 14: ("546M", 0.546),
    17: ("975M", 0.9755), 19: ("1.35B", 1.355), 21: ("1.82B", 1.821), 24: ("2.72B", 2.718), 26: ("3.48B", 3.478),
    29: ("4.82B", 4.823), 34: ("7.75B", 7.747), 36: ("9.17B", 9.173), 40: ("12.6B", 12.61),
}  # fmt: skip
"""Table 13 of arXiv 2502.08606 for the sizes named in a protocol, and the ends of profiles: N in 1e9."""


@cache
def asked(scale: str, protocol: str) -> Asked:
    found = SCALES[scale]
    return design(found, protocol, n_vocab=found.n_vocab, learning_rate=found.learning_rate)


def every(one: Asked) -> list[Asked]:
    return [one, *brackets(one).values()]


def runs(cells: tuple[RunSpec, ...], role: str) -> list[RunSpec]:
    return [cell for cell in cells if cell.role == role]


def sizes(cells: list[RunSpec]) -> list[str]:
    return [TABLE_13[layers][0] for layers in sorted({cell.shape.n_layers for cell in cells})]


# --- what the paper prints ---


def test_the_papers_counts() -> None:
    """73 supervised runs (11 of fixed M, 6 at 512B, four profiles) and 697 distilled ones."""
    grids = {protocol: asked("paper", protocol) for protocol in PROTOCOLS}
    for grid in grids.values():
        parts = Counter(b.note for b in grid.blocks if b.role == "supervised" for _ in b.cells)
        assert list(parts.values()) == [11, 6, 14, 14, 14, 14]
        assert len(runs(grid.cells, "supervised")) == 73
    distilled = {protocol: len(runs(grid.cells, "distilled")) for protocol, grid in grids.items()}
    assert sum(distilled.values()) == 697
    teachers = {protocol: len(runs(grid.cells, "teacher")) for protocol, grid in grids.items()}
    assert teachers == {"fixed-m-teacher": 6, "isoflop-teacher": 4 * 14, "fixed-m": 10}


def test_the_papers_sizes_and_budgets() -> None:
    one, two, three = (asked("paper", protocol).cells for protocol in PROTOCOLS)
    assert sizes(runs(one, "teacher")) == ["546M", "975M", "1.82B", "2.72B", "4.82B", "7.75B"]
    assert sizes(runs(two, "distilled")) == ["198M", "546M", "975M", "1.82B"]
    assert {"143M", "198M", "546M"} <= set(sizes(runs(three, "distilled")))
    ratios = {round(cell.D / cell.N, 1) for cell in runs(three, "distilled")}
    assert {round(ratio, -1) for ratio in ratios} == {20, 40, 80, 160, 320}
    assert sum(cell.tokens == 512e9 for cell in runs(one, "supervised")) == 6
    further = {cell.teachers[0].id for cell in runs(one, "distilled") if cell.training_flops > 2e21}
    assert [name[:6] for name in further] == ["t-L34-"]


def test_the_papers_models_are_table_13s() -> None:
    cells = [cell for protocol in PROTOCOLS for cell in asked("paper", protocol).cells]
    for cell in cells:
        if cell.shape.n_layers in TABLE_13:
            assert cell.N == pytest.approx(1e9 * TABLE_13[cell.shape.n_layers][1], rel=5e-4)
    depths = {cell.shape.n_layers for cell in cells}
    assert min(depths) == 8
    assert max(depths) == 40
    assert 37 not in depths  # its printed d_ffn and N do not agree
    shapes = {cell.shape for cell in cells}
    assert {(shape.n_ctx, shape.n_vocab, shape.d_model / shape.n_layers) for shape in shapes} == {(4096, 32768, 128)}


# --- what holds at every scale ---


@pytest.mark.parametrize(("scale", "protocol"), PAIRS)
def test_m_or_c_is_constant_as_the_protocol_says(scale: str, protocol: str) -> None:
    grid, found = asked(scale, protocol), SCALES[scale]
    wanted = found.designs[protocol]
    labels = {p.label: p for p in (*wanted.teachers, *wanted.apart, *wanted.students, *found.supervised)}
    labels |= {points.label: points for points, _ in wanted.further}
    checked = 0
    for block in grid.blocks:
        points = next(labels[label] for label in sorted(labels, key=len, reverse=True) if f", {label}" in block.note)
        for cell in block.cells:
            half_a_step = 0.5 * found.batch_tokens / cell.tokens
            if isinstance(points, Line):
                off = min(abs(cell.D / cell.N / ratio - 1) for ratio in points.ratios)
            elif isinstance(points, Profile):
                off = abs(cell.training_flops / points.C - 1)
            else:
                off = abs(cell.tokens / points.tokens - 1)
            assert off <= 1.01 * half_a_step + 1e-12, (cell.id, off)
            assert half_a_step < 0.003
            checked += 1
    assert checked == len(grid.cells)


@pytest.mark.parametrize("scale", SCALES)
def test_who_varies_how(scale: str) -> None:
    kinds = {"fixed-m-teacher": (Line, Profile), "isoflop-teacher": (Profile, Line), "fixed-m": (Line, Line)}
    for protocol, (teachers, students) in kinds.items():
        found = SCALES[scale].designs[protocol]
        assert all(isinstance(points, teachers) for points in found.teachers)
        assert all(isinstance(points, students) for points in found.students)
        assert len(runs(asked(scale, protocol).cells, "teacher")) >= 4


@pytest.mark.parametrize(("scale", "protocol"), list(product(SCALED, PROTOCOLS)))
def test_the_loss_of_a_teacher_varies_apart_from_its_size(scale: str, protocol: str) -> None:
    tokens: dict[int, set[int]] = {}
    for cell in runs(asked(scale, protocol).cells, "teacher"):
        tokens.setdefault(cell.N, set()).add(cell.tokens)
    assert max(len(found) for found in tokens.values()) > 1
    assert len(tokens) >= 3


@pytest.mark.parametrize(("scale", "protocol"), list(product(SCALED, PROTOCOLS)))
def test_small_cells_have_two_seeds_and_most_runs_enough_steps(scale: str, protocol: str) -> None:
    cells = asked(scale, protocol).cells
    students = runs(cells, "distilled")
    smallest = min(cell.N for cell in students)
    assert {cell.seed for cell in students if cell.N == smallest} == {0, 1}
    assert {cell.seed for cell in runs(cells, "supervised")} == {0, 1}
    assert sum(cell.steps < 500 for cell in cells) < 0.25 * len(cells)
    assert min(cell.steps for cell in cells) > 200


@pytest.mark.parametrize(("scale", "protocol"), list(product(SCALED, PROTOCOLS)))
def test_a_scaled_grid_and_its_brackets_fit_their_time(scale: str, protocol: str) -> None:
    grid, found = asked(scale, protocol), SCALES[scale]
    assert found.seconds is not None
    assert found.rate is not None
    total = cost(grid, brackets(grid).values(), 0.4).total
    assert 0.5 < total / (found.seconds * found.rate) <= 1


@pytest.mark.parametrize(("scale", "protocol"), PAIRS)
def test_rates_are_bracketed_at_both_ends(scale: str, protocol: str) -> None:
    grid = asked(scale, protocol)
    found = brackets(grid)
    assert tuple(found) == RATES
    ends = {min(cell.N for cell in grid.cells), max(cell.N for cell in grid.cells)}
    for factor, bracket in found.items():
        supervised = runs(bracket.cells, "supervised")
        assert {cell.N for cell in supervised} == ends
        for cell in supervised:
            assert cell.tokens == max(other.tokens for other in grid.cells if other.N == cell.N)
        assert {cell.recipe.learning_rate for cell in bracket.cells} == {factor * SCALES[scale].learning_rate}
        assert [cell.N for cell in runs(bracket.cells, "distilled")] == [min(ends)]


# --- the files ---


def huge(source: Any, scale: Scale) -> Corpus:
    """A corpus of as many tokens as the paper's, which takes no memory."""
    half = np.broadcast_to(np.uint16(0), (90_000_000_000,))
    return Corpus("huge", "huge", scale.n_vocab, "0" * 64, "1" * 64, half, half, half)


@pytest.mark.parametrize(("scale", "protocol"), PAIRS)
def test_a_file_reads_back_as_the_runs_that_were_counted(scale: str, protocol: str, monkeypatch, tmp_path) -> None:
    found = SCALES[scale]
    if found.corpus is None:
        monkeypatch.setattr(corpora, "load", lambda source: huge(source, found))
    for one in every(asked(scale, protocol)):
        text = written(one, None if found.corpus else "corpus", "about")
        read = grid_file.parse(tomllib.loads(text), tmp_path)
        assert read.name == one.name
        assert [plain(cell) for cell in read.cells] == [plain(cell) for cell in one.cells]


def plain(cell: RunSpec) -> RunSpec:
    """A run without the identity of its text."""
    return replace(
        cell,
        recipe=replace(cell.recipe, corpus=""),
        teachers=tuple(plain(teacher) for teacher in cell.teachers if isinstance(teacher, RunSpec)),
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_corpus_to_be_prepared_is_no_fault_and_anything_else_is(protocol: str, tmp_path) -> None:
    text = written(asked("paper", protocol), "corpus", "about")
    require_sound(text, tmp_path, corpus_at_hand=False)
    for broken, at_hand in ((text, True), (text.replace("n_ctx = 4096", "n_ctx = 4095"), False)):
        with pytest.raises(InputError, match=r"path|n_ctx"):
            require_sound(broken, tmp_path, corpus_at_hand=at_hand)


# --- the command ---


@pytest.fixture(autouse=True)
def untimed(monkeypatch) -> None:
    monkeypatch.setattr("sweeps.estimate._seconds_per_token", lambda cell: (1e-5, 3e-6))


def grid(distillaw, out: Path, *options: str) -> Any:
    return distillaw("sweep", "grid", "--out", str(out), *options)


def test_the_command_writes_a_grid_that_runs(distillaw, tmp_path) -> None:
    out = tmp_path / "p1.toml"
    answer = grid(distillaw, out, "--protocol", "fixed-m-teacher", "--learning-rate", "0.02")
    assert answer.code == 0, answer.err
    names = {"p1.toml", "p1-rate-0.5x.toml", "p1-rate-1x.toml", "p1-rate-2x.toml"}
    assert {path.name for path in tmp_path.iterdir()} == names
    rates = {path.name: grid_file.load(path).cells[0].recipe.learning_rate for path in tmp_path.iterdir()}
    assert rates["p1.toml"] == rates["p1-rate-1x.toml"] == 0.02
    assert rates["p1-rate-2x.toml"] == 0.04
    first = answer.out.splitlines()[0]
    assert "fixed-m-teacher" in first
    assert "FLOPs" in first
    assert "min" in first
    assert "p1-rate-0.5x.toml" in answer.out
    assert "fewer than 500 steps" in answer.err


def test_json_says_what_it_costs(distillaw, tmp_path) -> None:
    answer = grid(distillaw, tmp_path / "p.toml", "--protocol", "isoflop-teacher", "--scale", "cpu-1h", "--json")
    found = json.loads(answer.out)
    assert found["schema"] == "distillaw/sweep-grid/1"
    parts = [found["flops"][key] for key in ("teachers", "supervised", "students", "logits", "brackets")]
    assert sum(parts) == pytest.approx(found["flops"]["total"])
    assert found["a100_hours"]["total"] == pytest.approx(found["flops"]["total"] / (312e12 * 0.4 * 3600))
    assert found["seconds"]["grid"] > found["seconds"]["brackets"] > 0


def test_the_paper_is_counted_and_its_conflicts_are_told(distillaw, tmp_path) -> None:
    answer = grid(distillaw, tmp_path / "p.toml", "--protocol", "isoflop-teacher", "--scale", "paper", "--mfu", "0.5")
    assert answer.code == 0, answer.err
    assert "Fig 3 has 7.75B" in answer.out
    assert "MFU of 50 %" in answer.out
    assert "still to be prepared" in answer.out
    assert "caption of Fig 3" in (tmp_path / "p.toml").read_text().replace("\n# ", " ")


def test_without_supervised_runs(distillaw, tmp_path) -> None:
    options = ("--protocol", "fixed-m", "--scale", "gpu-30min", "--no-supervised", "--json")
    found = json.loads(grid(distillaw, tmp_path / "p.toml", *options).out)
    assert "supervised" not in found["runs"]
    assert found["flops"]["supervised"] == 0
    assert "assumed" in found["seconds_basis"]


def test_nothing_is_overwritten_unasked(distillaw, tmp_path) -> None:
    (tmp_path / "p-rate-1x.toml").write_text("mine")
    answer = grid(distillaw, tmp_path / "p.toml", "--protocol", "fixed-m")
    assert answer.code == 2
    assert "--force" in answer.err
    assert (tmp_path / "p-rate-1x.toml").read_text() == "mine"
    assert not (tmp_path / "p.toml").exists()
    assert grid(distillaw, tmp_path / "p.toml", "--protocol", "fixed-m", "--force").code == 0


def test_every_mistake_is_told_at_once(distillaw, tmp_path) -> None:
    answer = grid(distillaw, tmp_path / "no" / "p.txt", "--protocol", "fixed-n", "--scale", "cpu-2h", "--mfu", "3")
    assert answer.code == 2
    for part in ("did you mean 'fixed-m'", "did you mean 'cpu-1h'", "--mfu", "there is no folder"):
        assert part in answer.err


def test_a_corpus_that_is_too_small_is_refused_before_anything_is_written(distillaw, tmp_path, monkeypatch) -> None:
    half = np.zeros(100_000, dtype=np.uint16)
    small = Corpus("small", "small", 4096, "0" * 64, "1" * 64, half, half, np.broadcast_to(half[0], (10**7,)))
    monkeypatch.setattr(corpora, "load", lambda source: small)
    options = ("--protocol", "fixed-m", "--scale", "gpu-30min", "--corpus", str(tmp_path))
    answer = grid(distillaw, tmp_path / "p.toml", *options)
    assert answer.code == 2
    assert "--repeat" in answer.err
    assert not (tmp_path / "p.toml").exists()
    assert grid(distillaw, tmp_path / "p.toml", *options, "--repeat").code == 0
    assert 'path = "."' in (tmp_path / "p.toml").read_text()


def test_readings_exist_for_every_protocol() -> None:
    assert set(scales.READINGS) == {"", *PROTOCOLS}
