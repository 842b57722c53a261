"""All readers over all files of a folder: records, printed ratios and what was left aside."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd

from data_prep.checks import WARNING, Finding
from data_prep.errors import DataError, Fault
from data_prep.sources.catalogue import READERS, RECORDS, Reader
from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading, join_readings

_CELL = ["la_code", "year", "measure", "released"]


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
    faults: list[Fault] = []
    for reader in READERS:
        if reader.gives != RECORDS:
            continue
        report(reader.title)
        try:
            readings.append(reader.read(files, wanted))
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError(faults)
    together = join_readings(readings)
    return Reading(_once(together.records), together.ratios)


def _once(records: pd.DataFrame) -> pd.DataFrame:
    """Leave out records of one release that say again what an earlier one says."""
    said = [*_CELL, "lower", "upper", "status"]
    return records[~records.duplicated(said)].reset_index(drop=True)


def check_files(files: Sequence[RawFile]) -> Iterator[Finding]:
    """Files that no reader knows, and sources of which there is no file.

    Raises
    ------
    DataError
        When a file cannot be opened as what its name says.
    """
    found: set[Reader] = set()
    faults: list[Fault] = []
    for file in files:
        try:
            known = [reader for reader in READERS if reader.recognise(file)]
        except DataError as error:
            faults += error.faults
            continue
        found.update(known)
        if not known:
            yield Finding(
                "files",
                WARNING,
                "no reader knows this file; nothing was taken from it",
                "if a source below is missing, fetch it again; otherwise nothing need be done",
                file.name,
            )
    if faults:
        raise DataError(faults)
    for reader in READERS:
        if reader not in found:
            yield Finding(
                "files",
                WARNING,
                f"no file of this source: {reader.title}",
                "its figures are missing; make data-list says where to get it",
                value=reader.name,
            )
