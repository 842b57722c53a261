"""How do demand and response vary with the deprivation of an area.

For local authority (LA) i, year t and outcome k, with count y and exposure e (children, referrals
or the stage before):

    y[i,t,k] ~ NegativeBinomial(mu[i,t,k], dispersion[k])      variance mu + mu^2 / dispersion
    log mu[i,t,k] = log e[i,t,k] + la_level[i,k] + year_path[t,k]
    la_level[i,:] ~ Normal(expected[i,:], la_level_sd, correlated between outcomes)
    expected[i,k] = outcome_level[k] + deprivation_slope[k] x[i]
    deprivation_slope[k] ~ Normal(slope_mean, slope_spread)

x is the score of one edition of a deprivation index, mean zero and standard deviation one over the
LAs used. Options add curvature, a slope that drifts over the years, adjustment for region, type or
size, levels that share a region's or their neighbours' part, and slopes that are not pooled. All
outcomes of one fit have the same kind of denominator and the same link, so that their slopes can
be pooled.

An LA's observed against expected rate is exp(la_level - expected): its own average rate over what
the gradient, and the adjustment if any, lead one to expect.

Assumes that deprivation acts on log rates, that it stands still over the years of the data, and
that scatter is independent between outcomes. Cannot say what deprivation does to single children,
nor whether deprivation or something that goes with it makes the difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pydantic import AfterValidator, BeforeValidator, Field

from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, within_sentence
from data_prep.joint_observations import (
    JointCounts,
    describe_joint_counts,
    observe_joint_counts,
    read_borders,
    read_deprivation,
    without_authorities,
)
from models.around_data import Shown, correlated_around_data, drawn_around_data
from models.deprivation_levels import shown_levels, shown_slopes
from models.effects import authority_scatter, scatter_spread_prior
from models.gradients import PERCENTILES, fifths, observed_ratio, slope_index, weighted_by_fifth
from models.joint import (
    centred_paths,
    correlation_factor,
    figures_by_year,
    pairs,
    pooled_slopes,
    shared_scatter,
    smooth_scores,
)
from models.likelihoods import dispersion_of, negative_binomial_counts
from models.priors import Prior, draw_from
from models.rates import spans
from models.replaceable import covariate
from models.spatial import spatial_basis
from models.spec import Answer, Block, Estimand, ModelSpec, Options
from models.trends_shown import shown_trends
from models.true_gradients import true_correlation, true_gradient
from models.wording import stated, without_figures

COUNTS = tuple(name for name, measure in MEASURES.items() if measure.is_count)
CHILDREN = "population_0_17"
# The stage of the process that feeds each one. A true part of another measure follows its whole.
PREVIOUS_STAGE = {
    "initial_assessments": "referrals",
    "single_assessments": "referrals",
    "core_assessments": "initial_assessments",
    "section47": "referrals",
    "icpc": "section47",
    "cpp_starts": "icpc",
    "cin_starts": "referrals",
} | {name: measure.parent for name, measure in MEASURES.items() if measure.parent}
INDEX_NAMES = {"imd": "IMD", "idaci": "IDACI"}
# Fewer authorities than this leave nothing to judge a gradient by.
FEWEST_LAS = 5


def _names(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _known_counts(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in COUNTS or name == CHILDREN]:
        known = ", ".join(name for name in COUNTS if name != CHILDREN)
        raise ValueError(f"unknown outcomes {', '.join(unknown)}; known: {known}")
    if len(set(names)) != len(names):
        raise ValueError("each outcome once")
    return names


class DeprivationOptions(Options):
    """What can be varied without touching the model."""

    outcomes: Annotated[
        tuple[str, ...],
        BeforeValidator(_names),
        AfterValidator(_known_counts),
        Field(min_length=1, max_length=24),
    ] = ("referrals", "section47", "cpp_starts")
    """the count measures whose rates are explained, one or more, separated by commas"""
    denominator: Literal["children", "referrals", "previous_stage"] = "children"
    """what rates are counted per: need is per child, response per referral or per earlier stage"""
    deprivation: Literal["imd", "idaci"] = "imd"
    """index of multiple deprivation, or income deprivation affecting children"""
    edition: int = Field(2010, ge=2000, le=2040)
    """edition of the index; scores are standardised within it"""
    slope: Literal["constant", "drifting"] = "constant"
    """whether the gradient stays the same or changes by a constant factor each year"""
    curvature: bool = False
    """whether the gradient may bend"""
    slope_pooling: Literal["partial", "none"] = "partial"
    """whether slopes of several outcomes lend each other strength"""
    adjustment: Annotated[
        tuple[Literal["region", "la_type", "children"], ...], BeforeValidator(_names)
    ] = ()
    """what the gradient is adjusted for: any of region, la_type, children (log number)"""
    level_structure: Literal["independent", "regions", "spatial"] = "independent"
    """whether levels beyond the gradient scatter alone, share a region's part, or their
    neighbours' (BYM2)"""
    la_effect: Literal["level", "level_and_slope"] = "level"
    """whether authorities differ in level alone or also in growth"""
    scatter: Literal["common", "by_authority", "none"] = "common"
    """scatter around the model: one for all, one for each authority, or none (plain Poisson, for
    comparison alone)"""
    busy_years: Literal["ignored", "shared"] = "ignored"
    """whether the scatter of an authority's year is partly shared by all outcomes"""


