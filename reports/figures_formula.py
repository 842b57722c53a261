"""Answer figures of ``formula``: what goes with each term, and where authorities stand."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import (
    ACCENT,
    ACCENT_SOFT,
    INK,
    Panel,
    count_axis,
    folded,
    new_figure,
    not_assessed,
)
from reports.figures_trend import plot_caterpillar
from reports.run_folder import Run
from reports.wording import capital, count, estimate, listing, within_sentence

# Rows that one figure holds; the table has all.
MOST_ROWS = 24


def formula_panels(run: Run) -> list[Panel]:
    """Changes with each term, and authorities where their levels vary."""
    declared = {row["name"] for row in run.spec.get("estimands", [])}
    panels = [_effects(run)] if "effect" in declared else []
    if "la_mean" in declared:
        panels.append(_authorities(run))
    return panels


def plot_effects(rows: pd.DataFrame, names: list[str], unit: str) -> Figure:
    """Changes with their intervals, one row each, in the order of the formula."""
    figure, axes = new_figure(1.1 + 0.34 * len(rows))
    place = np.arange(len(rows))[::-1]
    clear = ((rows["lower"] > 0) | (rows["upper"] < 0)).to_numpy()
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.hlines(place, rows["lower"], rows["upper"], color=ACCENT_SOFT, linewidth=6)
    axes.scatter(
        rows["mean"],
        place,
        color=np.where(clear, ACCENT, "white"),
        s=28,
        zorder=3,
        edgecolors=ACCENT,
    )
    axes.set_yticks(place, names)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(capital(unit))
    axes.grid(True, axis="x")
    count_axis(axes.xaxis)
    return figure


def _effects(run: Run) -> Panel:
    key, title = "effect", "What goes with each term"
    rows = run.estimand(key)
    # A step of one unit says the same as one of an sd, on an axis of its own.
    rows = rows[rows["step"] != "1 more"] if "step" in rows else rows
    if rows.empty:
        return not_assessed(key, title, f"estimands.csv holds no {key}")
    shown = rows.head(MOST_ROWS)
    unit, label = str(rows["unit"].iloc[0]), str(rows["label"].iloc[0])
    names = [_name(row) for row in shown.to_dict("records")]
    records: list[Any] = rows.to_dict("records")
    clear = [
        f"{row['term']} ({estimate(row)})"
        for row in records
        if row["lower"] > 0 or row["upper"] < 0
    ]
    says = f"Clear of zero: {listing(clear, 6)}." if clear else "No interval is clear of zero."
    if len(rows) > len(shown):
        says += f" Shown: the first {count(len(shown))} of {count(len(rows))} rows."
    return Panel(
        key,
        title,
        plot_effects(shown, names, f"{within_sentence(label)}, {unit}"),
        alt=f"{label} with each term of the formula, with intervals around a line at zero.",
        read="Each row is one term of the formula and the step that it takes; the point is the "
        "posterior mean of the change that goes with it, the bar its interval. Filled points are "
        "clear of zero. Terms go together as in the data: nothing here was changed by anyone.",
        shows=says,
        interval=run.interval,
    )


def _name(row: Any) -> str:
    return f"{folded(str(row['term']), 40)}\n{row['step']}"


def _authorities(run: Run) -> Panel:
    key, title = "la_mean", "Local authorities"
    rows, mean = run.estimand(key), run.estimand("mean")
    if rows.empty:
        return not_assessed(key, title, f"estimands.csv holds no {key}")
    names = [run.la_name(code) for code in rows["la"]]
    reference = float(mean["mean"].iloc[0]) if len(mean) else None
    order = rows["mean"].to_numpy(dtype=float).argsort()
    lowest, highest = rows.iloc[int(order[0])], rows.iloc[int(order[-1])]
    says = (
        f"Highest is {run.la_name(highest['la'])}, {estimate(dict(highest))}; lowest is "
        f"{run.la_name(lowest['la'])}, {estimate(dict(lowest))}."
    )
    if reference is not None:
        above, below = (rows["lower"] > reference).sum(), (rows["upper"] < reference).sum()
        says += (
            f" {count(above)} of {count(len(rows))} LAs are clearly above the mean of all and "
            f"{count(below)} clearly below."
        )
    return Panel(
        key,
        title,
        plot_caterpillar(
            rows,
            names,
            f"{run.outcome}\n{run.rate_unit}",
            reference=reference,
            reference_label="mean of the cells used",
        ),
        alt=f"Expected values of {len(rows)} LAs from lowest to highest with intervals.",
        read="Each LA is a point (posterior mean over its years) with its interval; dark ones are "
        "clear of the dashed line. Only LAs with an exact number in some year are here.",
        shows=says,
        interval=run.interval,
    )
