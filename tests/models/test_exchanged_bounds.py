"""Bounds that may be exchanged: published by their rule, within the whole, and no mask unread."""

import numpy as np
import pymc as pm
import pytest

from models.exchanged_bounds import exchange_bounds, log_interval
from models.published_counts import SHOWN, CountPublication
from models.replaceable import replaceable_data

# Exact, hidden, hidden, rounded from between 58 and 62.
COUNTS = np.array([0, 2, 5, 60])


def published(rule: CountPublication, most: np.ndarray | None = None) -> dict[str, list]:
    with replaceable_data() as exchange, pm.Model() as model:
        bounds = exchange_bounds("y", rule, len(COUNTS), most)
    assert list(bounds.steps) == list(range(rule.width - 1))
    arrays = exchange.publish["y"](COUNTS)
    assert {v.name: v.get_value().shape for v in model.data_vars} == {
        name: values.shape for name, values in arrays.items()
    }
    return {name: values.tolist() for name, values in arrays.items()}


def test_the_mask_says_which_counts_above_the_lower_bound_are_in_the_interval() -> None:
    found = published(CountPublication(unit=5))
    assert found["y_lower_data"] == [0, 1, 1, 58]
    assert found["y_inside_data"] == [[0, 1, 1, 1]] * 4


def test_no_part_is_more_than_its_whole() -> None:
    found = published(CountPublication(unit=5), most=np.array([0, 3, 9, 61]))
    assert found["y_inside_data"] == [[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 0]]


def test_counts_that_are_always_shown_need_no_mask() -> None:
    assert published(SHOWN) == {"y_lower_data": COUNTS.tolist()}
    assert log_interval([], None).eval() == 0


def test_an_interval_too_wide_to_be_summed_is_refused() -> None:
    with replaceable_data(), pm.Model(), pytest.raises(ValueError, match="25 counts is too wide"):
        exchange_bounds("y", CountPublication(unit=25), 3)


def test_log_interval_is_the_log_of_the_mass_over_that_of_the_lower_bound() -> None:
    mass = np.array([[0.2, 0.1, 0.4], [0.3, 0.2, 0.4], [0.1, 0.05, 0.1]])
    inside = np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    found = log_interval(list(mass[1:] / mass[:-1]), inside).eval()
    assert found == pytest.approx(np.log(np.array([0.6, 0.1, 0.8]) / mass[0]))
