"""Does timelier work go with fewer re-referrals, within and between local authorities.

For local authority (LA) i in year t, with y re-referrals among n referrals and timeliness x, the
share of work done on time, in steps of ten percentage points:

    y[i,t] ~ BetaBinomial(n[i,t], share[i,t], dispersion)
    log odds share[i,t] = la_level[i] + year_effect[t] + within_effect[i] departure[i,t] + ...
    la_level[i] ~ Normal(level + between_effect (la_timeliness[i] - centre)
                         + deprivation_effect deprivation[i] + ..., la_level_sd)
    x[i,t] = la_timeliness[i] + timeliness_year[t] + departure[i,t]
    la_timeliness[i] ~ Normal(timeliness_level, timeliness_la_sd)
    departure[i,t] ~ Normal(0, timeliness_within_sd)

An LA's mean timeliness is latent: the mean of a few years is a poor measure of it, and taking it as
exact would draw the effect between LAs towards zero and some of it into the effect within. Years
are free in both equations, so that neither effect feeds on what all LAs did together, a change of
definition included. Published timeliness may err: its error's size by confidence flag is an
assumption of the config.

Assumes that the effect is linear in log odds, that departures act alike in every year, and that
nothing else moves timeliness and re-referral of one LA together from year to year. Cannot say what
timeliness does for single children, nor whether timely work is good work.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pydantic import Field

from data_prep.errors import DataError, Fault
from data_prep.indicators import within_sentence
from data_prep.observations import describe_counts
from models.around_data import drawn_around_data
from models.effects import authority_scatter, scatter_spread_prior
from models.likelihoods import dispersion_of
from models.priors import Prior, draw_from
from models.rates import spans
from models.replaceable import is_replaceable, observed_values, publishes
from models.share_likelihoods import beta_binomial_counts
from models.spec import Answer, Block, Estimand, ModelSpec, Options
from models.timeliness_data import (
    COVARIATES,
    ERROR_BY_CONFIDENCE,
    TimelinessObservations,
    acting,
    clear_of_means,
    definition_text,
    exposure_label,
    observe_timeliness,
)
from models.timeliness_shown import shown_shares, shown_timeliness
from models.wording import stated, stated_probability, without_figures

# "No practical effect" is said only from this probability on.
CERTAIN = 0.9
# Exposures that drive re-referral in simulated England, and those that have nothing to do with it.
_DRIVES = {"initial_10_days": (None, 2014), "single_45_days": (2015, None)}
_UNRELATED = ("core_35_days", "conferences_15_days", "reviews_on_time")


class TimelinessOptions(Options):
    """What can be varied without touching the model."""

    exposure: Literal[
        "initial_10_days",
        "initial_7_days",
        "core_35_days",
        "single_45_days",
        "conferences_15_days",
        "reviews_on_time",
        "assessments_in_force",
    ] = "initial_10_days"
    """the work whose timeliness counts; the last follows the standard in force in each year"""
    timing: Literal["same_year", "year_before", "mean_of_both"] = "same_year"
    """year of timeliness that acts: a re-referral looks back 12 months, into the year before"""
    la_means: Literal["latent", "observed"] = "latent"
    """whether an authority's mean timeliness is estimated, or its observed mean taken as exact"""
    definition_change: Literal["national_shift", "own_mean"] = "national_shift"
    """a change of standard moves all authorities alike, or gives each a new mean to depart from"""
    within_slope: Literal["varying", "common"] = "varying"
    """whether the effect within differs between authorities"""
    la_effect: Literal["independent", "in_regions"] = "independent"
    """levels of authorities around one national level, or around that of their region"""
    error_points: float = Field(0.0, ge=0, le=20)
    """assumed error sd of a figure of medium confidence, percentage points; high half, low twice"""
    deprivation: Literal["imd", "idaci", "none"] = "imd"
    """deprivation as a common cause, by index of multiple deprivation or income of children"""
    referral_rate: Literal["left_out", "common_cause"] = "left_out"
    """left out: timeliness may move it; common cause: demand slows work and brings returns"""
    nfa_share: Literal["left_out", "common_cause"] = "left_out"
    """left out: screening may be a way to be timely; common cause: a threshold set apart from it"""
    scatter: Literal["common", "by_authority", "none"] = "common"
    """scatter around the model: one for all, one for each authority, or none (plain binomial, for
    comparison alone)"""
    margin: float = Field(1.0, gt=0, le=20)
    """smallest change of re-referral per +10 points that matters in practice, percentage points"""


