"""Cached logits: true to the teacher, one cache for many processes, and refused where they are not what was asked."""

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fitting.errors import InputError
from fitting.flops import Shape
from sweeps import files
from sweeps.checkpoints import CheckpointError
from sweeps.models import Transformer, initialise
from sweeps.objectives import objective
from sweeps.targets import Full, Sampled, Target, TopK
from sweeps.teachers import signals
from sweeps.teachers.cache import Cached, Key
from sweeps.teachers.online import Online
from sweeps.teachers.trained import Trained

SHAPE = Shape(n_layers=1, d_model=16, d_ffn=48, n_heads=2, n_kv_heads=2, n_vocab=29, n_ctx=8)
WINDOWS, STEPS = 3, 70
ALL = np.ones(STEPS, dtype=bool)


class Counting(Trained):
    """Counts its forward passes."""

    calls = 0

    def distribution(self, inputs: Tensor) -> Full:
        self.calls += 1
        return super().distribution(inputs)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small only lose by a second thread, and much where processors are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def teacher(seed: int = 0) -> Counting:
    model = Transformer(SHAPE)
    initialise(model, seed)
    with torch.no_grad():
        model.embedding.weight *= 2.0  # some tokens likely, most not
    return Counting(model)


def inputs_of(step: int) -> Tensor:
    return torch.randint(SHAPE.n_vocab, (WINDOWS, SHAPE.n_ctx), generator=torch.Generator().manual_seed(step))


def key(**changes: Any) -> Key:
    usual: dict[str, Any] = {
        "teacher": teacher().digest,
        "corpus": "c" * 64,
        "tokenizer": "t" * 64,
        "half": "student",
        "seed": 7,
        "n_ctx": SHAPE.n_ctx,
        "batch_tokens": WINDOWS * SHAPE.n_ctx,
        "n_vocab": SHAPE.n_vocab,
        "tau": 1.0,
        "kind": "top-k",
        "kept": 5,
    }
    return Key(**{**usual, **changes})


def cached(folder: Path, wanted: Any = ALL, of: Trained | None = None, **changes: Any) -> Cached:
    make = None if of is None else lambda: of
    return Cached(folder, key(**changes), inputs_of=inputs_of, wanted=wanted, teacher=make)


def said(source: Cached, steps: range = range(STEPS)) -> list[tuple[Tensor, ...]]:
    return [tuple(vars(source.target(step, inputs_of(step))).values()) for step in steps]


def same(one: list[tuple[Tensor, ...]], other: list[tuple[Tensor, ...]]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True))


def loss(target: Target, tau: float = 1.0) -> tuple[Tensor, Tensor]:
    """λ = 1 for a fixed student, with the gradient by its hidden states."""
    student = teacher(9).model
    hidden = student(inputs_of(0)).detach().requires_grad_()
    found = objective(
        student_hidden=hidden, student_head=student.head, targets=inputs_of(1), teacher=target, lam=1.0, tau=tau
    ).objective
    return found.detach(), torch.autograd.grad(found, hidden)[0]


@pytest.mark.parametrize("tau", [1.0, 2.0])
def test_all_tokens_cached_teach_what_the_teacher_teaches(tmp_path: Path, tau: float) -> None:
    one = teacher()
    target = cached(tmp_path, of=one, kept=SHAPE.n_vocab, tau=tau).target(0, inputs_of(0))
    expected = loss(Online(one).target(0, inputs_of(0)), tau)
    torch.testing.assert_close(loss(target, tau), expected, rtol=2e-3, atol=2e-5)  # float16 keeps eleven bits


def test_top_k_are_the_likeliest_and_never_more_than_all(tmp_path: Path) -> None:
    one = teacher()
    log_p = one.distribution(inputs_of(3)).log_probabilities(slice(None), 1.0)
    for kept in (1, 5, SHAPE.n_vocab):
        target = cached(tmp_path / str(kept), of=one, kept=kept).target(3, inputs_of(3))
        assert isinstance(target, TopK)
        assert torch.equal(target.tokens, log_p.topk(kept).indices)
        torch.testing.assert_close(target.log_probabilities, log_p.topk(kept).values, rtol=1e-3, atol=2e-3)
        assert (target.log_probabilities.exp().sum(-1) <= 1).all()


