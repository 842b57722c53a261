"""Made-up files of facts about authorities in the publishers' layouts, with invented figures."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from data_prep import register
from data_prep.deprivation import EDITIONS
from data_prep.neighbours import RANKS
from data_prep.register import Authority
from data_prep.sources.deprivation import TABLE, TABLE_EDITIONS, WORKBOOKS
from data_prep.sources.files import RawFile
from data_prep.sources.neighbours import LAYOUTS

type Cell = str | float
type Sheet = list[list[Cell]]

_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def write_workbook(path: Path, sheets: Mapping[str, Sheet]) -> Path:
    """Write the smallest workbook that holds the sheets: text cells inline, numbers plain."""
    numbers = range(1, len(sheets) + 1)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET_TYPE}.sheet.main+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
            f'ContentType="{_SHEET_TYPE}.worksheet+xml"/>'
            for n in numbers
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        + "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>'
            for n, name in zip(numbers, sheets, strict=True)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">'
        + "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" '
            f'Target="worksheets/sheet{n}.xml"/>'
            for n in numbers
        )
        + "</Relationships>",
    }
    for n, rows in zip(numbers, sheets.values(), strict=True):
        lines = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        parts[f"xl/worksheets/sheet{n}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{lines}</sheetData></worksheet>'
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return path


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        text = f'<is><t xml:space="preserve">{escape(value)}</t></is>'
        return f'<c t="inlineStr">{text}</c>'
    return f"<c><v>{value!r}</v></c>"


def imd_of(authority: Authority) -> float:
    """An invented score that differs between authorities."""
    return 5 + int(register.latest_code(authority.la_code)[3:]) % 400 / 10


def idaci_of(authority: Authority) -> float:
    return round(imd_of(authority) / 100, 4)


def deprivation_sheets(edition: int) -> dict[str, Sheet]:
    """Sheets of an edition's workbook; headers end in a space, as the publisher's do."""
    sheets: dict[str, Sheet] = {"Notes": []}
    year = EDITIONS[edition].authorities
    for name, (sheet, columns) in WORKBOOKS[edition].items():
        score = imd_of if name == "imd_score" else idaci_of
        code, label, average = columns
        header: list[Cell] = [code, label, "Average rank ", f"{average} "]
        rows: Sheet = [
            [authority.la_code, authority.name, 100.5, score(authority)]
            for authority in register.authorities_in(year)
        ]
        sheets[sheet] = [header, *rows]
    return sheets


def deprivation_table() -> list[list[str]]:
    """The table of means over small areas."""
    rows = [
        [authority.la_code, authority.name, f"{imd_of(authority):.3f}", "58", str(edition)]
        for edition in TABLE_EDITIONS
        for authority in register.authorities_in(EDITIONS[edition].authorities)
    ]
    return [list(TABLE), *rows]


def neighbours_table(edition: int) -> list[list[str]]:
    """Lists in which each authority is followed by the next ten in the order of codes."""
    (layout,) = (layout for layout in LAYOUTS if layout.edition == edition)
    authorities = register.authorities_in(layout.authorities)
    words = ["Extremely Close", "Very close ", *["Close "] * 4, *["Somewhat close"] * 3]
    words.append("Not Close")
    ends = [""] if layout.heading else []
    table = [[*layout.columns, *ends]]
    for index, authority in enumerate(authorities):
        near = [authorities[(index + rank) % len(authorities)] for rank in range(1, RANKS + 1)]
        pairs = [
            text for other, word in zip(near, words, strict=True) for text in (other.dfe_code, word)
        ]
        code, name = authority.dfe_code, authority.name
        own = [code, name, code, "3", "Region"] if layout.heading else [code, name, "3", "Region"]
        table.append([*own, *pairs, *ends])
    if layout.heading:
        width = len(table[0])
        old = register.authorities()["E10000021"]
        table.append([""] * width)
        table.append(["", layout.heading, *[""] * (width - 2)])
        table.append([old.dfe_code, old.name, old.dfe_code, "1", "Region", *table[1][5:]])
    return table


def write_table(path: Path, table: Sequence[Sequence[str]], *, encoding: str = "utf-8-sig") -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def raw_file(path: Path) -> RawFile:
    return RawFile(Path(path.name), path)
