"""What does a formula of the user's own say, fitted beside our models.

The config gives a formula in bambi's language, a family and, where wanted, priors:

    formula = "p(rereferrals, referrals) ~ scale(timeliness) + (1|la)"

Left of `~` stands a count, a part of a whole as p(part, whole), or an indicator, which log(...) or
sqrt(...) may transform. Right of it stand names of the cube (below), `+`, `:` and `*` between
them, `(1|la)` for levels and `(0 + x|la)` for effects that vary over la, region, la_type or year,
and these calls: log, exp, sqrt, scale, standardize, center, I, poly, bs, C or factor, lag (the
figure of the year before) and offset. Nothing else is read. Names: every count of
[measures](../measures.md), every indicator there; `timeliness` (initial assessments within 10
days, per cent) and `population`; `imd` and `idaci`, mean 0 and sd 1 over authorities; `la`,
`region`, `la_type`, and `year`, which counts from the middle of the years and is a factor in
`factor(year)` and `(1|year)`.

Cells: only those in which every name has an exact number are used, and the report counts the
others by reason. A fit is therefore not compared by leave-one-out with models that use intervals.

Priors: bambi scales its own to the data. A config replaces any of them, by the name that the
report's prior table prints: `[priors.intercept]`, `[priors.scale_timeliness]`,
`[priors.la_level_sd]`, `[priors.dispersion]`. Automatic priors on coefficients are Normal with sd
2.5 over the sd of the column, times that of the outcome for gaussian and t; that of the intercept
and those of the spread between groups grow with the mean of a predictor over its sd, so that
predictors are better written as scale(x). With log and logit links they allow far more than any
authority shows: the prior's own predictions in the report say how much.

Assumes what the formula says. It cannot make a formula right, and states the same limits whatever
the formula is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Literal, NoReturn, cast

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import field_validator, model_validator
from pydantic_core import PydanticCustomError

from data_prep.errors import DataError, Fault
from data_prep.indicators import INDICATORS, MEASURES, within_sentence
from data_prep.observations import describe_counts
from data_prep.schema import indicator_unit
from models.formula_bambi import (
    FAMILIES,
    Column,
    Design,
    automatic_priors,
    build_pymc,
    derive_design,
    inverse_link,
    specify,
)
from models.formula_data import FormulaObservations, observe_formula
from models.formula_text import (
    ALIASES,
    COUNTS,
    YEAR,
    Formula,
    FormulaError,
    Group,
    parse,
    read,
)
from models.priors import Prior
from models.rates import ratio_90_10, spans, three_figures
from models.replaceable import is_replaceable
from models.spec import Answer, Block, Estimand, ModelSpec, Options
from models.wording import stated, without_figures

if TYPE_CHECKING:
    import pymc as pm

_WORDS = {"counts": "rate", "shares": "share", "values": "value"}
# What an effect multiplies, by link; a logarithm taken of the outcome does as the link would.
_RATIOS = {"log": "Ratio", "logit": "Odds ratio"}
# Fewer rows than this for each coefficient cannot be called a fit.
_LEAST_ROWS = 2
_STUDY = "not assessed: a formula has no declared truth"


class FormulaOptions(Options):
    """What is fitted."""

    formula: str = "p(rereferrals, referrals) ~ scale(timeliness) + (1|la)"
    """outcome ~ terms, in bambi's language and the words of this page"""
    family: Literal[
        "beta_binomial", "binomial", "negativebinomial", "poisson", "gaussian", "t", "gamma"
    ] = "beta_binomial"
    """shares p(part, whole): the first two; counts: the next two; indicators: the last three"""
    link: Literal["usual", "identity", "log", "logit", "probit", "cloglog"] = "usual"
    """usual: logit for shares, log for counts and gamma, identity for gaussian and t"""
    exposure: str = "none"
    """a count that the outcome is counted per; the same as offset(log(...)) in the formula"""
    noncentered: Literal["all", "levels", "effects", "none"] = "all"
    """varying terms drawn as standard scores: all, levels (1|g) alone, effects (0 + x|g), none"""

    @field_validator("formula")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            parse(text)
        except FormulaError as error:
            _refuse(error.problem, error.remedy)
        return text

    @field_validator("exposure")
    @classmethod
    def _a_count(cls, name: str) -> str:
        if name != "none" and ALIASES.get(name, name) not in COUNTS:
            _refuse("no such count", f"use none or one of: {', '.join(COUNTS)}")
        return name

    @model_validator(mode="after")
    def _agree(self) -> "FormulaOptions":
        formula, family = parse(self.formula), FAMILIES[self.family]
        given = "shares" if formula.call == "p" else "counts"
        if given == "counts" and (formula.call or formula.outcome not in COUNTS):
            given = "values"
        fitting = [name for name, other in FAMILIES.items() if other.outcome == given]
        problems, remedies = [], []
        # A count may be taken as a value, too.
        if family.outcome != given and not (given == "counts" and family.outcome == "values"):
            problems.append(
                f"options.family={self.family} explains {family.outcome}, and "
                f"{formula.response} is one of {given}"
            )
            remedies.append(f"use one of: {', '.join(fitting)}")
        if self.link not in ("usual", *family.links):
            problems.append(f"options.link={self.link} does not go with {self.family}")
            remedies.append(f"use usual or one of: {', '.join(family.links)}")
        if self.exposure != "none" and formula.offset:
            problems.append("options.exposure and offset(...) in the formula say the same twice")
            remedies.append("keep one of them")
        if (self.exposure != "none" or formula.offset) and family.outcome != "counts":
            problems.append(f"an exposure does not go with {self.family}")
            remedies.append("set options.exposure=none and leave offset(...) out")
        if problems:
            _refuse("; ".join(problems), "; ".join(remedies))
        return self


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise PydanticCustomError("formula", "{problem}", {"problem": problem, "remedy": remedy})


