"""Reading Explore Education Statistics (EES) files, as declarations.

An EES file is a long table: one row for each area, period and category, identifying columns first,
and a column for each figure. A reader declares its tables (:class:`Table`: which columns hold which
measure, under which of the names that releases have given them) and calls :func:`read_sheets` and
:func:`build_reading`. A release with a renamed column needs one more name in a declaration; one
with a column that nobody declared fails, naming what was found, expected and nearest.

Files are recognised by their columns and by the category that they print (:func:`find_table`),
never by their names; a name only helps to say that a file should have been one of these.

Rules that hold for every file
- ``time_period`` is a year (``2024``) or a financial year (``202324``); :attr:`Table.lag` is added.
- A release is named by its last year, and each file belongs to the release of its last row.
- England is the row ``National``; ``Regional`` rows repeat the authorities and are left out; any
  other level is a fault, and so is an authority without a row in a year that the file covers.
- Old and new nine-character codes are mixed. A code is looked up whatever its year. A row of an
  authority that did not exist in that year is left out where it holds no number, else a fault.
"""

import csv
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from data_prep import register
from data_prep.errors import DataError, Fault
from data_prep.indicators import MEASURES, within_sentence
from data_prep.markers import (
    DERIVED,
    NOT_APPLICABLE,
    NOT_AVAILABLE,
    ROUNDED,
    SMALL,
    SUPPRESSED,
    Cell,
    CellError,
    Dialect,
    clean_text,
    empty_cell,
    exact_cell,
    interval_cell,
    rounded_cell,
)
from data_prep.schema import CONFIDENCE
from data_prep.sources.bounding import bound_counts
from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading, make_reading

PERIOD, LEVEL, IDENTIFIER = "time_period", "geographic_level", "time_identifier"
COUNTRY, NEW_CODE, OLD_CODE, NAME = "country_code", "new_la_code", "old_la_code", "la_name"
IDENTITY = (PERIOD, IDENTIFIER, LEVEL, COUNTRY, OLD_CODE, NEW_CODE, NAME)
# Identifying columns that say nothing more.
_KNOWN = ("country_name", "region_code", "region_name")
NATIONAL, REGIONAL, AUTHORITY = "National", "Regional", "Local authority"
_IDENTIFIERS = ("Reporting year", "Financial year", "Calendar year")
# Tables of categories within authorities or of England alone, which share words with these.
_OTHER_TABLES = ("category_type", "characteristic", "characteristic_type")
# A file with fewer of a table's columns, and another category, is another table.
_RECOGNISED = 0.6
_FETCH = "fetch the file again"


@dataclass(frozen=True)
class EesDialect(Dialect):
    """Markers of an EES release.

    ``unreliable`` markers stand for a number that the publisher held back as unreliable: the record
    has no number and ``low_reliability`` 1. ``near_zero`` markers stand for a number that is not
    zero and rounds to it.
    """

    unreliable: tuple[str, ...] = ()
    near_zero: tuple[str, ...] = ()


# From 2022 the letters are those of the Government Statistical Service; before, a colon stood for
# "not available" and x was not used. Seen in the files of release 2024: c, x, z, u.
EES_TO_2021 = EesDialect(
    "Explore Education Statistics to 2021",
    {"c": SUPPRESSED, "z": NOT_APPLICABLE, ":": NOT_AVAILABLE, "u": NOT_AVAILABLE},
    unreliable=("u",),
)
EES_FROM_2022 = EesDialect(
    "Explore Education Statistics from 2022",
    {"c": SUPPRESSED, "z": NOT_APPLICABLE, "x": NOT_AVAILABLE, "u": NOT_AVAILABLE},
    unreliable=("u",),
    near_zero=("k", "low"),
)


def dialect_of(released: int) -> EesDialect:
    """The markers of the release that came out in ``released``."""
    return EES_FROM_2022 if released >= 2022 else EES_TO_2021


@dataclass(frozen=True)
class Count:
    """A column that prints a measure, or a band (a ``name`` that is no measure).

    ``headers`` are the names that releases gave the column. ``category`` is the text of the table's
    ``rows`` column in the rows meant; blank where the table has no such column. Authorities'
    figures are rounded to ``unit``; a ``unit`` of 1 is a full count.
    """

    name: str
    headers: tuple[str, ...]
    category: str = ""
    required: bool = True
    unit: float = 1.0

    @property
    def is_whole(self) -> bool:
        return self.name not in MEASURES or MEASURES[self.name].is_count


