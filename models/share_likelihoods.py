"""Likelihood of parts of a whole that are known exactly or only within an interval."""

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models.exchanged_bounds import ExchangedBounds, exchange_bounds, log_interval
from models.likelihoods import EXACT_WIDTH, Nodes, before_indexing, interval_nodes
from models.published_counts import publication_like
from models.replaceable import is_replaceable

# A shape parameter of the beta distribution below this overflows the random generator; the draws
# are then all of the whole or none of it, as they are at this value.
_SMALLEST_SHAPE = 1e-10
# Integers at either end of a wide interval that are summed one by one. The mass may be steep there,
# where a mean share lies just outside; in between it is smooth enough for quadrature.
_EXACT_END = 16


def beta_binomial_logp(
    y: np.ndarray | pt.TensorVariable,
    total: np.ndarray | pt.TensorVariable,
    log_odds: pt.TensorVariable,
    dispersion: pt.TensorVariable,
) -> pt.TensorVariable:
    """Log mass of ``y`` out of ``total`` when the share is beta-distributed around its mean.

    The mean share ``p`` has these log odds, and the share of a cell the variance
    ``p (1 - p) / (dispersion + 1)``. Every logarithm is taken of the log odds, never of a share
    that may have been rounded to nought or one.
    """
    log_share, log_rest = -pt.softplus(-log_odds), -pt.softplus(log_odds)
    return (
        pt.gammaln(total + 1.0)
        - pt.gammaln(y + 1.0)
        - pt.gammaln(total - y + 1.0)
        + _log_rising(y, log_share, dispersion)
        + _log_rising(total - y, log_rest, dispersion)
        + before_indexing(pt.gammaln, dispersion)
        - pt.gammaln(total + dispersion)
    )


def _log_rising(
    n: np.ndarray | pt.TensorVariable, log_share: pt.TensorVariable, dispersion: pt.TensorVariable
) -> pt.TensorVariable:
    """Log of ``shape (shape + 1) ... (shape + n - 1)``, the shape being dispersion times share.

    The first factor is taken out and written in logarithms, so that a shape of nearly nothing is
    exact; an empty product has log zero whatever the shape.
    """
    shape = dispersion * pt.exp(log_share)
    counted = pt.gt(n, 0)
    rest = pt.gammaln(pt.switch(counted, n, 1.0) + shape) - pt.gammaln(1.0 + shape)
    return pt.switch(counted, rest + before_indexing(pt.log, dispersion) + log_share, 0.0)


def _share_nodes(lower: np.ndarray, upper: np.ndarray) -> Nodes:
    """Nodes that sum a mass over the integers ``lower..upper`` (both (cell,)), ends one by one."""
    wide = upper - lower >= EXACT_WIDTH
    inner = _EXACT_END * wide
    parts = [interval_nodes(lower + inner, upper - inner)]
    if wide.any():
        # A cell without ends of its own repeats its lower bound, with no weight.
        top = np.where(wide, upper - _EXACT_END + 1, lower)
        parts += [interval_nodes(low, low + (_EXACT_END - 1) * wide) for low in (lower, top)]
        for part in parts[1:]:
            part.log_weights[~wide] = -np.inf
    return Nodes(
        np.hstack([part.values for part in parts]), np.hstack([part.log_weights for part in parts])
    )


