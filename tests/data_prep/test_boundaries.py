"""Reading maps and drawing stable units from them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import register
from data_prep.errors import DataError
from data_prep.geography import stable_units
from data_prep.schema import cube_hash, load_cube, save_cube
from data_prep.sources.boundaries import (
    BoundaryReading,
    derive_boundaries,
    read_boundaries,
    recognise,
)
from data_prep.sources.catalogue import recognise as recognise_any
from data_prep.sources.files import scan

NORTHAMPTONSHIRE, CUMBRIA = "E10000021", "E10000006"

type Feature = dict[str, Any]


def square(at: int) -> list[list[list[float]]]:
    """A polygon of one ring; each ``at`` has its own place."""
    x, y = -5.0 + (at % 20) * 0.3, 50.0 + (at // 20) * 0.3
    return [[[x, y], [x + 0.2, y], [x + 0.2, y + 0.2], [x, y + 0.2], [x, y]]]


def features(year: int, code: str = "CTYUA23CD", name: str = "CTYUA23NM") -> list[Feature]:
    """One square for each authority of a year, Cornwall in two."""
    made = []
    for at, authority in enumerate(register.authorities_in(year)):
        single = authority.name != "Cornwall"
        made.append(
            {
                "type": "Feature",
                "properties": {"FID": at, code: authority.la_code, name: authority.name},
                "geometry": {
                    "type": "Polygon" if single else "MultiPolygon",
                    "coordinates": square(at) if single else [square(at), square(at + 200)],
                },
            }
        )
    return made


def write(folder: Path, made: list[Feature], file: str = "map.geojson") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / file
    path.write_text(json.dumps({"type": "FeatureCollection", "features": made}))
    return path


def read(folder: Path, *years: int) -> BoundaryReading:
    for year in years:
        write(folder, features(year), f"{year}.geojson")
    return read_boundaries(scan(folder))


def drawn(dataset: xr.Dataset, unit: str) -> dict[str, Any]:
    return json.loads(dataset["geojson"].sel(la=unit).item())


def place_of(la_code: str, year: int) -> list[list[list[float]]]:
    return square([a.la_code for a in register.authorities_in(year)].index(la_code))


# ------------------------------------------------------------------------------ recognising


@pytest.mark.parametrize(
    ("code", "name", "label"),
    [
        ("CTYUA23CD", "CTYUA23NM", "map of counties and unitary authorities, 2023"),
        ("ctyua24cd", "ctyua24nm", "map of counties and unitary authorities, 2024"),
        ("code", "name", "map of counties and unitary authorities"),
    ],
)
def test_maps_are_known_by_their_properties(
    code: str, name: str, label: str, tmp_path: Path
) -> None:
    write(tmp_path / "raw", features(2024, code, name), "any.JSON")
    (file,) = scan(tmp_path / "raw")
    assert recognise(file) == label
    assert recognise_any(file) == ("boundaries", label)
    assert read_boundaries([file]).maps[0].year == 2025


@pytest.mark.parametrize(
    "document",
    [
        {"a": 1},
        [],
        {"features": []},
        {"features": "none"},
        {"features": [{"properties": None}]},
        {"features": [{"properties": {"LAD23CD": "E06000001", "LAD23NM": "Hartlepool"}}]},
        {"features": [{"properties": {"code": "E07000001", "name": "A district"}}]},
    ],
)
def test_other_documents_are_left_alone(document: object, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps(document))
    (file,) = scan(tmp_path)
    assert recognise(file) is None
    reading = read_boundaries([file])
    assert reading.maps == ()
    assert [finding.problem for finding in reading.findings] == ["no map"]


def test_a_broken_document_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.geojson").write_text('{"type": "FeatureCollection", "features": [')
    with pytest.raises(DataError, match=r"cut\.geojson.*JSON"):
        read_boundaries(scan(tmp_path))


def test_areas_of_other_countries_are_left_out_and_counted(tmp_path: Path) -> None:
    wales = {"properties": {"CTYUA23CD": "W06000001", "CTYUA23NM": "Anglesey"}, "geometry": None}
    write(tmp_path, [wales, *features(2024)])
    reading = read_boundaries(scan(tmp_path))
    assert len(reading.maps[0].areas) == 153
    assert [finding.problem for finding in reading.findings] == ["1 areas outside England"]


@pytest.mark.parametrize(("year", "latest"), [(2012, 2019), (2020, 2021), (2023, 2023)])
def test_the_year_of_a_map_is_told_by_its_areas(year: int, latest: int, tmp_path: Path) -> None:
    """The latest year with these areas; changes of code alone make no other areas."""
    assert read(tmp_path, year).maps[0].year == latest


# ------------------------------------------------------------------------------ units


def test_every_unit_of_the_map_s_own_year_is_drawn_as_it_is(tmp_path: Path) -> None:
    units = stable_units(2024, 2024)
    found, findings = derive_boundaries(read(tmp_path, 2024), units, [2024])
    assert findings == []
    assert list(found["la"].values) == [unit.code for unit in units]
    assert drawn(found, "E06000001") == {"type": "Polygon", "coordinates": square(0)}
    assert drawn(found, "E06000052")["type"] == "MultiPolygon"
    assert set(found["source_file"].values) == {"2024.geojson"}
    assert "Contains OS data" in found.attrs["attribution"]


def test_a_county_is_drawn_from_the_parts_that_it_was_split_into(tmp_path: Path) -> None:
    found, _ = derive_boundaries(read(tmp_path, 2024), stable_units(2010, 2014), range(2010, 2015))
    for county, parts in (
        (NORTHAMPTONSHIRE, ("E06000061", "E06000062")),
        (CUMBRIA, ("E06000063", "E06000064")),
    ):
        shape = drawn(found, county)
        assert shape["type"] == "MultiPolygon"
        assert shape["coordinates"] == [place_of(part, 2024) for part in parts]


def test_areas_whose_land_was_shared_out_anew_stay_blank_and_are_named(tmp_path: Path) -> None:
    found, findings = derive_boundaries(
        read(tmp_path, 2024), stable_units(2010, 2014), range(2010, 2015)
    )
    blank = found["la"].values[found["geojson"].values == ""]
    assert set(blank) == {"E06000028", "E06000029", "E10000009"}
    assert {finding.la for finding in findings} == {"Bournemouth", "Poole", "Dorset"}
    assert {finding.value for finding in findings} == set(blank)
    # Nor can old areas draw the new ones.
    later, findings = derive_boundaries(
        read(tmp_path / "old", 2012), stable_units(2024, 2024), [2024]
    )
    missing = set(later["la"].values[later["geojson"].values == ""])
    assert missing == {"E06000058", "E06000059", "E06000061", "E06000062", "E06000063", "E06000064"}
    assert {finding.value for finding in findings} == missing


def test_a_joined_unit_is_drawn_from_all_its_members(tmp_path: Path) -> None:
    units, years = stable_units(2010, 2025), range(2010, 2026)
    for year in (2012, 2020, 2022, 2024):
        reading = read(tmp_path / str(year), year)
        found, findings = derive_boundaries(reading, units, years)
        assert findings == []
        shape = drawn(found, "J06000028")["coordinates"]
        members = (
            ("E06000028", "E06000029", "E10000009") if year == 2012 else ("E06000058", "E06000059")
        )
        assert shape == [place_of(member, year) for member in members]


def test_units_are_drawn_alike_when_others_are_left_out(tmp_path: Path) -> None:
    reading, units = read(tmp_path, 2024), stable_units(2010, 2014)
    whole, _ = derive_boundaries(reading, units, range(2010, 2015))
    some, _ = derive_boundaries(reading, units[::7], range(2010, 2015))
    assert list(some["geojson"].values) == list(whole["geojson"].values[::7])


def test_another_map_fills_in_and_is_named(tmp_path: Path) -> None:
    reading = read(tmp_path, 2012, 2024)
    assert [found.year for found in reading.maps] == [2025, 2019]
    found, findings = derive_boundaries(reading, stable_units(2010, 2014), range(2010, 2015))
    # The older map shows all 152; a newer one is not mixed in.
    assert set(found["source_file"].values) == {"2012.geojson"}
    assert findings == []
    found, findings = derive_boundaries(reading, stable_units(2019, 2019), [2019])
    assert set(found["source_file"].values) == {"2012.geojson"}
    only_new = read(tmp_path / "two", 2020, 2023)
    found, findings = derive_boundaries(only_new, stable_units(2021, 2021), [2021])
    assert set(found["source_file"].values) == {"2023.geojson"}
    found, findings = derive_boundaries(
        read(tmp_path / "three", 2012, 2021), stable_units(2022, 2022), [2022]
    )
    assert int((found["geojson"] == "").sum()) == 2
    assert {finding.value for finding in findings} == {"E06000061", "E06000062"}


def test_units_that_the_best_map_does_not_show_come_from_another(tmp_path: Path) -> None:
    """The newer map draws all but Dorset's three; the older one, which draws all but Cheshire's
    and Bedfordshire's parts, gives those.
    """
    reading = read(tmp_path, 2009, 2024)
    found, findings = derive_boundaries(reading, stable_units(2010, 2014), range(2010, 2015))
    assert not (found["geojson"] == "").any()
    sources = {str(la): str(found["source_file"].sel(la=la).item()) for la in found["la"].values}
    other = {la for la, file in sources.items() if file == "2009.geojson"}
    assert other == {"E06000028", "E06000029", "E10000009"}
    assert {finding.value for finding in findings} == other
    assert drawn(found, "E06000028")["coordinates"] == place_of("E06000028", 2009)


@settings(max_examples=25)
@given(data=st.data())
def test_a_unit_is_drawn_from_exactly_its_own_land(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each area of the map is drawn once at most; where all units are drawn, all areas are used."""
    first = data.draw(st.integers(register.FIRST_YEAR, register.LAST_YEAR))
    last = data.draw(st.integers(first, register.LAST_YEAR))
    year = data.draw(st.integers(register.FIRST_YEAR, register.LAST_YEAR))
    units = stable_units(first, last)
    reading = read(tmp_path_factory.mktemp("maps"), year)
    found, findings = derive_boundaries(reading, units, range(first, last + 1))
    corners: list[tuple[float, ...]] = []
    for text in found["geojson"].values:
        if text:
            shape = json.loads(text)
            several = shape["type"] == "MultiPolygon"
            polygons = shape["coordinates"] if several else [shape["coordinates"]]
            corners += [tuple(polygon[0][0]) for polygon in polygons]
    assert len(corners) == len(set(corners))
    blank = int((found["geojson"] == "").sum())
    assert blank == len(findings)
    assert blank > 0 or len(corners) == len(register.authorities_in(year)) + 1
    if first <= year <= last:
        assert blank == 0


