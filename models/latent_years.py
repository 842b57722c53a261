"""One latent value for each LA-year, autocorrelated within its LA, and figures given it.

The latent value is a log rate for counts and log odds for shares. It is drawn around its mean on
its own scale (hierarchical centring): a figure in its hundreds tells the value of its LA-year far
better than its LA's other years do. `docs/decisions/aftermath.md` has the measurement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from models.exchanged_bounds import ExchangedBounds, exchange_bounds, log_interval
from models.likelihoods import interval_nodes, negative_binomial_logp
from models.published_counts import publication_like
from models.replaceable import is_replaceable
from models.share_likelihoods import beta_binomial_logp

# exp(40) cases a year would overflow the random generator and mean nothing.
_LARGEST_LOG_MEAN = 40.0
_SMALLEST_SHAPE = 1e-10


@dataclass(frozen=True)
class Series:
    """Which cell comes before which: the series of each LA as index vectors along ``obs``.

    Attributes
    ----------
    before : (obs,)
        Position of the LA's latest earlier cell; a cell's own position where there is none.
    gap : (obs,)
        Years since that cell; 0 where there is none.
    rank : (obs,)
        0 for the first cell of an LA, 1 for the next and so on.
    """

    before: np.ndarray
    gap: np.ndarray
    rank: np.ndarray

    @classmethod
    def of(cls, la: np.ndarray, year: np.ndarray) -> "Series":
        """The series of cells with these LAs and years (both along ``obs``), in any order."""
        frame = pd.DataFrame({"la": la, "year": year, "at": np.arange(len(la))})
        frame = frame.sort_values(["la", "year"], kind="stable")
        by_la = frame.groupby("la")
        frame["before"] = by_la["at"].shift().fillna(frame["at"]).astype(int)
        frame["gap"] = by_la["year"].diff().fillna(0).astype(int)
        frame["rank"] = by_la.cumcount()
        frame = frame.sort_values("at")
        return cls(*(frame[name].to_numpy() for name in ("before", "gap", "rank")))

    def powers(self, persistence: pt.TensorVariable) -> pt.TensorVariable:
        """``persistence ** gap`` (obs,), and zero where nothing comes before."""
        sizes = sorted(set(self.gap.tolist()) - {0})
        # A CustomDist hands its scalars on with one dimension.
        one = pt.as_tensor(persistence).ravel()[0]
        table = pt.concatenate([pt.zeros(1), one ** np.array(sizes, float)])
        return table[np.searchsorted([0, *sizes], self.gap)]


def autocorrelated(
    name: str,
    *,
    mean: pt.TensorVariable,
    persistence: pt.TensorVariable,
    sd: pt.TensorVariable,
    series: Series,
    dims: str,
) -> pt.TensorVariable:
    """Values around ``mean`` (obs,) that carry over within each LA: a stationary AR(1).

    ``sd`` is that of what each year adds; every value then has the standard deviation
    `stationary_sd`, and two of one LA, d years apart, have the correlation ``persistence ** d``.
    The density is written in innovations, so that years without a figure cost nothing.
    """

    def logp(
        value: pt.TensorVariable,
        mean: pt.TensorVariable,
        persistence: pt.TensorVariable,
        sd: pt.TensorVariable,
    ) -> pt.TensorVariable:
        carried = series.powers(persistence)
        departure = value - mean
        scale = stationary_sd(sd, persistence) * pt.sqrt(1 - carried**2)
        z = (departure - carried * departure[series.before]) / scale
        return -0.5 * z**2 - pt.log(scale) - 0.5 * np.log(2 * np.pi)

    def random(
        mean: np.ndarray,
        persistence: np.ndarray,
        sd: np.ndarray,
        rng: np.random.Generator | None = None,
        size: tuple[int, ...] | None = None,
    ) -> np.ndarray:
        if rng is None:
            raise ValueError("a random generator is needed")
        return mean + _draw_departures(series, np.ravel(persistence)[0], np.ravel(sd)[0], rng)

    return pm.CustomDist(
        name,
        mean,
        persistence,
        sd,
        logp=logp,
        random=random,
        support_point=lambda rv, size, mean, persistence, sd: mean,
        dims=dims,
    )


def stationary_sd(sd: Any, persistence: Any) -> Any:
    """Standard deviation of departures to which each year adds one of ``sd``."""
    return sd / (1 - persistence**2) ** 0.5


def _draw_departures(
    series: Series, persistence: float, sd: float, rng: np.random.Generator
) -> np.ndarray:
    """Departures (obs,) from the mean, each LA's in the order of its years."""
    departure = stationary_sd(sd, persistence) * rng.standard_normal(len(series.rank))
    for rank in range(1, int(series.rank.max(initial=0)) + 1):
        at = np.flatnonzero(series.rank == rank)
        carried = float(persistence) ** series.gap[at]
        innovation = departure[at] * np.sqrt(1 - carried**2)
        departure[at] = carried * departure[series.before[at]] + innovation
    return departure


