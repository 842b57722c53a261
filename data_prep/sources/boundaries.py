"""Reader of maps of counties and unitary authorities, and the group ``/boundaries``.

The Office for National Statistics publishes a map a year, as GeoJSON in longitude and latitude. A
map is known by its properties, and its year by its areas, which must be exactly those of one year
of the register: a map with an area missing or strange is refused.

A unit is drawn where some map shows its area: as one of the map's areas, or as several that make it
up (Northamptonshire from its two successors). Where succession moved land between authorities (the
three authorities of Dorset before 2019), no map of another year shows the parts, and they stay
blank with a finding.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from data_prep import register
from data_prep.checks import PASS, WARNING, Finding
from data_prep.errors import DataError, Fault
from data_prep.geography import Unit
from data_prep.sources.files import RawFile
from data_prep.sources.layouts import unknown_layout

TITLE = "map of counties and unitary authorities"
ATTRIBUTION = (
    "Source: Office for National Statistics licensed under the Open Government Licence v.3.0. "
    "Contains OS data © Crown copyright and database right."
)
CHECK = "boundaries"
# Names of the properties that hold code and name, as the publisher's and as plain tables have them.
_CODE = re.compile(r"CTYUA(\d\d)CD|code", re.IGNORECASE)
_NAME = re.compile(r"CTYUA(\d\d)NM|name", re.IGNORECASE)
# For messages: ``23`` stands for the year of any map.
_PROPERTIES = ("CTYUA23CD", "CTYUA23NM")
# Maps of districts hold the other kinds of authorities, too.
_COUNTY = re.compile(r"E10\d{6}")
_ENGLISH = re.compile(r"E(06|08|09|10)\d{6}")
# Areas of the other countries, which maps of the United Kingdom hold too.
_ELSEWHERE = ("N", "S", "W")
# England in longitude and latitude, with room to spare.
_WEST, _EAST, _SOUTH, _NORTH = -8.0, 3.0, 49.0, 57.0

type Ring = list[list[float]]
type Polygon = list[Ring]


@dataclass(frozen=True)
class Map:
    """One map. ``year`` is the latest financial year whose authorities it shows; ``areas`` holds
    the polygons of each by its newest code.
    """

    file: str
    year: int
    areas: Mapping[str, tuple[Polygon, ...]]


@dataclass(frozen=True)
class BoundaryReading:
    """All maps, the newest first, and what was found in them."""

    maps: tuple[Map, ...]
    findings: tuple[Finding, ...]


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source.

    Raises
    ------
    DataError
        When a file that is called a map is no JSON document.
    """
    found = _identify(file)
    if found is None:
        return None
    edition = _CODE.fullmatch(found[1][0])
    year = f", 20{edition[1]}" if edition and edition[1] else ""
    return f"{TITLE}{year}"


def _identify(file: RawFile) -> tuple[list[Any], tuple[str, str]] | None:
    """Features of a map of this source and the names of the properties with code and name."""
    if not file.is_map:
        return None
    features = _features(_document(file))
    names = _property_names(features[0]) if features else None
    if names is None:
        return None
    codes = (_property(feature, names[0]) for feature in features)
    return (features, names) if any(_ENGLISH.fullmatch(code) for code in codes) else None


def read_boundaries(files: Sequence[RawFile]) -> BoundaryReading:
    """Read every map among ``files``.

    Raises
    ------
    DataError
        With every fault: areas missing, unknown or drawn twice, shapes that are none, coordinates
        outside England.
    """
    maps: list[Map] = []
    findings: list[Finding] = []
    faults: list[Fault] = []
    for file in files:
        identified = _identify(file)
        if identified is None:
            faults += _check_stranger(file)
            continue
        read, found, bad = _read_map(file.name, *identified)
        maps += [read] if read else []
        findings += found
        faults += bad
    if faults:
        raise DataError(faults)
    if not maps:
        findings.append(Finding(CHECK, WARNING, "no map", "fetch one with 'make data'"))
    maps.sort(key=lambda found: (-found.year, found.file))
    return BoundaryReading(tuple(maps), tuple(findings))


def _check_stranger(file: RawFile) -> list[Fault]:
    """Refuse a map of counties whose properties bear other names than those declared."""
    if not file.is_map:
        return []
    for feature in _features(_document(file)):
        found = _properties(feature)
        if any(_COUNTY.fullmatch(str(value)) for value in found.values()):
            return [unknown_layout(file.name, list(found), _PROPERTIES, f"the {TITLE}")]
    return []


# ------------------------------------------------------------------------------ reading a map


