"""Which published indicators come before an inadequate judgement.

For inspection n of a local authority (LA) under a framework, with standardised figures x of the
year that the option `timing` names:

    inadequate[n] ~ Bernoulli(p[n])
    log odds p[n] = level + framework_effect[framework n] + sum over k of predictor_effect[k] x[n,k]

The effects of all predictors share one shrinkage prior: few inspections end in an inadequate
judgement, and what a handful of them shows by chance must not pass for an effect. Options add
effects of regions and of LAs, and take the whole order of grades in place of inadequate or not.

A predictor enters only where at least 70 per cent of every framework's inspections have its figure.
What is missing then is drawn with the other unknowns, from the figures of the same framework; a
figure hidden within an interval is drawn from anywhere within it. The outcome informs both.

A second model of deprivation alone, with a level, framework effects and one slope of its own, is
fitted beside the first to the same judgements. The two share no unknown, so that each is as it
would be alone, and scores of one can be held against those of the other.

Assumes that the effect of a predictor is linear in log odds and the same under every framework, and
that judgements of one LA are independent once its figures (and its own effect, if asked for) are
known. Cannot say what would happen to an LA that changed a figure; what is true of areas need not
be true of the children in them (ecological).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pydantic import AfterValidator, BeforeValidator, Field

from data_prep.indicators import INDICATORS, within_sentence
from models.chance import generator_for
from models.forecast_scores import BASE_RATE
from models.inadequacy_data import (
    DEPRIVATION,
    Figures,
    InadequacyObservations,
    Scale,
    describe_inspections,
    observe_inadequacy,
)
from models.inadequacy_effects import shown_effects
from models.inadequacy_scores import SAMPLES, declared_scores, scored
from models.priors import Prior, draw_from
from models.rates import spans, three_figures
from models.replaceable import observed_values, publishes
from models.shrinkage import PRIORS_OF, Shrinkage, predictor_effects
from models.spec import Answer, Block, Estimand, ModelSpec, NotEstimable, Options
from models.true_inadequacy import nearest_log_odds, true_log_odds
from models.wording import stated, stated_probability

MODEL, ALONE = "all predictors", "deprivation alone"
# A direction is said from this probability on; "no practical association" from this one, for odds
# ratios that lie between 1 / SMALL_RATIO and SMALL_RATIO.
CERTAIN, CERTAIN_SMALL, SMALL_RATIO = 0.95, 0.9, 1.25
# Of figures that are not known and of resampled inspections; part of the run's source.
_SEED = 20130331


def _names(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _known_indicators(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in INDICATORS]:
        raise ValueError(f"unknown {', '.join(unknown)}; known: {', '.join(INDICATORS)}")
    if len(set(names)) != len(names):
        raise ValueError("each indicator once")
    return names


class InadequacyOptions(Options):
    """What can be varied without touching the model."""

    outcome: Literal["inadequate", "ordered_grade"] = "inadequate"
    """inadequate or not, or all four grades in order"""
    frameworks: Annotated[
        tuple[Literal["SLAC", "CPI", "SIF", "ILACS"], ...],
        BeforeValidator(_names),
        Field(min_length=1),
    ] = ("SLAC", "CPI")
    """frameworks whose inspections are taken, separated by commas"""
    predictors: Annotated[
        tuple[str, ...],
        BeforeValidator(_names),
        AfterValidator(_known_indicators),
        Field(max_length=12),
    ] = ("ia_10_days_share", "ca_35_days_share", "rereferral_share")
    """indicators that may come before a judgement, separated by commas; none is allowed"""
    deprivation: Literal["imd", "idaci", "none"] = "imd"
    """deprivation as one more predictor, by index of multiple deprivation or income of children"""
    timing: Literal["same_year", "year_before", "mean_of_earlier"] = "year_before"
    """year of the figures: that of the inspection, the last that ended before it, or the mean of
    the last few that did"""
    years_averaged: int = Field(3, ge=2, le=5)
    """how many years `mean_of_earlier` averages, where they have figures"""
    weeks_before_publication: Literal[4, 8, 12] = 8
    """how long before its report an inspection of unknown date is taken to have begun"""
    reinspections: Literal["left_out", "included"] = "left_out"
    """re-inspections follow a failed inspection of the same authority and are none like others"""
    shrinkage: Shrinkage = "r2d2"
    """prior of the predictors' effects: on the share that they explain together, with most effects
    near nought (regularised horseshoe), or of fixed size"""
    region_effect: Literal["none", "pooled"] = "none"
    """whether regions have effects of their own"""
    la_effect: Literal["none", "pooled"] = "none"
    """whether authorities have effects of their own, which only repeated inspections can show"""
    train_until: str = Field("all", pattern=r"^(all|\d{4}-\d{2}-\d{2})$")
    """fit to judgements published up to this date and score inspections begun after it, or all"""
    scored_figures: Literal["published_before", "as_timed"] = "published_before"
    """figures of later inspections: the newest that were out when each began, or as `timing` says,
    out or not"""


PRIORS = {
    prior.name: prior
    for prior in (
        Prior(
            "level",
            "Normal",
            {"mu": -1.7, "sigma": 0.7},
            "4 to 42 % of inspections with average figures end inadequate (95 %)",
            "published frameworks: 10 to 35 %",
        ),
        Prior(
            "framework_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.5},
            "a framework's odds lie between 0.37 and 2.7 times the usual (95 %)",
            "frameworks differ about so; no scale is learnt from at most four",
        ),
        Prior(
            "explained_share",
            "Beta",
            {"alpha": 1.0, "beta": 3.0},
            "all predictors explain 2 to 63 % of what decides a judgement, latent scale (90 %)",
            "R2-D2 only; inspectors see far more than figures: most weight on small shares",
        ),
        Prior(
            "variance_part",
            "SymmetricDirichlet",
            {"concentration": 1.0},
            "any division of what is explained among the predictors is as likely as another",
            "R2-D2 only; nothing is known of which matters",
        ),
        Prior(
            "global_scale",
            "HalfStudentT",
            {"nu": 3.0, "sigma": 0.2},
            "most effects are odds ratios below 1.9 per sd (95 %)",
            "horseshoe only; about half of a handful of predictors at work among 150 inspections",
        ),
        Prior(
            "local_scale",
            "HalfStudentT",
            {"nu": 1.0, "sigma": 1.0},
            "a single effect may be a multiple of the others",
            "horseshoe only; half-Cauchy, its usual form",
        ),
        Prior(
            "slab_variance",
            "InverseGamma",
            {"alpha": 2.0, "beta": 1.0},
            "the largest effects end at odds ratios of about 7 per sd (95 %)",
            "horseshoe only; keeps effects finite where figures separate the grades perfectly",
        ),
        Prior(
            "predictor_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.5},
            "odds ratios between 0.37 and 2.7 per sd (95 %)",
            "effects of fixed size only; either sign",
        ),
        Prior(
            "alone_deprivation_effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.5},
            "odds ratio of deprivation alone between 0.37 and 2.7 per sd (95 %)",
            "the model of deprivation alone; its level and framework effects have the priors above",
        ),
        Prior(
            "region_sd",
            "HalfNormal",
            {"sigma": 0.4},
            "a region one sd up has up to 2.2 times the usual odds (95 %)",
            "regions are inspected by teams of their own",
        ),
        Prior(
            "la_effect_sd",
            "HalfNormal",
            {"sigma": 0.6},
            "an authority one sd up has up to 3.2 times the usual odds (95 %)",
            "some authorities fail again and again",
        ),
        Prior(
            "grade_gap",
            "LogNormal",
            {"mu": 0.8, "sigma": 0.5},
            "the odds of this grade or worse are 2.3 to 400 times those of the one below (95 %)",
            "ordered grades only; published gaps are 1.8 to 5 in log odds",
        ),
    )
}


def observe(
    cube: xr.DataTree,
    options: InadequacyOptions,
    *,
    years: tuple[int, int] | None = None,
    exclude: tuple[str, ...] = (),
) -> InadequacyObservations:
    """Inspections that ``options`` select; DataError with every reason why they cannot be used."""
    return observe_inadequacy(cube, options, years=years, exclude=exclude)


def has_alone(options: InadequacyOptions) -> bool:
    """Whether a model of deprivation alone is fitted beside the first."""
    return options.deprivation != "none" and bool(options.predictors)


def coords(observations: InadequacyObservations, options: InadequacyOptions) -> dict[str, list]:
    """Coordinates of the model: plain str and int."""
    found: dict[str, list] = {
        "la": list(observations.las.index),
        "year": observations.years,
        "obs": list(range(len(observations.inspections))),
        "predictor": observations.predictors,
        "framework": observations.frameworks,
    }
    if options.region_effect == "pooled":
        found["region"] = sorted(set(observations.las["region"]))
    if options.outcome == "ordered_grade":
        found["step"] = ["inadequate to third", "third to good"]
    for name in ("missing", "hidden"):
        if len(cells := getattr(observations.figures, name)):
            found[name] = [_place(observations, row, k) for row, k in cells]
    return found


def _place(observations: InadequacyObservations, row: int, k: int) -> str:
    inspection = observations.inspections.iloc[row]
    published = f"{inspection['published']:%Y-%m-%d}"
    return f"{inspection['la']} {published} {observations.predictors[k]} ({row})"


def build(
    observations: InadequacyObservations,
    options: InadequacyOptions,
    priors: Mapping[str, Prior],
) -> pm.Model:
    """The PyMC model of the module docstring."""
    rows = observations.inspections
    framework = pd.Index(observations.frameworks).get_indexer(rows["framework"])
    la = observations.las.index.get_indexer(rows["la"])
    with pm.Model(coords=coords(observations, options)) as model:
        # frameworks
        several = len(observations.frameworks) > 1
        log_odds = _by_framework("", several, priors)[framework]
        # local authorities
        if options.region_effect == "pooled":
            regions = pd.Index(model.coords["region"])
            region = _pooled("region_effect", "region_sd", priors, "region")
            log_odds += region[regions.get_indexer(observations.las["region"].iloc[la])]
        if options.la_effect == "pooled":
            log_odds += _pooled("la_effect", "la_effect_sd", priors, "la")[la]
        # predictors
        figures = _drawn_figures(observations)
        shown = None if options.shrinkage == "normal" else shown_effects(observations)
        log_odds += pt.dot(figures, predictor_effects(options.shrinkage, priors, shown))
        # likelihood
        _judged("y", log_odds, observations, options, priors)
        # deprivation alone
        if has_alone(options):
            alone = _by_framework("alone_", several, priors)[framework]
            slope = draw_from(priors["alone_deprivation_effect"])
            _judged("alone_y", alone + slope * figures[:, -1], observations, options, priors)
    return model


def _by_framework(start: str, several: bool, priors: Mapping[str, Prior]) -> pt.TensorVariable:
    """Log odds of each framework with average figures, (framework,); drawn as they are, for
    judgements show them more clearly than the level that they lie around.
    """
    level = draw_from(replace(priors["level"], name=f"{start}level"))
    if not several:
        return level[None]
    prior = priors["framework_effect"].parameters
    own = pm.Normal(
        f"{start}framework_level", level + prior["mu"], prior["sigma"], dims="framework"
    )
    pm.Deterministic(f"{start}framework_effect", own - level, dims="framework")
    return own


def _alone(prior: Prior) -> Prior:
    """The same prior for the model of deprivation alone."""
    return replace(prior, name=f"alone_{prior.name}")


def _pooled(name: str, sd: str, priors: Mapping[str, Prior], dim: str) -> pt.TensorVariable:
    """Effects around nought as standard scores: judgements are too few to show them clearly."""
    score = pm.Normal(f"{name}_z", 0, 1, dims=dim)
    return pm.Deterministic(name, draw_from(priors[sd]) * score, dims=dim)


def _drawn_figures(observations: InadequacyObservations) -> pt.TensorVariable:
    """Figures (obs, predictor), those not known as unknowns of the model."""
    figures = observations.figures
    drawn = pt.as_tensor(figures.values)
    if len(cells := figures.missing):
        mean, sd = typical(observations, observations.inspections, cells)
        score = pm.Normal("missing_figure_z", 0, 1, dims="missing")
        drawn = pt.set_subtensor(drawn[tuple(cells.T)], mean + sd * score)
    if len(cells := figures.hidden):
        lower, upper = (end[tuple(cells.T)] for end in (figures.lower, figures.upper))
        place = pm.Uniform("hidden_figure_place", 0, 1, dims="hidden")
        drawn = pt.set_subtensor(drawn[tuple(cells.T)], lower + (upper - lower) * place)
    return drawn


def typical(
    observations: InadequacyObservations, rows: pd.DataFrame, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd (cell,) that missing figures come from: those of the framework's inspections
    fitted, or of all of them under a framework that none was fitted of.
    """
    names = [scale.name for scale in observations.scales]
    keys = [(rows["framework"].iloc[row], names[k]) for row, k in cells]
    table = observations.typical.reindex(pd.MultiIndex.from_tuples(keys))
    return table["mean"].fillna(0.0).to_numpy(), table["sd"].fillna(1.0).to_numpy()


