import pandas as pd
import pytest

from data_prep import checks
from data_prep.checks import FAIL, PASS, WARNING
from data_prep.markers import EXACT, NOT_AVAILABLE
from data_prep.register import ENGLAND, authorities_in
from data_prep.schema import RECORD_COLUMNS
from data_prep.sources.reading import RATIO_COLUMNS

LEEDS = "E08000035"


def _records(*rows: tuple[str, int, str, float, float]) -> pd.DataFrame:
    filled = [
        (
            code,
            year,
            measure,
            lower if lower == upper else float("nan"),
            lower,
            upper,
            EXACT if lower == lower else NOT_AVAILABLE,
            0,
            0,
            "file.csv",
            "SFR",
            year,
        )
        for code, year, measure, lower, upper in rows
    ]
    return pd.DataFrame(filled, columns=list(RECORD_COLUMNS))


def _levels(found: object) -> list[str]:
    return [finding.level for finding in found]  # type: ignore[attr-defined]


def test_clean_records_pass_every_check() -> None:
    records = _records((LEEDS, 2013, "referrals", 100, 100))
    ratios = pd.DataFrame(columns=list(RATIO_COLUMNS))
    found = checks.check_releases(records, ratios) + checks.check_records(records, _records())
    assert {finding.level for finding in found} == {PASS}
    assert len(found) == 9


def test_a_second_record_fails() -> None:
    row = (LEEDS, 2013, "referrals", 100.0, 100.0)
    (finding,) = checks.check_unique(_records(row, row))
    assert finding.level == FAIL
    assert "Leeds" in str(finding)
    assert "file.csv" in str(finding)


def test_a_figure_of_another_release_is_no_second_record() -> None:
    records = pd.concat([_records((LEEDS, 2013, "referrals", 100, 100))] * 2)
    records["released"] = [2013, 2024]
    assert _levels(checks.check_unique(records)) == []


def test_revisions_are_counted_and_the_largest_is_named() -> None:
    rows = [(LEEDS, year, "section47", 100.0, 100.0) for year in (2013, 2014, 2015)]
    first, last = _records(*rows), _records(*rows).assign(released=2024)
    assert _levels(checks.check_revisions(pd.concat([first, last]))) == []
    last["value"] = last["lower"] = last["upper"] = [100.0, 110.0, 150.0]
    (finding,) = checks.check_revisions(pd.concat([last, first]))
    assert "2 of 3 figures differ" in finding.problem
    assert (finding.la, finding.year, finding.value) == ("Leeds", 2015, "100 to 150")


def test_figures_of_two_definitions_are_not_compared() -> None:
    first = _records((LEEDS, 2014, "rereferrals", 100.0, 100.0))
    last = _records((LEEDS, 2014, "rereferrals", 120.0, 120.0)).assign(released=2024)
    assert _levels(checks.check_revisions(pd.concat([first, last]))) == []


def test_unknown_codes_and_measures_fail() -> None:
    records = _records(("E99999999", 2013, "referals", 1, 1))
    assert _levels(checks.check_codes(records)) == [FAIL, FAIL]


def test_bounds_out_of_order_fail() -> None:
    assert _levels(checks.check_bounds(_records((LEEDS, 2013, "referrals", 5, 1)))) == [FAIL]


def test_parts_above_wholes_fail_only_beyond_their_bounds() -> None:
    whole = (LEEDS, 2013, "referrals", 90, 110)
    inside = _records(whole, (LEEDS, 2013, "rereferrals", 110, 120))
    outside = _records(whole, (LEEDS, 2013, "rereferrals", 111, 120))
    assert _levels(checks.check_parents(inside)) == []
    assert _levels(checks.check_parents(outside)) == [FAIL]


