"""Records joined to stable units."""

import math

import pandas as pd
import pytest

from data_prep import register
from data_prep.checks import PASS, WARNING
from data_prep.geography import stable_units
from data_prep.joining import check_joint_returns, join_records
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


def test_what_became_of_joint_figures_is_said() -> None:
    records = _records((JOINT, 2022, 8.0), (JOINT, 2023, 8.0), ("K314+318", 2020, 8.0))
    years = range(2020, 2025)
    left_out, taken = check_joint_returns(records, stable_units(2020, 2024), years)
    assert (left_out.level, taken.level) == (WARNING, PASS)
    assert left_out.la == "Kingston upon Thames and Richmond upon Thames"
    assert "left out" in left_out.problem
    assert left_out.value == "2020: agency_workers"
    assert "taken for North Northamptonshire + West Northamptonshire" in taken.problem
    assert taken.value == "2022-2023: agency_workers"
    (apart,) = check_joint_returns(records, stable_units(2022, 2024), range(2022, 2025))
    assert "left out" in apart.problem
    (none,) = check_joint_returns(records, stable_units(2010, 2014), range(2010, 2015))
    assert (none.level, none.la) == (PASS, "")
