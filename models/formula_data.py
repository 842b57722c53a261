"""What `formula` sees: LA-years in which every name of the formula has an exact number.

A suppressed count, one known only from a rounded per cent, or a missing return leaves its LA-year
out, with the reason. Populations and full-time equivalents are only ever printed rounded: they
enter at their printed value where rounding hardly moves what is made of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from data_prep.deprivation import edition_for
from data_prep.errors import DataError, Fault
from data_prep.indicators import (
    INDICATORS,
    MEASURES,
    Indicator,
    Regime,
    parse_regimes,
    within_sentence,
)
from data_prep.observations import LARGEST_EXPOSURE_ERROR, CountObservations, unknown_codes
from data_prep.schema import STATUSES
from data_prep.selection import why_left_out
from models.formula_text import (
    ALIASES,
    PLACES,
    SCORES,
    YEAR,
    YEAR_BEFORE,
    YEAR_FACTOR,
    Formula,
    read,
)

# Rounding may move a share by this many percentage points either way, and a rate by this share of
# it; beyond, the number is not exact.
ROUNDING_POINTS = 0.5
ROUNDING_SHARE = 0.01
_NO_SUCH_YEAR = "the year before is not in the cube"


@dataclass(frozen=True)
class FormulaObservations(CountObservations):
    """The LA-years that a formula can be fitted to.

    ``cells`` has one row for each, in the order of LA and year, with `lower` and `upper` both the
    outcome on the left side of the formula, and the measure's `exposure` (1 where there is none).

    Attributes
    ----------
    table : DataFrame
        A column for each name of the formula, a row per cell; what bambi is given.
    editions : mapping
        Edition of each deprivation score that the formula names.
    middle_year : float
        The year from which ``year`` counts.
    """

    table: pd.DataFrame
    editions: Mapping[str, int]
    middle_year: float


class _Reader:
    """Names of a formula, looked up in a cube for a list of LA-years."""

    def __init__(self, cube: xr.DataTree, keys: pd.MultiIndex) -> None:
        self.cube, self.keys = cube, keys
        self.name = str(cube.attrs["name"])
        self.table = cube["cube"].to_dataset()
        self.las = self.table["la"].values.astype(str)
        self.years = self.table["year"].values.astype(int)
        self.faults: list[Fault] = []
        self.editions: dict[str, int] = {}

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Values of a name, and why they are not known, blank where they are; each (key,)."""
        plain = name.removesuffix(YEAR_BEFORE)
        keys = self.keys
        if plain != name:
            keys = pd.MultiIndex.from_arrays(
                [keys.get_level_values(0), keys.get_level_values(1) - 1], names=keys.names
            )
        value, reason = self._grid(ALIASES.get(plain, plain))
        la = pd.Index(self.las).get_indexer(keys.get_level_values(0))
        year = pd.Index(self.years).get_indexer(keys.get_level_values(1))
        if plain == name:
            return value[la, year], reason[la, year]
        before = np.where(year < 0, _NO_SUCH_YEAR, reason[la, np.maximum(year, 0)])
        said = np.where(before == "", "", f"{read(name)}: " + before.astype(object))
        return value[la, np.maximum(year, 0)], said

    def _grid(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Values and reasons of a name over the whole cube, (la, year)."""
        shape = (len(self.las), len(self.years))
        known = np.full(shape, "", object)
        if name in PLACES:
            held = self.las if name == "la" else self.table[name].values.astype(str)
            return np.broadcast_to(held.astype(object)[:, None], shape), known
        if name in (YEAR, YEAR_FACTOR):
            years = np.broadcast_to(self.years, shape)
            return (years.astype(float) if name == YEAR else years.astype(str)), known
        if name in SCORES:
            return self._scores(name, shape)
        if name in INDICATORS:
            return self._indicator(INDICATORS[name], shape)
        return self._count(name, shape)

    def _absent(self, name: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        held = [m for m in MEASURES if m in self.table]
        self.faults.append(
            Fault(
                file=self.name,
                column="options.formula",
                value=name,
                problem="the cube does not hold it",
                remedy=f"measures in the cube: {', '.join(held)}",
            )
        )
        return np.full(shape, np.nan), np.full(shape, "not in the cube", object)

    def _count(self, name: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """A measure where it is exact; the printed population where that is rounded."""
        if name not in self.table:
            return self._absent(name, shape)
        value = self.table[name].values
        lower, upper = self.table[f"{name}_lower"].values, self.table[f"{name}_upper"].values
        status = np.array(STATUSES, object)[self.table[f"{name}_status"].values.astype(int)]
        exact = np.where(lower == upper, lower, np.nan)
        if name == "population_0_17":
            with np.errstate(divide="ignore", invalid="ignore"):
                close = (upper - lower) / 2 / value <= LARGEST_EXPOSURE_ERROR
            exact = np.where(close, value, exact)
        label = within_sentence(MEASURES[name].label)
        reason = _why(exact, lower, label, status)
        left_out = why_left_out(self.table, name)
        return exact, np.where(left_out == "", reason, _said(label, left_out))

    def _indicator(
        self, indicator: Indicator, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        parts = (indicator.numerator, indicator.denominator)
        if missing := [name for name in parts if name not in self.table]:
            return self._absent(missing[0], shape)
        top, base = (_Bounds.of(self.table, name) for name in parts)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = indicator.per * top.value / base.value
            lower = indicator.per * top.lower / base.upper
            upper = indicator.per * top.upper / base.lower
        moved = (upper - lower) / 2
        close = moved <= (ROUNDING_POINTS if indicator.is_share else ROUNDING_SHARE * value)
        usable = top.usable & base.usable & close & (base.value > 0)
        label = within_sentence(indicator.label)
        reason = np.where(
            top.usable,
            _why(np.where(base.usable, 0.0, np.nan), base.lower, label, base.status),
            _why(np.where(top.usable, 0.0, np.nan), top.lower, label, top.status),
        )
        for name in parts:
            left_out = why_left_out(self.table, name)
            reason = np.where(left_out == "", reason, _said(label, left_out))
            usable &= left_out == ""
        reason = np.where(
            (reason == "") & ~(base.value > 0), f"{label}: nothing to divide by", reason
        )
        reason = np.where((reason == "") & ~usable, f"{label}: moved by rounding", reason)
        return np.where(usable, value, np.nan), reason

    def _scores(self, name: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Deprivation by the edition that serves the middle year, mean 0 and sd 1."""
        variable = f"{name}_score"
        scores = (
            self.cube["deprivation"].to_dataset().get(variable)
            if "deprivation" in self.cube.children
            else None
        )
        held = (
            [int(e) for e in scores["edition"].values if scores.sel(edition=e).notnull().any()]
            if scores is not None
            else []
        )
        if scores is None or not held:
            self.faults.append(
                Fault(
                    file=self.name,
                    column="options.formula",
                    value=name,
                    problem="the cube holds no such score",
                    remedy="take it out, or build the cube with the files of the indices",
                )
            )
            return np.full(shape, np.nan), np.full(shape, "not in the cube", object)
        # One edition for all years: a change of edition within them would pass for a change of
        # deprivation.
        wanted = self.keys.get_level_values(1)
        edition = edition_for(int((wanted.min() + wanted.max()) // 2), held)
        self.editions[name] = edition
        own = scores.sel(edition=edition).to_series().reindex(self.las).astype(float)
        standard = ((own - own.mean()) / own.std()).to_numpy()
        value = np.broadcast_to(standard[:, None], shape)
        return value, np.where(np.isfinite(value), "", f"{name.upper()}: no score").astype(object)


@dataclass(frozen=True)
class _Bounds:
    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    usable: np.ndarray
    status: np.ndarray

    @classmethod
    def of(cls, table: xr.Dataset, name: str) -> "_Bounds":
        """Exact counts; populations and full-time equivalents as printed, with their bounds."""
        value, lower, upper = (table[f"{name}{end}"].values for end in ("", "_lower", "_upper"))
        status = np.array(STATUSES, object)[table[f"{name}_status"].values.astype(int)]
        exact = lower == upper
        value = np.where(exact, lower, value)
        always_rounded = name == "population_0_17" or not MEASURES[name].is_count
        printed = np.isfinite(value) & (status == "rounded") & always_rounded
        return cls(value, lower, upper, exact | printed, status)


def _said(label: str, left_out: np.ndarray) -> np.ndarray:
    """A rule of the config that left a figure out, beside the name of the figure."""
    return f"{label}: " + left_out.astype(object)


def _why(value: np.ndarray, lower: np.ndarray, label: str, status: np.ndarray) -> np.ndarray:
    """Why a value is not known: the status, and that there are bounds where there are."""
    bounded = np.where(np.isfinite(lower), ", known only within bounds", "")
    said = label + ": " + np.char.replace(status.astype(str), "_", " ").astype(object) + bounded
    return np.where(np.isfinite(value), "", said).astype(object)


def observe_formula(
    cube: xr.DataTree,
    formula: Formula,
    exposure: str,
    *,
    years: tuple[int, int] | None = None,
    exclude: Sequence[str] = (),
) -> FormulaObservations:
    """The LA-years of the cube in which everything that a formula names is known exactly.

    Parameters
    ----------
    exposure
        Measure that the outcome is counted per, "" for none.
    years
        First and last year; figures of the year before may lie outside.

    Raises
    ------
    DataError
        With everything that the cube does not hold, or why nothing is left.
    """
    table = cube["cube"].to_dataset()
    las, all_years = table["la"].values.astype(str), table["year"].values.astype(int)
    used = [int(y) for y in all_years if years is None or years[0] <= y <= years[1]]
    keys = pd.MultiIndex.from_product([las, used], names=["la", "year"])
    reader = _Reader(cube, keys)
    if wrong := _wrong_request(reader, used, years, exclude):
        raise DataError(wrong)
    reason = np.where(keys.get_level_values(0).isin(list(exclude)), "excluded by the config", "")
    reason = reason.astype(object)
    columns: dict[str, np.ndarray] = {}
    base = [name for name in (formula.whole, exposure, formula.offset) if name]
    for name in dict.fromkeys([formula.outcome, *base, *formula.names]):
        columns[name], why = reader.column(name)
        reason = np.where(reason == "", why, reason)
    if reader.faults:
        raise DataError(reader.faults)
    reason = _out_of_range(formula, base, columns, reason)
    return _collect(cube, formula, base, columns, reason, keys, reader.editions)


def _wrong_request(
    reader: _Reader,
    used: Sequence[int],
    years: tuple[int, int] | None,
    exclude: Sequence[str],
) -> list[Fault]:
    found = unknown_codes(reader.cube, exclude)
    if not used and years is not None:
        found.append(
            Fault(
                file=reader.name,
                column="data.years",
                value="{}-{}".format(*years),
                problem="the cube has no authority figures in these years",
                remedy=f"use years from {reader.years.min()} to {reader.years.max()}",
            )
        )
    return found


def _out_of_range(
    formula: Formula, base: Sequence[str], columns: Mapping[str, np.ndarray], reason: np.ndarray
) -> np.ndarray:
    """Rows whose denominator is zero, or whose part exceeds its whole."""
    for name in base:
        none = ~(np.nan_to_num(columns[name]) > 0)
        text = f"{within_sentence(MEASURES[name].label)}: zero"
        reason = np.where((reason == "") & none, text, reason)
    if formula.whole:
        more = np.nan_to_num(columns[formula.outcome]) > np.nan_to_num(columns[formula.whole])
        text = f"{within_sentence(MEASURES[formula.outcome].label)}: more than {formula.whole}"
        reason = np.where((reason == "") & more, text, reason)
    return reason


def _collect(
    cube: xr.DataTree,
    formula: Formula,
    base: Sequence[str],
    columns: dict[str, np.ndarray],
    reason: np.ndarray,
    keys: pd.MultiIndex,
    editions: Mapping[str, int],
) -> FormulaObservations:
    name = str(cube.attrs["name"])
    kept = reason == ""
    frame = pd.DataFrame({"la": keys.get_level_values(0), "year": keys.get_level_values(1)})
    if not kept.any():
        counted = pd.Series(reason).value_counts()
        raise DataError(
            [
                Fault(
                    file=name,
                    column="options.formula",
                    problem="no LA-year has an exact number for every name; left out: "
                    + "; ".join(f"{n} {text}" for text, n in counted.items()),
                    remedy="take a name out, or choose other years or another cube",
                )
            ]
        )
    order = frame[kept].sort_values(["la", "year"], kind="stable").index
    cells, table = frame.loc[order].reset_index(drop=True), pd.DataFrame(index=range(len(order)))
    for column, values in columns.items():
        chosen = values[order]
        table[column] = chosen.astype(str) if values.dtype.kind in "OU" else chosen.astype(float)
    for column in {formula.outcome, *base} & set(MEASURES):
        if MEASURES[column].is_count:
            table[column] = table[column].round().astype("int64")
    span = sorted({int(year) for year in cells["year"]})
    middle = (span[0] + span[-1]) / 2
    if YEAR in table:
        table[YEAR] = table[YEAR] - middle
    exposure = table[base[0]].to_numpy(float) if base else np.ones(len(table))
    outcome = table[formula.outcome].to_numpy(float)
    if formula.call in ("log", "sqrt"):
        with np.errstate(divide="ignore"):
            outcome = {"log": np.log, "sqrt": np.sqrt}[formula.call](outcome)
    cells = cells.assign(lower=outcome, upper=outcome, exposure=exposure, status=0)
    everywhere = cube["cube"].to_dataset()
    places = pd.DataFrame(
        {
            "name": everywhere["la_name"].values.astype(str),
            "region": everywhere["region"].values.astype(str),
        },
        index=pd.Index(everywhere["la"].values.astype(str), name="la"),
    )
    # Those with a usable year come first, in the order of the model's own list of them.
    seen = sorted(set(cells["la"]))
    excluded = set(frame.loc[reason == "excluded by the config", "la"])
    unseen = [code for code in places.index if code not in {*seen, *excluded}]
    return FormulaObservations(
        outcome=ALIASES.get(formula.outcome, formula.outcome),
        exposure=base[0] if base else "",
        cube_name=name,
        kind=str(cube.attrs["kind"]),
        cube_hash=str(cube.attrs["cube_hash"]),
        las=places.loc[[*seen, *unseen]],
        cells=cells,
        dropped=frame[~kept].assign(reason=reason[~kept]).reset_index(drop=True),
        weights=xr.DataArray(
            cells.pivot(index="la", columns="year", values="exposure").to_numpy(float),
            coords={"la": seen, "year": span},
        ),
        national=pd.DataFrame(index=pd.Index([], name="year", dtype=int)),
        national_series=pd.DataFrame(),
        regimes=_regimes(cube, formula, span),
        table=table,
        editions=editions,
        middle_year=middle,
    )


def _regimes(cube: xr.DataTree, formula: Formula, years: Sequence[int]) -> tuple[Regime, ...]:
    """Definitions of the outcome that the years touch."""
    name = ALIASES.get(formula.outcome, formula.outcome)
    measure = INDICATORS[name].numerator if name in INDICATORS else name
    regimes = parse_regimes(str(cube["cube"][measure].attrs["regimes"]))
    return tuple(regime for regime in regimes if any(regime.holds_in(year) for year in years))
