"""Answer figures of ``funnel``: the flow from referrals to plans, and how gates differ."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from reports.figures import (
    ACCENT,
    ACCENT_PALE,
    ACCENT_SOFT,
    DIVERGING,
    INK,
    OBSERVED,
    Panel,
    band,
    count_axis,
    folded,
    new_figure,
    not_assessed,
    readable_on,
    start_at_zero,
    tick,
    year_axis,
)
from reports.figures_deprivation import outcome_labels
from reports.figures_trend import plot_caterpillar
from reports.run_folder import Run
from reports.wording import count, estimate, listing, number, within_sentence

# What stands between referrals and plans, in the order in which it is drawn.
_LEAST, _MOST = 1, 5


def funnel_panels(run: Run) -> list[Panel]:
    """Flow, gates by year, deprivation, correlations, and authorities' own gates."""
    panels = [_flow(run), _by_year(run), _deprivation(run), _correlations(run)]
    names = [str(name) for name in run.estimand("la_gate").get("outcome", [])]
    return [*panels, *(_authorities(run, name) for name in dict.fromkeys(names))]


def _rows(run: Run, name: str) -> pd.DataFrame:
    rows = run.estimand(name)
    return rows.assign(outcome=rows["outcome"].astype(str)) if len(rows) else rows


def _flow(run: Run) -> Panel:
    key, title = "flow", "From 100 referrals to plans, by deprivation"
    rows, labels = _rows(run, "stage_per_referrals_by_fifth"), outcome_labels(run)
    if rows.empty:
        return not_assessed(key, title, "estimands.csv holds no stage_per_referrals_by_fifth")
    ends = {
        fifth: rows[rows["fifth"].astype(int) == fifth].set_index("outcome")
        for fifth in (_LEAST, _MOST)
    }
    last = rows["outcome"].iloc[-1]
    least, most = (estimate(dict(ends[fifth].loc[last])) for fifth in (_LEAST, _MOST))
    apart = [
        within_sentence(labels.get(name, name))
        for name in ends[_LEAST].index
        if ends[_LEAST].loc[name, "upper"] < ends[_MOST].loc[name, "lower"]
        or ends[_MOST].loc[name, "upper"] < ends[_LEAST].loc[name, "lower"]
    ]
    said = (
        f"Intervals of the two do not meet for {listing(apart)}."
        if apart
        else ("The intervals of the two meet at every stage.")
    )
    return Panel(
        key,
        title,
        plot_flow(ends, labels),
        alt="Cases at each stage per 100 referrals in the least and the most deprived fifth of "
        "authorities, with intervals, on a log scale.",
        read="Each stage is counted per 100 referrals of the same years; the scale is "
        "logarithmic, so equal distances are equal ratios. Stages are counts of a year, not a "
        "cohort: not every plan was among that year's referrals.",
        shows=f"{labels.get(last, last)}: {least} in the least and {most} in the most deprived "
        f"fifth. {said}",
        interval=run.interval,
    )


def plot_flow(ends: dict[int, pd.DataFrame], labels: dict[str, str]) -> Figure:
    """Stages from left to right, per 100 referrals: least and most deprived fifth."""
    names = list(next(iter(ends.values())).index)
    figure, axes = new_figure(3.8)
    styles = {_LEAST: (ACCENT, "least deprived fifth"), _MOST: (OBSERVED, "most deprived fifth")}
    for shift, (fifth, rows) in zip((-0.08, 0.08), ends.items(), strict=True):
        colour, label = styles[fifth]
        place = np.arange(1, len(names) + 1) + shift
        axes.vlines(place, rows["lower"], rows["upper"], color=colour, linewidth=3, alpha=0.5)
        axes.scatter(place, rows["mean"], color=colour, s=24, zorder=3, label=label)
        flows = [k for k, name in enumerate(names) if not name.startswith("referrals_")]
        line = [0 + shift, *place[flows]]
        axes.plot(line, [100, *rows["mean"].iloc[flows]], color=colour, linewidth=1, alpha=0.6)
    axes.scatter([0], [100], color=INK, s=24, zorder=3)
    axes.set_yscale("log")
    low = min(float(rows["lower"].min()) for rows in ends.values())
    ticks = [value for value in (0.1, 0.3, 1, 3, 10, 30, 100, 300) if value > low / 3]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticklabels([tick(value) for value in ticks])
    axes.set_ylabel("Per 100 referrals (log scale)")
    texts = [_two_lines(labels.get(name, name)) for name in names]
    axes.set_xticks(range(len(names) + 1), ["Referrals", *texts], fontsize=7.5)
    axes.set_xlim(-0.5, len(names) + 0.5)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _two_lines(label: str) -> str:
    """A label broken near its middle."""
    words = label.split()
    if len(words) < 2:
        return label
    lengths = np.cumsum([len(word) + 1 for word in words])
    cut = int(np.abs(lengths[:-1] - lengths[-1] / 2).argmin()) + 1
    return f"{' '.join(words[:cut])}\n{' '.join(words[cut:])}"


