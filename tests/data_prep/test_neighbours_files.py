"""Reader of statistical neighbours, on made-up files in the publisher's layouts."""

import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.errors import DataError
from data_prep.neighbours import CLOSENESS
from data_prep.sources import catalogue
from data_prep.sources.files import RawFile
from data_prep.sources.neighbours import LAYOUTS, NEIGHBOUR_COLUMNS, read_neighbours, recognise
from tests.data_prep.place_files import neighbours_table, raw_file, write_table

EDITIONS = tuple(layout.edition for layout in LAYOUTS)
# Place of the first neighbour in each edition.
FIRST = {layout.edition: layout.first for layout in LAYOUTS}


def read_table(path: Path, table: list[list[str]]) -> pd.DataFrame:
    return read_neighbours([raw_file(write_table(path / "sn.csv", table))])


@pytest.mark.parametrize("edition", EDITIONS)
def test_each_model_is_read(tmp_path: Path, edition: int) -> None:
    file = raw_file(write_table(tmp_path / "a.csv", neighbours_table(edition)))
    label = f"statistical neighbours, model of {edition}"
    assert catalogue.recognise(file) == ("neighbours", label)
    found = read_neighbours([file])
    assert tuple(found.columns) == NEIGHBOUR_COLUMNS
    assert len(found) == {2021: 1530, 2025: 1530}[edition]
    authorities = register.authorities_in({2021: 2022, 2025: 2025}[edition])
    own = found[found["la_code"] == register.latest_code(authorities[0].la_code)]
    expected = [register.latest_code(authority.la_code) for authority in authorities[1:11]]
    assert list(own["neighbour"]) == expected
    words = [CLOSENESS[code] for code in own["closeness"]]
    assert words[0] == "extremely close"
    assert words[-1] == "not close"


def test_lists_of_abolished_authorities_are_kept(tmp_path: Path) -> None:
    found = read_table(tmp_path, neighbours_table(2021))
    assert "E10000021" in set(found["la_code"])


def test_other_tables_are_not_recognised(tmp_path: Path) -> None:
    table = [["old_la_code", "la_name", "region_name"], ["301", "Barking", "London"]]
    assert recognise(raw_file(write_table(tmp_path / "a.csv", table))) is None


def test_two_files_of_one_model_are_refused(tmp_path: Path) -> None:
    files = [
        raw_file(write_table(tmp_path / name, neighbours_table(2025)))
        for name in ("a.csv", "b.csv")
    ]
    with pytest.raises(DataError, match="a second file for the statistical neighbours of 2025"):
        read_neighbours(files)


# Place counted from the first neighbour, text, problem.
DAMAGE = {
    "unknown neighbour": (0, "999", "unknown authority code"),
    "blank neighbour": (0, "", "unknown authority code"),
    "nine-character code": (0, "E06000002", "unknown authority code"),
    "unknown word": (1, "Closer", "unknown closeness"),
    "blank word": (1, "", "unknown closeness"),
    "closer than before": (19, "Very Close", "closer than the neighbour before it"),
}


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("case", DAMAGE)
def test_damage_of_a_list_is_named(tmp_path: Path, edition: int, case: str) -> None:
    place, text, problem = DAMAGE[case]
    table = neighbours_table(edition)
    table[3][FIRST[edition] + place] = text
    with pytest.raises(DataError) as error:
        read_table(tmp_path, table)
    assert problem in str(error.value)
    assert error.value.faults[0].row == 4


@pytest.mark.parametrize("edition", EDITIONS)
def test_lists_that_cannot_be(tmp_path: Path, edition: int) -> None:
    table = neighbours_table(edition)
    first = FIRST[edition]
    table[1][first] = table[1][0]
    table[2][first + 2] = table[2][first]
    with pytest.raises(DataError) as error:
        read_table(tmp_path, table)
    assert "an authority as its own neighbour" in str(error.value)
    assert "the same neighbour a second time" in str(error.value)


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(
    ("row", "column", "text", "problem"),
    [
        (0, 1, "authority", "unknown layout"),
        (0, 7, "SN9x", "unknown layout"),
        (1, 1, "Leeds", "code and name belong to two authorities"),
    ],
)
def test_damage_of_a_table_is_named(
    tmp_path: Path, edition: int, row: int, column: int, text: str, problem: str
) -> None:
    table = neighbours_table(edition)
    table[row][column] = text
    with pytest.raises(DataError) as error:
        read_table(tmp_path, table)
    assert problem in str(error.value)


def test_swapped_columns_are_an_unknown_layout(tmp_path: Path) -> None:
    table = [
        [*line[:4], line[6], line[7], line[4], line[5], *line[8:]]
        for line in neighbours_table(2025)
    ]
    with pytest.raises(DataError, match="repeated or in another order"):
        read_table(tmp_path, table)


def test_two_codes_of_one_row_must_agree(tmp_path: Path) -> None:
    table = neighbours_table(2021)
    table[1][2] = "301"
    with pytest.raises(DataError, match="two codes of one authority differ"):
        read_table(tmp_path, table)


def test_an_abolished_authority_needs_its_heading(tmp_path: Path) -> None:
    table = [line for line in neighbours_table(2021) if "Old SNs:" not in line]
    with pytest.raises(DataError, match="had been abolished"):
        read_table(tmp_path, table)


@pytest.mark.parametrize("edition", EDITIONS)
def test_missing_and_repeated_rows_are_named(tmp_path: Path, edition: int) -> None:
    table = neighbours_table(edition)
    with pytest.raises(DataError, match=r"value 'Hartlepool': no list for 1 authorities"):
        read_table(tmp_path, [table[0], *table[2:]])
    with pytest.raises(DataError, match="duplicate of row 2"):
        read_table(tmp_path, [table[0], table[1], table[1], *table[2:]])


def attempt(file: RawFile) -> pd.DataFrame | DataError:
    try:
        return read_neighbours([file])
    except DataError as error:
        return error


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), edition=st.sampled_from(EDITIONS))
def test_a_table_is_read_right_or_refused(
    tmp_path: Path, data: st.DataObject, edition: int
) -> None:
    table = neighbours_table(edition)
    right = read_table(tmp_path, table)
    for _ in range(data.draw(st.integers(0, 2))):
        row = data.draw(st.integers(0, len(table) - 1))
        match data.draw(st.sampled_from(["junk", "drop", "twice", "cut", "blank", "shuffle"])):
            case "junk":
                column = data.draw(st.integers(0, len(table[row]) - 1)) if table[row] else 0
                junk = data.draw(st.sampled_from(["", "x", "999", "E06000001", "Somewhere"]))
                table[row][column : column + 1] = [junk]
            case "drop":
                del table[row]
            case "twice":
                table.append(list(table[row]))
            case "cut":
                table[row] = table[row][:-3]
            case "blank":
                table.insert(row + 1, [""] * len(table[0]))
            case "shuffle":
                head, *rest = table[:152]
                random.Random(row).shuffle(rest)
                table[:152] = [head, *rest]
        if not table:
            break
    found = attempt(raw_file(write_table(tmp_path / "sn.csv", table)))
    if isinstance(found, DataError):
        assert found.faults
        assert all(fault.problem and fault.remedy and fault.file for fault in found.faults)
        return
    if found.empty:
        # Without its header the file is none that a reader knows, which the build reports.
        assert recognise(raw_file(tmp_path / "sn.csv")) is None
        return
    # A dropped or spoiled row may only be one of an authority abolished before.
    lost = set(right["la_code"]) - set(found["la_code"])
    assert lost <= {"E10000021"}
    kept = right[~right["la_code"].isin(lost)].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, kept)
