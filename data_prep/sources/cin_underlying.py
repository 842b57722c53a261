"""Reader of the DfE children in need census, underlying data, 2010-2017.

Files are recognised by their columns, whatever their names. England's row is read as England
whatever code it carries: it bears Isle of Wight's in all years but 2016. Sources and columns:
``cin_columns.py``; hidden counts: ``suppression.py``.
"""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from data_prep import register
from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, within_sentence
from data_prep.markers import (
    NOT_APPLICABLE,
    NOT_AVAILABLE,
    Cell,
    CellError,
    clean_text,
    empty_cell,
    exact_cell,
    rounded_cell,
)
from data_prep.schema import CONFIDENCE
from data_prep.sources.bounding import HALF_TENTH, bound_counts
from data_prep.sources.cin_columns import FIRST_YEAR, LAST_YEAR, Layout, Ratio, layout
from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading, make_reading

_CONFIDENCES = {
    "3": CONFIDENCE["high"],
    "2": CONFIDENCE["medium"],
    "1": CONFIDENCE["low"],
    "A": CONFIDENCE["aggregate"],
    "P": CONFIDENCE["pilot"],
    # Nothing supplied, not applicable, blank for England; 0 is printed but defined nowhere.
    **dict.fromkeys(("..", ".", "", "0"), CONFIDENCE["none"]),
}
# A file with fewer of a layout's columns than this is another publication.
_RECOGNISED = 0.5


@dataclass(frozen=True)
class _Row:
    """One line of a file with the authority that it is about; ``authority`` None is England."""

    number: int
    cells: Mapping[str, str]
    authority: register.Authority | None

    @property
    def la_code(self) -> str:
        return self.authority.la_code if self.authority else register.ENGLAND


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    year = _year_of(file.header)
    return f"children in need census, underlying data, year ending March {year}" if year else None


def read_cin_underlying(files: Sequence[RawFile], years: Iterable[int]) -> Reading:
    """Read the census files of ``years``; a year without a file has no records.

    Raises
    ------
    DataError
        With every fault of every file: years printed twice, columns missing or unknown, rows
        duplicated or missing, codes unknown, cells that are no numbers, counts that cannot be.
    """
    chosen, faults = _find_files(files, sorted(set(years)))
    records: list[tuple] = []
    ratios: list[tuple] = []
    for year, file in sorted(chosen.items()):
        plan = layout(year)
        header = list(file.header)
        bad = _check_header(file.name, header, plan)
        if not bad:
            rows, bad = _read_rows(file.name, header, file.rows, plan)
            for row in rows:
                bad += _read_row(file.name, row, plan, records, ratios)
        faults += bad
    if faults:
        raise DataError(faults)
    return make_reading(records, ratios)


def _find_files(
    files: Sequence[RawFile], years: list[int]
) -> tuple[dict[int, RawFile], list[Fault]]:
    faults: list[Fault] = []
    found: dict[int, RawFile] = {}
    strangers: list[RawFile] = []
    for file in files:
        # Only the census and its relatives begin so; other tables are left unread.
        if file.header[:1] != ("geog_l",):
            continue
        year = _year_of(file.header)
        if year is None:
            strangers.append(file)
        elif year in found:
            faults.append(
                Fault(
                    file=file.name,
                    value=found[year].name,
                    problem=f"a second file for the year ending March {year}",
                    remedy="keep one of the two",
                )
            )
        elif year in years:
            found[year] = file
    for year in years:
        if year in found or not FIRST_YEAR <= year <= LAST_YEAR:
            continue
        plan = layout(year)
        faults += [
            _unknown_layout(file, plan)
            for file in strangers
            if file.path.name.lower() == plan.file_name.lower()
        ]
    return found, faults


def _year_of(header: Sequence[str]) -> int | None:
    """The year whose columns the header holds, or None."""
    if tuple(header[:1]) != ("geog_l",):
        return None
    found = set(header)
    shares = {
        year: len(found & set(layout(year).headers)) / len(layout(year).headers)
        for year in range(FIRST_YEAR, LAST_YEAR + 1)
    }
    best = max(shares, key=lambda year: shares[year])
    return best if shares[best] >= _RECOGNISED else None


