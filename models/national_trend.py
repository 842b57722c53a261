"""How has the national rate moved, and how do local authorities differ around it.

For local authority (LA) i in year t, with count y and exposure e (children, or another measure):

    y[i,t] ~ NegativeBinomial(mu[i,t], dispersion)        variance mu + mu^2 / dispersion
    log mu[i,t] = log e[i,t] + la_level[i] + la_slope[i] (t - t0) + trend[t] + offset[t]
    (la_level, la_slope)[i] ~ Normal((national_level, 0), correlated), slopes sum to zero
    trend: random walk | linear | break at a year | free years
    offset: zero under the latest definition, one unknown for each earlier one

Years before the first LA figures rest on England totals:

    log total[t] ~ StudentT(4, log E[t] + log national_rate[t] + offset[t], national_total_sd)

where national_rate[t] is the exposure-weighted mean of LA rates, LA slopes held at the first year
of LA figures, and E[t] is England's exposure, uncertain within its published interval.

Assumes that LAs scatter independently around their own straight deviations from the national path,
that missing returns are missing whatever the count would have been, and that a change of definition
multiplies every LA's rate alike. Cannot say why a rate moved, nor anything about single children.
"""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pydantic import AfterValidator, Field

from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, within_sentence
from data_prep.observations import CountObservations, describe_counts, observe_counts
from models.around_data import drawn_around_data
from models.effects import correlated_level_and_slope, year_walk
from models.likelihoods import (
    dispersion_of,
    negative_binomial_counts,
    totals_over_uncertain_exposure,
)
from models.priors import Prior, draw_from
from models.rates import (
    annual_growth,
    in_blocks,
    percent_change,
    percent_changes,
    ranks,
    ratio_90_10,
    share_in_top_fifth,
    spans,
    spread,
    weighted_mean,
)
from models.sensitivity import rescale_normal_prior
from models.spec import Answer, Block, Estimand, ModelSpec, NotEstimable, Options
from models.trends_shown import shown_trends
from models.wording import stated, without_figures

COUNTS = tuple(name for name, measure in MEASURES.items() if measure.is_count)
# Standard deviations of the regime offset at which the estimands around 2008 are shown, per cent.
OFFSET_SDS = (0.0, 2.0, 5.0, 10.0)
# From this many authorities the mean of a year (scatter .2 over their root) is known better than a
# usual step (.05), so that steps are best drawn on their own scale.
MANY_LAS = 20


def _known_count(name: str) -> str:
    if name not in COUNTS:
        raise ValueError(f"unknown count measure {name!r}; known: {', '.join(COUNTS)}")
    return name


class TrendOptions(Options):
    """What can be varied without touching the model."""

    outcome: Annotated[str, AfterValidator(_known_count)] = "cpp_starts"
    """the count whose rate is followed"""
    exposure: Annotated[str, AfterValidator(_known_count)] = "population_0_17"
    """the denominator: children, or another measure, as referrals for section 47 per referral"""
    trend: Literal["random_walk", "linear", "break", "free"] = "random_walk"
    """national path: walk, straight line, line with a break of level and slope, or free years"""
    knot: int = Field(2008, ge=1990, le=2040)
    """last year before the break, and the year from which change of slope is reckoned"""
    la_effect: Literal["level_and_slope", "level"] = "level_and_slope"
    """whether authorities differ in level alone or in level and slope, correlated"""
    regime_offsets: Literal["prior", "none"] = "prior"
    """whether earlier definitions get an offset, known from its prior only, or count as the same"""
    national_totals: bool = True
    """whether England totals serve the years before authority figures begin"""


