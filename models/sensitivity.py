"""How an estimand would move if a prior that alone identifies a parameter were another."""

import numpy as np
import xarray as xr


def rescale_normal_prior(
    parameter: xr.DataArray, estimand: xr.DataArray, *, prior_sd: float, new_sd: float
) -> tuple[float, float, float]:
    """Mean, 5 % and 95 % quantile of ``estimand`` under ``Normal(0, new_sd)`` for ``parameter``.

    Exact where the posterior is normal: the prior's share of the parameter's posterior is taken out
    and put back at the new width, and the estimand follows by regression. Meant for offsets that
    the data hardly inform, whose posterior is normal because their prior is; the slow tests hold it
    against refits.

    Parameters
    ----------
    parameter : (chain, draw) or (chain, draw, component)
        Draws under the prior ``Normal(0, prior_sd)``, independent between components.
    estimand : (chain, draw)
    """
    component = [dim for dim in parameter.dims if dim not in ("chain", "draw")]
    offsets = parameter.transpose("chain", "draw", *component).to_numpy()
    offsets = offsets.reshape(estimand.size, -1)
    draws = estimand.transpose("chain", "draw").to_numpy().ravel()
    centre, precision = offsets.mean(0), np.linalg.inv(np.atleast_2d(np.cov(offsets.T)))
    slope = np.linalg.lstsq(offsets - centre, draws - draws.mean(), rcond=None)[0]
    left_over = draws - draws.mean() - (offsets - centre) @ slope
    # What the data say of the parameter, prior taken out; sampling noise may leave it just below 0.
    values, vectors = np.linalg.eigh(precision - np.eye(len(centre)) / prior_sd**2)
    from_data = (vectors * np.maximum(values, 0)) @ vectors.T
    pull = from_data @ np.linalg.lstsq(from_data, precision @ centre, rcond=None)[0]
    if new_sd == 0:
        new_centre, new_cov = np.zeros_like(centre), np.zeros_like(precision)
    else:
        new_cov = np.linalg.inv(from_data + np.eye(len(centre)) / new_sd**2)
        new_centre = new_cov @ pull
    mean = draws.mean() + float(slope @ (new_centre - centre))
    added_sd = float(np.sqrt(slope @ new_cov @ slope))
    # The left-over keeps its shape; the parameter's part is normal, added by its quantiles.
    scores = (np.arange(draws.size) + 0.5) / draws.size
    rng = np.random.default_rng(0)
    from scipy.stats import norm

    shuffled = rng.permutation(added_sd * norm.ppf(scores))
    lower, upper = np.quantile(mean + left_over + shuffled, [0.05, 0.95])
    return mean, float(lower), float(upper)