PRIORS = {
    prior.name: prior
    for prior in (
        Prior(
            "level",
            "Normal",
            {"mu": -1.2, "sigma": 0.5},
            "an average authority has between 10 and 45 % re-referrals (95 %)",
            "published England: 21 to 25 % since 2012",
        ),
        Prior(
            "within_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.1},
            "+10 points on time change a 23 % share by -3.3 to +3.7 points (95 %)",
            "either sign; ten points is the step from a middling to a good year, and no policy on "
            "record moved re-referral further in a year",
        ),
        Prior(
            "within_effect_sd",
            "HalfNormal",
            {"sigma": 0.05},
            "authorities' effects scatter by up to 1.8 points around the mean effect (95 %)",
            "an effect that differs by more than its own prior would be no common effect",
        ),
        Prior(
            "between_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.15},
            "authorities 10 points apart differ by -4.7 to +5.6 points (95 %)",
            "wider than within: lasting differences carry other lasting differences with them",
        ),
        Prior(
            "deprivation_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.2},
            "one sd of deprivation changes a 23 % share by -6 to +8 points (95 %)",
            "either sign; wider than gradients seen in other shares",
        ),
        Prior(
            "covariate_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.2},
            "one sd of a covariate changes a 23 % share by -6 to +8 points (95 %)",
            "the same room as deprivation, within and between authorities apart",
        ),
        Prior(
            "la_level_sd",
            "HalfNormal",
            {"sigma": 0.5},
            "an authority one sd up has up to 45 % where the average has 23 % (95 %)",
            "published shares run from under 10 to over 40 %",
        ),
        Prior(
            "region_sd",
            "HalfNormal",
            {"sigma": 0.2},
            "a region one sd up has up to 31 % where the average has 23 % (95 %)",
            "authorities in regions only; nine regions differ less than authorities do",
        ),
        Prior(
            "year_effect",
            "ZeroSumNormal",
            {"sigma": 0.2},
            "a year's share lies up to 8 points from the mean of 23 % (95 %)",
            "each year free, changes of definition among them; no scale is learnt from few years",
        ),
        Prior(
            "scatter_sd",
            "HalfNormal",
            {"sigma": 0.2},
            "a share of 23 % scatters by up to 16 points from year to year (95 %)",
            "published shares scatter by 3 to 6 points within authorities",
        ),
        Prior(
            "timeliness_level",
            "Normal",
            {"mu": 7.5, "sigma": 1.5},
            "the average authority is on time in 45 to 100 % of cases",
            "published England: 64 to 97 % over the standards here",
        ),
        Prior(
            "timeliness_la_sd",
            "HalfNormal",
            {"sigma": 1.5},
            "authorities' means differ by an sd of up to 29 points (95 %)",
            "published: 4 to 12 points",
        ),
        Prior(
            "timeliness_within_sd",
            "HalfNormal",
            {"sigma": 1.5},
            "an authority's years scatter by an sd of up to 29 points (95 %)",
            "published: 4 to 13 points",
        ),
        Prior(
            "timeliness_year",
            "ZeroSumNormal",
            {"sigma": 1.0},
            "a year's national timeliness lies up to 20 points from the mean of years (95 %)",
            "a change of standard moves it by 9 to 13 points",
        ),
        Prior(
            "definition_sd",
            "HalfNormal",
            {"sigma": 0.7},
            "authorities' means move apart by up to 14 points at a change of standard (95 %)",
            "own means only; the change from 7 to 10 days moved England by 9 to 13 points",
        ),
        scatter_spread_prior(),
    )
}


def observe(
    cube: xr.DataTree,
    options: TimelinessOptions,
    *,
    years: tuple[int, int] | None = None,
    exclude: tuple[str, ...] = (),
) -> TimelinessObservations:
    """The cells that ``options`` select; DataError with every reason why they cannot be fitted."""
    observations = observe_timeliness(cube, options, years=years, exclude=exclude)
    if faults := _impossible(observations, options):
        raise DataError(faults)
    return observations


