"""Through which gates do referrals pass on their way to a plan, and how do gates differ.

For local authority (LA) i and year t, with count y of a stage, n of the stage it is counted of, and
r the log of a count over what is expected of it:

    referrals     y ~ NegativeBinomial(children x exp(la_level + year_path), dispersion)
    flows k       y ~ NegativeBinomial(mu, dispersion[k])           section 47, conference, plan
                  log mu = log n + la_level[i,k] + year_path[t,k] - (1 - passed_on[k]) r[i,t]
                  r[i,t] = log n - log(children x rate per child expected of n)
    shares k      y ~ BetaBinomial(referrals, share, dispersion[k])   no further action, not in need
                  log odds share = la_level[i,k] + year_path[t,k]
    la_level[i,:] ~ Normal(expected[i,:], la_level_sd, correlated between gates)
    expected[i,k] = level[k] + deprivation_slope[k] x[i]

A flow is a ratio of two counts, not a share: it is counted per 100 cases of the stage before and
may exceed 100, for conferences need no enquiry of the same year, nor plans a conference. A log rate
per child is the log rate of referrals plus the log ratios of the gates up to that stage, so that
rates per child follow from the same fit.

A year of many referrals need not be one of many enquiries: ``passed_on`` is the part of a departure
(log scale) that goes on to the next stage in the same year. At 1 the count of the stage before is
a plain offset; at 0 each stage scatters by itself around its rate per child. Fixing it at 1 where
it is less makes rates per child look less correlated than they are.

Assumes that gates act alike on all referrals of an authority and year, that levels stand still but
for the national path, and that deprivation acts on log ratios and log odds. Cannot follow single
children: who has a plan in one year may have been referred in another.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pydantic import BeforeValidator, Field

from data_prep.indicators import MEASURES, within_sentence
from data_prep.joint_observations import describe_joint_counts
from models.around_data import Shown, correlated_around_data
from models.effects import authority_scatter, scatter_spread_prior
from models.funnel_answers import (
    Process,
    answers,
    declared_estimands,
    stage_before,
    true_process,
)
from models.funnel_data import (
    CHILDREN,
    FLOWS,
    INDEX_NAMES,
    REFERRALS,
    SHARES,
    FunnelCounts,
    observe_funnel,
)
from models.funnel_levels import LEAST, shown_levels, stages_before
from models.joint import (
    centred_paths,
    correlation_factor,
    figures_by_year,
    pairs,
)
from models.likelihoods import dispersion_of, negative_binomial_counts
from models.priors import Prior, draw_from
from models.rates import spans
from models.replaceable import is_replaceable
from models.share_likelihoods import beta_binomial_counts
from models.spec import Answer, Block, ModelSpec, Options
from models.wording import stated, without_figures

_FLOW_LEVEL = {
    "previous_stage": "flow_level",
    "referrals": "flow_level_per_referral",
    "children": "flow_level_per_child",
}
# What rates and shares have alike, each with a prior of its own.
_OF_SHARES = {
    "deprivation_slope": "share_slope",
    "year_step": "share_year_step",
    "la_level_sd": "share_level_sd",
    "region_sd": "share_region_sd",
    "scatter_sd": "share_scatter_sd",
}


def _names(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip() not in ("", "none"))
    return value


class FunnelOptions(Options):
    """What can be varied without touching the model."""

    denominator: Literal["previous_stage", "referrals", "children"] = "previous_stage"
    """what enquiries, conferences and plans are counted of; of children: no gate, joint rates"""
    departures: Literal["passed_on_in_part", "passed_on_in_full"] = "passed_on_in_part"
    """how much of a stage's departure from its own level the next stage takes on in that year:
    estimated, or all of it (the plain offset)"""
    shares: Annotated[
        tuple[Literal["referrals_nfa", "referrals_not_in_need"], ...], BeforeValidator(_names)
    ] = SHARES
    """which true shares of referrals are modelled; published from 2012"""
    correlation: Literal["between_gates", "none"] = "between_gates"
    """whether levels of an authority at several gates are correlated or independent"""
    level_structure: Literal["independent", "regions"] = "independent"
    """whether levels beyond the gradient scatter alone or share a region's part"""
    deprivation: Literal["imd", "idaci"] = "imd"
    """index of multiple deprivation, or income deprivation affecting children"""
    edition: int = Field(2010, ge=2000, le=2040)
    """edition of the index; scores are standardised within it"""
    scatter: Literal["common", "by_authority", "none"] = "common"
    """scatter around the model: one for all, one for each authority, or none (plain Poisson and
    binomial, for comparison alone)"""