def test_draws_are_right_on_average() -> None:
    one, positions, seeds, kept = teacher(), WINDOWS * SHAPE.n_ctx, 400, 12
    full = one.distribution(inputs_of(0))
    p = full.log_probabilities(slice(None), 1.0).exp()
    total = torch.zeros_like(p)
    gradients = []
    for seed in range(seeds):
        packed = signals.pack(full, positions, kind="sampled", kept=kept, tau=1.0, n_vocab=SHAPE.n_vocab, seed=(seed,))
        target = signals.unpack(*packed, "sampled", p.device)
        assert isinstance(target, Sampled)
        torch.testing.assert_close(target.weights.sum(-1), torch.ones(positions))
        total.scatter_add_(-1, target.tokens, target.weights)
        gradients.append(loss(target)[1])
    # a mean of seeds * kept draws: within five standard errors at each of the 696 probabilities
    error = (p * (1 - p) / (seeds * kept)).sqrt()
    assert ((total / seeds - p).abs() <= 5 * error + 1e-6).all()
    each = torch.stack(gradients)
    exact = loss(Online(one).target(0, inputs_of(0)))[1]
    standard_error = each.std(0) / seeds**0.5
    assert ((each.mean(0) - exact).abs() <= 5 * standard_error).all()
    assert each.std() > 0


@pytest.mark.parametrize("kind", ["top-k", "sampled"])
def test_built_once_and_read_by_all_who_come_later(tmp_path: Path, kind: str) -> None:
    one = teacher()
    first = said(cached(tmp_path, of=one, kind=kind))
    assert one.calls == STEPS
    assert same(first, said(cached(tmp_path, kind=kind)))  # no teacher at hand
    assert one.calls == STEPS


def test_a_longer_student_adds_steps_and_pays_for_no_old_one(tmp_path: Path) -> None:
    short, long = teacher(), teacher()
    said(cached(tmp_path / "a", ALL[:40], short), range(40))
    assert short.calls == 40  # although a shard has room for 24 more
    both = said(cached(tmp_path / "a", of=long))
    assert long.calls == STEPS - 40
    assert same(both, said(cached(tmp_path / "b", of=teacher())))


def test_only_steps_that_consult_are_built(tmp_path: Path) -> None:
    every_third, rest = teacher(), teacher()
    wanted = np.arange(STEPS) % 3 == 0
    source = cached(tmp_path, wanted, every_third)
    for step in np.flatnonzero(wanted).tolist():
        source.target(step, inputs_of(step))
    assert every_third.calls == wanted.sum()
    assert source.contents().tokens == wanted.sum() * WINDOWS * SHAPE.n_ctx
    assert same(said(cached(tmp_path, of=rest)), said(cached(tmp_path / "other", of=teacher())))
    assert rest.calls == STEPS - wanted.sum()


@pytest.mark.parametrize("kind", ["top-k", "sampled"])
def test_shards_do_not_depend_on_the_order_in_which_they_are_asked_for(tmp_path: Path, kind: str) -> None:
    forward, backward = cached(tmp_path / "a", of=teacher(), kind=kind), cached(tmp_path / "b", of=teacher(), kind=kind)
    for step in range(STEPS):
        forward.target(step, inputs_of(step))
    for step in reversed(range(STEPS)):
        backward.target(step, inputs_of(step))
    written = [sorted(path.read_bytes() for path in (tmp_path / name).glob("*.shard")) for name in "ab"]
    assert len(written[0]) == 3
    assert written[0] == written[1]


