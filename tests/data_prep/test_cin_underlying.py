"""Reading the census files: the traps of the real layouts, and damage."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.errors import DataError
from data_prep.indicators import MEASURES
from data_prep.markers import clean_text
from data_prep.register import ENGLAND
from data_prep.schema import CONFIDENCE, RECORD_COLUMNS, STATUS
from data_prep.sources.cin_columns import FIRST_YEAR, LAST_YEAR, layout
from data_prep.sources.cin_underlying import read_cin_underlying
from data_prep.sources.files import scan
from tests.data_prep.care_tables import write_table
from tests.data_prep.conftest import census_table

YEARS = range(FIRST_YEAR, LAST_YEAR + 1)
WIGHT = "E06000046"


def record(records: pd.DataFrame, la_code: str, measure: str) -> pd.Series:
    (index,) = records.index[(records["la_code"] == la_code) & (records["measure"] == measure)]
    return records.loc[index]


def bounds(records: pd.DataFrame, la_code: str, measure: str) -> tuple[float, float, int]:
    found = record(records, la_code, measure)
    return found["lower"], found["upper"], found["status"]


@pytest.mark.parametrize("year", YEARS)
def test_layouts_are_sound(year: int) -> None:
    plan = layout(year)
    headers = [count.header for count in plan.counts]
    assert len(headers) == len(set(headers))
    measures = [c.measure for c in (*plan.counts, *plan.banded)]
    assert len(measures) == len(set(measures))
    assert set(measures) <= set(MEASURES)
    for banded in plan.banded:
        assert MEASURES[banded.measure].parent == banded.total
    for ratio in plan.ratios:
        assert {ratio.measure, ratio.base} <= set(measures)
    # A topic that is left alone must not swallow a count.
    assert not [header for header in headers if plan.is_unused(header)]


@pytest.mark.parametrize("year", YEARS)
def test_every_authority_and_measure_is_read_once(
    year: int, write_census: Callable[..., Path]
) -> None:
    path = write_census(year)
    reading = read_cin_underlying(scan(path.parent), [year])
    assert list(reading.records.columns) == list(RECORD_COLUMNS)
    codes = {authority.la_code for authority in register.authorities_in(year)}
    assert set(reading.records["la_code"]) == {*codes, ENGLAND}
    assert not reading.records.duplicated(["la_code", "measure"]).any()
    assert len(reading.records) == 153 * len(layout(year).confidences)
    assert len(reading.ratios) == 153 * len(layout(year).ratios)


@pytest.mark.parametrize("year", [2011, 2013])
def test_england_is_not_isle_of_wight(year: int, write_census: Callable[..., Path]) -> None:
    path = write_census(year)
    records = read_cin_underlying(scan(path.parent), [year]).records
    assert record(records, ENGLAND, "referrals")["value"] > 400_000
    assert record(records, WIGHT, "referrals")["value"] < 5_000


def test_thousands_separators_mixed_in_one_row(
    write_census: Callable[..., Path], put: Callable
) -> None:
    path = write_census(2011, put("Leeds", Referrals1011="3,210", Referrals1011Rate="."))
    records = read_cin_underlying(scan(path.parent), [2011]).records
    assert record(records, "E08000035", "referrals")["value"] == 3210


def test_percentiles_are_left_alone(write_census: Callable[..., Path], put: Callable) -> None:
    """2012 prints 0 days as the median of assessments that were not counted: no count is 0."""
    (group,) = (g for g in layout(2012).banded if g.measure == "initial_assessments_10_days")
    none = dict.fromkeys((*group.inside, *group.outside), "..")
    none |= {"IAs1112": "..", "IAs%OfReferrals1112": "..", "IAs1112Rate": ".."}

    def edit(table: list[list[str]]) -> None:
        put("Leeds", **none)(table)
        for row in table:
            row += ["IAs25thPercentile1112", "IAsMedian1112"] if row is table[0] else ["0", "0"]

    path = write_census(2012, edit)
    records = read_cin_underlying(scan(path.parent), [2012]).records
    for measure in ("initial_assessments", "initial_assessments_10_days"):
        leeds = record(records, "E08000035", measure)
        assert leeds["status"] == STATUS["not_available"]
        assert pd.isna(leeds["value"])
        assert pd.isna(leeds["upper"])
    assert not [name for name in records["measure"].unique() if "median" in name.lower()]


def test_ended_codes_in_later_files_are_the_same_authority(
    write_census: Callable[..., Path], put: Callable
) -> None:
    path = write_census(2014, put("Gateshead", new_la_code="E08000020"))
    records = read_cin_underlying(scan(path.parent), [2014]).records
    assert "E08000020" not in set(records["la_code"])
    assert record(records, "E08000037", "referrals")["value"] > 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_encodings_names_and_extensions(
    encoding: str, write_census: Callable[..., Path], put: Callable
) -> None:
    edit = put("Bristol, City of", geog_n="Bristol  City of – é")
    path = write_census(2013, edit, name="renamed.CSV", encoding=encoding)
    records = read_cin_underlying(scan(path.parent), [2013]).records
    assert record(records, "E06000023", "referrals")["value"] > 0


def test_populations_and_england_are_rounded(write_census: Callable[..., Path]) -> None:
    path = write_census(2013)
    records = read_cin_underlying(scan(path.parent), [2013]).records
    population = record(records, "E08000035", "population_0_17")
    assert population["upper"] - population["lower"] == 100
    assert population["status"] == STATUS["rounded"]
    assert record(records, "E08000035", "referrals")["status"] == STATUS["exact"]
    england = record(records, ENGLAND, "referrals")
    assert england["status"] == STATUS["rounded"]
    assert england["upper"] - england["lower"] in (10, 100)


def test_confidence_and_pilots(write_census: Callable[..., Path], put: Callable) -> None:
    edit = put(
        "Hackney",
        IAs1112="..",
        IAs1112DCI="P",
        **{"IAs%OfReferrals1112": "..", "IAs1112Rate": ".."},
    )
    path = write_census(2012, edit)
    records = read_cin_underlying(scan(path.parent), [2012]).records
    pilot = record(records, "E09000012", "initial_assessments")
    assert pilot["status"] == STATUS["not_applicable"]
    assert pilot["confidence"] == CONFIDENCE["pilot"]
    leeds = record(records, "E08000035", "initial_assessments")
    assert leeds["confidence"] == CONFIDENCE["high"]
    assert record(records, "E08000035", "referrals_nfa")["confidence"] == CONFIDENCE["none"]


def test_missing_returns_keep_their_reason(
    write_census: Callable[..., Path], put: Callable
) -> None:
    path = write_census(2014, put("Leeds", Referrals1314="..", Referrals1314Rate="..", SAs1314="."))
    records = read_cin_underlying(scan(path.parent), [2014]).records
    leeds = record(records, "E08000035", "referrals")
    assert leeds["status"] == STATUS["not_available"]
    assert pd.isna([leeds["value"], leeds["lower"], leeds["upper"]]).all()
    assert record(records, "E08000035", "single_assessments")["status"] == STATUS["not_applicable"]


def test_a_zero_without_a_return_is_not_a_count(
    write_census: Callable[..., Path], put: Callable
) -> None:
    bands = {"<3mths": "..", "3-6mths": "..", "6mths-1yr": "..", "1-2yrs": "..", "2+yrs": "0"}
    texts = {f"CPPAt310312Duration{band}": text for band, text in bands.items()}
    texts |= {"CPPAt310312": "..", "CPPAt310312Rate": ".."}
    path = write_census(2012, put("Newham", **texts))
    records = read_cin_underlying(scan(path.parent), [2012]).records
    assert record(records, "E09000025", "cpp_open_2_years")["status"] == STATUS["not_available"]


@pytest.mark.parametrize(("plans", "status"), [("96", "not_available"), ("0", "exact")])
def test_no_enquiry_beside_plans_is_no_return(
    write_census: Callable[..., Path], put: Callable, plans: str, status: str
) -> None:
    texts = {"S47in0910": "0", "ICPCin0910": "0", "ICPC15daysofS470910": "0", "CPPIn0910": plans}
    texts |= {"%ICPC15daysofS470910": "0", "CPPin0910SecondTime": "0", "%CPPin0910SecondTime": "0"}
    records = read_cin_underlying(
        scan(write_census(2010, put("Leeds", **texts)).parent), [2010]
    ).records
    for measure in ("section47", "icpc", "icpc_15_days"):
        assert record(records, "E08000035", measure)["status"] == STATUS[status]


def test_a_lone_hidden_count_is_small(write_census: Callable[..., Path], put: Callable) -> None:
    path = write_census(2013, put("Leeds", ReferralsNFA1213="x", **{"%ReferralsNFA1213": "x"}))
    records = read_cin_underlying(scan(path.parent), [2013]).records
    assert bounds(records, "E08000035", "referrals_nfa") == (1, 5, STATUS["suppressed"])


def test_two_hidden_bands_may_be_large(write_census: Callable[..., Path], put: Callable) -> None:
    texts = {
        "CPPAt310313": "200",
        "CPPAt310313Rate": "x",
        "CPPAt310313For3+mths": "100",
        "CPPsReviewedinTimescales": "90",
        "%CPPsReviewedinTimescales": "90.0",
    }
    bands = {"<3mths": "80", "3-6mths": "50", "6mths-1yr": "30", "1-2yrs": "x", "2+yrs": "x"}
    texts |= {f"CPPAt310313Duration{band}": text for band, text in bands.items()}
    path = write_census(2013, put("Leeds", **texts))
    records = read_cin_underlying(scan(path.parent), [2013]).records
    assert bounds(records, "E08000035", "cpp_open_2_years") == (1, 39, STATUS["suppressed"])


def test_sums_of_bands_are_intervals(write_census: Callable[..., Path], put: Callable) -> None:
    bands = {"StartEndSameDay": "x", "1-5days": "100", "6-10days": "400"}
    bands |= {"11-15days": "x", "16-20days": "40", "21+days": "50"}
    texts = {f"IAs{band}1213": text for band, text in bands.items()}
    path = write_census(
        2013, put("Leeds", IAs1213="600", IAs1213Rate="x", **texts, **{"IAs%OfReferrals1213": "x"})
    )
    records = read_cin_underlying(scan(path.parent), [2013]).records
    found = record(records, "E08000035", "initial_assessments_10_days")
    assert pd.isna(found["value"])
    assert (found["lower"], found["upper"]) == (501, 509)
    complete = record(records, "E08000034", "initial_assessments_10_days")
    assert complete["value"] == complete["lower"] == complete["upper"]
    assert complete["status"] == STATUS["derived"]


def test_a_hidden_total_is_bounded_by_its_printed_rate(
    write_census: Callable[..., Path], put: Callable
) -> None:
    texts = {"Referrals1011": "x", "Mid2010Pop0-17": "964", "Referrals1011Rate": "311.2"}
    texts |= {"IAs1011": "x", "IAs1011Rate": "269.7", "IAsWithin7wd1011": "x"}
    texts |= {"%IAsWithin7wd1011": "x", "IAsWithin10wd1011": "x", "%IAsWithin10wd1011": "x"}
    texts |= {"ReferralsWithin12mths1011": "x", "%ReferralsWithin12mths1011": "x"}
    path = write_census(2011, put("City of London", **texts))
    records = read_cin_underlying(scan(path.parent), [2011]).records
    assert bounds(records, "E09000001", "referrals") == (30, 30, STATUS["derived"])
    assert bounds(records, "E09000001", "initial_assessments") == (26, 26, STATUS["derived"])
    assert bounds(records, "E09000001", "rereferrals")[:2] == (1, 30)


def test_a_hidden_pair_close_to_all_is_large(
    write_census: Callable[..., Path], put: Callable
) -> None:
    texts = {"CPPAt310312": "245", "CPPAt310312Rate": "x", "%CPPsReviewedinTimescales": "98.5"}
    texts |= {"CPPAt310312For3+mths": "x", "CPPsReviewedinTimescales": "x"}
    texts |= {
        f"CPPAt310312Duration{band}": "49"
        for band in ("<3mths", "3-6mths", "6mths-1yr", "1-2yrs", "2+yrs")
    }
    path = write_census(2012, put("Leeds", **texts))
    records = read_cin_underlying(scan(path.parent), [2012]).records
    lower, upper, status = bounds(records, "E08000035", "cpp_due_review")
    assert (lower, upper, status) == (65, 245, STATUS["derived"])


def test_a_hidden_count_beside_a_large_next_stage_is_not_small(
    write_census: Callable[..., Path], put: Callable
) -> None:
    path = write_census(2010, put("Swindon", S47in0910="x"))
    records = read_cin_underlying(scan(path.parent), [2010]).records
    lower, upper, _ = bounds(records, "E06000030", "section47")
    assert lower == 1
    assert upper > 50_000


def test_2010_prints_other_measures(write_census: Callable[..., Path]) -> None:
    path = write_census(2010)
    measures = set(read_cin_underlying(scan(path.parent), [2010]).records["measure"])
    assert "children_rereferred" in measures
    assert "rereferrals" not in measures


# Damage: one edit, and what the message must name.
type Edit = Callable[[list[list[str]]], None]


def row_of(table: list[list[str]], area: str) -> list[str]:
    (row,) = [row for row in table[1:] if row[table[0].index("geog_n")] == area]
    return row


def _cell(area: str, column: str, text: str) -> Edit:
    def edit(table: list[list[str]]) -> None:
        row_of(table, area)[table[0].index(column)] = text

    return edit


def _rename(old: str, new: str) -> Edit:
    def edit(table: list[list[str]]) -> None:
        table[0][table[0].index(old)] = new

    return edit


def _repeat_row(table: list[list[str]]) -> None:
    table.append(list(table[5]))


def _drop_row(table: list[list[str]]) -> None:
    del table[5]


def _cut_row(table: list[list[str]]) -> None:
    table[5] = table[5][:-3]


def _repeat_column(table: list[list[str]]) -> None:
    for row in table:
        row.append(row[10])


DAMAGE = {
    "not a number": (
        _cell("Leeds", "Referrals1213", "many"),
        ["Referrals1213", "'many'", "number"],
    ),
    "formula": (_cell("Leeds", "Referrals1213", "=B2*2"), ["'=B2*2'", "formula"]),
    "blank": (_cell("Leeds", "Referrals1213", ""), ["Referrals1213", "blank"]),
    "foreign marker": (_cell("Leeds", "Referrals1213", "c"), ["'c'", "'x'"]),
    "negative count": (_cell("Leeds", "Referrals1213", "-5"), ["'-5'", "negative"]),
    "fraction": (_cell("Leeds", "Referrals1213", "10.5"), ["'10.5'", "whole number"]),
    "part above whole": (
        _cell("Leeds", "ReferralsNFA1213", "99999"),
        ["99999 above", "ReferralsNFA1213"],
    ),
    "bands above total": (_cell("Leeds", "IAs1-5days1213", "99999"), ["IAs1-5days1213", "exceed"]),
    "unknown confidence": (_cell("Leeds", "IAs1213DCI", "9"), ["IAs1213DCI", "'9'"]),
    "unknown code": (
        _cell("Leeds", "geog_c", "999"),
        ["unknown authority", "999", "383 E08000035"],
    ),
    "codes disagree": (_cell("Leeds", "new_la_code", "E06000001"), ["unknown authority", "Leeds"]),
    "unknown level": (_cell("Leeds", "geog_l", "Region"), ["Region Leeds"]),
    "duplicate row": (_repeat_row, ["row 155", "duplicate of row 6"]),
    "missing row": (_drop_row, ["no row for 1 of 153"]),
    "cut row": (_cut_row, ["row 6", "number of cells"]),
    "duplicate column": (_repeat_column, ["printed 2 times"]),
    "renamed column": (
        _rename("S471213", "S47s1213"),
        ["'S471213'", "missing", "nearest: S47s1213"],
    ),
    "unknown column": (_rename("Rereferrals1213DCI", "Mystery"), ["'Mystery'", "unknown column"]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_with_its_place(damage: str, write_census: Callable[..., Path]) -> None:
    edit, expected = DAMAGE[damage]
    path = write_census(2013, edit)
    with pytest.raises(DataError) as caught:
        read_cin_underlying(scan(path.parent), [2013])
    for text in (path.name, "Remedy", *expected):
        assert text in str(caught.value)


def test_all_faults_come_in_one_message(write_census: Callable[..., Path]) -> None:
    def edit(table: list[list[str]]) -> None:
        _cell("Leeds", "Referrals1213", "many")(table)
        _cell("Kent", "S471213", "-1")(table)

    path = write_census(2013, edit)
    with pytest.raises(DataError) as caught:
        read_cin_underlying(scan(path.parent), [2012, 2013, 2019])
    assert len(caught.value.faults) == 2
    assert "Referrals1213" in str(caught.value)
    assert "S471213" in str(caught.value)


def test_a_file_of_another_layout_lists_columns(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "SFR45-2013ud.csv").write_text("geog_l,geog_c,geog_n,Referals1213\nLA,201,City,1\n")
    with pytest.raises(DataError, match="unknown layout") as caught:
        read_cin_underlying(scan(raw), [2013])
    message = str(caught.value)
    assert "found geog_l, geog_c, geog_n, Referals1213" in message
    assert "expected geog_l, geog_c, new_la_code" in message
    assert "Referals1213" in message.split("nearest")[-1] or "nearest: Referals1213" in message


def test_two_files_of_one_year_are_refused(write_census: Callable[..., Path]) -> None:
    write_census(2013)
    path = write_census(2013, name="copy.csv")
    with pytest.raises(DataError, match="second file"):
        read_cin_underlying(scan(path.parent), [2013])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_cin_underlying(scan(tmp_path / "nowhere"), [2013])


@pytest.mark.parametrize("year", YEARS)
def test_counts_hidden_beside_a_rate_or_per_cent_are_bounded_by_it(
    year: int, write_census: Callable[..., Path]
) -> None:
    """One count is hidden in each authority; what is printed beside it must still hold it."""
    plan = layout(year)
    headers = {count.measure: count.header for count in plan.counts}
    ratios = [ratio for ratio in plan.ratios if ratio.measure in headers]
    areas = register.authorities_in(year)[: len(ratios)]
    true: list[tuple[int, int]] = []

    def edit(table: list[list[str]]) -> None:
        for area, ratio in zip(areas, ratios, strict=True):
            row = row_of(table, area.name)
            at = table[0].index(headers[ratio.measure])
            true.append((int(row[at]), int(row[table[0].index(headers[ratio.base])])))
            row[at] = "x"

    path = write_census(year, edit)
    records = read_cin_underlying(scan(path.parent), [year]).records
    for area, ratio, (number, base) in zip(areas, ratios, true, strict=True):
        lower, upper, status = bounds(records, area.la_code, ratio.measure)
        # Rates are rounded to a tenth, populations to 100.
        slack = 0.11 * base / ratio.per + number * 100 / 60_000
        assert max(1, number - slack) <= lower <= number <= upper <= number + slack
        assert status == STATUS["derived"]


# ---------------------------------------------------------------------------- random edits

TEXTS = st.one_of(
    st.sampled_from(["x", "..", ".", "0", "7", "1,234", "-3", "2.5"]),
    st.sampled_from(["", "c", "z", "u", ":", "1e3", "=A1", "#N/A", "P", "<b>1</b>", "٣"]),
    st.sampled_from(["LA", "National", "E08000035", "383"]),
    st.integers(0, 10**5).map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=8),
)


@pytest.mark.parametrize("year", [2010, 2013, 2016])
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_random_edits_are_faults_or_change_one_authority_only(
    year: int, data: st.DataObject, write_census: Callable[..., Path]
) -> None:
    plan = layout(year)
    row, column = data.draw(st.integers(1, 153)), data.draw(st.integers(0, len(plan.headers) - 1))
    text, header = data.draw(TEXTS), plan.headers[column]
    # England first, then the authorities in the order of the register.
    places = [ENGLAND, *(authority.la_code for authority in register.authorities_in(year))]

    def edit(table: list[list[str]]) -> None:
        table[row][table[0].index(header)] = text

    before = untouched(year)
    try:
        after = numbers_of(write_census(year, edit), year)
    except DataError:
        return
    assert set(after.index) == set(before.index), "no figure is invented or lost"
    # Bounds that are missing on both sides are equal.
    same = (after.reindex(before.index) == before) | (after.isna() & before.isna())
    changed = before.index[~same.all(axis=1)]
    assert {la for la, _ in changed} <= {places[row - 1]}
    columns = {count.header: count.measure for count in plan.counts}
    banded = {banded.measure for banded in plan.banded}
    for key in changed:
        number = after.loc[key, "value"]
        if pd.isna(number) or key[1] in banded:
            continue
        # A figure is what stands in its cell, or what was hidden there and printed as a rate.
        assert key[1] == columns[header]
        printed = clean_text(text).replace(",", "")
        assert number == (before.loc[key, "value"] if printed == "x" else float(printed)) >= 0


@cache
def untouched(year: int) -> pd.DataFrame:
    with TemporaryDirectory() as folder:
        return numbers_of(write_table(Path(folder), census_table(year), "any.csv"), year)


def numbers_of(path: Path, year: int) -> pd.DataFrame:
    records = read_cin_underlying(scan(path.parent), [year]).records
    return records.set_index(["la_code", "measure"])[["value", "lower", "upper"]]