@dataclass(frozen=True)
class FittedObservations(FormulaObservations):
    """Observations with the design that bambi makes of them."""

    design: Design


# --------------------------------------------------------------------------------------- data


def observe(
    cube: xr.DataTree,
    options: FormulaOptions,
    *,
    years: tuple[int, int] | None = None,
    exclude: tuple[str, ...] = (),
) -> FittedObservations:
    """The LA-years of the formula; DataError with every reason why they cannot be fitted."""
    formula = parse(options.formula)
    found = observe_formula(cube, formula, _exposure(options), years=years, exclude=exclude)
    if faults := list(_impossible(found, formula, options)):
        raise DataError(faults)
    try:
        model = _specify(options, found)
    except (ValueError, TypeError) as error:
        raise DataError([_fault(f"bambi cannot compute it: {error}", "mend the term")]) from error
    design = derive_design(model, formula)
    if faults := list(_unlearnable(found, design)):
        raise DataError(faults)
    given = {item.name: getattr(found, item.name) for item in fields(found)}
    return FittedObservations(**given, design=design)


def _fault(problem: str, remedy: str, value: str = "") -> Fault:
    return Fault(problem, remedy, column="options.formula", value=value)


def _exposure(options: FormulaOptions) -> str:
    """Measure of the option, "" for none; what the formula's own offset says is left to it."""
    return "" if options.exposure == "none" else ALIASES.get(options.exposure, options.exposure)


def _link(options: FormulaOptions) -> str:
    return FAMILIES[options.family].links[0] if options.link == "usual" else options.link


def _ratio(options: FormulaOptions) -> str:
    """Name of the ratio that an effect is on its scale, "" where it is none."""
    taken = parse(options.formula).call == "log" and _link(options) == "identity"
    return _RATIOS.get("log" if taken else _link(options), "")


def _specify(
    options: FormulaOptions,
    observations: FormulaObservations,
    priors: Mapping[str, Prior] | None = None,
) -> object:
    return specify(
        parse(options.formula),
        options.family,
        _link(options),
        _exposure(options),
        observations.table,
        priors,
        options.noncentered,
    )


