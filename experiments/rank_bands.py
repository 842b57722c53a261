"""Whether ranks are uniform: simultaneous bands for the difference of an ECDF from uniform.

After Säilynoja, Bürkner and Vehtari (2022), "Graphical test for discrete uniformity and its
applications in goodness-of-fit evaluation and multiple sample comparison", Statistics and
Computing 32. Ranks of a known value among ``draws`` independent draws take ``draws + 1`` values;
the count of ranks up to each is binomial, and the pointwise level at which all counts at once stay
within their limits is found by simulation.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import beta, binom

LEVEL = 0.95
SIMULATIONS = 10_000
_SEED = 20220331


@dataclass(frozen=True)
class Band:
    """Limits of ECDF minus uniform at ``u`` = 1/(draws + 1), ..., draws/(draws + 1); each (u,)."""

    u: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def ecdf_difference(ranks: np.ndarray, draws: int) -> np.ndarray:
    """Share of ranks up to each value but the last, less what uniform ranks would have; (u,)."""
    return _counts(ranks, draws) / len(ranks) - _grid(draws)


def uniformity_p(ranks: np.ndarray, draws: int) -> float:
    """Probability that uniform ranks stray as far as these at their least likely point."""
    found = _tails(len(ranks), draws)[np.arange(draws), _counts(ranks, draws)].min()
    # Equal tail probabilities may differ in their last digit.
    as_far = (_null(len(ranks), draws) <= found * (1 + 1e-9)).sum()
    return float((1 + as_far) / (1 + SIMULATIONS))


def band(replicates: int, draws: int) -> Band:
    """The simultaneous 95 % band for this many ranks."""
    least = np.quantile(_null(replicates, draws), 1 - LEVEL)
    inside = _tails(replicates, draws) >= least
    grid = _grid(draws)
    lower = inside.argmax(axis=1) / replicates - grid
    upper = (replicates - inside[:, ::-1].argmax(axis=1)) / replicates - grid
    return Band(grid, lower, upper)


def binomial_interval(hits: float, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Clopper and Pearson's interval of a probability; (0, 1) where nothing was tried.

    ``hits`` may be broken where one trial is the mean of several.
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, trials - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


def _grid(draws: int) -> np.ndarray:
    return np.arange(1, draws + 1) / (draws + 1)


def _counts(ranks: np.ndarray, draws: int) -> np.ndarray:
    """How many ranks are at most 0, 1, ..., draws - 1; (u,)."""
    return np.bincount(ranks, minlength=draws + 1)[:draws].cumsum()


@cache
def _tails(replicates: int, draws: int) -> np.ndarray:
    """Twice the smaller tail probability of each count at each point; (u, replicates + 1)."""
    counts, grid = np.arange(replicates + 1), _grid(draws)[:, None]
    below = binom.cdf(counts, replicates, grid)
    above = binom.sf(counts - 1, replicates, grid)
    return 2 * np.minimum(below, above)


@cache
def _null(replicates: int, draws: int) -> np.ndarray:
    """Smallest tail probability over all points, of simulated uniform ranks; (SIMULATIONS,)."""
    rng = np.random.default_rng(_SEED)
    tails, points = _tails(replicates, draws), np.arange(draws)
    even = np.full(draws + 1, 1 / (draws + 1))
    least = np.empty(SIMULATIONS)
    for index in range(SIMULATIONS):
        counts = rng.multinomial(replicates, even)[:draws].cumsum()
        least[index] = tails[points, counts].min()
    return least