@dataclass(frozen=True)
class Ratio:
    """A printed per cent or rate: ``measure`` / ``base`` x ``per``, rounded to 2 x ``half_unit``.

    ``measure`` may be a band, whose per cent only helps to bound a hidden total. Where the file has
    no column for a measure, or no number in it, its count is derived from the ratio with the
    interval that the rounding leaves. ``nearly_all``: see ``bounding.py``.
    """

    measure: str
    base: str
    per: int
    headers: tuple[str, ...]
    category: str = ""
    required: bool = False
    nearly_all: bool = False
    half_unit: float = 0.055


@dataclass(frozen=True)
class Bands:
    """Bands (names of counts) that make up ``total``; ``sums`` gives the bands of each measure.

    ``unknown`` is the largest share of the total that may be in no band, its duration unknown.
    """

    total: str
    bands: tuple[str, ...]
    sums: tuple[tuple[str, tuple[str, ...]], ...]
    unknown: float = 0.0


@dataclass(frozen=True)
class Banded:
    """One measure of :class:`Bands` as ``bounding.py`` takes it."""

    measure: str
    total: str
    inside: tuple[str, ...]
    outside: tuple[str, ...]


@dataclass(frozen=True)
class Filter:
    """A column of categories: rows with a text of ``keep`` are read, of ``leave`` left out; any
    other text is a fault.
    """

    headers: tuple[str, ...]
    keep: tuple[str, ...]
    leave: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One EES table in all its releases.

    Attributes
    ----------
    name, title, publication
        For messages and provenance, such as ``C1``, ``referrals``, ``children in need``.
    stem
        How the publisher's file name begins: used in messages about files that cannot be read.
    rows
        Column whose categories each hold other measures (:attr:`Count.category`).
    filters
        Columns that must hold one category.
    unused
        Patterns of columns that are known and left alone.
    first_year
        Year with which each release begins; None where releases begin with different years.
    lag
        Added to the period to give the year, and to the last period to give the release.
    england_unit
        Coarsest unit to which England's figures are rounded.
    is_complete
        Whether each year has a row for each authority.
    """

    name: str
    title: str
    publication: str
    stem: str
    counts: tuple[Count, ...]
    ratios: tuple[Ratio, ...] = ()
    bands: tuple[Bands, ...] = ()
    rows: Filter | None = None
    filters: tuple[Filter, ...] = ()
    unused: tuple[str, ...] = ()
    first_year: int | None = None
    lag: int = 0
    england_unit: float = 10.0
    is_complete: bool = True

    @cached_property
    def dimensions(self) -> tuple[Filter, ...]:
        return (*((self.rows,) if self.rows else ()), *self.filters)

    @cached_property
    def figures(self) -> tuple[Count | Ratio, ...]:
        return (*self.counts, *self.ratios)

    @cached_property
    def columns(self) -> tuple[Filter | Count | Ratio, ...]:
        return (*self.dimensions, *self.figures)

    @cached_property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """Accepted names of each column that must be there, identifying columns apart."""
        found = [column.headers for column in self.dimensions]
        found += [column.headers for column in self.figures if column.required]
        return tuple(dict.fromkeys(found))

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Every name that the declaration accepts."""
        found = [*IDENTITY, *_KNOWN]
        for column in self.columns:
            found += column.headers
        return tuple(dict.fromkeys(found))

    @cached_property
    def banded(self) -> tuple[Banded, ...]:
        return tuple(
            Banded(
                measure,
                group.total,
                inside,
                tuple(band for band in group.bands if band not in inside),
            )
            for group in self.bands
            for measure, inside in group.sums
        )

    def label(self, released: int) -> str:
        return f"Explore Education Statistics, {self.publication} {released}, {self.name}"


@dataclass
class Area:
    """What one table prints for one authority or England in one year.

    ``note`` says in the record's release what a reader did to the figures.
    """

    row: int
    note: str = ""
    counts: dict[str, Cell] = field(default_factory=dict)
    ratios: dict[Ratio, Cell] = field(default_factory=dict)
    headers: dict[Ratio, str] = field(default_factory=dict)
    unreliable: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Sheet:
    """One file that was read: ``areas`` by year and nine-character code."""

    table: Table
    file: RawFile
    released: int
    areas: dict[tuple[int, str], Area]


