"""From records to the cube of published England (contract: ``docs/artefacts.md``)."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data_prep import checks, geography, register
from data_prep.checks import Finding
from data_prep.errors import DataError, Fault
from data_prep.geography import Unit
from data_prep.indicators import MEASURES, NOT_ADDITIVE, format_regimes
from data_prep.markers import DERIVED, EXACT, NOT_AVAILABLE, NOT_COLLECTED, ROUNDED
from data_prep.register import ENGLAND
from data_prep.releases import LATEST, regimes_by_measure, resolve_releases
from data_prep.schema import (
    CONFIDENCE,
    KNOWN,
    PUBLISHED,
    SCHEMA_VERSION,
    derive_indicators,
    measure_variables,
    measures_in,
)
from data_prep.sources.cin_underlying import read_cin_underlying
from data_prep.sources.files import scan
from data_prep.sources.national import derive_national, describe_coverage, read_national_series

NOTE = (
    "Official statistics of the Department for Education and the Office for National Statistics, "
    "as first published; Crown copyright, Open Government Licence v3.0."
)


def build_published(
    raw: Path,
    years: Sequence[int],
    national_years: Sequence[int] | None = None,
    name: str = "",
    prefer: str = LATEST,
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
    reading = read_cin_underlying(scan(raw), window)
    _require_figures(reading.records, window, raw)
    records = resolve_releases(reading.records, prefer)
    findings = checks.check_records(records, reading.ratios, series)
    _refuse(findings)
    units = geography.stable_units(window[0], window[-1])
    england = derive_national(records, series)
    england = england[england["year"].isin(national)]
    name = name or default_name(years)
    printed = derive_printed(reading.ratios, units, window)
    cube = derive_cube(records, units, window)
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(
                attrs={
                    "title": f"Published England, {window[0]}-{window[-1]}",
                    "kind": PUBLISHED,
                    "name": name,
                    "schema_version": SCHEMA_VERSION,
                    "releases_preferred": prefer,
                    "note": NOTE,
                }
            ),
            "/cube": cube,
            "/indicators": derive_indicators(measures_in(cube)),
            "/national": derive_national_group(england, national),
            "/register": derive_register(units),
            "/provenance": derive_provenance(records, units, window),
            **({"/printed": printed} if printed.sizes["figure"] else {}),
        },
        name=name,
    )
    return tree, findings


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
                    problem="no file of the children in need census for these years",
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


def join_records(records: pd.DataFrame, units: Sequence[Unit]) -> pd.DataFrame:
    """Records of authorities, joined to stable units.

    A unit's count is the sum of its members' counts, and is not available unless all members of
    that year have one. England's rows and authorities of no unit are left out.

    Parameters
    ----------
    records
        One row per authority, year and measure (``schema.RECORD_COLUMNS``).
    units
        Units of the window.

    Returns
    -------
    DataFrame
        The same columns with unit codes in ``la_code``, in the order of unit, measure and year.
    """
    unit_of = {member.la_code: unit.code for unit in units for member in unit.members}
    placed = records[records["la_code"].isin(unit_of)]
    placed = placed.assign(unit=placed["la_code"].map(unit_of))
    keys = ["unit", "measure", "year"]
    placed = placed.sort_values([*keys, "la_code"], ignore_index=True)
    members = {
        (unit.code, year): len(unit.members_in(year))
        for unit in units
        for year in placed["year"].unique()
    }
    expected = pd.Series(
        [members[key] for key in zip(placed["unit"], placed["year"], strict=True)],
        index=placed.index,
        dtype=int,
    )
    alone = placed[expected == 1]
    joined = [
        _join_members(group, int(expected.loc[group.index[0]]))
        for _, group in placed[expected > 1].groupby(keys, sort=True)
    ]
    parts = [alone, pd.DataFrame(joined, columns=placed.columns)] if joined else [alone]
    together = pd.concat(parts, ignore_index=True)
    together["la_code"] = together["unit"]
    return together.sort_values(keys, ignore_index=True)[list(records.columns)]


def _join_members(group: pd.DataFrame, expected: int) -> dict[Hashable, Any]:
    """One record for the members of a unit in one year and measure."""
    first = group.iloc[0].to_dict()
    statuses = set(group["status"])
    confidences = set(group["confidence"])
    first["low_reliability"] = int(group["low_reliability"].max())
    first["confidence"] = confidences.pop() if len(confidences) == 1 else CONFIDENCE["none"]
    complete = len(group) == expected and group["status"].isin(KNOWN).all()
    if complete and first["measure"] not in NOT_ADDITIVE:
        for column in ("value", "lower", "upper"):
            first[column] = group[column].sum(skipna=False)
        first["status"] = statuses.pop() if statuses in ({EXACT}, {ROUNDED}) else DERIVED
    else:
        first["value"] = first["lower"] = first["upper"] = np.nan
        unknown = statuses - set(KNOWN)
        same = len(unknown) == 1 and len(statuses) == 1 and len(group) == expected
        first["status"] = unknown.pop() if same else NOT_AVAILABLE
    return first


def _arrays(
    records: pd.DataFrame, codes: Sequence[str], years: Sequence[int]
) -> dict[str, dict[str, np.ndarray]]:
    """For each measure the arrays (la, year) of :func:`schema.measure_variables`.

    A year in which no authority has a record of the measure was not collected.
    """
    rows = pd.Index(codes).get_indexer(pd.Index(records["la_code"]))
    columns = pd.Index(years).get_indexer(pd.Index(records["year"]))
    shape = (len(codes), len(years))
    found = {}
    for measure in MEASURES:
        chosen = (records["measure"] == measure).to_numpy() & (rows >= 0) & (columns >= 0)
        if not chosen.any():
            continue
        at = rows[chosen], columns[chosen]
        arrays: dict[str, np.ndarray] = {
            "value": np.full(shape, np.nan),
            "lower": np.full(shape, np.nan),
            "upper": np.full(shape, np.nan),
            "status": np.full(shape, NOT_AVAILABLE, "int8"),
            "low_reliability": np.zeros(shape, "int8"),
            "confidence": np.zeros(shape, "int8"),
        }
        arrays["status"][:, np.setdiff1d(np.arange(len(years)), at[1])] = NOT_COLLECTED
        for name, array in arrays.items():
            array[at] = records.loc[chosen, name].to_numpy()
        found[measure] = arrays
    return found


def derive_cube(records: pd.DataFrame, units: Sequence[Unit], years: Sequence[int]) -> xr.Dataset:
    """The group ``/cube``: every measure that has a record, by stable unit and year."""
    codes = [unit.code for unit in units]
    variables: dict[str, xr.DataArray] = {}
    joined = join_records(records, units)
    regimes = regimes_by_measure(joined)
    for measure, arrays in _arrays(joined, codes, years).items():
        confidence = arrays.pop("confidence")
        variables |= measure_variables(
            measure,
            ("la", "year"),
            **arrays,
            confidence=confidence if confidence.any() else None,
        )
        variables[measure].attrs["regimes"] = format_regimes(regimes[measure])
    return xr.Dataset(
        variables,
        coords={
            "la": ("la", np.array(codes), {"long_name": "Code of the stable unit"}),
            "year": _year_coordinate(years),
            "la_name": ("la", np.array([unit.name for unit in units]), {"long_name": "Name"}),
            "region": ("la", np.array([unit.region for unit in units]), {"long_name": "Region"}),
            "la_type": ("la", np.array([unit.la_type for unit in units]), {"long_name": "Type"}),
        },
    )


def _year_coordinate(years: Sequence[int]) -> tuple[str, np.ndarray, dict[str, str]]:
    return (
        "year",
        np.array(years, dtype="int64"),
        {"long_name": "Financial year ending 31 March"},
    )


def derive_national_group(england: pd.DataFrame, years: Sequence[int]) -> xr.Dataset:
    """The group ``/national``: England's totals with what they include."""
    variables: dict[str, xr.DataArray] = {}
    regimes = regimes_by_measure(england)
    for measure, arrays in _arrays(england, [ENGLAND], years).items():
        arrays.pop("confidence")
        variables |= measure_variables(
            measure, ("year",), **{name: array[0] for name, array in arrays.items()}
        )
        coverage = describe_coverage(england[england["measure"] == measure])
        variables[measure].attrs["coverage"] = coverage
        variables[measure].attrs["regimes"] = format_regimes(regimes[measure])
    return xr.Dataset(variables, coords={"year": _year_coordinate(years)})