def test_no_map_leaves_all_blank_with_one_finding() -> None:
    found, findings = derive_boundaries(read_boundaries([]), stable_units(2010, 2010), [2010])
    assert (found["geojson"] == "").all()
    assert [finding.problem for finding in findings] == ["no map"]


def test_the_group_survives_a_round_trip(tmp_path: Path) -> None:
    units = stable_units(2010, 2014)
    group, _ = derive_boundaries(read(tmp_path / "raw", 2024), units, range(2010, 2015))
    root = xr.Dataset(attrs={"schema_version": 1})
    tree = xr.DataTree.from_dict({"/": root, "/boundaries": group})
    loaded = load_cube(save_cube(tree, tmp_path / "cube.nc"))
    assert cube_hash(loaded) == cube_hash(tree)
    assert drawn(loaded["boundaries"].to_dataset(), "E06000001")["type"] == "Polygon"


# ------------------------------------------------------------------------------ damage

type Edit = Callable[[list[Feature]], Any]


def _shape(value: object) -> Edit:
    return lambda made: made[3].update(geometry=value)


def _ring(*points: object) -> Edit:
    return _shape({"type": "Polygon", "coordinates": [list(points)]})


def _code(text: object) -> Edit:
    return lambda made: made[3]["properties"].update(CTYUA23CD=text)


