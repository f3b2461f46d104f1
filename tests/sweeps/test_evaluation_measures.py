"""A model on the held-out slice: the loss of its run to the last bit, and its distance from its teachers."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from fitting.errors import InputError
from fitting.flops import Shape
from sweeps import corpora, objectives
from sweeps.consultation import Consultation
from sweeps.corpora import Corpus
from sweeps.evaluation.calibration import Gap
from sweeps.evaluation.measures import against_teacher, evaluate, measured
from sweeps.feeding import validation_loss
from sweeps.models import Transformer, initialise
from sweeps.spec import Recipe, RunSpec
from sweeps.teachers.pool import Averaged
from sweeps.teachers.trained import Trained

SHAPE = Shape(n_layers=1, d_model=16, d_ffn=48, n_heads=2, n_kv_heads=2, n_vocab=256, n_ctx=32)
RECIPE = Recipe("stdlib", 256, 0.02, None, 2000, 1e-4, 1.0, 1e-4, validation_tokens=32 * 37, validations=2)
TEACHERS = tuple(RunSpec(f"t{seed}", "teacher", SHAPE, 16, 256, seed, RECIPE) for seed in (1, 2))
SUPERVISED = RunSpec("s", "supervised", SHAPE, 16, 256, 0, RECIPE)


def distilled(pool: str, teachers: int = 2) -> RunSpec:
    asked = Consultation(pool=pool, tau=2.0)  # type: ignore[arg-type]
    return replace(SUPERVISED, id="d", role="distilled", teachers=TEACHERS[:teachers], consultation=asked)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return corpora.load("stdlib")


def model(seed: int, scale: float = 1.0) -> Transformer:
    made = Transformer(SHAPE, scale)
    initialise(made, seed)
    return made


def plain(made: Transformer, corpus: Corpus) -> tuple[torch.Tensor, torch.Tensor]:
    """log-probabilities (positions, V) in float64, all at once, and the targets."""
    inputs, targets = corpora.held_out(corpus, n_ctx=32, tokens=RECIPE.validation_tokens)
    with torch.no_grad():
        return F.log_softmax(made.logits(torch.from_numpy(inputs)).double(), -1).flatten(0, 1), torch.from_numpy(
            targets
        ).flatten()


def eq_38(log_p: torch.Tensor, targets: torch.Tensor) -> float:
    found = Gap()
    confidence, token = log_p.max(-1)
    found.add(confidence.exp(), confidence.exp(), token == targets)
    return found.value


@pytest.mark.parametrize("chunk", [4096, 50])
def test_the_loss_is_that_of_the_run_to_the_last_bit(corpus, monkeypatch, chunk):
    monkeypatch.setattr(objectives, "chunk_of", lambda *_: chunk)
    made = model(0)
    found = evaluate(Trained(made), corpus, n_ctx=32, tokens=RECIPE.validation_tokens)
    assert found.loss == validation_loss(made, SUPERVISED, corpus)
    assert (found.tokens, found.windows, found.n_ctx) == (32 * 37, 37, 32)


def test_against_the_plain_formulas(corpus):
    made = model(0, scale=3.0)
    log_p, targets = plain(made, corpus)
    found = evaluate(Trained(made), corpus, n_ctx=32, tokens=RECIPE.validation_tokens)
    losses = -log_p.gather(1, targets[:, None])[:, 0]
    assert found.loss == pytest.approx(float(losses.mean()), rel=1e-6)
    by_window = losses.view(-1, 32).mean(1)
    assert found.standard_error == pytest.approx(float(by_window.std()) / math.sqrt(37), rel=1e-5)
    assert found.accuracy == float((log_p.argmax(-1) == targets).double().mean())
    assert found.ece == pytest.approx(eq_38(log_p, targets), abs=1e-6)


def test_chunks_and_groups_change_nothing_but_the_last_bits(corpus, monkeypatch):
    teacher = Trained(model(0, scale=3.0))
    whole = evaluate(teacher, corpus, n_ctx=32, tokens=640)
    monkeypatch.setattr(objectives, "chunk_of", lambda *_: 7)
    shares: list[float] = []
    pieces = evaluate(teacher, corpus, n_ctx=32, tokens=640, windows=3, tell=shares.append)
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-6)
    assert pieces.ece == pytest.approx(whole.ece, abs=1e-5)
    assert pieces.accuracy == whole.accuracy
    assert shares == [*[3 * i / 20 for i in range(1, 7)], 1.0]


def test_one_window_has_no_standard_error(corpus):
    assert evaluate(Trained(model(0)), corpus, n_ctx=32, tokens=32).standard_error is None


def test_a_student_that_is_its_teacher_is_no_distance_away(corpus):
    made = model(0, scale=3.0)
    found = against_teacher(Trained(made), [Trained(made)], corpus, n_ctx=32, tokens=1184)
    assert found["kl_to_teacher"] == pytest.approx(0, abs=1e-6)
    assert found["ece_to_teacher"] == pytest.approx(0, abs=1e-6)
    assert found["ece_to_teacher_by_teacher"] == pytest.approx(0, abs=1e-6)
    assert found["agreement"] == 1


def expected(student: torch.Tensor, teacher: torch.Tensor) -> dict[str, float]:
    """KL, Eq 39 by both bins and agreement from log-probabilities (positions, V)."""
    ours, theirs = student.max(-1), teacher.max(-1)
    by_student, by_teacher = Gap(), Gap()
    by_student.add(ours.values.exp(), ours.values.exp(), theirs.values.exp())
    by_teacher.add(theirs.values.exp(), ours.values.exp(), theirs.values.exp())
    return {
        "kl_to_teacher": float((teacher.exp() * (teacher - student)).sum(-1).mean()),
        "ece_to_teacher": by_student.value,
        "ece_to_teacher_by_teacher": by_teacher.value,
        "agreement": float((ours.indices == theirs.indices).double().mean()),
    }


@pytest.mark.parametrize("pool", ["average", "draw"])
@pytest.mark.parametrize("chunk", [4096, 50])
def test_two_teachers_are_a_mixture_or_two(corpus, monkeypatch, pool, chunk):
    monkeypatch.setattr(objectives, "chunk_of", lambda *_: chunk)
    student, *teachers = [model(seed, scale) for seed, scale in ((0, 2.0), (1, 3.0), (2, 1.0))]
    log_p, targets = plain(student, corpus)
    log_q = [plain(teacher, corpus)[0] for teacher in teachers]
    found = against_teacher(
        Trained(student), [Trained(one) for one in teachers], corpus, n_ctx=32, tokens=1184, pool=pool
    )
    if pool == "average":
        wanted = expected(log_p, torch.logaddexp(*log_q) - math.log(2))
    else:
        both = [expected(log_p, one) for one in log_q]
        wanted = {name: (both[0][name] + both[1][name]) / 2 for name in both[0]}
    assert found == pytest.approx({"ece": eq_38(log_p, targets), **wanted}, rel=1e-4, abs=1e-6)


def test_an_averaged_teacher_is_an_average_of_teachers(corpus):
    student, *teachers = [Trained(model(seed)) for seed in range(3)]
    one = against_teacher(student, [Averaged(tuple(teachers))], corpus, n_ctx=32, tokens=320)
    assert one == against_teacher(student, teachers, corpus, n_ctx=32, tokens=320)


def test_the_record_of_a_run(corpus):
    made = model(0)
    teachers = [Trained(model(seed)) for seed in (1, 2)]
    alone = measured(made, SUPERVISED, corpus, [])
    assert set(alone) == {"ece"}
    taught = {pool: measured(made, distilled(pool), corpus, teachers) for pool in ("draw", "average")}
    for found in taught.values():
        assert set(found) == {"ece", "kl_to_teacher", "ece_to_teacher"}
        assert found["ece"] == alone["ece"] == evaluate(Trained(model(0)), corpus, n_ctx=32, tokens=1184).ece
    assert taught["draw"]["kl_to_teacher"] > taught["average"]["kl_to_teacher"]  # KL is convex in the teacher
    assert measured(made, distilled("draw"), corpus, teachers) == taught["draw"]


def test_a_model_in_training_is_left_as_it_is(corpus):
    made = model(0).train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    measured(made, distilled("draw", 1), corpus, [Trained(model(1))])
    assert made.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in made.parameters())
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_what_the_grid_keeps_is_what_is_measured(corpus):
    from sweeps.run_table import MEASURED

    assert set(measured(model(0), distilled("draw", 1), corpus, [Trained(model(1))])) == set(MEASURED)


def test_what_cannot_be_measured_is_refused(corpus):
    teacher = Trained(model(0))
    with pytest.raises(InputError, match=r"corpus too small: 'stdlib' holds out .* not 1000000000000"):
        evaluate(teacher, corpus, n_ctx=32, tokens=10**12)
    with pytest.raises(InputError, match="31 are less than one window of 32"):
        evaluate(teacher, corpus, n_ctx=32, tokens=31)
    other = Transformer(replace(SHAPE, n_vocab=300))
    initialise(other, 0)
    with pytest.raises(InputError, match="teacher 1: predicts 300 tokens"):
        against_teacher(teacher, [Trained(other)], corpus, n_ctx=32, tokens=320)
    with pytest.raises(ValueError, match="d: 1 teachers, its specification has 2"):
        measured(model(0), distilled("draw"), corpus, [teacher])