def _judged(
    name: str,
    log_odds: pt.TensorVariable,
    observations: InadequacyObservations,
    options: InadequacyOptions,
    priors: Mapping[str, Prior],
) -> None:
    """The judgements: inadequate or not, or steps below outstanding."""
    data = f"{name}_data"
    publishes(name, "judgements are printed as they are", lambda values: {data: values})
    observed = observed_values(data, observations.judged)
    if options.outcome == "inadequate":
        pm.Bernoulli(name, logit_p=log_odds, observed=observed, dims="obs")
        return
    prior = priors["grade_gap"] if name == "y" else _alone(priors["grade_gap"])
    gap = draw_from(prior, dims=("framework", "step"))
    rows = observations.inspections
    gap = gap[pd.Index(observations.frameworks).get_indexer(rows["framework"])]
    third, good = log_odds + gap[:, 0], log_odds + gap[:, 0] + gap[:, 1]
    # Between two grades: a product keeps its digits where a difference of probabilities would not.
    p = [
        pm.math.sigmoid(-good),
        pm.math.sigmoid(good) * pm.math.sigmoid(-third) * -pt.expm1(-gap[:, 1]),
        pm.math.sigmoid(third) * pm.math.sigmoid(-log_odds) * -pt.expm1(-gap[:, 0]),
        pm.math.sigmoid(log_odds),
    ]
    pm.Categorical(name, pt.stack(p, axis=1), observed=observed, dims="obs")


