"""`distillaw evaluate`: what it prints and writes, that a plan reads it, and every refusal."""

import csv
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fitting import tables
from fitting.errors import InputError
from fitting.flops import SIX_ND, Shape
from fitting.library import load_law
from planner.teachers import candidates as planner_candidates
from sweeps import checkpoints, corpora, files
from sweeps.corpora import Corpus
from sweeps.evaluation import candidates, opening
from sweeps.feeding import validation_loss
from sweeps.models import Transformer, initialise
from sweeps.spec import Recipe, RunSpec

SHAPE = Shape(n_layers=1, d_model=16, d_ffn=48, n_heads=2, n_kv_heads=2, n_vocab=256, n_ctx=32)
RECIPE = Recipe("stdlib", 256, 0.02, None, 2000, 1e-4, 1.0, 1e-4, validation_tokens=1024, validations=2)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def corpus() -> Corpus:
    return corpora.load("stdlib")


def left_by_a_run(folder: Path, name: str, text: Corpus, seed: int = 0, **changes: object) -> Path:
    """A cell as a run leaves it, with a model that has learned nothing."""
    spec = RunSpec(name, "teacher", SHAPE, 16, 256 * 40, seed, replace(RECIPE, **changes))  # type: ignore[arg-type]
    model = Transformer(SHAPE)
    initialise(model, seed)
    cell = folder / name
    cell.mkdir(parents=True)
    loss = validation_loss(model, spec, corpora.load("stdlib"))
    checkpoints.save_model(cell / "model.safetensors", spec, model, loss, text.describe())
    return cell


@pytest.fixture
def cell(tmp_path: Path, corpus: Corpus) -> Path:
    return left_by_a_run(tmp_path / "grid" / "cells", "small", corpus)


@pytest.fixture
def prepared(tmp_path: Path, distillaw) -> Path:
    """Another corpus, of other tokens."""
    texts = tmp_path / "texts"
    texts.mkdir()
    for i in range(60):
        (texts / f"{i}.txt").write_text(f"{i}: the quick brown fox jumps over the lazy dog. " * 20)
    folder = tmp_path / "foxes"
    assert distillaw("corpus", "prepare", texts, "--format", "text", "--bpe", 300, "--out", folder).code == 0
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_answer_comes_first_and_is_that_of_the_run(distillaw, cell):
    stated = json.loads((cell / "model.json").read_text())
    answer = distillaw("evaluate", cell)
    assert (answer.code, answer.err) == (0, "")
    first = answer.out.splitlines()[0]
    assert first.startswith(f"small: {stated['loss']:.4f} ± ")
    assert first.endswith("nats/token on 1.02K held-out tokens of stdlib.")
    assert "3.39K      7.49K  10.2K" in answer.out
    found = json.loads(distillaw("evaluate", cell / "model.safetensors", "--json").out)
    assert found["schema"] == "distillaw/evaluation/1"
    (one,) = found["evaluations"]
    assert one["loss"] == stated["loss"] == one["loss_of_its_run"]
    assert (one["N"], one["N_total"], one["D"]) == (stated["N"], stated["N"] + 256 * 16, 10240)
    assert (one["tokens"], one["windows"], one["n_ctx"]) == (1024, 32, 32)
    assert 0 <= one["ece"] <= 1
    assert one["standard_error"] > 0
    assert found["corpus"]["tokenizer"] == "bytes"
    assert found["warnings"] == []


def test_other_tokens_and_a_shorter_context(distillaw, cell):
    found = json.loads(distillaw("evaluate", cell, "--corpus", "stdlib", "--tokens", "2K", "--n-ctx", 16, "--json").out)
    (one,) = found["evaluations"]
    assert (one["tokens"], one["windows"], one["n_ctx"]) == (2000, 125, 16)


