"""Predictive checks: statistics fixed beforehand, compared with replicated data.

A failed check is a named misfit, printed beside the answer; it never blocks and is never loosened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

# A statistic outside the central 98 % of its replicates is a misfit.
TAIL = 0.01


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


def check_predictive(trace: xr.DataTree, coords: Mapping[str, list]) -> list[Check]:
    """The house's statistics of log rates, on cells that are known exactly.

    ``trace`` needs `observed_data.y`, `constant_data` and `posterior_predictive.y`; without
    replicates every check is "not assessed".
    """
    constant = trace["constant_data"].to_dataset()
    exact = (constant["y_lower"] == constant["y_upper"]).to_numpy()
    if "posterior_predictive" not in trace.children or not exact.any():
        reason = "no replicated data" if exact.any() else "no cell is known exactly"
        return [
            Check(n, label, s, None, None, None, None, "not assessed", reason)
            for n, label, s, _ in _CHECKS
        ]
    exposure = constant["exposure"].to_numpy()[exact]
    la, year = constant["la"].to_numpy()[exact], constant["year"].to_numpy()[exact]
    y = trace["observed_data"]["y"].to_numpy()[exact]
    replicated = trace["posterior_predictive"]["y"].transpose("chain", "draw", "obs").to_numpy()
    replicated = replicated.reshape(-1, replicated.shape[-1])[:, exact]
    cells = _Cells(la, year, len(coords["la"]), len(coords["year"]))

    def log_rate(counts: np.ndarray) -> np.ndarray:
        return np.log((counts + 0.5) / exposure)

    return [
        _compare(
            name,
            label,
            statistic,
            function(log_rate(y[None]), cells),
            function(log_rate(replicated), cells),
        )
        for name, label, statistic, function in _CHECKS
    ]


@dataclass(frozen=True)
class _Cells:
    la: np.ndarray
    year: np.ndarray
    las: int
    years: int

    def mean_by(self, x: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
        """Mean of ``x`` (replicate, cell) in each group; (replicate, group), NaN where empty."""
        indicator = np.zeros((len(index), size))
        indicator[np.arange(len(index)), index] = 1
        with np.errstate(invalid="ignore"):
            return x @ indicator / indicator.sum(0)

    def residual(self, x: np.ndarray) -> np.ndarray:
        """What is left of ``x`` when year means and then authority means are taken out."""
        rest = x - self.mean_by(x, self.year, self.years)[:, self.year]
        return rest - self.mean_by(rest, self.la, self.las)[:, self.la]


def _largest_year_gap(x: np.ndarray, cells: _Cells) -> np.ndarray:
    means = cells.mean_by(x, cells.year, cells.years)
    means = means[:, np.isfinite(means).all(axis=0)]
    return np.ptp(means, axis=1)


def _spread_of_las(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return np.nanstd(cells.mean_by(x, cells.la, cells.las), axis=1)


def _scatter_within(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return cells.residual(x).std(axis=1)


def _largest_residual(x: np.ndarray, cells: _Cells) -> np.ndarray:
    return np.abs(cells.residual(x)).max(axis=1)


def _lag_correlation(x: np.ndarray, cells: _Cells) -> np.ndarray:
    """Correlation of an authority's residual with the next year's."""
    rest = cells.residual(x)
    table = np.full((len(x), cells.las, cells.years), np.nan)
    table[:, cells.la, cells.year] = rest
    product = table[:, :, 1:] * table[:, :, :-1]
    return np.nanmean(product, axis=(1, 2)) / np.nanmean(table**2, axis=(1, 2))


def _unequal_scatter(x: np.ndarray, cells: _Cells) -> np.ndarray:
    """Ratio of scatter in the most and the least scattered fifth of authorities."""
    squared = cells.mean_by(cells.residual(x) ** 2, cells.la, cells.las)
    squared = np.sort(squared[:, np.isfinite(squared).all(axis=0)], axis=1)
    fifth = max(1, squared.shape[1] // 5)
    low = np.maximum(squared[:, :fifth].mean(axis=1), 1e-12)
    return np.sqrt(squared[:, -fifth:].mean(axis=1) / low)


_Statistic = Callable[[np.ndarray, _Cells], np.ndarray]
_CHECKS: tuple[tuple[str, str, str, _Statistic], ...] = (
    ("year_range", "National movement", "range of yearly mean log rates", _largest_year_gap),
    (
        "la_spread",
        "Spread between authorities",
        "sd of authorities' mean log rates",
        _spread_of_las,
    ),
    ("scatter", "Scatter around year and authority", "sd of residual log rates", _scatter_within),
    (
        "largest_residual",
        "Most extreme cell",
        "largest absolute residual log rate",
        _largest_residual,
    ),
    (
        "carry_over",
        "Carry-over to the next year",
        "lag-one correlation of residuals",
        _lag_correlation,
    ),
    (
        "unequal_scatter",
        "Authorities differ in scatter",
        "residual sd, highest over lowest fifth of authorities",
        _unequal_scatter,
    ),
)


def _compare(
    name: str, label: str, statistic: str, observed: np.ndarray, replicated: np.ndarray
) -> Check:
    value = float(observed[0])
    finite = replicated[np.isfinite(replicated)]
    if not np.isfinite(value) or len(finite) < len(replicated):
        return Check(
            name, label, statistic, None, None, None, None, "not assessed", "too few cells"
        )
    lower, upper = np.quantile(finite, [0.05, 0.95])
    p = float((finite >= value).mean())
    status: Literal["pass", "misfit"] = "pass" if TAIL <= p <= 1 - TAIL else "misfit"
    return Check(name, label, statistic, value, float(lower), float(upper), p, status, "")
