"""Eq 7 from chunks: the same value and gradients as plain autograd, and never all logits at once."""

import itertools
import math
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sweeps import objectives
from sweeps.consultation import Direction
from sweeps.objectives import Loss, cross_entropy_sum, objective
from sweeps.targets import Full, Mixture, Sampled, Target, TopK

TOKENS, WIDTH, TEACHER_WIDTH, VOCABULARY, KEPT = 23, 8, 12, 37, 6


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several, and far slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Case:
    """A student, its data and every form of two teachers' signals; `spread` is the standard deviation of logits."""

    def __init__(
        self,
        dtype: torch.dtype = torch.float64,
        tokens: int = TOKENS,
        vocabulary: int = VOCABULARY,
        spread: float = 3.0,
        width: int = WIDTH,
    ) -> None:
        generator = torch.Generator().manual_seed(3)

        def draw(*size: int) -> Tensor:
            return torch.randn(size, generator=generator, dtype=torch.float64).to(dtype)

        self.hidden = draw(tokens, width).requires_grad_()
        self.head = draw(vocabulary, width).mul_(spread * width**-0.5).requires_grad_()
        self.targets = torch.randint(vocabulary, (tokens,), generator=generator)
        self.full = Full(draw(tokens, TEACHER_WIDTH), draw(vocabulary, TEACHER_WIDTH) * spread * TEACHER_WIDTH**-0.5)
        other = Full(draw(tokens, width), draw(vocabulary, width) * spread * width**-0.5)
        likeliest = log_q(self.full).topk(KEPT)
        everything = log_q(self.full).topk(vocabulary)
        counts = torch.randint(4, (tokens, 5), generator=generator).to(dtype)
        counts[:, 0] += 1  # some of the others are padding: weight 0
        repeated = torch.randint(vocabulary, (tokens, 5), generator=generator)
        repeated[:, 1] = repeated[:, 0]
        self.teachers: dict[str, Target] = {
            "full": self.full,
            "mixture": Mixture((self.full, other)),
            "top-k": TopK(likeliest.indices, likeliest.values),
            "top-V": TopK(everything.indices, everything.values),
            "sampled": Sampled(repeated, counts / counts.sum(-1, keepdim=True)),
        }

    def loss(self, teacher: Target | None = None, **settings: Any) -> Loss:
        return objective(
            student_hidden=self.hidden, student_head=self.head, targets=self.targets, teacher=teacher, **settings
        )

    def gradients(self, value: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(value, [self.hidden, self.head])

    @property
    def logits(self) -> Tensor:
        return self.hidden @ self.head.T


def log_q(teacher: Target, tau: float = 1.0) -> Tensor:
    """A teacher's log-probabilities from its logits, as a definition."""
    if isinstance(teacher, Full):
        return (teacher.hidden @ teacher.head.T / tau).log_softmax(-1)
    assert isinstance(teacher, Mixture)
    return (
        torch.stack([log_q(member, tau).exp() for member in teacher.members if isinstance(member, Full)]).mean(0).log()
    )


def divergence(logits: Tensor, teacher: Target, tau: float, direction: Direction) -> tuple[Tensor, Tensor | None]:
    """The distillation term without τ², and the KL divergence, as they are written."""
    log_p = (logits / tau).log_softmax(-1)
    if isinstance(teacher, Sampled):
        return -(teacher.weights * log_p.gather(-1, teacher.tokens)).sum(-1).mean(), None
    if isinstance(teacher, TopK):
        outside = torch.ones_like(log_p).scatter(-1, teacher.tokens, 0)
        p = [log_p.gather(-1, teacher.tokens)]
        q = [teacher.log_probabilities]
        if outside.any():
            p.append((log_p.exp() * outside).sum(-1, keepdim=True).log())
            q.append((1 - teacher.log_probabilities.exp().sum(-1, keepdim=True)).log())
        log_p, known = torch.cat(p, -1), torch.cat(q, -1)
    else:
        known = log_q(teacher, tau)
    if direction == "reverse":
        kl = (log_p.exp() * (log_p - known)).sum(-1).mean()
        return kl, kl
    return -(known.exp() * log_p).sum(-1).mean(), (known.exp() * (known - log_p)).sum(-1).mean()


def plain(case: Case, teacher: Target, lam: float, tau: float, z_loss: float, direction: Direction) -> Tensor:
    """Eq 7 as it is written."""
    ntp = F.cross_entropy(case.logits, case.targets)
    kd, _ = divergence(case.logits, teacher, tau, direction)
    return (1 - lam) * ntp + lam * tau**2 * kd + z_loss * case.logits.logsumexp(-1).square().mean()


def error(got: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """The largest error relative to the largest entry, of the worse tensor."""
    return max(
        float((a.double() - b.double()).abs().max() / b.double().abs().max())
        for a, b in zip(got, expected, strict=True)
    )


FORMS: list[tuple[str, Direction]] = [
    ("full", "forward"),
    ("full", "reverse"),
    ("mixture", "forward"),
    ("mixture", "reverse"),
    ("top-k", "forward"),
    ("top-V", "forward"),
    ("sampled", "forward"),
]


@pytest.mark.parametrize(("form", "direction"), FORMS)
@pytest.mark.parametrize("tau", [1.0, 0.5, 4.0])
@pytest.mark.parametrize("chunk", [5, 1000])
def test_value_and_gradients_equal_plain_autograd(form: str, direction: Direction, tau: float, chunk: int) -> None:
    case = Case()
    teacher = case.teachers[form]
    for lam, z_loss in itertools.product((0.3, 1.0), (0.0, 0.01)):
        expected = plain(case, teacher, lam, tau, z_loss, direction)
        got = case.loss(teacher, lam=lam, tau=tau, z_loss=z_loss, direction=direction, chunk=chunk).objective
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
        # a factor on the loss reaches the gradients
        assert error(case.gradients(3 * got), case.gradients(3 * expected)) < 1e-10


@pytest.mark.parametrize(("form", "direction"), FORMS)
@pytest.mark.parametrize("tau", [1.0, 2.0])
def test_float32_gradients_equal_plain_autograd_to_six_digits(form: str, direction: Direction, tau: float) -> None:
    """With logits of unit variance: what float32 loses of larger ones, plain autograd loses too."""
    case = Case(torch.float32, tokens=64, vocabulary=256, spread=1.0, width=64)
    teacher = case.teachers[form]
    for lam, z_loss in ((0.5, 1e-4), (1.0, 0.0)):
        expected = case.gradients(plain(case, teacher, lam, tau, z_loss, direction))
        got = case.gradients(
            case.loss(teacher, lam=lam, tau=tau, z_loss=z_loss, direction=direction, chunk=16).objective
        )
        assert error(got, expected) < 1e-6


@pytest.mark.parametrize(("form", "direction"), FORMS)
def test_gradients_equal_central_differences(form: str, direction: Direction) -> None:
    case = Case()
    settings: dict[str, Any] = {"lam": 0.7, "tau": 2.0, "z_loss": 0.1, "direction": direction, "chunk": 6}
    gradients = case.gradients(case.loss(case.teachers[form], **settings).objective)
    generator = torch.Generator().manual_seed(5)
    for parameter, gradient in zip((case.hidden, case.head), gradients, strict=True):
        way = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                parameter.add_(way, alpha=step)
                ends.append(case.loss(case.teachers[form], **settings).objective.item())
                parameter.sub_(way, alpha=step)
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(float((gradient * way).sum()), rel=1e-7)


@pytest.mark.parametrize("tau", [1.0, 3.0])
def test_the_directions_are_what_they_are_called(tau: float) -> None:
    """Teacher (.9, .1), student (.5, .5): KL(teacher || student) is 0.368 nats, KL(student || teacher) 0.511."""
    teacher, student = torch.tensor([0.9, 0.1], dtype=torch.float64), torch.tensor([0.5, 0.5], dtype=torch.float64)
    one = torch.ones(1, 1, dtype=torch.float64)

    def kl(p: Tensor, q: Tensor) -> float:
        return float((p * (p / q).log()).sum())

    got = {}
    for direction in ("forward", "reverse"):
        loss = objective(
            student_hidden=one,
            student_head=tau * student.log()[:, None],
            targets=torch.zeros(1, dtype=torch.long),
            teacher=Full(one, tau * teacher.log()[:, None]),
            lam=1.0,
            tau=tau,
            direction=direction,
        )
        assert loss.kl is not None
        got[direction] = float(loss.kl), float(loss.distillation) / tau**2
    entropy = -float((teacher * teacher.log()).sum())
    assert got["forward"] == pytest.approx((kl(teacher, student), kl(teacher, student) + entropy), rel=1e-12)
    assert got["reverse"] == pytest.approx((kl(student, teacher), kl(student, teacher)), rel=1e-12)
    assert kl(teacher, student) == pytest.approx(0.368, abs=1e-3)
    assert kl(student, teacher) == pytest.approx(0.511, abs=1e-3)


def test_without_a_teacher_it_is_the_cross_entropy() -> None:
    case = Case()
    loss = case.loss(z_loss=0.1)
    expected = F.cross_entropy(case.logits, case.targets)
    total = expected + 0.1 * case.logits.logsumexp(-1).square().mean()
    torch.testing.assert_close(loss.objective, total)
    assert error(case.gradients(loss.objective), case.gradients(total)) < 1e-12
    torch.testing.assert_close(loss.cross_entropy, expected.detach())
    assert loss.kl is None
    assert case.loss(case.full, lam=0.0).kl is None
    summed = cross_entropy_sum(case.hidden, case.head, case.targets, chunk=4)
    assert float(summed) / TOKENS == pytest.approx(float(expected.detach()), rel=1e-12)


def test_a_student_equal_to_its_teacher_is_at_rest() -> None:
    case = Case()
    twin = Full(case.hidden, case.head)
    for direction in ("forward", "reverse"):
        loss = case.loss(twin, lam=1.0, tau=2.0, direction=direction, chunk=16)
        assert loss.kl is not None
        assert float(loss.kl) == pytest.approx(0, abs=1e-14)
        for gradient in case.gradients(loss.objective):
            assert float(gradient.abs().max()) < 1e-14


@pytest.mark.parametrize(("form", "direction"), FORMS)
@pytest.mark.parametrize("tau", [1.0, 2.0])
def test_the_journal_reads_each_term_whatever_the_objective(form: str, direction: Direction, tau: float) -> None:
    case = Case()
    teacher = case.teachers[form]
    soft, kl = divergence(case.logits.detach(), teacher, tau, direction)
    for lam in (0.5, 1.0):
        loss = case.loss(teacher, lam=lam, tau=tau, direction=direction, chunk=9)
        assert float(loss.cross_entropy) == pytest.approx(float(F.cross_entropy(case.logits, case.targets).detach()))
        assert float(loss.z) == pytest.approx(float(case.logits.detach().logsumexp(-1).square().mean()))
        assert float(loss.distillation) == pytest.approx(tau**2 * float(soft), rel=1e-12)
        if kl is None:
            assert loss.kl is None
        else:
            assert loss.kl is not None
            assert float(loss.kl) == pytest.approx(float(kl), rel=1e-12)


def test_all_tokens_kept_are_the_full_distribution() -> None:
    case = Case()
    full, kept = case.loss(case.full, lam=1.0), case.loss(case.teachers["top-V"], lam=1.0)
    torch.testing.assert_close(kept.objective, full.objective, rtol=1e-12, atol=0)
    torch.testing.assert_close(kept.kl, full.kl, rtol=1e-12, atol=0)
    assert error(case.gradients(kept.objective), case.gradients(full.objective)) < 1e-12


def test_twelve_sampled_tokens_mean_the_full_distribution() -> None:
    """The mean of the gradient over draws is the full one, within its standard error; so is the mean of the loss."""
    case, draws = Case(), 4000
    q = log_q(case.full).exp()
    full = case.loss(case.full, lam=1.0)
    expected = case.gradients(full.objective)[0]
    tokens = torch.multinomial(q.repeat(draws, 1), 12, True, generator=torch.Generator().manual_seed(0))
    case.hidden = case.hidden.detach().repeat(draws, 1).requires_grad_()
    case.targets = case.targets.repeat(draws)
    drawn = case.loss(Sampled(tokens, torch.full((draws * TOKENS, 12), 1 / 12, dtype=torch.float64)), lam=1.0)
    gradients = draws * case.gradients(drawn.objective)[0].view(draws, TOKENS, WIDTH)
    scores = (gradients.mean(0) - expected) / (gradients.std(0) / math.sqrt(draws))
    assert float(scores.abs().max()) < 4.5  # of 184 entries
    assert 0.7 < float(scores.square().mean()) < 1.4
    assert float(drawn.distillation) == pytest.approx(float(full.distillation), rel=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tail_that_underflows_has_a_finite_loss_and_its_gradient(dtype: torch.dtype) -> None:
    """The student gives all others e^-300 of its mass; the teacher a tenth of its own."""
    one = torch.ones(1, 1, dtype=dtype)
    head = torch.tensor([[300.0], [299.0], [0.0], [1.0]], dtype=dtype).requires_grad_()
    teacher = TopK(torch.tensor([[0, 1]]), torch.tensor([[0.6, 0.3]], dtype=dtype).log())
    loss = objective(
        student_hidden=one, student_head=head, targets=torch.zeros(1, dtype=torch.long), teacher=teacher, lam=1.0
    )
    p = torch.tensor([math.e, 1.0]) / (1 + math.e)
    inside = -0.6 * math.log(p[0]) - 0.3 * math.log(p[1])
    log_tail = math.log1p(math.e) - 300 - math.log(math.e + 1) + 1 - 1  # log (1 + e) - log (e^300 + e^299), e^299 out
    assert float(loss.distillation) == pytest.approx(inside - 0.1 * (log_tail + 1), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss.objective, head)
    expected = [p[0] - 0.6, p[1] - 0.3, -0.1 / (1 + math.e), -0.1 * math.e / (1 + math.e)]
    assert gradient[:, 0].tolist() == pytest.approx([float(x) for x in expected], abs=1e-6)


def test_a_teacher_that_keeps_all_of_its_mass_has_no_tail() -> None:
    """Tokens kept that add up to 1, or by rounding to a little more, and places of no mass at all."""
    one, head = torch.ones(1, 1), torch.randn(9, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    log_q = torch.tensor([[math.log(0.5) + 1e-7, math.log(0.5), -math.inf]])
    loss = objective(
        student_hidden=one,
        student_head=head,
        targets=torch.zeros(1, dtype=torch.long),
        teacher=TopK(torch.tensor([[4, 2, 7]]), log_q),
        lam=1.0,
    )
    log_p = head.detach()[:, 0].log_softmax(-1)
    assert float(loss.distillation) == pytest.approx(-0.5 * float(log_p[4] + log_p[2]), rel=1e-6)
    assert loss.kl is not None
    assert float(loss.kl) == pytest.approx(-0.5 * float(log_p[4] + log_p[2]) - math.log(2), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss.objective, head)
    expected = log_p.exp()
    expected[[4, 2]] -= 0.5
    torch.testing.assert_close(gradient[:, 0], expected, rtol=1e-5, atol=1e-7)


def test_caches_may_be_narrow() -> None:
    """Tokens as int32 and log-probabilities as float16, as they lie on a disk."""
    case = Case()
    kept, drawn = case.teachers["top-k"], case.teachers["sampled"]
    assert isinstance(kept, TopK)
    assert isinstance(drawn, Sampled)
    narrow = TopK(kept.tokens.int(), kept.log_probabilities.half())
    torch.testing.assert_close(
        case.loss(narrow, lam=1.0).objective, case.loss(kept, lam=1.0).objective, rtol=1e-3, atol=0
    )
    sample = Sampled(drawn.tokens.to(torch.int16), drawn.weights)
    assert torch.equal(case.loss(sample, lam=1.0).objective, case.loss(drawn, lam=1.0).objective)


def test_what_cannot_be_is_refused() -> None:
    case = Case()
    with pytest.raises(ValueError, match="teacher"):
        case.loss(lam=1.0)
    for form in ("top-k", "sampled"):
        with pytest.raises(ValueError, match="reverse"):
            case.loss(case.teachers[form], lam=0.5, direction="reverse")
    for form, other in Case(tokens=11).teachers.items():
        with pytest.raises(ValueError, match="11"):
            case.loss(other, lam=1.0)
        with pytest.raises(ValueError, match="23"):
            Case(tokens=11).loss(case.teachers[form], lam=1.0)
    with pytest.raises(ValueError, match=r"\(23, 30\)"):
        case.loss(Full(case.full.hidden, case.full.head[:30]), lam=1.0)
    with pytest.raises(ValueError, match="sideways"):
        case.loss(case.full, lam=1.0, direction="sideways")


def test_gradients_are_handed_out_once() -> None:
    case = Case()
    value = case.loss(case.full, lam=0.5).objective
    torch.autograd.grad(value, [case.hidden, case.head], retain_graph=True)
    with pytest.raises(RuntimeError, match="second backward"):
        case.gradients(value)


def test_only_what_learns_has_a_gradient() -> None:
    case = Case()
    case.head.requires_grad_(False)
    expected = torch.autograd.grad(plain(case, case.full, 0.5, 1.0, 0.0, "forward"), case.hidden)
    got = torch.autograd.grad(case.loss(case.full, lam=0.5).objective, case.hidden)
    assert error(got, expected) < 1e-10
    with torch.no_grad():
        assert not case.loss(case.full, lam=0.5).objective.requires_grad


@pytest.mark.parametrize(("form", "direction"), [*FORMS, ("none", "forward")])
@pytest.mark.parametrize("way", ["autocast", "hidden"])
def test_bfloat16_multiplies_and_float32_adds(form: str, direction: Direction, way: str) -> None:
    """Within bfloat16's rounding of float32 (8 bits), and in the dtypes of what went in."""
    case = Case(torch.float32, tokens=256, vocabulary=500)
    teacher = case.teachers.get(form)
    settings: dict[str, Any] = {"lam": 0.5 if teacher else 0.0, "z_loss": 1e-3, "direction": direction}
    whole = case.loss(teacher, **settings)
    expected = case.gradients(whole.objective)
    if way == "hidden":
        case.hidden = case.hidden.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"):
        loss = case.loss(teacher, **settings, chunk=4)
    assert loss.objective.dtype == torch.float32
    assert loss.objective.item() == pytest.approx(whole.objective.item(), rel=5e-3)
    got = case.gradients(loss.objective)
    assert [gradient.dtype for gradient in got] == [case.hidden.dtype, torch.float32]
    assert error(got, expected) < 0.03
    # sixty-four chunks added up in bfloat16 would lose what one chunk of all does not
    with torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"):
        at_once = case.gradients(case.loss(teacher, **settings, chunk=256).objective)
    assert error(got[1:], at_once[1:]) < 1e-2


class Watch(TorchDispatchMode):
    """Watches every operation: the largest result, and the bytes of results that are alive together."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = self.alive = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in args:  # what was there before
            if isinstance(value, Tensor):
                self._known.add(value.untyped_storage().data_ptr())
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.elements = max(self.elements, value.numel())
                self._meet(value)
        return result

    def _meet(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known or not size:
            return
        self._known.add(place)
        self.alive += size
        self.peak = max(self.peak, self.alive)

        def gone() -> None:
            self._known.discard(place)
            self.alive -= size

        weakref.finalize(storage, gone)


CASES: dict[str, Callable[[Case], dict[str, Any]]] = {
    "supervised": lambda case: {},
    "full": lambda case: {"teacher": case.full, "lam": 0.5},
    "full, tau": lambda case: {"teacher": case.full, "lam": 0.5, "tau": 2.0},
    "mixture": lambda case: {"teacher": case.teachers["mixture"], "lam": 0.5},
    "reverse": lambda case: {"teacher": case.full, "lam": 0.5, "direction": "reverse"},
    "top-k": lambda case: {"teacher": case.teachers["top-k"], "lam": 0.5},
    "sampled": lambda case: {"teacher": case.teachers["sampled"], "lam": 0.5},
}


@pytest.mark.parametrize("name", CASES)
def test_no_more_than_two_chunks_of_logits_are_ever_alive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The student's and the teacher's, and of an average of teachers the next one's."""
    tokens, vocabulary, chunk = 512, 1000, 16
    case = Case(torch.float32, tokens, vocabulary)
    settings = CASES[name](case)
    monkeypatch.setattr(objectives, "BLOCK_ELEMENTS", {"cpu": 2 * vocabulary})
    with Watch() as watch:
        case.loss(**settings, z_loss=1e-4, chunk=chunk).objective.backward()
        cross_entropy_sum(case.hidden, case.head, case.targets, chunk=chunk)
    assert watch.elements == chunk * vocabulary < tokens * vocabulary
    chunks = {"supervised": 1, "sampled": 1, "top-k": 1, "mixture": 3}.get(name, 2)
    gradients, readings = 4 * WIDTH * (tokens + vocabulary), 64 * tokens
    assert watch.peak < gradients + readings + (chunks + 0.5) * 4 * chunk * vocabulary