PRIORS = {
    prior.name: prior
    for prior in (
        Prior(
            "referral_level",
            "Normal",
            {"mu": -3.0, "sigma": 0.5},
            "average authority between 190 and 1,330 referrals per 10,000 children (95 %)",
            "published England: 480 to 560 since 2005",
        ),
        Prior(
            "flow_level",
            "Normal",
            {"mu": -1.0, "sigma": 0.8},
            "average authority between 8 and 180 per 100 of the stage before (95 %)",
            "covers enquiries per referral (about 20) and plans per conference (about 90)",
        ),
        Prior(
            "flow_level_per_referral",
            "Normal",
            {"mu": -2.2, "sigma": 0.8},
            "average authority between 2 and 53 per 100 referrals (95 %)",
            "flows per referral only: enquiries about 20, plans about 8",
        ),
        Prior(
            "flow_level_per_child",
            "Normal",
            {"mu": -5.0, "sigma": 0.8},
            "average authority between 14 and 320 per 10,000 children (95 %)",
            "rates per child only: enquiries about 110, plans about 50",
        ),
        Prior(
            "share_level",
            "Normal",
            {"mu": -1.7, "sigma": 1.0},
            "average authority between 2.5 and 56 % of referrals (95 %)",
            "published England: 6 to 16 % without further action, 19 to 31 % not in need",
        ),
        Prior(
            "deprivation_slope",
            "Normal",
            {"mu": 0.0, "sigma": 0.3},
            "one sd of deprivation multiplies a rate or flow ratio by .56 to 1.80 (95 %)",
            "either sign; gates are not pooled, for each has its own threshold",
        ),
        Prior(
            "share_slope",
            "Normal",
            {"mu": 0.0, "sigma": 0.3},
            "one sd of deprivation multiplies the odds of a share by .56 to 1.80 (95 %)",
            "the same room as for ratios",
        ),
        Prior(
            "year_step",
            "Normal",
            {"mu": 0.0, "sigma": 0.1},
            "England's rate or flow ratio moves by -18 to +22 % in a year (95 %)",
            "enquiries per referral rose by 23 % in 2010-11, the steepest year on record",
        ),
        Prior(
            "share_year_step",
            "Normal",
            {"mu": 0.0, "sigma": 0.25},
            "a share of 14 % moves by -5 to +7 points in a year (95 %)",
            "the share without further action fell from 14 to 10 % in 2015-16",
        ),
        Prior(
            "la_level_sd",
            "HalfNormal",
            {"sigma": 0.5},
            "an authority one sd above expectation has up to 2.7 times the ratio expected",
            "published rates vary by .28 to .34 on the log scale, ratios by .2 to .4",
        ),
        Prior(
            "share_level_sd",
            "HalfNormal",
            {"sigma": 1.0},
            "an authority one sd up has up to 54 % where the average has 14 % (95 %)",
            "published shares without further action run from under 1 to over 40 %",
        ),
        Prior(
            "la_level_correlation",
            "Correlation",
            {"eta": 2.0},
            "any correlation between gates, extremes less likely",
            "no opinion on whether authorities high at one gate are high at another",
        ),
        Prior(
            "region_sd",
            "HalfNormal",
            {"sigma": 0.2},
            "a region one sd up has ratios up to 1.5 times as high as expected",
            "regions only; published regions lie within .3 of each other",
        ),
        Prior(
            "share_region_sd",
            "HalfNormal",
            {"sigma": 0.4},
            "a region one sd up has up to 26 % where the average has 14 % (95 %)",
            "regions only; shares differ more than rates",
        ),
        Prior(
            "passed_on",
            "Normal",
            {"mu": 0.5, "sigma": 0.5},
            "of a year 20 % above an authority's level the next stage shows -9 to +31 % (95 %)",
            "none (0) and all (1) lie one sd from the middle; both have been assumed",
        ),
        Prior(
            "scatter_sd",
            "HalfNormal",
            {"sigma": 0.3},
            "a rate or ratio departs from its own level by up to 60 % in a year",
            "published within-authority scatter is .1 to .3",
        ),
        Prior(
            "share_scatter_sd",
            "HalfNormal",
            {"sigma": 0.3},
            "a share of 14 % scatters by up to 20 points from year to year (95 %)",
            "published shares without further action scatter by 3 to 10 points",
        ),
        scatter_spread_prior(),
    )
}


