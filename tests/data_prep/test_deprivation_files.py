"""Reader of the indices of deprivation, on made-up files in the publisher's layouts."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.deprivation import EDITIONS
from data_prep.errors import DataError
from data_prep.sources import catalogue
from data_prep.sources.deprivation import SCORE_COLUMNS, WORKBOOKS, read_deprivation, recognise
from data_prep.sources.files import RawFile
from tests.data_prep.place_files import (
    Sheet,
    deprivation_sheets,
    deprivation_table,
    idaci_of,
    imd_of,
    raw_file,
    write_table,
    write_workbook,
)

type Edit = Callable[[dict[str, Sheet]], object]


def read_sheets(path: Path, sheets: dict[str, Sheet]) -> pd.DataFrame:
    return read_deprivation([raw_file(write_workbook(path / "book.xlsx", sheets))])


def faults_of(path: Path, sheets: dict[str, Sheet]) -> str:
    with pytest.raises(DataError) as error:
        read_sheets(path, sheets)
    return str(error.value)


def assert_right(found: pd.DataFrame, edition: int) -> None:
    authorities = register.authorities_in(EDITIONS[edition].authorities)
    assert list(found["la_code"]) == sorted(authority.la_code for authority in authorities)
    known = register.authorities()
    assert list(found["imd_score"]) == [imd_of(known[code]) for code in found["la_code"]]
    assert list(found["idaci_score"]) == [idaci_of(known[code]) for code in found["la_code"]]
    assert set(found["edition"]) == {edition}


@pytest.mark.parametrize("edition", WORKBOOKS)
def test_workbooks_are_read_whatever_their_names(tmp_path: Path, edition: int) -> None:
    path = write_workbook(tmp_path / "a.xlsx", deprivation_sheets(edition))
    assert catalogue.recognise(raw_file(path)) == (
        "deprivation",
        f"indices of deprivation {edition}, upper-tier summaries",
    )
    found = read_deprivation([raw_file(path)])
    assert tuple(found.columns) == SCORE_COLUMNS
    assert_right(found, edition)


def test_the_table_of_three_editions(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", deprivation_table())
    assert recognise(raw_file(path))
    found = read_deprivation([raw_file(path)])
    assert found.groupby("edition").size().to_dict() == {2004: 152, 2007: 152, 2010: 152}
    assert np.isnan(found["idaci_score"]).all()
    hartlepool = found[(found["la_code"] == "E06000001") & (found["edition"] == 2007)]
    assert hartlepool["imd_score"].item() == imd_of(register.authorities()["E06000001"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_and_extensions(tmp_path: Path, encoding: str) -> None:
    path = write_table(tmp_path / "A.CSV", deprivation_table(), encoding=encoding)
    assert len(read_deprivation([raw_file(path)])) == 456


@pytest.mark.parametrize("name", ["Bristol, City of", "Bristol  City of", "Bristol (City of)", ""])
def test_spellings_of_a_name_are_no_contradiction(tmp_path: Path, name: str) -> None:
    sheets = deprivation_sheets(2019)
    (row,) = [row for row in sheets["IMD"] if row[0] == "E06000023"]
    row[1] = name
    assert_right(read_sheets(tmp_path, sheets), 2019)


def test_numbers_kept_as_text_are_read(tmp_path: Path) -> None:
    sheets = deprivation_sheets(2019)
    for row in sheets["IMD"][1:]:
        row[3] = f" {row[3]} "
    assert_right(read_sheets(tmp_path, sheets), 2019)


def test_codes_older_or_newer_than_the_edition_are_of_the_same_area(tmp_path: Path) -> None:
    sheets = deprivation_sheets(2015)
    (row,) = [row for row in sheets["IMD"] if row[0] == "E06000057"]
    row[0] = "E06000048"
    # The other sheet keeps the newer code: one area under two codes is one authority.
    found = read_sheets(tmp_path, sheets)
    own = found[found["la_code"].isin(["E06000048", "E06000057"])]
    assert len(own) == 1
    assert own[["imd_score", "idaci_score"]].notna().all(axis=None)


def test_all_editions_stand_in_one_table(tmp_path: Path) -> None:
    files = [
        raw_file(write_workbook(tmp_path / f"{edition}.xlsx", deprivation_sheets(edition)))
        for edition in WORKBOOKS
    ]
    files.append(raw_file(write_table(tmp_path / "a.csv", deprivation_table())))
    found = read_deprivation(files)
    assert list(found["edition"].unique()) == sorted(EDITIONS)
    assert not found.duplicated(["edition", "la_code"]).any()


def test_no_file_gives_no_scores() -> None:
    assert read_deprivation([]).empty


def test_two_files_of_one_edition_are_refused(tmp_path: Path) -> None:
    raw = [
        raw_file(write_workbook(tmp_path / f"{name}.xlsx", deprivation_sheets(2015)))
        for name in ("a", "b")
    ]
    with pytest.raises(DataError, match=r"a second file for the indices of deprivation 2015"):
        read_deprivation(raw)


def test_lower_tier_summaries_are_another_publication(tmp_path: Path) -> None:
    sheets = deprivation_sheets(2019)
    for sheet in ("IMD", "IDACI"):
        sheets[sheet][0][0] = "Local Authority District code (2019)"
    file = raw_file(write_workbook(tmp_path / "a.xlsx", sheets))
    assert recognise(file) is None
    assert read_deprivation([file]).empty


def test_other_workbooks_are_left_unread(tmp_path: Path) -> None:
    file = raw_file(write_workbook(tmp_path / "a.xlsx", {"Contents": [["Table"]], "Empty": []}))
    assert recognise(file) is None


def put(sheet: str, row: int, column: int, value: str | float) -> Edit:
    def edit(sheets: dict[str, Sheet]) -> None:
        sheets[sheet][row][column] = value

    return edit


DAMAGE: dict[str, tuple[Edit, str]] = {
    "sheet missing": (lambda sheets: sheets.pop("IDACI"), "no such sheet"),
    "sheet empty": (lambda sheets: sheets["IDACI"].clear(), "unknown layout: found nothing"),
    "score renamed": (put("IMD", 0, 3, "IMD - Avg score"), "nearest: IMD - Avg score"),
    "code renamed": (put("IMD", 0, 0, "Code"), "unknown layout: found 'Code'"),
    "score twice": (put("IMD", 0, 2, "IMD - Average score"), "repeated or in another order"),
    "unknown code": (put("IMD", 1, 0, "E06000099"), "unknown authority code"),
    "code of England": (put("IMD", 1, 0, "E92000001"), "unknown authority code"),
    "code blank": (put("IMD", 1, 0, ""), "unknown authority code"),
    "name of another": (put("IMD", 1, 1, "Leeds"), "code and name belong to two authorities"),
    "row missing": (lambda sheets: sheets["IMD"].pop(5), "no row for 1 authorities"),
    "row twice": (lambda sheets: sheets["IMD"].append(sheets["IMD"][5]), "duplicate of row 6"),
    "newer code twice": (
        lambda sheets: sheets["IMD"].append(["E06000048", "Northumberland", 1.0, 20.0]),
        "duplicate of row",
    ),
    "later authority": (
        lambda sheets: sheets["IMD"].append(["E06000063", "Cumberland", 1.0, 20.0]),
        "no authority of this edition's boundaries",
    ),
    "text": (put("IMD", 1, 3, "n/a"), "neither a number nor a known marker"),
    "blank score": (put("IDACI", 1, 3, ""), "blank where a number"),
    "formula error": (put("IDACI", 1, 3, "#N/A"), "a spreadsheet formula or error"),
    "negative": (put("IMD", 1, 3, -1.0), "a score that cannot be"),
    "zero": (put("IMD", 1, 3, 0.0), "a score that cannot be"),
    "a per cent": (put("IDACI", 1, 3, 30.7), "a score that cannot be"),
    "a rank": (put("IMD", 1, 3, 22579.19), "a score that cannot be"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(tmp_path: Path, case: str) -> None:
    edit, problem = DAMAGE[case]
    sheets = deprivation_sheets(2015)
    edit(sheets)
    assert problem in faults_of(tmp_path, sheets)


def test_every_fault_is_listed_with_its_place(tmp_path: Path) -> None:
    sheets = deprivation_sheets(2019)
    sheets["IMD"][3][3] = "?"
    sheets["IDACI"][7][0] = "nothing"
    with pytest.raises(DataError) as error:
        read_sheets(tmp_path, sheets)
    assert [(fault.file, fault.row) for fault in error.value.faults] == [
        ("book.xlsx, sheet IMD", 4),
        ("book.xlsx, sheet IDACI", 8),
    ]


def test_an_unknown_edition_says_what_was_found(tmp_path: Path) -> None:
    sheets = deprivation_sheets(2025)
    for sheet in ("IMD", "IDACI"):
        sheets[sheet][0][0] = "Upper Tier Local Authority District code (2031)"
    message = faults_of(tmp_path, sheets)
    assert "found 'Upper Tier Local Authority District code (2031)'" in message
    assert "nearest: Upper Tier Local Authority District code (2031)" in message


TABLE_DAMAGE: dict[str, tuple[int, int, str, str]] = {
    "column renamed": (0, 2, "mean_imd_score", "nearest: mean_imd_score"),
    "unknown edition": (1, 4, "2011", "no edition of this table"),
    "score": (1, 2, "..", "neither a number nor a known marker"),
    "areas": (1, 3, "0", "not a number of small areas"),
    "code": (1, 0, "905", "unknown authority code"),
}


@pytest.mark.parametrize("case", TABLE_DAMAGE)
def test_damage_of_the_table_is_named(tmp_path: Path, case: str) -> None:
    row, column, text, problem = TABLE_DAMAGE[case]
    table = deprivation_table()
    table[row][column] = text
    with pytest.raises(DataError) as error:
        read_deprivation([raw_file(write_table(tmp_path / "a.csv", table))])
    assert problem in str(error.value)


@pytest.mark.parametrize("cut", [1, 100, 400])
def test_a_cut_table_is_refused(tmp_path: Path, cut: int) -> None:
    table = deprivation_table()[:-cut]
    with pytest.raises(DataError, match="no row for"):
        read_deprivation([raw_file(write_table(tmp_path / "a.csv", table))])


def test_a_cut_line_is_refused(tmp_path: Path) -> None:
    table = deprivation_table()
    table[9] = table[9][:3]
    with pytest.raises(DataError, match="number of cells differs"):
        read_deprivation([raw_file(write_table(tmp_path / "a.csv", table))])


def attempt(file: RawFile) -> pd.DataFrame | DataError:
    try:
        return read_deprivation([file])
    except DataError as error:
        return error


JUNK = st.sampled_from(["", "x", "..", "#REF!", "E06000099", "-3", "1e3", "Leeds", "E92000001"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), edition=st.sampled_from(sorted(WORKBOOKS)))
def test_a_workbook_is_read_right_or_refused(
    tmp_path: Path, data: st.DataObject, edition: int
) -> None:
    sheets = deprivation_sheets(edition)
    sheet = data.draw(st.sampled_from(["IMD", "IDACI"]))
    rows = sheets[sheet]
    for _ in range(data.draw(st.integers(0, 3))):
        row = data.draw(st.integers(0, len(rows) - 1))
        match data.draw(st.sampled_from(["junk", "drop", "twice", "blank", "shuffle", "column"])):
            case "junk":
                rows[row][data.draw(st.sampled_from([0, 1, 3]))] = data.draw(JUNK)
            case "drop":
                del rows[row]
            case "twice":
                rows.append(list(rows[row]))
            case "blank":
                rows.append(["", "  ", "", ""])
            case "shuffle":
                head, *rest = rows
                random.Random(row).shuffle(rest)
                rows[:] = [head, *rest]
            case "column":
                for line in rows:
                    line.insert(0, "note")
        if len(rows) < 2:
            break
    found = attempt(raw_file(write_workbook(tmp_path / "fuzz.xlsx", sheets)))
    if isinstance(found, DataError):
        assert found.faults
        assert all(fault.problem and fault.remedy and fault.file for fault in found.faults)
    else:
        # Junk may stand in the name of an authority without harm: the code says which one it is.
        assert_right(found, edition)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), column=st.integers(0, 4))
def test_order_of_rows_and_columns_is_irrelevant(tmp_path: Path, seed: int, column: int) -> None:
    head, *rest = deprivation_table()
    random.Random(seed).shuffle(rest)
    table = [[line[column], *line[:column], *line[column + 1 :]] for line in [head, *rest]]
    found = read_deprivation([raw_file(write_table(tmp_path / "a.csv", table))])
    plain = read_deprivation([raw_file(write_table(tmp_path / "a.csv", deprivation_table()))])
    pd.testing.assert_frame_equal(found, plain)