def _by_year(run: Run) -> Panel:
    key, title = "gates_by_year", "Gates by year"
    rows = pd.concat([_rows(run, "share_by_year"), _rows(run, "gate_ratio_by_year")])
    if rows.empty:
        return not_assessed(key, title, "estimands.csv holds no gate by year")
    labels, sentences = outcome_labels(run), []
    for name in dict.fromkeys(rows["outcome"]):
        own = rows[rows["outcome"] == name].sort_values("year")
        first, last = own.iloc[0], own.iloc[-1]
        sentences.append(
            f"{labels.get(name, name)}: {estimate(dict(first))} in {first['year']}, "
            f"{estimate(dict(last))} in {last['year']}."
        )
    return Panel(
        key,
        title,
        plot_by_year(run, rows, labels),
        alt="Each flow ratio and share by year with its interval over observed totals.",
        read="Lines are expected ratios over all authorities, bands intervals; points are "
        "published counts over those that they are counted of, authorities with both alone. A "
        "flow ratio is no share and may exceed 100.",
        shows=" ".join(sentences),
        interval=run.interval,
    )


def plot_by_year(run: Run, rows: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """Small multiples, one panel for each gate."""
    names = list(dict.fromkeys(rows["outcome"]))
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure, grid = new_figure(0.6 + 2.3 * lines, nrows=lines, ncols=columns, squeeze=False)
    for axes, name in zip(grid.ravel(), names, strict=False):
        own = rows[rows["outcome"] == name].sort_values("year")
        years = own["year"].to_numpy(dtype=float)
        band(axes, years, own["lower"], own["upper"], color=ACCENT_PALE, label="interval")
        axes.plot(years, own["mean"], color=ACCENT, label="expected")
        if run.cells is not None:
            cells = run.cells[run.cells["outcome"] == labels.get(name, name)]
            seen = cells.groupby("year")[["y", "exposure"]].sum()
            ratio = 100 * seen["y"] / seen["exposure"]
            # Rates per child are counted of something else than gates.
            if run.scale_of(labels.get(name, name))[0] == 100:
                axes.scatter(ratio.index, ratio, color=OBSERVED, s=10, zorder=3, label="observed")
        axes.set_title(folded(labels.get(name, name), 30), fontsize=8.5)
        year_axis(axes, years, label=False)
        axes.set_xticks(years[:: max(1, len(years) // 3)])
        start_at_zero(axes)
        count_axis(axes.yaxis, 4)
    for axes in grid.ravel()[len(names) :]:
        axes.set_visible(False)
    figure.supylabel("Per 100 of the stage that it is counted of", fontsize=9)
    figure.supxlabel("Year ending 31 March", fontsize=9, x=0.01, ha="left")
    handles, texts = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside upper left", ncols=3)
    return figure


def _deprivation(run: Run) -> Panel:
    key, title = "gate_deprivation", "Gates and deprivation"
    tables = {name: _rows(run, name) for name in ("ratio_per_sd", "fifth_ratio")}
    if any(rows.empty for rows in tables.values()):
        return not_assessed(key, title, "estimands.csv holds no ratio over deprivation")
    labels, per_sd = outcome_labels(run), tables["ratio_per_sd"]

    def listed(rows: pd.DataFrame) -> str:
        return listing([within_sentence(labels.get(name, name)) for name in rows["outcome"]], 6)

    said = ["Per standard deviation."]
    for word, clear in (
        ("Clearly wider or higher", per_sd["lower"] > 1),
        ("Clearly narrower", per_sd["upper"] < 1),
        ("Interval holds 1", (per_sd["lower"] <= 1) & (per_sd["upper"] >= 1)),
    ):
        if clear.any():
            said.append(f"{word} in more deprived LAs: {listed(per_sd[clear])}.")
    fifths = tables["fifth_ratio"]
    apart = fifths[(fifths["lower"] > 1) | (fifths["upper"] < 1)]
    said.append(
        f"Fifths clearly apart: {listed(apart)}." if len(apart) else "No fifths clearly apart."
    )
    return Panel(
        key,
        title,
        plot_ratios(tables, labels),
        alt="Ratio per standard deviation of deprivation and ratio of the most to the least "
        "deprived fifth, for referrals and each gate, with intervals.",
        read="Points are posterior means, bars intervals; the line at 1 is no gradient. Referrals "
        "are per child, flows per case of the stage before, shares per referral; per standard "
        "deviation the ratios of shares are odds ratios. Left is the gradient, right the mean of "
        "these LAs with all that sets them apart: one can be clear of 1 where the other is not.",
        shows=" ".join(said),
        interval=run.interval,
    )


def plot_ratios(tables: dict[str, pd.DataFrame], labels: dict[str, str]) -> Figure:
    """Two columns of ratios, a row for each outcome."""
    names = list(next(iter(tables.values()))["outcome"])[::-1]
    figure, grid = new_figure(1.3 + 0.34 * len(names), ncols=len(tables), sharey=True)
    place = {name: position for position, name in enumerate(names)}
    axis_labels = ("Ratio per sd of deprivation", "Most over least deprived fifth")
    for axes, rows, label in zip(grid, tables.values(), axis_labels, strict=True):
        y = rows["outcome"].map(place)
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.hlines(y, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=5)
        axes.scatter(rows["mean"], y, color=ACCENT, s=22, zorder=3)
        axes.set_xlabel(label)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.grid(True, axis="x")
        count_axis(axes.xaxis, bins=4)
    grid[0].set_yticks(range(len(names)), [folded(labels.get(n, n), 34) for n in names])
    return figure


def _correlations(run: Run) -> Panel:
    key, title = "gate_correlations", "Do stages and gates go together?"
    rates, gates = _rows(run, "child_rate_correlation"), _rows(run, "gate_correlation")
    if rates.empty or gates.empty:
        return not_assessed(key, title, "estimands.csv holds no correlations")
    labels = outcome_labels(run)

    def strongest(rows: pd.DataFrame) -> str:
        row: Any = rows.iloc[int(rows["mean"].abs().to_numpy().argmax())]
        a, b = (labels.get(str(row[k]), str(row[k])) for k in ("outcome", "other_outcome"))
        return f"{within_sentence(a)} and {within_sentence(b)}, {estimate(dict(row))}"

    return Panel(
        key,
        title,
        plot_correlations(rates, gates, labels),
        alt="Two tables of correlations over authorities: of rates per child, and of gates.",
        read="Left: do authorities with a high rate per child at one stage have one at another, "
        "beyond deprivation? Right: the same of gates, where neighbours share a count (in one "
        "above, in the other below) and would correlate negatively had stages nothing to do with "
        "one another: right is no evidence that one gate makes up for another. Bold: the "
        "interval is clear of zero.",
        shows=f"Strongest per child: {strongest(rates)}; of gates: {strongest(gates)}.",
        interval=run.interval,
    )


def plot_correlations(rates: pd.DataFrame, gates: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """Lower triangles of two correlation matrices, numbers in their cells."""
    names = list(dict.fromkeys([*rates["other_outcome"].astype(str), *rates["outcome"]]))
    figure, grid = new_figure(4.0, ncols=2, sharey=True)
    titles = ("Rates per child", "Gates (neighbours share a term)")
    for axes, rows, title in zip(grid, (rates, gates), titles, strict=True):
        table = np.full((len(names), len(names)), np.nan)
        for row in rows.to_dict("records"):
            at = names.index(str(row["outcome"])), names.index(str(row["other_outcome"]))
            table[at] = float(row["mean"])
            unclear = float(row["lower"]) <= 0 <= float(row["upper"])
            axes.text(
                at[1],
                at[0],
                number(row["mean"], places=2),
                ha="center",
                va="center",
                fontsize=7.5,
                color=readable_on(DIVERGING((float(row["mean"]) + 1) / 2)),
                fontweight="normal" if unclear else "bold",
            )
        axes.imshow(table, cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto")
        axes.set_title(title, fontsize=9)
        texts = [folded(labels.get(name, name), 20) for name in names]
        axes.set_xticks(range(len(names)), texts, rotation=55, ha="right", fontsize=7)
        axes.set_yticks(range(len(names)), texts, fontsize=7)
        axes.grid(False)
    return figure


def _authorities(run: Run, outcome: str) -> Panel:
    label = outcome_labels(run).get(outcome, outcome)
    rows = _rows(run, "la_gate")
    rows = rows[rows["outcome"] == outcome]
    names = [run.la_name(str(code)) for code in rows["la"]]
    order = rows["mean"].to_numpy(dtype=float).argsort()
    ends = [f"{names[i]} ({number(rows['mean'].iloc[i], places=1)})" for i in order[[-1, 0]]]
    above = int((rows["lower"] > 100).sum())
    return Panel(
        f"la_gate_{outcome}",
        f"{label}: gates of authorities",
        plot_caterpillar(rows, names, "Per 100", from_zero=True),
        alt=f"Gate of {within_sentence(label)} in each LA with its interval, "
        "from lowest to highest.",
        read="Each LA is a point (posterior mean) with its interval, over the years of the data. "
        "A high or low gate is no judgement of practice.",
        shows=f"Highest {ends[0]}, lowest {ends[1]}; {count(above)} of {count(len(rows))} clearly "
        "above 100.",
        interval=run.interval,
    )