def constant_data(observations: InadequacyObservations) -> xr.Dataset:
    """Index vectors, the judgement, the value that means inadequate, and framework, by `obs`."""
    rows = observations.inspections
    return xr.Dataset(
        {
            "la": ("obs", observations.las.index.get_indexer(rows["la"])),
            "year": ("obs", pd.Index(observations.years).get_indexer(rows["year"])),
            "framework": ("obs", pd.Index(observations.frameworks).get_indexer(rows["framework"])),
            "y_lower": ("obs", observations.judged),
            "y_upper": ("obs", observations.judged),
            "y_worst": ("obs", np.full(len(rows), observations.worst)),
            "exposure": ("obs", np.ones(len(rows))),
            "status": ("obs", np.zeros(len(rows), int)),
        },
        coords={"obs": range(len(rows))},
    )


# ---------------------------------------------------------------------------------- estimands


def exposure(observations: InadequacyObservations, options: InadequacyOptions) -> dict[str, object]:
    """The denominator in words, for `spec.json`."""
    if options.outcome == "ordered_grade":
        unit = "steps below outstanding per inspection"
        return {"name": "inspections", "label": "Inspections", "per": 1, "unit": unit}
    unit = "per 100 inspections"
    return {"name": "inspections", "label": "Inspections", "per": 100, "unit": unit}


