"""A law estimated from runs, with its doubts: the result of an estimation, as data and as a JSON file."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal

from fitting.errors import Faults, InputError
from fitting.flops import Convention
from fitting.known import KnownLaw, Range, Support
from fitting.laws import DistillationLaw, SupervisedLaw

SCHEMA = "distillaw/fit/1"

COEFFICIENTS = {
    "supervised": ("A", "B", "E", "alpha", "beta", "gamma"),
    "distillation": ("A", "B", "alpha", "beta", "gamma", "c0", "c1", "f1", "d1"),
}
"""What each form is written in (Eq 1 and Eq 8 of arXiv 2502.08606); primes are left out."""

STATUSES = ("converged", "at-bound", "limit", "given")
"""Converged inside the box; converged with a coefficient at its bound; stopped by the iteration limit; not fitted."""

_DECADES_AROUND = 100.0

_NUMBER, _MAYBE_NUMBER, _MAYBE_TEXT = (int, float), (int, float, NoneType), (str, NoneType)
_KINDS: dict[str, tuple[type, ...]] = {
    "coefficients": (dict,),
    "identified": (dict,),
    "intervals": (dict,),
    "interval_level": _MAYBE_NUMBER,
    "interval_method": _MAYBE_TEXT,
    "objective": _MAYBE_NUMBER,
    "status": (str,),
    "starts_agreeing": _MAYBE_NUMBER,
    "n_runs": (int,),
    "table_sha256": _MAYBE_TEXT,
    "id": (str,),
    "source": (str,),
    "fixed": (dict,),
    "huber_delta": _MAYBE_NUMBER,
    "residual_rms": _MAYBE_NUMBER,
    "relative_error": _NUMBER,
    "support": (dict,),
    "warnings": (list,),
    "versions": (dict,),
}
"""What JSON holds in each field of a fit."""


@dataclass(frozen=True)
class Doubt:
    """Something about a result that a reader should know: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class Fit:
    """A law and how far to trust it.

    `objective` is Σ huber_δ(log L̂ - log L) with δ = `huber_delta`, unscaled. `starts_agreeing` is the share of
    starts that reached it to 1e-4. `intervals` are marginal, at `interval_level`, by `interval_method`; they are
    None where the runs do not determine a coefficient. `relative_error` is the robust scale of the residuals.
    `supervised` is the law that a distillation law stands on; with status "given" it was not fitted here.
    """

    form: Literal["supervised", "distillation"]
    coefficients: Mapping[str, float]
    identified: Mapping[str, bool]
    intervals: Mapping[str, Range | None]
    interval_level: float | None
    interval_method: str | None
    objective: float | None
    status: str
    starts_agreeing: float | None
    n_runs: int
    table_sha256: str | None
    convention: Convention
    supervised: "Fit | None"
    id: str
    source: str
    fixed: Mapping[str, float]
    huber_delta: float | None
    residual_rms: float | None
    relative_error: float
    support: Support
    warnings: tuple[Doubt, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def law(self) -> SupervisedLaw | DistillationLaw:
        """The formula with this fit's coefficients."""
        if self.form == "supervised":
            return SupervisedLaw(**self.coefficients)
        assert self.supervised is not None
        return DistillationLaw(supervised=self.supervised.supervised_law, **self.coefficients)

    @property
    def supervised_law(self) -> SupervisedLaw:
        """The supervised law: this fit's own, or the one it stands on."""
        if self.supervised is not None:
            return self.supervised.supervised_law
        return SupervisedLaw(**self.coefficients)

    def predict(self, N: Any, D: Any, L_T: Any = None) -> Any:
        """Cross-entropy (nats/token) of N parameters on D tokens; with a teacher of cross-entropy L_T, distilled.

        Floats or arrays, which broadcast. Raises `InputError` for an L_T where only supervised training was
        fitted.
        """
        if L_T is None:
            return self.supervised_law.loss(N, D)
        law = self.law
        if isinstance(law, SupervisedLaw):
            raise InputError(f"law {self.id!r} describes supervised training only: it has no place for a teacher")
        return law.loss(N, D, L_T)

    def known(self) -> KnownLaw:
        """This fit as a law to plan with. The search box reaches two decades beyond the runs on either side."""
        law, base = self.law, self.supervised
        intervals = {name: ends for name, ends in (base or self).intervals.items() if ends is not None}
        if base is not None:
            intervals |= {f"distillation.{name}": ends for name, ends in self.intervals.items() if ends}
        stages = (self,) if base is None or base.objective is None else (base, self)
        told = " and ".join(f"{stage.relative_error:.2%} ({stage.n_runs} {stage.form} runs)" for stage in stages)
        return KnownLaw(
            id=self.id,
            source=self.source,
            convention=self.convention,
            supervised=self.supervised_law,
            distillation=law if isinstance(law, DistillationLaw) else None,
            support=self.support,
            box_N=_around(self.support.N_S, self.support.N_T),
            box_D=_around(self.support.D_S, self.support.D_T),
            # a margin compares predictions of both stages, so the worse of them counts
            relative_error=max(0.01, *(stage.relative_error for stage in stages)),
            error_source=f"at least 1 %; the residuals of the fit have a robust scale of {told}",
            published=False,
            intervals=intervals,
            interval_level=self.interval_level,
            notes=tuple(doubt.message for doubt in self.warnings),
        )

    @classmethod
    def given(cls, known: KnownLaw) -> "Fit":
        """A known supervised law in the place of a fitted one, for a distillation fit to stand on."""
        law = known.supervised
        names = COEFFICIENTS["supervised"]
        return cls(
            form="supervised",
            coefficients={name: float(getattr(law, name)) for name in names},
            identified=dict.fromkeys(names, True),
            intervals={name: known.intervals.get(name) for name in names},
            interval_level=known.interval_level,
            interval_method="published" if known.intervals else None,
            objective=None,
            status="given",
            starts_agreeing=None,
            n_runs=0,
            table_sha256=None,
            convention=known.convention,
            supervised=None,
            id=known.id,
            source=known.source,
            fixed={},
            huber_delta=None,
            residual_rms=None,
            relative_error=known.relative_error,
            support=known.support,
        )

    def as_dict(self) -> dict[str, Any]:
        """The object of `distillaw fit --json`."""
        data: dict[str, Any] = {"schema": SCHEMA}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Fit):
                value = value.as_dict()
            elif isinstance(value, Convention):
                value = asdict(value)
            elif isinstance(value, Support):
                value = {name: ends for name, ends in asdict(value).items() if ends is not None}
            elif item.name == "warnings":
                value = [asdict(doubt) for doubt in value]
            elif isinstance(value, Mapping):
                value = dict(value)
            data[item.name] = value
        return data

    def to_json(self, path: str | Path | None = None) -> str:
        """This fit as JSON text, which `from_json` reads back exactly; written to `path` where one is given."""
        text = json.dumps(self.as_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        if path is not None:
            try:
                Path(path).write_text(text, encoding="utf-8")
            except OSError as error:
                raise InputError(f"{path}: cannot write it: {error.strerror}") from None
        return text

    @classmethod
    def from_json(cls, path: str | Path) -> "Fit":
        """Read the file that `to_json` wrote. Raises `InputError` that says what is wrong with it."""
        try:
            text = Path(path).read_bytes().decode("utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot read it: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: not a law file: a binary file or not UTF-8 text") from None
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}: not a law file: {error.msg} at line {error.lineno}, column {error.colno}; it may be cut "
                "short: write it again with distillaw fit --out"
            ) from None
        return cls.from_dict(data, str(path))

    @classmethod
    def from_dict(cls, data: Any, where: str) -> "Fit":
        """Build a fit from parsed JSON found in `where`; every fault in one `InputError`."""
        if not isinstance(data, dict) or "schema" not in data:
            raise InputError(f"{where}: not a law file: it has no 'schema'; distillaw fit --out writes one")
        schema = str(data["schema"])
        if schema != SCHEMA:
            kind = "another version of law file" if schema.startswith("distillaw/fit/") else "not a law file"
            raise InputError(f"{where}: {kind}: its schema is {schema!r} and this version reads {SCHEMA!r}")
        names = {item.name for item in fields(cls)}
        faults = Faults()
        faults.extend([f"{where}: a field is missing: {name}" for name in sorted(names - set(data))])
        form = str(data.get("form"))
        if "form" in data and form not in COEFFICIENTS:
            faults.add(f"{where}: form: must be supervised or distillation, not {form!r}")
        faults.raise_if_any()

        values = {name: data[name] for name in names}
        for name, kinds in _KINDS.items():
            if not isinstance(values[name], kinds) or isinstance(values[name], bool):
                faults.add(f"{where}: {name}: not what a law file holds there: {values[name]!r}")
        for name in COEFFICIENTS[form]:
            _check_coefficient(values["coefficients"], name, where, faults)
            for about in ("identified", "intervals"):
                if isinstance(values[about], dict) and name not in values[about]:
                    faults.add(f"{where}: {about}: says nothing of {name}")
        values["convention"] = faults.collect(Convention.from_dict, values["convention"], f"{where}: convention")
        if form == "distillation" and values["supervised"] is None:
            faults.add(f"{where}: supervised: a distillation law needs the supervised law it stands on")
        elif values["supervised"] is not None:
            values["supervised"] = faults.collect(cls.from_dict, values["supervised"], f"{where}: supervised")
        if values["status"] not in STATUSES:
            faults.add(f"{where}: status: must be one of {', '.join(STATUSES)}, not {values['status']!r}")
        faults.raise_if_any()
        try:
            support = values["support"].items()
            values["support"] = Support(**{name: (float(ends[0]), float(ends[1])) for name, ends in support})
            values["intervals"] = {
                name: None if ends is None else (float(ends[0]), float(ends[1]))
                for name, ends in values["intervals"].items()
            }
            values["warnings"] = tuple(Doubt(**doubt) for doubt in values["warnings"])
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise InputError(f"{where}: not a law file: {error}") from None
        return cls(**values)


def _check_coefficient(coefficients: Any, name: str, where: str, faults: Faults) -> None:
    value = coefficients.get(name) if isinstance(coefficients, dict) else None
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value < 0
        or (value == 0 and name != "c0")
    ):
        faults.add(f"{where}: coefficients: {name} must be a positive number, not {value!r}")


def _around(*ranges: Range | None) -> Range:
    ends = [end for within in ranges if within is not None for end in within]
    return min(ends) / _DECADES_AROUND, max(ends) * _DECADES_AROUND