PRIORS = {
    prior.name: prior
    for prior in (
        Prior(
            "national_level",
            "Normal",
            {"mu": -4.6, "sigma": 1.5},
            "average authority between 5 and 1,900 per 10,000 children (95 %)",
            "covers every measure here, from plans (about 40) to referrals (about 550)",
        ),
        Prior(
            "national_level_per_measure",
            "Normal",
            {"mu": -1.2, "sigma": 1.0},
            "average ratio between 4 and 210 per 100 of the other measure (95 %)",
            "used when the exposure is another measure; flow ratios may exceed 100",
        ),
        Prior(
            "trend_step_sd",
            "LogNormal",
            {"mu": -3.0, "sigma": 0.6},
            "national rate usually moves by 1.5 to 16 % from one year to the next (95 %)",
            "recording alone moves it by a per cent or two, the steepest year on record (plans, "
            "2009-10) by 17 %; no published series stands still",
        ),
        Prior(
            "trend_slope",
            "Normal",
            {"mu": 0.0, "sigma": 0.1},
            "steady national growth between -18 and +22 % a year (95 %)",
            "linear and break trends only; wider than any decade on record",
        ),
        Prior(
            "break_level",
            "Normal",
            {"mu": 0.0, "sigma": 0.2},
            "a jump at the break between -32 and +48 % (95 %)",
            "break trend only; either sign, larger than any single year on record",
        ),
        Prior(
            "break_slope",
            "Normal",
            {"mu": 0.0, "sigma": 0.1},
            "growth after the break differs by up to about 20 points a year (95 %)",
            "break trend only; either sign",
        ),
        Prior(
            "free_year_sd",
            "HalfNormal",
            {"sigma": 0.3},
            "years scatter by up to about 80 % around their mean",
            "free years only; wide, so that years are hardly pooled",
        ),
        Prior(
            "la_level_sd",
            "HalfNormal",
            {"sigma": 0.5},
            "an authority one sd up has up to 2.7 times the average rate",
            "published rates vary by .28 to .34 on the log scale",
        ),
        Prior(
            "la_slope_sd",
            "HalfNormal",
            {"sigma": 0.1},
            "an authority's growth departs from the national one by up to 20 points a year",
            "a departure of 10 points a year doubles or halves a rate in seven years",
        ),
        Prior(
            "la_level_slope_correlation",
            "Correlation",
            {"eta": 2.0},
            "any correlation, extremes less likely",
            "no opinion on whether high authorities converge",
        ),
        Prior(
            "scatter_sd",
            "HalfNormal",
            {"sigma": 0.3},
            "an authority's rate departs from its own path by up to 60 % in a year",
            "published within-authority scatter is .15 to .27",
        ),
        Prior(
            "regime_offset",
            "Normal",
            {"mu": 0.0, "sigma": 0.05},
            "an earlier definition counted between 10 % fewer and 10 % more (95 %)",
            "no years carry both definitions, so the data cannot tell; see the table by offset sd",
        ),
        Prior(
            "national_total_sd",
            "LogNormal",
            {"mu": -4.6, "sigma": 0.25},
            "England totals differ by 0.6 to 1.6 % from the sum that authorities would give (95 %)",
            "the size of rounding, estimates for missing returns and revisions; a few totals "
            "beside a free walk cannot show their own error, so the prior must say it",
        ),
    )
}


def observe(
    cube: xr.DataTree,
    options: TrendOptions,
    *,
    years: tuple[int, int] | None = None,
    exclude: tuple[str, ...] = (),
) -> CountObservations:
    """The cells that ``options`` select; DataError with every reason why they cannot be fitted."""
    observations = observe_counts(
        cube,
        outcome=options.outcome,
        exposure=options.exposure,
        years=years,
        national=options.national_totals,
        exclude=exclude,
    )
    if faults := _impossible(observations, options):
        raise DataError(faults)
    return observations


