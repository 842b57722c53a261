"""The official files below a folder, recognised by what they hold and never by their names."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from data_prep.errors import DataError, Fault
from data_prep.markers import clean_text

TABLES = {".csv": ",", ".tsv": "\t"}
WORKBOOKS = (".xlsx", ".xls", ".xlsb", ".ods")
MAPS = (".geojson", ".json")
# The record of what was downloaded, which lies beside the files and is none of them.
MANIFEST = "manifest.json"

# What a workbook's cell may hold.
type CellValue = int | float | str | bool | time | date | datetime | timedelta


@dataclass(frozen=True)
class RawFile:
    """One file as the publisher made it; contents are read when first asked for, and once.

    ``path`` is relative to the folder that was scanned, which is how the file is named in errors
    and in provenance; ``location`` is where it lies.
    """

    path: Path
    location: Path

    @property
    def name(self) -> str:
        return self.path.as_posix()

    @property
    def is_table(self) -> bool:
        return self.location.suffix.lower() in TABLES

    @property
    def is_workbook(self) -> bool:
        return self.location.suffix.lower() in WORKBOOKS

    @property
    def is_map(self) -> bool:
        return self.location.suffix.lower() in MAPS

    @cached_property
    def header(self) -> tuple[str, ...]:
        """Cells of a table's first line; empty for any other file. Reads that line only."""
        if not self.is_table:
            return ()
        with self.location.open("rb") as file:
            first = file.readline()
        return tuple(
            clean_text(cell)
            for cells in _cells(decode(first), TABLES[self.location.suffix.lower()])
            for cell in cells[1]
        )

    @cached_property
    def rows(self) -> list[tuple[int, list[str]]]:
        """Line number and cells of each line of a table below its header, blank lines left out."""
        text = decode(self.location.read_bytes())
        return list(_cells(text, TABLES[self.location.suffix.lower()]))[1:]

    @cached_property
    def _workbook(self) -> CalamineWorkbook:
        try:
            return CalamineWorkbook.from_path(str(self.location))
        except (CalamineError, OSError) as error:
            raise DataError(
                [
                    Fault(
                        file=self.name,
                        problem=f"not a readable workbook ({error})",
                        remedy="fetch the file again",
                    )
                ]
            ) from error

    @cached_property
    def sheets(self) -> tuple[str, ...]:
        """Names of a workbook's sheets."""
        return tuple(self._workbook.sheet_names)

    def sheet(self, name: str) -> list[list[CellValue]]:
        """All rows of a sheet from its first one; row 1 of the sheet is item 0. Cells are text,
        numbers, dates or blank text, as the workbook types them.
        """
        return self._workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)


def decode(content: bytes) -> str:
    """Text as UTF-8, with or without a byte-order mark, or else as Windows-1252."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _cells(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return ((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))


def scan(raw: Path) -> list[RawFile]:
    """Every table, workbook and map anywhere below ``raw``, in the order of their paths. Hidden
    files and folders, whose names begin with a dot, and the manifest are left out.

    Raises
    ------
    DataError
        When there is no such folder.
    """
    if not raw.is_dir():
        raise DataError(
            [
                Fault(
                    file=str(raw),
                    problem="no such folder",
                    remedy="give the folder that holds the official files with --raw",
                )
            ]
        )
    known = {*TABLES, *WORKBOOKS, *MAPS}
    files = [
        RawFile(path.relative_to(raw), path)
        for path in sorted(raw.rglob("*"))
        if path.suffix.lower() in known and path.name != MANIFEST and path.is_file()
    ]
    return [file for file in files if not any(part.startswith(".") for part in file.path.parts)]
