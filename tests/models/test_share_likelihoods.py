"""Interval shares against scipy's beta-binomial, and the error of the quadrature measured."""

import functools
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import betabinom, binom

from models.likelihoods import EXACT_WIDTH
from models.share_likelihoods import beta_binomial_counts

FAST = "FAST_COMPILE"
# Largest error of a log probability by quadrature over a wide interval that is allowed below.
QUADRATURE_ERROR = 0.001


def law(total: np.ndarray | int, log_odds: np.ndarray | float, dispersion: float) -> object:
    share = expit(log_odds)
    return betabinom(total, dispersion * share, dispersion * (1 - share))


def exact_log_probability(
    lower: int, upper: int, total: int, log_odds: float, dispersion: float
) -> float:
    """By summing scipy's mass over every integer, which loses no digits in the tails."""
    mass = law(total, log_odds, dispersion).logpmf(np.arange(lower, upper + 1))
    return float(np.logaddexp.reduce(mass))


def shares(
    lower: np.ndarray, upper: np.ndarray, total: np.ndarray
) -> tuple[pm.Model, pt.TensorVariable, pt.TensorVariable]:
    """The model, and its inputs: log odds (obs,) and the dispersion."""
    log_odds, dispersion = pt.dvector("log_odds"), pt.dscalar("dispersion")
    with pm.Model(coords={"obs": range(len(lower))}) as model:
        beta_binomial_counts(
            "y",
            log_odds=log_odds,
            dispersion=dispersion,
            total=total,
            lower=lower,
            upper=upper,
            dims="obs",
        )
    return model, log_odds, dispersion


def log_probability(
    lower: object, upper: object, total: object, log_odds: object, dispersion: float
) -> np.ndarray:
    model, *inputs = shares(np.asarray(lower), np.asarray(upper), np.asarray(total))
    (density,) = model.logp(sum=False)
    return pytensor.function(inputs, density, mode=FAST)(np.asarray(log_odds, float), dispersion)


def draw(total: np.ndarray, log_odds: np.ndarray, dispersion: float, draws: int) -> np.ndarray:
    bounds = np.zeros(len(total), int)
    with pm.Model(coords={"obs": range(len(total))}):
        y = beta_binomial_counts(
            "y",
            log_odds=pt.as_tensor(log_odds),
            dispersion=pt.as_tensor(np.float64(dispersion)),
            total=total,
            lower=bounds,
            upper=bounds + (np.arange(len(total)) == len(total) - 1),
            dims="obs",
        )
    return pm.draw(y, draws=draws, random_seed=3, mode=FAST)


@st.composite
def cells(draw: st.DrawFn) -> tuple[int, int, int, float]:
    total = draw(st.integers(1, 4000))
    lower = draw(st.integers(0, total))
    width = draw(st.integers(0, EXACT_WIDTH - 1))
    return lower, min(lower + width, total), total, draw(st.floats(-5, 5))


@given(table=st.lists(cells(), min_size=1, max_size=8), dispersion=st.floats(0.5, 2000))
@settings(max_examples=15)
def test_short_intervals_are_exact_sums_and_exact_cells_the_mass(
    table: list[tuple[int, int, int, float]], dispersion: float
) -> None:
    table = sorted(table, key=lambda cell: cell[0] != cell[1])
    lower, upper, total, log_odds = map(np.array, zip(*table, strict=True))
    found = log_probability(lower, upper, total, log_odds, dispersion)
    expected = [exact_log_probability(*cell, dispersion) for cell in table]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("lower", "upper", "total"),
    [
        (0, 50, 60),
        (0, 400, 1000),
        (150, 400, 400),
        (6, 56, 90),
        (6, 60, 2000),
        (30, 120, 200),
        (100, 200, 1000),
        (100, 600, 1200),
        (1000, 1051, 1200),
        (300, 1500, 6000),
    ],
)
def test_quadrature_error_of_wide_intervals(lower: int, upper: int, total: int) -> None:
    """Off by at most .001 in log probability, for scatters of .05 to .3 (published: .06 to .2)."""
    log_odds = np.linspace(-2.5, 2.5, 11)
    same = np.ones(len(log_odds), int)
    for scatter in (0.05, 0.1, 0.3):
        found = log_probability(lower * same, upper * same, total * same, log_odds, scatter**-2)
        expected = [
            exact_log_probability(lower, upper, total, odds, scatter**-2) for odds in log_odds
        ]
        # Beyond a probability of one in a million the far tail is a straight line to the sampler.
        near = np.asarray(expected) > np.log(1e-6)
        assert near.any()
        assert np.abs(found - expected)[near].max() < QUADRATURE_ERROR


def test_with_almost_no_overdispersion_it_is_the_binomial() -> None:
    y, total = np.array([0, 40, 230, 1000]), np.array([10, 100, 1000, 1000])
    log_odds = np.array([-1.0, 0.0, -1.2, 6.0])
    found = log_probability(y, y, total, log_odds, 1e9)
    np.testing.assert_allclose(found, binom(total, expit(log_odds)).logpmf(y), atol=2e-4)


