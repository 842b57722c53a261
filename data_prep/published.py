"""Published England: from the official files to the cube."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from data_prep import checks, geography
from data_prep.checks import Finding
from data_prep.cube import (
    derive_cube,
    derive_national_group,
    derive_printed,
    derive_provenance,
    derive_register,
)
from data_prep.errors import DataError, Fault, gather_faults
from data_prep.geography import Unit
from data_prep.inspections import derive_inspection_sources
from data_prep.joining import check_joint_returns
from data_prep.places import Places, derive_places, read_places
from data_prep.register import ENGLAND
from data_prep.releases import LATEST, resolve_releases
from data_prep.schema import PUBLISHED, SCHEMA_VERSION, derive_indicators, measures_in
from data_prep.sources.collect import check_files, collect_records
from data_prep.sources.files import RawFile, scan
from data_prep.sources.national import derive_national, read_national_series
from data_prep.sources.reading import Reading

NOTE = (
    "Official statistics of the Department for Education, Ofsted, the Office for National "
    "Statistics and the Ministry of Housing, Communities and Local Government; Crown copyright, "
    "Open Government Licence v3.0."
)


def build_published(
    raw: Path,
    years: Sequence[int],
    national_years: Sequence[int] | None = None,
    name: str = "",
    prefer: str = LATEST,
    least_children: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[xr.DataTree, list[Finding]]:
    """Build the cube of published England from the official files below ``raw``.

    Parameters
    ----------
    raw
        Folder that holds the publishers' files, at any depth.
    years
        First and last year of the window, or every year of it: the span is what counts.
    national_years
        Likewise for England's totals; the same years when None.
    name
        Name of the cube; from the years when blank.
    prefer
        Which release wins where several publish a figure: ``latest`` or ``first``.
    least_children
        Units with fewer children than this in any year of the window are left out.
    report
        Told of each step before it is taken.

    Returns
    -------
    tuple
        The cube, without a hash until it is saved, and the findings of all checks, none a FAIL.

    Raises
    ------
    DataError
        With every fault of the input, or every FAIL of the checks.
    """
    window = _span(years)
    national = _span(national_years) if national_years else window
    geography.check_window(window[0], window[-1])
    series = read_national_series(sorted({*window, *national}))
    report("files")
    files = scan(raw)
    findings = list(check_files(files))
    reading, places = _read(files, window, report)
    _require_figures(reading.records, window, raw)
    report("checks")
    findings += checks.check_releases(reading.records, reading.ratios)
    _refuse(findings)
    records = resolve_releases(reading.records, prefer)
    findings += checks.check_records(records, series)
    _refuse(findings)
    report("groups of the cube")
    units = geography.stable_units(window[0], window[-1])
    cube = derive_cube(records, units, window)
    small = _small_units(cube, units, least_children)
    if small:
        findings += _left_out(small, least_children)
        units = [unit for unit in units if unit not in small]
        cube = derive_cube(records, units, window)
    findings += check_joint_returns(records, units, window)
    about, found = derive_places(places, units, window, records)
    findings += found
    _refuse(findings)
    england = derive_national(records, series)
    england = england[england["year"].isin(national)]
    name = name or default_name(years)
    ratios = reading.ratios.join(checks.rebuilt_bounds(reading.records, reading.ratios))
    printed = derive_printed(ratios, units, window)
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(
                attrs={
                    "title": f"Published England, {window[0]}-{window[-1]}",
                    "kind": PUBLISHED,
                    "name": name,
                    "schema_version": SCHEMA_VERSION,
                    "releases_preferred": prefer,
                    "least_children": least_children,
                    "note": NOTE,
                }
            ),
            "/cube": cube,
            "/indicators": derive_indicators(measures_in(cube)),
            "/national": derive_national_group(england, national),
            "/register": derive_register(units),
            "/provenance": derive_provenance(records, units, window).assign(
                inspection_source=derive_inspection_sources(places.inspected, units, window)
            ),
            **about,
            **({"/printed": printed} if printed.sizes["figure"] else {}),
        },
        name=name,
    )
    return tree, findings


def _read(
    files: Sequence[RawFile], years: Sequence[int], report: Callable[[str], None]
) -> tuple[Reading, Places]:
    """Figures and facts of all files; one DataError with the faults of all."""
    readings: list[Reading] = []
    places: list[Places] = []

    def read_facts() -> None:
        report("deprivation, neighbours, inspections, maps")
        places.append(read_places(files))

    gather_faults(
        [lambda: readings.append(collect_records(files, years, report)), read_facts],
    )
    return readings[0], places[0]


def _small_units(cube: xr.Dataset, units: Sequence[Unit], least: int) -> list[Unit]:
    """Units with fewer children than ``least`` in any year, whatever their rounding."""
    children = cube["population_0_17_upper"].min("year").to_series()
    return [unit for unit in units if children[unit.code] < least]


def _left_out(units: Sequence[Unit], least: int) -> Iterator[Finding]:
    for unit in units:
        yield Finding(
            "small authorities",
            checks.WARNING,
            f"left out by option: fewer than {least:,} children",
            "build without LEAST_CHILDREN to keep it",
            la=unit.name,
        )


def default_name(years: Sequence[int]) -> str:
    """Name of a cube of published England when none is given."""
    first, last = min(years), max(years)
    return f"published-{first}-{last}" if first < last else f"published-{first}"


def _span(years: Sequence[int]) -> list[int]:
    if not years:
        raise DataError(
            [Fault(column="years", problem="no years selected", remedy="write --years 2010-2014")]
        )
    return list(range(min(years), max(years) + 1))


def _require_figures(records: pd.DataFrame, window: Sequence[int], raw: Path) -> None:
    """Refuse a window with years of which no file says anything."""
    found = set(records.loc[records["la_code"] != ENGLAND, "year"])
    missing = [year for year in window if year not in found]
    if missing:
        raise DataError(
            [
                Fault(
                    file=str(raw),
                    column="years",
                    value=", ".join(map(str, missing)),
                    problem="no file has a figure of an authority for these years",
                    remedy="put the publisher's files there, or choose other years",
                )
            ]
        )


def _refuse(findings: Sequence[Finding]) -> None:
    faults = [
        Fault(
            problem=f"{finding.check}: {finding.problem}",
            remedy=finding.remedy or "fetch the file again",
            file=finding.file,
            value=", ".join(
                part for part in (finding.la, str(finding.year or ""), finding.value) if part
            ),
        )
        for finding in findings
        if finding.level == checks.FAIL
    ]
    if faults:
        raise DataError(faults)
