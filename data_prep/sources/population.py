"""Reader of the ONS mid-year population estimates that come with the DfE's EES releases.

Children aged 0-17 by authority. A period is the mid-year: mid-2013 is the population of the year
ending March 2014, and a file that ends with mid-2024 belongs to release 2025. Bournemouth, Poole
and old Dorset have ``x`` (not available) to mid-2018: the census files to 2017 have their figures.

One release prints the figures of mid-2012 under mid-2013 and the reverse. A population hardly jumps
to and fro, so an exchange shows in the authorities' series: in the releases of 2024 and 2025, which
are in order, no more than 12 % of authorities would run smoother with two neighbouring years
exchanged, so some 88 % or more would where they had been. The one known exchange is put right, and
the records' release says so; any other is a fault.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from data_prep import register
from data_prep.errors import Fault
from data_prep.sources import ees
from data_prep.sources.ees import Area, Count, Filter, Sheet, Table
from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading

MEASURE = "population_0_17"
POPULATION = Table(
    name="population",
    title="mid-year estimates of children aged 0-17",
    publication="children in need",
    stem="ons_mid-year_population",
    counts=(Count(MEASURE, ("population_estimate",)),),
    filters=(Filter(("age_group",), ("Children aged 0 to 17 years",)),),
    first_year=2013,
    lag=1,
    england_unit=1,
)
# The exchange known to have been published, as years ending March, and what records say of it.
_KNOWN_EXCHANGE = (2013, 2014)
_NOTE = " (mid-2012 and mid-2013 exchanged back)"
# Two years count as exchanged when more authorities than this share run smoother the other way.
_MOST = 0.6


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    return ees.recognise(file, [POPULATION])


def read_population(files: Sequence[RawFile], years: Iterable[int]) -> Reading:
    """Read the populations of ``years`` (financial years) from every release found.

    Raises
    ------
    DataError
        With every fault of every file.
    """
    return ees.build_reading(*read_sheets(files, years))


def read_sheets(files: Sequence[RawFile], years: Iterable[int]) -> tuple[list[Sheet], list[Fault]]:
    """The population files as sheets, which bound hidden counts of their release."""
    wanted = set(years)
    # All years are needed to see whether any were exchanged.
    every = range(POPULATION.first_year or 0, register.LIVE)
    sheets, faults = ees.read_sheets(files, [POPULATION], every)
    kept = []
    for sheet in sheets:
        right, bad = _put_right(sheet)
        faults += bad
        areas = {key: area for key, area in right.areas.items() if key[0] in wanted}
        kept.append(replace(right, areas=areas))
    return kept, faults


def _series(sheet: Sheet) -> dict[str, dict[int, float]]:
    """Figures by latest code and year, so that a new code does not cut a series."""
    found: dict[str, dict[int, float]] = {}
    for (year, code), area in sheet.areas.items():
        value = area.counts[MEASURE].value
        if not math.isnan(value):
            found.setdefault(register.latest_code(code), {})[year] = value
    return found


def _share_smoother(series: dict[str, dict[int, float]], year: int) -> float:
    """Share of authorities whose path is shorter with ``year`` and the year after exchanged."""
    votes = []
    for code, values in series.items():
        if code != register.ENGLAND and {year, year + 1} <= set(values):
            votes.append(_runs_smoother(values, year))
    return sum(votes) / len(votes) if votes else 0.0


def _runs_smoother(values: dict[int, float], year: int) -> bool:
    """Whether a path of four years is shorter with the middle two exchanged."""
    years = [t for t in range(year - 1, year + 3) if t in values]
    turned = {year: year + 1, year + 1: year}
    return _length([values[turned.get(t, t)] for t in years]) < _length([values[t] for t in years])


def _length(path: Sequence[float]) -> float:
    return sum(abs(after - before) for before, after in itertools.pairwise(path))


def _put_right(sheet: Sheet) -> tuple[Sheet, list[Fault]]:
    series = _series(sheet)
    years = sorted({year for year, _ in sheet.areas})
    exchanged = [year for year in years if _share_smoother(series, year) > _MOST]
    first, second = _KNOWN_EXCHANGE
    if not exchanged:
        return sheet, []
    if exchanged != [first]:
        mid = ", ".join(f"mid-{year - 1} and mid-{year}" for year in exchanged)
        return sheet, [
            Fault(
                file=sheet.file.name,
                column=ees.PERIOD,
                value=mid,
                problem="neighbouring years seem to be exchanged: most authorities run smoother "
                "the other way round",
                remedy="fetch the file again, or the population file of a later release",
            )
        ]
    printed = {(year, register.latest_code(code)): a for (year, code), a in sheet.areas.items()}
    turned = {first: second, second: first}
    areas: dict[tuple[int, str], Area] = {}
    for (year, code), area in sheet.areas.items():
        areas[year, code] = area
        if year not in turned:
            continue
        # England's row may be in order where the authorities' rows are not.
        if code != register.ENGLAND or _runs_smoother(series.get(code, {}), first):
            # No authority was created or abolished between the two years.
            other = printed[turned[year], register.latest_code(code)]
            areas[year, code] = replace(area, counts=other.counts, note=_NOTE)
    return replace(sheet, areas=areas), []
