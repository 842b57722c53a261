"""Deprivation gradients: graphs of every option, estimands and truth, refusals; no sampling."""

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from data_prep.errors import DataError
from data_prep.simulated import SimulationOptions, build_simulated
from experiments.diagnostics import summarise
from models.deprivation import SPEC, DeprivationCounts, DeprivationOptions
from tests.models.density import log_density_and_gradient
from tests.models.draws import posterior_like

CHOICES: list[dict[str, Any]] = [
    {},
    {"outcomes": "referrals"},
    {"outcomes": "section47, icpc, cpp_starts", "denominator": "previous_stage"},
    {"outcomes": "section47,cpp_starts", "denominator": "referrals"},
    {"outcomes": "rereferrals,cpp_open_2_years", "denominator": "previous_stage"},
    {"deprivation": "idaci", "edition": 2015},
    {"slope": "drifting", "la_effect": "level_and_slope"},
    {"la_effect": "level_and_slope"},
    {"curvature": True},
    {"slope_pooling": "none"},
    {"adjustment": "region"},
    {"adjustment": "la_type,children"},
    {"level_structure": "regions"},
    {"level_structure": "spatial"},
    {"scatter": "by_authority"},
    {"scatter": "none"},
    {"busy_years": "shared"},
    {
        "outcomes": "section47",
        "denominator": "referrals",
        "level_structure": "spatial",
        "adjustment": "children",
        "curvature": True,
        "slope": "drifting",
        "la_effect": "level_and_slope",
    },
]


def build(
    world: xr.DataTree, **options: Any
) -> tuple[pm.Model, DeprivationCounts, DeprivationOptions]:
    chosen = DeprivationOptions(**options)
    observations = SPEC.observe(world, chosen, years=(2011, 2014))
    return SPEC.build(observations, chosen, SPEC.priors), observations, chosen


# Those whose graphs differ; the others change data or priors alone.
GRAPHS = [
    options
    for options in CHOICES
    if not {"denominator", "deprivation", "slope_pooling"} & set(options) or len(options) > 3
]


@pytest.mark.parametrize("options", GRAPHS, ids=str)
def test_density_and_gradient_are_finite(small_world: xr.DataTree, options: dict[str, Any]) -> None:
    model, observations, chosen = build(small_world, **options)
    density, gradient = log_density_and_gradient(model)
    assert np.isfinite(density)
    assert np.isfinite(gradient).all()
    assert (gradient != 0).any()
    named = {rv.name.removesuffix("_raw") for rv in model.free_RVs}
    assert set(SPEC.priors_used(chosen, observations)) <= named
    declared = {name for block in SPEC.blocks(chosen) for name in block.variables}
    assert {rv.name for rv in model.free_RVs} <= declared, "every variable stands in a block"
    assert [rv.name for rv in model.observed_RVs] == ["y"]


def test_observation_arrays_follow_the_contract(small_world: xr.DataTree) -> None:
    _, observations, options = build(small_world)
    constant = SPEC.constant_data(observations)
    assert all(constant[name].dims == ("obs",) for name in constant)
    coords = SPEC.coords(observations, options)
    for name in ("la", "year", "outcome"):
        assert set(constant[name].values) == set(range(len(coords[name])))
    assert {type(value) for values in coords.values() for value in values} <= {str, int}
    exact = (constant["y_lower"] == constant["y_upper"]).values
    assert (np.diff(exact.astype(int)) <= 0).all(), "exact cells first"
    score = observations.deprivation
    assert score.mean() == pytest.approx(0)
    assert score.std(ddof=0) == pytest.approx(1)


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_estimands_and_their_truth_share_coordinates(
    small_world: xr.DataTree, options: dict[str, Any]
) -> None:
    model, observations, chosen = build(small_world, **options)
    answer = SPEC.estimands(posterior_like(model), observations, chosen, SPEC.priors)
    truth = SPEC.true_estimands(small_world, observations, chosen)
    assert set(truth) == set(answer.values)
    declared = SPEC.declared_estimands(chosen)
    assert {estimand.name for estimand in declared} == set(truth)
    for estimand in declared:
        drawn, true = answer.values[estimand.name], truth[estimand.name]
        assert set(drawn.dims) - {"chain", "draw"} == set(true.dims)
        for name in estimand.coordinates:
            assert (drawn[name].values == true[name].values).all()
        assert np.isfinite(true).all()
        assert np.isfinite(drawn).all()
    table = summarise(answer.values, declared)
    assert "standard deviation higher" in SPEC.answer(table, observations, chosen)