@pytest.mark.parametrize("log_odds", [-1000.0, -40.0, 40.0, 1000.0])
def test_extreme_shares_keep_their_digits(log_odds: float) -> None:
    """All of the whole, or none, is certain; one case away costs what the log odds say."""
    total, certain = 50, 0 if log_odds < 0 else 50
    one_off = 1 if log_odds < 0 else 49
    sure, odd = log_probability(
        [certain, one_off], [certain, one_off], [total, total], [log_odds] * 2, 20.0
    )
    assert sure == pytest.approx(0, abs=1e-12)
    # One case among 50, the others certain: total * dispersion * share / (49 + dispersion).
    expected = np.log(total * 20.0 / (49 + 20.0)) - abs(log_odds)
    assert odd == pytest.approx(expected, abs=1e-8)


# An exact part, all of a whole, none of one, a short interval and a wide one.
LOWER, UPPER = np.array([30, 80, 0, 1, 200]), np.array([30, 80, 0, 5, 420])
TOTAL = np.array([100, 80, 60, 12, 1500])


@functools.cache
def slopes_function() -> Callable[..., list[np.ndarray]]:
    model, *inputs = shares(LOWER, UPPER, TOTAL)
    return pytensor.function(inputs, pt.grad(model.logp(), inputs), mode=FAST)


@pytest.mark.parametrize("log_odds", [-900.0, -20.0, 0.0, 5.0, 900.0])
@pytest.mark.parametrize("dispersion", [1e-3, 1.0, 1e6])
def test_gradients_are_finite(log_odds: float, dispersion: float) -> None:
    values = slopes_function()(np.full(len(LOWER), log_odds), dispersion)
    assert all(np.isfinite(value).all() for value in values)


def test_gradient_is_the_slope_of_the_log_probability() -> None:
    log_odds, step = np.array([-1.0, 3.0, -2.0, -1.5, -1.4]), 1e-5
    by_odds, by_dispersion = slopes_function()(log_odds, 60.0)
    known = (LOWER, UPPER, TOTAL)
    up = log_probability(*known, log_odds + step, 60.0)
    down = log_probability(*known, log_odds - step, 60.0)
    np.testing.assert_allclose(by_odds, (up - down) / (2 * step), rtol=1e-5, atol=1e-6)
    up, down = (log_probability(*known, log_odds, 60.0 + sign * 1e-3).sum() for sign in (1, -1))
    assert by_dispersion == pytest.approx((up - down) / 2e-3, rel=1e-4)


@pytest.mark.parametrize(
    ("lower", "upper", "total", "message"),
    [
        ([1, 4], [5, 4], [9, 9], "exact cells must come before interval cells"),
        ([4, 5], [4, 1], [9, 9], "0 <= lower <= upper <= total"),
        ([-1], [-1], [9], "0 <= lower <= upper <= total"),
        ([4], [10], [9], "0 <= lower <= upper <= total"),
    ],
)
def test_impossible_bounds_are_refused(
    lower: list[int], upper: list[int], total: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        shares(np.array(lower), np.array(upper), np.array(total))


def test_short_and_wide_intervals_stand_side_by_side() -> None:
    cells = [(3, 3, 20), (1, 5, 9), (10, 300, 900), (0, 4, 4), (0, 70, 80)]
    lower, upper, total = map(np.array, zip(*cells, strict=True))
    found = log_probability(lower, upper, total, np.full(5, -1.1), 50.0)
    expected = [exact_log_probability(*cell, -1.1, 50.0) for cell in cells]
    np.testing.assert_allclose(found, expected, atol=QUADRATURE_ERROR)


def test_the_observed_value_is_the_part_or_the_middle_of_its_interval() -> None:
    model, *_ = shares(LOWER, UPPER, TOTAL)
    (observed,) = model.observed_RVs
    assert model.rvs_to_values[observed].data.tolist() == [30, 80, 0, 3, 310]


def test_predictive_draws_have_the_mean_and_variance_of_the_model() -> None:
    total, log_odds = np.array([12, 300, 2000]), np.array([-1.0, -1.2, 2.5])
    dispersion, draws = 40.0, 20_000
    y = draw(total, log_odds, dispersion, draws)
    expected = law(total, log_odds, dispersion)
    error = np.sqrt(expected.var() / draws)
    assert (np.abs(y.mean(axis=0) - expected.mean()) < 4 * error).all()
    np.testing.assert_allclose(y.var(axis=0), expected.var(), rtol=0.06)
    np.testing.assert_allclose((y == 0).mean(axis=0), expected.pmf(0), atol=0.015)


@pytest.mark.parametrize("dispersion", [1e-8, 1e6])
def test_draws_survive_absurd_log_odds(dispersion: float) -> None:
    y = draw(np.array([40, 40]), np.array([-900.0, 900.0]), dispersion, 5)
    assert (y == [0, 40]).all()
