"""From a cube to the cells that a model sees, with every dropped cell kept beside its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, Regime, parse_regimes, within_sentence
from data_prep.schema import STATUS, STATUSES, measures_in
from data_prep.selection import why_left_out

# An interval this many times as high at its top as at its bottom says next to nothing about a count
# whose scatter is about 20 %; intervals of up to 50 integers are kept whatever their ratio.
UNINFORMATIVE_RATIO = 10.0
SHORT_INTERVAL = 50
# A rounded denominator enters at its printed value while half its rounding unit is at most this
# share of it: a quarter of the printed population of the smallest authority, less than its scatter.
LARGEST_EXPOSURE_ERROR = 0.25

CELL_COLUMNS = ("la", "year", "lower", "upper", "exposure", "status")
# Confidence is the code of the authority's own opinion of its part, 0 where it gave none.
SHARE_COLUMNS = (*CELL_COLUMNS, "confidence")


@dataclass(frozen=True)
class CountObservations:
    """Counts with their exposure, exact cells first, and what surrounds them.

    Attributes
    ----------
    cells : DataFrame
        One row per usable LA-year: ``la`` (code), ``year``, ``lower``, ``upper`` (bounds of the
        count), ``exposure`` (units of the exposure measure), ``status`` (code of the schema).
    dropped : DataFrame
        ``la, year, reason``, one row per LA-year that cannot be used.
    weights : DataArray (la, year)
        Exposure of every LA, cells without a usable count among them, for national means; years of
        LA figures only.
    national : DataFrame
        England totals of years without LA figures, indexed by year: ``lower, upper`` of the total,
        ``exposure_lower, exposure_upper``.
    national_series : DataFrame
        Every England total in the cube, indexed by year: ``value``, bounds of total and exposure as
        in ``national``, and whether the total is ``used``; for plots.
    regimes : tuple of Regime
        Definitions that the years with figures touch, oldest first: of the outcome, and of what a
        rate is counted of.
    """

    outcome: str
    exposure: str
    cube_name: str
    kind: str
    cube_hash: str
    las: pd.DataFrame
    cells: pd.DataFrame
    dropped: pd.DataFrame
    weights: xr.DataArray
    national: pd.DataFrame
    national_series: pd.DataFrame
    regimes: tuple[Regime, ...]

    @property
    def la_years(self) -> list[int]:
        """Years with at least one usable LA figure."""
        return sorted(int(year) for year in self.cells["year"].unique())

    @property
    def years(self) -> list[int]:
        """Years with LA figures or an England total; years with neither are left out."""
        return sorted({*self.la_years, *(int(year) for year in self.national.index)})


class ShareObservations(CountObservations):
    """True parts of a whole: the same tables; ``outcome`` is the part, ``exposure`` the whole.

    In ``cells`` the whole is an exact count above zero, ``0 <= lower <= upper <= exposure`` and
    there is one column more, ``confidence``. ``national`` is empty: England totals serve no share.
    """


def observe_counts(
    cube: xr.DataTree,
    *,
    outcome: str,
    exposure: str,
    years: tuple[int, int] | None = None,
    national: bool = True,
    exclude: Sequence[str] = (),
) -> CountObservations:
    """Counts of ``outcome`` over ``exposure`` for every LA and year of the cube.

    Parameters
    ----------
    years
        First and last year to use, of LA figures and England totals alike; None for all.
    national
        Whether England totals serve years without LA figures.
    exclude
        LA codes to leave out; each is listed among the dropped.

    Raises
    ------
    DataError
        When a measure is not in the cube, an excluded code is unknown, or nothing is left.
    """
    table = cube["cube"].to_dataset()
    _check_request(cube, table, outcome, exposure, exclude)
    frame = _long_table(table, outcome, exposure)
    if years is not None:
        frame = frame[frame["year"].between(*years)]
        if frame.empty:
            raise DataError([_no_such_years(cube, table, years)])
    frame["reason"] = _reasons(frame, outcome, exposure, exclude)
    return _collect(
        CountObservations,
        cube,
        frame,
        outcome=outcome,
        exposure=exposure,
        columns=CELL_COLUMNS,
        years=years,
        national=national,
        exclude=exclude,
    )


def observe_shares(
    cube: xr.DataTree,
    *,
    part: str,
    whole: str,
    years: tuple[int, int] | None = None,
    exclude: Sequence[str] = (),
) -> ShareObservations:
    """Counts of ``part`` out of ``whole`` for every LA and year of the cube.

    The part may be known within an interval, cut to ``0..whole``; the whole must be exact, for a
    share of an unknown number has no likelihood here.

    Parameters
    ----------
    years
        First and last year to use; None for all.
    exclude
        LA codes to leave out; each is listed among the dropped.

    Raises
    ------
    DataError
        When a measure is not in the cube, ``part`` is no true part of ``whole``, an excluded code
        is unknown, or nothing is left.
    """
    table = cube["cube"].to_dataset()
    _check_request(cube, table, part, whole, exclude)
    if whole not in _wholes_of(part):
        raise DataError([_no_part(part, whole)])
    frame = _long_table(table, part, whole)
    confidence = table.get(f"{part}_confidence")
    frame["confidence"] = 0 if confidence is None else confidence.values.ravel().astype(int)
    if years is not None:
        frame = frame[frame["year"].between(*years)]
        if frame.empty:
            raise DataError([_no_such_years(cube, table, years)])
    frame["lower"] = frame["lower"].clip(lower=0)
    frame["reason"] = _share_reasons(frame, part, whole, exclude)
    # Only the top of an interval may lie above the whole; a number above it has a reason.
    frame["upper"] = np.minimum(frame["upper"], frame["exposure"])
    return _collect(
        ShareObservations,
        cube,
        frame,
        outcome=part,
        exposure=whole,
        columns=SHARE_COLUMNS,
        years=years,
        national=False,
        exclude=exclude,
    )


def _collect[Kind: CountObservations](
    kind: type[Kind],
    cube: xr.DataTree,
    frame: pd.DataFrame,
    *,
    outcome: str,
    exposure: str,
    columns: Sequence[str],
    years: tuple[int, int] | None,
    national: bool,
    exclude: Sequence[str],
) -> Kind:
    """Observations of a long table whose column ``reason`` says which rows cannot be used."""
    table = cube["cube"].to_dataset()
    used = frame[frame["reason"] == ""]
    if used.empty:
        raise DataError(
            [
                Fault(
                    file=str(cube.attrs["name"]),
                    column=outcome,
                    problem="no usable local-authority figure is left; dropped: "
                    + "; ".join(f"{n} {reason}" for reason, n in _counts(frame["reason"])),
                    remedy="choose another outcome, exposure or years",
                )
            ]
        )
    exact_first = (used["upper"] > used["lower"]).astype(int)
    cells = (
        used.assign(interval=exact_first)
        .sort_values(["interval", "la", "year"], kind="stable")
        .reset_index(drop=True)[list(columns)]
    )
    cells = cells.astype({"lower": "int64", "upper": "int64"})
    la_years = sorted(cells["year"].unique())
    weights = table[exposure].sel(year=la_years)
    # LAs with no denominator in any year can be neither fitted nor weighted.
    kept = weights.notnull().any("year") & ~weights["la"].isin(list(exclude))
    weights = weights.isel(la=np.flatnonzero(kept.values))
    las = pd.DataFrame(
        {
            "name": weights["la_name"].values.astype(str),
            "region": weights["region"].values.astype(str),
        },
        index=pd.Index(weights["la"].values.astype(str), name="la"),
    )
    series, totals = _national(cube, outcome, exposure, la_years, years, national)
    return kind(
        outcome=outcome,
        exposure=exposure,
        cube_name=str(cube.attrs["name"]),
        kind=str(cube.attrs["kind"]),
        cube_hash=str(cube.attrs["cube_hash"]),
        las=las,
        cells=cells,
        dropped=frame.loc[frame["reason"] != "", ["la", "year", "reason"]].reset_index(drop=True),
        weights=weights.drop_vars([c for c in weights.coords if c not in ("la", "year")]),
        national=totals,
        national_series=series,
        regimes=_regimes(
            cube,
            # A part that changes with its whole says so itself.
            (outcome,) if exposure in _wholes_of(outcome) else (outcome, exposure),
            la_years,
            [int(year) for year in totals.index],
        ),
    )


def _regimes(
    cube: xr.DataTree,
    measures: Sequence[str],
    la_years: Sequence[int],
    national_years: Sequence[int],
) -> tuple[Regime, ...]:
    """Definitions of the years with figures: which ones hold hangs on the releases in the cube.

    A new span begins wherever the definition of one of the ``measures`` changes, an outcome and
    what it is counted of.
    """
    by_year: dict[int, Regime] = {}
    for group, years in (("national", national_years), ("cube", la_years)):
        if not years:
            continue
        known = {
            name: parse_regimes(str(cube[group][name].attrs["regimes"]))
            for name in measures
            if name in cube[group]
        }
        for year in years:
            holding = {
                name: regime
                for name, regimes in known.items()
                for regime in regimes
                if regime.holds_in(year)
            }
            if holding:
                by_year[year] = _together(holding, measures[0])
    spans: list[Regime] = []
    for year, regime in sorted(by_year.items()):
        if spans and spans[-1].name == regime.name:
            continue
        if spans and (spans[-1].last_year is None or spans[-1].last_year >= year):
            # The release of later years revised what was open-ended before.
            spans[-1] = replace(spans[-1], last_year=year - 1)
        spans.append(regime)
    return tuple(spans)


def _together(holding: Mapping[str, Regime], outcome: str) -> Regime:
    """The years in which all of these regimes hold, by measure; the outcome's needs no label."""
    names: dict[str, str] = {}
    for measure, regime in holding.items():
        label = "" if measure == outcome else f" ({within_sentence(MEASURES[measure].label)})"
        names.setdefault(regime.name, regime.name + label)
    first = [r.first_year for r in holding.values() if r.first_year is not None]
    last = [r.last_year for r in holding.values() if r.last_year is not None]
    return Regime(", ".join(names.values()), max(first, default=None), min(last, default=None))