def _impossible(observations: CountObservations, options: TrendOptions) -> list[Fault]:
    """Why these options cannot be fitted to these data, all at once."""
    las, la_years, years = len(observations.las), observations.la_years, observations.years
    faults = []

    def refuse(option: str, problem: str, remedy: str) -> None:
        value = str(getattr(options, option, ""))
        faults.append(Fault(problem, remedy, column=f"options.{option}", value=value))

    if las < 3:
        refuse("la_effect", f"{las} authorities cannot show how they differ", "use at least 3")
    if len(la_years) < 2:
        refuse(
            "la_effect",
            "one year of authority figures cannot tell an authority's level from its scatter",
            "use at least 2 years",
        )
    elif len(la_years) < 3 and options.la_effect == "level_and_slope":
        refuse(
            "la_effect",
            "two years of authority figures cannot tell an authority's slope from its scatter",
            "set options.la_effect=level, or use at least 3 years",
        )
    if len(years) > 1 and options.trend == "break" and not years[0] <= options.knot < years[-1]:
        refuse(
            "knot",
            f"no break can be placed there: the series runs from {years[0]} to {years[-1]}",
            f"use a year from {years[0]} to {years[-2]}",
        )
    if options.trend == "free" and _earlier_regimes(observations, options):
        refuse(
            "regime_offsets",
            "free years and the offset of an earlier definition cannot be told apart",
            "set options.regime_offsets=none, choose another trend, or use years of one definition",
        )
    return faults


def _earlier_regimes(observations: CountObservations, options: TrendOptions) -> list[str]:
    """Regimes that get an offset: all but the one that holds in the last year."""
    if options.regime_offsets == "none":
        return []
    return [regime.name for regime in observations.regimes[:-1]]


def coords(observations: CountObservations, options: TrendOptions) -> dict[str, list]:
    """Coordinates of the model: plain str and int."""
    years = observations.years
    found: dict[str, list] = {
        "la": list(observations.las.index),
        "year": years,
        "obs": list(range(len(observations.cells))),
    }
    if options.trend == "random_walk":
        found["step"] = years[1:]
    if len(observations.national):
        found["national_year"] = [int(year) for year in observations.national.index]
    if regimes := _earlier_regimes(observations, options):
        found["regime"] = regimes
    return found


def build(
    observations: CountObservations, options: TrendOptions, priors: Mapping[str, Prior]
) -> pm.Model:
    """The PyMC model of the module docstring."""
    cells, years = observations.cells, observations.years
    year_index = pd.Index(years)
    with pm.Model(coords=coords(observations, options)) as model:
        # data
        la = observations.las.index.get_indexer(cells["la"])
        year = year_index.get_indexer(cells["year"])
        time = np.asarray(years, float) - slope_year(observations)
        # national
        level_prior = priors[_level_prior(options)]
        national_level = draw_from(level_prior)
        offset = _regime_offset(observations, options, priors)
        printed = _printed_path(observations, options, priors, offset)
        pm.Deterministic("trend", printed - offset, dims="year")
        # local authorities
        scatter_sd = draw_from(priors["scatter_sd"])
        level, slope = _la_effects(observations, options, priors, national_level, scatter_sd)
        # likelihood
        log_mean = np.log(cells["exposure"].to_numpy()) + level[la] + printed[year]
        if slope is not None:
            log_mean += slope[la] * time[year]
        negative_binomial_counts(
            "y",
            log_mean=log_mean,
            dispersion=dispersion_of(scatter_sd),
            lower=cells["lower"].to_numpy(),
            upper=cells["upper"].to_numpy(),
            dims="obs",
        )
        if len(observations.national):
            _national_totals(observations, priors, level, slope, printed)
    return model


def constant_data(observations: CountObservations) -> xr.Dataset:
    """Index vectors, bounds, exposure and status along `obs`."""
    cells = observations.cells
    return xr.Dataset(
        {
            "la": ("obs", observations.las.index.get_indexer(cells["la"])),
            "year": ("obs", pd.Index(observations.years).get_indexer(cells["year"])),
            "y_lower": ("obs", cells["lower"].to_numpy()),
            "y_upper": ("obs", cells["upper"].to_numpy()),
            "exposure": ("obs", cells["exposure"].to_numpy()),
            "status": ("obs", cells["status"].to_numpy()),
        },
        coords={"obs": range(len(cells))},
    )


def slope_year(observations: CountObservations) -> float:
    """The mean year of LA figures, from which slopes are reckoned."""
    return float(np.mean(observations.la_years))


def _level_prior(options: TrendOptions) -> str:
    per_child = options.exposure == "population_0_17"
    return "national_level" if per_child else "national_level_per_measure"


