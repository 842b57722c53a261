"""Reader of the ONS mid-year population estimates that come with the DfE's EES releases.

Children aged 0-17 by authority. A period is the mid-year: mid-2013 is the population of the year
ending March 2014, and a file that ends with mid-2024 belongs to release 2025.
"""

from collections.abc import Iterable, Sequence

from data_prep.errors import Fault
from data_prep.sources import ees
from data_prep.sources.ees import Count, Filter, Sheet, Table
from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading

POPULATION = Table(
    name="population",
    title="mid-year estimates of children aged 0-17",
    publication="children in need",
    stem="ons_mid-year_population",
    counts=(Count("population_0_17", ("population_estimate",)),),
    filters=(Filter(("age_group",), ("Children aged 0 to 17 years",)),),
    first_year=2013,
    lag=1,
    england_unit=1,
)


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    return ees.recognise(file, [POPULATION])


def read_population(files: Sequence[RawFile], years: Iterable[int]) -> Reading:
    """Read the populations of ``years`` (financial years) from every release found.

    Raises
    ------
    DataError
        With every fault of every file.
    """
    return ees.build_reading(*read_sheets(files, years))


def read_sheets(files: Sequence[RawFile], years: Iterable[int]) -> tuple[list[Sheet], list[Fault]]:
    """The population files as sheets, which bound hidden counts of their release."""
    return ees.read_sheets(files, [POPULATION], years)