def unknown_codes(cube: xr.DataTree, exclude: Sequence[str]) -> list[Fault]:
    """A fault for each excluded code of an authority that the cube does not hold."""
    known = set(cube["cube"].to_dataset()["la"].values.astype(str))
    return [
        Fault(
            file=str(cube.attrs["name"]),
            column="data.exclude",
            value=code,
            problem="no such local authority in the cube",
            remedy="use a code from the cube's la coordinate",
        )
        for code in exclude
        if code not in known
    ]


def _check_request(
    cube: xr.DataTree, table: xr.Dataset, outcome: str, exposure: str, exclude: Sequence[str]
) -> None:
    name = str(cube.attrs["name"])
    available = [m for m in measures_in(table) if MEASURES[m].is_count]
    faults = [
        Fault(
            file=name,
            column=role,
            value=measure,
            problem="the cube holds no such count",
            remedy=f"use one of: {', '.join(available)}",
        )
        for role, measure in (("outcome", outcome), ("exposure", exposure))
        if measure not in available
    ]
    faults += unknown_codes(cube, exclude)
    if outcome == exposure:
        faults.append(
            Fault(
                column="options.exposure",
                value=exposure,
                problem="outcome and exposure are the same measure",
                remedy="choose two different measures",
            )
        )
    if faults:
        raise DataError(faults)


