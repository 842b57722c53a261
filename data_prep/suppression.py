"""Bounds for hidden counts: how large each can be.

The publishers hide numbers from 1 to 5 and, where such a number could be worked out from its row,
a second number too, which may be large; both print ``x``. Nothing tells the two apart, so an ``x``
is read as 1 to 5 only where its row gives no cause for a second suppression; otherwise its bounds
are what the rest of the row leaves open. Bounds are never made tighter than 1 to 5: the row is used
to find out how large a hidden count may be, not to uncover a small one.
``docs/decisions/suppressed-counts.md`` gives the evidence.
"""

import math
from collections.abc import Sequence

from data_prep.markers import DERIVED, SMALL, SUPPRESSED, Cell, hidden_cell, interval_cell

SMALLEST, LARGEST = SMALL


def bounded_cell(lower: float, upper: float, *, derived: bool) -> Cell:
    """Return a hidden count between the bounds, widened to whole numbers and to 1-5.

    ``derived`` says that a printed rate or per cent gave the bounds, which are then good even where
    they lie above 5.
    """
    lower, upper = max(SMALLEST, math.ceil(lower - 1e-9)), math.floor(upper + 1e-9)
    if upper <= LARGEST:
        return hidden_cell()
    return interval_cell(lower, max(lower, upper), DERIVED if derived else SUPPRESSED)


def bound_by_ratio(base: Cell, ratio: tuple[float, float]) -> Cell:
    """Bound a hidden count by ``base`` times a printed ratio, which lies between two values."""
    return bounded_cell(base.lower * ratio[0], base.upper * ratio[1], derived=True)


def bound_parts(total: Cell, parts: Sequence[Cell]) -> list[Cell]:
    """Bound the hidden parts of a total, each by what the total leaves beside the others.

    ``parts`` need not exhaust the total. Where the total itself is unknown the parts are returned
    unchanged.
    """
    if not total.is_known:
        return list(parts)
    taken = sum(part.lower for part in parts if part.is_known)
    return [
        bounded_cell(SMALLEST, total.upper - (taken - part.lower), derived=False)
        if part.is_hidden
        else part
        for part in parts
    ]


def bound_share(ceiling: float, share: tuple[float, float] | None) -> tuple[Cell, Cell]:
    """Bound a part and its whole, both hidden, given the share printed beside them.

    Both are hidden when the part, the whole or their difference is 1 to 5 (publisher's rule of
    2010-2012). The bounds span all ways in which the share allows that.

    Parameters
    ----------
    ceiling
        The largest that the whole can be, from its own parent or the population.
    share
        Smallest and largest fraction that rounds to the printed per cent; None when hidden too.

    Returns
    -------
    tuple of Cell
        Part and whole.
    """
    open_cell = bounded_cell(SMALLEST, ceiling, derived=False)
    if share is None:
        return open_cell, open_cell
    low, high = share
    cases = []  # bounds of the part, bounds of the whole
    if _allows_small(low, high, ceiling):
        least, most = _whole(low, high, ceiling)
        cases.append((SMALLEST, LARGEST, least, most))
    if _allows_small(1 - high, 1 - low, ceiling):
        least, most = _whole(1 - high, 1 - low, ceiling)
        cases.append((least * low, min(most * high, most - SMALLEST), least, most))
    if not cases:
        # The printed share contradicts the rule: only the ceiling is left.
        return open_cell, open_cell
    part_low, part_high, whole_low, whole_high = zip(*cases, strict=True)
    return (
        bounded_cell(min(part_low), max(part_high), derived=True),
        bounded_cell(min(whole_low), max(whole_high), derived=True),
    )


def _allows_small(low: float, high: float, ceiling: float) -> bool:
    """Whether 1 to 5 can be a share from ``low`` to ``high`` of a count up to ``ceiling``."""
    return high > 0 and any(
        math.ceil(max(count, count / high) - 1e-9)
        <= (min(ceiling, math.floor(count / low + 1e-9)) if low > 0 else ceiling)
        for count in range(int(SMALLEST), int(LARGEST) + 1)
    )


def _whole(low: float, high: float, ceiling: float) -> tuple[float, float]:
    """Bounds of a whole of which 1 to 5 is a share from ``low`` to ``high``.

    That counts are whole numbers is left out of use, for together with the printed share it would
    often uncover the very count that was hidden.
    """
    return SMALLEST / high, min(ceiling, LARGEST / low) if low > 0 else ceiling


def sum_parts(total: Cell, inside: Sequence[Cell], outside: Sequence[Cell]) -> Cell:
    """Add up the bands of a count, which with the bands ``outside`` make up ``total``.

    The bounds are the sums of the bands' bounds, and no more than the total leaves. The status is
    derived, or that of the first band without bounds.
    """
    for part in inside:
        if not part.is_known:
            return part
    lower = sum(part.lower for part in inside)
    upper = sum(part.upper for part in inside)
    if total.is_known and upper > lower:
        beside = sum(part.lower for part in outside if part.is_known)
        upper = max(lower, min(upper, total.upper - beside))
    return interval_cell(lower, upper, DERIVED)