def _document(file: RawFile) -> Any:
    try:
        return json.loads(file.location.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(
            [
                Fault(
                    file=file.name,
                    problem=f"not a readable JSON document ({error})",
                    remedy="fetch the file again",
                )
            ]
        ) from error


def _features(document: Any) -> list[Any]:
    features = document.get("features") if isinstance(document, dict) else None
    return features if isinstance(features, list) else []


def _properties(feature: Any) -> dict[str, Any]:
    found = feature.get("properties") if isinstance(feature, dict) else None
    return found if isinstance(found, dict) else {}


def _property_names(feature: Any) -> tuple[str, str] | None:
    """Names of the properties that hold code and name, or None."""
    names = list(_properties(feature))
    code = next((name for name in names if _CODE.fullmatch(name)), None)
    name = next((name for name in names if _NAME.fullmatch(name)), None)
    return (code, name) if code and name else None


def _property(feature: Any, name: str) -> str:
    return str(_properties(feature).get(name) or "").strip()


def _read_map(
    file: str, features: Sequence[Any], names: tuple[str, str]
) -> tuple[Map | None, list[Finding], list[Fault]]:
    faults: list[Fault] = []
    areas: dict[str, tuple[Polygon, ...]] = {}
    elsewhere = 0
    for number, feature in enumerate(features, 1):
        code, name = (_property(feature, prop) for prop in names)
        if code[:1] in _ELSEWHERE:
            elsewhere += 1
            continue
        area = register.latest_code(code)
        problem = ""
        if code not in register.authorities():
            problem = "area of no known authority"
        elif area in areas:
            problem = "area drawn twice"
        if problem:
            faults.append(
                Fault(problem, "fetch the map again", file, number, names[0], f"{code} {name}")
            )
            continue
        geometry = feature.get("geometry")
        areas[area] = _polygons(geometry if isinstance(geometry, dict) else {})
        wrong = _shape_fault(areas[area])
        if wrong:
            faults.append(
                Fault(
                    wrong,
                    "fetch the map again, as GeoJSON in WGS 84",
                    file,
                    number,
                    "geometry",
                    f"{code} {name}",
                )
            )
    year = _year_of(set(areas))
    if year is None and not faults:
        faults.append(_wrong_areas(file, set(areas)))
    if faults or year is None:
        return None, [], faults
    findings = []
    if elsewhere:
        findings.append(
            Finding(CHECK, PASS, f"{elsewhere} areas outside England", "left out", file)
        )
    return Map(file, year, areas), findings, []


def _polygons(geometry: Mapping[str, Any]) -> tuple[Polygon, ...]:
    """Polygons of a geometry; none where it is neither a polygon nor several."""
    shape, drawn = geometry.get("type"), geometry.get("coordinates")
    if not isinstance(drawn, list):
        return ()
    return {"Polygon": (drawn,), "MultiPolygon": tuple(drawn)}.get(str(shape), ())


def _shape_fault(polygons: Sequence[Any]) -> str:
    """What is wrong with the shape of an area, or blank."""
    if not polygons:
        return "neither a polygon nor several"
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            return "a polygon without a ring"
        for ring in polygon:
            if not isinstance(ring, list) or not all(map(_is_position, ring)):
                return "a ring of something else than pairs of numbers"
            if len(ring) < 4 or ring[0][:2] != ring[-1][:2]:
                return "a ring that is not closed"
            if not all(_WEST < x < _EAST and _SOUTH < y < _NORTH for x, y, *_ in ring):
                return "coordinates that are not longitude and latitude in England"
    return ""


def _is_position(point: object) -> bool:
    return (
        isinstance(point, list)
        and len(point) in (2, 3)
        and all(
            isinstance(number, int | float)
            and not isinstance(number, bool)
            and math.isfinite(number)
            for number in point
        )
    )


@cache
def _areas_in(year: int) -> frozenset[str]:
    return frozenset(register.latest_code(a.la_code) for a in register.authorities_in(year))


def _year_of(areas: set[str]) -> int | None:
    """The latest year of the register that has exactly these areas, or None."""
    years = range(register.LAST_YEAR, register.FIRST_YEAR - 1, -1)
    return next((year for year in years if _areas_in(year) == areas), None)


def _wrong_areas(file: str, areas: set[str]) -> Fault:
    """What parts a map's areas from those of the year that they resemble most."""
    years = range(register.LAST_YEAR, register.FIRST_YEAR - 1, -1)
    near = min(years, key=lambda year: len(_areas_in(year) ^ areas))
    known = register.authorities()
    parts = [
        f"{label} {', '.join(known[code].name for code in sorted(codes))}"
        for label, codes in (
            ("without", _areas_in(near) - areas),
            ("with", areas - _areas_in(near)),
        )
        if codes
    ]
    return Fault(
        f"not the authorities of one year: those of the year ending March {near} "
        f"{' and '.join(parts)}",
        "fetch the map again",
        file,
        value=f"{len(areas)} areas",
    )


# ------------------------------------------------------------------------------ maps to units


def derive_boundaries(
    reading: BoundaryReading, units: Sequence[Unit], years: Iterable[int]
) -> tuple[xr.Dataset, list[Finding]]:
    """The group ``/boundaries`` (la), and the units that no map shows or that another map shows.

    The map that shows most units draws all that it can, the newest of several; the others fill in.

    Parameters
    ----------
    reading
        The maps, from :func:`read_boundaries`.
    units
        Stable units of the window.
    years
        Financial years of the cube.

    Returns
    -------
    tuple
        ``geojson(la)``, the text of a GeoJSON geometry in longitude and latitude, blank where no
        map shows the unit, and ``source_file(la)``; and every finding, those of the reader first.
    """
    last = max(years)
    drawn = {
        number: {unit.code: parts for unit in units if (parts := _parts(unit, last, found.year))}
        for number, found in enumerate(reading.maps)
    }
    order = sorted(drawn, key=lambda number: (-len(drawn[number]), number))
    findings = list(reading.findings)
    texts: list[str] = []
    sources: list[str] = []
    for unit in units:
        number = next((at for at in order if unit.code in drawn[at]), None)
        if number is None:
            texts.append("")
            sources.append("")
            if reading.maps:
                findings.append(
                    Finding(
                        CHECK,
                        WARNING,
                        "no map shows this area: its land was shared out anew",
                        "left blank; a map of a year in which it existed would show it",
                        la=unit.name,
                        year=last,
                        value=unit.code,
                    )
                )
            continue
        found = reading.maps[number]
        parts = drawn[number][unit.code]
        texts.append(_geometry([polygon for part in parts for polygon in found.areas[part]]))
        sources.append(found.file)
        if number != order[0]:
            findings.append(
                Finding(
                    CHECK,
                    WARNING,
                    f"{reading.maps[order[0]].file} does not show this area",
                    "drawn from another map; its edges may differ a little from its neighbours'",
                    found.file,
                    unit.name,
                    last,
                    unit.code,
                )
            )
    dataset = xr.Dataset(
        {
            "geojson": (
                "la",
                np.array(texts, dtype=str),
                {"long_name": "Boundary as a GeoJSON geometry, WGS 84"},
            ),
            "source_file": ("la", np.array(sources, dtype=str), {"long_name": "Map"}),
        },
        coords={
            "la": (
                "la",
                np.array([unit.code for unit in units], dtype="<U9"),
                {"long_name": "Code of the stable unit"},
            )
        },
        attrs={"attribution": ATTRIBUTION},
    )
    return dataset, findings


@cache
def _heirs() -> dict[str, frozenset[str]]:
    """Areas that received land of each area when it ended, by newest codes."""
    heirs: dict[str, set[str]] = {}
    for link in register.SUCCESSIONS:
        if not link.code_only:
            heirs.setdefault(link.old, set()).add(register.latest_code(link.new))
    return {old: frozenset(new) for old, new in heirs.items()}


@cache
def _descendants(area: str) -> frozenset[str]:
    """The area and all that hold land of it later."""
    later = (_descendants(heir) for heir in _heirs().get(area, frozenset()))
    return frozenset({area}).union(*later)


def _share_land(one: str, other: str) -> bool:
    return other in _descendants(one) or one in _descendants(other)


def _parts(unit: Unit, year: int, map_year: int) -> list[str]:
    """Areas of a map that make up a unit exactly, or none.

    Parameters
    ----------
    unit
        A stable unit whose members exist in ``year``.
    year
        A year of the window.
    map_year
        A year whose areas the map shows, all of them.
    """
    own = {register.latest_code(member.la_code) for member in unit.members_in(year)}
    parts = {area for area in _areas_in(map_year) if any(_share_land(area, one) for one in own)}
    # Exact when none but the unit's own members held land of these areas.
    holders = {area for area in _areas_in(year) if any(_share_land(area, part) for part in parts)}
    return sorted(parts) if parts and holders == own else []


def _geometry(polygons: Sequence[Polygon]) -> str:
    single = len(polygons) == 1
    return json.dumps(
        {
            "type": "Polygon" if single else "MultiPolygon",
            "coordinates": polygons[0] if single else list(polygons),
        },
        separators=(",", ":"),
    )
