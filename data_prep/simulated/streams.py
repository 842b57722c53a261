"""Random numbers: one root seed, one child stream for each named component of the process.

A stream is found by its name, not by its turn, so that switching one effect off, or adding a
measure, leaves every other draw as it was. Draws go through inverse distribution functions: a cell
uses exactly one uniform whatever its mean, so that two simulations that differ in one effect are
coupled cell by cell.
"""

import zlib

import numpy as np
from scipy import special, stats

# Uniforms are kept off 0 and 1, where inverse distribution functions are infinite.
_EDGE = 1e-12


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """The generator of the component named by ``key``."""
    words = [zlib.crc32(str(part).encode()) for part in key]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=words))


def normals_by_year(seed: int, key: str, years: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normals (year, *shape); a year's draws do not depend on the window it stands in."""
    return np.stack([stream(seed, key, int(year)).standard_normal(shape) for year in years])


def uniforms_by_year(seed: int, key: str, years: np.ndarray, las: int) -> np.ndarray:
    """Uniforms (la, year), strictly between 0 and 1."""
    draws = [stream(seed, key, int(year)).random(las) for year in years]
    return np.clip(np.stack(draws, axis=1), _EDGE, 1 - _EDGE)


def gamma_factor(normal: np.ndarray, dispersion: float) -> np.ndarray:
    """Gamma variables of mean 1 and variance 1 / ``dispersion``, monotone in ``normal``; with a
    Poisson count on top the count is negative binomial. Infinite dispersion gives 1.
    """
    if np.isinf(dispersion):
        return np.ones_like(normal)
    uniform = np.clip(special.ndtr(normal), _EDGE, 1 - _EDGE)
    return np.asarray(special.gammaincinv(dispersion, uniform) / dispersion)


def poisson(uniform: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Poisson counts by inversion."""
    return np.asarray(stats.poisson.ppf(uniform, mean))


def beta_share(uniform: np.ndarray, mean: np.ndarray, precision: float) -> np.ndarray:
    """Beta variables of the given mean and precision (the sum of both shape parameters)."""
    if np.isinf(precision):
        return mean
    return np.asarray(special.betaincinv(mean * precision, (1 - mean) * precision, uniform))


def binomial(uniform: np.ndarray, trials: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Binomial counts by inversion; NaN where ``trials`` is NaN."""
    known = np.isfinite(trials)
    counts = np.full(np.shape(trials), np.nan)
    n = trials[known]
    p = np.clip(share[known], 0.0, 1.0)
    counts[known] = np.clip(stats.binom.ppf(uniform[known], n, p), 0, n)
    return counts
