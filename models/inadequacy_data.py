"""What `inadequacy` sees: inspections, their grades, and the figures that stood beside them.

Shares enter as log odds and rates as logs, over the mean and standard deviation of the inspections
that the model is fitted to: nothing of the later ones, which it only scores, goes into either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.indicators import CIN, CLA, INDICATORS, MEASURES, WORKFORCE, Indicator, Regime
from data_prep.joint_observations import read_deprivation
from data_prep.observations import unknown_codes
from data_prep.schema import FRAMEWORKS, GRADES
from data_prep.selection import why_left_out

DEPRIVATION = "deprivation"
INADEQUATE = GRADES.index("inadequate")
BEST = GRADES.index("outstanding")
# A predictor enters a framework's window when this share of its inspections has a known figure.
LEAST_OBSERVED = 0.7
# An interval of less than this many standard deviations enters at its middle: the error is at most
# a tenth of a standard deviation, and mostly a twentieth.
NARROW = 0.2
# With fewer known figures of a framework, a missing one is taken to come from those of all.
FEWEST_TYPICAL = 5
# Months after 31 March by which a year's figures are taken to be out. Children in need: released
# between 15 October and 26 November in 2010-2024. Looked after children: authority tables by
# December. Workforce: counted on 30 September of the year before and released in February.
RELEASE_MONTHS = {CIN: 8, CLA: 9, WORKFORCE: 0}


class Choices(Protocol):
    """The options of `inadequacy` that decide what is seen."""

    @property
    def outcome(self) -> str: ...
    @property
    def frameworks(self) -> tuple[str, ...]: ...
    @property
    def predictors(self) -> tuple[str, ...]: ...
    @property
    def deprivation(self) -> str: ...
    @property
    def timing(self) -> str: ...
    @property
    def years_averaged(self) -> int: ...
    @property
    def weeks_before_publication(self) -> int: ...
    @property
    def reinspections(self) -> str: ...
    @property
    def train_until(self) -> str: ...
    @property
    def scored_figures(self) -> str: ...


@dataclass(frozen=True)
class Figures:
    """Predictors of some rows, in standard deviations; (row, predictor).

    ``lower`` and ``upper`` are equal where the figure is known, its ends where it is hidden within
    an interval, and infinite where it is missing. ``year`` is the last year that it belongs to, 0
    for deprivation.
    """

    lower: np.ndarray
    upper: np.ndarray
    year: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether each figure is a number."""
        return np.asarray(self.lower == self.upper)

    @property
    def missing(self) -> np.ndarray:
        """Positions (cell, 2) of figures of which nothing is known."""
        return np.argwhere(np.isinf(self.lower))

    @property
    def hidden(self) -> np.ndarray:
        """Positions (cell, 2) of figures known within an interval."""
        return np.argwhere(np.isfinite(self.lower) & (self.lower < self.upper))

    @property
    def values(self) -> np.ndarray:
        """The figures, nought where one is not known."""
        return np.where(self.known, np.where(self.known, self.lower, 0.0), 0.0)


@dataclass(frozen=True)
class Scale:
    """Of one predictor: what one standard deviation is, and what its figures are.

    ``mean`` and ``sd`` are of the transformed figure; ``back`` says what it is transformed from.
    """

    name: str
    label: str
    mean: float
    sd: float
    unit: str
    per: float
    transform: str

    def natural(self, deviations: float) -> float:
        """The figure so many standard deviations above the mean, as published."""
        value = self.mean + self.sd * deviations
        if self.transform == "log odds":
            return float(self.per / (1 + np.exp(-value)))
        return float(self.per * np.exp(value)) if self.transform == "log" else float(value)


