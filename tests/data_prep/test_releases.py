"""Which release wins."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.indicators import MEASURES, format_regimes, parse_regimes
from data_prep.markers import EXACT, NOT_AVAILABLE
from data_prep.releases import FIRST, LATEST, RULES, regimes_by_measure, resolve_releases
from data_prep.schema import RECORD_COLUMNS

LEEDS, KENT = "E08000035", "E10000016"


def _records(*rows: tuple[str, int, str, float, int]) -> pd.DataFrame:
    filled = [
        (
            code,
            year,
            measure,
            value,
            value,
            value,
            NOT_AVAILABLE if math.isnan(value) else EXACT,
            0,
            0,
            f"{released}.csv",
            f"release {released}",
            released,
        )
        for code, year, measure, value, released in rows
    ]
    return pd.DataFrame(filled, columns=list(RECORD_COLUMNS))


@pytest.mark.parametrize(("rule", "value"), [(LATEST, 20.0), (FIRST, 10.0)])
def test_the_rule_decides(rule: str, value: float) -> None:
    records = _records((LEEDS, 2014, "referrals", 10, 2014), (LEEDS, 2014, "referrals", 20, 2024))
    (row,) = resolve_releases(records, rule).to_dict("records")
    assert row["value"] == value


def test_a_release_without_a_number_gives_way() -> None:
    records = _records(
        (LEEDS, 2014, "referrals", 10, 2014), (LEEDS, 2014, "referrals", math.nan, 2024)
    )
    (row,) = resolve_releases(records, LATEST).to_dict("records")
    assert (row["value"], row["released"]) == (10.0, 2014)


def test_no_year_mixes_two_definitions() -> None:
    """Re-referrals of 2013 to 2017 were revised in 2018 by another method."""
    records = _records(
        (LEEDS, 2014, "rereferrals", 10, 2014),
        (LEEDS, 2014, "rereferrals", math.nan, 2024),
        (KENT, 2014, "rereferrals", 30, 2014),
        (KENT, 2014, "rereferrals", 31, 2024),
    )
    latest = resolve_releases(records, LATEST).set_index("la_code")
    assert math.isnan(latest.loc[LEEDS, "value"])
    assert latest.loc[KENT, "value"] == 31
    first = resolve_releases(records, FIRST).set_index("la_code")
    assert first["value"].to_dict() == {LEEDS: 10.0, KENT: 30.0}


def test_a_second_record_of_one_release_is_kept_for_the_checks() -> None:
    row = (LEEDS, 2014, "referrals", 10.0, 2014)
    assert len(resolve_releases(_records(row, row), LATEST)) == 2


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="rule must be"):
        resolve_releases(_records(), "newest") if len(_records()) else resolve_releases(
            _records((LEEDS, 2014, "referrals", 1, 2014)), "newest"
        )


cells = st.lists(
    st.tuples(
        st.sampled_from([LEEDS, KENT]),
        st.sampled_from([2012, 2013, 2014]),
        st.sampled_from(["referrals", "rereferrals"]),
        st.sampled_from([1.0, 2.0, math.nan]),
        st.sampled_from([2014, 2017, 2020, 2024]),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: (row[0], row[1], row[2], row[4]),
)


@given(cells, st.sampled_from(RULES), st.randoms(use_true_random=False))
def test_order_of_rows_is_irrelevant_and_nothing_is_invented(
    rows: list[tuple[str, int, str, float, int]], rule: str, random: object
) -> None:
    records = _records(*rows)
    resolved = resolve_releases(records, rule)
    keys = ["la_code", "year", "measure"]
    assert not resolved.duplicated(keys).any()
    merged = resolved.merge(records, how="left", on=[*keys, "released"], indicator=True)
    assert (merged["_merge"] == "both").all()
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(resolved, resolve_releases(_records(*shuffled), rule))
    for (measure, year), group in resolved.groupby(["measure", "year"]):
        names = {MEASURES[measure].regime_name(year, released) for released in group["released"]}
        assert len(names) == 1


def test_regimes_follow_the_releases() -> None:
    records = _records(
        (LEEDS, 2012, "rereferrals", 10, 2012),
        (LEEDS, 2013, "rereferrals", 10, 2024),
        (LEEDS, 2014, "rereferrals", 10, 2024),
        (LEEDS, 2014, "section47", 10, 2024),
    )
    found = regimes_by_measure(records)
    old, new = found["rereferrals"]
    assert (old.first_year, old.last_year) == (2010, 2012)
    assert (new.first_year, new.last_year) == (2013, None)
    assert old.name != new.name
    assert found["section47"] == ()


@pytest.mark.parametrize("measure", MEASURES)
def test_regimes_survive_as_text(measure: str) -> None:
    regimes = MEASURES[measure].regimes
    assert parse_regimes(format_regimes(regimes)) == regimes