def _impossible(observations: TimelinessObservations, options: TimelinessOptions) -> list[Fault]:
    """Why these options cannot be fitted to these data, all at once."""
    faults = []

    def refuse(option: str, problem: str, remedy: str) -> None:
        value = str(getattr(options, option))
        faults.append(Fault(problem, remedy, column=f"options.{option}", value=value))

    timely = observations.timely
    repeated = observations.cells.groupby("la").size() > 1
    seen = observations.cells["la"].nunique()
    if seen < 3:
        refuse(
            "exposure",
            f"{seen} authorities with figures cannot show how they differ",
            "use at least 3",
        )
    if len(observations.la_years) < 2 or not repeated.any():
        refuse(
            "timing",
            f"figures for {spans(observations.la_years)} alone: no authority has two years, so "
            "effects within and between authorities cannot be told apart",
            "use at least 2 years",
        )
    elif _departures(observations).abs().max() < 1e-9:
        refuse(
            "exposure",
            "no authority's timeliness moves otherwise than the nation's: nothing can be learnt",
            "choose another exposure or more years",
        )
    if options.la_means == "observed" and (timely["error"] > 0).any():
        refuse(
            "la_means",
            f"{int((timely['error'] > 0).sum())} timeliness figures carry an error (suppressed, or "
            "options.error_points), which observed means would take as exact",
            "set options.la_means=latent, or options.error_points=0 and leave out authorities "
            "with suppressed figures",
        )
    if options.definition_change == "own_mean" and len(observations.definitions) < 2:
        refuse(
            "definition_change",
            f"one standard alone holds: {definition_text(observations.definitions)}",
            "set options.definition_change=national_shift",
        )
    if options.definition_change == "own_mean" and options.la_means == "observed":
        refuse(
            "definition_change",
            "observed means are one for each authority",
            "set options.la_means=latent",
        )
    return faults


def _departures(observations: TimelinessObservations) -> pd.Series:
    """Observed timeliness less the mean of its LA and of its year."""
    timely = observations.timely
    return clear_of_means(timely["steps"], timely["la"], timely["year"])


def timely_years(observations: TimelinessObservations) -> list[int]:
    """Years with timeliness, the year before the first outcome among them where it acts."""
    return sorted({int(year) for year in observations.timely["year"]})


def centre(observations: TimelinessObservations) -> float:
    """Mean observed timeliness, from which differences between LAs are reckoned."""
    return float(observations.timely["steps"].mean())


def coords(observations: TimelinessObservations, options: TimelinessOptions) -> dict[str, list]:
    """Coordinates of the model: plain str and int."""
    found: dict[str, list] = {
        "la": list(observations.las.index),
        "year": observations.la_years,
        "obs": list(range(len(observations.cells))),
    }
    if options.la_effect == "in_regions":
        found["region"] = sorted(set(observations.las["region"]))
    if len(observations.covariates.columns):
        found["covariate"] = [
            f"{name} {part}" for name in observations.covariates for part in ("between", "within")
        ]
    if options.la_means == "latent":
        found["timely_year"] = timely_years(observations)
        found["timely_obs"] = list(range(len(observations.timely)))
        if uncertain := np.flatnonzero(observations.timely["error"] > 0).tolist():
            found["uncertain_obs"] = uncertain
        if options.definition_change == "own_mean":
            found["definition"] = [regime.name for regime in observations.definitions]
    return found


def build(
    observations: TimelinessObservations,
    options: TimelinessOptions,
    priors: Mapping[str, Prior],
) -> pm.Model:
    """The PyMC model of the module docstring."""
    cells = observations.cells
    la = observations.las.index.get_indexer(cells["la"])
    year = pd.Index(observations.la_years).get_indexer(cells["year"])
    with pm.Model(coords=coords(observations, options)) as model:
        # timeliness
        if options.la_means == "latent":
            la_mean, departure = _latent_timeliness(observations, options, priors)
        else:
            la_mean, departure = _observed_timeliness(observations)
        # national
        level = draw_from(priors["level"])
        year_effect = draw_from(priors["year_effect"], dims="year")
        # local authorities
        mean = level + draw_from(priors["between_effect"]) * (la_mean - centre(observations))
        if observations.deprivation is not None:
            mean += draw_from(priors["deprivation_effect"]) * observations.deprivation.to_numpy()
        by_la, by_cell = _covariates(observations, priors)
        mean += by_la
        if options.la_effect == "in_regions":
            regions = pd.Index(model.coords["region"])
            region = pm.ZeroSumNormal(
                "region_effect", draw_from(priors["region_sd"]), dims="region"
            )
            mean += region[regions.get_indexer(observations.las["region"])]
        scatter = _scatter(options, priors)
        shown_level, shown_slope = shown_shares(observations, scatter)
        level_sd = draw_from(priors["la_level_sd"], may_vanish=True)
        la_level = drawn_around_data("la_level", mean, level_sd, shown_level)
        # predictors
        effect = draw_from(priors["within_effect"])
        if options.within_slope == "varying":
            sd = draw_from(priors["within_effect_sd"], may_vanish=True)
            effect = drawn_around_data("la_within_effect", effect, sd, shown_slope)[la]
        moved = acting(observations, departure)
        # likelihood
        beta_binomial_counts(
            "y",
            log_odds=la_level[la] + year_effect[year] + effect * moved + by_cell,
            dispersion=dispersion_of(scatter)[la] if scatter.ndim else dispersion_of(scatter),
            total=cells["exposure"].to_numpy(),
            lower=cells["lower"].to_numpy(),
            upper=cells["upper"].to_numpy(),
            dims="obs",
        )
    return model


