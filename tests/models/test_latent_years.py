"""Autocorrelated latent values and the figures given them, against scipy and closed forms."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

from models.latent_years import Series, autocorrelated, figures_given, stationary_sd
from models.replaceable import replaceable_data

FAST = "FAST_COMPILE"
LA = np.array([1, 0, 0, 1, 0, 2])
YEAR = np.array([2012, 2010, 2013, 2010, 2011, 2012])
RATE, SHARE = np.full(6, 9000.0), np.array([40.0, 60, 50, 45, 30, 20])


def test_series_find_what_comes_before_in_any_order() -> None:
    series = Series.of(LA, YEAR)
    assert series.before.tolist() == [3, 1, 4, 3, 1, 5]
    assert series.gap.tolist() == [2, 0, 2, 0, 1, 0]
    assert series.rank.tolist() == [1, 0, 2, 0, 1, 0]


def covariance(sd: float, persistence: float) -> np.ndarray:
    """Of the six cells: an AR(1) within each LA, nothing between LAs."""
    apart = np.abs(YEAR[:, None] - YEAR[None, :])
    same = LA[:, None] == LA[None, :]
    return stationary_sd(sd, persistence) ** 2 * persistence**apart * same


def latent_model(**given: float) -> pm.Model:
    with pm.Model(coords={"obs": range(6)}) as model:
        sd = pm.HalfNormal("sd", 1)
        persistence = pm.Beta("persistence", 2, 2)
        autocorrelated(
            "x",
            mean=pt.as_tensor(np.arange(6.0)),
            persistence=persistence,
            sd=sd,
            series=Series.of(LA, YEAR),
            dims="obs",
        )
    return pm.do(model, given)


@pytest.mark.parametrize(("sd", "persistence"), [(0.2, 0.7), (0.5, 0.05), (1.0, 0.98)])
def test_density_is_that_of_the_multivariate_normal(sd: float, persistence: float) -> None:
    model = latent_model(sd=sd, persistence=persistence)
    x = np.random.default_rng(1).normal(size=6) + np.arange(6)
    found = model.compile_logp(mode=FAST)({"x": x})
    expected = stats.multivariate_normal(np.arange(6), covariance(sd, persistence)).logpdf(x)
    assert float(found) == pytest.approx(float(expected), rel=1e-10)


def test_draws_have_that_covariance() -> None:
    model = latent_model(sd=0.3, persistence=0.6)
    draws = pm.draw(model["x"], draws=4000, random_seed=1, mode=FAST)
    assert np.allclose(draws.mean(axis=0), np.arange(6), atol=0.03)
    assert np.allclose(np.cov(draws.T), covariance(0.3, 0.6), atol=0.012)


def figures(lower: np.ndarray, upper: np.ndarray, *, is_share: bool, scatter: bool) -> pm.Model:
    with pm.Model(coords={"obs": range(6)}) as model:
        shift = pm.Normal("shift", 0, 1)
        latent = shift + pt.linspace(-0.5, 0.5, 6) + (0.0 if is_share else -6.0)
        figures_given(
            "y",
            latent=latent,
            mean=latent,
            persistence=pt.as_tensor(0.5),
            sd=pt.as_tensor(0.3),
            dispersion=pt.as_tensor(np.array(8.0)) if scatter else None,
            series=Series.of(LA, YEAR),
            exposure=SHARE if is_share else RATE,
            is_share=is_share,
            lower=lower,
            upper=upper,
            dims="obs",
        )
    return model


def expected_log_mass(
    lower: np.ndarray, upper: np.ndarray, *, is_share: bool, scatter: bool
) -> list[float]:
    latent = 0.3 + np.linspace(-0.5, 0.5, 6) + (0.0 if is_share else -6.0)
    found = []
    for at, (low, high) in enumerate(zip(lower, upper, strict=True)):
        counts = np.arange(low, high + 1)
        p, mean = 1 / (1 + np.exp(-latent[at])), RATE[at] * np.exp(latent[at])
        family = {
            (False, False): lambda: stats.poisson(mean),  # noqa: B023
            (False, True): lambda: stats.nbinom(8, 8 / (8 + mean)),  # noqa: B023
            (True, False): lambda: stats.binom(int(SHARE[at]), p),  # noqa: B023
            (True, True): lambda: stats.betabinom(int(SHARE[at]), 8 * p, 8 * (1 - p)),  # noqa: B023
        }[is_share, scatter]()
        found.append(float(np.log(family.pmf(counts).sum())))
    return found


@pytest.mark.parametrize("is_share", [False, True])
@pytest.mark.parametrize("scatter", [False, True])
def test_mass_is_scipys_also_of_intervals_and_exchanged_data(is_share: bool, scatter: bool) -> None:
    counts = np.array([0, 20, 6, 31, 3, 1])
    lower = np.array([0, 20, 6, 31, 1, 1])
    upper = np.array([0, 20, 6, 31, 5, 5])
    options = {"is_share": is_share, "scatter": scatter}
    if is_share:
        lower, upper, counts = (np.minimum(x, SHARE.astype(int)) for x in (lower, upper, counts))
    expected = expected_log_mass(lower, upper, **options)
    point = {"shift": np.array(0.3)}
    model = figures(lower, upper, **options)
    (found,) = model.compile_fn(model.logp(model.observed_RVs, sum=False), mode=FAST)(point)
    assert np.allclose(found, expected, rtol=1e-8)
    with replaceable_data() as exchange:
        model = figures(lower, upper, **options)
    with model:
        pm.set_data(exchange.publish["y"](counts))
    (found,) = model.compile_fn(model.logp(model.observed_RVs, sum=False), mode=FAST)(point)
    assert np.allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("is_share", [False, True])
def test_replicates_of_a_fit_have_fresh_departures_and_worlds_do_not(is_share: bool) -> None:
    bounds = np.full(6, 10), np.full(6, 10)
    fit = pm.do(figures(*bounds, is_share=is_share, scatter=False), {"shift": 0.0})
    fresh = pm.draw(fit["y"], draws=800, random_seed=1, mode=FAST)
    with replaceable_data():
        studied = figures(*bounds, is_share=is_share, scatter=False)
    given = pm.draw(pm.do(studied, {"shift": 0.0})["y"], draws=800, random_seed=1, mode=FAST)
    assert (fresh.var(axis=0) > 1.3 * given.var(axis=0)).all()


def test_intervals_come_last_and_bounds_are_in_order() -> None:
    with pytest.raises(ValueError, match="before interval"):
        figures(
            np.array([1, 6, 6, 6, 6, 6]),
            np.array([5, 6, 6, 6, 6, 6]),
            is_share=False,
            scatter=False,
        )
    with pytest.raises(ValueError, match="lower <= upper"):
        figures(np.full(6, 5), np.full(6, 4), is_share=False, scatter=False)
