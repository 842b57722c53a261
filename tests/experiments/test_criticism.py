"""Criticism of a trace against a model whose leave-one-out predictive is known."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from experiments.criticism import criticise


def poisson_trace(*, scale: float = 1.0, seed: int = 3) -> xr.DataTree:
    """A Poisson model at its true means; ``scale`` makes replicated data wrong."""
    rng = np.random.default_rng(seed)
    mu = rng.gamma(5, 2, 300)
    y = rng.poisson(mu)
    draws = mu * np.exp(0.02 * rng.normal(size=(2, 400, 300)))
    lower, upper = y.copy(), y.copy()
    hidden = (y >= 1) & (y <= 5)
    lower[hidden], upper[hidden] = 1, 5
    log_p = stats.poisson.logpmf(y, draws)
    probability = stats.poisson.cdf(5, draws) - stats.poisson.cdf(0, draws)
    log_p = np.where(hidden, np.log(probability), log_p)
    d = ("chain", "draw", "obs")
    labels = {"chain": [0, 1], "draw": np.arange(400)}
    thinned = np.arange(0, 400, 2)
    replicated = rng.poisson(scale * draws[:, thinned])
    return xr.DataTree.from_dict(
        {
            "log_likelihood": xr.Dataset({"y": (d, log_p)}, coords=labels),
            "posterior_predictive": xr.Dataset(
                {"y": (d, replicated)}, coords={"chain": [0, 1], "draw": thinned}
            ),
            "constant_data": xr.Dataset(
                {"y_lower": ("obs", lower * 1.0), "y_upper": ("obs", upper * 1.0)}
            ),
        }
    )


def test_pit_of_a_true_model_is_uniform() -> None:
    result = criticise(poisson_trace())
    assert result is not None
    assert stats.kstest(result["loo_pit"].values, "uniform").pvalue > 0.01
    assert float(result["pareto_k"].max()) < result.attrs["good_k"]
    assert result.attrs["elpd_loo"] == pytest.approx(float(result["elpd"].sum()))
    assert np.isfinite(result["residual"]).all()


def test_pit_of_a_false_model_is_not() -> None:
    result = criticise(poisson_trace(scale=1.3))
    assert result is not None
    assert stats.kstest(result["loo_pit"].values, "uniform").pvalue < 1e-4
    assert float(result["residual"].mean()) < -0.3


def test_elpd_agrees_with_the_true_predictive() -> None:
    trace = poisson_trace()
    result = criticise(trace)
    assert result is not None
    plugged_in = trace["log_likelihood"]["y"].mean(("chain", "draw"))
    assert float(abs(result["elpd"] - plugged_in).max()) < 0.1


def test_groups_missing_give_less_never_more() -> None:
    trace = poisson_trace()
    del trace["posterior_predictive"]
    result = criticise(trace)
    assert result is not None
    assert set(result) == {"pareto_k", "elpd"}
    del trace["log_likelihood"]
    assert criticise(trace) is None


def test_predictive_draws_of_unknown_origin_give_no_pit() -> None:
    trace = poisson_trace()
    draws = trace["posterior_predictive"].to_dataset().assign_coords(draw=np.arange(200) + 10_000)
    trace["posterior_predictive"] = xr.DataTree(draws)
    result = criticise(trace)
    assert result is not None
    assert "loo_pit" not in result


def test_result_survives_the_file(tmp_path) -> None:
    tree = poisson_trace()
    tree["criticism"] = xr.DataTree(criticise(tree))
    tree.to_netcdf(tmp_path / "trace.nc", engine="netcdf4")
    with xr.open_datatree(tmp_path / "trace.nc", engine="netcdf4") as read:
        assert read["criticism"].attrs["good_k"] == pytest.approx(0.6555, abs=1e-3)