A, B, C = [-1.0, 52.0], [-1.1, 52.0], [-1.1, 52.1]
DAMAGE: dict[str, tuple[Edit, list[str]]] = {
    "no shape": (_shape(None), ["neither a polygon", "Stockton"]),
    "a point": (_shape({"type": "Point", "coordinates": [0.1, 52.0]}), ["neither a polygon"]),
    "no ring": (_shape({"type": "Polygon", "coordinates": []}), ["without a ring"]),
    "no polygon": (_shape({"type": "MultiPolygon", "coordinates": []}), ["neither a polygon"]),
    "polygon called several": (
        _shape({"type": "MultiPolygon", "coordinates": square(3)}),
        ["something else than pairs"],
    ),
    "several called polygon": (
        _shape({"type": "Polygon", "coordinates": [square(3)]}),
        ["something else than pairs"],
    ),
    "open ring": (_ring(A, B, C, [-1.0, 52.2]), ["not closed"]),
    "short ring": (_ring(A, B, A), ["not closed"]),
    "text": (_ring(A, B, ["-1.1", 52.1], A), ["something else than pairs"]),
    "not a number": (_ring(A, B, [float("nan"), 52.1], A), ["something else than pairs"]),
    "national grid": (
        _ring(
            [430000.0, 280000.0], [430100.0, 280000.0], [430100.0, 280100.0], [430000.0, 280000.0]
        ),
        ["not longitude and latitude", "WGS 84"],
    ),
    "latitude first": (
        _ring([52.0, -1.0], [52.0, -1.1], [52.1, -1.1], [52.0, -1.0]),
        ["not longitude and latitude"],
    ),
    "area missing": (lambda made: made.pop(3), ["without Stockton-on-Tees"]),
    "area twice": (lambda made: made.append(made[3]), ["drawn twice", "Stockton"]),
    "unknown area": (_code("E06000099"), ["no known authority", "E06000099"]),
    "no code": (_code(None), ["no known authority", "Stockton"]),
    "area of another time": (
        lambda made: made.append({**made[3], "properties": {"CTYUA23CD": CUMBRIA}}),
        ["with Cumbria"],
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_with_its_place(damage: str, tmp_path: Path) -> None:
    edit, expected = DAMAGE[damage]
    made = features(2024)
    edit(made)
    write(tmp_path, made, "damaged.geojson")
    with pytest.raises(DataError) as caught:
        read_boundaries(scan(tmp_path))
    for text in ("damaged.geojson", "Remedy", *expected):
        assert text in str(caught.value)


def test_all_faults_come_in_one_message(tmp_path: Path) -> None:
    one, two = features(2024), features(2024)
    _shape(None)(one)
    _code("E06000099")(one[:3] + one[4:])
    _code("E06000099")(two)
    write(tmp_path, one, "one.geojson")
    write(tmp_path, two, "two.geojson")
    with pytest.raises(DataError) as caught:
        read_boundaries(scan(tmp_path))
    assert {fault.file for fault in caught.value.faults} == {"one.geojson", "two.geojson"}
    assert len(caught.value.faults) == 3


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=60)
@given(part=st.sampled_from(["geometry", "properties", "coordinates", "feature"]), value=ANY)
def test_any_document_is_read_rightly_or_refused_once(
    part: str, value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made: list[Any] = features(2024)
    if part == "feature":
        made[3] = value
    elif part == "coordinates":
        made[3]["geometry"]["coordinates"] = value
    else:
        made[3][part] = value
    folder = tmp_path_factory.mktemp("maps")
    write(folder, made)
    with pytest.raises(DataError) as caught:
        read_boundaries(scan(folder))
    assert len(caught.value.faults) == 1


def test_numbers_in_a_third_dimension_are_kept(tmp_path: Path) -> None:
    made = features(2024)
    _ring([*A, 1.0], [*B, 1.0], [*C, 1.0], [*A, 1.0])(made)
    write(tmp_path, made)
    found, _ = derive_boundaries(read_boundaries(scan(tmp_path)), stable_units(2024, 2024), [2024])
    assert np.shape(drawn(found, "E06000004")["coordinates"]) == (1, 4, 3)
