"""How a protocol picks runs: with the tokens in proportion to the parameters, by FLOPs, or with the same tokens."""

from collections.abc import Callable
from dataclasses import dataclass

from fitting import flops, units
from fitting.flops import FORWARDS_PER_TRAINING_STEP, Shape

Point = tuple[int, float]
"""A size, as a grid file writes it (layers, or a number of parameters), and the tokens to train it on."""


@dataclass(frozen=True)
class Line:
    """Fixed M: every size on `ratios` tokens for each of its N parameters; sizes in `repeated` get a second seed."""

    sizes: tuple[int, ...]
    ratios: tuple[float, ...] = (20,)
    repeated: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """What these runs have in common."""
        return f"M = {', '.join(f'{ratio:g}' for ratio in self.ratios)}"

    def of(self, shape: Callable[[int], Shape]) -> list[Point]:
        """The runs of the line, in the order of its sizes."""
        N = {size: flops.parameters(shape(size)).non_embedding for size in self.sizes}
        return [(size, ratio * N[size]) for size in self.sizes for ratio in self.ratios]


@dataclass(frozen=True)
class Profile:
    """IsoFLOP: every size on the tokens that `C` FLOPs of training pay for, by the itemised count."""

    C: float
    sizes: tuple[int, ...]
    repeated: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """What these runs have in common."""
        return f"C = {units.flops(self.C)}"

    def of(self, shape: Callable[[int], Shape]) -> list[Point]:
        """The runs of the profile, in the order of its sizes."""
        price = {size: FORWARDS_PER_TRAINING_STEP * flops.forward(shape(size)).total for size in self.sizes}
        return [(size, self.C / price[size]) for size in self.sizes]


@dataclass(frozen=True)
class Same:
    """The same D, `tokens`, for every size."""

    tokens: float
    sizes: tuple[int, ...]
    repeated: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """What these runs have in common."""
        return f"D = {units.count(self.tokens)}"

    def of(self, shape: Callable[[int], Shape]) -> list[Point]:
        """The runs, in the order of their sizes."""
        return [(size, self.tokens) for size in self.sizes]


Points = Line | Profile | Same
