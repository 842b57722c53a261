"""Official maps, where they are at hand: the maps themselves, and borders as they show them."""

import itertools
import json
from pathlib import Path

import pytest

from data_prep import register
from data_prep.adjacency import ISLANDS, borders, derive_adjacency
from data_prep.geography import stable_units
from data_prep.sources.boundaries import BoundaryReading, Map, derive_boundaries, read_boundaries
from data_prep.sources.files import scan

RAW = Path(__file__).parents[2] / ".." / "shared" / "data" / "boundaries"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RAW.is_dir(), reason="the official files are not at ../shared/data"),
]

# Where the maps, which end at the high water mark and are simplified, part from the rule of
# ``adjacency.py``: pairs across tidal water that touch on a map, and have no crossing ...
TOUCHING = {
    frozenset(pair)
    for pair in (
        ("Bexley", "Havering"),
        ("City of London", "Lambeth"),
        ("Newcastle upon Tyne", "South Tyneside"),
        ("Redcar and Cleveland", "Stockton-on-Tees"),
    )
}
# ... and pairs that have one, and that the width of the water parts on a map.
PARTED = {
    frozenset(pair)
    for pair in (
        ("Cornwall", "Plymouth"),
        ("Kent", "Thurrock"),
        ("Liverpool", "Wirral"),
        ("North Tyneside", "South Tyneside"),
    )
}


@pytest.fixture(scope="module")
def reading() -> BoundaryReading:
    return read_boundaries(scan(RAW))


def test_the_years_of_the_maps(reading: BoundaryReading) -> None:
    assert [(found.year, len(found.areas)) for found in reading.maps] == [(2025, 153), (2023, 152)]
    assert reading.findings == ()


def touching(found: Map) -> set[frozenset[str]]:
    """Pairs of areas whose outlines share a line: two points or more, as simplified together."""
    points = {
        area: {(x, y) for polygon in polygons for ring in polygon for x, y, *_ in ring}
        for area, polygons in found.areas.items()
    }
    names = {code: authority.name for code, authority in register.authorities().items()}
    return {
        frozenset((names[one], names[other]))
        for one, other in itertools.combinations(sorted(points), 2)
        if len(points[one] & points[other]) >= 2
    }


@pytest.mark.parametrize("number", [0, 1])
def test_borders_are_those_of_the_map_but_for_tidal_water(
    reading: BoundaryReading, number: int
) -> None:
    found = reading.maps[number]
    mapped = touching(found)
    declared = {
        frozenset((border.name_from, border.name_to)): border.crossing
        for border in borders()
        if {border.la_from, border.la_to} <= set(found.areas)
    }
    assert mapped - set(declared) <= TOUCHING
    assert set(declared) - mapped <= PARTED
    # All that only one of the two shows is across tidal water.
    assert all(declared[pair] for pair in set(declared) - mapped)
    # Nothing is excused that does not happen on one of the maps at least.
    both = [touching(each) for each in reading.maps]
    assert set.union(*both) >= TOUCHING
    assert not PARTED & set.intersection(*both)


def test_islands_touch_nothing(reading: BoundaryReading) -> None:
    names = {register.authorities()[code].name for code in ISLANDS}
    for found in reading.maps:
        assert not {name for pair in touching(found) for name in pair} & names


def test_units_of_the_study_window_are_drawn_but_for_dorset(reading: BoundaryReading) -> None:
    found, findings = derive_boundaries(reading, stable_units(2010, 2014), range(2010, 2015))
    blank = found["la"].values[found["geojson"].values == ""]
    assert set(blank) == {"E06000028", "E06000029", "E10000009"}
    assert [finding.la for finding in findings] == ["Bournemouth", "Poole", "Dorset"]
    northants = json.loads(found["geojson"].sel(la="E10000021").item())
    assert northants["type"] == "MultiPolygon"
    assert len(northants["coordinates"]) == 2


@pytest.mark.parametrize("years", [(2010, 2025), (2019, 2024), (2022, 2023), (2024, 2025)])
def test_all_units_of_later_windows_are_drawn(
    reading: BoundaryReading, years: tuple[int, int]
) -> None:
    units, window = stable_units(*years), range(years[0], years[1] + 1)
    found, findings = derive_boundaries(reading, units, window)
    assert findings == []
    assert not (found["geojson"] == "").any()
    # Everything that has an outline has a border, islands aside.
    edges = derive_adjacency(units, window)
    assert {*edges["la_from"].values, *edges["la_to"].values, *ISLANDS} == set(found["la"].values)
