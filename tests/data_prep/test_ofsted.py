"""Reading Ofsted's workbooks: the traps of the real layouts, and damage."""

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.errors import DataError, Fault
from data_prep.sources.catalogue import recognise as recognise_any
from data_prep.sources.files import CellValue, scan
from data_prep.sources.ofsted import (
    COLUMNS,
    InspectionReading,
    _named,
    read_ofsted,
    recognise,
)
from data_prep.sources.ofsted_columns import (
    FORMER,
    PRESENT,
    REPORTED,
    normalised,
)
from tests.data_prep.ofsted_files import (
    HISTORY_SHEET,
    RI,
    Sheet,
    Workbook,
    day,
    history,
    history_sheet,
    ilacs,
    ilacs_row,
    printed,
    write_ods,
)

SLAC, SLAC_AGAIN, SLAC_CARE, CPI, CPRI, TLAC, SIF, SIF_AGAIN, ILACS, ILACS_SECOND = (
    PRESENT.judgements
)
FORMER_ILACS = FORMER.judgements[-1]
LEEDS = "E08000035"
STANDARD = "ILACS Standard Inspection"


def one(reading: InspectionReading, la_code: str, framework: str) -> pd.Series:
    frame = reading.inspections
    (index,) = frame.index[(frame["la_code"] == la_code) & (frame["framework"] == framework)]
    return frame.loc[index]


def problems(reading: InspectionReading, name: str) -> list[str]:
    return [finding.problem for finding in reading.findings if finding.la == name]


# ------------------------------------------------------------------------------ layouts


def test_both_tables_of_the_stacked_sheet_are_read_from_a_real_workbook(tmp_path: Path) -> None:
    path = write_ods(tmp_path / "raw" / "any name.ods", history())
    (file,) = scan(path.parent)
    assert recognise(file) == "Ofsted: inspections of local authorities, 2009-2023"
    assert recognise_any(file) == ("ofsted", recognise(file))
    reading = read_ofsted([file])
    assert list(reading.inspections.columns) == list(COLUMNS)
    # 152 authorities, less four new ones, and four that they replaced.
    assert len(reading.inspections) == 152
    assert set(reading.inspections["source"]) == {"any name.ods"}
    assert reading.findings == ()
    assert str(reading.inspections["publication_date"].dtype) == "datetime64[ns]"


def test_inspections_since_2018_are_read_from_a_real_workbook(tmp_path: Path) -> None:
    row = ilacs_row(LEEDS, "Leeds", day("2022-02-28"), day("2022-05-09"), "Outstanding")
    path = write_ods(tmp_path / "raw" / "new.ods", ilacs(row))
    (file,) = scan(path.parent)
    assert recognise(file) == "Ofsted: inspections of local authorities, framework of 2018"
    found = one(read_ofsted([file]), LEEDS, "ILACS")
    assert found["grade"] == 3
    assert found["inspection_date"] == pd.Timestamp("2022-02-28")


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    other = Workbook("other.ods", {"LA_inspections": [["Local authority name"]]})
    assert recognise(other) is None
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    assert [recognise(file) for file in scan(tmp_path)] == [None]
    reading = read_ofsted([other])
    assert len(reading.inspections) == 0
    assert [finding.problem for finding in reading.findings] == ["no workbook of inspections"]


# ------------------------------------------------------------------------------ traps