def _share(table: Table, header: Sequence[str]) -> float:
    found = set(header)
    return sum(bool(found & set(names)) for names in table.needed) / len(table.needed)


def find_table(file: RawFile, tables: Sequence[Table]) -> Table | None:
    """The table that a file holds, whole or damaged; None for a file of another kind."""
    header = file.header
    if sum(name in header for name in IDENTITY) < len(IDENTITY) - 2:
        return None
    if any(name in header for name in _OTHER_TABLES):
        return None
    labelled = [table for table in tables if _has_label(file, table)]
    # Some tables share all columns but one; then the category tells them apart.
    scores = {table.name: (_share(table, header), table in labelled) for table in tables}
    best = max(
        tables, key=lambda table: (scores[table.name][0] == 1, *reversed(scores[table.name]))
    )
    share, is_labelled = scores[best.name]
    return best if is_labelled or share > _RECOGNISED else None


def _has_label(file: RawFile, table: Table) -> bool:
    """Whether the first row of a file holds the category of the table."""
    if not table.filters:
        return False
    first = next(iter(_rows(file)), None)
    if first is None:
        return False
    cells = dict(zip(file.header, map(clean_text, first[1]), strict=False))
    return all(
        any(cells.get(name) in column.keep for name in column.headers) for column in table.filters
    )


def _rows(file: RawFile) -> list[tuple[int, list[str]]]:
    try:
        return file.rows
    except csv.Error as error:
        raise DataError(
            [Fault(file=file.name, problem=f"not a readable table ({error})", remedy=_FETCH)]
        ) from error


def recognise(file: RawFile, tables: Sequence[Table]) -> str | None:
    """What the file is, when it holds one of the tables."""
    try:
        table = find_table(file, tables)
    except DataError:
        # Whoever reads the file reports it; here it is only not recognised.
        return None
    return f"EES {table.publication}, {table.name}: {table.title}" if table else None


def read_sheets(
    files: Sequence[RawFile], tables: Sequence[Table], years: Iterable[int]
) -> tuple[list[Sheet], list[Fault]]:
    """Read every file that holds one of ``tables``; rows of other years are left out.

    Several releases of a table may lie beside each other. Returns what could be read, and the
    faults of the rest.
    """
    wanted = set(years)
    sheets: dict[tuple[str, int], Sheet] = {}
    faults: list[Fault] = []
    for file in files:
        if not file.is_table:
            continue
        try:
            table = find_table(file, tables)
            if table is None:
                faults += _check_stranger(file, tables)
                continue
            sheet, bad = _read_sheet(file, table, wanted)
        except DataError as error:
            faults += error.faults
            continue
        faults += bad
        if sheet is None or bad:
            continue
        key = table.name, sheet.released
        if key in sheets:
            faults.append(
                Fault(
                    file=file.name,
                    value=sheets[key].file.name,
                    problem=f"a second file of table {table.name} of release {sheet.released}",
                    remedy="keep one of the two",
                )
            )
        else:
            sheets[key] = sheet
    return list(sheets.values()), faults


def _check_stranger(file: RawFile, tables: Sequence[Table]) -> list[Fault]:
    """Refuse a file that bears a table's name and holds something else."""
    name = file.path.name.lower()
    table = next((table for table in tables if name.startswith(table.stem)), None)
    if table is None:
        return []
    header = file.header
    text = ",".join(header)
    if text.lstrip().startswith("<"):
        problem = "a web page, not a table"
    elif "\x00" in text:
        problem = "encoded as UTF-16, not UTF-8"
    elif not header:
        problem = "empty"
    else:
        problem = _describe(table, header)
    return [
        Fault(
            file=file.name, row=1, problem=problem, remedy=f"{_FETCH} as CSV, or give it its name"
        )
    ]


def _nearest(name: str, known: Iterable[str]) -> str:
    folded = {other.lower(): other for other in known}
    matches = difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.5)
    return f"nearest: {', '.join(folded[m] for m in matches)}" if matches else "nothing near it"