def test_truth_is_that_of_the_process_in_the_middle_of_the_window() -> None:
    """At the year in which growth is zero the window's gradient is the one put in."""
    cube = build_simulated(SimulationOptions(seed=5, aftermath_percent=(0, 0, 0), first_year=2004))
    truth = cube["truth"].to_dataset()
    options = DeprivationOptions()
    observations = SPEC.observe(cube, options, years=(2006, 2010))
    found = SPEC.true_estimands(cube, observations, options)
    for name in options.outcomes:
        own = float(truth[f"{name}_deprivation_slope"])
        assert float(np.log(found["ratio_per_sd"].sel(outcome=name))) == pytest.approx(own)
        share = own**2 / float(truth[f"{name}_level_sd"]) ** 2
        # Growth adds a little to levels even then: they are means over years, not over one.
        assert float(found["share_explained"].sel(outcome=name)) == pytest.approx(share, rel=1e-6)


@pytest.mark.parametrize("exposure", ["children", "referrals"])
def test_true_slope_and_spread_are_those_of_many_authorities(exposure: str) -> None:
    """Least squares over the authorities of many worlds finds the derived slope and spread."""
    options = DeprivationOptions(outcomes=("section47", "cpp_starts"), denominator=exposure)
    rows = []
    for seed in range(12):
        world = {"seed": seed, "aftermath_percent": (0, 0, 0), "deprivation_drift_percent": 2.0}
        cube = build_simulated(SimulationOptions(las=152, first_year=2010, **world))
        observations = SPEC.observe(cube, options)
        found = SPEC.true_estimands(cube, observations, options)
        level = np.log(found["la_rate"]).to_pandas().T
        score = observations.deprivation
        for name, own in level.items():
            slope = np.polyfit(score, own, 1)[0]
            left = own - slope * score
            rows.append(
                {
                    "outcome": name,
                    "slope": slope,
                    "true": float(np.log(found["ratio_per_sd"].sel(outcome=name))),
                    "beyond": left.var(),
                    "share": float(found["share_explained"].sel(outcome=name)),
                }
            )
    table = pd.DataFrame(rows)
    for _, part in table.groupby("outcome"):
        error = part["slope"] - part["true"]
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(part))
        beyond = part["true"] ** 2 * (1 / part["share"] - 1)
        assert part["beyond"].mean() == pytest.approx(beyond.mean(), rel=0.15)


def test_another_score_weakens_the_true_gradient(small_world: xr.DataTree) -> None:
    _, imd, options = build(small_world, outcomes="referrals")
    _, idaci, other = build(small_world, outcomes="referrals", deprivation="idaci")
    own = SPEC.true_estimands(small_world, imd, options)["ratio_per_sd"]
    weakened = SPEC.true_estimands(small_world, idaci, other)["ratio_per_sd"]
    assert 1 < float(weakened[0]) < float(own[0])