def _worse(options: InadequacyOptions) -> str:
    """What the odds are of, in words."""
    ordered = options.outcome == "ordered_grade"
    return "a grade or any worse one" if ordered else "an inadequate judgement"


def declared_estimands(options: InadequacyOptions) -> tuple[Estimand, ...]:
    """Every quantity that this model answers with, whether or not the data can give it."""
    found = [
        Estimand(
            "odds_ratio",
            f"Odds ratio of {_worse(options)} per sd",
            "odds ratio per sd",
            f"odds of {_worse(options)} where the figure is one standard deviation higher, other "
            "predictors alike",
            "a population of inspections",
            ("predictor",),
            headline=True,
        ),
        Estimand(
            "p_raises",
            "Probability that higher figures go with higher odds",
            "probability",
            "share of draws in which the odds ratio is above 1",
            "a population of inspections",
            ("predictor",),
        ),
        Estimand(
            "p_small",
            "Probability that the association is of no practical size",
            "probability",
            f"share of draws in which the odds ratio is between {1 / SMALL_RATIO:g} and "
            f"{SMALL_RATIO:g}",
            "a population of inspections",
            ("predictor",),
        ),
        Estimand(
            "p_inadequate",
            "Inadequate if inspected in the latest year; not for decisions on any one",
            "per cent",
            "probability that an inspection of the authority which read the latest year's figures "
            "would end inadequate, under the latest framework fitted; authorities with those "
            "figures only. No forecast to act on, for deciding whom to inspect or for ranking",
            "these authorities, a hypothetical inspection",
            ("la",),
        ),
    ]
    for sample in SAMPLES:
        if sample == "in_sample" or options.train_until != "all":
            found += declared_scores(sample)
    return tuple(found)


