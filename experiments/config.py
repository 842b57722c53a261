"""Experiment configs: one TOML file selects data, model, options, priors, sampler and gates.

`configs/<model>.toml` is the base; `configs/<model>--<what differs>.toml` shows only what differs.
Everything is checked before anything compiles, and every fault is told at once.
"""

import contextlib
import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from data_prep.errors import DataError, Fault
from experiments.grid import Multiverse
from models import CATALOGUE, load_model
from models.priors import DISTRIBUTIONS, POSITIVE, SPECIAL, Prior

if TYPE_CHECKING:
    import xarray as xr

    from models.spec import ModelSpec, Options

CONFIGS = Path(__file__).parent / "configs"
ON_COMMAND_LINE = "set on the command line"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _year_span(value: object) -> object:
    """`2010-2014` or `2012` as a pair of years; anything else is left for pydantic to refuse."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{4})(?:\s*-\s*(\d{4}))?\s*", value)
        if not match:
            raise ValueError("write years as 2010-2014, or one year as 2012")
        return (int(match[1]), int(match[2] or match[1]))
    return value


def _in_order(years: tuple[int, int] | None) -> tuple[int, int] | None:
    if years is not None and years[0] > years[1]:
        raise ValueError(f"years run backwards: {years[0]}-{years[1]}")
    return years


def _codes(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class DataConfig(_Section):
    """Which cube, and which part of it."""

    cube: str = "simulated"
    """name of a cube in results/cubes, or a path to one"""
    years: Annotated[
        tuple[int, int] | None, BeforeValidator(_year_span), AfterValidator(_in_order)
    ] = None
    """first and last year, as 2010-2014; all when left out"""
    exclude: Annotated[tuple[str, ...], BeforeValidator(_codes)] = ()
    """codes of local authorities to leave out"""
    least_children: int = Field(0, ge=0)
    """leave out authorities with fewer children than this, on average over the cube's years"""
    leave_out_confidence: Annotated[
        tuple[Literal["low", "medium", "aggregate", "pilot"], ...], BeforeValidator(_codes)
    ] = ()
    """leave out figures whose authority gave them this confidence (flags of 2010 to 2015)"""


class SamplerConfig(_Section):
    """How to sample."""

    draws: int = Field(1500, ge=100, le=100_000)
    """draws kept, for each chain"""
    tune: int = Field(500, ge=100, le=100_000)
    """warm-up draws for each chain, thrown away"""
    chains: int = Field(4, ge=2, le=64)
    """independent chains"""
    seed: int = Field(20140331, ge=0)
    """root seed, from which every other is spawned"""
    target_accept: float = Field(0.8, ge=0.6, le=0.999)
    """acceptance rate that the step size is tuned to"""
    max_treedepth: int = Field(10, ge=5, le=15)
    """longest trajectory, in doublings"""
    share_code: bool = False
    """whether covariates are data to the compiled code, so that fits of one graph share it; a run
    with it differs in chance from one without"""


class GateLimits(_Section):
    """Limits of the blocking gates; a run with loosened limits says so in its verdict."""

    r_hat: float = Field(1.01, gt=1.0, le=2.0)
    """largest rank R-hat of any free parameter or estimand"""
    ess: float = Field(400.0, ge=0)
    """smallest bulk or tail effective sample size of any free parameter or estimand"""
    divergences: int = Field(0, ge=0)
    """divergent transitions"""
    tree_depth_hits: int = Field(0, ge=0)
    """trajectories cut at the longest length"""
    e_bfmi: float = Field(0.3, ge=0, le=2)
    """smallest energy fraction of any chain"""


class PriorConfig(_Section):
    """A prior that replaces the model's own; what is left out stays as the model has it."""

    distribution: str | None = None
    parameters: dict[str, float] | None = None
    meaning: str | None = None
    reason: str = Field(min_length=1)


class Config(_Section):
    """An experiment, resolved: every value that decides the run."""

    question: str = Field(min_length=1)
    model: str
    data: DataConfig = DataConfig()
    options: dict[str, Any] = {}
    priors: dict[str, PriorConfig] = {}
    sampler: SamplerConfig = SamplerConfig()
    gates: GateLimits = GateLimits()
    multiverse: Multiverse = Multiverse()