def _scatter(options: TimelinessOptions, priors: Mapping[str, Prior]) -> pt.TensorVariable:
    """Scatter around the model, one for all or (la,) where each authority has its own."""
    if options.scatter == "none":
        return pt.as_tensor(0.0)
    common = draw_from(priors["scatter_sd"])
    if options.scatter == "common":
        return common
    return authority_scatter(priors, common, dims="la")


def _latent_timeliness(
    observations: TimelinessObservations,
    options: TimelinessOptions,
    priors: Mapping[str, Prior],
) -> tuple[pt.TensorVariable, pt.TensorVariable]:
    """Mean timeliness of each LA (la,) and departure of each figure from it (timely_obs,).

    The true departure of a figure with an error is drawn given the figure: shrunk, with a standard
    score for what is left. The density is the same as that of a true value with an error around it.
    """
    timely = observations.timely
    la = observations.las.index.get_indexer(timely["la"])
    year = pd.Index(timely_years(observations)).get_indexer(timely["year"])
    level, within_sd = (draw_from(priors[f"timeliness_{name}"]) for name in ("level", "within_sd"))
    sd = draw_from(priors["timeliness_la_sd"], may_vanish=True)
    shown = shown_timeliness(observations, within_sd)
    la_mean = drawn_around_data("la_timeliness", level, sd, shown)
    path = draw_from(priors["timeliness_year"], dims="timely_year")
    expected = la_mean[la]
    if options.definition_change == "own_mean":
        spread = draw_from(priors["definition_sd"])
        shift = pm.ZeroSumNormal("definition_shift", spread, dims=("la", "definition"))
        expected = expected + shift[la, timely["definition"].to_numpy()]
    expected = expected + path[year]
    steps, error = timely["steps"].to_numpy(), timely["error"].to_numpy()
    variance = within_sd**2 + error**2
    data = "timeliness_data"
    publishes("timeliness", "timeliness is printed as it is", lambda values: {data: values})
    figure = pm.Normal(
        "timeliness",
        expected,
        pt.sqrt(variance),
        observed=observed_values(data, steps),
        dims="timely_obs",
    )
    # Where worlds are drawn, re-referral follows the timeliness that is drawn with it; a check of
    # one fit draws it given the timeliness that was seen.
    departure = (figure if is_replaceable() else steps) - expected
    uncertain = np.flatnonzero(error > 0)
    if len(uncertain):
        kept = within_sd**2 / variance[uncertain]
        score = pm.Normal("timeliness_error_z", 0, 1, dims="uncertain_obs")
        drawn = kept * departure[uncertain] + pt.sqrt(kept) * error[uncertain] * score
        departure = pt.set_subtensor(departure[uncertain], drawn)
    return la_mean, departure


def _observed_timeliness(
    observations: TimelinessObservations,
) -> tuple[np.ndarray, pt.TensorVariable]:
    """Observed means of LAs (la,), years taken out, and departures from them (timely_obs,)."""
    timely = observations.timely
    rest = _departures(observations)
    own = (timely["steps"] - rest).groupby(timely["year"]).transform("mean")
    mean = (timely["steps"] - own).groupby(timely["la"]).mean() + timely["steps"].mean()
    # An authority without a figure stands at the centre; it has no cell either.
    by_la = mean.reindex(observations.las.index).fillna(centre(observations))
    return by_la.to_numpy(), pt.as_tensor(rest.to_numpy())