def estimands(
    posterior: xr.Dataset,
    observations: InadequacyObservations,
    options: InadequacyOptions,
    priors: Mapping[str, Prior],
) -> Answer:
    """Draws of every estimand, from the posterior alone; figures not known are drawn anew."""
    ratio = np.exp(posterior["predictor_effect"])
    rng = generator_for(ratio, _SEED)
    values = {"odds_ratio": ratio.transpose("chain", "draw", "predictor")}
    values |= sides(ratio)
    sampled = {dim: posterior[dim].to_numpy() for dim in ("chain", "draw")}
    size = posterior.sizes["chain"] * posterior.sizes["draw"]
    later = draw_figures(observations, observations.later, observations.later_figures, size, rng)
    samples = {
        "in_sample": (observations.inspections, _posterior_figures(posterior, observations)),
        "later": (observations.later, later),
    }
    not_estimable: list[NotEstimable] = []
    for sample, (rows, drawn) in samples.items():
        if sample == "later" and options.train_until == "all":
            continue
        p = {MODEL: probability(_log_odds(posterior, rows, drawn, observations))}
        if has_alone(options):
            p[ALONE] = probability(_log_odds_alone(posterior, rows, drawn, observations))
        found, missing = scored(sample, rows, p, observations, sampled, rng)
        values |= found
        not_estimable += missing
    if observations.latest.empty:
        reason = "no year has figures of every predictor for 70 per cent of authorities"
        not_estimable.append(NotEstimable("p_inadequate", reason))
    else:
        rows = latest_rows(observations)
        drawn = draw_figures(observations, rows, observations.latest_figures, size, rng)
        p_latest = 100 * probability(_log_odds(posterior, rows, drawn, observations))
        values["p_inadequate"] = xr.DataArray(
            p_latest.reshape(*(len(labels) for labels in sampled.values()), -1),
            dims=("chain", "draw", "la"),
            coords={**sampled, "la": rows["la"].to_numpy(dtype=str)},
        )
    return Answer(values, not_estimable)


def sides(ratio: xr.DataArray) -> dict[str, xr.DataArray]:
    """Probabilities of the side and of the size of odds ratios, (predictor,)."""
    sampled = [dim for dim in ("chain", "draw") if dim in ratio.dims]
    small = (ratio > 1 / SMALL_RATIO) & (ratio < SMALL_RATIO)
    return {"p_raises": (ratio > 1).mean(sampled), "p_small": small.mean(sampled)}


def latest_rows(observations: InadequacyObservations) -> pd.DataFrame:
    """Authorities with figures of the latest year, under the latest framework fitted."""
    return observations.latest.assign(framework=observations.inspections["framework"].iloc[-1])


def draw_figures(
    observations: InadequacyObservations,
    rows: pd.DataFrame,
    figures: Figures,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Figures (draw, row, predictor), those not known drawn as the model would."""
    drawn = np.repeat(figures.values[None], draws, axis=0)
    if len(cells := figures.missing):
        mean, sd = typical(observations, rows, cells)
        drawn[:, cells[:, 0], cells[:, 1]] = rng.normal(mean, sd, (draws, len(cells)))
    if len(cells := figures.hidden):
        lower, upper = (end[tuple(cells.T)] for end in (figures.lower, figures.upper))
        drawn[:, cells[:, 0], cells[:, 1]] = rng.uniform(lower, upper, (draws, len(cells)))
    return drawn


def _posterior_figures(posterior: xr.Dataset, observations: InadequacyObservations) -> np.ndarray:
    """Figures (draw, obs, predictor) of the inspections fitted, as the posterior has them."""
    figures = observations.figures
    size = posterior.sizes["chain"] * posterior.sizes["draw"]
    drawn = np.repeat(figures.values[None], size, axis=0)
    if len(cells := figures.missing):
        mean, sd = typical(observations, observations.inspections, cells)
        drawn[:, cells[:, 0], cells[:, 1]] = mean + sd * _flat(posterior, "missing_figure_z")
    if len(cells := figures.hidden):
        lower, upper = (end[tuple(cells.T)] for end in (figures.lower, figures.upper))
        place = _flat(posterior, "hidden_figure_place")
        drawn[:, cells[:, 0], cells[:, 1]] = lower + (upper - lower) * place
    return drawn


def _flat(posterior: xr.Dataset, name: str) -> np.ndarray:
    """Draws (draw, ...), chains one after the other."""
    values = posterior[name].transpose("chain", "draw", ...).to_numpy()
    return np.asarray(values.reshape(-1, *values.shape[2:]))


def probability(log_odds: np.ndarray) -> np.ndarray:
    """Of log odds."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _log_odds(
    posterior: xr.Dataset,
    rows: pd.DataFrame,
    figures: np.ndarray,
    observations: InadequacyObservations,
) -> np.ndarray:
    """Log odds of inadequate (draw, row)."""
    effect = _flat(posterior, "predictor_effect")
    found = _flat(posterior, "level")[:, None] + np.einsum("snk,sk->sn", figures, effect)
    found = found + _framework_part(posterior, "framework_effect", rows, observations)
    la = observations.las.index.get_indexer(rows["la"])
    if "region_effect" in posterior:
        regions = pd.Index(posterior["region"].to_numpy())
        index = regions.get_indexer(observations.las["region"].iloc[la])
        found = found + _flat(posterior, "region_effect")[:, index]
    if "la_effect" in posterior:
        found = found + _flat(posterior, "la_effect")[:, la]
    return np.asarray(found)