def observe(
    cube: xr.DataTree,
    options: FunnelOptions,
    *,
    years: tuple[int, int] | None = None,
    exclude: tuple[str, ...] = (),
) -> FunnelCounts:
    """The cells that ``options`` select; DataError with every reason why they cannot be fitted."""
    return observe_funnel(cube, options, years=years, exclude=exclude)


def coords(observations: FunnelCounts, options: FunnelOptions) -> dict[str, list]:
    """Coordinates of the model: plain str and int."""
    years, outcomes = observations.years, list(observations.outcomes)
    found: dict[str, list] = {
        "la": list(observations.las.index),
        "year": years,
        "outcome": outcomes,
        "rate": [REFERRALS, *observations.flows],
        "flow": list(observations.flows),
        "obs": list(range(len(observations.cells))),
        "step": years[1:],
        "pair": [f"{a} and {b}" for a, b in pairs(outcomes)],
    }
    if observations.shares:
        found["share"] = list(observations.shares)
    if options.level_structure == "regions":
        found["region"] = sorted(observations.las["region"].unique())
    for name, members in _likelihoods(observations).items():
        own = observations.cells["outcome"].isin(members)
        found[f"obs_{name}"] = np.flatnonzero(own).tolist()
    return found


def build(
    observations: FunnelCounts, options: FunnelOptions, priors: Mapping[str, Prior]
) -> pm.Model:
    """The PyMC model of the module docstring; outcomes stand one beside another, (..., outcome).

    Rates and shares have an observed variable each, for they differ in likelihood.
    """
    outcomes, years = list(observations.outcomes), observations.years
    draw = partial(_rates_and_shares, observations, priors)
    with pm.Model(coords=coords(observations, options)) as model:
        # data
        la = observations.las.index.get_indexer(observations.cells["la"])
        year = pd.Index(years).get_indexer(observations.cells["year"])
        x = observations.deprivation.to_numpy()
        # national
        level = _side_by_side(
            pt.concatenate(
                [
                    draw_from(priors["referral_level"])[None],
                    draw_from(priors[_FLOW_LEVEL[options.denominator]], dims="flow"),
                ]
            ),
            draw_from(priors["share_level"], dims="share") if observations.shares else None,
        )
        path = pm.Deterministic("year_path", _paths(observations, priors), dims=("outcome", "year"))
        # predictors
        expected = level[None, :] + x[:, None] * draw("deprivation_slope")[None, :]
        if options.level_structure == "regions":
            regions = pd.Index(model.coords["region"]).get_indexer(observations.las["region"])
            score = pm.Normal("region_z", 0, 1, dims=("region", "outcome"))
            expected += (draw("region_sd", may_vanish=True)[None, :] * score)[regions]
        # predictors within a year
        passed_on = None
        if options.departures == "passed_on_in_part" and options.denominator != "children":
            passed_on = draw_from(priors["passed_on"], dims="flow")
        # local authorities
        scatter = _scatter(options, priors, draw, len(outcomes))
        sd = draw("la_level_sd", may_vanish=True)
        shown = shown_levels(observations, passed_on, scatter)
        la_level = _levels(outcomes, options, priors, expected, sd, shown)
        # likelihood
        place = pd.Index(outcomes).get_indexer(observations.cells["outcome"])
        own = la_level[la, place] + path[place, year]
        dispersion = dispersion_of(scatter)
        dispersion = dispersion[place] if dispersion.ndim == 1 else dispersion[la, place]
        counts: dict[str, pt.TensorVariable] = {}
        for name, members in _likelihoods(observations).items():
            rows = np.flatnonzero(observations.cells["outcome"].isin(members))
            cells = observations.cells.iloc[rows]
            given: dict[str, Any] = {
                "dispersion": dispersion[rows],
                "lower": cells["lower"].to_numpy(),
                "upper": cells["upper"].to_numpy(),
                "dims": f"obs_{name}",
            }
            if members[0] in SHARES:
                beta_binomial_counts(
                    f"y_{name}", log_odds=own[rows], total=cells["exposure"].to_numpy(), **given
                )
                continue
            log_before = _log_before(observations, rows, counts)
            log_mean = log_before + own[rows]
            if passed_on is not None:
                expected_before = _per_child(observations, la_level, path, la, year)[rows]
                departure = log_before - np.log(observations.children[rows]) - expected_before
                # Children pass on all: referrals are counted of them alone.
                part = pt.concatenate([pt.ones(1), passed_on])
                kept = part[pd.Index(model.coords["rate"]).get_indexer(cells["outcome"])]
                log_mean -= (1 - kept) * departure
            counts[name] = negative_binomial_counts(
                f"y_{name}",
                log_mean=log_mean,
                shown=name in observations.exposures.values(),
                **given,
            )
    return model


