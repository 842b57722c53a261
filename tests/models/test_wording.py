"""Numbers in answers: as reports print them, signed where asked, never certain."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rates import three_figures
from models.wording import signed, stated, stated_probability, without_figures
from reports import wording

sizes = st.floats(1e-4, 1e6)
numbers = st.one_of(sizes, sizes.map(lambda x: -x))


@given(numbers, sizes, st.floats(100, 1e5), st.floats(100, 1e5))
def test_models_and_reports_round_alike(mean: float, sd: float, bulk: float, tail: float) -> None:
    row = {"mean": mean, "sd": sd, "ess_bulk": bulk, "ess_tail": tail, "unit": "per cent"}
    row |= {"lower": mean - 1.6 * sd, "upper": mean + 1.7 * sd}
    printed = wording.estimate(row)
    assert stated(row) == (printed.mean, printed.interval)


@given(st.floats(0, 1))
def test_models_and_reports_say_a_probability_alike(p: float) -> None:
    assert stated_probability(p) == wording.probability(p)


def test_a_row_without_sd_has_three_figures() -> None:
    row = {"mean": -1.2345, "lower": -2.0, "upper": 0.004}
    assert stated(row, is_signed=True) == ("−1.23", "−2.00 to 0.00")
    assert stated({**row, "sd": math.nan, "ess_bulk": math.nan})[0] == "−1.23"


@pytest.mark.parametrize(
    ("value", "text"), [(3.14159, "+3.14"), (-3.14159, "−3.14"), (0.001, "0.00"), (-0.001, "0.00")]
)
def test_signs_are_true_minus_signs_and_nothing_has_none(value: float, text: str) -> None:
    assert signed(value, 2) == text


def test_three_figures_below_nought_have_a_true_minus() -> None:
    assert [three_figures(x) for x in (-1234.5, -0.02345, 25.0)] == ["−1,230", "−0.0234", "25.0"]


def test_authorities_without_figures_are_named_and_the_rest_counted() -> None:
    las = pd.DataFrame({"name": list("ABCDEFGH")}, index=list("abcdefgh"))
    assert without_figures(las, ["a", "a"]) == "B, C, D, E, F and 2 more"
    assert without_figures(las, ["a"], most=None) == "B, C, D, E, F, G, H"
    assert without_figures(las, list("abcdefg")) == "H"
    assert without_figures(las, list("abcdefgh")) == ""