PRIORS = {
    prior.name: prior
    for prior in (
        Prior(
            "outcome_level",
            "Normal",
            {"mu": -4.6, "sigma": 1.5},
            "authority of average deprivation between 5 and 1,900 per 10,000 children (95 %)",
            "covers every measure here, from plans (about 40) to referrals (about 550)",
        ),
        Prior(
            "outcome_level_per_measure",
            "Normal",
            {"mu": -1.2, "sigma": 1.0},
            "average authority between 4 and 210 per 100 of the other measure (95 %)",
            "used when rates are per referral or per earlier stage; flow ratios may exceed 100",
        ),
        Prior(
            "deprivation_slope",
            "Normal",
            {"mu": 0.0, "sigma": 0.3},
            "one sd of deprivation multiplies a rate by .56 to 1.80 (95 %)",
            "a single outcome, or slopes that are not pooled; either sign, and wider than the most "
            "to least deprived ratios on record (about 2 to 3 for looked-after children)",
        ),
        Prior(
            "slope_mean",
            "Normal",
            {"mu": 0.0, "sigma": 0.3},
            "one sd of deprivation multiplies rates by .56 to 1.80, mean of outcomes (95 %)",
            "as for a single outcome",
        ),
        Prior(
            "slope_spread",
            "LogNormal",
            {"mu": -2.5, "sigma": 0.5},
            "slopes of two outcomes usually differ by factors of 1.03 to 1.24 per sd (95 %)",
            "outcomes of one process have gradients that are alike but never the same; a few "
            "outcomes cannot show their own spread, so the prior must keep it off zero",
        ),
        Prior(
            "deprivation_curvature",
            "Normal",
            {"mu": 0.0, "sigma": 0.1},
            "two sds from the mean the gradient bends a rate by up to a factor of 1.8 (95 %)",
            "curvature only; either sign, a log-linear gradient the likeliest",
        ),
        Prior(
            "slope_drift",
            "Normal",
            {"mu": 0.0, "sigma": 0.02},
            "the ratio per sd changes by up to 4 % of itself a year (95 %)",
            "drifting slopes only; at 4 % a usual gradient would vanish within four years",
        ),
        Prior(
            "adjustment_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.3},
            "a region, a type or one sd of log size multiplies a rate by .56 to 1.80 (95 %)",
            "adjustment only; published regional rates lie within these factors",
        ),
        Prior(
            "year_step",
            "Normal",
            {"mu": 0.0, "sigma": 0.1},
            "England's rate moves by -18 to +22 % from one year to the next (95 %)",
            "covers the steepest year on record (plans, 2009-10: 17 %) and changes of definition",
        ),
        Prior(
            "la_level_sd",
            "HalfNormal",
            {"sigma": 0.5},
            "an authority one sd above expectation has up to 2.7 times the rate expected",
            "published rates vary by .28 to .34 on the log scale, deprivation included",
        ),
        Prior(
            "la_level_correlation",
            "Correlation",
            {"eta": 2.0},
            "any correlation between outcomes, extremes less likely",
            "no opinion on whether authorities high in one outcome are high in another",
        ),
        Prior(
            "region_sd",
            "HalfNormal",
            {"sigma": 0.2},
            "a region one sd up has rates up to 1.5 times as high as expected",
            "levels nested in regions only; published regions lie within .3 of each other",
        ),
        Prior(
            "smooth_share",
            "Beta",
            {"alpha": 1.0, "beta": 1.0},
            "any part of what deprivation leaves may be smooth over the map",
            "spatial levels only; no opinion",
        ),
        Prior(
            "la_slope_sd",
            "HalfNormal",
            {"sigma": 0.1},
            "an authority's growth departs from the national one by up to 20 points a year",
            "a departure of 10 points a year doubles or halves a rate in seven years",
        ),
        Prior(
            "scatter_sd",
            "HalfNormal",
            {"sigma": 0.3},
            "an authority's rate departs from its own level by up to 60 % in a year",
            "published within-authority scatter is .15 to .27",
        ),
        scatter_spread_prior(),
        Prior(
            "shared_scatter_sd",
            "HalfNormal",
            {"sigma": 0.2},
            "a busy year one sd up raises an outcome's rate by up to 48 % (95 %)",
            "busy years alone; published scatter within authorities is .15 to .27, of which a "
            "part is shared",
        ),
    )
}


@dataclass(frozen=True)
class DeprivationCounts(JointCounts):
    """Counts of all outcomes and what is known of the places.

    ``deprivation`` is the standard score by LA code, ``children`` their mean number, ``borders``
    (edge, 2) positions in ``las`` of neighbours, empty unless levels are spatial.
    """

    deprivation: pd.Series
    children: pd.Series
    borders: np.ndarray


def observe(
    cube: xr.DataTree,
    options: DeprivationOptions,
    *,
    years: tuple[int, int] | None = None,
    exclude: tuple[str, ...] = (),
) -> DeprivationCounts:
    """The cells that ``options`` select; DataError with every reason why they cannot be fitted."""
    faults: list[Fault] = []
    counts = scores = None
    exposures = {name: _exposure_of(name, options) for name in options.outcomes}
    if missing := [name for name, exposure in exposures.items() if exposure in (None, name)]:
        faults += [
            Fault(
                problem=f"{within_sentence(MEASURES[name].label)} have no such denominator",
                remedy="set options.denominator=children, or leave this outcome out",
                column="options.denominator",
                value=options.denominator,
            )
            for name in missing
        ]
    else:
        try:
            counts = observe_joint_counts(cube, exposures, years=years, exclude=exclude)
        except DataError as error:
            faults += error.faults
    try:
        scores = read_deprivation(cube, options.deprivation, options.edition)
    except DataError as error:
        faults += error.faults
    if options.level_structure == "spatial" and "adjacency" not in cube.children:
        try:
            read_borders(cube, [])
        except DataError as error:
            faults += error.faults
    if counts is None or scores is None or faults:
        raise DataError(faults)
    score = scores.reindex(counts.las.index)
    label = f"{INDEX_NAMES[options.deprivation]} {options.edition}"
    counts = without_authorities(
        counts, dict.fromkeys(score.index[score.isna()], f"{label}: no score")
    )
    score = score.dropna()
    spread = float(score.std(ddof=0))
    observations = DeprivationCounts(
        **vars(counts),
        deprivation=(score - score.mean()) / (spread if spread > 0 else np.nan),
        children=_mean_children(cube, counts),
        borders=(
            read_borders(cube, list(counts.las.index))
            if options.level_structure == "spatial"
            else np.zeros((0, 2), int)
        ),
    )
    if faults := _impossible(observations, options):
        raise DataError(faults)
    return observations