def _nearest(header: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(header, list(known), n=3)
    return f"nearest: {', '.join(matches)}" if matches else "nothing near it"


def _unknown_layout(file: RawFile, plan: Layout) -> Fault:
    header = file.header
    expected = [name for name in plan.headers if name not in header]
    nearest = "; ".join(f"{name}, {_nearest(name, header)}" for name in expected[:5])
    return Fault(
        file=file.name,
        row=1,
        problem=f"unknown layout: found {', '.join(header)}; expected {', '.join(plan.headers)}; "
        f"for example {nearest}",
        remedy=f"fetch the underlying data of {plan.release} again",
    )


def _check_header(file: str, header: list[str], plan: Layout) -> list[Fault]:
    faults: list[Fault] = []
    for name in plan.headers:
        if name not in header:
            problem = f"column missing ({_nearest(name, set(header) - set(plan.headers))})"
            if not faults:
                # Once, for the files have up to 265 columns.
                problem += f"; found {', '.join(header)}; expected {', '.join(plan.headers)}"
            faults.append(
                Fault(
                    file=file,
                    row=1,
                    column=name,
                    problem=problem,
                    remedy=f"fetch the underlying data of {plan.release} again",
                )
            )
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            problem = f"column printed {header.count(name)} times"
        elif name not in plan.headers and not plan.is_unused(name):
            problem = f"unknown column ({_nearest(name, plan.headers)})"
        else:
            continue
        faults.append(
            Fault(
                file=file,
                row=1,
                column=name,
                problem=problem,
                remedy="fetch the file again, or declare the column in cin_columns.py",
            )
        )
    return faults


def _read_rows(
    file: str, header: list[str], lines: list[tuple[int, list[str]]], plan: Layout
) -> tuple[list[_Row], list[Fault]]:
    """Match lines to authorities; every authority of the year and England must be there once."""
    rows: list[_Row] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for number, texts in lines:
        if len(texts) != len(header):
            faults.append(
                Fault(
                    file=file,
                    row=number,
                    value=str(len(texts)),
                    problem=f"number of cells differs from the header's {len(header)}",
                    remedy="fetch the file again; an unquoted comma or a cut line shifts cells",
                )
            )
            continue
        cells = dict(zip(header, map(clean_text, texts), strict=True))
        authority = None
        if cells["geog_l"] == "LA":
            authority = register.find_authority(
                plan.year, dfe_code=cells["geog_c"], la_code=cells.get("new_la_code", "")
            )
            if authority is None or not cells["geog_c"]:
                faults.append(_unknown_authority(file, number, cells, plan.year))
                continue
        elif (cells["geog_l"], cells["geog_n"]) != ("National", "England"):
            faults.append(
                Fault(
                    file=file,
                    row=number,
                    column="geog_l",
                    value=f"{cells['geog_l']} {cells['geog_n']}",
                    problem="neither an authority (LA) nor England (National)",
                    remedy="fetch the file again",
                )
            )
            continue
        row = _Row(number, cells, authority)
        if row.la_code in seen:
            faults.append(
                Fault(
                    file=file,
                    row=number,
                    column="geog_c",
                    value=f"{cells['geog_c']} {cells['geog_n']}",
                    problem=f"duplicate of row {seen[row.la_code]}",
                    remedy="delete one of the two rows or fetch the file again",
                )
            )
            continue
        seen[row.la_code] = number
        rows.append(row)
    expected = {
        authority.la_code: authority.name for authority in register.authorities_in(plan.year)
    }
    missing = [
        name for code, name in {register.ENGLAND: "England", **expected}.items() if code not in seen
    ]
    if missing and not faults:
        faults.append(
            Fault(
                file=file,
                column="geog_n",
                value=", ".join(missing),
                problem=f"no row for {len(missing)} of {len(expected) + 1} areas",
                remedy="fetch the file again; an authority without a return still has a row",
            )
        )
    return rows, faults


def _unknown_authority(file: str, number: int, cells: Mapping[str, str], year: int) -> Fault:
    codes = {a.name: f"{a.dfe_code} {a.la_code}" for a in register.authorities_in(year)}
    near = difflib.get_close_matches(cells["geog_n"], codes, n=1)
    return Fault(
        file=file,
        row=number,
        column="geog_c",
        value=" ".join(cells.get(key, "") for key in ("geog_c", "new_la_code", "geog_n")),
        problem=f"unknown authority code in the year ending March {year}",
        remedy=f"{near[0]} is {codes[near[0]]}"
        if near
        else "correct the code or fetch the file again",
    )


def _read_row(
    file: str, row: _Row, plan: Layout, records: list[tuple], ratios: list[tuple]
) -> list[Fault]:
    """Append the records and printed ratios of one row; return its faults instead, if any."""
    faults: list[Fault] = []

    def read(header: str, *, is_count: bool) -> Cell:
        text = row.cells[header]
        try:
            cell = plan.dialect.read(text)
            if cell.value < 0:
                raise CellError("negative")
            if is_count and not math.isnan(cell.value) and cell.value % 1:
                raise CellError("not a whole number")
        except CellError as error:
            markers = ", ".join(repr(marker) for marker in plan.dialect.markers)
            faults.append(
                Fault(
                    file=file,
                    row=row.number,
                    column=header,
                    value=text,
                    problem=str(error),
                    remedy=f"a number or one of {markers} belongs here; fetch the file again",
                )
            )
            return empty_cell(NOT_AVAILABLE)
        return cell

    def read_confidence(header: str) -> int:
        if not header:
            return CONFIDENCE["none"]
        text = row.cells[header]
        if text not in _CONFIDENCES:
            faults.append(
                Fault(
                    file=file,
                    row=row.number,
                    column=header,
                    value=text,
                    problem="unknown data confidence",
                    remedy=f"one of {', '.join(filter(None, _CONFIDENCES))} belongs here",
                )
            )
        return _CONFIDENCES.get(text, CONFIDENCE["none"])

    printed = {
        column.header: _round(read(column.header, is_count=True), column.measure, row, plan)
        for column in plan.counts
    }
    for banded in plan.banded:
        for header in (*banded.inside, *banded.outside):
            if header not in printed:
                printed[header] = _round(read(header, is_count=True), banded.measure, row, plan)
    shares = {ratio: read(ratio.header, is_count=False) for ratio in plan.ratios}
    confidences = {measure: read_confidence(header) for measure, header in plan.confidences.items()}
    if not faults:
        faults += _check_parts(file, row, plan, printed)
    if faults:
        return faults

    counts = bound_counts(
        {column.measure: printed[column.header] for column in plan.counts},
        shares,
        plan.banded,
        printed,
    )
    for measure, cell in counts.items():
        confidence = confidences[measure]
        status = cell.status
        if status == NOT_AVAILABLE and confidence == CONFIDENCE["pilot"]:
            # Authorities on trial of single assessments made no such assessments.
            status = NOT_APPLICABLE
        records.append(
            (
                row.la_code,
                plan.year,
                measure,
                cell.value,
                cell.lower,
                cell.upper,
                status,
                0,
                confidence,
                file,
                plan.release,
                plan.year,
            )
        )
    for ratio, cell in shares.items():
        if cell.is_known and not cell.is_hidden:
            half_unit = _half_unit(row, ratio)
            ratios.append(
                (
                    row.la_code,
                    plan.year,
                    ratio.measure,
                    ratio.base,
                    ratio.per,
                    cell.value,
                    half_unit,
                    ratio.header,
                    file,
                    plan.year,
                )
            )
    return []


def _half_unit(row: _Row, ratio: Ratio) -> float:
    is_whole = "." not in row.cells[ratio.header]
    return 0.5 if row.authority is None and is_whole else HALF_TENTH


def _round(cell: Cell, measure: str, row: _Row, plan: Layout) -> Cell:
    """Give a printed number the bounds of its rounding.

    England's counts are rounded to 100 or to 10, which the files do not tell apart: the coarsest
    unit that divides the number is assumed, so bounds may be too wide but not too narrow.
    """
    if math.isnan(cell.value):
        return cell
    if row.authority is not None and measure != "population_0_17":
        return exact_cell(cell.value)
    coarsest = plan.population_unit if measure == "population_0_17" else plan.england_unit
    unit = next(unit for unit in (100, 10, 1) if unit <= coarsest and cell.value % unit == 0)
    return exact_cell(cell.value) if unit == 1 else rounded_cell(cell.value, unit)


def _check_parts(file: str, row: _Row, plan: Layout, printed: Mapping[str, Cell]) -> list[Fault]:
    """Refuse parts above their whole: this never happens in the files as published."""
    headers = {column.measure: column.header for column in plan.counts}
    claims: list[tuple[str, tuple[str, ...], str]] = []
    for measure, header in headers.items():
        whole = MEASURES[measure].parent
        if whole in headers:
            claims.append((measure, (header,), headers[whole]))
    for banded in plan.banded:
        claims.append((banded.measure, (*banded.inside, *banded.outside), headers[banded.total]))
    faults = []
    for measure, parts, whole_header in claims:
        known = [printed[part].lower for part in parts if printed[part].is_known]
        whole_cell = printed[whole_header]
        if whole_cell.is_known and not whole_cell.is_hidden and sum(known) > whole_cell.upper:
            faults.append(
                Fault(
                    file=file,
                    row=row.number,
                    column=" + ".join(parts),
                    value=f"{sum(known):.0f} above {whole_cell.value:.0f} in {whole_header}",
                    problem=f"{within_sentence(MEASURES[measure].label)}: parts exceed the whole",
                    remedy="fetch the file again; if so published, ask the publisher",
                )
            )
    return faults
