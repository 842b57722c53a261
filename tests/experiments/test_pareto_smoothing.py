"""Pareto smoothing of many cells against ArviZ's of one."""

import numpy as np
import pytest
from arviz_stats.base import array_stats  # type: ignore[attr-defined]

from experiments.pareto_smoothing import pareto_smoothed


@pytest.mark.parametrize("draws", [100, 225, 400, 4000])
def test_smoothed_weights_are_arviz_s(draws: int) -> None:
    rng = np.random.default_rng(draws)
    spread = np.exp(rng.normal(size=(40, 1)))
    log_likelihood = 0.3 * rng.normal(size=(40, draws)) * spread
    log_likelihood[::2] -= rng.exponential(size=(20, draws))
    # As often as a sampler stays where it is.
    log_likelihood[:, 1::9] = log_likelihood[:, ::9][:, : log_likelihood[:, 1::9].shape[1]]
    weights, pareto_k = pareto_smoothed(-log_likelihood)
    theirs, their_k = array_stats.psislw(log_likelihood)
    # Which of equal draws at the cut belong to the tail is nobody's rule.
    np.testing.assert_allclose(np.sort(weights), np.sort(theirs), atol=1e-12)
    np.testing.assert_allclose(pareto_k, their_k, atol=1e-12)
    assert pareto_k.min() < 0.5 < 0.7 < pareto_k.max()


def test_weights_without_a_tail_are_kept_as_they_are() -> None:
    ratios = np.zeros((2, 400))
    # A fifth of the tail stands out, the rest of it is one value.
    ratios[1, :12] = np.linspace(1, 2, 12)
    weights, pareto_k = pareto_smoothed(ratios)
    assert np.isnan(pareto_k).all()
    np.testing.assert_allclose(weights[0], -np.log(400))
    np.testing.assert_allclose(weights[1] - weights[1, -1], ratios[1])
    np.testing.assert_allclose(np.exp(weights).sum(axis=1), 1)
