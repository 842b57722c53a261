"""Reader of Ofsted's inspections of local authorities, 2009 to date.

Every judgement of safeguarding or overall effectiveness is read once, whether one or both of the
two workbooks print it; whatever is printed and is no such judgement, or is left out, becomes a
finding with its reason. Sheets, columns and grades: ``ofsted_columns.py``; choices:
``docs/decisions/inspections.md``.
"""

import datetime
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pandas as pd

from data_prep import register
from data_prep.checks import WARNING, Finding
from data_prep.errors import DataError, Fault
from data_prep.register import Authority
from data_prep.schema import GRADES
from data_prep.sources.files import CellValue, RawFile
from data_prep.sources.ofsted_columns import (
    ALIASES,
    CODE,
    FORMER,
    GRADE_OF,
    HISTORY_SHEET,
    ILACS_SHEET,
    ILACS_UNUSED,
    ILACS_USED,
    INSPECTED,
    JUDGED_KINDS,
    KIND,
    NAME,
    NOT_JUDGED,
    OVERALL,
    PRESENT,
    PUBLISHED,
    REPORTED,
    STATUS,
    STATUSES,
    TITLE,
    UNJUDGED_KINDS,
    Judgement,
    Table,
    normalised,
)

# One row per inspection. ``la_code`` is the authority inspected, ``source`` the files that print
# it, newest first and parted by "; ".
COLUMNS = (
    "la_code",
    "framework",
    "grade",
    "publication_date",
    "inspection_date",
    "reinspection",
    "source",
)
CHECK = "inspections"
# No authority is inspected twice within this time under one framework, so that two dates so close
# in two workbooks are one inspection. The shortest time between two is 924 days.
SAME_INSPECTION = datetime.timedelta(days=183)
# Longer from visit to report is named; the longest in the files is 225 days (Devon, May 2025).
LONG_GAP = datetime.timedelta(days=183)
# So long that one of the two dates must be wrong.
LONGEST_GAP = datetime.timedelta(days=731)
_HEADER_CELL = normalised(NAME)


@dataclass(frozen=True)
class InspectionReading:
    """Judgements (``COLUMNS``), in order of publication, and what was found in the files."""

    inspections: pd.DataFrame
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Visit:
    authority: Authority
    framework: str
    grade: int
    kind: str
    published: datetime.date
    inspected: datetime.date | None
    reinspection: bool
    source: str

    @property
    def area(self) -> str:
        return register.latest_code(self.authority.la_code)