def _covariates(
    observations: TimelinessObservations, priors: Mapping[str, Prior]
) -> tuple[object, object]:
    """What covariates add to each LA's level (la,) and to each cell (obs,)."""
    covariates = observations.covariates
    if not len(covariates.columns):
        return 0.0, 0.0
    effect = draw_from(priors["covariate_effect"], dims="covariate")
    las = observations.cells["la"]
    means = covariates.groupby(las).mean().reindex(observations.las.index).fillna(0.0)
    rest = covariates - covariates.groupby(las).transform("mean")
    by_la = sum(effect[2 * k] * means[name].to_numpy() for k, name in enumerate(covariates))
    by_cell = sum(effect[2 * k + 1] * rest[name].to_numpy() for k, name in enumerate(covariates))
    return by_la, by_cell


def constant_data(observations: TimelinessObservations) -> xr.Dataset:
    """Index vectors, bounds, exposure, status and the timeliness that acts, along `obs`."""
    cells = observations.cells
    steps = observations.timely["steps"].to_numpy()
    return xr.Dataset(
        {
            "la": ("obs", observations.las.index.get_indexer(cells["la"])),
            "year": ("obs", pd.Index(observations.la_years).get_indexer(cells["year"])),
            "y_lower": ("obs", cells["lower"].to_numpy()),
            "y_upper": ("obs", cells["upper"].to_numpy()),
            "exposure": ("obs", cells["exposure"].to_numpy()),
            "status": ("obs", cells["status"].to_numpy()),
            "percent_on_time": ("obs", 10 * acting(observations, steps)),
        },
        coords={"obs": range(len(cells))},
    )


# ---------------------------------------------------------------------------------- estimands


def exposure(observations: TimelinessObservations, options: TimelinessOptions) -> dict[str, object]:
    """The denominator in words, for `spec.json`."""
    return {"name": "referrals", "label": "Referrals", "per": 100, "unit": "per 100 referrals"}


def declared_estimands(options: TimelinessOptions) -> tuple[Estimand, ...]:
    """Every quantity that this model answers with, whether or not the data can give it."""
    work = within_sentence(exposure_label(options.exposure))
    unit = "percentage points per +10 points on time"
    here = "expected share, these authorities"
    margin = f"{options.margin:g}"
    found = [
        Estimand(
            "within_change",
            "Change of re-referral within authorities",
            unit,
            f"referral-weighted mean change of an authority's share of re-referrals when {work} "
            "rise by ten points above its own mean, other authorities' unchanged",
            here,
            headline=True,
        ),
        Estimand(
            "between_change",
            "Difference of re-referral between authorities",
            unit,
            f"referral-weighted mean difference of the share between authorities whose mean of "
            f"{work} lies ten points apart, all else in the model alike",
            here,
            headline=True,
        ),
        *(
            Estimand(
                f"p_{part}_below_margin",
                f"Probability that the effect {part} is below the margin",
                "probability",
                f"share of draws in which it lies between -{margin} and +{margin} points",
                here,
                headline=True,
            )
            for part in ("within", "between")
        ),
        *(
            Estimand(
                f"p_{part}_fewer",
                f"Probability of fewer re-referrals with timelier work, {part}",
                "probability",
                "share of draws in which the effect is below zero",
                here,
            )
            for part in ("within", "between")
        ),
        Estimand(
            "national_share",
            "National share of re-referrals",
            "per 100 referrals",
            "referral-weighted mean of authority shares, each at its own mean timeliness",
            here,
            ("year",),
        ),
    ]
    if options.within_slope == "varying":
        found.append(
            Estimand(
                "la_within_change",
                "Authority's change of re-referral",
                unit,
                "change of its share when its timeliness rises by ten points above its own mean",
                here,
                ("la",),
            )
        )
    if options.la_means == "latent":
        found.append(
            Estimand(
                "mean_reliability",
                "Reliability of an observed mean of timeliness",
                "share of variance",
                "variance between authorities over that of means observed over these years",
                "a population of authorities",
            )
        )
    if options.deprivation != "none":
        found.append(
            Estimand(
                "deprivation_change",
                "Difference of re-referral by deprivation",
                "percentage points per sd",
                "difference of the share per standard deviation of deprivation, timeliness alike",
                here,
            )
        )
    return tuple(found)


def estimands(
    posterior: xr.Dataset,
    observations: TimelinessObservations,
    options: TimelinessOptions,
    priors: Mapping[str, Prior],
) -> Answer:
    """Draws of every estimand, from the posterior alone."""
    within = posterior["within_effect"]
    if options.within_slope == "varying":
        within = posterior["la_within_effect"]
    effects = {"within": within, "between": posterior["between_effect"]}
    if observations.deprivation is not None:
        effects["deprivation"] = posterior["deprivation_effect"]
    values = _answers(
        posterior["la_level"], posterior["year_effect"], effects, observations, options
    )
    if options.la_means == "latent":
        values["mean_reliability"] = _reliability(
            posterior["timeliness_la_sd"] ** 2,
            posterior["timeliness_within_sd"] ** 2,
            observations,
        )
    return Answer(values)


