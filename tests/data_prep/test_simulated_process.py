"""The generative process: what /truth says is what the counts do."""

from functools import cache

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from data_prep.indicators import MEASURES
from data_prep.schema import cube_hash
from data_prep.simulated import SimulationOptions, build_simulated
from data_prep.simulated.inspections import AFTERMATH_MEASURES
from data_prep.simulated.processes import RATES, SHARES


@cache
def truth_of(**options: object) -> xr.Dataset:
    return build_simulated(SimulationOptions(**options))["truth"].to_dataset()


@pytest.fixture(scope="module")
def truth() -> xr.Dataset:
    return truth_of()


def test_same_options_give_the_same_cube() -> None:
    small = SimulationOptions(las=12, first_year=2009, last_year=2012)
    tree = build_simulated(small)
    assert tree.attrs["cube_hash"] == cube_hash(tree) == cube_hash(build_simulated(small))
    other = SimulationOptions(las=12, first_year=2009, last_year=2012, seed=1)
    assert cube_hash(build_simulated(small)) != cube_hash(build_simulated(other))


def test_every_count_measure_has_a_process() -> None:
    counted = {name for name, measure in MEASURES.items() if measure.is_count}
    # No model needs how long the longer episodes lasted.
    longer = {name for name in counted if name.startswith("cin_ended_") and "3_months" not in name}
    assert counted - {"population_0_17", *longer} == set(RATES) | set(SHARES)


@pytest.mark.parametrize("measure", RATES)
def test_expected_counts_have_the_form_of_the_trend_model(truth: xr.Dataset, measure: str) -> None:
    years = truth["national_year"].isin(truth["year"])
    trend = truth[f"{measure}_trend"][years].values
    expected = (
        np.log(truth["population_true"])
        + xr.DataArray(trend, dims="year", coords={"year": truth["year"]})
        + truth[f"{measure}_level"]
        + truth[f"{measure}_slope"] * (truth["year"] - truth.attrs["slope_year"])
        + truth[f"{measure}_aftermath"]
    )
    xr.testing.assert_allclose(np.log(truth[f"{measure}_mu"]), expected.transpose("la", "year"))
    rate = truth[f"{measure}_mu"].sum("la") / truth["population_true"].sum("la")
    np.testing.assert_allclose(truth[f"{measure}_national_rate"][years], rate)


