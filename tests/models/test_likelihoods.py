"""Interval counts against scipy's negative binomial, and the error of the quadrature measured."""

import functools
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor.tensor.elemwise import Elemwise
from scipy.integrate import trapezoid
from scipy.stats import nbinom
from scipy.stats import t as student_t

from models.likelihoods import (
    EXACT_WIDTH,
    before_indexing,
    dispersion_of,
    interval_nodes,
    negative_binomial_counts,
    negative_binomial_logp,
    totals_over_uncertain_exposure,
)

# Largest errors of a log probability by quadrature that the tests below allow: overall, and where
# the lower bound is 100 or more.
QUADRATURE_ERROR, QUADRATURE_ERROR_FROM_100 = 0.01, 0.002
FAST = "FAST_COMPILE"


def scipy_counts(mean: np.ndarray, dispersion: float) -> object:
    return nbinom(dispersion, dispersion / (dispersion + mean))


def exact_log_probability(lower: int, upper: int, mean: float, dispersion: float) -> float:
    """By summing scipy's mass over every integer, which loses no digits in the tails."""
    mass = scipy_counts(np.asarray(mean), dispersion).logpmf(np.arange(lower, upper + 1))
    return float(np.logaddexp.reduce(mass))


def counts(
    lower: np.ndarray, upper: np.ndarray
) -> tuple[pm.Model, pt.TensorVariable, pt.TensorVariable]:
    """The model, and its inputs: log means (obs,) and the dispersion."""
    log_mean, dispersion = pt.dvector("log_mean"), pt.dscalar("dispersion")
    with pm.Model(coords={"obs": range(len(lower))}) as model:
        negative_binomial_counts(
            "y", log_mean=log_mean, dispersion=dispersion, lower=lower, upper=upper, dims="obs"
        )
    return model, log_mean, dispersion


def log_probability(
    lower: np.ndarray, upper: np.ndarray, mean: np.ndarray, dispersion: float
) -> np.ndarray:
    model, *inputs = counts(np.asarray(lower), np.asarray(upper))
    (density,) = model.logp(sum=False)
    return pytensor.function(inputs, density, mode=FAST)(np.log(mean), dispersion)


def draw(mean: np.ndarray, dispersion: float, draws: int) -> np.ndarray:
    bounds = np.arange(len(mean))
    with pm.Model(coords={"obs": bounds}):
        y = negative_binomial_counts(
            "y",
            log_mean=pt.as_tensor(np.log(mean)),
            dispersion=pt.as_tensor(np.float64(dispersion)),
            lower=bounds,
            upper=bounds + (bounds == bounds[-1]),
            dims="obs",
        )
    return pm.draw(y, draws=draws, random_seed=3, mode=FAST)


