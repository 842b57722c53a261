"""Renamed columns: every reader says what it found, what it expected and what lies near."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.published import build_published
from data_prep.sources.ees_cin import TABLES
from data_prep.sources.files import CellValue
from data_prep.sources.lookups import LAYOUTS as LISTS
from data_prep.sources.population import POPULATION
from tests.data_prep import care_tables, ees_files, ofsted_files, place_files
from tests.data_prep.conftest import census_table
from tests.data_prep.test_boundaries import features
from tests.data_prep.test_lookups import table_of

type Write = Callable[[Path, str, str], None]


def renamed(header: Sequence[CellValue], old: str, new: str) -> list[CellValue]:
    assert old in [str(cell).strip() for cell in header]
    return [new if str(cell).strip() == old else cell for cell in header]


def table(build: Callable[[], Sequence[Sequence[str]]], name: str) -> Write:
    """Write the made-up table with one column renamed."""

    def write(folder: Path, old: str, new: str) -> None:
        header, *rows = build()
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([renamed(header, old, new), *rows])

    return write


def deprivation(folder: Path, old: str, new: str) -> None:
    sheets = place_files.deprivation_sheets(2019)
    sheets["IMD"][0] = [str(cell) for cell in renamed(sheets["IMD"][0], old, new)]
    place_files.write_workbook(folder / "deprivation.xlsx", sheets)


def inspections(folder: Path, old: str, new: str) -> None:
    sheet = [renamed(row, old, new) if old in row else row for row in ofsted_files.history_sheet()]
    ofsted_files.write_ods(folder / "inspections.ods", ofsted_files.history(sheet))


def boundaries(folder: Path, old: str, new: str) -> None:
    text = json.dumps({"type": "FeatureCollection", "features": features(2023, old, "CTYUA23NM")})
    (folder / "boundaries.geojson").write_text(text.replace(old, new), encoding="utf-8")


def lists(name: str) -> Write:
    return table(lambda: table_of(name), f"{name}.csv")


# Reader or table: how its file is made, a column and the name that it is given.
CASES: dict[str, tuple[Write, str, str]] = {
    "cin_underlying": (table(lambda: census_table(2013), "census.csv"), "S471213", "S47s1213"),
    **{
        f"ees_cin {t.name}": (
            table(lambda t=t: ees_files.make_rows(t, 2014), f"{t.name}.csv"),  # type: ignore[misc]
            t.counts[-1].headers[0],
            f"{t.counts[-1].headers[0]}_new",
        )
        for t in TABLES
    },
    "population": (
        table(lambda: ees_files.make_rows(POPULATION, 2014), "population.csv"),
        "population_estimate",
        "population_estimates",
    ),
    "cla": (
        table(lambda: care_tables.cla_release("looked-after children 2013"), "cla.csv"),
        "CLA_Mar2013",
        "CLA_March2013",
    ),
    "cla rates": (table(care_tables.cla_rates, "rates.csv"), "children_count", "child_count"),
    "cla series": (table(care_tables.cla_series, "series.csv"), "number", "numbers"),
    "workforce": (
        table(lambda: care_tables.workforce_release(1), "workforce.csv"),
        "Average_caseload",
        "Average_case_load",
    ),
    "workforce later": (
        table(care_tables.workforce_panel, "later.csv"),
        "agency_fte",
        "agency_ftes",
    ),
    "ofsted": (inspections, ofsted_files.PRESENT.judgements[6].grade, "SIF Overall Judgement"),
    "boundaries": (boundaries, "CTYUA23CD", "CTYUA23CODE"),
    "deprivation": (deprivation, "IMD - Average score", "IMD - Mean score"),
    "deprivation table": (
        table(place_files.deprivation_table, "scores.csv"),
        "mean_lsoa_imd_score",
        "mean_imd_score",
    ),
    **{
        f"neighbours {edition}": (
            table(lambda e=edition: place_files.neighbours_table(e), f"near{edition}.csv"),  # type: ignore[misc]
            old,
            new,
        )
        for edition, old, new in ((2021, "SN9", "SN9x"), (2025, "SN_9", "SN_9x"))
    },
    **{
        f"lookups {layout.name}": (lists(layout.name), "la_name", "la_names")
        for layout in LISTS
        if "la_name" in layout.columns
    },
}


@pytest.mark.parametrize("case", CASES)
def test_a_renamed_column_is_told_beside_what_was_expected(case: str, tmp_path: Path) -> None:
    write, old, new = CASES[case]
    write(tmp_path, old, new)
    with pytest.raises(DataError) as caught:
        build_published(tmp_path, [2010, 2024])
    message = str(caught.value).lower()
    (file,) = tmp_path.iterdir()
    for text in (file.name, "found", "nearest", "remedy", old, new):
        assert text.lower() in message
    assert "expected" in message or "needs" in message


def test_faults_of_every_reader_come_in_one_message(tmp_path: Path) -> None:
    for write, old, new in CASES.values():
        write(tmp_path, old, new)
    with pytest.raises(DataError) as caught:
        build_published(tmp_path, [2010, 2024])
    named = " ".join(fault.file for fault in caught.value.faults)
    assert [path.name for path in tmp_path.iterdir() if path.name not in named] == []