def test_slac_is_graded_by_safeguarding_and_the_rest_by_overall_effectiveness() -> None:
    care = next(c for c in PRESENT.unused if c.startswith("SLAC Looked After"))
    helped = next(c for c in PRESENT.unused if c.startswith("First SIF children who need"))
    cells: dict[str, CellValue] = {
        SLAC.date: day("2010-01-07"),
        SLAC.grade: "Inadequate",
        care: "Outstanding",
        SIF.date: day("2015-03-27"),
        SIF.grade: "Good",
        helped: "Inadequate",
    }
    reading = read_ofsted([history(history_sheet({"Leeds": cells}))])
    assert one(reading, LEEDS, "SLAC")["grade"] == 0
    assert one(reading, LEEDS, "SIF")["grade"] == 2
    # Services that an authority does not have are not judged; the whole is.
    scilly = {SLAC.date: day("2012-07-03"), SLAC.grade: "Good", care: " -"}
    reading = read_ofsted([history(history_sheet({"Isles of Scilly": scilly}))])
    assert one(reading, "E06000053", "SLAC")["grade"] == 2


@pytest.mark.parametrize(
    "text", ["Adequate", "Requires improvement", "requires  improvement to be good ", RI]
)
def test_the_third_grade_has_had_two_names(text: str) -> None:
    cells = {SLAC.date: day("2010-01-07"), SLAC.grade: text}
    assert one(read_ofsted([history(history_sheet({"Leeds": cells}))]), LEEDS, "SLAC")["grade"] == 1


def test_reinspections_are_flagged_and_later_rounds_are_not() -> None:
    cells: dict[str, CellValue] = {}
    for judgement, date in (
        (SLAC, "2010-01-13"),
        (SLAC_AGAIN, "2012-02-20"),
        (CPI, "2013-01-21"),
        (CPRI, "2013-07-26"),
        (SIF, "2015-06-05"),
        (SIF_AGAIN, "2018-01-29"),
        (ILACS, "2018-10-10"),
        (ILACS_SECOND, "2022-05-11"),
    ):
        cells |= {judgement.date: day(date), judgement.grade: "Inadequate"}
        if judgement.kind:
            cells[judgement.kind] = STANDARD
    frame = read_ofsted([history(history_sheet({"Leeds": cells}))]).inspections
    leeds = frame[frame["la_code"] == LEEDS]
    assert list(leeds["framework"]) == [
        "SLAC",
        "SLAC",
        "CPI",
        "CPI",
        "SIF",
        "SIF",
        "ILACS",
        "ILACS",
    ]
    assert list(leeds["reinspection"]) == [0, 1, 0, 1, 0, 1, 0, 0]
    assert leeds["inspection_date"].isna().all()


@pytest.mark.parametrize("judgement", [SLAC_CARE, TLAC])
def test_judgements_of_care_alone_are_left_out_by_name(judgement: object) -> None:
    date = "2013-08-02" if judgement is TLAC else "2011-02-25"
    cells = {judgement.date: day(date), judgement.grade: "Inadequate"}
    reading = read_ofsted([history(history_sheet({"Leeds": cells}))])
    assert not (reading.inspections["la_code"] == LEEDS).any()
    (problem,) = problems(reading, "Leeds")
    assert "looked-after children alone" in problem


def test_an_inspection_without_judgement_is_named() -> None:
    cells = {SIF.date: day("2015-03-27"), SIF.grade: " -"}
    reading = read_ofsted([history(history_sheet({"Leeds": cells}))])
    assert problems(reading, "Leeds") == ["SIF inspection without a judgement"]


def test_visits_that_give_no_judgement_are_named() -> None:
    row = ilacs_row(LEEDS, "Leeds", day("2020-02-05"), day("2020-03-02"), "", "ILACS Focused Visit")
    reading = read_ofsted([ilacs(row)])
    assert len(reading.inspections) == 0
    assert problems(reading, "Leeds") == ["ilacs focused visit: gives no judgement"]