def _log_odds_alone(
    posterior: xr.Dataset,
    rows: pd.DataFrame,
    figures: np.ndarray,
    observations: InadequacyObservations,
) -> np.ndarray:
    """The same of the model of deprivation alone."""
    slope = _flat(posterior, "alone_deprivation_effect")[:, None]
    found = _flat(posterior, "alone_level")[:, None] + slope * figures[:, :, -1]
    return found + _framework_part(posterior, "alone_framework_effect", rows, observations)


def _framework_part(
    posterior: xr.Dataset, name: str, rows: pd.DataFrame, observations: InadequacyObservations
) -> np.ndarray:
    if name not in posterior:
        return np.zeros((1, 1))
    index = pd.Index(observations.frameworks).get_indexer(rows["framework"])
    return _flat(posterior, name)[:, index]


def true_estimands(
    cube: xr.DataTree, observations: InadequacyObservations, options: InadequacyOptions
) -> dict[str, xr.DataArray]:
    """What a perfect fit to a simulated cube would say, from `/truth`, in the same coordinates.

    Effects of regions and LAs are nought there; figures that are not known stand at nought, the
    mean of the inspections fitted.
    """
    rng = np.random.default_rng(_SEED)
    every = slice(0, len(observations.scales))
    fits = {MODEL: (every, nearest_log_odds(cube, observations, every))}
    if has_alone(options):
        last = slice(every.stop - 1, every.stop)
        fits[ALONE] = (last, nearest_log_odds(cube, observations, last))
    _, (level, effects) = fits[MODEL]
    ratio = xr.DataArray(
        np.exp(effects), dims="predictor", coords={"predictor": observations.predictors}
    )
    values = {"odds_ratio": ratio} | sides(ratio)
    for sample, rows, figures in (
        ("in_sample", observations.inspections, observations.figures),
        ("later", observations.later, observations.later_figures),
    ):
        if sample == "later" and options.train_until == "all":
            continue
        p = {
            name: probability(true_log_odds(rows, figures.values[:, columns], *fit))
            for name, (columns, fit) in fits.items()
        }
        values |= scored(sample, rows, p, observations, {}, rng)[0]
    if len(observations.latest):
        rows = latest_rows(observations)
        odds = true_log_odds(rows, observations.latest_figures.values, level, effects)
        values["p_inadequate"] = xr.DataArray(
            100 * probability(odds)[0], dims="la", coords={"la": rows["la"].to_numpy(dtype=str)}
        )
    return values


# ---------------------------------------------------------------------------------- in words


def equations(options: InadequacyOptions) -> list[str]:
    """The model that these options choose, a line each."""
    parts = ["level + framework_effect[framework n]"]
    if options.region_effect == "pooled":
        parts.append("region_effect[region n]")
    if options.la_effect == "pooled":
        parts.append("la_effect[LA n]")
    parts.append("sum over k of predictor_effect[k] x[n,k]")
    log_odds = " + ".join(parts)
    if options.outcome == "inadequate":
        lines = ["inadequate[n] ~ Bernoulli(p[n])", f"log odds p[n] = {log_odds}"]
    else:
        lines = [
            "grade[n] ~ Categorical(steps below outstanding)",
            f"log odds P(inadequate) = {log_odds}",
            "log odds P(third grade or worse) = the same + grade_gap[framework, 1]; "
            "P(good or worse): + grade_gap[framework, 2] besides",
        ]
    lines += {
        "r2d2": [
            "predictor_effect[k] = effect_z[k] sqrt(variance_part[k] explained_share / "
            "(1 - explained_share) pi² / 3), effect_z[k] ~ Normal(0, 1)",
        ],
        "horseshoe": [
            "predictor_effect[k] = effect_z[k] s[k] / sqrt(1 + s[k]² / slab_variance), "
            "s[k] = global_scale local_scale[k], effect_z[k] ~ Normal(0, 1)",
        ],
        "normal": ["predictor_effect[k] ~ Normal of fixed size"],
    }[options.shrinkage]
    lines.append(
        "x[n,k], where missing, ~ Normal(mean and sd of the framework's known figures); where "
        "hidden within an interval, even over it"
    )
    if has_alone(options):
        lines.append(
            "deprivation alone, beside it: log odds = alone_level + "
            "alone_framework_effect[framework n] + alone_deprivation_effect deprivation[n]"
        )
    return lines