@dataclass(frozen=True)
class InadequacyObservations:
    """Inspections to fit and to score, with their predictors.

    Attributes
    ----------
    inspections, later : DataFrame
        One row per inspection, in order of publication: ``la, framework, grade`` (code of the
        schema), ``published, began`` (dates), ``began_known``, ``year`` in which it began,
        ``position`` in the cube's group. ``later`` began after the date that divides them.
    dropped : DataFrame
        ``la, year, reason``.
    is_ordered : bool
        Whether all four grades count, or only inadequate or not.
    figures, later_figures : Figures
        Predictors of both.
    typical : DataFrame
        Mean and sd of the known figures of each framework fitted, columns ``mean, sd``, index
        ``framework, predictor``; what a missing figure is taken to come from.
    latest : DataFrame
        One row per LA whose newest figures are there, at least within bounds: ``la``.
    latest_figures : Figures
        Figures of ``latest_year``.
    latest_year : int or None
        None when no year has figures of every predictor.
    out_share : float
        Share of the figures fitted that were published before their inspection began.
    """

    cube_name: str
    kind: str
    cube_hash: str
    las: pd.DataFrame
    inspections: pd.DataFrame
    later: pd.DataFrame
    dropped: pd.DataFrame
    is_ordered: bool
    scales: tuple[Scale, ...]
    figures: Figures
    later_figures: Figures
    typical: pd.DataFrame
    latest: pd.DataFrame
    latest_figures: Figures
    latest_year: int | None
    deprivation_edition: int | None
    out_share: float

    @property
    def frameworks(self) -> list[str]:
        """Frameworks of all inspections, oldest first."""
        seen = {*self.inspections["framework"], *self.later["framework"]}
        return [name for name in FRAMEWORKS if name in seen]

    @property
    def predictors(self) -> list[str]:
        """Labels of the predictors, in order."""
        return [scale.label for scale in self.scales]

    @property
    def years(self) -> list[int]:
        """Financial years in which the inspections fitted began."""
        return sorted({int(year) for year in self.inspections["year"]})

    @property
    def inadequate(self) -> np.ndarray:
        """Whether each inspection fitted was judged inadequate."""
        return (self.inspections["grade"] == INADEQUATE).to_numpy()

    @property
    def judged(self) -> np.ndarray:
        """The outcome: steps below outstanding, 3 is inadequate, or 1 where inadequate."""
        grade = self.inspections["grade"].to_numpy()
        return np.asarray(BEST - grade if self.is_ordered else grade == INADEQUATE, "int64")

    @property
    def worst(self) -> int:
        """The value of ``judged`` that means inadequate."""
        return BEST - INADEQUATE if self.is_ordered else 1

    @property
    def later_inadequate(self) -> np.ndarray:
        """The same of later ones."""
        return (self.later["grade"] == INADEQUATE).to_numpy()

    @property
    def outcome_words(self) -> list[dict[str, str]]:
        """The outcome in words."""
        return [
            {
                "name": "grade" if self.is_ordered else "inadequate",
                "label": "Grade" if self.is_ordered else "Inadequate judgement",
                "units": "steps below outstanding" if self.is_ordered else "inspections",
                "definition": "Overall effectiveness, under SLAC effectiveness of safeguarding, "
                "as Ofsted judged it"
                + (
                    ": outstanding is 0, inadequate 3."
                    if self.is_ordered
                    else ": inadequate or not."
                ),
            }
        ]

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """Frameworks have their own effects and are no changes of one definition."""
        return ()

    @property
    def national_series(self) -> pd.DataFrame:
        """England totals: none."""
        return pd.DataFrame()