def _likelihoods(observations: FunnelCounts) -> dict[str, list[str]]:
    """Outcomes by observed variable: rates together and shares together, which are fast.

    Where worlds are drawn a stage follows the one before it, so that each has its own.
    """
    if is_replaceable():
        return {name: [name] for name in observations.outcomes}
    found = {"rates": [REFERRALS, *observations.flows], "shares": list(observations.shares)}
    return {name: members for name, members in found.items() if members}


def _per_child(
    observations: FunnelCounts,
    la_level: pt.TensorVariable,
    path: pt.TensorVariable,
    la: np.ndarray,
    year: np.ndarray,
) -> pt.TensorVariable:
    """Log rate per child that is expected of what a cell is counted of, (cell,); 0 of children."""
    up_to = stages_before(observations)
    place = pd.Index(list(observations.outcomes)).get_indexer(observations.cells["outcome"])
    return pt.dot(la_level, up_to.T)[la, place] + pt.dot(up_to, path)[place, year]


def _scatter(
    options: FunnelOptions,
    priors: Mapping[str, Prior],
    draw: Callable[..., pt.TensorVariable],
    outcomes: int,
) -> pt.TensorVariable:
    """Scatter around the model, (outcome,), or (la, outcome) where each authority has its own."""
    if options.scatter == "none":
        return pt.zeros(outcomes)
    common = draw("scatter_sd")
    if options.scatter == "common":
        return common
    return authority_scatter(priors, common[None, :], dims=("la", "outcome"))


def _side_by_side(rates: pt.TensorVariable, shares: pt.TensorVariable | None) -> pt.TensorVariable:
    """What belongs to referrals, shares and flows in the order of outcomes, first axis."""
    if shares is None:
        return rates
    return pt.concatenate([rates[:1], shares, rates[1:]])


def _rates_and_shares(
    observations: FunnelCounts, priors: Mapping[str, Prior], name: str, **how: bool
) -> pt.TensorVariable:
    """A quantity that every outcome has, (outcome,): rates and shares each from their prior."""
    rates = draw_from(priors[name], dims="rate", **how)
    if not observations.shares:
        return rates
    return _side_by_side(rates, draw_from(priors[_OF_SHARES[name]], dims="share", **how))


def _paths(observations: FunnelCounts, priors: Mapping[str, Prior]) -> pt.TensorVariable:
    """Path of each outcome, (outcome, year), mean zero over the years of its own figures."""
    years = observations.years

    def figures(names: Sequence[str]) -> np.ndarray:
        return figures_by_year(observations.cells, names, years)

    rates = centred_paths(
        priors["year_step"], years, figures([REFERRALS, *observations.flows]), dims=("rate", "step")
    )
    if not observations.shares:
        return rates
    shares = centred_paths(
        priors["share_year_step"], years, figures(observations.shares), dims=("share", "step")
    )
    return _side_by_side(rates, shares)