def _printed_path(
    observations: CountObservations,
    options: TrendOptions,
    priors: Mapping[str, Prior],
    offset: pt.TensorVariable,
) -> pt.TensorVariable:
    """National path plus offset, log scale, mean zero over the years of LA figures; (year,)."""
    years = np.asarray(observations.years, float)
    has_las = np.isin(observations.years, observations.la_years)
    if options.trend == "random_walk":
        shown = observations.cells.groupby("year").size().reindex(observations.years, fill_value=0)
        # A national total shows its year no less clearly than figures of all authorities do.
        in_total = np.isin(observations.years, observations.national.index)
        return year_walk(
            priors,
            observations.years,
            list(has_las),
            offset,
            figures=np.where(in_total, len(observations.las), shown.to_numpy(float)),
            steps_are_clear=len(observations.las) >= MANY_LAS,
        )
    if options.trend == "free":
        return pm.ZeroSumNormal("year_effect", draw_from(priors["free_year_sd"]), dims="year")
    path = draw_from(priors["trend_slope"]) * years
    if options.trend == "break":
        after = years > options.knot
        path += draw_from(priors["break_level"]) * after
        path += draw_from(priors["break_slope"]) * np.maximum(years - options.knot, 0)
    path += offset
    return path - path[np.flatnonzero(has_las)].mean()


def _regime_offset(
    observations: CountObservations, options: TrendOptions, priors: Mapping[str, Prior]
) -> pt.TensorVariable:
    """Log offset of each year's definition against the latest one; (year,)."""
    earlier = _earlier_regimes(observations, options)
    if not earlier:
        return pt.zeros(len(observations.years))
    by_regime = draw_from(priors["regime_offset"], dims="regime")
    names = [
        next(r.name for r in observations.regimes if r.holds_in(y)) for y in observations.years
    ]
    index = [earlier.index(name) if name in earlier else len(earlier) for name in names]
    return pt.concatenate([by_regime, pt.zeros(1)])[np.asarray(index)]


def _la_effects(
    observations: CountObservations,
    options: TrendOptions,
    priors: Mapping[str, Prior],
    national_level: pt.TensorVariable,
    scatter_sd: pt.TensorVariable,
) -> tuple[pt.TensorVariable, pt.TensorVariable | None]:
    levels, slopes = shown_trends(
        "trends_shown",
        observations.cells,
        observations.las.index,
        slope_year(observations),
        scatter_sd**2,
    )
    if options.la_effect == "level":
        level_sd = draw_from(priors["la_level_sd"])
        return drawn_around_data("la_level", national_level, level_sd, levels), None
    return correlated_level_and_slope(priors, mean=national_level, shown=(levels, slopes))


def _national_totals(
    observations: CountObservations,
    priors: Mapping[str, Prior],
    level: pt.TensorVariable,
    slope: pt.TensorVariable | None,
    path: pt.TensorVariable,
) -> None:
    """England totals of years before the first LA figures; ``path`` is the printed one."""
    national = observations.national
    first = observations.la_years[0]
    share = first_year_shares(observations)
    log_rate = level if slope is None else level + slope * (first - slope_year(observations))
    log_mean_rate = pt.log(pt.sum(share * pt.exp(log_rate)))
    index = pd.Index(observations.years).get_indexer(national.index)
    totals_over_uncertain_exposure(
        "log_national_total",
        log_rate=log_mean_rate + path[index],
        sd=draw_from(priors["national_total_sd"]),
        log_exposure_lower=np.log(national["exposure_lower"].to_numpy()),
        log_exposure_upper=np.log(national["exposure_upper"].to_numpy()),
        observed=np.log((national["lower"] + national["upper"]).to_numpy() / 2),
        dims="national_year",
    )


def first_year_shares(observations: CountObservations) -> np.ndarray:
    """Each LA's share of the exposure in the first year of LA figures; (la,), sums to one."""
    exposure = observations.weights.sel(year=observations.la_years[0]).fillna(0).to_numpy()
    return exposure / exposure.sum()


# ---------------------------------------------------------------------------------- estimands