def _describe(table: Table, header: Sequence[str]) -> str:
    """What was found, what was expected, and which columns lie near those that are missing."""
    expected = [*((name,) for name in IDENTITY), *table.needed]
    missing = [names for names in expected if not set(names) & set(header)]
    spare = [name for name in header if name not in table.known]
    near = "; ".join(f"{names[-1]}, {_nearest(names[-1], spare)}" for names in missing[:5])
    wanted = ", ".join(" or ".join(names) for names in expected)
    return (
        f"unknown layout: found {', '.join(header)}; table {table.name} needs {wanted}; "
        f"missing {near}"
    )


def _check_header(file: RawFile, table: Table) -> list[Fault]:
    header = file.header
    faults = []

    def add(column: str, problem: str, remedy: str) -> None:
        faults.append(Fault(file=file.name, row=1, column=column, problem=problem, remedy=remedy))

    spare = [name for name in header if name not in table.known]
    declare = f"add the new name to table {table.name}'s declaration, or {_FETCH}"
    for names in (*((name,) for name in IDENTITY), *table.needed):
        found = [name for name in names if name in header]
        if not found:
            add(
                " or ".join(names),
                f"column missing ({_nearest(names[-1], spare)}); {_describe(table, header)}",
                declare,
            )
    for column in table.columns:
        found = [name for name in column.headers if name in header]
        if len(found) > 1:
            add(", ".join(found), "several names of one column", _FETCH)
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            add(name, f"column printed {header.count(name)} times", _FETCH)
        elif name in spare and not any(re.fullmatch(p, name) for p in table.unused):
            add(name, f"unknown column ({_nearest(name, table.known)})", declare)
    # The same column can be declared by several measures of one table.
    return list(dict.fromkeys(faults))


def read_year(text: str) -> int | None:
    """The year in which a period ends: ``2024``, ``202324``, ``2023-24`` and ``2023/24`` are 2024;
    None for any other text.
    """
    if re.fullmatch(r"(19|20)\d\d", text, re.ASCII):
        return int(text)
    span = re.fullmatch(r"((?:19|20)\d\d)[/-]?(\d\d)", text, re.ASCII)
    if span and (int(span[1]) + 1) % 100 == int(span[2]):
        return int(span[1]) + 1
    return None


@dataclass(frozen=True)
class _Row:
    number: int
    cells: Mapping[str, str]
    year: int


def _read_sheet(file: RawFile, table: Table, years: set[int]) -> tuple[Sheet | None, list[Fault]]:
    faults = _check_header(file, table)
    if faults:
        return None, faults
    rows, faults = _read_periods(file, table)
    if not rows and not faults:
        faults = [Fault(file=file.name, problem="no rows", remedy=_FETCH)]
    if faults:
        return None, faults
    covered = {row.year for row in rows}
    first = min(covered) if table.first_year is None else table.first_year
    gaps = sorted(set(range(first, max(covered) + 1)) - covered)
    if gaps:
        faults.append(
            Fault(
                file=file.name,
                column=PERIOD,
                value=", ".join(map(str, gaps)),
                problem=f"no rows for {len(gaps)} of the years {first}-{max(covered)}",
                remedy=f"{_FETCH}; it seems to be cut off",
            )
        )
    released = max(covered)
    dialect = dialect_of(released)
    # Areas are checked in every year: a stray year would otherwise pass for a later release.
    groups, bad = _group_rows(file, table, dialect, rows)
    faults += bad
    areas: dict[tuple[int, str], Area] = {}
    for key, group in groups.items():
        if key[0] not in years:
            continue
        areas[key], bad = _read_area(file, table, dialect, key, group)
        faults += bad
    return Sheet(table, file, released, areas), faults


def _read_periods(file: RawFile, table: Table) -> tuple[list[_Row], list[Fault]]:
    rows: list[_Row] = []
    faults: list[Fault] = []
    for number, texts in _rows(file):
        if len(texts) != len(file.header):
            faults.append(
                Fault(
                    file=file.name,
                    row=number,
                    value=str(len(texts)),
                    problem=f"number of cells differs from the header's {len(file.header)}",
                    remedy=f"{_FETCH}; an unquoted comma or a cut line shifts cells",
                )
            )
            continue
        cells = dict(zip(file.header, map(clean_text, texts), strict=True))
        year = read_year(cells[PERIOD])
        if year is None or cells[IDENTIFIER] not in _IDENTIFIERS:
            column = PERIOD if year is None else IDENTIFIER
            faults.append(
                Fault(
                    file=file.name,
                    row=number,
                    column=column,
                    value=cells[column],
                    problem="not a year" if year is None else "unknown kind of period",
                    remedy=_FETCH,
                )
            )
            continue
        rows.append(_Row(number, cells, year + table.lag))
    return rows, faults


