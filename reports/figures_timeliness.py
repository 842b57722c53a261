"""Answer figures of ``timeliness``: effects against the margin, and authorities' own effects."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_SOFT,
    GREY_PALE,
    INK,
    OBSERVED,
    Panel,
    new_figure,
    not_assessed,
    start_at_zero,
)
from reports.figures_trend import plot_caterpillar
from reports.run_folder import Run
from reports.wording import capital, count, estimate, limit, number, probability

_PARTS = {"within": "Within authorities", "between": "Between authorities"}


def timeliness_panels(run: Run) -> list[Panel]:
    """Effects against the practical margin, the data behind them, and authorities' own effects."""
    panels = [_effects(run), _cells(run)]
    if any(row["name"] == "la_within_change" for row in run.spec.get("estimands", [])):
        panels.append(_authorities(run))
    return panels


def _option(run: Run, name: str) -> Any:
    rows = [row["value"] for row in run.spec.get("options", []) if row.get("name") == name]
    return rows[0] if rows else None


def plot_effects(rows: pd.DataFrame, margin: float, unit: str) -> Figure:
    """Effects (``part, mean, lower, upper, p``) as bars over the band of no practical effect."""
    figure, axes = new_figure(1.5 + 0.55 * len(rows))
    place = np.arange(len(rows))[::-1]
    axes.axvspan(-margin, margin, color=GREY_PALE, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(place, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=6)
    axes.scatter(rows["mean"], place, color=ACCENT, s=28, zorder=3)
    axes.set_yticks(place, [_PARTS[part] for part in rows["part"]])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    reach = 1.15 * max(margin, rows[["lower", "upper"]].abs().to_numpy().max())
    axes.set_xlim(-reach, reach)
    for at, p in zip(place, rows["p"], strict=True):
        text = f"P(below margin) {probability(p)}"
        axes.text(0.995, at + 0.28, text, transform=axes.get_yaxis_transform(), ha="right", size=8)
    axes.set_xlabel(f"Change of re-referral, {unit}")
    axes.grid(True, axis="x")
    return figure


def _effects(run: Run) -> Panel:
    key, title = "effect", "Effect of timeliness against the practical margin"
    margin = _option(run, "margin")
    rows = []
    for part in _PARTS:
        change = run.estimand(f"{part}_change")
        p = run.estimand(f"p_{part}_below_margin")
        if len(change) and len(p):
            row = dict(change.iloc[0])
            rows.append(row | {"part": part, "p": float(p["mean"].iloc[0])})
    if not rows or margin is None:
        return not_assessed(key, title, "the run holds no effect or no margin")
    table, unit = pd.DataFrame(rows), str(rows[0]["unit"])
    shows = " ".join(
        f"{_PARTS[row['part']]}: {estimate(row)}; probability {probability(row['p'])} that it is "
        f"less than {limit(margin)} {'point' if float(margin) == 1 else 'points'} either way."
        for row in rows
    )
    return Panel(
        key,
        title,
        plot_effects(table, float(margin), unit),
        alt="Effects within and between authorities with intervals over the band of no practical "
        "effect.",
        read="Points are posterior means, bars intervals. The grey band holds effects too small to "
        "matter in practice. Left of zero, timelier work goes with fewer re-referrals. 'No "
        "practical effect' needs a probability of at least 0.9 inside the band.",
        shows=shows,
        interval=run.interval,
    )


def plot_cells(percent: np.ndarray, share: np.ndarray, las: np.ndarray) -> Figure:
    """Re-referral against timeliness: LA-years, pale, and means of authorities."""
    figure, axes = new_figure(3.6)
    axes.scatter(percent, share, color=ACCENT_SOFT, s=7, alpha=0.5, label="authority in a year")
    means = pd.DataFrame({"x": percent, "y": share}).groupby(las).mean()
    axes.scatter(means["x"], means["y"], color=OBSERVED, s=14, zorder=3, label="authority's mean")
    axes.set_xlabel("Done on time, per cent")
    axes.set_ylabel("Re-referrals per 100 referrals")
    start_at_zero(axes)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _cells(run: Run) -> Panel:
    key, title = "timeliness_cells", "Re-referral and timeliness as published"
    percent, cells = run.variable("constant_data", "percent_on_time"), run.cells
    if percent is None or cells is None:
        return not_assessed(key, title, "the trace holds no timeliness")
    share = (100 * cells["y"] / cells["exposure"]).to_numpy()
    within = cells.assign(x=percent, y=share).groupby("year")[["x", "y"]]
    moved = pd.DataFrame({"x": percent, "y": share}) - within.transform("mean").to_numpy()
    # Without spread in either there is no correlation to give.
    said = "one of the two does not vary"
    if (moved.std() > 0).all():
        r = np.corrcoef(moved["x"], moved["y"])[0, 1]
        said = f"correlation {number(r, places=2)} once years are taken out"
    return Panel(
        key,
        title,
        plot_cells(np.asarray(percent, float), share, cells["la"].to_numpy()),
        alt="Scatter of re-referral shares against the share of work done on time.",
        read="Each pale point is one authority in one year, each dark one an authority's mean. "
        "Suppressed counts stand at the middle of their interval.",
        shows=f"{count(len(cells))} authority-years: {said}.",
        numbers=cells[["la", "name", "year"]].assign(done_on_time=percent, re_referrals=share),
    )


def _authorities(run: Run) -> Panel:
    key, title = "la_within_change", "Effect within each authority"
    rows = run.estimand(key)
    if rows.empty:
        return not_assessed(key, title, f"estimands.csv holds no {key}")
    names = [run.la_name(code) for code in rows["la"]]
    unit = str(rows["unit"].iloc[0])
    fewer, more = int((rows["upper"] < 0).sum()), int((rows["lower"] > 0).sum())
    return Panel(
        key,
        title,
        plot_caterpillar(
            rows,
            names,
            f"Change of re-referral,\n{capital(unit).replace(' per ', '\nper ', 1)}",
            reference=0.0,
            reference_label="no effect",
        ),
        alt=f"Effects within {len(rows)} authorities from lowest to highest with intervals.",
        read="Each authority is a point (posterior mean) with its interval, drawn towards the mean "
        "effect; dark ones are clear of zero.",
        shows=f"Of {count(len(rows))} authorities, {count(fewer)} clearly have fewer and "
        f"{count(more)} clearly more re-referrals in their timelier years.",
        interval=run.interval,
    )