def scale(options: TrendOptions) -> tuple[int, str]:
    """The multiplier of a rate and its unit in words."""
    if options.exposure == "population_0_17":
        return 10_000, "per 10,000 children"
    return 100, f"per 100 {within_sentence(MEASURES[options.exposure].label)}"


def exposure(observations: CountObservations, options: TrendOptions) -> dict[str, object]:
    """The denominator in words, for `spec.json`."""
    multiplier, unit = scale(options)
    measure = MEASURES[observations.exposure]
    return {"name": measure.name, "label": measure.label, "per": multiplier, "unit": unit}


def declared_estimands(options: TrendOptions) -> tuple[Estimand, ...]:
    """Every quantity that this model answers with, whether or not the data can give it."""
    _, unit = scale(options)
    knot, growth = options.knot, "per cent a year"
    here = "expected rate, these authorities"
    return (
        Estimand(
            "national_rate",
            "National rate",
            unit,
            "exposure-weighted mean of authority rates under the latest definition",
            here,
            ("year",),
            headline=True,
        ),
        Estimand(
            "national_change",
            "Change of the national rate",
            "per cent",
            "national rate in year over that in year_from, less one",
            here,
            ("year", "year_from"),
        ),
        Estimand(
            "annual_growth",
            "Mean annual growth of the national rate",
            growth,
            "constant growth that leads from the first to the last year's national rate",
            here,
            headline=True,
        ),
        Estimand(
            "change_since_knot",
            f"Change of the national rate since {knot}",
            "per cent",
            f"national rate in the last year over that in {knot}, less one",
            here,
            headline=True,
        ),
        Estimand(
            "slope_change",
            f"Change of annual growth at {knot}",
            "percentage points a year",
            f"annual growth from {knot} to the last year less that from the first year to {knot}",
            here,
            headline=True,
        ),
        Estimand(
            "between_la_sd",
            "Spread between authorities",
            "sd of log rates",
            "standard deviation over authorities of their log rates",
            here,
            ("year",),
        ),
        Estimand(
            "la_ratio_90_10",
            "High against low authority",
            "rate ratio",
            "rate of an authority at the 90th over one at the 10th percentile, from the spread",
            here,
            ("year",),
            headline=True,
        ),
        Estimand(
            "la_rate",
            "Authority rate",
            unit,
            "rate of the authority under the latest definition, on its own path",
            here,
            ("la", "year"),
        ),
        Estimand(
            "la_growth",
            "Authority's mean annual growth",
            growth,
            "constant growth that leads from its first to its last rate",
            here,
            ("la",),
        ),
        Estimand(
            "la_rank",
            "Authority's rank in the last year",
            "rank, 1 is the highest rate",
            "position of its rate among all authorities",
            here,
            ("la",),
        ),
        Estimand(
            "la_p_top_fifth",
            "Probability of being in the highest fifth",
            "probability",
            "share of draws in which its rate in the last year is among the highest fifth",
            here,
            ("la",),
        ),
    )


def estimands(
    posterior: xr.Dataset,
    observations: CountObservations,
    options: TrendOptions,
    priors: Mapping[str, Prior],
) -> Answer:
    """Draws of every estimand, from the posterior alone."""
    multiplier, _ = scale(options)
    work = partial(_rates, observations=observations, multiplier=multiplier)
    rates = in_blocks(work, posterior)
    values, missing = _answers(rates["rate"], rates["national"], rates["spread"], options)
    sensitivity = _by_offset_sd(posterior, values, options, priors)
    return Answer(values, missing, sensitivity)


def _rates(
    posterior: xr.Dataset, observations: CountObservations, multiplier: float
) -> dict[str, xr.DataArray]:
    """Rates of LAs (chain, draw, la, year), and of the nation and their spread over LAs
    (chain, draw, year); ``multiplier`` times those of one unit of exposure.
    """
    la_years, trend = observations.la_years, posterior["trend"]
    log_rate = posterior["la_level"] + trend.sel(year=la_years)
    if "la_slope" in posterior:
        time = xr.DataArray(la_years, coords={"year": la_years}) - slope_year(observations)
        log_rate = log_rate + posterior["la_slope"] * time
    rate = multiplier * np.exp(log_rate).transpose("chain", "draw", "la", "year")
    # LA slopes are held at the first LA year: before it only the national path moves.
    first, earlier = la_years[0], [year for year in observations.years if year < la_years[0]]
    national = weighted_mean(rate, observations.weights)
    if earlier:
        path = np.exp(trend.sel(year=earlier) - trend.sel(year=first, drop=True))
        national = xr.concat([national.sel(year=first, drop=True) * path, national], "year")
    return {"rate": rate, "national": national, "spread": spread(rate)}


