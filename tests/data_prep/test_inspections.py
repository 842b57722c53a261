"""The group of inspections: units, window, and the likeness to simulated England."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data_prep.checks import PASS, WARNING
from data_prep.geography import stable_units
from data_prep.inspections import (
    check_inspections,
    derive_inspection_sources,
    derive_inspections,
)
from data_prep.schema import GRADES, cube_hash, load_cube, save_cube
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions
from data_prep.sources.ofsted import InspectionReading, read_ofsted
from tests.data_prep.ofsted_files import day, history, ilacs, ilacs_row

LEEDS = "E08000035"
# A report on either side of a new financial year, and one long after.
ROWS = (
    ilacs_row(LEEDS, "Leeds", day("2022-02-14"), day("2022-03-31"), "Good"),
    ilacs_row("E10000016", "Kent", day("2022-02-14"), day("2022-04-01"), "Outstanding"),
    ilacs_row("E06000065", "North Yorkshire", day("2023-07-03"), day("2023-09-04"), "Inadequate"),
)


@pytest.fixture(scope="module")
def reading() -> InspectionReading:
    return read_ofsted([history(), ilacs(*ROWS)])


def test_the_group_looks_like_that_of_simulated_england(reading: InspectionReading) -> None:
    simulated = build_simulated(SimulationOptions(las=20))["inspections"].to_dataset()
    published = derive_inspections(reading, stable_units(2010, 2014), range(2010, 2015))
    assert list(published.variables) == list(simulated.variables)
    assert published.attrs == simulated.attrs
    for name in simulated.variables:
        ours, theirs = published[name], simulated[name]
        assert (ours.dims, ours.dtype) == (theirs.dims, theirs.dtype), name
        assert {key: str(value) for key, value in ours.attrs.items()} == {
            key: str(value) for key, value in theirs.attrs.items()
        }


@pytest.mark.parametrize(("years", "las"), [((2022, 2022), [LEEDS]), ((2023, 2023), ["E10000016"])])
def test_a_judgement_belongs_to_the_year_of_its_report(
    reading: InspectionReading, years: tuple[int, int], las: list[str]
) -> None:
    found = derive_inspections(reading, stable_units(*years), years)
    assert list(found["la"].values) == las


def test_units_carry_their_newest_code(reading: InspectionReading) -> None:
    found = derive_inspections(reading, stable_units(2010, 2012), range(2010, 2013))
    codes = set(found["la"].values)
    assert {"E06000065", "E06000057", "E06000060", "E06000028"} <= codes
    assert len(codes) == found.sizes["inspection"] == 152


def test_members_are_judged_under_the_code_of_the_joined_unit(reading: InspectionReading) -> None:
    units, years = stable_units(2010, 2022), range(2010, 2023)
    found = derive_inspections(reading, units, years)
    assert int((found["la"] == "J06000028").sum()) == 3
    findings = check_inspections(reading, units, years)
    joined = [finding.la for finding in findings if "joined" in finding.problem]
    assert sorted(joined) == ["Bournemouth", "Dorset", "Poole"]
    # Northamptonshire was one authority when it was judged.
    assert "J06000061" in found["la"].values


def test_what_is_left_out_is_counted(reading: InspectionReading) -> None:
    units = stable_units(2022, 2022)
    found = check_inspections(reading, units, [2022])
    assert found[: len(reading.findings)] == list(reading.findings)
    outside = {finding.problem: finding for finding in found if finding.level == PASS}
    kept = derive_inspections(reading, units, [2022]).sizes["inspection"]
    counted = sum(int(problem.split()[0]) for problem in outside)
    assert kept + counted == len(reading.inspections)
    assert {finding.value for finding in outside.values()} == {"2012-2012", "2023-2024"}


def test_an_authority_that_ended_before_the_window_is_left_out_by_name() -> None:
    row = ilacs_row("E10000006", "Cumbria", day("2023-02-20"), day("2023-04-14"), "Good")
    reading = read_ofsted([ilacs(row)])
    units = stable_units(2024, 2025)
    assert derive_inspections(reading, units, [2024, 2025]).sizes["inspection"] == 0
    (finding,) = [f for f in check_inspections(reading, units, [2024, 2025]) if f.la == "Cumbria"]
    assert finding.level == WARNING
    assert "had ended" in finding.problem


def test_an_authority_that_the_cube_leaves_out_is_named_as_such(reading: InspectionReading) -> None:
    """As where small authorities are left out by option."""
    units = [unit for unit in stable_units(2010, 2012) if unit.code != LEEDS]
    found = derive_inspections(reading, units, range(2010, 2013))
    assert LEEDS not in found["la"].values
    (finding,) = [
        one for one in check_inspections(reading, units, range(2010, 2013)) if one.la == "Leeds"
    ]
    assert finding.problem == "the authority is not in the cube"
    assert finding.year == 2012


def test_order_is_by_publication_and_sources_follow_it(reading: InspectionReading) -> None:
    units, years = stable_units(2010, 2025), range(2010, 2026)
    found = derive_inspections(reading, units, years)
    assert found["publication_date"].to_index().is_monotonic_increasing
    sources = derive_inspection_sources(reading, units, years)
    assert sources.dims == ("inspection",)
    since_2018 = (found["framework"] == "ILACS").values
    assert set(sources.values[since_2018]) == {"2025.ods"}
    assert set(sources.values[~since_2018]) == {"2023.ods"}


def test_grades_and_dates_survive(reading: InspectionReading) -> None:
    found = derive_inspections(reading, stable_units(2010, 2025), range(2010, 2026))
    york = found.isel(inspection=int(np.flatnonzero(found["grade"].values == 0)[0]))
    assert york["la"].item() == "E06000065"
    assert york["publication_date"].values == np.datetime64("2023-09-04")
    assert york["inspection_date"].values == np.datetime64("2023-07-03")
    meanings = found["grade"].attrs["flag_meanings"].split()
    assert meanings == [grade.replace(" ", "_") for grade in GRADES]
    before = found["inspection_date"].values[found["framework"].values == "SLAC"]
    assert np.isnat(before).all()


@pytest.mark.parametrize("years", [(2010, 2025), (2018, 2018)])
def test_the_group_survives_a_round_trip(
    reading: InspectionReading, years: tuple[int, int], tmp_path: object
) -> None:
    """Also when it is empty: no invented inspection came out in the year ending March 2018."""
    units = stable_units(*years)
    group = derive_inspections(reading, units, range(years[0], years[1] + 1))
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"schema_version": 1}), "/inspections": group}
    )
    path = save_cube(tree, tmp_path / "cube.nc")  # type: ignore[operator]
    loaded = load_cube(path)
    assert cube_hash(loaded) == cube_hash(tree)
    assert loaded["inspections"].sizes["inspection"] == group.sizes["inspection"]


def test_no_files_give_an_empty_group() -> None:
    found = derive_inspections(read_ofsted([]), stable_units(2010, 2014), range(2010, 2015))
    assert found.sizes["inspection"] == 0
    assert found["publication_date"].dtype == "datetime64[ns]"
    assert pd.api.types.is_integer_dtype(found["grade"].dtype)
