"""Statistical neighbours of stable units."""

import pandas as pd
import pytest
import xarray as xr

from data_prep import geography, register
from data_prep.checks import PASS, WARNING
from data_prep.neighbours import CLOSENESS, check_neighbours, derive_neighbours
from data_prep.simulated.build import build_simulated
from data_prep.simulated.options import SimulationOptions
from data_prep.sources.neighbours import NEIGHBOUR_COLUMNS

LEEDS, YORK, DERBY = "E08000035", "E06000014", "E06000015"
OLD_NORTHANTS, NORTH, WEST = "E10000021", "E06000061", "E06000062"


def lists(edition: int, neighbours: dict[str, list[str]]) -> pd.DataFrame:
    rows = [
        (edition, code, rank, other, len(CLOSENESS) - rank, "file")
        for code, others in neighbours.items()
        for rank, other in enumerate(others, 1)
    ]
    return pd.DataFrame(rows, columns=list(NEIGHBOUR_COLUMNS))


def listed(group: xr.Dataset, unit: str, edition: int) -> list[str]:
    found = group["neighbour"].sel(la=unit, edition=edition).values
    return [str(code) for code in found]


def test_published_and_simulated_groups_are_alike() -> None:
    units = geography.stable_units(2010, 2014)
    published = derive_neighbours(lists(2021, {LEEDS: [YORK]}), units)
    tree = build_simulated(SimulationOptions(las=12, first_year=2012, last_year=2012))
    simulated = tree["neighbours"].to_dataset()
    # The publisher says in words how close a neighbour is; simulated lists do not.
    assert set(published.variables) - set(simulated.variables) == {"closeness"}
    for name, variable in simulated.variables.items():
        assert published[name].dims == variable.dims
        assert published[name].dtype == variable.dtype
        assert published[name].attrs.items() >= variable.attrs.items()


def test_lists_keep_order_closeness_and_blanks() -> None:
    group = derive_neighbours(
        lists(2021, {LEEDS: [YORK, DERBY]}), geography.stable_units(2010, 2014)
    )
    assert listed(group, LEEDS, 2021) == [YORK, DERBY, *[""] * 8]
    assert listed(group, YORK, 2021) == [""] * 10
    assert list(group["closeness"].sel(la=LEEDS, edition=2021).values) == [5, 4, *[0] * 8]


def test_codes_become_those_of_the_units() -> None:
    units = geography.stable_units(2010, 2014)
    printed = lists(2021, {"E10000002": ["E08000020"], LEEDS: ["E06000048"]})
    group = derive_neighbours(printed, units)
    assert listed(group, "E06000060", 2021)[0] == "E08000037"
    assert listed(group, LEEDS, 2021)[0] == "E06000057"


def test_a_neighbour_that_is_no_unit_is_left_out_and_named() -> None:
    units = geography.stable_units(2010, 2014)
    printed = lists(2021, {LEEDS: [NORTH, YORK]})
    assert listed(derive_neighbours(printed, units), LEEDS, 2021) == [YORK, *[""] * 9]
    findings = check_neighbours(printed, units)
    (named,) = [finding for finding in findings if finding.la == "North Northamptonshire"]
    assert named.level == WARNING
    assert "no unit of this cube" in named.problem


def test_neighbours_that_were_joined_count_once() -> None:
    units = geography.stable_units(2010, 2023)
    printed = lists(2021, {LEEDS: [NORTH, YORK, WEST, DERBY]})
    joined = "J06000061"
    assert listed(derive_neighbours(printed, units), LEEDS, 2021)[:4] == [joined, YORK, DERBY, ""]
    findings = check_neighbours(printed, units)
    assert [finding for finding in findings if "named before it" in finding.problem]


def test_a_joined_unit_takes_the_list_of_the_authority_that_it_was() -> None:
    units = geography.stable_units(2010, 2023)
    printed = lists(2021, {OLD_NORTHANTS: [LEEDS], NORTH: [WEST, YORK], WEST: [NORTH]})
    assert listed(derive_neighbours(printed, units), "J06000061", 2021)[0] == LEEDS


def test_a_joined_unit_without_a_list_of_its_own_has_none() -> None:
    units = geography.stable_units(2010, 2023)
    printed = lists(2025, {NORTH: [WEST, YORK], WEST: [NORTH]})
    assert listed(derive_neighbours(printed, units), "J06000061", 2025) == [""] * 10
    findings = check_neighbours(printed, units)
    names = {unit.code: unit.name for unit in units}
    assert names["J06000061"] in {finding.la for finding in findings}


def test_without_files_there_is_no_edition() -> None:
    units = geography.stable_units(2010, 2014)
    assert derive_neighbours(lists(2021, {}), units).sizes["edition"] == 0
    (finding,) = check_neighbours(lists(2021, {}), units)
    assert finding.level == WARNING


def test_nothing_to_report_is_a_pass() -> None:
    units = geography.stable_units(2022, 2022)
    codes = [authority.la_code for authority in register.authorities_in(2022)]
    around = {code: [codes[index - 1]] for index, code in enumerate(codes)}
    (finding,) = check_neighbours(lists(2021, around), units)
    assert finding.level == PASS


def test_the_group_survives_a_file(tmp_path) -> None:
    group = derive_neighbours(lists(2021, {LEEDS: [YORK]}), geography.stable_units(2010, 2014))
    group.to_netcdf(tmp_path / "group.nc")
    with xr.open_dataset(tmp_path / "group.nc") as back:
        xr.testing.assert_identical(back.load(), group)


@pytest.mark.parametrize("window", [(2010, 2014), (2010, 2023)])
def test_no_unit_neighbours_itself(window: tuple[int, int]) -> None:
    units = geography.stable_units(*window)
    printed = lists(2021, {OLD_NORTHANTS: [NORTH, WEST, LEEDS]})
    group = derive_neighbours(printed, units)
    for unit in units:
        assert unit.code not in listed(group, unit.code, 2021)
