"""Whether a file is what it should be, by what it holds."""

import fnmatch
import json
import re
from collections.abc import Iterable, Sequence

from data_prep.download.catalogue import Member
from data_prep.download.client import DownloadError, describe, hash_file
from data_prep.errors import DataError
from data_prep.markers import clean_text
from data_prep.sources.catalogue import find_reader
from data_prep.sources.files import RawFile

_SHOWN = 40


def check_file(file: RawFile, member: Member, reader: str, rows: int | None = None) -> str:
    """Check that ``file`` is ``member``, with ``rows`` rows below the header where that is known;
    what its reader says it is, or blank where the project has no such reader.

    Raises
    ------
    DownloadError
        Saying what was found instead.
    """
    with file.location.open("rb") as opened:
        start = opened.read(1000)
    what = describe(start)
    if what.startswith(("a web page", "an XML", "nothing")):
        raise DownloadError(f"{file.path.name}: {what} came instead of the file")
    if member.columns:
        _check_table(file, member, rows, what)
    elif member.sheets:
        _check_workbook(file, member, what)
    else:
        _check_map(file, member)
    if member.sha256 and hash_file(file.location) != member.sha256:
        raise DownloadError(
            f"{file.path.name}: not the file that is known (its hash differs); the publisher may "
            "have replaced it"
        )
    known_reader = find_reader(reader)
    if known_reader is None:
        return ""
    try:
        label = known_reader.recognise(file)
    except DataError as error:
        raise DownloadError(str(error.faults[0])) from error
    if label is None:
        raise DownloadError(
            f"{file.path.name}: the reader {reader} does not know it; its layout may have changed"
        )
    if member.label and not re.search(member.label, label):
        raise DownloadError(f"{file.path.name}: another file came: {label}")
    return label


def is_member(file: RawFile, member: Member, reader: str) -> bool:
    """Whether a file that lies anywhere is ``member``."""
    try:
        check_file(file, member, reader)
    except DownloadError:
        return False
    return True


def missing_patterns(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """Patterns that no name matches, whatever their case."""
    found = [name.strip().lower() for name in names]
    return [pattern for pattern in patterns if not fnmatch.filter(found, pattern.lower().strip())]


def _check_table(file: RawFile, member: Member, rows: int | None, what: str) -> None:
    name = file.path.name
    if not file.is_table:
        raise DownloadError(f"{name}: a table was expected and {what} came")
    header: Sequence[str] = file.header
    below = 0
    if member.header_row > 1:
        lines = [cells for _, cells in file.rows[: member.header_row - 1]]
        header = [clean_text(cell) for cell in lines[-1]] if lines else []
        below = member.header_row - 1
    missing = missing_patterns(member.columns, header)
    if missing:
        shown = ", ".join(header[:_SHOWN]) + (", ..." if len(header) > _SHOWN else "")
        raise DownloadError(
            f"{name}: no column like {', '.join(missing)}; the header reads {shown or what}"
        )
    body = file.rows[below:]
    if member.first_row and (not body or missing_patterns(member.first_row, body[0][1])):
        raise DownloadError(f"{name}: no {', '.join(member.first_row)} in its first row")
    if rows is not None and len(body) != rows:
        raise DownloadError(f"{name}: {len(body):,} rows, but the publisher counts {rows:,}")
    if len(body) < member.least_rows:
        raise DownloadError(f"{name}: {len(body)} rows, fewer than {member.least_rows}: cut off")
    if len(body[-1][1]) < len(header):
        raise DownloadError(f"{name}: its last line is cut off")


def _check_workbook(file: RawFile, member: Member, what: str) -> None:
    if not file.is_workbook:
        raise DownloadError(f"{file.path.name}: a workbook was expected and {what} came")
    try:
        sheets = file.sheets
    except DataError as error:
        raise DownloadError(str(error.faults[0])) from error
    missing = missing_patterns(member.sheets, sheets)
    if not missing and member.sheet_header:
        first = next(s for s in sheets if not missing_patterns(member.sheets[:1], [s]))
        rows = file.sheet(first)
        header = [str(cell) for cell in rows[0]] if rows else []
        absent = missing_patterns(member.sheet_header, header)
        if absent:
            raise DownloadError(
                f"{file.path.name}: no column like {', '.join(absent)} in sheet {first}; its "
                f"header reads {', '.join(header[:4])}, ..."
            )
    if missing:
        raise DownloadError(
            f"{file.path.name}: no sheet {', '.join(missing)}; it has {', '.join(sheets)}"
        )


def _check_map(file: RawFile, member: Member) -> None:
    if not file.is_map:
        raise DownloadError(f"{file.path.name}: a map was expected")
    check_features(file.path.name, file.location.read_bytes(), member)


def check_features(name: str, body: bytes, member: Member) -> None:
    """Check a GeoJSON document: features enough, each with the properties that are wanted.

    Raises
    ------
    DownloadError
        Saying what was found instead.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise DownloadError(f"{name}: {describe(body)} is no map") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise DownloadError(f"{name}: {describe(body)} is no map")
    if len(features) < member.least_rows:
        raise DownloadError(f"{name}: {len(features)} areas, fewer than {member.least_rows}")
    for feature in features:
        missing = missing_patterns(member.properties, feature.get("properties") or {})
        if missing:
            raise DownloadError(f"{name}: an area has no {', '.join(missing)}")
