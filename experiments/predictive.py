"""Predictive checks: statistics fixed beforehand, compared with replicated data.

A failed check is a named misfit, printed beside the answer; it never blocks and is never loosened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from data_prep.indicators import MEASURES, within_sentence

# A statistic outside the central 98 % of its replicates is a misfit; a departure, above 99 %.
TAIL = 0.01
# Log rates and ratios that differ by less than this differ by rounding alone.
_SAME = 1e-6
# Fewer cells than this show no correlation of two outcomes.
_FEWEST_PAIRS = 10


@dataclass(frozen=True)
class Check:
    """One statistic of the data beside the same statistic of replicated data."""

    name: str
    label: str
    statistic: str
    observed: float | None
    lower: float | None
    upper: float | None
    p: float | None
    status: Literal["pass", "misfit", "not assessed"]
    where: str


def check_predictive(
    trace: xr.DataTree, coords: Mapping[str, list], regions: Sequence[str]
) -> list[Check]:
    """The house's statistics of log rates, on cells that are known exactly.

    ``trace`` needs `observed_data.y`, `constant_data` and `posterior_predictive.y`; without
    replicates every check is "not assessed". ``regions`` names the region of each authority. Where
    `constant_data` says which outcome a cell belongs to, each outcome is checked by itself.
    """
    constant = trace["constant_data"].to_dataset()
    exact = (constant["y_lower"] == constant["y_upper"]).to_numpy()
    if "outcome" not in constant or len(coords["outcome"]) == 1:
        return _check_cells(trace, coords, regions, exact)
    checks = []
    for number, outcome in enumerate(coords["outcome"]):
        own = exact & (constant["outcome"] == number).to_numpy()
        checks += [
            replace(
                check, name=f"{check.name}_{outcome}", label=f"{check.label}, {_label(outcome)}"
            )
            for check in _check_cells(trace, coords, regions, own)
        ]
    return [*checks, _check_together(trace, coords, exact)]


def _label(outcome: str) -> str:
    """An outcome within a sentence: the label of a measure, or the name as it is."""
    label = MEASURES[outcome].label if outcome in MEASURES else outcome
    return within_sentence(label)


def _check_cells(
    trace: xr.DataTree, coords: Mapping[str, list], regions: Sequence[str], exact: np.ndarray
) -> list[Check]:
    """The checks on the cells that ``exact`` marks, all of one outcome."""
    constant = trace["constant_data"].to_dataset()
    if "posterior_predictive" not in trace.children or not exact.any():
        reason = "no replicated data" if exact.any() else "no cell is known exactly"
        return [_unmade(statistic, reason) for statistic in _STATISTICS]
    exposure = constant["exposure"].to_numpy()[exact]
    la, year = constant["la"].to_numpy()[exact], constant["year"].to_numpy()[exact]
    names, region_of_la = np.unique(np.asarray(regions, str), return_inverse=True)
    y = trace["observed_data"]["y"].to_numpy()[exact]
    counts = trace["posterior_predictive"]["y"].transpose("chain", "draw", "obs").to_numpy()
    counts = counts.reshape(-1, counts.shape[-1])[:, exact]
    observed, replicated = y[None], counts
    # An outcome that is no count, such as an indicator, is taken as it is.
    statistics = _STATISTICS_OF_VALUES
    if constant.attrs.get("outcome") != "values":
        observed, replicated = (np.log((x + 0.5) / exposure) for x in (y[None], counts))
        statistics = _STATISTICS
    cells = _Cells(
        la=_Groups(la, coords["la"]),
        year=_Groups(year, coords["year"]),
        region=_Groups(region_of_la[la], list(names)),
        expected=replicated.mean(axis=0),
    )
    return [_compare(statistic, observed, replicated, cells) for statistic in statistics]


def _check_together(trace: xr.DataTree, coords: Mapping[str, list], exact: np.ndarray) -> Check:
    """Whether the years of an authority move outcomes together as much as the model says."""
    constant = trace["constant_data"].to_dataset()
    if "posterior_predictive" not in trace.children:
        return _unmade(_TOGETHER, "no replicated data")
    if given := constant.attrs.get("replicated_given"):
        # Replicates of one outcome then follow what was seen of another, not its replicates.
        return _unmade(_TOGETHER, f"replicates are drawn given {given}")
    names = coords["outcome"]
    y = trace["observed_data"]["y"].to_numpy()[None]
    counts = trace["posterior_predictive"]["y"].transpose("chain", "draw", "obs").to_numpy()
    every = np.concatenate([y, counts.reshape(-1, counts.shape[-1])])
    log_rates = np.log((every + 0.5) / constant["exposure"].to_numpy())
    shape = (len(every), len(names), len(coords["la"]), len(coords["year"]))
    table = np.full(shape, np.nan)
    for number in range(len(names)):
        own = exact & (constant["outcome"] == number).to_numpy()
        if not own.any():
            continue
        la, year = constant["la"].to_numpy()[own], constant["year"].to_numpy()[own]
        cells = _Cells(
            la=_Groups(la, coords["la"]),
            year=_Groups(year, coords["year"]),
            region=_Groups(np.zeros(own.sum(), int), [""]),
            expected=np.zeros(own.sum()),
        )
        table[:, number, la, year] = cells.residual(log_rates[:, own])
    found = {
        f"{_label(names[a])} and {_label(names[b])}": _correlation(table[:, a], table[:, b])
        for a in range(len(names))
        for b in range(a)
    }
    correlation = np.stack(list(found.values()), axis=1)
    if not np.isfinite(correlation).all():
        return _unmade(_TOGETHER, "too few cells")
    departure = np.abs(correlation - correlation[1:].mean(axis=0))
    largest = departure.max(axis=1)
    lower, upper = np.quantile(largest[1:], [0.05, 0.95])
    p = float((largest[1:] >= largest[0]).mean())
    return Check(
        _TOGETHER.name,
        _TOGETHER.label,
        _TOGETHER.text,
        float(largest[0]),
        float(lower),
        float(upper),
        p,
        "misfit" if p < TAIL else "pass",
        list(found)[int(departure[0].argmax())],
    )


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlation over cells where both are known, for each replicate; arrays (replicate, ...)."""
    both = np.isfinite(x[0]) & np.isfinite(y[0])
    if both.sum() < _FEWEST_PAIRS:
        return np.full(len(x), np.nan)
    a, b = x[:, both], y[:, both]
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))