def _impossible(
    observations: FormulaObservations, formula: Formula, options: FormulaOptions
) -> Iterator[Fault]:
    """What can be seen in the table, before bambi makes a design of it."""
    table, cells = observations.table, observations.cells
    outcome = cells["lower"].to_numpy()
    if not np.isfinite(outcome).all():
        yield _fault(
            f"{formula.call} of zero in {int((~np.isfinite(outcome)).sum())} LA-years: "
            + _examples(observations, ~np.isfinite(outcome)),
            "use a family for counts, or leave these authorities out",
            formula.response,
        )
    elif options.family == "gamma" and (outcome <= 0).any():
        yield _fault(
            f"gamma needs values above zero; {int((outcome <= 0).sum())} are not: "
            + _examples(observations, outcome <= 0),
            "use gaussian or t, or leave these authorities out",
            formula.response,
        )
    elif np.ptp(outcome) == 0:
        yield _fault("the outcome is the same in every LA-year", "use more years", formula.response)
    for name in formula.names:
        if table[name].nunique() == 1 and not any(name == g.factor for g in formula.groups):
            yield _fault(
                f"{read(name)} is the same in all {len(table)} LA-years left",
                "take it out, or use more years",
                name,
            )
    for factor in dict.fromkeys(group.factor for group in formula.groups):
        sizes = table[factor].value_counts()
        shown = read(factor).replace("factor(year)", "year")
        if len(sizes) < 3:
            yield _fault(
                f"{len(sizes)} levels of {shown} cannot show how far levels differ",
                "take the varying term out, or use at least 3",
                f"(...|{shown})",
            )
        elif sizes.max() == 1:
            yield _fault(
                f"each level of {shown} has one LA-year, so that what varies over it cannot be "
                "told from scatter",
                "use more years, or take the varying term out",
                f"(...|{shown})",
            )


def _examples(observations: FormulaObservations, where: np.ndarray) -> str:
    rows = observations.cells[where].head(3)
    names = observations.las["name"].to_dict()
    return ", ".join(f"{names[row.la]} {row.year}" for row in rows.itertuples())


def _unlearnable(observations: FormulaObservations, design: Design) -> Iterator[Fault]:
    """Columns that are not numbers, or say what others say already; more columns than rows."""
    rows = len(observations.table)
    columns = [*design.columns]
    bad = [column for column in columns if not np.isfinite(column.values).all()]
    for column in bad:
        yield _fault(
            f"{_shown(column)} is no finite number in "
            f"{int((~np.isfinite(column.values)).sum())} LA-years: "
            + _examples(observations, ~np.isfinite(column.values)),
            "log(0) and division by zero have no value: transform it otherwise",
            read(column.term),
        )
    bad_slopes = [held.group for held in design.varying if not np.isfinite(held.predictor).all()]
    for group in bad_slopes:
        yield _fault(f"({group.name}) is no finite number", "transform it otherwise")
    if not np.isfinite(design.offset).all():
        yield _fault("the offset is no finite number", "use a count above zero")
    if bad or bad_slopes:
        return
    if rows < _LEAST_ROWS * (len(columns) + 1):
        yield _fault(
            f"{rows} LA-years for {len(columns) + 1} coefficients",
            f"use at least {_LEAST_ROWS} for each",
        )
        return
    yield from _collinear(columns, design.has_intercept, rows)


