"""Criticism of a fit, cell by cell: leave-one-out fit, its reliability, and where the data fall.

Pure functions over a trace; a fit stores their result as the trace's group
``criticism``, so that reports need only print.

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR 25.
Dunn and Smyth (1996), Randomized quantile residuals, JCGS 5.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp, ndtri

# Cells smoothed at a time: bounds the memory to a few copies of (cells, draws) float64.
CHUNK = 64


def criticise(trace: xr.DataTree, *, seed: int = 0) -> xr.Dataset | None:
    """Leave-one-out criticism of every cell, or None where the trace has no ``log_likelihood``.

    Parameters
    ----------
    trace
        ``log_likelihood.y`` with dims ``chain, draw, obs``. ``posterior_predictive.y`` and the
        bounds ``constant_data.y_lower, y_upper`` give the probability integral transform; where
        they are absent so is it. Predictive draws carry the ``chain`` and ``draw`` labels of the
        posterior draws that they came from.
    seed
        Of the randomisation within ties and intervals.

    Returns
    -------
    Dataset along ``obs``
        ``pareto_k``; ``elpd``, the log predictive density or, for an interval, probability;
        ``loo_pit``, uniform on (0, 1) when the model holds; ``residual``, its normal quantile.
        Attributes: ``elpd_loo``, ``elpd_se``, ``p_loo``, ``good_k`` (the k up to which the
        smoothed estimate can be trusted at this number of draws).
    """
    if "log_likelihood" not in trace.children or "y" not in trace["log_likelihood"]:
        return None
    log_likelihood = trace["log_likelihood"]["y"].transpose("obs", "chain", "draw")
    log_weights, elpd, pareto_k, lppd = _smooth(log_likelihood.values)
    n_obs, n_draws = log_weights.shape
    criticism = xr.Dataset(
        {
            "pareto_k": ("obs", pareto_k, {"long_name": "Pareto k of the cell's weights"}),
            "elpd": ("obs", elpd, {"long_name": "leave-one-out log predictive density"}),
        },
        attrs={
            "elpd_loo": float(elpd.sum()),
            "elpd_se": float(np.sqrt(n_obs * elpd.var())),
            "p_loo": float((lppd - elpd).sum()),
            "good_k": float(min(1 - 1 / np.log10(n_draws), 0.7)),
        },
    )
    pit = _loo_pit(trace, log_weights.reshape(log_likelihood.shape), log_likelihood.coords, seed)
    if pit is not None:
        residual_attributes = {"long_name": "randomised quantile residual, leave-one-out"}
        criticism["loo_pit"] = ("obs", pit, {"long_name": "leave-one-out PIT"})
        criticism["residual"] = ("obs", ndtri(pit), residual_attributes)
    return criticism


def _smooth(log_likelihood: np.ndarray) -> tuple[np.ndarray, ...]:
    """Smoothed log weights (obs, draws) that sum to one, and per cell elpd, k and lppd."""
    flat = log_likelihood.reshape(log_likelihood.shape[0], -1)
    log_weights = np.empty_like(flat)
    elpd = np.empty(len(flat), flat.dtype)
    pareto_k, lppd = np.empty((2, len(flat)))

    def smooth(start: int) -> None:
        rows = slice(start, start + CHUNK)
        log_density = flat[rows].astype(float)
        weights, pareto_k[rows] = pareto_smoothed(-log_density)
        log_weights[rows] = weights
        elpd[rows] = _log_sum(weights + log_density)
        lppd[rows] = _log_sum(log_density) - np.log(flat.shape[1])

    # Sorting and logarithms of thousands of numbers leave the interpreter lock alone.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(smooth, range(0, len(flat), CHUNK)))
    return log_weights, elpd, pareto_k, lppd


def pareto_smoothed(log_ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pareto-smoothed importance sampling of many cells at once.

    The largest ratios of a cell are replaced by the quantiles of a generalised Pareto distribution
    that was fitted to them. Equal to ArviZ's, which goes from cell to cell, to rounding.

    Parameters
    ----------
    log_ratios : (cell, draw)

    Returns
    -------
    log_weights : (cell, draw)
        They sum to one. A cell whose tail has no such distribution keeps its ratios.
    pareto_k : (cell,)
        Shape of the distribution; NaN where none was fitted, for its first quarter is one value.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024); Zhang and Stephens (2009), A new and efficient
    estimation method for the generalized Pareto distribution, Technometrics 51.
    """
    length = log_ratios.shape[1]
    size = int(3 * np.sqrt(length)) if length > 225 else length // 5
    log_weights = log_ratios - log_ratios.max(axis=1, keepdims=True)
    # The last before the tail, the cut, is in its place; the tail is yet to be sorted.
    places = np.argpartition(log_weights, length - size - 1, axis=1)[:, length - size - 1 :]
    values = np.take_along_axis(log_weights, places, axis=1)
    order = np.argsort(values, axis=1)
    places, values = (np.take_along_axis(item, order, axis=1) for item in (places, values))
    cut = np.exp(values[:, :1])
    shape, scale = _fit_pareto(np.exp(values[:, 1:]) - cut)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.log1p(-np.arange(0.5, size) / size)
        k = shape[:, None]
        excess = scale[:, None] * np.where(k == 0, -left, np.expm1(-k * left) / k)
        smoothed = np.minimum(np.log(cut + excess), 0.0)
    fitted = np.isfinite(shape)[:, None]
    np.put_along_axis(log_weights, places[:, 1:], np.where(fitted, smoothed, values[:, 1:]), axis=1)
    return log_weights - _log_sum(log_weights)[:, None], shape


