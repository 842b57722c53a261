"""Answer figures of ``deprivation``: gradients over authorities, and authorities over gradients."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_PALE,
    ACCENT_SOFT,
    GREY,
    GREY_PALE,
    INK,
    LEGEND,
    OBSERVED,
    Panel,
    band,
    count_axis,
    folded,
    new_figure,
    not_assessed,
    start_at_zero,
    year_axis,
)
from reports.figures_trend import plot_caterpillar
from reports.run_folder import Run
from reports.wording import capital, count, estimate, listing, number, within_sentence


def deprivation_panels(run: Run) -> list[Panel]:
    """Gradients, their ratios, authorities against expectation, correlations and drift."""
    panels = [_gradient(run), _ratios(run)]
    if len(run.estimand("ratio_per_sd_by_year")):
        panels.append(_drift(run))
    if len(run.estimand("level_correlation")):
        panels.append(_correlations(run))
    names = [str(name) for name in run.estimand("la_observed_ratio").get("outcome", [])]
    panels += [_against_expectation(run, name) for name in dict.fromkeys(names)]
    return panels


def outcome_labels(run: Run) -> dict[str, str]:
    """Label of each outcome by its name."""
    return {str(row["name"]): str(row["label"]) for row in run.spec.get("outcomes", [])}


def scores(run: Run) -> pd.Series:
    """Standard score of deprivation by LA; LAs without any cell are not among them."""
    la, score = (run.variable("constant_data", name) for name in ("la", "deprivation"))
    if la is None or score is None:
        return pd.Series(dtype=float)
    codes = np.array(run.labels("la"), dtype=object)[la.astype(int)]
    by_cell = pd.Series(score, index=codes)
    return by_cell[~by_cell.index.duplicated()]


def _absent(key: str, title: str, estimand: str) -> Panel:
    return not_assessed(key, title, f"estimands.csv holds no {estimand}")


def _rows(run: Run, name: str) -> pd.DataFrame:
    rows = run.estimand(name)
    return rows.assign(outcome=rows["outcome"].astype(str)) if len(rows) else rows


def _gradient(run: Run) -> Panel:
    key, title = "gradient", "Rates over the deprivation of authorities"
    curve, rates, score = _rows(run, "gradient"), _rows(run, "la_rate"), scores(run)
    if curve.empty or rates.empty:
        return _absent(key, title, "gradient" if curve.empty else "la_rate")
    if score.empty:
        return not_assessed(key, title, "the run does not say how deprived each authority is")
    labels = outcome_labels(run)
    ends = _rows(run, "fifth_ratio")
    sentences = [
        f"{labels.get(row['outcome'], row['outcome'])}: the most deprived fifth has "
        f"{estimate(dict(row))} times the rate of the least deprived."
        for _, row in ends.iterrows()
    ]
    return Panel(
        key,
        title,
        plot_gradients(run, curve, rates, _rows(run, "fifth_rate"), score, labels),
        alt="Rate of each authority over its deprivation, with the fitted gradient and the mean "
        "rate of each fifth, one panel for each outcome.",
        read="Each point is one LA's own rate (posterior mean) with its interval, further to the "
        "right the more deprived. The line is the gradient, the band its interval; orange bars are "
        "mean rates of fifths of LAs, weighted by exposure. LAs differ around the gradient: the "
        "band is about their average, not about single LAs.",
        shows=" ".join(sentences),
        interval=run.interval,
    )


def plot_gradients(
    run: Run,
    curve: pd.DataFrame,
    rates: pd.DataFrame,
    by_fifth: pd.DataFrame,
    score: pd.Series,
    labels: dict[str, str],
) -> Figure:
    """One panel for each outcome: LA points with intervals, gradient with band, fifths."""
    outcomes = list(dict.fromkeys(curve["outcome"]))
    columns = min(2, len(outcomes))
    rows = -(-len(outcomes) // columns)
    figure, grid = new_figure(0.5 + 3.1 * rows, nrows=rows, ncols=columns, squeeze=False)
    at = score.sort_values().to_numpy(dtype=float)
    edges = np.quantile(at, np.linspace(0, 1, 6))
    for axes, name in zip(grid.ravel(), outcomes, strict=False):
        own = rates[(rates["outcome"] == name) & rates["la"].isin(score.index)]
        x = score.loc[own["la"]].to_numpy(dtype=float)
        axes.vlines(x, own["lower"], own["upper"], color=GREY_PALE, linewidth=1, zorder=1)
        axes.scatter(x, own["mean"], color=GREY, s=9, zorder=2, label="LA, mean and interval")
        line = curve[curve["outcome"] == name].sort_values("percentile")
        place = np.quantile(at, line["percentile"].to_numpy(dtype=float) / 100)
        band(axes, place, line["lower"], line["upper"], color=ACCENT_PALE, alpha=0.8, zorder=1.5)
        axes.plot(place, line["mean"], color=ACCENT, zorder=3, label="gradient and interval")
        for row in by_fifth[by_fifth["outcome"] == name].itertuples():
            number_of = int(row.fifth)
            left, right = edges[number_of - 1], edges[number_of]
            style = {"color": OBSERVED, "zorder": 4}
            label = "mean of a fifth" if number_of == 1 else None
            axes.hlines(row.mean, left, right, linewidth=2, label=label, **style)
            axes.vlines((left + right) / 2, row.lower, row.upper, linewidth=1.2, **style)
        axes.set_title(labels.get(name, name))
        start_at_zero(axes)
        axes.set_ylabel(capital(run.rate_unit))
        axes.set_xlabel("Deprivation, sds from the mean LA")
        count_axis(axes.yaxis)
        count_axis(axes.xaxis)
    for axes in grid.ravel()[len(outcomes) :]:
        axes.set_visible(False)
    handles, texts = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, **LEGEND)
    return figure


def _ratios(run: Run) -> Panel:
    key, title = "gradient_ratios", "How steep the gradients are"
    names = ("ratio_per_sd", "fifth_ratio", "share_explained")
    tables = {name: _rows(run, name) for name in names}
    tables = {name: rows for name, rows in tables.items() if len(rows)}
    if "ratio_per_sd" not in tables:
        return _absent(key, title, "ratio_per_sd")
    labels = outcome_labels(run)
    per_sd = tables["ratio_per_sd"]
    named = {name: within_sentence(label) for name, label in labels.items()}
    up = [named.get(r["outcome"], r["outcome"]) for _, r in per_sd.iterrows() if r["lower"] > 1]
    down = [named.get(r["outcome"], r["outcome"]) for _, r in per_sd.iterrows() if r["upper"] < 1]
    unclear = len(per_sd) - len(up) - len(down)
    parts = []
    if up:
        parts.append(f"Clearly higher in more deprived LAs: {listing(up, 8)}.")
    if down:
        parts.append(f"Clearly lower: {listing(down, 8)}.")
    if unclear:
        parts.append(f"Interval holds 1: {count(unclear)} of {count(len(per_sd))}.")
    return Panel(
        key,
        title,
        plot_forest(tables, labels),
        alt="Rate ratios and shares of variance with intervals, one row for each outcome.",
        read="Points are posterior means, bars intervals. A ratio of 1 (line) is no gradient; the "
        "share is that of differences between LAs, on the log scale, that goes with deprivation.",
        shows=" ".join(parts),
        interval=run.interval,
    )


def plot_forest(tables: dict[str, pd.DataFrame], labels: dict[str, str]) -> Figure:
    """A column of axes for each estimand, a row for each outcome."""
    outcomes = list(dict.fromkeys(next(iter(tables.values()))["outcome"]))[::-1]
    height = 1.3 + 0.32 * len(outcomes)
    figure, grid = new_figure(height, ncols=len(tables), squeeze=False, sharey=True)
    place = {name: position for position, name in enumerate(outcomes)}
    for axes, (name, rows) in zip(grid[0], tables.items(), strict=True):
        y = rows["outcome"].map(place)
        if "ratio" in name:
            axes.axvline(1, color=INK, linewidth=0.8)
        axes.hlines(y, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=5)
        axes.scatter(rows["mean"], y, color=ACCENT, s=22, zorder=3)
        axes.set_ylim(-0.6, len(outcomes) - 0.4)
        axes.set_xlabel(_AXES[name])
        axes.grid(True, axis="x")
        count_axis(axes.xaxis, bins=4)
    grid[0, 0].set_yticks(range(len(outcomes)), [folded(labels.get(n, n)) for n in outcomes])
    return figure


_AXES = {
    "ratio_per_sd": "Rate ratio\nper sd of deprivation",
    "fifth_ratio": "Most against least\ndeprived fifth",
    "share_explained": "Share of variance\nthat goes with it",
}


def _drift(run: Run) -> Panel:
    key, title = "gradient_drift", "Gradients by year"
    rows, labels = _rows(run, "ratio_per_sd_by_year"), outcome_labels(run)
    growth = _rows(run, "ratio_growth")
    sentences = [
        f"{labels.get(row['outcome'], row['outcome'])}: {estimate(dict(row))}."
        for _, row in growth.iterrows()
    ]
    outcomes = list(dict.fromkeys(rows["outcome"]))
    figure, grid = new_figure(2.9, ncols=len(outcomes), squeeze=False, sharey=True)
    for axes, name in zip(grid[0], outcomes, strict=True):
        own = rows[rows["outcome"] == name].sort_values("year")
        axes.axhline(1, color=INK, linewidth=0.8)
        band(axes, own["year"], own["lower"], own["upper"], color=ACCENT_PALE)
        axes.plot(own["year"], own["mean"], color=ACCENT)
        axes.set_title(folded(labels.get(name, name), 24))
        year_axis(axes, own["year"])
        years = own["year"].astype(int)
        axes.set_xticks([int(years.min()), int(years.max())])
    grid[0, 0].set_ylabel("Rate ratio per sd")
    return Panel(
        key,
        title,
        figure,
        alt="Rate ratio per sd of deprivation by year with its interval, one panel per outcome.",
        read="Lines are posterior means, bands intervals; the model lets the ratio change by a "
        "constant factor each year. The deprivation score is the same in all years.",
        shows="Yearly growth of the ratio. " + " ".join(sentences),
        interval=run.interval,
    )


def _correlations(run: Run) -> Panel:
    key, title = "level_correlation", "What deprivation leaves: do outcomes go together?"
    rows, labels = _rows(run, "level_correlation").iloc[::-1], outcome_labels(run)
    figure, axes = new_figure(1.1 + 0.32 * len(rows))
    place = np.arange(len(rows))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(place, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=5)
    axes.scatter(rows["mean"], place, color=ACCENT, s=22, zorder=3)
    both = zip(rows["outcome"], rows["other_outcome"].astype(str), strict=True)
    names = [
        folded(f"{labels.get(a, a)} and {within_sentence(labels.get(b, b))}", 36) for a, b in both
    ]
    axes.set_yticks(place, names)
    axes.set_xlim(-1, 1)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("Correlation over LAs of levels beyond deprivation")
    axes.grid(True, axis="x")
    strongest: Any = rows.iloc[int(rows["mean"].abs().argmax())]
    pair = (str(strongest[k]) for k in ("outcome", "other_outcome"))
    a, b = (within_sentence(labels.get(name, name)) for name in pair)
    return Panel(
        key,
        title,
        figure,
        alt="Correlation of LA levels beyond deprivation for every two outcomes, with intervals.",
        read="Points are posterior means, bars intervals. LAs above expectation in one outcome are "
        "above it in the other where the correlation is positive. Where rates share a denominator "
        "other than children, part of a correlation is that denominator's.",
        shows=f"Strongest: {a} and {b}, {estimate(dict(strongest))}.",
        interval=run.interval,
    )


def _against_expectation(run: Run, outcome: str) -> Panel:
    label = outcome_labels(run).get(outcome, outcome)
    rows = _rows(run, "la_observed_ratio")
    rows = rows[rows["outcome"] == outcome]
    names = [run.la_name(str(code)) for code in rows["la"]]
    above, below = int((rows["lower"] > 1).sum()), int((rows["upper"] < 1).sum())
    order = rows["mean"].to_numpy(dtype=float).argsort()
    ends = [f"{names[i]} ({number(rows['mean'].iloc[i], places=2)})" for i in order[[-1, 0]]]
    return Panel(
        f"against_expectation_{outcome}",
        f"{label}: authorities against expectation",
        plot_caterpillar(
            rows, names, "Rate over expectation", reference=1.0, reference_label="as expected"
        ),
        alt=f"Ratio of each LA's rate of {within_sentence(label)} to what its deprivation leads "
        "one to expect, from lowest to highest, with intervals.",
        read="Each LA is a point (posterior mean) with its interval: its own rate over the rate "
        "that the gradient leads one to expect. Dark ones are clear of 1. A ratio is no judgement "
        "of practice.",
        shows=f"{count(above)} of {count(len(rows))} LAs are clearly above expectation and "
        f"{count(below)} clearly below; furthest: {ends[0]} and {ends[1]}.",
        interval=run.interval,
    )