def test_a_name_alone_finds_the_authority_of_that_time() -> None:
    old = {SLAC.date: day("2011-10-28"), SLAC.grade: "Good"}
    new = {ILACS.date: day("2021-11-19"), ILACS.grade: "Good", ILACS.kind: STANDARD}
    reading = read_ofsted([history(history_sheet({"former Dorset": old, "Dorset": new}))])
    assert one(reading, "E10000009", "SLAC")["publication_date"] == pd.Timestamp("2011-10-28")
    assert one(reading, "E06000059", "ILACS")["grade"] == 2
    # A change of code alone: the code of the year in which the report came out.
    assert one(reading, "E06000048", "SLAC")["grade"] == 2
    assert one(reading, "E10000002", "SLAC")["grade"] == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Bristol, City of", "E06000023"),
        ("Bristol  City of", "E06000023"),
        ("Bristol (City of)", "E06000023"),
        ("Bristol", "E06000023"),
        ("Kingston Upon Hull", "E06000010"),
        ("Durham", "E06000047"),
        ("Bedford Borough", "E06000055"),
        ("Hammersmith & Fulham", "E09000013"),
        ("St Helens", "E08000013"),
        ("Southend on Sea", "E06000033"),
        ("Bournemouth, Christchurch & Poole", "E06000058"),
    ],
)
def test_names_are_compared_without_punctuation(text: str, code: str) -> None:
    found = _named(text, register.authorities_in(2023))
    assert found is not None
    assert found.la_code == code


def test_every_printed_name_finds_its_authority_and_no_other() -> None:
    for year in (2010, 2019, 2023, 2025):
        known = register.authorities_in(year)
        for authority in known:
            assert _named(printed(authority), known) == authority
            assert _named(authority.name.upper(), known) == authority
    assert _named("Christchurch", register.authorities_in(2023)) is None


def test_codes_of_another_time_name_the_same_area() -> None:
    row = ilacs_row(
        "E06000065", "North Yorkshire", day("2018-07-02"), day("2018-08-20"), "Outstanding"
    )
    assert one(read_ofsted([ilacs(row)]), "E10000023", "ILACS")["grade"] == 3


def test_a_report_may_come_out_after_the_authority_has_ended() -> None:
    row = ilacs_row("E10000006", "Cumbria", day("2023-02-20"), day("2023-04-14"), RI)
    assert one(read_ofsted([ilacs(row)]), "E10000006", "ILACS")["grade"] == 1


def test_authorities_not_yet_inspected_are_named() -> None:
    row = ilacs_row(LEEDS, "Leeds", day("2022-02-28"), day("2022-05-09"), "Outstanding")
    reading = read_ofsted([ilacs(row)])
    assert problems(reading, "Kent") == ["no inspection under the framework of 2018"]
    assert len(reading.findings) == len(register.authorities_in(2023)) - 1


# ------------------------------------------------------------------------------ two workbooks


def pair(published: str, grade: str = "Good", kind: str = STANDARD) -> InspectionReading:
    """Leeds in both workbooks; the newer one says 9 May 2022, outstanding."""
    cells = {ILACS.date: day(published), ILACS.grade: grade, ILACS.kind: kind}
    newer = ilacs_row(LEEDS, "Leeds", day("2022-02-28"), day("2022-05-09"), "Outstanding")
    return read_ofsted([history(history_sheet({"Leeds": cells})), ilacs(newer)])


def test_an_inspection_in_both_workbooks_counts_once_with_both_sources() -> None:
    reading = pair("2022-05-09", "Outstanding")
    found = one(reading, LEEDS, "ILACS")
    assert found["source"] == "2025.ods; 2023.ods"
    assert found["inspection_date"] == pd.Timestamp("2022-02-28")
    assert problems(reading, "Leeds") == []


@pytest.mark.parametrize("published", ["2022-07-09", "2022-03-09"])
def test_where_dates_differ_the_newer_workbook_wins(published: str) -> None:
    reading = pair(published, "Outstanding")
    found = one(reading, LEEDS, "ILACS")
    assert found["publication_date"] == pd.Timestamp("2022-05-09")
    (problem,) = problems(reading, "Leeds")
    assert problem == "publication date is 2022-05-09 in 2025.ods"


