"""Grid files: what they become, and that every fault in one is named at once with its remedy."""

import json
import re
import tomllib
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fitting import flops
from fitting.errors import InputError
from sweeps import corpora, grid_file
from sweeps.consultation import Consultation
from sweeps.given import GivenTeacher, require_present
from sweeps.grid import Grid
from sweeps.run_table import table
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
        if isinstance(keys, list):
            data[name] = keys
            continue
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
        (changed(supervised={"params": "24K"}), "[[supervised]] 1: has both layers and params; keep one"),
        (changed(supervised={"layers": None, "params": "1K"}), "params = 1K: size: no shape near 1000 parameters"),
        (changed(distillation={"window": [0.5, 1.5]}), "[distillation] window: must lie between 0 and 1, not '1.5'"),
        (changed(distillation={"window": [0.5, 0.2]}), "window: must start before it ends, not [0.5, 0.2]"),
        (changed(distilled={"window": 0.5}), "[[distilled]] 1: window: must be two shares of training, [0.0, 0.5]"),
        (changed(distillation={"direction": "back"}), "direction: must be one of forward, reverse, not 'back'"),
        (changed(distillation={"signal": "topk"}), "not 'topk'; did you mean 'top-k'?"),
        (changed(distillation={"signal": "top-k"}), "[distillation] keep: is missing; say how many"),
        (changed(distillation={"keep": 64}), '[distillation] keep: the signal "online" keeps everything; remove it'),
        (
            changed(distillation={"signal": "sampled", "keep": 12, "direction": "reverse"}),
            '[distillation] direction: "reverse" needs every token of the teacher; use signal = "online"',
        ),
        (changed(distillation={"fraction": 0}), "[distillation] fraction: must be greater than zero"),
        (changed(distillation={"every": 0}), "[distillation] every: must be greater than zero, not '0'"),
        (changed(distilled={"pools": ["t-L2-256K-s0"]}), "pools: must be a list of lists, [[...], [...]]"),
        (changed(distilled={"pools": [["t-L2-256K-s0", "x"]]}), "[[distilled]] 1: pools: 'x' is not a teacher of this"),
        (changed(model={"parametrisation": "mup"}), "[training] reference_width: is missing; under μP it is the width"),
        (changed(training={"precision": "fp16"}), "[training] precision: must be one of fp32, bf16, not 'fp16'"),
        (changed(training={"compile": "yes"}), "[training] compile: must be true or false, not 'yes'"),
        (changed(training={"devices": 3}), "[training] devices: 8 windows a step do not divide evenly over 3 devices"),
        (changed(training={"decay_share": 0.2}), '[training] decay_share: only the schedule "branches" decays by it'),
        (
            changed(training={"schedule": "branches", "decay_share": 1}),
            "[training] decay_share: must lie between 0 and 1, not 1",
        ),
        (
            changed(training={"schedule": "branches"}),
            "128000 tokens are 125 steps that decay after 100, before the warm-up of 2000 is over",
        ),
        (
            changed(distilled={"signal": "top-k", "keep": 257}),
            '[[distilled]] 1: keep: must be at most 256 for the signal "top-k" of 256 tokens, not 257',
        ),
        (changed(distilled={"signal": "sampled", "keep": "66K"}), "keep: must be at most 65535 for the signal"),
        (
            changed(distilled={"window": [0.501, 0.502]}),
            "[[distilled]] 1: tokens: none of the 125 steps that 128000 tokens are asks a teacher; widen window",
        ),
        (changed(distilled={"fraction": 1e-9}), "none of the 125 steps that 128000 tokens are asks a teacher"),
        (
            changed(distilled={"teachers": None, "pools": [["t-L2-256K-s0", "t-L2-256K-s0"]]}),
            "[[distilled]] 1: pools: 't-L2-256K-s0' is in one pool more than once; remove it there",
        ),
        (changed(given=[{"evaluation": "none.json"}]), "[[given]] 1: evaluation: none.json is no evaluation that this"),
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


def test_ways_to_consult_are_named_in_the_cells() -> None:
    ways: list[dict[str, Any]] = [
        {},
        {"lambda": 0.5, "window": [0.0, 0.25]},
        {"every": 5, "signal": "sampled", "keep": 12},
        {"direction": "reverse", "teachers": None, "pools": [["t-L2-256K-s0", "t-L1-256K-s0"]], "pool": "average"},
    ]
    data = changed(teachers={"layers": [1, 2]})
    data["distilled"] = [
        {key: value for key, value in (data["distilled"][0] | way).items() if value is not None} for way in ways
    ]
    cells = [cell for cell in grid_file.parse(data).cells if cell.role == "distilled"]
    assert [cell.id for cell in cells] == [
        "d-L1-128K-s0-from-t-L2-256K-s0",
        "d-L1-128K-s0-from-t-L2-256K-s0-lambda0.5-end0.25",
        "d-L1-128K-s0-from-t-L2-256K-s0-sampled-keep12-every5",
        "d-L1-128K-s0-from-t-L2-256K-s0+t-L1-256K-s0-reverse-average",
    ]
    assert cells[3].consultation == Consultation(direction="reverse", pool="average")
    F_T = cells[0].teachers[0].forward_flops
    assert [cell.logits_flops for cell in cells[:3]] == pytest.approx([128e3 * F_T, 32 * 1024 * F_T, 0.0])
    assert cells[2].consulted_flops == pytest.approx(25 * 1024 * F_T)
    for cell in cells:
        assert RunSpec.from_dict(json.loads(json.dumps(cell.to_dict()))) == cell