def observe_inadequacy(
    cube: xr.DataTree,
    options: Choices,
    *,
    years: tuple[int, int] | None = None,
    exclude: Sequence[str] = (),
) -> InadequacyObservations:
    """Inspections that began in ``years``, with the figures that ``options`` give them.

    Raises
    ------
    DataError
        With every reason why they cannot be fitted: nothing to inspect, no such indicator, or a
        predictor of which too little is known under a framework.
    """
    table = cube["cube"].to_dataset()
    _check_request(cube, table, options, exclude)
    las = pd.DataFrame(
        {"name": table["la_name"].values.astype(str), "region": table["region"].values.astype(str)},
        index=pd.Index(table["la"].values.astype(str), name="la"),
    )
    las = las[~las.index.isin(list(exclude))]
    everything = _inspections(cube, options)
    reason = _reasons(everything, las, options, years)
    edition = _edition(cube, options, everything[reason == ""])
    if edition is not None:
        # The model of deprivation alone would share an unknown with the other where it is missing.
        scores = read_deprivation(cube, options.deprivation, edition)
        unscored = everything["la"].map(scores).isna()
        reason = reason.mask((reason == "") & unscored, "deprivation: not known")
    used = everything[reason == ""].reset_index(drop=True)
    is_later = pd.Series(False, index=used.index)
    if options.train_until != "all":
        is_later = used["began"] > pd.Timestamp(options.train_until)
    fitted, later = (used[part].reset_index(drop=True) for part in (~is_later, is_later))
    _check_outcome(cube, fitted, later, options, reason)
    tables = [_transformed(table, INDICATORS[name]) for name in options.predictors]
    if edition is not None:
        tables.append(_of_deprivation(cube, options.deprivation, edition, las))
    read = [
        _read(tables, part["la"], part["year"], part["began"], options, published)
        for part, published in (
            (fitted, False),
            (later, options.scored_figures == "published_before"),
        )
    ]
    scales = _scales(tables, read[0], options.deprivation)
    figures, later_figures = (_standardised(part, scales) for part in read)
    _check_observed(cube, fitted, figures, scales, options)
    latest_year = _latest_year(tables, table["year"].values.astype(int), las)
    latest, latest_figures = _latest(tables, las, latest_year, options, scales)
    dropped = everything.loc[reason != "", ["la", "year"]].assign(reason=reason[reason != ""])
    return InadequacyObservations(
        cube_name=str(cube.attrs["name"]),
        kind=str(cube.attrs["kind"]),
        cube_hash=str(cube.attrs["cube_hash"]),
        las=las,
        inspections=fitted,
        later=later,
        dropped=dropped.reset_index(drop=True),
        is_ordered=options.outcome == "ordered_grade",
        scales=scales,
        figures=figures,
        later_figures=later_figures,
        typical=_typical(fitted, figures, scales),
        latest=latest,
        latest_figures=latest_figures,
        latest_year=latest_year,
        deprivation_edition=edition,
        out_share=_out_share(tables, fitted, figures),
    )


# ------------------------------------------------------------------------------- inspections


def financial_year(dates: pd.Series) -> pd.Series:
    """The year, ending 31 March, in which each date falls."""
    return (dates.dt.year + (dates.dt.month >= 4)).astype(int)


def _inspections(cube: xr.DataTree, options: Choices) -> pd.DataFrame:
    group = cube["inspections"].to_dataset()
    table = pd.DataFrame(
        {
            "la": group["la"].values.astype(str),
            "framework": group["framework"].values.astype(str),
            "grade": group["grade"].values.astype(int),
            "published": pd.to_datetime(group["publication_date"].values),
            "began": pd.to_datetime(group["inspection_date"].values),
            "reinspection": group["reinspection"].values.astype(bool),
        }
    )
    table["position"] = np.arange(len(table))
    table["began_known"] = table["began"].notna()
    assumed = table["published"] - pd.Timedelta(weeks=options.weeks_before_publication)
    table["began"] = table["began"].fillna(assumed)
    table["year"] = financial_year(table["began"])
    return table


def _reasons(
    inspections: pd.DataFrame,
    las: pd.DataFrame,
    options: Choices,
    years: tuple[int, int] | None,
) -> pd.Series:
    """Why an inspection is left out, blank where it is not; the first reason that applies."""
    reason = pd.Series("", index=inspections.index)

    def mark(where: pd.Series, text: str) -> None:
        nonlocal reason
        reason = reason.mask((reason == "") & where, text)

    mark(~inspections["la"].isin(las.index), "excluded by the config")
    mark(~inspections["framework"].isin(options.frameworks), "another framework")
    if years is not None:
        mark(~inspections["year"].between(*years), "began in other years")
    if options.reinspections == "left_out":
        mark(inspections["reinspection"], "re-inspection")
    if options.train_until != "all":
        date = pd.Timestamp(options.train_until)
        under_way = (inspections["began"] <= date) & (inspections["published"] > date)
        mark(under_way, f"begun but not published by {options.train_until}")
    return reason


def _check_request(
    cube: xr.DataTree, table: xr.Dataset, options: Choices, exclude: Sequence[str]
) -> None:
    name, faults = str(cube.attrs["name"]), []
    if "inspections" not in cube.children or not cube["inspections"].sizes.get("inspection"):
        faults.append(
            Fault(
                file=name,
                problem="the cube holds no inspections",
                remedy="build the cube again with Ofsted's workbooks among the files",
            )
        )
    faults += unknown_codes(cube, exclude)
    here = [i.name for i in INDICATORS.values() if i.numerator in table and i.denominator in table]
    faults += [
        Fault(
            file=name,
            column="options.predictors",
            value=predictor,
            problem="not measurable: the cube holds no such indicator",
            remedy=f"use any of: {', '.join(here)}",
        )
        for predictor in options.predictors
        if predictor not in here
    ]
    if not options.predictors and options.deprivation == "none":
        faults.append(
            Fault(
                column="options.predictors",
                problem="there is nothing to predict from",
                remedy="name at least one indicator, or set options.deprivation=imd",
            )
        )
    if faults:
        raise DataError(faults)