def _levels(
    outcomes: Sequence[str],
    options: FunnelOptions,
    priors: Mapping[str, Prior],
    expected: pt.TensorVariable,
    sd: pt.TensorVariable,
    shown: Shown,
) -> pt.TensorVariable:
    """Level of each LA around what is expected of it, (la, outcome)."""
    factor = pt.eye(len(outcomes))
    if options.correlation == "between_gates":
        factor = correlation_factor(priors["la_level_correlation"], len(outcomes), dims="pair")
    levels = correlated_around_data(
        [f"la_level_{name}" for name in outcomes],
        expected.T,
        sd[:, None] * factor,
        shown,
    )
    return pt.stack(levels, axis=1)


def _log_before(
    observations: FunnelCounts, rows: np.ndarray, counts: Mapping[str, pt.TensorVariable]
) -> pt.TensorVariable | np.ndarray:
    """Log of the count that a cell is counted of, (cell,).

    Where worlds are drawn a stage follows the stage before that is drawn with it; a check of one
    fit draws it given the stage before that was seen.
    """
    cells = observations.cells.iloc[rows]
    seen = np.log(cells["exposure"].to_numpy())
    before = counts.get(observations.exposures[cells["outcome"].iloc[0]])
    if before is None or not is_replaceable():
        return seen
    place = observations.parent_cell[rows]
    drawn = pt.log(pt.maximum(before[np.maximum(place, 0)], LEAST))
    return pt.where(place >= 0, drawn, seen)


def constant_data(observations: FunnelCounts) -> xr.Dataset:
    """Index vectors, bounds, exposure, status and deprivation along `obs`."""
    cells = observations.cells
    outcomes = list(observations.outcomes)
    follows = any(observations.exposures[name] != CHILDREN for name in observations.flows)
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
        attrs={"replicated_given": "the count of the stage before"} if follows else {},
    )


# ---------------------------------------------------------------------------------- estimands


def exposure(observations: FunnelCounts, options: FunnelOptions) -> dict[str, object]:
    """The denominators in words, for `spec.json`; each outcome has its own."""
    names = dict.fromkeys(observations.exposures.values())
    of = {
        outcome: {"per": 10_000, "unit": "per 10,000 children"}
        if base == CHILDREN
        else {"per": 100, "unit": f"per 100 {within_sentence(MEASURES[base].label)}"}
        for outcome, base in observations.exposures.items()
    }
    return {
        "name": ", ".join(names),
        "label": ", ".join(MEASURES[name].label for name in names),
        "per": 100,
        "unit": "per 100 of the stage before",
        "by_outcome": of,
    }


def estimands(
    posterior: xr.Dataset,
    observations: FunnelCounts,
    options: FunnelOptions,
    priors: Mapping[str, Prior],
) -> Answer:
    """Draws of every estimand, from the posterior alone."""
    outcomes = list(observations.outcomes)
    slopes = [posterior["deprivation_slope"].rename(rate="outcome")]
    if observations.shares:
        slopes.append(posterior["share_slope"].rename(share="outcome"))
    process = Process(
        level={name: posterior[f"la_level_{name}"] for name in outcomes},
        path={name: posterior["year_path"].sel(outcome=name, drop=True) for name in outcomes},
        slope=xr.concat(slopes, "outcome").sel(outcome=outcomes),
        passed_on=posterior.get("passed_on"),
    )
    return Answer(answers(process, observations, options))


def true_estimands(
    cube: xr.DataTree, observations: FunnelCounts, options: FunnelOptions
) -> dict[str, xr.DataArray]:
    """What a perfect fit to a simulated cube would say, from `/truth`, in the same coordinates."""
    process = true_process(cube["truth"].to_dataset(), observations, options)
    return answers(process, observations, options)


# ---------------------------------------------------------------------------------- in words


