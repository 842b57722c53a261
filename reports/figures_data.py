"""Figures of the data report: what was published, what was hidden, and what does not add up."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from reports.cube_file import CubeFile, Indicator, Series
from reports.data_tables import Comparison, Sum
from reports.figures import (
    ACCENT,
    ACCENT_SOFT,
    GREY,
    GREY_PALE,
    INK,
    LEGEND,
    OBSERVED,
    SOFT,
    WIDTH,
    count_axis,
    folded,
    new_figure,
    tick,
)

# One colour a status, from what is known to what was never asked.
STATUS_COLOURS = {
    "exact": ACCENT,
    "rounded": "#4d8bb0",
    "derived": ACCENT_SOFT,
    "suppressed": "#e69f4f",
    "not available": OBSERVED,
    "not applicable": "#b9a48f",
    "not collected": GREY_PALE,
}
_COLUMNS = 3
_HIGH = 2.0


def _rows(count: int, each: float = 0.21) -> float:
    return 0.95 + each * max(count, 2)


def plot_statuses(labels: Sequence[str], statuses: Sequence[str], counts: np.ndarray) -> Figure:
    """Cells of each measure by status, in per cent: ``counts`` is (measure, status)."""
    figure, axes = new_figure(_rows(len(labels)))
    share = 100 * counts / counts.sum(axis=1, keepdims=True)
    place = np.arange(len(labels))
    left = np.zeros(len(labels))
    for column, status in enumerate(statuses):
        colour = STATUS_COLOURS.get(status, GREY)
        axes.barh(place, share[:, column], left=left, color=colour, height=0.78, label=status)
        left += share[:, column]
    _label_rows(axes, labels)
    axes.set_xlim(0, 100)
    _label_values(axes, "% of cells (authorities by years)")
    figure.legend(**LEGEND)
    return figure


def _label_rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [folded(label, 60, 2) for label in labels], fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)


def _label_values(axes: Axes, text: str) -> None:
    """Name the axis from its right end, for the room of the rows' names lies to the left."""
    axes.set_xlabel(text, x=1.0, horizontalalignment="right")