def true_estimands(
    cube: xr.DataTree, observations: CountObservations, options: TrendOptions
) -> dict[str, xr.DataArray]:
    """What a perfect fit to a simulated cube would say, from `/truth`, in the same coordinates."""
    truth = cube["truth"].to_dataset()
    per_child = options.exposure == "population_0_17"
    exposure = truth["population_true" if per_child else f"{options.exposure}_mu"]
    multiplier, _ = scale(options)
    rate = multiplier * truth[f"{options.outcome}_mu"] / exposure
    rate = rate.sel(la=list(observations.las.index), year=observations.la_years)
    national = weighted_mean(rate, observations.weights)
    earlier = [year for year in observations.years if year < observations.la_years[0]]
    if earlier:
        before = truth[f"{options.outcome}_national_rate"].rename(national_year="year")
        national = xr.concat([multiplier * before.sel(year=earlier), national], "year")
    return _answers(rate, national, spread(rate), options)[0]


def _answers(
    rate: xr.DataArray, national: xr.DataArray, between: xr.DataArray, options: TrendOptions
) -> tuple[dict[str, xr.DataArray], list[NotEstimable]]:
    """Estimands from LA rates (..., la, year), national ones, both in the unit that is reported,
    and the spread ``between`` LAs (..., year), drawn or true.
    """
    years, la_years = ([int(y) for y in array["year"]] for array in (national, rate))
    first, last = years[0], years[-1]
    rank = ranks(rate.isel(year=-1, drop=True))
    values = {
        "national_rate": national,
        "between_la_sd": between,
        "la_ratio_90_10": ratio_90_10(between),
        "la_rate": rate,
        "la_rank": rank,
        "la_p_top_fifth": share_in_top_fifth(rank),
    }
    pairs = [*pairwise(years), *([(first, last)] if len(years) > 2 else [])]
    values["national_change"] = percent_changes(national, pairs)
    values["annual_growth"] = annual_growth(national, first, last)
    values["la_growth"] = annual_growth(rate, la_years[0], la_years[-1])
    knot_values, knot_missing = _at_knot(national, years, options)
    return values | knot_values, knot_missing


def _at_knot(
    national: xr.DataArray, years: list[int], options: TrendOptions
) -> tuple[dict[str, xr.DataArray], list[NotEstimable]]:
    knot, first, last = options.knot, years[0], years[-1]
    values, missing = {}, []
    if knot in years and knot < last:
        values["change_since_knot"] = percent_change(national, knot, last)
    else:
        reason = f"no figure for {knot} and a later year; the series has {spans(years)}"
        missing.append(NotEstimable("change_since_knot", reason))
    if options.trend == "linear":
        missing.append(NotEstimable("slope_change", "a linear trend has one slope by definition"))
    elif knot in years and first < knot < last:
        after, before = annual_growth(national, knot, last), annual_growth(national, first, knot)
        values["slope_change"] = after - before
    else:
        reason = f"no figures for {knot} and for years on both sides; the series has {spans(years)}"
        missing.append(NotEstimable("slope_change", reason))
    return values, missing