class _Groups:
    """Cells sorted into groups (authorities, years or regions), for means of many replicates."""

    def __init__(self, index: np.ndarray, names: Sequence[object]) -> None:
        self.index, self.names = index, names
        ones, shape = np.ones(len(index)), (len(index), len(names))
        # A row has one number that is not nought: dense, the table grows with cells times groups.
        self._indicator = csr_array((ones, (np.arange(len(index)), index)), shape=shape)

    def means(self, x: np.ndarray) -> np.ndarray:
        """Mean of ``x`` (replicate, cell) in each group; (replicate, group), NaN where empty."""
        with np.errstate(invalid="ignore"):
            return x @ self._indicator / self._indicator.sum(0)

    def without(self, x: np.ndarray) -> np.ndarray:
        """``x`` less its group means."""
        return x - self.means(x)[:, self.index]


@dataclass(frozen=True)
class _Cells:
    la: _Groups
    year: _Groups
    region: _Groups
    expected: np.ndarray

    def residual(self, x: np.ndarray) -> np.ndarray:
        """What is left of ``x`` when year means and then authority means are taken out."""
        return self.la.without(self.year.without(x))


def _year_range(x: np.ndarray, cells: _Cells) -> np.ndarray:
    means = cells.year.means(x)
    return np.nanmax(means, axis=1) - np.nanmin(means, axis=1)


