"""Eq 7 from chunks: the same value and gradients as plain autograd, and never all logits at once."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sweeps.objectives import cross_entropy_sum, objective

TOKENS, WIDTH, TEACHER_WIDTH, VOCABULARY = 23, 8, 12, 37


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)

    def draw(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    return {
        "student_hidden": draw(TOKENS, WIDTH).requires_grad_(),
        "student_head": draw(VOCABULARY, WIDTH).requires_grad_(),
        "targets": torch.randint(VOCABULARY, (TOKENS,), generator=generator),
        "teacher_hidden": draw(TOKENS, TEACHER_WIDTH),
        "teacher_head": draw(VOCABULARY, TEACHER_WIDTH),
    }


def naive(inputs: dict[str, Tensor], lam: float, tau: float, z_loss: float) -> Tensor:
    """Eq 7 as it is written."""
    student = inputs["student_hidden"] @ inputs["student_head"].T
    teacher = inputs["teacher_hidden"] @ inputs["teacher_head"].T
    ntp = F.cross_entropy(student, inputs["targets"])
    kd = -(tau**2) * ((teacher / tau).softmax(-1) * (student / tau).log_softmax(-1)).sum(-1).mean()
    return (1 - lam) * ntp + lam * kd + z_loss * student.logsumexp(-1).square().mean()


def gradients(value: Tensor, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, [inputs["student_hidden"], inputs["student_head"]])


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("tau", [1.0, 0.5, 4.0])
@pytest.mark.parametrize("chunk", [1, 5, TOKENS, 1000])
def test_value_and_gradients_equal_plain_autograd(
    inputs: dict[str, Tensor], lam: float, tau: float, chunk: int
) -> None:
    expected = naive(inputs, lam, tau, 0.01)
    got = objective(**inputs, lam=lam, tau=tau, z_loss=0.01, chunk=chunk).objective
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    # a factor on the loss reaches the gradients
    torch.testing.assert_close(gradients(3 * got, inputs), gradients(3 * expected, inputs), rtol=1e-10, atol=1e-12)


def test_gradients_equal_central_differences(inputs: dict[str, Tensor]) -> None:
    def value(hidden: Tensor, head: Tensor) -> Tensor:
        return objective(
            **{**inputs, "student_hidden": hidden, "student_head": head}, lam=0.7, tau=2.0, z_loss=0.1, chunk=6
        ).objective

    assert torch.autograd.gradcheck(value, (inputs["student_hidden"], inputs["student_head"]))


def test_the_direction_is_forward(inputs: dict[str, Tensor]) -> None:
    """Soft cross-entropy less the teacher's entropy is KL(teacher || student), and not the reverse."""
    student = (inputs["student_hidden"] @ inputs["student_head"].T).log_softmax(-1)
    teacher = (inputs["teacher_hidden"] @ inputs["teacher_head"].T).log_softmax(-1)
    entropy = -(teacher.exp() * teacher).sum(-1).mean()
    forward = F.kl_div(student.detach(), teacher, log_target=True, reduction="batchmean")
    reverse = F.kl_div(teacher, student.detach(), log_target=True, reduction="batchmean")
    got = objective(**inputs, lam=1.0).distillation.detach() - entropy
    assert float(got) == pytest.approx(float(forward), rel=1e-10)
    assert abs(float(got - reverse)) > 0.1


def test_without_a_teacher_it_is_the_cross_entropy(inputs: dict[str, Tensor]) -> None:
    alone = {name: value for name, value in inputs.items() if not name.startswith("teacher")}
    loss = objective(**alone)
    expected = F.cross_entropy(inputs["student_hidden"] @ inputs["student_head"].T, inputs["targets"])
    torch.testing.assert_close(loss.objective, expected)
    torch.testing.assert_close(loss.cross_entropy, expected.detach())
    expected = expected.detach()
    summed = cross_entropy_sum(inputs["student_hidden"], inputs["student_head"], inputs["targets"], chunk=4)
    assert float(summed) / TOKENS == pytest.approx(float(expected), rel=1e-6)


def test_a_student_equal_to_its_teacher_is_at_rest(inputs: dict[str, Tensor]) -> None:
    twin = {
        **inputs,
        "teacher_hidden": inputs["student_hidden"].detach(),
        "teacher_head": inputs["student_head"].detach(),
    }
    for gradient in gradients(objective(**twin, lam=1.0, tau=2.0, chunk=7).objective, inputs):
        assert float(gradient.abs().max()) < 1e-14


def test_the_journal_reads_the_data_whatever_the_objective(inputs: dict[str, Tensor]) -> None:
    logits = inputs["student_hidden"] @ inputs["student_head"].T
    expected = F.cross_entropy(logits.detach(), inputs["targets"])
    for lam in (0.0, 0.5, 1.0):
        assert float(objective(**inputs, lam=lam).cross_entropy) == pytest.approx(float(expected))


def test_distillation_needs_a_teacher(inputs: dict[str, Tensor]) -> None:
    del inputs["teacher_head"]
    with pytest.raises(ValueError, match="teacher_head"):
        objective(**inputs, lam=1.0)


class LargestTensor(TorchDispatchMode):
    """Watches every operation and keeps the size of the largest result."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.elements = max(self.elements, value.numel())
        return result


def test_no_more_than_a_chunk_of_logits_is_ever_alive() -> None:
    tokens, width, vocabulary, chunk = 512, 4, 1000, 16
    hidden, head = torch.randn(tokens, width, requires_grad=True), torch.randn(vocabulary, width, requires_grad=True)
    targets = torch.randint(vocabulary, (tokens,))
    with LargestTensor() as largest:
        objective(
            student_hidden=hidden,
            student_head=head,
            targets=targets,
            teacher_hidden=hidden.detach(),
            teacher_head=head.detach(),
            lam=0.5,
            tau=2.0,
            z_loss=1e-4,
            chunk=chunk,
        ).objective.backward()
        cross_entropy_sum(hidden, head, targets, chunk=chunk)
    assert largest.elements == chunk * vocabulary < tokens * vocabulary
