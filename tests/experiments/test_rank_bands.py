"""Bands of rank statistics: they hold uniform ranks at their rate and let go of others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.rank_bands import band, binomial_interval, ecdf_difference, uniformity_p

DRAWS = 50


def uniform(rng: np.random.Generator, replicates: int) -> np.ndarray:
    return rng.integers(0, DRAWS + 1, replicates)


def outside(ranks: np.ndarray) -> bool:
    limits, difference = band(len(ranks), DRAWS), ecdf_difference(ranks, DRAWS)
    beyond = (difference < limits.lower - 1e-12) | (difference > limits.upper + 1e-12)
    return bool(beyond.any())


def test_one_set_of_uniform_ranks_in_twenty_leaves_the_band() -> None:
    rng = np.random.default_rng(1)
    left = np.mean([outside(uniform(rng, 100)) for _ in range(2000)])
    # Binomial standard error .005; counts are whole numbers, so the band holds a little more.
    assert 0.03 < left < 0.065


@given(seed=st.integers(0, 10_000), power=st.floats(0.5, 2))
@settings(max_examples=60)
def test_the_probability_and_the_band_agree(seed: int, power: float) -> None:
    u = np.random.default_rng(seed).random(60) ** power
    ranks = np.floor(u * (DRAWS + 1)).astype(int)
    p = uniformity_p(ranks, DRAWS)
    assert outside(ranks) == (p < 0.05) or p == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("posterior too narrow", (0.5, 0.5)), ("too wide", (2, 2)), ("biased", (1, 1.6))],
)
def test_ranks_of_a_wrong_posterior_are_found(name: str, shape: tuple[float, float]) -> None:
    u = np.random.default_rng(2).beta(*shape, size=200)
    ranks = np.floor(u * (DRAWS + 1)).astype(int)
    assert uniformity_p(ranks, DRAWS) < 0.01, name
    assert outside(ranks), name


def test_probabilities_of_uniform_ranks_are_themselves_uniform() -> None:
    rng = np.random.default_rng(3)
    p = np.array([uniformity_p(uniform(rng, 80), DRAWS) for _ in range(1000)])
    for level in (0.05, 0.25, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=0.05)


def test_a_count_s_interval_is_clopper_and_pearson_s() -> None:
    # Published example: 10 of 20, 95 %.
    assert binomial_interval(10, 20) == pytest.approx((0.272, 0.728), abs=5e-4)
    assert binomial_interval(0, 10) == pytest.approx((0.0, 0.3085), abs=5e-4)
    assert binomial_interval(0, 0) == (0.0, 1.0)
