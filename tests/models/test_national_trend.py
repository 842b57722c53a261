"""The national trend: graphs of every option, estimands, refusals; no sampling here."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from data_prep.errors import DataError
from data_prep.simulated import SimulationOptions, build_simulated
from experiments.diagnostics import summarise
from models.national_trend import SPEC, TrendOptions
from tests.models.density import log_density_and_gradient
from tests.models.draws import posterior_like

TRENDS = ("random_walk", "linear", "break", "free")
OUTCOMES = ("cpp_starts", "cpp_open_2_years", "cla_at_31_march")


def build(world: xr.DataTree, **options: Any) -> tuple[pm.Model, Any, TrendOptions]:
    chosen = TrendOptions(**options)
    observations = SPEC.observe(world, chosen)
    return SPEC.build(observations, chosen, SPEC.priors), observations, chosen


def check_density(model: pm.Model) -> None:
    density, gradient = log_density_and_gradient(model)
    assert np.isfinite(density)
    assert np.isfinite(gradient).all()
    assert np.any(gradient != 0)


@pytest.mark.parametrize(
    ("trend", "la_effect"), list(itertools.product(TRENDS, ("level_and_slope", "level")))
)
def test_density_and_gradient_are_finite(
    small_world: xr.DataTree, trend: str, la_effect: str
) -> None:
    offsets = "none" if trend == "free" else "prior"
    model, observations, options = build(
        small_world, trend=trend, la_effect=la_effect, regime_offsets=offsets
    )
    check_density(model)
    used = SPEC.priors_used(options, observations)
    named = {rv.name.removesuffix("_raw") for rv in model.free_RVs}
    assert set(used) <= named, "every prior in the table is a variable of the model"
    declared = {name for block in SPEC.blocks(options) for name in block.variables}
    assert {rv.name for rv in model.free_RVs} <= declared, "every variable stands in a block"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_suppressed_and_rounded_outcomes_build(small_world: xr.DataTree, outcome: str) -> None:
    model, observations, _ = build(small_world, outcome=outcome)
    check_density(model)
    if outcome != "cpp_starts":
        assert (observations.cells["upper"] > observations.cells["lower"]).any()


def test_other_measures_serve_as_exposure(small_world: xr.DataTree) -> None:
    model, observations, options = build(small_world, outcome="section47", exposure="referrals")
    check_density(model)
    assert SPEC.exposure(observations, options)["unit"] == "per 100 referrals"
    assert "national_level_per_measure" in SPEC.priors_used(options, observations)


def test_england_totals_enter_only_before_the_first_la_year(totals_world: xr.DataTree) -> None:
    model, observations, _ = build(totals_world)
    check_density(model)
    assert [rv.name for rv in model.observed_RVs] == ["y", "log_national_total"]
    assert list(observations.national.index) == list(range(2003, 2010))
    _, without, _ = build(totals_world, national_totals=False)
    assert without.years == list(range(2010, 2015))


def test_observation_arrays_follow_the_contract(small_world: xr.DataTree) -> None:
    _, observations, options = build(small_world)
    constant = SPEC.constant_data(observations)
    assert set(constant) == {"la", "year", "y_lower", "y_upper", "exposure", "status"}
    assert all(constant[name].dims == ("obs",) for name in constant)
    coords = SPEC.coords(observations, options)
    assert constant["la"].max() < len(coords["la"])
    assert constant["year"].max() < len(coords["year"])
    assert {type(value) for values in coords.values() for value in values} <= {str, int}


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("world", ["small_world", "totals_world"])
def test_estimands_and_their_truth_share_coordinates(
    request: pytest.FixtureRequest, world: str, trend: str
) -> None:
    cube = request.getfixturevalue(world)
    offsets = "none" if trend == "free" else "prior"
    model, observations, options = build(cube, trend=trend, regime_offsets=offsets)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    truth = SPEC.true_estimands(cube, observations, options)
    assert set(truth) == set(answer.values)
    declared = SPEC.declared_estimands(options)
    for estimand in declared:
        if estimand.name not in answer.values:
            continue
        drawn, true = answer.values[estimand.name], truth[estimand.name]
        assert set(drawn.dims) - {"chain", "draw"} == set(true.dims)
        assert set(estimand.coordinates) <= set(drawn.coords)
        for name in estimand.coordinates:
            assert (drawn[name].values == true[name].values).all()
        assert np.isfinite(true).all()
    table = summarise(answer.values, declared, answer.not_estimable)
    assert set(table["estimand"]) == {estimand.name for estimand in declared}
    assert SPEC.answer(table, observations, options).startswith("Child protection plans started")


def test_true_estimands_are_those_of_the_process(small_world: xr.DataTree) -> None:
    _, observations, options = build(small_world)
    truth = SPEC.true_estimands(small_world, observations, options)
    process = small_world["truth"].to_dataset()
    rate = 10_000 * process["cpp_starts_mu"] / process["population_true"]
    assert truth["la_rate"].values == pytest.approx(
        rate.sel(la=list(observations.las.index)).values
    )
    # Published populations are rounded to the nearest hundred, so weights differ by a hair.
    national = 10_000 * process["cpp_starts_national_rate"].values
    assert truth["national_rate"].values == pytest.approx(national, rel=2e-3)


def test_linear_trend_has_no_change_of_slope(small_world: xr.DataTree) -> None:
    model, observations, options = build(small_world, trend="linear")
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    assert [item.estimand for item in answer.not_estimable] == ["slope_change"]


def test_no_earlier_figure_makes_2008_not_estimable(totals_world: xr.DataTree) -> None:
    model, observations, options = build(totals_world, national_totals=False)
    answer = SPEC.estimands(posterior_like(model), observations, options, SPEC.priors)
    missing = {item.estimand: item.reason for item in answer.not_estimable}
    assert set(missing) == {"slope_change", "change_since_knot"}
    assert "2010-2014" in missing["slope_change"]


def test_gaps_are_left_out_not_filled(totals_world: xr.DataTree) -> None:
    cube = totals_world.copy()
    national = cube["national"].to_dataset().copy(deep=True)
    for suffix in ("", "_lower", "_upper"):
        national[f"cpp_starts{suffix}"].loc[{"year": [2004, 2005]}] = np.nan
    cube["national"] = xr.DataTree(national)
    model, observations, options = build(cube)
    assert observations.years == [2003, *range(2006, 2015)]
    check_density(model)
    assert any("2004-2005" in note for note in SPEC.notes(observations, options))


@pytest.mark.parametrize(
    ("world", "options", "reason"),
    [
        ({"las": 12, "first_year": 2012, "last_year": 2012}, {}, "level from its scatter"),
        ({"las": 12, "first_year": 2012, "last_year": 2013}, {}, "slope from its scatter"),
        ({"las": 2, "first_year": 2010}, {}, "cannot show how they differ"),
        ({"las": 12, "first_year": 2010}, {"trend": "break"}, "no break can be placed"),
        ({"las": 12, "first_year": 2006}, {"trend": "free"}, "cannot be told apart"),
    ],
)
def test_impossible_requests_are_refused_with_the_reason(
    world: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    cube = build_simulated(SimulationOptions(seed=3, **world))
    with pytest.raises(DataError, match=reason):
        SPEC.observe(cube, TrendOptions(**options))


def test_prior_predictive_is_what_an_expert_would_accept(small_world: xr.DataTree) -> None:
    """Rates per 10,000 under the prior: wide, but neither none nor every child."""
    model, observations, _ = build(small_world)
    tree = pm.sample_prior_predictive(
        200, model=model, random_seed=5, compile_kwargs={"mode": "FAST_COMPILE"}
    )
    exposure = observations.cells["exposure"].to_numpy()
    rate = 10_000 * tree["prior_predictive"]["y"].to_numpy()[0] / exposure
    low, middle, high = np.quantile(np.median(rate, axis=1), [0.05, 0.5, 0.95])
    assert 3 < low < 30
    assert 50 < middle < 200
    assert 500 < high < 3000


# --------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("mean", "half_width", "said"),
    [
        (63.2, 12.0, "; from 2008 to 2014 it rose by 63 per cent (51 to 75); an authority"),
        (-20.0, 5.0, "; from 2008 to 2014 it fell by 20 per cent (15 to 25); an authority"),
        (1.0, 5.0, "; its change from 2008 to 2014 is undecided, +1 per cent (−4 to +6); an"),
        (np.nan, np.nan, " in 2010; an authority at the 90th percentile"),
    ],
)
def test_the_answer_says_how_far_the_rate_moved_since_the_knot(
    small_world: xr.DataTree, mean: float, half_width: float, said: str
) -> None:
    observations, options = SPEC.observe(small_world, TrendOptions()), TrendOptions()

    def row(name: str, mean: float, half: float, year: int | None = None) -> dict[str, Any]:
        sd = {"sd": half / 1.645, "ess_bulk": 900.0, "ess_tail": 800.0}
        ends = {"lower": mean - half, "upper": mean + half}
        return {"estimand": name, "mean": mean, "year": year, **ends, **sd}

    table = pd.DataFrame(
        [
            *(row("national_rate", 30.0 + year - 2010, 1.0, year) for year in (2010, 2014)),
            row("la_ratio_90_10", 2.1, 0.1, 2014),
            row("change_since_knot", mean, half_width),
        ]
    )
    assert said in SPEC.answer(table, observations, options)
