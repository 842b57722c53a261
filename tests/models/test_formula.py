"""Formulas on a small world: what is left out, what is refused, and that it is bambi's model."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from pydantic import ValidationError

from data_prep.errors import DataError, Fault
from data_prep.schema import STATUS
from data_prep.selection import leave_out_by_confidence
from experiments.calibrate import plan_study
from experiments.config import load_experiment
from experiments.diagnostics import summarise
from experiments.recovery import recover
from models.formula import SPEC, FittedObservations, FormulaOptions
from models.formula_bambi import specify
from models.formula_text import parse
from models.priors import Prior
from models.replaceable import replaceable_data
from tests.models.density import log_density_and_gradient
from tests.models.draws import posterior_like

YEARS = (2010, 2014)
PLANS = {"family": "negativebinomial", "exposure": "population"}
CHANGES: list[dict[str, Any]] = [
    {},
    {"noncentered": "none"},
    {"formula": "p(rereferrals, referrals) ~ timeliness * scale(imd) + (timeliness|la)"},
    {"formula": "p(rereferrals, referrals) ~ nfa_share", "family": "binomial", "link": "probit"},
    {"formula": "cpp_starts ~ factor(year) + region + (1|la)", **PLANS},
    {"formula": "cpp_starts ~ year + (1|year) + (0 + year|la) + (1|region)", **PLANS},
    {"formula": "cpp_starts ~ 0 + imd + offset(log(referrals))", "family": "poisson"},
    {"formula": "section47 ~ scale(log(lag(referral_rate)))", "family": "negativebinomial"},
    {"formula": "log(referral_rate) ~ poly(year, 2) + bs(idaci, 4) + (1|la)", "family": "gaussian"},
    {"formula": "referral_rate ~ imd:la_type", "family": "t"},
    {"formula": "referral_rate ~ I(imd / 2) + sqrt(cin_rate) + (1|la)", "family": "gamma"},
    {"formula": "referral_rate ~ 1", "family": "gaussian"},
]


def observe(
    world: xr.DataTree, years: tuple[int, int] | None = YEARS, **change: Any
) -> tuple[FittedObservations, FormulaOptions]:
    options = FormulaOptions(**change)
    return SPEC.observe(world, options, years=years), options


def build(
    world: xr.DataTree, **change: Any
) -> tuple[pm.Model, FittedObservations, FormulaOptions, dict[str, Prior]]:
    observations, options = observe(world, **change)
    priors = SPEC.declare_priors(options, observations)
    return SPEC.build(observations, options, priors), observations, options, priors


def faults(world: xr.DataTree, **change: Any) -> list[Fault]:
    with pytest.raises(DataError) as caught:
        observe(world, **change)
    return list(caught.value.faults)


def changed(world: xr.DataTree, name: str, where: dict[str, Any], status: str) -> xr.DataTree:
    """The world with one cell hidden (1 to 5) or missing."""
    copy = world.copy()
    table = copy["cube"].to_dataset()
    bounds = {"suppressed": (np.nan, 1, 5), "not_available": (np.nan,) * 3}
    for part, value in zip(("", "_lower", "_upper"), bounds[status], strict=True):
        array = table[name + part].copy(deep=True)
        array.loc[where] = value
        table[name + part] = array
    array = table[f"{name}_status"].copy(deep=True)
    array.loc[where] = STATUS[status]
    table[f"{name}_status"] = array
    copy["cube"] = xr.DataTree(table)
    return copy


def point_of(model: pm.Model, seed: int = 1) -> dict[str, np.ndarray]:
    """A point away from the start, on the scale that the sampler sees."""
    rng = np.random.default_rng(seed)
    return {
        name: value + 0.1 * rng.normal(size=np.shape(value))
        for name, value in model.initial_point().items()
    }


def log_density(model: pm.Model, point: dict[str, np.ndarray]) -> float:
    return float(model.compile_logp(mode="FAST_COMPILE")(point))


# -------------------------------------------------------------------------------------- graph


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.get("formula", str(c) or "base"))
def test_density_priors_blocks_and_estimands(small_world: xr.DataTree, change: Any) -> None:
    model, observations, options, priors = build(small_world, **change)
    density, gradient = log_density_and_gradient(model)
    assert np.isfinite(density)
    assert np.isfinite(gradient).all()
    assert np.any(gradient != 0)
    # Every prior is of a parameter, and every parameter has a prior or is drawn by one.
    free = {rv.name for rv in model.free_RVs}
    groups = {group.variable for group in parse(options.formula).groups}
    assert set(SPEC.priors_used(options, observations)) == set(priors)
    raw = {name for group in groups for name in (group, f"{group}_offset")}
    assert free - raw == set(priors)
    assert {rv.name for rv in model.observed_RVs} == {"y"}
    assert model.named_vars_to_dims["y"] == ("obs",)
    assert free <= {name for block in SPEC.blocks(options) for name in block.variables}
    assert not any(mark in name for name in model.named_vars for mark in "|()[] ")
    for prior in priors.values():
        assert prior.faults() == []
        assert prior.meaning
        assert prior.reason
    labels = [label for values in model.coords.values() for label in values or ()]
    assert {type(label) for label in labels} <= {str, int}
    assert SPEC.equations(options)
    assert SPEC.notes(observations, options)
    constant = SPEC.constant_data(observations)
    assert all(constant[name].dims == ("obs",) for name in constant)
    if "la" in model.coords:
        used = list(observations.las.index)[: len(model.coords["la"])]
        assert list(model.coords["la"]) == used, "cells point into the list of authorities"
    answer = SPEC.estimands(posterior_like(model, outcomes=False), observations, options, priors)
    declared = SPEC.declared_estimands(options)
    assert set(answer.values) == {estimand.name for estimand in declared}
    table = summarise(answer.values, declared, answer.not_estimable)
    for estimand in declared:
        rows = table[table["estimand"] == estimand.name]
        assert rows[list(estimand.coordinates)].notna().all(axis=None)
        assert not rows.duplicated(["estimand", *estimand.coordinates]).any()
    assert SPEC.answer(table, observations, options).startswith("In 2010-2014 the ")


def test_it_is_bambi_s_own_model(small_world: xr.DataTree) -> None:
    """The same density at a point as bambi called by itself, with its automatic priors."""
    import bambi

    formula = "p(rereferrals, referrals) ~ scale(timeliness) + (1|la)"
    model, observations, _, _ = build(small_world, formula=formula)
    table = observations.table.astype({"la": "category"})
    own = bambi.Model(formula, table, family="beta_binomial")
    own.build()
    names = {
        "intercept": "Intercept",
        "scale_timeliness": "scale(timeliness)",
        "la_level_sd_log__": "1|la_sigma_log__",
        "la_level_offset": "1|la_offset",
        "dispersion_log__": "kappa_log__",
    }
    point = point_of(model)
    theirs = {names[name]: value for name, value in point.items()}
    assert log_density(own.backend.model, theirs) == pytest.approx(
        log_density(model, point), rel=1e-6
    )


def test_it_is_the_beta_binomial_model_written_by_hand(small_world: xr.DataTree) -> None:
    formula = "p(rereferrals, referrals) ~ scale(timeliness) + (1|la)"
    model, observations, _, priors = build(small_world, formula=formula, noncentered="none")
    table = observations.table
    x = table["timeliness"].to_numpy()
    x = (x - x.mean()) / x.std()
    codes, las = pd.factorize(table["la"], sort=True)

    def sigma(name: str) -> float:
        return priors[name].parameters["sigma"]

    with pm.Model() as by_hand:
        dispersion = pm.HalfCauchy("dispersion", 1)
        intercept = pm.Normal("intercept", 0, sigma("intercept"))
        effect = pm.Normal("scale_timeliness", 0, sigma("scale_timeliness"))
        sd = pm.HalfNormal("la_level_sd", sigma("la_level_sd"))
        level = pm.Normal("la_level", 0, sd, shape=len(las))
        share = pm.math.invlogit(intercept + effect * x + level[codes])
        pm.BetaBinomial(
            "y",
            alpha=share * dispersion,
            beta=(1 - share) * dispersion,
            n=table["referrals"].to_numpy(),
            observed=table["rereferrals"].to_numpy(),
        )
    point = point_of(model)
    assert log_density(by_hand, point) == pytest.approx(log_density(model, point), rel=1e-9)


@pytest.mark.parametrize("change", [CHANGES[2], CHANGES[4], CHANGES[5], CHANGES[8]])
def test_the_design_adds_up_to_what_bambi_expects(small_world: xr.DataTree, change: Any) -> None:
    """Estimands make the expected values again: they must be those of the graph."""
    observations, options = observe(small_world, **change)
    priors = SPEC.declare_priors(options, observations)
    formula = parse(options.formula)
    exposure = "population_0_17" if options.exposure == "population" else ""
    link = {"beta_binomial": "logit", "negativebinomial": "log"}.get(options.family, "identity")
    whole = specify(formula, options.family, link, exposure, observations.table, priors)
    whole.build()
    graph = whole.backend.model
    expected = graph["mu"]
    one = {
        name: np.asarray(v)
        for name, v in posterior_like(graph, 2, outcomes=False).isel(chain=0, draw=0).items()
    }
    free = list(graph.free_RVs)
    value = pm.compile(free, expected, mode="FAST_COMPILE", on_unused_input="ignore")(
        *[one[rv.name] for rv in free]
    )
    draws = xr.Dataset(
        {
            name: (
                ("chain", "draw", *(f"{name}_{i}" for i in range(array.ndim))),
                array[None, None],
            )
            for name, array in one.items()
        }
    )
    answer = SPEC.estimands(draws, observations, options, priors)
    scale = float(SPEC.exposure(observations, options)["per"])
    weights = observations.cells["exposure"].to_numpy(float)
    counts = options.family == "negativebinomial"
    mean = value.sum() / weights.sum() if counts else value @ weights / weights.sum()
    assert float(answer.values["mean"].squeeze()) == pytest.approx(scale * mean, rel=1e-9)


# --------------------------------------------------------------------------------------- cells


def test_only_exact_cells_are_used_and_every_other_has_its_reason(small_world: xr.DataTree) -> None:
    before, options = observe(small_world)
    cell = before.cells.iloc[3]
    where = {"la": cell["la"], "year": cell["year"]}
    hidden, _ = observe(changed(small_world, "rereferrals", where, "suppressed"))
    assert len(hidden.cells) == len(before.cells) - 1
    (reason,) = hidden.dropped.merge(pd.DataFrame([where]))["reason"]
    assert reason == "re-referrals: suppressed, known only within bounds"
    predictor, _ = observe(changed(small_world, "initial_assessments", where, "not_available"))
    (reason,) = predictor.dropped.merge(pd.DataFrame([where]))["reason"]
    assert reason == "initial assessments in 10 days: not available"
    for found in (before, hidden, predictor):
        assert (found.cells["lower"] == found.cells["upper"]).all()
        told = SPEC.describe(found)
        assert told["interval"] == 0
        assert told["cells"] == 24 * 5 == told["used"] + sum(r["cells"] for r in told["dropped"])
        assert f"{len(found.dropped)} of 120 LA-years are left out" in SPEC.notes(found, options)[0]


def test_figures_that_a_rule_leaves_out_are_left_out_of_every_name(
    small_world: xr.DataTree,
) -> None:
    marked = leave_out_by_confidence(small_world, ["low"])
    before, _ = observe(small_world)
    after, _ = observe(marked)
    told = after.dropped["reason"].value_counts()
    assert told.filter(like="left out, confidence low").sum() > 0
    assert len(after.cells) < len(before.cells)
    one = {"formula": "cpp_starts ~ ca_35_days_share", "family": "negativebinomial"}
    reasons = set(observe(marked, **one)[0].dropped["reason"])
    assert "core assessments in 35 days: left out, confidence low" in reasons


def test_the_year_before_is_that_of_the_year_before(small_world: xr.DataTree) -> None:
    change = {"formula": "section47 ~ lag(referrals)", "family": "negativebinomial"}
    observations, _ = observe(small_world, **change)
    referrals = small_world["cube"]["referrals"]
    for cell, value in zip(
        observations.cells.itertuples(), observations.table["referrals_year_before"], strict=True
    ):
        assert value == float(referrals.sel(la=cell.la, year=cell.year - 1))
    # The first year of the cube has none before it.
    all_years, _ = observe(small_world, years=None, **change)
    first = int(small_world["cube"]["year"].min())
    assert first not in set(all_years.cells["year"])
    assert "lag(referrals): the year before is not in the cube" in set(all_years.dropped["reason"])


def test_names_mean_what_the_page_says(small_world: xr.DataTree) -> None:
    formula = "cpp_starts ~ imd + year + population + rereferral_share + region"
    observations, _ = observe(small_world, formula=formula, family="negativebinomial")
    table, cells, cube = observations.table, observations.cells, small_world["cube"]
    assert set(table["year"] + 2012) == set(cells["year"])
    by_la = table.groupby(cells["la"])["imd"].first()
    scores = small_world["deprivation"]["imd_score"].sel(edition=observations.editions["imd"])
    standard = (scores - scores.mean()) / scores.std(ddof=1)
    assert by_la.to_numpy() == pytest.approx(standard.sel(la=list(by_la.index)).values)
    for row in (0, len(table) - 1):
        at = {"la": cells["la"][row], "year": cells["year"][row]}
        share = 100 * float(cube["rereferrals"].sel(at)) / float(cube["referrals"].sel(at))
        assert table["rereferral_share"][row] == pytest.approx(share)
        assert table["population"][row] == float(cube["population_0_17"].sel(at))
        assert table["region"][row] == str(cube["region"].sel(la=at["la"]).values)


# -------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"formula": "cpp_starts ~ imd + idaci + I(imd + idaci)"}, "made of imd, idaci exactly"),
        ({"formula": "cpp_starts ~ imd + I(imd * 2)"}, "made of imd exactly"),
        ({"formula": "cpp_starts ~ log(imd)"}, "no finite number"),
        ({"formula": "cpp_starts ~ I(year / imd) + I(imd - imd)"}, "bambi cannot compute it"),
        ({"formula": "cpp_starts ~ factor(year)", "years": (2012, 2012)}, "is the same in all"),
        ({"formula": "cpp_starts ~ (1|la)", "years": (2012, 2012)}, "cannot be told from scatter"),
        ({"formula": "cpp_starts ~ (1|year)", "years": (2012, 2013)}, "cannot show how far"),
        ({"formula": "cpp_starts ~ imd", "years": (1990, 1991)}, "no authority figures"),
        ({"formula": "cpp_starts ~ cla_rate"}, "no LA-year has an exact number"),
        ({"formula": "cpp_starts ~ cin_ended_3_6_months"}, "the cube does not hold it"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_its_reason(
    small_world: xr.DataTree, change: dict[str, Any], words: str
) -> None:
    found = faults(small_world, **{"family": "negativebinomial", "years": YEARS, **change})
    assert any(words in fault.problem for fault in found), [str(fault) for fault in found]
    assert all(fault.remedy for fault in found)
    assert {fault.column for fault in found} <= {"options.formula", "data.years"}


def test_outcomes_out_of_range_are_named(small_world: xr.DataTree) -> None:
    seen, _ = observe(small_world, formula="cpp_start_rate ~ imd", family="gaussian")
    zero = seen.cells[seen.cells["lower"] == 0]
    assert len(zero), "the world has an authority without plans"
    place = f"{seen.las['name'][zero['la'].iloc[0]]} {zero['year'].iloc[0]}"
    (fault,) = faults(small_world, formula="log(cpp_start_rate) ~ imd", family="gaussian")
    assert f"log of zero in {len(zero)} LA-years: {place}" in fault.problem
    (fault,) = faults(small_world, formula="cpp_start_rate ~ imd", family="gamma")
    assert "values above zero" in fault.problem


def test_a_cube_without_scores_says_so(small_world: xr.DataTree) -> None:
    bare = small_world.copy()
    del bare["deprivation"]
    (fault,) = faults(bare, formula="cpp_starts ~ imd", family="negativebinomial")
    assert fault.value == "imd"
    assert "no such score" in fault.problem


def test_unknown_authorities_to_leave_out(small_world: xr.DataTree) -> None:
    with pytest.raises(DataError, match="no such local authority"):
        SPEC.observe(small_world, FormulaOptions(), years=YEARS, exclude=("E99999999",))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "poisson"}, "explains counts"),
        ({"formula": "cpp_rate ~ imd"}, "one of values"),
        ({"formula": "log(cpp_starts) ~ imd", "family": "poisson"}, "one of values"),
        ({"link": "log"}, "does not go with beta_binomial"),
        ({"exposure": "population"}, "an exposure does not go"),
        ({"exposure": "population_density"}, "no such count"),
        (
            {
                "formula": "cpp_starts ~ imd + offset(log(population))",
                "family": "poisson",
                "exposure": "referrals",
            },
            "say the same twice",
        ),
        ({"formula": "cpp_starts ~ nothing"}, "no name 'nothing'"),
        ({"family": "bernoulli"}, "beta_binomial"),
    ],
)
def test_options_that_do_not_agree(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FormulaOptions(**change)


def test_a_count_may_be_taken_as_a_value() -> None:
    assert FormulaOptions(formula="cpp_starts ~ imd", family="gaussian").link == "usual"


# -------------------------------------------------------------------------------------- priors


def test_automatic_priors_are_those_of_bambi(small_world: xr.DataTree) -> None:
    formula = "cpp_starts ~ factor(year) + scale(imd) + (1|la)"
    observations, options = observe(small_world, formula=formula, **PLANS)
    priors = SPEC.declare_priors(options, observations)
    assert priors["scale_imd"].parameters["sigma"] == pytest.approx(2.5, rel=1e-4)
    shares = observations.table["year_factor"].value_counts(normalize=True).drop("2010")
    widest = 2.5 / np.sqrt(shares * (1 - shares)).min()
    assert priors["year_factor"].parameters["sigma"] == pytest.approx(widest, rel=1e-4)
    assert "the widest" in priors["year_factor"].reason
    assert priors["scale_imd"].reason == "bambi's automatic prior"
    assert "the expectation times 0.00745 to 134" in priors["scale_imd"].meaning
    assert priors["dispersion"].distribution == "HalfCauchy"


def test_priors_of_the_config_take_the_place_of_automatic_ones(small_world: xr.DataTree) -> None:
    sets = ["priors.la_level_sd.distribution=Exponential", "priors.la_level_sd.parameters.lam=3"]
    experiment = load_experiment("formula", sets=sets)
    observations = SPEC.observe(small_world, experiment.options, years=YEARS)
    declared = SPEC.declare_priors(experiment.options, observations)
    found = experiment.with_priors(declared)
    assert found.priors["la_level_sd"].distribution == "Exponential"
    assert found.priors["intercept"].parameters == {"mu": -1.2, "sigma": 0.5}
    assert found.resolved()["priors"].keys() == declared.keys()
    model = SPEC.build(observations, experiment.options, found.priors)
    rate = model["la_level_sd"].owner.inputs[-1].eval()
    assert rate == pytest.approx(1 / 3)


def test_priors_that_fit_nothing_are_refused_with_the_known_ones(small_world: xr.DataTree) -> None:
    sets = [
        "priors.timelines.parameters.sigma=1",
        "priors.la_level_sd.distribution=Normal",
        "priors.la_level_sd.parameters.mu=0",
        "priors.la_level_sd.parameters.sigma=1",
        "priors.dispersion.distribution=Correlation",
        "priors.dispersion.parameters.eta=1",
    ]
    experiment = load_experiment("formula", sets=sets)
    observations = SPEC.observe(small_world, experiment.options, years=YEARS)
    with pytest.raises(DataError) as caught:
        experiment.with_priors(SPEC.declare_priors(experiment.options, observations))
    told = {fault.column: fault for fault in caught.value.faults}
    assert len(told) == len(caught.value.faults) == 3
    assert "did you mean scale_timeliness" in told["priors.timelines"].remedy
    assert "lies below zero" in told["priors.la_level_sd"].problem
    assert "Correlation cannot stand for" in told["priors.dispersion"].problem


def test_another_formula_starts_without_the_priors_of_the_first() -> None:
    assert load_experiment("formula").overridden
    other = ["options.formula=cpp_starts~imd", "options.family=poisson"]
    experiment = load_experiment("formula", sets=other)
    assert not experiment.overridden
    assert experiment.config.question == SPEC.question
    assert "scale_imd" in load_experiment("formula", "plans").overridden


def test_faults_of_the_formula_say_where_it_stands() -> None:
    with pytest.raises(DataError) as caught:
        load_experiment("formula", sets=["options.formula=cpp_starts ~ nothing"])
    (fault,) = caught.value.faults
    assert (fault.file, fault.column) == ("--set", "options.formula")
    assert "names:" in fault.remedy


# ---------------------------------------------------------------------------- what is not offered


def test_studies_of_known_truth_are_refused(small_world: xr.DataTree) -> None:
    observations, options = observe(small_world)
    with pytest.raises(DataError, match="no declared truth"):
        SPEC.true_estimands(small_world, observations, options)
    with replaceable_data(), pytest.raises(DataError, match="no declared truth"):
        SPEC.build(observations, options, SPEC.declare_priors(options, observations))
    with pytest.raises(DataError, match="not assessed"):
        recover("formula", seeds=[1])
    with pytest.raises(DataError, match="not assessed"):
        plan_study(load_experiment("formula"))


# ------------------------------------------------------------------------------------ estimands


def test_effects_of_a_straight_line_are_its_slope(small_world: xr.DataTree) -> None:
    change = {"formula": "referral_rate ~ imd + factor(year)", "family": "gaussian"}
    model, observations, options, priors = build(small_world, **change)
    posterior = posterior_like(model, outcomes=False)
    values = SPEC.estimands(posterior, observations, options, priors).values
    effect = values["effect"].set_index(row=["term", "step"])
    sd = observations.table["imd"].std(ddof=0)
    per_sd = effect.isel(row=0)
    assert per_sd.values == pytest.approx(posterior["imd"].values * sd)
    assert effect.sel(row=("imd", "1 more")).values == pytest.approx(posterior["imd"].values)
    year = effect.sel(row=("factor(year) 2011", "against 2010"))
    level = posterior["year_factor"].sel(year_factor_level="2011")
    assert year.values == pytest.approx(level.values)


def test_levels_of_a_factor_are_held_against_its_reference(small_world: xr.DataTree) -> None:
    change = {"formula": "p(rereferrals, referrals) ~ factor(year)", "family": "binomial"}
    model, observations, options, priors = build(small_world, **change)
    posterior = posterior_like(model, outcomes=False)
    effect = SPEC.estimands(posterior, observations, options, priors).values["effect"]
    found = effect.set_index(row=["term", "step"]).sel(row=("factor(year) 2014", "against 2010"))
    # All LA-years in 2014, less all in 2010: levels vary with nothing else here.
    year = posterior["year_factor"]
    shares = observations.table["year_factor"].value_counts(normalize=True)
    middle = sum(
        float(shares[level]) * year.sel(year_factor_level=level, drop=True)
        for level in ("2011", "2012", "2013", "2014")
    )
    first = posterior["intercept"] - middle
    last = first + year.sel(year_factor_level="2014", drop=True)
    expected = 100 * (1 / (1 + np.exp(-last)) - 1 / (1 + np.exp(-first)))
    assert found.values == pytest.approx(expected.values)


def test_effects_on_shares_are_ratios_of_odds_and_points(small_world: xr.DataTree) -> None:
    model, observations, options, priors = build(small_world)
    posterior = posterior_like(model, outcomes=False)
    values = SPEC.estimands(posterior, observations, options, priors).values
    slope = posterior["scale_timeliness"].values
    assert values["effect_ratio"].squeeze("row").values == pytest.approx(np.exp(slope))
    assert (np.sign(values["effect"].squeeze("row").values) == np.sign(slope)).all()
    assert float(abs(values["effect"]).max()) <= 100
    sd = observations.table["timeliness"].std(ddof=0)
    assert str(values["effect"]["step"].item()) == f"1 sd more ({sd:.1f})"
    assert list(values["la_mean"]["la"].values) == sorted(set(observations.cells["la"]))