def test_a_plan_reads_the_rows(distillaw, cell, tmp_path, corpus):
    """Under a law of this text; under another's they are refused for what they were measured on, and nothing else."""
    left_by_a_run(cell.parent, "other", corpus, seed=1)
    out = tmp_path / "candidates.csv"
    answer = distillaw("evaluate", cell, cell.parent / "other", "--out", out)
    assert answer.code == 0
    assert "is the best of 2:" in answer.out
    assert answer.out.splitlines()[-1].startswith("Next: distillaw plan teacher-exists")
    rows = rows_of(out)
    assert [row["name"] for row in rows] == ["small", "other"]
    assert tuple(rows[0]) == candidates.COLUMNS
    assert float(rows[0]["loss"]) == json.loads((cell / "model.json").read_text())["loss"]
    plan = ["plan", "teacher-exists", "--student", "20K", "--budget", "2e11", "--candidates", out]
    refused = distillaw(*plan)
    assert refused.code == 2
    assert refused.err.count("'stdlib', but law 'busbridge2025' is for 'English C4'") == 2
    assert "no column" not in refused.err
    law = replace(load_law("busbridge2025"), corpus="stdlib", tokenizer="bytes")
    read = planner_candidates.read(out, law)
    assert [(one.name, one.N, one.corpus, one.tokenizer) for one in read] == [
        ("small", 3392, "stdlib", "bytes"),
        ("other", 3392, "stdlib", "bytes"),
    ]
    assert read[0].loss == float(rows[0]["loss"])
    assert read[0].price is None


def test_rows_are_added_replaced_and_keep_their_other_columns(distillaw, cell, tmp_path, corpus):
    out = tmp_path / "candidates.csv"
    out.write_text("name,N,loss,licence\nmine,7B,2.1,MIT\nsmall,1,9.9,Apache-2.0\n")
    answer = distillaw("evaluate", cell, "--out", out)
    assert answer.code == 0
    assert "the row 'small' was another model's, and is replaced" in answer.err
    mine, small = rows_of(out)
    assert (mine["name"], mine["N"], mine["loss"], mine["licence"], mine["ece"]) == ("mine", "7B", "2.1", "MIT", "")
    assert (small["N"], small["licence"]) == ("3392", "Apache-2.0")
    before = out.read_bytes()
    answer = distillaw("evaluate", cell, "--out", out)
    assert (answer.code, answer.err, out.read_bytes()) == (0, "", before)


def test_another_text_is_a_warning(distillaw, tmp_path, corpus):
    """Same tokens, other documents: another Python's library, say."""
    other = left_by_a_run(tmp_path, "elsewhere", replace(corpus, name="books", sha256="0" * 64))
    answer = distillaw("evaluate", other)
    assert answer.code == 0
    assert "warning: elsewhere: was trained on another text (books 000000000000, this is stdlib" in answer.err
    assert (
        "it may have seen what is held out here"
        in json.loads(distillaw("evaluate", other, "--json").out)["warnings"][0]
    )


def test_losses_that_do_not_compare_are_a_warning(distillaw, cell, corpus):
    left_by_a_run(cell.parent, "longer", corpus, validation_tokens=2048)
    answer = distillaw("evaluate", cell, cell.parent / "longer")
    assert answer.code == 0
    assert "warning: losses of different tokens (1024 and 2048) do not quite compare; give --tokens" in answer.err


def test_a_loss_that_is_not_its_runs_is_a_warning(distillaw, cell):
    described = json.loads((cell / "model.json").read_text())
    files.write_json(cell / "model.json", {**described, "loss": 1.25})
    assert "warning: small: its run measured 1.250000 on the same tokens, not 5." in distillaw("evaluate", cell).err


