"""One run: bit-exact resumption, a teacher that nothing touches, and divergence that is marked."""

import json
import math
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from fitting import flops
from fitting.flops import Shape
from sweeps import checkpoints, corpora, journal
from sweeps.checkpoints import CheckpointError
from sweeps.consultation import Consultation
from sweeps.spec import Recipe, RunSpec
from sweeps.student import Paths, Result, Student
from sweeps.teachers import trained
from sweeps.teachers.online import Online
from sweeps.teachers.shared import Shared
from sweeps.training import Interrupted, Run, train

RECIPE = Recipe(
    corpus="stdlib",
    batch_tokens=256,
    learning_rate=0.02,
    reference_width=None,
    warmup_steps=2000,
    weight_decay=1e-4,
    clip=1.0,
    z_loss=1e-4,
    validation_tokens=2048,
    validations=2,
)


def shape(layers: int) -> Shape:
    return Shape.of_depth(layers, aspect=16, n_heads=2, n_vocab=256, n_ctx=32)


TEACHER = RunSpec("t", "teacher", shape(2), 16, 256 * 40, 0, RECIPE)
SUPERVISED = RunSpec("s", "supervised", shape(1), 16, 256 * 40, 0, RECIPE)
DISTILLED = replace(
    SUPERVISED, id="d", role="distilled", teachers=(TEACHER,), consultation=Consultation(lam=0.5, tau=2.0)
)