def beta_binomial_counts(
    name: str,
    *,
    log_odds: pt.TensorVariable,
    dispersion: pt.TensorVariable,
    total: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    dims: str,
) -> pt.TensorVariable:
    """Parts of ``total`` along ``dims``, each known to lie in ``lower..upper``; equal means exact.

    ``dispersion`` is one for all cells or one for each, and large where shares scatter little, as
    ``models.likelihoods.dispersion_of`` gives it: a scatter of 0.1 makes a share of one half
    scatter by 5 percentage points. The observed value of an interval cell is its midpoint, shown
    only in plots. Exact cells come first; where data may be exchanged (`models.replaceable`) any
    order will do and the observed value is the lower bound.

    Raises
    ------
    ValueError
        When an interval cell stands before an exact one, or a bound is out of order or above the
        total.
    """
    lower, upper, total = (np.asarray(array, "int64") for array in (lower, upper, total))
    exact = lower == upper
    if np.any(lower > upper) or np.any(lower < 0) or np.any(upper > total):
        raise ValueError("bounds must satisfy 0 <= lower <= upper <= total")
    if is_replaceable():
        # Nothing is taken from the bounds but how many there are and how they are published.
        bounds = exchange_bounds(name, publication_like(lower, upper), len(lower), most=total)
        return _replaceable_shares(name, log_odds, dispersion, total, bounds, dims)
    if np.any(np.diff(exact.astype(int)) > 0):
        raise ValueError("exact cells must come before interval cells")
    cut = int(exact.sum())
    nodes = _share_nodes(lower[cut:], upper[cut:]) if cut < len(lower) else None
    one_each = pt.as_tensor(dispersion).ndim > 0

    def logp(
        value: pt.TensorVariable, log_odds: pt.TensorVariable, dispersion: pt.TensorVariable
    ) -> pt.TensorVariable:
        if nodes is None:
            return beta_binomial_logp(value, total, log_odds, dispersion)
        of_exact, of_interval = dispersion, dispersion
        if one_each:
            of_exact, of_interval = dispersion[:cut], dispersion[cut:, None]
        at_nodes = beta_binomial_logp(
            nodes.values, total[cut:, None], log_odds[cut:, None], of_interval
        )
        in_interval = pt.logsumexp(at_nodes + nodes.log_weights, axis=1)
        if cut == 0:
            return in_interval
        known = beta_binomial_logp(value[:cut], total[:cut], log_odds[:cut], of_exact)
        return pt.concatenate([known, in_interval])

    return pm.CustomDist(
        name,
        log_odds,
        dispersion,
        logp=logp,
        random=_draw_parts(total),
        observed=(lower + upper) // 2,
        dims=dims,
        dtype="int64",
    )


def _draw_parts(total: np.ndarray) -> Callable[..., np.ndarray]:
    """Random draws of parts of ``total``, for a CustomDist of log odds and dispersion."""

    def random(
        log_odds: np.ndarray,
        dispersion: np.ndarray,
        rng: np.random.Generator | None = None,
        size: tuple[int, ...] | None = None,
    ) -> np.ndarray:
        if rng is None:
            raise ValueError("a random generator is needed")
        first, second = (
            np.maximum(dispersion * np.exp(-np.logaddexp(0, sign * log_odds)), _SMALLEST_SHAPE)
            for sign in (-1, 1)
        )
        return rng.binomial(total, rng.beta(first, second, size=size))

    return random


def _replaceable_shares(
    name: str,
    log_odds: pt.TensorVariable,
    dispersion: pt.TensorVariable,
    total: np.ndarray,
    bounds: ExchangedBounds,
    dims: str,
) -> pt.TensorVariable:
    """Parts whose bounds may be exchanged, so that any cell may be exact or an interval."""

    def logp(
        y: pt.TensorVariable, log_odds: pt.TensorVariable, dispersion: pt.TensorVariable
    ) -> pt.TensorVariable:
        first, second = (dispersion * pt.exp(-pt.softplus(sign * log_odds)) for sign in (-1, 1))
        ratios = []
        for k in bounds.steps:
            left = pt.maximum(total - y - k, 0.0)
            # Finite past the whole too, where it is multiplied by nought.
            rest = pt.maximum(left - 1.0, 0.0) + pt.maximum(second, _SMALLEST_SHAPE)
            ratios.append(left / (y + k + 1.0) * (y + k + first) / rest)
        exact = beta_binomial_logp(y, total, log_odds, dispersion)
        return exact + log_interval(ratios, bounds.inside)

    return pm.CustomDist(
        name,
        log_odds,
        dispersion,
        logp=logp,
        random=_draw_parts(total),
        observed=bounds.lower,
        dims=dims,
        dtype="int64",
    )
