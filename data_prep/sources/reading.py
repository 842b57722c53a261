"""What a reader hands on: records, and the rates and per cents printed beside them."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from data_prep.schema import RECORD_COLUMNS

# One printed rate or per cent: ``printed`` is ``measure`` / ``base`` x ``per`` to the nearest
# 2 x ``half_unit``. Checks hold it against the counts of the same source or release.
RATIO_COLUMNS = (
    "la_code",
    "year",
    "measure",
    "base",
    "per",
    "printed",
    "half_unit",
    "column",
    "source",
    "released",
)


@dataclass(frozen=True)
class Reading:
    """Records (``schema.RECORD_COLUMNS``) and printed ratios (``RATIO_COLUMNS``) of one source."""

    records: pd.DataFrame
    ratios: pd.DataFrame


def make_reading(records: Iterable[tuple], ratios: Iterable[tuple]) -> Reading:
    """A reading from rows in the order of the columns."""
    return Reading(
        pd.DataFrame(list(records), columns=list(RECORD_COLUMNS)),
        pd.DataFrame(list(ratios), columns=list(RATIO_COLUMNS)),
    )


def join_readings(readings: Iterable[Reading]) -> Reading:
    """All records and ratios of several sources, none of them resolved against another."""
    kept = [reading for reading in readings if len(reading.records)]
    if not kept:
        return make_reading([], [])
    return Reading(
        pd.concat([reading.records for reading in kept], ignore_index=True),
        pd.concat([r.ratios for r in kept if len(r.ratios)] or [kept[0].ratios], ignore_index=True),
    )