@given(
    cells=st.lists(
        st.tuples(
            st.integers(0, 3000),
            st.integers(1, EXACT_WIDTH - 1),
            st.floats(0.5, 5000),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    dispersion=st.floats(0.5, 400),
)
@settings(max_examples=15)
def test_short_intervals_are_exact_sums_and_exact_cells_the_mass(
    cells: list[tuple[int, int, float, bool]], dispersion: float
) -> None:
    cells = sorted(cells, key=lambda cell: not cell[3])
    lower = np.array([low for low, *_ in cells])
    upper = np.array([low + (0 if exact else width) for low, width, _, exact in cells])
    mean = np.array([mean for *_, mean, _ in cells])
    found = log_probability(lower, upper, mean, dispersion)
    expected = [
        exact_log_probability(*cell, dispersion) for cell in zip(lower, upper, mean, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("lower", "upper"), [(0, 5), (1, 5), (3, 52), (190, 239)])
def test_a_short_interval_is_the_difference_of_the_distribution_function(
    lower: int, upper: int
) -> None:
    mean = np.array([2.0, 10.0, 60.0, 210.0])
    same = np.ones(4, int)
    found = log_probability(lower * same, upper * same, mean, 25.0)
    law = scipy_counts(mean, 25.0)
    probability = law.cdf(upper) - law.cdf(lower - 1)
    seen = probability > 1e-5
    assert seen.any()
    np.testing.assert_allclose(np.exp(found[seen]), probability[seen], atol=1e-10, rtol=1e-10)


def test_the_widest_exact_interval_is_a_plain_sum() -> None:
    nodes = interval_nodes(np.array([7, 7]), np.array([7 + EXACT_WIDTH - 1, 9]))
    assert list(nodes.values[0]) == list(range(7, 7 + EXACT_WIDTH))
    assert np.exp(nodes.log_weights).sum(axis=1).tolist() == [EXACT_WIDTH, 3]


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        (6, 56),
        (6, 60),
        (10, 100),
        (30, 300),
        (50, 150),
        (100, 1000),
        (181, 1123),
        (1000, 1051),
        (500, 5000),
        (5000, 9999),
    ],
)
def test_quadrature_error_of_wide_intervals(lower: int, upper: int) -> None:
    """Off by at most .01 in log probability, and .002 where the lower bound is 100 or more.

    Measured for scatter sds of .1 to .5 (published: .15 to .27), means from 0.7 times the lower to
    1.3 times the upper bound, and widths of 51 to 5000 whose upper bound is at most ten times the
    lower (wider ones say nothing and are not used). The error comes from the two ends, where the
    mass slopes; it is largest, .008, for small counts whose mean lies below the interval. At a
    scatter of .05 it would reach .05 for 500 to 5000, which 32 nodes no longer resolve.
    """
    allowed = QUADRATURE_ERROR_FROM_100 if lower >= 100 else QUADRATURE_ERROR
    mean = np.geomspace(0.7 * lower, 1.3 * upper, 15)
    same = np.ones(len(mean), int)
    for scatter in (0.1, 0.2, 0.5):
        found = log_probability(lower * same, upper * same, mean, scatter**-2)
        expected = [exact_log_probability(lower, upper, m, scatter**-2) for m in mean]
        assert np.abs(found - expected).max() < allowed


def test_the_exact_path_is_pymc_s_negative_binomial() -> None:
    y, mean = np.array([0, 1, 7, 120, 4000]), np.array([0.3, 4.0, 5.0, 150.0, 3500.0])
    expected = pm.logp(pm.NegativeBinomial.dist(mu=mean, alpha=np.array(11.0)), y).eval(mode=FAST)
    np.testing.assert_allclose(log_probability(y, y, mean, 11.0), expected, rtol=1e-12)


# An exact count, a short interval and a wide one.
LOWER, UPPER = np.array([3, 1, 100]), np.array([3, 5, 900])


@functools.cache
def slopes_function() -> Callable[..., list[np.ndarray]]:
    model, *inputs = counts(LOWER, UPPER)
    return pytensor.function(inputs, pt.grad(model.logp(), inputs), mode=FAST)


def slopes(log_mean: np.ndarray, dispersion: float) -> list[np.ndarray]:
    """Slope of the total log probability by each log mean and by the dispersion."""
    return slopes_function()(log_mean, dispersion)


@pytest.mark.parametrize("log_mean", [-20.0, 0.0, 5.0, 30.0])
@pytest.mark.parametrize("dispersion", [1e-3, 1.0, 1e5])
def test_gradients_are_finite(log_mean: float, dispersion: float) -> None:
    values = slopes(np.full(3, log_mean), dispersion)
    assert all(np.isfinite(value).all() for value in values)


def test_gradient_is_the_slope_of_the_log_probability() -> None:
    mean, step = np.array([4.0, 2.0, 300.0]), 1e-5
    by_mean, by_dispersion = slopes(np.log(mean), 20.0)
    up = log_probability(LOWER, UPPER, mean * np.exp(step), 20.0)
    down = log_probability(LOWER, UPPER, mean * np.exp(-step), 20.0)
    np.testing.assert_allclose(by_mean, (up - down) / (2 * step), rtol=1e-5, atol=1e-7)
    up = log_probability(LOWER, UPPER, mean, 20.0 + step).sum()
    down = log_probability(LOWER, UPPER, mean, 20.0 - step).sum()
    assert by_dispersion == pytest.approx((up - down) / (2 * step), rel=1e-4)


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([1, 4], [5, 4], "exact cells must come before interval cells"),
        ([4, 5], [4, 1], "0 <= lower <= upper"),
        ([-1], [-1], "0 <= lower <= upper"),
    ],
)
def test_bounds_out_of_order_are_refused(lower: list[int], upper: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        counts(np.array(lower), np.array(upper))


def test_the_observed_value_is_the_count_or_the_middle_of_its_interval() -> None:
    model, *_ = counts(np.array([7, 1, 10]), np.array([7, 5, 21]))
    (observed,) = model.observed_RVs
    assert model.rvs_to_values[observed].data.tolist() == [7, 3, 15]


def test_predictive_draws_have_the_mean_and_variance_of_the_model() -> None:
    mean, dispersion, draws = np.array([0.5, 8.0, 300.0]), 6.0, 20_000
    y = draw(mean, dispersion, draws)
    law = scipy_counts(mean, dispersion)
    error = np.sqrt(law.var() / draws)
    assert (np.abs(y.mean(axis=0) - mean) < 4 * error).all()
    np.testing.assert_allclose(y.var(axis=0), law.var(), rtol=0.06)
    assert (y == np.round(y)).all()
    shares = (y == 0).mean(axis=0)
    np.testing.assert_allclose(shares, law.pmf(0), atol=4 * np.sqrt(0.25 / draws))


def test_draws_survive_an_absurd_mean() -> None:
    assert (draw(np.array([np.exp(400.0)]), 6.0, 5) > 0).all()


# ------------------------------------------------------------ totals over uncertain exposure


def total_log_density(
    value: np.ndarray, low: np.ndarray, high: np.ndarray, sd: float
) -> np.ndarray:
    """Log density of log totals at a log rate of -5."""
    rate, scale = pt.dscalar("log_rate"), pt.dscalar("sd")
    with pm.Model(coords={"year": range(len(value))}) as model:
        totals_over_uncertain_exposure(
            "total",
            log_rate=rate + np.zeros(len(value)),
            sd=scale,
            log_exposure_lower=low,
            log_exposure_upper=high,
            observed=value,
            dims="year",
        )
    (density,) = model.logp(sum=False)
    return pytensor.function([rate, scale], density, mode=FAST)(-5.0, sd)


@pytest.mark.parametrize("sd", [0.003, 0.01, 0.05])
@pytest.mark.parametrize("width", [0.0, 2e-4, 0.01, 0.1])
def test_totals_integrate_the_exposure_out(width: float, sd: float) -> None:
    """Against numerical integration, out to where the density is 100 scales away."""
    low = np.full(9, 16.0)
    value = 11.0 + width / 2 + sd * np.array([-100, -20, -5, -1, 0, 1, 5, 20, 100.0])
    found = total_log_density(value, low, low + width, sd)
    law = student_t(4, scale=sd)
    if width == 0:
        expected = law.pdf(value - 11.0)
    else:
        exposure = np.linspace(16.0, 16.0 + width, 4001)
        expected = trapezoid(law.pdf(value[:, None] + 5.0 - exposure), dx=1 / 4000)
    np.testing.assert_allclose(found, np.log(expected), atol=2e-5)


def test_totals_are_drawn_around_rate_and_exposure() -> None:
    low, high = np.array([16.0, 16.2]), np.array([16.0, 16.4])
    with pm.Model(coords={"year": [2008, 2009]}):
        total = totals_over_uncertain_exposure(
            "total",
            log_rate=pt.as_tensor(np.array([-5.0, -5.0])),
            sd=pt.as_tensor(np.float64(0.01)),
            log_exposure_lower=low,
            log_exposure_upper=high,
            observed=np.array([11.0, 11.3]),
            dims="year",
        )
    draws = pm.draw(total, draws=8000, random_seed=4, mode=FAST)
    np.testing.assert_allclose(draws.mean(axis=0), [11.0, 11.3], atol=0.004)
    # Student's t with 4 degrees of freedom has twice its squared scale as variance.
    expected = 2 * 0.01**2 + (high - low) ** 2 / 12
    np.testing.assert_allclose(draws.var(axis=0), expected, rtol=0.15)


def test_dispersion_is_the_inverse_square_of_the_scatter_down_to_a_floor() -> None:
    scatter = pt.dscalar("scatter")
    dispersion = pytensor.function([scatter], dispersion_of(scatter), mode=FAST)
    assert dispersion(0.2) == pytest.approx(25.0, rel=1e-4)
    assert dispersion(0.0) == pytest.approx(1e6)


def test_each_cell_may_have_a_dispersion_of_its_own() -> None:
    lower, upper = np.array([12, 40, 1, 3]), np.array([12, 40, 5, 90])
    mean, own = np.array([10.0, 55.0, 4.0, 30.0]), np.array([2.0, 30.0, 7.0, 15.0])
    log_mean, dispersion = pt.dvector("log_mean"), pt.dvector("dispersion")
    with pm.Model(coords={"obs": range(4)}) as model:
        negative_binomial_counts(
            "y", log_mean=log_mean, dispersion=dispersion, lower=lower, upper=upper, dims="obs"
        )
    (density,) = model.logp(sum=False)
    together = pytensor.function([log_mean, dispersion], density, mode=FAST)(np.log(mean), own)
    alone = [
        log_probability(lower[i : i + 1], upper[i : i + 1], mean[i : i + 1], own[i])[0]
        for i in range(4)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_what_cells_share_is_worked_out_once() -> None:
    """Log-gammas of shared dispersions are as many as those, and the density is the same."""
    dispersion, log_mean = pt.dvector("dispersion"), pt.dvector("log_mean")
    group, y = np.repeat([1, 0, 2], 40), np.arange(120)
    spread = dispersion[group][:110][10:, None]
    density = negative_binomial_logp(y[10:110, None], log_mean[10:110, None], spread)
    plain = negative_binomial_logp(y[10:110, None], log_mean[10:110, None], 1.0 * spread)
    values = [np.array([3.0, 50.0, 7.0]), np.linspace(0, 6, 120)]
    both = pytensor.function([dispersion, log_mean], [density, plain], mode=FAST)(*values)
    assert both[0] == pytest.approx(both[1], rel=1e-12)
    alone = before_indexing(pt.gammaln, spread)
    sizes = [
        node.inputs[0].eval({dispersion: values[0]}).size
        for node in pytensor.graph.traversal.applys_between([dispersion], [alone])
        if isinstance(node.op, Elemwise)
    ]
    assert sizes == [3]