def _rates(records: int, wrong: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    codes = [authority.la_code for authority in authorities_in(2013)][:records]
    rows = [(code, 2013, "referrals", 500.0, 500.0) for code in codes]
    rows += [(code, 2013, "population_0_17", 9950.0, 10050.0) for code in codes]
    ratios = pd.DataFrame({"la_code": codes}).assign(
        year=2013,
        measure="referrals",
        base="population_0_17",
        per=10_000,
        printed=[900.0 if index < wrong else 498.0 for index in range(records)],
        half_unit=0.055,
        column="Rate",
        source="file.csv",
        released=2013,
    )
    return _records(*rows), ratios


def test_one_contradicting_rate_warns_and_a_shifted_column_fails() -> None:
    assert _levels(checks.check_rates(*_rates(100, 0))) == []
    assert _levels(checks.check_rates(*_rates(100, 1))) == [WARNING]
    assert _levels(checks.check_rates(*_rates(100, 50))) == [FAIL]


def test_rebuilt_bounds_are_of_the_same_release_and_nan_without_one() -> None:
    records, ratios = _rates(2, 0)
    found = checks.rebuilt_bounds(records, ratios)
    assert found["rebuilt_lower"].tolist() == pytest.approx([1e4 * 500 / 10050] * 2)
    assert found["rebuilt_upper"].tolist() == pytest.approx([1e4 * 500 / 9950] * 2)
    revised = records.assign(lower=5.0, upper=5.0, released=2024)
    pd.testing.assert_frame_equal(
        checks.rebuilt_bounds(pd.concat([records, revised]), ratios), found
    )
    assert checks.rebuilt_bounds(revised, ratios).isna().all(axis=None)
    may_be_zero = records.assign(lower=0.0)
    assert checks.rebuilt_bounds(may_be_zero, ratios).isna().all(axis=None)


def test_rates_are_held_against_the_counts_of_their_own_release() -> None:
    records, ratios = _rates(100, 0)
    rebased = records[records["measure"] == "population_0_17"].assign(
        lower=5000.0, upper=5000.0, released=2024
    )
    both = pd.concat([records, rebased])
    assert _levels(checks.check_rates(both, ratios)) == []
    assert _levels(checks.check_rates(both, ratios.assign(released=2020))) == []


def test_sums_against_england_count_missing_returns() -> None:
    nan = float("nan")
    kent = "E10000016"
    rows = [(LEEDS, 2013, "icpc", 500, 500), (ENGLAND, 2013, "icpc", 990, 1010)]
    assert _levels(checks.check_sums(_records(*rows, (kent, 2013, "icpc", 495, 500)))) == []
    assert _levels(checks.check_sums(_records(*rows, (kent, 2013, "icpc", nan, nan)))) == []
    assert _levels(checks.check_sums(_records(*rows, (kent, 2013, "icpc", 550, 550)))) == [WARNING]
    assert _levels(checks.check_sums(_records(*rows, (kent, 2013, "icpc", 450, 450)))) == [WARNING]
    assert _levels(checks.check_sums(_records(*rows, (kent, 2013, "icpc", 900, 900)))) == [FAIL]
    (finding,) = checks.check_sums(_records(*rows, (kent, 2013, "icpc", 550, 550)))
    assert "0 returns missing" in str(finding)
    assert "icpc 1050 against 990-1010" in str(finding)


def test_england_against_the_table() -> None:
    records = _records((ENGLAND, 2013, "icpc", 990, 1010))
    assert (
        _levels(checks.check_series(records, _records((ENGLAND, 2013, "icpc", 1000, 1100)))) == []
    )
    apart = checks.check_series(records, _records((ENGLAND, 2013, "icpc", 1050, 1100)))
    assert _levels(apart) == [WARNING]


def test_jumps_are_named() -> None:
    records = _records((LEEDS, 2012, "icpc", 20, 20), (LEEDS, 2013, "icpc", 200, 200))
    (finding,) = checks.check_jumps(records)
    assert finding.value == "20 to 200"
    apart = _records((LEEDS, 2011, "icpc", 20, 20), (LEEDS, 2013, "icpc", 200, 200))
    assert _levels(checks.check_jumps(apart)) == []
