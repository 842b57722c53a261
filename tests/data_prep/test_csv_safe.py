"""No cell of a written CSV is a formula, and nothing else is changed."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.checks import FINDING_COLUMNS, Finding, findings_csv
from data_prep.csv_safe import FORMULA_SIGNS, csv_text, neutralise

HOSTILE = '=HYPERLINK("x";"y")'
texts = st.one_of(st.text(), st.builds("".join, st.tuples(st.sampled_from("=+-@\t\r"), st.text())))


@given(texts)
def test_a_cell_is_no_formula(text: str) -> None:
    safe = neutralise(text)
    if safe[:1] and safe[0] in FORMULA_SIGNS:
        assert float(safe) == float(text)
    assert safe in (text, f"'{text}")
    assert neutralise(safe) == safe


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers()))
def test_numbers_stay_numbers(value: float) -> None:
    assert neutralise(value) == str(value)
    assert neutralise(f"+{abs(value)}") == f"+{abs(value)}"


@pytest.mark.parametrize("text", ["-", "+", "-1+1", "-1 ", "--1", "+1e", "-inf", "@x", "=1", "-١"])
def test_what_only_looks_like_a_number_is_neutralised(text: str) -> None:
    assert neutralise(text) == f"'{text}"


@given(
    st.lists(st.lists(st.text(st.characters(exclude_characters="\r\0")), min_size=2, max_size=2))
)
def test_rows_come_back_as_they_were_written(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(("a", "b"), rows))))
    assert read == [["a", "b"], *([neutralise(cell) for cell in row] for row in rows)]


def test_findings_keep_every_field() -> None:
    finding = Finding("jumps", "WARNING", 'said "8, 9"', "", "a.csv", HOSTILE, 2013, "-5")
    header, row = csv.reader(io.StringIO(findings_csv([finding])))
    assert tuple(header) == FINDING_COLUMNS
    assert header == ["check", "level", "problem", "remedy", "file", "la", "year", "value"]
    assert row == ["jumps", "WARNING", 'said "8, 9"', "", "a.csv", f"'{HOSTILE}", "2013", "-5"]