def _text(column: Filter, cells: Mapping[str, str]) -> str:
    return next(cells[name] for name in column.headers if name in cells)


def _group_rows(
    file: RawFile, table: Table, dialect: Dialect, rows: Sequence[_Row]
) -> tuple[dict[tuple[int, str], dict[str, _Row]], list[Fault]]:
    """Rows by year and code, then by category; each wanted row must be there once."""
    groups: dict[tuple[int, str], dict[str, _Row]] = {}
    faults: list[Fault] = []

    def add(row: _Row, column: str, value: str, problem: str, remedy: str = _FETCH) -> None:
        faults.append(
            Fault(
                file=file.name,
                row=row.number,
                column=column,
                value=value,
                problem=problem,
                remedy=remedy,
            )
        )

    for row in rows:
        cells, skip = row.cells, False
        for column in table.dimensions:
            text = _text(column, cells)
            skip |= text in column.leave
            if text not in (*column.keep, *column.leave):
                name = next(name for name in column.headers if name in cells)
                kept = ", ".join(map(repr, column.keep))
                add(row, name, text, "unknown category", f"one of {kept} belongs here; {_FETCH}")
                skip = True
        if cells[LEVEL] not in (NATIONAL, REGIONAL, AUTHORITY):
            known = f"{NATIONAL}, {REGIONAL} or {AUTHORITY}"
            add(row, LEVEL, cells[LEVEL], f"unknown level, not {known}")
            skip = True
        if cells[COUNTRY] != register.ENGLAND:
            add(row, COUNTRY, cells[COUNTRY], f"not England ({register.ENGLAND})")
            skip = True
        if skip or cells[LEVEL] == REGIONAL:
            continue
        if cells[LEVEL] == NATIONAL:
            code = register.ENGLAND
            if cells[OLD_CODE] or cells[NEW_CODE]:
                value = f"{cells[OLD_CODE]} {cells[NEW_CODE]}"
                add(row, NEW_CODE, value, "an authority's code in a row of England")
                continue
        else:
            authority = _find_authority(row.year, cells[OLD_CODE], cells[NEW_CODE])
            if authority is None or not cells[OLD_CODE] or not cells[NEW_CODE]:
                if not _is_bygone(row, table, dialect):
                    faults.append(_unknown_authority(file, row))
                continue
            code = authority.la_code
        category = _text(table.rows, cells) if table.rows else ""
        group = groups.setdefault((row.year, code), {})
        if category in group:
            value = " ".join(filter(None, (cells[PERIOD], cells[NAME] or "England", category)))
            add(row, PERIOD, value, f"duplicate of row {group[category].number}")
        else:
            group[category] = row
    if not faults:
        faults += _check_complete(file, table, {row.year for row in rows}, groups)
    return groups, faults


@cache
def _find_authority(year: int, dfe_code: str, la_code: str) -> register.Authority | None:
    return register.find_authority(year, dfe_code=dfe_code, la_code=la_code)


def _is_bygone(row: _Row, table: Table, dialect: Dialect) -> bool:
    """Whether a row is about an authority of other years and holds no number."""
    exists = any(
        _find_authority(year, row.cells[OLD_CODE], row.cells[NEW_CODE])
        for year in range(register.FIRST_YEAR, register.LAST_YEAR + 1)
    )
    texts = (
        row.cells[name] for column in table.figures for name in column.headers if name in row.cells
    )
    has_codes = bool(row.cells[OLD_CODE] and row.cells[NEW_CODE])
    return has_codes and exists and all(text in dialect.markers for text in texts)


def _unknown_authority(file: RawFile, row: _Row) -> Fault:
    cells = row.cells
    codes = {a.name: f"{a.dfe_code} {a.la_code}" for a in register.authorities_in(row.year)}
    near = difflib.get_close_matches(cells[NAME], codes, n=1)
    return Fault(
        file=file.name,
        row=row.number,
        column=NEW_CODE,
        value=f"{cells[OLD_CODE]} {cells[NEW_CODE]} {cells[NAME]}",
        problem=f"unknown authority code in the year ending March {row.year}",
        remedy=f"{near[0]} is {codes[near[0]]}" if near else f"correct the code or {_FETCH}",
    )