def equations(options: FunnelOptions) -> list[str]:
    """The model that these options choose, a line each."""
    per = {
        "previous_stage": "count of the stage before[i,t]",
        "referrals": "referrals[i,t]",
        "children": "children[i,t]",
    }[options.denominator]
    in_part = options.departures == "passed_on_in_part" and options.denominator != "children"
    dispersion = {
        "common": "1 / scatter_sd[k]²",
        "by_authority": "1 / scatter[i,k]²",
        "none": "1,000,000, which is Poisson and binomial",
    }[options.scatter]
    lines = [
        f"y[i,t,k] ~ NegativeBinomial(mu[i,t,k], dispersion[k] = {dispersion}), k referrals or a"
        " flow; a suppressed or rounded count enters as the probability of its interval",
        "log mu[i,t,referrals] = log children[i,t] + la_level[i,referrals]"
        " + year_path[t,referrals]",
        f"log mu[i,t,k] = log {per} + la_level[i,k] + year_path[t,k]"
        + (" - (1 - passed_on[k]) departure of that count[i,t]" if in_part else ""),
    ]
    if in_part:
        lines.append(
            "departure of a count = log count - log(children x rate per child expected of it), the"
            " rate being the product of the ratios up to that stage"
        )
    if options.shares:
        lines.append(
            f"y[i,t,k] ~ BetaBinomial(referrals[i,t], share[i,t,k], dispersion[k] = {dispersion}), "
            "log odds share[i,t,k] = la_level[i,k] + year_path[t,k], k a share"
        )
    if options.scatter == "by_authority":
        lines.append("log scatter[i,k] ~ Normal(log scatter_sd[k], scatter_spread)")
    region = ""
    if options.level_structure == "regions":
        region = " + region[r(i),k]"
        lines.append("region[r,k] ~ Normal(0, region_sd[k])")
    together = ", la_level_correlation" if options.correlation == "between_gates" else ""
    return [
        *lines,
        f"la_level[i,:] ~ Normal(level[:] + deprivation_slope[:] x[i]{region}, la_level_sd"
        f"{together})",
        "year_path[t,k] - year_path[t-1,k] ~ year_step; mean zero over the outcome's years",
    ]


def priors_used(options: FunnelOptions, observations: FunnelCounts) -> tuple[str, ...]:
    """Names of the priors that these options and data call for, in reading order."""
    names = ["referral_level", _FLOW_LEVEL[options.denominator]]
    if observations.shares:
        names.append("share_level")
    kinds = ["deprivation_slope"]
    if len(observations.years) > 1:
        kinds.append("year_step")
    kinds.append("la_level_sd")
    if options.level_structure == "regions":
        kinds.append("region_sd")
    if options.scatter != "none":
        kinds.append("scatter_sd")
    for name in kinds:
        names += [name, *([_OF_SHARES[name]] if observations.shares else [])]
    if options.scatter == "by_authority":
        names.append("scatter_spread")
    if options.correlation == "between_gates":
        names.append("la_level_correlation")
    if options.departures == "passed_on_in_part" and options.denominator != "children":
        names.append("passed_on")
    return tuple(names)


def blocks(options: FunnelOptions) -> tuple[Block, ...]:
    """Variables by the part of the model that they belong to; absent ones are passed over."""
    outcomes = (REFERRALS, *options.shares, *FLOWS)
    return (
        Block("gradients", ("deprivation_slope", "share_slope")),
        Block(
            "national path",
            (
                "referral_level",
                _FLOW_LEVEL[options.denominator],
                "share_level",
                "year_step",
                "share_year_step",
            ),
        ),
        Block(
            "local authorities",
            (
                *(f"la_level_{name}" for name in outcomes),
                *(f"la_level_{name}_raw" for name in outcomes),
                "la_level_sd",
                "share_level_sd",
                "la_level_correlation_raw",
            ),
        ),
        Block("regions", ("region_z", "region_sd", "share_region_sd")),
        Block(
            "scatter",
            ("passed_on", "scatter_sd", "share_scatter_sd", "scatter_spread", "la_scatter_z"),
        ),
    )


