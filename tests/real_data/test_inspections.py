"""Ofsted's workbooks, where they are at hand."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep import register
from data_prep.checks import Finding
from data_prep.geography import stable_units
from data_prep.inspections import check_inspections, derive_inspections
from data_prep.sources.files import scan
from data_prep.sources.ofsted import InspectionReading, read_ofsted, recognise

RAW = Path(__file__).parents[2] / ".." / "shared" / "data" / "ofsted"
OLDER = "Childrens_social_care_in_England_2023_underlying_data.ods"
NEWER = "LA_Inspection_Outcomes_as_at_31_March_2025.ods"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]


@pytest.fixture(scope="module")
def reading() -> InspectionReading:
    return read_ofsted(scan(RAW))


def test_both_workbooks_are_recognised() -> None:
    labels = {file.name: recognise(file) for file in scan(RAW)}
    assert labels == {
        OLDER: "Ofsted: inspections of local authorities, 2009-2023",
        NEWER: "Ofsted: inspections of local authorities, framework of 2018",
    }


def test_every_judgement_is_read_once(reading: InspectionReading) -> None:
    """Counts as given with the files, re-inspections apart."""
    frame = reading.inspections
    assert frame.groupby(["framework", "reinspection"]).size().to_dict() == {
        ("SLAC", 0): 152,
        ("SLAC", 1): 9,
        ("CPI", 0): 50,
        ("CPI", 1): 1,
        ("SIF", 0): 152,
        ("SIF", 1): 21,
        ("ILACS", 0): 271,
    }
    ilacs = frame[frame["framework"] == "ILACS"]
    assert ilacs["grade"].value_counts().sort_index().to_list() == [35, 74, 107, 55]
    assert not frame.duplicated(["la_code", "framework", "publication_date"]).any()


def test_slac_is_graded_by_safeguarding(reading: InspectionReading) -> None:
    frame = reading.inspections
    first = frame[(frame["framework"] == "SLAC") & (frame["reinspection"] == 0)]
    # By services for looked-after children three would be inadequate.
    assert first["grade"].value_counts().sort_index().to_list() == [24, 66, 57, 5]


def test_dates(reading: InspectionReading) -> None:
    frame = reading.inspections
    known = frame["inspection_date"].notna()
    assert (frame.loc[known, "framework"] == "ILACS").all()
    assert int(known.sum()) == 271
    gap = (frame["publication_date"] - frame["inspection_date"]).dt.days
    assert gap.median() == 52
    assert gap.max() == 225
    assert frame["publication_date"].min() == pd.Timestamp("2009-08-07")


def test_sources(reading: InspectionReading) -> None:
    assert reading.inspections["source"].value_counts().to_dict() == {
        OLDER: 385,
        f"{NEWER}; {OLDER}": 177,
        NEWER: 94,
    }


def test_findings(reading: InspectionReading) -> None:
    found = Counter(finding.problem for finding in reading.findings)
    assert found == {
        "225 days from inspection to report": 1,
        "SLAC inspection judges services for looked-after children alone, not safeguarding": 2,
        "TLAC inspection judges services for looked-after children alone, not safeguarding": 5,
        f"type of inspection is ilacs short inspection in {NEWER}": 1,
        f"publication date is 2022-09-05 in {NEWER}": 1,
    }


@pytest.mark.parametrize(
    ("la_code", "framework", "grade", "published"),
    [
        # Both authorities called Dorset, and the three that became two.
        ("E10000009", "SLAC", 2, "2011-10-28"),
        ("E06000059", "ILACS", 2, "2021-11-19"),
        ("E06000028", "ILACS", 1, "2018-08-24"),
        ("E06000029", "SIF", 1, "2017-11-24"),
        # Northamptonshire before it was split, in the table of former authorities.
        ("E10000021", "ILACS", 0, "2019-07-29"),
        # Printed as 5 November in the older workbook.
        ("E06000018", "ILACS", 0, "2022-09-05"),
    ],
)
def test_single_judgements(
    reading: InspectionReading, la_code: str, framework: str, grade: int, published: str
) -> None:
    frame = reading.inspections
    (found,) = frame[
        (frame["la_code"] == la_code)
        & (frame["framework"] == framework)
        & (frame["publication_date"] == published)
    ]["grade"]
    assert found == grade


@pytest.fixture(scope="module")
def wide(reading: InspectionReading) -> list[Finding]:
    return check_inspections(reading, stable_units(2010, 2025), range(2010, 2026))


def test_every_inspection_stands_in_the_widest_cube(
    reading: InspectionReading, wide: list[Finding]
) -> None:
    """But for reports that came out after March 2025."""
    units, years = stable_units(2010, 2025), range(2010, 2026)
    found = derive_inspections(reading, units, years)
    late = [finding for finding in wide if "other years" in finding.problem]
    assert [finding.problem.split()[0] for finding in late] == ["9"]
    assert found.sizes["inspection"] == len(reading.inspections) - 9
    assert set(found["la"].values) == {unit.code for unit in units}


def test_the_study_window(reading: InspectionReading) -> None:
    found = derive_inspections(reading, stable_units(2010, 2014), range(2010, 2015))
    framework = found["framework"].values
    assert {name: int((framework == name).sum()) for name in set(framework)} == {
        "SLAC": 161,
        "CPI": 51,
        "SIF": 11,
    }
    slac = found["la"].values[(framework == "SLAC") & (found["reinspection"].values == 0)]
    assert len(set(slac)) == len(slac) == 152
    assert np.isnat(found["inspection_date"].values).all()
    assert set(found["la"].values) == {
        register.latest_code(authority.la_code) for authority in register.authorities_in(2012)
    }