def _collinear(columns: Sequence[Column], has_intercept: bool, rows: int) -> Iterator[Fault]:
    """Each column that is an exact combination of those before it."""
    before: list[tuple[str, np.ndarray]] = []
    if has_intercept:
        before.append(("the intercept", np.ones(rows)))
    for column in columns:
        values = column.values
        size = np.linalg.norm(values)
        if size <= 1e-9 * max(1.0, column.sd) * np.sqrt(rows):
            yield _fault(f"{_shown(column)} does not vary", "take it out", read(column.term))
            continue
        if before:
            matrix = np.stack([held / np.linalg.norm(held) for _, held in before], axis=1)
            weights, *_ = np.linalg.lstsq(matrix, values, rcond=None)
            rest = values - matrix @ weights
            if np.linalg.norm(rest) < 1e-7 * size:
                part = np.abs(weights) > 1e-6 * np.abs(weights).max()
                made = dict.fromkeys(name for (name, _), on in zip(before, part, strict=True) if on)
                yield _fault(
                    f"{_shown(column)} is made of {', '.join(made)} exactly: their effects cannot "
                    "be told apart",
                    "take one of them out",
                    read(column.term),
                )
                continue
        before.append((_shown(column), values))


def _shown(column: Column) -> str:
    return f"{read(column.term)} {column.level}".strip()


# -------------------------------------------------------------------------------------- model


def declare_priors(options: FormulaOptions, observations: FittedObservations) -> dict[str, Prior]:
    """Automatic priors for these data, by the names that a config may override."""
    scale = _scale(options)
    return automatic_priors(
        _specify(options, observations),
        parse(options.formula),
        options.family,
        _link(options),
        scale.unit,
        scale.per,
    )


def build(
    observations: FittedObservations, options: FormulaOptions, priors: Mapping[str, Prior]
) -> "pm.Model":
    """The PyMC model that bambi writes, under our names.

    Raises
    ------
    DataError
        Where a study asks for worlds drawn from the priors: they follow the data.
    """
    if is_replaceable():
        raise DataError([_fault(_STUDY, "calibrate one of the other models")])
    return build_pymc(_specify(options, observations, priors), parse(options.formula))


def coords(observations: FittedObservations, options: FormulaOptions) -> dict[str, list]:
    """Coordinates of the model: plain str and int."""
    found: dict[str, list] = {
        "la": list(observations.las.index),
        "year": observations.la_years,
        "obs": list(range(len(observations.cells))),
    }
    return found


def constant_data(observations: FittedObservations) -> xr.Dataset:
    """Index vectors, the outcome as its own bounds, exposure and status, along `obs`."""
    cells = observations.cells
    return xr.Dataset(
        {
            "la": ("obs", observations.las.index.get_indexer(pd.Index(cells["la"]))),
            "year": ("obs", pd.Index(observations.la_years).get_indexer(pd.Index(cells["year"]))),
            "y_lower": ("obs", cells["lower"].to_numpy()),
            "y_upper": ("obs", cells["upper"].to_numpy()),
            "exposure": ("obs", cells["exposure"].to_numpy()),
            "status": ("obs", cells["status"].to_numpy()),
        },
        coords={"obs": range(len(cells))},
        attrs={"outcome": _kind(observations)},
    )


def _kind(observations: FormulaObservations) -> str:
    """Whether checks and figures take the outcome as counts over an exposure or as it is."""
    outcome = observations.cells["lower"].to_numpy()
    whole = observations.outcome in COUNTS and (outcome == np.round(outcome)).all()
    return "counts" if whole else "values"


# ---------------------------------------------------------------------------------- estimands


@dataclass(frozen=True)
class Scale:
    """How the expected value is told: times ``per``, in ``unit``; steps are in ``step_unit``."""

    per: float
    unit: str
    step_unit: str
    name: str
    label: str


@cache
def _scale(options: FormulaOptions) -> Scale:
    formula = parse(options.formula)
    base = formula.whole or formula.offset or _exposure(options)
    if base:
        label = MEASURES[base].label
        people = base == "population_0_17"
        per = 10_000 if people else 100
        unit = "per 10,000 children" if people else f"per 100 {within_sentence(label)}"
        step = "percentage points" if formula.whole else unit
        return Scale(per, unit, step, base, label)
    name = ALIASES.get(formula.outcome, formula.outcome)
    unit = indicator_unit(INDICATORS[name]) if name in INDICATORS else MEASURES[name].units
    unit = f"{formula.call}({unit})" if formula.call else unit
    return Scale(1, unit, unit, "", "")


