"""Workbooks of inspections in Ofsted's two layouts, with invented judgements."""

import datetime
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from data_prep import register
from data_prep.register import Authority
from data_prep.sources.files import CellValue, RawFile
from data_prep.sources.ofsted_columns import (
    FORMER,
    ILACS_SHEET,
    ILACS_UNUSED,
    ILACS_USED,
    NAME,
    PRESENT,
    Table,
)

HISTORY_SHEET = "LA_inspections_2009-2023"
RI = "Requires improvement to be good"
# How Ofsted prints names that the register has otherwise.
PRINTED = {
    "Bedford": "Bedford Borough",
    "Bristol, City of": "Bristol",
    "County Durham": "Durham",
    "Herefordshire, County of": "Herefordshire",
    "Kingston upon Hull, City of": "Kingston Upon Hull",
    "St. Helens": "St Helens",
    "Telford and Wrekin": "Telford & Wrekin",
}
FORMER_NAMES = ("Bournemouth", "Dorset", "Poole", "Northamptonshire")

type Sheet = list[list[CellValue]]


def day(text: str) -> datetime.datetime:
    """A cell of type date."""
    return datetime.datetime.fromisoformat(text)


def printed(authority: Authority) -> str:
    """Ofsted's name for an authority."""
    return PRINTED.get(authority.name, authority.name)


def _header(table: Table) -> list[CellValue]:
    used = [c for j in table.judgements for c in (j.kind, j.date, j.grade) if c]
    web, region, kind, *parts = table.unused
    return [web, NAME, region, kind, *used, *parts]


def _row(header: Sequence[CellValue], **cells: CellValue) -> list[CellValue]:
    found = {"Web link": "Link", "LA region": "Region", "LA Authority Type": "Type", **cells}
    return [found.get(str(column), "") for column in header]


def history_sheet(judged: Mapping[str, Mapping[str, CellValue]] | None = None) -> Sheet:
    """Both tables of the stacked sheet; every authority without an entry in ``judged`` was judged
    once, under SLAC. Keys are names; former authorities are keyed with ``former``.
    """
    given = {**(judged or {})}
    slac = PRESENT.judgements[0]
    plain = {slac.date: day("2011-05-20"), slac.grade: "Good"}
    rows: Sheet = [["Inspections 2009-2023"], ["Two tables."], []]
    header = _header(PRESENT)
    # Real headers hold line breaks and stray spaces.
    rows.append(
        [f" {column} ".replace("First SIF Overall ", "First SIF Overall\n") for column in header]
    )
    for authority in sorted(register.authorities_in(2023), key=lambda found: found.name):
        new = authority.from_year > 2012 and authority.la_code in NEW
        cells = given.pop(authority.name, {} if new else plain)
        rows.append(_row(header, **{NAME: printed(authority), **cells}))
    rows += [[], [], ["Table 11: authorities before the restructure"]]
    header = _header(FORMER)
    rows.append([*header, "", ""])
    for name in FORMER_NAMES:
        cells = given.pop(f"former {name}", plain)
        rows.append(_row(header, **{NAME: name, **cells}))
    assert not given, f"no such authorities: {list(given)}"
    return rows


# Authorities of 2023 that are the work of a reorganisation, not of a change of code.
NEW = ("E06000058", "E06000059", "E06000061", "E06000062")


def ilacs_row(
    code: str,
    name: str,
    inspected: CellValue,
    published: CellValue,
    grade: CellValue,
    kind: str = "ILACS Standard Inspection",
    status: str = "Current",
) -> list[CellValue]:
    """A row of the history of the framework of 2018, in the order of :func:`ilacs_sheet`."""
    return ["Link", code, name, status, "Region", inspected, published, kind, grade, "", "", "", ""]


def ilacs_sheet(*rows: list[CellValue]) -> Sheet:
    """The history of the framework of 2018."""
    link, region, *parts = ILACS_UNUSED
    code, name, status, inspected, published, kind, overall = ILACS_USED
    header: list[CellValue] = [
        link,
        code,
        name,
        status,
        region,
        inspected,
        published,
        kind,
        overall,
        *parts,
    ]
    return [["ILACS inspection history"], ["One table."], header, *rows]


class Workbook(RawFile):
    """A workbook in memory."""

    def __init__(self, name: str, sheets: Mapping[str, Sheet]) -> None:
        super().__init__(Path(name), Path(name))
        object.__setattr__(self, "held", dict(sheets))

    @property
    def sheets(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self.held)  # type: ignore[attr-defined]

    def sheet(self, name: str) -> Sheet:
        return self.held[name]  # type: ignore[attr-defined]


def history(sheet: Sheet | None = None, name: str = "2023.ods") -> Workbook:
    """The stacked workbook, with another sheet beside."""
    return Workbook(name, {"Cover": [["x"]], HISTORY_SHEET: sheet or history_sheet()})


def ilacs(*rows: list[CellValue], name: str = "2025.ods") -> Workbook:
    """The workbook of the framework of 2018, with another sheet beside."""
    return Workbook(name, {"Notes": [["x"]], ILACS_SHEET: ilacs_sheet(*rows)})


_MANIFEST = (
    '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest '
    'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
    '<manifest:file-entry manifest:full-path="/" '
    'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>'
)


def write_ods(path: Path, book: Workbook) -> Path:
    """Write a workbook as an OpenDocument spreadsheet."""
    tables = "".join(
        f"<table:table table:name={quoteattr(name)}>"
        + "".join(
            "<table:table-row>" + "".join(map(_ods_cell, row or [""])) + "</table:table-row>"
            for row in book.sheet(name)
        )
        + "</table:table>"
        for name in book.sheets
    )
    namespace = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><office:document-content '
        f'xmlns:office="{namespace}:office:1.0" xmlns:table="{namespace}:table:1.0" '
        f'xmlns:text="{namespace}:text:1.0"><office:body><office:spreadsheet>'
        f"{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", _MANIFEST)
        archive.writestr("content.xml", content)
    return path


def _ods_cell(value: CellValue) -> str:
    if isinstance(value, datetime.datetime):
        text = value.date().isoformat()
        return (
            f'<table:table-cell office:value-type="date" office:date-value="{text}">'
            f"<text:p>{text}</text:p></table:table-cell>"
        )
    if value == "":
        return "<table:table-cell/>"
    lines = "".join(f"<text:p>{escape(line)}</text:p>" for line in str(value).split("\n"))
    return f'<table:table-cell office:value-type="string">{lines}</table:table-cell>'