def _mean_children(cube: xr.DataTree, counts: JointCounts) -> pd.Series:
    """Children of each LA on average over the years used; that of an average LA where unknown."""
    children = cube["cube"].to_dataset()[CHILDREN].sel(la=list(counts.las.index), year=counts.years)
    mean = pd.Series(children.mean("year").values, index=counts.las.index)
    return mean.fillna(mean.mean())


def _exposure_of(outcome: str, options: DeprivationOptions) -> str | None:
    if options.denominator == "children":
        return CHILDREN
    if options.denominator == "referrals":
        return "referrals"
    return PREVIOUS_STAGE.get(outcome)


def _impossible(observations: DeprivationCounts, options: DeprivationOptions) -> list[Fault]:
    """Why these options cannot be fitted to these data, all at once."""
    faults = []

    def refuse(option: str, problem: str, remedy: str) -> None:
        value = str(getattr(options, option))
        faults.append(Fault(problem, remedy, column=f"options.{option}", value=value))

    las = len(observations.las)
    if las < FEWEST_LAS:
        refuse(
            "deprivation",
            f"{las} authorities cannot show a gradient",
            f"use at least {FEWEST_LAS}",
        )
    elif observations.deprivation.isna().any():
        refuse("deprivation", "every authority has the same score", "choose another index")
    for name, years in observations.years_of.items():
        label = within_sentence(MEASURES[name].label)
        if len(years) < 2:
            refuse(
                "outcomes",
                f"{label}: one year cannot tell an authority's level from its scatter",
                "use at least 2 years, or leave this outcome out",
            )
        elif len(years) < 3 and options.la_effect == "level_and_slope":
            refuse(
                "la_effect",
                f"{label}: two years cannot tell an authority's growth from its scatter",
                "set options.la_effect=level, or use at least 3 years",
            )
        with_figures = observations.cells.loc[observations.cells["outcome"] == name, "la"].nunique()
        if las >= FEWEST_LAS and with_figures < FEWEST_LAS:
            refuse(
                "outcomes",
                f"{label}: {with_figures} authorities with figures cannot show a gradient",
                f"leave this outcome out, or use years in which at least {FEWEST_LAS} report it",
            )
    if options.slope == "drifting" and options.la_effect == "level":
        refuse(
            "slope",
            "a drift beside authorities that cannot grow apart would look surer than it is",
            "set options.la_effect=level_and_slope",
        )
    if options.busy_years == "shared" and len(options.outcomes) == 1:
        refuse(
            "busy_years",
            "one outcome shares its years with no other",
            "set options.busy_years=ignored, or explain several outcomes",
        )
    if options.level_structure == "regions" and "region" in options.adjustment:
        refuse(
            "adjustment",
            "regions would enter twice, as adjustment and as a part of levels",
            "leave region out of the adjustment, or set options.level_structure=independent",
        )
    if options.level_structure == "spatial" and not len(observations.borders):
        refuse(
            "level_structure",
            "no two of these authorities border on each other",
            "set options.level_structure=independent",
        )
    if las >= FEWEST_LAS:
        terms = _adjustment(observations, options)
        if len(terms.columns) + 2 + options.curvature >= las:
            refuse(
                "adjustment",
                f"{len(terms.columns)} adjustment terms for {las} authorities leave no gradient",
                "adjust for less, or use more authorities",
            )
        lost = [c for c in terms if not np.ptp(terms[c])]
        if lost:
            refuse("adjustment", f"no difference in {', '.join(lost)}", "leave it out")
    return faults


def _adjustment(observations: DeprivationCounts, options: DeprivationOptions) -> pd.DataFrame:
    """Adjustment terms (la, term), each with mean zero: the gradient is that of the average LA."""
    las = observations.las
    columns: dict[str, pd.Series] = {}
    for name in options.adjustment:
        if name == "children":
            size = np.log(observations.children)
            columns["log children"] = (size - size.mean()) / (size.std(ddof=0) or 1.0)
            continue
        groups = sorted(las[name].unique())
        # The largest group is what the others are compared with.
        largest = str(las[name].value_counts().sort_index().idxmax())
        for group in groups:
            if group != largest:
                member = (las[name] == group).astype(float)
                columns[group] = member - member.mean()
    return pd.DataFrame(columns, index=las.index)


def coords(observations: DeprivationCounts, options: DeprivationOptions) -> dict[str, list]:
    """Coordinates of the model: plain str and int."""
    years, outcomes = observations.years, list(observations.outcomes)
    found: dict[str, list] = {
        "la": list(observations.las.index),
        "year": years,
        "outcome": outcomes,
        "obs": list(range(len(observations.cells))),
        "step": years[1:],
    }
    if len(outcomes) > 1:
        found["pair"] = [f"{a} and {b}" for a, b in pairs(outcomes)]
    if terms := list(_adjustment(observations, options)):
        found["term"] = terms
    if options.level_structure == "regions":
        found["region"] = sorted(observations.las["region"].unique())
    if options.level_structure == "spatial":
        basis = spatial_basis(len(observations.las), observations.borders)
        found["smooth_component"] = list(range(basis.vectors.shape[1]))
    return found


