"""Chance of estimands: repeatable, and not shared between data sets."""

import numpy as np
import xarray as xr

from models.chance import generator_for


def test_the_same_draws_have_the_same_chance_and_others_their_own() -> None:
    draws = xr.DataArray(np.arange(6.0).reshape(1, 3, 2), dims=("chain", "draw", "predictor"))
    first, again = (generator_for(draws, 5).standard_normal(4) for _ in range(2))
    assert (first == again).all()
    assert not (generator_for(draws + 1e-9, 5).standard_normal(4) == first).any()
    assert not (generator_for(draws, 6).standard_normal(4) == first).any()
