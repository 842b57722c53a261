"""What changes in an authority in the years after an inadequate judgement, held against others.

A descriptive difference-in-differences with stacked cohorts. In the stack of financial year g stand
local authorities (LAs) judged inadequate in a report published in g, and LAs inspected in g with
other grades that had no such judgement from g-3 to g+3. For LA i in year t, with y cases among e:

    y[i,t] ~ Poisson(e[i,t] exp(la_year[i,t])), or Binomial with log odds la_year[i,t]
    la_year[i,t] = la_level[i] + year_effect[t] + sum over stacks of i: stack_path[g, t-g]
                   + effect[g, t-g] where i was judged so in g and t >= g  +  departure[i,t]
    departure[i,t] = persistence departure[i,t-1] + Normal(0, yearly_sd), an AR(1)
    la_level[i] ~ Normal(level + judged_level (i is ever judged so), la_level_sd)
    effect[g,k] ~ Normal(effect[k], effect_sd);  stack_path[g,k] ~ Normal(0, stack_sd)

A figure that stands in several stacks enters the likelihood once, with a term for each stack. What
all LAs inspected in g do together, judged or not, is the stack's path; the effect is what the
judged do beyond it. No term belongs to the years before the judgement: their own level, the nation
and chance that carries over must explain them, so that a judgement passed on earlier figures is no
news of later ones beyond those figures. How far that keeps a bad year that passes out of the effect
has been measured (`docs/decisions/aftermath.md`): with levels around a common mean it does, with a
mean of their own for the judged, the default, part of a bad year counts as level and the effect
comes out too low. Paths before the judgement are reported all the same, as contrasts between judged
and comparison LAs: as trend, as effects of pretended dates and in the breakdown point.

Assumes that judged and comparison LAs would have moved alike but for what carries over. Cannot say
that the judgement was the cause.
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
from data_prep.indicators import MEASURES, within_sentence
from data_prep.observations import describe_counts
from models.aftermath_answers import (
    MAIN_EVENT,
    answers,
    declare,
    in_words,
    reported_events,
)
from models.aftermath_data import (
    CLASS_LABELS,
    MATCHES,
    WHOLES,
    AftermathObservations,
    event_cells,
    observe_aftermath,
)
from models.aftermath_levels import shown_levels
from models.around_data import drawn_around_data
from models.latent_years import Series, autocorrelated, figures_given
from models.likelihoods import dispersion_of
from models.priors import Prior, draw_from
from models.rates import spans
from models.spec import Answer, Block, Estimand, ModelSpec, Options
from models.wording import signed


class AftermathOptions(Options):
    """What can be varied without touching the model."""

    outcome: Literal[
        "section47",
        "icpc",
        "cpp_starts",
        "cpp_at_31_march",
        "referrals",
        "cin_starts",
        "cla_starts",
        "icpc_15_days",
        "cpp_reviewed_on_time",
        "single_assessments_45_days",
        "initial_assessments_10_days",
        "rereferrals",
        "referrals_nfa",
        "cpp_second_or_subsequent",
    ] = "section47"
    """what may change; true parts of a whole are shares of it, all others counts per exposure"""
    exposure: Literal["population_0_17", "referrals", "section47", "icpc"] = "population_0_17"
    """the denominator of a count; a share has its own whole"""
    judgement: Literal["inadequate", "requires_improvement", "good_or_better"] = "inadequate"
    """whose years are followed; the worst judgement of a year counts"""
    frameworks: Literal["all", "2009_to_2018", "since_2018"] = "all"
    """inspections that make cohorts: all, those before the framework of 2018, or that one alone"""
    comparison: Literal["all", "matched", "matched_on_level", "neighbours"] = "all"
    """whom the judged are held against: all inspected that year with other grades, the three most
    alike in the shape of the three years before, in their level, or statistical neighbours"""
    before: Literal["explained", "free"] = "explained"
    """years before: explained by level, nation and carry-over, or free but for the last, from which
    change is then reckoned (the textbook event study)"""
    judged_levels: Literal["common_mean", "own_mean"] = "common_mean"
    """whether levels of the judged lie around the mean of all, under which judgement on figures can
    be ignored, or around one of their own, which takes part of a bad year for level"""
    residual: Literal["autocorrelated", "with_scatter"] = "autocorrelated"
    """departures that carry over, alone or with scatter of single years beside them"""
    years_early: int = Field(0, ge=0, le=4)
    """pretend that judgements came so many years early, and use years before the true one alone"""


PRIORS = {
    prior.name: prior
    for prior in (
        Prior(
            "level",
            "Normal",
            {"mu": -4.6, "sigma": 1.5},
            "an average authority has between 5 and 1,900 per 10,000 children (95 %)",
            "counts per child; covers every measure here, from plans to referrals",
        ),
        Prior(
            "level_of_ratio",
            "Normal",
            {"mu": -1.2, "sigma": 1.2},
            "an average authority has between 3 and 320 per 100 of the earlier stage (95 %)",
            "counts per earlier stage; flows do not nest, so that 100 is no bound",
        ),
        Prior(
            "level_of_share",
            "Normal",
            {"mu": 0.5, "sigma": 1.5},
            "an average authority's share lies between 8 and 97 % (95 %)",
            "shares; from no further action to reviews on time",
        ),
        Prior(
            "judged_level",
            "Normal",
            {"mu": 0.0, "sigma": 0.3},
            "authorities judged so lie up to 45 % below or 80 % above the others to begin with",
            "inspectors do not choose at random, and no sign is favoured",
        ),
        Prior(
            "la_level_sd",
            "HalfNormal",
            {"sigma": 0.6},
            "an authority one sd up has up to 3.2 times the average rate (95 %)",
            "published log rates differ by an sd of 0.3 to 0.4, log odds by 0.3 to 1.2",
        ),
        Prior(
            "year_effect",
            "ZeroSumNormal",
            {"sigma": 0.3},
            "a year lies up to 45 % below or 80 % above the mean of years (95 %)",
            "plans and enquiries nearly doubled from 2010 to 2024; each year is free",
        ),
        Prior(
            "stack_sd",
            "HalfNormal",
            {"sigma": 0.1},
            "authorities inspected in one year move together by up to 20 % an sd (95 %)",
            "inspections of one year follow no rule that would move whole cohorts further",
        ),
        Prior(
            "effect",
            "Normal",
            {"mu": 0.0, "sigma": 0.25},
            "a rate changes by -39 to +63 % (95 %)",
            "either sign; the largest change told of is a rise by about a half",
        ),
        Prior(
            "effect_sd",
            "HalfNormal",
            {"sigma": 0.1},
            "cohorts' changes differ by an sd of up to 20 % (95 %)",
            "frameworks and years differ, but a common change is what is asked for",
        ),
        Prior(
            "yearly_sd",
            "LogNormal",
            {"mu": -1.6, "sigma": 0.6},
            "each year adds a departure of an sd of 6 to 66 % (95 %)",
            "published log rates depart from their level by 0.15 to 0.27, log odds of timeliness "
            "by up to 0.8; no published series stands still",
        ),
        Prior(
            "persistence",
            "Beta",
            {"alpha": 2.0, "beta": 2.0},
            "between 9 and 91 % of a departure is left a year later (95 %)",
            "from nearly none to nearly all; a departure that turns around is not expected",
        ),
        Prior(
            "scatter_sd",
            "HalfNormal",
            {"sigma": 0.15},
            "single years scatter by an sd of up to 29 % beside what carries over (95 %)",
            "residual=with_scatter only; about half of what departs in all",
        ),
    )
}


def observe(
    cube: xr.DataTree,
    options: AftermathOptions,
    *,
    years: tuple[int, int] | None = None,
    exclude: tuple[str, ...] = (),
) -> AftermathObservations:
    """The cells that ``options`` select; DataError with every reason why they cannot be fitted."""
    observations = observe_aftermath(cube, options, years=years, exclude=exclude)
    if faults := _impossible(observations, options):
        raise DataError(faults)
    return observations


def _impossible(observations: AftermathObservations, options: AftermathOptions) -> list[Fault]:
    """Why these options cannot be fitted to these data, all at once."""
    faults = []

    def refuse(option: str, problem: str, remedy: str) -> None:
        value = str(getattr(options, option))
        faults.append(Fault(problem, remedy, column=f"options.{option}", value=value))

    if len(observations.las) < 3:
        refuse(
            "comparison",
            f"{len(observations.las)} authorities in stacks cannot show how they differ",
            "use at least 3",
        )
    if len(observations.la_years) < 3:
        refuse(
            "outcome",
            f"figures around judgements for {spans(observations.la_years)} alone",
            "use at least 3 years",
        )
    if options.outcome in WHOLES and options.exposure != "population_0_17":
        refuse(
            "exposure",
            f"{options.outcome} is a share of {WHOLES[options.outcome]}",
            "leave options.exposure out, or choose a count",
        )
    after = [
        k for k in reported_events(observations) if k >= 0 and k in _modelled(observations, options)
    ]
    if not after:
        refuse("years_early", "no judged authority has a figure after the date", "change the years")
    return faults


def _modelled(observations: AftermathObservations, options: AftermathOptions) -> list[int]:
    """Event times that have an effect of their own."""
    cells = event_cells(observations)
    have = sorted(set(cells.loc[cells["judged"] > 0, "event_time"]))
    if options.before == "free":
        return [k for k in have if k != -1]
    return [k for k in have if k >= 0]


def effect_cells(observations: AftermathObservations, options: AftermathOptions) -> pd.DataFrame:
    """Cohort and event time of every effect, with the number of judged authorities behind it."""
    cells = event_cells(observations)
    kept = cells[(cells["judged"] > 0) & cells["event_time"].isin(_modelled(observations, options))]
    return kept.reset_index(drop=True)


def _label(cohort: int, event_time: int) -> str:
    return f"{cohort} {event_time:+d}"


def coords(observations: AftermathObservations, options: AftermathOptions) -> dict[str, list]:
    """Coordinates of the model: plain str and int."""
    cells = effect_cells(observations, options)
    stacked = observations.members[["cohort", "event_time"]].drop_duplicates()
    stacked = stacked.sort_values(["cohort", "event_time"])
    return {
        "la": list(observations.las.index),
        "year": observations.la_years,
        "obs": list(range(len(observations.cells))),
        "event_time": _modelled(observations, options),
        "effect_cell": [
            _label(*row) for row in zip(cells["cohort"], cells["event_time"], strict=True)
        ],
        "stack_cell": [
            _label(*row) for row in zip(stacked["cohort"], stacked["event_time"], strict=True)
        ],
    }


def level_prior(options: AftermathOptions) -> str:
    """Name of the prior of the national level under these options."""
    if options.outcome in WHOLES:
        return "level_of_share"
    return "level" if options.exposure == "population_0_17" else "level_of_ratio"


def build(
    observations: AftermathObservations,
    options: AftermathOptions,
    priors: Mapping[str, Prior],
) -> pm.Model:
    """The PyMC model of the module docstring."""
    cells, members = observations.cells, observations.members
    la = observations.las.index.get_indexer(cells["la"])
    year = pd.Index(observations.la_years).get_indexer(cells["year"])
    found = coords(observations, options)
    with pm.Model(coords=found) as model:
        # national
        level = draw_from(priors[level_prior(options)])
        year_effect = draw_from(priors["year_effect"], dims="year")
        # local authorities
        ever = np.isin(list(observations.las.index), members.loc[members["judged"], "la"])
        around = level
        if options.judged_levels == "own_mean":
            around = level + draw_from(priors["judged_level"]) * ever.astype(float)
        level_sd = draw_from(priors["la_level_sd"], may_vanish=True)
        la_level = drawn_around_data("la_level", around, level_sd, shown_levels(observations))
        # stacks
        score = pm.Normal("stack_z", 0, 1, dims="stack_cell")
        path = draw_from(priors["stack_sd"]) * score
        mean = la_level[la] + year_effect[year]
        mean += _over_stacks(path, members, found["stack_cell"], len(cells))
        # what follows the judgement
        which = effect_cells(observations, options)
        at = pd.Index(found["event_time"]).get_indexer(which["event_time"])
        score = pm.Normal("effect_z", 0, 1, dims="effect_cell")
        effect = pm.Deterministic(
            "cohort_effect",
            draw_from(priors["effect"], dims="event_time")[at]
            + draw_from(priors["effect_sd"]) * score,
            dims="effect_cell",
        )
        mean += _over_stacks(effect, members[members["judged"]], found["effect_cell"], len(cells))
        # single years
        series = Series.of(la, cells["year"].to_numpy())
        carried = {
            "mean": mean,
            "persistence": draw_from(priors["persistence"]),
            "sd": draw_from(priors["yearly_sd"]),
            "series": series,
        }
        la_year = autocorrelated("la_year", **carried, dims="obs")
        # likelihood
        has_scatter = options.residual == "with_scatter"
        figures_given(
            "y",
            latent=la_year,
            **carried,
            dispersion=dispersion_of(draw_from(priors["scatter_sd"])) if has_scatter else None,
            exposure=cells["exposure"].to_numpy(),
            is_share=observations.is_share,
            lower=cells["lower"].to_numpy(),
            upper=cells["upper"].to_numpy(),
            dims="obs",
        )
    return model


def _over_stacks(
    terms: pt.TensorVariable, members: pd.DataFrame, labels: list[str], cells: int
) -> pt.TensorVariable:
    """Sum over the stacks of each cell (obs,) of ``terms``, one for each of ``labels``."""
    place = {label: at for at, label in enumerate(labels)}
    own: list[list[int]] = [[] for _ in range(cells)]
    for cell, cohort, event_time in zip(
        members["cell"], members["cohort"], members["event_time"], strict=True
    ):
        at = place.get(_label(cohort, event_time))
        if at is not None:
            own[cell].append(at)
    # A cell with fewer stacks than others takes the nought behind the last term.
    width = max(map(len, own), default=0)
    index = np.array([row + [len(labels)] * (width - len(row)) for row in own], dtype=int)
    return pt.concatenate([terms, pt.zeros(1)])[index].sum(axis=1)


def constant_data(observations: AftermathObservations) -> xr.Dataset:
    """Index vectors, bounds, exposure, status and whether a cell follows a judgement, on `obs`."""
    cells, members = observations.cells, observations.members
    after = members.loc[members["judged"] & (members["event_time"] >= 0), "cell"]
    return xr.Dataset(
        {
            "la": ("obs", observations.las.index.get_indexer(cells["la"])),
            "year": ("obs", pd.Index(observations.la_years).get_indexer(cells["year"])),
            "y_lower": ("obs", cells["lower"].to_numpy()),
            "y_upper": ("obs", cells["upper"].to_numpy()),
            "exposure": ("obs", cells["exposure"].to_numpy()),
            "status": ("obs", cells["status"].to_numpy()),
            "follows_judgement": ("obs", np.isin(range(len(cells)), after).astype("int8")),
        },
        coords={"obs": range(len(cells))},
    )


# ---------------------------------------------------------------------------------- estimands


def exposure(observations: AftermathObservations, options: AftermathOptions) -> dict[str, object]:
    """The denominator in words, for `spec.json`."""
    measure = MEASURES[observations.exposure]
    per_child = measure.name == "population_0_17"
    unit = "per 10,000 children" if per_child else f"per 100 {within_sentence(measure.label)}"
    return {
        "name": measure.name,
        "label": measure.label,
        "per": 10_000 if per_child else 100,
        "unit": unit,
    }


def declared_estimands(options: AftermathOptions) -> tuple[Estimand, ...]:
    """Every quantity that this model answers with, whether or not the data can give it."""
    return declare(options.outcome, options.judgement, options.years_early)


def estimands(
    posterior: xr.Dataset,
    observations: AftermathObservations,
    options: AftermathOptions,
    priors: Mapping[str, Prior],
) -> Answer:
    """Draws of every estimand, from the posterior alone."""
    return answers(
        effect=posterior["cohort_effect"],
        expected=posterior["la_level"],
        years=posterior["year_effect"],
        la_year=posterior["la_year"],
        chance=(posterior["yearly_sd"], posterior["persistence"]),
        cells=effect_cells(observations, options),
        observations=observations,
    )


def true_estimands(
    cube: xr.DataTree, observations: AftermathObservations, options: AftermathOptions
) -> dict[str, xr.DataArray]:
    """What a perfect fit to a simulated cube would say, from `/truth`, in the same coordinates.

    Departures of single years are chance, so that contrasts between years before the judgement are
    those of expected rates: slopes of authorities are part of them.
    """
    truth = cube["truth"].to_dataset().sel(la=list(observations.las.index))
    cells, members = observations.cells, observations.members
    la = xr.DataArray(cells["la"].to_numpy(), dims="obs")
    year = xr.DataArray(cells["year"].to_numpy(), dims="obs")
    mu = truth[f"{options.outcome}_mu"].sel(la=la, year=year).to_numpy()
    if observations.is_share:
        whole = truth[f"{WHOLES[options.outcome]}_mu"].sel(la=la, year=year).to_numpy()
        value = np.log(mu / (whole - mu))
    else:
        value = np.log(mu / cells["exposure"].to_numpy())
    name = f"{options.outcome}_aftermath"
    change = truth[name].sel(la=la, year=year).to_numpy() if name in truth else np.zeros(len(cells))
    which = effect_cells(observations, options)
    judged = members[members["judged"]].assign(change=lambda rows: change[rows["cell"]])
    by_cell = judged.groupby(["cohort", "event_time"])["change"].mean()
    keys = pd.MultiIndex.from_frame(which[["cohort", "event_time"]])
    level = pd.Series(value - change, cells["la"]).groupby(level=0).mean()
    found = answers(
        effect=xr.DataArray(by_cell.reindex(keys).to_numpy(), dims="effect_cell"),
        expected=xr.DataArray(level.reindex(observations.las.index).to_numpy(), dims="la"),
        years=xr.DataArray(np.zeros(len(observations.la_years)), dims="year"),
        la_year=xr.DataArray(value, dims="obs"),
        chance=None,
        cells=which,
        observations=observations,
    )
    return dict(found.values)


# ---------------------------------------------------------------------------------- in words


def equations(options: AftermathOptions) -> list[str]:
    """The model that these options choose, a line each."""
    is_share, has_scatter = options.outcome in WHOLES, options.residual == "with_scatter"
    whole = WHOLES.get(options.outcome, options.exposure)
    family = {
        (False, False): f"Poisson({whole}[i,t] exp(la_year[i,t]))",
        (True, False): f"Binomial({whole}[i,t], log odds la_year[i,t])",
        (False, True): f"NegBin({whole}[i,t] exp(la_year[i,t]), dispersion = 1 / scatter_sd²)",
        (True, True): f"BetaBinomial({whole}[i,t], log odds la_year[i,t], 1 / scatter_sd²)",
    }[is_share, has_scatter]
    own = options.judged_levels == "own_mean"
    date = f"g - {options.years_early}" if options.years_early else "g"
    when = "t >= " + date if options.before == "explained" else f"t is not {date} - 1"
    return [
        f"y[i,t] ~ {family}; a suppressed count enters as the probability of its interval",
        "la_year[i,t] = la_level[i] + year_effect[t] + sum over stacks of i: "
        f"stack_path[g, t - ({date})] + cohort_effect[g, t - ({date})] where i was judged in g and "
        f"{when} + departure[i,t]",
        "departure[i,t] = persistence departure[i,t-1] + Normal(0, yearly_sd), stationary within i",
        f"la_level[i] ~ Normal({level_prior(options)}"
        + (" + judged_level (i judged so in any stack)" if own else "")
        + ", la_level_sd)",
        "cohort_effect[g,k] ~ Normal(effect[k], effect_sd); stack_path[g,k] ~ Normal(0, stack_sd)",
        "year_effect[t] ~ Normal of fixed size, years sum to zero",
    ]


def priors_used(options: AftermathOptions, observations: AftermathObservations) -> tuple[str, ...]:
    """Names of the priors that these options and data call for, in reading order."""
    names = [
        level_prior(options),
        "judged_level",
        "la_level_sd",
        "year_effect",
        "stack_sd",
        "effect",
        "effect_sd",
        "yearly_sd",
        "persistence",
    ]
    if options.judged_levels == "common_mean":
        names.remove("judged_level")
    if options.residual == "with_scatter":
        names.append("scatter_sd")
    return tuple(names)


def blocks(options: AftermathOptions) -> tuple[Block, ...]:
    """Variables by the part of the model that they belong to; absent ones are passed over."""
    return (
        Block("after the judgement", ("effect", "effect_sd", "effect_z")),
        Block("stacks", ("stack_sd", "stack_z")),
        Block(
            "local authorities",
            (
                "level",
                "level_of_ratio",
                "level_of_share",
                "judged_level",
                "la_level",
                "la_level_raw",
                "la_level_sd",
            ),
        ),
        Block(
            "years and single years",
            ("year_effect", "yearly_sd", "persistence", "scatter_sd", "la_year"),
        ),
    )


def notes(observations: AftermathObservations, options: AftermathOptions) -> list[str]:
    """What a reader must know before the numbers."""
    judged = sum(len(stack.judged) for stack in observations.stacks)
    others = {la for stack in observations.stacks for la in stack.comparison}
    found = [
        "A descriptive difference-in-differences: what authorities did after "
        f"{CLASS_LABELS[options.judgement]}, beyond what others did that were inspected in the "
        "same years. Nobody assigned judgements at random.",
        f"{judged} judgements in cohorts {spans([s.cohort for s in observations.stacks])}, held "
        f"against {len(others)} authorities. Time runs from the financial year of publication; "
        f"year 0 is partly exposed, so that year {MAIN_EVENT:+d} answers.",
    ]
    chosen = {
        "matched": f"Comparison authorities: the {MATCHES} of each stack whose three years before "
        "are most alike in shape, levels aside.",
        "matched_on_level": f"Comparison authorities: the {MATCHES} of each stack nearest in level "
        "over the three years before. Such a match picks authorities whose years were by chance "
        "unlike their usual, and what is chance does not last (regression to the mean): compare it "
        "with comparison=all.",
        "neighbours": "Comparison authorities: those of each stack that are statistical neighbours "
        "of a judged one, by the edition nearest to the cohort's year, which may be later.",
    }
    if options.comparison in chosen:
        found.append(chosen[options.comparison])
    if options.before == "free":
        found.append(
            "Change is reckoned from the year before the judgement. A judgement that followed a "
            "year bad by chance then seems to be followed by a change (regression to the mean)."
        )
    if options.judged_levels == "own_mean":
        found.append(
            "The judged have a mean level of their own. Where judgements follow years that were "
            "bad by chance, part of those counts as level and changes come out too low; with "
            "judged_levels=common_mean they come out too high where the judged lastingly differ. "
            "Read both."
        )
    else:
        found.append(
            "Levels of the judged are taken to lie around the mean of all, so that judgements made "
            "on the figures themselves do no harm. Where judgements follow a lasting level that "
            "inspectors know beyond the figures, changes come out too high; with "
            "judged_levels=own_mean they come out too low where a bad year led to the judgement. "
            "Read both."
        )
    if options.years_early:
        found.append(
            f"A trial with pretended dates, {options.years_early} years before the true ones: only "
            "years before the true judgement are used, and there is nothing to be found."
        )
    for reason, group in observations.set_aside.groupby("reason", sort=False):
        found.append(f"Set aside, {reason}: {sum(map(len, group['las']))} judgements.")
    thin = [
        f"year {signed(row.event_time, 0)}"
        for row in event_cells(observations)
        .groupby("event_time", as_index=False)["judged"]
        .sum()
        .itertuples()
        if 0 < row.judged < 10
    ]
    if thin:
        found.append(f"Fewer than 10 judged authorities stand behind {', '.join(thin)}.")
    return found


def answer(
    summary: pd.DataFrame, observations: AftermathObservations, options: AftermathOptions
) -> str:
    """The question answered in one sentence, from `estimands.csv`."""
    return in_words(summary, observations, options.judgement)


SPEC = ModelSpec(
    name="aftermath",
    title="After a judgement",
    question="What changes in an authority in the years after an inadequate judgement?",
    options=AftermathOptions,
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
        "But for what carries over from year to year, judged and comparison authorities would have "
        "moved alike, and judgement hung on nothing else that was about to change.",
        "Departures from an authority's level fade at one rate everywhere (AR(1)); lasting drifts "
        "of authorities count as such departures.",
        "Comparison authorities did not change because of their own inspection or of others' "
        "judgements.",
        "Inspectors judged neither by the chance of the year of judgement itself (year 0 would "
        "carry it, and year +1 part of it) nor by what in earlier figures was to pass: where they "
        "did the latter, rises come out too low.",
        "Who was judged inadequate later stays among the judged: the change is that after a "
        "judgement, whatever followed.",
        "A missing return says nothing about the figures that are missing.",
    ),
    cannot_say=(
        "That the judgement caused the change: the data are observed, not assigned.",
        "Anything about single children: rates of areas are not risks of persons (ecological).",
        "Whether more enquiries and plans after a judgement made children safer.",
    ),
    blocks=blocks,
    priors_used=priors_used,
    hyperparameters=(
        "la_level_sd",
        "stack_sd",
        "effect_sd",
        "yearly_sd",
        "persistence",
        "scatter_sd",
    ),
    figures=("aftermath",),
    notes=notes,
)