def build(
    observations: DeprivationCounts, options: DeprivationOptions, priors: Mapping[str, Prior]
) -> pm.Model:
    """The PyMC model of the module docstring."""
    cells, years, outcomes = observations.cells, observations.years, observations.outcomes
    with pm.Model(coords=coords(observations, options)) as model:
        # data
        la = observations.las.index.get_indexer(cells["la"])
        year = pd.Index(years).get_indexer(cells["year"])
        outcome = pd.Index(outcomes).get_indexer(cells["outcome"])
        figures = figures_by_year(cells, outcomes, years)
        # national
        outcome_level = draw_from(priors[_level_prior(options)], dims="outcome")
        path = centred_paths(priors["year_step"], years, figures, dims=("outcome", "step"))
        pm.Deterministic("year_path", path, dims=("outcome", "year"))
        # local authorities
        scatter = _scatter(options, priors, len(outcomes))
        variance = scatter.T**2
        busy = None
        if options.busy_years == "shared":
            busy, loading = shared_scatter(priors, dims=("la", "year"))
            variance += loading**2 if variance.ndim == 1 else loading[:, None] ** 2
        sd = draw_from(priors["la_level_sd"], dims="outcome", may_vanish=True)
        shown = shown_levels(observations, variance)
        # predictors
        gradient = _gradient(observations, options, priors, shown, sd)
        expected = outcome_level[None, :] + gradient + _adjusted(observations, options, priors)
        level = pt.stack(_levels(observations, options, priors, expected, sd, shown), axis=1)
        # likelihood
        log_mean = np.log(cells["exposure"].to_numpy()) + level[la, outcome] + path[outcome, year]
        if options.la_effect == "level_and_slope":
            time = np.asarray(cells["year"], float) - _middle_years(observations)[outcome]
            slopes = _slopes(observations, options, priors, variance)
            log_mean += pt.stack(slopes, axis=1)[la, outcome] * time
        if busy is not None:
            log_mean += busy[la, year, outcome]
        dispersion = dispersion_of(scatter)
        negative_binomial_counts(
            "y",
            log_mean=log_mean,
            dispersion=dispersion[outcome] if scatter.ndim == 1 else dispersion[la, outcome],
            lower=cells["lower"].to_numpy(),
            upper=cells["upper"].to_numpy(),
            dims="obs",
        )
    return model


def _scatter(
    options: DeprivationOptions, priors: Mapping[str, Prior], outcomes: int
) -> pt.TensorVariable:
    """Scatter around the model, (outcome,), or (la, outcome) where each authority has its own."""
    if options.scatter == "none":
        return pt.zeros(outcomes)
    common = draw_from(priors["scatter_sd"], dims="outcome")
    if options.scatter == "common":
        return common
    return authority_scatter(priors, common[None, :], dims=("la", "outcome"))


def constant_data(observations: DeprivationCounts) -> xr.Dataset:
    """Index vectors, bounds, exposure, status and deprivation along `obs`."""
    cells = observations.cells
    outcomes = list(observations.outcomes)
    return xr.Dataset(
        {
            "la": ("obs", observations.las.index.get_indexer(cells["la"])),
            "year": ("obs", pd.Index(observations.years).get_indexer(cells["year"])),
            "outcome": ("obs", pd.Index(outcomes).get_indexer(cells["outcome"])),
            "y_lower": ("obs", cells["lower"].to_numpy()),
            "y_upper": ("obs", cells["upper"].to_numpy()),
            "exposure": ("obs", cells["exposure"].to_numpy()),
            "status": ("obs", cells["status"].to_numpy()),
            "deprivation": ("obs", observations.deprivation.loc[cells["la"]].to_numpy()),
        },
        coords={"obs": range(len(cells))},
    )


def _level_prior(options: DeprivationOptions) -> str:
    return "outcome_level" if options.denominator == "children" else "outcome_level_per_measure"


def _is_pooled(options: DeprivationOptions) -> bool:
    return options.slope_pooling == "partial" and len(options.outcomes) > 1


