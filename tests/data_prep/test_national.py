import csv

import pytest

from data_prep.errors import DataError
from data_prep.indicators import MEASURES
from data_prep.schema import RECORD_COLUMNS, STATUS
from data_prep.sources.national import (
    SOURCES,
    TABLE,
    derive_national,
    describe_coverage,
    read_national_series,
)


def _row(year: int, measure: str):  # type: ignore[no-untyped-def]
    records = read_national_series([year])
    (index,) = records.index[records["measure"] == measure]
    return records.loc[index]


def test_every_figure_has_a_source_a_vintage_and_one_row() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["measure"], row["year"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["measure"] in MEASURES
        assert row["source"] in SOURCES
        assert row["vintage"]
        assert row["kind"] in ("count", "per_cent", "interval")
        if row["kind"] == "per_cent":
            assert MEASURES[row["measure"]].parent == row["base"]


def test_counts_are_rounded_and_populations_before_2010_are_intervals() -> None:
    referrals = _row(2008, "referrals")
    assert (referrals["value"], referrals["lower"], referrals["upper"]) == (538500, 538450, 538550)
    assert referrals["status"] == STATUS["rounded"]
    population = _row(2008, "population_0_17")
    assert (population["lower"], population["upper"]) == (10890000, 11110000)
    assert population["value"] != population["value"]


def test_a_per_cent_gives_the_numerator_an_interval() -> None:
    # 24 per cent of 538,500 referrals, both rounded.
    rereferrals = _row(2008, "rereferrals")
    assert rereferrals["status"] == STATUS["derived"]
    assert rereferrals["lower"] == pytest.approx(0.235 * 538450, abs=1)
    assert rereferrals["upper"] == pytest.approx(0.245 * 538550, abs=1)


def test_the_file_wins_over_the_table() -> None:
    table = read_national_series([2013, 2008])
    census = table[table["year"] == 2013].assign(value=1.0, lower=1.0, upper=1.0, source="file.csv")
    both = derive_national(census, table)
    assert list(both.columns) == list(RECORD_COLUMNS)
    assert set(both[both["year"] == 2013]["source"]) == {"file.csv"}
    assert len(both) == len(table)


def test_coverage_says_what_totals_include() -> None:
    records = read_national_series(range(2005, 2015))
    text = describe_coverage(records[records["measure"] == "referrals"])
    assert text.startswith("2005-2009: all authorities")
    assert "2010-2014" in text


def test_years_outside_the_table_are_refused() -> None:
    with pytest.raises(DataError, match="1990"):
        read_national_series([1990, 2010])
