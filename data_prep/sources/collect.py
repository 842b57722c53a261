"""All readers over all files of a folder: records, printed ratios and what was left aside."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import pandas as pd

from data_prep.checks import WARNING, Finding
from data_prep.errors import gather_faults
from data_prep.sources.catalogue import READERS, RECORDS, Reader
from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading, join_readings

_CELL = ["la_code", "year", "measure", "released"]
# Sheets or columns of an unknown file that are named.
_NAMES_SHOWN = 8


def collect_records(
    files: Sequence[RawFile], years: Iterable[int], report: Callable[[str], None] = lambda _: None
) -> Reading:
    """Records and printed ratios of ``years`` from every release of every source.

    Two files of one release may print the same figure, as the populations beside a rate: one record
    of each is kept where they agree. ``report`` is told of each source before it is read.

    Raises
    ------
    DataError
        With every fault of every file of every source.
    """
    wanted = sorted(set(years))
    readings: list[Reading] = []

    def read(reader: Reader) -> None:
        report(reader.title)
        readings.append(reader.read(files, wanted))

    gather_faults(partial(read, reader) for reader in READERS if reader.gives == RECORDS)
    together = join_readings(readings)
    return Reading(_once(together.records), together.ratios)


def _once(records: pd.DataFrame) -> pd.DataFrame:
    """Leave out records of one release that say again what an earlier one says."""
    said = [*_CELL, "lower", "upper", "status"]
    return records[~records.duplicated(said)].reset_index(drop=True)


def _holds(file: RawFile) -> str:
    """What stands at the top of a file, for whoever must tell which release it is."""
    kind, names = ("sheets", file.sheets) if file.is_workbook else ("columns", file.header)
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
    return f"its {kind}: {shown}" if names else "it holds no table"


def check_files(files: Sequence[RawFile]) -> Iterator[Finding]:
    """Files that no reader knows, and sources of which there is no file.

    Raises
    ------
    DataError
        When a file cannot be opened as what its name says.
    """
    known: dict[str, list[Reader]] = {}

    def recognise(file: RawFile) -> None:
        known[file.name] = [reader for reader in READERS if reader.recognise(file)]

    gather_faults(partial(recognise, file) for file in files)
    for file in files:
        if not known[file.name]:
            yield Finding(
                "files",
                WARNING,
                f"no reader knows this file; nothing was taken from it; {_holds(file)}",
                "if a source below is missing, fetch it again; otherwise nothing need be done",
                file.name,
            )
    found = {reader for readers in known.values() for reader in readers}
    for reader in READERS:
        if reader not in found:
            yield Finding(
                "files",
                WARNING,
                f"no file of this source: {reader.title}",
                "its figures are missing; make data-list says where to get it",
                value=reader.name,
            )
