"""Shapes by size: the nearest trainable one, the family from its own sizes, and an honest refusal."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitting.errors import InputError
from fitting.flops import Shape, parameters

FAMILIES = [{"aspect": 128, "n_heads": 16}, {"aspect": 32, "n_heads": 2}, {"aspect": 64, "n_heads": 4}]
ids = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"aspect{family['aspect']}")


def size(shape):
    return parameters(shape).non_embedding


@ids
@settings(max_examples=40, deadline=None)
@given(n_layers=st.integers(1, 48))
def test_a_member_of_the_family_is_found_from_its_own_size(family, n_layers):
    shape = Shape.of_depth(n_layers, **family)
    assert Shape.of_size(size(shape), **family) == shape


@ids
@settings(max_examples=40, deadline=None)
@given(N=st.floats(3e6, 3e10))
def test_the_nearest_shape_is_near_and_can_be_trained(family, N):
    shape = Shape.of_size(N, **family)
    step = 2 * family["n_heads"]
    assert shape.d_model % step == 0
    assert shape.d_head % 2 == 0
    # half a step of the width, which N follows with a power of at most two and the rounding of d_ffn
    assert abs(math.log(size(shape) / N)) < 1.5 * step / shape.d_model + 0.03
    assert abs(math.log(shape.d_model / shape.n_layers / family["aspect"])) < 1.6 / shape.n_layers
    assert Shape.of_size(size(shape), **family) == shape


@ids
@settings(max_examples=40, deadline=None)
@given(N=st.floats(1e6, 3e10), more=st.floats(1, 1.5))
def test_more_parameters_never_give_a_smaller_shape(family, N, more):
    assert size(Shape.of_size(N, **family)) <= size(Shape.of_size(N * more, **family))


def test_vocabulary_and_context_are_kept():
    shape = Shape.of_size(1e6, aspect=32, n_heads=2, n_vocab=256, n_ctx=128)
    assert (shape.n_vocab, shape.n_ctx, shape.n_heads, shape.n_kv_heads) == (256, 128, 2, 2)
    assert size(shape) == pytest.approx(1e6, rel=0.02)


@pytest.mark.parametrize("N", [1000, 40_000])
def test_a_size_below_any_shape_is_refused_with_the_nearest(N):
    with pytest.raises(InputError, match=r"no shape near .* the nearest has \d+ \(1 layers, width \d+\).*fewer heads"):
        Shape.of_size(N)


@pytest.mark.parametrize("N", [0, -1, math.inf, math.nan])
def test_a_size_that_is_none_is_refused(N):
    with pytest.raises(InputError, match="greater than zero"):
        Shape.of_size(N)
