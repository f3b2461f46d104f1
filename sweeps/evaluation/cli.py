"""`distillaw evaluate`: what a model that exists is worth as a teacher."""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fitting.errors import DistillawError, Faults, InputError

if TYPE_CHECKING:
    from sweeps.corpora import Corpus
    from sweeps.evaluation.opening import Found


def evaluate(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Cells of a grid, Hugging Face folders, GGUF files."),
    ],
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", metavar="C", help="stdlib, or a prepared folder; what the model was trained on else."),
    ] = None,
    tokens: Annotated[
        str | None, typer.Option("--tokens", metavar="N", help="Held-out tokens, as 64K; those of its run else.")
    ] = None,
    n_ctx: Annotated[
        int | None, typer.Option("--n-ctx", min=1, help="Tokens in a window; those of its run else, or 1024.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="CSV", help="Add rows to a table for `plan --candidates`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Evaluate models as teachers: cross-entropy, calibration, size and price.

    The text is the held-out slice of the corpus, which no run of it has seen. A row of --out that has a model's name is
    replaced. A model whose weights cannot be used does not stop the others; the exit code is then 3.

    \b
    Examples:
      distillaw evaluate sweep/cells/t-L3-256K-s0
      distillaw evaluate sweep/cells/t-* --out candidates.csv
      distillaw evaluate sweep/cells/t-L3-256K-s0 --corpus stdlib --tokens 128K --n-ctx 64 --json
      distillaw evaluate SmolLM2-135M --corpus corpora/python-doc-smollm2 --tokens 64K
      distillaw plan teacher-exists --student 20K --budget 2e11 --law law.json --candidates candidates.csv
    """
    from fitting import units
    from sweeps.evaluation import candidates, opening

    faults = Faults()
    found = [each for each in (faults.collect(opening.find, path) for path in models) if each is not None]
    for name in sorted({each.name for each in found if [other.name for other in found].count(each.name) > 1}):
        places = ", ".join(str(each.path) for each in found if each.name == name)
        faults.add(f"{name}: names more than one of these models ({places}); evaluate them one at a time")
    before = faults.collect(candidates.open_table, out) if out is not None else None
    wanted = faults.collect(units.parse, tokens, "--tokens") if tokens is not None else None
    text = faults.collect(_corpus, corpus, found, complete=len(found) == len(models))
    count = None if wanted is None else int(wanted)
    plans = [faults.collect(_how, each, text, count, n_ctx) for each in found if text is not None]
    faults.collect(_require_torch)
    try:
        faults.raise_if_any()
    except InputError as error:
        raise InputError(*dict.fromkeys(error.faults)) from None  # several models may have one fault in common
    assert text is not None
    _judge([(each, plan) for each, plan in zip(found, plans, strict=True) if plan], text, out, before, as_json)


def _judge(
    plans: "list[tuple[Found, tuple[int, int]]]", corpus: "Corpus", out: Any, before: Any, as_json: bool
) -> None:
    """Read and judge one model after another, print and write what came of it, then raise what went wrong."""
    import torch

    from sweeps.evaluation import candidates, measures, opening, render
    from sweeps.evaluation.progress import Display

    device = "cuda" if torch.cuda.is_available() else "cpu"
    judged = []
    failed: list[DistillawError] = []
    with Display() as display:
        for found, (context, count) in plans:
            display.begin(found.name)
            try:
                model, teacher = opening.load(found, corpus, context)
            except DistillawError as error:
                failed.append(error)
                continue
            result = measures.evaluate(
                teacher,
                corpus,
                n_ctx=context,
                tokens=count,
                device=device,
                windows=found.windows,
                tell=display.tell,
            )
            if math.isfinite(result.loss):
                judged.append((model, result))
            else:
                failed.append(DistillawError(f"{found.path}: its loss is not finite: its weights are damaged"))
            del teacher  # or it would lie in memory beside the next
    notes = render.doubts(judged, corpus)
    written = bool(judged) and out is not None
    if written:
        try:
            notes += candidates.write(out, before, [candidates.row(*pair, corpus) for pair in judged])
        except InputError as error:  # what was measured is shown nevertheless
            failed.append(error)
            written = False
    if judged and as_json:
        content = render.as_object(judged, corpus)
        _print_json("distillaw/evaluation/1", {**content, "out": str(out) if written else None, "warnings": notes})
    elif judged:
        render.show(judged, corpus)
    for line in notes:
        typer.echo(f"warning: {line}", err=True)
    if written and not as_json:
        typer.echo(f"Next: distillaw plan teacher-exists --student N --budget C --law law.json --candidates {out}")
    _raise(failed)


def _raise(failed: list[DistillawError]) -> None:
    """Raise everything that kept a model from being read: the caller's mistakes, or else what is damaged."""
    if not failed:
        return
    lines = [line for error in failed for line in str(error).splitlines()]
    if any(isinstance(error, InputError) for error in failed):
        raise InputError(*lines)
    raise DistillawError("\n".join(lines))


def _corpus(named: str | None, found: "list[Found]", *, complete: bool) -> "Corpus | None":
    """The corpus that is asked for, or the one that all models were trained on.

    None where models are missing, so that what they would have said of it is not known.
    """
    from sweeps import corpora

    if named is not None:
        return corpora.load(named)
    sources = {each.source for each in found}
    if len(sources) == 1 and None not in sources:
        return corpora.load(str(sources.pop()))
    if not complete:
        return None
    unknown = [each for each in found if each.source is None]
    if not unknown:
        raise InputError(
            f"--corpus: these models were trained on different ones ({', '.join(sorted(map(str, sources)))}); name one"
        )
    said = unknown[0].trained_on
    known = (
        f"was trained on {said['name']} (sha256 {said['sha256'][:12]}), which is" if said else "says no corpus that is"
    )
    raise InputError(f"--corpus: is missing: {unknown[0].name} {known} not where it could be found; name its folder")


def _how(found: "Found", corpus: "Corpus", tokens: int | None, n_ctx: int | None) -> tuple[int, int]:
    """The context and the tokens that a model is judged by. Raises `InputError` with everything in their way."""
    from sweeps.evaluation.naming import tokenizer_name
    from sweeps.evaluation.slice import require_held_out

    faults = Faults()
    context = n_ctx if n_ctx is not None else found.context
    if found.n_ctx is not None and context > found.n_ctx:
        faults.add(f"--n-ctx: {found.name} sees {found.n_ctx} tokens at most, not {context}")
    if found.trained_on is not None and found.trained_on["tokenizer_sha256"] != corpus.tokenizer_sha256:
        mine = tokenizer_name(found.n_vocab or 0, found.trained_on["tokenizer_sha256"])
        faults.add(
            f"{found.name}: was trained on tokens of {mine}, and {corpus.name} has those of "
            f"{tokenizer_name(corpus.n_vocab, corpus.tokenizer_sha256)}: losses would not compare; name a "
            "corpus of its tokenizer"
        )
    count = tokens if tokens is not None else min(found.tokens, corpus.held_out_capacity(context))
    try:
        require_held_out(corpus, context, count)
    except InputError as error:
        faults.extend([f"--{line}" for line in error.faults])
    faults.raise_if_any()
    return context, count


def _require_torch() -> None:
    import importlib.util

    missing = [name for name in ("torch", "safetensors") if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(f"evaluating needs {', '.join(missing)}: pip install 'distillaw[sweeps]'")


def _print_json(schema: str, content: dict[str, Any]) -> None:
    json.dump({"schema": schema, **content}, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")
