import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.cube import join_records
from data_prep.errors import DataError
from data_prep.geography import stable_units
from data_prep.markers import EXACT, NOT_AVAILABLE
from data_prep.schema import KNOWN, RECORD_COLUMNS

WINDOWS = st.tuples(st.integers(2001, 2025), st.integers(0, 24)).map(
    lambda pair: (pair[0], min(2025, pair[0] + pair[1]))
)


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [(2010, 2014, 152), (2001, 2009, 150), (2001, 2014, 150), (2010, 2020, 150), (2024, 2025, 153)],
)
def test_number_of_units(first: int, last: int, count: int) -> None:
    assert len(stable_units(first, last)) == count


def test_joined_units_carry_the_lowest_code_and_all_names() -> None:
    units = {unit.code: unit for unit in stable_units(2010, 2024)}
    south = units["J06000028"]
    assert south.name == "Bournemouth, Christchurch and Poole + Dorset"
    assert {member.name for member in south.members_in(2015)} == {"Bournemouth", "Poole", "Dorset"}
    assert south.region == "South West"
    assert units["J06000063"].name == "Cumberland + Westmorland and Furness"
    assert not any(code in units for code in ("E10000006", "E06000028", "E10000009"))


def test_code_only_changes_resolve_to_the_latest_code() -> None:
    units = {unit.code: unit.name for unit in stable_units(2010, 2014)}
    assert units["E06000057"] == "Northumberland"
    assert units["E08000037"] == "Gateshead"
    assert units["E06000060"] == "Buckinghamshire"
    assert units["E06000066"] == "Somerset"
    assert units["E08000038"] == "Barnsley"


def test_old_codes_are_found_in_later_years_but_abolished_areas_are_not() -> None:
    old = register.find_authority(2017, dfe_code="929", la_code="E06000048")
    assert old is not None
    assert old.la_code == "E06000057"
    assert register.find_authority(2020, dfe_code="835") is None
    assert register.find_authority(2019, dfe_code="839") is None
    assert register.find_authority(2013, dfe_code="929", la_code="E08000020") is None
    assert register.find_authority(2013) is None


def test_a_reorganised_authority_appears_the_year_after_vesting() -> None:
    for link in register.SUCCESSIONS:
        new = register.authorities()[link.new]
        old = register.authorities()[link.old]
        assert new.from_year == link.vested.year + 1
        assert old.to_year == link.vested.year


# From, to, the financial year that begins at vesting, and whether the code alone changed.
REORGANISATIONS = (
    ("Cheshire", "Cheshire East", 2010, False),
    ("Cheshire", "Cheshire West and Chester", 2010, False),
    ("Bedfordshire", "Bedford", 2010, False),
    ("Bedfordshire", "Central Bedfordshire", 2010, False),
    ("Northumberland", "Northumberland", 2014, True),
    ("Gateshead", "Gateshead", 2014, True),
    ("Bournemouth", "Bournemouth, Christchurch and Poole", 2020, False),
    ("Poole", "Bournemouth, Christchurch and Poole", 2020, False),
    ("Dorset", "Bournemouth, Christchurch and Poole", 2020, False),
    ("Dorset", "Dorset", 2020, False),
    ("Buckinghamshire", "Buckinghamshire", 2021, True),
    ("Northamptonshire", "North Northamptonshire", 2022, False),
    ("Northamptonshire", "West Northamptonshire", 2022, False),
    ("Cumbria", "Cumberland", 2024, False),
    ("Cumbria", "Westmorland and Furness", 2024, False),
    ("North Yorkshire", "North Yorkshire", 2024, True),
    ("Somerset", "Somerset", 2024, True),
    ("Barnsley", "Barnsley", 2026, True),
    ("Sheffield", "Sheffield", 2026, True),
)


def test_the_register_holds_every_reorganisation_and_no_other() -> None:
    names = {code: authority.name for code, authority in register.authorities().items()}
    found = {
        (
            names[link.old],
            names[link.new],
            register.authorities()[link.new].from_year,
            link.code_only,
        )
        for link in register.SUCCESSIONS
    }
    assert found == set(REORGANISATIONS)


@pytest.mark.parametrize("years", [(2000, 2010), (2010, 2026), (2014, 2010)])
def test_impossible_windows_are_refused(years: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="years"):
        stable_units(*years)


def test_the_register_is_sound() -> None:
    authorities = register.authorities().values()
    assert {a.region for a in authorities} == set(register.REGIONS)
    assert {a.la_type for a in authorities} == set(register.TYPES)
    for year in range(register.FIRST_YEAR, register.LAST_YEAR + 1):
        codes = [a.dfe_code for a in register.authorities_in(year)]
        assert len(codes) == len(set(codes))


@given(WINDOWS)
def test_units_divide_the_authorities_of_every_year(window: tuple[int, int]) -> None:
    units = stable_units(*window)
    for year in range(window[0], window[1] + 1):
        members = [member for unit in units for member in unit.members_in(year)]
        assert sorted(m.la_code for m in members) == sorted(
            a.la_code for a in register.authorities_in(year)
        )
        assert all(unit.members_in(year) for unit in units)


def _records(window: tuple[int, int], seed: int) -> pd.DataFrame:
    """Counts of all authorities; about one in ten is missing, and one in ten has no row."""
    random = np.random.default_rng(seed)
    rows = []
    for year in range(window[0], window[1] + 1):
        for authority in register.authorities_in(year):
            draw = random.random()
            if draw < 0.1:
                continue
            count = np.nan if draw < 0.2 else float(random.integers(0, 5000))
            status = NOT_AVAILABLE if np.isnan(count) else EXACT
            rows.append(
                (
                    authority.la_code,
                    year,
                    "referrals",
                    count,
                    count,
                    count,
                    status,
                    0,
                    3,
                    "f",
                    "r",
                    year,
                )
            )
    return pd.DataFrame(rows, columns=list(RECORD_COLUMNS))


SPANS = st.tuples(st.integers(2006, 2024), st.integers(0, 1)).map(lambda p: (p[0], p[0] + p[1]))


@settings(max_examples=15)
@given(SPANS, st.integers(0, 2**32 - 1))
def test_joining_conserves_counts_and_invents_nothing(window: tuple[int, int], seed: int) -> None:
    records = _records(window, seed)
    units = stable_units(*window)
    joined = join_records(records, units)
    known = joined[joined["status"].isin(KNOWN)]
    unit_of = {member.la_code: unit.code for unit in units for member in unit.members}
    parts = records.assign(unit=records["la_code"].map(unit_of))
    for row in known.itertuples():
        members = parts[(parts["unit"] == row.la_code) & (parts["year"] == row.year)]
        assert members["value"].sum() == row.value == row.lower == row.upper
    seen = set(zip(parts["unit"], parts["year"], strict=True))
    assert set(zip(joined["la_code"], joined["year"], strict=True)) == seen
    # What is lost is lost for want of a member's figure, and only then.
    complete = [
        (unit.code, year)
        for unit in units
        for year in range(window[0], window[1] + 1)
        if parts[(parts["unit"] == unit.code) & (parts["year"] == year)]["value"].notna().sum()
        == len(unit.members_in(year))
    ]
    assert set(complete) == set(zip(known["la_code"], known["year"], strict=True))


@settings(max_examples=10)
@given(SPANS, st.integers(0, 2**32 - 1))
def test_the_order_of_rows_is_irrelevant(window: tuple[int, int], seed: int) -> None:
    records = _records(window, seed)
    shuffled = records.sample(frac=1, random_state=seed)
    units = stable_units(*window)
    pd.testing.assert_frame_equal(join_records(records, units), join_records(shuffled, units))
