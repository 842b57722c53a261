"""The groups of the cube of published England (contract: ``docs/artefacts.md``)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from data_prep import register
from data_prep.geography import Unit
from data_prep.indicators import MEASURES, format_regimes
from data_prep.joining import join_records
from data_prep.markers import NOT_AVAILABLE, NOT_COLLECTED
from data_prep.register import ENGLAND
from data_prep.releases import regimes_by_measure
from data_prep.schema import measure_variables
from data_prep.sources.national import describe_coverage


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
        Printed ratios of authorities and of England (``reading.RATIO_COLUMNS``), with what the
        counts of their own release allow (``checks.rebuilt_bounds``).
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
        "rebuilt_lower": (
            kept["rebuilt_lower"].to_numpy(float),
            {"long_name": "Least that the counts of the same release allow; NaN: not testable"},
        ),
        "rebuilt_upper": (
            kept["rebuilt_upper"].to_numpy(float),
            {"long_name": "Most that the counts of the same release allow; NaN: not testable"},
        ),
        "source": (place("source", "source_file"), {"long_name": "Position in source_file"}),
    }
    return xr.Dataset(
        {
            **{name: ("figure", values, attrs) for name, (values, attrs) in columns.items()},
            **{name: (dim, np.array(values, "U")) for name, (dim, values) in tables.items()},
        }
    )
