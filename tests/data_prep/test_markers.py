import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import markers
from data_prep.markers import SFR, SFR_2010, CellError, parse_number, rounded_cell
from data_prep.schema import STATUS


@given(st.integers(0, 10**9), st.sampled_from(["", " ", "\u00a0", "\ufeff"]))
def test_numbers_are_read_with_separators_spaces_and_marks(number: int, pad: str) -> None:
    assert parse_number(f"{pad}{number:,}{pad}") == number
    assert parse_number(str(number)) == number


@pytest.mark.parametrize(("text", "number"), [("651.9", 651.9), ("-5", -5), ("1,234.5", 1234.5)])
def test_decimals_and_signs(text: str, number: float) -> None:
    assert parse_number(text) == number


BAD = [
    "=A1+1",
    "+1",
    "@x",
    "#REF!",
    "1,23",
    "12,34",
    ",123",
    "1e3",
    "n/a",
    "5%",
    "\u0661\u0662",
    "nan",
    "inf",
    "1.5.2",
    "--1",
]


@pytest.mark.parametrize("text", [*BAD, "", "1 234"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(CellError):
        parse_number(text)


def test_markers_belong_to_their_dialect() -> None:
    hidden = SFR.read("x")
    assert (hidden.lower, hidden.upper, hidden.status) == (1, 5, STATUS["suppressed"])
    assert math.isnan(hidden.value)
    assert SFR.read("..").status == STATUS["not_available"]
    assert SFR.read(".").status == STATUS["not_applicable"]
    assert SFR_2010.read("").status == STATUS["not_available"]
    for text in ("", "c", ":", "z", "-", "X", "low"):
        with pytest.raises(CellError):
            SFR.read(text)


def test_rounding_is_half_a_unit_and_never_negative() -> None:
    cell = rounded_cell(1200, 100)
    assert (cell.lower, cell.value, cell.upper) == (1150, 1200, 1250)
    assert rounded_cell(0, 100).lower == 0


@given(st.integers(0, 10**6))
def test_an_exact_number_has_equal_bounds(number: int) -> None:
    cell = SFR.read(str(number))
    assert cell.value == cell.lower == cell.upper == number
    assert cell.status == markers.EXACT
