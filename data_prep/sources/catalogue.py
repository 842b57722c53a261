"""All readers of official files, by name, and which of them knows a file.

A reader is a module of ``data_prep.sources`` with ``recognise(file: RawFile) -> str | None``.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType

from data_prep.sources.files import RawFile


@dataclass(frozen=True)
class Reader:
    """A module of ``data_prep.sources`` and what it reads, in words."""

    name: str
    title: str

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


READERS = (
    Reader("cin_underlying", "children in need census, underlying data, 2010-2017"),
    Reader("deprivation", "English indices of deprivation, upper-tier scores, from 2004"),
    Reader("neighbours", "statistical neighbours of authorities, models of 2021 and 2025"),
    Reader("lookups", "official lists of authorities, codes and regions"),
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