def true_estimands(
    cube: xr.DataTree, observations: TimelinessObservations, options: TimelinessOptions
) -> dict[str, xr.DataArray]:
    """What a perfect fit to a simulated cube would say, from `/truth`, in the same coordinates.

    Raises
    ------
    DataError
        For an exposure that is neither what drives re-referral in these years nor unrelated to it,
        or another timing: what a perfect fit would say of it is not written in the truth.
    """
    truth = cube["truth"].to_dataset().sel(la=list(observations.las.index))
    years = observations.la_years
    first, last = _DRIVES.get(options.exposure, (9999, None))
    drives = years[0] >= (first or years[0]) and years[-1] <= (last or years[-1])
    drives = drives and options.timing == "same_year"
    if not drives and options.exposure not in _UNRELATED:
        raise DataError(
            [
                Fault(
                    column="options.exposure",
                    value=f"{options.exposure}, {options.timing}, {spans(years)}",
                    problem="the truth of simulated England does not say what this would give",
                    remedy="recover initial_10_days to 2014 or single_45_days from 2015, same year",
                )
            ]
        )
    trend = truth["rereferrals_share_trend"].sel(national_year=years).rename(national_year="year")
    between = truth["timeliness_between_effect"] * drives
    level = truth["rereferrals_share_level"] + trend.mean()
    level = level + truth["timeliness_between_effect"] * truth["timeliness_between"]
    within = truth["timeliness_within_effect_la"] * drives
    effects = {
        "within": within if options.within_slope == "varying" else within.mean(),
        "between": between,
        "deprivation": truth["rereferrals_share_deprivation_slope"],
    }
    if observations.deprivation is None:
        del effects["deprivation"]
    values = _answers(level, trend - trend.mean(), effects, observations, options)
    if options.la_means == "latent" and drives:
        moves = truth["timeliness_within"].sel(year=years)
        moves = moves - moves.mean("la")
        values["mean_reliability"] = _reliability(
            truth["timeliness_between"].var(ddof=1), moves.var(ddof=1), observations
        )
    elif options.la_means == "latent":
        values["mean_reliability"] = xr.DataArray(np.nan)
    return values


def _reliability(
    between: xr.DataArray, within: xr.DataArray, observations: TimelinessObservations
) -> xr.DataArray:
    return between / (between + within / len(timely_years(observations)))


def _answers(
    level: xr.DataArray,
    year_effect: xr.DataArray,
    effects: Mapping[str, xr.DataArray],
    observations: TimelinessObservations,
    options: TimelinessOptions,
) -> dict[str, xr.DataArray]:
    """Estimands from log odds of LAs (..., la), of years and effects, drawn or true."""
    known = observations.weights.fillna(0)
    weights = known.sum("year") / known.sum()
    sampled = [dim for dim in ("chain", "draw") if dim in level.dims]

    def change(effect: xr.DataArray) -> xr.DataArray:
        return 100 * (_share(level + effect) - _share(level))

    by_la = change(effects["within"])
    values = {
        "within_change": (by_la * weights).sum("la"),
        "between_change": (change(effects["between"]) * weights).sum("la"),
    }
    if "deprivation" in effects:
        values["deprivation_change"] = (change(effects["deprivation"]) * weights).sum("la")
    if options.within_slope == "varying":
        values["la_within_change"] = by_la.transpose(*sampled, "la")
    for part in ("within", "between"):
        effect = values[f"{part}_change"]
        values[f"p_{part}_below_margin"] = (abs(effect) < options.margin).mean(sampled)
        values[f"p_{part}_fewer"] = (effect < 0).mean(sampled)
    shares = [
        100
        * (_share(level + year_effect.sel(year=year)) * known.sel(year=year)).sum("la")
        / known.sel(year=year).sum()
        for year in observations.la_years
    ]
    values["national_share"] = xr.concat(shares, "year", coords="minimal", compat="override")
    values["national_share"] = values["national_share"].assign_coords(year=observations.la_years)
    return values


def _share(log_odds: xr.DataArray) -> xr.DataArray:
    return 1 / (1 + np.exp(-log_odds))


# ---------------------------------------------------------------------------------- in words


