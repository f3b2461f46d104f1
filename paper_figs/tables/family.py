"""The models that tables 9 to 13 count: members of the family of shapes that a law's convention describes."""

from dataclasses import dataclass

from fitting.errors import InputError
from fitting.flops import Convention, Shape
from fitting.known import KnownLaw

PAPER_DEPTHS = range(8, 41)
"""Layers of the paper's models, one each (Table 13)."""

_HEADS = (16, 8, 4, 2, 1)
"""The paper states no number of heads; the errors of Table 13 come out with 16. Narrow models have to do with fewer."""


@dataclass(frozen=True)
class Model:
    """Which model to count: its layers and attention heads, None where the law and the family decide."""

    layers: int | None = None
    heads: int | None = None


def require_shapes(law: KnownLaw) -> Convention:
    """The law's convention. Raises `InputError` where it counts without shapes, as 6ND does."""
    if law.convention.name != "itemised":
        raise InputError(
            f"--law: law {law.id!r} counts {law.convention.name}, which knows no shapes; tables 9 to 13 itemise "
            "a shape: name busbridge2025, or a fit whose runs were counted itemised"
        )
    return law.convention


def shape_of(law: KnownLaw, layers: int, heads: int | None = None) -> Shape:
    """The family's member of so many layers, with the law's aspect ratio, context and vocabulary."""
    convention = require_shapes(law)
    assert convention.rho is not None
    assert convention.n_ctx is not None
    assert convention.n_vocab is not None
    aspect = round(convention.rho)
    fitting = [n for n in _HEADS if layers * aspect % (2 * n) == 0]
    n_heads = heads or (fitting[0] if fitting else _HEADS[-1])
    return Shape.of_depth(layers, aspect=aspect, n_heads=n_heads, n_vocab=convention.n_vocab, n_ctx=convention.n_ctx)


def depths(law: KnownLaw) -> range:
    """Layers of the models to list: the paper's for a published law, else those that span the fit's students."""
    require_shapes(law)
    if law.published or law.support.N_S is None:
        return PAPER_DEPTHS
    low, high = (_layers(law, N) for N in law.support.N_S)
    return range(low, high + 1)


def example(law: KnownLaw, model: Model) -> Shape:
    """The model asked for; without layers, the one in the middle of the law's students, in logs."""
    layers = model.layers
    if layers is None:
        require_shapes(law)
        among = law.support.N_S
        layers = PAPER_DEPTHS[len(PAPER_DEPTHS) // 2] if among is None else _layers(law, (among[0] * among[1]) ** 0.5)
    return shape_of(law, layers, model.heads)


def described(shape: Shape) -> str:
    """A shape in words."""
    return (
        f"{shape.n_layers} layers of width {shape.d_model}, feed-forward width {shape.d_ffn}, {shape.n_heads} heads, "
        f"a vocabulary of {shape.n_vocab} and a context of {shape.n_ctx}"
    )


def _layers(law: KnownLaw, N: float) -> int:
    """The depth of the family nearest to N parameters: N = n_layers³ rho² omega (Eq 61, arXiv 2502.08606)."""
    convention = require_shapes(law)
    assert convention.rho is not None
    assert convention.omega is not None
    nearest: float = (N / (convention.rho**2 * convention.omega)) ** (1 / 3)
    return max(1, round(nearest))