def derive_register(units: Sequence[Unit]) -> xr.Dataset:
    """The group ``/register``: which authorities each unit joins, and when they existed."""
    rows = [(unit, member) for unit in units for member in unit.members]
    columns = {
        "unit": ("Code of the stable unit", [unit.code for unit, _ in rows]),
        "member_code": ("Code of the authority", [member.la_code for _, member in rows]),
        "member_name": ("Name of the authority", [member.name for _, member in rows]),
        "from_year": (
            f"First year; {register.FIRST_YEAR} or before",
            [member.from_year for _, member in rows],
        ),
        "to_year": (f"Last year; {register.LIVE} while live", [m.to_year for _, m in rows]),
    }
    return xr.Dataset(
        {
            name: ("member", np.array(values), {"long_name": label})
            for name, (label, values) in columns.items()
        }
    )


def derive_provenance(
    records: pd.DataFrame, units: Sequence[Unit], years: Sequence[int]
) -> xr.Dataset:
    """The group ``/provenance``: for each measure the source of each cell, -1 where none speaks."""
    sources = records.sort_values(["year", "source"]).drop_duplicates("source")
    number = {source: index for index, source in enumerate(sources["source"])}
    joined = join_records(records, units)
    codes = [unit.code for unit in units]
    rows = pd.Index(codes).get_indexer(pd.Index(joined["la_code"]))
    columns = pd.Index(years).get_indexer(pd.Index(joined["year"]))
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {}
    for measure in MEASURES:
        chosen = (joined["measure"] == measure).to_numpy()
        if chosen.any():
            index = np.full((len(codes), len(years)), -1, "int16")
            index[rows[chosen], columns[chosen]] = joined.loc[chosen, "source"].map(number)
            label = {"long_name": f"{MEASURES[measure].label}: index into source"}
            variables[measure] = (("la", "year"), index, label)
    return xr.Dataset(
        {
            **variables,
            "source_file": ("source", sources["source"].to_numpy(str), {"long_name": "File"}),
            "release": ("source", sources["release"].to_numpy(str), {"long_name": "Release"}),
        },
        coords={"la": np.array(codes), "year": _year_coordinate(years)},
    )


