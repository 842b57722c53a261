"""Answer figures of ``national_trend``: the national rate, its changes, and LAs around it."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_PALE,
    ACCENT_SOFT,
    BACKING,
    GREY,
    GREY_PALE,
    INK,
    LEGEND,
    OBSERVED,
    band,
    breaks,
    count_axis,
    name_points,
    new_figure,
    short,
    start_at_zero,
    year_axis,
)
from reports.run_folder import Run
from reports.wording import capital


def plot_national_rate(
    run: Run, rate: pd.DataFrame, sums: pd.DataFrame | None, totals: pd.DataFrame
) -> Figure:
    """Rate by year with its interval, over published rates.

    ``sums`` has ``year, rate`` from the cells used, ``totals`` ``year, rate, lower, upper, used``
    from England totals.
    """
    figure, axes = new_figure(4.0)
    band(
        axes,
        rate["year"],
        rate["lower"],
        rate["upper"],
        color=ACCENT_PALE,
        label=f"{run.interval} interval",
    )
    marker = "o" if len(rate) == 1 else None
    axes.plot(rate["year"], rate["mean"], color=ACCENT, marker=marker, label="expected rate, mean")
    every = list(rate["year"])
    if sums is not None and len(sums):
        style = {"color": OBSERVED, "s": 20, "zorder": 3}
        axes.scatter(sums["year"], sums["rate"], label="sum of LA counts, observed", **style)
        every += list(sums["year"])
    for used, face in ((True, OBSERVED), (False, "white")):
        part = totals[totals["used"] == used]
        if len(part):
            what = "England total, in the model" if used else "England total, not in the model"
            axes.vlines(part["year"], part["lower"], part["upper"], color=OBSERVED, linewidth=1)
            style = {"facecolor": face, "edgecolor": OBSERVED, "marker": "D", "s": 22, "zorder": 3}
            axes.scatter(part["year"], part["rate"], label=what, **style)
            every += list(part["year"])
    axes.set_ylabel(f"{run.outcome}\n{run.rate_unit}")
    start_at_zero(axes)
    count_axis(axes.yaxis)
    year_axis(axes, every)
    breaks(axes, run)
    figure.legend(**LEGEND | {"ncols": 2})
    return figure


def plot_changes(run: Run, changes: pd.DataFrame, unit: str) -> Figure:
    """Changes between consecutive years, or a list of spans where there are none."""
    consecutive = changes[changes["year"] - changes["year_from"] == 1]
    if len(consecutive) >= 3:
        figure, axes = new_figure(3.2)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.vlines(
            consecutive["year"], consecutive["lower"], consecutive["upper"], color=ACCENT_SOFT, lw=5
        )
        axes.scatter(consecutive["year"], consecutive["mean"], color=ACCENT, s=22, zorder=3)
        axes.set_ylabel(f"Change on the year before,\n{unit}")
        count_axis(axes.yaxis)
        year_axis(axes, consecutive["year"])
        breaks(axes, run)
        return figure
    rows = changes.iloc[::-1].tail(24)
    figure, axes = new_figure(1.2 + 0.26 * len(rows))
    place = np.arange(len(rows))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(place, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=5)
    axes.scatter(rows["mean"], place, color=ACCENT, s=22, zorder=3)
    spans = zip(rows["year_from"], rows["year"], strict=True)
    axes.set_yticks(place, [f"{first} to {last}" for first, last in spans])
    axes.set_xlabel(f"Change of the national rate, {unit}")
    axes.grid(True, axis="x")
    return figure


def plot_la_fan(run: Run, la_rate: pd.DataFrame, rate: pd.DataFrame) -> Figure:
    """LA posterior means by year: every LA a thin line, deciles as bands."""
    wide = la_rate.pivot_table(index="year", columns="la", values="mean").sort_index()
    years = wide.index.to_numpy(dtype=float)
    quantiles = wide.quantile([0.1, 0.25, 0.5, 0.75, 0.9], axis=1).to_numpy()
    figure, axes = new_figure(4.0)
    axes.plot(years, wide.to_numpy(), color=GREY, linewidth=0.5, alpha=0.35, zorder=1)
    band(axes, years, quantiles[0], quantiles[4], color=ACCENT_PALE, alpha=0.75, label="10 to 90%")
    band(axes, years, quantiles[1], quantiles[3], color=ACCENT_SOFT, alpha=0.8, label="25 to 75%")
    axes.plot(years, quantiles[2], color=ACCENT, label="median LA", marker="o", markersize=3)
    rate = rate[rate["year"].between(years.min(), years.max())]
    if len(rate):
        style = {"color": INK, "linewidth": 1.2, "linestyle": (0, (4, 2))}
        axes.plot(rate["year"], rate["mean"], label="national rate", **style)
    axes.set_ylabel(f"{run.outcome}\n{run.rate_unit}")
    start_at_zero(axes)
    count_axis(axes.yaxis)
    year_axis(axes, years)
    breaks(axes, run)
    figure.legend(**LEGEND)
    return figure


def plot_spread(run: Run, spreads: list[tuple[str, str, pd.DataFrame]]) -> Figure:
    """Measures of spread between LAs by year, one panel each: ``(label, unit, rows)``."""
    figure, grid = new_figure(2.9, ncols=len(spreads), squeeze=False)
    for axes, (label, unit, rows) in zip(grid[0], spreads, strict=True):
        band(axes, rows["year"], rows["lower"], rows["upper"], color=ACCENT_PALE)
        axes.plot(rows["year"], rows["mean"], color=ACCENT, marker="o", markersize=3)
        axes.set_title(label, wrap=True)
        axes.set_ylabel(capital(unit))
        year_axis(axes, rows["year"])
        axes.xaxis.set_major_locator(_few_years(rows["year"]))
        count_axis(axes.yaxis)
    return figure


def _few_years(years: Any) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(min(6, max(1, len(years) - 1)), integer=True)


def plot_caterpillar(
    rows: pd.DataFrame,
    names: list[str],
    label: str,
    *,
    reference: float | None = None,
    reference_label: str = "",
    from_zero: bool = False,
    ends: int = 3,
) -> Figure:
    """LAs in order of their mean, intervals as lines; the ``ends`` at either end are named.

    Dark lines lie wholly on one side of ``reference``.
    """
    order = rows["mean"].to_numpy(dtype=float).argsort()
    mean, lower, upper = (
        rows[key].to_numpy(dtype=float)[order] for key in ("mean", "lower", "upper")
    )
    names = [names[i] for i in order]
    place = np.arange(len(mean))
    figure, axes = new_figure(4.2)
    apart = np.zeros(len(mean), bool)
    if reference is not None:
        apart = (lower > reference) | (upper < reference)
        style: Any = {"color": INK, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1}
        axes.axhline(reference, label=reference_label, **style)
        figure.legend(**LEGEND)
    colours = np.where(apart, ACCENT, ACCENT_SOFT)
    axes.vlines(place, lower, upper, color=colours, linewidth=1.6 if len(mean) > 60 else 3)
    axes.scatter(place, mean, color=np.where(apart, ACCENT, "#5f93b4"), s=9, zorder=3)
    _name_ends(axes, place, mean, lower, upper, names, ends)
    axes.set_xlim(-0.02 * len(mean) - 0.8, len(mean) * 1.02 - 0.2)
    axes.set_xticks([])
    axes.set_xlabel(f"{len(mean)} LAs, lowest to highest mean" if len(mean) > 1 else "1 LA")
    axes.set_ylabel(label)
    if from_zero:
        start_at_zero(axes)
    count_axis(axes.yaxis)
    return figure


def _name_ends(
    axes: Any, place: Any, mean: Any, lower: Any, upper: Any, names: list[str], ends: int
) -> None:
    """Name the lowest and highest LAs in two columns that keep clear of the intervals."""
    n = len(mean)
    ends = min(ends, n // 2)
    if n == 1:
        axes.annotate(names[0], (0, mean[0]), (8, 0), textcoords="offset points", fontsize=8)
        return
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5}
    text = {"fontsize": 8, "color": INK, "arrowprops": line, "va": "center", "bbox": BACKING}
    within = {"textcoords": "axes fraction"}
    for rank in range(ends):
        top = n - 1 - rank
        spot = (0.80, 0.97 - 0.065 * rank)
        axes.annotate(
            short(names[top]), (place[top], mean[top]), spot, ha="right", **within, **text
        )
        # Above the lowest there is room: intervals rise to the right.
        spot = (0.16, 0.97 - 0.065 * rank)
        axes.annotate(short(names[rank]), (place[rank], mean[rank]), spot, **within, **text)


def plot_ranks(rank: pd.DataFrame, p_top: pd.DataFrame) -> Figure:
    """Ranks with intervals above, probability of the highest fifth below, in one order."""
    rank = rank.sort_values("mean", kind="stable")
    n = len(rank)
    place = np.arange(1, n + 1)
    both = len(p_top) > 0
    figure, grid = new_figure(
        4.6 if both else 3.2,
        nrows=2 if both else 1,
        sharex=True,
        squeeze=False,
        height_ratios=[3, 2] if both else [1],
    )
    axes = grid[0, 0]
    axes.vlines(place, rank["lower"], rank["upper"], color=ACCENT_SOFT, linewidth=1.6)
    axes.scatter(place, rank["mean"], color=ACCENT, s=9, zorder=3)
    axes.set_ylim(n + 1, 0)
    ticks = sorted({1, *range(20, n, max(20, 20 * (n // 100))), n} if n > 20 else {1, n})
    axes.set_yticks([tick for tick in ticks if tick in (1, n) or n - tick > n / 12])
    axes.set_ylabel("Rank, 1 = highest")
    if both:
        below = grid[1, 0]
        p = p_top.set_index("la")["mean"].reindex(rank["la"]).to_numpy(dtype=float)
        colours = np.where((p > 0.1) & (p < 0.9), ACCENT, ACCENT_SOFT)
        below.vlines(place, 0, p, color=colours, linewidth=min(8, 290 / n), capstyle="butt")
        below.axvline(n / 5 + 0.5, color=GREY, linewidth=0.9, linestyle=(0, (5, 3)))
        below.set_ylim(0, 1)
        below.set_ylabel("P(highest fifth)")
    grid[-1, 0].set_xlabel("LAs in order of mean rank")
    grid[-1, 0].set_xlim(0, n + 1)
    return figure


def plot_level_growth(
    run: Run, rate: pd.DataFrame, growth: pd.DataFrame, year: int, unit: str
) -> Figure:
    """Growth against the latest rate, one point per LA, the four extremes of growth named."""
    both = rate.merge(growth, on="la", suffixes=("", "_growth"))
    figure, axes = new_figure(3.8)
    x, y = both["mean"].to_numpy(dtype=float), both["mean_growth"].to_numpy(dtype=float)
    axes.vlines(x, both["lower_growth"], both["upper_growth"], color=GREY_PALE, linewidth=1)
    axes.scatter(x, y, color=ACCENT, s=14, zorder=3)
    order = np.argsort(y)
    ends = dict.fromkeys(int(i) for i in (order[-1], order[0], *order[-2:-1], *order[1:2]))
    name_points(axes, x, y, {i: short(run.la_name(both["la"].iloc[i])) for i in ends})
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel(f"Rate in {year}, {run.rate_unit}")
    axes.set_ylabel(f"Growth, {unit}")
    count_axis(axes.xaxis)
    count_axis(axes.yaxis)
    return figure
