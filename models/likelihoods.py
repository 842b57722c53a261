"""Likelihoods of counts that are known exactly or only within an interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor

from models.exchanged_bounds import ExchangedBounds, exchange_bounds, log_interval
from models.published_counts import SHOWN, publication_like
from models.replaceable import is_replaceable, observed_values, publishes

# An interval of up to this many integers is summed exactly; a wider one is integrated by
# Gauss-Legendre quadrature, whose error tests/models/test_likelihoods.py measures.
EXACT_WIDTH = 50
QUADRATURE_NODES = 32

# Operations whose elements are elements of their first input.
_MOVES_ELEMENTS = (AdvancedSubtensor, Subtensor, DimShuffle)

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
        - pt.gammaln(y + 1.0)
        + y * log_mean
        + before_indexing(lambda d: d * pt.log(d) - pt.gammaln(d), dispersion)
        - (y + dispersion) * pt.log(dispersion + pt.exp(log_mean))
    )


def before_indexing(
    function: Callable[[pt.TensorVariable], pt.TensorVariable], x: pt.TensorVariable
) -> pt.TensorVariable:
    """``function`` of each element of ``x``, worked out before ``x`` was spread over cells.

    ``f(z[i])`` is ``f(z)[i]``: thousands of cells that share a few dispersions then need as many
    log-gammas of them as there are dispersions. PyTensor does not move it there by itself.
    """
    node = x.owner if isinstance(x, pt.TensorVariable) else None
    if node is None or not isinstance(node.op, _MOVES_ELEMENTS):
        return function(x)
    return node.op(before_indexing(function, node.inputs[0]), *node.inputs[1:])


def dispersion_of(scatter_sd: pt.TensorVariable) -> pt.TensorVariable:
    """Dispersion at which rates scatter by ``scatter_sd``, as a share of themselves.

    A floor of a thousandth keeps the log-gamma difference of the density exact in double precision
    when the scatter is nearly none; counts in their thousands cannot tell it from zero.
    """
    return 1 / (scatter_sd**2 + 1e-6)


def negative_binomial_counts(
    name: str,
    *,
    log_mean: pt.TensorVariable,
    dispersion: pt.TensorVariable,
    lower: np.ndarray,
    upper: np.ndarray,
    dims: str,
    shown: bool = False,
) -> pt.TensorVariable:
    """Counts along ``dims``, each known to lie in ``lower..upper``; equal bounds mean exact.

    ``dispersion`` is one for all cells or one for each, along ``dims``. ``shown`` counts are
    printed as they are in studies of many replicates, however small: others are counted by them.

    The observed value of an interval cell is its midpoint, shown only in plots: the likelihood uses
    the whole interval. Exact cells must come first, so that no reordering is needed; where data may
    be exchanged (`models.replaceable`) any order will do and the observed value is the lower bound.

    Raises
    ------
    ValueError
        When an interval cell stands before an exact one, or a bound is out of order.
    """
    lower, upper = np.asarray(lower, "int64"), np.asarray(upper, "int64")
    exact = lower == upper
    if np.any(lower > upper) or np.any(lower < 0):
        raise ValueError("bounds must satisfy 0 <= lower <= upper")
    if is_replaceable():
        rule = SHOWN if shown else publication_like(lower, upper)
        # Nothing is taken from the bounds but how many there are and how they are published.
        bounds = exchange_bounds(name, rule, len(lower))
        return _replaceable_counts(name, log_mean, dispersion, bounds, dims)
    if np.any(np.diff(exact.astype(int)) > 0):
        raise ValueError("exact cells must come before interval cells")
    cut = int(exact.sum())
    nodes = interval_nodes(lower[cut:], upper[cut:]) if cut < len(lower) else None
    one_each = pt.as_tensor(dispersion).ndim > 0

    def logp(
        value: pt.TensorVariable, log_mean: pt.TensorVariable, dispersion: pt.TensorVariable
    ) -> pt.TensorVariable:
        if nodes is None:
            return negative_binomial_logp(value, log_mean, dispersion)
        of_exact, of_interval = dispersion, dispersion
        if one_each:
            of_exact, of_interval = dispersion[:cut], dispersion[cut:, None]
        at_nodes = negative_binomial_logp(nodes.values, log_mean[cut:, None], of_interval)
        in_interval = pt.logsumexp(at_nodes + nodes.log_weights, axis=1)
        if cut == 0:
            return in_interval
        return pt.concatenate(
            [negative_binomial_logp(value[:cut], log_mean[:cut], of_exact), in_interval]
        )

    return pm.CustomDist(
        name,
        log_mean,
        dispersion,
        logp=logp,
        random=_draw_counts,
        observed=(lower + upper) // 2,
        dims=dims,
        dtype="int64",
    )


def _draw_counts(
    log_mean: np.ndarray,
    dispersion: np.ndarray,
    rng: np.random.Generator | None = None,
    size: tuple[int, ...] | None = None,
) -> np.ndarray:
    if rng is None:
        raise ValueError("a random generator is needed")
    mean = np.exp(np.minimum(log_mean, _LARGEST_LOG_MEAN))
    return rng.poisson(rng.gamma(dispersion, mean / dispersion, size=size))


def _replaceable_counts(
    name: str,
    log_mean: pt.TensorVariable,
    dispersion: pt.TensorVariable,
    bounds: ExchangedBounds,
    dims: str,
) -> pt.TensorVariable:
    """Counts whose bounds may be exchanged, so that any cell may be exact or an interval."""

    def logp(
        y: pt.TensorVariable, log_mean: pt.TensorVariable, dispersion: pt.TensorVariable
    ) -> pt.TensorVariable:
        odds = 1 / (1 + dispersion * pt.exp(-log_mean))
        ratios = [(y + k + dispersion) / (y + k + 1.0) * odds for k in bounds.steps]
        return negative_binomial_logp(y, log_mean, dispersion) + log_interval(ratios, bounds.inside)

    return pm.CustomDist(
        name,
        log_mean,
        dispersion,
        logp=logp,
        random=_draw_counts,
        observed=bounds.lower,
        dims=dims,
        dtype="int64",
    )


def totals_over_uncertain_exposure(
    name: str,
    *,
    log_rate: pt.TensorVariable,
    sd: pt.TensorVariable,
    log_exposure_lower: np.ndarray,
    log_exposure_upper: np.ndarray,
    observed: np.ndarray,
    dims: str,
) -> pt.TensorVariable:
    """Log totals ~ StudentT(4, log exposure + log rate, sd), log exposure uniform in its interval.

    The exposure is integrated out in closed form, which spares the sampler a ridge: only the sum of
    log exposure and log rate is seen. An exposure known to a ten-thousandth counts as exact.
    """
    low, high = np.asarray(log_exposure_lower), np.asarray(log_exposure_upper)
    exact = high - low < 1e-4
    # Any width does where the exact branch is taken; zero would divide by itself.
    width = np.where(exact, 1.0, high - low)

    def logp(
        value: pt.TensorVariable, log_rate: pt.TensorVariable, sd: pt.TensorVariable
    ) -> pt.TensorVariable:
        far, near = (value - log_rate - low) / sd, (value - log_rate - low - width) / sd
        # Both ends in the same tail: mirrored to the lower one, where nothing cancels.
        flip = near > 0
        upper = pt.where(flip, -near, far)
        lower = pt.where(flip, -far, near)
        inside = pt.log(_t4_lower(upper) - _t4_lower(lower)) - np.log(width)
        z = (value - log_rate - (low + high) / 2) / sd
        at_point = np.log(0.375) - 2.5 * pt.log1p(z**2 / 4) - pt.log(sd)
        return pt.where(exact, at_point, inside)

    def random(
        log_rate: np.ndarray,
        sd: np.ndarray,
        rng: np.random.Generator | None = None,
        size: tuple[int, ...] | None = None,
    ) -> np.ndarray:
        if rng is None:
            raise ValueError("a random generator is needed")
        shape = size if size is not None else np.broadcast_shapes(np.shape(log_rate), low.shape)
        return log_rate + rng.uniform(low, high, size=shape) + sd * rng.standard_t(4, size=shape)

    data = f"{name}_data"
    publishes(name, "totals are printed as they are", lambda totals: {data: totals})
    return pm.CustomDist(
        name,
        log_rate,
        sd,
        logp=logp,
        random=random,
        observed=observed_values(data, observed),
        dims=dims,
        dtype="float64",
    )


def _t4_lower(t: pt.TensorVariable) -> pt.TensorVariable:
    """Distribution function of Student's t with 4 degrees of freedom, exact far into the tail."""
    sine = t / pt.sqrt(4 + t**2)
    # 1 + sine, written without cancellation where t is negative.
    rise = pt.where(t < 0, 4 / ((4 + t**2) * (1 - sine)), 1 + sine)
    return rise**2 * (3 - rise) / 4
