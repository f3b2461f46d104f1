"""A corpus as training sees it: tokens in three parts, and what tells one corpus from another."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sweeps.corpora.batches import windows_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tokens = NDArray[np.unsignedinteger[Any]]

Half = Literal["teacher", "student"]


@dataclass(frozen=True)
class Corpus:
    """Tokens of a corpus, one array for each half and one held out.

    `source` is what `load` was given. `sha256` is of all documents, `tokenizer_sha256` of the tokenizer: they
    tell one corpus from another wherever it lies.
    """

    name: str
    source: str
    n_vocab: int
    sha256: str
    tokenizer_sha256: str
    teacher: "Tokens"
    student: "Tokens"
    validation: "Tokens"

    @property
    def identity(self) -> str:
        """The corpus in the specification of a run: its name where that says all, else with its hashes."""
        if self.source == self.name:
            return self.name
        return f"{self.name}@{self.sha256[:16]}-{self.tokenizer_sha256[:16]}"

    def half(self, which: Half) -> "Tokens":
        """The tokens that teachers, or students, train on."""
        return self.teacher if which == "teacher" else self.student

    def capacity(self, which: Half, n_ctx: int) -> int:
        """Tokens of a half that can be trained on without seeing one twice, in windows of `n_ctx`."""
        return windows_of(len(self.half(which)), n_ctx) * n_ctx

    def held_out_capacity(self, n_ctx: int) -> int:
        """Tokens of the held-out slice in windows of `n_ctx`."""
        return windows_of(len(self.validation), n_ctx) * n_ctx

    def epochs(self, which: Half, n_ctx: int, tokens: int) -> float:
        """How often training on `tokens` goes through a half; above 1, tokens repeat."""
        return tokens / self.capacity(which, n_ctx)

    def describe(self) -> dict[str, Any]:
        """What a grid records of its corpus: name, vocabulary, hashes and sizes in tokens; not where it lies."""
        return {
            "name": self.name,
            "n_vocab": self.n_vocab,
            "sha256": self.sha256,
            "tokenizer_sha256": self.tokenizer_sha256,
            "tokens": {
                "teacher": len(self.teacher),
                "student": len(self.student),
                "validation": len(self.validation),
            },
        }