@dataclass(frozen=True)
class Experiment:
    """A config that was checked against its model."""

    name: str
    config: Config
    spec: "ModelSpec"
    options: "Options"
    priors: Mapping[str, Prior]
    overridden: frozenset[str]
    sources: "_Sources"

    def with_priors(self, declared: Mapping[str, Prior]) -> "Experiment":
        """The experiment with priors that its model declares for its data, the config's on top.

        Raises
        ------
        DataError
            With every prior of the config that does not fit.
        """
        priors, faults = _override(declared, self.config.priors, self.sources)
        if faults:
            raise DataError(faults)
        return replace(self, priors=priors)

    def observe(self, cube: "xr.DataTree", *, without: Sequence[str] = ()) -> Any:
        """What the model sees of a cube under the config's `[data]`, ``without`` these codes too.

        Raises
        ------
        DataError
            With every reason why the options cannot be fitted to it.
        """
        # Imported here, so that listing experiments needs no xarray.
        from data_prep.selection import leave_out_by_confidence, small_authorities

        data = self.config.data
        small = small_authorities(cube, data.least_children)
        return self.spec.observe(
            leave_out_by_confidence(cube, data.leave_out_confidence),
            self.options,
            years=data.years,
            exclude=tuple(dict.fromkeys((*data.exclude, *small, *without))),
        )

    def resolved(self) -> dict[str, Any]:
        """Every value that decides the run, defaults filled in, as plain TOML values."""
        document = self.config.model_dump(mode="json", exclude_none=True)
        # The grid decides which runs there are, not what any of them draws.
        del document["multiverse"]
        document["options"] = self.options.model_dump(mode="json")
        if self.config.data.years is not None:
            document["data"]["years"] = "{}-{}".format(*self.config.data.years)
        document["priors"] = {
            name: {
                "distribution": prior.distribution,
                "parameters": dict(prior.parameters),
                "meaning": prior.meaning,
                "reason": prior.reason,
            }
            for name, prior in self.priors.items()
        }
        return document


def list_experiments() -> list[tuple[str, str]]:
    """Name and question of every config, bases before their variants; reads no model code."""
    found = []
    for path in sorted(CONFIGS.glob("*.toml"), key=lambda p: (p.stem.split("--")[0], p.stem)):
        found.append((path.stem, str(_read(path).get("question", ""))))
    return found


def load_experiment(
    model: str, variant: str | None = None, sets: Sequence[str] = (), cube: str | None = None
) -> Experiment:
    """Read, merge and check an experiment.

    Parameters
    ----------
    model, variant
        Name the files `configs/<model>.toml` and `configs/<model>--<variant>.toml`.
    sets
        ``path=value`` with the full path, as ``options.outcome=section47``.
    cube
        Name or path of a cube, in place of the config's.

    Raises
    ------
    DataError
        With every unknown key, wrong type, value out of bounds and unknown name.
    """
    if model not in CATALOGUE:
        raise DataError([unknown_model(model)])
    name = f"{model}--{variant}" if variant else model
    files = [CONFIGS / f"{model}.toml"]
    if variant:
        path = CONFIGS / f"{name}.toml"
        if not path.is_file():
            known = [
                n.split("--", 1)[1] for n, _ in list_experiments() if n.startswith(model + "--")
            ]
            raise DataError(
                [
                    Fault(
                        problem=f"model {model} has no variant {variant!r}",
                        remedy=f"use one of: {', '.join(known) or '(none yet)'}; "
                        f"or write {path.name}",
                    )
                ]
            )
        files.append(path)
    merged: dict[str, Any] = {}
    for path in files:
        over = _read(path)
        if "formula" in over.get("options", {}):
            # Priors belong to the terms of a formula: another formula starts without any.
            merged.pop("priors", None)
        merged = _merge(merged, over)
    if any(text.partition("=")[0].strip() == "options.formula" for text in sets):
        merged.pop("priors", None)
    faults = []
    for text in sets:
        fault = _apply(merged, text)
        faults += [fault] if fault else []
    asked = {text.partition("=")[0].strip() for text in sets}
    changes_question = {
        "options.outcome",
        "options.exposure",
        "options.outcomes",
        "options.denominator",
        "options.formula",
    }
    if asked & changes_question and "question" not in asked:
        # The file's question is about the file's outcome; the model's own fits any.
        merged["question"] = CATALOGUE[model].question
    if cube and isinstance(merged.setdefault("data", {}), dict):
        merged["data"]["cube"] = cube
    return _check(model, name, merged, _Sources(tuple(files), tuple(map(_path_set, sets))), faults)


