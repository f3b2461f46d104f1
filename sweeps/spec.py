"""What a grid asks for: a list of runs, each with everything that decides its result.

`GridSpec` and `RunSpec` are values: equal specifications give equal runs (bit for bit on a CPU with one thread),
and `RunSpec.digest` tells two apart. Quantities are tokens and parameters.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fitting import flops
from fitting.flops import Shape
from sweeps import corpora

Role = Literal["teacher", "supervised", "distilled"]


@dataclass(frozen=True)
class Recipe:
    """How every run of a grid is trained; the defaults of a grid file are the paper's (arXiv 2502.08606, App. E).

    `batch_tokens` is tokens in one optimizer step. `learning_rate` is the peak at every width, or with
    `reference_width` at that width, and elsewhere in proportion to 1/d_model. `warmup_steps` is cut to a tenth of a
    run. `weight_decay` is decoupled: a step takes `weight_decay` times the schedule's share of its peak off every
    matrix. `clip` bounds the global gradient norm, `z_loss` is λ_Z of Eq 7. The held-out loss is taken over
    `validation_tokens`, `validations` times in a run.
    """

    corpus: str
    batch_tokens: int
    learning_rate: float
    reference_width: int | None
    warmup_steps: int
    weight_decay: float
    clip: float
    z_loss: float
    validation_tokens: int
    validations: int


@dataclass(frozen=True)
class RunSpec:
    """One cell of a grid. `teacher` is the whole specification of the teacher, for a distilled run.

    A teacher trains on the teachers' half of the corpus, everything else on the students'. Initial weights and
    the order of batches are functions of (seed, shape) and of seed alone, so that a supervised run and all
    distilled runs of one shape and seed are paired.
    """

    id: str
    role: Role
    shape: Shape
    aspect: int
    tokens: int
    seed: int
    recipe: Recipe
    lam: float = 0.0
    tau: float = 1.0
    teacher: "RunSpec | None" = None

    @property
    def steps(self) -> int:
        return self.tokens // self.recipe.batch_tokens

    @property
    def half(self) -> corpora.Half:
        return "teacher" if self.role == "teacher" else "student"

    @property
    def learning_rate(self) -> float:
        """The peak learning rate of this run."""
        width = self.recipe.reference_width
        return self.recipe.learning_rate * (width / self.shape.d_model if width else 1.0)

    @property
    def training_flops(self) -> float:
        """C: FLOPs to train this model alone, itemised and causal."""
        return flops.training(self.shape, self.tokens)

    @property
    def logits_flops(self) -> float:
        """FLOPs spent on the teacher's forward passes over this run's tokens; 0 for a supervised run."""
        return flops.forward(self.teacher.shape).total * self.tokens if self.teacher else 0.0

    @property
    def total_flops(self) -> float:
        """All FLOPs of this cell, its teacher's own training not counted."""
        return self.training_flops + self.logits_flops

    def stream(self, purpose: str) -> int:
        """A 63-bit seed for `purpose`; teachers draw from another stream than students do."""
        side = "teacher" if self.role == "teacher" else "student"
        digest = hashlib.sha256(f"{purpose}/{side}/{self.seed}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def digest(self) -> str:
        """A hash of everything that decides the result, the teacher's specification included."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "RunSpec":
        """Read back what `to_dict` wrote."""
        teacher = data["teacher"]
        return cls(
            **{
                **data,
                "shape": Shape(**data["shape"]),
                "recipe": Recipe(**data["recipe"]),
                "teacher": cls.from_dict(teacher) if teacher else None,
            }
        )


@dataclass(frozen=True)
class GridSpec:
    """A named list of runs, teachers first."""

    name: str
    corpus: str
    cells: tuple[RunSpec, ...]

    def convention(self) -> flops.Convention:
        """How this grid's runs count parameters and FLOPs."""
        shape, rho = self.cells[0].shape, self.cells[0].aspect
        return flops.Convention(
            "itemised", rho, 12, shape.n_ctx, shape.n_vocab, causal_attention=True, parameters="non-embedding"
        )


def by_id(cells: Iterable[RunSpec]) -> dict[str, RunSpec]:
    """The cells by their id."""
    return {cell.id: cell for cell in cells}