def test_where_grade_or_type_differ_the_newer_workbook_wins() -> None:
    reading = pair("2022-05-09", "Good", "ILACS Short Inspection")
    assert one(reading, LEEDS, "ILACS")["grade"] == 3
    assert [problem.split(" is ")[0] for problem in problems(reading, "Leeds")] == [
        "grade",
        "type of inspection",
    ]


def test_an_inspection_that_the_newer_workbook_lacks_is_kept_and_named() -> None:
    reading = pair("2018-12-03")
    frame = reading.inspections
    assert len(frame[(frame["la_code"] == LEEDS) & (frame["framework"] == "ILACS")]) == 2
    assert problems(reading, "Leeds") == ["ILACS inspection that the newer workbook does not print"]


def test_the_order_of_files_is_irrelevant() -> None:
    books = [history(), ilacs(ilacs_row(LEEDS, "Leeds", day("2022-02-28"), day("2022-05-09"), RI))]
    one_way, other_way = read_ofsted(books), read_ofsted(books[::-1])
    pd.testing.assert_frame_equal(one_way.inspections, other_way.inspections)
    assert one_way.findings == other_way.findings


# ------------------------------------------------------------------------------ damage

type Edit = Callable[[Sheet], None]


def _at(sheet: Sheet, name: str) -> list[CellValue]:
    return next(row for row in sheet if name in row)


def _place(sheet: Sheet, column: str) -> int:
    header = next(
        row for row in sheet if normalised("Local authority name") in map(normalised, row)
    )
    return [normalised(cell) for cell in header].index(normalised(column))


def _put(name: str, column: str, value: CellValue) -> Edit:
    def edit(sheet: Sheet) -> None:
        _at(sheet, name)[_place(sheet, column)] = value

    return edit


def _rename(column: str, text: str) -> Edit:
    def edit(sheet: Sheet) -> None:
        header = next(row for row in sheet if len(row) > 5)
        header[_place(sheet, column)] = text

    return edit


def _drop(name: str) -> Edit:
    return lambda sheet: sheet.remove(_at(sheet, name))


def _repeat(name: str) -> Edit:
    return lambda sheet: sheet.insert(sheet.index(_at(sheet, name)) + 1, list(_at(sheet, name)))


def _blank_above(name: str) -> Edit:
    return lambda sheet: sheet.insert(sheet.index(_at(sheet, name)), [""])


def _cut_second_table(sheet: Sheet) -> None:
    del sheet[sheet.index(_at(sheet, "Bournemouth")) - 1 :]


HISTORY_DAMAGE: dict[str, tuple[Edit, list[str]]] = {
    "grade is none": (_put("Leeds", SLAC.grade, "Fair"), ["'Fair'", "not a grade"]),
    "grade is a number": (_put("Leeds", SLAC.grade, 2.0), ["'2.0'", "not a grade"]),
    "grade is missing": (_put("Leeds", SLAC.grade, ""), ["blank", "Leeds", "SLAC"]),
    "date is missing": (_put("Leeds", SLAC.date, ""), ["blank", "Leeds", "SLAC"]),
    "date is text": (_put("Leeds", SLAC.date, "20/05/2011"), ["'20/05/2011'", "not a date"]),
    "date is a serial number": (_put("Leeds", SLAC.date, 40683.0), ["not a date"]),
    "date of another framework": (
        _put("Leeds", SLAC.date, day("2015-05-20")),
        ["no report of SLAC", "2015-05-20"],
    ),
    "type missing": (_put("Leeds", ILACS.grade, "Good"), ["blank", ILACS.kind, ILACS.date]),
    "unknown authority": (_put("Leeds", "Local authority name", "Leads"), ["Leads", "Leeds"]),
    "blank name": (_put("Leeds", "Local authority name", ""), ["not one of"]),
    "row twice": (_repeat("Leeds"), ["second row of Leeds"]),
    "row missing": (_drop("Leeds"), ["no row for 1 of the 152", "Leeds"]),
    "former row missing": (_drop("Poole"), ["no row for 1 of the 4", "Poole"]),
    "blank row within a table": (_blank_above("Leeds"), ["outside the tables"]),
    "second table missing": (_cut_second_table, ["1 tables", "2 are expected"]),
    "column renamed": (
        _rename(SIF.grade, "SIF Overall Judgement"),
        ["missing", "first sif overall judgement (oe)", "unknown column"],
    ),
    "column twice": (_rename(SIF.grade, CPI.grade), ["printed twice"]),
    "judged before it existed": (
        _put("North Northamptonshire", SLAC.date, day("2011-05-20")),
        ["blank", "North Northamptonshire"],
    ),
}


