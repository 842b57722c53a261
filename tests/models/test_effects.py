"""Terms that models share, held against what they say they are."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from models.effects import authority_scatter, scatter_spread_prior


def test_scatter_of_authorities_is_log_normal_around_the_common_one() -> None:
    with pm.Model(coords={"la": range(2000), "outcome": ["a", "b"]}):
        common = pt.as_tensor([0.1, 0.3])
        scatter = authority_scatter(
            {"scatter_spread": scatter_spread_prior()}, common[None, :], dims=("la", "outcome")
        )
        spread = pm.modelcontext(None)["scatter_spread"]
        drawn, size = pm.draw([scatter, spread], random_seed=4)
    log = np.log(drawn)
    assert log.mean(axis=0) == pytest.approx(np.log([0.1, 0.3]), abs=4 * size / np.sqrt(2000))
    assert log.std(axis=0) == pytest.approx(float(size), rel=0.1)


def test_the_prior_of_unequal_scatter_means_what_it_says() -> None:
    prior = scatter_spread_prior()
    assert f"{np.exp(1.96 * prior.parameters['sigma']):.1f} times" in prior.meaning
