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
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import ndtri

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
        ``loo_pit``, uniform on (0, 1) when the model holds, drawn evenly between the probability
        below the cell's interval and the probability up to its end; ``residual``, its normal
        quantile. Attributes: ``elpd_loo``, ``elpd_se``, ``p_loo``, ``good_k`` (the k up to which
        the smoothed estimate can be trusted at this number of draws).
    """
    if "log_likelihood" not in trace.children or "y" not in trace["log_likelihood"]:
        return None
    log_likelihood = trace["log_likelihood"]["y"].transpose("chain", "draw", "obs")
    density = log_likelihood.values.reshape(-1, log_likelihood.sizes["obs"])
    n_draws, n_obs = density.shape
    replicates = _replicates(trace, log_likelihood)
    pareto_k, elpd, lppd, below, within = np.full((5, n_obs), np.nan)

    def judge(start: int) -> None:
        cells = slice(start, start + CHUNK)
        log_density = density[:, cells].T.astype(float)
        log_weights, pareto_k[cells] = pareto_smoothed(-log_density)
        elpd[cells] = log_sum(log_weights + log_density)
        lppd[cells] = log_sum(log_density) - np.log(n_draws)
        if replicates is not None:
            below[cells], within[cells] = replicates.shares(log_weights, cells)

    # Sorting and logarithms of thousands of numbers leave the interpreter lock alone.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(judge, range(0, n_obs, CHUNK)))
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
    if replicates is not None:
        # The observed cell counts as one more draw, which makes the rank exactly uniform under the
        # model when weights are equal, and keeps it off 0 and 1.
        count = len(replicates.draws)
        u = np.random.default_rng(seed).uniform(size=n_obs)
        pit = (count * below + u * (count * within + 1)) / (count + 1)
        residual_attributes = {"long_name": "randomised quantile residual, leave-one-out"}
        criticism["loo_pit"] = ("obs", pit, {"long_name": "leave-one-out PIT"})
        criticism["residual"] = ("obs", ndtri(pit), residual_attributes)
    return criticism


@dataclass(frozen=True)
class _Replicates:
    """Predictive draws, (replicate, obs), the posterior draws that they came from, and the bounds
    of every observed cell: a count has ties and a suppressed count is known only as an interval.
    """

    draws: np.ndarray
    source: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def shares(self, log_weights: np.ndarray, cells: slice) -> tuple[np.ndarray, np.ndarray]:
        """Probability below each cell's interval, and within it."""
        chosen = log_weights[:, self.source]
        share = np.exp(chosen - log_sum(chosen)[:, None])
        draws = self.draws[:, cells].T
        lower, upper = self.lower[cells, None], self.upper[cells, None]
        below = (share * (draws < lower)).sum(axis=1)
        return below, (share * ((draws >= lower) & (draws <= upper))).sum(axis=1)


def _replicates(trace: xr.DataTree, log_likelihood: xr.DataArray) -> _Replicates | None:
    """What the probability integral transform needs, or None where the trace lacks it."""
    needed = {"posterior_predictive": ("y",), "constant_data": ("y_lower", "y_upper")}
    for group, names in needed.items():
        if group not in trace.children or any(name not in trace[group] for name in names):
            return None
    replicated = trace["posterior_predictive"]["y"].transpose("chain", "draw", "obs")
    chain, draw = (
        log_likelihood.get_index(dim).get_indexer(replicated.get_index(dim))
        for dim in ("chain", "draw")
    )
    if (chain < 0).any() or (draw < 0).any():
        return None
    source = chain[:, None] * log_likelihood.sizes["draw"] + draw
    bounds = trace["constant_data"].to_dataset()
    return _Replicates(
        replicated.values.reshape(source.size, -1),
        source.ravel(),
        bounds["y_lower"].values,
        bounds["y_upper"].values,
    )