def _check_outcome(
    cube: xr.DataTree,
    fitted: pd.DataFrame,
    later: pd.DataFrame,
    options: Choices,
    reason: pd.Series,
) -> None:
    """Refuse what no likelihood can learn from."""
    name, events = str(cube.attrs["name"]), int((fitted["grade"] == INADEQUATE).sum())
    left_out = "; ".join(f"{n} {text}" for text, n in reason[reason != ""].value_counts().items())
    faults = []
    if fitted.empty:
        faults.append(
            Fault(
                file=name,
                column="data.years",
                problem=f"no inspection is left to fit: {left_out}",
                remedy="choose other years, frameworks or options.train_until",
            )
        )
    elif events in (0, len(fitted)):
        which = "none" if events == 0 else "all"
        faults.append(
            Fault(
                file=name,
                column="data.years",
                value=f"{len(fitted)} inspections",
                problem=f"{which} of them was judged inadequate, so that odds ratios would be the "
                "prior's alone"
                if events == 0
                else "all of them were judged inadequate: there is nothing to tell apart",
                remedy="choose more years or frameworks",
            )
        )
    if options.train_until != "all" and later.empty:
        faults.append(
            Fault(
                file=name,
                column="options.train_until",
                value=options.train_until,
                problem="no inspection in these years began after it",
                remedy="name an earlier date, or options.train_until=all",
            )
        )
    if faults:
        raise DataError(faults)


# -------------------------------------------------------------------------------- predictors


@dataclass(frozen=True)
class _Table:
    """A predictor of every LA and year, transformed: bounds (la, year), NaN where unknown.

    ``release_months`` after 31 March it is taken to be out; a score of deprivation has one column.
    """

    name: str
    label: str
    unit: str
    per: float
    transform: str
    lower: pd.DataFrame
    upper: pd.DataFrame
    release_months: int | None


def _transformed(table: xr.Dataset, indicator: Indicator) -> _Table:
    """Log odds of a share or log of a rate, half a case added so that nought has one too."""
    las, years = table["la"].values.astype(str), table["year"].values.astype(int)
    part, base = indicator.numerator, indicator.denominator
    middle = (table[f"{base}_lower"] + table[f"{base}_upper"]) / 2
    whole = table[base].fillna(middle).to_numpy()
    left_out = (why_left_out(table, part) != "") | (why_left_out(table, base) != "")
    whole = np.where((whole > 0) & ~left_out, whole, np.nan)

    def bound(end: str) -> pd.DataFrame:
        count = np.maximum(table[f"{part}_{end}"].to_numpy(), 0)
        if not indicator.is_share:
            return pd.DataFrame(np.log((count + 0.5) / whole), las, years)
        count = np.minimum(count, whole)
        return pd.DataFrame(np.log((count + 0.5) / (whole - count + 0.5)), las, years)

    per_children = f"per {indicator.per:,} children"
    return _Table(
        indicator.name,
        indicator.label,
        "%" if indicator.per == 100 else per_children if "popul" in base else "each",
        float(indicator.per),
        "log odds" if indicator.is_share else "log",
        bound("lower"),
        bound("upper"),
        RELEASE_MONTHS[MEASURES[part].source],
    )


def _edition(cube: xr.DataTree, options: Choices, used: pd.DataFrame) -> int | None:
    """The newest edition of the index that was out before the inspections, else the oldest."""
    if options.deprivation == "none":
        return None
    group = cube["deprivation"].to_dataset() if "deprivation" in cube.children else xr.Dataset()
    score = f"{options.deprivation}_score"
    known = [
        int(edition)
        for edition in (group["edition"].values if score in group else [])
        if bool(group[score].sel(edition=edition).notnull().any())
    ]
    # Without any, reading it says what is wrong.
    return max([e for e in known if e < used["year"].min()], default=min(known, default=0))