def _by_offset_sd(
    posterior: xr.Dataset,
    values: Mapping[str, xr.DataArray],
    options: TrendOptions,
    priors: Mapping[str, Prior],
) -> list[dict[str, object]]:
    """Estimands around the knot, had the offset's prior sd been another; none without offsets."""
    prior = priors["regime_offset"]
    if "regime_offset" not in posterior or prior.distribution != "Normal" or prior.parameters["mu"]:
        return []
    rows: list[dict[str, object]] = []
    for estimand in declared_estimands(options):
        if (
            estimand.name not in ("change_since_knot", "slope_change")
            or estimand.name not in values
        ):
            continue
        for sd in OFFSET_SDS:
            mean, lower, upper = rescale_normal_prior(
                posterior["regime_offset"],
                values[estimand.name],
                prior_sd=prior.parameters["sigma"],
                new_sd=sd / 100,
            )
            rows.append(
                {
                    "estimand": estimand.name,
                    "label": estimand.label,
                    "unit": estimand.unit,
                    "offset_sd_percent": sd,
                    "mean": mean,
                    "lower": lower,
                    "upper": upper,
                }
            )
    return rows


def equations(options: TrendOptions) -> list[str]:
    """The model that these options choose, a line each."""
    lines = [
        "y[i,t] ~ NegativeBinomial(mu[i,t], dispersion = 1 / scatter_sd²);"
        " a suppressed or rounded count enters as the probability of its interval",
        "log mu[i,t] = log exposure[i,t] + la_level[i] + trend[t]"
        + (" + la_slope[i] (t - t0)" if options.la_effect == "level_and_slope" else "")
        + (" + regime_offset[t]" if options.regime_offsets == "prior" else ""),
    ]
    if options.la_effect == "level_and_slope":
        lines.append(
            "(la_level, la_slope)[i] ~ Normal((national_level, 0), la_level_sd, la_slope_sd,"
            " la_level_slope_correlation), slopes sum to zero"
        )
    else:
        lines.append("la_level[i] ~ Normal(national_level, la_level_sd)")
    lines.append(
        {
            "random_walk": "trend[t] - trend[t-1] ~ Normal(0, trend_step_sd)",
            "linear": "trend[t] = trend_slope t",
            "break": f"trend[t] = trend_slope t + break_level [t > {options.knot}]"
            f" + break_slope max(t - {options.knot}, 0)",
            "free": "trend[t] ~ Normal(0, free_year_sd), years sum to zero",
        }[options.trend]
    )
    if options.national_totals:
        lines.append(
            "before the first LA year: log total[t] ~ StudentT(4, log exposure of England[t]"
            " + log national_rate[t] + regime_offset[t], national_total_sd)"
        )
    return lines


def priors_used(options: TrendOptions, observations: CountObservations) -> tuple[str, ...]:
    """Names of the priors that these options and data call for, in reading order."""
    names = [_level_prior(options)]
    names += {
        "random_walk": ["trend_step_sd"],
        "linear": ["trend_slope"],
        "break": ["trend_slope", "break_level", "break_slope"],
        "free": ["free_year_sd"],
    }[options.trend]
    names.append("la_level_sd")
    if options.la_effect == "level_and_slope":
        names += ["la_slope_sd", "la_level_slope_correlation"]
    names.append("scatter_sd")
    if _earlier_regimes(observations, options):
        names.append("regime_offset")
    if len(observations.national):
        names.append("national_total_sd")
    return tuple(names)


def blocks(options: TrendOptions) -> tuple[Block, ...]:
    """Variables by the part of the model that they belong to; absent ones are passed over."""
    return (
        Block(
            "national path",
            (
                _level_prior(options),
                "trend_step",
                "trend_step_z",
                "trend_step_sd",
                "trend_slope",
                "break_level",
                "break_slope",
                "year_effect",
                "free_year_sd",
            ),
        ),
        Block(
            "local authorities",
            (
                "la_level_raw",
                "la_level_sd",
                "la_slope_raw",
                "la_slope_sd",
                "la_level_slope_correlation",
                "la_level_slope_correlation_raw",
            ),
        ),
        Block("scatter", ("scatter_sd",)),
        Block(
            "definitions and totals",
            ("regime_offset", "national_total_sd"),
        ),
    )