def _check_complete(
    file: RawFile,
    table: Table,
    years: set[int],
    groups: Mapping[tuple[int, str], Mapping[str, _Row]],
) -> list[Fault]:
    faults = []
    wanted = table.rows.keep if table.rows else ("",)
    for year in sorted(years):
        areas = {register.ENGLAND: "England"}
        if table.is_complete:
            areas |= {a.la_code: a.name for a in register.authorities_in(year)}
        for category in wanted:
            missing = [
                name for code, name in areas.items() if category not in groups.get((year, code), {})
            ]
            if missing:
                of = f" of {category!r}" if category else ""
                faults.append(
                    Fault(
                        file=file.name,
                        column=NAME,
                        value=", ".join(missing),
                        problem=f"no row{of} for {len(missing)} of {len(areas)} areas in {year}",
                        remedy=f"{_FETCH}; an area without a figure still has a row",
                    )
                )
    return faults


def _read_area(
    file: RawFile,
    table: Table,
    dialect: EesDialect,
    key: tuple[int, str],
    group: Mapping[str, _Row],
) -> tuple[Area, list[Fault]]:
    is_england = key[1] == register.ENGLAND
    area = Area(min(row.number for row in group.values()))
    faults: list[Fault] = []

    def read(column: Count | Ratio) -> tuple[str, str, Cell] | None:
        row = group.get(column.category)
        header = next((name for name in column.headers if row and name in row.cells), None)
        if row is None or header is None:
            return None
        text = row.cells[header]
        try:
            return header, text, _read_cell(column, text, dialect, table, is_england)
        except CellError as error:
            markers = ", ".join(map(repr, (*dialect.markers, *dialect.near_zero)))
            faults.append(
                Fault(
                    file=file.name,
                    row=row.number,
                    column=header,
                    value=text,
                    problem=str(error),
                    remedy=f"a number or one of {markers} belongs here; {_FETCH}",
                )
            )
            return None

    for count in table.counts:
        found = read(count)
        if found:
            area.counts[count.name] = found[2]
            if found[1] in dialect.unreliable:
                area.unreliable.add(count.name)
    for ratio in table.ratios:
        found = read(ratio)
        if found:
            area.headers[ratio], area.ratios[ratio] = found[0], found[2]
    if not faults:
        faults += _check_parts(file, table, area)
    return area, faults


def _read_cell(
    column: Count | Ratio, text: str, dialect: EesDialect, table: Table, is_england: bool
) -> Cell:
    if isinstance(column, Ratio):
        unit = 2 * column.half_unit
    else:
        unit = table.england_unit if is_england else column.unit
    if text in dialect.near_zero:
        return interval_cell(0.0, unit / 2, ROUNDED)
    cell = dialect.read(text)
    if cell.value < 0:
        raise CellError("negative")
    if isinstance(column, Ratio) or math.isnan(cell.value):
        return cell
    if column.is_whole and cell.value % 1:
        raise CellError("not a whole number")
    if unit <= 1 and column.is_whole:
        return exact_cell(cell.value)
    if column.is_whole and cell.value % unit:
        # England's figures are rounded as a rule; one that is not a multiple was not.
        return exact_cell(cell.value)
    return rounded_cell(cell.value, unit)


