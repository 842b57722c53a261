"""Criticism of a fit, cell by cell: leave-one-out fit, its reliability, and where the data fall.

Pure functions over a trace; a fit stores their result as the trace's group ``criticism``, so that
reports need only print.

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

from experiments.pareto_smoothing import log_sum, pareto_smoothed

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
        elpd[rows] = log_sum(weights + log_density)
        lppd[rows] = log_sum(log_density) - np.log(flat.shape[1])

    # Sorting and logarithms of thousands of numbers leave the interpreter lock alone.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(smooth, range(0, len(flat), CHUNK)))
    return log_weights, elpd, pareto_k, lppd


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