def test_all_faults_at_once(distillaw, cell, prepared, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    answer = distillaw(
        "evaluate", cell, empty, tmp_path / "nowhere", "--corpus", prepared, "--tokens", "many", "--n-ctx", 64,
        "--out", tmp_path / "no" / "candidates.csv",
    )  # fmt: skip
    assert answer.code == 2
    assert answer.out == ""
    for expected in (
        f"{empty}: holds no model",
        f"{tmp_path / 'nowhere'}: no such model",
        "--tokens: ",
        f"there is no folder {tmp_path / 'no'}",
        "--n-ctx: small sees 32 tokens at most, not 64",
        "small: was trained on tokens of bytes, and foxes has those of bpe-300-",
    ):
        assert expected in answer.err
    assert all(line.startswith("error: ") for line in answer.err.splitlines())


def test_what_is_no_model_is_said(distillaw, cell, tmp_path):
    grid = cell.parent.parent
    files.write_json(grid / "grid.json", {})
    begun, diverged = grid / "cells" / "begun", grid / "cells" / "diverged"
    for folder, name in ((begun, "spec.json"), (diverged, "record.json")):
        folder.mkdir()
        (folder / name).write_text("{}")
    (tmp_path / "loose.safetensors").write_bytes(b"")
    (tmp_path / "a.txt").write_text("a")
    shutil.copytree(cell, tmp_path / "headless")
    (tmp_path / "headless" / "model.safetensors").unlink()
    shutil.copytree(cell, tmp_path / "scrambled")
    (tmp_path / "scrambled" / "model.json").write_text('{"schema": "distillaw/model/9"}')
    for path, expected in (
        (grid, f"is a grid; name cells of it, as {cell}"),
        (begun, "its run has not finished"),
        (diverged, "its run diverged and left no model"),
        (tmp_path / "loose.safetensors", "without loose.json beside it, no model"),
        (tmp_path / "a.txt", "no model; name the folder of a cell"),
        (tmp_path / "headless", "is missing; run the cell again"),
        (tmp_path / "scrambled", "describes no model that this version can read (schema 'distillaw/model/9'"),
    ):
        answer = distillaw("evaluate", path, "--corpus", "stdlib")
        assert (answer.code, answer.out) == (2, "")
        assert expected in answer.err, path


def test_damaged_weights_do_not_stop_the_others(distillaw, cell, tmp_path, corpus):
    other = left_by_a_run(cell.parent, "damaged", corpus, seed=1)
    (other / "model.safetensors").write_bytes(b"not weights")
    out = tmp_path / "candidates.csv"
    answer = distillaw("evaluate", other, cell, "--out", out)
    assert answer.code == 3
    assert answer.out.startswith("small: ")
    assert f"error: {other / 'model.safetensors'}: no usable model (cannot be read" in answer.err
    assert [row["name"] for row in rows_of(out)] == ["small"]
    alone = distillaw("evaluate", other, "--json")
    assert (alone.code, alone.out) == (3, "")


def test_weights_that_are_no_numbers(distillaw, cell):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    weights = cell / "model.safetensors"
    with safe_open(weights, framework="pt") as file:
        header = json.loads(file.metadata()["json"])
    del header["sha256"]  # of the weights that were
    save_file(
        {name: torch.full_like(value, torch.nan) for name, value in load_file(weights).items()},
        weights,
        {"json": json.dumps(header)},
    )
    answer = distillaw("evaluate", cell, "--json")
    assert (answer.code, answer.out) == (3, "")
    assert f"{weights}: its loss is not finite" in answer.err


def test_a_disk_that_fills_up_costs_no_numbers(distillaw, cell, tmp_path, monkeypatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    answer = distillaw("evaluate", cell, "--out", tmp_path / "candidates.csv")
    assert answer.code == 2
    assert answer.out.startswith("small: ")
    assert "Next:" not in answer.out
    assert "cannot be written: No space left on device" in answer.err


def test_models_of_one_name_and_a_text_too_small(distillaw, cell, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(cell, copy)
    answer = distillaw("evaluate", cell, copy, "--tokens", "1T")
    assert answer.code == 2
    assert answer.err.count("small: names more than one of these models") == 1
    assert answer.err.count("--tokens: corpus too small: 'stdlib' holds out ") == 1


TOTAL = json.dumps(asdict(replace(SIX_ND, parameters="total")))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", "no table of candidates (it has no column 'name', 'N', 'loss')"),
        ("", "the file is empty"),
        (f"# distillaw/runs/1 {TOTAL}\nname,N,loss\na,1e9,2\n", "counts N with embeddings by its convention"),
    ],
)
def test_a_file_that_is_something_else_is_left_alone(distillaw, cell, tmp_path, content, expected):
    out = tmp_path / "candidates.csv"
    out.write_text(content)
    answer = distillaw("evaluate", cell, "--out", out)
    assert answer.code == 2
    assert expected in answer.err
    assert out.read_text() == content
    assert "is written as .csv" in distillaw("evaluate", cell, "--out", tmp_path / "rows.json").err


def test_a_table_keeps_its_convention(distillaw, cell, tmp_path):
    out = tmp_path / "candidates.csv"
    convention = replace(SIX_ND, parameters="non-embedding")
    tables.write(out, ["name", "N", "loss"], [{"name": "mine", "N": 1e9, "loss": 2.0}], convention)
    assert distillaw("evaluate", cell, "--out", out).code == 0
    raw = tables.read(out)
    assert raw.convention == convention
    assert [row["name"] for row in raw.rows] == ["mine", "small"]


def test_where_the_corpus_is(distillaw, tmp_path, corpus):
    """The text of a cell is found by its name, or where its grid found it; else it has to be named."""
    identity = "mine@0123-4567"
    cell = left_by_a_run(tmp_path / "grid" / "cells", "small", replace(corpus, name="mine"), corpus=identity)
    answer = distillaw("evaluate", cell)
    assert answer.code == 2
    assert "--corpus: is missing: small was trained on mine (sha256" in answer.err
    files.write_json(tmp_path / "grid" / "grid.json", {"source": "stdlib"})
    assert opening.find(cell).source == "stdlib"
    files.write_json(tmp_path / "grid" / "grid.json", {"source": str(tmp_path / "gone")})
    assert opening.find(cell).source is None
    other = left_by_a_run(tmp_path / "grid" / "cells", "other", corpus)
    files.write_json(tmp_path / "grid" / "grid.json", {"source": str(tmp_path)})
    answer = distillaw("evaluate", cell, other)
    assert "--corpus: these models were trained on different ones" in answer.err


def test_a_prepared_corpus(distillaw, prepared, tmp_path):
    """From a model that a grid left beside it, with a vocabulary of its own."""
    text = corpora.load(prepared)
    shape = replace(SHAPE, n_vocab=300)
    spec = RunSpec("fox", "teacher", shape, 16, 256, 0, replace(RECIPE, corpus=text.identity, validation_tokens=10**6))
    model = Transformer(shape)
    initialise(model, 0)
    cell = tmp_path / "grid" / "cells" / "fox"
    cell.mkdir(parents=True)
    files.write_json(tmp_path / "grid" / "grid.json", {"source": text.source})
    checkpoints.save_model(cell / "model.safetensors", spec, model, 5.0, text.describe())
    found = json.loads(distillaw("evaluate", cell, "--json").out)
    held = text.held_out_capacity(32)
    assert found["evaluations"][0]["tokens"] == held > 0
    assert found["corpus"]["name"] == "foxes"
    assert found["corpus"]["tokenizer"] == f"bpe-300-{text.tokenizer_sha256[:8]}"


def test_without_torch_it_says_what_to_install(distillaw, cell, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest)
    )
    answer = distillaw("evaluate", cell)
    assert answer.code == 2
    assert "evaluating needs torch: pip install 'distillaw[sweeps]'" in answer.err


