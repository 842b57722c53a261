"""The config of `make findings`: what each finding needs, and by which rule it is judged.

`findings.toml` is written before any fit. It names the experiments, the estimands that speak to a
claim, the primary denominator and the rule that turns a posterior probability into a verdict.
Everything is checked before anything compiles, and every fault is told at once.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data_prep.errors import DataError, Fault
from data_prep.indicator_types import QUALITY, Type
from experiments.config import Experiment, load_experiment

FINDINGS = Path(__file__).parent / "findings.toml"
Role = Literal["primary", "beside"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Rule(_Section):
    """When a claim holds, and how probable that must be.

    One of ``above, below, within, outside`` says what the claim says of its estimand.
    """

    above: float | None = None
    """the claim holds where the estimand is above this"""
    below: float | None = None
    """the claim holds where the estimand is below this"""
    within: tuple[float, float] | None = None
    """the claim holds where the estimand lies between these, a margin without practical meaning"""
    outside: tuple[float, float] | None = None
    """the claim holds where the estimand does not lie between these"""
    supported: float = Field(0.95, gt=0.5, lt=1)
    """supported where the probability that the claim holds is this or more"""
    not_supported: float = Field(0.05, gt=0, lt=0.5)
    """not supported where that probability is this or less; undecided between the two"""

    @model_validator(mode="after")
    def _one_claim(self) -> Self:
        given = [name for name in ("above", "below", "within", "outside") if self._value(name)]
        if len(given) != 1:
            raise ValueError("give one of above, below, within, outside")
        if (span := self.within or self.outside) and not span[0] < span[1]:
            raise ValueError(f"{given[0]} runs backwards: {span[0]:g} to {span[1]:g}")
        return self

    def _value(self, name: str) -> bool:
        return getattr(self, name) is not None

    def holds(self, values: Any) -> Any:
        """Whether the claim holds of each value."""
        values = np.asarray(values)
        if self.above is not None:
            return values > self.above
        if self.below is not None:
            return values < self.below
        low, high = self.within or self.outside or (np.nan, np.nan)
        inside = (values > low) & (values < high)
        return inside if self.within else ~inside

    def verdict(self, probability: float) -> str:
        """Supported, not supported or undecided."""
        if probability >= self.supported:
            return "supported"
        return "not supported" if probability <= self.not_supported else "undecided"

    @property
    def limits(self) -> tuple[float, ...]:
        """The values that the claim is held against."""
        one = self.above if self.above is not None else self.below
        return (one,) if one is not None else self.within or self.outside or ()


class Needed(_Section):
    """An experiment that findings draw on."""

    model: str
    """the model"""
    variant: str | None = None
    """its variant; the base when left out"""
    set: tuple[str, ...] = ()
    """values that differ, as `path=value`"""


class Part(_Section):
    """One claim of a finding, and what speaks to it."""

    key: str = Field(pattern=r"^[a-z0-9_]+$")
    """name within its finding"""
    claim: str = Field(min_length=1)
    """what is claimed, in a sentence"""
    role: Role = "primary"
    """primary parts decide the finding's verdict; others stand beside it"""
    experiment: str | None = None
    """the experiment that answers, by its name above"""
    estimand: str | None = None
    """the estimand that answers"""
    at: dict[str, str | int] = {}
    """its coordinates; a year may be `first` or `last`"""
    rule: Rule | None = None
    """when the claim holds; a part without one is described and gets no verdict"""
    multiverse: dict[str, str] = {}
    """the curve of the model's multiverse that asks the same: option to level"""
    counted: Type | None = None
    """instead of an experiment: the type of indicator that is counted among those of quality"""
    not_measurable: str | None = None
    """instead of an experiment: why no published figure can answer"""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [self.experiment, self.counted, self.not_measurable]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give one of experiment, counted, not_measurable")
        if (self.experiment is None) != (self.estimand is None):
            raise ValueError("an experiment and its estimand go together")
        if self.counted and (self.counted not in QUALITY or not self.rule):
            raise ValueError(f"counted is one of {', '.join(QUALITY)}, and needs a rule")
        if self.experiment is None and (self.at or self.multiverse):
            raise ValueError("coordinates and a multiverse belong to an experiment")
        return self


class Finding(_Section):
    """A finding or an implication of the study."""

    key: str = Field(pattern=r"^[a-z0-9_]+$")
    """name in files and links"""
    name: str = Field(min_length=1)
    """as `Finding 1`"""
    title: str = Field(min_length=1)
    """the finding in a line"""
    claim: str = Field(min_length=1)
    """what the study says, in other words"""
    denominator: str = ""
    """the denominator that decides, and why, named before the fits"""
    caveats: tuple[str, ...] = ()
    """what must be known beside any verdict"""
    parts: tuple[Part, ...] = Field(min_length=1)
    """its claims"""