def exposure(observations: FittedObservations, options: FormulaOptions) -> dict[str, object]:
    """The denominator in words, for `spec.json`."""
    scale = _scale(options)
    return {
        "name": scale.name,
        "label": scale.label or "None",
        "per": scale.per,
        "unit": scale.unit,
        "outcome": _kind(observations),
    }


def declared_estimands(options: FormulaOptions) -> tuple[Estimand, ...]:
    """Every quantity that this model answers with, whether or not the data can give it."""
    formula, link, scale = parse(options.formula), _link(options), _scale(options)
    word = _WORDS[FAMILIES[options.family].outcome]
    here, weighted = f"expected {word}, these authorities", "mean of the LA-years used"
    if scale.name:
        weighted = f"exposure-weighted {weighted}"
    found = []
    if formula.terms:
        step = (
            "when the column alone moves by the step, its products with others as they are: one "
            "sd, one unit, or from the reference to the level"
        )
        found.append(
            Estimand(
                "effect",
                f"Change of the expected {word}",
                scale.step_unit,
                f"{weighted} of the change of the expectation {step}",
                here,
                ("term", "step"),
                headline=True,
            )
        )
        if _ratio(options):
            found.append(
                Estimand(
                    "effect_ratio",
                    f"{_ratio(options)} of the expected {word}",
                    "ratio",
                    f"factor on the {'odds' if link == 'logit' else 'expectation'} {step}",
                    here,
                    ("term", "step"),
                    headline=True,
                )
            )
    found += [
        Estimand("mean", f"Mean {word}", scale.unit, weighted, here, headline=True),
        Estimand(
            "mean_by_year",
            f"Mean {word} by year",
            scale.unit,
            f"{weighted} of that year; which authorities are among them may differ between years",
            here,
            ("year",),
        ),
    ]
    if any(group.factor == "la" for group in formula.groups):
        found.append(
            Estimand("la_mean", f"Authority's {word}", scale.unit, f"its {weighted}", here, ("la",))
        )
    if formula.groups:
        unit = {"log": "log points", "logit": "log odds"}.get(link, f"{link} scale")
        found.append(
            Estimand(
                "group_sd",
                "Spread of what varies",
                scale.unit if link == "identity" else unit,
                "standard deviation of a varying term on the scale of the link, for one unit of "
                "its predictor",
                "a population of groups",
                ("group",),
                headline=any(group.term is not None for group in formula.groups),
            )
        )
    if _ratio(options) and any(group.term is None for group in formula.groups):
        found.append(
            Estimand(
                "group_ratio_90_10",
                f"High over low level ({within_sentence(_ratio(options))})",
                "ratio",
                "level at the 90th over that at the 10th percentile of groups",
                "a population of groups",
                ("group",),
                headline=True,
            )
        )
    return tuple(found)


def estimands(
    posterior: xr.Dataset,
    observations: FittedObservations,
    options: FormulaOptions,
    priors: Mapping[str, Prior],
) -> Answer:
    """Draws of every estimand, from the posterior and the design."""
    formula, link, scale = parse(options.formula), _link(options), _scale(options)
    cells, design = observations.cells, observations.design
    mean_of = inverse_link(link)
    rest = _linear_predictor(posterior, design)
    # With an offset the expectation is of counts; without it, of the rate that is told.
    if FAMILIES[options.family].outcome != "counts":
        rest = rest + design.offset
    expected = scale.per * mean_of(rest)
    weights = cells["exposure"].to_numpy(float)
    values = {
        "mean": _weighted(expected, weights),
        "mean_by_year": _by(expected, weights, cells["year"], "year"),
    }
    if any(group.factor == "la" for group in formula.groups):
        values["la_mean"] = _by(expected, weights, cells["la"], "la")
    moves = [
        (column, _coefficient(posterior, column) * size, (_shown(column), words))
        for column in design.columns
        for size, words in _steps(column, observations.table)
    ]
    if moves:
        changes = []
        for column, by, at in moves:
            start = _at_reference(posterior, design, column, rest)
            moved = mean_of(start + _as_draws(by)) - mean_of(start)
            changes.append((_weighted(scale.per * moved, weights), at))
        values["effect"] = _labelled(changes)
        if _ratio(options):
            ratios = _labelled([(by, at) for _, by, at in moves])
            values["effect_ratio"] = cast(xr.DataArray, np.exp(ratios))
    if formula.groups:
        values["group_sd"] = _groups(posterior, formula.groups)
        levels = [group for group in formula.groups if group.term is None]
        if _ratio(options) and levels:
            values["group_ratio_90_10"] = ratio_90_10(_groups(posterior, levels))
    return Answer(values)