def test_other_peoples_models_go_the_same_way(monkeypatch, distillaw, tmp_path):
    """The folder of a Hugging Face model; what opens it is stood in for, its tests are elsewhere."""
    from sweeps.teachers import huggingface
    from sweeps.teachers.trained import Trained

    class Foreign(Trained):
        N = 1234

    def load(path, *, n_ctx):
        asked.append((path, n_ctx))
        model = Transformer(SHAPE)
        initialise(model, 0)
        return Foreign(model)

    def check(corpus, teacher):
        if refuse:
            raise InputError(f"its tokenizer is not that of the corpus {corpus.name}")

    asked: list[tuple[Path, int]] = []
    refuse = False
    monkeypatch.setattr(huggingface, "load", load)
    monkeypatch.setattr(huggingface, "require_same_tokenizer", check)
    folder = tmp_path / "Big-1B"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert "--corpus: is missing: Big-1B says no corpus" in distillaw("evaluate", folder).err
    out = tmp_path / "candidates.csv"
    answer = distillaw("evaluate", folder, "--corpus", "stdlib", "--tokens", 320, "--n-ctx", 32, "--out", out)
    assert answer.code == 0
    assert asked == [(folder, 32)]
    assert "warning: Big-1B: nothing says what it was trained on; it may have seen this text" in answer.err
    (row,) = rows_of(out)
    assert (row["name"], row["N"], row["D"]) == ("Big-1B", "1234", "")
    assert row["price"] == row["forward_flops"]
    refuse = True
    refused = distillaw("evaluate", folder, "--corpus", "stdlib", "--tokens", 320, "--n-ctx", 32)
    assert refused.code == 2
    assert "its tokenizer is not that of the corpus stdlib" in refused.err


def test_help_has_examples_and_the_weights_are_read_late(distillaw):
    answer = distillaw("evaluate", "--help")
    assert answer.code == 0
    assert answer.out.count("  distillaw evaluate ") >= 3
    code = "import sys, sweeps.evaluation.cli, sweeps.evaluation.opening; print({'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_numbers_in_a_table_survive():
    assert float(candidates._cell(0.1 + 0.2)) == 0.1 + 0.2
    assert candidates._cell(None) == ""
    assert np.isfinite(float(candidates._cell(3)))
