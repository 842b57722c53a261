"""What `timeliness` sees: re-referrals, the share of work done on time, and what else is known.

Timeliness is counted in steps of ten percentage points throughout: 7.9 is 79 % on time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, Regime
from data_prep.observations import ShareObservations, observe_counts, observe_shares
from data_prep.schema import CONFIDENCE

OUTCOME, WHOLE = "rereferrals", "referrals"
POINTS_PER_STEP = 10.0


@dataclass(frozen=True)
class Standard:
    """A published standard: the part done on time, its whole, and the years it counts for."""

    name: str
    part: str
    whole: str
    first_year: int | None = None
    last_year: int | None = None


INITIAL_7 = Standard("within 7 days", "initial_assessments_7_days", "initial_assessments")
INITIAL_10 = Standard("within 10 days", "initial_assessments_10_days", "initial_assessments")
SINGLE = Standard("single, within 45 days", "single_assessments_45_days", "single_assessments")

# What may serve as timeliness. A list of several standards is one series with breaks: each year
# counts under the standard then in force.
EXPOSURES: dict[str, tuple[str, tuple[Standard, ...]]] = {
    "initial_10_days": ("Initial assessments within 10 days", (INITIAL_10,)),
    "initial_7_days": ("Initial assessments within 7 days", (INITIAL_7,)),
    "core_35_days": (
        "Core assessments within 35 days",
        (Standard("within 35 days", "core_assessments_35_days", "core_assessments"),),
    ),
    "single_45_days": ("Single assessments within 45 days", (SINGLE,)),
    "conferences_15_days": (
        "Conferences within 15 days",
        (Standard("within 15 days", "icpc_15_days", "icpc"),),
    ),
    "reviews_on_time": (
        "Plans reviewed on time",
        (Standard("on time", "cpp_reviewed_on_time", "cpp_due_review"),),
    ),
    "assessments_in_force": (
        "Assessments within the standard then in force",
        (
            Standard(INITIAL_7.name, INITIAL_7.part, INITIAL_7.whole, None, 2010),
            Standard(INITIAL_10.name, INITIAL_10.part, INITIAL_10.whole, 2011, 2013),
            Standard(SINGLE.name, SINGLE.part, SINGLE.whole, 2014, None),
        ),
    ),
}

# Error sd of a figure by its authority's own confidence, over that of a medium one. The flags order
# figures and say no more: the sizes are an assumption, shown on a grid, never an estimate.
ERROR_BY_CONFIDENCE = {
    "high": 0.5,
    "medium": 1.0,
    "none": 1.0,
    "low": 2.0,
    "aggregate": 2.0,
    "pilot": 2.0,
}

# Covariates of an LA-year: name, label.
COVARIATES = {"referral_rate": "log referrals per child", "nfa_share": "log odds of no action"}


class Choices(Protocol):
    """The options of `timeliness` that decide which cells are seen."""

    @property
    def exposure(self) -> str: ...
    @property
    def timing(self) -> str: ...
    @property
    def error_points(self) -> float: ...
    @property
    def deprivation(self) -> str: ...
    @property
    def referral_rate(self) -> str: ...
    @property
    def nfa_share(self) -> str: ...


@dataclass(frozen=True)
class TimelinessObservations(ShareObservations):
    """Re-referrals with timeliness and covariates.

    Attributes
    ----------
    timely : DataFrame
        One row per LA-year with a figure: ``la, year, steps`` (share on time, tens of points),
        ``error`` (its sd, tens of points), ``definition`` (index into ``definitions``),
        ``confidence``.
    lags : tuple of int
        Years by which the timeliness that acts on a cell lies before it; their mean acts.
    definitions : tuple of Regime
        Standards that the figures follow, oldest first.
    deprivation : Series or None
        Deprivation of each LA, mean 0 and sd 1.
    deprivation_edition : int or None
        Year of the index.
    covariates : DataFrame
        A column for each covariate, a row per cell: mean 0 within each year, sd 1.
    """

    timely: pd.DataFrame
    lags: tuple[int, ...]
    definitions: tuple[Regime, ...]
    deprivation: pd.Series | None
    deprivation_edition: int | None
    covariates: pd.DataFrame


LAGS = {"same_year": (0,), "year_before": (1,), "mean_of_both": (0, 1)}


def observe_timeliness(
    cube: xr.DataTree,
    options: Choices,
    *,
    years: tuple[int, int] | None = None,
    exclude: Sequence[str] = (),
) -> TimelinessObservations:
    """The cells that have re-referrals, timeliness at the lags asked for, and all covariates.

    Raises
    ------
    DataError
        With every reason why nothing, or too little, is left.
    """
    base = observe_shares(cube, part=OUTCOME, whole=WHOLE, years=years, exclude=exclude)
    lags = LAGS[options.timing]
    timely, definitions, missing = _observe_timely(cube, options, base, lags)
    cells = base.cells.copy()
    reason = pd.Series("", index=cells.index)
    for lag in lags:
        keys = pd.MultiIndex.from_arrays([cells["la"], cells["year"] - lag])
        known = keys.isin(pd.MultiIndex.from_frame(timely[["la", "year"]]))
        why = "timeliness the year before" if lag else "timeliness"
        text = pd.Series([f"{why}: {missing.get(key, 'no figure')}" for key in keys], cells.index)
        reason = reason.mask((reason == "") & ~known, text)
    covariates = pd.DataFrame(index=cells.index)
    for name in COVARIATES:
        if getattr(options, name) == "common_cause":
            covariates[name] = _covariate(cube, name, cells)
            unknown = covariates[name].isna()
            reason = reason.mask((reason == "") & unknown, f"{COVARIATES[name]}: not known")
    deprivation, edition = _deprivation(cube, options.deprivation, list(base.las.index))
    if deprivation is not None:
        nowhere = cells["la"].map(deprivation).isna()
        reason = reason.mask((reason == "") & nowhere, "deprivation: not known")
    used = reason == ""
    if not used.any():
        counted = reason.value_counts()
        raise DataError(
            [
                Fault(
                    file=base.cube_name,
                    column="options.exposure",
                    value=options.exposure,
                    problem="no re-referral figure has timeliness beside it; dropped: "
                    + "; ".join(f"{n} {text}" for text, n in counted.items()),
                    remedy="choose another exposure, timing or years",
                )
            ]
        )
    dropped = pd.concat(
        [base.dropped, cells.loc[~used, ["la", "year"]].assign(reason=reason[~used])],
        ignore_index=True,
    )
    cells, covariates = cells[used].reset_index(drop=True), covariates[used].reset_index(drop=True)
    kept_years = sorted({int(year) for year in cells["year"]})
    timely = timely[timely["la"].isin(base.las.index)].reset_index(drop=True)
    if deprivation is not None:
        # Where it is not known no cell is left, so that any value does.
        deprivation = _standardised(deprivation).fillna(0.0)
    given = {field.name: getattr(base, field.name) for field in fields(base)}
    return TimelinessObservations(
        **given
        | {
            "cells": cells,
            "dropped": dropped,
            "weights": base.weights.sel(year=kept_years),
        },
        timely=timely,
        lags=lags,
        definitions=definitions,
        deprivation=deprivation,
        deprivation_edition=edition,
        covariates=covariates.apply(lambda column: _within_years(column, cells["year"])),
    )


def _observe_timely(
    cube: xr.DataTree, options: Choices, base: ShareObservations, lags: Sequence[int]
) -> tuple[pd.DataFrame, tuple[Regime, ...], Mapping[tuple[str, int], str]]:
    """Figures of every standard in its years; what they are called; why others are missing."""
    cube_years = cube["cube"].to_dataset()["year"].values.astype(int).tolist()
    wanted = [y for y in cube_years if base.la_years[0] - max(lags) <= y <= base.la_years[-1]]
    _, standards = EXPOSURES[options.exposure]
    tables: list[pd.DataFrame] = []
    definitions: list[Regime] = []
    missing: dict[tuple[str, int], str] = {}
    faults: list[Fault] = []
    for standard in standards:
        span = [
            y for y in wanted if Regime("", standard.first_year, standard.last_year).holds_in(y)
        ]
        if not span:
            continue
        try:
            found = observe_shares(
                cube, part=standard.part, whole=standard.whole, years=(span[0], span[-1])
            )
        except DataError as error:
            # One standard of several may have no figure; when none has, all faults are told.
            faults += error.faults
            continue
        gone = found.dropped
        missing |= dict(
            zip(zip(gone["la"], gone["year"], strict=True), gone["reason"], strict=True)
        )
        tables.append(found.cells.assign(definition=len(definitions)))
        kept = found.la_years
        definitions.append(Regime(standard.name, kept[0], kept[-1]))
    if not tables:
        raise DataError(faults)
    cells = pd.concat(tables, ignore_index=True)
    middle, width = (cells["lower"] + cells["upper"]) / 2, cells["upper"] - cells["lower"]
    per_step = 100 / POINTS_PER_STEP
    names = {code: name for name, code in CONFIDENCE.items()}
    relative = cells["confidence"].map(lambda code: ERROR_BY_CONFIDENCE[names[int(code)]])
    # A suppressed part is even over its interval: one of width w has the sd w / sqrt(12).
    hidden = per_step * width / cells["exposure"] / np.sqrt(12)
    stated = relative * options.error_points / POINTS_PER_STEP
    timely = pd.DataFrame(
        {
            "la": cells["la"],
            "year": cells["year"],
            "steps": per_step * middle / cells["exposure"],
            "error": np.sqrt(hidden**2 + stated**2),
            "definition": cells["definition"],
            "confidence": cells["confidence"],
        }
    )
    timely = timely.sort_values(["la", "year"], kind="stable").reset_index(drop=True)
    return timely, tuple(definitions), missing


def _covariate(cube: xr.DataTree, name: str, cells: pd.DataFrame) -> pd.Series:
    """Value of a covariate for each cell, NaN where unknown, on the scale that it acts on."""
    if name == "referral_rate":
        seen = observe_counts(
            cube, outcome="referrals", exposure="population_0_17", national=False
        ).cells
    else:
        seen = observe_shares(cube, part="referrals_nfa", whole="referrals").cells
    middle = (seen["lower"] + seen["upper"]) / 2
    rest = seen["exposure"] if name == "referral_rate" else seen["exposure"] - middle + 0.5
    value = np.log(((middle + 0.5) / rest).to_numpy())
    table = pd.Series(value, pd.MultiIndex.from_frame(seen[["la", "year"]]))
    keys = pd.MultiIndex.from_frame(cells[["la", "year"]])
    return pd.Series(table.reindex(keys).to_numpy(), cells.index)


def acting(observations: TimelinessObservations, values: Any) -> Any:
    """Of ``values`` of the timeliness figures, numbers or variables of a model, what acts on each
    cell, (obs,): their mean over the lags.
    """
    rows = pd.MultiIndex.from_frame(observations.timely[["la", "year"]])
    cells = observations.cells
    lagged = (
        values[rows.get_indexer(pd.MultiIndex.from_arrays([cells["la"], cells["year"] - lag]))]
        for lag in observations.lags
    )
    return sum(lagged) / len(observations.lags)


def clear_of_means(values: pd.Series, la: pd.Series, year: pd.Series) -> pd.Series:
    """Values less the mean of their LA and of their year, alternated until both vanish."""
    rest = values - values.mean()
    for _ in range(200):
        before = rest
        rest = rest - rest.groupby(la).transform("mean")
        rest = rest - rest.groupby(year).transform("mean")
        if (rest - before).abs().max() < 1e-12:
            break
    return rest - rest.groupby(la).transform("mean")


def _within_years(values: pd.Series, years: pd.Series) -> pd.Series:
    """Less the mean of its year, over the sd of what is left; zero where nothing is left."""
    rest = values - values.groupby(years).transform("mean")
    sd = rest.std()
    return rest / sd if sd > 0 else rest


def _standardised(values: pd.Series) -> pd.Series:
    centred = values - values.mean()
    sd = centred.std()
    return centred / sd if sd > 0 else centred


def _deprivation(
    cube: xr.DataTree, measure: str, las: list[str]
) -> tuple[pd.Series | None, int | None]:
    """Score of each LA in the edition nearest to the cube's years."""
    if measure == "none":
        return None, None
    name = f"{measure}_score"
    if "deprivation" not in cube.children or name not in cube["deprivation"]:
        raise DataError(
            [
                Fault(
                    file=str(cube.attrs["name"]),
                    column="options.deprivation",
                    value=measure,
                    problem="the cube holds no such score",
                    remedy="set options.deprivation=none, or build the cube with the index files",
                )
            ]
        )
    scores = cube["deprivation"].to_dataset()[name]
    middle = float(cube["cube"].to_dataset()["year"].mean())
    editions: list[int] = scores["edition"].values.astype(int).tolist()
    nearest = min(editions, key=lambda edition: abs(edition - middle))
    found = scores.sel(edition=nearest).to_series().reindex(las)
    return found.astype(float), nearest


def exposure_label(exposure: str) -> str:
    """Name of an exposure for readers."""
    return EXPOSURES[exposure][0]


def definition_text(definitions: Sequence[Regime]) -> str:
    """Standards with their years, as in ``within 7 days 2010, within 10 days 2011-2014``."""
    return ", ".join(
        f"{regime.name} {regime.first_year}"
        + (f"-{regime.last_year}" if regime.last_year != regime.first_year else "")
        for regime in definitions
    )


def exposure_measures(exposure: str) -> list[str]:
    """Labels of the measures behind an exposure."""
    return [MEASURES[standard.part].label for standard in EXPOSURES[exposure][1]]