def _no_such_years(cube: xr.DataTree, table: xr.Dataset, years: tuple[int, int]) -> Fault:
    first, last = int(table["year"].min()), int(table["year"].max())
    return Fault(
        file=str(cube.attrs["name"]),
        column="data.years",
        value="{}-{}".format(*years),
        problem="the cube has no authority figures in these years",
        remedy=f"use years from {first} to {last}",
    )


def _long_table(table: xr.Dataset, outcome: str, exposure: str) -> pd.DataFrame:
    """One row per LA and year of the cube, whatever is known of it."""
    las, years = table["la"].values.astype(str), table["year"].values.astype(int)
    return pd.DataFrame(
        {
            "la": np.repeat(las, len(years)),
            "year": np.tile(years, len(las)),
            # Half a rounding unit is no count: the whole numbers within the bounds are what counts.
            "lower": np.ceil(table[f"{outcome}_lower"].values.ravel()),
            "upper": np.floor(table[f"{outcome}_upper"].values.ravel()),
            "status": table[f"{outcome}_status"].values.ravel(),
            "exposure": table[exposure].values.ravel(),
            "exposure_lower": table[f"{exposure}_lower"].values.ravel(),
            "exposure_upper": table[f"{exposure}_upper"].values.ravel(),
            "left_out": why_left_out(table, outcome).ravel(),
            "exposure_left_out": why_left_out(table, exposure).ravel(),
        }
    )


