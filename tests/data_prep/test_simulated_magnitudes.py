"""Simulated figures have the size and spread of the published ones.

Published values: rates and shares of English authorities, years ending March 2010-14, from the
children in need census underlying data; SDs of log rates and log odds between and within
authorities, with year effects.
"""

import numpy as np
import pytest
import xarray as xr
from scipy.special import logit

from data_prep.indicators import INDICATORS
from data_prep.simulated import SimulationOptions, build_simulated

SEEDS = (20080331, 1, 2)
# Between authorities, within authorities.
RATE_SPREAD = {
    "referral_rate": (0.28, 0.22),
    "section47_rate": (0.33, 0.27),
    "icpc_rate": (0.34, 0.27),
    "cpp_start_rate": (0.33, 0.20),
    "cpp_rate": (0.34, 0.22),
    "cin_rate": (0.28, 0.15),
}
SHARE_SPREAD = {
    "rereferral_share": (0.30, 0.25),
    "nfa_share": (1.21, 0.85),
    "ia_10_days_share": (0.61, 0.79),
    "ca_35_days_share": (0.46, 0.65),
    "cin_ended_3_months_share": (0.41, 0.38),
    "second_plan_share": (0.27, 0.36),
}
# Percentiles 5, 25, 50, 75, 95 of authorities in 2013.
PERCENTILES = {
    "referral_rate": (295, 399, 481, 690, 892),
    "section47_rate": (56, 87, 104, 134, 221),
    "icpc_rate": (28, 42, 53, 64, 98),
    "cpp_rate": (20, 31, 37, 47, 68),
    "cin_rate": (206, 274, 346, 427, 554),
    "rereferral_share": (12.2, 18.3, 22.5, 26.8, 33.5),
    "ia_10_days_share": (47, 69, 79, 88, 95),
    "ca_35_days_share": (54, 70, 79, 85, 93),
    "nfa_share": (0.3, 2.8, 7.9, 17.3, 36.1),
}


@pytest.fixture(scope="module")
def cubes() -> list[xr.Dataset]:
    cubes = []
    for seed in SEEDS:
        cube = build_simulated(SimulationOptions(seed=seed))["cube"].to_dataset()
        # The published values leave out the two smallest authorities.
        large = (cube["population_0_17"] > 2500).all("year")
        cubes.append(cube.sel(la=large, year=slice(2010, 2014)))
    return cubes


def indicator_values(cube: xr.Dataset, name: str) -> np.ndarray:
    indicator = INDICATORS[name]
    return np.asarray(indicator.per * cube[indicator.numerator] / cube[indicator.denominator])


def spread(values: np.ndarray) -> tuple[float, float]:
    """SDs between and within rows, years taken out; finite cells only."""
    values = np.where(np.isfinite(values), values, np.nan)
    values = values[:, np.isfinite(values).any(axis=0)]
    values = values - np.nanmean(values, axis=0)
    cells = np.isfinite(values).sum(axis=1)
    use = cells >= 2
    mean = np.nanmean(values[use], axis=1)
    residual = values[use] - mean[:, None]
    within = np.nansum(residual**2) / (cells[use].sum() - use.sum() - values.shape[1] + 1)
    between = np.var(mean, ddof=1) - within * np.mean(1 / cells[use])
    return float(np.sqrt(max(between, 0))), float(np.sqrt(within))


@pytest.mark.parametrize("name", RATE_SPREAD)
def test_spread_of_rates(cubes: list[xr.Dataset], name: str) -> None:
    with np.errstate(divide="ignore"):
        found = np.mean([spread(np.log(indicator_values(cube, name))) for cube in cubes], axis=0)
    between, within = RATE_SPREAD[name]
    np.testing.assert_allclose(found, (between, within), rtol=0.17)
    icc = found[0] ** 2 / np.sum(found**2)
    assert icc == pytest.approx(between**2 / (between**2 + within**2), abs=0.1)


@pytest.mark.parametrize("name", SHARE_SPREAD)
def test_spread_of_shares(cubes: list[xr.Dataset], name: str) -> None:
    with np.errstate(divide="ignore"):
        found = np.mean(
            [spread(logit(indicator_values(cube, name) / 100)) for cube in cubes], axis=0
        )
    np.testing.assert_allclose(found, SHARE_SPREAD[name], rtol=0.17)


@pytest.mark.parametrize("name", PERCENTILES)
def test_percentiles_of_authorities(cubes: list[xr.Dataset], name: str) -> None:
    found = np.mean(
        [
            np.nanpercentile(indicator_values(cube.sel(year=2013), name), [5, 25, 50, 75, 95])
            for cube in cubes
        ],
        axis=0,
    )
    np.testing.assert_allclose(found, PERCENTILES[name], rtol=0.2, atol=2.0)


def test_plans_exceed_conferences_as_often_as_they_do(cubes: list[xr.Dataset]) -> None:
    for cube in cubes:
        both = cube["cpp_starts"].notnull() & cube["icpc"].notnull()
        exceed = ((cube["cpp_starts"] > cube["icpc"]) & both).sum() / both.sum()
        assert 0.15 <= float(exceed) <= 0.25


@pytest.mark.parametrize(
    ("measure", "year", "published"),
    [
        ("referrals", 2005, 493),
        ("referrals", 2010, 548),
        ("section47", 2010, 80),
        ("section47", 2014, 124),
        ("icpc", 2010, 39),
        ("icpc", 2014, 57),
        ("cpp_starts", 2002, 25),
        ("cpp_starts", 2014, 52),
        ("cpp_at_31_march", 2001, 24),
        ("cpp_at_31_march", 2014, 42),
        ("cin_at_31_march", 2013, 332),
        ("cla_at_31_march", 2005, 54),
        ("cla_at_31_march", 2014, 60),
    ],
)
def test_national_rates(measure: str, year: int, published: float) -> None:
    national = build_simulated()["national"].to_dataset().sel(year=year)
    rate = float(1e4 * national[measure] / national["population_0_17"])
    assert rate == pytest.approx(published, rel=0.12)


def test_sizes_of_authorities() -> None:
    cube = build_simulated()["cube"].to_dataset().sel(year=2013)
    children = np.sort(cube["population_0_17"].values)
    assert children[:2].max() < 1500
    assert children[2] >= 7_500
    assert children[-1] <= 330_000
    assert 50_000 < np.median(children) < 70_000
    assert 10.0e6 < children.sum() < 12.5e6


def test_deprivation_scores() -> None:
    scores = build_simulated()["deprivation"].to_dataset()
    imd = scores["imd_score"].values
    assert np.corrcoef(imd.T).min() > 0.9
    together = np.corrcoef(imd[:, 2], scores["idaci_score"].values[:, 2])[0, 1]
    assert 0.8 < together < 0.98
    assert 4 < imd.min() < imd.max() < 80
    assert 0.01 < scores["idaci_score"].min() < scores["idaci_score"].max() < 0.7


def test_inspections_a_year() -> None:
    for seed in SEEDS:
        seen = build_simulated(SimulationOptions(seed=seed))["inspections"].to_dataset()
        assert 190 < seen.sizes["inspection"] < 220
        assert 0.10 < float((seen["grade"] == 0).mean()) < 0.35
        gap = (seen["publication_date"] - seen["inspection_date"]).dt.days
        assert 45 < float(gap.median()) < 60
        assert 0 < float(seen["inspection_date"].isnull().mean()) < 0.5