def derive_printed(ratios: pd.DataFrame, units: Sequence[Unit], years: Sequence[int]) -> xr.Dataset:
    """The group ``/printed``: rates and per cents as the publishers printed them.

    Parameters
    ----------
    ratios
        Printed ratios of authorities and of England (``reading.RATIO_COLUMNS``).
    units
        Units of the window.
    years
        Years of the window.

    Returns
    -------
    Dataset
        One row a figure, of units that were one authority in that year: nobody printed a rate of
        authorities that were joined later. ``la``, ``measure``, ``base`` and ``source`` are
        positions in ``la_code``, ``measure_name`` and ``source_file``: texts would be slow to read.
    """
    unit_of = {member.la_code: unit for unit in units for member in unit.members}
    alone = {(unit.code, year): len(unit.members_in(year)) == 1 for unit in units for year in years}
    kept = ratios[ratios["la_code"].isin(list(unit_of)) & ratios["year"].isin(list(years))]
    kept = kept.assign(unit=[unit_of[code].code for code in kept["la_code"]])
    is_alone = [alone[key] for key in zip(kept["unit"], kept["year"], strict=True)]
    kept = kept[np.array(is_alone, bool)].sort_values(
        ["unit", "measure", "base", "year", "source", "column"], ignore_index=True
    )
    tables = {
        "la_code": ("unit_code", [unit.code for unit in units]),
        "measure_name": ("name", sorted({*kept["measure"], *kept["base"]})),
        "source_file": ("source_number", sorted(set(kept["source"]))),
    }

    def place(column: str, table: str) -> np.ndarray:
        return np.asarray(pd.Index(tables[table][1]).get_indexer(pd.Index(kept[column])), "int16")

    columns = {
        "la": (place("unit", "la_code"), {"long_name": "Authority: position in la_code"}),
        "year": (kept["year"].to_numpy("int16"), {"long_name": "Financial year ending 31 March"}),
        "measure": (place("measure", "measure_name"), {"long_name": "Position in measure_name"}),
        "base": (place("base", "measure_name"), {"long_name": "Position in measure_name"}),
        "per": (kept["per"].to_numpy("int32"), {"long_name": "Printed as measure / base x per"}),
        "printed": (kept["printed"].to_numpy(float), {"long_name": "Rate or per cent as printed"}),
        "half_unit": (
            kept["half_unit"].to_numpy(float),
            {"long_name": "Half of the last printed place"},
        ),
        "source": (place("source", "source_file"), {"long_name": "Position in source_file"}),
    }
    return xr.Dataset(
        {
            **{name: ("figure", values, attrs) for name, (values, attrs) in columns.items()},
            **{name: (dim, np.array(values, "U")) for name, (dim, values) in tables.items()},
        }
    )