@pytest.mark.parametrize("damage", HISTORY_DAMAGE)
def test_damage_of_the_stacked_sheet_is_named_with_its_place(damage: str) -> None:
    edit, expected = HISTORY_DAMAGE[damage]
    sheet = history_sheet()
    edit(sheet)
    with pytest.raises(DataError) as caught:
        read_ofsted([history(sheet)])
    for text in ("2023.ods", "Remedy", *expected):
        assert text in str(caught.value)


def test_an_authority_cannot_be_judged_before_it_existed() -> None:
    cells = {SLAC.date: day("2011-05-20"), SLAC.grade: "Good"}
    with pytest.raises(DataError, match="did not exist"):
        read_ofsted([history(history_sheet({"North Northamptonshire": cells}))])


ROW = ilacs_row(LEEDS, "Leeds", day("2022-02-28"), day("2022-05-09"), "Outstanding")
ILACS_DAMAGE: dict[str, tuple[Edit, list[str]]] = {
    "grade is none": (_put("Leeds", "Overall effectiveness", "Fair"), ["'Fair'", "not a grade"]),
    "grade is missing": (_put("Leeds", "Overall effectiveness", ""), ["blank where a grade"]),
    "date missing": (_put("Leeds", "Publication date", ""), ["blank where a date"]),
    "report before the visit": (
        _put("Leeds", "Publication date", day("2022-02-01")),
        ["later than the report"],
    ),
    "report before the framework": (
        _put("Leeds", "Publication date", day("2012-05-09")),
        ["no report of ILACS"],
    ),
    "long before the report": (
        _put("Leeds", "Inspection date", day("2012-02-28")),
        ["more than two years before"],
    ),
    "unknown code": (_put("Leeds", "Local authority area code", "E08000099"), ["'E08000099'"]),
    "code is missing": (_put("Leeds", "Local authority area code", ""), ["no such authority"]),
    "code of another": (
        _put("Leeds", "Local authority area code", "E10000016"),
        ["the code is that of Kent", "'Leeds'"],
    ),
    "code of no time": (
        _put("Leeds", "Local authority area code", "E06000063"),
        ["no such authority when the report came out"],
    ),
    "unknown status": (_put("Leeds", "Local authority status", "Gone"), ["'Gone'"]),
    "unknown type": (_put("Leeds", "Inspection type", "ILACS Stroll"), ["unknown type"]),
    "row twice": (_repeat("Leeds"), ["second row of Leeds", "2022-05-09"]),
    "column renamed": (_rename("Overall effectiveness", "Overall"), ["column missing"]),
    "no header": (lambda sheet: sheet.pop(2) and None, ["0 tables"]),
}


@pytest.mark.parametrize("damage", ILACS_DAMAGE)
def test_damage_of_the_newer_sheet_is_named_with_its_place(damage: str) -> None:
    edit, expected = ILACS_DAMAGE[damage]
    book = ilacs(list(ROW))
    edit(book.sheet("ILACS_inspection_history"))
    with pytest.raises(DataError) as caught:
        read_ofsted([book])
    for text in ("2025.ods", "Remedy", *expected):
        assert text in str(caught.value)