def _year_departure(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return np.nanmax(np.abs(cells.year.means(x - cells.expected)), axis=1)


def _region_departure(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return np.nanmax(np.abs(cells.region.means(x - cells.expected)), axis=1)


def _la_spread(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return np.nanstd(cells.la.means(x), axis=1)


def _scatter(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return cells.residual(x).std(axis=1)


def _largest_residual(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return np.abs(cells.residual(x)).max(axis=1)


def _carry_over(x: np.ndarray, cells: _Cells) -> np.ndarray:
    """Correlation of an authority's residual with the next year's."""
    table = np.full((len(x), len(cells.la.names), len(cells.year.names)), np.nan)
    table[:, cells.la.index, cells.year.index] = cells.residual(x)
    adjoining = np.flatnonzero(np.diff(np.asarray(cells.year.names, int)) == 1)
    product = table[:, :, adjoining + 1] * table[:, :, adjoining]
    pairs = np.isfinite(product).sum(axis=(1, 2))
    cells_known = np.isfinite(table).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = np.nansum(product, axis=(1, 2)) / pairs
        return covariance / (np.nansum(table**2, axis=(1, 2)) / cells_known)


def _unequal_scatter(x: np.ndarray, cells: _Cells) -> np.ndarray:
    """Ratio of scatter in the most and the least scattered fifth of authorities."""
    squared = cells.la.means(cells.residual(x) ** 2)
    squared = np.sort(squared[:, np.isfinite(squared).all(axis=0)], axis=1)
    fifth = max(1, squared.shape[1] // 5)
    low = np.maximum(squared[:, :fifth].mean(axis=1), 1e-12)
    return np.sqrt(squared[:, -fifth:].mean(axis=1) / low)


@dataclass(frozen=True)
class _Named:
    name: str
    label: str
    text: str


@dataclass(frozen=True)
class _Statistic(_Named):
    """``groups`` names the groups among which the worst is sought, for a departure.

    A departure can only be too large: data that helped to fit the means lie closer to them than
    fresh data would.
    """

    function: Callable[[np.ndarray, _Cells], np.ndarray]
    groups: str | None = None


_TOGETHER = _Named(
    "outcomes_together",
    "Outcomes move together",
    "largest departure of a correlation of two outcomes' residual log rates from the model's",
)


_STATISTICS = (
    _Statistic("year_range", "National movement", "range of yearly mean log rates", _year_range),
    _Statistic(
        "year_departure",
        "Single years",
        "largest departure of a year's mean log rate from the model's",
        _year_departure,
        groups="year",
    ),
    _Statistic(
        "region_departure",
        "Regions",
        "largest departure of a region's mean log rate from the model's",
        _region_departure,
        groups="region",
    ),
    _Statistic("la_spread", "Spread between authorities", "sd of mean log rates", _la_spread),
    _Statistic(
        "scatter", "Scatter around year and authority", "sd of residual log rates", _scatter
    ),
    _Statistic(
        "largest_residual",
        "Most extreme cell",
        "largest absolute residual log rate",
        _largest_residual,
    ),
    _Statistic(
        "carry_over",
        "Carry-over to the next year",
        "lag-one correlation of residual log rates",
        _carry_over,
    ),
    _Statistic(
        "unequal_scatter",
        "Authorities differ in scatter",
        "residual sd, highest over lowest fifth of authorities",
        _unequal_scatter,
    ),
)


_STATISTICS_OF_VALUES = tuple(
    replace(statistic, text=statistic.text.replace("log rate", "value"))
    for statistic in _STATISTICS
)


def _unmade(statistic: _Named, reason: str) -> Check:
    name, label, text = statistic.name, statistic.label, statistic.text
    return Check(name, label, text, None, None, None, None, "not assessed", reason)


def _compare(
    statistic: _Statistic, observed: np.ndarray, replicated: np.ndarray, cells: _Cells
) -> Check:
    value = float(statistic.function(observed, cells)[0])
    draws = statistic.function(replicated, cells)
    if not np.isfinite(value) or not np.isfinite(draws).all():
        return _unmade(statistic, "too few cells")
    # With one year or two some statistics are the same whatever the data; rounding must not judge.
    if np.ptp(np.append(draws, value)) < _SAME:
        return _unmade(statistic, "these years leave it no room to vary")
    lower, upper = np.quantile(draws, [0.05, 0.95])
    p = float((draws >= value).mean())
    misfit = p < TAIL or (p > 1 - TAIL and statistic.groups is None)
    where = ""
    if statistic.groups:
        groups: _Groups = getattr(cells, statistic.groups)
        departures = np.abs(groups.means(observed - cells.expected)[0])
        where = str(groups.names[int(np.nanargmax(departures))])
    return Check(
        statistic.name,
        statistic.label,
        statistic.text,
        value,
        float(lower),
        float(upper),
        p,
        "misfit" if misfit else "pass",
        where,
    )