@pytest.mark.parametrize("measure", RATES)
def test_counts_are_negative_binomial_about_their_expected_values(measure: str) -> None:
    # Enough cells for a sharp test; randomised probability integral transforms are then uniform.
    drawn = truth_of(las=300, first_year=2003, last_year=2014, seed=5)
    earlier = drawn.get(f"{measure}_regime_multiplier")
    mean = drawn[f"{measure}_mu"]
    if earlier is not None:
        regimes = MEASURES[measure].regimes
        multiplier = [
            float(earlier.sel(regime=MEASURES[measure].regime_name(int(year), int(year))))
            for year in drawn["year"]
        ]
        assert multiplier[-1] == 1.0
        assert len(regimes) == 2
        mean = mean * xr.DataArray(multiplier, dims="year", coords={"year": drawn["year"]})
    alpha = float(drawn[f"{measure}_dispersion"])
    count = drawn[f"{measure}_count"].values
    exists = np.isfinite(count)
    count, mean = count[exists], mean.values[exists]
    law = stats.nbinom(alpha, alpha / (alpha + mean))
    # Measures share scatter but LA-years do not, so the cells of one measure are independent.
    at_random = np.random.default_rng(0).uniform(size=count.size)
    place = law.cdf(count - 1) + at_random * law.pmf(count)
    assert stats.kstest(place, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("measure", SHARES)
def test_parts_are_beta_binomial_about_their_expected_shares(measure: str) -> None:
    drawn = truth_of(las=200, first_year=2010, last_year=2014, seed=6, tiny_las=0)
    parent = SHARES[measure].of or MEASURES[measure].parent
    share, precision = drawn[f"{measure}_share"].values, float(drawn[f"{measure}_share_precision"])
    trials, count = drawn[f"{parent}_count"].values, drawn[f"{measure}_count"].values
    exists = np.isfinite(count)
    share, trials, count = share[exists], trials[exists], count[exists]
    law = stats.betabinom(trials.astype(int), share * precision, (1 - share) * precision)
    at_random = np.random.default_rng(0).uniform(size=count.size)
    place = law.cdf(count - 1) + at_random * law.pmf(count)
    assert stats.kstest(place, "uniform").pvalue > 1e-3


def test_levels_and_slopes_spread_and_correlate_as_stated() -> None:
    drawn = truth_of(las=400, first_year=2012, last_year=2012, spatial_share=0.0)
    for measure in RATES:
        level, slope = drawn[f"{measure}_level"].values, drawn[f"{measure}_slope"].values
        assert np.std(level) == pytest.approx(float(drawn[f"{measure}_level_sd"]), rel=0.15)
        assert np.std(slope) == pytest.approx(float(drawn[f"{measure}_slope_sd"]), rel=0.15)
        stated = float(drawn[f"{measure}_level_slope_correlation"])
        assert np.corrcoef(level, slope)[0, 1] == pytest.approx(stated, abs=0.2)


def test_stated_spread_of_slopes_includes_a_drifting_deprivation_effect() -> None:
    drawn = truth_of(
        las=400, first_year=2012, last_year=2012, spatial_share=0.0, deprivation_drift_percent=4.0
    )
    slope = drawn["section47_slope"].values
    assert np.std(slope) == pytest.approx(float(drawn["section47_slope_sd"]), rel=0.15)
    assert np.corrcoef(drawn["section47_level"], slope)[0, 1] == pytest.approx(
        float(drawn["section47_level_slope_correlation"]), abs=0.2
    )


def test_deprivation_slope_is_the_slope_on_the_driving_score(truth: xr.Dataset) -> None:
    score = truth["deprivation_z"].values
    assert score.mean() == pytest.approx(0, abs=1e-12)
    assert score.std() == pytest.approx(1)
    gaps = [
        np.polyfit(score, truth[f"{measure}_level"].values, 1)[0]
        - float(truth[f"{measure}_deprivation_slope"])
        for measure in RATES
    ]
    assert np.max(np.abs(gaps)) < 0.12


def test_effects_can_be_zero() -> None:
    drawn = truth_of(
        las=30,
        first_year=2006,
        last_year=2014,
        level_sd_scale=0.0,
        slope_sd_scale=0.0,
        deprivation_scale=0.0,
        break_scale=0.0,
        regime_scale=0.0,
        trend_walk_sd=0.0,
        scatter_scale=0.0,
        timeliness_within=0.0,
        timeliness_between=0.0,
        aftermath_percent=(0.0, 0.0, 0.0),
        inadequate_timeliness=0.0,
        inadequate_rereferral=0.0,
        inadequate_agency=0.0,
        inadequate_deprivation=0.0,
    )
    late = drawn["national_year"].values <= 2014
    for measure in RATES:
        assert not drawn[f"{measure}_level"].any()
        assert not drawn[f"{measure}_slope"].any()
        assert not drawn[f"{measure}_aftermath"].any()
        assert np.isinf(drawn[f"{measure}_dispersion"])
        steps = np.diff(drawn[f"{measure}_trend"].values[late])
        np.testing.assert_allclose(steps, steps[0], atol=1e-12)
        if f"{measure}_regime_multiplier" in drawn:
            values = drawn[f"{measure}_regime_multiplier"].values
            assert set(values[np.isfinite(values)]) == {1.0}
    share = drawn["rereferrals_share"].values
    np.testing.assert_allclose(share, np.broadcast_to(share[:1], share.shape))
    by_framework = drawn["inadequate_log_odds"].values
    assert len(np.unique(np.round(by_framework, 12))) <= 3
    # Without scatter counts are Poisson: standardised residuals have variance 1.
    residual = (drawn["section47_count"] - drawn["section47_mu"]) / np.sqrt(drawn["section47_mu"])
    assert float(residual.var()) == pytest.approx(1, abs=0.3)


def test_switching_one_effect_leaves_all_other_draws_as_they_were(truth: xr.Dataset) -> None:
    without = truth_of(aftermath_percent=(0.0, 0.0, 0.0))
    xr.testing.assert_identical(truth["referrals_count"], without["referrals_count"])
    xr.testing.assert_identical(truth["event_time"], without["event_time"])
    touched = truth["event_time"].isin([0, 1, 2]).values
    assert touched.any()
    for measure in AFTERMATH_MEASURES:
        now, then = truth[f"{measure}_count"].values, without[f"{measure}_count"].values
        np.testing.assert_array_equal(now[~touched], then[~touched])
        assert (now[touched] >= then[touched]).all()


def test_a_window_does_not_change_what_happened_in_it(truth: xr.Dataset) -> None:
    short = truth_of(first_year=2008, last_year=2010)
    for measure in ("referrals", "cin_at_31_march", "cla_at_31_march"):
        np.testing.assert_array_equal(
            truth[f"{measure}_count"].sel(year=short["year"]), short[f"{measure}_count"]
        )


def test_aftermath_is_a_per_cent_change_by_year_after_publication(truth: xr.Dataset) -> None:
    effect = np.exp(truth["icpc_aftermath"]).values
    for year, ratio in ((0, 1.05), (1, 1.10), (2, 1.08)):
        np.testing.assert_allclose(effect[truth["event_time"].values == year], ratio)
    assert (effect[~truth["event_time"].isin([0, 1, 2]).values] == 1).all()
    assert not truth["referrals_aftermath"].any()


def test_timeliness_acts_on_rereferral_by_its_two_effects() -> None:
    drawn = truth_of(las=40, first_year=2010, last_year=2013, timeliness_within=-0.3)
    odds = np.log(drawn["rereferrals_share"] / (1 - drawn["rereferrals_share"]))
    rest = (
        odds
        + 0.3 * drawn["timeliness_within"]
        - float(drawn["timeliness_between_effect"]) * drawn["timeliness_between"]
        - drawn["rereferrals_share_level"]
    )
    # What is left is the national trend alone: the same in every LA.
    np.testing.assert_allclose(rest.std("la"), 0, atol=1e-9)


def test_scatter_can_persist_from_year_to_year() -> None:
    def persistence(value: float) -> float:
        drawn = truth_of(
            las=200, first_year=2009, last_year=2014, tiny_las=0, scatter_persistence=value
        )
        residual = np.log(drawn["section47_count"] / drawn["section47_mu"]).values
        return float(np.corrcoef(residual[:, 1:].ravel(), residual[:, :-1].ravel())[0, 1])

    assert persistence(0.0) == pytest.approx(0, abs=0.08)
    assert persistence(0.8) == pytest.approx(0.75, abs=0.12)


def test_spatial_part_makes_neighbours_alike() -> None:
    def likeness(share: float) -> float:
        tree = build_simulated(
            SimulationOptions(
                las=200, first_year=2012, last_year=2012, spatial_share=share, deprivation_scale=0.0
            )
        )
        level = tree["truth"]["cla_at_31_march_level"]
        edges = tree["adjacency"].to_dataset()
        first = level.sel(la=edges["la_from"].values).values
        second = level.sel(la=edges["la_to"].values).values
        return float(np.mean(first * second) / np.var(level.values))

    assert likeness(0.0) < 0.2 < likeness(0.9)


def test_inadequate_judgements_follow_their_log_odds() -> None:
    tree = build_simulated(SimulationOptions(las=400, first_year=2010, last_year=2018))
    odds = tree["truth"]["inadequate_log_odds"].values
    chance = 1 / (1 + np.exp(-odds))
    inadequate = tree["inspections"]["grade"].values == 0
    spread = np.sqrt(np.sum(chance * (1 - chance)))
    assert abs(inadequate.sum() - chance.sum()) < 3.5 * spread
    assert odds[inadequate].mean() > odds[~inadequate].mean()


def test_inspections_read_the_year_before() -> None:
    tree = build_simulated(SimulationOptions(las=40, first_year=2009, last_year=2014))
    seen, read = tree["inspections"].to_dataset(), tree["truth"]["predictor_year"].values
    date = seen["inspection_date"].values
    known = ~np.isnat(date)
    month = date[known].astype("datetime64[M]").astype(int)
    year = 1970 + month // 12 + (month % 12 >= 3)
    np.testing.assert_array_equal(read[known], np.maximum(year - 1, 2009))


def test_overrides_reach_one_measure_alone(truth: xr.Dataset) -> None:
    options = SimulationOptions(overrides={"section47.slope_sd": 0.0})
    changed = build_simulated(options)["truth"].to_dataset()
    assert not changed["section47_slope"].any()
    xr.testing.assert_identical(truth["icpc_slope"], changed["icpc_slope"])
    assert truth["section47_slope"].any()