def notes(observations: CountObservations, options: TrendOptions) -> list[str]:
    """What a reader must know before the numbers."""
    years, la_years = observations.years, observations.la_years
    outcome = MEASURES[observations.outcome].label
    found = [f"{outcome}: authority figures for {spans(la_years)}."]
    if len(observations.national):
        found.append(
            f"England totals stand in for {spans([y for y in years if y < la_years[0]])}; "
            f"authority paths are not carried back before {la_years[0]}."
        )
    gaps = sorted(set(range(years[0], years[-1] + 1)) - set(years))
    if gaps:
        found.append(f"No figures for {spans(gaps)}: these years are left out, not filled.")
    for regime in _earlier_regimes(observations, options):
        found.append(
            f"Definition before the latest one: {regime}. Its offset is known from its prior only, "
            "so the change where it ends is shared out between offset and trend by their priors."
        )
    if names := without_figures(observations.las, observations.cells["la"], most=None):
        found.append(f"No usable figure for {names}: their rates come from the other authorities.")
    return found


def answer(summary: pd.DataFrame, observations: CountObservations, options: TrendOptions) -> str:
    """The question answered in one sentence, from `estimands.csv`."""
    _, unit = scale(options)
    outcome = MEASURES[observations.outcome].label
    rates = summary[summary["estimand"] == "national_rate"].sort_values("year")
    ratios = summary[summary["estimand"] == "la_ratio_90_10"].sort_values("year")
    first, last = (int(row["year"]) for _, row in rates.iloc[[0, -1]].iterrows())
    start, end, spread = (
        stated(rows.iloc[at]) for rows, at in ((rates, 0), (rates, -1), (ratios, -1))
    )
    return (
        f"{outcome} ran at {end[0]} {unit} in {last} (90% interval {end[1]}), against {start[0]} "
        f"({start[1]}) in {first}{_since_knot(summary, options, last)}; an authority at the 90th "
        f"percentile had {spread[0]} times the rate of one at the 10th ({spread[1]})."
    )


def _since_knot(summary: pd.DataFrame, options: TrendOptions, last: int) -> str:
    """The change since the knot, as a part of the answer; blank where there is none."""
    rows = summary[summary["estimand"] == "change_since_knot"].dropna(subset=["mean"])
    if rows.empty:
        return ""
    row, when = rows.iloc[0], f"from {options.knot} to {last}"
    if row["lower"] <= 0 <= row["upper"]:
        mean, interval = stated(row, is_signed=True)
        return f"; its change {when} is undecided, {mean} per cent ({interval})"
    if row["mean"] > 0:
        mean, interval = stated(row)
        return f"; {when} it rose by {mean} per cent ({interval})"
    fall = {**row, "mean": -row["mean"], "lower": -row["upper"], "upper": -row["lower"]}
    mean, interval = stated(fall)
    return f"; {when} it fell by {mean} per cent ({interval})"


SPEC = ModelSpec(
    name="national_trend",
    title="National trend with local authority effects",
    question="How has the national rate moved, and how do local authorities differ around it?",
    options=TrendOptions,
    priors=PRIORS,
    observe=observe,
    build=build,
    estimands=estimands,
    true_estimands=true_estimands,
    declared_estimands=declared_estimands,
    coords=coords,
    constant_data=constant_data,
    describe=describe_counts,
    exposure=exposure,
    equations=equations,
    answer=answer,
    assumptions=(
        "An authority departs from the national path by a constant and a straight line (logs).",
        "Scatter around it is independent between authorities and years, of one size for all.",
        "A missing return says nothing about the count that is missing.",
        "A change of definition multiplies every authority's rate alike.",
        "Before the first year of authority figures, authorities keep the places they then had.",
    ),
    cannot_say=(
        "Why a rate moved: nothing here separates need, policy, recording or events.",
        "Anything about single children: rates of areas are not risks of persons (ecological).",
        "How large a change was that came with a new definition, beyond the offset's prior.",
    ),
    blocks=blocks,
    priors_used=priors_used,
    hyperparameters=(
        "la_level_sd",
        "la_slope_sd",
        "la_level_slope_correlation",
        "scatter_sd",
        "trend_step_sd",
        "free_year_sd",
        "regime_offset",
        "national_total_sd",
    ),
    holdout="year",
    figures=("national_trend",),
    notes=notes,
)
