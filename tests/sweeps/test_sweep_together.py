"""What cells share: a teacher's forward, a trunk, a cache, and that none of it changes what each would be alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fitting import flops
from fitting.flops import Shape
from sweeps import checkpoints, corpora, journal
from sweeps.consultation import Consultation
from sweeps.feeding import validation_loss
from sweeps.schedule import branches_at, learning_rate
from sweeps.sharing import pack, trunks
from sweeps.spec import Recipe, RunSpec
from sweeps.student import Branch, Paths, Result
from sweeps.targets import Full, Mixture
from sweeps.teachers import shared
from sweeps.training import Interrupted, train_together

STEPS, BATCH = 24, 128
RECIPE = Recipe("stdlib", BATCH, 0.02, None, 2000, 1e-4, 1.0, 1e-4, 1024, 1)
CORPUS = corpora.load("stdlib")


def shape(layers: int) -> Shape:
    return Shape.of_depth(layers, aspect=16, n_heads=2, n_vocab=256, n_ctx=32)


def teacher(name: str, seed: int) -> RunSpec:
    return RunSpec(name, "teacher", shape(2), 16, BATCH * STEPS, seed, RECIPE)


BIG, OTHER = teacher("big", 0), teacher("other", 1)
STUDENT = RunSpec("d", "distilled", shape(1), 16, BATCH * STEPS, 0, RECIPE, (BIG,), Consultation())


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(folder: Path, cells: Sequence[RunSpec], *, branches: bool = False, **more: Any) -> dict[str, Result]:
    """Train cells together in a folder, and what became of each."""
    results: dict[str, Result] = {}
    train_together(
        [(cell, paths(folder, cell, cells if branches else ())) for cell in cells[: 1 if branches else None]],
        CORPUS,
        done=lambda cell, result: results.update({cell.id: result}),
        **more,
    )
    return results


def paths(folder: Path, cell: RunSpec, family: Sequence[RunSpec] = ()) -> Paths:
    def home(name: str) -> Path:
        (folder / name).mkdir(parents=True, exist_ok=True)
        return folder / name

    return Paths(
        home(cell.id) / "journal.jsonl",
        home(cell.id) / "state.safetensors",
        home(cell.id) / "model.safetensors",
        tuple(home(one.id) / "model.safetensors" for one in cell.teachers),
        tuple(Branch(one, home(one.id) / "state.safetensors") for one in family if one is not cell),
        folder / "logits",
    )


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both teachers."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("school")
    for one in (BIG, OTHER):
        assert run(folder, [one])[one.id].status == "finished"
    return folder


@pytest.fixture
def room(school: Path, tmp_path: Path) -> Path:
    """A folder with the teachers in it and nothing else."""
    for one in (BIG, OTHER):
        (tmp_path / one.id).symlink_to(school / one.id)
    return tmp_path


def left(folder: Path, cell: RunSpec) -> tuple[bytes, bytes, list[journal.Entry]]:
    """All that a run leaves, clocks set aside."""
    where = paths(folder, cell)
    entries = [replace(entry, tokens_per_s=0.0, mfu=0.0) for entry in journal.read(where.journal)]
    return where.model.read_bytes(), where.model.with_suffix(".json").read_bytes(), entries


SIBLINGS = [
    STUDENT,
    replace(STUDENT, id="longer", tokens=BATCH * (STEPS + 12)),
    replace(STUDENT, id="larger", shape=shape(2)),
    replace(STUDENT, id="half", consultation=Consultation(lam=0.5, end=0.5)),
    replace(STUDENT, id="backward", consultation=Consultation(direction="reverse", every=3)),
]


def test_students_trained_together_end_as_they_would_alone(room: Path, school: Path, tmp_path: Path) -> None:
    together = run(room, SIBLINGS)
    alone = tmp_path / "alone"
    alone.mkdir()
    for one in (BIG, OTHER):
        (alone / one.id).symlink_to(school / one.id)
    for cell in SIBLINGS:
        assert run(alone, [cell]) == {cell.id: together[cell.id]}
        assert left(alone, cell) == left(room, cell)


def test_students_stopped_together_go_on_to_the_same_bits(room: Path, tmp_path: Path, school: Path) -> None:
    counts = iter(range(100))
    cells = SIBLINGS[:3]
    with pytest.raises(Interrupted, match="d, longer, larger: stopped after 8 of 24 steps"):
        run(room, cells, stop=lambda: next(counts) == 7)
    # one of them got further on its own before the others go on
    counts = iter(range(100))
    with pytest.raises(Interrupted, match="longer: stopped after 13 of 36"):
        run(room, [cells[1]], stop=lambda: next(counts) == 4)
    run(room, cells)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / BIG.id).symlink_to(school / BIG.id)
    for cell in cells:
        run(alone, [cell])
        assert left(alone, cell)[:2] == left(room, cell)[:2]


def test_one_that_diverges_leaves_the_others_alone(room: Path) -> None:
    wild = replace(STUDENT, id="wild", recipe=replace(RECIPE, learning_rate=1e30, clip=1e30))
    assert pack([STUDENT, wild], [], 1, 4) == [STUDENT, wild]
    results = run(room, [wild, STUDENT])
    assert results["wild"].status == "diverged"
    assert results["d"].status == "finished"
    assert not paths(room, wild).model.exists()


@pytest.mark.parametrize(("room", "products"), [(2**24, 3), (100, 5)])
def test_a_teachers_head_is_multiplied_once_for_all_students(
    monkeypatch: pytest.MonkeyPatch, room: int, products: int
) -> None:
    asked: list[slice] = []

    class Counted(Full):
        def log_probabilities(self, part: slice, tau: float) -> torch.Tensor:
            asked.append(part)
            return super().log_probabilities(part, tau)

    class Source:
        def target(self, step: int, inputs: torch.Tensor) -> Full:
            return Counted(torch.ones(12, 4), torch.eye(20, 4))

    monkeypatch.setattr(shared, "_ELEMENTS", {"cpu": room})
    source = shared.Shared(Source(), students=2)
    parts = [slice(0, 5), slice(5, 10), slice(10, 12)]
    said = []
    for _ in range(2):
        target = source.target(7, torch.zeros(3, 4, dtype=torch.long))
        assert isinstance(target, Mixture)
        for part in parts:
            log_q = target.log_probabilities(part, 1.0)
            said.append(log_q.clone())
            log_q.zero_()  # who asks may overwrite it
    assert all(torch.equal(one, other) for one, other in zip(said[:3], said[3:], strict=True))
    assert (source.asked, len(asked)) == (1, products)  # with room for one slice only, two are multiplied again


def test_only_cells_of_the_same_batches_and_targets_are_packed() -> None:
    strangers = [
        replace(STUDENT, id="seed", seed=1),
        replace(STUDENT, id="teacher", teachers=(OTHER,)),
        replace(STUDENT, id="tau", consultation=Consultation(tau=2.0)),
        replace(STUDENT, id="batch", recipe=replace(RECIPE, batch_tokens=256)),
        replace(STUDENT, id="bf16", recipe=replace(RECIPE, precision="bf16")),
    ]
    assert pack([STUDENT, *strangers, *SIBLINGS[1:]], [], 1, 10) == SIBLINGS
    assert pack(SIBLINGS, [], 1, 2) == SIBLINGS[:2]
    assert pack([BIG, OTHER], [], 1, 10) == [BIG]


@pytest.mark.parametrize("pool", ["draw", "average"])
@pytest.mark.parametrize("signal", ["online", "top-k", "sampled"])
def test_a_pool_teaches_and_is_charged_for_who_runs(room: Path, pool: Any, signal: Any) -> None:
    asked = Consultation(pool=pool, signal=signal, kept=None if signal == "online" else 8, fraction=0.75)
    cell = replace(STUDENT, teachers=(BIG, OTHER), consultation=asked)
    assert run(room, [cell])["d"].status == "finished"
    ran = asked.schedule(cell.steps, 2, cell.stream("consultation"))
    assert 0 < ran.any(1).sum() < cell.steps
    assert (ran.sum(1).max() == 1) == (pool == "draw")
    price = flops.forward(BIG.shape).total * BATCH
    last = journal.read(paths(room, cell).journal)[-1]
    assert last.flops_logits == pytest.approx(ran.sum() * price if signal == "online" else 0.0)
    assert cell.consulted_flops == pytest.approx(ran.sum() * price)
    if signal != "online":
        caches = list((room / "logits").iterdir())
        assert len(caches) == (2 if pool == "draw" else 1)


def test_all_that_a_teacher_says_from_a_cache_is_what_it_says_online(room: Path) -> None:
    """With every token kept the only difference is that log-probabilities are kept in half precision."""
    cached = replace(STUDENT, id="cached", consultation=Consultation(signal="top-k", kept=256))
    results = run(room, [STUDENT]) | run(room, [cached])
    assert set(results["d"].measured) == {"ece", "kl_to_teacher", "ece_to_teacher"}
    assert results["cached"].loss == pytest.approx(results["d"].loss, rel=1e-4)
    assert results["cached"].loss != results["d"].loss


def test_outside_its_window_a_run_is_a_supervised_one(room: Path) -> None:
    """Before the window no teacher is asked: the same weights as without one, and cross-entropy at weight 1."""
    late = replace(STUDENT, consultation=Consultation(start=0.5))
    plain = replace(STUDENT, id="s", role="supervised", teachers=(), consultation=None)
    counts = iter(range(100))
    with pytest.raises(Interrupted):
        run(room, [late], stop=lambda: next(counts) == 11)
    counts = iter(range(100))
    with pytest.raises(Interrupted):
        run(room, [plain], stop=lambda: next(counts) == 11)
    states = [checkpoints._read(paths(room, cell).state)[1] for cell in (late, plain)]
    weights = [{name: value for name, value in state.items() if name.startswith("model.")} for state in states]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    entries = journal.read(paths(room, late).journal)
    assert all(entry.flops_logits == 0 and entry.kl is None for entry in entries)
    run(room, [late])
    entries = journal.read(paths(room, late).journal)
    assert entries[-1].flops_logits == pytest.approx(late.logits_flops)
    assert entries[-1].flops_logits == pytest.approx(12 * BATCH * flops.forward(BIG.shape).total)
    assert entries[-1].kl is not None


@given(
    steps=st.integers(1, 200),
    teachers=st.integers(1, 4),
    seed=st.integers(0, 2**62),
    start=st.floats(0, 0.9),
    width=st.floats(0.05, 1.0),
    every=st.integers(1, 9),
    fraction=st.floats(0.05, 1.0),
    pool=st.sampled_from(["draw", "average"]),
)
def test_a_schedule_keeps_to_what_was_asked(
    steps: int, teachers: int, seed: int, start: float, width: float, every: int, fraction: float, pool: Any
) -> None:
    end = min(1.0, start + width)
    asked = Consultation(start=start, end=end, every=every, fraction=fraction, pool=pool)
    found = asked.schedule(steps, teachers, seed)
    assert found.shape == (steps, teachers)
    when = np.flatnonzero(found.any(1))
    assert all(start * steps <= step + 1e-6 and step < end * steps for step in when)
    assert set(np.diff(when) % every) <= {0}
    assert set(found.sum(1)) <= ({0, 1} if pool == "draw" else {0, teachers})
    if fraction == 1 and len(when) > 1:
        assert set(np.diff(when)) == {every}
    whole = replace(asked, start=0.0, end=1.0)
    shorter = whole.schedule(steps // 2 + 1, teachers, seed)
    assert np.array_equal(shorter, whole.schedule(steps, teachers, seed)[: steps // 2 + 1])


@pytest.mark.parametrize(("share", "steps", "asked"), [(0.1, 30, 3), (0.7, 10, 7), (0.29, 100, 29), (0.28, 25, 7)])
def test_a_share_of_the_steps_is_not_one_more(share: float, steps: int, asked: int) -> None:
    """0.1 * 30 is 3.0000000000000004 in floating point; a window of a tenth is three steps of thirty all the same."""
    early, late = Consultation(end=share), Consultation(start=share)
    assert early.schedule(steps, 1, 0).sum() == asked
    assert late.schedule(steps, 1, 0).sum() == steps - asked


TRUNK = replace(RECIPE, schedule="branches", warmup_steps=4, decay_share=0.25)
FAMILY = [replace(STUDENT, id=f"b{n}", tokens=BATCH * n, recipe=TRUNK) for n in (40, 24, 12)]


def test_a_branch_is_the_run_that_it_would_be_alone(room: Path, school: Path, tmp_path: Path) -> None:
    longest, *shorter = FAMILY
    assert trunks([STUDENT, *FAMILY]) == {one.id: longest for one in shorter}
    run(room, FAMILY, branches=True)
    for cell in shorter:
        assert checkpoints.load_model(paths(room, longest).model)
        state = paths(room, cell).state
        assert checkpoints._read(state)[0]["step"] == cell.branches_at == round(0.75 * cell.steps)
        run(room, [cell])
        first = journal.read(paths(room, cell).journal)[0]
        assert first.step > cell.branches_at  # it did not train its trunk again
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / BIG.id).symlink_to(school / BIG.id)
    for cell in FAMILY:
        run(alone, [cell])
        assert left(alone, cell)[:2] == left(room, cell)[:2]


def test_a_run_whose_window_depends_on_its_length_has_no_trunk() -> None:
    windowed = [replace(cell, consultation=Consultation(end=0.5)) for cell in FAMILY]
    assert trunks(windowed) == {}
    assert trunks([replace(cell, recipe=RECIPE) for cell in FAMILY]) == {}
    assert trunks([replace(cell, seed=i) for i, cell in enumerate(FAMILY)]) == {}


@given(steps=st.integers(20, 5000), longer=st.integers(1, 5000), share=st.floats(0.05, 0.6))
def test_rates_of_a_trunk_do_not_depend_on_the_length(steps: int, longer: int, share: float) -> None:
    settings: dict[str, Any] = {"peak": 1.0, "warmup_steps": 5, "schedule": "branches", "decay_share": share}
    own = [learning_rate(step, steps=steps, **settings) for step in range(steps)]
    other = [learning_rate(step, steps=steps + longer, **settings) for step in range(steps)]
    start = branches_at(steps, share)
    assert own[:start] == other[:start]
    assert own[-1] == pytest.approx(1e-3)
    assert all(later < earlier for earlier, later in zip(own[max(start, 6) :], own[max(start, 6) + 1 :], strict=False))


def test_mup_scales_the_rates_of_linear_layers_only(room: Path) -> None:
    recipe = replace(RECIPE, parametrisation="mup", reference_width=32)
    narrow = replace(STUDENT, id="mup", recipe=recipe, shape=shape(1))  # width 16, half the base
    assert narrow.learning_rate == RECIPE.learning_rate
    assert run(room, [narrow])["mup"].status == "finished"
    model = checkpoints.load_model(paths(room, narrow).model)
    assert model.output_scale == 2.0  # what is no weight is restored all the same
    at_base = [
        replace(STUDENT, id=way, shape=shape(2), recipe=replace(recipe, parametrisation=way))
        for way in ("mup", "standard")
    ]
    run(room, at_base)
    weights = [checkpoints.load_model(paths(room, cell).model).state_dict() for cell in at_base]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_bf16_and_compilation_change_a_run_a_little(room: Path) -> None:
    bf16 = replace(STUDENT, id="bf16", recipe=replace(RECIPE, precision="bf16"))
    compiled = replace(STUDENT, id="compiled", recipe=replace(RECIPE, compiled=True))
    losses = {name: result.loss for cell in (STUDENT, bf16, compiled) for name, result in run(room, [cell]).items()}
    assert losses["bf16"] == pytest.approx(losses["d"], rel=5e-3)
    assert losses["bf16"] != losses["d"]
    model = checkpoints.load_model(paths(room, bf16).model)
    assert validation_loss(model, bf16, CORPUS) == losses["bf16"]  # judged in float32, whatever it trained in
    assert losses["compiled"] == pytest.approx(losses["d"], rel=1e-4)
    assert set(checkpoints.load_model(paths(room, compiled).model).state_dict()) == set(
        checkpoints.load_model(paths(room, STUDENT).model).state_dict()
    )