def test_a_cache_has_its_own_precision(tmp_path: Path) -> None:
    usual = said(cached(tmp_path / "a", of=teacher()), range(2))
    with torch.autocast("cpu", torch.bfloat16):
        assert same(usual, said(cached(tmp_path / "b", of=teacher()), range(2)))
    halved = said(cached(tmp_path / "c", of=teacher(), precision="bf16"), range(2))
    assert not same(usual, halved)
    torch.testing.assert_close(halved[0][1][:, 0], usual[0][1][:, 0], rtol=0.1, atol=0.1)


def test_a_part_of_a_batch_gets_its_part_of_the_target(tmp_path: Path) -> None:
    source = cached(tmp_path, of=teacher())
    tokens, log_p = vars(source.target(2, inputs_of(2))).values()
    part = source.target(2, inputs_of(2)[[2, 0]])
    assert isinstance(part, TopK)
    rows = [*range(16, 24), *range(8)]
    assert torch.equal(part.tokens, tokens[rows])
    assert torch.equal(part.log_probabilities, log_p[rows])


def test_a_shard_is_no_larger_than_it_should_be() -> None:
    assert key().steps_per_shard == 32
    large = key(batch_tokens=2048, n_vocab=4096, kept=64)
    assert large.steps_per_shard * 2048 * 64 * 4 == 2**23
    assert key(batch_tokens=2**22, n_vocab=2**17, kept=256).steps_per_shard == 1


# ---- what is refused

CHANGES: dict[str, Any] = {
    "teacher": "f" * 64,
    "corpus": "d" * 64,
    "tokenizer": "e" * 64,
    "half": "teacher",
    "seed": 8,
    "n_ctx": 4,
    "batch_tokens": 48,
    "n_vocab": 30,
    "tau": 2.0,
    "kind": "sampled",
    "kept": 6,
    "precision": "bf16",
}


@pytest.mark.parametrize("field", [field.name for field in fields(Key)])
def test_a_cache_of_something_else_is_refused_by_name(tmp_path: Path, field: str) -> None:
    cached(tmp_path)
    mine, theirs = CHANGES[field], getattr(key(), field)
    with pytest.raises(InputError) as refused:
        cached(tmp_path, **{field: mine})
    assert refused.value.faults[:-1] == (f"{tmp_path}: holds logits of {field} {theirs!r}, not {mine!r}",)
    assert "a cache of their own" in refused.value.faults[-1]


def test_every_difference_is_named_at_once(tmp_path: Path) -> None:
    cached(tmp_path)
    with pytest.raises(InputError) as refused:
        cached(tmp_path, **CHANGES)
    assert len(refused.value.faults) == len(CHANGES) + 1


def test_names_of_caches_differ_with_the_key() -> None:
    names = {key().name, *(key(**{field: value}).name for field, value in CHANGES.items())}
    assert len(names) == 1 + len(CHANGES)
    assert replace(key(), tau=1).name == key().name


def test_other_inputs_at_a_step_are_refused(tmp_path: Path) -> None:
    source = cached(tmp_path, of=teacher())
    with pytest.raises(InputError, match=r"cached for step 4 is about other inputs.*another corpus, seed or order"):
        source.target(4, inputs_of(5))


def test_another_teacher_does_not_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"is to hold what teacher {teacher().digest[:12]} says of 29 tokens"):
        cached(tmp_path, of=teacher(1)).target(0, inputs_of(0))
    assert not list(tmp_path.glob("*.shard"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kept": 30}, "keep 1 to 29 tokens of a top-k signal, not 30"),
        ({"kind": "sampled", "kept": 0}, "keep 1 to 65535 tokens of a sampled signal, not 0"),
        ({"tau": 0.0}, "must be positive, not 0.0"),
    ],
)
def test_impossible_signals_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        key(**changes)


@pytest.mark.parametrize("content", ["{", "[]", "null"])
def test_a_broken_manifest_is_named(tmp_path: Path, content: str) -> None:
    cached(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"manifest\.json: cannot be read"):
        cached(tmp_path)