def _bend(x: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Curvature's regressor: the squared score, less its mean over the LAs used."""
    return np.asarray(x**2 - np.mean(around**2))


def _gradient(
    observations: DeprivationCounts,
    options: DeprivationOptions,
    priors: Mapping[str, Prior],
    levels: Shown,
    sd: pt.TensorVariable,
) -> pt.TensorVariable:
    """What deprivation adds to log rates, (la, outcome), given what figures show of the levels and
    the ``sd`` (outcome,) of what else they differ by.
    """
    x = observations.deprivation.to_numpy()
    score = covariate("deprivation_score", x)
    slopes = shown_slopes(levels, score, sd)
    slope = pooled_slopes(priors, pooled=_is_pooled(options), shown=slopes, dims="outcome")
    gradient = score[:, None] * slope[None, :]
    if options.curvature:
        bend = draw_from(priors["deprivation_curvature"], dims="outcome")
        gradient += covariate("deprivation_bend", _bend(x, x))[:, None] * bend[None, :]
    return gradient


def _adjusted(
    observations: DeprivationCounts, options: DeprivationOptions, priors: Mapping[str, Prior]
) -> pt.TensorVariable | float:
    terms = _adjustment(observations, options)
    if terms.empty:
        return 0.0
    effect = draw_from(priors["adjustment_effect"], dims=("term", "outcome"))
    return pt.dot(terms.to_numpy(), effect)


def _levels(
    observations: DeprivationCounts,
    options: DeprivationOptions,
    priors: Mapping[str, Prior],
    expected: pt.TensorVariable,
    sd: pt.TensorVariable,
    shown: Shown,
) -> list[pt.TensorVariable]:
    """Level of each LA, with ``sd`` (outcome,) around what is ``expected`` of it, one tensor (la,)
    for each outcome.
    """
    outcomes = observations.outcomes
    factor = sd[:, None]
    if len(outcomes) > 1:
        correlation = priors["la_level_correlation"]
        factor *= correlation_factor(correlation, len(outcomes), dims="pair")
    mean, spread = expected, 1.0
    if options.level_structure == "regions":
        region_sd = draw_from(priors["region_sd"], dims="outcome")
        regions = sorted(observations.las["region"].unique())
        region = pd.Index(regions).get_indexer(observations.las["region"])
        score = pm.Normal("region_z", 0, 1, dims=("region", "outcome"))
        mean = expected + (region_sd[None, :] * score)[region]
    if options.level_structure == "spatial":
        basis = spatial_basis(len(observations.las), observations.borders)
        structured, own_share = smooth_scores(
            basis,
            draw_from(priors["smooth_share"]),
            dims=("smooth_component", "outcome"),
        )
        mean, spread = expected + pt.dot(structured, factor.T), pt.sqrt(own_share)
    names = [f"la_level_{name}" for name in outcomes]
    return correlated_around_data(names, mean.T, factor, shown, spread)


def _middle_years(observations: DeprivationCounts) -> np.ndarray:
    """Mean year of each outcome's figures, from which growth is reckoned; (outcome,)."""
    return np.array([np.mean(observations.years_of[name]) for name in observations.outcomes])


def _slopes(
    observations: DeprivationCounts,
    options: DeprivationOptions,
    priors: Mapping[str, Prior],
    variance: pt.TensorVariable,
) -> list[pt.TensorVariable]:
    """Growth of each LA beyond the national one, one tensor (la,) for each outcome; ``variance``
    (outcome,) or (outcome, la) is what the model gives a year's log rate beside counting.
    """
    cells, middle = observations.cells, _middle_years(observations)
    x = covariate("deprivation_score", observations.deprivation.to_numpy())
    sd = draw_from(priors["la_slope_sd"], dims="outcome", may_vanish=True)
    drift = pt.zeros(len(observations.outcomes))
    if options.slope == "drifting":
        drift = draw_from(priors["slope_drift"], dims="outcome")
    slopes = []
    for k, name in enumerate(observations.outcomes):
        _, shown = shown_trends(
            f"{name}_slopes_shown",
            cells,
            observations.las.index,
            middle[k],
            variance[k],
            of=(cells["outcome"] == name).to_numpy(),
        )
        slopes.append(drawn_around_data(f"la_slope_{name}", drift[k] * x, sd[k], shown))
    return slopes


# ---------------------------------------------------------------------------------- estimands


def scale(options: DeprivationOptions) -> tuple[int, str]:
    """The multiplier of a rate and its unit in words."""
    return {
        "children": (10_000, "per 10,000 children"),
        "referrals": (100, "per 100 referrals"),
        "previous_stage": (100, "per 100 of the stage before"),
    }[options.denominator]


def exposure(observations: DeprivationCounts, options: DeprivationOptions) -> dict[str, object]:
    """The denominator in words, for `spec.json`."""
    multiplier, unit = scale(options)
    names = sorted(set(observations.exposures.values()))
    label = ", ".join(MEASURES[name].label for name in names)
    return {"name": ", ".join(names), "label": label, "per": multiplier, "unit": unit}


def declared_estimands(options: DeprivationOptions) -> tuple[Estimand, ...]:
    """Every quantity that this model answers with, whether or not the data can give it."""
    _, unit = scale(options)
    index = f"{INDEX_NAMES[options.deprivation]} {options.edition}"
    here, population = "expected rate, these authorities", "expected rate, a population of them"
    found = [
        Estimand(
            "ratio_per_sd",
            f"Rate ratio per sd of deprivation ({index})",
            "rate ratio",
            "rate of an authority one sd more deprived than another over that other's, at average "
            "deprivation and in the middle of the years",
            population,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "fifth_ratio",
            "Most against least deprived fifth",
            "rate ratio",
            "mean rate of the most over that of the least deprived fifth of authorities, weighted "
            "by exposure",
            here,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "slope_index",
            "Slope index of inequality",
            unit,
            "rate at the most less that at the least deprived end, on the line through authority "
            "rates over their place in the order of deprivation",
            here,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "share_explained",
            "Share of differences between authorities that goes with deprivation",
            "share of variance",
            "variance of the fitted gradient over that variance plus the variance of levels "
            "beyond it, log rates; adjustment terms are left out of both",
            population,
            ("outcome",),
            headline=True,
        ),
        Estimand(
            "fifth_rate",
            "Rate of each fifth of deprivation",
            unit,
            "mean rate of the fifth's authorities, weighted by exposure; 5 is the most deprived",
            here,
            ("outcome", "fifth"),
        ),
        Estimand(
            "gradient",
            "Rate expected at each place of the deprivation scale",
            unit,
            "rate of an authority whose deprivation is that percentile of authorities, all else "
            "average",
            population,
            ("outcome", "percentile"),
        ),
        Estimand(
            "la_rate",
            "Authority rate",
            unit,
            "its own rate, geometric mean over the years",
            here,
            ("outcome", "la"),
        ),
        Estimand(
            "la_observed_ratio",
            "Authority against expectation",
            "rate ratio",
            "its own rate over the rate that its deprivation, and the adjustment if any, leads one "
            "to expect",
            here,
            ("outcome", "la"),
        ),
    ]
    if len(options.outcomes) > 1:
        found.append(
            Estimand(
                "level_correlation",
                "Correlation of authority levels beyond deprivation",
                "correlation",
                "correlation over authorities of what the gradient leaves of two outcomes",
                population,
                ("outcome", "other_outcome"),
            )
        )
    if options.slope == "drifting":
        found += [
            Estimand(
                "ratio_per_sd_by_year",
                "Rate ratio per sd of deprivation, by year",
                "rate ratio",
                "as the ratio per sd, in that year",
                population,
                ("outcome", "year"),
            ),
            Estimand(
                "ratio_growth",
                "Growth of the rate ratio per sd",
                "per cent a year",
                "yearly change of the rate ratio per sd, as a share of itself",
                population,
                ("outcome",),
                headline=True,
            ),
        ]
    return tuple(found)


@dataclass(frozen=True)
class _Levels:
    """Logs that answers are made of, drawn or true: ``level, expected`` (..., la, outcome),
    ``outcome_level, slope, beyond_sd`` (..., outcome), where known ``bend, growth`` (..., outcome)
    and ``correlation`` (..., pair).
    """

    level: xr.DataArray
    expected: xr.DataArray
    outcome_level: xr.DataArray
    slope: xr.DataArray
    beyond_sd: xr.DataArray
    bend: xr.DataArray | None = None
    growth: xr.DataArray | None = None
    correlation: xr.DataArray | None = None


def estimands(
    posterior: xr.Dataset,
    observations: DeprivationCounts,
    options: DeprivationOptions,
    priors: Mapping[str, Prior],
) -> Answer:
    """Draws of every estimand, from the posterior alone."""
    outcomes = list(observations.outcomes)
    level = xr.concat(
        [posterior[f"la_level_{name}"] for name in outcomes],
        xr.DataArray(outcomes, dims="outcome", name="outcome"),
    )
    intercept, slope = posterior[_level_prior(options)], posterior["deprivation_slope"]
    x = xr.DataArray(observations.deprivation, dims="la")
    expected = intercept + slope * x
    bend = posterior.get("deprivation_curvature")
    if bend is not None:
        squared = _bend(x.to_numpy(), x.to_numpy())
        expected = expected + bend * xr.DataArray(squared, coords={"la": x["la"]}, dims="la")
    terms = _adjustment(observations, options)
    if not terms.empty:
        table = xr.DataArray(terms.to_numpy(), dims=("la", "term"), coords={"la": terms.index})
        table = table.assign_coords(term=list(terms.columns))
        expected = expected + (table * posterior["adjustment_effect"]).sum("term")
    beyond = posterior["la_level_sd"]
    if "region_sd" in posterior:
        beyond = np.sqrt(beyond**2 + posterior["region_sd"] ** 2)
    logs = _Levels(
        level=level,
        expected=expected,
        outcome_level=intercept,
        slope=slope,
        beyond_sd=beyond,
        bend=bend,
        growth=posterior.get("slope_drift"),
        correlation=posterior.get("la_level_correlation"),
    )
    return Answer(_answers(logs, observations, options))


def _answers(
    logs: _Levels, observations: DeprivationCounts, options: DeprivationOptions
) -> dict[str, xr.DataArray]:
    """Estimands from logs, drawn or true."""
    multiplier, _ = scale(options)
    x = observations.deprivation.to_numpy()
    weights = observations.weights.mean("year", skipna=True).fillna(0)
    weights = weights.sel(outcome=list(observations.outcomes))
    rate = multiplier * np.exp(logs.level)
    by_fifth = weighted_by_fifth(rate, weights, fifths(x))
    at = np.quantile(x, np.array(PERCENTILES) / 100)
    place = {"percentile": list(PERCENTILES)}
    curve = logs.outcome_level + logs.slope * xr.DataArray(at, coords=place, dims="percentile")
    fitted = logs.slope * xr.DataArray(observations.deprivation, dims="la")
    if logs.bend is not None:
        curve = curve + logs.bend * xr.DataArray(_bend(at, x), coords=place, dims="percentile")
        fitted = fitted + logs.bend * xr.DataArray(
            _bend(x, x), coords={"la": fitted["la"]}, dims="la"
        )
    variance = fitted.var("la")
    values = {
        "ratio_per_sd": np.exp(logs.slope),
        "fifth_ratio": by_fifth.sel(fifth=5, drop=True) / by_fifth.sel(fifth=1, drop=True),
        "slope_index": slope_index(rate, weights, x),
        "share_explained": variance / (variance + logs.beyond_sd**2),
        "fifth_rate": by_fifth,
        "gradient": multiplier * np.exp(curve),
        "la_rate": rate,
        "la_observed_ratio": observed_ratio(logs.level, logs.expected),
    }
    if logs.correlation is not None:
        values["level_correlation"] = _by_pair(logs.correlation, observations.outcomes)
    if logs.growth is not None:
        time = xr.DataArray(
            np.asarray(observations.years, float)[None] - _middle_years(observations)[:, None],
            coords={"outcome": list(observations.outcomes), "year": observations.years},
        )
        values["ratio_per_sd_by_year"] = np.exp(logs.slope + logs.growth * time)
        values["ratio_growth"] = 100 * (np.exp(logs.growth) - 1)
    return values


def _by_pair(correlation: xr.DataArray, outcomes: Sequence[str]) -> xr.DataArray:
    both = pairs(outcomes)
    return correlation.drop_vars("pair", errors="ignore").assign_coords(
        outcome=("pair", [a for a, _ in both]), other_outcome=("pair", [b for _, b in both])
    )


def true_estimands(
    cube: xr.DataTree, observations: DeprivationCounts, options: DeprivationOptions
) -> dict[str, xr.DataArray]:
    """What a perfect fit to a simulated cube would say, from `/truth`, in the same coordinates.

    Slopes are those of the process, on the score that drives it; on another score they are
    weakened by its correlation with that one. A part of another measure has no constant slope on
    the log scale: the least-squares slope of its true log rates stands in. Rates are those that
    the definitions of their years count.
    """
    truth, outcomes = cube["truth"].to_dataset(), list(observations.outcomes)
    x = xr.DataArray(observations.deprivation, dims="la")
    found = [
        true_gradient(truth, name, observations.exposures[name], observations.years_of[name], x)
        for name in outcomes
    ]

    def by_outcome(parts: Sequence[xr.DataArray | float]) -> xr.DataArray:
        arrays = [xr.DataArray(part) for part in parts]
        joined = xr.concat(arrays, "outcome", coords="minimal", compat="override")
        return joined.assign_coords(outcome=outcomes)

    named = dict(zip(outcomes, found, strict=True))
    both = pairs(outcomes)
    correlation = [true_correlation(truth, named[a], named[b], x) for a, b in both]
    logs = _Levels(
        level=by_outcome([one.level for one in found]),
        expected=by_outcome([one.level - one.residual for one in found]),
        outcome_level=by_outcome([one.centre for one in found]),
        slope=by_outcome([one.slope for one in found]),
        beyond_sd=by_outcome([np.sqrt(one.beyond_variance) for one in found]),
        growth=by_outcome([one.drift for one in found]) if options.slope == "drifting" else None,
        correlation=xr.DataArray(correlation, dims="pair") if correlation else None,
    )
    return _answers(logs, observations, options)


def equations(options: DeprivationOptions) -> list[str]:
    """The model that these options choose, a line each."""
    grows, drifts = options.la_effect == "level_and_slope", options.slope == "drifting"
    lines = [
        {
            "common": "y[i,t,k] ~ NegativeBinomial(mu[i,t,k], dispersion[k] = 1 / scatter_sd[k]²);",
            "by_authority": "y[i,t,k] ~ NegativeBinomial(mu[i,t,k], dispersion[i,k] = 1 / "
            "scatter[i,k]²), log scatter[i,k] ~ Normal(log scatter_sd[k], scatter_spread);",
            "none": "y[i,t,k] ~ Poisson(mu[i,t,k]), as a negative binomial with a scatter of a "
            "thousandth;",
        }[options.scatter]
        + " a suppressed or rounded count enters as the probability of its interval",
        "log mu[i,t,k] = log exposure[i,t,k] + la_level[i,k] + year_path[t,k]"
        + (" + la_slope[i,k] (t - t0[k])" if grows else "")
        + (" + shared_scatter_sd[k] busy[i,t]" if options.busy_years == "shared" else ""),
        "expected[i,k] = outcome_level[k] + deprivation_slope[k] x[i]"
        + (" + deprivation_curvature[k] (x[i]² - mean)" if options.curvature else "")
        + (" + sum of adjustment_effect[k] x adjustment[i]" if options.adjustment else ""),
        {
            "independent": "la_level[i,:] ~ Normal(expected[i,:], la_level_sd, "
            "la_level_correlation)",
            "regions": "la_level[i,:] ~ Normal(expected[i,:] + region[r(i),:], la_level_sd, "
            "la_level_correlation), region[r,k] ~ Normal(0, region_sd[k])",
            "spatial": "la_level[i,:] = expected[i,:] + la_level_sd x correlated("
            "sqrt(smooth_share) smooth[i,:] + sqrt(1 - smooth_share) own[i,:]), covariance of "
            "smooth: scaled inverse Laplacian of the map, own ~ Normal(0, 1)",
        }[options.level_structure],
        "deprivation_slope[k] ~ Normal(slope_mean, slope_spread)"
        if _is_pooled(options)
        else "deprivation_slope[k]: each its own prior",
    ]
    if grows:
        mean = "slope_drift[k] x[i]" if drifts else "0"
        lines.append(f"la_slope[i,k] ~ Normal({mean}, la_slope_sd[k])")
    lines.append(
        "year_path[t,k] - year_path[t-1,k] ~ year_step; mean zero over the outcome's years"
    )
    return lines


def priors_used(options: DeprivationOptions, observations: DeprivationCounts) -> tuple[str, ...]:
    """Names of the priors that these options and data call for, in reading order."""
    names = [_level_prior(options)]
    names += ["slope_mean", "slope_spread"] if _is_pooled(options) else ["deprivation_slope"]
    if options.curvature:
        names.append("deprivation_curvature")
    if options.slope == "drifting":
        names.append("slope_drift")
    if options.adjustment:
        names.append("adjustment_effect")
    if len(observations.years) > 1:
        names.append("year_step")
    names.append("la_level_sd")
    if len(observations.outcomes) > 1:
        names.append("la_level_correlation")
    names += {"independent": [], "regions": ["region_sd"], "spatial": ["smooth_share"]}[
        options.level_structure
    ]
    if options.la_effect == "level_and_slope":
        names.append("la_slope_sd")
    if options.scatter != "none":
        names.append("scatter_sd")
    if options.scatter == "by_authority":
        names.append("scatter_spread")
    if options.busy_years == "shared":
        names.append("shared_scatter_sd")
    return tuple(names)


def blocks(options: DeprivationOptions) -> tuple[Block, ...]:
    """Variables by the part of the model that they belong to; absent ones are passed over."""
    outcomes = options.outcomes
    return (
        Block(
            "gradient",
            (
                "deprivation_slope",
                "deprivation_slope_raw",
                "slope_mean",
                "slope_spread",
                "deprivation_curvature",
                "slope_drift",
                "adjustment_effect",
            ),
        ),
        Block("national path", (_level_prior(options), "year_step")),
        Block(
            "local authorities",
            (
                *(f"la_level_{name}" for name in outcomes),
                *(f"la_level_{name}_raw" for name in outcomes),
                "la_level_sd",
                "la_level_correlation_raw",
            ),
        ),
        Block("regions and map", ("region_z", "region_sd", "smooth_z", "smooth_share")),
        Block(
            "growth of authorities",
            (
                *(f"la_slope_{name}_raw" for name in outcomes),
                "la_slope_sd",
            ),
        ),
        Block(
            "scatter",
            ("scatter_sd", "scatter_spread", "la_scatter_z", "shared_scatter_sd", "la_year_z"),
        ),
    )


def notes(observations: DeprivationCounts, options: DeprivationOptions) -> list[str]:
    """What a reader must know before the numbers."""
    index = f"{INDEX_NAMES[options.deprivation]} {options.edition}"
    found = [
        f"Deprivation is the {index} score, standardised over {len(observations.las)} authorities, "
        "and the same in all years."
    ]
    for name in observations.outcomes:
        measure, base = MEASURES[name], observations.exposures[name]
        found.append(
            f"{measure.label} per {within_sentence(MEASURES[base].label)}: figures for "
            f"{spans(observations.years_of[name])}."
        )
        if measure.parent == base:
            found.append(
                f"{measure.label} are a true part of {within_sentence(MEASURES[base].label)}: the "
                "likelihood does not hold them to it, which matters little for small shares and "
                "more for large ones."
            )
        if len(observations.regimes_of[name]) > 1:
            found.append(
                f"{measure.label} changed definition within these years "
                f"({'; '.join(observations.regimes_of[name])}): yearly steps take it up, as if it "
                "multiplied every authority's count alike."
            )
        seen = observations.cells.loc[observations.cells["outcome"] == name, "la"]
        if names := without_figures(observations.las, seen):
            found.append(
                f"{measure.label}: no usable figure for {names}; their levels come from deprivation"
                " and the other outcomes."
            )
    return found


def answer(
    summary: pd.DataFrame, observations: DeprivationCounts, options: DeprivationOptions
) -> str:
    """The question answered in one sentence, from `estimands.csv`."""
    index = f"{INDEX_NAMES[options.deprivation]} {options.edition}"
    per_sd = summary[summary["estimand"] == "ratio_per_sd"].set_index("outcome")
    fifth = summary[summary["estimand"] == "fifth_ratio"].set_index("outcome")
    parts = []
    for name in observations.outcomes:
        mean, interval = stated(per_sd.loc[name])
        parts.append(
            f"{within_sentence(MEASURES[name].label)} by {mean} ({interval}; most against least "
            f"deprived fifth {stated(fifth.loc[name])[0]})"
        )
    base = {
        "children": "rates per child",
        "referrals": "rates per referral",
        "previous_stage": "rates per case of the stage before",
    }[options.denominator]
    return (
        f"Where deprivation ({index}) is one standard deviation higher the model expects {base} "
        f"to be multiplied: {'; '.join(parts)} (90% intervals)."
    )


SPEC = ModelSpec(
    name="deprivation",
    title="Deprivation gradients of demand and response",
    question="How do demand and response vary with the deprivation of an area?",
    options=DeprivationOptions,
    priors=PRIORS,
    observe=observe,
    build=build,
    estimands=estimands,
    true_estimands=true_estimands,
    declared_estimands=declared_estimands,
    coords=coords,
    constant_data=constant_data,
    describe=describe_joint_counts,
    exposure=exposure,
    equations=equations,
    answer=answer,
    assumptions=(
        "Deprivation acts on log rates along a line, or a bend where curvature is allowed.",
        "An area's deprivation stands still over the years of the data.",
        "Levels beyond the gradient are normal on the log scale; those of different outcomes are "
        "correlated.",
        "Scatter around levels is independent between authorities, years and outcomes; a busy year "
        "that runs through several outcomes makes the correlations of their levels look higher and "
        "the rates of authorities surer than they are, unless busy years are shared by option.",
        "A missing return says nothing about the count that is missing.",
    ),
    cannot_say=(
        "Whether deprivation makes the difference, or something that goes with it: adjustment and "
        "spatial levels change the gradient because they share its differences between areas.",
        "Anything about single children: a gradient over areas is not one over persons "
        "(ecological).",
        "Whether a rate below expectation is good practice, unmet need or recording.",
    ),
    blocks=blocks,
    priors_used=priors_used,
    hyperparameters=(
        "deprivation_slope",
        "slope_mean",
        "slope_spread",
        "deprivation_curvature",
        "slope_drift",
        "la_level_sd",
        "la_level_correlation",
        "region_sd",
        "smooth_share",
        "la_slope_sd",
        "scatter_sd",
        "scatter_spread",
        "shared_scatter_sd",
    ),
    figures=("deprivation",),
    notes=notes,
)