def figures_given(
    name: str,
    *,
    latent: pt.TensorVariable,
    mean: pt.TensorVariable,
    persistence: pt.TensorVariable,
    sd: pt.TensorVariable,
    dispersion: pt.TensorVariable | None,
    series: Series,
    exposure: np.ndarray,
    is_share: bool,
    lower: np.ndarray,
    upper: np.ndarray,
    dims: str,
) -> pt.TensorVariable:
    """Figures along ``dims``, each known to lie in ``lower..upper``, given their latent values.

    Counts are Poisson with mean ``exposure exp(latent)``, parts of a whole binomial with log odds
    ``latent``; with a ``dispersion`` they are negative binomial or beta-binomial. Where data may be
    exchanged (`models.replaceable`) drawn figures follow their latent value. In a single fit they
    are drawn with a *fresh* latent value around the same mean: a latent value that has seen its own
    figure would let every predictive check pass.

    Raises
    ------
    ValueError
        When an interval cell stands before an exact one, or a bound is out of order.
    """
    lower, upper = np.asarray(lower, "int64"), np.asarray(upper, "int64")
    if np.any(lower > upper) or np.any(lower < 0):
        raise ValueError("bounds must satisfy 0 <= lower <= upper")
    exact = lower == upper
    studied = is_replaceable()
    if not studied and np.any(np.diff(exact.astype(int)) > 0):
        raise ValueError("exact cells must come before interval cells")
    exposure = np.asarray(exposure, float)
    has_scatter = dispersion is not None
    kind = _Kind(is_share, has_scatter, exposure)

    def random(
        latent: np.ndarray,
        mean: np.ndarray,
        persistence: np.ndarray,
        sd: np.ndarray,
        dispersion: np.ndarray,
        rng: np.random.Generator | None = None,
        size: tuple[int, ...] | None = None,
    ) -> np.ndarray:
        if rng is None:
            raise ValueError("a random generator is needed")
        value = latent
        if not studied:
            own = _draw_departures(series, np.ravel(persistence)[0], np.ravel(sd)[0], rng)
            value = mean + own
        return kind.draw(value, dispersion, rng)

    if studied:
        # Nothing is taken from the bounds but how many there are and how they are published.
        most = exposure.astype("int64") if is_share else None
        bounds = exchange_bounds(name, publication_like(lower, upper), len(lower), most)
        logp, observed = _exchanged(kind, bounds), bounds.lower
    else:
        logp, observed = _constant(kind, lower, upper), (lower + upper) // 2
    return pm.CustomDist(
        name,
        latent,
        mean,
        persistence,
        sd,
        dispersion if has_scatter else pt.as_tensor(1.0),
        logp=logp,
        random=random,
        observed=observed,
        dims=dims,
        dtype="int64",
    )