def restore_experiment(
    name: str, document: Mapping[str, Any], overridden: Sequence[str] = ()
) -> Experiment:
    """The experiment of a resolved config, as `Experiment.resolved` gave it or a run stores it.

    Raises
    ------
    DataError
        When this version does not know what the document names.
    """
    model = str(document.get("model", ""))
    if model not in CATALOGUE:
        raise DataError([unknown_model(model)])
    spec = load_model(model)
    # Runs of earlier versions hold an empty grid.
    document = {key: value for key, value in document.items() if key != "multiverse"}
    try:
        config = Config.model_validate(document)
        options = spec.options.model_validate(document.get("options", {}))
    except ValidationError as error:
        raise DataError(
            [
                Fault(
                    problem=f"a stored config that this version cannot read: {item['msg']}",
                    remedy="fit the experiment again",
                    file=name,
                    column=".".join(map(str, item["loc"])),
                )
                for item in error.errors()
            ]
        ) from error
    stored = document.get("priors", {})
    priors = {
        key: Prior(key, **stored[key]) if key in stored else own for key, own in spec.priors.items()
    }
    sources = _Sources((), (), stored=name)
    return Experiment(name, config, spec, options, priors, frozenset(overridden), sources)


def unknown_model(model: str) -> Fault:
    """The fault of a model that does not exist, with every model and its question."""
    listing = "; ".join(f"{name}: {entry.question}" for name, entry in CATALOGUE.items())
    return Fault(
        value=model, problem="no such model" if model else "no model named", remedy=f"use {listing}"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        row = re.search(r"line (\d+)", str(error))
        raise DataError(
            [
                Fault(
                    file=path.name,
                    row=int(row[1]) if row else None,
                    problem=f"not valid TOML: {error}",
                    remedy="mend the line; texts need quotes, a table starts with [name]",
                )
            ]
        ) from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict) and key != "parameters":
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _apply(document: dict[str, Any], text: str) -> Fault | None:
    """Set one ``path=value`` in place; the fault when the text cannot be read so."""
    path, equals, value = text.partition("=")
    parts = path.strip().split(".")
    if not equals or not all(parts) or len(parts) < 2:
        return Fault(
            column="--set",
            value=text,
            problem="not of the form section.key=value",
            remedy="write the full path, as in --set options.outcome=section47",
        )
    node = document
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            return Fault(
                column="--set",
                value=text,
                problem=f"{part!r} is not a section",
                remedy="write the full path, as in --set options.outcome=section47",
            )
    if parts[0] == "priors" and parts[2:] == ["distribution"]:
        # Parameters of the one that a file gives are no parameters of another.
        node.pop("parameters", None)
    node[parts[-1]] = value.strip()
    if parts[0] == "priors" and len(parts) > 2:
        document["priors"][parts[1]].setdefault("reason", ON_COMMAND_LINE)
    return None


def _path_set(text: str) -> tuple[str, ...]:
    return tuple(text.partition("=")[0].strip().split("."))


def _check(
    model: str,
    name: str,
    merged: dict[str, Any],
    sources: "_Sources",
    faults: list[Fault],
) -> Experiment:
    spec = load_model(model)
    config = options = None
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        faults += _faults(error, sources, (), spec)
    try:
        options = spec.options.model_validate(merged.get("options", {}))
    except ValidationError as error:
        faults += _faults(error, sources, ("options",), spec)
    if config is not None and config.model != model:
        faults.append(
            sources.fault(
                ("model",),
                config.model,
                f"the file's name says {model}",
                "name the config after its model",
            )
        )
    overrides = config.priors if config else _readable_priors(merged.get("priors"))
    priors: dict[str, Prior] = {}
    # Where priors depend on the data, they and what the config changes of them come later.
    if spec.declare_priors is None:
        priors, prior_faults = _override(spec.priors, overrides, sources)
        faults += prior_faults
    if faults or config is None or options is None:
        raise DataError(faults)
    return Experiment(name, config, spec, options, priors, frozenset(config.priors), sources)


def _readable_priors(section: object) -> dict[str, PriorConfig]:
    """Priors of a faulty config that can be read, so that their own faults are told as well."""
    found = {}
    for name, given in section.items() if isinstance(section, dict) else ():
        with contextlib.suppress(ValidationError):
            found[name] = PriorConfig.model_validate(given)
    return found