def plot_widths(rows: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """How far the bounds of hidden counts lie apart, one strip a measure: ``(label, widths)``."""
    figure, axes = new_figure(_rows(len(rows), 0.24))
    draw = np.random.default_rng(1)
    for place, (_, width) in enumerate(rows):
        spread = draw.uniform(-0.28, 0.28, len(width))
        axes.scatter(
            np.maximum(width, 1), place + spread, s=5, color=OBSERVED, alpha=0.35, linewidth=0,
            rasterized=True,
        )  # fmt: skip
        middle = max(float(np.median(width)), 1)
        axes.plot([middle, middle], [place - 0.36, place + 0.36], color=INK, linewidth=1.6)
    axes.set_xscale("log")
    axes.set_xlim(0.9, None)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    _label_rows(axes, [label for label, _ in rows])
    _label_values(axes, "Upper less lower bound, in the measure's own units (log scale)")
    return figure


def plot_sums(cube: CubeFile, sums: Sequence[Sum]) -> Figure:
    """Authorities' sum against England's total, one row a measure, one mark a year."""
    names = list(dict.fromkeys(item.measure for item in sums))
    figure, axes = new_figure(_rows(len(names)))
    places = [names.index(item.measure) for item in sums]
    ends = [(item.least_gap, item.most_gap) for item in sums]
    axes.hlines(places, *zip(*ends, strict=True), color=GREY_PALE, linewidth=2.5, zorder=1)
    groups: dict[str, dict[str, Any]] = {
        "complete, agrees": {"color": ACCENT, "zorder": 3},
        "returns missing": {"facecolor": "white", "edgecolor": GREY, "zorder": 2},
        "complete or above England, disagrees": {"color": OBSERVED, "marker": "D", "zorder": 4},
    }
    for label, style in groups.items():
        chosen = [item for item in sums if _group(item) == label]
        x = [item.gap for item in chosen]
        y = [names.index(item.measure) for item in chosen]
        axes.scatter(x, y, s=17, linewidth=0.9, label=label, **style)
    _gap_axis(axes)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    _label_rows(axes, [cube.label(name) for name in names])
    _label_values(
        axes, "Sum of authorities less England's total, % of England (stretched near zero)"
    )
    figure.legend(**LEGEND)
    return figure


def _group(item: Sum) -> str:
    if item.is_odd:
        return "complete or above England, disagrees"
    return "returns missing" if item.without_return else "complete, agrees"


def _gap_axis(axes: Axes) -> None:
    axes.set_xscale("symlog", linthresh=1, linscale=1)
    low, high = axes.get_xlim()
    low, high = max(min(low, -2), -100), min(max(high, 2), 100)
    axes.set_xlim(low, high)
    ticks = [-100, -20, -5, -1, 0, 1, 5, 20, 100]
    axes.xaxis.set_major_locator(FixedLocator([t for t in ticks if low * 1.1 <= t <= high * 1.1
                                               or abs(t) <= 1]))  # fmt: skip
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def plot_printed(comparisons: Sequence[Comparison]) -> Figure:
    """Printed less rebuilt, one strip an indicator, in half units of the last printed place."""
    figure, axes = new_figure(_rows(len(comparisons), 0.26))
    draw = np.random.default_rng(2)
    axes.axvspan(-1, 1, color="#eef3f6", zorder=0, linewidth=0)
    for place, item in enumerate(comparisons):
        x = item.difference / item.half_unit
        y = place + draw.uniform(-0.25, 0.25, len(x))
        inside = ~item.apart.astype(bool)
        axes.scatter(
            x[inside], y[inside], s=4, color=ACCENT, alpha=0.35, linewidth=0, rasterized=True
        )
        axes.scatter(x[~inside], y[~inside], s=20, color=OBSERVED, marker="D", zorder=3)
    axes.set_xscale("symlog", linthresh=2, linscale=1.2)
    reach = max(
        [2.0, *(float(np.abs(i.difference / i.half_unit).max(initial=0)) for i in comparisons)]
    )
    axes.set_xlim(-1.5 * reach, 1.5 * reach)
    powers = [10.0**k for k in range(1, 8) if 10.0**k <= 1.5 * reach]
    # Every other power where all would run into each other.
    powers = powers[:: 2 if len(powers) > 2 else 1]
    axes.xaxis.set_major_locator(FixedLocator([*(-p for p in powers), -1, 0, 1, *powers]))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    labels = [item.label for item in comparisons]
    _label_rows(
        axes,
        [
            f"{item.label}, {item.unit}" if labels.count(item.label) > 1 else item.label
            for item in comparisons
        ],
    )
    _label_values(
        axes, "Printed less rebuilt, in half units of the last printed place (log beyond 2)"
    )
    return figure


# -- series --------------------------------------------------------------------------------------


def series_grid(count: int) -> tuple[Figure, list[Axes]]:
    """A page-wide grid of small panels, those left over removed.

    Places are reckoned in inches here: to lay out so many panels by their texts takes seconds.
    """
    rows = -(-count // _COLUMNS)
    height = _HIGH * rows + 0.3
    figure = Figure(figsize=(WIDTH, height), layout="none")  # type: ignore[arg-type]
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    panel = (WIDTH - 0.6 - 0.1 - 2 * 0.68) / _COLUMNS, _HIGH - 0.68
    figure.subplots_adjust(
        left=0.6 / WIDTH,
        right=1 - 0.1 / WIDTH,
        wspace=0.68 / panel[0],
        bottom=0.68 / height,
        top=1 - 0.3 / height,
        hspace=0.68 / panel[1],
    )
    panels = list(grid.ravel())
    for axes in panels[count:]:
        axes.remove()
    figure.text(0.5, 0.3 / height, "Year ending 31 March", ha="center", fontsize=8.5)
    return figure, panels[:count]


def _dress(axes: Axes, indicator: Indicator, years: Sequence[int]) -> None:
    axes.set_title("\n".join(textwrap.wrap(indicator.label, 27)), fontsize=8.5, pad=4)
    unit = "\n".join(textwrap.wrap(indicator.unit, 24))
    axes.set_ylabel(unit, fontsize=7, color=SOFT)
    axes.tick_params(labelsize=7.5)
    low, high = min(years), max(years)
    axes.set_xlim(low - 0.7, high + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    count_axis(axes.yaxis, 4)
    bottom, top = axes.get_ylim()
    axes.set_ylim(0 if bottom < 0.75 * top else bottom - 0.1 * (top - bottom), top * 1.04)


def draw_breaks(axes: Axes, cube: CubeFile, indicator: Indicator) -> list[str]:
    """Mark where a definition began; returns what was drawn, in words."""
    low, high = axes.get_xlim()
    drawn = []
    for regime in cube.breaks(indicator):
        assert regime.first is not None
        if low < regime.first - 0.5 < high:
            axes.axvline(regime.first - 0.5, color=OBSERVED, linewidth=1, linestyle=(0, (2, 2)))
            drawn.append(f"{regime.name} from {regime.first}")
    return drawn


def draw_series(axes: Axes, years: Sequence[int], series: Series, **style: Any) -> None:
    """Numbers as a line with dots, bounds as bars; a gap stays a gap."""
    colour = style.pop("color")
    axes.plot(years, series.value, color=colour, marker="o", markersize=2.6, linewidth=1.3, **style)
    hidden = series.has_bounds
    at = np.asarray(years)[hidden]
    bar: dict[str, Any] = {"color": colour, "linewidth": 2.6, "alpha": 0.45}
    axes.vlines(at, series.lower[hidden], series.upper[hidden], **bar)
    hollow: dict[str, Any] = {"facecolor": "white", "edgecolor": colour, "linewidth": 0.9}
    axes.scatter(at, series.middle[hidden], s=9, zorder=4, **hollow)


def plot_national(cube: CubeFile, chosen: Sequence[Indicator]) -> Figure:
    """England's rate of each indicator, its definitions, and years without authority figures."""
    figure, panels = series_grid(len(chosen))
    for axes, indicator in zip(panels, chosen, strict=True):
        series = cube.rate(indicator, "national")
        assert series is not None
        draw_series(axes, cube.national_years, series, color=ACCENT)
        years = sorted({*cube.national_years, *cube.years})
        for first, last in spans(years_without(cube, indicator, years)):
            axes.axvspan(first - 0.5, last + 0.5, color="#f0f2f4", zorder=0, linewidth=0)
        _dress(axes, indicator, years)
        draw_breaks(axes, cube, indicator)
    return figure


def years_without(cube: CubeFile, indicator: Indicator, years: Sequence[int]) -> list[int]:
    """Years in which no authority has a figure."""
    known = ~cube.rates[indicator.name].is_missing
    with_figures = {
        year for year, any_la in zip(cube.years, known.any(axis=0), strict=True) if any_la
    }
    return [year for year in years if year not in with_figures]


def spans(years: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of consecutive years."""
    found: list[tuple[int, int]] = []
    for year in years:
        if found and year == found[-1][1] + 1:
            found[-1] = (found[-1][0], year)
        else:
            found.append((year, year))
    return found


def plot_profile(cube: CubeFile, la: int) -> Figure:
    """One authority's series beside its statistical neighbours, or its region, and England."""
    chosen = [i for i in cube.indicators if not cube.rates[i.name].is_missing.all()]
    figure, panels = series_grid(len(chosen))
    _, neighbours = cube.peers[la]
    for axes, indicator in zip(panels, chosen, strict=True):
        series = cube.rates[indicator.name]
        for other in neighbours:
            axes.plot(cube.years, series.at(other).middle, color=GREY_PALE, linewidth=0.8)
        england = cube.rate(indicator, "national")
        if england is not None:
            axes.plot(
                cube.national_years,
                england.middle,
                color=INK,
                linewidth=1,
                linestyle=(0, (4, 2)),
                marker=".",
                markersize=2.5,
            )
        draw_series(axes, cube.years, series.at(la), color=ACCENT, zorder=3)
        _dress(axes, indicator, cube.years)
        draw_breaks(axes, cube, indicator)
    return figure