def test_all_faults_of_both_files_come_in_one_message() -> None:
    sheet = history_sheet()
    _put("Leeds", SLAC.grade, "Fair")(sheet)
    _put("Kent", SLAC.date, "soon")(sheet)
    row = list(ROW)
    row[8] = "Poor"
    with pytest.raises(DataError) as caught:
        read_ofsted([history(sheet), ilacs(row)])
    assert len(caught.value.faults) == 3


def test_two_files_of_one_kind_are_refused() -> None:
    with pytest.raises(DataError, match="second file"):
        read_ofsted([history(), history(name="copy.ods")])


def test_a_broken_workbook_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.ods").write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(DataError, match=r"broken\.ods"):
        read_ofsted(scan(tmp_path))


CELLS: st.SearchStrategy[CellValue] = st.one_of(
    st.just(""),
    st.sampled_from(["Good", "good ", "Outstanding", RI, " -", "Inadequate", "n/a", STANDARD]),
    st.text(max_size=12),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.datetimes(datetime.datetime(1899, 12, 30), datetime.datetime(2100, 1, 1)),
    st.dates(),
    st.timedeltas(),
)


def attempt(book: Workbook) -> tuple[InspectionReading | None, tuple[Fault, ...]]:
    """What a workbook gives, or else its faults."""
    try:
        return read_ofsted([book]), ()
    except DataError as error:
        return None, error.faults


@settings(max_examples=60)
@given(data=st.data())
def test_any_cell_is_read_rightly_or_refused_once(data: st.DataObject) -> None:
    """Whatever stands in a row's cells, each pair of columns becomes an inspection, a finding or a
    fault, and nothing else happens.
    """
    judgement = data.draw(st.sampled_from(PRESENT.judgements))
    cells = {
        column: data.draw(CELLS)
        for column in (judgement.date, judgement.grade, judgement.kind)
        if column
    }
    filled = [bool(str(cell).replace("\ufeff", "").strip()) for cell in cells.values()]
    reading, faults = attempt(history(history_sheet({"Leeds": cells})))
    if reading is None:
        assert any(filled)
        assert all(fault.row and fault.column for fault in faults)
        return
    leeds = reading.inspections[reading.inspections["la_code"] == LEEDS]
    assert len(leeds) + len(problems(reading, "Leeds")) == all(filled)
    if len(leeds):
        first, last = REPORTED[judgement.framework]
        published = leeds["publication_date"].iloc[0].date()
        assert first <= published <= last
        assert leeds["grade"].iloc[0] in range(4)


@settings(max_examples=60)
@given(column=st.integers(0, 12), value=CELLS)
def test_any_cell_of_the_newer_sheet_is_read_rightly_or_refused_once(
    column: int, value: CellValue
) -> None:
    row = list(ROW)
    row[column] = value
    reading, faults = attempt(ilacs(row))
    if reading is None:
        assert faults
        return
    named = [text for text in problems(reading, "Leeds") if "framework of 2018" not in text]
    assert len(reading.inspections) + len(named) >= 1
    assert np.isin(reading.inspections["grade"], range(4)).all()


@settings(max_examples=30)
@given(seed=st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(seed: object) -> None:
    rows = [
        ilacs_row("E10000016", "Kent", day("2022-05-09"), day("2022-07-11"), "Outstanding"),
        ilacs_row(LEEDS, "Leeds", day("2018-10-22"), day("2018-12-18"), "Good"),
        ROW,
    ]
    expected = read_ofsted([ilacs(*rows)])
    seed.shuffle(rows)  # type: ignore[attr-defined]
    found = read_ofsted([ilacs(*rows)])
    pd.testing.assert_frame_equal(found.inspections, expected.inspections)


def test_sheet_of_another_year_asks_for_its_own_authorities() -> None:
    book = history()
    book.held["LA_inspections_2009-2024"] = book.held.pop(HISTORY_SHEET)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="Cumberland"):
        read_ofsted([book])