def _override(
    declared: Mapping[str, Prior], overrides: Mapping[str, PriorConfig], sources: "_Sources"
) -> tuple[dict[str, Prior], list[Fault]]:
    """The model's priors with those of the config in their places."""
    priors: dict[str, Prior] = dict(declared)
    faults: list[Fault] = []
    for name, given in overrides.items():
        if name not in priors:
            close = difflib.get_close_matches(name, priors, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            faults.append(
                sources.fault(
                    ("priors", name),
                    "",
                    "the model has no such prior",
                    f"{hint}known: {', '.join(priors)}",
                )
            )
            continue
        own = priors[name]
        distribution = given.distribution or own.distribution
        parameters = given.parameters or {}
        if distribution == own.distribution:
            parameters = {**own.parameters, **parameters}
        changed = f"changed from {own.distribution}({_listed(own.parameters)})"
        prior = Prior(name, distribution, parameters, given.meaning or changed, given.reason)
        priors[name] = prior
        faults += [
            sources.fault(
                ("priors", name),
                f"{distribution}({_listed(parameters)})",
                problem,
                f"known: {'; '.join(f'{d}({", ".join(p)})' for d, p in DISTRIBUTIONS.items())}",
            )
            for problem in [*prior.faults(), *_unfit(own, distribution)]
        ]
    return priors, faults


def _unfit(own: Prior, distribution: str) -> list[str]:
    """Why a distribution cannot stand where the model's own does."""
    if distribution == own.distribution or distribution not in DISTRIBUTIONS:
        return []
    if distribution in SPECIAL or own.distribution in SPECIAL:
        return [f"{distribution} cannot stand for {own.distribution}"]
    if own.distribution in POSITIVE and distribution not in POSITIVE:
        return [f"{distribution} lies below zero, and {own.name} cannot: use {', '.join(POSITIVE)}"]
    return []


def _listed(parameters: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items())


def _faults(
    error: ValidationError, sources: "_Sources", prefix: tuple[str, ...], spec: "ModelSpec"
) -> list[Fault]:
    found = []
    for item in error.errors():
        path = (*prefix, *(str(part) for part in item["loc"]))
        problem = item["msg"].removeprefix("Value error, ")
        remedy = str(item.get("ctx", {}).get("remedy", "mend the value"))
        if item["type"] == "extra_forbidden":
            problem, remedy = "unknown key", _known_keys(path, spec)
        elif item["type"] == "missing":
            problem, remedy = "required and absent", "add it"
        value = "" if isinstance(item["input"], dict) else str(item["input"])
        found.append(sources.fault(path, value, problem, remedy))
    return found


def _known_keys(path: tuple[str, ...], spec: "ModelSpec") -> str:
    sections: dict[tuple[str, ...], type[BaseModel]] = {
        (): Config,
        ("data",): DataConfig,
        ("options",): spec.options,
        ("sampler",): SamplerConfig,
        ("gates",): GateLimits,
        ("multiverse",): Multiverse,
    }
    known = list(sections.get(path[:-1], PriorConfig).model_fields)
    close = difflib.get_close_matches(path[-1], known, 1)
    return (f"did you mean {close[0]}? " if close else "") + f"known: {', '.join(known)}"


@dataclass(frozen=True)
class _Sources:
    """Where the values of a config were set: files, later ones first, and above them ``--set``.

    A config that a run stored has no files; ``stored`` is its experiment.
    """

    files: tuple[Path, ...]
    sets: tuple[tuple[str, ...], ...]
    stored: str = ""

    def fault(self, path: Sequence[str], value: str, problem: str, remedy: str) -> Fault:
        """A fault with the place that set ``path``, or the nearest section that holds it."""
        column = ".".join(path)
        for length in range(len(path), 0, -1):
            part = tuple(path[:length])
            # A fault of a whole, such as a prior, may lie in the one part of it that was set.
            whole = length == len(path)
            if any(part == (given[:length] if whole else given) for given in self.sets):
                return Fault(problem, remedy, file="--set", column=column, value=value)
            for file in reversed(self.files):
                row = _row_of(file, part)
                if row is not None:
                    return Fault(problem, remedy, file.name, row, column, value)
        place = self.files[0].name if self.files else self.stored
        return Fault(problem, remedy, file=place, column=column, value=value)


def _row_of(file: Path, path: Sequence[str]) -> int | None:
    """The line that sets ``path``: its key under its table header, or the header itself."""
    table: list[str] = []
    for row, line in enumerate(file.read_text().splitlines(), 1):
        header = re.match(r"\s*\[([^\]]+)\]", line)
        if header:
            table = header[1].strip().split(".")
            if table == list(path):
                return row
        else:
            key = re.match(r"\s*([A-Za-z0-9_.]+)\s*=", line)
            if key and table + key[1].split(".") == list(path):
                return row
    return None
