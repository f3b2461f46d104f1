"""Grid files: what they become, and that every fault in one is named at once with its remedy."""

import json
import tomllib
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fitting import flops
from fitting.errors import InputError
from sweeps import grid_file
from sweeps.consultation import Consultation
from sweeps.schedule import learning_rate
from sweeps.spec import GridSpec, RunSpec

GRIDS = Path(__file__).resolve().parents[2] / "data" / "grids"

SOUND = tomllib.loads("""
name = "small"
[training]
batch_tokens = 1024
learning_rate = 0.01
[[teachers]]
layers = 2
tokens = "256K"
[[supervised]]
layers = [1, 2]
tokens = ["128K", 256_000]
seeds = [0, 1]
[[distilled]]
layers = 1
tokens = "128K"
teachers = "t-L2-256K-s0"
""")


def changed(**tables: Any) -> dict[str, Any]:
    """The sound grid with keys of its tables replaced, or removed where the value is None."""
    data = deepcopy(SOUND)
    for name, keys in tables.items():
        table = data.setdefault(name, {})
        target = table[0] if isinstance(table, list) else table
        for key, value in keys.items():
            if value is None:
                del target[key]
            else:
                target[key] = value
    return data


def faults(data: dict[str, Any]) -> list[str]:
    with pytest.raises(InputError) as caught:
        grid_file.parse(data)
    return list(caught.value.faults)


def test_a_grid_is_the_product_of_its_lists() -> None:
    grid = grid_file.parse(SOUND)
    assert [cell.id for cell in grid.cells] == [
        "t-L2-256K-s0",
        *(f"s-L{layers}-{tokens}-s{seed}" for layers in (1, 2) for tokens in ("128K", "256K") for seed in (0, 1)),
        "d-L1-128K-s0-from-t-L2-256K-s0",
    ]
    distilled = grid.cells[-1]
    assert distilled.teachers == (grid.cells[0],)
    assert (distilled.steps, distilled.tokens, distilled.half) == (125, 128_000, "student")
    assert distilled.consultation == Consultation()
    assert (grid.cells[0].half, grid.cells[0].consultation) == ("teacher", None)


def test_flops_are_the_ledgers() -> None:
    cell = grid_file.parse(SOUND).cells[-1]
    (teacher,) = cell.teachers
    assert cell.training_flops == flops.training(cell.shape, 128_000)
    assert cell.logits_flops == flops.forward(teacher.shape).total * 128_000
    assert cell.total_flops == cell.training_flops + cell.logits_flops


def test_a_cell_is_json_and_its_digest_sees_its_teacher() -> None:
    cell = grid_file.parse(SOUND).cells[-1]
    assert RunSpec.from_dict(json.loads(json.dumps(cell.to_dict()))) == cell
    (teacher,) = cell.teachers
    other = replace(cell, teachers=(replace(teacher, seed=5),))
    assert other.digest() != cell.digest()


def test_supervised_and_distilled_runs_are_paired_and_teachers_are_not() -> None:
    cells = {cell.id: cell for cell in grid_file.parse(SOUND).cells}
    plain, taught = cells["s-L1-128K-s0"], cells["d-L1-128K-s0-from-t-L2-256K-s0"]
    for purpose in ("init", "batches"):
        assert plain.stream(purpose) == taught.stream(purpose)
        assert plain.stream(purpose) != cells["s-L1-128K-s1"].stream(purpose)
        assert plain.stream(purpose) != cells["t-L2-256K-s0"].stream(purpose)


def test_the_rate_follows_the_width_where_asked() -> None:
    for reference, expected in ((None, 0.01), (64, 0.02)):
        training = {} if reference is None else {"reference_width": reference}
        cell = grid_file.parse(changed(training=training)).cells[1]
        assert (cell.shape.d_model, cell.learning_rate) == (32, pytest.approx(expected))


