"""Figures that criticise a model: replicated against observed data, and where cells fall."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_PALE,
    ACCENT_SOFT,
    DIVERGING,
    GREY_PALE,
    INK,
    LEGEND,
    OBSERVED,
    band,
    count_axis,
    ecdf_difference,
    folded,
    name_points,
    new_figure,
    readable_on,
    short,
    simultaneous_band,
    start_at_zero,
    tick,
    year_axis,
)
from reports.wording import capital

TAILS = (0.05, 0.95)


@dataclass(frozen=True)
class Check:
    """One statistic by group, observed and replicated.

    ``observed`` (group,) takes intervals at their midpoint, ``least`` and ``most`` at their ends;
    ``replicated`` is (draw, group).
    """

    label: str
    unit: str
    groups: list[Any]
    observed: np.ndarray
    least: np.ndarray
    most: np.ndarray
    replicated: np.ndarray

    @property
    def lower(self) -> np.ndarray:
        return np.asarray(np.quantile(self.replicated, TAILS[0], axis=0))

    @property
    def upper(self) -> np.ndarray:
        return np.asarray(np.quantile(self.replicated, TAILS[1], axis=0))

    @property
    def median(self) -> np.ndarray:
        return np.asarray(np.median(self.replicated, axis=0))


def group_checks(
    cells: pd.DataFrame,
    replicated: np.ndarray,
    by: str,
    per: float,
    unit: str,
    *,
    values: bool = False,
) -> list[Check]:
    """Rate, spread between cells, share of zero counts and highest cell rate, by ``by``.

    ``replicated`` is (draw, obs). With ``values`` the outcome is no count: mean, spread, lowest and
    highest.
    """
    code, groups = pd.factorize(cells[by], sort=True)
    members = [np.flatnonzero(code == group) for group in range(len(groups))]
    exposure = cells["exposure"].to_numpy()

    def rate(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.asarray(per * y[..., rows].sum(axis=-1) / exposure[rows].sum())

    def spread(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.asarray((per * y[..., rows] / exposure[rows]).std(axis=-1))

    def zeros(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.asarray(100 * (y[..., rows] == 0).mean(axis=-1))

    def highest(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.asarray((per * y[..., rows] / exposure[rows]).max(axis=-1))

    def lowest(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.asarray(y[..., rows].min(axis=-1))

    statistics: tuple[tuple[str, str, Any], ...] = (
        ("Rate of all cells together", unit, rate),
        ("SD of cell rates", unit, spread),
        ("Cells that count zero", "% of cells", zeros),
        ("Highest cell rate", unit, highest),
    )
    if values:
        statistics = (
            ("Mean of all cells", unit, rate),
            ("SD between cells", unit, spread),
            ("Lowest cell", unit, lowest),
            ("Highest cell", unit, highest),
        )
    checks = []
    for label, statistic_unit, statistic in statistics:

        def over(y: np.ndarray, f: Any = statistic) -> np.ndarray:
            return np.stack([f(y, rows) for rows in members], axis=-1)

        bounds = np.stack([over(cells[end].to_numpy()) for end in ("lower", "y", "upper")])
        checks.append(
            Check(
                label,
                statistic_unit,
                list(groups),
                bounds[1],
                bounds.min(axis=0),
                bounds.max(axis=0),
                over(replicated),
            )
        )
    return checks


def plot_predictive_by_year(checks: list[Check], *, from_zero: bool = True) -> Figure:
    """Each statistic by year in its own panel: replicated interval, observed points."""
    figure, grid = new_figure(5.0, nrows=2, ncols=2)
    for axes, check in zip(grid.ravel(), checks, strict=True):
        years = np.array(check.groups, float)
        band(axes, years, check.lower, check.upper, color=ACCENT_PALE, label="replicated, 90%")
        axes.plot(years, check.median, color=ACCENT, linewidth=1.2, label="replicated, median")
        axes.vlines(years, check.least, check.most, color=OBSERVED, linewidth=1)
        axes.scatter(years, check.observed, color=OBSERVED, s=14, zorder=3, label="observed")
        axes.set_title(check.label)
        axes.set_ylabel(check.unit)
        year_axis(axes, years, label=axes in grid[-1])
        step = max(1, len(years) // 6)
        axes.set_xticks(years[::step])
        if from_zero and check.least.min() >= 0:
            # An all-zero panel keeps whole ticks.
            axes.set_ylim(0, max(axes.get_ylim()[1], 1.0))
        count_axis(axes.yaxis)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, **LEGEND)
    return figure


def plot_predictive_by_region(check: Check) -> Figure:
    """One statistic by region."""
    order = np.argsort(check.observed)
    place = np.arange(len(order))
    figure, axes = new_figure(1.2 + 0.28 * max(3, len(order)))
    axes.hlines(place, check.lower[order], check.upper[order], color=ACCENT_SOFT, linewidth=6)
    style = {"color": ACCENT, "marker": "|", "s": 60, "zorder": 3}
    axes.scatter(check.median[order], place, label="replicated, median and 90%", **style)
    style = {"color": OBSERVED, "s": 22, "zorder": 4}
    axes.scatter(check.observed[order], place, label="observed", **style)
    axes.set_yticks(place, [str(check.groups[i]) for i in order])
    axes.set_xlabel(f"{check.label}, {check.unit}")
    axes.grid(True, axis="x")
    count_axis(axes.xaxis)
    figure.legend(**LEGEND)
    return figure


def plot_prior_predictive(
    rate: Check, ratio: np.ndarray, observed_ratio: float, *, values: bool = False
) -> Figure:
    """Rates by year and spread between cells that the prior expects, on log scales.

    With ``values`` the scales are linear, and ``ratio`` is a difference.
    """
    figure, (left, right) = new_figure(3.4, ncols=2, width_ratios=[3, 2])
    years = np.array(rate.groups, float)
    floor = max(1e-3, float(rate.observed[rate.observed > 0].min(initial=1.0)) / 1000)
    floor = -np.inf if values else floor
    for tails, colour, label in (
        ((0.05, 0.95), ACCENT_PALE, "prior, 90%"),
        ((0.25, 0.75), ACCENT_SOFT, "prior, 50%"),
    ):
        low, high = np.maximum(np.quantile(rate.replicated, tails, axis=0), floor)
        band(left, years, low, high, color=colour, label=label)
    left.scatter(years, np.maximum(rate.observed, floor), color=OBSERVED, s=16, label="observed")
    left.set_title(rate.label)
    left.set_ylabel(rate.unit)
    if not values:
        left.set_yscale("log")
        _log_ticks(left.yaxis)
    year_axis(left, years)
    left.set_xticks(years[:: max(1, len(years) // 6)])
    if values:
        right.stairs(*np.histogram(ratio, bins=30), fill=True, color=ACCENT_SOFT)
        right.axvline(observed_ratio, color=OBSERVED)
        right.set_title("Spread between cells")
        right.set_xlabel("90th less 10th percentile of cells")
        right.set_ylabel("Prior draws")
        figure.legend(**LEGEND)
        return figure
    right.stairs(*np.histogram(np.log10(ratio), bins=30), fill=True, color=ACCENT_SOFT)
    right.axvline(np.log10(observed_ratio), color=OBSERVED)
    right.set_title("Spread between cells")
    right.set_xlabel("90th / 10th percentile of cell rates")
    right.set_ylabel("Prior draws")
    round_ratios = np.outer(10.0 ** np.arange(6), [1, 1.5, 2, 3, 4, 5, 7]).ravel()
    low, high = right.get_xlim()
    shown = round_ratios[(np.log10(round_ratios) > low) & (np.log10(round_ratios) < high)]
    shown = shown[:: max(1, -(-len(shown) // 7))]
    right.set_xticks(np.log10(shown), [tick(value) for value in shown])
    figure.legend(**LEGEND)
    return figure


def _log_ticks(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    # A prior within one decade would leave an axis of powers of ten without a number.
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    axis.set_minor_formatter(NullFormatter())


def plot_loo_pit(pit: np.ndarray) -> Figure:
    """Histogram of LOO-PIT, and its ECDF minus the diagonal with a simultaneous 90 % band."""
    figure, (left, right) = new_figure(3.0, ncols=2)
    n, bins = len(pit), 20
    left.hist(pit, bins=np.linspace(0, 1, bins + 1).tolist(), color=ACCENT_SOFT, edgecolor="white")
    left.axhline(n / bins, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    left.set_title("Histogram")
    left.set_xlabel("LOO-PIT (no unit)")
    left.set_ylabel("Cells")
    place, lower, upper = simultaneous_band(n)
    right.fill_between(place, lower, upper, color=GREY_PALE, linewidth=0)
    right.axhline(0, color=INK, linewidth=0.8)
    right.plot(place, ecdf_difference(pit, place), color=ACCENT)
    right.set_title("ECDF minus diagonal")
    right.set_xlabel("LOO-PIT (no unit)")
    right.set_ylabel("Difference of probability")
    count_axis(right.yaxis)
    return figure


def plot_pareto_k(cells: pd.DataFrame, k: np.ndarray, good: float, named: list[int]) -> Figure:
    """Pareto k by year, spread sideways by LA; ``named`` are positions to label."""
    figure, axes = new_figure(3.2)
    la = pd.factorize(cells["la"], sort=True)[0]
    x = cells["year"].to_numpy(dtype=float) + 0.7 * (la / max(1, int(la.max())) - 0.5)
    bad = k > good
    # Rasterised: thousands of vector points make a slow page.
    axes.scatter(x[~bad], k[~bad], s=5, color=ACCENT_SOFT, linewidths=0, rasterized=True)
    axes.scatter(x[bad], k[bad], s=14, color=OBSERVED)
    axes.axhline(good, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    at_left = {"transform": axes.get_yaxis_transform(), "va": "bottom", "fontsize": 8}
    axes.text(0.005, good, f"limit {good:.2f}", **at_left)
    year_axis(axes, cells["year"])
    axes.set_ylabel("Pareto k (no unit)")
    axes.set_ylim(top=max(1.0, float(k.max()) + 0.1))
    la_year = zip(cells["name"], cells["year"], strict=True)
    labels = [f"{short(name, 24)} {year}" for name, year in la_year]
    name_points(axes, x, k, {i: labels[i] for i in named})
    return figure


def plot_residual_map(cells: pd.DataFrame, residual: np.ndarray) -> Figure:
    """LA by year heat map of residuals, LAs grouped by region."""
    table = cells.assign(residual=residual).sort_values(["region", "name", "la"])
    las = table.drop_duplicates("la")
    years = np.arange(int(table["year"].min()), int(table["year"].max()) + 1)
    wide = table.pivot_table(index="la", columns="year", values="residual")
    wide = wide.reindex(index=las["la"], columns=years)
    figure, axes = new_figure(min(7.5, 1.6 + 0.12 * max(12, len(las))))
    axes.set_facecolor(GREY_PALE)
    edges = (years[0] - 0.5, years[-1] + 0.5, len(las) - 0.5, -0.5)
    shown = axes.imshow(
        wide.to_numpy(dtype=float),
        extent=edges,
        aspect="auto",
        cmap=DIVERGING,
        vmin=-3,
        vmax=3,
        interpolation="nearest",
    )
    year_axis(axes, years)
    axes.set_xlim(edges[0], edges[1])
    starts = np.flatnonzero(~las["region"].duplicated().to_numpy())
    ends = np.append(starts[1:], len(las))
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=1.5)
    axes.set_yticks((starts + ends - 1) / 2, las["region"].to_numpy()[starts])
    axes.grid(False)
    bar = figure.colorbar(shown, ax=axes, orientation="horizontal", shrink=0.5, aspect=30, pad=0.02)
    bar.set_label("Residual in normal standard deviations; grey = no cell")
    bar.outline.set_visible(False)
    return figure


def plot_region_residuals(table: pd.DataFrame) -> Figure:
    """Region by year heat map of mean residuals in their own standard errors (z)."""
    figure, axes = new_figure(1.5 + 0.27 * max(3, len(table)))
    values = table.to_numpy(dtype=float)
    axes.imshow(values, aspect="auto", cmap=DIVERGING, vmin=-4, vmax=4, interpolation="nearest")
    for i, j in zip(*np.nonzero(np.abs(values) >= 2), strict=True):
        text = f"{values[i, j]:+.1f}".replace("-", "−")
        style = {"ha": "center", "va": "center", "fontsize": 7.5}
        axes.text(j, i, text, color=readable_on(DIVERGING((values[i, j] + 4) / 8)), **style)
    years = [str(year) for year in table.columns]
    step = max(1, -(-len(years) // 14))
    axes.set_xticks(range(0, len(years), step), years[::step])
    axes.set_yticks(range(len(table)), [str(name) for name in table.index])
    axes.set_xlabel(
        "Year ending 31 March; number: mean residual in standard errors, where 2 or more"
    )
    axes.grid(False)
    return figure


def plot_worst_las(
    cells: pd.DataFrame, replicated: np.ndarray, las: list[str], per: float, unit: str
) -> Figure:
    """Observed rates of the worst-fitting LAs over their replicated 90 % intervals."""
    columns = 3
    rows = -(-len(las) // columns)
    figure, grid = new_figure(0.7 + 1.9 * rows, nrows=rows, ncols=columns, squeeze=False)
    for axes in grid.ravel()[len(las) :]:
        axes.set_visible(False)
    for axes, la in zip(grid.ravel(), las, strict=False):
        mine = np.flatnonzero((cells["la"] == la).to_numpy())
        mine = mine[np.argsort(cells["year"].to_numpy()[mine])]
        scale = per / cells["exposure"].to_numpy()[mine]
        lower, upper = np.quantile(replicated[:, mine] * scale, TAILS, axis=0)
        years = cells["year"].to_numpy(dtype=float)[mine]
        ends = [cells[end].to_numpy()[mine] * scale for end in ("lower", "upper", "y")]
        band(axes, years, lower, upper, color=ACCENT_PALE, label="replicated, 90%")
        axes.vlines(years, ends[0], ends[1], color=OBSERVED, linewidth=1)
        axes.scatter(years, ends[2], color=OBSERVED, s=12, zorder=3, label="observed")
        axes.set_title(folded(cells["name"].iloc[mine[0]], 28, 2), fontsize=8.5)
        year_axis(axes, years, label=False)
        axes.set_xticks(years[:: max(1, len(years) // 3)])
        if min(ends[0].min(), lower.min()) >= 0:
            start_at_zero(axes)
        count_axis(axes.yaxis, 4)
    figure.supylabel(capital(unit), fontsize=9)
    figure.supxlabel("Year ending 31 March", fontsize=9, x=0.01, ha="left")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, **LEGEND)
    return figure