@pytest.mark.parametrize(
    ("world", "options", "reason"),
    [
        ({"las": 12, "first_year": 2012, "last_year": 2012}, {}, "level from its scatter"),
        ({"las": 4, "first_year": 2010}, {}, "cannot show a gradient"),
        ({"las": 12, "first_year": 2010}, {"edition": 2011}, "no IMD scores of this edition"),
        ({"las": 12, "first_year": 2010}, {"slope": "drifting"}, "surer than it is"),
        (
            {"las": 12, "first_year": 2010},
            {"busy_years": "shared", "outcomes": "referrals"},
            "shares its years with no other",
        ),
        (
            {"las": 12, "first_year": 2010},
            {"level_structure": "regions", "adjustment": "region"},
            "enter twice",
        ),
        ({"las": 8, "first_year": 2010}, {"adjustment": "region,la_type"}, "leave no gradient"),
        ({"las": 12, "first_year": 2010}, {"denominator": "referrals"}, "no such denominator"),
        (
            {"las": 12, "first_year": 2010},
            {"outcomes": "cla_starts", "denominator": "previous_stage"},
            "no such denominator",
        ),
    ],
)
def test_impossible_requests_are_refused_with_the_reason(
    world: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    cube = build_simulated(SimulationOptions(seed=3, **world))
    with pytest.raises(DataError, match=reason):
        SPEC.observe(cube, DeprivationOptions(**options))


def test_every_fault_is_told_at_once(small_world: xr.DataTree) -> None:
    options = DeprivationOptions(
        outcomes=("referrals", "section47"), denominator="referrals", edition=1999 + 2
    )
    with pytest.raises(DataError) as caught:
        SPEC.observe(small_world, options)
    assert [fault.column for fault in caught.value.faults] == [
        "options.denominator",
        "options.edition",
    ]


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [("referral", "unknown outcomes referral"), ("icpc,icpc", "each outcome once")],
)
def test_unknown_and_repeated_outcomes_are_refused(outcomes: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        DeprivationOptions(outcomes=outcomes)  # type: ignore[arg-type]


def test_prior_predictive_is_what_an_expert_would_accept(small_world: xr.DataTree) -> None:
    """Under the prior: rates wide, gradients either way, neither none nor every child."""
    model, observations, options = build(small_world)
    tree = pm.sample_prior_predictive(
        300, model=model, random_seed=5, compile_kwargs={"mode": "FAST_COMPILE"}
    )
    rate = 10_000 * tree["prior_predictive"]["y"].to_numpy()[0]
    rate = rate / observations.cells["exposure"].to_numpy()
    low, middle, high = np.quantile(np.median(rate, axis=1), [0.05, 0.5, 0.95])
    assert 8 < low < 50
    assert 50 < middle < 200
    assert 200 < high < 1500
    prior = tree["prior"].to_dataset()
    values = SPEC.estimands(prior, observations, options, SPEC.priors).values
    ends = values["fifth_ratio"].values.ravel()
    assert 0.1 < np.quantile(ends, 0.05) < 0.5
    assert 2 < np.quantile(ends, 0.95) < 10
    share = values["share_explained"].values.ravel()
    assert np.quantile(share, 0.1) < 0.1
    assert np.quantile(share, 0.9) > 0.7


def test_answers_keep_the_order_asked_for_where_an_outcome_has_few_figures() -> None:
    cube = build_simulated(SimulationOptions(seed=3, las=40, first_year=2010))
    table = cube["cube"].to_dataset().copy(deep=True)
    for suffix in ("", "_lower", "_upper"):
        table[f"section47{suffix}"][{"la": slice(8, None)}] = np.nan
    cube["cube"] = xr.DataTree(table)
    options = DeprivationOptions(outcomes=("section47", "referrals"))
    observations = SPEC.observe(cube, options)
    model = SPEC.build(observations, options, SPEC.priors)
    assert model.coords["pair"] == ("referrals and section47",)
    values = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors).values
    truth = SPEC.true_estimands(cube, observations, options)
    assert values["ratio_per_sd"]["outcome"].values.tolist() == ["section47", "referrals"]
    for found in (values["level_correlation"], truth["level_correlation"]):
        assert found["outcome"].values.tolist() == ["referrals"]
        assert found["other_outcome"].values.tolist() == ["section47"]
    assert any("no usable figure for" in note for note in SPEC.notes(observations, options))
