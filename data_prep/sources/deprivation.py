"""Reader of the English indices of deprivation: scores of upper-tier authorities by edition.

Three workbooks of the publisher (File 11 of 2015, 2019 and 2025: one sheet an index) and one table
of means over small areas for 2004, 2007 and 2010. Files are known by their sheets and columns,
whatever their names. The columns of 2025 are declared as others read them; no copy was at hand.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from data_prep import register
from data_prep.deprivation import EDITIONS
from data_prep.errors import DataError, Fault
from data_prep.markers import CellError, parse_number
from data_prep.sources.files import RawFile
from data_prep.sources.layouts import (
    contradiction,
    contradicts,
    missing_authorities,
    resemblance,
    tidy,
    unknown_code,
    unknown_layout,
)

# One score of each index by edition and authority; NaN where the edition's file lacks the index.
SCORE_COLUMNS = ("edition", "la_code", "imd_score", "idaci_score", "source")

TABLE = ("new_la_code", "la_name", "mean_lsoa_imd_score", "n_lsoa", "imd_year")
TABLE_EDITIONS = (2004, 2007, 2010)
_WHAT = "the indices of deprivation, File 11 (upper-tier summaries)"
_LOWER_TIER = "Local Authority District code"
# An IMD score lies within 0 and 100, a share of children within 0 and 1.
_LARGEST = {"imd_score": 100.0, "idaci_score": 1.0}


def _columns(codes: int, prefix: str) -> tuple[str, str, str]:
    tier = "Upper Tier Local Authority District"
    return (f"{tier} code ({codes})", f"{tier} name ({codes})", f"{prefix} - Average score")


# For each edition and score: the sheet, and its columns of code, name and score.
_LONG_IDACI = "Income Deprivation Affecting Children Index (IDACI)"
WORKBOOKS: dict[int, dict[str, tuple[str, tuple[str, str, str]]]] = {
    edition: {
        "imd_score": ("IMD", _columns(codes, "IMD")),
        "idaci_score": ("IDACI", _columns(codes, idaci)),
    }
    for edition, codes, idaci in (
        (2015, 2013, _LONG_IDACI),
        (2019, 2019, "IDACI"),
        (2025, 2024, "IDACI"),
    )
}


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    if file.is_table and resemblance(file.header, TABLE) > 0.5:
        return "indices of deprivation 2004, 2007 and 2010, means over small areas"
    if _is_workbook(file):
        edition = _edition_of(file)
        return f"indices of deprivation {edition or 'of unknown layout'}, upper-tier summaries"
    return None


def read_deprivation(files: Sequence[RawFile]) -> pd.DataFrame:
    """Scores of every edition among ``files``, in the order of edition and code.

    Returns
    -------
    DataFrame
        ``SCORE_COLUMNS``; ``la_code`` is the code as printed.

    Raises
    ------
    DataError
        With every fault of every file: editions printed twice, sheets or columns missing or
        unknown, authorities duplicated, missing or unknown, scores that cannot be.
    """
    rows: list[tuple[int, str, float, float, str]] = []
    faults: list[Fault] = []
    source_of: dict[int, str] = {}
    for file in files:
        if recognise(file) is None:
            continue
        read = _read_table if file.is_table else _read_workbook
        scores, bad = read(file)
        faults += bad
        for edition in sorted(scores):
            if edition in source_of:
                faults.append(
                    Fault(
                        file=file.name,
                        value=source_of[edition],
                        problem=f"a second file for the indices of deprivation {edition}",
                        remedy="keep one of the two",
                    )
                )
                continue
            source_of[edition] = file.name
            for code in sorted(scores[edition]):
                own = scores[edition][code]
                imd, idaci = (own.get(name, math.nan) for name in ("imd_score", "idaci_score"))
                rows.append((edition, code, imd, idaci, file.name))
    if faults:
        raise DataError(faults)
    return pd.DataFrame(sorted(rows), columns=list(SCORE_COLUMNS))


type _Scores = dict[int, dict[str, dict[str, float]]]


def _is_workbook(file: RawFile) -> bool:
    """A workbook with a sheet of these indices that is not of lower-tier districts."""
    if not file.is_workbook:
        return False
    sheets = [sheet for sheet in ("IMD", "IDACI") if sheet in file.sheets]
    return bool(sheets) and not any(
        name.startswith(_LOWER_TIER) for name in _header(file, sheets[0])
    )


def _header(file: RawFile, sheet: str) -> list[str]:
    rows = file.sheet(sheet)
    return [tidy(cell) for cell in rows[0]] if rows else []


def _edition_of(file: RawFile) -> int | None:
    """The edition whose declared columns a sheet of the workbook holds."""
    for edition, plan in WORKBOOKS.items():
        for sheet, columns in plan.values():
            if sheet in file.sheets and columns[0] in _header(file, sheet):
                return edition
    return None


def _read_workbook(file: RawFile) -> tuple[_Scores, list[Fault]]:
    edition = _edition_of(file)
    if edition is None:
        faults = []
        for sheet, columns in WORKBOOKS[max(WORKBOOKS)].values():
            found = _header(file, sheet) if sheet in file.sheets else ()
            faults.append(unknown_layout(f"{file.name}, sheet {sheet}", found, columns, _WHAT))
        return {}, faults
    faults = []
    scores: dict[str, dict[str, float]] = {}
    printed: dict[str, str] = {}
    for name, (sheet, columns) in WORKBOOKS[edition].items():
        where = f"{file.name}, sheet {sheet}"
        if sheet not in file.sheets:
            faults.append(
                Fault(
                    file=where,
                    value=", ".join(file.sheets),
                    problem="no such sheet",
                    remedy=f"fetch {_WHAT} again",
                )
            )
            continue
        header = _header(file, sheet)
        if any(header.count(column) != 1 for column in columns):
            faults.append(unknown_layout(where, header, columns, _WHAT))
            continue
        at = [header.index(column) for column in columns]
        lines = [
            (number, [line[index] for index in at])
            for number, line in enumerate(file.sheet(sheet)[1:], 2)
            if any(tidy(cell) for cell in line)
        ]
        own, bad = _read_lines(where, lines, columns, name, EDITIONS[edition].authorities)
        faults += bad
        for code, score in own.items():
            # Sheets may print an area under its older and its newer code: the first one stays.
            code = printed.setdefault(register.latest_code(code), code)
            scores.setdefault(code, {})[name] = score
    return ({} if faults else {edition: scores}), faults


def _read_table(file: RawFile) -> tuple[_Scores, list[Fault]]:
    header = [tidy(name) for name in file.header]
    if sorted(header) != sorted(TABLE):
        what = "the table of mean scores 2004-2010"
        return {}, [unknown_layout(file.name, header, TABLE, what)]
    faults: list[Fault] = []
    lines: dict[int, list[tuple[int, list[object]]]] = {edition: [] for edition in TABLE_EDITIONS}
    for number, texts in file.rows:
        if len(texts) != len(header):
            faults.append(
                Fault(
                    file=file.name,
                    row=number,
                    value=str(len(texts)),
                    problem=f"number of cells differs from the header's {len(header)}",
                    remedy="fetch the file again; an unquoted comma or a cut line shifts cells",
                )
            )
            continue
        cells = dict(zip(header, map(tidy, texts), strict=True))
        year = cells["imd_year"]
        areas = cells["n_lsoa"]
        if year not in map(str, TABLE_EDITIONS):
            column, value, problem = "imd_year", year, "no edition of this table"
        elif not (areas.isascii() and areas.isdigit() and int(areas) > 0):
            column, value, problem = "n_lsoa", areas, "not a number of small areas"
        else:
            lines[int(year)].append((number, [cells[column] for column in TABLE[:3]]))
            continue
        faults.append(
            Fault(
                file=file.name,
                row=number,
                column=column,
                value=value,
                problem=problem,
                remedy="fetch the file again",
            )
        )
    scores: _Scores = {}
    for edition, rows in lines.items():
        own, bad = _read_lines(
            file.name, rows, TABLE, "imd_score", EDITIONS[edition].authorities, f"{edition}: "
        )
        # A faulty line above would be named a second time as a missing authority.
        faults += bad if not faults else []
        scores[edition] = {code: {"imd_score": score} for code, score in own.items()}
    return ({} if faults else scores), faults


def _read_lines(
    file: str,
    lines: Iterable[tuple[int, Sequence[object]]],
    columns: Sequence[str],
    name: str,
    year: int,
    prefix: str = "",
) -> tuple[Mapping[str, float], list[Fault]]:
    """Scores by code as printed, from rows of code, name and score; every authority of ``year``
    must be there once.
    """
    faults: list[Fault] = []
    scores: dict[str, float] = {}
    seen: dict[str, int] = {}
    for number, (code_cell, name_cell, score_cell) in lines:
        code, la_name = tidy(code_cell), tidy(name_cell)
        authority = register.authorities().get(code)
        if authority is None:
            faults.append(unknown_code(file, number, columns[0], code, la_name))
            continue
        if contradicts(authority, la_name):
            faults.append(contradiction(file, number, columns[0], code, la_name))
            continue
        area = register.latest_code(code)
        if area in seen:
            faults.append(
                Fault(
                    file=file,
                    row=number,
                    column=columns[0],
                    value=f"{code} {la_name}",
                    problem=f"{prefix}duplicate of row {seen[area]}",
                    remedy="delete one of the two rows or fetch the file again",
                )
            )
            continue
        seen[area] = number
        if not authority.exists_in(year) and area not in _areas(year):
            faults.append(
                Fault(
                    file=file,
                    row=number,
                    column=columns[0],
                    value=f"{code} {la_name}",
                    problem=f"{prefix}no authority of this edition's boundaries",
                    remedy="fetch the file again",
                )
            )
            continue
        try:
            scores[code] = _read_score(score_cell, _LARGEST[name])
        except CellError as error:
            faults.append(
                Fault(
                    file=file,
                    row=number,
                    column=columns[2],
                    value=str(score_cell),
                    problem=f"{prefix}{error}",
                    remedy=f"a number above 0 and up to {_LARGEST[name]:g} belongs here; "
                    "fetch the file again",
                )
            )
    if not faults:
        faults = missing_authorities(file, year, seen, f"{prefix}no row", columns[0])
    return scores, faults


def _areas(year: int) -> set[str]:
    return {register.latest_code(authority.la_code) for authority in register.authorities_in(year)}


def _read_score(cell: object, largest: float) -> float:
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        raise CellError("a date or a truth value, not a number")
    value = parse_number(cell) if isinstance(cell, str) else float(cell)
    if not 0 < value <= largest:
        raise CellError("a score that cannot be")
    return value