def equations(options: TimelinessOptions) -> list[str]:
    """The model that these options choose, a line each."""
    latent = options.la_means == "latent"
    slope = "within_effect[i]" if options.within_slope == "varying" else "within_effect"
    acting = {
        "same_year": "departure[i,t]",
        "year_before": "departure[i,t-1]",
        "mean_of_both": "(departure[i,t-1] + departure[i,t]) / 2",
    }[options.timing]
    covariates = [name for name in COVARIATES if getattr(options, name) == "common_cause"]
    lines = [
        {
            "common": "y[i,t] ~ BetaBinomial(referrals[i,t], share[i,t], dispersion = "
            "1 / scatter_sd²);",
            "by_authority": "y[i,t] ~ BetaBinomial(referrals[i,t], share[i,t], dispersion[i] = "
            "1 / scatter[i]²), log scatter[i] ~ Normal(log scatter_sd, scatter_spread);",
            "none": "y[i,t] ~ Binomial(referrals[i,t], share[i,t]), as a beta-binomial with a "
            "scatter of a thousandth;",
        }[options.scatter]
        + " a suppressed count enters as the probability of its interval",
        f"log odds share[i,t] = la_level[i] + year_effect[t] + {slope} {acting}"
        + "".join(f" + covariate_effect {name}[i,t]" for name in covariates),
        "la_level[i] ~ Normal(level + between_effect (la_timeliness[i] - centre)"
        + (" + deprivation_effect deprivation[i]" if options.deprivation != "none" else "")
        + "".join(f" + covariate_effect mean {name}[i]" for name in covariates)
        + (" + region_effect[region i]" if options.la_effect == "in_regions" else "")
        + ", la_level_sd)",
    ]
    if options.within_slope == "varying":
        lines.append("within_effect[i] ~ Normal(within_effect, within_effect_sd)")
    lines.append("year_effect[t] ~ Normal of fixed size, years sum to zero")
    shift = " + definition_shift[i, standard]" if options.definition_change == "own_mean" else ""
    if latent:
        lines += [
            f"timeliness[i,t] = la_timeliness[i]{shift} + timeliness_year[t] + departure[i,t]"
            " + error[i,t], in steps of ten points",
            "la_timeliness[i] ~ Normal(timeliness_level, timeliness_la_sd);"
            " departure[i,t] ~ Normal(0, timeliness_within_sd); timeliness_year[t] as year_effect",
            f"error[i,t] ~ Normal(0, {options.error_points:g} points at medium confidence), and a"
            " suppressed part even over its interval",
        ]
    else:
        lines.append(
            "timeliness[i,t] = la_timeliness[i] + timeliness_year[t] + departure[i,t],"
            " all from observed means"
        )
    return lines


def priors_used(
    options: TimelinessOptions, observations: TimelinessObservations
) -> tuple[str, ...]:
    """Names of the priors that these options and data call for, in reading order."""
    names = ["level", "within_effect"]
    if options.within_slope == "varying":
        names.append("within_effect_sd")
    names.append("between_effect")
    if observations.deprivation is not None:
        names.append("deprivation_effect")
    if len(observations.covariates.columns):
        names.append("covariate_effect")
    names.append("la_level_sd")
    if options.la_effect == "in_regions":
        names.append("region_sd")
    names.append("year_effect")
    if options.scatter != "none":
        names.append("scatter_sd")
    if options.scatter == "by_authority":
        names.append("scatter_spread")
    if options.la_means == "latent":
        names += ["timeliness_level", "timeliness_la_sd", "timeliness_within_sd"]
        names.append("timeliness_year")
        if options.definition_change == "own_mean":
            names.append("definition_sd")
    return tuple(names)


def blocks(options: TimelinessOptions) -> tuple[Block, ...]:
    """Variables by the part of the model that they belong to; absent ones are passed over."""
    return (
        Block(
            "effects of timeliness",
            (
                "within_effect",
                "within_effect_sd",
                "la_within_effect",
                "la_within_effect_raw",
                "between_effect",
            ),
        ),
        Block("other causes", ("deprivation_effect", "covariate_effect")),
        Block(
            "local authorities",
            ("level", "la_level_raw", "la_level_sd", "region_effect", "region_sd"),
        ),
        Block("years and scatter", ("year_effect", "scatter_sd", "scatter_spread", "la_scatter_z")),
        Block(
            "timeliness",
            (
                "timeliness_level",
                "la_timeliness_raw",
                "timeliness_la_sd",
                "timeliness_within_sd",
                "timeliness_year",
                "timeliness_error_z",
                "definition_shift",
                "definition_sd",
            ),
        ),
    )


