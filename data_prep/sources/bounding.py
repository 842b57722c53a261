"""Counts of one area in one year, with the bounds of the hidden ones settled from their row.

Every reader of the children in need census shares these rules; ``suppression.py`` has their
arithmetic and ``docs/decisions/suppressed-counts.md`` the evidence.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from data_prep import suppression
from data_prep.indicators import MEASURES
from data_prep.markers import NOT_AVAILABLE, SMALL, SUPPRESSED, Cell, empty_cell, interval_cell

# A count cannot be believed to be 1-5 where the next stage of the process is printed and larger.
FLOWS = {"section47": "icpc", "icpc": "cpp_starts"}
# A plan follows a conference, and a conference an enquiry: 0 of these beside more than a handful of
# plans is a return that was not made (Kirklees, Reading, West Berkshire and Bury in 2010).
PLAN_NEEDS = ("section47", "icpc")
# Rates and per cents are rounded to one decimal, some after a first rounding to two decimals;
# trailing zeros are dropped.
HALF_TENTH = 0.055
# More children than England has: the ceiling of a hidden count beside which nothing is known.
_MOST = 20_000_000.0


class PrintedRatio(Protocol):
    """A printed per cent or rate: ``measure`` / ``base`` x ``per``."""

    @property
    def measure(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def per(self) -> int: ...
    @property
    def nearly_all(self) -> bool: ...


class BandedMeasure(Protocol):
    """A measure that is the sum of the bands ``inside``, part of ``total`` with ``outside``."""

    @property
    def measure(self) -> str: ...
    @property
    def total(self) -> str: ...
    @property
    def inside(self) -> tuple[str, ...]: ...
    @property
    def outside(self) -> tuple[str, ...]: ...


def bound_counts[R: PrintedRatio](
    printed: Mapping[str, Cell],
    ratios: Mapping[R, Cell],
    banded: Iterable[BandedMeasure],
    bands: Mapping[str, Cell],
    *,
    totals: Mapping[str, Cell] | None = None,
    ceilings: Mapping[str, float] | None = None,
    hints: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Cell]:
    """Settle the hidden counts of one row.

    Parameters
    ----------
    printed
        Counts by measure. ``population_0_17`` may be absent.
    ratios
        What the row prints for each declared per cent or rate.
    banded, bands
        Measures that are sums of bands, and the printed bands by name.
    totals
        Totals of a measure's bands by measure, where the bands add up to another figure than the
        printed one.
    ceilings
        The largest that each measure can be, for rows without a population.
    hints
        Bounds of hidden totals that their printed bands give; the upper may be infinite.

    Returns
    -------
    dict
        Cells by measure: those printed, and those made of bands.
    """
    counts = dict(printed)
    hidden = {measure for measure, cell in counts.items() if cell.is_hidden}
    settled: set[str] = set()
    population = counts.get("population_0_17", empty_cell(NOT_AVAILABLE))

    def ceiling(measure: str) -> float:
        """The largest that a hidden count can be."""
        if measure in settled:
            return counts[measure].upper
        parent = MEASURES[measure].parent
        if parent in counts and counts[parent].is_known and parent not in hidden - settled:
            return counts[parent].upper
        if population.is_known:
            return population.upper
        return (ceilings or {}).get(measure, _MOST)

    def settle(measure: str, cell: Cell) -> None:
        if measure in hidden and measure not in settled:
            counts[measure] = cell
            settled.add(measure)

    def fraction(ratio: R) -> tuple[float, float] | None:
        cell = ratios[ratio]
        if not cell.is_known or cell.is_hidden:
            return None
        return (
            max(0.0, cell.value - HALF_TENTH) / ratio.per,
            (cell.value + HALF_TENTH) / ratio.per,
        )

    rates = [ratio for ratio in ratios if MEASURES[ratio.measure].parent != ratio.base]
    for ratio in rates:
        rate, base = fraction(ratio), counts.get(ratio.base, empty_cell(NOT_AVAILABLE))
        if rate and base.is_known and (ratio.base not in hidden or ratio.base in settled):
            settle(ratio.measure, suppression.bound_by_ratio(base, rate))
    for measure, (least, most) in (hints or {}).items():
        # Within 1-5 the bands say nothing against a small count, and nothing is settled by them.
        if least > SMALL[1]:
            settle(
                measure, suppression.bounded_cell(least, min(most, ceiling(measure)), derived=True)
            )
    for ratio in (ratio for ratio in ratios if ratio not in rates):
        share, whole = fraction(ratio), counts.get(ratio.base, empty_cell(NOT_AVAILABLE))
        if ratio.measure in hidden and ratio.base in hidden:
            part_cell, whole_cell = suppression.bound_share(
                ceiling(ratio.base), share and (share[0], min(1.0, share[1]))
            )
            settle(ratio.measure, part_cell)
            settle(ratio.base, whole_cell)
        elif ratio.measure in hidden and whole.is_known:
            if share:
                settle(ratio.measure, suppression.bound_by_ratio(whole, share))
            elif ratio.nearly_all:
                # Hidden either for itself or for the few that it leaves out.
                cell = suppression.bounded_cell(SMALL[0], whole.upper - 1, derived=False)
                settle(ratio.measure, cell)
    for measure, onward in FLOWS.items():
        next_stage = counts.get(onward, empty_cell(NOT_AVAILABLE))
        if onward not in hidden and next_stage.is_known and next_stage.lower > SMALL[1]:
            cell = suppression.bounded_cell(SMALL[0], ceiling(measure), derived=False)
            settle(measure, cell)

    for group in banded:
        total = (totals or counts).get(group.total, empty_cell(NOT_AVAILABLE))
        whole = counts[group.total] if group.total in settled else total
        counts[group.measure] = _add_bands(whole, group, bands)
        for ratio in ratios:
            share = fraction(ratio)
            is_beside = (ratio.measure, ratio.base) == (group.measure, group.total)
            if is_beside and share and whole.is_known and counts[group.measure].is_hidden:
                counts[group.measure] = suppression.bound_by_ratio(whole, share)
    plans = counts.get("cpp_starts")
    if plans and plans.is_known and plans.lower > SMALL[1]:
        for measure in PLAN_NEEDS:
            if measure in counts and counts[measure].value == 0:
                counts[measure] = empty_cell(NOT_AVAILABLE)
    for measure, cell in counts.items():
        parent = counts.get(MEASURES[measure].parent or "")
        if parent and parent.status == NOT_AVAILABLE and cell.value == 0:
            # Newham 2012 made no return, yet 0 is printed for one band of its plans.
            counts[measure] = empty_cell(NOT_AVAILABLE)
        elif parent and parent.is_known and cell.is_hidden and cell.upper > parent.upper:
            counts[measure] = suppression.bounded_cell(cell.lower, parent.upper, derived=False)
    return counts


def _add_bands(total: Cell, group: BandedMeasure, bands: Mapping[str, Cell]) -> Cell:
    names: Sequence[str] = (*group.inside, *group.outside)
    printed = [bands[name] for name in names]
    bounded = suppression.bound_parts(total, printed)
    hidden = sum(cell.is_hidden for cell in printed)
    shown = sum(cell.lower for cell in printed if cell.is_known and not cell.is_hidden)
    if total.is_known and total.upper - shown < hidden * SMALL[0]:
        # The rest is too small for one in each hidden band, so a second suppression hid a nought
        # (five authorities' conferences in the release of 2024).
        bounded = [
            interval_cell(0.0, SMALL[1], SUPPRESSED) if cell.is_hidden else cell for cell in printed
        ]
    inside, outside = bounded[: len(group.inside)], bounded[len(group.inside) :]
    return inside[0] if len(inside) == 1 else suppression.sum_parts(total, inside, outside)