def paths(folder: Path, spec: RunSpec) -> Paths:
    home = folder / spec.id
    home.mkdir(exist_ok=True)
    teachers = tuple(folder / teacher.id / "model.safetensors" for teacher in spec.teachers)
    return Paths(home / "journal.jsonl", home / "state.safetensors", home / "model.safetensors", teachers)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained teacher, and a supervised and a distilled run without interruption."""
    folder = tmp_path_factory.mktemp("school")
    torch.set_num_threads(1)
    for spec in (TEACHER, SUPERVISED, DISTILLED):
        assert train(spec, paths(folder, spec)).status == "finished"
    return folder


class StopAfter:
    """Asks a run to stop after so many updates."""

    def __init__(self, updates: int) -> None:
        self.left = updates

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


@pytest.mark.parametrize("spec", [SUPERVISED, DISTILLED], ids=lambda spec: spec.role)
@pytest.mark.parametrize("stops", [(1,), (17,), (39,), (13, 4, 9)])
def test_interrupted_and_resumed_is_bitwise_uninterrupted(
    school: Path, tmp_path: Path, spec: RunSpec, stops: tuple[int, ...]
) -> None:
    where = replace(paths(tmp_path, spec), teachers=paths(school, spec).teachers)
    for updates in stops:
        with pytest.raises(Interrupted, match=f"of {spec.steps} steps"):
            train(spec, where, stop=StopAfter(updates))
    train(spec, where)
    assert_the_same(where, paths(school, spec))


def assert_the_same(found: Paths, whole: Paths) -> None:
    """The same model and journal, but for what the clock says."""
    assert found.model.read_bytes() == whole.model.read_bytes()
    assert found.model.with_suffix(".json").read_bytes() == whole.model.with_suffix(".json").read_bytes()
    clock = {"tokens_per_s": 0.0, "mfu": 0.0}
    assert [replace(entry, **clock) for entry in journal.read(found.journal)] == [
        replace(entry, **clock) for entry in journal.read(whole.journal)
    ]


def test_a_kill_between_checkpoints_repeats_the_steps(school: Path, tmp_path: Path) -> None:
    """The state on the disk is older than the journal, as after kill -9."""
    where = paths(tmp_path, SUPERVISED)
    with pytest.raises(Interrupted):
        train(SUPERVISED, where, stop=StopAfter(10))
    older = where.state.read_bytes()
    with pytest.raises(Interrupted):
        train(SUPERVISED, where, stop=StopAfter(12))
    where.state.write_bytes(older)
    train(SUPERVISED, where)
    assert where.model.read_bytes() == paths(school, SUPERVISED).model.read_bytes()
    steps = [json.loads(line)["step"] for line in where.journal.read_text().splitlines()]
    assert steps != sorted(set(steps))  # some were logged twice
    assert [entry.step for entry in journal.read(where.journal)] == sorted(set(steps))


def test_the_journal_says_what_the_run_did(school: Path) -> None:
    entries = journal.read(paths(school, DISTILLED).journal)
    assert [entry.step for entry in entries] == [*range(2, 41, 2)]
    last = entries[-1]
    assert last.tokens == DISTILLED.tokens
    assert last.flops_training == DISTILLED.training_flops
    assert last.flops_logits == DISTILLED.logits_flops
    assert [entry.step for entry in entries if entry.val_loss is not None] == [20, 40]
    assert all(entry.train_loss is not None and entry.tokens_per_s > 0 for entry in entries)
    assert entries[0].train_loss > last.train_loss  # type: ignore[operator]
    assert last.lr == pytest.approx(RECIPE.learning_rate / 1000)


def test_a_model_file_is_enough_to_teach(school: Path) -> None:
    path = paths(school, TEACHER).model
    described = json.loads(path.with_suffix(".json").read_text())
    counts = flops.parameters(TEACHER.shape)
    assert (described["N"], described["D"]) == (counts.non_embedding, TEACHER.tokens)
    assert described["corpus"]["sha256"] == corpora.load("stdlib").sha256
    assert RunSpec.from_dict(described["spec"]) == TEACHER
    model = checkpoints.load_model(path)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    from sweeps.feeding import validation_loss

    assert validation_loss(model, TEACHER, corpora.load("stdlib")) == described["loss"]


def test_the_teacher_is_outside_and_unchanged(school: Path, tmp_path: Path) -> None:
    where = replace(paths(tmp_path, DISTILLED), teachers=paths(school, DISTILLED).teachers)
    teacher = trained.load(where.teachers[0]).model
    corpus, own_teacher = corpora.load("stdlib"), trained.Trained(teacher)
    members = [Shared(Online(own_teacher))]
    taught = Student(DISTILLED, where, corpus, [own_teacher], members)
    student = taught.model
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    run = Run([taught], members, corpus, 0.0, lambda: False, lambda *_: None)
    run.fit()
    own = {name for name, _ in student.named_parameters()}
    assert set(dict(run.named_parameters())) == {f"models.0.{name}" for name in own}
    assert set(run.state_dict()) == {f"models.0.{name}" for name in own}
    run.train()
    assert not teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    (optimizer,) = run.configure_optimizers()
    optimised = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert optimised == {id(parameter) for parameter in student.parameters()}
    # nor does the state that a student leaves hold it: weights, three moments each, and the sums
    _, tensors = checkpoints._read(where.state)
    assert len(tensors) == 4 * len(own) + 1


def test_distillation_changes_the_run_and_lambda_0_does_not(school: Path, tmp_path: Path) -> None:
    plain, taught = paths(school, SUPERVISED), paths(school, DISTILLED)
    assert plain.model.read_bytes() != taught.model.read_bytes()
    untaught = replace(DISTILLED, consultation=Consultation(lam=0.0))
    where = replace(paths(tmp_path, untaught), teachers=taught.teachers)
    train(untaught, where)
    weights = [checkpoints.load_model(path).state_dict() for path in (where.model, plain.model)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("rate", [1e30, 30.0], ids=["not finite", "no better than a guess"])
def test_a_diverged_run_is_marked_and_leaves_no_model(tmp_path: Path, rate: float) -> None:
    spec = replace(SUPERVISED, recipe=replace(RECIPE, learning_rate=rate, clip=1e30))
    where = paths(tmp_path, spec)
    result = train(spec, where, checkpoint_seconds=0.0)
    assert result.status == "diverged"
    assert math.isnan(result.loss)
    assert not where.model.exists()
    assert not where.state.exists()
    assert journal.read(where.journal)
    assert isinstance(result, Result)


def test_a_state_of_another_run_is_refused(tmp_path: Path) -> None:
    where = paths(tmp_path, SUPERVISED)
    with pytest.raises(Interrupted):
        train(SUPERVISED, where, stop=StopAfter(3))
    other = replace(SUPERVISED, seed=1)
    with pytest.raises(CheckpointError, match="state of another run; remove it to start s afresh"):
        train(other, where)


def flipped(content: bytes) -> bytes:
    """One bit in the tensors is another: what safetensors does not notice."""
    return content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:]


DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a header of garbage": lambda content: content[:40] + b"\xff" * 40 + content[80:],
    "a flipped bit": flipped,
    "a flipped bit of the step": lambda content: content.replace(b'\\"step\\": 10', b'\\"step\\": 11', 1),
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_state_is_set_aside_and_the_run_starts_afresh(
    school: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    where = paths(tmp_path, SUPERVISED)
    with pytest.raises(Interrupted):
        train(SUPERVISED, where, stop=StopAfter(10))
    content = where.state.read_bytes()
    damaged = damage(content)
    assert damaged != content
    where.state.write_bytes(damaged)
    train(SUPERVISED, where)
    assert f"warning: {where.state}: " in caplog.text
    assert "kept as state.safetensors.damaged, and its run starts afresh" in caplog.text
    assert where.state.with_name("state.safetensors.damaged").read_bytes() == damaged
    assert_the_same(where, paths(school, SUPERVISED))


def test_a_state_without_a_checksum_still_counts(
    school: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    where = paths(tmp_path, SUPERVISED)
    with pytest.raises(Interrupted):
        train(SUPERVISED, where, stop=StopAfter(10))
    header, tensors = checkpoints._read(where.state)
    del header["journal"]
    where.state.write_bytes(save(tensors, {"json": json.dumps(header)}))
    lines = where.journal.read_text().count("\n")
    train(SUPERVISED, where)
    assert caplog.text == ""
    assert_the_same(where, paths(school, SUPERVISED))
    assert where.journal.read_text().count("\n") == lines + 15  # of the 20, those that were left


TORN = {
    "a line cut off": lambda content: content[:-20],
    "cut in the middle": lambda content: content[: len(content) // 2],
    "zeros behind": lambda content: content[:-20] + bytes(4096),
    "zeros within": lambda content: content[:100] + bytes(500) + content[600:],
    "a flipped digit": lambda content: content.replace(b'"train_loss": 5', b'"train_loss": 4', 1),
    "empty": lambda content: b"",
    "gone": None,
}


@pytest.mark.parametrize("tear", TORN.values(), ids=TORN.keys())
def test_what_a_journal_has_lost_comes_back_from_the_state(
    school: Path, tmp_path: Path, tear: Callable[[bytes], bytes] | None
) -> None:
    where = paths(tmp_path, SUPERVISED)
    with pytest.raises(Interrupted):
        train(SUPERVISED, where, stop=StopAfter(25))
    before = journal.read(where.journal)
    content = where.journal.read_bytes()
    if tear is None:
        where.journal.unlink()
    else:
        assert tear(content) != content
        where.journal.write_bytes(tear(content))
    with pytest.raises(Interrupted):
        train(SUPERVISED, where, stop=StopAfter(1))
    assert journal.read(where.journal)[: len(before)] == before  # with its times
    train(SUPERVISED, where)
    assert_the_same(where, paths(school, SUPERVISED))


def test_a_signal_that_lightning_sees_first(school: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two steps, after `stop` was asked: the state is saved all the same."""
    where, after = paths(tmp_path, SUPERVISED), Run._after

    def signalled(run: Run, step: int) -> None:
        after(run, step)
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "_after", signalled)
        with pytest.raises(Interrupted, match="stopped after 7 of 40 steps"):
            train(SUPERVISED, where, checkpoint_seconds=1e6)
    assert checkpoints._read(where.state)[0]["step"] == 7
    train(SUPERVISED, where)
    assert_the_same(where, paths(school, SUPERVISED))