def _at_reference(
    posterior: xr.Dataset, design: Design, column: Column, eta: np.ndarray
) -> np.ndarray:
    """Every cell's linear predictor, a factor at its reference; numbers stay where they are."""
    if not column.is_indicator or ":" in column.term:
        return eta
    for other in design.columns:
        if other.term == column.term:
            coded = other.values - other.values.min()
            eta = eta - _as_draws(_coefficient(posterior, other)) * coded
    return eta


def _as_draws(array: xr.DataArray) -> np.ndarray:
    return array.transpose("chain", "draw").to_numpy()[..., None]


def _coefficient(posterior: xr.Dataset, column: Column) -> xr.DataArray:
    drawn = posterior[column.variable]
    if column.place is None:
        return drawn
    (dim,) = [dim for dim in drawn.dims if dim not in ("chain", "draw")]
    return drawn.isel({dim: column.place}, drop=True)


def _linear_predictor(posterior: xr.Dataset, design: Design) -> np.ndarray:
    """What bambi's model adds up for every cell, offset aside; (chain, draw, obs)."""
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], len(design.offset))
    total = np.zeros(shape)
    if design.has_intercept:
        total += _as_draws(posterior["intercept"])
    for column in design.columns:
        total += _as_draws(_coefficient(posterior, column)) * column.values
    for held in design.varying:
        drawn = posterior[held.group.variable].transpose("chain", "draw", ...).to_numpy()
        total += drawn[..., held.index] * held.predictor
    return total


def _steps(column: Column, table: pd.DataFrame) -> list[tuple[float, str]]:
    """Size and words of each step of a column."""
    factor = re.sub(r"^C\((\w+)\)$", r"\1", column.term)
    if column.is_indicator:
        reference = str(table[factor].min()) if factor in table else "the reference"
        return [(1.0, f"against {reference}")]
    scaled = re.fullmatch(r"(?:scale|standardize)\((\w+)\)", column.term)
    if column.term == YEAR:
        return [(1.0, "1 year later")]
    if scaled is None and column.term.startswith(("scale(", "standardize(")):
        return [(column.sd, "1 sd more")]
    if scaled is None:
        return [(column.sd, f"1 sd more ({three_figures(column.sd)})"), (1.0, "1 more")]
    # One sd of what was scaled, in its own units.
    own = float(table[scaled[1]].std(ddof=0))
    return [(column.sd, f"1 sd more ({three_figures(own)})")]


def _weighted(values: np.ndarray, weights: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values @ weights / weights.sum(), dims=("chain", "draw"))


def _by(values: np.ndarray, weights: np.ndarray, of: pd.Series, name: str) -> xr.DataArray:
    """Weighted means by a column of the cells, in its order."""
    code, labels = pd.factorize(of, sort=True)
    indicator = np.zeros((len(code), len(labels)))
    indicator[np.arange(len(code)), code] = weights
    means = values @ indicator / indicator.sum(axis=0)
    plain = [label if isinstance(label, str) else int(label) for label in labels]
    return xr.DataArray(means, dims=("chain", "draw", name), coords={name: plain})


def _labelled(parts: Sequence[tuple[xr.DataArray, tuple[str, str]]]) -> xr.DataArray:
    stacked = xr.concat(
        [part.drop_vars(list(part.coords), errors="ignore") for part, _ in parts], "row"
    )
    labels = [at for _, at in parts]
    return stacked.assign_coords(
        term=("row", [term for term, _ in labels]), step=("row", [step for _, step in labels])
    )


