"""The group ``/inspections`` of published England: judgements by stable unit.

A judgement belongs to the financial year in which its report came out, and is kept when the cube
holds that year.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import xarray as xr

from data_prep import register
from data_prep.checks import PASS, WARNING, Finding
from data_prep.geography import Unit
from data_prep.schema import FRAMEWORKS, GRADES, flag_attributes
from data_prep.sources.ofsted import CHECK, InspectionReading

_FRAMEWORK_TYPE = f"<U{max(map(len, FRAMEWORKS))}"


def derive_inspections(
    reading: InspectionReading, units: Sequence[Unit], years: Iterable[int]
) -> xr.Dataset:
    """The group ``/inspections`` (inspection), in order of publication and then of unit.

    Parameters
    ----------
    reading
        All judgements, from :func:`data_prep.sources.ofsted.read_ofsted`.
    units
        Stable units of the window. An inspection of one member stands under the unit's code.
    years
        Financial years of the cube.
    """
    kept = _select(reading.inspections, units, years)
    return xr.Dataset(
        {
            "la": ("inspection", kept["unit"].to_numpy("<U9"), {"long_name": "Authority"}),
            "framework": (
                "inspection",
                kept["framework"].to_numpy(_FRAMEWORK_TYPE),
                {"long_name": "Framework"},
            ),
            "grade": (
                "inspection",
                kept["grade"].to_numpy("int8"),
                flag_attributes(GRADES, "Overall effectiveness; SLAC: safeguarding effectiveness"),
            ),
            # netCDF gives dates back in nanoseconds; another resolution would change the hash.
            "publication_date": (
                "inspection",
                kept["publication_date"].to_numpy("datetime64[ns]"),
                {"long_name": "Report published"},
            ),
            "inspection_date": (
                "inspection",
                kept["inspection_date"].to_numpy("datetime64[ns]"),
                {"long_name": "Inspection began"},
            ),
            "reinspection": (
                "inspection",
                kept["reinspection"].to_numpy("int8"),
                {"long_name": "Re-inspection"},
            ),
        }
    )


def derive_inspection_sources(
    reading: InspectionReading, units: Sequence[Unit], years: Iterable[int]
) -> xr.DataArray:
    """The files that print each inspection (inspection), newest first and parted by ``; ``; a
    variable of ``/provenance`` in the order of :func:`derive_inspections`.
    """
    kept = _select(reading.inspections, units, years)
    return xr.DataArray(
        kept["source"].to_numpy(str),
        dims="inspection",
        name="inspection_source",
        attrs={"long_name": "Files that print the inspection"},
    )


def check_inspections(
    reading: InspectionReading, units: Sequence[Unit], years: Iterable[int]
) -> list[Finding]:
    """What the files hold that the cube does not, and what stands for more than it was given for.

    Every finding of the reader; for each framework how many judgements came out in other years;
    and each judgement of one of several members that a unit had in that year.
    """
    window = sorted(set(years))
    found = list(reading.findings)
    placed = _place(reading.inspections, units)
    outside = placed[~placed["year"].isin(window)]
    for framework, group in outside.groupby("framework", sort=False):
        found.append(
            Finding(
                CHECK,
                PASS,
                f"{len(group)} judgements of {framework} were published in other years than the "
                "cube's",
                "left out",
                value=f"{group['year'].min()}-{group['year'].max()}",
            )
        )
    members = {unit.code: unit for unit in units}
    inside = placed[placed["year"].isin(window)]
    for row in inside.to_dict("records"):
        unit = members.get(row["unit"])
        authority = register.authorities()[row["la_code"]]
        if unit is None and not any(authority.exists_in(year) for year in window):
            problem, remedy = "the authority had ended before the cube's first year", "left out"
        elif unit is None:
            problem, remedy = "the authority is not in the cube", "left out"
        elif len(unit.members_in(row["year"])) > 1:
            problem = f"judges one of the authorities that are joined in {unit.code}"
            remedy = "kept under the joined unit"
        else:
            continue
        found.append(
            Finding(
                CHECK,
                WARNING,
                problem,
                remedy,
                row["source"],
                authority.name,
                row["year"],
                f"{row['publication_date']:%Y-%m-%d}",
            )
        )
    return found


def _place(inspections: pd.DataFrame, units: Sequence[Unit]) -> pd.DataFrame:
    """Judgements with the ``unit`` they belong to, blank where none, and their ``year``."""
    unit_of: Mapping[str, str] = {
        member.la_code: unit.code for unit in units for member in unit.members
    }
    dates = inspections["publication_date"].dt
    return inspections.assign(
        unit=inspections["la_code"].map(unit_of).fillna("").astype(str),
        year=(dates.year + (dates.month >= 4)).astype(int),
    )


def _select(inspections: pd.DataFrame, units: Sequence[Unit], years: Iterable[int]) -> pd.DataFrame:
    placed = _place(inspections, units)
    kept = placed[placed["year"].isin(list(years)) & (placed["unit"] != "")]
    order = ["publication_date", "unit", "framework", "la_code"]
    return kept.sort_values(order, ignore_index=True, kind="stable")