def _reasons(frame: pd.DataFrame, outcome: str, exposure: str, exclude: Sequence[str]) -> pd.Series:
    """Why a row cannot be used, blank where it can; the first reason that applies."""
    count, base = (within_sentence(MEASURES[name].label) for name in (outcome, exposure))
    reason = pd.Series("", index=frame.index)

    def mark(where: pd.Series, text: pd.Series | str) -> None:
        nonlocal reason
        reason = reason.mask((reason == "") & where, text)

    status = frame["status"].map(lambda code: STATUSES[int(code)].replace("_", " "))
    wide = (frame["upper"] - frame["lower"] >= SHORT_INTERVAL) & (
        frame["upper"] > UNINFORMATIVE_RATIO * frame["lower"].clip(lower=1)
    )
    error = (frame["exposure_upper"] - frame["exposure_lower"]) / 2 / frame["exposure"]
    mark(frame["la"].isin(list(exclude)), "excluded by the config")
    for column, label in (("left_out", count), ("exposure_left_out", base)):
        mark(frame[column] != "", f"{label}: " + frame[column])
    mark(frame["upper"].isna() | frame["lower"].isna(), f"{count}: " + status)
    mark(frame["lower"] > frame["upper"], f"{count}: no whole number within its bounds")
    mark(wide, f"{count}: interval too wide to say anything")
    mark(frame["exposure"].isna(), f"{base}: not known")
    mark(frame["exposure"] <= 0, f"{base}: zero")
    mark(
        error > LARGEST_EXPOSURE_ERROR,
        f"{base}: rounded by more than {LARGEST_EXPOSURE_ERROR:.0%} either way",
    )
    return reason


def _wholes_of(part: str) -> list[str]:
    """Measures that ``part`` is a true part of, the nearest first."""
    found = []
    parent = MEASURES[part].parent
    while parent is not None:
        found.append(parent)
        parent = MEASURES[parent].parent
    return found


def _no_part(part: str, whole: str) -> Fault:
    wholes = _wholes_of(part)
    return Fault(
        column="whole",
        value=whole,
        problem=f"{part} is no true part of it, so that no share can be formed",
        remedy=f"use {' or '.join(wholes)}" if wholes else "use counts over an exposure instead",
    )