def test_a_table_may_ask_online_where_others_read_a_cache() -> None:
    cell = grid_file.parse(changed(distillation={"signal": "top-k", "keep": 8}, distilled={"signal": "online"})).cells[
        -1
    ]
    assert cell.consultation == Consultation()


def test_a_size_stands_for_the_shape_nearest_to_it() -> None:
    data = changed(supervised={"layers": None, "params": ["25K", "200K"]})
    found = {cell.id: cell.N for cell in grid_file.parse(data).cells if cell.role == "supervised"}
    for name, N in found.items():
        assert N == pytest.approx(25e3 if "N25K" in name else 200e3, rel=0.25)


def evaluated(folder: Path, **changes: Any) -> Path:
    """What `distillaw evaluate --json` leaves of one model on this grid's held-out slice."""
    corpus = corpora.load("stdlib")
    found = {"name": "big", "path": "/models/big", "digest": "d" * 64, "N": 10**6, "D": None, "loss": 1.5}
    found |= {"forward_flops": 2.5e6, "n_ctx": 128, "tokens": 65536} | changes
    about = {"sha256": corpus.sha256, "tokenizer_sha256": corpus.tokenizer_sha256}
    about |= {key: found.pop(key) for key in list(about) if key in found}
    path = folder / "big.json"
    path.write_text(json.dumps({"schema": "distillaw/evaluation/1", "corpus": about, "evaluations": [found]}))
    return path


def test_a_teacher_that_exists_is_known_by_its_evaluation(tmp_path: Path) -> None:
    evaluated(tmp_path)
    data = changed(given=[{"evaluation": "big.json"}], distilled={"teachers": "big"})
    grid = grid_file.parse(data, tmp_path)
    cell = grid.cells[-1]
    (teacher,) = cell.teachers
    assert isinstance(teacher, GivenTeacher)
    assert grid.given == {"big": "/models/big"}
    assert (cell.id, teacher.loss, teacher.N, teacher.D) == ("d-L1-128K-s0-from-big", 1.5, 10**6, None)
    assert cell.logits_flops == 2.5e6 * 128_000
    assert RunSpec.from_dict(json.loads(json.dumps(cell.to_dict()))) == cell
    found = Grid(tmp_path, grid, corpora.load("stdlib").describe())
    found.cell(cell).path.mkdir(parents=True)
    found.finish(cell, "finished", 2.0)
    (record,) = table(found).records
    assert (record.teacher_loss, record.extras["teacher_price"], record.C_teacher) == (1.5, 2.5e6, None)
    # where it lies is no part of what it is
    evaluated(tmp_path, path="/elsewhere")
    assert grid_file.parse(data, tmp_path).cells == grid.cells


def test_a_name_means_one_teacher(tmp_path: Path) -> None:
    """A model of another grid is often called as one of this grid's: it must not silently give way to it."""
    evaluated(tmp_path, name="t-L2-256K-s0")
    with pytest.raises(InputError, match="is a teacher that this grid trains and one that it is given") as caught:
        grid_file.parse(changed(given=[{"evaluation": "big.json"}]), tmp_path)
    assert "/models/big" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"sha256": "0" * 64}, "big (/models/big) was evaluated on another text (000000000000, not "),
        ({"tokenizer_sha256": "0" * 64}, "has another tokenizer than the corpus (000000000000, not "),
        ({"n_ctx": 256}, "evaluate it with --tokens 65536 --n-ctx 128, as this grid judges its runs"),
        ({"loss": None}, "big.json is no evaluation that this version can read"),
    ],
)
def test_an_evaluation_that_does_not_fit_the_grid(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    evaluated(tmp_path, **changes)
    data = changed(given=[{"evaluation": "big.json"}], distilled={"teachers": "big"})
    with pytest.raises(InputError) as caught:
        grid_file.parse(data, tmp_path)
    assert any(fault in line for line in caught.value.faults)


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


def test_the_documented_grid_is_one(tmp_path: Path) -> None:
    """Every TOML block of docs/sweeping.md, the second as an addition to the first."""
    text = (GRIDS.parents[1] / "docs" / "sweeping.md").read_text(encoding="utf-8")
    whole, given = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    grid = grid_file.parse(tomllib.loads(whole))
    assert {cell.recipe.schedule for cell in grid.cells} == {"branches"}
    assert len(grid.cells) == 2 + 8 + 2 + 2 + 1
    evaluated(tmp_path)
    assert grid_file.parse(tomllib.loads(whole + given), tmp_path).cells[-1].teachers[0].id == "big"


def test_a_given_model_that_is_gone_is_named_before_anything_runs(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    require_present({"a": str(here)})
    with pytest.raises(InputError) as caught:
        require_present({"a": str(here), "b": "/nowhere/b", "c": "/nowhere/c"})
    assert [line.split(":")[0] for line in caught.value.faults] == ["b", "c"]
