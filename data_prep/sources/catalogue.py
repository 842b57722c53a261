"""All readers of official files, by name, and which of them knows a file.

A reader is a module of ``data_prep.sources`` with ``recognise(file: RawFile) -> str | None``. One
that gives records also has ``read_<name>(files, years) -> Reading``.
"""

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType

from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading

RECORDS, PLACES = "records", "places"


@dataclass(frozen=True)
class Reader:
    """A module of ``data_prep.sources`` and what it reads, in words.

    ``gives`` is ``records`` (figures by authority, year and measure) or ``places`` (facts about
    authorities that have a group of the cube to themselves).
    """

    name: str
    title: str
    gives: str = RECORDS

    def load(self) -> ModuleType:
        """Import the module."""
        return importlib.import_module(f"data_prep.sources.{self.name}")

    def recognise(self, file: RawFile) -> str | None:
        """What the file is, when this reader knows it.

        Raises
        ------
        DataError
            When the file cannot be opened as what its name says.
        """
        label: str | None = self.load().recognise(file)
        return label

    def read(self, files: Sequence[RawFile], years: Iterable[int]) -> Reading:
        """Records of ``years`` in every file of this source.

        Raises
        ------
        DataError
            With every fault of every file.
        """
        reading: Reading = getattr(self.load(), f"read_{self.name}")(files, years)
        return reading


READERS = (
    Reader("cin_underlying", "children in need census, underlying data, 2010-2017"),
    Reader("ees_cin", "children in need, Explore Education Statistics, from 2013"),
    Reader("cla", "children looked after, first releases and Explore Education Statistics"),
    Reader("workforce", "children's social work workforce, from September 2015"),
    Reader("population", "children aged 0-17, Explore Education Statistics"),
)


def find_reader(name: str) -> Reader | None:
    """The reader of that name, or None where there is none."""
    return next((reader for reader in READERS if reader.name == name), None)


def recognise(file: RawFile) -> tuple[str, str] | None:
    """Name of the first reader that knows the file and what it says the file is, or None.

    Raises
    ------
    DataError
        When the file cannot be opened as what its name says.
    """
    for reader in READERS:
        label = reader.recognise(file)
        if label is not None:
            return reader.name, label
    return None