def _fit_pareto(excesses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape and scale of each row's generalised Pareto distribution; rows in ascending order."""
    count = excesses.shape[1]
    points = 30 + int(np.sqrt(count))
    quarter = excesses[:, int(count / 4 + 0.5) - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        grid = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
        b = grid / (3 * quarter[:, None]) + 1 / excesses[:, -1:]
        k = np.log1p(-b[:, :, None] * excesses[:, None, :]).mean(axis=2)
        profile = count * (np.log(-b / k) - k - 1)
        weight = np.exp(profile - _log_sum(profile)[:, None])
        weight[weight < 10 * np.finfo(float).eps] = 0
        mean = (b * weight).sum(axis=1) / weight.sum(axis=1)
        shape = np.log1p(-mean[:, None] * excesses).mean(axis=1)
        scale = -shape / mean
        # A weak prior at a half, worth ten draws of the tail.
        shape = (count * shape + 5) / (count + 10)
    shape[np.isnan(shape)] = np.inf
    shape[quarter <= excesses[:, 0]] = np.nan
    return shape, scale


def _log_sum(values: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of exponentials of each row."""
    top = values.max(axis=1)
    top[~np.isfinite(top)] = 0
    with np.errstate(divide="ignore"):
        result: np.ndarray = np.log(np.exp(values - top[:, None]).sum(axis=1)) + top
    return result


def _loo_pit(trace: xr.DataTree, log_weights: np.ndarray, labels: Any, seed: int) -> Any:
    """Leave-one-out PIT (obs,), or None without what it needs.

    A count has ties and a suppressed count is known only as an interval, so the PIT is drawn
    evenly between the probability below the interval and the probability up to its end. The
    observed cell counts as one more draw, which makes the rank exactly uniform under the model
    when weights are equal, and keeps it off 0 and 1.
    """
    needed = {"posterior_predictive": ("y",), "constant_data": ("y_lower", "y_upper")}
    for group, names in needed.items():
        if group not in trace.children or any(name not in trace[group] for name in names):
            return None
    weights = xr.DataArray(log_weights, dims=("obs", "chain", "draw"))
    weights = weights.assign_coords(chain=labels["chain"], draw=labels["draw"])
    replicated = trace["posterior_predictive"]["y"].transpose("obs", "chain", "draw")
    known = replicated["chain"].isin(weights["chain"]).all()
    if not known or not replicated["draw"].isin(weights["draw"]).all():
        return None
    chosen = weights.sel(chain=replicated["chain"], draw=replicated["draw"]).values
    chosen = chosen.reshape(len(chosen), -1)
    share = np.exp(chosen - logsumexp(chosen, axis=1, keepdims=True))
    draws = replicated.values.reshape(len(chosen), -1)
    bounds = trace["constant_data"].to_dataset()
    lower, upper = bounds["y_lower"].values[:, None], bounds["y_upper"].values[:, None]
    below = (share * (draws < lower)).sum(axis=1)
    within = (share * ((draws >= lower) & (draws <= upper))).sum(axis=1)
    n_draws = draws.shape[1]
    u = np.random.default_rng(seed).uniform(size=len(below))
    return (n_draws * below + u * (n_draws * within + 1)) / (n_draws + 1)
