"""Cell text to numbers and reasons.

The same letter means different things in different releases, so a dialect belongs to a source.
Text that is neither a number nor a marker of the dialect is a fault, never a guess.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from data_prep.schema import STATUS

# A digit group, optional thousands groups of exactly three, an optional decimal part.
_NUMBER = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", re.ASCII)

EXACT, ROUNDED, SUPPRESSED, DERIVED = (
    STATUS[name] for name in ("exact", "rounded", "suppressed", "derived")
)
NOT_AVAILABLE, NOT_APPLICABLE, NOT_COLLECTED = (
    STATUS[name] for name in ("not_available", "not_applicable", "not_collected")
)

# What the publishers hide: a number from 1 to 5.
SMALL = (1.0, 5.0)


class CellError(ValueError):
    """Text that the dialect does not know; the message says what is wrong with it."""


@dataclass(frozen=True)
class Cell:
    """One published cell: the number printed or NaN, the bounds that the publication allows (NaN
    when nothing is known) and how they arose (a code of ``data_prep.schema.STATUS``).
    """

    value: float
    lower: float
    upper: float
    status: int

    @property
    def is_known(self) -> bool:
        return not math.isnan(self.upper)

    @property
    def is_hidden(self) -> bool:
        return self.status == SUPPRESSED


def exact_cell(value: float) -> Cell:
    return Cell(value, value, value, EXACT)


def rounded_cell(value: float, unit: float) -> Cell:
    """Return a value printed to the nearest ``unit``: half a unit either side, never negative."""
    return Cell(value, max(0.0, value - unit / 2), value + unit / 2, ROUNDED)


def interval_cell(lower: float, upper: float, status: int) -> Cell:
    """Return a cell that only has bounds; equal bounds of a derived count give its value too."""
    value = lower if lower == upper and status == DERIVED else math.nan
    return Cell(value, lower, upper, status)


def empty_cell(status: int) -> Cell:
    return Cell(math.nan, math.nan, math.nan, status)


def hidden_cell() -> Cell:
    return interval_cell(*SMALL, SUPPRESSED)


@dataclass(frozen=True)
class Dialect:
    """What a source prints where it prints no number: marker text -> status code."""

    name: str
    markers: Mapping[str, int]

    def read(self, text: str) -> Cell:
        """Read one cell; a suppressed cell has the bounds 1 and 5.

        Raises
        ------
        CellError
            When the text is neither a number nor a marker of this dialect.
        """
        token = clean_text(text)
        if token not in self.markers:
            return exact_cell(parse_number(token))
        status = self.markers[token]
        return hidden_cell() if status == SUPPRESSED else empty_cell(status)


def clean_text(text: str) -> str:
    """Return the text without a byte-order mark, no-break spaces or spaces at its ends."""
    return text.replace("\ufeff", "").replace("\u00a0", " ").strip()


def parse_number(text: str) -> float:
    """Read a number, thousands separators allowed.

    Raises
    ------
    CellError
        When the text is blank, a spreadsheet formula or error, or anything else but a number.
    """
    token = clean_text(text)
    if _NUMBER.fullmatch(token):
        return float(token.replace(",", ""))
    if not token:
        raise CellError("blank where a number or a marker is expected")
    if token[0] in "=+@" or token.startswith("#"):
        raise CellError("a spreadsheet formula or error, not a number")
    raise CellError("neither a number nor a known marker")


# DfE statistical first releases of the children in need census, 2010-2017.
SFR = Dialect(
    "DfE statistical first release",
    {"x": SUPPRESSED, "..": NOT_AVAILABLE, ".": NOT_APPLICABLE},
)
# The 2010 file leaves the open-case durations of one authority blank.
SFR_2010 = Dialect(
    "DfE statistical first release 2010",
    {**SFR.markers, "": NOT_AVAILABLE},
)