def _of_deprivation(cube: xr.DataTree, measure: str, edition: int, las: pd.DataFrame) -> _Table:
    scores = read_deprivation(cube, measure, edition).reindex(las.index)
    column = scores.to_frame(0)
    label = f"Deprivation ({measure.upper()} {edition})"
    return _Table(DEPRIVATION, label, "points", 1.0, "none", column, column, None)


def _read(
    tables: Sequence[_Table],
    la: pd.Series,
    year: pd.Series,
    began: pd.Series,
    options: Choices,
    only_published: bool,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Bounds and last year of every predictor for some inspections, NaN where missing.

    Where only published figures count, the years of a figure move back until the last was out.
    """
    found = []
    for table in tables:
        if table.release_months is None:
            lower, upper = (t[0].reindex(la).to_numpy() for t in (table.lower, table.upper))
            found.append((lower, upper, np.zeros(len(la), int)))
            continue
        last = year.to_numpy() - (options.timing != "same_year")
        if only_published:
            last = np.minimum(last, newest_out(began, table.release_months))
        span = options.years_averaged if options.timing == "mean_of_earlier" else 1
        rows = table.lower.index.get_indexer(pd.Index(la))
        ends = []
        for bounds in (table.lower, table.upper):
            columns = [bounds.columns.get_indexer(pd.Index(last - lag)) for lag in range(span)]
            values = bounds.to_numpy()
            seen = np.stack([np.where(c >= 0, values[rows, c], np.nan) for c in columns])
            count = np.isfinite(seen).sum(axis=0)
            ends.append(np.where(count > 0, np.nansum(seen, axis=0) / np.maximum(count, 1), np.nan))
        found.append((ends[0], ends[1], last))
    return found


def newest_out(began: pd.Series, release_months: int) -> np.ndarray:
    """The newest year whose figures were out when each inspection began."""
    year = financial_year(began) - 1
    out = pd.to_datetime({"year": year, "month": 3, "day": 31})
    out += pd.DateOffset(months=release_months)
    return (year - (out > began)).to_numpy()


def _scales(
    tables: Sequence[_Table],
    read: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    deprivation: str,
) -> tuple[Scale, ...]:
    """Mean and sd of each predictor over the inspections fitted, at the middle of its bounds."""
    scales = []
    for table, (lower, upper, _) in zip(tables, read, strict=True):
        middle = (lower + upper) / 2
        middle = middle[np.isfinite(middle)]
        mean = float(middle.mean()) if len(middle) else 0.0
        sd = float(middle.std()) if len(middle) > 1 and middle.std() > 1e-9 else 1.0
        scales.append(
            Scale(table.name, table.label, mean, sd, table.unit, table.per, table.transform)
        )
    return tuple(scales)


def _standardised(
    read: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], scales: Sequence[Scale]
) -> Figures:
    lower, upper, year = (np.stack([part[i] for part in read], axis=1) for i in range(3))
    mean, sd = (np.array([getattr(s, name) for s in scales]) for name in ("mean", "sd"))
    low, high = (lower - mean) / sd, (upper - mean) / sd
    narrow = high - low < NARROW
    middle = (low + high) / 2
    unknown = ~(np.isfinite(low) & np.isfinite(high))
    return Figures(
        np.where(unknown, -np.inf, np.where(narrow, middle, low)),
        np.where(unknown, np.inf, np.where(narrow, middle, high)),
        year.astype(int),
    )


def _check_observed(
    cube: xr.DataTree,
    fitted: pd.DataFrame,
    figures: Figures,
    scales: Sequence[Scale],
    options: Choices,
) -> None:
    """A predictor must be known for enough inspections of every framework that it enters."""
    faults = []
    for k, scale in enumerate(scales):
        for framework in dict.fromkeys(fitted["framework"]):
            own = (fitted["framework"] == framework).to_numpy()
            share = figures.known[own, k].mean()
            if share < LEAST_OBSERVED:
                hidden = np.isfinite(figures.lower[own, k]).mean() - share
                faults.append(
                    Fault(
                        file=str(cube.attrs["name"]),
                        column="options.predictors",
                        value=scale.name,
                        problem=f"not measurable under {framework}: known for {share:.0%} of its "
                        f"{own.sum()} inspections ({hidden:.0%} more within bounds), and "
                        f"{LEAST_OBSERVED:.0%} are needed (timing {options.timing})",
                        remedy="leave it out, or choose other frameworks, years or timing",
                    )
                )
        if not faults and figures.values[figures.known[:, k], k].std() < 1e-9:
            faults.append(
                Fault(
                    file=str(cube.attrs["name"]),
                    column="options.predictors",
                    value=scale.name,
                    problem="the same figure at every inspection: nothing can be learnt from it",
                    remedy="leave it out, or choose other frameworks or years",
                )
            )
    if faults:
        raise DataError(faults)


def _typical(fitted: pd.DataFrame, figures: Figures, scales: Sequence[Scale]) -> pd.DataFrame:
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for framework in dict.fromkeys(fitted["framework"]):
        own = (fitted["framework"] == framework).to_numpy()
        for k, scale in enumerate(scales):
            seen = figures.values[own & figures.known[:, k], k]
            if len(seen) < FEWEST_TYPICAL:
                seen = figures.values[figures.known[:, k], k]
            sd = float(seen.std(ddof=1)) if len(seen) > 1 else 1.0
            rows[framework, scale.name] = {"mean": float(seen.mean()), "sd": sd}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(rows, names=["framework", "predictor"])
    return table


def _latest_year(tables: Sequence[_Table], years: np.ndarray, las: pd.DataFrame) -> int | None:
    """The newest year in which every predictor is known for enough LAs."""
    of_years = [table for table in tables if table.release_months is not None]
    for year in sorted((int(year) for year in years), reverse=True):
        shares = [table.lower[year].reindex(las.index).notna().mean() for table in of_years]
        if min(shares, default=1.0) >= LEAST_OBSERVED:
            return year
    return None


def _latest(
    tables: Sequence[_Table],
    las: pd.DataFrame,
    latest_year: int | None,
    options: Choices,
    scales: Sequence[Scale],
) -> tuple[pd.DataFrame, Figures]:
    """Figures of the latest year as an inspection that reads them would see them; LAs with all."""
    la = pd.Series(las.index.astype(str), name="la")
    # An inspection of the year after reads the latest year, unless it reads its own.
    year = (latest_year or 0) + (options.timing != "same_year")
    at = pd.Series(year, index=la.index)
    figures = _standardised(_read(tables, la, at, at, options, only_published=False), scales)
    kept = np.isfinite(figures.lower).all(axis=1) & (latest_year is not None)
    part = Figures(figures.lower[kept], figures.upper[kept], figures.year[kept])
    return la[kept].reset_index(drop=True).to_frame(), part


def _out_share(tables: Sequence[_Table], fitted: pd.DataFrame, figures: Figures) -> float:
    was_out = [
        figures.year[:, k] <= newest_out(fitted["began"], table.release_months)
        for k, table in enumerate(tables)
        if table.release_months is not None
    ]
    return float(np.mean(was_out)) if was_out else 1.0


def describe_inspections(observations: InadequacyObservations) -> dict[str, object]:
    """What was used and dropped, for `spec.json`: counts of inspections, examples of reasons."""
    dropped, fitted = observations.dropped, observations.inspections
    names = observations.las["name"].to_dict()
    reasons = []
    for reason, rows in dropped.groupby("reason", sort=False):
        examples = [f"{names.get(row.la, row.la)} {row.year}" for row in rows.head(5).itertuples()]
        reasons.append({"reason": str(reason), "cells": len(rows), "examples": examples})
    if len(observations.later):
        rows = observations.later.head(5)
        examples = [f"{names[row.la]} {row.year}" for row in rows.itertuples()]
        reason = "later: scored, not fitted"
        reasons.append({"reason": reason, "cells": len(observations.later), "examples": examples})
    never = sorted(set(observations.las.index) - set(fitted["la"]))
    return {
        "cube": observations.cube_name,
        "kind": observations.kind,
        "cube_hash": observations.cube_hash,
        "years": observations.years,
        "national_years": [],
        "las": len(observations.las),
        "las_without_figures": [names[code] for code in never],
        "cells_are": "Inspections (a cell is one of them)",
        "cells": len(fitted) + len(observations.later) + len(dropped),
        "used": len(fitted),
        "exact": len(fitted),
        "interval": 0,
        "rounded": 0,
        "dropped": reasons,
    }