@pytest.mark.parametrize("name", ["demo", "ci"])
def test_our_grids_can_identify_both_laws(name: str) -> None:
    grid = grid_file.load(GRIDS / f"{name}.toml")
    roles = [cell.role for cell in grid.cells]
    least = {"demo": (3, 13, 12), "ci": (2, 8, 10)}[name]
    assert roles.count("teacher") >= least[0]
    assert roles.count("teacher") + roles.count("supervised") >= least[1]
    assert roles.count("distilled") >= least[2]
    for role in ("supervised", "distilled"):
        cells = [cell for cell in grid.cells if cell.role == role]
        assert len({cell.shape for cell in cells}) >= 2
        assert len({cell.tokens for cell in cells}) >= 3


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (changed(training={"batch_token": 1}), "[training] batch_token: unknown key; did you mean 'batch_tokens'?"),
        (changed(modell={"aspect": 32}), "modell: unknown key; did you mean 'model'?"),
        (changed(teachers={"layer": 2}), "[[teachers]] 1: layer: unknown key; did you mean 'layers'?"),
        (changed(training={"batch_tokens": None}), "[training] batch_tokens: is missing"),
        (changed(training={"learning_rate": "fast"}), "[training] learning_rate: 'fast' is not a number"),
        (changed(training={"learning_rate": True}), "[training] learning_rate: must be a number, not True"),
        (changed(training={"learning_rate": float("nan")}), "[training] learning_rate: must be a finite number"),
        (changed(training={"clip": 0}), "[training] clip: must be greater than zero"),
        (changed(training={"z_loss": -1}), "[training] z_loss: must be greater than zero, not '-1'"),
        (changed(distillation={"lambda": 1.5}), "[distillation] lambda: must lie between 0 and 1, not '1.5'"),
        (changed(distillation={"tau": 0}), "[distillation] tau: must be greater than zero, not '0'"),
        (changed(teachers={"layers": 2.5}), "[[teachers]] 1: layers: must be a whole number, not 2.5"),
        (changed(supervised={"tokens": []}), "[[supervised]] 1: tokens: must not be empty"),
        (changed(supervised={"seeds": [-1]}), "[[supervised]] 1: seeds: must be a whole number from 0 on, not -1"),
        (changed(supervised={"tokens": "-128K"}), "[[supervised]] 1: tokens: must be greater than zero, not '-128K'"),
        (changed(supervised={"tokens": ["128K", "128K"]}), "the cell s-L1-128K-s0 is asked for twice; remove one"),
        (
            changed(distilled={"teachers": ["t-L3-256K-s0"]}),
            "[[distilled]] 1: teachers: 't-L3-256K-s0' is not a teacher of this grid; did you mean 't-L2-256K-s0'?",
        ),
        (
            changed(distilled={"teachers": ["gpt"]}),
            "'gpt' is not a teacher of this grid; this grid's teachers: t-L2-256K-s0",
        ),
        (changed(supervised={"tokens": "1T"}), "[[supervised]] 1: tokens: corpus too small: 1000000000000 tokens"),
        (changed(corpus={"validation_tokens": "128M"}), "[corpus] validation_tokens: corpus too small: 'stdlib' holds"),
        (changed(corpus={"name": "c4"}), "[corpus] name: no corpus 'c4'; known: stdlib"),
        (changed(supervised={"tokens": "100K"}), "100000 is no whole number of steps of batch_tokens = 1024; write 9"),
        (changed(training={"batch_tokens": 1000}), "batch_tokens: 1000 is no multiple of n_ctx = 128; write 896"),
        (changed(model={"heads": 3}), "layers = 1: heads: a width of 32 does not split into 3 heads"),
        (changed(supervised={"layers": 0}), "[[supervised]] 1: layers: must be greater than zero, not '0'"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_fault_is_named_with_its_place_and_remedy(data: dict[str, Any], fault: str) -> None:
    assert any(fault in line for line in faults(data)), faults(data)


def test_all_faults_come_at_once() -> None:
    found = faults(
        changed(training={"learning_rate": -1, "speed": 3}, distillation={"tau": 0}, distilled={"layers": "x"})
    )
    assert len(found) == 4


def test_an_empty_grid_is_refused() -> None:
    assert "at least one" in " ".join(faults({"name": "none", "training": SOUND["training"]}))


@pytest.mark.parametrize("data", [{}, {"name": 3}, {"teachers": 3}, {"training": 3, "supervised": [4]}])
def test_nonsense_is_refused_without_a_traceback(data: dict[str, Any]) -> None:
    assert faults(data)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"name = ", "not valid TOML"), (b"\xff\xfe\x00", "not a text file"), (None, "No such file")],
)
def test_a_file_that_is_no_grid(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path = tmp_path / "grid.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=fault) as caught:
        grid_file.load(path)
    assert str(path) in str(caught.value)


def test_the_schedule_warms_up_and_ends_at_a_thousandth() -> None:
    rates = [learning_rate(step, peak=2.0, warmup_steps=2000, steps=100) for step in range(100)]
    assert max(rates) == rates[10] == 2.0  # a warm-up of 2000 is cut to a tenth
    assert rates[0] == pytest.approx(2 / 11)
    assert rates[-1] == pytest.approx(2e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert learning_rate(0, peak=2.0, warmup_steps=2000, steps=1) == 2.0


def test_convention_is_the_itemised_one() -> None:
    grid: GridSpec = grid_file.parse(SOUND)
    convention = grid.convention()
    assert (convention.name, convention.rho, convention.n_ctx, convention.n_vocab) == ("itemised", 32, 128, 256)
    assert convention.causal_attention