def _check_parts(file: RawFile, table: Table, area: Area) -> list[Fault]:
    """Refuse parts above their whole, and bands that are all printed and miss their total."""
    faults = []
    headers = {
        count.name: next(name for name in count.headers if name in file.header)
        for count in table.counts
        if count.name in area.counts
    }
    # Measure, parts, their whole, and the share of the whole that no part need hold.
    claims: list[tuple[str, tuple[str, ...], str, float]] = [
        (name, (name,), MEASURES[name].parent or "", 1.0)
        for name in area.counts
        if name in MEASURES and MEASURES[name].parent in area.counts
    ]
    claims += [
        (group.sums[0][0], group.bands, group.total, group.unknown)
        for group in table.bands
        if all(name in area.counts for name in (group.total, *group.bands))
    ]
    for name, parts, whole, spare in claims:
        cells, total = [area.counts[part] for part in parts], area.counts[whole]
        if not total.is_known or total.is_hidden:
            continue
        # A second suppression can hide a nought: Norfolk 2014, episodes ended after a year or more.
        least = sum(cell.lower for cell in cells if cell.is_known and not cell.is_hidden)
        most = sum(cell.upper for cell in cells)
        has_all = not any(math.isnan(cell.value) for cell in cells)
        is_short = has_all and most < total.lower * (1 - spare)
        if least > total.upper or is_short:
            faults.append(
                Fault(
                    file=file.name,
                    row=area.row,
                    column=" + ".join(headers[part] for part in parts),
                    value=f"{least:.0f} against {total.value:.0f} in {headers[whole]}",
                    problem=f"{within_sentence(MEASURES[name].label)}: parts "
                    + ("miss" if is_short else "exceed")
                    + " the whole",
                    remedy=f"{_FETCH}; if so published, ask the publisher",
                )
            )
    return faults


def build_reading(
    sheets: Sequence[Sheet],
    faults: Sequence[Fault] = (),
    *,
    populations: Sequence[Sheet] = (),
    differences: Iterable[tuple[str, int, str]] = (),
) -> Reading:
    """Settle hidden counts, and make records and printed ratios of sheets of one publication.

    A measure that several tables of a release print is read from the first of them that was
    declared; the others must agree.

    Parameters
    ----------
    populations
        Sheets with ``population_0_17``: the one of the same release bounds hidden counts.
    differences
        Measure, year and code of figures that are known to differ between tables.

    Raises
    ------
    DataError
        With ``faults`` and those found here, if there are any.
    """
    found = list(faults)
    people = {sheet.released: sheet for sheet in populations}
    known = set(differences)
    records: list[tuple] = []
    ratios: list[tuple] = []
    for released in sorted({sheet.released for sheet in sheets}):
        release = [sheet for sheet in sheets if sheet.released == released]
        found += _check_agreement(release, known)
        for key in sorted({key for sheet in release for key in sheet.areas}):
            _add_area(release, key, people.get(released), records, ratios)
    if found:
        raise DataError(found)
    return make_reading(records, ratios)


def _check_agreement(release: Sequence[Sheet], known: set[tuple[str, int, str]]) -> list[Fault]:
    faults = []
    first: dict[tuple[str, int, str], Sheet] = {}
    for sheet in release:
        for (year, code), area in sheet.areas.items():
            for name, cell in area.counts.items():
                key = name, year, code
                home = first.setdefault(key, sheet)
                other = home.areas[year, code].counts[name]
                # Cells that hold NaN are equal when they print the same.
                if key in known or repr(cell) == repr(other):
                    continue
                faults.append(
                    Fault(
                        file=sheet.file.name,
                        row=area.row,
                        column=next(c.headers[-1] for c in sheet.table.counts if c.name == name),
                        value=_print(cell),
                        problem=f"{home.file.name} prints {_print(other)} for the same figure",
                        remedy="fetch both files again; if so published, declare the difference",
                    )
                )
    return faults


def _print(cell: Cell) -> str:
    return "no number" if math.isnan(cell.value) else f"{cell.value:g}"