def notes(observations: TimelinessObservations, options: TimelinessOptions) -> list[str]:
    """What a reader must know before the numbers."""
    found = [
        f"Timeliness: {within_sentence(exposure_label(options.exposure))} "
        f"({definition_text(observations.definitions)}); re-referrals of "
        f"{spans(observations.la_years)}.",
        f"Margin of practical effect, in percentage points of re-referral per +10 points on time: "
        f"{options.margin:g}. 'No practical effect' is said only from a probability of "
        f"{CERTAIN:g} on.",
    ]
    if len(observations.definitions) > 1:
        found.append(
            "The standard changed within these years: "
            + (
                "what all authorities moved together belongs to the years."
                if options.definition_change == "national_shift"
                else "each authority departs from a mean of its own under each standard."
            )
        )
    if len(observations.regimes) > 1:
        names = ", ".join(regime.name for regime in observations.regimes)
        found.append(f"Definitions of re-referral ({names}) are told apart by the free years only.")
    ratio = ", ".join(f"{name} {size:g}" for name, size in ERROR_BY_CONFIDENCE.items())
    if options.error_points:
        found.append(
            f"Assumed error of timeliness: {options.error_points:g} points times {ratio}, by "
            "confidence flag. An assumption, not an estimate: compare it with other sizes."
        )
    else:
        found.append(
            "Timeliness figures are taken as free of error; variants assume one by confidence flag."
        )
    covariates = [name for name in COVARIATES if getattr(options, name) == "common_cause"]
    found += [
        f"Held alike as a common cause: {COVARIATES[name]}; if timeliness moves it, part of the "
        "effect is taken out."
        for name in covariates
    ]
    if observations.deprivation_edition is not None:
        found.append(
            f"Deprivation: {options.deprivation.upper()} of {observations.deprivation_edition}."
        )
    if names := without_figures(observations.las, observations.cells["la"], most=None):
        found.append(f"No usable figure for {names}: what is said of them comes from the others.")
    return found


def answer(
    summary: pd.DataFrame, observations: TimelinessObservations, options: TimelinessOptions
) -> str:
    """The question answered in one sentence, from `estimands.csv`."""
    rows = summary.set_index("estimand")
    parts = []
    for part, place in (("within", "within authorities"), ("between", "between authorities")):
        effect, p = rows.loc[f"{part}_change"], float(rows.loc[f"p_{part}_below_margin", "mean"])
        mean, interval = stated(effect, is_signed=True)
        parts.append(
            f"{mean} points {place} (90% interval {interval}), {_verdict(p, effect, options)}"
        )
    work = within_sentence(exposure_label(options.exposure))
    return (
        f"Ten points more of {work} go with a change in re-referral of {parts[0]}; and of "
        f"{parts[1]}."
    )


def _verdict(p: float, effect: pd.Series, options: TimelinessOptions) -> str:
    said = f"probability {stated_probability(p)} of less than {options.margin:g} either way"
    if p >= CERTAIN:
        return f"no practical effect ({said})"
    if 1 - p >= CERTAIN and (effect["lower"] > 0 or effect["upper"] < 0):
        return f"a practical effect ({said})"
    return f"undecided ({said})"


SPEC = ModelSpec(
    name="timeliness",
    title="Timeliness and re-referral",
    question="Does timelier work go with fewer re-referrals, within and between authorities?",
    options=TimelinessOptions,
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
        "The effect is linear in log odds and the same in every year.",
        "Nothing else moves timeliness and re-referral of one authority together in single years.",
        "Between authorities, everything lasting that is not in the model may stand behind the "
        "difference.",
        "Timeliness scatters normally around its authority's mean, though it ends at 100 %.",
        "A missing return says nothing about the figures that are missing.",
        "Years move all authorities alike, changes of definition included.",
    ),
    cannot_say=(
        "Whether hurrying work would change re-referral: the data are observed, not assigned.",
        "Anything about single children: shares of areas are not risks of persons (ecological).",
        "Whether timely work is good work, or a re-referral a failure.",
    ),
    blocks=blocks,
    priors_used=priors_used,
    hyperparameters=(
        "within_effect_sd",
        "la_level_sd",
        "region_sd",
        "scatter_sd",
        "scatter_spread",
        "timeliness_la_sd",
        "timeliness_within_sd",
        "definition_sd",
    ),
    figures=("timeliness",),
    notes=notes,
)
