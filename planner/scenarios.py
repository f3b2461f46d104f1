"""What a budget must pay for: the δ of Eq 9 (arXiv 2502.08606) and the names of their combinations."""

from dataclasses import dataclass

SUPERVISED = "supervised"
BEST_CASE = "best-case"
TEACHER_INFERENCE = "teacher-inference"
TEACHER_PRETRAINING = "teacher-pretraining"
PRETRAINING_AND_INFERENCE = "teacher-pretraining+inference"
NAMED_TEACHER = "named-teacher"


@dataclass(frozen=True)
class Budget:
    """Total FLOPs, and the shares of teacher inference (δ_Lgt) and teacher training (δ_Pre) charged to them."""

    flops: float
    pay_logits: float = 1.0
    pay_pretraining: float = 0.0

    @property
    def scenario(self) -> str:
        """The name of the paper's scenario (Tables 2 and 5); a fractional share counts as paid."""
        if self.pay_pretraining:
            return PRETRAINING_AND_INFERENCE if self.pay_logits else TEACHER_PRETRAINING
        return TEACHER_INFERENCE if self.pay_logits else BEST_CASE


@dataclass(frozen=True)
class Teacher:
    """A teacher that exists: its cross-entropy (nats/token), its size where known, its tokens where known."""

    loss: float
    N: float | None = None
    D: float | None = None
