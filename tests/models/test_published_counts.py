"""Published counts: every count belongs to one printed value, and rules are read from cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.published_counts import CountPublication, publication_like

RULES = st.builds(CountPublication, st.booleans(), st.sampled_from([1, 5, 10]))


@given(rule=RULES)
def test_printed_values_part_the_counts_without_overlap(rule: CountPublication) -> None:
    counts = np.arange(200)
    lower, upper = rule.bounds(counts)
    assert (lower <= counts).all()
    assert (counts <= upper).all()
    assert (upper - lower < rule.width).all()
    # Every count within a printed interval prints as that interval.
    for low, high in set(zip(lower.tolist(), upper.tolist(), strict=True)):
        again = rule.bounds(np.arange(low, high + 1))
        assert set(again[0].tolist()) == {low}
        assert set(again[1].tolist()) == {high}


def test_small_counts_are_hidden_and_nought_is_not() -> None:
    lower, upper = CountPublication().bounds(np.array([0, 1, 5, 6, 40]))
    assert lower.tolist() == [0, 1, 1, 6, 40]
    assert upper.tolist() == [0, 5, 5, 6, 40]


@pytest.mark.parametrize("unit", [1, 5, 10])
def test_the_rule_is_read_from_cells_printed_by_it(unit: int) -> None:
    printed = np.arange(20, 400, unit)
    # As the cube has them: half a unit either side, both ends whole numbers where they are.
    half = 0 if unit == 1 else unit / 2
    lower, upper = np.ceil(printed - half).astype(int), np.floor(printed + half).astype(int)
    lower, upper = np.append(lower, 1), np.append(upper, 5)
    assert publication_like(lower, upper).unit == unit


def test_a_few_wide_cells_are_not_a_rounded_measure() -> None:
    lower = np.array([10, 20, 30, 7])
    assert publication_like(lower, lower + np.array([0, 0, 0, 30])).unit == 1
