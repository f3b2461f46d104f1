"""Which students are packed on one teacher forward without being asked: where it saves, and delays nobody."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fitting.flops import Shape
from sweeps.consultation import Consultation
from sweeps.sharing import LARGEST_PACK, SMALL, WORTH, pack
from sweeps.spec import Recipe, RunSpec

BATCH = 1024
RECIPE = Recipe("stdlib", BATCH, 0.01, None, 20, 1e-4, 1.0, 1e-4, 1024, 1)


def shape(layers: int, n_vocab: int = 256) -> Shape:
    return Shape.of_depth(layers, aspect=32, n_heads=4, n_vocab=n_vocab, n_ctx=128)


def teacher(layers: int) -> RunSpec:
    return RunSpec(f"t{layers}", "teacher", shape(layers), 32, BATCH * 100, 0, RECIPE)


def students(number: int, layers: int = 2, taught_by: int = 6, steps: int = 100) -> list[RunSpec]:
    """Distilled runs of one teacher that see the same batches."""
    return [
        RunSpec(
            f"d{steps}-{i}",
            "distilled",
            shape(layers),
            32,
            BATCH * steps,
            0,
            RECIPE,
            (teacher(taught_by),),
            Consultation(lam=i / (number + 1)),
        )
        for i in range(number)
    ]


def test_a_large_teachers_forward_is_shared() -> None:
    many = students(12)
    assert len(pack(many, many, slots=2, limit=None)) == LARGEST_PACK


def test_a_small_teachers_is_not_worth_it() -> None:
    many = students(12, layers=4, taught_by=1)
    assert pack(many, many, slots=2, limit=None) == many[:1]
    assert pack(many, many, slots=2, limit=3) == many[:3]  # unless it is asked for


def test_nobody_waits_for_a_pack_in_the_end() -> None:
    """With as many workers as students, one each is soonest, whatever a pack would save."""
    few = students(4)
    assert pack(few, few, slots=4, limit=None) == few[:1]
    assert len(pack(few, few, slots=1, limit=None)) == 4


def test_a_long_student_does_not_hide_that_the_short_ones_save_little() -> None:
    long, *short = students(1, steps=4000) + students(3, steps=10)
    assert pack([long, *short], [long, *short] * 9, slots=1, limit=None) == [long]


def test_students_that_hear_nothing_live_are_not_packed() -> None:
    cached = [replace(cell, consultation=Consultation(signal="top-k", kept=8)) for cell in students(8)]
    assert pack(cached, cached, slots=1, limit=None) == cached[:1]


def test_large_students_are_packed_on_request_only() -> None:
    big = Shape.of_depth(12, aspect=64, n_heads=12, n_vocab=4096, n_ctx=512)
    large = [replace(cell, shape=big) for cell in students(2, taught_by=60)]
    assert large[0].N <= SMALL < 2 * large[0].N
    assert pack(large, large * 9, slots=1, limit=None) == large[:1]
    assert pack(large, large * 9, slots=1, limit=2) == large


@given(
    number=st.integers(1, 9),
    layers=st.integers(1, 6),
    taught_by=st.integers(1, 8),
    slots=st.integers(1, 6),
    limit=st.none() | st.integers(1, 6),
)
def test_a_pack_is_of_its_kind_and_pays(
    number: int, layers: int, taught_by: int, slots: int, limit: int | None
) -> None:
    cells = students(number, layers, taught_by)
    packed = pack(cells, cells, slots, limit)
    assert packed == cells[: len(packed)]
    assert len(packed) <= (LARGEST_PACK if limit is None else limit)
    if limit is None and len(packed) > 1:
        apart = sum(cell.total_flops for cell in packed)
        together = sum(cell.training_flops for cell in packed) + packed[0].logits_flops
        assert together <= (1 - WORTH) * apart
        assert together <= (sum(cell.total_flops for cell in cells) - apart + together) / slots
