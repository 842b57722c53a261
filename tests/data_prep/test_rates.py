"""Indicators as series: bounds that hold, reasons that are kept."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from data_prep.indicators import INDICATORS
from data_prep.rates import NOTHING_TO_DIVIDE_BY, derive_rates, regimes_of
from data_prep.schema import STATUS, measure_variables

NAN = float("nan")
RATE, SHARE = INDICATORS["referral_rate"], INDICATORS["rereferral_share"]


def dataset(
    measure: str, cell: tuple[float, float, float, str], base: str, below: tuple
) -> xr.Dataset:
    """One authority and year: each cell is value, lower, upper, status."""
    variables: dict[str, xr.DataArray] = {}
    for name, (value, lower, upper, status) in ((measure, cell), (base, below)):
        variables |= measure_variables(
            name,
            ("la", "year"),
            value=np.array([[value]]),
            lower=np.array([[lower]]),
            upper=np.array([[upper]]),
            status=np.array([[STATUS[status]]]),
        )
    return xr.Dataset(variables)


def rates(cell: tuple, below: tuple, indicator: object = SHARE) -> tuple[float, float, float, str]:
    assert indicator in (RATE, SHARE)
    chosen = SHARE if indicator is SHARE else RATE
    found = derive_rates(dataset(chosen.numerator, cell, chosen.denominator, below), chosen)
    assert found is not None
    at = (0, 0)
    return found.value[at], found.lower[at], found.upper[at], str(found.reason[at])


def exact(value: float) -> tuple[float, float, float, str]:
    return value, value, value, "exact"


HIDDEN = (NAN, 1.0, 5.0, "suppressed")
counts = st.integers(0, 50).map(float)


@given(st.tuples(counts, counts, counts), st.tuples(counts, counts, counts))
def test_the_rate_of_any_counts_within_their_bounds_is_within_the_bounds(
    above: tuple[float, float, float], below: tuple[float, float, float]
) -> None:
    low, middle, high = sorted(above)
    base_low, base, base_high = sorted(below)
    cells = (NAN, low, high, "suppressed"), (NAN, base_low, base_high, "suppressed")
    for indicator in (RATE, SHARE):
        value, lower, upper, _ = rates(*cells, indicator)
        assert np.isnan(value)
        if not base_low:
            assert np.isnan(upper) or indicator is SHARE
        # A part within its whole is no more than all of it.
        elif base > 0 and (indicator is RATE or middle <= base):
            assert lower - 1e-9 <= indicator.per * middle / base <= upper + 1e-9
        if np.isfinite(upper):
            assert lower <= upper
            assert indicator is RATE or upper <= max(100, lower)


def test_two_numbers_give_a_number() -> None:
    assert rates(exact(30), exact(120))[:3] == (25.0, 25.0, 25.0)


def test_a_hidden_count_gives_bounds() -> None:
    value, lower, upper, _ = rates(HIDDEN, exact(50))
    assert np.isnan(value)
    assert (lower, upper) == (2.0, 10.0)


@pytest.mark.parametrize(
    ("above", "below", "reason"),
    [
        ((NAN, NAN, NAN, "not_collected"), exact(5), "not_collected"),
        (exact(5), (NAN, NAN, NAN, "not_available"), "not_available"),
        (
            (NAN, NAN, NAN, "not_applicable"),
            (NAN, NAN, NAN, "not_available"),
            "not_applicable",
        ),
        (exact(0), exact(0), NOTHING_TO_DIVIDE_BY),
    ],
)
def test_what_is_missing_keeps_its_reason(above: tuple, below: tuple, reason: str) -> None:
    value, lower, upper, found = rates(above, below)
    assert np.isnan([value, lower, upper]).all()
    assert found == reason


def test_a_measure_that_is_not_there_gives_nothing() -> None:
    assert derive_rates(xr.Dataset(), SHARE) is None


def test_regimes_of_both_parts_are_told_once() -> None:
    names = [regime.name for regime in regimes_of(SHARE)]
    assert names == ["CPR3 aggregate return", "child-level census"]