def priors_used(
    options: InadequacyOptions, observations: InadequacyObservations
) -> tuple[str, ...]:
    """Names of the priors that these options and data call for, in reading order."""
    names = ["level"]
    if len(observations.frameworks) > 1:
        names.append("framework_effect")
    names += PRIORS_OF[options.shrinkage]
    if len(observations.scales) == 1 and "variance_part" in names:
        names.remove("variance_part")
    if options.region_effect == "pooled":
        names.append("region_sd")
    if options.la_effect == "pooled":
        names.append("la_effect_sd")
    if options.outcome == "ordered_grade":
        names.append("grade_gap")
    if has_alone(options):
        names.append("alone_deprivation_effect")
    return tuple(names)


def blocks(options: InadequacyOptions) -> tuple[Block, ...]:
    """Variables by the part of the model that they belong to; absent ones are passed over."""
    shrunk = tuple(name for names in PRIORS_OF.values() for name in names)
    return (
        Block("predictors", ("predictor_effect", "effect_z", *dict.fromkeys(shrunk))),
        Block(
            "frameworks and grades", ("level", "framework_level", "framework_effect", "grade_gap")
        ),
        Block(
            "regions and authorities",
            ("region_effect_z", "region_sd", "la_effect_z", "la_effect_sd"),
        ),
        Block("figures not known", ("missing_figure_z", "hidden_figure_place")),
        Block(
            "deprivation alone",
            (
                "alone_level",
                "alone_framework_level",
                "alone_framework_effect",
                "alone_deprivation_effect",
                "alone_grade_gap",
            ),
        ),
    )


_TIMING = {
    "same_year": "figures of the same financial year as the inspection, part of it after the "
    "inspection and none of it taken to be published by then: what follows describes and does not "
    "predict",
    "year_before": "figures of the last financial year that ended before the inspection",
    "mean_of_earlier": "means of figures of the last {} financial years that ended before the "
    "inspection",
}


def timing_text(options: InadequacyOptions) -> str:
    """When the figures were taken, in a clause."""
    return _TIMING[options.timing].format(options.years_averaged)


def notes(observations: InadequacyObservations, options: InadequacyOptions) -> list[str]:
    """What a reader must know before the numbers; timing first, for it decides what may be said."""
    rows, figures = observations.inspections, observations.figures
    assumed = int((~rows["began_known"]).sum())
    of_years = [s for s in observations.scales if s.name != DEPRIVATION]
    found = [f"Timing: {timing_text(options)}."]
    if of_years and options.timing != "same_year":
        found[0] = (
            f"Timing: {timing_text(options)}. Of these figures "
            f"{observations.out_share:.0%} were published before the inspection began; the others "
            "no one could have used to predict it."
        )
    if assumed:
        found.append(
            f"{assumed} of {len(rows)} inspections have no known date and are taken to have begun "
            f"{options.weeks_before_publication} weeks before their report."
        )
    found.append(
        f"{int(observations.inadequate.sum())} of {len(rows)} inspections fitted were judged "
        "inadequate: small numbers, so that most of what is undecided would stay so whatever the "
        "model. Figures are of areas and not of children (ecological)."
    )
    if options.outcome == "ordered_grade":
        found.append(
            "One odds ratio is taken to hold at every step between grades, and all grades inform "
            "it: most of it may come from the better ones, and say little of inadequate itself."
        )
    if options.train_until != "all":
        later = observations.later_inadequate
        which = (
            "the newest figures that were published when each began"
            if options.scored_figures == "published_before"
            else "figures timed as above, published by then or not"
        )
        found.append(
            f"Out of time: fitted to judgements published up to {options.train_until}, scored on "
            f"{len(later)} inspections begun after it ({int(later.sum())} inadequate), from "
            f"{which}."
        )
    found.append(
        "Probabilities of single authorities are wide and rest on a few public figures, where "
        "inspectors read cases. They are no forecast to act on: not for deciding whom to inspect, "
        "nor for ranking authorities."
    )
    found.append("One sd: " + "; ".join(map(_natural, observations.scales)) + ".")
    if observations.latest_year is not None:
        without = len(observations.las) - len(observations.latest)
        found.append(
            f"Latest year: {observations.latest_year}, {len(observations.latest)} authorities"
            + (f"; {without} have a figure missing and no probability." if without else ".")
        )
    counts = {
        "missing and drawn from the figures of their framework": len(figures.missing),
        "hidden within an interval": len(figures.hidden),
    }
    if any(counts.values()):
        said = "; ".join(f"{n} {text}" for text, n in counts.items() if n)
        found.append(f"Of {figures.lower.size} figures: {said}.")
    if options.reinspections == "included":
        found.append(
            f"{int(rows['reinspection'].sum())} re-inspections are taken as inspections like "
            "others, though each follows a failure."
        )
    return found