def _groups(posterior: xr.Dataset, groups: Sequence[Group]) -> xr.DataArray:
    drawn = [posterior[group.sd].drop_vars(["chain", "draw"], errors="ignore") for group in groups]
    labels = [group.variable.replace("_", " ") for group in groups]
    return xr.concat(drawn, "group").assign_coords(group=labels)


def true_estimands(
    cube: xr.DataTree, observations: FittedObservations, options: FormulaOptions
) -> dict[str, xr.DataArray]:
    """None: what a formula would say of the truth is declared nowhere.

    Raises
    ------
    DataError
        Always.
    """
    raise DataError([_fault(_STUDY, "recover one of the other models")])


# ---------------------------------------------------------------------------------- in words


def equations(options: FormulaOptions) -> list[str]:
    """The formula, and what it stands for."""
    formula, family = parse(options.formula), FAMILIES[options.family]
    terms = ["intercept"] if formula.has_intercept else []
    terms += [f"{variable} × {read(term)}" for term, variable in formula.terms.items()]
    for group in formula.groups:
        place = read(group.factor).replace("factor(year)", "year")
        held = f"{group.variable}[{place}]"
        terms.append(held if group.term is None else f"{held} × {read(group.term)}")
    if base := formula.offset or _exposure(options):
        terms.append(f"log {base}")
    words = {"identity": "", "log": "log ", "logit": "log odds "}
    link = words.get(_link(options), f"{_link(options)} ")
    lines = [
        f"formula: {options.formula}",
        family.equation.format(whole=formula.whole or "whole") + f", y = {formula.response}",
        f"{link}expected = {' + '.join(terms) or '0'}"
        + ("; predictors less their means" if formula.has_intercept and formula.terms else ""),
    ]
    lines += [f"{group.variable} ~ Normal(0, {group.sd})" for group in formula.groups]
    return lines


def priors_used(options: FormulaOptions, observations: FittedObservations) -> tuple[str, ...]:
    """Names of all priors, in reading order."""
    formula = parse(options.formula)
    return (
        *(("intercept",) if formula.has_intercept else ()),
        *formula.terms.values(),
        *(group.sd for group in formula.groups),
        *FAMILIES[options.family].auxiliary.values(),
    )


def blocks(options: FormulaOptions) -> tuple[Block, ...]:
    """Variables by the part of the model that they belong to; absent ones are passed over."""
    formula = parse(options.formula)
    intercept = ("intercept",) if formula.has_intercept else ()
    groups = formula.groups
    found = (
        Block("common effects", (*intercept, *formula.terms.values())),
        Block("spread of what varies", tuple(group.sd for group in groups)),
        Block(
            "what varies",
            tuple(name for g in groups for name in (g.variable, f"{g.variable}_offset")),
        ),
        Block("scatter", tuple(FAMILIES[options.family].auxiliary.values())),
    )
    return tuple(block for block in found if block.variables)