def _add_area(
    release: Sequence[Sheet],
    key: tuple[int, str],
    people: Sheet | None,
    records: list[tuple],
    ratios: list[tuple],
) -> None:
    year, code = key
    homes: dict[str, Sheet] = {}
    printed: dict[str, Cell] = {}
    bands: dict[str, Cell] = {}
    totals: dict[str, Cell] = {}
    shares: dict[Ratio, Cell] = {}
    banded: list[Banded] = []
    unreliable: set[str] = set()
    ceilings: dict[str, float] = {}
    for sheet in release:
        if key not in sheet.areas:
            continue
        area = sheet.areas[key]
        unreliable |= area.unreliable
        for name, cell in area.counts.items():
            if name not in MEASURES:
                bands[name] = cell
            elif name not in printed:
                homes[name], printed[name] = sheet, cell
        england = sheet.areas.get((year, register.ENGLAND))
        if england:
            ceilings |= {n: c.upper for n, c in england.counts.items() if c.is_known}
        for group in sheet.table.banded:
            parts = (*group.inside, *group.outside)
            if all(part in area.counts for part in parts):
                homes.setdefault(group.measure, sheet)
                banded.append(group)
                bands |= {part: area.counts[part] for part in parts}
                if group.total in area.counts:
                    totals[group.total] = area.counts[group.total]
                if unreliable.intersection(parts):
                    unreliable.add(group.measure)
        for ratio, cell in area.ratios.items():
            is_number = not math.isnan(cell.value)
            shares[ratio] = cell if is_number else empty_cell(NOT_AVAILABLE)
            if ratio.measure not in MEASURES:
                continue
            homes.setdefault(ratio.measure, sheet)
            if is_number:
                ratios.append(
                    (
                        code,
                        year,
                        ratio.measure,
                        ratio.base,
                        ratio.per,
                        cell.value,
                        ratio.half_unit,
                        area.headers[ratio],
                        sheet.file.name,
                        sheet.released,
                    )
                )
    borrowed = "population_0_17" not in printed and people is not None and key in people.areas
    if borrowed and people is not None:
        printed["population_0_17"] = people.areas[key].counts["population_0_17"]
    counts = bound_counts(
        printed,
        {ratio: cell for ratio, cell in shares.items() if ratio.measure in MEASURES},
        banded,
        bands,
        totals=totals,
        ceilings=ceilings,
        hints=_bound_totals(banded, bands, shares),
    )
    for ratio, share in shares.items():
        if ratio.measure not in MEASURES:
            continue
        cell = counts.get(ratio.measure, empty_cell(NOT_AVAILABLE))
        base = counts.get(ratio.base, empty_cell(NOT_AVAILABLE))
        is_open = cell.status == NOT_AVAILABLE and ratio.measure not in unreliable
        if is_open and share.is_known and base.is_known:
            counts[ratio.measure] = derive_count(base, share.value, ratio)
    if borrowed:
        del counts["population_0_17"]
    for name, cell in counts.items():
        sheet = homes[name]
        records.append(
            (
                code,
                year,
                name,
                cell.value,
                cell.lower,
                cell.upper,
                cell.status,
                int(name in unreliable),
                CONFIDENCE["none"],
                sheet.file.name,
                sheet.table.label(sheet.released) + sheet.areas[key].note,
                sheet.released,
            )
        )


def _bound_totals(
    banded: Sequence[Banded], bands: Mapping[str, Cell], shares: Mapping[Ratio, Cell]
) -> dict[str, tuple[float, float]]:
    """Bounds of each total of bands: no less than the bands printed, and what their per cents say.

    Kensington and Chelsea 2023 hides the plans ended and prints four of their five durations.
    """
    found: dict[str, tuple[float, float]] = {}
    for group in banded:
        cells = [bands[name] for name in (*group.inside, *group.outside)]
        shown = [cell.lower for cell in cells if cell.is_known and not cell.is_hidden]
        found[group.total] = (sum(shown), math.inf)
    names = {group.measure: group.inside[0] for group in banded if len(group.inside) == 1}
    for ratio, share in shares.items():
        part = bands.get(names.get(ratio.measure, ratio.measure))
        if part is None or part.is_hidden or not part.is_known or not share.is_known:
            continue
        least, most = found.get(ratio.base, (0.0, math.inf))
        if share.value > ratio.half_unit and part.lower > 0:
            least = max(least, part.lower * ratio.per / (share.value + ratio.half_unit))
            most = min(most, part.upper * ratio.per / (share.value - ratio.half_unit))
            found[ratio.base] = (least, max(least, most))
    return found


def derive_count(base: Cell, printed: float, ratio: Ratio) -> Cell:
    """The count that a printed rate or per cent of ``base`` allows, never tighter than 1 to 5."""
    lower = max(0.0, printed - ratio.half_unit) / ratio.per * base.lower
    upper = (printed + ratio.half_unit) / ratio.per * base.upper
    if MEASURES[ratio.base].name == MEASURES[ratio.measure].parent:
        upper = min(upper, base.upper)
    if not MEASURES[ratio.measure].is_count:
        return interval_cell(lower, upper, DERIVED)
    least, most = math.ceil(lower - 1e-9), math.floor(upper + 1e-9)
    if most < least:
        least, most = most, least
    if most <= SMALL[1] and printed > 0:
        least, most = min(least, int(SMALL[0])), int(SMALL[1])
    return interval_cell(float(least), float(most), DERIVED)
