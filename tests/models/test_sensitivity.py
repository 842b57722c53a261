"""A rescaled prior on Gaussian posteriors, where the answer is known exactly."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from models.sensitivity import rescale_normal_prior

PRIOR_SD = 0.05
LEFT_OVER_SD = 0.4
SHAPE = (4, 1000)


def gaussian(
    from_data: np.ndarray, pull: np.ndarray, slope: np.ndarray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Draws with exactly the posterior's moments: data of precision ``from_data`` and natural
    parameter ``pull`` times the prior, and an estimand linear in the offsets plus a remainder.
    """
    size = len(pull)
    cov = np.linalg.inv(from_data + np.eye(size) / PRIOR_SD**2)
    z = np.random.default_rng(1).normal(size=(np.prod(SHAPE), size + 1))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T
    offsets = cov @ pull + z[:, :size] @ np.linalg.cholesky(cov).T
    estimand = 10 + offsets @ slope + LEFT_OVER_SD * z[:, size]
    dims = ("chain", "draw", "regime")
    parameter = xr.DataArray(offsets.reshape(*SHAPE, size), dims=dims)
    if size == 1:
        parameter = parameter.isel(regime=0)
    return parameter, xr.DataArray(estimand.reshape(SHAPE), dims=dims[:2])


CASES = {
    "prior only": (np.zeros((1, 1)), np.zeros(1), np.array([60.0])),
    "some data": (np.array([[300.0]]), np.array([20.0]), np.array([60.0])),
    "much data": (np.array([[9000.0]]), np.array([400.0]), np.array([-30.0])),
    "two offsets": (np.zeros((2, 2)), np.zeros(2), np.array([60.0, -25.0])),
    "two offsets, data": (
        np.array([[500.0, 200.0], [200.0, 300.0]]),
        np.array([15.0, -12.0]),
        np.array([60.0, -25.0]),
    ),
    "two offsets, data on their sum": (
        np.full((2, 2), 400.0),
        np.array([20.0, 20.0]),
        np.array([60.0, -25.0]),
    ),
}


@pytest.mark.parametrize("new_sd", [0.0, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("case", CASES)
def test_rescaling_is_exact_where_the_posterior_is_normal(case: str, new_sd: float) -> None:
    from_data, pull, slope = CASES[case]
    parameter, estimand = gaussian(from_data, pull, slope)
    if new_sd == 0:
        centre, cov = np.zeros(len(pull)), np.zeros_like(from_data)
    else:
        cov = np.linalg.inv(from_data + np.eye(len(pull)) / new_sd**2)
        centre = cov @ pull
    mean = 10 + slope @ centre
    sd = np.sqrt(slope @ cov @ slope + LEFT_OVER_SD**2)
    found = rescale_normal_prior(parameter, estimand, prior_sd=PRIOR_SD, new_sd=new_sd)
    assert found[0] == pytest.approx(mean, rel=1e-6)
    # Quantiles carry the Monte Carlo error of 4000 draws: under a tenth of an sd.
    assert found[1] == pytest.approx(mean + norm.ppf(0.05) * sd, abs=0.1 * sd)
    assert found[2] == pytest.approx(mean + norm.ppf(0.95) * sd, abs=0.1 * sd)


def test_the_same_prior_gives_the_same_summary() -> None:
    parameter, estimand = gaussian(*CASES["some data"])
    mean, lower, upper = rescale_normal_prior(
        parameter, estimand, prior_sd=PRIOR_SD, new_sd=PRIOR_SD
    )
    assert mean == pytest.approx(float(estimand.mean()), rel=1e-9)
    sd = float(estimand.std())
    assert [lower, upper] == pytest.approx(np.quantile(estimand, [0.05, 0.95]), abs=0.1 * sd)


def test_the_order_of_dimensions_is_no_difference() -> None:
    parameter, estimand = gaussian(*CASES["two offsets, data"])
    first = rescale_normal_prior(parameter, estimand, prior_sd=PRIOR_SD, new_sd=0.02)
    turned = rescale_normal_prior(
        parameter.transpose("regime", "draw", "chain"),
        estimand.transpose("draw", "chain"),
        prior_sd=PRIOR_SD,
        new_sd=0.02,
    )
    assert turned == pytest.approx(first, rel=1e-12)


def test_a_wider_prior_widens_and_a_narrower_one_narrows() -> None:
    parameter, estimand = gaussian(*CASES["prior only"])
    widths = [
        upper - lower
        for _, lower, upper in (
            rescale_normal_prior(parameter, estimand, prior_sd=PRIOR_SD, new_sd=sd)
            for sd in (0.0, 0.02, 0.05, 0.1)
        )
    ]
    assert widths == sorted(widths)
    assert widths[0] == pytest.approx(2 * 1.645 * LEFT_OVER_SD, rel=0.05)
