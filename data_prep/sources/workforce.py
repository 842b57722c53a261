"""Reader of the DfE children's social work workforce, 30 September 2015 to 2025.

Columns, markers and definitions: ``workforce_columns.py``. Employed staff, agency workers and
vacancies are printed; all social workers and all posts are their sums (``SUMS``), so that every
printed rate has its numerator and denominator. Authorities that report together:
``docs/decisions/joint-returns.md``.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from data_prep.errors import DataError, Fault
from data_prep.markers import (
    DERIVED,
    NOT_APPLICABLE,
    NOT_AVAILABLE,
    ROUNDED,
    SMALL,
    SUPPRESSED,
    Cell,
    empty_cell,
    interval_cell,
    rounded_cell,
)
from data_prep.register import ENGLAND
from data_prep.schema import CONFIDENCE
from data_prep.sources import wide
from data_prep.sources.files import RawFile
from data_prep.sources.panel import Panel, PanelLine, last_period, name_release, read_panel
from data_prep.sources.reading import Reading, make_reading
from data_prep.sources.wide import Layout
from data_prep.sources.workforce_columns import (
    AGENCY,
    EMPLOYED,
    NEAR_ZERO,
    RELEASES,
    UNRELIABLE,
    VACANCIES,
    Ratio,
    Release,
)

SUMS = {"social_workers": (EMPLOYED, AGENCY), "posts": (EMPLOYED, VACANCIES)}
TENTH = 0.1
_PLANS: tuple[Layout | Panel, ...] = tuple(release.plan for release in RELEASES)
_BY_NAME = {release.plan.name: release for release in RELEASES}


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    plan = wide.find_layout(file.header, _PLANS) if file.header else None
    return plan.name if plan else None


def read_workforce(files: Sequence[RawFile], years: Iterable[int]) -> Reading:
    """Read the workforce of ``years``, each the one that ends after its 30 September.

    A figure that authorities report together stands under their joint code
    (``register.joint_code``); each of them has a record without a number, and ``release`` says
    why. England's rows carry ``E92000001``.

    Raises
    ------
    DataError
        With every fault of every file: two files of one table, columns missing or unknown, rows
        duplicated or missing, codes unknown, cells that are no numbers.
    """
    wanted = sorted(set(years))
    found, faults = wide.find_files(files, _PLANS, wanted, _edition)
    records: list[tuple] = []
    ratios: list[tuple] = []
    for plan, file in found.values():
        release = _BY_NAME[plan.name]
        bad = wide.check_header(file, plan)
        if not bad:
            lines, bad = _read_lines(file, release, wanted)
            release = _named(release, file)
            for line in lines if not bad else ():
                bad += _read_line(file, release, line, records, ratios)
        faults += bad
    if faults:
        raise DataError(faults)
    return make_reading(records, ratios)


def _edition(plan: Layout | Panel, file: RawFile) -> int:
    return last_period(file) if isinstance(plan, Panel) else 0


def _named(release: Release, file: RawFile) -> Release:
    """The release that the file is, where each one prints all years anew."""
    plan = release.plan
    if not isinstance(plan, Panel):
        return release
    released, words = name_release(file, plan)
    return replace(release, released=released, plan=replace(plan, release=words))


def _read_lines(
    file: RawFile, release: Release, years: Iterable[int]
) -> tuple[list[PanelLine], list[Fault]]:
    plan = release.plan
    if isinstance(plan, Panel):
        return read_panel(file, plan, years)
    lines, faults = wide.read_lines(file, plan, _level)
    placed = [
        PanelLine(
            line.number,
            line.cells,
            plan.year,
            "",
            (line.authority,) if line.authority else (),
        )
        for line in lines
    ]
    return (placed, faults) if faults else _join_lines(file, plan, placed, release.joint)


def _level(cells: Mapping[str, str]) -> str | None:
    is_area = bool(cells["LA_code (9 digit)"] or cells["LA_code (3 digit)"] or cells["LA_name"])
    if cells["Country_code"] != ENGLAND:
        return None
    if is_area:
        return wide.AUTHORITY
    return wide.REGION if cells["Region_code"] else wide.COUNTRY


def _join_lines(
    file: RawFile, plan: Layout, lines: Sequence[PanelLine], joint: Sequence[tuple[str, str]]
) -> tuple[list[PanelLine], list[Fault]]:
    """Give a line that speaks for two authorities to both, and leave out the empty other one."""
    by_code = {line.authorities[0].dfe_code: line for line in lines if line.authorities}
    faults = []
    together: dict[int, PanelLine] = {}
    left_out = set()
    for speaker, silent in joint:
        spoken, empty = by_code[speaker], by_code[silent]
        for header in plan.figures:
            if empty.cells[header] != ".":
                faults.append(
                    Fault(
                        file=file.name,
                        row=empty.number,
                        column=header,
                        value=empty.cells[header],
                        problem=f"reports with {speaker} in this release, '.' belongs here",
                        remedy="fetch the file again",
                    )
                )
        authorities = (*spoken.authorities, *empty.authorities)
        together[spoken.number] = replace(spoken, authorities=authorities)
        left_out.add(empty.number)
    kept = [together.get(line.number, line) for line in lines if line.number not in left_out]
    return kept, faults


def _read_line(
    file: RawFile, release: Release, line: PanelLine, records: list[tuple], ratios: list[tuple]
) -> list[Fault]:
    """Append the records and ratios of one line; return its faults instead, if any."""
    faults: list[Fault] = []
    dialect = release.plan.dialect
    rates = {
        ratio: wide.read_cell(
            file.name,
            line,
            ratio.header,
            dialect,
            decimals=release.rate_decimals,
            faults=faults,
        )
        for ratio in release.ratios
    }
    cells: dict[str, Cell] = {}
    unreliable: dict[str, int] = {}
    rate_headers = {ratio.header for ratio in release.ratios}
    for measure, header in release.measures.items():
        # A figure that is also a printed rate was read once and blamed once.
        blamed: list[Fault] = [] if header in rate_headers else faults
        decimals = 0 if measure == "cases" else 1
        cell = wide.read_cell(file.name, line, header, dialect, decimals=decimals, faults=blamed)
        cells[measure] = _bound(file, release, line, measure, cell, faults)
        unreliable[measure] = int(dialect is not _SFR and line.cells[header] == UNRELIABLE)
    if faults:
        return faults
    _bound_by_rates(release, cells, rates)
    for whole, parts in SUMS.items():
        cells[whole] = _add(*(cells[part] for part in parts))
        unreliable[whole] = max(unreliable[part] for part in parts)

    note = release.plan.release
    if len(line.authorities) > 1:
        names = " and ".join(authority.name for authority in line.authorities)
        note = f"{note}; {names} report together"
    for measure, cell in cells.items():
        end = (CONFIDENCE["none"], file.name, note, release.released)
        records.append(
            (
                line.la_code,
                line.year,
                measure,
                cell.value,
                cell.lower,
                cell.upper,
                cell.status,
                unreliable[measure],
                *end,
            )
        )
        for authority in line.authorities if len(line.authorities) > 1 else ():
            none = math.nan
            records.append(
                (authority.la_code, line.year, measure, none, none, none, NOT_AVAILABLE, 0, *end)
            )
    for ratio, rate in rates.items():
        if not math.isnan(rate.value):
            ratios.append(
                (
                    line.la_code,
                    line.year,
                    ratio.measure,
                    ratio.base,
                    ratio.per,
                    rate.value,
                    0.5 * 10.0**-release.rate_decimals,
                    ratio.header,
                    file.name,
                    release.released,
                )
            )
    return []


_SFR = RELEASES[0].plan.dialect


def _bound(
    file: RawFile,
    release: Release,
    line: PanelLine,
    measure: str,
    cell: Cell,
    faults: list[Fault],
) -> Cell:
    """Give a figure the bounds of its rounding or of what hides it."""
    header = release.measures[measure]
    if measure == "cases":
        return cell
    if cell.status == SUPPRESSED and measure == "caseload":
        # Hidden lest it give away a hidden number of agency workers: it may be anything.
        return empty_cell(NOT_AVAILABLE)
    if cell.status == SUPPRESSED:
        # One to five people, each of whom may work part-time, unless a printed rate says otherwise.
        return interval_cell(0.0, SMALL[1], SUPPRESSED)
    if line.cells[header] == NEAR_ZERO and cell.status == ROUNDED:
        return interval_cell(0.0, TENTH / 2, ROUNDED)
    if math.isnan(cell.value):
        return cell
    if line.authorities or measure == "caseload" or release.england_unit == TENTH:
        return _tenth(cell.value)
    if cell.value % release.england_unit:
        faults.append(
            Fault(
                file=file.name,
                row=line.number,
                column=header,
                value=line.cells[header],
                problem=f"England is printed to the nearest {release.england_unit:g} "
                "in this release",
                remedy="fetch the file again",
            )
        )
    return rounded_cell(cell.value, release.england_unit)


def _bound_by_rates(release: Release, cells: dict[str, Cell], rates: Mapping[Ratio, Cell]) -> None:
    """Bound each hidden figure by the rate printed beside it, no tighter than what it hides as.

    No release so far prints a rate beside a hidden figure: it hides both.
    """
    for ratio, rate in rates.items():
        if not cells[ratio.measure].is_hidden or math.isnan(rate.value):
            continue
        half_unit = 0.5 * 10.0**-release.rate_decimals
        low, high = (max(0.0, rate.value + side) / ratio.per for side in (-half_unit, half_unit))
        base = ratio.base
        if base in SUMS and high < 1:
            # The rate is part / (part + rest), so the part is rest x rate / (1 - rate).
            (base,) = (part for part in SUMS[base] if part != ratio.measure)
            low, high = low / (1 - low), high / (1 - high)
        rest = cells.get(base, empty_cell(NOT_AVAILABLE))
        if rest.is_known and not rest.is_hidden and rest.upper * high > SMALL[1]:
            lower, upper = round(rest.lower * low, 2), round(rest.upper * high, 2)
            cells[ratio.measure] = interval_cell(lower, upper, DERIVED)


def _tenth(value: float) -> Cell:
    cell = rounded_cell(value, TENTH)
    return replace(cell, lower=round(cell.lower, 2), upper=round(cell.upper, 2))


def _add(one: Cell, other: Cell) -> Cell:
    """The sum of two figures printed apart: the value is the sum of what is printed."""
    for cell in (one, other):
        if not cell.is_known:
            unknown = {part.status for part in (one, other) if not part.is_known}
            is_none = unknown == {NOT_APPLICABLE} and not (one.is_known or other.is_known)
            return empty_cell(NOT_APPLICABLE if is_none else NOT_AVAILABLE)
    return Cell(
        round(one.value + other.value, 1),
        round(one.lower + other.lower, 2),
        round(one.upper + other.upper, 2),
        SUPPRESSED if one.is_hidden or other.is_hidden else DERIVED,
    )
