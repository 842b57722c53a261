"""Facts about authorities, beside their figures: deprivation, neighbours, inspections, maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import xarray as xr

from data_prep import adjacency, deprivation, inspections, neighbours
from data_prep.checks import Finding
from data_prep.errors import gather_faults
from data_prep.geography import Unit
from data_prep.sources import boundaries, lookups, ofsted
from data_prep.sources.boundaries import BoundaryReading
from data_prep.sources.deprivation import read_deprivation
from data_prep.sources.files import RawFile
from data_prep.sources.neighbours import read_neighbours
from data_prep.sources.ofsted import InspectionReading


@dataclass(frozen=True)
class Places:
    """What the files say about authorities: scores of deprivation, lists of neighbours, judgements,
    maps; and where official lists contradict the register.
    """

    scores: pd.DataFrame
    lists: pd.DataFrame
    inspected: InspectionReading
    maps: BoundaryReading
    lookups: list[Finding]


def read_places(files: Sequence[RawFile]) -> Places:
    """Read everything about places.

    Raises
    ------
    DataError
        With every fault of every file.
    """
    found: dict[str, object] = {}
    readers: dict[str, Callable[[Sequence[RawFile]], object]] = {
        "scores": read_deprivation,
        "lists": read_neighbours,
        "inspected": ofsted.read_ofsted,
        "maps": boundaries.read_boundaries,
        "lookups": lookups.check_lookups,
    }

    def read(name: str) -> None:
        found[name] = readers[name](files)

    gather_faults(partial(read, name) for name in readers)
    return Places(**found)  # type: ignore[arg-type]


def derive_places(
    places: Places, units: Sequence[Unit], years: Sequence[int], records: pd.DataFrame
) -> tuple[dict[str, xr.Dataset], list[Finding]]:
    """The groups of a cube that tell about places, by path, and what the checks found.

    Parameters
    ----------
    places
        What was read.
    units
        Units of the window.
    years
        Years of the window.
    records
        Resolved records; populations weigh the scores of joined units.
    """
    maps, drawn = boundaries.derive_boundaries(places.maps, units, years)
    groups = {
        "/inspections": inspections.derive_inspections(places.inspected, units, years),
        "/adjacency": adjacency.derive_adjacency(units, years),
        "/boundaries": maps,
    }
    scored = deprivation.derive_deprivation(places.scores, units, years, records)
    listed = neighbours.derive_neighbours(places.lists, units)
    groups |= {
        path: group
        for path, group in (("/deprivation", scored), ("/neighbours", listed))
        if group.sizes["edition"]
    }
    findings = [
        *places.lookups,
        *deprivation.check_deprivation(places.scores, units, years, records),
        *neighbours.check_neighbours(places.lists, units),
        *inspections.check_inspections(places.inspected, units, years),
        *drawn,
    ]
    return groups, findings