def flip(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit": flip,
    "its first byte": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "its end": lambda content: content[:-10],
    "everything": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_built_again_or_refused_by_name(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = said(cached(tmp_path, of=teacher()))
    path = tmp_path / "000001.shard"
    good = path.read_bytes()
    path.write_bytes(DAMAGES[damage](good))
    with pytest.raises(CheckpointError, match=r"000001\.shard: is damaged .* no teacher is at hand"):
        said(cached(tmp_path))
    with pytest.raises(CheckpointError, match=r"000001\.shard: damaged"):
        cached(tmp_path).contents()
    again = teacher()
    with caplog.at_level(logging.WARNING):
        assert same(expected, said(cached(tmp_path, of=again)))
    assert again.calls == 32
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: is damaged (its checksum does not match); it is built again"
    ]
    assert path.read_bytes() == good


def test_a_shard_in_another_place_is_damaged(tmp_path: Path) -> None:
    said(cached(tmp_path / "a", of=teacher()))
    said(cached(tmp_path / "b", of=teacher(), seed=8))
    (tmp_path / "b" / "000001.shard").write_bytes((tmp_path / "a" / "000001.shard").read_bytes())
    with pytest.raises(CheckpointError, match=r"000001\.shard: is damaged"):
        said(cached(tmp_path / "b", seed=8))
    (tmp_path / "a" / "000001.shard").rename(tmp_path / "a" / "000000.shard")
    with pytest.raises(CheckpointError, match=r"000000\.shard: is damaged"):
        said(cached(tmp_path / "a"))


def test_a_missing_shard_without_its_teacher_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"000000\.shard: is not there, and no teacher is at hand"):
        cached(tmp_path).target(0, inputs_of(0))


def test_a_full_disk_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    source = cached(tmp_path, of=teacher())
    with monkeypatch.context() as patched:
        patched.setattr(files, "write", full)
        with pytest.raises(OSError, match="No space left"):
            said(source)
    assert same(said(source), said(cached(tmp_path / "fresh", of=teacher())))


# ---- processes

WORKER = """
import hashlib, importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
shared.torch.set_num_threads(1)
from sweeps import files

one, killed, write = shared.teacher(), sys.argv[3], files.write

class Mortal(type(one)):
    def distribution(self, inputs):
        if self.calls == 45:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().distribution(inputs)

def half(path, content):
    if path.name == "000001.shard":
        path.with_name(f"{path.name}.{os.getpid()}.partial").write_bytes(content[:100])
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content)

if killed == "building":
    one = Mortal(one.model)
elif killed == "writing":
    files.write = half
print("ready", flush=True)
sys.stdin.readline()
digest = hashlib.sha256()
for tensors in shared.said(shared.cached(shared.Path(sys.argv[2]), of=one)):
    for tensor in tensors:
        digest.update(tensor.numpy().tobytes())
print(one.calls, digest.hexdigest())
"""


def start(folder: Path, killed: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, __file__, str(folder), killed]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[2])


def test_processes_fill_one_cache_together(tmp_path: Path) -> None:
    workers = [start(tmp_path) for _ in range(2)]
    for worker in workers:  # they begin at once
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    answers = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert len({digest for _, digest in answers}) == 1
    assert sum(int(calls) for calls, _ in answers) == STEPS  # each step was built by one of them


@pytest.mark.parametrize("killed", ["building", "writing"])
def test_a_killed_builder_leaves_nothing_wrong(tmp_path: Path, killed: str) -> None:
    process = start(tmp_path, killed)
    process.communicate("\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.glob("*.shard")] == ["000000.shard"]
    partials = list(tmp_path.glob("*.partial"))
    assert len(partials) == (killed == "writing")
    one = teacher()
    found = said(cached(tmp_path, of=one))
    assert one.calls == STEPS - 32
    assert same(found, said(cached(tmp_path / "fresh", of=teacher())))
    assert not list(tmp_path.glob("*.partial"))
    assert json.loads((tmp_path / "manifest.json").read_text())["schema"] == "distillaw/logits/1"
