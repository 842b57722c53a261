"""Neighbouring gates share a term: what that alone does, and that rates per child lack it."""

import numpy as np
import pytest

from tests.models.shared_term import World, estimates


def means(world: World, name: str) -> np.ndarray:
    return np.asarray(estimates(world, 60, seed=1)[name].mean(axis=0))


def test_independent_stages_make_neighbouring_gates_correlate_negatively() -> None:
    found = means(World(), "gates")
    # Referrals per child stand above in one gate and below in one: 1 / sqrt(2). Others stand
    # twice in each: one half.
    assert found[0, 1] == pytest.approx(-(0.5**0.5), abs=0.03)
    assert found[1, 2] == pytest.approx(-0.5, abs=0.03)
    assert found[2, 3] == pytest.approx(-0.5, abs=0.03)
    assert abs(found[1, 3]) < 0.03


@pytest.mark.parametrize("passed_on", [0.0, 0.5, 1.0])
def test_rates_per_child_are_uncorrelated_when_stages_are(passed_on: float) -> None:
    found = means(World(passed_on=passed_on), "rates")
    assert np.abs(found[np.tril_indices(4, -1)]).max() < 0.05


def test_a_plain_offset_is_right_only_where_all_is_passed_on() -> None:
    assert abs(means(World(passed_on=1.0), "rates_by_offset")[0, 1]) < 0.05
    apart = means(World(passed_on=0.0), "rates_by_offset")[0, 1]
    # Scatter of referrals over the years, counted as if it were the gate's own: -sd² / years.
    covariance = -(0.22**2) / 5
    expected = covariance / np.sqrt(0.3**2 * (0.3**2 + 2 * covariance))
    assert apart == pytest.approx(expected, abs=0.03)
    assert apart < -0.08