class Findings(_Section):
    """The whole config."""

    source: str = Field(min_length=1)
    """the study"""
    caveats: tuple[str, ...] = ()
    """what holds of every finding"""
    experiments: dict[str, Needed]
    """every experiment by a name of its own"""
    findings: tuple[Finding, ...] = Field(min_length=1)
    """findings in the order of the page"""

    @model_validator(mode="after")
    def _closed(self) -> Self:
        problems = []
        keys = [finding.key for finding in self.findings]
        problems += [f"two findings are called {k!r}" for k in set(keys) if keys.count(k) > 1]
        used = set()
        for finding in self.findings:
            own = [part.key for part in finding.parts]
            problems += [
                f"{finding.key}: two parts are called {k!r}" for k in set(own) if own.count(k) > 1
            ]
            for part in finding.parts:
                used.add(part.experiment)
                if part.experiment and part.experiment not in self.experiments:
                    problems.append(f"{finding.key}.{part.key}: no experiment {part.experiment!r}")
        problems += [f"no part uses experiment {k!r}" for k in self.experiments if k not in used]
        if problems:
            raise ValueError("; ".join(sorted(problems)))
        return self


def load_findings(
    path: Path = FINDINGS, sets: tuple[str, ...] = (), cube: str | None = None
) -> tuple[Findings, dict[str, Experiment]]:
    """The config and its experiments on a cube, with ``sets`` applied to each of them.

    Raises
    ------
    DataError
        With every fault of the file and of every experiment.
    """
    document = _read(path)
    try:
        config = Findings.model_validate(document)
    except ValidationError as error:
        raise DataError(_faults(error, path, document)) from error
    faults: list[Fault] = []
    experiments: dict[str, Experiment] = {}
    for name, needed in config.experiments.items():
        try:
            experiments[name] = load_experiment(
                needed.model, needed.variant, [*needed.set, *sets], cube
            )
        except DataError as error:
            faults += [_of_experiment(fault, path, name) for fault in error.faults]
    for finding in config.findings:
        for part in finding.parts:
            if part.experiment in experiments:
                found = _check_part(part, experiments[part.experiment])
                where = f"{finding.key}.{part.key}"
                faults += [
                    Fault(problem, remedy, file=path.name, column=f"{where}.{key}", value=value)
                    for key, value, problem, remedy in found
                ]
    if faults:
        raise DataError(faults)
    return config, experiments


def _of_experiment(fault: Fault, path: Path, name: str) -> Fault:
    """A fault of an experiment, with the place that asks for it."""
    place = " ".join(part for part in (fault.file, fault.column) if part)
    return Fault(
        f"{place}: {fault.problem}" if place else fault.problem,
        fault.remedy,
        file=path.name,
        column=f"experiments.{name}",
        value=fault.value,
    )


def _check_part(part: Part, experiment: Experiment) -> list[tuple[str, str, str, str]]:
    """Key, value, problem and remedy of each fault that only the model can tell."""
    declared = {e.name: e for e in experiment.spec.declared_estimands(experiment.options)}
    estimand = declared.get(str(part.estimand))
    if estimand is None:
        known = ", ".join(declared)
        return [("estimand", str(part.estimand), "no such estimand", f"use one of: {known}")]
    faults = []
    if set(part.at) != set(estimand.coordinates):
        needed = ", ".join(estimand.coordinates) or "none"
        given = ", ".join(part.at)
        faults.append(("at", given, "not the estimand's coordinates", f"give: {needed}"))
    margin = getattr(experiment.options, "margin", None)
    span = part.rule.within if part.rule else None
    if margin is not None and span and span != (-margin, margin):
        remedy = f"use {-margin:g} to {margin:g}, or set options.margin"
        faults.append(("rule.within", f"{span[0]:g} to {span[1]:g}", "not the margin", remedy))
    grid = experiment.config.multiverse
    for option, level in part.multiverse.items():
        if level not in grid.options.get(option, {}):
            known = "; ".join(f"{name}: {', '.join(grid.options[name])}" for name in grid.separate)
            remedy = f"use the grid's own, {known}" if known else "the model declares no grid"
            faults.append(("multiverse", f"{option} = {level}", "no such level", remedy))
    if part.multiverse and (missing := set(grid.separate) - set(part.multiverse)):
        remedy = "name a level of each option that the grid keeps apart"
        faults.append(("multiverse", "", f"no level of {', '.join(sorted(missing))}", remedy))
    return faults


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        fault = Fault("no such file", "name another with CONFIG=", file=path.name)
        raise DataError([fault]) from error
    except tomllib.TOMLDecodeError as error:
        remedy = "mend the line; texts need quotes, a list of tables starts with [[name]]"
        raise DataError([Fault(f"not valid TOML: {error}", remedy, file=path.name)]) from error


def _faults(error: ValidationError, path: Path, document: Mapping[str, Any]) -> list[Fault]:
    found = []
    for item in error.errors():
        problem, remedy = item["msg"].removeprefix("Value error, "), "mend the value"
        if item["type"] == "extra_forbidden":
            problem, remedy = "unknown key", "docs/configuration.md lists the known ones"
        elif item["type"] == "missing":
            problem, remedy = "required and absent", "add it"
        value = "" if isinstance(item["input"], (dict, list)) else str(item["input"])
        column = ".".join(_named(item["loc"], document))
        found.append(Fault(problem, remedy, file=path.name, column=column, value=value))
    return found


def _named(location: tuple[int | str, ...], document: Any) -> list[str]:
    """A path into the file with keys of findings and parts in place of their numbers."""
    names = []
    node: Any = document
    for key in location:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            node = None
        own = node.get("key") if isinstance(key, int) and isinstance(node, dict) else None
        names.append(str(own or key))
    return names
