"""Pareto-smoothed importance sampling of many cells at once.

ArviZ goes from cell to cell, which for thousands of cells takes longer than all else that judges a
fit; the tests hold these numbers against its own to rounding.

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR 25.
Zhang and Stephens (2009), A new and efficient estimation method for the generalized Pareto
distribution, Technometrics 51.
"""

import numpy as np


def pareto_smoothed(log_ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of importance sampling whose largest are smoothed.

    The largest ratios of a cell are replaced by the quantiles of a generalised Pareto distribution
    that was fitted to them.

    Parameters
    ----------
    log_ratios : (cell, draw)

    Returns
    -------
    log_weights : (cell, draw)
        They sum to one. A cell whose tail has no such distribution keeps its ratios.
    pareto_k : (cell,)
        Shape of the distribution; NaN where none was fitted, for its first quarter is one value.
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
    return log_weights - log_sum(log_weights)[:, None], shape


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
        weight = np.exp(profile - log_sum(profile)[:, None])
        weight[weight < 10 * np.finfo(float).eps] = 0
        mean = (b * weight).sum(axis=1) / weight.sum(axis=1)
        shape = np.log1p(-mean[:, None] * excesses).mean(axis=1)
        scale = -shape / mean
        # A weak prior at a half, worth ten draws of the tail.
        shape = (count * shape + 5) / (count + 10)
    shape[np.isnan(shape)] = np.inf
    shape[quarter <= excesses[:, 0]] = np.nan
    return shape, scale


def log_sum(values: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of exponentials of each row."""
    top = values.max(axis=1)
    top[~np.isfinite(top)] = 0
    with np.errstate(divide="ignore"):
        result: np.ndarray = np.log(np.exp(values - top[:, None]).sum(axis=1)) + top
    return result