class _Sheet:
    """What is found on one sheet: visits, findings and faults."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.visits: list[_Visit] = []
        self.findings: list[Finding] = []
        self.faults: list[Fault] = []

    def fault(
        self,
        problem: str,
        remedy: str,
        row: int | None = None,
        column: str = "",
        value: object = "",
    ) -> None:
        self.faults.append(Fault(problem, remedy, self.file, row, column, _shown(value)))

    def find(self, level: str, problem: str, remedy: str, visit: _Visit, value: str = "") -> None:
        self.findings.append(
            _finding(level, problem, remedy, self.file, visit, value or visit.published.isoformat())
        )


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    if not file.is_workbook:
        return None
    history = _history_sheet(file)
    if history:
        return f"{TITLE}, 2009-{history[1]}"
    return f"{TITLE}, framework of 2018" if ILACS_SHEET in file.sheets else None


def _history_sheet(file: RawFile) -> tuple[str, int] | None:
    """Name and last year of the stacked sheet, where the workbook has one."""
    matches = [(name, re.fullmatch(HISTORY_SHEET, name)) for name in file.sheets]
    found = [(name, int(match[1])) for name, match in matches if match]
    return found[0] if found else None


def read_ofsted(files: Sequence[RawFile]) -> InspectionReading:
    """Read both workbooks, or the one that is there, and bring them together.

    Raises
    ------
    DataError
        With every fault of every file: a second file of one kind, columns missing or unknown,
        authorities unknown, missing or printed twice, dates and grades that are none.
    """
    found: dict[str, RawFile] = {}
    faults: list[Fault] = []
    for file in files:
        label = recognise(file)
        if label is None:
            continue
        kind = ILACS_SHEET if ILACS_SHEET in file.sheets else HISTORY_SHEET
        if kind in found:
            faults.append(
                Fault(
                    file=file.name,
                    value=found[kind].name,
                    problem=f"a second file of {label}",
                    remedy="keep one of the two",
                )
            )
        else:
            found[kind] = file
    sheets = []
    if ILACS_SHEET in found:
        newer = found[ILACS_SHEET]
        sheets.append(_read_ilacs(newer.name, newer.sheet(ILACS_SHEET)))
    if HISTORY_SHEET in found:
        older = found[HISTORY_SHEET]
        name, year = _history_sheet(older) or ("", 0)
        sheets.append(_read_history(older.name, older.sheet(name), year))
    faults += [fault for sheet in sheets for fault in sheet.faults]
    if faults:
        raise DataError(faults)
    visits, overlaps = _merge([sheet.visits for sheet in sheets])
    findings = [finding for sheet in sheets for finding in sheet.findings] + overlaps
    if not found:
        findings.append(
            Finding(CHECK, WARNING, "no workbook of inspections", "fetch it with 'make data'")
        )
    return InspectionReading(_frame(visits), tuple(findings))


# ------------------------------------------------------------------------------ the stacked sheet


def _read_history(file: str, rows: list[list[CellValue]], year: int) -> _Sheet:
    """Read the sheet of ``year``: authorities of that March above, former ones below."""
    sheet = _Sheet(file)
    starts = [at for at, row in enumerate(rows) if _HEADER_CELL in map(normalised, row)]
    if len(starts) != 2:
        sheet.fault(
            f"{len(starts)} tables with a column {NAME!r}, where 2 are expected",
            "fetch the file again; if it is whole, its layout is new",
        )
        return sheet
    present = {
        register.latest_code(authority.la_code): authority
        for authority in register.authorities_in(year)
    }
    former = {
        register.latest_code(authority.la_code): authority
        for past in range(2010, year)
        for authority in register.authorities_in(past)
    }
    expected = (present, {area: a for area, a in former.items() if area not in present})
    for table, start, end, wanted in zip(
        (PRESENT, FORMER), starts, (starts[1], len(rows)), expected, strict=True
    ):
        _read_table(sheet, rows, start, end, table, wanted)
    return sheet


def _read_table(
    sheet: _Sheet,
    rows: list[list[CellValue]],
    start: int,
    end: int,
    table: Table,
    wanted: Mapping[str, Authority],
) -> None:
    place = _columns(sheet, rows[start], start + 1, table.columns)
    if place is None:
        return
    seen: dict[str, int] = {}
    over = False
    for at in range(start + 1, end):
        row = rows[at]
        filled = [cell for cell in row if _shown(cell)]
        if not filled:
            over = True
            continue
        if over:
            # Below a table stands at most the title of the next one.
            if len(filled) > 1:
                sheet.fault(
                    "a row outside the tables",
                    "take out the blank row above it",
                    at + 1,
                    NAME,
                    filled[0],
                )
            continue
        name = _cell(row, place[normalised(NAME)])
        authority = _named(name, wanted.values())
        if authority is None:
            sheet.fault(
                f"not one of the {table.title}",
                f"correct the name{_nearest(name, wanted.values())}",
                at + 1,
                NAME,
                name,
            )
            continue
        area = register.latest_code(authority.la_code)
        if area in seen:
            sheet.fault(
                f"second row of {name}; the first is row {seen[area]}",
                "keep one of them",
                at + 1,
                NAME,
                name,
            )
            continue
        seen[area] = at + 1
        for judgement in table.judgements:
            _read_judgement(sheet, row, at + 1, place, judgement, authority)
    missing = [authority.name for area, authority in wanted.items() if area not in seen]
    # Rows whose name is unknown are faults already; naming them twice would confuse.
    if missing and not sheet.faults:
        sheet.fault(
            f"no row for {len(missing)} of the {len(wanted)} {table.title}: {', '.join(missing)}",
            "fetch the file again: rows are missing",
        )


def _read_judgement(
    sheet: _Sheet,
    row: list[CellValue],
    number: int,
    place: Mapping[str, int],
    judgement: Judgement,
    authority: Authority,
) -> None:
    """Read one pair of columns of one authority, either both filled or both blank."""
    cells = {
        column: _cell(row, place[normalised(column)])
        for column in (judgement.date, judgement.grade, judgement.kind)
        if column
    }
    blank = [column for column, cell in cells.items() if not _shown(cell)]
    if len(blank) == len(cells):
        return
    if blank:
        for column in blank:
            sheet.fault(
                f"blank, although {authority.name} has a {judgement.framework} inspection "
                "in its row",
                "fetch the file again",
                number,
                column,
            )
        return
    published = _read_date(sheet, cells[judgement.date], number, judgement.date)
    framework = judgement.framework
    grade = _read_grade(sheet, cells[judgement.grade], number, judgement.grade)
    kind = normalised(cells.get(judgement.kind, ""))
    if judgement.kind and not _check_kind(sheet, kind, number, judgement.kind):
        return
    if published is None or grade is None:
        return
    if not _check_reported(sheet, framework, published, number, judgement.date):
        return
    if not _existing(authority, published):
        sheet.fault(
            f"{authority.name} did not exist when the report came out",
            "fetch the file again",
            number,
            judgement.date,
            published.isoformat(),
        )
        return
    visit = _Visit(
        _existing(authority, published) or authority,
        framework,
        grade,
        kind,
        published,
        None,
        judgement.reinspection,
        sheet.file,
    )
    _keep(sheet, visit, judgement.left_out)


# ------------------------------------------------------------------------------ since 2018


def _read_ilacs(file: str, rows: list[list[CellValue]]) -> _Sheet:
    """Read the history of the framework of 2018, one row an inspection."""
    sheet = _Sheet(file)
    starts = [at for at, row in enumerate(rows) if _HEADER_CELL in map(normalised, row)]
    if len(starts) != 1:
        sheet.fault(
            f"{len(starts)} tables with a column {NAME!r}, where 1 is expected",
            "fetch the file again; if it is whole, its layout is new",
        )
        return sheet
    known = frozenset(map(normalised, (*ILACS_USED, *ILACS_UNUSED)))
    place = _columns(sheet, rows[starts[0]], starts[0] + 1, known)
    if place is None:
        return sheet
    seen: dict[tuple[str, datetime.date], int] = {}
    for number, row in enumerate(rows[starts[0] + 1 :], starts[0] + 2):
        if not any(_shown(cell) for cell in row):
            continue
        visit = _read_visit(sheet, row, number, place)
        if visit is None:
            continue
        key = visit.area, visit.published
        if key in seen:
            sheet.fault(
                f"second row of {visit.authority.name}, published {visit.published}; the first is "
                f"row {seen[key]}",
                "keep one of them",
                number,
                PUBLISHED,
                visit.published.isoformat(),
            )
            continue
        seen[key] = number
        _keep(sheet, visit, "")
    if not sheet.faults:
        _find_uninspected(sheet, {area for area, _ in seen})
    return sheet


def _read_visit(
    sheet: _Sheet, row: list[CellValue], number: int, place: Mapping[str, int]
) -> _Visit | None:
    cells = {column: _cell(row, place[normalised(column)]) for column in ILACS_USED}
    kind = normalised(cells[KIND])
    before = len(sheet.faults)
    _check_kind(sheet, kind, number, KIND)
    if _shown(cells[STATUS]) not in STATUSES:
        sheet.fault(
            "unknown status of an authority",
            f"write {' or '.join(STATUSES)}",
            number,
            STATUS,
            cells[STATUS],
        )
    published = _read_date(sheet, cells[PUBLISHED], number, PUBLISHED)
    inspected = _read_date(sheet, cells[INSPECTED], number, INSPECTED)
    grade: int | None
    if kind in UNJUDGED_KINDS and not _shown(cells[OVERALL]):
        grade = -1
    else:
        grade = _read_grade(sheet, cells[OVERALL], number, OVERALL)
    if published and inspected and inspected > published:
        sheet.fault(
            f"later than the report of {published}",
            "fetch the file again",
            number,
            INSPECTED,
            inspected.isoformat(),
        )
    elif published and inspected and published - inspected > LONGEST_GAP:
        sheet.fault(
            f"more than two years before the report of {published}",
            "fetch the file again",
            number,
            INSPECTED,
            inspected.isoformat(),
        )
    if published:
        _check_reported(sheet, "ILACS", published, number, PUBLISHED)
    code = _shown(cells[CODE])
    authority = _coded(code, published) if published else None
    if published and authority is None:
        sheet.fault(
            "no such authority when the report came out", "correct the code", number, CODE, code
        )
    elif authority and _named(cells[NAME], [authority]) is None:
        sheet.fault(
            f"the code is that of {authority.name}",
            "correct code or name",
            number,
            NAME,
            cells[NAME],
        )
    if len(sheet.faults) > before or authority is None or published is None or grade is None:
        return None
    return _Visit(authority, "ILACS", grade, kind, published, inspected, False, sheet.file)


def _find_uninspected(sheet: _Sheet, areas: Iterable[str]) -> None:
    """Name the authorities of the day without an inspection under the framework of 2018."""
    years = [_year(visit.published) for visit in sheet.visits]
    if not years:
        return
    inspected = set(areas)
    for authority in register.authorities_in(min(max(years), register.LAST_YEAR)):
        if register.latest_code(authority.la_code) not in inspected:
            sheet.findings.append(
                Finding(
                    CHECK,
                    WARNING,
                    "no inspection under the framework of 2018",
                    "",
                    sheet.file,
                    authority.name,
                )
            )


# ------------------------------------------------------------------------------ cells


def _shown(cell: object) -> str:
    """Text of a cell without spaces at its ends; blank for an empty one."""
    return " ".join(str(cell).replace("\ufeff", "").split())


def _cell(row: list[CellValue], at: int) -> CellValue:
    return row[at] if at < len(row) else ""


def _columns(
    sheet: _Sheet, header: list[CellValue], number: int, known: frozenset[str]
) -> dict[str, int] | None:
    """Place of each column, or None after a fault for every column missing or unknown."""
    texts = [normalised(cell) for cell in header]
    before = len(sheet.faults)
    for text in sorted(known - set(texts)):
        near = difflib.get_close_matches(text, [t for t in texts if t not in known], n=1)
        sheet.fault(
            f"column missing; found {', '.join(filter(None, texts))}; "
            f"expected {', '.join(sorted(known))}",
            f"restore it{f'; nearest: {near[0]}' if near else '; nothing near it'}",
            number,
            text,
        )
    for at, text in enumerate(texts):
        if text and text not in known:
            sheet.fault(
                "unknown column", "take it out, or declare it in ofsted_columns.py", number, text
            )
        elif text and texts.index(text) != at:
            sheet.fault("column printed twice", "keep one of the two", number, text)
    if len(sheet.faults) > before:
        return None
    return {text: at for at, text in enumerate(texts) if text}


def _read_date(sheet: _Sheet, cell: CellValue, row: int, column: str) -> datetime.date | None:
    if isinstance(cell, datetime.datetime):
        return cell.date()
    if isinstance(cell, datetime.date):
        return cell
    sheet.fault(
        "not a date" if _shown(cell) else "blank where a date is expected",
        "make it a cell of type date",
        row,
        column,
        cell,
    )
    return None


def _read_grade(sheet: _Sheet, cell: CellValue, row: int, column: str) -> int | None:
    """Position in ``GRADES``, -1 where inspectors gave no judgement, None after a fault."""
    text = normalised(cell)
    if text in GRADE_OF:
        return GRADE_OF[text]
    if text in NOT_JUDGED:
        return -1
    sheet.fault(
        "not a grade" if text else "blank where a grade is expected",
        f"write one of {', '.join(GRADES)}",
        row,
        column,
        cell,
    )
    return None


def _check_kind(sheet: _Sheet, kind: str, row: int, column: str) -> bool:
    if kind in (*JUDGED_KINDS, *UNJUDGED_KINDS):
        return True
    sheet.fault(
        "unknown type of inspection" if kind else "blank where a type of inspection is expected",
        f"write one of {', '.join((*JUDGED_KINDS, *UNJUDGED_KINDS))}",
        row,
        column,
        kind,
    )
    return False


def _check_reported(
    sheet: _Sheet, framework: str, published: datetime.date, row: int, column: str
) -> bool:
    first, last = REPORTED[framework]
    if first <= published <= last:
        return True
    sheet.fault(
        f"no report of {framework} came out then ({first} to {last})",
        "fetch the file again: a column may have shifted",
        row,
        column,
        published.isoformat(),
    )
    return False


def _keep(sheet: _Sheet, visit: _Visit, left_out: str) -> None:
    """Take a visit as an inspection of the cube, or say why not."""
    if left_out:
        sheet.find(WARNING, f"{visit.framework} inspection {left_out}", "left out", visit)
    elif visit.kind in UNJUDGED_KINDS:
        sheet.find(WARNING, f"{visit.kind}: gives no judgement", "left out", visit)
    elif visit.grade < 0:
        sheet.find(WARNING, f"{visit.framework} inspection without a judgement", "left out", visit)
    else:
        if visit.inspected and visit.published - visit.inspected > LONG_GAP:
            days = (visit.published - visit.inspected).days
            sheet.find(
                WARNING, f"{days} days from inspection to report", "used as published", visit
            )
        sheet.visits.append(visit)


# ------------------------------------------------------------------------------ authorities


@cache
def _plain(name: str) -> str:
    """A name without punctuation, as names are compared."""
    text = normalised(name).replace("&", " and ").replace("'", "")
    return " ".join(re.sub(r"[^a-z ]", " ", text).split())


def _named(name: object, authorities: Iterable[Authority]) -> Authority | None:
    """The authority that Ofsted calls by that name."""
    plain = _plain(_shown(name))
    wanted = {plain, _plain(ALIASES.get(plain, plain))}
    found = [authority for authority in authorities if _plain(authority.name) in wanted]
    return found[0] if len(found) == 1 else None


def _nearest(name: object, authorities: Iterable[Authority]) -> str:
    names = {_plain(authority.name): authority.name for authority in authorities}
    near = difflib.get_close_matches(_plain(_shown(name)), names, n=1)
    return f"; nearest: {names[near[0]]}" if near else ""


def _year(date: datetime.date) -> int:
    """Financial year of a day."""
    return date.year + (date.month >= 4)


def _coded(la_code: str, published: datetime.date) -> Authority | None:
    """The authority of that code when the report came out; or the year before, for a report may
    come out after the authority that it judges has ended.
    """
    if not la_code:
        return None
    year = _year(published)
    found = (register.find_authority(past, la_code=la_code) for past in (year, year - 1))
    return next((authority for authority in found if authority), None)


def _existing(authority: Authority, published: datetime.date) -> Authority | None:
    return _coded(authority.la_code, published)


# ------------------------------------------------------------------------------ both workbooks


def _merge(sources: Sequence[Sequence[_Visit]]) -> tuple[list[_Visit], list[Finding]]:
    """Each inspection once, the first source before the second, and where the two differ."""
    kept: list[_Visit] = []
    findings: list[Finding] = []
    for number, visits in enumerate(sources):
        taken: set[int] = set()
        earlier = list(enumerate(kept)) if number else []
        fresh: list[_Visit] = []
        for visit in visits:
            twin = _twin(visit, [(at, other) for at, other in earlier if at not in taken])
            if twin is None:
                fresh.append(visit)
                if number:
                    findings += _only_here(visit, sources)
                continue
            taken.add(twin)
            findings += _differences(kept[twin], visit)
            kept[twin] = replace(kept[twin], source=f"{kept[twin].source}; {visit.source}")
        kept += fresh
    kept.sort(key=lambda visit: (visit.published, visit.area, visit.framework, visit.reinspection))
    return kept, findings


def _twin(visit: _Visit, others: Iterable[tuple[int, _Visit]]) -> int | None:
    """Position of the same inspection in another workbook: the nearest in time."""
    near = [
        (abs(other.published - visit.published), at)
        for at, other in others
        if (other.area, other.framework, other.reinspection)
        == (visit.area, visit.framework, visit.reinspection)
    ]
    gap, at = min(near, default=(SAME_INSPECTION, -1))
    return at if gap < SAME_INSPECTION else None


def _only_here(visit: _Visit, sources: Sequence[Sequence[_Visit]]) -> list[Finding]:
    """An inspection that the older workbook alone prints, under a framework that the newer prints
    in full.
    """
    if not any(other.framework == visit.framework for other in sources[0]):
        return []
    problem = f"{visit.framework} inspection that the newer workbook does not print"
    return [_finding(WARNING, problem, "used as published", visit.source, visit)]


def _differences(newer: _Visit, older: _Visit) -> list[Finding]:
    pairs = (
        ("publication date", newer.published.isoformat(), older.published.isoformat()),
        ("grade", GRADES[newer.grade], GRADES[older.grade]),
        ("type of inspection", newer.kind, older.kind),
    )
    return [
        _finding(
            WARNING,
            f"{label} is {new} in {newer.source.split('; ')[0]}",
            "the newer workbook is used",
            older.source,
            older,
            f"{label} {old}",
        )
        for label, new, old in pairs
        if new != old
    ]


def _finding(
    level: str, problem: str, remedy: str, file: str, visit: _Visit, value: str = ""
) -> Finding:
    return Finding(
        CHECK,
        level,
        problem,
        remedy,
        file,
        visit.authority.name,
        _year(visit.published),
        value or visit.published.isoformat(),
    )


def _frame(visits: Sequence[_Visit]) -> pd.DataFrame:
    frame = pd.DataFrame(
        [
            (
                visit.authority.la_code,
                visit.framework,
                visit.grade,
                visit.published,
                visit.inspected,
                int(visit.reinspection),
                visit.source,
            )
            for visit in visits
        ],
        columns=list(COLUMNS),
    )
    for column in ("publication_date", "inspection_date"):
        frame[column] = frame[column].astype("datetime64[ns]")
    return frame.astype({"grade": "int8", "reinspection": "int8"})
