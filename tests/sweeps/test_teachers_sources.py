"""Sources that run their teachers: what they say, who of a pool runs, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fitting import flops
from fitting.errors import InputError
from fitting.flops import Shape
from sweeps.checkpoints import CheckpointError
from sweeps.consultation import Consultation
from sweeps.models import Transformer, initialise
from sweeps.targets import Full, Mixture, TopK
from sweeps.teachers import trained
from sweeps.teachers.online import Online
from sweeps.teachers.pool import Averaged, Pool
from sweeps.teachers.source import require_same_vocabulary
from sweeps.teachers.trained import Trained

SHAPE = Shape(n_layers=1, d_model=16, d_ffn=48, n_heads=2, n_kv_heads=2, n_vocab=23, n_ctx=8)
STEPS = 40


class Counting(Trained):
    """Counts its forward passes."""

    calls = 0

    def distribution(self, inputs: Tensor) -> Full:
        self.calls += 1
        return super().distribution(inputs)


def teacher(seed: int, shape: Shape = SHAPE) -> Counting:
    model = Transformer(shape)
    initialise(model, seed)
    return Counting(model)


@pytest.fixture
def inputs() -> Tensor:
    return torch.randint(SHAPE.n_vocab, (3, SHAPE.n_ctx), generator=torch.Generator().manual_seed(0))


def test_online_says_what_the_model_says_position_by_position(inputs: Tensor) -> None:
    taught = teacher(0)
    target = Online(taught).target(0, inputs)
    assert isinstance(target, Full)
    assert not target.hidden.requires_grad
    assert not target.head.requires_grad
    assert not taught.model.training
    for tau in (1.0, 2.5):
        expected = F.log_softmax(taught.model.logits(inputs).flatten(0, 1) / tau, -1)
        torch.testing.assert_close(target.log_probabilities(slice(5, 17), tau), expected[5:17])


def test_a_drawn_teacher_is_the_schedules_and_runs_alone(inputs: Tensor) -> None:
    teachers = [teacher(seed) for seed in range(3)]
    schedule = Consultation(pool="draw", end=0.75, fraction=0.8).schedule(STEPS, 3, seed=5)
    pool = Pool([Online(one) for one in teachers], schedule)
    for step in range(STEPS):
        before = [one.calls for one in teachers]
        target = pool.target(step, inputs)
        ran = [one.calls - was for one, was in zip(teachers, before, strict=True)]
        assert ran == schedule[step].astype(int).tolist()
        if target is None:
            assert not schedule[step].any()
            continue
        assert isinstance(target, Full)
        assert target.head is teachers[int(schedule[step].argmax())].model.head
    assert 0 < sum(one.calls for one in teachers) < 0.75 * STEPS
    assert all(one.calls for one in teachers)


@pytest.mark.parametrize("how", ["rows of the schedule", "one averaged teacher"])
def test_an_average_is_of_probabilities(inputs: Tensor, how: str) -> None:
    teachers = [teacher(seed) for seed in range(2)]
    if how == "one averaged teacher":
        target = Online(Averaged(tuple(teachers))).target(0, inputs)
    else:
        pool = Pool([Online(one) for one in teachers], Consultation(pool="average").schedule(STEPS, 2, seed=0))
        target = pool.target(0, inputs)  # type: ignore[assignment]
    assert isinstance(target, Mixture)
    each = [F.softmax(one.model.logits(inputs).flatten(0, 1) / 2, -1) for one in teachers]
    torch.testing.assert_close(target.log_probabilities(slice(None), 2.0).exp(), (each[0] + each[1]) / 2)
    assert [one.calls for one in teachers] == [1, 1]


def test_targets_of_a_few_tokens_are_not_averaged(inputs: Tensor) -> None:
    class Few:
        def target(self, step: int, inputs: Tensor) -> TopK:
            return TopK(torch.zeros(24, 1, dtype=torch.int64), torch.zeros(24, 1))

    pool = Pool([Few(), Online(teacher(0))], np.ones((1, 2), dtype=bool))
    with pytest.raises(InputError, match="cache the average"):
        pool.target(0, inputs)


def test_a_schedule_for_other_teachers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3\) for 1 sources"):
        Pool([Online(teacher(0))], np.ones((4, 3), dtype=bool))


def test_a_digest_tells_weights_and_shapes_apart() -> None:
    assert teacher(0).digest == teacher(0).digest
    longer = Shape(**{**vars(SHAPE), "n_ctx": 16})  # the same weights
    digests = [teacher(0).digest, teacher(1).digest, teacher(0, longer).digest]
    pair, other = Averaged((teacher(0), teacher(1))), Averaged((teacher(0), teacher(2)))
    assert pair.digest == Averaged((teacher(1), teacher(0))).digest
    assert len({*digests, pair.digest, other.digest}) == 5


def test_prices_are_the_ledgers() -> None:
    one, two = teacher(0), teacher(1)
    assert one.forward_flops == flops.forward(SHAPE).total
    assert Averaged((one, two)).forward_flops == 2 * one.forward_flops


def test_every_teacher_of_another_vocabulary_is_named() -> None:
    small = Shape(**{**vars(SHAPE), "n_vocab": 11})
    with pytest.raises(InputError) as refused:
        require_same_vocabulary({"a": teacher(0), "b": teacher(0, small), "c": teacher(1, small)}, 23)
    assert [fault[:45] for fault in refused.value.faults] == [
        "b: predicts 11 tokens and its student 23; a s",
        "c: predicts 11 tokens and its student 23; a s",
    ]


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.safetensors: no usable model"):
        trained.load(tmp_path / "model.safetensors")
