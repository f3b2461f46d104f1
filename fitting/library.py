"""Every law by its name: the published ones by their id, a fitted one by its file."""

import difflib
from pathlib import Path

from fitting import units
from fitting.errors import InputError
from fitting.fit import Fit
from fitting.known import KnownLaw
from fitting.published import PUBLISHED


def load_law(name: str) -> KnownLaw:
    """The law called `name`: a published id, or the path of a file that `distillaw fit --out` wrote.

    Raises `InputError`: for an unknown id with the nearest one and all that there are, for a file with what is
    wrong with it.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    _require_file(name, "--law")
    return Fit.from_json(name).known()


def load_supervised(name: str, option: str = "--supervised") -> Fit:
    """The supervised law called `name`, as a fit for a distillation law to stand on; `option` opens a refusal."""
    if name in PUBLISHED:
        return Fit.given(PUBLISHED[name])
    _require_file(name, option)
    fit = Fit.from_json(name)
    return fit.supervised or fit


def parse_size(text: str, name: str, law: KnownLaw | None, *, with_embeddings: bool) -> float:
    """Read a number of parameters as `law` counts N; `with_embeddings` says how the caller counts.

    Without a law (it was refused already) only the number is checked. Raises `InputError` as `units.parse` does,
    and where the one count does not follow from the other.
    """
    N = units.parse(text, name)
    if law is None:
        return N
    if law.convention.parameters == "total":
        if not with_embeddings:
            raise InputError(f"{name}: law {law.id!r} counts parameters with embeddings; add --total")
        return N
    return law.convention.without_embedding(N) if with_embeddings else N


def _require_file(name: str, option: str) -> None:
    path = Path(name)
    if path.exists() or path.suffix == ".json" or len(path.parts) > 1:
        return
    near = difflib.get_close_matches(name.casefold(), PUBLISHED, n=1, cutoff=0.5)
    meant = f"; did you mean {near[0]!r}?" if near else "."
    raise InputError(
        f"{option}: no law is called {name!r}{meant} There are {', '.join(PUBLISHED)}, and the JSON files of fits"
    )
