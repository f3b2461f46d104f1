"""Evaluations for a terminal and for programs, and what makes one doubt them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fitting import terminal, units
from sweeps.evaluation.naming import tokenizer_name

if TYPE_CHECKING:
    from sweeps.corpora import Corpus
    from sweeps.evaluation.measures import Evaluation
    from sweeps.evaluation.opening import Found, Opened

    Judged = Sequence[tuple[Opened, Evaluation]]


_SAME_LOSS = 1e-4
"""Relative: other devices and thread counts differ by less."""


def show(judged: "Judged", corpus: "Corpus") -> None:
    """Print evaluations, the best one first in words."""
    out = terminal.console()
    best, found = min(judged, key=lambda pair: pair[1].loss)
    of = " is the best of " + str(len(judged)) + ":" if len(judged) > 1 else ":"
    out.print(
        f"{best.found.name}{of} {found.loss:.4f}{_error(found)} nats/token on {units.count(found.tokens)} held-out "
        f"tokens of {corpus.name}."
    )
    out.print()
    table = terminal.table("model", "nats/token", "±", "N", "with emb.", "D", "FLOPs/token", "ECE", "top-1")
    for model, each in judged:
        table.add_row(
            model.found.name,
            f"{each.loss:.4f}",
            "" if each.standard_error is None else f"{each.standard_error:.4f}",
            units.count(model.N),
            units.count(model.N_total),
            "" if model.found.D is None else units.count(model.found.D),
            units.flops(model.forward_flops),
            f"{100 * each.ece:.2f}%",
            f"{100 * each.accuracy:.1f}%",
        )
    terminal.show_table(out, table)
    contexts = ", ".join(str(n_ctx) for n_ctx in sorted({each.n_ctx for _, each in judged}))
    out.print(
        f"Corpus: {corpus.name}, sha256 {corpus.sha256[:16]}. Tokenizer: "
        f"{tokenizer_name(corpus.n_vocab, corpus.tokenizer_sha256)}, sha256 {corpus.tokenizer_sha256[:16]}. "
        f"Windows of {contexts} tokens; ± is one standard error over windows."
    )
    out.print(
        "N: parameters without embeddings. FLOPs: one forward pass. ECE: Eq 38 of arXiv 2502.08606, 21 bins. "
        "Top-1: how often the likeliest token follows."
    )


def as_object(judged: "Judged", corpus: "Corpus") -> dict[str, Any]:
    """Evaluations as `--json` prints them."""
    return {
        "corpus": {
            "name": corpus.name,
            "sha256": corpus.sha256,
            "tokenizer": tokenizer_name(corpus.n_vocab, corpus.tokenizer_sha256),
            "tokenizer_sha256": corpus.tokenizer_sha256,
            "n_vocab": corpus.n_vocab,
        },
        "evaluations": [
            {
                "name": model.found.name,
                "path": str(model.found.path.resolve()),
                "kind": model.found.kind,
                "N": model.N,
                "N_total": model.N_total,
                "D": model.found.D,
                "loss": found.loss,
                "standard_error": found.standard_error,
                "loss_of_its_run": model.found.loss,
                "ece": found.ece,
                "accuracy": found.accuracy,
                "tokens": found.tokens,
                "windows": found.windows,
                "n_ctx": found.n_ctx,
                "forward_flops": model.forward_flops,
                "digest": model.digest,
            }
            for model, found in judged
        ],
    }


def doubts(judged: "Judged", corpus: "Corpus") -> list[str]:
    """What makes one doubt that these numbers are what was meant."""
    lines = []
    for model, found in judged:
        mine, name = model.found, model.found.name
        if mine.trained_on is None:
            lines.append(f"{name}: nothing says what it was trained on; it may have seen this text")
        elif mine.trained_on["sha256"] != corpus.sha256:
            lines.append(
                f"{name}: was trained on another text ({mine.trained_on['name']} {mine.trained_on['sha256'][:12]}, "
                f"this is {corpus.name} {corpus.sha256[:12]}); it may have seen what is held out here"
            )
        elif _differs(mine, found):
            lines.append(f"{name}: its run measured {mine.loss:.6f} on the same tokens, not {found.loss:.6f}")
    for what in ("n_ctx", "tokens"):
        values = sorted({getattr(found, what) for _, found in judged})
        if len(values) > 1:
            listed = " and ".join(str(value) for value in values)
            option = f"--{what.replace('_', '-')}"
            lines.append(f"losses of different {what} ({listed}) do not quite compare; give {option}")
    return lines


def _differs(model: "Found", found: "Evaluation") -> bool:
    """Whether a run measured another loss of its model on the same windows."""
    same = model.loss is not None and (found.tokens, found.n_ctx) == (model.tokens, model.n_ctx)
    return same and abs(found.loss / (model.loss or 1) - 1) > _SAME_LOSS


def _error(found: "Evaluation") -> str:
    return "" if found.standard_error is None else f" ± {found.standard_error:.4f}"
