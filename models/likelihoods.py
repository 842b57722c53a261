"""Likelihoods of counts that are known exactly or only within an interval."""

from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt

# An interval of up to this many integers is summed exactly; a wider one is integrated by
# Gauss-Legendre quadrature, whose error tests/models/test_likelihoods.py measures.
EXACT_WIDTH = 50
QUADRATURE_NODES = 32

# exp(40) cases a year would overflow the random generator and mean nothing.
_LARGEST_LOG_MEAN = 40.0


@dataclass(frozen=True)
class Nodes:
    """Points at which a log mass is taken to sum over an interval, with log weights.

    Both arrays are (interval cell, node); unused nodes repeat the first with weight log 0.
    """

    values: np.ndarray
    log_weights: np.ndarray


def interval_nodes(lower: np.ndarray, upper: np.ndarray) -> Nodes:
    """Nodes that sum a smooth mass function over the integers ``lower..upper`` (both (cell,))."""
    rows = [_nodes_of(int(low), int(high)) for low, high in zip(lower, upper, strict=True)]
    width = max((len(values) for values, _ in rows), default=1)
    values = np.zeros((len(rows), width))
    log_weights = np.full((len(rows), width), -np.inf)
    for row, (points, weights) in enumerate(rows):
        values[row] = points[0]
        values[row, : len(points)] = points
        log_weights[row, : len(points)] = np.log(weights)
    return Nodes(values, log_weights)


def _nodes_of(lower: int, upper: int) -> tuple[np.ndarray, np.ndarray]:
    if upper - lower < EXACT_WIDTH:
        points = np.arange(lower, upper + 1, dtype=float)
        return points, np.ones_like(points)
    # The sum over integers is the integral over [lower - 1/2, upper + 1/2] but for a term of the
    # order of the mass function's slope at the two ends (Euler-Maclaurin).
    roots, weights = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
    half = (upper - lower + 1) / 2
    return lower - 0.5 + half * (roots + 1), half * weights


def negative_binomial_logp(
    y: np.ndarray | pt.TensorVariable, log_mean: pt.TensorVariable, dispersion: pt.TensorVariable
) -> pt.TensorVariable:
    """Log mass of a negative binomial with variance ``mean + mean**2 / dispersion``.

    Written in the log of the mean, which spares the sampler a logarithm for each cell.
    """
    return (
        pt.gammaln(y + dispersion)
        - pt.gammaln(dispersion)
        - pt.gammaln(y + 1.0)
        + y * log_mean
        + dispersion * pt.log(dispersion)
        - (y + dispersion) * pt.log(dispersion + pt.exp(log_mean))
    )


def negative_binomial_counts(
    name: str,
    *,
    log_mean: pt.TensorVariable,
    dispersion: pt.TensorVariable,
    lower: np.ndarray,
    upper: np.ndarray,
    dims: str,
) -> pt.TensorVariable:
    """Counts along ``dims``, each known to lie in ``lower..upper``; equal bounds mean exact.

    The observed value of an interval cell is its midpoint, shown only in plots: the likelihood uses
    the whole interval. Exact cells must come first, so that no reordering is needed.

    Raises
    ------
    ValueError
        When an interval cell stands before an exact one, or a bound is out of order.
    """
    lower, upper = np.asarray(lower, "int64"), np.asarray(upper, "int64")
    exact = lower == upper
    if np.any(np.diff(exact.astype(int)) > 0):
        raise ValueError("exact cells must come before interval cells")
    if np.any(lower > upper) or np.any(lower < 0):
        raise ValueError("bounds must satisfy 0 <= lower <= upper")
    cut = int(exact.sum())
    nodes = interval_nodes(lower[cut:], upper[cut:]) if cut < len(lower) else None

    def logp(
        value: pt.TensorVariable, log_mean: pt.TensorVariable, dispersion: pt.TensorVariable
    ) -> pt.TensorVariable:
        if nodes is None:
            return negative_binomial_logp(value, log_mean, dispersion)
        at_nodes = negative_binomial_logp(nodes.values, log_mean[cut:, None], dispersion)
        in_interval = pt.logsumexp(at_nodes + nodes.log_weights, axis=1)
        if cut == 0:
            return in_interval
        return pt.concatenate(
            [negative_binomial_logp(value[:cut], log_mean[:cut], dispersion), in_interval]
        )

    def random(
        log_mean: np.ndarray,
        dispersion: np.ndarray,
        rng: np.random.Generator | None = None,
        size: tuple[int, ...] | None = None,
    ) -> np.ndarray:
        if rng is None:
            raise ValueError("a random generator is needed")
        mean = np.exp(np.minimum(log_mean, _LARGEST_LOG_MEAN))
        return rng.poisson(rng.gamma(dispersion, mean / dispersion, size=size))

    return pm.CustomDist(
        name,
        log_mean,
        dispersion,
        logp=logp,
        random=random,
        observed=(lower + upper) // 2,
        dims=dims,
        dtype="int64",
    )
