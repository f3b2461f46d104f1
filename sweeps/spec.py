"""What a grid asks for: a list of runs, each with everything that decides its result.

`GridSpec` and `RunSpec` are values: equal specifications give equal runs (bit for bit on a CPU with one thread),
and `RunSpec.digest` tells two apart. Quantities are tokens and parameters.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from fitting import flops
from fitting.flops import Shape
from sweeps import corpora
from sweeps.consultation import Consultation
from sweeps.given import GivenTeacher
from sweeps.schedule import Schedule, branches_at

Role = Literal["teacher", "supervised", "distilled"]
Parametrisation = Literal["standard", "mup"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Recipe:
    """How every run of a grid is trained; the defaults of a grid file are the paper's (arXiv 2502.08606, App. E).

    `batch_tokens` is tokens in one optimizer step. `learning_rate` is the peak at every width, or with
    `reference_width` at that width, and elsewhere in proportion to 1/d_model (all of it, or under μP that of the linear
    layers). `warmup_steps` is cut to a tenth of a
    run where the schedule is the cosine. `weight_decay` is decoupled: a step takes `weight_decay` times the schedule's
    share of its peak off every matrix. `clip` bounds the global gradient norm, `z_loss` is λ_Z of Eq 7. The held-out
    loss is taken over `validation_tokens`, `validations` times in a run, in float32 whatever the `precision`.
    `decay_share` is the last part of a run of the schedule "branches". `devices` is how many a run is spread over.
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
    parametrisation: Parametrisation = "standard"
    schedule: Schedule = "cosine"
    decay_share: float | None = None
    precision: Precision = "fp32"
    compiled: bool = False
    devices: int = 1


@dataclass(frozen=True)
class RunSpec:
    """One cell of a grid. A distilled run has the whole specifications of its `teachers` and its `consultation`.

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
    teachers: "tuple[RunSpec | GivenTeacher, ...]" = ()
    consultation: Consultation | None = None

    @property
    def steps(self) -> int:
        return self.tokens // self.recipe.batch_tokens

    @property
    def half(self) -> corpora.Half:
        return "teacher" if self.role == "teacher" else "student"

    @property
    def learning_rate(self) -> float:
        """The peak learning rate of this run; under μP that of its embedding and gains."""
        width = self.recipe.reference_width if self.recipe.parametrisation == "standard" else None
        return self.recipe.learning_rate * (width / self.shape.d_model if width else 1.0)

    @property
    def N(self) -> int:
        """Non-embedding parameters."""
        return flops.parameters(self.shape).non_embedding

    @property
    def D(self) -> int:
        """Tokens trained on, by the name that the laws give them."""
        return self.tokens

    @property
    def forward_flops(self) -> float:
        """FLOPs of a forward pass, per token."""
        return flops.forward(self.shape).total

    @property
    def training_flops(self) -> float:
        """C: FLOPs to train this model alone, itemised and causal."""
        return flops.training(self.shape, self.tokens)

    @property
    def logits_flops(self) -> float:
        """FLOPs of the teachers' forward passes that this run makes; 0 for a supervised run or one from a cache."""
        online = self.consultation is not None and self.consultation.signal == "online"
        return self.consulted_flops if online else 0.0

    @cached_property  # a progress bar asks twice a second, of every cell
    def consulted_flops(self) -> float:
        """FLOPs of the teachers' forward passes behind this run's targets, whoever made them."""
        return self.consulted_flops_after(self.steps)

    def consulted_flops_after(self, step: int) -> float:
        """The same for the first `step` steps of the run."""
        if self.consultation is None:
            return 0.0
        runs = self.consultation.schedule(self.steps, len(self.teachers), self.stream("consultation"))[:step].sum(0)
        costs = [teacher.forward_flops * self.recipe.batch_tokens for teacher in self.teachers]
        return float(sum(count * cost for count, cost in zip(runs.tolist(), costs, strict=True)))

    @cached_property  # of all cells that are left, whenever one is placed
    def total_flops(self) -> float:
        """All FLOPs of this cell, its teachers' own training not counted."""
        return self.training_flops + self.logits_flops

    @property
    def trunk(self) -> str | None:
        """What this run shares with runs that differ in their tokens only; None where that is nothing."""
        when = self.consultation and (self.consultation.start, self.consultation.end)
        if self.recipe.schedule != "branches" or when not in (None, (0.0, 1.0)):
            return None
        return replace(self, id="", tokens=0).digest()

    @property
    def branches_at(self) -> int:
        """The step after which a run of the schedule "branches" begins to decay."""
        return branches_at(self.steps, self.recipe.decay_share)

    @property
    def own_share(self) -> float:
        """The part of a run of the schedule "branches" that it shares with no other."""
        return 1 - self.branches_at / self.steps

    def stream(self, purpose: str) -> int:
        """A 63-bit seed for `purpose`; teachers draw from another stream than students do."""
        side = "teacher" if self.role == "teacher" else "student"
        digest = hashlib.sha256(f"{purpose}/{side}/{self.seed}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON holds it: a list for every tuple."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    def digest(self) -> str:
        """A hash of everything that decides the result, the teacher's specification included."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "RunSpec":
        """Read back what `to_dict` wrote."""
        asked = data["consultation"]
        return cls(
            **{
                **data,
                "shape": Shape(**data["shape"]),
                "recipe": Recipe(**data["recipe"]),
                "teachers": tuple(
                    GivenTeacher(**teacher) if "weights" in teacher else cls.from_dict(teacher)
                    for teacher in data["teachers"]
                ),
                "consultation": Consultation(**asked) if asked else None,
            }
        )


@dataclass(frozen=True)
class GridSpec:
    """A named list of runs, teachers first.

    `corpus` is where their text is, what `corpora.load` takes; `given` where the teachers are that exist, by id.
    """

    name: str
    corpus: str
    cells: tuple[RunSpec, ...]
    given: Mapping[str, str] = field(default_factory=dict)

    def convention(self) -> flops.Convention:
        """How this grid's runs count parameters and FLOPs."""
        shape, rho = self.cells[0].shape, self.cells[0].aspect
        return flops.Convention(
            "itemised", rho, 12, shape.n_ctx, shape.n_vocab, causal_attention=True, parameters="non-embedding"
        )


def by_id(cells: Iterable[RunSpec]) -> dict[str, RunSpec]:
    """The cells by their id."""
    return {cell.id: cell for cell in cells}