def _natural(scale: Scale) -> str:
    low, high = (three_figures(scale.natural(side)) for side in (-0.5, 0.5))
    return f"{scale.label} {low} to {high} {scale.unit}"


def verdict(p_raises: float, p_small: float) -> str:
    """What may be said of a predictor, by a rule that was fixed beforehand."""
    if p_raises >= CERTAIN:
        return "higher odds"
    if p_raises <= 1 - CERTAIN:
        return "lower odds"
    return "no practical association" if p_small >= CERTAIN_SMALL else "undecided"


def answer(
    summary: pd.DataFrame, observations: InadequacyObservations, options: InadequacyOptions
) -> str:
    """The question answered in a few sentences, from `estimands.csv`."""

    def rows(name: str) -> pd.DataFrame:
        return summary[summary["estimand"] == name]

    raises = rows("p_raises").set_index("predictor")["mean"]
    small = rows("p_small").set_index("predictor")["mean"]
    said = []
    for row in rows("odds_ratio").to_dict("records"):
        name = row["predictor"]
        mean, interval = stated(row)
        said.append(
            f"{within_sentence(name)} {mean} ({interval}), "
            f"{verdict(float(raises[name]), float(small[name]))}"
        )
    text = (
        f"With {timing_text(options)}, {spans(observations.years)}, an sd more of each figure "
        f"multiplies the odds of {_worse(options)} by (90% interval): "
        f"{'; '.join(said)}. A direction is said from a probability of {CERTAIN:g} on."
    )
    gains = rows("log_gain_later")
    better = rows("p_better_later")
    if len(gains):
        parts = [
            f"over {'the ' if row['against'] == BASE_RATE else ''}{row['against']} "
            f"{' ('.join(stated(row, is_signed=True))}, probability of a gain "
            f"{stated_probability(p)})"
            for row, p in zip(gains.to_dict("records"), better["mean"], strict=True)
        ]
        text += f" Out of time the log score gains, in nats per inspection: {'; '.join(parts)}."
    return text


def describe(observations: InadequacyObservations) -> dict[str, object]:
    """What was used and dropped, for `spec.json`."""
    return describe_inspections(observations)


SPEC = ModelSpec(
    name="inadequacy",
    title="Indicators before an inadequate judgement",
    question="Which published indicators come before an inadequate Ofsted judgement?",
    options=InadequacyOptions,
    priors=PRIORS,
    observe=observe,
    build=build,
    estimands=estimands,
    true_estimands=true_estimands,
    declared_estimands=declared_estimands,
    coords=coords,
    constant_data=constant_data,
    describe=describe,
    exposure=exposure,
    equations=equations,
    answer=answer,
    assumptions=(
        "The effect of a predictor is linear in log odds and the same under every framework.",
        "Judgements of one authority are independent once its figures, and its own effect if asked "
        "for, are known.",
        "A missing figure says nothing of the judgement beyond what the figure would.",
        "When an authority is inspected does not hang on what the figures leave out.",
        "A judgement under one framework means the same as under another, but for its frequency.",
        "Most effects are small: the shrinkage prior says so beforehand, so that 'no practical "
        "association' is in part its own word.",
    ),
    cannot_say=(
        "What an authority's judgement would have been with another figure: nothing was assigned.",
        "Which authorities will fail: the figures say little beside what inspectors see.",
        "Anything about single children or families (ecological).",
        "Whether a figure moved the inspectors, who read the same tables, or what they found.",
    ),
    blocks=blocks,
    priors_used=priors_used,
    hyperparameters=("explained_share", "global_scale", "region_sd", "la_effect_sd"),
    figures=("inadequacy",),
    holdout="inspection",
    notes=notes,
)