def notes(observations: FunnelCounts, options: FunnelOptions) -> list[str]:
    """What a reader must know before the numbers."""
    index = f"{INDEX_NAMES[options.deprivation]} {options.edition}"
    found = [
        f"Deprivation is the {index} score, standardised over {len(observations.las)} authorities, "
        "and the same in all years.",
        "A flow is a ratio of two counts of the same year, not a share of one by the other, and "
        "may exceed 100.",
        "Two neighbouring gates share a count, above in one and below in the other, which alone "
        "makes them correlate negatively. Correlations of rates per child are free of that.",
    ]
    for name in observations.outcomes:
        base = observations.exposures[name]
        cells = observations.cells.iloc[observations.of(name)]
        text = (
            f"{MEASURES[name].label}, counted of {within_sentence(MEASURES[base].label)}: figures "
            f"for {spans(observations.years_of[name])}"
        )
        above = int((cells["lower"] > cells["exposure"]).sum())
        if base != CHILDREN and above:
            text += f"; {above} of {len(cells)} exceed what they are counted of"
        found.append(f"{text}.")
        if len(observations.regimes_of[name]) > 1:
            found.append(
                f"{MEASURES[name].label} changed definition within these years "
                f"({'; '.join(observations.regimes_of[name])}): yearly steps take it up."
            )
        if names := without_figures(observations.las, cells["la"]):
            found.append(
                f"{MEASURES[name].label}: no usable figure for {names}; what is said of them "
                "comes from deprivation and the other gates."
            )
    return found


def answer(summary: pd.DataFrame, observations: FunnelCounts, options: FunnelOptions) -> str:
    """The question answered in one sentence, from `estimands.csv`."""
    rows = summary.set_index(["estimand", "outcome"])

    def say(estimand: str, outcome: str) -> str:
        row = rows.loc[(estimand, outcome)]
        row = row.iloc[0] if isinstance(row, pd.DataFrame) else row
        mean, interval = stated(row)
        return f"{mean} ({interval})"

    before = stage_before(observations)
    gates = [
        f"{say('gate_ratio', name)} {within_sentence(MEASURES[name].label)} per 100 "
        f"{within_sentence(MEASURES[before[name]].label)}"
        for name in observations.flows
    ]
    apart = [
        f"{within_sentence(MEASURES[name].label)} {say('fifth_ratio', name)}"
        for name in (*observations.shares, *observations.flows)
    ]
    shares = [
        f"{say('share', name)} {within_sentence(MEASURES[name].label)}"
        for name in observations.shares
    ]
    of_referrals = f"Of 100 referrals the model expects {' and '.join(shares)}; " if shares else ""
    return (
        f"{of_referrals}{'The model expects ' if not shares else ''}{', '.join(gates)}: "
        f"{say('stage_per_referrals', 'cpp_starts')} plans per 100 referrals. Gates of the most "
        f"over those of the least deprived fifth: {', '.join(apart)} (90% intervals)."
    )


SPEC = ModelSpec(
    name="funnel",
    title="From referral to plan: gates and flows",
    question="Through which gates do referrals pass on their way to a plan, and how do gates "
    "differ between authorities?",
    options=FunnelOptions,
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
        "An authority's levels stand still over the years of the data, but for the national path.",
        "Of a year's departure from an authority's level the same part is passed on everywhere.",
        "Levels beyond the gradient are normal on the log or log odds scale.",
        "Unless options.scatter=by_authority, one scatter holds for all: where a few authorities "
        "record irregularly, their years weigh as much as others'.",
        "The scatter of shares has nothing to do with how many referrals there were.",
        "A missing return says nothing about the count that is missing.",
    ),
    cannot_say=(
        "What becomes of single referrals or children: counts of one year belong partly to other "
        "years' referrals, and one child may count several times (ecological).",
        "Whether a gate is narrow because need is low, thresholds are high or recording differs.",
        "Why gates go together: a correlation over authorities has no direction.",
    ),
    blocks=blocks,
    priors_used=priors_used,
    hyperparameters=(
        "deprivation_slope",
        "share_slope",
        "la_level_sd",
        "share_level_sd",
        "la_level_correlation",
        "region_sd",
        "share_region_sd",
        "passed_on",
        "scatter_sd",
        "share_scatter_sd",
        "scatter_spread",
    ),
    figures=("funnel",),
    notes=notes,
)
