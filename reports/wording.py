"""Numbers and sentences, by rules: never more precise than the Monte Carlo error allows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NOT_ASSESSED = "not assessed"
NOT_ESTIMABLE = "not estimable"

# Names that keep their capital at the start of a label within a sentence; acronyms always do.
NAMES = frozenset({"England", "Ofsted"})

# Units that follow their number without a space, and units that a number does not carry.
ATTACHED = {"per cent": "%", "%": "%", "per cent a year": "% a year", "% a year": "% a year"}
SILENT = ("", "rank", "ratio", "probability", "rate ratio")

# The Monte Carlo error of a 5 % or 95 % quantile of n normal draws is this many sd / sqrt(n).
QUANTILE_ERROR = math.sqrt(0.05 * 0.95) / 0.10314


@dataclass(frozen=True)
class Estimate:
    """A row of ``estimands.csv`` as text: mean and interval rounded alike."""

    mean: str
    lower: str
    upper: str
    unit: str

    @property
    def interval(self) -> str:
        return f"{self.lower} to {self.upper}" if self.lower and self.upper else ""

    def __str__(self) -> str:
        stated = with_unit(self.mean, self.unit)
        return f"{stated} ({self.interval})" if self.interval else stated


def is_number(value: Any) -> bool:
    """True for a finite number; blanks, NaN and text are none."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def decimals(value: float, *, sd: Any = None, mcse: Any = None) -> int:
    """Decimals worth printing; negative when even units are noise.

    One unit of the last place is no smaller than ``mcse``, and two figures of ``sd`` are enough
    for any reader. Without either, three significant figures.
    """
    places = []
    if is_number(mcse) and float(mcse) > 0:
        places.append(math.floor(-math.log10(float(mcse))))
    if is_number(sd) and float(sd) > 0:
        places.append(1 - math.floor(math.log10(float(sd))))
    if not places and value:
        places.append(2 - math.floor(math.log10(abs(value))))
    return min(places, default=0)


def number(value: Any, *, sd: Any = None, mcse: Any = None, places: int | None = None) -> str:
    """The one formatter: thousands separated, a true minus sign, a dash for no number."""
    if not is_number(value):
        return "–"
    value = float(value)
    if places is None:
        places = decimals(value, sd=sd, mcse=mcse)
    rounded = round(value, places)
    text = f"{abs(rounded):,.{max(places, 0)}f}"
    return f"−{text}" if rounded < 0 else text


def count(value: Any) -> str:
    """A whole number."""
    return number(value, places=0)


def probability(value: Any) -> str:
    """Two decimals; a share of draws is never certain."""
    if not is_number(value):
        return "–"
    value = float(value)
    if value < 0.01:
        return "< 0.01"
    return "> 0.99" if value > 0.99 else f"{value:.2f}"


def plain(value: Any) -> str:
    """A diagnostic value: whole numbers whole, others as far as diagnostics are read."""
    if isinstance(value, str) and not is_number(value):
        return value
    if not is_number(value):
        return "–"
    value = float(value)
    if value == int(value):
        return count(value)
    return number(value, places=3 if abs(value) < 10 else 0)


def limit(value: Any) -> str:
    """A limit as it was set: no zeros added."""
    return f"{float(value):,.10g}" if is_number(value) else "–"


def with_unit(text: str, unit: str) -> str:
    """A number with its unit as one reads it: ``12%``, ``27 per 10,000 children``."""
    # A unit may explain itself after a comma: "rank, 1 is the highest rate".
    unit = unit.partition(", ")[0]
    if unit in SILENT or text == "–":
        return text
    return f"{text}{ATTACHED[unit]}" if unit in ATTACHED else f"{text} {unit}"


def monte_carlo_error(row: Mapping[str, Any]) -> float | None:
    """Largest Monte Carlo error of a row's mean and interval ends, from sd and ESS; None if the
    row gives neither.
    """
    errors = []
    if is_number(row.get("sd")):
        sd = float(row["sd"])
        if is_number(row.get("ess_bulk")) and row["ess_bulk"] > 0:
            errors.append(sd / math.sqrt(row["ess_bulk"]))
        if is_number(row.get("ess_tail")) and row["ess_tail"] > 0:
            errors.append(QUANTILE_ERROR * sd / math.sqrt(row["ess_tail"]))
    return max(errors, default=None)


def estimate(row: Mapping[str, Any]) -> Estimate:
    """Format a row of ``estimands.csv``: one rounding for mean, lower and upper."""
    unit = str(row.get("unit") or "")
    if unit == "probability":
        return Estimate(probability(row["mean"]), "", "", unit)
    if not is_number(row["mean"]):
        return Estimate(NOT_ESTIMABLE, "", "", "")
    places = decimals(float(row["mean"]), sd=row.get("sd"), mcse=monte_carlo_error(row))
    if unit.startswith("rank"):
        places = min(places, 0)
    ends = [
        number(row.get(end), places=places) if is_number(row.get(end)) else ""
        for end in ("lower", "upper")
    ]
    return Estimate(number(row["mean"], places=places), ends[0], ends[1], unit)


def quantity(n: int, singular: str, plural: str = "") -> str:
    """``1 cell``, ``0 cells``, ``2,080 cells``; ``no`` is never used for zero."""
    return f"{count(n)} {singular if n == 1 else plural or singular + 's'}"


def listing(names: Sequence[str], limit: int = 5) -> str:
    """``A, B and C``; what exceeds ``limit`` is counted."""
    names = list(names)
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {count(len(names) - limit)} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def capital(text: str) -> str:
    """A unit, label or sentence with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def within_sentence(label: str) -> str:
    """A label as it stands within a sentence: ``plans at 31 March``, ``NFA share``."""
    first = label.partition(" ")[0]
    is_name = first in NAMES or any(letter.isupper() for letter in first[1:])
    return label if is_name else label[:1].lower() + label[1:]


def share_outside(observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[int, int]:
    """How many of the observed values lie outside their intervals, and of how many."""
    known = np.isfinite(observed)
    outside = known & ((observed < lower) | (observed > upper))
    return int(outside.sum()), int(known.sum())


def outside_sentence(outside: int, total: int, what: str, width: float = 0.9) -> str:
    """Compare a count outside intervals with what the interval's width lets one expect."""
    expected = (1 - width) * total
    # Two binomial standard deviations: a rule of thumb, said in words, not a test.
    spread = 2 * math.sqrt(max(total * width * (1 - width), 0))
    if outside > expected + spread:
        judgement = "more than"
    elif outside < expected - spread:
        judgement = "fewer than"
    else:
        judgement = "about as many as"
    return (
        f"{count(outside)} of {count(total)} {what} {'lies' if outside == 1 else 'lie'} outside "
        f"the interval, {judgement} the "
        f"{number(expected, places=0 if expected >= 10 else 1)} expected."
    )