def test_when_a_run_has_diverged_does_not_depend_on_its_checkpoints(tmp_path: Path) -> None:
    spec = replace(SUPERVISED, tokens=256 * 200, recipe=replace(RECIPE, learning_rate=1e30, clip=1e30))
    found = []
    for name, seconds in (("often", 0.0), ("never", 1e9)):
        (tmp_path / name).mkdir()
        where = paths(tmp_path / name, spec)
        assert train(spec, where, checkpoint_seconds=seconds).status == "diverged"
        found.append([(entry.step, entry.train_loss) for entry in journal.read(where.journal)])
    assert found[0] == found[1]
    assert found[0][-1] == (7, None)


def test_another_model_in_the_place_of_a_teacher_is_refused(school: Path, tmp_path: Path) -> None:
    """A model of the same vocabulary and shape would teach as well: what it was trained on tells them apart."""
    other = replace(TEACHER, seed=1)
    where = paths(tmp_path, other)
    train(other, where)
    taught = replace(paths(tmp_path, DISTILLED), teachers=(where.model,))
    with pytest.raises(CheckpointError, match="it is the model of another run, t"):
        train(DISTILLED, taught)


def test_a_description_of_another_shape_is_refused(school: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    shutil.copy(school / TEACHER.id / "model.safetensors", path)
    told = json.loads((school / TEACHER.id / "model.json").read_text())
    deeper = told["shape"] | {"n_layers": 3}
    cases = {
        "states two shapes": {"shape": deeper},
        "Missing key": {"shape": deeper, "spec": told["spec"] | {"shape": deeper}},
    }
    for reason, changes in cases.items():
        path.with_suffix(".json").write_text(json.dumps(told | changes))
        with pytest.raises(CheckpointError, match=reason) as caught:
            checkpoints.load_model(path)
        assert len(str(caught.value).splitlines()) == 1


def test_a_teacher_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.safetensors: no usable model"):
        train(DISTILLED, paths(tmp_path, DISTILLED))
