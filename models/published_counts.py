"""How a count is printed: bounds that it would have, were it published as the others are."""

from dataclasses import dataclass

import numpy as np

from data_prep.markers import SMALL

SMALLEST_HIDDEN, LARGEST_HIDDEN = (int(bound) for bound in SMALL)


@dataclass(frozen=True)
class CountPublication:
    """Counts from 1 to 5 are hidden; others are exact, or rounded to a multiple of ``unit``.

    Every count belongs to exactly one printed value, so bounds never overlap: a rounded value that
    could stand for hidden counts starts above them.
    """

    hides_small: bool = True
    unit: int = 1

    @property
    def width(self) -> int:
        """The largest number of counts that one printed value can stand for."""
        return max(LARGEST_HIDDEN - SMALLEST_HIDDEN + 1 if self.hides_small else 1, self.unit)

    @property
    def rule(self) -> str:
        """The rule in words."""
        hidden = "counts from 1 to 5 are hidden" if self.hides_small else "no count is hidden"
        rounded = "" if self.unit == 1 else f", others are rounded to multiples of {self.unit}"
        return hidden + rounded

    def bounds(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest count that would be printed alike; both of the shape of counts."""
        counts = np.asarray(counts, "int64")
        nearest = (counts + self.unit // 2) // self.unit * self.unit
        lower = np.maximum(nearest - self.unit // 2, 0)
        upper = nearest - self.unit // 2 + self.unit - 1
        if self.hides_small:
            hidden = (counts >= SMALLEST_HIDDEN) & (counts <= LARGEST_HIDDEN)
            lower = np.where(counts > LARGEST_HIDDEN, np.maximum(lower, LARGEST_HIDDEN + 1), lower)
            upper = np.where(counts == 0, 0, upper)
            lower = np.where(hidden, SMALLEST_HIDDEN, lower)
            upper = np.where(hidden, LARGEST_HIDDEN, upper)
        return lower, upper


# Every count printed as it is.
SHOWN = CountPublication(hides_small=False)


def publication_like(lower: np.ndarray, upper: np.ndarray) -> CountPublication:
    """The rule by which cells with these bounds were printed.

    A measure counts as rounded where most cells above the hidden counts are intervals, and then to
    as many counts as most of them hold.
    """
    large = lower > LARGEST_HIDDEN
    widths = (upper - lower + 1)[large]
    rounded = widths[widths > 1]
    if len(rounded) <= len(widths) / 2:
        return CountPublication()
    # Both ends of an even unit's interval round to the same value as printed: one count too many.
    width = int(np.bincount(rounded).argmax())
    return CountPublication(unit=width if width % 5 == 0 else width - 1)