def _share_reasons(frame: pd.DataFrame, part: str, whole: str, exclude: Sequence[str]) -> pd.Series:
    """Why a row cannot be used as a share, blank where it can; the first reason that applies."""
    count, base = (within_sentence(MEASURES[name].label) for name in (part, whole))
    reason = pd.Series("", index=frame.index)

    def mark(where: pd.Series, text: pd.Series | str) -> None:
        nonlocal reason
        reason = reason.mask((reason == "") & where, text)

    status = frame["status"].map(lambda code: STATUSES[int(code)].replace("_", " "))
    low, total = frame["lower"], frame["exposure"]
    high = np.minimum(frame["upper"], total)
    # Odds at the top over odds at the bottom of the interval, half a case added to all.
    ratio = (high + 0.5) * (total - low + 0.5) / ((low + 0.5) * (total - high + 0.5))
    wide = (high - low >= SHORT_INTERVAL) & (ratio > UNINFORMATIVE_RATIO)
    mark(frame["la"].isin(list(exclude)), "excluded by the config")
    for column, label in (("left_out", count), ("exposure_left_out", base)):
        mark(frame[column] != "", f"{label}: " + frame[column])
    mark(frame["upper"].isna() | low.isna(), f"{count}: " + status)
    mark(low > frame["upper"], f"{count}: no whole number within its bounds")
    mark(frame["exposure_lower"].isna() | frame["exposure_upper"].isna(), f"{base}: not known")
    mark(
        frame["exposure_lower"] != frame["exposure_upper"],
        f"{base}: known only within an interval",
    )
    mark(total == 0, f"{base}: zero")
    mark(low > total, f"{count}: more than {base}")
    mark(wide | ((low == 0) & (high == total)), f"{count}: interval too wide to say anything")
    return reason


def _counts(reasons: pd.Series) -> list[tuple[str, int]]:
    counted = reasons[reasons != ""].value_counts()
    return [(str(reason), int(n)) for reason, n in counted.items()]


def _national(
    cube: xr.DataTree,
    outcome: str,
    exposure: str,
    la_years: Sequence[int],
    years: tuple[int, int] | None,
    wanted: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All England totals for plots, and those that serve years without LA figures."""
    columns = ["lower", "upper", "exposure_lower", "exposure_upper"]
    empty = pd.DataFrame(columns=columns, index=pd.Index([], name="year", dtype=int), dtype=float)
    no_series = pd.DataFrame(columns=["value", *columns, "used"])
    if "national" not in cube.children:
        return no_series, empty
    table = cube["national"].to_dataset()
    if outcome not in table:
        return no_series, empty
    frame = pd.DataFrame(
        {
            "value": table[outcome].values,
            "lower": table[f"{outcome}_lower"].values,
            "upper": table[f"{outcome}_upper"].values,
        },
        index=pd.Index(table["year"].values.astype(int), name="year"),
    )
    for bound in ("lower", "upper"):
        frame[f"exposure_{bound}"] = (
            table[f"{exposure}_{bound}"].values if exposure in table else np.nan
        )
    if years is not None:
        frame = frame[frame.index.to_series().between(*years)]
    frame = frame.dropna(subset=["lower", "upper"])
    usable = frame.dropna(subset=columns)
    usable = usable[~usable.index.isin(list(la_years)) & (usable["lower"] > 0)]
    # Totals after the last LA year would need LA paths to run on beyond their data.
    usable = usable[usable.index < min(la_years)] if wanted else usable.iloc[:0]
    series = frame.assign(used=frame.index.isin(usable.index))
    return series, usable[columns].astype(float)


def describe_counts(observations: CountObservations) -> dict[str, object]:
    """What was used and dropped, for `spec.json`: counts of cells, and examples of each reason."""
    cells, dropped = observations.cells, observations.dropped
    names = observations.las["name"].to_dict()
    reasons = []
    for reason, count in _counts(dropped["reason"]):
        rows = dropped[dropped["reason"] == reason].head(5)
        examples = [f"{names.get(row.la, row.la)} {row.year}" for row in rows.itertuples()]
        reasons.append({"reason": reason, "cells": count, "examples": examples})
    exact = int((cells["lower"] == cells["upper"]).sum())
    never = sorted(set(observations.las.index) - set(cells["la"]))
    return {
        "cube": observations.cube_name,
        "kind": observations.kind,
        "cube_hash": observations.cube_hash,
        "years": observations.la_years,
        "national_years": [int(year) for year in observations.national.index],
        "las": len(observations.las),
        "las_without_figures": [names[code] for code in never],
        "cells": len(cells) + len(dropped),
        "used": len(cells),
        "exact": exact,
        "interval": len(cells) - exact,
        "rounded": int((cells["status"] == STATUS["rounded"]).sum()),
        "dropped": reasons,
    }
