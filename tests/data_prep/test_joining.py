"""Records joined to stable units."""

import math

import pandas as pd
import pytest

from data_prep import register
from data_prep.geography import stable_units
from data_prep.joining import join_records
from data_prep.markers import DERIVED, EXACT, NOT_AVAILABLE
from data_prep.schema import RECORD_COLUMNS

NORTH, WEST, COUNTY = "E06000061", "E06000062", "E10000021"
JOINT = "K940+941"


def _records(*rows: tuple[str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (
                code,
                year,
                "agency_workers",
                value,
                value,
                value,
                NOT_AVAILABLE if math.isnan(value) else EXACT,
                0,
                0,
                "a.csv",
                "release",
                2024,
            )
            for code, year, value in rows
        ],
        columns=list(RECORD_COLUMNS),
    )


def _values(records: pd.DataFrame, first: int, last: int) -> dict[tuple[str, int], float]:
    joined = join_records(records, stable_units(first, last))
    return {
        (str(row.la_code), int(str(row.year))): float(str(row.value)) for row in joined.itertuples()
    }


def test_members_add_up_only_when_all_are_there() -> None:
    records = _records((COUNTY, 2020, 9.0), (NORTH, 2022, 3.0), (WEST, 2022, 4.0))
    (unit,) = {code for code, _ in _values(records, 2020, 2022)}
    assert unit == "J" + min(COUNTY, NORTH, WEST)[1:]
    assert _values(records, 2020, 2022) == {(unit, 2020): 9.0, (unit, 2022): 7.0}
    joined = join_records(records.iloc[:2], stable_units(2020, 2022))
    assert joined.set_index("year")["status"].to_dict() == {2020: EXACT, 2022: NOT_AVAILABLE}


@pytest.mark.parametrize("with_members", [True, False])
def test_a_joint_figure_is_its_unit_s(with_members: bool) -> None:
    members = [(NORTH, 2022, math.nan), (WEST, 2022, math.nan)] if with_members else []
    records = _records((COUNTY, 2020, 9.0), (JOINT, 2022, 8.0), *members)
    assert register.joint_members(JOINT, 2022)
    assert sorted(_values(records, 2020, 2022).values()) == [8.0, 9.0]
    joined = join_records(records, stable_units(2020, 2022))
    assert set(joined["status"]) == {EXACT}


def test_a_joint_figure_is_never_divided() -> None:
    """Within a window where both exist as units, neither is given what they report together."""
    records = _records((JOINT, 2023, 8.0), (NORTH, 2023, math.nan), (WEST, 2023, math.nan))
    found = _values(records, 2022, 2024)
    assert set(found) == {(NORTH, 2023), (WEST, 2023)}
    assert all(math.isnan(value) for value in found.values())


def test_kingston_and_richmond_stay_empty() -> None:
    kingston, richmond = "E09000021", "E09000027"
    records = _records(
        ("K314+318", 2020, 8.0), (kingston, 2020, math.nan), (richmond, 2020, math.nan)
    )
    found = _values(records, 2010, 2024)
    assert set(found) == {(kingston, 2020), (richmond, 2020)}
    assert all(math.isnan(value) for value in found.values())


def test_a_sum_of_figures_says_that_it_is_derived() -> None:
    records = _records((NORTH, 2022, 3.0), (WEST, 2022, 4.0))
    records.loc[1, ["lower", "upper", "status"]] = [3.5, 4.5, DERIVED]
    (row,) = join_records(records, stable_units(2020, 2022)).itertuples()
    assert (row.lower, row.value, row.upper, row.status) == (6.5, 7.0, 7.5, DERIVED)