def notes(observations: FittedObservations, options: FormulaOptions) -> list[str]:
    """What a reader must know before the numbers."""
    formula = parse(options.formula)
    left, all_cells = len(observations.dropped), len(observations.dropped) + len(observations.cells)
    found = [
        f"Exact numbers only: {left} of {all_cells} LA-years are left out, by reason below. What "
        "is left out is not left out by chance: small authorities hide more.",
        "Other cells than in models that use intervals: leave-one-out totals do not compare.",
    ]
    if any(group.term is not None for group in formula.groups):
        found.append(
            "Effects that vary are independent of the levels that vary: bambi has no more."
        )
    for name, edition in observations.editions.items():
        found.append(f"{name.upper()}: edition of {edition}, mean 0 and sd 1 over authorities.")
    if "year" in formula.names:
        found.append(f"year counts from {observations.middle_year:g}.")
    references = [
        f"{read(name)} {observations.table[name].min()}"
        for name in formula.names
        if any(name in term for term in formula.factors)
        and not pd.api.types.is_numeric_dtype(observations.table[name])
    ]
    if references:
        found.append(f"Reference levels: {', '.join(references)}.")
    if any(":" in term for term in formula.terms):
        found.append(
            "Where terms meet in a product, the effect of each holds where the other is 0."
        )
    if options.family in ("poisson", "binomial"):
        found.append(
            f"The {options.family} family has no scatter beyond chance, which published counts "
            "have: intervals are too narrow. For comparison alone."
        )
    if len(observations.regimes) > 1:
        names = ", ".join(regime.name for regime in observations.regimes)
        found.append(f"Definitions of the outcome change within these years ({names}).")
    if names := without_figures(observations.las, observations.cells["la"]):
        found.append(f"No usable year for {names}.")
    return found


def answer(summary: pd.DataFrame, observations: FittedObservations, options: FormulaOptions) -> str:
    """The question answered in one sentence, from `estimands.csv`."""
    word, scale = _WORDS[FAMILIES[options.family].outcome], _scale(options)
    effects = summary[summary["estimand"] == "effect"]
    years = spans(observations.la_years)
    if effects.empty:
        row = summary[summary["estimand"] == "mean"].iloc[0]
        return (
            f"In {years} the mean {word} was {stated(row)[0]} {scale.unit} "
            f"(90% interval {stated(row)[1]})."
        )
    ratios = summary[summary["estimand"] == "effect_ratio"]
    numbers = effects[~effects["step"].str.startswith("against")]
    parts = []
    for _, row in (
        (effects if numbers.empty else numbers).drop_duplicates("term").head(2).iterrows()
    ):
        mean, interval = stated(row, is_signed=True)
        text = (
            f"by {mean} {scale.step_unit} with {row['term']}, {row['step']} (90% interval "
            f"{interval}"
        )
        same = ratios[(ratios["term"] == row["term"]) & (ratios["step"] == row["step"])]
        for _, ratio in same.iterrows():
            kind = within_sentence(_ratio(options))
            text += f"; {kind} {', '.join(stated(ratio))}"
        clear = row["lower"] > 0 or row["upper"] < 0
        parts.append(text + (")" if clear else "), direction undecided"))
    more = effects["term"].nunique() - len(parts)
    rest = f"; {more} more below" if more > 0 else ""
    return f"In {years} the expected {word} differs {'; '.join(parts)}{rest}."


def describe(observations: FittedObservations) -> dict[str, object]:
    """What was used and dropped, for `spec.json`; runs of other rules have other cells."""
    return {**describe_counts(observations), "rule": "exact numbers only"}


SPEC = ModelSpec(
    name="formula",
    title="A model given as a formula",
    question="What does a formula of the user's own say, fitted beside our models?",
    options=FormulaOptions,
    priors={},
    observe=observe,
    build=build,
    estimands=estimands,
    true_estimands=true_estimands,
    declared_estimands=declared_estimands,
    coords=coords,
    constant_data=constant_data,
    describe=describe,
    exposure=exposure,
    equations=equations,
    answer=answer,
    assumptions=(
        "What the formula says: its terms, and no others, on the scale of its link.",
        "Cells without an exact number are missing for no reason that has to do with the outcome. "
        "Suppression breaks this for small authorities.",
        "LA-years scatter independently around what the formula expects of them.",
        "Varying effects are drawn from normal distributions, independent of each other.",
    ),
    cannot_say=(
        "Whether a term causes what goes with it: figures of areas are observed, not assigned.",
        "Anything about single children: rates and shares of areas are not risks (ecological).",
        "Anything about counts that are hidden: they are left out.",
        "Recovery and calibration are not assessed: a formula has no declared truth.",
    ),
    blocks=blocks,
    priors_used=priors_used,
    hyperparameters=(),
    figures=("formula",),
    notes=notes,
    declare_priors=declare_priors,
)
