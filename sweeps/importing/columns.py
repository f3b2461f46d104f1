"""Which column of somebody's table is which of ours. What can be read in two ways is asked, never guessed."""

import difflib
import re
from collections.abc import Mapping, Sequence

from fitting import intake, tables
from fitting.errors import Faults


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


# names as `_plain` leaves them
_NAMES: Mapping[str, frozenset[str]] = {
    "N": _words(
        "n params parameters nparams nparameters numparams numparameters paramcount parametercount paramstotal",
        "modelsize modelparams modelparameters size totalparams totalparameters trainableparams trainableparameters",
        "paramsnoembed paramsnonembedding nonembeddingparams nonembeddingparameters nonembedparams nnonembedding",
    ),
    "D": _words(
        "d tokens ntokens numtokens traintokens trainingtokens ntraintokens numtraintokens totaltokens tokenstotal",
        "tokensseen numtokensseen trainedtokens tokenstrained",
    ),
    "seed": _words("seed randomseed rngseed"),
    "kind": _words("kind"),
    "C": _words("c"),
}
_RUN_NAMES = ("runid", "id", "name", "runname", "run", "experiment", "model", "modelname")
_LOSSES = _words("loss crossentropy crossentropyloss celoss ce nll xent lmloss lossfinal avgloss meanloss lossepoch")
_HELD_OUT = ("evaluation", "validation", "heldout", "valid", "eval", "test", "val")
_TRAINED = ("training", "train", "smoothed", "running", "batch")
_NEUTRAL = frozenset(("", "config", "cfg", "model", "summary", "data", "args", "hparams", "params", "trainer", "final"))
_PERPLEXITY = re.compile(r"ppl|perplexity")


def choose(
    table: tables.RawTable, mapping: Mapping[str, str], where: str, faults: Faults, *, loss: bool = True
) -> dict[str, str]:
    """The table's column for each of our fields that it has; `mapping` is what a person said.

    With `loss` false the table need not have one: its losses come from elsewhere. Adds to `faults` what is missing or
    can be read in two ways, with the `--map` to write.
    """
    found = {ours: theirs for ours, theirs in mapping.items() if theirs in table.columns}
    free = [name for name in table.columns if name not in found.values()]
    numeric = [name for name in free if name in intake.FIELDS or any(_has_digit(row.get(name)) for row in table.rows)]
    for ours in (
        "N",
        "D",
        "loss",
        "seed",
        "kind",
        "C",
        *(name for name in intake.FIELDS if name.startswith("teacher_")),
    ):
        if ours in found or ours in mapping:
            continue
        if ours == "loss":
            chosen = _loss_among(numeric, where, faults) if loss else None
            found |= {} if chosen is None else {"loss": chosen}
            continue
        text = ours in ("kind", "teacher_id")
        fitting = [name for name in (free if text else numeric) if _may_be(ours, name)]
        if len(fitting) == 1:
            found[ours] = fitting[0]
        elif fitting:
            _ask(ours, fitting, where, faults)
        elif ours in ("N", "D"):
            faults.add(f"{where}: no column is {ours}; say which of {_listed(numeric)} it is: --map {ours}=COLUMN")
    for ours in ("C_logits", "C_teacher", "status"):
        if ours in free:
            found.setdefault(ours, ours)
    if "run_id" not in found:
        named = [name for plain in _RUN_NAMES for name in free if _plain(name) == plain]
        if named and named[0] not in found.values():
            found["run_id"] = named[0]
    return {ours: found[ours] for ours in intake.FIELDS if ours in found}


def metrics(names: Sequence[str], mapping: Mapping[str, str], where: str, faults: Faults) -> str | None:
    """Which of the metrics of a chart is the loss."""
    if "loss" in mapping:
        return mapping["loss"] if mapping["loss"] in names else None
    return _loss_among(names, where, faults)


def require_known(mapping: Mapping[str, str], everything: Sequence[str], faults: Faults) -> None:
    """Refuse a `--map` of a column that no table has."""
    for ours, theirs in mapping.items():
        if ours not in intake.FIELDS:
            faults.add(f"--map {ours}={theirs}: a run has no {ours!r}; it has {', '.join(intake.FIELDS)}")
        elif theirs not in everything:
            near = difflib.get_close_matches(theirs, everything, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {_listed(everything)}"
            faults.add(f"--map {ours}={theirs}: no table has a column {theirs!r}; {hint}")


def _may_be(ours: str, name: str) -> bool:
    plain = _plain(name)
    if ours.startswith("teacher_"):
        rest = plain.removeprefix("teacher")
        if rest == plain:
            return False
        what = ours.removeprefix("teacher_")
        if what == "loss":
            return _loss_of(rest) in ("held out", "unsaid")
        return rest in ("", "id", "name", "runid", "run") if what == "id" else rest in _NAMES[what]
    *groups, last = re.split(r"[./]", name)
    return plain in _NAMES[ours] or (_plain(last) in _NAMES[ours] and all(_plain(part) in _NEUTRAL for part in groups))


def _loss_of(name: str) -> str | None:
    """What a column says of a loss: that it is held out, of training, or nothing ("unsaid"); None if it is no loss."""
    plain, told = _plain(name), "unsaid"
    for words, meaning in ((_TRAINED, "trained"), (_HELD_OUT, "held out")):
        for word in words:
            shorter = plain.replace(word, "", 1)
            if shorter != plain:
                plain, told = shorter, meaning
                break
    return told if plain.removeprefix("final").removeprefix("last") in _LOSSES else None


def _ask(ours: str, fitting: Sequence[str], where: str, faults: Faults) -> None:
    what = {"N": " (as the convention counts N)", "loss": " (on held-out text)"}.get(ours, "")
    faults.add(
        f"{where}: {', '.join(map(repr, fitting))} may each be {ours}; say which{what}: "
        + " or ".join(f"--map {ours}={_quoted(name)}" for name in fitting[:4])
    )


def _loss_among(names: Sequence[str], where: str, faults: Faults) -> str | None:
    """The one column that is a loss and not said to be of training."""
    losses = [name for name in names if _loss_of(name)]
    if len(losses) > 1:
        _ask("loss", losses, where, faults)
        return None
    if losses and _loss_of(losses[0]) == "trained":
        faults.add(
            f"{where}: {losses[0]!r} is of training, and laws are of held-out losses; where no text was repeated it "
            f"may stand for one: --map loss={_quoted(losses[0])}"
        )
        return None
    if losses:
        return losses[0]
    powers = [name for name in names if _PERPLEXITY.search(name.casefold())]
    if powers:
        faults.add(
            f"{where}: {powers[0]!r} is a perplexity, and laws are of its logarithm (nats per token); add a column "
            "with that (see docs/faq.md#perplexity)"
        )
    else:
        faults.add(f"{where}: no column is loss; say which of {_listed(names)} it is: --map loss=COLUMN")
    return None


def _has_digit(cell: object) -> bool:
    return any(letter.isdigit() for letter in str(cell))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _quoted(name: str) -> str:
    return f"'{name}'" if re.search(r"[^\w./-]", name) else name


def _listed(names: Sequence[str], shown: int = 16) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
