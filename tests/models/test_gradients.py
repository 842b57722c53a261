"""Fifths, slope index: against arithmetic done by hand and by least squares."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from models.gradients import fifths, slope_index, weighted_by_fifth


def test_fifths_are_equal_in_number_and_in_order() -> None:
    score = np.random.default_rng(1).permutation(152).astype(float)
    number = fifths(score)
    assert sorted(np.unique(number, return_counts=True)[1].tolist()) == [30, 30, 30, 31, 31]
    for low in range(1, 5):
        assert score[number == low].max() < score[number == low + 1].min()
    assert fifths(np.array([3.0, 1, 2, 5, 4])).tolist() == [3, 1, 2, 5, 4]


def test_rates_of_fifths_are_weighted_by_exposure() -> None:
    rate = xr.DataArray([1.0, 3, 5, 5, 7, 7, 9, 9, 2, 4], dims="la")
    weights = xr.DataArray([3.0, 1, 1, 1, 1, 1, 1, 1, 0, 2], dims="la")
    found = weighted_by_fifth(rate, weights, np.repeat([1, 2, 3, 4, 5], 2))
    assert found["fifth"].values.tolist() == [1, 2, 3, 4, 5]
    assert found.values == pytest.approx([1.5, 5, 7, 9, 4])


def test_slope_index_is_the_weighted_least_squares_slope_over_places() -> None:
    rng = np.random.default_rng(4)
    score, weights = rng.normal(size=40), rng.uniform(1, 9, 40)
    rates = rng.normal(20, 3, size=(3, 40))
    order = np.argsort(score)
    place = np.empty(40)
    share = weights / weights.sum()
    place[order] = np.cumsum(share[order]) - share[order] / 2
    found = slope_index(
        xr.DataArray(rates, dims=("outcome", "la")), xr.DataArray(weights, dims="la"), score
    )
    for row, value in zip(rates, found.values, strict=True):
        expected = np.polyfit(place, row, 1, w=np.sqrt(weights))[0]
        assert value == pytest.approx(expected)


@given(st.permutations(range(12)), st.floats(-3, 3), st.floats(0.5, 50))
def test_order_of_rows_does_not_matter_and_a_line_is_found(
    order: list[int], step: float, level: float
) -> None:
    rng = np.random.default_rng(7)
    score, weights = np.arange(12.0), rng.uniform(1, 5, 12)
    share = weights / weights.sum()
    rate = level + step * (np.cumsum(share) - share / 2)
    found = slope_index(
        xr.DataArray(rate[order], dims="la"),
        xr.DataArray(weights[order], dims="la"),
        score[order],
    )
    assert float(found) == pytest.approx(step, abs=1e-9)
