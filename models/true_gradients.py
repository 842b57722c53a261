"""Gradients that were put into a simulated cube, on the scale on which they are modelled.

A simulated count per child has a level that follows the driving deprivation score, and growth that
leans on the level (`docs/simulated_england.md`). In the middle of a window both add up to a level
of that window, whose slope, spread and correlation follow from the process. A rate per referral or
per earlier stage is the difference of two such levels on the log scale.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import xarray as xr

from data_prep.indicators import MEASURES

CHILDREN = "population_0_17"


@dataclass(frozen=True)
class _Part:
    """One count per child within an outcome: ``sign`` is -1 for a denominator.

    ``level`` and ``growth`` multiply the standard scores of what deprivation leaves of levels and
    of growth, which are correlated between measures.
    """

    sign: int
    measure: str
    slope: float
    drift: float
    level: float
    growth: float


@dataclass(frozen=True)
class TrueGradient:
    """One outcome's gradient on a score: logs, in the middle of its years.

    ``level`` (la) is the LA's mean log rate under the definitions of its years, ``centre`` the mean
    of a population of LAs, ``residual`` (la) what the gradient leaves. ``parts`` is empty where the
    process is on another scale and the gradient was found by least squares.
    """

    level: xr.DataArray
    centre: float
    slope: float
    drift: float
    beyond_variance: float
    residual: xr.DataArray
    parts: tuple[_Part, ...]


def true_gradient(
    truth: xr.Dataset, outcome: str, exposure: str, years: Sequence[int], score: xr.DataArray
) -> TrueGradient:
    """Gradient of ``outcome`` over ``exposure`` on ``score`` (la), over ``years``."""
    las, years = list(score["la"].values), list(years)
    log_rate = log_count(truth, outcome, las, years) - log_count(truth, exposure, las, years)
    level = log_rate.mean("year")
    measures = [outcome] if exposure == CHILDREN else [outcome, exposure]
    if any(f"{name}_deprivation_slope" not in truth for name in measures):
        slope = float(xr.cov(level, score, ddof=0) / score.var())
        centre = float((level - slope * score).mean())
        residual = level - centre - slope * score
        return TrueGradient(level, centre, slope, 0.0, float(residual.var(ddof=2)), residual, ())
    # Another score than the driving one sees the gradient weakened by its correlation with it.
    closeness = float(xr.corr(score, truth["deprivation_z"].sel(la=las)))
    parts = tuple(
        _part(truth, name, sign, years) for name, sign in zip(measures, (1, -1), strict=False)
    )
    slope = sum(part.sign * part.slope for part in parts)
    drift = sum(part.sign * part.drift for part in parts)
    centre = sum(part.sign * _national(truth, part.measure, years) for part in parts)
    beyond = _covariance(truth, parts, parts) + slope**2 * (1 - closeness**2)
    residual = level - centre - slope * closeness * score
    return TrueGradient(
        level, centre, slope * closeness, drift * closeness, beyond, residual, parts
    )


def true_correlation(
    truth: xr.Dataset, first: TrueGradient, second: TrueGradient, score: xr.DataArray
) -> float:
    """Correlation of what the gradients of two outcomes leave."""
    if not first.parts or not second.parts:
        return float(xr.corr(first.residual, second.residual))
    closeness = float(xr.corr(score, truth["deprivation_z"].sel(la=score["la"].values)))
    shared = first.slope * second.slope * (1 / closeness**2 - 1)
    covariance = _covariance(truth, first.parts, second.parts) + shared
    return covariance / float(np.sqrt(first.beyond_variance * second.beyond_variance))


def _part(truth: xr.Dataset, measure: str, sign: int, years: Sequence[int]) -> _Part:
    """What a measure's levels and growth come to in the middle of ``years``."""
    known = {
        name: float(truth[f"{measure}_{name}"])
        for name in (
            "deprivation_slope",
            "level_sd",
            "slope_sd",
            "level_slope_correlation",
        )
    }
    drift = _drift(truth)
    time = float(np.mean(years)) - int(truth.attrs["slope_year"])
    effect, level_sd = known["deprivation_slope"], known["level_sd"]
    part = effect / level_sd if level_sd else 0.0
    # Growth is own_sd (lean level / level_sd + rest) + drift x score; `lean` is own_sd times lean.
    lean = known["level_slope_correlation"] * known["slope_sd"] - drift * part
    own_variance = known["slope_sd"] ** 2 - drift**2 - 2 * lean * drift * part
    beyond_sd = np.sqrt(max(level_sd**2 - effect**2, 0.0))
    in_level = 1 + time * lean / level_sd if level_sd else 1.0
    growth = lean * part + drift
    return _Part(
        sign=sign,
        measure=measure,
        slope=effect + time * growth,
        drift=growth,
        level=float(beyond_sd * in_level),
        growth=float(time * np.sqrt(max(own_variance - lean**2, 0.0))),
    )


def _drift(truth: xr.Dataset) -> float:
    options: Mapping[str, float] = json.loads(truth.attrs["options"])
    return float(np.log1p(options["deprivation_drift_percent"] / 100))


def _covariance(truth: xr.Dataset, first: Sequence[_Part], second: Sequence[_Part]) -> float:
    correlation = truth["level_correlation"]
    return sum(
        a.sign
        * b.sign
        * float(correlation.sel(measure=a.measure, other_measure=b.measure))
        * (a.level * b.level + a.growth * b.growth)
        for a in first
        for b in second
    )


def _national(truth: xr.Dataset, measure: str, years: Sequence[int]) -> float:
    """Mean over ``years`` of the log rate of an LA whose level and growth are zero."""
    trend = truth[f"{measure}_trend"].sel(national_year=list(years)).mean()
    return float(trend) + float(_log_multiplier(truth, measure, years).mean())


def log_count(
    truth: xr.Dataset, measure: str, las: Sequence[str], years: Sequence[int]
) -> xr.DataArray:
    """Log of the expected count (la, year), as the definitions of ``years`` count."""
    if measure == CHILDREN:
        return cast(xr.DataArray, np.log(truth["population_true"].sel(la=las, year=years)))
    expected = truth[f"{measure}_mu"].sel(la=las, year=years)
    return cast(xr.DataArray, np.log(expected) + _log_multiplier(truth, measure, years))


def _log_multiplier(truth: xr.Dataset, measure: str, years: Sequence[int]) -> xr.DataArray:
    """What each year's definition counts over what the current one counts, (year,), logs."""
    by_regime = truth.get(f"{measure}_regime_multiplier")
    logs = []
    for year in years:
        name = next((r.name for r in MEASURES[measure].regimes if r.holds_in(year)), None)
        if by_regime is None or name is None:
            logs.append(0.0)
        else:
            logs.append(float(np.log(by_regime.sel(regime=name))))
    return xr.DataArray(logs, coords={"year": list(years)}, dims="year")
