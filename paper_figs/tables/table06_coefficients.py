"""Table 6: the coefficients of a law with their intervals, and the exponents a and b that follow from them."""

from typing import Any

import numpy as np

from fitting.fit import COEFFICIENTS, Fit
from fitting.intervals import drawn
from fitting.known import KnownLaw, Range
from paper_figs.tables.table import Column, PaperTable

_FORMS = ("supervised", "distillation")


def exponents(law: Any) -> tuple[Any, Any]:
    """a = β/(α+β) and b = α/(α+β): the best N grows as C^a and the best D as C^b where C is proportional to N D.

    b is the share that a leaves: the paper prints a's formula for it, beside numbers that follow from this one.
    Coefficients may be arrays.
    """
    together = law.alpha + law.beta
    return law.beta / together, law.alpha / together


def build(law: KnownLaw) -> PaperTable:
    """Every coefficient of the supervised and the distillation law with the ends of its marginal interval.

    a and b have intervals only from a fit's joint draws: marginal intervals of α and β do not make them.
    """
    columns = [Column("coefficient", "", "text")]
    values: dict[str, dict[str, Any]] = {}
    present = [form for form in _FORMS if getattr(law, form) is not None]
    for form in present:
        columns += [
            Column(form, form, "number"),
            Column(f"{form}_low", "low", "number"),
            Column(f"{form}_high", "high", "number"),
        ]
        formula, prefix = getattr(law, form), "" if form == "supervised" else "distillation."
        cells = {name: (getattr(formula, name), law.intervals.get(prefix + name)) for name in COEFFICIENTS[form]}
        ends = _ends(law, form)
        cells |= {name: (value, ends.get(name)) for name, value in zip("ab", exponents(formula), strict=True)}
        for name, (value, interval) in cells.items():
            low, high = interval or (None, None)
            values.setdefault(name, {})
            values[name] |= {form: float(value), f"{form}_low": low, f"{form}_high": high}
    order = [*dict.fromkeys(name for form in present for name in COEFFICIENTS[form]), "a", "b"]
    empty = {column.key: None for column in columns}
    a, b = exponents(law.supervised)
    told = "" if law.interval_level is None else f"low and high: marginal {law.interval_level:.0%} intervals. "
    return PaperTable(
        "Coefficients",
        f"Trained directly, the best size grows as C^{a:.3f} and its tokens as C^{b:.3f}, where compute goes as N D.",
        tuple(columns),
        tuple({**empty, "coefficient": name, **values[name]} for name in order),
        (f"{told}a = beta/(alpha+beta), b = alpha/(alpha+beta): derived here, not printed digits.", *law.notes),
    )


def _ends(law: KnownLaw, form: str) -> dict[str, Range]:
    """Intervals of a and b over a fit's joint draws, at the level of its coefficients; empty without draws."""
    if not isinstance(law.fitted, Fit) or law.interval_level is None:
        return {}
    part = law.fitted if law.fitted.form == form else law.fitted.supervised
    if part is None or part.draws is None:
        return {}
    tail = (1 - law.interval_level) / 2
    found = [np.quantile(each, (tail, 1 - tail)) for each in exponents(drawn(part))]
    return {name: (float(low), float(high)) for name, (low, high) in zip("ab", found, strict=True)}
