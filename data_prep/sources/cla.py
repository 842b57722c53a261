"""Reader of DfE looked-after children: children looked after at 31 March and children who started.

Three publications: the authority tables of first releases 2010-2017 (``cla_sfr.py``), the rates
table of any later release (that of 2025 holds 2021-2025) and the national time series (that of 2024
holds 1994-2024). No table of authorities for 2018-2020 is among those at hand, and from 2011 to
2017 none prints starts.

Counts of authorities are exact in every one of them; England is rounded to 100 in 2010 and to 10
otherwise, rates are whole numbers. A record says which release it comes from: a later release may
differ from an earlier one for the same year, and choosing is left to the cube.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from data_prep import suppression
from data_prep.errors import DataError, Fault
from data_prep.markers import (
    NOT_APPLICABLE,
    NOT_AVAILABLE,
    SUPPRESSED,
    Cell,
    Dialect,
    rounded_cell,
)
from data_prep.register import ENGLAND
from data_prep.schema import CONFIDENCE
from data_prep.sources import wide
from data_prep.sources.cla_sfr import read_releases, recognise_release
from data_prep.sources.files import RawFile
from data_prep.sources.panel import (
    LATEST,
    Panel,
    PanelLine,
    last_period,
    name_release,
    read_panel,
)
from data_prep.sources.reading import Reading, make_reading

ENGLAND_UNIT = 10
_PER_CHILD, _HALF_RATE = 10_000, 0.5
_POPULATION, _COUNT, _RATE = "population_estimate", "children_count", "rate_per_10000"
_AT_31_MARCH = "Children looked after on 31 March each year"

# Of release 2025: ``z`` for authorities of another time and for the Isles of Scilly.
EES = Dialect(
    "Explore Education Statistics, looked-after children",
    {"c": SUPPRESSED, "x": NOT_AVAILABLE, "z": NOT_APPLICABLE},
)
MEASURES_OF_RATES = {
    _AT_31_MARCH: "cla_at_31_march",
    "Children starting to be looked after each year": "cla_starts",
}
RATES = Panel(
    name="looked-after children, number and rate per 10,000",
    release="Children looked after in England",
    file_name="ees2025_cla_number_and_rate_per_10k_children.csv",
    years=range(2018, LATEST),
    dialect=EES,
    figures=(_POPULATION, _COUNT, _RATE),
    unused=(),
    fingerprint=frozenset({"population_type", _COUNT, _RATE}),
    category="population_type",
    categories=frozenset({*MEASURES_OF_RATES, "Children ceasing to be looked after each year"}),
    wanted=frozenset(MEASURES_OF_RATES),
)

MEASURES_OF_SERIES = {
    "Children looked after at 31 March": "cla_at_31_march",
    "Children starting to be looked after during the year": "cla_starts",
}
SERIES = Panel(
    name="looked-after children, national time series",
    release="Children looked after in England, national time series",
    file_name="cla_time_series_1994_2024_national.csv",
    years=range(1994, LATEST),
    dialect=Dialect("national time series", {"x": NOT_AVAILABLE}),
    figures=("number",),
    unused=(),
    fingerprint=frozenset({"population_count"}),
    category="population_count",
    categories=frozenset(
        {
            *MEASURES_OF_SERIES,
            "Children ceasing to be looked after during the year",
            "Children looked after at 31 March who were unaccompanied asylum-seeking children",
            "Children looked after who were adopted during the year",
        }
    ),
    wanted=frozenset(MEASURES_OF_SERIES),
    is_national=True,
)
_PANELS = (RATES, SERIES)


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    release = recognise_release(file)
    if release or not file.header:
        return release
    plan = wide.find_layout(file.header, _PANELS)
    return plan.name if plan else None


def read_cla(files: Sequence[RawFile], years: Iterable[int]) -> Reading:
    """Read looked-after children of ``years``: every release that speaks of them.

    One authority, year and measure may have records of several releases; ``released`` tells them
    apart. England's rows carry ``E92000001``. The rates table prints its populations, which are
    handed on as ``population_0_17`` so that its rates can be held against them.

    Raises
    ------
    DataError
        With every fault of every file: two files of one table, columns missing or unknown, rows
        duplicated or missing, codes unknown, cells that are no numbers.
    """
    wanted = sorted(set(years))
    records, faults = read_releases(files, wanted)
    ratios: list[tuple] = []
    found, bad = wide.find_files(files, _PANELS, wanted, lambda plan, file: last_period(file))
    faults += bad
    for plan, file in found.values():
        bad = wide.check_header(file, plan)
        if not bad:
            lines, bad = read_panel(file, plan, wanted)
            if not bad:
                bad = _read_table(file, plan, lines, records, ratios)
        faults += bad
    if faults:
        raise DataError(faults)
    return make_reading(records, ratios)


def _read_table(
    file: RawFile,
    plan: Panel,
    lines: Sequence[PanelLine],
    records: list[tuple],
    ratios: list[tuple],
) -> list[Fault]:
    """Append the records and ratios of a table; return its faults instead, if any."""
    faults: list[Fault] = []
    cells: dict[int, dict[str, Cell]] = {}
    for line in lines:
        cells[line.number] = {
            header: wide.read_cell(file.name, line, header, plan.dialect, decimals=0, faults=faults)
            for header in plan.figures
        }
    if faults:
        return faults
    count = plan.figures[-1] if plan.is_national else _COUNT
    release = name_release(file, plan)
    measures = MEASURES_OF_SERIES if plan.is_national else MEASURES_OF_RATES
    for line in lines:
        cell = cells[line.number][count]
        if line.la_code == ENGLAND:
            faults += _check_england(file, line, count, cell)
            cells[line.number][count] = rounded_cell(cell.value, ENGLAND_UNIT)
    if not plan.is_national:
        faults += _check_populations(file, lines, cells)
        _bound_by_rates(lines, cells)
        bound_hidden(lines, cells, count)
    if faults:
        return faults
    for line in lines:
        measure = measures[line.category]
        _append(records, file, release, line, measure, cells[line.number][count])
        if plan.is_national:
            continue
        rate = cells[line.number][_RATE]
        if line.category == _AT_31_MARCH:
            population = cells[line.number][_POPULATION]
            _append(records, file, release, line, "population_0_17", population)
        if rate.is_known and not rate.is_hidden:
            ratios.append(
                (
                    line.la_code,
                    line.year,
                    measure,
                    "population_0_17",
                    _PER_CHILD,
                    rate.value,
                    _HALF_RATE,
                    _RATE,
                    file.name,
                    release[0],
                )
            )
    return []


def _append(
    records: list[tuple],
    file: RawFile,
    release: tuple[int, str],
    line: PanelLine,
    measure: str,
    cell: Cell,
) -> None:
    records.append(
        (
            line.la_code,
            line.year,
            measure,
            cell.value,
            cell.lower,
            cell.upper,
            cell.status,
            0,
            CONFIDENCE["none"],
            file.name,
            release[1],
            release[0],
        )
    )


def _bound_by_rates(lines: Sequence[PanelLine], cells: Mapping[int, dict[str, Cell]]) -> None:
    """Bound hidden counts by the rate printed beside them. Release 2025 hides both."""
    for line in lines:
        found = cells[line.number]
        rate, population = found[_RATE], found[_POPULATION]
        if found[_COUNT].is_hidden and not math.isnan(rate.value) and population.is_known:
            least, most = (max(0.0, rate.value + side) for side in (-_HALF_RATE, _HALF_RATE))
            share = least / _PER_CHILD, most / _PER_CHILD
            found[_COUNT] = suppression.bound_by_ratio(population, share)


def bound_hidden(
    lines: Sequence[PanelLine], cells: Mapping[int, dict[str, Cell]], count: str
) -> None:
    """Where a year hides several counts, one may be large and hidden to protect another: bound
    each by what England's total leaves beside the rest.
    """
    for key in sorted({(line.year, line.category) for line in lines}):
        group = [line for line in lines if (line.year, line.category) == key]
        parts = [line for line in group if line.la_code != ENGLAND]
        printed = [cells[line.number][count] for line in parts]
        if sum(cell.is_hidden for cell in printed) < 2:
            continue
        (england,) = [line for line in group if line.la_code == ENGLAND]
        bounded = suppression.bound_parts(cells[england.number][count], printed)
        for line, cell in zip(parts, bounded, strict=True):
            cells[line.number][count] = cell


def _check_england(file: RawFile, line: PanelLine, header: str, cell: Cell) -> list[Fault]:
    if cell.value % ENGLAND_UNIT == 0:  # False for NaN too
        return []
    return [
        Fault(
            file=file.name,
            row=line.number,
            column=header,
            value=line.cells[header],
            problem=f"England is printed to the nearest {ENGLAND_UNIT} in this release",
            remedy="fetch the file again",
        )
    ]


def _check_populations(
    file: RawFile, lines: Sequence[PanelLine], cells: Mapping[int, Mapping[str, Cell]]
) -> list[Fault]:
    """An area has one population a year, printed once for each measure."""
    first: dict[tuple[int, str], PanelLine] = {}
    faults = []
    for line in lines:
        known = first.setdefault((line.year, line.la_code), line)
        texts = known.cells[_POPULATION], line.cells[_POPULATION]
        if texts[0] != texts[1]:
            faults.append(
                Fault(
                    file=file.name,
                    row=line.number,
                    column=_POPULATION,
                    value=texts[1],
                    problem=f"row {known.number} prints {texts[0]} for the same area and year",
                    remedy="fetch the file again",
                )
            )
        if cells[line.number][_POPULATION].value == 0:
            faults.append(
                Fault(
                    file=file.name,
                    row=line.number,
                    column=_POPULATION,
                    value="0",
                    problem="an area without children",
                    remedy="fetch the file again",
                )
            )
    return faults
