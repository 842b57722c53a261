"""The ``/truth`` group: every parameter and expected value behind a simulated cube."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from data_prep.indicators import MEASURES
from data_prep.schema import FRAMEWORKS
from data_prep.simulated.inspections import (
    PREDICTORS,
    Inspections,
    framework_effects,
    predictor_effects,
)
from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.places import Places
from data_prep.simulated.rates import Rate, funnel_correlation
from data_prep.simulated.shares import Share, Timeliness

REGIMES = tuple(
    dict.fromkeys(regime.name for measure in MEASURES.values() for regime in measure.regimes)
)
SHARE_NAMES = frozenset(name for name, measure in MEASURES.items() if measure.parent is not None)


@dataclass(frozen=True)
class Drawn:
    """Everything drawn, ready to be published. ``N`` all years, ``T`` years with LA figures.

    ``mu`` (la, N) and ``counts`` (la, T) hold every count measure, ``totals`` (N) England's
    totals before rounding, ``england`` (N) England's children.
    """

    places: Places
    years: np.ndarray
    la_years: np.ndarray
    population: np.ndarray
    england: np.ndarray
    deprivation: np.ndarray
    rates: dict[str, Rate]
    shares: dict[str, Share]
    timeliness: Timeliness
    agency_share: np.ndarray
    predictors: np.ndarray
    inspections: Inspections
    event_time: np.ndarray
    mu: dict[str, np.ndarray]
    counts: dict[str, np.ndarray]
    national_share: dict[str, np.ndarray]
    totals: dict[str, np.ndarray]


def by_regime(name: str, earlier: float) -> np.ndarray:
    """Values (regime) of a measure: ``earlier`` under its earlier definition and the neutral value
    under its current one, NaN under definitions of other measures.
    """
    values = np.full(len(REGIMES), np.nan)
    for regime in MEASURES[name].regimes:
        values[REGIMES.index(regime.name)] = earlier
    if MEASURES[name].regimes:
        neutral = 1.0 if name not in SHARE_NAMES else 0.0
        values[REGIMES.index(MEASURES[name].regimes[-1].name)] = neutral
    return values


def _rate_variables(name: str, rate: Rate, regime_scale: float) -> dict[str, tuple]:
    earlier = (rate.process.regime / 100) ** regime_scale
    variables: dict[str, tuple] = {
        "trend": (
            "national_year",
            rate.trend,
            "log rate per child",
            "log rate of an LA whose level and slope are zero, current definition",
        ),
        "national_rate": (
            "national_year",
            rate.national_rate,
            "per child",
            "mean rate of LAs weighted by children, current definition; years without LA figures"
            " use children and slopes of the first LA year",
        ),
        "level": ("la", rate.level, "log rate", "LA level in the slope year"),
        "slope": ("la", rate.slope, "log rate per year", "LA slope"),
        "level_sd": ((), rate.level_sd, "log rate", "SD of LA levels, deprivation included"),
        "slope_sd": ((), rate.slope_sd, "log rate per year", "SD of LA slopes"),
        "level_slope_correlation": (
            (),
            rate.level_slope_correlation,
            "1",
            "correlation of LA level and slope",
        ),
        "dispersion": ((), rate.dispersion, "1", "alpha: variance is mu + mu^2 / alpha"),
        "break_level": ((), rate.break_level, "log rate", "jump of the trend after the knot year"),
        "break_slope": (
            (),
            rate.break_slope,
            "log rate per year",
            "change of the trend's slope after the knot year",
        ),
        "deprivation_slope": (
            (),
            rate.deprivation_slope,
            "log rate per SD",
            "effect of the driving deprivation score on the level",
        ),
        "aftermath": (
            ("la", "year"),
            rate.aftermath,
            "log rate",
            "change after an inadequate judgement, part of the expected value",
        ),
    }
    if MEASURES[name].regimes:
        variables["regime_multiplier"] = (
            "regime",
            by_regime(name, earlier),
            "1",
            "what a definition counts over what the current one counts",
        )
    return variables


def _share_variables(name: str, share: Share, drawn: Drawn, regime_scale: float) -> dict:
    window = slice(-drawn.la_years.size, None)
    variables: dict[str, tuple] = {
        "share": (
            ("la", "year"),
            share.expected[:, window],
            "1",
            f"expected share of {share.of}, current definition",
        ),
        "share_trend": (
            "national_year",
            share.trend,
            "log odds",
            "log odds of an LA whose level is zero, current definition",
        ),
        "share_level": ("la", share.level, "log odds", "LA level of the share"),
        "share_level_sd": ((), share.level_sd, "log odds", "SD of LA levels of the share"),
        "share_precision": ((), share.precision, "1", "precision of the beta-binomial"),
        "share_deprivation_slope": (
            (),
            share.deprivation_slope,
            "log odds per SD",
            "effect of the driving deprivation score on the share",
        ),
        "national_share": (
            "national_year",
            drawn.national_share[name],
            "1",
            f"England's expected share of {share.of}, current definition",
        ),
    }
    if MEASURES[name].regimes:
        variables["regime_log_odds"] = (
            "regime",
            by_regime(name, share.process.regime * regime_scale),
            "log odds",
            "change of log odds under a definition, against the current one",
        )
    return variables


def _common_variables(options: SimulationOptions, drawn: Drawn) -> dict[str, tuple]:
    timeliness, inspections = drawn.timeliness, drawn.inspections
    processes = {name: rate.process for name, rate in drawn.rates.items()}
    measures = ("measure", "other_measure")
    return {
        "population_true": (("la", "year"), drawn.population, "children", "true children"),
        "england_population_true": (
            "national_year",
            drawn.england,
            "children",
            "true children of England",
        ),
        "x_km": ("la", drawn.places.x_km, "km", "centre of the LA, eastwards"),
        "y_km": ("la", drawn.places.y_km, "km", "centre of the LA, northwards"),
        "deprivation_z": (
            "la",
            drawn.deprivation,
            "SD",
            "driving deprivation score: IMD 2010, mean 0 and SD 1 over LAs",
        ),
        "level_correlation": (
            measures,
            funnel_correlation(processes, options.level_correlation_length),
            "1",
            "correlation of LA levels beyond deprivation, and of slopes",
        ),
        "scatter_correlation": (
            measures,
            funnel_correlation(processes, options.scatter_correlation_length),
            "1",
            "correlation of one LA-year's scatter, on the normal scale",
        ),
        "spatial_share": (
            (),
            options.spatial_share,
            "1",
            "part of the variance of levels beyond deprivation that is smooth in space",
        ),
        "timeliness": (
            ("la", "year"),
            timeliness.latent,
            "10 percentage points",
            "share of assessments on time behind the counts",
        ),
        "timeliness_between": (
            "la",
            timeliness.between,
            "10 percentage points",
            "LA mean of timeliness less the mean of LAs",
        ),
        "timeliness_within": (
            ("la", "year"),
            timeliness.within,
            "10 percentage points",
            "timeliness less its LA mean",
        ),
        "timeliness_between_effect": (
            (),
            options.timeliness_between,
            "log odds per 10 points",
            "effect of LA mean timeliness on re-referral",
        ),
        "timeliness_within_effect": (
            (),
            options.timeliness_within,
            "log odds per 10 points",
            "mean effect of timeliness within LAs on re-referral",
        ),
        "timeliness_within_effect_sd": (
            (),
            options.timeliness_within_sd,
            "log odds per 10 points",
            "SD between LAs of the effect within",
        ),
        "timeliness_within_effect_la": (
            "la",
            timeliness.slope,
            "log odds per 10 points",
            "effect of timeliness within each LA",
        ),
        "agency_share": (("la", "year"), drawn.agency_share, "1", "share of agency workers"),
        "inadequate_effect": (
            "predictor",
            predictor_effects(options),
            "log odds per SD",
            "effect on an inadequate judgement of the predictor the year before",
        ),
        "inadequate_predictor": (
            ("predictor", "la", "year"),
            drawn.predictors,
            "SD",
            "predictors, mean 0 and SD 1 over LA-years",
        ),
        "inadequate_framework_effect": (
            "framework",
            framework_effects(),
            "log odds",
            "effect of the framework on an inadequate judgement",
        ),
        "inadequate_log_odds": (
            "inspection",
            inspections.log_odds,
            "log odds",
            "log odds of an inadequate judgement at this inspection",
        ),
        "predictor_year": (
            "inspection",
            inspections.predictor_year,
            "1",
            "year whose indicators the inspection reads",
        ),
        "event_time": (
            ("la", "year"),
            drawn.event_time,
            "years",
            "years since the latest inadequate judgement was published; -99 before any",
        ),
        "aftermath_effect": (
            "event_time_after",
            np.log1p(np.array(options.aftermath_percent) / 100),
            "log rate",
            "change of enquiries, conferences and plans started, by year after publication",
        ),
    }


def build_truth(options: SimulationOptions, drawn: Drawn) -> xr.Dataset:
    """Put names, units and coordinates to what was drawn. Along ``year`` stand years with LA
    figures, along ``national_year`` all years.
    """
    window = slice(-drawn.la_years.size, None)
    variables = _common_variables(options, drawn)
    parts: list[tuple[str, dict[str, tuple]]] = [
        (name, _rate_variables(name, rate, options.regime_scale))
        for name, rate in drawn.rates.items()
    ]
    parts += [
        (name, _share_variables(name, share, drawn, options.regime_scale))
        for name, share in drawn.shares.items()
    ]
    for name, own in parts:
        units = MEASURES[name].units
        own["mu"] = (
            ("la", "year"),
            drawn.mu[name][:, window],
            units,
            "expected value under the current definition, had every LA counted it",
        )
        own["count"] = (
            ("la", "year"),
            drawn.counts[name],
            units,
            "what happened, before publication; NaN where there was nothing to count",
        )
        own["national_count"] = (
            "national_year",
            drawn.totals[name],
            units,
            "England's total before rounding, with estimates for LAs without a figure",
        )
        variables |= {f"{name}_{suffix}": variable for suffix, variable in own.items()}
    dataset = xr.Dataset(
        {
            name: xr.DataArray(
                np.asarray(values, float if np.asarray(values).dtype.kind == "f" else "int64"),
                dims=dims,
                attrs={"long_name": long_name, "units": units},
            )
            for name, (dims, values, units, long_name) in variables.items()
        },
        coords={
            "la": drawn.places.code,
            "year": drawn.la_years,
            "national_year": drawn.years,
            "regime": np.array(REGIMES),
            "measure": np.array(list(drawn.rates)),
            "other_measure": np.array(list(drawn.rates)),
            "predictor": np.array(PREDICTORS),
            "framework": np.array(FRAMEWORKS),
            "event_time_after": np.arange(len(options.aftermath_percent)),
        },
    )
    dataset.attrs = {
        "knot_year": options.knot_year,
        "slope_year": options.slope_year,
        "first_la_year": options.first_year,
        "seed": options.seed,
        "options": options.model_dump_json(),
    }
    return dataset