@dataclass(frozen=True)
class _Kind:
    """A family of figures: its log mass, ratios of neighbouring masses and draws."""

    is_share: bool
    has_scatter: bool
    exposure: np.ndarray

    def logp(
        self,
        y: np.ndarray | pt.TensorVariable,
        latent: pt.TensorVariable,
        dispersion: pt.TensorVariable,
        exposure: np.ndarray,
    ) -> pt.TensorVariable:
        if self.is_share and self.has_scatter:
            return beta_binomial_logp(y, exposure, latent, dispersion)
        if self.is_share:
            ways = pt.gammaln(exposure + 1.0) - pt.gammaln(y + 1.0) - pt.gammaln(exposure - y + 1.0)
            return ways + y * latent - exposure * pt.softplus(latent)
        log_mean = latent + np.log(exposure)
        if self.has_scatter:
            return negative_binomial_logp(y, log_mean, dispersion)
        return y * log_mean - pt.exp(log_mean) - pt.gammaln(y + 1.0)

    def ratio(
        self, y: pt.TensorVariable, latent: pt.TensorVariable, dispersion: pt.TensorVariable
    ) -> pt.TensorVariable:
        """Mass at ``y + 1`` over that at ``y``; nought past the whole."""
        if self.is_share:
            left = pt.maximum(self.exposure - y, 0.0)
            if not self.has_scatter:
                return left / (y + 1.0) * pt.exp(latent)
            first, second = (dispersion * pt.exp(-pt.softplus(s * latent)) for s in (-1, 1))
            rest = pt.maximum(left - 1.0, 0.0) + pt.maximum(second, _SMALLEST_SHAPE)
            return left / (y + 1.0) * (y + first) / rest
        mean = self.exposure * pt.exp(latent)
        if not self.has_scatter:
            return mean / (y + 1.0)
        return (y + dispersion) / (y + 1.0) / (1 + dispersion / mean)

    def draw(
        self, latent: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        if self.is_share:
            total = self.exposure.astype("int64")
            share = 1 / (1 + np.exp(-latent))
            if self.has_scatter:
                first, second = dispersion * share, dispersion * (1 - share)
                share = rng.beta(
                    np.maximum(first, _SMALLEST_SHAPE), np.maximum(second, _SMALLEST_SHAPE)
                )
            return rng.binomial(total, share)
        mean = np.exp(np.minimum(latent + np.log(self.exposure), _LARGEST_LOG_MEAN))
        if self.has_scatter:
            mean = rng.gamma(dispersion, mean / dispersion)
        return rng.poisson(mean)


def _constant(kind: _Kind, lower: np.ndarray, upper: np.ndarray) -> Callable:
    cut = int((lower == upper).sum())
    nodes = interval_nodes(lower[cut:], upper[cut:]) if cut < len(lower) else None

    def logp(
        value: pt.TensorVariable,
        latent: pt.TensorVariable,
        mean: pt.TensorVariable,
        persistence: pt.TensorVariable,
        sd: pt.TensorVariable,
        dispersion: pt.TensorVariable,
    ) -> pt.TensorVariable:
        known = kind.logp(value[:cut], latent[:cut], dispersion, kind.exposure[:cut])
        if nodes is None:
            return known
        at_nodes = kind.logp(
            nodes.values, latent[cut:, None], dispersion, kind.exposure[cut:, None]
        )
        return pt.concatenate([known, pt.logsumexp(at_nodes + nodes.log_weights, axis=1)])

    return logp


def _exchanged(kind: _Kind, bounds: ExchangedBounds) -> Callable:
    def logp(
        y: pt.TensorVariable,
        latent: pt.TensorVariable,
        mean: pt.TensorVariable,
        persistence: pt.TensorVariable,
        sd: pt.TensorVariable,
        dispersion: pt.TensorVariable,
    ) -> pt.TensorVariable:
        ratios = [kind.ratio(y + float(k), latent, dispersion) for k in bounds.steps]
        exact = kind.logp(y, latent, dispersion, kind.exposure)
        return exact + log_interval(ratios, bounds.inside)

    return logp
